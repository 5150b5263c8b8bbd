/* A small CUBE beside a test, with a worker and an API: cube_site.py. */
#ifndef SUPPORT_CUBE_SITE_H
#define SUPPORT_CUBE_SITE_H

#include "tests/support/process.h"

/* Who may ask it. */
#define CUBE_USER     "asker"
#define CUBE_PASSWORD "quite-secret"
#define CUBE_TOKEN    "f00dfacef00dface"

typedef struct cube_site {
    char *folder, *url, *files_root, *tasks; /* owned */
    const char *certificates; /* a folder with server.crt and server.key, where it speaks TLS; NULL: none */
    int port;
    pid_t pid;
} cube_site_t;

/* Its worker takes no tasks yet. `tasks`: the folder of a filesystem broker. Aborts the test if it does not come
 * up. A second time: on the same port, with an empty memory. */
void cube_site_start(cube_site_t *cube, const char *files_root, const char *tasks);
void cube_site_pause(cube_site_t *cube);
void cube_site_stop(cube_site_t *cube);

/* Has it do something, as cube_site.py says. Not over TLS. */
void cube_site_tell(cube_site_t *cube, const char *what);
/* One of its counters: tasks, failures, questions, logins, refused, series. */
int cube_site_count(cube_site_t *cube, const char *counter);
bool cube_site_await(cube_site_t *cube, const char *counter, int at_least);
/* How many different ids the tasks had. */
int cube_site_task_ids(cube_site_t *cube);

#endif

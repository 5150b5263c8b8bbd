/* Files with one place for which their names are looked for: one thread after the other does, for each place. */
#ifndef WRITER_STORAGE_NAMING_H
#define WRITER_STORAGE_NAMING_H

#include <czmq.h>
#include <pthread.h>

typedef struct naming {
    pthread_mutex_t lock;
    pthread_cond_t ended; /* of one path */
    zlist_t *paths;       /* that are looked at just now */
} naming_t;

void naming_init(naming_t *self);
void naming_clear(naming_t *self);

/* Waits while another thread looks at the same path. Nobody else waits for storage here. Give what it returns to
 * naming_end. */
char *naming_begin(naming_t *self, const char *folder, const char *name);
void naming_end(naming_t *self, char *path);

#endif

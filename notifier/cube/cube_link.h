/* One request to CUBE's API and its answer, with libcurl: bounded in time and size, TLS verified, redirects not
 * followed, since they would take the token elsewhere. Gets the token where there is a password. Blocks: for a
 * thread of its own (cube.h). */
#ifndef NOTIFIER_CUBE_CUBE_LINK_H
#define NOTIFIER_CUBE_CUBE_LINK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/settings.h"

/* An answer may be so long, and take so long. */
#define CUBE_ANSWER_MAX_BYTES (256 * 1024)
#define CUBE_TIMEOUT_MS       10000
/* Room for what cube_link_get says. */
#define CUBE_WHY_BYTES 256

typedef struct cube_link cube_link_t;

typedef enum cube_result {
    CUBE_ANSWERED,
    CUBE_AWAY,    /* it is away, slow, or answers nonsense */
    CUBE_REFUSES, /* it does not let this user in, or see series: people must help */
} cube_result_t;

/* The missing settings for CUBE, in words with their names; NULL: none. */
const char *cube_link_missing(const settings_t *settings);

/* NULL if libcurl can't do it. Copies its settings. */
cube_link_t *cube_link_new(const settings_t *settings);
void cube_link_destroy(cube_link_t **self_p);

/* GETs that path below the API's. `body` is valid until the next request. `why`, without a secret: unless the
 * answer was 200. */
cube_result_t cube_link_get(cube_link_t *self, const char *path, const char **body, size_t *size,
                            char why[CUBE_WHY_BYTES]);

/* The process ends: breaks off the request that is under way, and all that follow. For any thread. */
void cube_link_end(cube_link_t *self);

#endif

/* Temporary files that storage did not let this writer remove (EIO, EROFS): they are once storage works again. */
#ifndef WRITER_STORAGE_STUCK_H
#define WRITER_STORAGE_STUCK_H

#include <czmq.h>
#include <pthread.h>

#include "common/log.h"

typedef struct stuck {
    pthread_mutex_t lock; /* never held during a storage call */
    zlist_t *names;       /* at most LEFTOVERS_AT_ONCE */
    log_limit_t said;
} stuck_t;

void stuck_init(stuck_t *self);
void stuck_clear(stuck_t *self);

/* Any thread may call what follows. */

/* Removes the file from the folder of temporary ones, or remembers it. */
void stuck_remove(stuck_t *self, int temporary, const char *name);
/* The same, of a file that may not be there: nothing is said where that fails. */
void stuck_remove_quietly(stuck_t *self, int temporary, const char *name);
/* Tries all that are remembered once more. */
void stuck_retry(stuck_t *self, int temporary);

#endif

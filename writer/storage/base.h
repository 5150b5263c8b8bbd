/* The open part of the files root: the root itself, this run's folder for temporary files, and the list of durable
 * series' folders. Threads borrow it for one operation each. After a replacement of storage it is opened anew, and
 * the old one is closed with its last return. */
#ifndef WRITER_STORAGE_BASE_H
#define WRITER_STORAGE_BASE_H

#include <czmq.h>

#include "writer/storage/root.h"

typedef struct base {
    int root, temporary; /* folders */
    root_place_t place;  /* of the root */
    bool is_nfs;         /* the place of the temporary files, and so of their renames */
    zhashx_t *durable;   /* folders with durable entries in all folders above */
    zhashx_t *owners;    /* series, as texts, of folders (claims.h) */
    size_t users;
} base_t;

/* The present one. */
typedef struct bases {
    root_t root;
    char *id;
    uint64_t incarnation;
    pthread_mutex_t lock;    /* of all that follows; never held during a storage call */
    pthread_mutex_t opening; /* held for opening anew */
    base_t *now;             /* NULL: none is open */
} bases_t;

/* Nothing is open yet. `id` and `incarnation` name the folder for temporary files (temporary.h). */
void bases_init(bases_t *self, const char *files_root, const char *id, uint64_t incarnation);
/* Nobody may have borrowed anything. */
void bases_clear(bases_t *self);

/* Give it back with bases_give_back. NULL: none is open. */
base_t *bases_borrow(bases_t *self) __attribute__((warn_unused_result));
/* Does nothing with NULL. */
void bases_give_back(bases_t *self, base_t **base_p);

/* The borrowed one (or NULL) is of no use: opens anew, unless another thread has already, and borrows the new one.
 * Returns 0, or an errno value and leaves NULL. */
int bases_reopen(bases_t *self, base_t **base_p) __attribute__((warn_unused_result));

/* Whether it has not been replaced. */
bool bases_is_now(bases_t *self, const base_t *base);

/* Which folders' entries need no fsync any more. */
bool bases_is_durable(bases_t *self, const base_t *base, const char *folder);
void bases_made_durable(bases_t *self, base_t *base, const char *folder);

#endif

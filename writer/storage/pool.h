/* Threads that wait for storage instead of the loop, if worth it: on fast storage the loop does the work itself,
 * since a hand-over would cost more than it saves. All functions but a job's own are called by the loop's
 * thread. */
#ifndef WRITER_STORAGE_POOL_H
#define WRITER_STORAGE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pool pool_t;

/* A job, part of something larger; its owner keeps it until it comes back. */
typedef struct job {
    void (*run)(struct job *job); /* in a thread of the pool */
    struct job *next;             /* the pool's */
} job_t;

/* A thread waits for what took storage so long of late; anything faster is done by the loop itself. */
#define POOL_SLOW_US 1000
/* So many of a kind in a row are fast, then they are not watched any more. */
#define POOL_WATCHED 16

/* The kinds of operations, each fast or slow on its own: many a file system takes bytes at once and waits when
 * they are to be durable, and NFS waits when a file is closed. */
typedef enum pool_kind { POOL_WRITE, POOL_COMMIT, POOL_CLOSE, POOL_KINDS } pool_kind_t;

/* At most so many jobs run at once, `threads` of 1 to WRITER_OPERATIONS_MAX, which start with the first jobs. NULL
 * after logging why. */
pool_t *pool_new(size_t threads);
/* All jobs have been taken back. */
void pool_destroy(pool_t **self_p);

/* Something of this kind kept a thread waiting for so long, in any thread. */
void pool_note(pool_t *self, pool_kind_t kind, int64_t took_us);
/* Something of this kind took POOL_SLOW_US or more, and nobody knows whether its thread waited: the next ones are
 * watched. */
void pool_suspect(pool_t *self, pool_kind_t kind);
/* Of each kind: whether it is to be known of the next one if its thread waits, which takes two system calls: such
 * things have been slow of late, or are new. `self` may be NULL: never. */
void pool_watched(const pool_t *self, bool watched[POOL_KINDS]);
/* Whether such things take so long that a thread shall wait for them. `self` may be NULL: never. */
bool pool_is_worth_it(const pool_t *self, pool_kind_t kind);

/* Hands a job over. False: no thread could be started, and the caller does it itself. */
bool pool_submit(pool_t *self, job_t *job) __attribute__((warn_unused_result));

/* The next job that has been run, NULL for none; it is the caller's again. */
job_t *pool_take_done(pool_t *self);

/* To be polled: can be read while jobs have come back. */
int pool_descriptor(const pool_t *self);

/* Jobs that were submitted and not taken. */
size_t pool_outstanding(const pool_t *self);

/* How long all threads have been at work without one job beginning or ending; 0: one is free. */
int64_t pool_held_up_ms(pool_t *self);

#endif

/* The file of one object on its way into storage: its bytes and its end are taken as they come, and written in
 * order, by the loop's thread or by one of the pool, never by two at once. All functions are called by the loop's
 * thread. */
#ifndef WRITER_STORAGE_DEPOSIT_H
#define WRITER_STORAGE_DEPOSIT_H

#include <czmq.h>

#include "writer/storage/pool.h"
#include "writer/storage/store.h"

typedef struct deposit deposit_t;

/* Where the file belongs. */
typedef struct deposit_place {
    const char *folder, *file;
    store_identity_t identity;
} deposit_place_t;

typedef enum deposit_state {
    DEPOSIT_OPEN,   /* more is to come, or storage is at work */
    DEPOSIT_STORED, /* the file has its final place */
    DEPOSIT_FAILED, /* deposit_failure says why, and nothing is left of the file */
} deposit_state_t;

/* `store` and `pool` (NULL: the loop does all) must outlive it, or its rest in the pool. `owner` is for
 * deposit_on_done's caller. */
deposit_t *deposit_new(store_t *store, pool_t *pool, void *owner);
/* Before the first bytes: they count to this peer's (senders.h). */
void deposit_set_sender(deposit_t *self, const char *peer);

/* Where it belongs, once and before its end; copied, with all texts. Bytes may be taken before that. */
void deposit_set_place(deposit_t *self, const deposit_place_t *place);

/* Nobody wants it any more: a file that has no final place yet is removed, now or when storage is done with it. */
void deposit_destroy(deposit_t **self_p);

/* The next bytes of the file. Takes both: `bytes` is freed, `message` is left empty. `credit`: due when these are
 * written, 0 for none. */
void deposit_take(deposit_t *self, void *bytes, size_t size);
void deposit_take_message(deposit_t *self, zmq_msg_t *message, uint64_t credit);
/* These were all. */
void deposit_end(deposit_t *self);

/* Does the next steps, or has the pool do them. */
deposit_state_t deposit_advance(deposit_t *self);

/* A job of the pool has come back. Returns the owner of the deposit that it was of, who shall advance it; NULL
 * where nobody wants that any more. */
void *deposit_on_done(job_t *job);

/* For the end, when nobody owns a deposit any more: takes the deposits back from the pool (NULL: none) and waits
 * for them, at most so long. Returns false if storage still works on some: leave them, pool and store included. */
bool deposits_await(pool_t *pool, int64_t wait_ms) __attribute__((warn_unused_result));

/* The credit of the written bytes, once; 0: none. */
uint64_t deposit_take_credit(deposit_t *self);

/* Once it is stored: how many bytes were written, and where it lies, which need not be the place that was set. */
uint64_t deposit_bytes(const deposit_t *self);
deposit_place_t deposit_place(const deposit_t *self);

/* Of its place; NULL: none. It is known once the file is stored. */
home_t *deposit_home(const deposit_t *self);

/* Gives up the file, with all bytes that were taken, to the caller: it will have another place than this one's.
 * False, and later again, while storage is at work on it; a deposit that has failed or has no file leaves `file`
 * empty. */
bool deposit_take_file(deposit_t *self, store_file_t *file) MUST_SUCCEED;

/* Of DEPOSIT_FAILED: an errno value, and in `step` what failed ("create", "write", "complete"). ECANCELED: it came
 * too late to have its place. */
int deposit_failure(const deposit_t *self, const char **step);

#endif

/* What the suites about custody share: it without a TCP connection, and the inboxes of those it talks to. */
#ifndef LISTENER_CUSTODY_CUSTODY_BENCH_H
#define LISTENER_CUSTODY_CUSTODY_BENCH_H

#include "common/limits.h"
#include "listener/custody/custody.h"

/* A custody without sockets of its own, a writer's inbox that the test reads, and what was answered. */
typedef struct bench {
    char folder[32];
    stage_t stage;
    custody_t custody;
    zsock_t *inboxes[2]; /* of writer-a and writer-b */
    zsock_t *notifier;
    share_t *share; /* of the association that objects are begun on */
    int answers;
    response_t last;
    char comment[65]; /* of the last, whose own is gone */
} bench_t;

bench_t *bench_new(void);
void bench_free(bench_t *bench);

/* A stage says that it lives. */
void bench_alive(bench_t *bench, Ring__Stage stage, const char *id, uint64_t incarnation);
void bench_writer_alive(bench_t *bench, const char *id, uint64_t incarnation);
/* An object of the bench's association, and of another one. */
object_t *bench_begin(bench_t *bench);
object_t *bench_begin_of(bench_t *bench, share_t *share);
void bench_append(object_t *object, size_t size);
/* The next message in an inbox; NULL where none comes within `ms`. Free it. */
Ring__Envelope *bench_next(zsock_t *inbox, int ms, size_t *bytes);
/* Takes chunks until the last of an object, or until none comes within `ms`; returns the bytes and the attempt. */
size_t bench_take_object(zsock_t *inbox, int ms, bool *ended, uint32_t *attempt);
/* Counts what has been answered, as an association would. */
void bench_take_answers(bench_t *bench);
/* What the ring answers. */
void bench_acknowledge(bench_t *bench, uint64_t object, uint32_t status);
void bench_credit(bench_t *bench, const object_t *object, uint64_t taken);

#endif

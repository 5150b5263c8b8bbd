/* What the suites about custody share: it without a TCP connection, and the inboxes of those it talks to. */
#ifndef LISTENER_CUSTODY_CUSTODY_RIG_H
#define LISTENER_CUSTODY_CUSTODY_RIG_H

#include "listener/custody/custody.h"

/* A custody without sockets of its own, a writer's inbox that the test reads, and the answers. */
typedef struct rig {
    char folder[32];
    stage_t stage;
    custody_t custody;
    zsock_t *inboxes[2]; /* of writer-a and writer-b */
    zsock_t *notifier;
    share_t *share;      /* of the association that objects are begun on */
    bool leaves_answers; /* to somebody else */
    int answers;
    response_t last;
    char comment[65]; /* of the last, after its own is gone */
} rig_t;

rig_t *rig_new(void);
void rig_free(rig_t *rig);

/* A stage says that it lives. */
void rig_alive(rig_t *rig, Ring__Stage stage, const char *id, uint64_t incarnation);
void rig_writer_alive(rig_t *rig, const char *id, uint64_t incarnation);
/* An object of the rig's association, and of another one. */
object_t *rig_begin(rig_t *rig);
object_t *rig_begin_of(rig_t *rig, share_t *share);
void rig_append(object_t *object, size_t size);
/* The next message in an inbox; NULL where none comes within `ms`. Free it. */
Ring__Envelope *rig_next(zsock_t *inbox, int ms, size_t *bytes);
/* Takes chunks until the last of an object, or until none comes within `ms`; returns the bytes and the attempt. */
size_t rig_take_object(zsock_t *inbox, int ms, bool *ended, uint32_t *attempt);
/* A whole object of the rig's association. */
void rig_send_object(rig_t *rig, size_t size);
/* A writer (0 or 1) is sent an object to its end; the next message to it is one of these. */
void rig_expect_object(rig_t *rig, int writer, size_t size, uint32_t attempt);
void rig_expect_body(rig_t *rig, int writer, Ring__Envelope__BodyCase body);
/* Counts the answered objects, as an association would. */
void rig_take_answers(rig_t *rig);
/* What a writer says of the object's newest attempt; its series is TOKEN. */
#define TOKEN 4711
void rig_written(rig_t *rig, uint64_t object, uint32_t status);
/* The same of an attempt. */
void rig_written_attempt(rig_t *rig, uint64_t object, uint32_t attempt, uint32_t status);
/* What the notifier says: the series is open for the association in this journal. */
#define JOURNAL 21
void rig_opened(rig_t *rig, uint64_t journal, uint64_t association, uint64_t token);
/* All that the ring answers. */
void rig_finish(rig_t *rig, uint64_t object, uint32_t status);
/* The notifier, with a journal, says that it lives. */
void rig_notifier_alive(rig_t *rig, uint64_t incarnation, uint64_t journal);
void rig_credit(rig_t *rig, const object_t *object, uint64_t taken);

#endif

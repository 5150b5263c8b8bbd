#include "notifier/journal/owed.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/telemetry/span.h"

typedef struct owed_opening {
    uint64_t listener;
    Ring__Opening opening;
    int64_t reception;
    uint64_t series;
} owed_opening_t;

typedef struct owed_lock {
    int64_t reception;
    uint64_t series;
    bool is_over;
} owed_lock_t;

typedef struct owed_end {
    uint64_t listener, association;
} owed_end_t;

typedef struct owed_message {
    enum { OWED_COUNT, OWED_ERROR, OWED_END } kind;
    int64_t reception;
    char *calling_ae, *series_uid, *text; /* owned; text only of errors */
    uint32_t count;
} owed_message_t;

typedef struct journaled {
    trace_context_t object;
    int64_t began_ns;
} journaled_t;

struct owed {
    uint64_t journal;
    replicas_t *replicas;
    owed_opening_t *openings, *unshared; /* the latter are committed, and wait for their locks */
    owed_lock_t *locks;
    owed_end_t *ends;
    owed_message_t *messages;
    journaled_t *journaled;
    size_t journaled_count;
    size_t openings_count, unshared_count, locks_count, ends_count, messages_count;
    bool late, end, wait;
    log_limit_t complained;
};

owed_t *owed_new(uint64_t journal, replicas_t *replicas) {
    owed_t *owed = must(calloc(1, sizeof *owed));
    owed->journal = journal;
    owed->replicas = replicas;
    return owed;
}

void owed_destroy(owed_t **self_p) {
    owed_t *owed = *self_p;
    if (!owed)
        return;
    owed_drop(owed);
    free(owed->openings);
    free(owed->unshared);
    free(owed->locks);
    free(owed->ends);
    free(owed->messages);
    free(owed->journaled);
    free(owed);
    *self_p = NULL;
}

void owed_open(owed_t *owed, uint64_t listener, uint64_t association, uint64_t token, int64_t reception,
               uint64_t series) {
    owed->openings = grown(owed->openings, owed->openings_count, sizeof *owed->openings);
    owed_opening_t *item = &owed->openings[owed->openings_count++];
    item->listener = listener;
    ring__opening__init(&item->opening);
    item->opening.association = association;
    item->opening.token = token;
    item->reception = reception;
    item->series = series;
}

static void owe_lock(owed_t *owed, owed_lock_t lock) {
    owed->locks = grown(owed->locks, owed->locks_count, sizeof *owed->locks);
    owed->locks[owed->locks_count++] = lock;
}

void owed_share(owed_t *owed, int64_t reception, uint64_t series) {
    owe_lock(owed, (owed_lock_t){.reception = reception, .series = series});
}

void owed_let_go(owed_t *owed, int64_t reception) {
    owe_lock(owed, (owed_lock_t){.reception = reception, .is_over = true});
}

void owed_acknowledge_end(owed_t *owed, uint64_t listener, uint64_t association) {
    owed->ends = grown(owed->ends, owed->ends_count, sizeof *owed->ends);
    owed->ends[owed->ends_count++] = (owed_end_t){listener, association};
}

void owed_trace(owed_t *owed, const char *traceparent, uint64_t span) {
    trace_context_t object;
    if (!trace_of_object(&object, traceparent, span))
        return;
    owed->journaled = grown(owed->journaled, owed->journaled_count, sizeof *owed->journaled);
    owed->journaled[owed->journaled_count++] = (journaled_t){object, clock_wall_ns()};
}

void owed_mark_late(owed_t *owed) {
    owed->late = true;
}

bool owed_has_late(const owed_t *owed) {
    return owed->late;
}

void owed_mark_wait(owed_t *owed) {
    owed->wait = true;
}

bool owed_has_wait(const owed_t *owed) {
    return owed->wait;
}

bool owed_has_end(const owed_t *owed) {
    return owed->end;
}

static void owe_message(owed_t *owed, owed_message_t message, const char *calling_ae, const char *series_uid) {
    owed->messages = grown(owed->messages, owed->messages_count, sizeof *owed->messages);
    message.calling_ae = copy_text(calling_ae);
    message.series_uid = copy_text(series_uid);
    owed->messages[owed->messages_count++] = message;
}

void owed_count(owed_t *owed, int64_t reception, const char *calling_ae, const char *series_uid, uint32_t count) {
    owed_message_t message = {.kind = OWED_COUNT, .reception = reception, .count = count};
    owe_message(owed, message, calling_ae, series_uid);
}

void owed_error(owed_t *owed, const char *calling_ae, const char *text) {
    owed_message_t message = {.kind = OWED_ERROR, .text = copy_text(text)};
    owe_message(owed, message, calling_ae, "");
}

void owed_end(owed_t *owed, int64_t reception, const char *calling_ae, const char *series_uid, uint32_t count) {
    owed_message_t message = {.kind = OWED_END, .reception = reception, .count = count};
    owed->end = true;
    owe_message(owed, message, calling_ae, series_uid);
}

/* A queue that is full for want of a listener: the next one has another incarnation and waits for none of it. */
static void tell(owed_t *owed, zsock_t *outbox, const Ring__Envelope *envelope) {
    if (ring_send(outbox, envelope) != 0 && log_seldom(&owed->complained, NULL))
        log_warn(NULL, "the listener does not take its messages: %s", strerror(errno));
}

/* Takes the messages for the first one's listener off the list. */
static void send_opened(owed_t *owed, zsock_t *outbox) {
    Ring__Opened message = RING__OPENED__INIT;
    message.listener = owed->openings[0].listener;
    message.journal = owed->journal;
    message.openings = must(calloc(owed->openings_count, sizeof *message.openings));
    for (size_t i = 0; i < owed->openings_count; i++)
        if (owed->openings[i].listener == message.listener)
            message.openings[message.n_openings++] = &owed->openings[i].opening;
    tell(owed, outbox, &RING_ENVELOPE(OPENED, opened, &message));
    free(message.openings);
    size_t left = 0;
    for (size_t i = 0; i < owed->openings_count; i++)
        if (owed->openings[i].listener != message.listener)
            owed->openings[left++] = owed->openings[i];
    owed->openings_count = left;
}

static void send_ends(owed_t *owed, zsock_t *outbox) {
    Ring__Acknowledged message = RING__ACKNOWLEDGED__INIT;
    message.listener = owed->ends[0].listener;
    message.associations = must(calloc(owed->ends_count, sizeof *message.associations));
    size_t left = 0;
    for (size_t i = 0; i < owed->ends_count; i++)
        if (owed->ends[i].listener == message.listener)
            message.associations[message.n_associations++] = owed->ends[i].association;
        else
            owed->ends[left++] = owed->ends[i];
    owed->ends_count = left;
    tell(owed, outbox, &RING_ENVELOPE(ACKNOWLEDGED, acknowledged, &message));
    free(message.associations);
}

/* Openings that wait for a lock are put aside. */
static void share_locks(owed_t *owed) {
    size_t left = 0;
    for (size_t i = 0; i < owed->openings_count; i++) {
        owed_opening_t *item = &owed->openings[i];
        if (replicas_share(owed->replicas, item->reception, item->series)) {
            owed->openings[left++] = *item;
            continue;
        }
        owed->unshared = grown(owed->unshared, owed->unshared_count, sizeof *owed->unshared);
        owed->unshared[owed->unshared_count++] = *item;
    }
    owed->openings_count = left;
    for (size_t i = 0; i < owed->locks_count; i++)
        if (owed->locks[i].is_over)
            replicas_let_go(owed->replicas, owed->locks[i].reception);
        else
            (void)!replicas_share(owed->replicas, owed->locks[i].reception, owed->locks[i].series);
}

void owed_tell_shared(owed_t *owed, zsock_t *listener) {
    size_t left = 0;
    for (size_t i = 0; i < owed->unshared_count; i++) {
        owed_opening_t *item = &owed->unshared[i];
        if (replicas_is_awaited(owed->replicas, item->reception))
            owed->unshared[left++] = *item;
        else
            owed_open(owed, item->listener, item->opening.association, item->opening.token, item->reception,
                      item->series);
    }
    owed->unshared_count = left;
    while (owed->openings_count > 0)
        send_opened(owed, listener);
}

static void say(const owed_message_t *owed, progress_t *progress, int64_t now_ms) {
    switch (owed->kind) {
    case OWED_COUNT:
        progress_count(progress, owed->reception, owed->calling_ae, owed->series_uid, owed->count, now_ms);
        break;
    case OWED_ERROR:
        progress_error(progress, owed->calling_ae, owed->text);
        break;
    case OWED_END:
        progress_end(progress, owed->reception, owed->calling_ae, owed->series_uid, owed->count);
        break;
    }
}

void owed_tell(owed_t *owed, zsock_t *listener, progress_t *progress, int64_t now_ms) {
    int64_t committed_ns = owed->journaled_count ? clock_wall_ns() : 0;
    share_locks(owed);
    while (owed->openings_count > 0)
        send_opened(owed, listener);
    while (owed->ends_count > 0)
        send_ends(owed, listener);
    for (size_t i = 0; i < owed->journaled_count; i++)
        span_say(&owed->journaled[i].object, "journal", owed->journaled[i].began_ns, committed_ns);
    for (size_t i = 0; i < owed->messages_count; i++)
        say(&owed->messages[i], progress, now_ms);
    owed_drop(owed);
}

void owed_drop(owed_t *owed) {
    for (size_t i = 0; i < owed->messages_count; i++) {
        free(owed->messages[i].calling_ae);
        free(owed->messages[i].series_uid);
        free(owed->messages[i].text);
    }
    owed->openings_count = owed->locks_count = owed->ends_count = owed->messages_count = owed->journaled_count = 0;
    owed->late = owed->end = owed->wait = false;
}

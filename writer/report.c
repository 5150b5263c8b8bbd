#include "writer/report.h"

#include "common/clock.h"
#include "common/hash.h"
#include "common/memory.h"
#include "common/message.h"

/* Series that objects are gathered of at once. */
#define GATHERED_SERIES_MAX 16

/* Names a series that an association sends. */
typedef struct told {
    uint64_t listener, association, token;
} told_t;

/* Stored objects of one series and association. */
typedef struct gathered {
    told_t of;
    Ring__Stored *message; /* owned, with all that is in it */
} gathered_t;

/* A file that the listener has not been told of yet. */
typedef struct written {
    Ring__ObjectId object;
    uint32_t attempt;
    uint64_t token;
} written_t;

struct report {
    zloop_t *loop;
    zsock_t *listener, *notifier;
    const char *writer_id;
    told_t told[REPORT_SERIES_TOLD];
    size_t told_next;
    gathered_t gathered[GATHERED_SERIES_MAX];
    size_t gathered_count, objects;
    int timer; /* -1: none */
    written_t written[REPORT_ROW_OBJECTS];
    size_t written_count;
    int64_t written_since_us;               /* the first of them */
    size_t turn_objects, last_turn_objects; /* stored ones, in a turn that had any */
};

report_t *report_new(zloop_t *loop, zsock_t *listener, zsock_t *notifier, const char *writer_id) {
    report_t *self = must(calloc(1, sizeof *self));
    self->loop = loop;
    self->listener = listener;
    self->notifier = notifier;
    self->writer_id = writer_id;
    self->timer = -1;
    return self;
}

void report_destroy(report_t **self_p) {
    report_t *self = *self_p;
    if (!self)
        return;
    report_flush(self);
    report_end_turn(self);
    free(self);
    *self_p = NULL;
}

/* --- to the listener -------------------------------------------------------------------------------- */

static void say_written(const report_t *self, const Ring__Written *written) {
    if (ring_send(self->listener, &RING_ENVELOPE(WRITTEN, written, (Ring__Written *)(uintptr_t)written)) == 0)
        return;
    log_context_t context = {.association = written->object->association, .object = written->object->object};
    log_warn(&context, "can't report it to the listener: %s", strerror(errno));
}

static void say_kept(report_t *self) {
    for (size_t i = 0; i < self->written_count; i++) {
        Ring__Written written = RING__WRITTEN__INIT;
        written.object = &self->written[i].object;
        written.attempt = self->written[i].attempt;
        written.token = self->written[i].token;
        say_written(self, &written);
    }
    self->written_count = 0;
}

void report_end_turn(report_t *self) {
    say_kept(self);
    if (self->turn_objects > 0)
        self->last_turn_objects = self->turn_objects;
    self->turn_objects = 0;
}

/* Messages in a row wake ZeroMQ's thread, and the listener, once; single messages, each time. While the listener
 * answers the first half of a turn's objects, this writer is at the second. A peer that is alone has its answer
 * before this turn tidies up. */
static void keep_written(report_t *self, const report_object_t *object, uint64_t token) {
    int64_t now_us = clock_us();
    size_t row = (self->last_turn_objects + 1) / 2;
    self->turn_objects++;
    if (self->written_count == 0)
        self->written_since_us = now_us;
    self->written[self->written_count++] = (written_t){*object->id, object->attempt, token};
    if (!self->loop || self->written_count >= row || self->written_count == REPORT_ROW_OBJECTS ||
        now_us - self->written_since_us >= REPORT_ROW_US)
        say_kept(self);
}

/* --- to the notifier -------------------------------------------------------------------------------- */

/* What this says in vain was for progress alone, or is said again with the object that waits for it. */
static bool say(const report_t *self, const Ring__Envelope *event) {
    bool said = ring_send(self->notifier, event) == 0;
    if (!said)
        log_warn(NULL, "can't send an event to the notifier: %s", strerror(errno));
    return said;
}

static bool is_told(const report_t *self, const told_t *series) {
    for (size_t i = 0; i < REPORT_SERIES_TOLD; i++)
        if (memcmp(&self->told[i], series, sizeof *series) == 0)
            return true;
    return false;
}

static void remember_told(report_t *self, const told_t *series) {
    if (is_told(self, series))
        return;
    self->told[self->told_next] = *series;
    self->told_next = (self->told_next + 1) % REPORT_SERIES_TOLD;
}

static void say_gathered(report_t *self, gathered_t *gathered) {
    if (say(self, &RING_ENVELOPE(STORED, stored, gathered->message)))
        remember_told(self, &gathered->of);
    ring__stored__free_unpacked(gathered->message, NULL);
}

void report_flush(report_t *self) {
    if (self->timer >= 0)
        zloop_timer_end(self->loop, self->timer);
    self->timer = -1;
    for (size_t i = 0; i < self->gathered_count; i++)
        say_gathered(self, &self->gathered[i]);
    self->gathered_count = self->objects = 0;
}

static int on_timer(zloop_t *loop, int timer, void *argument) {
    (void)loop;
    (void)timer;
    report_t *self = argument;
    self->timer = -1;
    report_flush(self);
    return 0;
}

static gathered_t *gather_of(report_t *self, const told_t *series, const report_object_t *object) {
    for (size_t i = 0; i < self->gathered_count; i++)
        if (memcmp(&self->gathered[i].of, series, sizeof *series) == 0)
            return &self->gathered[i];
    if (self->gathered_count == GATHERED_SERIES_MAX)
        report_flush(self);
    gathered_t *gathered = &self->gathered[self->gathered_count++];
    Ring__Stored *message = message_new(&ring__stored__descriptor);
    message->listener = series->listener;
    message->association = series->association;
    message->token = series->token;
    message->calling_ae = copy_text(object->header->calling_ae);
    message->series = message_copy(&object->series->base) /* the object is gone before it is sent */;
    message->writer = copy_text(self->writer_id);
    message->traceparent = copy_text(object->header->traceparent);
    message->objects = must(calloc(REPORT_GATHER_OBJECTS, sizeof *message->objects));
    *gathered = (gathered_t){*series, message};
    return gathered;
}

static void gather(report_t *self, const told_t *series, const report_object_t *object, const char *file,
                   uint64_t bytes) {
    Ring__Stored *message = gather_of(self, series, object)->message;
    Ring__StoredObject *stored = message_new(&ring__stored_object__descriptor);
    stored->object = object->id->object;
    stored->attempt = object->attempt;
    stored->file = copy_text(file);
    stored->bytes = bytes;
    stored->span = object->header->span;
    if (object->spans) {
        stored->spans = message_new(&ring__writer_spans__descriptor);
        *stored->spans = *object->spans;
    }
    message->objects[message->n_objects++] = stored;
    self->objects++;
}

/* A token is never 0, which stands for none. */
static uint64_t token_of(const report_object_t *object) {
    uint64_t hash = hash_text(HASH_BEGIN, object->header->calling_ae);
    hash = hash_end(hash_text(hash_text(hash, object->series->series_instance_uid), object->series->folder));
    return hash ? hash : 1;
}

void report_stored(report_t *self, const report_object_t *object, const char *file, uint64_t bytes) {
    told_t series = {object->id->listener, object->id->association, token_of(object)};
    gather(self, &series, object, file, bytes);
    /* A redelivered object may wait for its series: a notifier may have died with the event. */
    if (object->attempt > 1 || !is_told(self, &series) || self->objects == REPORT_GATHER_OBJECTS)
        report_flush(self);
    else if (self->loop && self->timer < 0)
        self->timer = zloop_timer(self->loop, REPORT_GATHER_MS, 1, on_timer, self);
    keep_written(self, object, series.token);
}

void report_refused(report_t *self, const report_object_t *object, uint32_t status, uint32_t offending_element,
                    const char *comment) {
    Ring__Refused refused = RING__REFUSED__INIT;
    refused.object = (Ring__ObjectId *)(uintptr_t)object->id;
    refused.attempt = object->attempt;
    refused.calling_ae = object->header->calling_ae;
    refused.series_instance_uid = object->series ? object->series->series_instance_uid : (char *)"";
    refused.status = status;
    refused.offending_element = offending_element;
    refused.error_comment = refused.reason = (char *)(uintptr_t)comment;
    refused.writer = (char *)(uintptr_t)self->writer_id;
    refused.traceparent = object->header->traceparent;
    refused.span = object->header->span;
    refused.spans = object->spans;
    (void)say(self, &RING_ENVELOPE(REFUSED, refused, &refused));
    Ring__Written written = RING__WRITTEN__INIT;
    written.object = refused.object;
    written.attempt = object->attempt;
    written.status = status;
    written.offending_element = offending_element;
    written.error_comment = refused.error_comment;
    say_written(self, &written);
}

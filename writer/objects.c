#include "writer/objects.h"

#include "common/limits.h"
#include "common/memory.h"
#include "common/plural.h"

/* Earlier listeners that this writer remembers as gone. */
#define GONE_LISTENERS_MAX 16

/* Of data sets that are inflated, in one turn of the loop: before the next message, and before the next association
 * has its turn. */
#define TURN_INFLATED_BYTES (64 * 1024)

/* Names an object within one listener's life; all objects that are open are of the same listener. */
typedef struct object_key {
    uint64_t association, object;
} object_key_t;

struct objects {
    const incoming_environment_t *environment;
    zsock_t *listener;                 /* outbox */
    zhashx_t *open;                    /* incoming_t by object_key_t */
    uint64_t incarnation;              /* of the listener they came from; 0: none yet */
    uint64_t gone[GONE_LISTENERS_MAX]; /* earlier ones; their last chunks may still wait in the inbox */
    size_t gone_next;
    zlist_t *in_turn; /* numbers of associations with objects to be inflated */
    uint64_t writer;  /* own incarnation; 0: not said */
    uint64_t ignored; /* chunks */
};

/* --- the table -------------------------------------------------------------------------------------- */

static size_t key_hash(const void *item) {
    const object_key_t *key = item;
    return (size_t)((key->association * 31 + key->object) * 0x9E3779B97F4A7C15u >> 16);
}

static int key_compare(const void *first, const void *second) {
    const object_key_t *a = first, *b = second;
    if (a->association != b->association)
        return a->association < b->association ? -1 : 1;
    return (a->object > b->object) - (a->object < b->object);
}

static void *key_copy(const void *item) {
    object_key_t *key = must(malloc(sizeof *key));
    *key = *(const object_key_t *)item;
    return key;
}

static void key_free(void **item_p) {
    free(*item_p);
    *item_p = NULL;
}

static void object_free(void **item_p) {
    incoming_destroy((incoming_t **)item_p);
}

objects_t *objects_new(const incoming_environment_t *environment, zsock_t *listener) {
    objects_t *self = must(calloc(1, sizeof *self));
    self->environment = environment;
    self->listener = listener;
    self->open = zhashx_new();
    zhashx_set_key_hasher(self->open, key_hash);
    zhashx_set_key_comparator(self->open, key_compare);
    zhashx_set_key_duplicator(self->open, key_copy);
    zhashx_set_key_destructor(self->open, key_free);
    zhashx_set_destructor(self->open, object_free);
    self->in_turn = zlist_new();
    return self;
}

void objects_destroy(objects_t **self_p) {
    objects_t *self = *self_p;
    if (!self)
        return;
    if (self->ignored)
        log_info(NULL, "chunks that continued no open object: %llu", (unsigned long long)self->ignored);
    zhashx_destroy(&self->open);
    zlist_destroy(&self->in_turn);
    free(self);
    *self_p = NULL;
}

size_t objects_open(const objects_t *self) {
    return zhashx_size(self->open);
}

uint64_t objects_listener(const objects_t *self) {
    return self->incarnation;
}

/* --- listeners -------------------------------------------------------------------------------------- */

static bool is_gone(const objects_t *self, uint64_t incarnation) {
    for (size_t i = 0; i < GONE_LISTENERS_MAX; i++)
        if (self->gone[i] == incarnation)
            return true;
    return false;
}

/* Whether a message of this listener counts. A listener that has not been heard of replaces the one before, which
 * never gets an answer any more. */
static bool accept_listener(objects_t *self, uint64_t incarnation) {
    if (incarnation == self->incarnation)
        return true;
    if (incarnation == 0 || is_gone(self, incarnation))
        return false;
    if (self->incarnation != 0) {
        log_info(NULL, "the listener was replaced: %zu open %s dropped", zhashx_size(self->open),
                 plural(zhashx_size(self->open), "object is", "objects are"));
        zhashx_purge(self->open);
        self->gone[self->gone_next] = self->incarnation;
        self->gone_next = (self->gone_next + 1) % GONE_LISTENERS_MAX;
    }
    self->incarnation = incarnation;
    return true;
}

/* --- messages --------------------------------------------------------------------------------------- */

static void ignore(objects_t *self, const log_context_t *context, const char *why) {
    self->ignored++;
    log_debug(context, "chunk ignored: %s", why);
}

/* A command set, from which these come, is no longer; the Part 10 header has room for as much. */
static bool header_usable(const Ring__ObjectHeader *header) {
    return header && strlen(header->sop_class_uid) <= COMMAND_SET_MAX_BYTES &&
           strlen(header->sop_instance_uid) <= COMMAND_SET_MAX_BYTES &&
           strlen(header->transfer_syntax_uid) <= COMMAND_SET_MAX_BYTES;
}

/* The object that the chunk continues or begins, or NULL. */
static incoming_t *object_of(objects_t *self, Ring__Chunk *chunk, const log_context_t *context) {
    object_key_t key = {chunk->object->association, chunk->object->object};
    incoming_t *object = zhashx_lookup(self->open, &key);
    if (object && chunk->attempt == incoming_attempt(object)) {
        if (incoming_goes_on_at(object, chunk->offset))
            return object;
        ignore(self, context, "not the next one of its object");
        return NULL;
    }
    if (object && chunk->attempt < incoming_attempt(object)) {
        ignore(self, context, "of an earlier attempt");
        return NULL;
    }
    if (chunk->offset != 0 || !header_usable(chunk->header)) {
        ignore(self, context, "its object has not begun here");
        return NULL;
    }
    if (object)
        zhashx_delete(self->open, &key);
    object = incoming_new(self->environment, chunk);
    zhashx_insert(self->open, &key, object);
    return object;
}

static void give_credit(objects_t *self, const incoming_t *object, uint64_t taken, const log_context_t *context) {
    Ring__Credit credit = RING__CREDIT__INIT;
    credit.object = (Ring__ObjectId *)incoming_id(object);
    credit.attempt = incoming_attempt(object);
    credit.taken = taken;
    if (ring_send(self->listener, &RING_ENVELOPE(CREDIT, credit, &credit)) != 0)
        log_warn(context, "can't give credit to the listener: %s", strerror(errno));
}

/* The meaning of its last step for the listener, and for the table. */
static void finish(objects_t *self, incoming_t *object, incoming_state_t state) {
    const Ring__ObjectId *id = incoming_id(object);
    object_key_t key = {id->association, id->object};
    bool has_ended = incoming_state_is_end(state);
    uint64_t credit = has_ended ? 0 : incoming_take_credit(object);
    if (credit)
        give_credit(self, object, credit, &(log_context_t){.association = key.association, .object = key.object});
    if (has_ended)
        zhashx_delete(self->open, &key);
}

static void await_turn(objects_t *self, uint64_t association) {
    if (!zlist_exists(self->in_turn, (void *)(uintptr_t)association))
        zlist_append(self->in_turn, (void *)(uintptr_t)association);
}

void objects_on_chunk(objects_t *self, Ring__Chunk *chunk, zmq_msg_t *data) {
    if (!chunk->object) {
        ignore(self, NULL, "it names no object");
        return;
    }
    log_context_t context = {.association = chunk->object->association, .object = chunk->object->object};
    if (!accept_listener(self, chunk->object->listener)) {
        ignore(self, &context, "of an earlier listener");
        return;
    }
    if (chunk->writer && self->writer && chunk->writer != self->writer) {
        ignore(self, &context, "for an earlier life of this writer");
        return;
    }
    incoming_t *object = object_of(self, chunk, &context);
    if (!object)
        return;
    incoming_state_t state = incoming_take(object, data, chunk->last, chunk->credit_wanted);
    if (incoming_waits(object))
        await_turn(self, context.association);
    finish(self, object, state);
}

/* --- turns ------------------------------------------------------------------------------------------ */

/* The oldest object of the association that waits; NULL: none does. */
static incoming_t *waiting_of(const objects_t *self, uint64_t association) {
    incoming_t *oldest = NULL;
    for (incoming_t *object = zhashx_first(self->open); object; object = zhashx_next(self->open))
        if (incoming_id(object)->association == association && incoming_waits(object) &&
            (!oldest || incoming_id(object)->object < incoming_id(oldest)->object))
            oldest = object;
    return oldest;
}

bool objects_on_turn(objects_t *self) {
    uint64_t left = TURN_INFLATED_BYTES;
    while (left > 0 && zlist_size(self->in_turn) > 0) {
        void *association = zlist_pop(self->in_turn);
        incoming_t *object = waiting_of(self, (uintptr_t)association);
        if (!object)
            continue;
        zlist_append(self->in_turn, association);
        uint64_t budget = left;
        incoming_state_t state = incoming_inflate(object, &budget);
        uint64_t used = left - budget + HEAD_PIECE_BYTES; /* also what inflates to nothing */
        left -= used < left ? used : left;
        finish(self, object, state);
    }
    return zlist_size(self->in_turn) > 0;
}

void objects_on_done(objects_t *self) {
    pool_t *pool = self->environment->pool;
    /* Without later returns: the inbox shall have its turn. */
    for (size_t left = pool_outstanding(pool); left > 0; left--) {
        job_t *job = pool_take_done(pool);
        incoming_t *object = job ? deposit_on_done(job) : NULL;
        if (object)
            finish(self, object, incoming_go_on(object));
        if (!job)
            return;
    }
}

void objects_on_cancel(objects_t *self, const Ring__Cancel *cancel) {
    if (!cancel->object || cancel->object->listener != self->incarnation)
        return;
    object_key_t key = {cancel->object->association, cancel->object->object};
    incoming_t *object = zhashx_lookup(self->open, &key);
    if (!object || incoming_attempt(object) != cancel->attempt)
        return;
    log_debug((&(log_context_t){.association = key.association, .object = key.object}), "canceled");
    zhashx_delete(self->open, &key);
}

void objects_renew(objects_t *self, uint64_t writer) {
    self->writer = writer;
    zhashx_purge(self->open);
}

void objects_on_released(objects_t *self, uint64_t listener) {
    if (listener != self->incarnation || zhashx_size(self->open) == 0)
        return;
    log_info(NULL, "%zu open %s without this writer and dropped", zhashx_size(self->open),
             plural(zhashx_size(self->open), "object was answered", "objects were answered"));
    zhashx_purge(self->open);
}

void objects_drop_unfinished(objects_t *self) {
    size_t dropped = 0;
    for (incoming_t *object = zhashx_first(self->open); object;) {
        bool is_whole = incoming_is_whole(object);
        if (!is_whole) {
            object_key_t key = {incoming_id(object)->association, incoming_id(object)->object};
            zhashx_delete(self->open, &key);
            dropped++;
        }
        object = is_whole ? zhashx_next(self->open) : zhashx_first(self->open);
    }
    if (dropped > 0)
        log_info(NULL, "%zu open %s dropped: nobody will finish %s", dropped,
                 plural(dropped, "object is", "objects are"), plural(dropped, "it", "them"));
}

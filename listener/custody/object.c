/* One object in custody: from its begin to its end, and the bytes between. */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/memory.h"
#include "listener/custody/custody.h"
#include "listener/custody/private.h"

object_t *object_begin(custody_t *custody, share_t *share, const Ring__ObjectHeader *header, void *owner) {
    object_t *object = must(calloc(1, sizeof *object));
    object->custody = custody;
    object->share = share;
    share->holders++;
    object->owner = owner;
    object->context = (log_context_t){.association = share->association, .object = ++custody->objects_begun};
    object->header = (Ring__ObjectHeader)RING__OBJECT_HEADER__INIT;
    object->header.calling_ae = copy_text(header->calling_ae);
    object->header.called_ae = copy_text(header->called_ae);
    object->header.sop_class_uid = copy_text(header->sop_class_uid);
    object->header.sop_instance_uid = copy_text(header->sop_instance_uid);
    object->header.transfer_syntax_uid = copy_text(header->transfer_syntax_uid);
    object->header.peer = copy_text(header->peer);
    object->header.traceparent = copy_text(header->traceparent);
    object->header.span = header->span;
    object->whole = true;
    object->progress_ms = clock_ms();
    TAILQ_INIT(&object->chunks);
    TAILQ_INSERT_TAIL(&custody->objects, object, next);
    zhashx_insert(custody->by_number, &object->context.object, object);
    dispatch_assign(object);
    return object;
}

/* So many bytes have been put at the end of the chunk that grows. */
static void grow(object_t *object, size_t size) {
    object->filling->size += size;
    object->received += size;
    if (object->writer)
        object->writer->outstanding_bytes += size;
    if (object->filling->size == CHUNK_BYTES)
        chunk_seal(object);
}

static void go_on(object_t *object) {
    object->progress_ms = clock_ms();
    if (object->received > RETAIN_MAX_BYTES && !object->streaming)
        dispatch_stream(object);
    else if (object->unsent)
        dispatch_pump(object);
}

static chunk_t *room_in(object_t *object, size_t wanted) {
    chunk_t *chunk = object->filling;
    return chunk && chunk->size < chunk->capacity ? chunk : chunk_with_room(object, wanted);
}

void object_append(object_t *object, const uint8_t *bytes, size_t size) {
    if (object->failed)
        return;
    while (size > 0) {
        chunk_t *chunk = room_in(object, size);
        size_t part = chunk->capacity - chunk->size < size ? chunk->capacity - chunk->size : size;
        memcpy(chunk->bytes + chunk->size, bytes, part);
        grow(object, part);
        bytes += part;
        size -= part;
    }
    go_on(object);
}

uint8_t *object_reserve(object_t *object, size_t *room) {
    if (object->failed || object->received == 0)
        return NULL;
    chunk_t *chunk = room_in(object, CHUNK_BYTES);
    *room = chunk->capacity - chunk->size;
    return chunk->bytes + chunk->size;
}

void object_placed(object_t *object, size_t size) {
    grow(object, size);
    go_on(object);
}

void object_finish(object_t *object) {
    object->complete = true;
    object->progress_ms = clock_ms();
    if (object->failed) {
        dispatch_answer(object, object->response);
        return;
    }
    /* The last chunk says that it is the last, so there must be one, if need be an empty one. */
    chunk_seal(object);
    dispatch_pump(object);
}

void object_abandon(object_t *object) {
    dispatch_cancel(object);
    dispatch_withdraw(object);
    object_forget(object);
}

void object_forget(object_t *object) {
    share_drop(object->share);
    free(object->header.calling_ae);
    free(object->header.called_ae);
    free(object->header.sop_class_uid);
    free(object->header.sop_instance_uid);
    free(object->header.transfer_syntax_uid);
    free(object->header.peer);
    free(object->header.traceparent);
    free((void *)object->response.error_comment);
    free(object);
}

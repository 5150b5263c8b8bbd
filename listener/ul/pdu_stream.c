#include "listener/ul/pdu_stream.h"

#include "common/memory.h"

#include <stdlib.h>
#include <string.h>

#define PDV_HEADER_BYTES 6
/* Shorter PDVs are not worth receiving where they stay (placement.h). */
#define PLACED_PDV_LEAST_BYTES 4096
/* The PDV length counts the context id and the message control header (PS3.8 table 9-23). */
#define PDV_OVERHEAD_BYTES 2

static stream_event_t violation(abort_reason_t reason, const char *why) {
    return (stream_event_t){.kind = STREAM_VIOLATION, .reason = reason, .why = why};
}

/* Gathers the `size` bytes that end at `end` in stream->header, however they arrive. */
static bool gather_header(pdu_stream_t *stream, reader_t *input, size_t size, size_t end) {
    size_t missing = size - stream->header_size;
    size_t part = reader_left(input) < missing ? reader_left(input) : missing;
    const uint8_t *bytes = reader_take(input, part);
    if (bytes && part)
        memcpy(stream->header + end - missing, bytes, part);
    stream->header_size = part < missing ? stream->header_size + part : 0;
    return part == missing;
}

static uint32_t header_u32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The longest body of each PDU that is no P-DATA; 0: not for an acceptor. */
static uint32_t body_limit(uint8_t type) {
    switch (type) {
    case PDU_ASSOCIATE_RQ:
        return ASSOCIATE_RQ_MAX_BYTES;
    case PDU_RELEASE_RQ:
    case PDU_RELEASE_RP:
    case PDU_ABORT:
        return 64;
    default:
        return 0;
    }
}

/* Makes room for `size` bytes: memory grows with arrived bytes, not with announced ones. */
static void reserve_body(pdu_stream_t *stream, size_t size) {
    if (size <= stream->body_capacity)
        return;
    size_t capacity = stream->body_capacity ? stream->body_capacity : PDU_BODY_FIRST_BYTES;
    while (capacity < size)
        capacity *= 2;
    stream->body = must(realloc(stream->body, capacity));
    stream->body_capacity = capacity;
}

static stream_event_t begin_pdu(pdu_stream_t *stream) {
    uint8_t type = stream->header[0];
    uint32_t length = header_u32(stream->header + 2);
    if (type < PDU_ASSOCIATE_RQ || type > PDU_ABORT)
        return violation(ABORT_UNRECOGNIZED_PDU,
                         /* The header of a TLS record (RFC 8446 5.1): a handshake, version 3.x. */
                         type == 0x16 && stream->header[1] == 3
                             ? "a TLS handshake instead of a PDU: is it TLS on the port for plain DICOM?"
                             : "a PDU of unknown type");
    stream->type = type;
    stream->pdu_length = stream->pdu_left = length;
    if (type == PDU_P_DATA)
        return (stream_event_t){.kind = STREAM_P_DATA, .length = length};
    if (body_limit(type) == 0)
        return violation(ABORT_UNEXPECTED_PDU, "a PDU that only an acceptor sends");
    if (length > body_limit(type))
        return violation(ABORT_INVALID_PARAMETER, "a PDU longer than any legal one of its type");
    stream->body_size = stream->body_capacity = 0;
    reserve_body(stream, 1);
    return (stream_event_t){.kind = STREAM_NEED_MORE};
}

/* Gathers the body of a PDU that is no P-DATA. */
static bool gather_body(pdu_stream_t *stream, reader_t *input, stream_event_t *event) {
    size_t size = reader_left(input) < stream->pdu_left ? reader_left(input) : stream->pdu_left;
    const uint8_t *bytes = reader_take(input, size);
    if (bytes && size) {
        reserve_body(stream, stream->body_size + size);
        memcpy(stream->body + stream->body_size, bytes, size);
    }
    stream->body_size += size;
    stream->pdu_left -= (uint32_t)size;
    if (stream->pdu_left > 0)
        return false;
    *event = (stream_event_t){
        .kind = STREAM_PDU, .type = stream->type, .bytes = stream->body, .size = stream->body_size};
    stream->type = 0;
    return true;
}

static const char *begin_pdv(pdu_stream_t *stream) {
    const uint8_t *header = stream->header + PDU_HEADER_BYTES;
    uint32_t length = header_u32(header);
    if (length < PDV_OVERHEAD_BYTES)
        return "a PDV shorter than its own header";
    if (length > stream->pdu_left - 4)
        return "a PDV longer than its PDU";
    stream->pdv_length = stream->pdv_left = length - PDV_OVERHEAD_BYTES;
    stream->alone = length == stream->pdu_length - 4;
    stream->context_id = header[4];
    stream->control = header[5];
    stream->pdu_left -= PDV_HEADER_BYTES;
    stream->in_pdv = true;
    return NULL;
}

/* Bytes of the PDV under way; an empty PDV that ends a message is an event, too. */
static bool take_fragment(pdu_stream_t *stream, reader_t *input, stream_event_t *event) {
    size_t size = reader_left(input) < stream->pdv_left ? reader_left(input) : stream->pdv_left;
    const uint8_t *bytes = reader_take(input, size);
    if (!bytes || (size == 0 && stream->pdv_left > 0))
        return false;
    stream->pdv_left -= (uint32_t)size;
    stream->pdu_left -= (uint32_t)size;
    stream->in_pdv = stream->pdv_left > 0;
    *event = (stream_event_t){.kind = STREAM_FRAGMENT,
                              .context_id = stream->context_id,
                              .is_command = stream->control & CONTROL_COMMAND,
                              .ends_message = !stream->in_pdv && (stream->control & CONTROL_LAST),
                              .bytes = bytes,
                              .size = size};
    if (stream->pdu_left == 0)
        stream->type = 0;
    return true;
}

/* Inside a P-DATA PDU. */
static bool next_in_p_data(pdu_stream_t *stream, reader_t *input, stream_event_t *event) {
    if (stream->in_pdv)
        return take_fragment(stream, input, event);
    if (stream->pdu_left == 0) {
        stream->type = 0; /* a P-DATA PDU without any PDV: odd, harmless */
        return false;
    }
    if (stream->pdu_left < PDV_HEADER_BYTES) {
        *event = violation(ABORT_INVALID_PARAMETER, "bytes after the last PDV of a PDU");
        return true;
    }
    if (!gather_header(stream, input, PDV_HEADER_BYTES, P_DATA_HEADER_BYTES))
        return false;
    const char *why = begin_pdv(stream);
    if (why)
        *event = violation(ABORT_INVALID_PARAMETER, why);
    return why != NULL || take_fragment(stream, input, event);
}

stream_event_t pdu_stream_next(pdu_stream_t *stream, reader_t *input) {
    for (stream_event_t event;;) {
        if (stream->type == 0) {
            free(stream->body);
            stream->body = NULL;
            if (!gather_header(stream, input, PDU_HEADER_BYTES, PDU_HEADER_BYTES))
                return (stream_event_t){.kind = STREAM_NEED_MORE};
            event = begin_pdu(stream);
            if (event.kind != STREAM_NEED_MORE)
                return event;
        }
        bool said =
            stream->type == PDU_P_DATA ? next_in_p_data(stream, input, &event) : gather_body(stream, input, &event);
        if (said)
            return event;
        if (stream->type != 0 && reader_left(input) == 0)
            return (stream_event_t){.kind = STREAM_NEED_MORE};
    }
}

bool pdu_stream_foresee(const pdu_stream_t *stream, pdu_run_t *run) {
    if (stream->type != PDU_P_DATA || !stream->in_pdv || (stream->control & CONTROL_COMMAND) ||
        stream->pdv_length < PLACED_PDV_LEAST_BYTES)
        return false;
    run->first = stream->pdv_left;
    run->each = stream->alone && !(stream->control & CONTROL_LAST) ? stream->pdv_length : 0;
    memcpy(run->header, stream->header, P_DATA_HEADER_BYTES);
    return true;
}

bool pdu_stream_advance(pdu_stream_t *stream, const pdu_run_t *run, size_t data, size_t pdus) {
    if (pdus > 0) {
        data -= run->first + (pdus - 1) * run->each;
        stream->pdv_left = stream->pdv_length;
        stream->pdu_left = stream->pdv_length;
    }
    stream->pdv_left -= (uint32_t)data;
    stream->pdu_left -= (uint32_t)data;
    stream->in_pdv = stream->pdv_left > 0;
    if (stream->pdu_left == 0)
        stream->type = 0;
    return !stream->in_pdv && (stream->control & CONTROL_LAST);
}

uint8_t *pdu_stream_take_body(pdu_stream_t *stream) {
    uint8_t *body = stream->body;
    stream->body = NULL;
    return body;
}

bool pdu_stream_inside(const pdu_stream_t *stream) {
    return stream->type != 0 || stream->header_size > 0;
}

void pdu_stream_clear(pdu_stream_t *stream) {
    free(stream->body);
    *stream = (pdu_stream_t){0};
}

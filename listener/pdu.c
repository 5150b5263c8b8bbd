#include "listener/pdu.h"

#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "common/version.h"

enum {
    ITEM_APPLICATION_CONTEXT = 0x10,
    ITEM_PROPOSED_CONTEXT = 0x20,
    ITEM_ANSWERED_CONTEXT = 0x21,
    ITEM_ABSTRACT_SYNTAX = 0x30,
    ITEM_TRANSFER_SYNTAX = 0x40,
    ITEM_USER_INFORMATION = 0x50,
    ITEM_MAX_LENGTH = 0x51,
    ITEM_IMPLEMENTATION_CLASS_UID = 0x52,
    ITEM_IMPLEMENTATION_VERSION_NAME = 0x55,
};

#define TITLES_BYTES 64

/* --- reading ---------------------------------------------------------------------------------------- */

/* Every item and sub-item: type, a reserved byte, a two-byte length (PS3.8 9.3.1). */
static bool item_next(reader_t *items, uint8_t *type, reader_t *body) {
    reader_t r = *items;
    uint8_t reserved;
    uint16_t length;
    if (!reader_u8(&r, type) || !reader_u8(&r, &reserved) || !reader_u16_be(&r, &length) ||
        !reader_part(&r, length, body))
        return false;
    *items = r;
    return true;
}

/* Peers pad UIDs with a NUL, as in data sets, or with spaces. */
static syntax_uid_t read_uid(reader_t body) {
    size_t size = reader_left(&body);
    const char *text = (const char *)body.at;
    while (size > 0 && (text[size - 1] == 0 || text[size - 1] == ' '))
        size--;
    return (syntax_uid_t){text, size};
}

bool uid_is(syntax_uid_t uid, const char *text) {
    return uid.size == strlen(text) && memcmp(uid.text, text, uid.size) == 0;
}

bool transfer_syntax_next(reader_t *items, syntax_uid_t *uid) {
    uint8_t type;
    reader_t body;
    while (item_next(items, &type, &body))
        if (type == ITEM_TRANSFER_SYNTAX) {
            *uid = read_uid(body);
            return true;
        }
    return false;
}

static bool read_context(associate_rq_t *rq, reader_t body) {
    proposed_context_t *context = &rq->contexts[rq->contexts_count];
    *context = (proposed_context_t){0};
    if (!reader_u8(&body, &context->id) || !reader_take(&body, 3))
        return false;
    context->transfer_syntaxes = body;
    uint8_t type;
    reader_t sub;
    while (reader_left(&body) > 0) {
        if (!item_next(&body, &type, &sub))
            return false;
        if (type == ITEM_ABSTRACT_SYNTAX)
            context->abstract_syntax = read_uid(sub);
    }
    rq->contexts_count++;
    return true;
}

static bool read_user_information(associate_rq_t *rq, reader_t body) {
    uint8_t type;
    reader_t sub;
    while (reader_left(&body) > 0) {
        if (!item_next(&body, &type, &sub))
            return false;
        if (type == ITEM_MAX_LENGTH && !reader_u32_be(&sub, &rq->max_pdu_length))
            return false;
    }
    return true;
}

static bool read_item(associate_rq_t *rq, uint8_t type, reader_t body) {
    switch (type) {
    case ITEM_APPLICATION_CONTEXT:
        rq->application_context = read_uid(body);
        return true;
    case ITEM_PROPOSED_CONTEXT:
        return read_context(rq, body);
    case ITEM_USER_INFORMATION:
        return read_user_information(rq, body);
    default:
        return true;
    }
}

/* A context takes at least eight bytes, so their number is bounded by the size of the request. */
static size_t contexts_bound(size_t size) {
    return size / 8 + 1;
}

bool associate_rq_read(associate_rq_t *rq, const uint8_t *bytes, size_t size) {
    *rq = (associate_rq_t){0};
    reader_t r = reader_over(bytes, size);
    if (!reader_u16_be(&r, &rq->protocol_version) || !reader_take(&r, 2) ||
        !(rq->titles = reader_take(&r, TITLES_BYTES)))
        return false;
    rq->contexts = calloc(contexts_bound(size), sizeof *rq->contexts);
    if (!rq->contexts)
        abort();
    uint8_t type;
    reader_t body;
    while (reader_left(&r) > 0) {
        if (!item_next(&r, &type, &body))
            return false;
        if (!read_item(rq, type, body))
            return false;
    }
    return true;
}

void associate_rq_clear(associate_rq_t *rq) {
    free(rq->contexts);
    *rq = (associate_rq_t){0};
}

char *associate_rq_title(const associate_rq_t *rq, int which) {
    const char *title = (const char *)rq->titles + (which ? AE_TITLE_BYTES : 0);
    size_t begin = 0, end = AE_TITLE_BYTES;
    /* Spaces around a title are not significant (PS3.8 9.3.2); some peers pad with NUL. */
    while (end > begin && (title[end - 1] == ' ' || title[end - 1] == 0))
        end--;
    while (begin < end && (title[begin] == ' ' || title[begin] == 0))
        begin++;
    return utf8_from_latin1(title + begin, strnlen(title + begin, end - begin), NULL);
}

/* --- building --------------------------------------------------------------------------------------- */

static uint8_t *put_u16(uint8_t *to, size_t value) {
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
    return to + 2;
}

static uint8_t *put_u32(uint8_t *to, size_t value) {
    return put_u16(put_u16(to, value >> 16), value & 0xFFFF);
}

static uint8_t *put_item(uint8_t *to, uint8_t type, const void *body, size_t size) {
    *to++ = type;
    *to++ = 0;
    to = put_u16(to, size);
    memcpy(to, body, size);
    return to + size;
}

static uint8_t *put_context(uint8_t *to, const answered_context_t *context) {
    /* A refused context carries a transfer syntax, too, which the peer does not look at (PS3.8 9.3.3.2). */
    size_t size = strlen(context->transfer_syntax);
    *to++ = ITEM_ANSWERED_CONTEXT;
    *to++ = 0;
    to = put_u16(to, 4 + 4 + size);
    *to++ = context->id;
    *to++ = 0;
    *to++ = (uint8_t)context->result;
    *to++ = 0;
    return put_item(to, ITEM_TRANSFER_SYNTAX, context->transfer_syntax, size);
}

static uint8_t *put_user_information(uint8_t *to, uint32_t max_pdu_length) {
    uint8_t *length = to + 2;
    *to++ = ITEM_USER_INFORMATION;
    *to++ = 0;
    to += 2;
    uint8_t max[4];
    put_u32(max, max_pdu_length);
    to = put_item(to, ITEM_MAX_LENGTH, max, sizeof max);
    to = put_item(to, ITEM_IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_CLASS_UID, strlen(IMPLEMENTATION_CLASS_UID));
    to = put_item(to, ITEM_IMPLEMENTATION_VERSION_NAME, IMPLEMENTATION_VERSION_NAME,
                  strlen(IMPLEMENTATION_VERSION_NAME));
    put_u16(length, (size_t)(to - length - 2));
    return to;
}

pdu_t associate_ac_build(const associate_rq_t *rq, const answered_context_t *contexts, size_t count,
                         uint32_t max_pdu_length) {
    size_t room = 1024 + count * (12 + UID_MAX_BYTES);
    uint8_t *bytes = malloc(room), *to = bytes;
    if (!bytes)
        abort();
    *to++ = PDU_ASSOCIATE_AC;
    *to++ = 0;
    to += 4; /* the length is known at the end */
    to = put_u16(to, 1);
    to = put_u16(to, 0);
    /* Titles and reserved bytes go back as they came (PS3.8 table 9-17). */
    memcpy(to, rq->titles, TITLES_BYTES);
    to += TITLES_BYTES;
    to = put_item(to, ITEM_APPLICATION_CONTEXT, APPLICATION_CONTEXT_NAME, strlen(APPLICATION_CONTEXT_NAME));
    for (size_t i = 0; i < count; i++)
        to = put_context(to, &contexts[i]);
    to = put_user_information(to, max_pdu_length);
    size_t size = (size_t)(to - bytes);
    put_u32(bytes + 2, size - PDU_HEADER_BYTES);
    return (pdu_t){bytes, size};
}

static void short_pdu_build(uint8_t *out, pdu_type_t type, int a, int b, int c) {
    const uint8_t pdu[SHORT_PDU_BYTES] = {(uint8_t)type, 0, 0, 0, 0, 4, 0, (uint8_t)a, (uint8_t)b, (uint8_t)c};
    memcpy(out, pdu, sizeof pdu);
}

void associate_rj_build(uint8_t out[SHORT_PDU_BYTES], reject_result_t result, reject_source_t source,
                        uint8_t reason) {
    short_pdu_build(out, PDU_ASSOCIATE_RJ, result, source, reason);
}

void release_rp_build(uint8_t out[SHORT_PDU_BYTES]) {
    short_pdu_build(out, PDU_RELEASE_RP, 0, 0, 0);
}

void abort_build(uint8_t out[SHORT_PDU_BYTES], abort_source_t source, abort_reason_t reason) {
    short_pdu_build(out, PDU_ABORT, 0, source, reason);
}

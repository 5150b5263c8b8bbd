#include "listener/ul/pdu.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/utf8.h"

#define TITLES_BYTES 64

/* --- reading ---------------------------------------------------------------------------------------- */

bool transfer_syntax_next(reader_t *items, syntax_uid_t *uid) {
    uint8_t type;
    reader_t body;
    while (item_next(items, &type, &body))
        if (type == ITEM_TRANSFER_SYNTAX) {
            *uid = item_uid(body);
            return true;
        }
    return false;
}

static bool read_context(associate_rq_t *rq, reader_t body) {
    proposed_context_t context = {0};
    if (!reader_u8(&body, &context.id) || !reader_take(&body, 3))
        return false;
    context.transfer_syntaxes = body;
    uint8_t type;
    reader_t sub;
    while (reader_left(&body) > 0) {
        if (!item_next(&body, &type, &sub))
            return false;
        if (type == ITEM_ABSTRACT_SYNTAX)
            context.abstract_syntax = item_uid(sub);
    }
    if (rq->contexts_count < PRESENTATION_CONTEXTS_MAX)
        rq->contexts[rq->contexts_count] = context;
    rq->contexts_count++;
    return true;
}

static bool read_item(associate_rq_t *rq, uint8_t type, reader_t body) {
    switch (type) {
    case ITEM_APPLICATION_CONTEXT:
        rq->application_context = item_uid(body);
        return true;
    case ITEM_PROPOSED_CONTEXT:
        return read_context(rq, body);
    case ITEM_USER_INFORMATION:
        return user_information_read(&rq->user, body);
    default:
        return true;
    }
}

/* A context takes at least eight bytes, so their number is bounded by the size of the request, too. */
static size_t contexts_bound(size_t size) {
    size_t most = size / 8 + 1;
    return most < PRESENTATION_CONTEXTS_MAX ? most : PRESENTATION_CONTEXTS_MAX;
}

bool associate_rq_read(associate_rq_t *rq, const uint8_t *bytes, size_t size) {
    *rq = (associate_rq_t){0};
    reader_t r = reader_over(bytes, size);
    if (!reader_u16_be(&r, &rq->protocol_version) || !reader_take(&r, 2) ||
        !(rq->titles = reader_take(&r, TITLES_BYTES)))
        return false;
    rq->contexts = must(calloc(contexts_bound(size), sizeof *rq->contexts));
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

/* The abstract syntaxes of the accepted contexts; `to` has room for all. */
static size_t list_accepted(const associate_rq_t *rq, const answered_context_t *contexts, syntax_uid_t *to) {
    size_t count = 0;
    for (size_t i = 0; i < rq->contexts_count; i++)
        if (contexts[i].result == CONTEXT_ACCEPTED)
            to[count++] = rq->contexts[i].abstract_syntax;
    return count;
}

pdu_t associate_ac_build(const associate_rq_t *rq, const answered_context_t *contexts, allowance_t allowance) {
    size_t room = 512 + rq->contexts_count * (12 + UID_MAX_BYTES) + USER_INFORMATION_AC_MAX_BYTES;
    uint8_t *bytes = must(malloc(room)), *to = bytes;
    syntax_uid_t *accepted = must(calloc(rq->contexts_count + 1, sizeof *accepted));
    *to++ = PDU_ASSOCIATE_AC;
    *to++ = 0;
    to += 4; /* the length is known at the end */
    to = put_u16(to, 1);
    to = put_u16(to, 0);
    /* Titles and reserved bytes go back as they came (PS3.8 table 9-17). */
    memcpy(to, rq->titles, TITLES_BYTES);
    to += TITLES_BYTES;
    to = put_item(to, ITEM_APPLICATION_CONTEXT, APPLICATION_CONTEXT_NAME, strlen(APPLICATION_CONTEXT_NAME));
    for (size_t i = 0; i < rq->contexts_count; i++)
        to = put_context(to, &contexts[i]);
    to = put_user_information(to, &rq->user, allowance, accepted, list_accepted(rq, contexts, accepted));
    free(accepted);
    size_t size = (size_t)(to - bytes);
    put_u32(bytes + 2, size - PDU_HEADER_BYTES);
    return (pdu_t){bytes, size};
}

static void short_pdu_build(uint8_t *out, pdu_type_t type, int a, int b, int c) {
    const uint8_t pdu[SHORT_PDU_BYTES] = {(uint8_t)type, 0, 0, 0, 0, 4, 0, (uint8_t)a, (uint8_t)b, (uint8_t)c};
    memcpy(out, pdu, sizeof pdu);
}

uint8_t *p_data_header_build(uint8_t out[P_DATA_HEADER_BYTES], size_t size, uint8_t context_id, uint8_t control) {
    const size_t pdv_length = size + 2; /* it counts the context id and the control header, the PDU's itself, too */
    *out++ = PDU_P_DATA;
    *out++ = 0;
    out = put_u32(put_u32(out, pdv_length + 4), pdv_length);
    *out++ = context_id;
    *out++ = control;
    return out;
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

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "listener/ul/pdu_stream.h"

/* What a stream said, joined: fragments of one PDV count as one. */
typedef struct heard {
    char log[4096];
    uint8_t data[4096];
    size_t size;
} heard_t;

static void hear(heard_t *heard, const stream_event_t *e) {
    char line[128] = "";
    switch (e->kind) {
    case STREAM_PDU:
        snprintf(line, sizeof line, "pdu %d of %zu; ", e->type, e->size);
        break;
    case STREAM_P_DATA:
        snprintf(line, sizeof line, "p-data %u; ", e->length);
        break;
    case STREAM_FRAGMENT:
        cr_assert_leq(heard->size + e->size, sizeof heard->data);
        memcpy(heard->data + heard->size, e->bytes, e->size);
        heard->size += e->size;
        if (e->ends_message)
            snprintf(line, sizeof line, "%s %d ends at %zu; ", e->is_command ? "command" : "data", e->context_id,
                     heard->size);
        break;
    case STREAM_VIOLATION:
        snprintf(line, sizeof line, "violation %d; ", e->reason);
        break;
    case STREAM_NEED_MORE:
        break;
    }
    strcat(heard->log, line);
}

/* Feeds the bytes `step` at a time, until they end or the peer is to be aborted. */
static heard_t feed(const uint8_t *bytes, size_t size, size_t step) {
    heard_t heard = {0};
    pdu_stream_t stream = {0};
    bool going = true;
    for (size_t at = 0; at < size && going; at += step) {
        reader_t input = reader_over(bytes + at, size - at < step ? size - at : step);
        for (stream_event_t e; going && (e = pdu_stream_next(&stream, &input)).kind != STREAM_NEED_MORE;) {
            hear(&heard, &e);
            going = e.kind != STREAM_VIOLATION;
        }
    }
    pdu_stream_clear(&stream);
    return heard;
}

#define CHECK(expected, ...)                                                                                       \
    do {                                                                                                           \
        const uint8_t bytes_[] = {__VA_ARGS__};                                                                    \
        for (size_t step_ = 1; step_ <= sizeof bytes_; step_++)                                                    \
            cr_assert_str_eq(feed(bytes_, sizeof bytes_, step_).log, expected, "%zu bytes at a time", step_);      \
    } while (0)

Test(pdu_stream, hands_on_a_command_and_a_data_set_in_one_pdu) {
    CHECK("p-data 17; command 1 ends at 2; data 1 ends at 5; ", /* PDU */ 4, 0, 0, 0, 0, 17, /* command */ 0, 0, 0,
          4, 1, 3, 'c', 'c', /* data */ 0, 0, 0, 5, 1, 2, 'd', 'd', 'd');
}

Test(pdu_stream, joins_a_command_that_is_split_over_pdvs_and_pdus) {
    CHECK("p-data 16; p-data 8; command 3 ends at 6; ", 4, 0, 0, 0, 0, 16, 0, 0, 0, 4, 3, 1, 'a', 'b', 0, 0, 0, 4,
          3, 1, 'c', 'd', 4, 0, 0, 0, 0, 8, 0, 0, 0, 4, 3, 3, 'e', 'f');
}

Test(pdu_stream, notices_an_empty_last_pdv) {
    CHECK("p-data 8; p-data 6; data 1 ends at 2; ", 4, 0, 0, 0, 0, 8, 0, 0, 0, 4, 1, 0, 'x', 'y', 4, 0, 0, 0, 0, 6,
          0, 0, 0, 2, 1, 2);
}

Test(pdu_stream, takes_a_p_data_pdu_without_any_pdv) {
    CHECK("p-data 0; pdu 5 of 4; ", 4, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 4, 0, 0, 0, 0);
}

Test(pdu_stream, refuses_a_pdv_longer_than_its_pdu) {
    CHECK("p-data 8; violation 6; ", 4, 0, 0, 0, 0, 8, 0, 0, 0, 5, 1, 2, 'x', 'y');
    CHECK("p-data 8; violation 6; ", 4, 0, 0, 0, 0, 8, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 'x', 'y');
}

Test(pdu_stream, refuses_a_pdv_shorter_than_its_own_header) {
    CHECK("p-data 8; violation 6; ", 4, 0, 0, 0, 0, 8, 0, 0, 0, 1, 1, 2, 'x', 'y');
    CHECK("p-data 8; violation 6; ", 4, 0, 0, 0, 0, 8, 0, 0, 0, 0, 1, 2, 'x', 'y');
}

Test(pdu_stream, refuses_bytes_after_the_last_pdv) {
    CHECK("p-data 9; data 1 ends at 2; violation 6; ", 4, 0, 0, 0, 0, 9, 0, 0, 0, 4, 1, 2, 'x', 'y', 0);
}

Test(pdu_stream, refuses_unknown_pdus_and_those_of_an_acceptor) {
    CHECK("violation 1; ", 9, 0, 0, 0, 0, 0);
    CHECK("violation 1; ", 0, 0, 0, 0, 0, 0);
    CHECK("violation 2; ", 2, 0, 0, 0, 0, 0);
    CHECK("violation 2; ", 3, 0, 0, 0, 0, 4);
}

Test(pdu_stream, refuses_pdus_longer_than_any_legal_one_of_their_type) {
    CHECK("violation 6; ", 1, 0, 0xFF, 0xFF, 0xFF, 0xFF);
    CHECK("violation 6; ", 5, 0, 0, 0, 1, 0);
}

Test(pdu_stream, takes_memory_for_a_request_as_its_bytes_come) {
    static const uint8_t header[] = {1, 0, 0, 4, 0, 0, 'a'};
    static uint8_t rest[ASSOCIATE_RQ_MAX_BYTES - 1];
    pdu_stream_t stream = {0};
    reader_t input = reader_over(header, sizeof header);
    cr_assert_eq(pdu_stream_next(&stream, &input).kind, STREAM_NEED_MORE);
    cr_assert_leq(stream.body_capacity, PDU_BODY_FIRST_BYTES);
    memset(rest, 'b', sizeof rest);
    input = reader_over(rest, sizeof rest);
    stream_event_t e = pdu_stream_next(&stream, &input);
    cr_assert_eq(e.kind, STREAM_PDU);
    cr_assert_eq(e.size, ASSOCIATE_RQ_MAX_BYTES);
    cr_assert(e.bytes[0] == 'a' && e.bytes[1] == 'b' && e.bytes[e.size - 1] == 'b');
    pdu_stream_clear(&stream);
}

Test(pdu_stream, hands_the_body_of_a_pdu_over_and_goes_on) {
    static const uint8_t bytes[] = {1, 0, 0, 0, 0, 2, 'x', 'y', 5, 0, 0, 0, 0, 4, 0, 0, 0, 0};
    pdu_stream_t stream = {0};
    reader_t input = reader_over(bytes, sizeof bytes);
    cr_assert_eq(pdu_stream_next(&stream, &input).kind, STREAM_PDU);
    uint8_t *body = pdu_stream_take_body(&stream);
    cr_assert_eq(pdu_stream_next(&stream, &input).type, PDU_RELEASE_RQ);
    cr_assert_eq(memcmp(body, "xy", 2), 0);
    free(body);
    pdu_stream_clear(&stream);
}

Test(pdu_stream, needs_no_memory_for_a_pdu_of_4_gigabytes) {
    static uint8_t block[65536];
    pdu_stream_t stream = {0};
    const uint8_t header[] = {4, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFB, 1, 2};
    reader_t input = reader_over(header, sizeof header);
    cr_assert_eq(pdu_stream_next(&stream, &input).kind, STREAM_P_DATA);
    cr_assert_eq(pdu_stream_next(&stream, &input).kind, STREAM_NEED_MORE);
    uint64_t seen = 0;
    bool ended = false;
    while (!ended) {
        uint64_t left = 0xFFFFFFFBu - 2 - seen;
        input = reader_over(block, left < sizeof block ? (size_t)left : sizeof block);
        stream_event_t e = pdu_stream_next(&stream, &input);
        cr_assert_eq(e.kind, STREAM_FRAGMENT);
        seen += e.size;
        ended = e.ends_message;
    }
    cr_assert_eq(seen, 0xFFFFFFFBu - 2);
    cr_assert_not(pdu_stream_inside(&stream));
}

/* PDUs and P-DATA out of a byte stream: however it is cut, the same is read. Input: sizes of pieces, then what a
 * peer sends. */
#include "listener/ul/pdu_stream.h"
#include "tests/fuzz/fuzz.h"

/* Longer inputs are not also read byte by byte, which takes its time. */
#define SINGLE_MAX_BYTES 600

/* The result, independent of the fragments: bytes with their context and kind, ends of messages, PDUs. */
static uint64_t digest_event(uint64_t digest, const stream_event_t *event) {
    const uint8_t about[] = {(uint8_t)event->kind, event->type, event->context_id, event->is_command,
                             (uint8_t)event->reason};
    if (event->kind != STREAM_FRAGMENT) {
        digest = digest_add(digest, about, sizeof about);
        return digest_add(digest_add(digest, &event->length, sizeof event->length), event->bytes, event->size);
    }
    for (size_t i = 0; i < event->size; i++)
        digest = digest_add(digest_add(digest, about, sizeof about), event->bytes + i, 1);
    return event->ends_message ? digest_add(digest, "end", 3) : digest;
}

static uint64_t read_all(const uint8_t *bytes, size_t size, pieces_t pieces) {
    pdu_stream_t stream = {0};
    uint64_t digest = DIGEST_BEGIN;
    bool violated = false;
    for (size_t at = 0, piece; at < size && !violated; at += piece) {
        piece = piece_next(&pieces, size - at);
        /* A copy, so that a read past the piece is seen. */
        uint8_t *copy = malloc(piece);
        for (size_t i = 0; i < piece; i++)
            copy[i] = bytes[at + i];
        reader_t input = reader_over(copy, piece);
        while (!violated) {
            size_t left = reader_left(&input);
            stream_event_t event = pdu_stream_next(&stream, &input);
            CHECK(reader_left(&input) <= left);
            if (event.kind == STREAM_NEED_MORE)
                break;
            CHECK(event.kind != STREAM_FRAGMENT || event.size <= left);
            violated = event.kind == STREAM_VIOLATION;
            CHECK(!violated || event.why);
            digest = digest_event(digest, &event);
        }
        CHECK(violated || reader_left(&input) == 0);
        free(copy);
    }
    bool inside = !violated && pdu_stream_inside(&stream);
    pdu_stream_clear(&stream);
    return digest_add(digest, &inside, sizeof inside);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < PIECE_SIZES)
        return 0;
    const uint8_t *bytes = data + PIECE_SIZES;
    static const uint8_t single[] = {1};
    uint64_t whole = read_all(bytes, size - PIECE_SIZES, (pieces_t){0});
    CHECK(whole == read_all(bytes, size - PIECE_SIZES, (pieces_t){data, PIECE_SIZES, 0}));
    if (size < SINGLE_MAX_BYTES)
        CHECK(whole == read_all(bytes, size - PIECE_SIZES, (pieces_t){single, 1, 0}));
    return 0;
}

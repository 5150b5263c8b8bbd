/* Message heads of the ring: a decoded one can be packed, and decoded again to the same. Input: a head. */
#include <string.h>

#include "proto/ring.h"
#include "tests/fuzz/fuzz.h"

static uint8_t *pack(const Ring__Envelope *envelope, size_t *size) {
    *size = ring__envelope__get_packed_size(envelope);
    uint8_t *bytes = malloc(*size + 1);
    CHECK(ring__envelope__pack(envelope, bytes) == *size);
    return bytes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Ring__Envelope *envelope = ring_unpack(data, size);
    if (!envelope)
        return 0;
    size_t first_size, second_size;
    uint8_t *first = pack(envelope, &first_size);
    Ring__Envelope *again = ring_unpack(first, first_size);
    if (again) { /* protobuf-c packs an unknown field of number 0, which it took, so that it does not take it again
                  */
        CHECK(again->body_case == envelope->body_case);
        uint8_t *second = pack(again, &second_size);
        CHECK(first_size == second_size && memcmp(first, second, first_size) == 0);
        ring__envelope__free_unpacked(again, NULL);
        free(second);
    }
    ring__envelope__free_unpacked(envelope, NULL);
    free(first);
    return 0;
}

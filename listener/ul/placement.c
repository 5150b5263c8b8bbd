#include "listener/ul/placement.h"

#include <string.h>

static void add_piece(placement_t *p, void *bytes, size_t size) {
    p->pieces[p->count++] = (struct iovec){.iov_base = bytes, .iov_len = size};
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

bool placement_plan(placement_t *p, const pdu_stream_t *stream, object_t *object, size_t room) {
    if (!pdu_stream_foresee(stream, &p->run))
        return false;
    size_t free_bytes;
    uint8_t *to = object_reserve(object, &free_bytes);
    if (!to)
        return false;
    room = least(room, free_bytes);
    p->count = p->pdus = 0;
    size_t size = least(room, p->run.first);
    add_piece(p, to, size);
    for (to += size, room -= size; p->run.each && room > 0 && p->pdus < PLACED_PDUS_MAX; to += size, room -= size) {
        size = least(room, p->run.each);
        add_piece(p, p->headers[p->pdus++], P_DATA_HEADER_BYTES);
        add_piece(p, to, size);
    }
    return true;
}

/* How many PDUs began as foreseen in `size` bytes; how much data is in its place, and in how many pieces all that
 * is. */
static size_t pdus_as_foreseen(const placement_t *p, size_t size, size_t *placed, size_t *pieces) {
    *placed = least(size, p->pieces[0].iov_len);
    *pieces = 1;
    size -= *placed;
    size_t pdus = 0;
    while (pdus < p->pdus && size >= P_DATA_HEADER_BYTES &&
           memcmp(p->headers[pdus], p->run.header, P_DATA_HEADER_BYTES) == 0) {
        size_t data = least(size - P_DATA_HEADER_BYTES, p->pieces[*pieces + 1].iov_len);
        *placed += data;
        *pieces += 2;
        size -= P_DATA_HEADER_BYTES + data;
        pdus++;
    }
    return pdus;
}

placed_t placement_finish(const placement_t *p, pdu_stream_t *stream, size_t size, uint8_t *others) {
    placed_t placed = {0};
    size_t piece, pdus = pdus_as_foreseen(p, size, &placed.size, &piece);
    size -= placed.size + pdus * P_DATA_HEADER_BYTES;
    for (; placed.others < size; piece++) {
        size_t part = least(size - placed.others, p->pieces[piece].iov_len);
        memcpy(others + placed.others, p->pieces[piece].iov_base, part);
        placed.others += part;
    }
    placed.ends_object = pdu_stream_advance(stream, &p->run, placed.size, pdus);
    return placed;
}

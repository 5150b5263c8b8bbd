#include "tests/support/mutation.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define VERIFICATION   "1.2.840.10008.1.1"
#define PDUS_MAX       48
#define MUTATIONS_MAX  6
#define HEADER_BYTES   6
#define OBJECT_BYTES   3000 /* pixels of an object, at most */
#define FRAGMENT_BYTES 1200

/* --- random numbers (SplitMix64) ------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state) {
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static size_t below(uint64_t *state, size_t bound) {
    return bound ? (size_t)(next_random(state) % bound) : 0;
}

static bool one_in(uint64_t *state, size_t n) {
    return below(state, n) == 0;
}

/* --- what an honest peer sends, PDU by PDU ----------------------------------------------------------------- */

typedef struct pdus {
    bytes_t pdu[PDUS_MAX];
    size_t count;
} pdus_t;

static void add_pdu(pdus_t *pdus, uint8_t type, const void *body, size_t size) {
    if (pdus->count == PDUS_MAX)
        return;
    bytes_t *pdu = &pdus->pdu[pdus->count++];
    bytes_add(
        pdu,
        (uint8_t[]){type, 0, (uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size},
        HEADER_BYTES);
    bytes_add(pdu, body, size);
}

static void add_short(pdus_t *pdus, uint8_t type) {
    add_pdu(pdus, type, "\0\0\0\0", 4);
}

static void add_request(pdus_t *pdus, const char *calling, uint16_t version) {
    static const scu_context_t contexts[] = {
        {1, MR_STORAGE, {EXPLICIT_LE}},  {3, VERIFICATION, {IMPLICIT_LE}}, {5, "1.2.3.4.5", {IMPLICIT_LE}},
        {7, CT_STORAGE, {IMPLICIT_LE}},  {9, MR_STORAGE, {DEFLATED_LE}},   {11, NULL, {EXPLICIT_BE}},
        {13, MR_STORAGE, {EXPLICIT_BE}},
    };
    if (pdus->count == PDUS_MAX)
        return;
    pdus->pdu[pdus->count++] =
        scu_associate_rq(&(scu_request_t){.calling = calling,
                                          .contexts = contexts,
                                          .contexts_count = sizeof contexts / sizeof *contexts,
                                          .protocol_version = version});
}

/* A message part as P-DATA of one or several PDVs each. */
static void add_p_data(pdus_t *pdus, uint8_t context_id, uint8_t control, const bytes_t *bytes, size_t fragment) {
    for (size_t at = 0; at == 0 || at < bytes->size;) {
        size_t part = bytes->size - at < fragment ? bytes->size - at : fragment;
        bool last = at + part == bytes->size;
        bytes_t pdv = {0};
        scu_add_pdv(&pdv, context_id, (uint8_t)(control | (last ? 2 : 0)), bytes->at + at, part);
        add_pdu(pdus, 4, pdv.at, pdv.size);
        bytes_free(&pdv);
        at += part ? part : 1;
    }
}

static void add_echo(pdus_t *pdus) {
    bytes_t command = scu_echo_command(1);
    add_p_data(pdus, 3, 1, &command, 65536);
    bytes_free(&command);
}

static void add_store(pdus_t *pdus, uint64_t *state, uint8_t context_id, size_t fragment) {
    static const char *const syntaxes[] = {
        [1] = EXPLICIT_LE, [7] = IMPLICIT_LE, [9] = EXPLICIT_LE, [13] = EXPLICIT_BE};
    char instance[64], series[64];
    snprintf(instance, sizeof instance, "1.2.826.0.1.3680043.9.9999.8.%zu", below(state, 50));
    snprintf(series, sizeof series, "1.2.826.0.1.3680043.9.9999.9.%zu", below(state, 5));
    const char *sop_class = context_id == 7 ? CT_STORAGE : MR_STORAGE;
    bytes_t command = scu_store_command(sop_class, instance, (uint16_t)next_random(state));
    bytes_t set = dataset_instance(syntaxes[context_id], series, instance, 1, below(state, OBJECT_BYTES));
    if (context_id == 9) {
        bytes_t deflated = dataset_deflate(&set);
        bytes_free(&set);
        set = deflated;
    }
    add_p_data(pdus, context_id, 1, &command, 65536);
    add_p_data(pdus, context_id, 0, &set, fragment);
    bytes_free(&command);
    bytes_free(&set);
}

static void add_message(pdus_t *pdus, uint64_t *state) {
    static const uint8_t storage[] = {1, 7, 9, 13};
    if (one_in(state, 4)) {
        add_echo(pdus);
    } else if (one_in(state, 6)) {
        static const uint16_t fields[] = {0x0020, 0x0021, 0x0010, 0x0FFF, 0x8001, 0x0100, 0x0130};
        bytes_t command = scu_command(fields[below(state, 7)], MR_STORAGE, 9, false);
        add_p_data(pdus, 1, 1, &command, 65536);
        bytes_free(&command);
    } else {
        add_store(pdus, state, storage[below(state, 4)], 1 + below(state, FRAGMENT_BYTES));
    }
}

static void add_session(pdus_t *pdus, uint64_t *state) {
    static const char *const titles[] = {"HOSTILE", "", "A\\B..", "  X  ", "\xC4\xD6\xDC", "ABCDEFGHIJKLMNOP"};
    add_request(pdus, titles[below(state, 6)], (uint16_t)(one_in(state, 20) ? 2 : 1));
    for (size_t messages = below(state, 4); messages > 0; messages--)
        add_message(pdus, state);
    if (one_in(state, 6))
        add_short(pdus, 7);
    else if (!one_in(state, 4))
        add_short(pdus, 5);
}

/* --- changes ----------------------------------------------------------------------------------------------- */

static void remove_pdu(pdus_t *pdus, size_t at) {
    bytes_free(&pdus->pdu[at]);
    memmove(&pdus->pdu[at], &pdus->pdu[at + 1], (pdus->count - at - 1) * sizeof *pdus->pdu);
    pdus->pdu[--pdus->count] = (bytes_t){0};
}

static void repeat_pdu(pdus_t *pdus, size_t at) {
    if (pdus->count == PDUS_MAX)
        return;
    bytes_t *copy = &pdus->pdu[pdus->count++];
    bytes_add(copy, pdus->pdu[at].at, pdus->pdu[at].size);
}

/* PDUs as a whole. */
static void mutate_order(pdus_t *pdus, uint64_t *state) {
    size_t a = below(state, pdus->count), b = below(state, pdus->count);
    bytes_t kept = pdus->pdu[a];
    switch (below(state, 4)) {
    case 0:
        pdus->pdu[a] = pdus->pdu[b];
        pdus->pdu[b] = kept;
        break;
    case 1:
        remove_pdu(pdus, a);
        break;
    case 2:
        repeat_pdu(pdus, a);
        break;
    default:
        add_short(pdus, (uint8_t)below(state, 10)); /* also types that there are not */
    }
}

static void overwrite_u32(bytes_t *b, size_t at, uint32_t value) {
    for (size_t i = 0; i < 4 && at + i < b->size; i++)
        b->at[at + i] = (uint8_t)(value >> (24 - 8 * i));
}

/* A length: of a PDU, of its first PDV or item, or what happens to lie somewhere. */
static void mutate_length(bytes_t *pdu, uint64_t *state) {
    static const uint32_t lengths[] = {0, 1, 2, 3, 5, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF, 0x10000};
    size_t at = one_in(state, 3) ? 2 : one_in(state, 2) ? HEADER_BYTES : below(state, pdu->size);
    uint32_t near = (uint32_t)(pdu->size - HEADER_BYTES + below(state, 5) - 2);
    overwrite_u32(pdu, at, one_in(state, 2) ? near : lengths[below(state, 10)]);
}

static void mutate_bytes(bytes_t *pdu, uint64_t *state) {
    size_t at = below(state, pdu->size), size = 1 + below(state, 16);
    if (size > pdu->size - at)
        size = pdu->size - at;
    switch (below(state, 5)) {
    case 0:
        pdu->at[at] ^= (uint8_t)(1u << below(state, 8));
        break;
    case 1:
        for (size_t i = 0; i < size; i++)
            pdu->at[at + i] = (uint8_t)next_random(state);
        break;
    case 2: /* lost */
        memmove(pdu->at + at, pdu->at + at + size, pdu->size - at - size);
        pdu->size -= size;
        break;
    case 3: /* truncated */
        pdu->size = at;
        break;
    default: /* spliced: a piece of itself once more at its end */
        bytes_add(pdu, (uint8_t[16]){0}, size);
        memmove(pdu->at + pdu->size - size, pdu->at + at, size);
    }
}

static void mutate(pdus_t *pdus, uint64_t *state) {
    for (size_t changes = 1 + below(state, MUTATIONS_MAX); changes > 0 && pdus->count > 0; changes--) {
        bytes_t *pdu = &pdus->pdu[below(state, pdus->count)];
        if (one_in(state, 4))
            mutate_order(pdus, state);
        else if (pdu->size > HEADER_BYTES && one_in(state, 3))
            mutate_length(pdu, state);
        else if (pdu->size > 0)
            mutate_bytes(pdu, state);
    }
}

/* --- sessions ---------------------------------------------------------------------------------------------- */

static session_t join(pdus_t *pdus) {
    session_t session = {0};
    for (size_t i = 0; i < pdus->count; i++) {
        bytes_add(&session.sent, pdus->pdu[i].at, pdus->pdu[i].size);
        bytes_free(&pdus->pdu[i]);
    }
    return session;
}

session_t session_mutated(uint64_t number) {
    uint64_t state = number;
    pdus_t pdus = {0};
    add_session(&pdus, &state);
    if (!one_in(&state, 10))
        mutate(&pdus, &state);
    session_t session = join(&pdus);
    if (one_in(&state, 8))
        session.sent.size = below(&state, session.sent.size);
    if (one_in(&state, 50)) { /* not DICOM at all */
        uint64_t garbage = next_random(&state);
        for (size_t i = 0; i < session.sent.size; i++)
            session.sent.at[i] = (uint8_t)next_random(&garbage);
    }
    session.pause_at = below(&state, session.sent.size + 1);
    session.end = (session_end_t)below(&state, SESSION_ENDS);
    return session;
}

/* A session that stops within its last PDU. */
static session_t cut(pdus_t *pdus, session_end_t end) {
    bytes_t *last = &pdus->pdu[pdus->count - 1];
    last->size /= 2;
    session_t session = join(pdus);
    session.end = end;
    return session;
}

static session_t whole(pdus_t *pdus, session_end_t end) {
    session_t session = join(pdus);
    session.end = end;
    return session;
}

/* Before there is an association. */
static session_t bad_begin(uint64_t kind, pdus_t *pdus) {
    switch (kind) {
    case 0:
        return whole(pdus, END_CLOSE);
    case 1:
        return whole(pdus, END_RESET);
    case 2:
        add_request(pdus, "BAD", 1);
        return cut(pdus, END_CLOSE);
    case 3:
        add_request(pdus, "BAD", 1);
        return cut(pdus, END_RESET);
    case 4:
        add_echo(pdus);
        return whole(pdus, END_HALF_CLOSE);
    case 5:
        add_pdu(pdus, 'G', "ET / HTTP/1.1\r\n\r\n", 17);
        return whole(pdus, END_CLOSE);
    case 6:
        add_request(pdus, "BAD", 2);
        return whole(pdus, END_HALF_CLOSE);
    default:
        add_request(pdus, "BAD", 1);
        return whole(pdus, END_RESET);
    }
}

/* After the A-ASSOCIATE-AC has been read. */
static session_t bad_middle(uint64_t kind, pdus_t *pdus, uint64_t *state) {
    static const uint8_t then[] = {1, 5, 6, 7, 8, 2}; /* PDUs that end the association or fit no state */
    add_request(pdus, "BAD", 1);
    switch (kind) {
    case 8:
        return whole(pdus, END_RESET);
    case 9:
        return whole(pdus, END_HALF_CLOSE);
    case 10:
        add_echo(pdus);
        return cut(pdus, END_RESET);
    case 11:
        add_store(pdus, state, 1, 1000);
        while (pdus->count > 2) /* the command alone */
            remove_pdu(pdus, 2);
        return whole(pdus, END_HALF_CLOSE);
    case 12:
    case 13:
        add_store(pdus, state, 1, 65536);
        return cut(pdus, kind == 12 ? END_RESET : END_HALF_CLOSE);
    case 14:
    case 15:
        add_store(pdus, state, 1, 500);
        return whole(pdus, kind == 14 ? END_RESET : END_CLOSE);
    case 16:
        add_store(pdus, state, 1, 500);
        add_short(pdus, 7);
        return whole(pdus, END_HALF_CLOSE);
    case 17:
        add_store(pdus, state, 1, 500);
        add_short(pdus, 5);
        return whole(pdus, END_RESET);
    default:
        add_short(pdus, then[(kind - 18) % sizeof then]);
        add_echo(pdus); /* after the end */
        return whole(pdus, kind % 2 ? END_CLOSE : END_HALF_CLOSE);
    }
}

session_t session_badly_ended(uint64_t number) {
    pdus_t pdus = {0};
    uint64_t kind = number % BAD_ENDS, state = number;
    if (kind < 8)
        return bad_begin(kind, &pdus);
    session_t session = bad_middle(kind, &pdus, &state);
    session.answers = 1;
    return session;
}

void session_clear(session_t *session) {
    bytes_free(&session->sent);
}

/* Cuts a peer's byte stream into PDUs and presentation data values (PS3.8 9.3.1, 9.3.5 and annex E), however it
 * is fragmented. P-DATA is handed on piece by piece, so a PDU of 4 GB needs no more memory than one of 4 KB. */
#ifndef LISTENER_UL_PDU_STREAM_H
#define LISTENER_UL_PDU_STREAM_H

#include "listener/ul/pdu.h"

/* An A-ASSOCIATE-RQ may have 128 contexts of many syntaxes and user items; nothing legal comes near this. */
#define ASSOCIATE_RQ_MAX_BYTES (256 * 1024)
/* An A-ASSOCIATE-RQ and the like are believed to be as long as they say only as far as bytes come. */
#define PDU_BODY_FIRST_BYTES 1024

typedef struct pdu_stream {
    uint8_t header[P_DATA_HEADER_BYTES]; /* of the PDU, and of the PDV */
    size_t header_size;
    uint8_t type;        /* of the PDU under way; 0: between PDUs */
    uint32_t pdu_length; /* without its header */
    uint32_t pdu_left;
    uint32_t pdv_left;
    uint32_t pdv_length; /* without its header */
    bool in_pdv;
    bool alone; /* the PDV is all of its PDU */
    uint8_t context_id;
    uint8_t control; /* message control header, PS3.8 E.2 */
    uint8_t *body;   /* of a PDU that is no P-DATA, gathered */
    size_t body_size, body_capacity;
} pdu_stream_t;

typedef enum stream_event_kind {
    STREAM_NEED_MORE, /* all input is used up */
    STREAM_PDU,       /* a whole PDU that is no P-DATA */
    STREAM_P_DATA,    /* the header of a P-DATA PDU: its length is known */
    STREAM_FRAGMENT,  /* bytes of a PDV */
    STREAM_VIOLATION, /* the peer is to be aborted with `reason` */
} stream_event_kind_t;

typedef struct stream_event {
    stream_event_kind_t kind;
    uint8_t type;       /* STREAM_PDU */
    uint32_t length;    /* STREAM_P_DATA: of the PDU without its header */
    uint8_t context_id; /* STREAM_FRAGMENT from here */
    bool is_command;
    bool ends_message;    /* the last byte of the command or data set is in here */
    const uint8_t *bytes; /* also the body of STREAM_PDU; valid until the next call */
    size_t size;
    abort_reason_t reason; /* STREAM_VIOLATION */
    const char *why;       /* the same in words */
} stream_event_t;

/* Takes bytes from `input` until there is something to say. */
stream_event_t pdu_stream_next(pdu_stream_t *stream, reader_t *input);

/* The next bytes inside of a data set if the peer goes on alike. */
typedef struct pdu_run {
    size_t first;                        /* bytes that the PDV under way lacks */
    size_t each;                         /* bytes of the PDV of each PDU after it; 0: none can be foreseen */
    uint8_t header[P_DATA_HEADER_BYTES]; /* of each */
} pdu_run_t;

/* False: the next bytes are no data, or in PDUs too short to matter. */
bool pdu_stream_foresee(const pdu_stream_t *stream, pdu_run_t *run);

/* Of the foreseen bytes, so much data has come, and so many further PDUs have begun. True: that was the end of the
 * data set. */
bool pdu_stream_advance(pdu_stream_t *stream, const pdu_run_t *run, size_t data, size_t pdus);

/* The body of the PDU that STREAM_PDU has just told of; the caller frees it. */
uint8_t *pdu_stream_take_body(pdu_stream_t *stream);

/* Whether a PDU has begun and not ended. */
bool pdu_stream_inside(const pdu_stream_t *stream);
void pdu_stream_clear(pdu_stream_t *stream);

#endif

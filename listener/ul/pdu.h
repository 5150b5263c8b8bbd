/* Protocol data units of the DICOM Upper Layer (PS3.8 9.3): reading an A-ASSOCIATE-RQ, building what an acceptor
 * sends. Pure functions over buffers; nothing here knows of sockets. */
#ifndef LISTENER_UL_PDU_H
#define LISTENER_UL_PDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "listener/ul/user_information.h"

typedef enum pdu_type {
    PDU_ASSOCIATE_RQ = 1,
    PDU_ASSOCIATE_AC = 2,
    PDU_ASSOCIATE_RJ = 3,
    PDU_P_DATA = 4,
    PDU_RELEASE_RQ = 5,
    PDU_RELEASE_RP = 6,
    PDU_ABORT = 7,
} pdu_type_t;

#define PDU_HEADER_BYTES    6
#define P_DATA_HEADER_BYTES 12 /* of a PDU and its only PDV */
/* Contexts that are answered: the ids allow 128 (PS3.8 9.3.2.2), some peers propose more. */
#define PRESENTATION_CONTEXTS_MAX 1024
/* PS3.7 A.2.1 */
#define APPLICATION_CONTEXT_NAME "1.2.840.10008.3.1.1.1"

/* PS3.8 9.3.2.2 */
typedef struct proposed_context {
    uint8_t id;
    syntax_uid_t abstract_syntax;
    reader_t transfer_syntaxes; /* the sub-items, for transfer_syntax_next */
} proposed_context_t;

/* PS3.8 9.3.2. Pointers go into the bytes that were read. */
typedef struct associate_rq {
    uint16_t protocol_version;
    const uint8_t *titles; /* called and calling AE title and 32 reserved bytes: 64 in all, as they came */
    syntax_uid_t application_context;
    user_information_t user;
    size_t contexts_count; /* those beyond PRESENTATION_CONTEXTS_MAX are counted and not kept */
    proposed_context_t *contexts;
} associate_rq_t;

/* Reads the variable part of an A-ASSOCIATE-RQ. Unknown items are skipped. Returns false where a length passes
 * the end of what holds it. Free with associate_rq_clear in both cases. */
bool associate_rq_read(associate_rq_t *rq, const uint8_t *bytes, size_t size) MUST_CHECK;
void associate_rq_clear(associate_rq_t *rq);

/* The next proposed transfer syntax of a context; false after the last. */
bool transfer_syntax_next(reader_t *items, syntax_uid_t *uid) MUST_CHECK;

/* AE title `which` (0 called, 1 calling) of a request as UTF-8 without padding; free it. */
char *associate_rq_title(const associate_rq_t *rq, int which);

/* PS3.8 table 9-18 */
typedef enum context_result {
    CONTEXT_ACCEPTED = 0,
    CONTEXT_NO_REASON = 2,
    CONTEXT_ABSTRACT_SYNTAX_NOT_SUPPORTED = 3,
    CONTEXT_TRANSFER_SYNTAXES_NOT_SUPPORTED = 4,
} context_result_t;

typedef struct answered_context {
    uint8_t id;
    context_result_t result;
    const char *transfer_syntax; /* from the table in uids.c */
} answered_context_t;

/* Bytes to send, owned. */
typedef struct pdu {
    uint8_t *bytes;
    size_t size;
} pdu_t;

/* Builds an A-ASSOCIATE-AC (PS3.8 9.3.3). `contexts` answers all of the request's in their order. Free pdu.bytes.
 */
pdu_t associate_ac_build(const associate_rq_t *rq, const answered_context_t *contexts, allowance_t allowance);

/* Bits of a PDV's message control header (PS3.8 E.2). */
#define CONTROL_COMMAND 1
#define CONTROL_LAST    2

/* The header of a P-DATA PDU with a single PDV of `size` bytes, and that PDV's header. Returns where the PDV goes
 * on. */
uint8_t *p_data_header_build(uint8_t out[P_DATA_HEADER_BYTES], size_t size, uint8_t context_id, uint8_t control);

/* PS3.8 table 9-21 */
typedef enum reject_result { REJECTED_PERMANENT = 1, REJECTED_TRANSIENT = 2 } reject_result_t;
typedef enum reject_source { SOURCE_USER = 1, SOURCE_ACSE = 2, SOURCE_PRESENTATION = 3 } reject_source_t;
enum {
    USER_NO_REASON = 1,
    USER_APPLICATION_CONTEXT_NOT_SUPPORTED = 2,
    USER_CALLING_AE_TITLE_NOT_RECOGNIZED = 3,
    USER_CALLED_AE_TITLE_NOT_RECOGNIZED = 7,
    ACSE_PROTOCOL_VERSION_NOT_SUPPORTED = 2,
    PRESENTATION_LOCAL_LIMIT_EXCEEDED = 2,
};

/* PS3.8 table 9-26 */
typedef enum abort_source { ABORT_USER = 0, ABORT_PROVIDER = 2 } abort_source_t;
typedef enum abort_reason {
    ABORT_NOT_SPECIFIED = 0,
    ABORT_UNRECOGNIZED_PDU = 1,
    ABORT_UNEXPECTED_PDU = 2,
    ABORT_INVALID_PARAMETER = 6,
} abort_reason_t;

/* The three PDUs of ten bytes. */
#define SHORT_PDU_BYTES 10
void associate_rj_build(uint8_t out[SHORT_PDU_BYTES], reject_result_t result, reject_source_t source,
                        uint8_t reason);
void release_rp_build(uint8_t out[SHORT_PDU_BYTES]);
void abort_build(uint8_t out[SHORT_PDU_BYTES], abort_source_t source, abort_reason_t reason);

#endif

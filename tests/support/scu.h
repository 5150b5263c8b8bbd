/* A DICOM SCU of bare bytes: it sends exactly the given ones, also those that a well-behaved toolkit refuses to
 * send. */
#ifndef SUPPORT_SCU_H
#define SUPPORT_SCU_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/support/dataset.h"

typedef struct scu_context {
    uint8_t id;
    const char *abstract_syntax;      /* NULL: left out */
    const char *transfer_syntaxes[6]; /* up to the first NULL */
} scu_context_t;

typedef struct scu_request {
    const char *calling, *called; /* default: SCU, SCP; Latin-1, cut to 16 bytes */
    const scu_context_t *contexts;
    size_t contexts_count;
    uint32_t max_pdu;                /* default: 16384 */
    const char *application_context; /* default: DICOM's */
    uint16_t protocol_version;       /* default: 1 */
    bytes_t extra_user_items;
} scu_request_t;

typedef struct scu {
    int fd;
    SSL *tls;          /* NULL: plain */
    uint8_t type;      /* of the last PDU read */
    bytes_t body;      /* its body */
    uint32_t peer_max; /* maximum length that the peer advertised */
    struct {
        int result; /* -1: not answered */
        char syntax[65];
    } answered[256]; /* by context id */
    uint16_t message_id;
    int timeout_ms;
} scu_t;

/* From now on this process connects with TLS: the PEM files of a client certificate and its key, or NULL, and of
 * the CA that the receiver's must be of. Returns the context of later connections, to be narrowed; it is never
 * freed. */
SSL_CTX *scu_use_tls(const char *certificate, const char *key, const char *ca);
/* And plain again. */
void scu_use_plain(void);
/* Why TLS failed last, in words of OpenSSL; "" where the peer just was gone. */
const char *scu_tls_failure(void);

/* Connects. Returns false where nobody accepts, or TLS fails. */
bool scu_connect(scu_t *scu, int port);
/* The same, resuming a TLS session. */
bool scu_resume(scu_t *scu, int port, SSL_SESSION *session);
void scu_close(scu_t *scu);
/* Closes our half only. */
void scu_finish(scu_t *scu);
/* Closes with a TCP reset. */
void scu_reset(scu_t *scu);

bool scu_send(scu_t *scu, const void *bytes, size_t size);
/* Reads one PDU into type and body; false at the end of the connection or after timeout_ms. */
bool scu_read(scu_t *scu);
/* Whether the peer closes its half within timeout_ms, without a reset. */
bool scu_at_end(scu_t *scu);

bytes_t scu_associate_rq(const scu_request_t *request);
/* Connects, requests, reads the answer; true for an A-ASSOCIATE-AC, otherwise type and body tell. */
bool scu_associate(scu_t *scu, int port, const scu_request_t *request);
/* One context (id 1) of MR storage with this transfer syntax. */
bool scu_associate_mr(scu_t *scu, int port, const char *calling, const char *syntax);

bool scu_send_pdu(scu_t *scu, uint8_t type, const void *body, size_t size);
/* Appends a PDV to the body of a P-DATA PDU; control: 1 command, 2 last. */
void scu_add_pdv(bytes_t *pdvs, uint8_t context_id, uint8_t control, const void *bytes, size_t size);
/* One P-DATA PDU of one PDV. */
bool scu_p_data(scu_t *scu, uint8_t context_id, uint8_t control, const void *bytes, size_t size);
bytes_t scu_store_command(const char *sop_class, const char *sop_instance, uint16_t message_id);
bytes_t scu_echo_command(uint16_t message_id);
/* Of any other kind. */
bytes_t scu_command(uint16_t field, const char *sop_class, uint16_t message_id, bool has_data_set);
/* A whole C-STORE-RQ in PDVs of at most `fragment` bytes (0: as the peer advertised). */
bool scu_send_store(scu_t *scu, uint8_t context_id, const char *sop_class, const char *sop_instance,
                    const bytes_t *set, size_t fragment);
/* Reads a response and returns its status; -1 where none came. Of the same PDU: */
int scu_status(scu_t *scu);
/* An element of the response that was read last, as a number; -1 where it has none. */
int scu_response_number(const scu_t *scu, uint16_t element);
/* The same as text; false where it has none. `text`: room for 128. */
bool scu_response_text(const scu_t *scu, uint16_t element, char *text);
/* scu_send_store and scu_status. */
int scu_store(scu_t *scu, uint8_t context_id, const char *sop_class, const char *sop_instance, const bytes_t *set);
int scu_echo(scu_t *scu, uint8_t context_id);

bool scu_send_release(scu_t *scu);
/* A-RELEASE-RQ; true where an A-RELEASE-RP came. Closes. */
bool scu_release(scu_t *scu);
/* Reads an A-ABORT and the end of the connection: 256 * source + reason (PS3.8 table 9-26); -1: something else. */
int scu_aborted(scu_t *scu);
/* A-ABORT, and closes. */
void scu_abort(scu_t *scu);

#endif

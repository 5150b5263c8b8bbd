/* The little of DIMSE that a storage SCP needs: reading command sets, building responses (PS3.7 6.3.1, 9.3, annex
 * E: always Implicit VR Little Endian). Pure. */
#ifndef LISTENER_DIMSE_DIMSE_H
#define LISTENER_DIMSE_DIMSE_H

#include "listener/ul/pdu.h"

typedef enum command_field {
    C_STORE_RQ = 0x0001,
    C_ECHO_RQ = 0x0030,
    C_CANCEL_RQ = 0x0FFF,
} command_field_t;

/* A response has this bit set in its command field. */
#define COMMAND_IS_RESPONSE 0x8000

/* C-STORE statuses (PS3.4 B.2.3) and those of PS3.7 annex C that are used. */
typedef enum dimse_status {
    STATUS_SUCCESS = 0x0000,
    STATUS_PROCESSING_FAILURE = 0x0110,
    STATUS_SOP_CLASS_NOT_SUPPORTED = 0x0122,
    STATUS_UNRECOGNIZED_OPERATION = 0x0211,
    STATUS_OUT_OF_RESOURCES = 0xA700,
    STATUS_CANNOT_UNDERSTAND = 0xC000,
} dimse_status_t;

typedef struct command {
    uint16_t field;
    uint16_t message_id;
    bool has_data_set;
    char *affected_sop_class_uid;    /* "" where absent; owned */
    char *affected_sop_instance_uid; /* "" where absent; owned */
} command_t;

/* Reads a command set. Elements that are not needed are skipped. Returns false where it is malformed or has no
 * command field. Free with command_clear in both cases. */
bool command_read(command_t *command, const uint8_t *bytes, size_t size) MUST_CHECK;
void command_clear(command_t *command);

typedef struct response {
    uint16_t status;
    uint32_t offending_element; /* 0: none */
    const char *error_comment;  /* NULL or "": none; cut to 64 bytes */
} response_t;

/* Builds the P-DATA PDUs of the response to `command` on a presentation context, none longer than the peer's
 * maximum (0: no limit). Free pdu.bytes. */
pdu_t response_build(const command_t *command, response_t response, uint8_t context_id,
                     uint32_t peer_max_pdu_length);

#endif

/* The little of DIMSE that a storage SCP needs: reading command sets, building responses (PS3.7 6.3.1, 9.3, annex
 * E: always Implicit VR Little Endian). Pure. */
#ifndef LISTENER_DIMSE_DIMSE_H
#define LISTENER_DIMSE_DIMSE_H

#include "listener/custody/response.h"
#include "listener/ul/pdu.h"

typedef enum command_field {
    C_STORE_RQ = 0x0001,
    C_ECHO_RQ = 0x0030,
    C_CANCEL_RQ = 0x0FFF,
} command_field_t;

/* A response has this bit set in its command field. */
#define COMMAND_IS_RESPONSE 0x8000

typedef struct command {
    uint16_t field;
    uint16_t message_id;
    bool has_data_set;
    char *affected_sop_class_uid;    /* "" where absent; owned */
    char *affected_sop_instance_uid; /* "" where absent; owned */
} command_t;

/* Reads a command set. Elements that are not needed are skipped. Returns false if it is malformed or has no
 * command field. Free with command_clear in both cases. */
bool command_read(command_t *command, const uint8_t *bytes, size_t size) MUST_CHECK;
void command_clear(command_t *command);

/* Builds the P-DATA PDUs of the response to `command` on a presentation context, none longer than the peer's
 * maximum (0: no limit). Free pdu.bytes. */
pdu_t response_build(const command_t *command, response_t response, uint8_t context_id,
                     uint32_t peer_max_pdu_length);

#endif

#include "listener/dimse/dimse.h"

#include "common/memory.h"

#include <stdlib.h>
#include <string.h>

enum {
    ELEMENT_GROUP_LENGTH = 0x0000,
    ELEMENT_AFFECTED_SOP_CLASS_UID = 0x0002,
    ELEMENT_COMMAND_FIELD = 0x0100,
    ELEMENT_MESSAGE_ID = 0x0110,
    ELEMENT_MESSAGE_ID_BEING_RESPONDED_TO = 0x0120,
    ELEMENT_COMMAND_DATA_SET_TYPE = 0x0800,
    ELEMENT_STATUS = 0x0900,
    ELEMENT_OFFENDING_ELEMENT = 0x0901,
    ELEMENT_ERROR_COMMENT = 0x0902,
    ELEMENT_AFFECTED_SOP_INSTANCE_UID = 0x1000,
};

#define NO_DATA_SET             0x0101 /* PS3.7 E.1 */
#define ERROR_COMMENT_MAX_BYTES 64     /* VR LO */

/* --- reading ---------------------------------------------------------------------------------------- */

/* A NUL ends a text, and so do blanks: the rest reads the same from a response. */
static char *read_text(reader_t value) {
    const char *text = (const char *)value.at;
    size_t size = strnlen(text, reader_left(&value));
    while (size > 0 && text[size - 1] == ' ')
        size--;
    return must(strndup(text, size));
}

static bool read_element(command_t *command, uint16_t element, reader_t value) {
    uint16_t number;
    switch (element) {
    case ELEMENT_COMMAND_FIELD:
        return reader_u16_le(&value, &command->field);
    case ELEMENT_MESSAGE_ID:
        return reader_u16_le(&value, &command->message_id);
    case ELEMENT_COMMAND_DATA_SET_TYPE:
        if (!reader_u16_le(&value, &number))
            return false;
        command->has_data_set = number != NO_DATA_SET;
        return true;
    case ELEMENT_AFFECTED_SOP_CLASS_UID:
        free(command->affected_sop_class_uid);
        command->affected_sop_class_uid = read_text(value);
        return true;
    case ELEMENT_AFFECTED_SOP_INSTANCE_UID:
        free(command->affected_sop_instance_uid);
        command->affected_sop_instance_uid = read_text(value);
        return true;
    default:
        return true;
    }
}

bool command_read(command_t *command, const uint8_t *bytes, size_t size) {
    *command = (command_t){.affected_sop_class_uid = copy_text(""), .affected_sop_instance_uid = copy_text("")};
    reader_t r = reader_over(bytes, size), value;
    bool has_field = false;
    while (reader_left(&r) > 0) {
        uint16_t group, element;
        uint32_t length;
        if (!reader_u16_le(&r, &group) || !reader_u16_le(&r, &element) || !reader_u32_le(&r, &length) ||
            !reader_part(&r, length, &value))
            return false;
        if (group != 0)
            continue;
        if (!read_element(command, element, value))
            return false;
        has_field |= element == ELEMENT_COMMAND_FIELD;
    }
    return has_field;
}

void command_clear(command_t *command) {
    free(command->affected_sop_class_uid);
    free(command->affected_sop_instance_uid);
    *command = (command_t){0};
}

/* --- building --------------------------------------------------------------------------------------- */

static uint8_t *put_u16_le(uint8_t *to, uint32_t value) {
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
    return to + 2;
}

static uint8_t *put_u32_le(uint8_t *to, uint32_t value) {
    return put_u16_le(put_u16_le(to, value & 0xFFFF), value >> 16);
}

static uint8_t *put_element_header(uint8_t *to, uint16_t element, size_t length) {
    return put_u32_le(put_u16_le(put_u16_le(to, 0), element), (uint32_t)length);
}

static uint8_t *put_us(uint8_t *to, uint16_t element, uint16_t value) {
    return put_u16_le(put_element_header(to, element, 2), value);
}

/* Text padded to an even length; nothing for an empty one. */
static uint8_t *put_text(uint8_t *to, uint16_t element, const char *text, size_t size, char padding) {
    if (size == 0)
        return to;
    to = put_element_header(to, element, size + size % 2);
    memcpy(to, text, size);
    to += size;
    if (size % 2)
        *to++ = (uint8_t)padding;
    return to;
}

static size_t comment_size(const char *comment) {
    return comment ? strnlen(comment, ERROR_COMMENT_MAX_BYTES) : 0;
}

/* The command set of a response, in the order of its elements. */
static size_t put_response(uint8_t *begin, const command_t *command, response_t response) {
    uint8_t *to = put_element_header(begin, ELEMENT_GROUP_LENGTH, 4) + 4;
    uint8_t *counted = to;
    to = put_text(to, ELEMENT_AFFECTED_SOP_CLASS_UID, command->affected_sop_class_uid,
                  strlen(command->affected_sop_class_uid), 0);
    to = put_us(to, ELEMENT_COMMAND_FIELD, command->field | COMMAND_IS_RESPONSE);
    to = put_us(to, ELEMENT_MESSAGE_ID_BEING_RESPONDED_TO, command->message_id);
    to = put_us(to, ELEMENT_COMMAND_DATA_SET_TYPE, NO_DATA_SET);
    to = put_us(to, ELEMENT_STATUS, response.status);
    if (response.offending_element) {
        to = put_element_header(to, ELEMENT_OFFENDING_ELEMENT, 4);
        to = put_u16_le(put_u16_le(to, response.offending_element >> 16), response.offending_element & 0xFFFF);
    }
    to = put_text(to, ELEMENT_ERROR_COMMENT, response.error_comment, comment_size(response.error_comment), ' ');
    to = put_text(to, ELEMENT_AFFECTED_SOP_INSTANCE_UID, command->affected_sop_instance_uid,
                  strlen(command->affected_sop_instance_uid), 0);
    put_u32_le(counted - 4, (uint32_t)(to - counted));
    return (size_t)(to - begin);
}

#define P_DATA_OVERHEAD_BYTES 6 /* PDV length, context id, control header: what the peer's maximum counts, too */

/* Cuts a command set into P-DATA PDUs of one PDV each. */
static pdu_t p_data_build(const uint8_t *set, size_t size, uint8_t context_id, size_t part_max) {
    size_t parts = (size + part_max - 1) / part_max;
    pdu_t pdu = {.bytes = must(malloc(size + parts * P_DATA_HEADER_BYTES))};
    uint8_t *to = pdu.bytes;
    for (size_t at = 0; at < size; at += part_max) {
        size_t part = size - at < part_max ? size - at : part_max;
        bool last = at + part == size;
        to = p_data_header_build(to, part, context_id, CONTROL_COMMAND | (last ? CONTROL_LAST : 0));
        memcpy(to, set + at, part);
        to += part;
    }
    pdu.size = (size_t)(to - pdu.bytes);
    return pdu;
}

pdu_t response_build(const command_t *command, response_t response, uint8_t context_id,
                     uint32_t peer_max_pdu_length) {
    uint8_t *set =
        must(malloc(256 + strlen(command->affected_sop_class_uid) + strlen(command->affected_sop_instance_uid)));
    size_t size = put_response(set, command, response);
    /* A maximum too small for any PDV is no limit that could be kept. */
    size_t part_max =
        peer_max_pdu_length > P_DATA_OVERHEAD_BYTES ? peer_max_pdu_length - P_DATA_OVERHEAD_BYTES : size;
    pdu_t pdu = p_data_build(set, size, context_id, part_max < size ? part_max : size);
    free(set);
    return pdu;
}

/* Command sets, and the responses to them. Input: the peer's maximum length (4 bytes), a status (2), an offending
 * element (4), a presentation context id, the size of the error comment and the comment, then the command set. */
#include <string.h>

#include "listener/dimse/dimse.h"
#include "listener/ul/pdu_stream.h"
#include "tests/fuzz/fuzz.h"

static char *take_comment(reader_t *r) {
    uint8_t size;
    reader_t part;
    if (!reader_u8(r, &size) || !reader_part(r, size, &part))
        return NULL;
    return strndup((const char *)part.at, reader_left(&part));
}

/* The command set that the PDUs of a response carry, none of them longer than the peer wants. */
static size_t gather(const pdu_t *pdus, uint8_t context_id, uint32_t max, uint8_t *set, size_t room) {
    pdu_stream_t stream = {0};
    reader_t input = reader_over(pdus->bytes, pdus->size);
    size_t size = 0;
    for (bool ended = false; !ended;) {
        stream_event_t event = pdu_stream_next(&stream, &input);
        CHECK(event.kind == STREAM_P_DATA || event.kind == STREAM_FRAGMENT);
        if (event.kind == STREAM_P_DATA) {
            CHECK(max <= 6 || event.length <= max);
            continue;
        }
        CHECK(event.context_id == context_id && event.is_command && event.size <= room - size);
        memcpy(set + size, event.bytes, event.size);
        size += event.size;
        ended = event.ends_message;
    }
    CHECK(reader_left(&input) == 0);
    pdu_stream_clear(&stream);
    return size;
}

/* The response is a command set of its own that answers this command. */
static void check_response(const command_t *command, const pdu_t *pdus, uint8_t context_id, uint32_t max) {
    uint8_t *set = malloc(pdus->size);
    size_t size = gather(pdus, context_id, max, set, pdus->size);
    command_t response;
    CHECK(command_read(&response, set, size));
    CHECK(response.field == (command->field | COMMAND_IS_RESPONSE) && !response.has_data_set);
    CHECK(strcmp(response.affected_sop_class_uid, command->affected_sop_class_uid) == 0);
    CHECK(strcmp(response.affected_sop_instance_uid, command->affected_sop_instance_uid) == 0);
    command_clear(&response);
    free(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    reader_t r = reader_over(data, size);
    uint32_t max, offending;
    uint16_t status;
    uint8_t context_id;
    if (!reader_u32_be(&r, &max) || !reader_u16_be(&r, &status) || !reader_u32_be(&r, &offending) ||
        !reader_u8(&r, &context_id))
        return 0;
    char *comment = take_comment(&r);
    command_t command;
    if (reader_left(&r) <= COMMAND_SET_MAX_BYTES && command_read(&command, r.at, reader_left(&r))) {
        pdu_t pdus = response_build(&command, (response_t){status, offending, comment}, context_id, max);
        check_response(&command, &pdus, context_id, max);
        free(pdus.bytes);
        command_clear(&command);
    } else if (reader_left(&r) <= COMMAND_SET_MAX_BYTES) {
        command_clear(&command);
    }
    free(comment);
    return 0;
}

#include "common/message.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

void *message_new(const ProtobufCMessageDescriptor *descriptor) {
    ProtobufCMessage *message = must(malloc(descriptor->sizeof_message));
    protobuf_c_message_init(descriptor, message);
    return message;
}

uint8_t *message_pack(const ProtobufCMessage *message, size_t *size) {
    *size = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = must(malloc(*size + 1));
    protobuf_c_message_pack(message, packed);
    return packed;
}

void *message_copy(const ProtobufCMessage *message) {
    size_t size;
    ProtobufCMessage *known = must(malloc(message->descriptor->sizeof_message));
    memcpy(known, message, message->descriptor->sizeof_message);
    known->n_unknown_fields = 0;
    known->unknown_fields = NULL;
    uint8_t *packed = message_pack(known, &size);
    void *copy = must(protobuf_c_message_unpack(message->descriptor, NULL, size, packed));
    free(packed);
    free(known);
    return copy;
}

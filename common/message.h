/* Messages of protobuf-c, of any kind: made, packed and copied. */
#ifndef COMMON_MESSAGE_H
#define COMMON_MESSAGE_H

#include <protobuf-c/protobuf-c.h>

/* An empty message, to be freed with its free_unpacked. */
void *message_new(const ProtobufCMessageDescriptor *descriptor);
/* The message in *size bytes; free them. */
uint8_t *message_pack(const ProtobufCMessage *message, size_t *size);
/* A copy of its own, without fields that this release does not know: protobuf-c can pack some (of number 0) that it
 * can't read. To be freed with its free_unpacked. */
void *message_copy(const ProtobufCMessage *message);

#endif

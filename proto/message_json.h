/* Messages of the ring as JSON, by protobuf-c's descriptors: each field under its name, for the page and the tool's
 * --json. */
#ifndef PROTO_MESSAGE_JSON_H
#define PROTO_MESSAGE_JSON_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

typedef enum message_json_form {
    MESSAGE_JSON_PLAIN,    /* times in milliseconds since 1970, empty texts */
    MESSAGE_JSON_READABLE, /* ISO 8601 times in UTC; null for no time and no text */
} message_json_form_t;

/* A message that is NULL is null. Fields of bytes are left out. The caller's. */
json_t *message_json(const ProtobufCMessage *message, message_json_form_t form);

/* A text, always as valid UTF-8: what peers say need not be. NULL is empty. */
json_t *message_json_text(const char *text, message_json_form_t form);
/* A time in milliseconds since 1970; 0: none. */
json_t *message_json_time(int64_t wall_ms, message_json_form_t form);

#endif

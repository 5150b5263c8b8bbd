#include "proto/message_json.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/utf8.h"

json_t *message_json_text(const char *text, message_json_form_t form) {
    if (!text || !*text)
        return form == MESSAGE_JSON_READABLE ? json_null() : json_string("");
    char *latin1 = utf8_valid(text, strlen(text)) ? NULL : utf8_from_latin1(text, strlen(text), NULL);
    json_t *json = json_string(latin1 ? latin1 : text);
    free(latin1);
    return json;
}

json_t *message_json_time(int64_t wall_ms, message_json_form_t form) {
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm utc;
    char text[64];
    if (form == MESSAGE_JSON_PLAIN)
        return json_integer(wall_ms);
    if (wall_ms <= 0 || !gmtime_r(&seconds, &utc) || strftime(text, sizeof text, "%FT%T", &utc) == 0)
        return json_null();
    return json_sprintf("%s.%03dZ", text, (int)(wall_ms % 1000));
}

/* As ring.proto names them. */
static bool is_time(const char *name) {
    const char *end = strrchr(name, '_');
    return strcmp(end ? end : name, "_at") == 0 || strcmp(end ? end : name, "_until") == 0 ||
           strcmp(name, "at") == 0 || strcmp(name, "since") == 0;
}

/* `at`: the field's value in its message, or one of several. */
static json_t *value_json(const ProtobufCFieldDescriptor *field, const char *at, message_json_form_t form) {
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)(const void *)at);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_ENUM:
        return json_integer(*(const int32_t *)(const void *)at);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return json_integer(*(const uint32_t *)(const void *)at);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return is_time(field->name) ? message_json_time(*(const int64_t *)(const void *)at, form)
                                    : json_integer(*(const int64_t *)(const void *)at);
    case PROTOBUF_C_TYPE_STRING:
        return message_json_text(*(const char *const *)(const void *)at, form);
    case PROTOBUF_C_TYPE_MESSAGE:
        return message_json(*(const ProtobufCMessage *const *)(const void *)at, form);
    default:
        return NULL;
    }
}

static size_t size_of(const ProtobufCFieldDescriptor *field) {
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return sizeof(int32_t);
    default:
        return sizeof(int64_t);
    }
}

static json_t *list_json(const ProtobufCFieldDescriptor *field, const char *items, size_t count,
                         message_json_form_t form) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, value_json(field, items + i * size_of(field), form));
    return list;
}

json_t *message_json(const ProtobufCMessage *message, message_json_form_t form) {
    if (!message)
        return json_null();
    json_t *json = json_object();
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const char *base = (const char *)message, *at = base + field->offset;
        const size_t *count = (const size_t *)(const void *)(base + field->quantifier_offset);
        json_t *value = field->label == PROTOBUF_C_LABEL_REPEATED
                            ? list_json(field, *(const char *const *)(const void *)at, *count, form)
                            : value_json(field, at, form);
        if (value)
            json_object_set_new(json, field->name, value);
    }
    return json;
}

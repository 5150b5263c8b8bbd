#include "notifier/broker/amqp_table.h"

static amqp_field_value_t field_of(amqp_pool_t *pool, json_t *value) {
    amqp_field_value_t field = {.kind = AMQP_FIELD_KIND_VOID};
    if (json_is_string(value)) {
        field.kind = AMQP_FIELD_KIND_UTF8;
        field.value.bytes = amqp_cstring_bytes(json_string_value(value));
    } else if (json_is_integer(value)) {
        field.kind = AMQP_FIELD_KIND_I32;
        field.value.i32 = (int32_t)json_integer_value(value);
    } else if (json_is_boolean(value)) {
        field.kind = AMQP_FIELD_KIND_BOOLEAN;
        field.value.boolean = json_is_true(value);
    } else if (json_is_array(value)) {
        field.kind = AMQP_FIELD_KIND_ARRAY;
        field.value.array.num_entries = (int)json_array_size(value);
        field.value.array.entries = amqp_pool_alloc(pool, json_array_size(value) * sizeof(amqp_field_value_t));
        for (size_t i = 0; i < json_array_size(value); i++)
            field.value.array.entries[i] = field_of(pool, json_array_get(value, i));
    }
    return field;
}

amqp_table_t amqp_table_of(amqp_pool_t *pool, json_t *headers) {
    amqp_table_t table = {.entries = amqp_pool_alloc(pool, json_object_size(headers) * sizeof(amqp_table_entry_t))};
    const char *key;
    json_t *value;
    json_object_foreach(headers, key, value) {
        amqp_table_entry_t *entry = &table.entries[table.num_entries++];
        entry->key = amqp_cstring_bytes(key);
        entry->value = field_of(pool, value);
    }
    return table;
}

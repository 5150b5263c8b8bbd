#include "tests/support/queue.h"

#include <stdlib.h>
#include <string.h>

#include "notifier/broker/rabbitmq_c.h"
#include "tests/support/process.h"

struct queue {
    amqp_connection_state_t connection;
    char *name;
};

static void expect_normal(amqp_rpc_reply_t reply, const char *what) {
    if (reply.reply_type == AMQP_RESPONSE_NORMAL)
        return;
    fprintf(stderr, "%s failed\n", what);
    abort();
}

queue_t *queue_new(int port, const char *name) {
    queue_t *queue = calloc(1, sizeof *queue);
    if (!queue || !(queue->name = strdup(name)))
        abort();
    queue->connection = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(queue->connection);
    if (!socket || amqp_socket_open(socket, "127.0.0.1", port) != 0)
        abort();
    expect_normal(amqp_login(queue->connection, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest"),
                  "login");
    amqp_channel_open(queue->connection, 1);
    expect_normal(amqp_get_rpc_reply(queue->connection), "channel");
    amqp_queue_declare(queue->connection, 1, amqp_cstring_bytes(name), 0, 1, 0, 0, amqp_empty_table);
    expect_normal(amqp_get_rpc_reply(queue->connection), "queue.declare");
    return queue;
}

void queue_destroy(queue_t **self_p) {
    amqp_connection_close((*self_p)->connection, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection((*self_p)->connection);
    free((*self_p)->name);
    free(*self_p);
    *self_p = NULL;
}

static json_t *json_of(amqp_field_value_t value);

static json_t *json_of_table(amqp_table_t table) {
    json_t *object = json_object();
    for (int i = 0; i < table.num_entries; i++) {
        char *key = strndup(table.entries[i].key.bytes, table.entries[i].key.len);
        json_object_set_new(object, key, json_of(table.entries[i].value));
        free(key);
    }
    return object;
}

static json_t *json_of(amqp_field_value_t value) {
    json_t *array;
    switch (value.kind) {
    case AMQP_FIELD_KIND_UTF8:
        return json_stringn(value.value.bytes.bytes, value.value.bytes.len);
    case AMQP_FIELD_KIND_BOOLEAN:
        return json_boolean(value.value.boolean);
    case AMQP_FIELD_KIND_I8:
        return json_integer(value.value.i8);
    case AMQP_FIELD_KIND_I16:
        return json_integer(value.value.i16);
    case AMQP_FIELD_KIND_I32:
        return json_integer(value.value.i32);
    case AMQP_FIELD_KIND_I64:
        return json_integer(value.value.i64);
    case AMQP_FIELD_KIND_TABLE:
        return json_of_table(value.value.table);
    case AMQP_FIELD_KIND_ARRAY:
        array = json_array();
        for (int i = 0; i < value.value.array.num_entries; i++)
            json_array_append_new(array, json_of(value.value.array.entries[i]));
        return array;
    default:
        return json_null();
    }
}

static void set_text(json_t *object, const char *name, amqp_bytes_t text) {
    json_object_set_new(object, name, json_stringn(text.bytes, text.len));
}

static json_t *json_of_properties(const amqp_basic_properties_t *p) {
    json_t *object = json_object();
    set_text(object, "content_type", p->content_type);
    set_text(object, "content_encoding", p->content_encoding);
    set_text(object, "correlation_id", p->correlation_id);
    set_text(object, "reply_to", p->reply_to);
    json_object_set_new(object, "delivery_mode", json_integer(p->delivery_mode));
    json_object_set_new(object, "priority", json_integer(p->priority));
    return object;
}

bool queue_take(queue_t *queue, delivered_t *delivered) {
    amqp_rpc_reply_t reply = amqp_basic_get(queue->connection, 1, amqp_cstring_bytes(queue->name), 1);
    expect_normal(reply, "basic.get");
    if (reply.reply.id == AMQP_BASIC_GET_EMPTY_METHOD)
        return false;
    amqp_message_t message;
    expect_normal(amqp_read_message(queue->connection, 1, &message, 0), "message");
    delivered->body = json_loadb(message.body.bytes, message.body.len, 0, NULL);
    delivered->headers = json_of_table(message.properties.headers);
    delivered->properties = json_of_properties(&message.properties);
    amqp_destroy_message(&message);
    amqp_maybe_release_buffers(queue->connection);
    return true;
}

typedef struct wanted {
    queue_t *queue;
    delivered_t *delivered;
} wanted_t;

static bool take(void *argument) {
    wanted_t *wanted = argument;
    return queue_take(wanted->queue, wanted->delivered);
}

bool queue_await(queue_t *queue, delivered_t *delivered, int64_t ms) {
    wanted_t wanted = {queue, delivered};
    return await(take, &wanted, ms);
}

void delivered_clear(delivered_t *delivered) {
    json_decref(delivered->body);
    json_decref(delivered->headers);
    json_decref(delivered->properties);
}

json_t *delivered_argument(const delivered_t *delivered, const char *name) {
    return json_object_get(json_array_get(delivered->body, 1), name);
}

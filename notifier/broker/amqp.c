/* AMQP 0-9-1 with rabbitmq-c: default exchange, durable queue, mandatory messages, publisher confirms, heartbeats.
 * https://www.rabbitmq.com/confirms.html */
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/network.h"
#include "notifier/broker/amqp_address.h"
#include "notifier/broker/amqp_table.h"
#include "notifier/broker/broker_tls.h"
#include "notifier/broker/rabbitmq_c.h"
#include "notifier/broker/transport.h"

/* Declaring the queue has a channel of its own: a queue that exists with other properties closes it. */
#define DECLARE_CHANNEL 1
#define PUBLISH_CHANNEL 2
/* Looking at it, too: a queue that is gone closes it. */
#define LOOK_CHANNEL 3
/* What RabbitMQ proposes, too. */
#define FRAME_MAX_BYTES 131072
#define HEARTBEAT_S     30
/* Farewells are not waited for longer than this. */
#define FAREWELL_TIMEOUT_MS 500

typedef struct amqp {
    amqp_address_t address;
    broker_tls_t tls;
    const char *queue;
    transport_results_t results;
    amqp_connection_state_t connection;
    bool healthy; /* an orderly close makes sense */
} amqp_t;

static struct timeval timeout_of(int milliseconds) {
    return (struct timeval){.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};
}

/* --- its life ------------------------------------------------------------------------------------------- */

static void destroy(void *transport) {
    amqp_t *self = transport;
    amqp_address_clear(&self->address);
    free(self);
}

static void *create(const char *address, const settings_t *settings, transport_results_t results) {
    amqp_t *self = must(calloc(1, sizeof *self));
    self->queue = settings->queue_name;
    self->tls = broker_tls_of(settings);
    self->results = results;
    if (amqp_address_parse(&self->address, address))
        return self;
    destroy(self);
    return NULL;
}

/* --- connecting ---------------------------------------------------------------------------------------- */

/* Says in words what went wrong with a call. Returns 0 where nothing did. */
static int check_reply(amqp_rpc_reply_t reply, const char *what, failure_t *failure) {
    if (reply.reply_type == AMQP_RESPONSE_NORMAL)
        return 0;
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION)
        return failure_set(failure, "%s: %s", what, amqp_error_string2(reply.library_error));
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
        const amqp_connection_close_t *close = reply.reply.decoded;
        return failure_set(failure, "%s: %d %.*s", what, close->reply_code, (int)close->reply_text.len,
                           (const char *)close->reply_text.bytes);
    }
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
        const amqp_channel_close_t *close = reply.reply.decoded;
        return failure_set(failure, "%s: %d %.*s", what, close->reply_code, (int)close->reply_text.len,
                           (const char *)close->reply_text.bytes);
    }
    return failure_set(failure, "%s: unexpected answer", what);
}

/* A socket of the connection; NULL: with the failure. The certificate and the host in it are OpenSSL's to verify:
 * rabbitmq-c knows no addresses in certificates. */
static amqp_socket_t *make_socket(amqp_t *self, failure_t *failure) {
    amqp_socket_t *socket =
        self->address.info.ssl ? amqp_ssl_socket_new(self->connection) : amqp_tcp_socket_new(self->connection);
    if (!socket)
        failure_set(failure, "can't make a socket");
    if (!socket || !self->address.info.ssl)
        return socket;
    amqp_ssl_socket_set_verify_peer(socket, 0);
    amqp_ssl_socket_set_verify_hostname(socket, 0);
    if (broker_tls_configure(amqp_ssl_socket_get_context(socket), &self->tls, self->address.info.host, failure) !=
        0)
        return NULL; /* the connection owns it */
    return socket;
}

static int open_socket(amqp_t *self, failure_t *failure) {
    struct timeval timeout = timeout_of(BROKER_CONNECT_TIMEOUT_MS);
    amqp_socket_t *socket = make_socket(self, failure);
    if (!socket)
        return -1;
    int status = amqp_set_handshake_timeout(self->connection, &timeout);
    if (status == AMQP_STATUS_OK)
        status = amqp_set_rpc_timeout(self->connection, &timeout);
    if (status == AMQP_STATUS_OK)
        status = amqp_socket_open_noblock(socket, self->address.info.host, self->address.info.port, &timeout);
    if (status != AMQP_STATUS_OK)
        return failure_set(failure, "%s", amqp_error_string2(status));
    /* rabbitmq-c sends without a deadline: a broker that reads nothing any more must not hold the thread for ever.
     */
    unsigned most_ms = BROKER_CONFIRM_TIMEOUT_MS;
    if (setsockopt(amqp_get_sockfd(self->connection), IPPROTO_TCP, TCP_USER_TIMEOUT, &most_ms, sizeof most_ms) != 0)
        return failure_set(failure, "can't set a timeout: %s", strerror(errno));
    return 0;
}

/* Whether the server has closed the connection because of who we are or what virtual host we want
 * (access-refused 403, not-allowed 530). */
static bool is_refused(amqp_rpc_reply_t reply) {
    if (reply.reply_type != AMQP_RESPONSE_SERVER_EXCEPTION || reply.reply.id != AMQP_CONNECTION_CLOSE_METHOD)
        return false;
    int code = ((const amqp_connection_close_t *)reply.reply.decoded)->reply_code;
    return code == AMQP_ACCESS_REFUSED || code == AMQP_NOT_ALLOWED;
}

/* RabbitMQ tells only those who say that they listen that it takes nothing for now.
 * https://www.rabbitmq.com/connection-blocked.html */
static int log_in(amqp_t *self, failure_t *failure) {
    amqp_table_entry_t listens = {amqp_cstring_bytes("connection.blocked"), {.kind = AMQP_FIELD_KIND_BOOLEAN}};
    listens.value.value.boolean = 1;
    amqp_table_entry_t entries[] = {{amqp_cstring_bytes("connection_name"), {.kind = AMQP_FIELD_KIND_UTF8}},
                                    {amqp_cstring_bytes("capabilities"), {.kind = AMQP_FIELD_KIND_TABLE}}};
    entries[0].value.value.bytes = amqp_cstring_bytes("oxidicom-notifier");
    entries[1].value.value.table = (amqp_table_t){.num_entries = 1, .entries = &listens};
    amqp_table_t properties = {.num_entries = 2, .entries = entries};
    amqp_rpc_reply_t reply = amqp_login_with_properties(
        self->connection, self->address.info.vhost, AMQP_DEFAULT_MAX_CHANNELS, FRAME_MAX_BYTES, HEARTBEAT_S,
        &properties, AMQP_SASL_METHOD_PLAIN, self->address.info.user, self->address.info.password);
    failure->refused = is_refused(reply);
    return check_reply(reply, "login", failure);
}

static bool is_channel_closed(amqp_rpc_reply_t reply) {
    return reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD;
}

static int accept_close(amqp_t *self, amqp_channel_t channel, failure_t *failure) {
    amqp_channel_close_ok_t closed = {0};
    int status = amqp_send_method(self->connection, channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &closed);
    return status == AMQP_STATUS_OK ? 0 : failure_set(failure, "%s", amqp_error_string2(status));
}

/* Declares the queue as Celery does. An existing queue is used unchanged, with other properties or without the
 * right to declare it: a message that finds no queue comes back. */
static int declare_queue(amqp_t *self, failure_t *failure) {
    amqp_channel_open(self->connection, DECLARE_CHANNEL);
    if (check_reply(amqp_get_rpc_reply(self->connection), "channel", failure) != 0)
        return -1;
    amqp_queue_declare(self->connection, DECLARE_CHANNEL, amqp_cstring_bytes(self->queue), 0, 1, 0, 0,
                       amqp_empty_table);
    amqp_rpc_reply_t reply = amqp_get_rpc_reply(self->connection);
    if (check_reply(reply, "queue", failure) == 0)
        return check_reply(amqp_channel_close(self->connection, DECLARE_CHANNEL, AMQP_REPLY_SUCCESS), "channel",
                           failure);
    if (!is_channel_closed(reply))
        return -1;
    log_info(NULL, "the queue is used unchanged: %s", failure->text);
    return accept_close(self, DECLARE_CHANNEL, failure);
}

static int open_channel(amqp_t *self, failure_t *failure) {
    amqp_channel_open(self->connection, PUBLISH_CHANNEL);
    if (check_reply(amqp_get_rpc_reply(self->connection), "channel", failure) != 0)
        return -1;
    amqp_confirm_select(self->connection, PUBLISH_CHANNEL);
    return check_reply(amqp_get_rpc_reply(self->connection), "publisher confirms", failure);
}

static void drop_connection(amqp_t *self) {
    /* Frees also what a failed close has left; its status says nothing that could be acted on. */
    (void)amqp_destroy_connection(self->connection);
    self->connection = NULL;
}

static int connect_to(void *transport, failure_t *failure) {
    amqp_t *self = transport;
    self->connection = must(amqp_new_connection());
    if (open_socket(self, failure) == 0 && log_in(self, failure) == 0 && declare_queue(self, failure) == 0 &&
        open_channel(self, failure) == 0) {
        self->healthy = true;
        return 0;
    }
    /* rabbitmq-c says that TLS failed; OpenSSL, why. */
    const char *why = self->address.info.ssl ? broker_tls_reason() : NULL;
    char port[12], place[NETWORK_PLACE_BYTES];
    snprintf(port, sizeof port, "%d", self->address.info.port);
    network_place(self->address.info.host, port, place);
    failure_set(failure, "%s: %s%s%s", place, failure->text, why ? ": " : "", why ? why : "");
    drop_connection(self);
    return -1;
}

static void disconnect(void *transport) {
    amqp_t *self = transport;
    struct timeval timeout = timeout_of(FAREWELL_TIMEOUT_MS);
    if (self->healthy && amqp_set_rpc_timeout(self->connection, &timeout) == AMQP_STATUS_OK)
        (void)amqp_connection_close(self->connection, AMQP_REPLY_SUCCESS); /* a courtesy */
    self->healthy = false;
    drop_connection(self);
}

static int descriptor(void *transport) {
    return amqp_get_sockfd(((amqp_t *)transport)->connection);
}

/* --- sending ------------------------------------------------------------------------------------------- */

static int send_message(void *transport, const celery_message_t *message, uint64_t tag, failure_t *failure) {
    (void)tag; /* with confirms, the broker counts messages from 1 per channel, too */
    amqp_t *self = transport;
    amqp_pool_t pool;
    init_amqp_pool(&pool, 4096);
    amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_CONTENT_ENCODING_FLAG | AMQP_BASIC_HEADERS_FLAG |
                  AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_PRIORITY_FLAG | AMQP_BASIC_CORRELATION_ID_FLAG |
                  AMQP_BASIC_REPLY_TO_FLAG,
        .content_type = amqp_cstring_bytes(CELERY_CONTENT_TYPE),
        .content_encoding = amqp_cstring_bytes(CELERY_CONTENT_ENCODING),
        .headers = amqp_table_of(&pool, message->headers),
        .delivery_mode = CELERY_PERSISTENT,
        .priority = 0,
        .correlation_id = amqp_cstring_bytes(message->id),
        .reply_to = amqp_cstring_bytes(message->reply_to),
    };
    int status =
        amqp_basic_publish(self->connection, PUBLISH_CHANNEL, amqp_empty_bytes, amqp_cstring_bytes(self->queue), 1,
                           0, &properties, amqp_cstring_bytes(message->body));
    empty_amqp_pool(&pool);
    if (status == AMQP_STATUS_OK)
        return 0;
    self->healthy = false;
    return failure_set(failure, "%s", amqp_error_string2(status));
}

/* --- returned messages --------------------------------------------------------------------------------- */

/* A message that no queue takes. Its content follows; the correlation id in it is the task's. */
static int on_return(amqp_t *self, const amqp_frame_t *frame, failure_t *failure) {
    const amqp_basic_return_t *returned = frame->payload.method.decoded;
    char why[256], task_id[UUID_STR_LEN] = "";
    snprintf(why, sizeof why, "returned by the broker: %d %.*s", returned->reply_code,
             (int)returned->reply_text.len, (const char *)returned->reply_text.bytes);
    amqp_message_t message;
    if (check_reply(amqp_read_message(self->connection, frame->channel, &message, 0), "return", failure) != 0)
        return -1;
    amqp_bytes_t id = message.properties.correlation_id;
    if (id.len < sizeof task_id) {
        memcpy(task_id, id.bytes, id.len);
        self->results.returned(self->results.self, task_id, why);
    }
    amqp_destroy_message(&message);
    return 0;
}

/* After a close by the broker nothing that was sent can be trusted to be confirmed. */
static int on_close(amqp_t *self, int code, amqp_bytes_t text, failure_t *failure) {
    self->healthy = false;
    return failure_set(failure, "closed by the broker: %d %.*s", code, (int)text.len, (const char *)text.bytes);
}

static void on_blocked(amqp_t *self, const amqp_connection_blocked_t *blocked) {
    char why[128];
    snprintf(why, sizeof why, "%.*s", (int)blocked->reason.len, (const char *)blocked->reason.bytes);
    self->results.blocked(self->results.self, why);
}

static int on_method(amqp_t *self, const amqp_frame_t *frame, failure_t *failure) {
    const void *method = frame->payload.method.decoded;
    switch (frame->payload.method.id) {
    case AMQP_BASIC_ACK_METHOD: {
        const amqp_basic_ack_t *ack = method;
        self->results.finished(self->results.self, ack->delivery_tag, ack->multiple, OUTCOME_CONFIRMED, NULL);
        return 0;
    }
    case AMQP_BASIC_NACK_METHOD: {
        const amqp_basic_nack_t *nack = method;
        self->results.finished(self->results.self, nack->delivery_tag, nack->multiple, OUTCOME_REJECTED,
                               "not taken by the broker (nack)");
        return 0;
    }
    case AMQP_BASIC_RETURN_METHOD:
        return on_return(self, frame, failure);
    case AMQP_CONNECTION_BLOCKED_METHOD:
        on_blocked(self, method);
        return 0;
    case AMQP_CONNECTION_UNBLOCKED_METHOD:
        self->results.blocked(self->results.self, NULL);
        return 0;
    case AMQP_CHANNEL_CLOSE_METHOD: {
        const amqp_channel_close_t *close = method;
        /* It was one of the messages; which one is not said. Each waits for a time of its own, so that the others
         * do not suffer from that one for ever. */
        self->results.finished(self->results.self, UINT64_MAX, true, OUTCOME_REJECTED,
                               "the broker closed the channel");
        return on_close(self, close->reply_code, close->reply_text, failure);
    }
    case AMQP_CONNECTION_CLOSE_METHOD: {
        const amqp_connection_close_t *close = method;
        return on_close(self, close->reply_code, close->reply_text, failure);
    }
    default:
        return 0;
    }
}

static int service(void *transport, failure_t *failure) {
    amqp_t *self = transport;
    for (;;) {
        amqp_frame_t frame;
        struct timeval none = {0};
        amqp_maybe_release_buffers(self->connection);
        /* Sends and checks heartbeats on the way. */
        int status = amqp_simple_wait_frame_noblock(self->connection, &frame, &none);
        if (status == AMQP_STATUS_TIMEOUT)
            return 0;
        if (status != AMQP_STATUS_OK) {
            self->healthy = false;
            return failure_set(failure, "%s", amqp_error_string2(status));
        }
        if (frame.frame_type == AMQP_FRAME_METHOD && on_method(self, &frame, failure) != 0)
            return -1;
    }
}

/* --- the queue ----------------------------------------------------------------------------------------- */

/* A passive declaration tells how many messages wait and for how many consumers, and needs no right. A queue that
 * is gone closes the channel. */
static int declare_passively(amqp_t *self, failure_t *failure) {
    amqp_channel_open(self->connection, LOOK_CHANNEL);
    if (check_reply(amqp_get_rpc_reply(self->connection), "channel", failure) != 0)
        return -1;
    amqp_queue_declare_ok_t *queue = amqp_queue_declare(
        self->connection, LOOK_CHANNEL, amqp_cstring_bytes(self->queue), 1, 0, 0, 0, amqp_empty_table);
    amqp_rpc_reply_t reply = amqp_get_rpc_reply(self->connection);
    if (is_channel_closed(reply)) {
        self->results.looked(self->results.self, -1, -1);
        return accept_close(self, LOOK_CHANNEL, failure);
    }
    if (check_reply(reply, "queue", failure) != 0)
        return -1;
    self->results.looked(self->results.self, queue->message_count, queue->consumer_count);
    return check_reply(amqp_channel_close(self->connection, LOOK_CHANNEL, AMQP_REPLY_SUCCESS), "channel", failure);
}

/* Confirms that come meanwhile, rabbitmq-c keeps for `service`. */
static int look(void *transport, failure_t *failure) {
    amqp_t *self = transport;
    int status = declare_passively(self, failure);
    self->healthy = self->healthy && status == 0;
    return status;
}

const transport_t TRANSPORT_AMQP = {create,  connect_to, descriptor, send_message,
                                    service, look,       disconnect, destroy};

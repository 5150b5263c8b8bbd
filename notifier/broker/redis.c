/* kombu's Redis transport: a queue is a list that messages are pushed on from the left, and a set of bindings names
 * it. hiredis makes the commands and reads the answers. Redis confirms a push by answering it; how durable it is
 * then is a matter of Redis' own persistence. https://github.com/celery/kombu/blob/main/kombu/transport/redis.py */
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/network.h"
#include "notifier/broker/redis_address.h"
#include "notifier/broker/stream.h"
#include "notifier/broker/transport.h"

/* Between the parts of a binding: routing key, pattern and queue. */
#define SEPARATOR   "\x06\x16"
#define BLOCK_BYTES 4096
/* What Redis answers to a push is one line. */
#define ANSWER_MAX_BYTES (64 * 1024)
/* With each message its queue is bound: two commands, two answers. */
#define COMMANDS_PER_MESSAGE 2

typedef struct redis {
    redis_address_t address;
    const char *queue;
    char *list, *bindings, *binding; /* keys with their prefix, and the member */
    transport_results_t results;
    stream_t *stream;
    redisReader *reader;
    size_t unread_bytes; /* given to the reader since its last answer */
    uint64_t answers;    /* to messages and their bindings */
    uint64_t unanswered; /* commands */
    uint64_t look;       /* which of them asks for the queue's length, from 1; 0: none */
} redis_t;

static void destroy(void *transport) {
    redis_t *self = transport;
    redis_address_clear(&self->address);
    free(self->list);
    free(self->bindings);
    free(self->binding);
    free(self);
}

static void *create(const char *address, const settings_t *settings, transport_results_t results) {
    redis_t *self = must(calloc(1, sizeof *self));
    const char *prefix = settings->redis_key_prefix ? settings->redis_key_prefix : "";
    broker_tls_t trust = broker_tls_of(settings);
    self->queue = settings->queue_name;
    self->results = results;
    if (!redis_address_parse(&self->address, address, &trust)) {
        destroy(self);
        return NULL;
    }
    /* kombu puts a message of priority 0 on the list without a suffix. */
    self->list = format_text("%s%s", prefix, self->queue);
    self->bindings = format_text("%s_kombu.binding.%s", prefix, self->queue);
    self->binding = format_text("%s" SEPARATOR SEPARATOR "%s", self->queue, self->queue);
    return self;
}

/* --- commands and answers ------------------------------------------------------------------------------ */

static int send_command(redis_t *self, int count, const char *const *words, int64_t deadline_ms,
                        failure_t *failure) {
    char *command;
    long long size = redisFormatCommandArgv(&command, count, (const char **)(uintptr_t)words, NULL);
    must_hold(size >= 0);
    int status = stream_write(self->stream, command, (size_t)size, deadline_ms, failure);
    redisFreeCommand(command);
    return status;
}

/* The next answer, if it has arrived whole; else NULL. -1: with the failure. Free it. */
static int take_answer(redis_t *self, redisReply **answer, failure_t *failure) {
    char block[BLOCK_BYTES];
    for (;;) {
        void *whole = NULL;
        if (redisReaderGetReply(self->reader, &whole) != REDIS_OK)
            return failure_set(failure, "it does not answer as Redis does: %.100s", self->reader->errstr);
        *answer = whole;
        if (whole) {
            self->unread_bytes = 0;
            return 0;
        }
        ssize_t got = stream_read(self->stream, block, sizeof block, failure);
        if (got <= 0)
            return (int)got;
        self->unread_bytes += (size_t)got;
        if (self->unread_bytes > ANSWER_MAX_BYTES)
            return failure_set(failure, "it does not answer as Redis does: too much");
        if (redisReaderFeed(self->reader, block, (size_t)got) != REDIS_OK)
            return failure_set(failure, "it does not answer as Redis does: %.100s", self->reader->errstr);
    }
}

#if HIREDIS_MAJOR < 1
typedef int element_count_t;
#else
typedef size_t element_count_t;
#endif

/* No answer here is a list, and a list that claims thousand million elements would get memory. */
static void *refuse_list(const redisReadTask *task, element_count_t elements) {
    (void)task;
    (void)elements;
    return NULL;
}

static redisReader *new_reader(void) {
    static redisReplyObjectFunctions functions;
    redisReader *reader = must(redisReaderCreate());
    functions = *reader->fn;
    functions.createArray = refuse_list;
    reader->fn = &functions;
    return reader;
}

/* --- errors that Redis answers ------------------------------------------------------------------------- */

typedef enum trouble {
    TROUBLE_NONE,
    TROUBLE_MESSAGE, /* it has to do with this message, or nobody knows */
    TROUBLE_SERVER,  /* Redis takes nothing for now: later, and in the same order */
    TROUBLE_USER,    /* people must help */
} redis_trouble_t;

/* Their beginnings; https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors */
static const struct {
    const char *begin;
    redis_trouble_t trouble;
} TROUBLES[] = {
    {"LOADING ", TROUBLE_SERVER},
    {"READONLY ", TROUBLE_SERVER},
    {"OOM ", TROUBLE_SERVER},
    {"MISCONF ", TROUBLE_SERVER},
    {"BUSY ", TROUBLE_SERVER},
    {"MASTERDOWN ", TROUBLE_SERVER},
    {"NOREPLICAS ", TROUBLE_SERVER},
    {"CLUSTERDOWN ", TROUBLE_SERVER},
    {"TRYAGAIN ", TROUBLE_SERVER},
    {"UNBLOCKED ", TROUBLE_SERVER},
    {"ERR max number of clients", TROUBLE_SERVER},
    {"NOAUTH ", TROUBLE_USER},
    {"WRONGPASS ", TROUBLE_USER},
    {"NOPERM ", TROUBLE_USER},
    {"DENIED ", TROUBLE_USER},
};

static redis_trouble_t trouble_of(const redisReply *answer) {
    if (answer->type != REDIS_REPLY_ERROR)
        return TROUBLE_NONE;
    for (size_t i = 0; i < sizeof TROUBLES / sizeof *TROUBLES; i++)
        if (strncmp(answer->str, TROUBLES[i].begin, strlen(TROUBLES[i].begin)) == 0)
            return TROUBLES[i].trouble;
    return TROUBLE_MESSAGE;
}

/* A server that does not know a command repeats its arguments, which may be a password or a patient's name. */
static const char *why_of(redisReply *answer) {
    char *arguments = strstr(answer->str, ", with args");
    if (arguments)
        *arguments = 0;
    return answer->str;
}

/* --- connecting ---------------------------------------------------------------------------------------- */

/* Sends a command and waits for its answer. 0 if it is no error; -1: with the failure. */
static int ask(redis_t *self, int count, const char *const *words, int64_t deadline_ms, redis_trouble_t *trouble,
               failure_t *failure) {
    redisReply *answer = NULL;
    *trouble = TROUBLE_NONE;
    if (send_command(self, count, words, deadline_ms, failure) != 0)
        return -1;
    while (!answer) {
        if (take_answer(self, &answer, failure) != 0 ||
            (!answer && stream_await(self->stream, deadline_ms, failure) != 0))
            return -1;
    }
    *trouble = trouble_of(answer);
    if (*trouble != TROUBLE_NONE)
        failure_set(failure, "%.20s: %.200s", words[0], why_of(answer));
    freeReplyObject(answer);
    return *trouble == TROUBLE_NONE ? 0 : -1;
}

static int log_in(redis_t *self, int64_t deadline_ms, failure_t *failure) {
    const char *user = self->address.user, *password = self->address.password;
    const char *words[] = {"AUTH", user ? user : password, password ? password : ""};
    redis_trouble_t trouble;
    if (!user && !password)
        return 0;
    int status = ask(self, user ? 3 : 2, words, deadline_ms, &trouble, failure);
    failure->refused = trouble == TROUBLE_USER || trouble == TROUBLE_MESSAGE;
    return status;
}

static int select_database(redis_t *self, int64_t deadline_ms, failure_t *failure) {
    const char *words[] = {"SELECT", self->address.database};
    redis_trouble_t trouble;
    if (strtol(words[1], NULL, 10) == 0)
        return 0;
    int status = ask(self, 2, words, deadline_ms, &trouble, failure);
    failure->refused = trouble == TROUBLE_USER || trouble == TROUBLE_MESSAGE; /* there are not so many */
    return status;
}

/* As kombu declares a queue; on the way, a full Redis says so. A user who may only push uses the queue
 * unchanged. */
static int bind_queue(redis_t *self, int64_t deadline_ms, failure_t *failure) {
    const char *words[] = {"SADD", self->bindings, self->binding};
    redis_trouble_t trouble;
    if (ask(self, 3, words, deadline_ms, &trouble, failure) == 0)
        return 0;
    if (trouble == TROUBLE_NONE || trouble == TROUBLE_SERVER)
        return -1;
    failure->refused = strstr(failure->text, "NOPERM") == NULL && trouble == TROUBLE_USER;
    if (failure->refused)
        return -1;
    log_info(NULL, "the queue is used unchanged: %s", failure->text);
    return 0;
}

static void drop_connection(redis_t *self) {
    stream_close(&self->stream);
    redisReaderFree(self->reader);
    self->reader = NULL;
}

static int connect_to(void *transport, failure_t *failure) {
    redis_t *self = transport;
    const redis_address_t *address = &self->address;
    int64_t deadline_ms = clock_ms() + BROKER_CONNECT_TIMEOUT_MS;
    self->stream = address->path ? stream_open_unix(address->path, deadline_ms, failure)
                                 : stream_open_tcp(address->host, address->port,
                                                   address->tls ? &address->trust : NULL, deadline_ms, failure);
    self->reader = new_reader();
    self->unread_bytes = 0;
    self->answers = self->unanswered = self->look = 0;
    if (self->stream && log_in(self, deadline_ms, failure) == 0 &&
        select_database(self, deadline_ms, failure) == 0 && bind_queue(self, deadline_ms, failure) == 0)
        return 0;
    drop_connection(self);
    if (address->path)
        return failure_set(failure, "%.100s: %s", address->path, failure->text);
    char place[NETWORK_PLACE_BYTES];
    network_place(address->host, address->port, place);
    return failure_set(failure, "%s: %s", place, failure->text);
}

static void disconnect(void *transport) {
    drop_connection(transport);
}

static int descriptor(void *transport) {
    return stream_descriptor(((redis_t *)transport)->stream);
}

/* --- sending ------------------------------------------------------------------------------------------- */

static int send_message(void *transport, const celery_message_t *message, uint64_t tag, failure_t *failure) {
    (void)tag; /* answers come in the order of the commands */
    redis_t *self = transport;
    int64_t deadline_ms = clock_ms() + BROKER_CONFIRM_TIMEOUT_MS;
    char *envelope = celery_envelope(message, self->queue);
    /* Somebody may have emptied the database since the last one. */
    const char *bind[] = {"SADD", self->bindings, self->binding}, *push[] = {"LPUSH", self->list, envelope};
    int status = send_command(self, 3, bind, deadline_ms, failure);
    if (status == 0)
        status = send_command(self, 3, push, deadline_ms, failure);
    free(envelope);
    self->unanswered += COMMANDS_PER_MESSAGE;
    return status;
}

static int look(void *transport, failure_t *failure) {
    redis_t *self = transport;
    const char *length[] = {"LLEN", self->list};
    if (self->look)
        return 0;
    self->look = ++self->unanswered;
    return send_command(self, 2, length, clock_ms() + BROKER_CONFIRM_TIMEOUT_MS, failure);
}

/* One who may only push is told nothing. */
static void on_length(redis_t *self, const redisReply *answer) {
    bool told = answer->type == REDIS_REPLY_INTEGER && answer->integer >= 0;
    self->results.looked(self->results.self, told ? answer->integer : -1, -1);
}

/* Answers to a binding and to a push alternate. A connection on which Redis accepts nothing is given up, so that
 * its registrations come again in their order; after any other error the others need not wait. */
static int on_answer(redis_t *self, redisReply *answer, failure_t *failure) {
    uint64_t number = ++self->answers, tag = number / COMMANDS_PER_MESSAGE;
    bool is_push = number % COMMANDS_PER_MESSAGE == 0;
    redis_trouble_t trouble = trouble_of(answer);
    if (trouble == TROUBLE_SERVER || (is_push && trouble == TROUBLE_USER)) {
        failure->refused = trouble == TROUBLE_USER;
        return failure_set(failure, "%.200s", why_of(answer));
    }
    if (!is_push)
        return 0;
    if (trouble == TROUBLE_MESSAGE)
        self->results.finished(self->results.self, tag, false, OUTCOME_REJECTED, why_of(answer));
    else if (answer->type == REDIS_REPLY_INTEGER && answer->integer > 0)
        self->results.finished(self->results.self, tag, false, OUTCOME_CONFIRMED, NULL);
    else
        return failure_set(failure, "it does not answer as Redis does: no length of the list");
    return 0;
}

static int service(void *transport, failure_t *failure) {
    redis_t *self = transport;
    for (;;) {
        redisReply *answer = NULL;
        if (take_answer(self, &answer, failure) != 0)
            return -1;
        if (!answer)
            return 0;
        int status = 0;
        bool is_look = self->look > 0 && --self->look == 0;
        self->unanswered--;
        if (is_look)
            on_length(self, answer);
        else
            status = on_answer(self, answer, failure);
        freeReplyObject(answer);
        if (status != 0)
            return -1;
    }
}

const transport_t TRANSPORT_REDIS = {create,  connect_to, descriptor, send_message,
                                     service, look,       disconnect, destroy};

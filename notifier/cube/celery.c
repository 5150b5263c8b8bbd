#include "notifier/cube/celery.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "common/host.h"
#include "common/memory.h"

/* Separators and escapes of Python's json.dumps. */
#define AS_PYTHON JSON_ENSURE_ASCII

void celery_sender_init(celery_sender_t *sender) {
    char host[HOST_NAME_MAX + 1];
    uuid_t id;
    uuid_generate(id);
    uuid_unparse_lower(id, sender->reply_to);
    host_read_name(host);
    sender->origin = format_text("oxidicom@%s", host);
}

void celery_sender_clear(celery_sender_t *sender) {
    free(sender->origin);
    sender->origin = NULL;
}

static const char *text_of(json_t *arguments, const char *name) {
    const char *text = json_string_value(json_object_get(arguments, name));
    return text ? text : "";
}

/* The arguments as workers log them and monitors show them: which series, and no patient. */
static json_t *make_repr(json_t *arguments) {
    return must(json_sprintf("{'StudyInstanceUID': '%s', 'SeriesInstanceUID': '%s', ...}",
                             text_of(arguments, "StudyInstanceUID"), text_of(arguments, "SeriesInstanceUID")));
}

static json_t *make_headers(const celery_sender_t *sender, const char *id, const char *traceparent,
                            json_t *arguments) {
    json_t *headers =
        must(json_pack("{s:s, s:s, s:s, s:n, s:n, s:n, s:n, s:n, s:i, s:[n, n], s:s, s:n, s:s, s:o, s:s, s:b}",
                       "lang", "py", "task", CELERY_TASK, "id", id, "shadow", "eta", "expires", "group",
                       "group_index", "retries", 0, "timelimit", "root_id", id, "parent_id", "argsrepr", "()",
                       "kwargsrepr", make_repr(arguments), "origin", sender->origin, "ignore_result", 0));
    /* CUBE's worker can continue the trace. */
    if (*traceparent)
        json_object_set_new(headers, "traceparent", must(json_string(traceparent)));
    return headers;
}

/* [args, kwargs, embed] */
static char *make_body(json_t *arguments) {
    json_t *body =
        must(json_pack("[[], O, {s:n, s:n, s:n, s:n}]", arguments, "callbacks", "errbacks", "chain", "chord"));
    char *text = must(json_dumps(body, AS_PYTHON));
    json_decref(body);
    return text;
}

void celery_message_init(celery_message_t *message, const celery_sender_t *sender,
                         const registration_t *registration) {
    json_t *arguments = registration_arguments(registration);
    char traceparent[TRACEPARENT_BYTES];
    traceparent_write(&registration->trace, traceparent);
    *message = (celery_message_t){.id = registration->task_id,
                                  .reply_to = sender->reply_to,
                                  .headers = make_headers(sender, registration->task_id, traceparent, arguments),
                                  .body = make_body(arguments)};
    json_decref(arguments);
}

void celery_message_clear(celery_message_t *message) {
    json_decref(message->headers);
    free(message->body);
    *message = (celery_message_t){0};
}

static char *base64(const char *text) {
    size_t size = strlen(text);
    char *encoded = must(malloc(4 * ((size + 2) / 3) + 1));
    EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)text, (int)size);
    return encoded;
}

char *celery_envelope(const celery_message_t *message, const char *queue) {
    char *body = base64(message->body), tag[UUID_STR_LEN];
    uuid_t id;
    uuid_generate(id);
    uuid_unparse_lower(id, tag);
    json_t *envelope =
        must(json_pack("{s:s, s:s, s:s, s:O, s:{s:s, s:s, s:i, s:{s:s, s:s}, s:i, s:s, s:s}}", "body", body,
                       "content-encoding", CELERY_CONTENT_ENCODING, "content-type", CELERY_CONTENT_TYPE, "headers",
                       message->headers, "properties", "correlation_id", message->id, "reply_to", message->reply_to,
                       "delivery_mode", CELERY_PERSISTENT, "delivery_info", "exchange", "", "routing_key", queue,
                       "priority", 0, "body_encoding", "base64", "delivery_tag", tag));
    char *text = must(json_dumps(envelope, AS_PYTHON));
    json_decref(envelope);
    free(body);
    return text;
}

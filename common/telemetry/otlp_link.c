#include "common/telemetry/otlp_link.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/memory.h"

/* A collector's answer may be so long. */
#define OTLP_ANSWER_MAX_BYTES (64 * 1024)
/* Looks at a connection on which nothing moves that may follow one another at once, and the pause before each
 * further one. */
#define OTLP_IDLE_LOOKS    8
#define OTLP_IDLE_PAUSE_MS 10

/* A message of gRPC has a byte that says whether it is compressed, and its length (gRPC over HTTP/2). */
#define GRPC_PREFIX_BYTES 5

struct otlp_link {
    otlp_target_t target;
    CURL *curl;
    size_t received;  /* bytes of the answer */
    int grpc_status;  /* -1: none came */
    curl_off_t moved; /* bytes, at the last look at the connection */
    int looks;        /* since anything has moved */
    atomic_int_least64_t end_ms;
    char curl_why[CURL_ERROR_SIZE];
};

/* --- one request ---------------------------------------------------------------------------------------- */

/* Behind the prefix that gRPC wants. Free it. */
static uint8_t *bytes_of(const otlp_link_t *self, const ProtobufCMessage *request, size_t *size) {
    size_t prefix = self->target.grpc ? GRPC_PREFIX_BYTES : 0;
    size_t packed = protobuf_c_message_get_packed_size(request);
    uint8_t *bytes = must(malloc(prefix + packed + 1));
    protobuf_c_message_pack(request, bytes + prefix);
    for (size_t i = 0; i < prefix; i++)
        bytes[i] = i == 0 ? 0 : (uint8_t)(packed >> 8 * (4 - i));
    *size = prefix + packed;
    return bytes;
}

/* The answer says nothing of use, but an endless one ends here. */
static size_t on_body(char *bytes, size_t size, size_t count, void *argument) {
    (void)bytes;
    otlp_link_t *self = argument;
    self->received += size * count;
    return self->received <= OTLP_ANSWER_MAX_BYTES ? size * count : 0;
}

/* libcurl hands trailers over like headers. */
static size_t on_header(char *bytes, size_t size, size_t count, void *argument) {
    static const char name[] = "grpc-status:";
    otlp_link_t *self = argument;
    char line[32];
    size *= count;
    self->received += size;
    if (size < sizeof line && size > strlen(name) && strncasecmp(bytes, name, strlen(name)) == 0) {
        memcpy(line, bytes, size);
        line[size] = 0;
        self->grpc_status = atoi(line + strlen(name));
    }
    return self->received <= OTLP_ANSWER_MAX_BYTES ? size : 0;
}

/* Called each time that libcurl has looked at the connection. libcurl 7.88 looks again at once, and so on, while a
 * request is longer than HTTP/2's window (64 KiB) and the collector does not widen it: that takes a whole core. */
static void slow_down(otlp_link_t *self, curl_off_t moved) {
    self->looks = moved == self->moved ? self->looks + 1 : 0;
    self->moved = moved;
    if (self->looks > OTLP_IDLE_LOOKS)
        usleep(OTLP_IDLE_PAUSE_MS * 1000);
}

/* Breaks off what takes too long for a process that ends. */
static int on_progress(void *argument, curl_off_t to_receive, curl_off_t received, curl_off_t to_send,
                       curl_off_t sent) {
    (void)to_receive;
    (void)to_send;
    otlp_link_t *self = argument;
    int64_t end_ms = atomic_load(&self->end_ms);
    slow_down(self, received + sent);
    return end_ms && clock_ms() >= end_ms;
}

static bool may_come_again(const otlp_link_t *self, CURLcode code, long http) {
    /* The collector may have taken a request that timed out: a second one would count twice. */
    if (code != CURLE_OK)
        return code != CURLE_OPERATION_TIMEDOUT && code != CURLE_ABORTED_BY_CALLBACK && code != CURLE_WRITE_ERROR;
    if (self->target.grpc && http == 200) /* CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE */
        return strchr("\1\4\12\13\16", self->grpc_status) && self->grpc_status > 0;
    return http == 429 || http == 502 || http == 503 || http == 504;
}

static otlp_result_t judge(otlp_link_t *self, CURLcode code, char *why) {
    long http = 0;
    curl_easy_getinfo(self->curl, CURLINFO_RESPONSE_CODE, &http);
    if (code != CURLE_OK)
        snprintf(why, OTLP_WHY_BYTES, "%s", *self->curl_why ? self->curl_why : curl_easy_strerror(code));
    else if (self->target.grpc && http == 200 && self->grpc_status >= 0)
        snprintf(why, OTLP_WHY_BYTES, "it answered with gRPC status %d", self->grpc_status);
    else
        snprintf(why, OTLP_WHY_BYTES, "it answered with HTTP status %ld", http);
    if (code == CURLE_OK && http == 200 && (!self->target.grpc || self->grpc_status == 0))
        return OTLP_TAKEN;
    return may_come_again(self, code, http) ? OTLP_TRY_AGAIN : OTLP_REFUSED;
}

otlp_result_t otlp_link_post(otlp_link_t *self, const ProtobufCMessage *request, char why[OTLP_WHY_BYTES]) {
    size_t size;
    uint8_t *bytes = bytes_of(self, request, &size);
    self->received = 0;
    self->moved = 0;
    self->looks = 0;
    self->grpc_status = -1;
    self->curl_why[0] = 0;
    curl_easy_setopt(self->curl, CURLOPT_POSTFIELDS, (char *)bytes);
    curl_easy_setopt(self->curl, CURLOPT_POSTFIELDSIZE, (long)size);
    otlp_result_t result = judge(self, curl_easy_perform(self->curl), why);
    free(bytes);
    return result;
}

/* --- life ----------------------------------------------------------------------------------------------- */

static bool prepare_curl(otlp_link_t *self) {
    CURL *curl = self->curl = curl_easy_init();
    const otlp_target_t *target = &self->target;
    /* gRPC without TLS is HTTP/2 from the first byte. */
    long version = !target->grpc ? CURL_HTTP_VERSION_1_1
                   : target->tls ? CURL_HTTP_VERSION_2TLS
                                 : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
    return curl && curl_easy_setopt(curl, CURLOPT_URL, target->url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, version) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           /* A connection each time, once a second at most: libcurl 7.88 fails on the second request of one of
            * HTTP/2 without TLS, and firewalls forget idle ones. */
           curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTPHEADER, target->headers) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)target->timeout_ms) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, self->curl_why) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, self) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HEADERDATA, self) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_XFERINFODATA, self) == CURLE_OK;
}

otlp_link_t *otlp_link_new(otlp_target_t *target) {
    otlp_link_t *self = must(calloc(1, sizeof *self));
    self->target = *target;
    *target = (otlp_target_t){0};
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || !prepare_curl(self))
        otlp_link_destroy(&self);
    return self;
}

void otlp_link_destroy(otlp_link_t **self_p) {
    otlp_link_t *self = *self_p;
    if (!self)
        return;
    curl_easy_cleanup(self->curl);
    otlp_target_clear(&self->target);
    free(self);
    *self_p = NULL;
}

const otlp_target_t *otlp_link_target(const otlp_link_t *self) {
    return &self->target;
}

void otlp_link_end_by(otlp_link_t *self, int64_t end_ms) {
    atomic_store(&self->end_ms, end_ms);
}

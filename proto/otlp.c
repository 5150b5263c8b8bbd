#include "proto/otlp.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/version.h"
#include "proto/otlp_target.h"

/* A message of gRPC has a byte that says whether it is compressed, and its length (gRPC over HTTP/2). */
#define GRPC_PREFIX_BYTES 5

typedef struct exporter {
    otlp_target_t target;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    Otlp__Span *queue[OTLP_QUEUE_SPANS]; /* a ring */
    size_t first, count;
    atomic_uint_least64_t dropped;
    atomic_bool ending;
    int64_t flushed_by_ms; /* once ending */
    log_limit_t complained;
    /* of the thread: */
    CURL *curl;
    Otlp__Span *batch[OTLP_BATCH_SPANS];
    size_t batch_count;
    size_t received; /* bytes of the answer */
    int grpc_status; /* -1: none came */
    char curl_why[CURL_ERROR_SIZE];
} exporter_t;

static exporter_t *exporter; /* NULL: none */

typedef enum result { EXPORTED, EXPORT_AGAIN, EXPORT_REFUSED } result_t;

static void *must(void *allocated) {
    if (!allocated)
        abort();
    return allocated;
}

Otlp__KeyValue *otlp_attribute(const char *key) {
    Otlp__KeyValue *attribute = must(malloc(sizeof *attribute));
    otlp__key_value__init(attribute);
    attribute->key = must(strdup(key));
    attribute->value = must(malloc(sizeof *attribute->value));
    otlp__any_value__init(attribute->value);
    return attribute;
}

bool otlp_tracing(void) {
    return exporter != NULL;
}

uint64_t otlp_dropped(void) {
    return exporter ? atomic_load(&exporter->dropped) : 0;
}

/* TraceIdRatioBased: the decision is in the trace's id, so that all make the same. */
bool otlp_samples(const trace_context_t *trace) {
    uint64_t low = 0;
    for (size_t i = TRACE_ID_BYTES - 8; i < TRACE_ID_BYTES; i++)
        low = low << 8 | trace->trace_id[i];
    double ratio = exporter->target.ratio;
    return ratio >= 1 || (double)(low >> 1) < ratio * 0x1p63;
}

/* --- the queue ------------------------------------------------------------------------------------------ */

void otlp_take(Otlp__Span *span) {
    exporter_t *self = exporter;
    bool taken = false;
    if (self) {
        pthread_mutex_lock(&self->lock);
        taken = self->count < OTLP_QUEUE_SPANS;
        if (taken) {
            self->queue[(self->first + self->count++) % OTLP_QUEUE_SPANS] = span;
            /* Fewer wait for the next look of the thread, which is cheaper than to wake it for each. */
            if (self->count == OTLP_BATCH_SPANS)
                pthread_cond_signal(&self->wake);
        }
        pthread_mutex_unlock(&self->lock);
    }
    if (taken)
        return;
    otlp__span__free_unpacked(span, NULL);
    if (self)
        atomic_fetch_add(&self->dropped, 1);
}

/* Waits until `deadline_ms` of clock_ms, or for more spans where `for_spans`, or for the end. */
static void wait_until(exporter_t *self, int64_t deadline_ms, bool for_spans) {
    struct timespec until = {.tv_sec = deadline_ms / 1000, .tv_nsec = deadline_ms % 1000 * 1000000};
    pthread_mutex_lock(&self->lock);
    while (!atomic_load(&self->ending) && !(for_spans && self->count >= OTLP_BATCH_SPANS) &&
           pthread_cond_timedwait(&self->wake, &self->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&self->lock);
}

static void take_batch(exporter_t *self) {
    pthread_mutex_lock(&self->lock);
    for (; self->count > 0 && self->batch_count < OTLP_BATCH_SPANS; self->count--) {
        self->batch[self->batch_count++] = self->queue[self->first];
        self->first = (self->first + 1) % OTLP_QUEUE_SPANS;
    }
    pthread_mutex_unlock(&self->lock);
}

static void forget_batch(exporter_t *self) {
    while (self->batch_count > 0)
        otlp__span__free_unpacked(self->batch[--self->batch_count], NULL);
}

/* --- one request ---------------------------------------------------------------------------------------- */

/* The batch as ExportTraceServiceRequest, behind the prefix that gRPC wants. Free it. */
static uint8_t *request_of(exporter_t *self, size_t *size) {
    Otlp__InstrumentationScope scope = OTLP__INSTRUMENTATION_SCOPE__INIT;
    scope.name = (char *)"oxidicom";
    scope.version = (char *)OXIDICOM_VERSION;
    Otlp__ScopeSpans spans = OTLP__SCOPE_SPANS__INIT;
    spans.scope = &scope;
    spans.spans = self->batch;
    spans.n_spans = self->batch_count;
    Otlp__ResourceSpans resource = OTLP__RESOURCE_SPANS__INIT;
    resource.resource = self->target.resource;
    resource.scope_spans = &(Otlp__ScopeSpans *){&spans};
    resource.n_scope_spans = 1;
    Otlp__ExportTraceServiceRequest request = OTLP__EXPORT_TRACE_SERVICE_REQUEST__INIT;
    request.resource_spans = &(Otlp__ResourceSpans *){&resource};
    request.n_resource_spans = 1;
    size_t prefix = self->target.grpc ? GRPC_PREFIX_BYTES : 0, packed;
    packed = otlp__export_trace_service_request__get_packed_size(&request);
    uint8_t *bytes = must(malloc(prefix + packed + 1));
    otlp__export_trace_service_request__pack(&request, bytes + prefix);
    for (size_t i = 0; i < prefix; i++)
        bytes[i] = i == 0 ? 0 : (uint8_t)(packed >> 8 * (4 - i));
    *size = prefix + packed;
    return bytes;
}

/* The answer says nothing of use, but an endless one ends here. */
static size_t on_body(char *bytes, size_t size, size_t count, void *argument) {
    (void)bytes;
    exporter_t *self = argument;
    self->received += size * count;
    return self->received <= OTLP_ANSWER_MAX_BYTES ? size * count : 0;
}

/* libcurl hands trailers over like headers. */
static size_t on_header(char *bytes, size_t size, size_t count, void *argument) {
    static const char name[] = "grpc-status:";
    exporter_t *self = argument;
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

/* Breaks off what takes too long for a process that ends. */
static int on_progress(void *argument, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    (void)a, (void)b, (void)c, (void)d;
    exporter_t *self = argument;
    return atomic_load(&self->ending) && clock_ms() >= self->flushed_by_ms;
}

static bool may_come_again(const exporter_t *self, CURLcode code, long http) {
    /* One that timed out may have been taken: a second one would double its spans. */
    if (code != CURLE_OK)
        return code != CURLE_OPERATION_TIMEDOUT && code != CURLE_ABORTED_BY_CALLBACK && code != CURLE_WRITE_ERROR;
    if (self->target.grpc && http == 200) /* CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE */
        return strchr("\1\4\12\13\16", self->grpc_status) && self->grpc_status > 0;
    return http == 429 || http == 502 || http == 503 || http == 504;
}

/* `why` has room for 128 bytes more than CURL_ERROR_SIZE. */
static result_t judge(exporter_t *self, CURLcode code, char *why, size_t room) {
    long http = 0;
    curl_easy_getinfo(self->curl, CURLINFO_RESPONSE_CODE, &http);
    if (code != CURLE_OK)
        snprintf(why, room, "%s", *self->curl_why ? self->curl_why : curl_easy_strerror(code));
    else if (self->target.grpc && http == 200 && self->grpc_status >= 0)
        snprintf(why, room, "it answered with gRPC status %d", self->grpc_status);
    else
        snprintf(why, room, "it answered with HTTP status %ld", http);
    if (code == CURLE_OK && http == 200 && (!self->target.grpc || self->grpc_status == 0))
        return EXPORTED;
    return may_come_again(self, code, http) ? EXPORT_AGAIN : EXPORT_REFUSED;
}

static result_t export_batch(exporter_t *self, char *why, size_t room) {
    size_t size;
    uint8_t *request = request_of(self, &size);
    self->received = 0;
    self->grpc_status = -1;
    self->curl_why[0] = 0;
    curl_easy_setopt(self->curl, CURLOPT_POSTFIELDS, (char *)request);
    curl_easy_setopt(self->curl, CURLOPT_POSTFIELDSIZE, (long)size);
    result_t result = judge(self, curl_easy_perform(self->curl), why, room);
    free(request);
    return result;
}

/* --- the thread ----------------------------------------------------------------------------------------- */

static void complain(exporter_t *self, const char *why) {
    uint64_t left_out;
    if (log_rarely(&self->complained, &left_out))
        log_warn(NULL, "the collector of traces does not take them: %s; %llu spans dropped so far", why,
                 (unsigned long long)atomic_load(&self->dropped));
}

/* Exports the batch, again where that may help, until it is gone one way or the other. */
static void send_batch(exporter_t *self) {
    char why[CURL_ERROR_SIZE + 64];
    int64_t pause_ms = OTLP_RETRY_FIRST_MS;
    result_t result = export_batch(self, why, sizeof why);
    for (int i = 1; result == EXPORT_AGAIN && i < OTLP_TRIES && !atomic_load(&self->ending); i++) {
        complain(self, why);
        wait_until(self, clock_ms() + pause_ms / 2 + (int64_t)arc4random_uniform((uint32_t)pause_ms), false);
        pause_ms *= 2;
        result = export_batch(self, why, sizeof why);
    }
    if (result != EXPORTED) {
        atomic_fetch_add(&self->dropped, self->batch_count);
        complain(self, why);
    }
    forget_batch(self);
}

static void *run(void *argument) {
    exporter_t *self = argument;
    for (bool ending = false; !ending;) {
        wait_until(self, clock_ms() + OTLP_BATCH_MS, true);
        ending = atomic_load(&self->ending);
        for (take_batch(self); self->batch_count > 0; take_batch(self)) {
            if (ending && clock_ms() >= self->flushed_by_ms) {
                atomic_fetch_add(&self->dropped, self->batch_count);
                forget_batch(self);
                continue;
            }
            send_batch(self);
            ending = atomic_load(&self->ending);
        }
    }
    return NULL;
}

static bool prepare_curl(exporter_t *self) {
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

/* --- life ----------------------------------------------------------------------------------------------- */

static void destroy(exporter_t *self) {
    forget_batch(self);
    for (; self->count > 0; self->count--, self->first = (self->first + 1) % OTLP_QUEUE_SPANS)
        otlp__span__free_unpacked(self->queue[self->first], NULL);
    curl_easy_cleanup(self->curl);
    otlp_target_clear(&self->target);
    pthread_cond_destroy(&self->wake);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

void otlp_confine(const settings_t *settings, sandbox_t *sandbox) {
    const char *disabled = settings->otel_sdk_disabled;
    if ((!settings->otel_endpoint && !settings->otel_traces_endpoint) ||
        (disabled && strcasecmp(disabled, "true") == 0))
        return;
    sandbox->internet = true;
    sandbox_allow_file(sandbox, "/etc/resolv.conf");
    sandbox_allow_file(sandbox, "/etc/hosts");
}

void otlp_start(const settings_t *settings, const char *instance) {
    otlp_target_t target;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || !otlp_target_read(&target, settings, instance))
        return;
    exporter_t *self = must(calloc(1, sizeof *self));
    pthread_condattr_t clock;
    self->target = target;
    pthread_mutex_init(&self->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC); /* that of clock_ms */
    pthread_cond_init(&self->wake, &clock);
    pthread_condattr_destroy(&clock);
    if (!prepare_curl(self) || pthread_create(&self->thread, NULL, run, self) != 0) {
        log_error(NULL, "there are no traces: the exporter can't be started");
        destroy(self);
        return;
    }
    log_info(NULL, "traces go to %s", strstr(target.url, "@") ? "the collector" : target.url);
    exporter = self;
}

void otlp_stop(void) {
    exporter_t *self = exporter;
    if (!self)
        return;
    exporter = NULL;
    self->flushed_by_ms = clock_ms() + OTLP_FLUSH_MS;
    pthread_mutex_lock(&self->lock);
    atomic_store(&self->ending, true);
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    if (atomic_load(&self->dropped))
        log_warn(NULL, "%llu spans were dropped", (unsigned long long)atomic_load(&self->dropped));
    destroy(self);
}

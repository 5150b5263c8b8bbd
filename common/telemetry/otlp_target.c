#include "common/telemetry/otlp_target.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/percent.h"
#include "common/telemetry/otlp_message.h"
#include "common/utf8.h"
#include "common/version.h"

/* A collector's answer may take so long (OTEL_EXPORTER_OTLP_TIMEOUT). */
#define OTLP_TIMEOUT_MS      10000
#define OTLP_TIMEOUT_MOST_MS 3600000
/* How often metrics are sent (OTEL_METRIC_EXPORT_INTERVAL), and how rarely at most. */
#define OTLP_INTERVAL_MS      60000
#define OTLP_INTERVAL_MOST_MS 86400000
/* OpenTelemetry's variables that are complained about at most. */
#define OTLP_VARIABLES_MAX      16
#define RESOURCE_ATTRIBUTES_MAX 128

/* What differs from signal to signal. */
static const struct signal_info {
    const char *what;
    const char *variable; /* of its own endpoint */
    const char *service;  /* of gRPC, and its method */
    const char *path;     /* over HTTP, behind an endpoint for all signals */
} SIGNALS[] = {
    [OTLP_TRACES] = {"traces", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
                     "opentelemetry.proto.collector.trace.v1.TraceService/Export", "v1/traces"},
    [OTLP_METRICS] = {"metrics", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
                      "opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "v1/metrics"},
};

/* Once: most variables are read for each signal. */
static void complain(const char *variable, const char *needed) {
    static const char *said[OTLP_VARIABLES_MAX];
    size_t i = 0;
    while (i < OTLP_VARIABLES_MAX && said[i] && strcmp(said[i], variable) != 0)
        i++;
    if (i == OTLP_VARIABLES_MAX || said[i])
        return;
    said[i] = variable;
    log_warn(NULL, "%s is not used: needed is %s", variable, needed);
}

/* --- lists of key=value -------------------------------------------------------------------------------- */

static char *trimmed(char *text) {
    while (*text == ' ' || *text == '\t')
        text++;
    for (size_t size = strlen(text); size > 0 && strchr(" \t", text[size - 1]); size--)
        text[size - 1] = 0;
    return text;
}

/* Calls `each` with every pair, decoded; false where the list is malformed or `each` says so. */
static bool for_pairs(const char *list, bool (*each)(void *argument, const char *key, const char *value),
                      void *argument) {
    char *copy = must(strdup(list)), *rest = copy;
    bool good = true;
    for (char *item; good && (item = strsep(&rest, ","));) {
        item = trimmed(item);
        if (!*item)
            continue;
        char *equals = strchr(item, '=');
        good = equals != NULL;
        if (!good)
            break;
        *equals = 0;
        char *key = trimmed(item), *value = trimmed(equals + 1);
        good = *key && percent_decode(key) == 0 && percent_decode(value) == 0 && each(argument, key, value);
    }
    free(copy);
    return good;
}

/* --- the resource -------------------------------------------------------------------------------------- */

static void set_text(Otlp__Resource *resource, const char *key, const char *value) {
    Otlp__KeyValue *attribute = NULL;
    for (size_t i = 0; i < resource->n_attributes; i++)
        if (strcmp(resource->attributes[i]->key, key) == 0)
            attribute = resource->attributes[i];
    if (!attribute) {
        if (resource->n_attributes == RESOURCE_ATTRIBUTES_MAX)
            return;
        attribute = resource->attributes[resource->n_attributes++] = otlp_message_attribute(key);
    } else {
        free(attribute->value->string_value);
    }
    attribute->value->value_case = OTLP__ANY_VALUE__VALUE_STRING_VALUE;
    attribute->value->string_value = must(strdup(value));
}

static bool is_good_attribute(void *argument, const char *key, const char *value) {
    size_t *count = argument;
    return ++*count <= RESOURCE_ATTRIBUTES_MAX / 2 && utf8_valid(key, strlen(key)) &&
           utf8_valid(value, strlen(value));
}

static bool set_attribute(void *argument, const char *key, const char *value) {
    set_text(argument, key, value);
    return true;
}

/* One bad entry spoils the whole list, as the specification says. OTEL_SERVICE_NAME wins. */
static Otlp__Resource *resource_of(const settings_t *settings, const char *instance) {
    Otlp__Resource *resource = must(malloc(sizeof *resource));
    otlp__resource__init(resource);
    resource->attributes = must(calloc(RESOURCE_ATTRIBUTES_MAX, sizeof(Otlp__KeyValue *)));
    resource->n_attributes = 0; /* as the analyzer wants to see */
    char host[HOST_NAME_MAX + 1] = "", process[16];
    if (gethostname(host, sizeof host - 1) == 0 && *host && utf8_valid(host, strlen(host)))
        set_text(resource, "host.name", host);
    snprintf(process, sizeof process, "%d", (int)getpid());
    set_text(resource, "service.name", "oxidicom");
    set_text(resource, "service.version", OXIDICOM_VERSION);
    set_text(resource, "service.instance.id", instance);
    set_text(resource, "process.pid", process);
    const char *attributes = settings->otel_resource_attributes;
    size_t count = 0;
    if (attributes && for_pairs(attributes, is_good_attribute, &count))
        (void)for_pairs(attributes, set_attribute, resource);
    else if (attributes)
        complain("OTEL_RESOURCE_ATTRIBUTES", "key=value,…, percent-encoded UTF-8");
    if (settings->otel_service_name && utf8_valid(settings->otel_service_name, strlen(settings->otel_service_name)))
        set_text(resource, "service.name", settings->otel_service_name);
    return resource;
}

/* --- where to ------------------------------------------------------------------------------------------ */

static bool is_http(const char *url) {
    return (strncasecmp(url, "http://", 7) == 0 && url[7]) || (strncasecmp(url, "https://", 8) == 0 && url[8]);
}

static const char *own_endpoint(const settings_t *settings, otlp_signal_t signal) {
    return signal == OTLP_TRACES ? settings->otel_traces_endpoint : settings->otel_metrics_endpoint;
}

/* For gRPC only scheme, host and port count; over HTTP, a URL for all signals gets the path of this one. */
static char *url_of(const char *endpoint, bool grpc, const struct signal_info *signal, bool is_own) {
    char *url;
    size_t size = strlen(endpoint);
    const char *host = strstr(endpoint, "://") + 3, *path = grpc ? signal->service : is_own ? NULL : signal->path;
    if (grpc)
        size = (size_t)(host - endpoint) + strcspn(host, "/?#");
    else if (!is_own)
        while (size > 0 && endpoint[size - 1] == '/')
            size--;
    url = format_text("%.*s%s%s", (int)size, endpoint, path ? "/" : "", path ? path : "");
    return url;
}

static void add_header(struct curl_slist **headers, const char *line) {
    *headers = must(curl_slist_append(*headers, line));
}

/* A line break would make two of one. */
static bool is_good_header(void *argument, const char *key, const char *value) {
    (void)argument;
    for (const char *c = key; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-_.", *c))
            return false;
    for (const char *c = value; *c; c++)
        if (iscntrl((unsigned char)*c))
            return false;
    return true;
}

static bool set_header(void *argument, const char *key, const char *value) {
    char *line = *value ? format_text("%s: %s", key, value) : format_text("%s;", key);
    add_header(argument, line);
    free(line);
    return true;
}

static struct curl_slist *headers_of(const settings_t *settings, bool grpc) {
    struct curl_slist *headers = NULL;
    add_header(&headers, grpc ? "Content-Type: application/grpc" : "Content-Type: application/x-protobuf");
    add_header(&headers, "Expect:"); /* no waiting for 100 Continue */
    if (grpc)
        add_header(&headers, "TE: trailers");
    const char *list = settings->otel_headers;
    if (list && for_pairs(list, is_good_header, NULL))
        (void)for_pairs(list, set_header, &headers);
    else if (list)
        complain("OTEL_EXPORTER_OTLP_HEADERS", "key=value,…, percent-encoded"); /* its value may be a secret */
    return headers;
}

static bool is_grpc(const settings_t *settings) {
    const char *protocol = settings->otel_protocol;
    if (protocol && strcmp(protocol, "http/protobuf") == 0)
        return false;
    if (protocol && strcmp(protocol, "grpc") != 0)
        complain("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc or http/protobuf");
    return true;
}

/* Of a variable in milliseconds. */
static int64_t milliseconds(const char *variable, const char *text, int64_t unset, int64_t most,
                            const char *needed) {
    char *end;
    long long number = text ? strtoll(text, &end, 10) : unset;
    if (!text || (end != text && !*end && number > 0 && number <= most))
        return number;
    complain(variable, needed);
    return unset;
}

/* --- sampling ------------------------------------------------------------------------------------------ */

static double ratio_argument(const settings_t *settings) {
    char *end;
    const char *text = settings->otel_sampler_arg;
    double ratio = text ? strtod(text, &end) : 1;
    if (!text || (end != text && !*end && ratio >= 0 && ratio <= 1))
        return ratio;
    complain("OTEL_TRACES_SAMPLER_ARG", "a number from 0 to 1");
    return 1;
}

/* DICOM carries no parent, so parentbased_… means its second part. */
static double ratio_of(const settings_t *settings) {
    static const char parent_based[] = "parentbased_";
    const char *sampler = settings->otel_sampler;
    if (!sampler)
        return 1;
    if (strncmp(sampler, parent_based, strlen(parent_based)) == 0)
        sampler += strlen(parent_based);
    if (strcmp(sampler, "traceidratio") == 0)
        return ratio_argument(settings);
    if (strcmp(sampler, "always_off") == 0)
        return 0;
    if (strcmp(sampler, "always_on") != 0)
        complain("OTEL_TRACES_SAMPLER", "always_on, always_off or traceidratio, or one of them after parentbased_");
    return 1;
}

static bool says_none(const settings_t *settings, otlp_signal_t signal) {
    const char *exporter = signal == OTLP_METRICS ? settings->otel_metrics_exporter : NULL;
    bool none = exporter && strcmp(exporter, "none") == 0;
    if (exporter && !none && strcmp(exporter, "otlp") != 0)
        complain("OTEL_METRICS_EXPORTER", "otlp or none");
    return none || (settings->otel_sdk_disabled && strcasecmp(settings->otel_sdk_disabled, "true") == 0);
}

bool otlp_target_wanted(const settings_t *settings, otlp_signal_t signal) {
    return (own_endpoint(settings, signal) || settings->otel_endpoint) && !says_none(settings, signal);
}

bool otlp_target_read(otlp_target_t *target, const settings_t *settings, otlp_signal_t signal,
                      const char *instance) {
    const struct signal_info *info = &SIGNALS[signal];
    const char *own = own_endpoint(settings, signal), *endpoint = own ? own : settings->otel_endpoint;
    *target = (otlp_target_t){0};
    if (!otlp_target_wanted(settings, signal))
        return false;
    if (!is_http(endpoint)) {
        complain(own ? info->variable : "OTEL_EXPORTER_OTLP_ENDPOINT",
                 "http://host:port or https://host:port; nothing is sent");
        return false;
    }
    target->grpc = is_grpc(settings);
    target->tls = strncasecmp(endpoint, "https", 5) == 0;
    target->url = url_of(endpoint, target->grpc, info, own != NULL);
    target->headers = headers_of(settings, target->grpc);
    target->timeout_ms = milliseconds("OTEL_EXPORTER_OTLP_TIMEOUT", settings->otel_timeout, OTLP_TIMEOUT_MS,
                                      OTLP_TIMEOUT_MOST_MS, "milliseconds, up to an hour");
    target->ratio = signal == OTLP_TRACES ? ratio_of(settings) : 0;
    if (signal == OTLP_METRICS)
        target->interval_ms = milliseconds("OTEL_METRIC_EXPORT_INTERVAL", settings->otel_metric_interval,
                                           OTLP_INTERVAL_MS, OTLP_INTERVAL_MOST_MS, "milliseconds, up to a day");
    target->resource = resource_of(settings, instance);
    log_info(NULL, "%s go to %s", info->what, strstr(target->url, "@") ? "the collector" : target->url);
    return true;
}

void otlp_target_clear(otlp_target_t *target) {
    free(target->url);
    curl_slist_free_all(target->headers);
    otlp__resource__free_unpacked(target->resource, NULL);
    *target = (otlp_target_t){0};
}

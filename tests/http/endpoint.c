#include "tests/http/endpoint.h"

#include <stdlib.h>

#include "common/clock.h"

int endpoint_port(void) {
    const char *port = getenv("OXIDICOM_HTTP_PORT");
    cr_assert_not_null(port);
    return atoi(port);
}

void endpoint_start(receiver_t *receiver, const char *queue, const char *stages, const char *const *more) {
    char *port = text_of("%d", free_port()), *launcher = text_of("%s/oxidicom", binaries());
    const char *environment[32] = {"OXIDICOM_AMQP_ADDRESS", rabbitmq_address(),    "OXIDICOM_NATS_ADDRESS",
                                   nats_address(),          "OXIDICOM_QUEUE_NAME", queue};
    size_t count = 6;
    for (; more && *more; more += 2) {
        environment[count++] = more[0];
        environment[count++] = more[1];
    }
    setenv("OXIDICOM_HTTP_PORT", port, 1);
    receiver_prepare(receiver);
    const char *const argv[] = {launcher, stages ? "--stages" : NULL, stages, NULL};
    receiver_launch_as(receiver, environment, argv);
    cr_assert(stages ? receiver_logged(receiver, "all stages are ready", PATIENCE_MS) : receiver_ready(receiver));
    cr_assert(await_port(endpoint_port(), PATIENCE_MS));
    free(launcher);
    free(port);
}

int status_of(const char *path) {
    int status;
    free(http_get(endpoint_port(), path, NULL, &status));
    return status;
}

typedef struct wanted {
    const char *what;
    int status;
    double value;
} wanted_t;

static bool has_status(void *argument) {
    const wanted_t *wanted = argument;
    return status_of(wanted->what) == wanted->status;
}

int64_t await_status(const char *path, int status) {
    wanted_t wanted = {.what = path, .status = status};
    int64_t begun = clock_ms();
    return await(has_status, &wanted, PATIENCE_MS) ? clock_ms() - begun : -1;
}

double metric(const char *series) {
    int status;
    char *text = http_get(endpoint_port(), "/metrics", NULL, &status);
    double value = metric_in(text, series);
    free(text);
    return value;
}

static bool has_value(void *argument) {
    const wanted_t *wanted = argument;
    return metric(wanted->what) == wanted->value;
}

void await_metric(const char *series, double value) {
    wanted_t wanted = {.what = series, .value = value};
    cr_assert(await(has_value, &wanted, PATIENCE_MS), "%s is %g and does not become %g", series, metric(series),
              value);
}

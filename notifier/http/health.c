#include "notifier/http/health.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/memory.h"
#include "common/version.h"

void health_beat(health_t *health) {
    atomic_store(&health->loop_ms, clock_ms());
}

bool health_alive(health_t *health, int64_t now_ms) {
    return now_ms - atomic_load(&health->loop_ms) < LOOP_SILENCE_MS;
}

/* One thing that has to be as it should. */
typedef struct check {
    const char *name;
    bool passed;
    readiness_t without; /* the receiver's state in that case */
    char why[LINK_WHY_BYTES + 32];
    int64_t since; /* milliseconds since 1970; 0: not known */
} check_t;

#define CHECKS_MAX 7

static check_t checked(const char *name, bool passed, readiness_t without, const char *why) {
    check_t check = {.name = name, .passed = passed, .without = without};
    snprintf(check.why, sizeof check.why, "%s", passed ? "" : why);
    return check;
}

static check_t check_connection(const char *name, link_state_t *state) {
    char why[LINK_WHY_BYTES], text[sizeof((check_t *)0)->why];
    check_t check = {0};
    link_state_read(state, &check.passed, &check.since, why);
    snprintf(text, sizeof text, "%s is not there: %s", name, why);
    int64_t since = check.since;
    check = checked(name, check.passed, DEGRADED, text);
    check.since = since;
    return check;
}

/* A receiver that were not ready would be sent no object, and would never find out that storage works again. */
static check_t check_storage(health_t *health, int64_t now_ms) {
    char text[sizeof((check_t *)0)->why];
    int64_t silent_ms = health->storage ? storage_silent_ms(health->storage) : 0;
    bool fails = all_metrics_gauge(health->metrics, METRIC_STORAGE_FAILING, now_ms, 0) > 0;
    storage_why(silent_ms, text, sizeof text);
    check_t check = checked("storage", silent_ms == 0 && !fails, DEGRADED,
                            silent_ms ? text : "storage failed to take a writer's last file");
    check.since = silent_ms ? clock_wall_ms() - silent_ms : 0;
    return check;
}

static size_t check_all(health_t *health, int64_t now_ms, check_t checks[CHECKS_MAX]) {
    size_t count = 0;
    int64_t accepting = all_metrics_gauge(health->metrics, METRIC_ACCEPTING, now_ms, -1),
            writers = all_metrics_gauge(health->metrics, METRIC_WRITERS_ALIVE, now_ms, 0);
    checks[count++] = checked("listener", accepting == 1, UNREADY,
                              accepting < 0 ? "no listener is there" : "the listener accepts no new associations");
    /* The listener tells of the writers, so without one nobody knows. */
    checks[count++] = checked("writers", writers > 0, UNREADY, "no writer is there");
    bool alive = health_alive(health, now_ms);
    checks[count++] = checked("journal", alive && atomic_load(&health->journal_writable), UNREADY,
                              alive ? "the journal does not take events" : "the notifier is held up");
    checks[count++] = check_storage(health, now_ms);
    checks[count++] = check_connection("broker", health->broker);
    if (health->nats)
        checks[count++] = check_connection("NATS", health->nats);
    if (health->cube)
        checks[count++] = check_connection("CUBE", health->cube);
    return count;
}

static readiness_t least_of(const check_t *checks, size_t count) {
    readiness_t readiness = READY;
    for (size_t i = 0; i < count; i++)
        if (!checks[i].passed && checks[i].without < readiness)
            readiness = checks[i].without;
    return readiness;
}

readiness_t health_ready(health_t *health, int64_t now_ms, char why[HEALTH_WHY_BYTES]) {
    check_t checks[CHECKS_MAX];
    size_t count = check_all(health, now_ms, checks), at = 0;
    *why = 0;
    for (size_t i = 0; i < count; i++)
        if (!checks[i].passed && at < HEALTH_WHY_BYTES)
            at += (size_t)snprintf(why + at, HEALTH_WHY_BYTES - at, "%s%s", at ? "; " : "", checks[i].why);
    return least_of(checks, count);
}

static void add_stage(void *list, const all_metrics_stage_t *stage) {
    static const char *const kinds[] = {"unknown", "listener", "writer", "notifier"};
    json_t *entry =
        json_pack("{s:s, s:s, s:b, s:s, s:I, s:I, s:I}", "id", stage->id, "stage", kinds[stage->kind], "up",
                  stage->up, "release", stage->release, "process", (json_int_t)stage->process, "started_at_ms",
                  (json_int_t)stage->started_at, "silent_ms", (json_int_t)stage->silent_ms);
    if (entry) /* NULL: a release that is no UTF-8 */
        json_array_append_new(list, entry);
}

char *health_json(health_t *health, int64_t now_ms) {
    static const char *const names[] = {[UNREADY] = "unready", [DEGRADED] = "degraded", [READY] = "ready"};
    check_t checks[CHECKS_MAX];
    size_t count = check_all(health, now_ms, checks);
    json_t *list = json_object(), *stages = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *entry = json_pack("{s:b, s:s}", "ok", checks[i].passed, "needed_for",
                                  checks[i].without == UNREADY ? "readiness" : "full service");
        if (!checks[i].passed)
            json_object_set_new(entry, "why", json_string(checks[i].why));
        if (checks[i].since)
            json_object_set_new(entry, "since_ms", json_integer(checks[i].since));
        json_object_set_new(list, checks[i].name, entry);
    }
    all_metrics_visit_stages(health->metrics, now_ms, add_stage, stages);
    json_t *report =
        json_pack("{s:s, s:b, s:s, s:o, s:o}", "status", names[least_of(checks, count)], "alive",
                  health_alive(health, now_ms), "release", OXIDICOM_VERSION, "checks", list, "stages", stages);
    char *text = must(json_dumps(report, JSON_INDENT(2)));
    json_decref(report);
    return text;
}

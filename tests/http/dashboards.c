/* deploy/grafana, deploy/prometheus and the documents against the table of metrics. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/metrics.h"
#include "tests/http/endpoint.h"

#define DASHBOARD "deploy/grafana/oxidicom.json"
#define ALERTS    "deploy/prometheus/alerts.yaml"
#define RUNBOOK   "deploy/RUNBOOK.md"

/* Whether /metrics has a sample of that name. */
static bool is_sample(const char *name) {
    static const struct {
        metric_type_t type;
        const char *suffix;
    } forms[] = {{METRIC_COUNTER, "_total"},
                 {METRIC_GAUGE, ""},
                 {METRIC_HISTOGRAM, "_bucket"},
                 {METRIC_HISTOGRAM, "_sum"},
                 {METRIC_HISTOGRAM, "_count"}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        for (int m = 0; m < METRICS_COUNT; m++) {
            size_t size = strlen(METRICS[m].name);
            if (METRICS[m].type == forms[i].type && strncmp(name, METRICS[m].name, size) == 0 &&
                strcmp(name + size, forms[i].suffix) == 0)
                return true;
        }
    return false;
}

/* Checks every name in the text; returns how many there were. */
static int expect_samples(const char *text, const char *where) {
    char name[128];
    int count = 0;
    while ((text = strstr(text, "oxidicom_"))) {
        size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");
        snprintf(name, sizeof name, "%.*s", (int)size, text);
        cr_expect(is_sample(name), "%s: there is no %s", where, name);
        text += size;
        count++;
    }
    return count;
}

static void replace_all(char *text, const char *what, const char *by) {
    for (char *at; (at = strstr(text, what));) {
        memmove(at + strlen(by), at + strlen(what), strlen(at + strlen(what)) + 1);
        memcpy(at, by, strlen(by));
    }
}

/* A query as Prometheus gets it, as a rule, so that promtool reads it. */
static void write_rule(FILE *rules, int number, const char *expression) {
    char *text = strdup(expression);
    replace_all(text, "$__rate_interval", "5m");
    replace_all(text, "$instance", ".*");
    json_t *quoted = json_string(text);
    char *yaml = json_dumps(quoted, JSON_ENCODE_ANY);
    fprintf(rules, "- record: panel:query:%d\n    expr: %s\n  ", number, yaml);
    free(yaml);
    json_decref(quoted);
    free(text);
}

static int promtool_rules(const char *file, const char *log) {
    return process_run(log, NULL, (const char *const[]){"promtool", "check", "rules", file, NULL}, PATIENCE_MS);
}

Test(dashboard, has_only_queries_that_prometheus_reads_of_metrics_that_exist, .timeout = PATIENCE_S) {
    json_t *dashboard = json_load_file(DASHBOARD, 0, NULL), *panel, *target;
    cr_assert_not_null(dashboard);
    char *folder = temporary_folder("dashboard"), *file = text_of("%s/rules.yaml", folder),
         *log = text_of("%s/log", folder);
    FILE *rules = fopen(file, "w");
    cr_assert_not_null(rules);
    fputs("groups:\n- name: panels\n  rules:\n  ", rules);
    size_t i, k;
    int queries = 0;
    json_array_foreach(json_object_get(dashboard, "panels"), i, panel) {
        const char *title = json_string_value(json_object_get(panel, "title"));
        json_array_foreach(json_object_get(panel, "targets"), k, target) {
            const char *query = json_string_value(json_object_get(target, "expr"));
            cr_expect_gt(expect_samples(query, title), 0, "%s asks for nothing", title);
            cr_expect_not_null(strstr(query, "$instance"), "%s is not of the chosen instance", title);
            write_rule(rules, queries++, query);
        }
    }
    fclose(rules);
    cr_expect_gt(queries, 30);
    size_t size;
    int status = promtool_rules(file, log);
    char *said = file_content(log, &size);
    cr_expect_eq(status, 0, "%s", said);
    free(said);
    remove_folder(folder);
    free(folder);
    free(file);
    free(log);
    json_decref(dashboard);
}

Test(documents, name_metrics_that_exist) {
    static const char *const paths[] = {"deploy/MONITORING.md", "deploy/OPERATING.md", "deploy/CONTAINERS.md",
                                        "deploy/RUNBOOK.md",    "deploy/CHANGELOG.md", "proto/PROTOCOL.md"};
    int count = 0;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        size_t size;
        char *text = file_content(paths[i], &size);
        cr_assert_not_null(text);
        count += expect_samples(text, paths[i]);
        free(text);
    }
    cr_expect_gt(count, 10);
}

/* The rest of the line after the next `key` in the text. */
static bool next_value(const char **text, const char *key, char value[128]) {
    const char *found = *text ? strstr(*text, key) : NULL;
    *text = found;
    return found && sscanf(found + strlen(key), " %127[^\n]", value) == 1 && (*text += strlen(key));
}

Test(alerts, are_rules_that_prometheus_reads_of_metrics_that_exist_each_with_a_page_of_the_runbook,
     .timeout = PATIENCE_S) {
    size_t size;
    char *folder = temporary_folder("alerts"), *log = text_of("%s/log", folder),
         *rules = file_content(ALERTS, &size), *runbook = file_content(RUNBOOK, &size), name[128], pointer[128];
    cr_assert(rules && runbook);
    int status = promtool_rules(ALERTS, log);
    char *said = file_content(log, &size);
    cr_expect_eq(status, 0, "%s", said);
    cr_expect_gt(expect_samples(rules, ALERTS), 10);
    int count = 0;
    for (const char *at = rules; next_value(&at, "- alert:", name); count++) {
        const char *rest = at;
        char *heading = text_of("\n### %s\n", name), *wanted = text_of(RUNBOOK "#%s", name);
        cr_expect_not_null(strstr(runbook, heading), "the runbook has nothing of %s", name);
        cr_expect(next_value(&rest, "runbook:", pointer) && strcasecmp(pointer, wanted) == 0, "%s: %s", name,
                  pointer);
        free(heading);
        free(wanted);
    }
    cr_expect_gt(count, 10);
    free(said);
    free(rules);
    free(runbook);
    remove_folder(folder);
    free(folder);
    free(log);
}

#include "common/metrics.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#include "common/settings.h"

typedef struct found {
    metric_t metric;
    const char *label;
    int64_t value, sum;
    uint64_t buckets[METRIC_BUCKETS];
    size_t values;
} found_t;

static void look(void *argument, const metric_sample_t *sample) {
    found_t *found = argument;
    if (sample->metric != found->metric)
        return;
    found->values++;
    found->sum += sample->value;
    if (found->label && strcmp(sample->label, found->label) != 0)
        return;
    found->value = sample->value;
    if (sample->buckets)
        memcpy(found->buckets, sample->buckets, sizeof found->buckets);
}

static found_t find(metric_t metric, const char *label) {
    found_t found = {.metric = metric, .label = label, .value = -1};
    metrics_visit(look, &found);
    return found;
}

Test(metrics, have_names_units_and_helps_by_the_rules_of_prometheus) {
    for (int i = 0; i < METRICS_COUNT; i++) {
        const metric_info_t *m = &METRICS[i];
        cr_assert_not_null(m->name, "metric %d is not in the table", i);
        cr_expect_eq(strncmp(m->name, "oxidicom_", 9), 0, "%s", m->name);
        cr_expect_eq(strspn(m->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(m->name), "%s", m->name);
        cr_expect_null(strstr(m->name, "_total"), "%s", m->name);
        cr_expect(m->help && m->help[strlen(m->help) - 1] == '.', "%s has no help", m->name);
        cr_expect_eq(metric_named(m->name), (metric_t)i, "%s is there twice", m->name);
        cr_expect(!m->label == !m->values_max, "%s: a label and how many values it may have", m->name);
        if (m->type == METRIC_HISTOGRAM)
            cr_expect(!m->label && m->unit && strcmp(m->unit, "seconds") == 0, "%s", m->name);
        if (m->unit)
            cr_expect_str_eq(m->name + strlen(m->name) - strlen(m->unit), m->unit);
    }
    cr_expect_eq(metric_named("oxidicom_nonsense"), METRICS_COUNT);
}

Test(metrics, of_a_stage_begin_at_zero_and_those_of_others_are_not_there) {
    metrics_start(FOR_WRITER);
    cr_expect_eq(find(METRIC_FILES_WRITTEN, NULL).value, 0);
    cr_expect_eq(find(METRIC_STORAGE_FAILURES, "ENOSPC").value, 0);
    cr_expect_eq(find(METRIC_FSYNC_TIME, NULL).values, 1);
    cr_expect_eq(find(METRIC_CONNECTIONS, NULL).values, 0);
    cr_expect_gt(find(METRIC_MEMORY, NULL).value, 100000);
    cr_expect_gt(find(METRIC_DESCRIPTORS, NULL).value, 2);
}

Test(metrics, of_more_label_values_than_allowed_are_counted_as_other) {
    char title[32];
    for (int i = 0; i < 3 * METRIC_AE_TITLES_MAX; i++) {
        snprintf(title, sizeof title, "AE%d", i);
        metric_add(METRIC_OBJECTS_STORED, title, 1);
    }
    found_t first = find(METRIC_OBJECTS_STORED, "AE0"), other = find(METRIC_OBJECTS_STORED, "other");
    cr_expect_eq(first.values, METRIC_AE_TITLES_MAX + 1);
    cr_expect_eq(first.value, 1);
    cr_expect_eq(other.value, 2 * METRIC_AE_TITLES_MAX);
    cr_expect_eq(other.sum, 3 * METRIC_AE_TITLES_MAX, "something is not counted at all");
}

Test(metrics, cut_a_label_value_that_is_too_long) {
    char longest[2 * METRIC_LABEL_MAX_BYTES + 1];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    metric_add(METRIC_OBJECTS_STORED, longest, 1);
    metric_add(METRIC_OBJECTS_STORED, longest, 1);
    longest[METRIC_LABEL_MAX_BYTES] = 0;
    cr_expect_eq(find(METRIC_OBJECTS_STORED, longest).value, 2);
    cr_expect_eq(find(METRIC_OBJECTS_STORED, NULL).values, 1);
}

Test(metrics, put_what_was_measured_into_the_bucket_whose_bound_it_does_not_pass) {
    metric_observe(METRIC_FSYNC_TIME, -5); /* a clock that went back */
    metric_observe(METRIC_FSYNC_TIME, 500);
    metric_observe(METRIC_FSYNC_TIME, 501);
    metric_observe(METRIC_FSYNC_TIME, 60000000);
    metric_observe(METRIC_FSYNC_TIME, 60000001);
    found_t found = find(METRIC_FSYNC_TIME, NULL);
    cr_expect_eq(found.buckets[0], 2);
    cr_expect_eq(found.buckets[1], 1);
    cr_expect_eq(found.buckets[METRIC_BOUNDS - 1], 1);
    cr_expect_eq(found.buckets[METRIC_BOUNDS], 1);
    cr_expect_eq(found.value, 120001002);
}

Test(metrics, that_are_forgotten_are_gone) {
    metric_set(METRIC_WRITER_OBJECTS, "writer-0", 3);
    metric_set(METRIC_WRITER_OBJECTS, "writer-1", 4);
    metric_forget(METRIC_WRITER_OBJECTS);
    metric_set(METRIC_WRITER_OBJECTS, "writer-1", 5);
    cr_expect_eq(find(METRIC_WRITER_OBJECTS, "writer-1").value, 5);
    cr_expect_eq(find(METRIC_WRITER_OBJECTS, "writer-0").values, 1);
}

#define ROUNDS 20000

static void *count(void *argument) {
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        metric_add(METRIC_CONNECTIONS, NULL, 1);
        metric_add(METRIC_LOG_LINES, i & 1 ? "warn" : "info", 1);
        metric_observe(METRIC_FSYNC_TIME, 1);
    }
    return NULL;
}

Test(metrics, lose_nothing_where_several_threads_count) {
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    cr_expect_eq(find(METRIC_CONNECTIONS, NULL).value, 4 * ROUNDS);
    cr_expect_eq(find(METRIC_LOG_LINES, "warn").value, 2 * ROUNDS);
    cr_expect_eq(find(METRIC_FSYNC_TIME, NULL).buckets[0], 4 * ROUNDS);
}

#include "common/metrics.h"

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/memory.h"
#include "common/version.h"

#define OTHER "other"

/* One value. Histograms keep their sum in `value`. */
typedef struct cell {
    STAILQ_ENTRY(cell) next; /* of the same metric */
    _Atomic int64_t value;
    _Atomic uint64_t buckets[METRIC_BUCKETS];
    atomic_bool present;
    char label[METRIC_LABEL_MAX_BYTES + 1];
} cell_t;

STAILQ_HEAD(cell_list, cell);

static cell_t plain[METRICS_COUNT]; /* of metrics without a label */
static struct cell_list labeled[METRICS_COUNT];
static size_t labeled_count[METRICS_COUNT];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the lists, not of the values in their cells */
static int64_t began_us;

/* --- cells ---------------------------------------------------------------------------------------------- */

static cell_t *find(metric_t metric, const char *label) {
    cell_t *cell;
    STAILQ_FOREACH(cell, &labeled[metric], next)
    if (strncmp(cell->label, label, METRIC_LABEL_MAX_BYTES) == 0)
        return cell;
    return NULL;
}

static cell_t *add_cell(metric_t metric, const char *label) {
    cell_t *cell = must(calloc(1, sizeof *cell));
    strncpy(cell->label, label, METRIC_LABEL_MAX_BYTES);
    if (!STAILQ_FIRST(&labeled[metric]))
        STAILQ_INIT(&labeled[metric]);
    STAILQ_INSERT_TAIL(&labeled[metric], cell, next);
    labeled_count[metric]++;
    return cell;
}

/* A peer that chooses its label value (AE title) must not choose how much memory it takes. */
static cell_t *cell_of(metric_t metric, const char *label) {
    cell_t *cell = find(metric, label);
    if (!cell && labeled_count[metric] >= METRICS[metric].values_max) {
        label = OTHER;
        cell = find(metric, label);
    }
    return cell ? cell : add_cell(metric, label);
}

static void change(metric_t metric, const char *label, int64_t value, bool add) {
    cell_t *cell = &plain[metric];
    if (label) {
        pthread_mutex_lock(&lock);
        cell = cell_of(metric, label);
    }
    if (add)
        atomic_fetch_add_explicit(&cell->value, value, memory_order_relaxed);
    else
        atomic_store_explicit(&cell->value, value, memory_order_relaxed);
    atomic_store_explicit(&cell->present, true, memory_order_release);
    if (label)
        pthread_mutex_unlock(&lock);
}

/* --- values --------------------------------------------------------------------------------------------- */

metric_t metric_named(const char *name) {
    int metric = 0;
    while (metric < METRICS_COUNT && strcmp(METRICS[metric].name, name) != 0)
        metric++;
    return (metric_t)metric;
}

void metric_add(metric_t metric, const char *label, uint64_t more) {
    change(metric, label, (int64_t)more, true);
}

void metric_set(metric_t metric, const char *label, int64_t value) {
    change(metric, label, value, false);
}

void metric_observe(metric_t metric, int64_t microseconds) {
    uint64_t measured = microseconds < 0 ? 0 : (uint64_t)microseconds;
    size_t bucket = 0;
    while (bucket < METRIC_BOUNDS && measured > METRIC_BOUNDS_US[bucket])
        bucket++;
    atomic_fetch_add_explicit(&plain[metric].buckets[bucket], 1, memory_order_relaxed);
    change(metric, NULL, (int64_t)measured, true);
}

void metric_forget(metric_t metric) {
    plain[metric].present = false;
    pthread_mutex_lock(&lock);
    for (cell_t *cell; (cell = STAILQ_FIRST(&labeled[metric]));) {
        STAILQ_REMOVE_HEAD(&labeled[metric], next);
        free(cell);
    }
    labeled_count[metric] = 0;
    pthread_mutex_unlock(&lock);
}

static void show(metric_t metric, cell_t *cell, void (*visit)(void *, const metric_sample_t *), void *self) {
    uint64_t buckets[METRIC_BUCKETS];
    bool histogram = METRICS[metric].type == METRIC_HISTOGRAM;
    if (!atomic_load_explicit(&cell->present, memory_order_acquire))
        return;
    for (size_t i = 0; histogram && i < METRIC_BUCKETS; i++)
        buckets[i] = atomic_load_explicit(&cell->buckets[i], memory_order_relaxed);
    visit(self, &(metric_sample_t){.metric = metric,
                                   .label = cell->label,
                                   .value = atomic_load_explicit(&cell->value, memory_order_relaxed),
                                   .buckets = histogram ? buckets : NULL});
}

void metrics_visit(void (*visit)(void *self, const metric_sample_t *sample), void *self) {
    pthread_mutex_lock(&lock);
    for (int metric = 0; metric < METRICS_COUNT; metric++) {
        cell_t *cell;
        show((metric_t)metric, &plain[metric], visit, self);
        STAILQ_FOREACH(cell, &labeled[metric], next)
        show((metric_t)metric, cell, visit, self);
    }
    pthread_mutex_unlock(&lock);
}

/* --- what every process has ----------------------------------------------------------------------------- */

void metrics_start(unsigned stage) {
    began_us = clock_wall_ns() / 1000;
    for (int metric = 0; metric < METRICS_COUNT; metric++) {
        const metric_info_t *info = &METRICS[metric];
        if (!(info->stages & stage) || info->type == METRIC_GAUGE)
            continue;
        if (!info->label)
            plain[metric].present = true;
        for (size_t i = 0; info->values && info->values[i]; i++)
            metric_add((metric_t)metric, info->values[i], 0);
    }
    metric_set(METRIC_BUILD, OXIDICOM_VERSION, 1);
    metric_set(METRIC_START_TIME, NULL, began_us);
    metrics_measure_process();
}

int64_t metrics_began_us(void) {
    return began_us;
}

/* Resident pages of no file and of no other process. */
static void measure_memory(void) {
    long long total, resident, shared;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file && fscanf(file, "%lld %lld %lld", &total, &resident, &shared) == 3)
        metric_set(METRIC_MEMORY, NULL, (resident - shared) * sysconf(_SC_PAGESIZE));
    if (file)
        fclose(file);
}

static int64_t count_descriptors(void) {
    struct stat s;
    /* Linux 6.2 and later tell it as the folder's size. */
    if (stat("/proc/self/fd", &s) == 0 && s.st_size > 0)
        return s.st_size;
    DIR *folder = opendir("/proc/self/fd");
    int64_t count = -3; /* ".", ".." and the folder itself */
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

void metrics_measure_process(void) {
    measure_memory();
    int64_t descriptors = count_descriptors();
    if (descriptors > 0)
        metric_set(METRIC_DESCRIPTORS, NULL, descriptors);
}

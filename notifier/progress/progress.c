#include "notifier/progress/progress.h"

#include <czmq.h>
#include <sys/queue.h>

#include "common/memory.h"
#include "notifier/progress/lonk.h"

/* The messages of one open reception. */
typedef struct entry {
    TAILQ_ENTRY(entry) next; /* among the pending */
    int64_t reception;
    char *subject;
    int64_t said_ms; /* when the last count was said */
    uint32_t said, count;
    bool pending; /* count has not been said */
} entry_t;

struct progress {
    const char *root;
    int64_t interval_ms;
    progress_sink_t sink;
    zhashx_t *entries; /* by reception */
    /* By due time. */
    TAILQ_HEAD(pending_list, entry) pending;
};

static size_t hash_reception(const void *key) {
    uint64_t id;
    memcpy(&id, key, sizeof id);
    return (size_t)(id * 0x9E3779B97F4A7C15u >> 16); /* Fibonacci hashing: ids are consecutive */
}

static int compare_receptions(const void *a, const void *b) {
    return memcmp(a, b, sizeof(int64_t));
}

progress_t *progress_new(const char *root, int64_t interval_ms, progress_sink_t sink) {
    progress_t *progress = must(calloc(1, sizeof *progress));
    *progress = (progress_t){root, interval_ms, sink, zhashx_new(), {0}};
    TAILQ_INIT(&progress->pending);
    zhashx_set_key_hasher(progress->entries, hash_reception);
    zhashx_set_key_comparator(progress->entries, compare_receptions);
    zhashx_set_key_duplicator(progress->entries, NULL); /* the key is in the entry */
    zhashx_set_key_destructor(progress->entries, NULL);
    return progress;
}

static void say_count(progress_t *progress, entry_t *entry, int64_t now_ms) {
    uint8_t payload[LONK_COUNT_BYTES];
    lonk_count(payload, entry->count);
    progress->sink.publish(progress->sink.self, entry->subject, payload, sizeof payload);
    entry->said = entry->count;
    entry->said_ms = now_ms;
    if (entry->pending)
        TAILQ_REMOVE(&progress->pending, entry, next);
    entry->pending = false;
}

static void entry_free(entry_t *entry) {
    free(entry->subject);
    free(entry);
}

void progress_destroy(progress_t **self_p) {
    progress_t *progress = *self_p;
    if (!progress)
        return;
    while (!TAILQ_EMPTY(&progress->pending))
        say_count(progress, TAILQ_FIRST(&progress->pending), 0);
    for (entry_t *entry = zhashx_first(progress->entries); entry; entry = zhashx_next(progress->entries))
        entry_free(entry);
    zhashx_destroy(&progress->entries);
    free(progress);
    *self_p = NULL;
}

static entry_t *entry_new(progress_t *progress, int64_t reception, const char *calling_ae, const char *series_uid) {
    entry_t *entry = must(calloc(1, sizeof *entry));
    entry->reception = reception;
    entry->subject = lonk_subject(progress->root, calling_ae, series_uid);
    zhashx_insert(progress->entries, &entry->reception, entry);
    return entry;
}

void progress_count(progress_t *progress, int64_t reception, const char *calling_ae, const char *series_uid,
                    uint32_t count, int64_t now_ms) {
    entry_t *entry = zhashx_lookup(progress->entries, &reception);
    bool first = !entry;
    if (first)
        entry = entry_new(progress, reception, calling_ae, series_uid);
    entry->count = count;
    if (first || (!entry->pending && now_ms - entry->said_ms >= progress->interval_ms)) {
        say_count(progress, entry, now_ms);
    } else if (!entry->pending) {
        /* All wait equally long, so who was said last falls due last; a pending one keeps its place. */
        entry_t *after = TAILQ_LAST(&progress->pending, pending_list);
        while (after && after->said_ms > entry->said_ms)
            after = TAILQ_PREV(after, pending_list, next);
        if (after)
            TAILQ_INSERT_AFTER(&progress->pending, after, entry, next);
        else
            TAILQ_INSERT_HEAD(&progress->pending, entry, next);
        entry->pending = true;
    }
}

void progress_error(progress_t *progress, const char *calling_ae, const char *text) {
    char *subject = lonk_subject(progress->root, calling_ae, "");
    size_t size;
    uint8_t *payload = lonk_error(text, &size);
    progress->sink.publish(progress->sink.self, subject, payload, size);
    free(payload);
    free(subject);
}

void progress_end(progress_t *progress, int64_t reception, const char *calling_ae, const char *series_uid,
                  uint32_t count) {
    entry_t *entry = zhashx_lookup(progress->entries, &reception);
    if (!entry)
        entry = entry_new(progress, reception, calling_ae, series_uid);
    entry->count = count;
    bool lost = count > 0 && entry->said_ms <= progress->sink.interrupted_ms(progress->sink.self);
    if (entry->said != count || lost)
        say_count(progress, entry, 0);
    if (entry->pending)
        TAILQ_REMOVE(&progress->pending, entry, next);
    zhashx_delete(progress->entries, &reception);
    entry_free(entry);
}

bool progress_done(progress_t *progress, const lonk_final_t *final, const char *calling_ae,
                   const char *series_uid) {
    char *subject = lonk_subject(progress->root, calling_ae, series_uid);
    lonk_final_t said = *final;
    said.subject = subject;
    bool taken = progress->sink.publish_done(progress->sink.self, &said);
    free(subject);
    return taken;
}

int64_t progress_flush(progress_t *progress, int64_t now_ms) {
    for (entry_t *entry; (entry = TAILQ_FIRST(&progress->pending));) {
        int64_t due_ms = entry->said_ms + progress->interval_ms;
        if (due_ms > now_ms)
            return due_ms - now_ms;
        say_count(progress, entry, now_ms);
    }
    return -1;
}

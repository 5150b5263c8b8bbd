#include <stdlib.h>

#include "common/hash.h"
#include "common/memory.h"
#include "listener/custody/custody.h"
#include "listener/custody/private.h"

static size_t hash_token(const void *key) {
    return (size_t)hash_end(*(const uint64_t *)key);
}

static int compare_tokens(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void free_series(void **item_p) {
    free(*item_p);
    *item_p = NULL;
}

static zhashx_t *table_new(void) {
    zhashx_t *table = zhashx_new();
    zhashx_set_key_hasher(table, hash_token);
    zhashx_set_key_comparator(table, compare_tokens);
    zhashx_set_key_duplicator(table, NULL); /* the key is in the series */
    zhashx_set_key_destructor(table, NULL);
    zhashx_set_destructor(table, free_series);
    return table;
}

/* --- shares ------------------------------------------------------------------------------------------ */

share_t *share_new(custody_t *custody, uint64_t association) {
    share_t *share = must(calloc(1, sizeof *share));
    *share = (share_t){.custody = custody, .association = association, .holders = 1};
    TAILQ_INSERT_TAIL(&custody->shares, share, next);
    return share;
}

void share_stay_with(share_t *share, writer_link_t *writer) {
    if (share->writer)
        share->writer->associations--;
    share->writer = writer;
    if (writer)
        writer->associations++;
}

void share_drop(share_t *share) {
    if (!share || --share->holders > 0)
        return;
    share_stay_with(share, NULL);
    TAILQ_REMOVE(&share->custody->shares, share, next);
    zhashx_destroy(&share->series);
    free(share);
}

share_t *share_find(custody_t *custody, uint64_t association) {
    share_t *share;
    TAILQ_FOREACH(share, &custody->shares, next)
    if (share->association == association)
        break;
    return share;
}

/* --- series ------------------------------------------------------------------------------------------ */

static series_t *find(const share_t *share, uint64_t token) {
    return share->series ? zhashx_lookup(share->series, &token) : NULL;
}

bool series_is_open(const share_t *share, uint64_t token) {
    const series_t *series = find(share, token);
    uint64_t journal = share->custody->journal;
    return series && journal && (series->journal == journal || series->other == journal);
}

void series_open(share_t *share, uint64_t token, uint64_t journal) {
    series_t *series = find(share, token);
    if (share->series && !series && zhashx_size(share->series) == SERIES_KNOWN_MAX) {
        zhashx_purge(share->series);
        share->forgot = true;
    }
    if (!share->series)
        share->series = table_new();
    if (!series) {
        series = must(calloc(1, sizeof *series));
        series->token = token;
        zhashx_insert(share->series, &series->token, series);
    }
    if (journal == share->custody->journal)
        series->journal = journal;
    else
        series->other = journal;
}

void series_count(share_t *share, uint64_t token) {
    series_t *series = find(share, token);
    if (series)
        series->answered++;
}

Ring__Answered *series_answered(const share_t *share, size_t *count) {
    *count = 0;
    if (!share->series)
        return NULL;
    Ring__Answered *answered = must(calloc(zhashx_size(share->series) + 1, sizeof *answered));
    for (series_t *series = zhashx_first(share->series); series; series = zhashx_next(share->series)) {
        ring__answered__init(&answered[*count]);
        answered[*count].token = series->token;
        answered[(*count)++].objects = series->answered;
    }
    return answered;
}

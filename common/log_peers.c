#include "common/log_peers.h"

#include <pthread.h>
#include <string.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "common/plural.h"

typedef struct talker {
    uint64_t number;
    int64_t spent_until_ms; /* lines already written count until then */
    uint64_t left_out;
    log_limit_t seldom;
} talker_t;

static talker_t talkers[LOG_PEERS_MAX];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The place of a peer; another that had it is forgotten. */
static talker_t *talker_of(uint64_t number) {
    talker_t *talker = &talkers[hash_end(number) % LOG_PEERS_MAX];
    if (talker->number != number)
        *talker = (talker_t){.number = number};
    return talker;
}

static bool spend(talker_t *talker, int64_t cost_ms, int64_t now_ms) {
    if (talker->spent_until_ms < now_ms)
        talker->spent_until_ms = now_ms;
    if (talker->spent_until_ms + cost_ms - now_ms > LOG_PEER_BURST_MS)
        return false;
    talker->spent_until_ms += cost_ms;
    return true;
}

bool log_peer_may(log_level_t level, uint64_t number, const char *name) {
    uint64_t left_out = 0;
    pthread_mutex_lock(&lock);
    talker_t *talker = talker_of(number);
    bool may = spend(talker, level >= LEVEL_INFO ? LOG_PEER_INFO_MS : LOG_PEER_WARN_MS, clock_ms());
    if (may) {
        left_out = talker->left_out;
        talker->left_out = 0;
    } else {
        talker->left_out++;
        metric_add(METRIC_LOG_SUPPRESSED, NULL, 1);
    }
    pthread_mutex_unlock(&lock);
    if (left_out)
        log_info(NULL, "%s: %llu more %s left out", name, (unsigned long long)left_out,
                 plural(left_out, "line of its address was", "lines of its address were"));
    return may;
}

bool log_peer_seldom(uint64_t number, const char *kind, uint64_t *left_out) {
    pthread_mutex_lock(&lock);
    bool may = log_seldom(&talker_of(hash_text(number, kind))->seldom, left_out);
    pthread_mutex_unlock(&lock);
    return may;
}

uint64_t log_peer_number(const char *name) {
    const char *port = strrchr(name, ':');
    char *address = must(strndup(name, port ? (size_t)(port - name) : strlen(name)));
    uint64_t number = hash_text(HASH_BEGIN, address);
    free(address);
    return number;
}

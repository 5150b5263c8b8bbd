#include "tests/support/tap.h"

#include <nats/nats.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/support/process.h"

#define MESSAGES_MAX 200000

struct tap {
    natsConnection *connection;
    natsSubscription *subscription;
    sem_t complete; /* on_message has run for the last time */
    pthread_mutex_t lock;
    lonk_t **messages;
    size_t count;
};

static void on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *message,
                       void *argument) {
    (void)connection;
    (void)subscription;
    tap_t *tap = argument;
    lonk_t *lonk = calloc(1, sizeof *lonk);
    if (!lonk || !(lonk->subject = strdup(natsMsg_GetSubject(message))))
        abort();
    lonk->size = (size_t)natsMsg_GetDataLength(message);
    memcpy(lonk->payload, natsMsg_GetData(message),
           lonk->size < sizeof lonk->payload ? lonk->size : sizeof lonk->payload);
    lonk->at_ms = clock_ms();
    natsMsg_Destroy(message);
    pthread_mutex_lock(&tap->lock);
    if (tap->count >= MESSAGES_MAX)
        abort();
    tap->messages[tap->count++] = lonk;
    pthread_mutex_unlock(&tap->lock);
}

static void on_complete(void *argument) {
    tap_t *tap = argument;
    sem_post(&tap->complete);
}

/* cnats itself is closed with the last of a process: it waits for the connections of all. */
static int taps_open;

tap_t *tap_new(int port) {
    tap_t *tap = calloc(1, sizeof *tap);
    if (!tap || !(tap->messages = calloc(MESSAGES_MAX, sizeof *tap->messages)))
        abort();
    pthread_mutex_init(&tap->lock, NULL);
    sem_init(&tap->complete, 0, 0);
    char *url = text_of("nats://127.0.0.1:%d", port);
    if (natsConnection_ConnectTo(&tap->connection, url) != NATS_OK ||
        natsConnection_Subscribe(&tap->subscription, tap->connection, ">", on_message, tap) != NATS_OK ||
        natsSubscription_SetOnCompleteCB(tap->subscription, on_complete, tap) != NATS_OK ||
        natsConnection_Flush(tap->connection) != NATS_OK)
        abort();
    free(url);
    taps_open++;
    return tap;
}

void tap_clear(tap_t *tap) {
    pthread_mutex_lock(&tap->lock);
    for (size_t i = 0; i < tap->count; i++) {
        free(tap->messages[i]->subject);
        free(tap->messages[i]);
    }
    tap->count = 0;
    pthread_mutex_unlock(&tap->lock);
}

void tap_destroy(tap_t **self_p) {
    tap_t *tap = *self_p;
    natsSubscription_Destroy(tap->subscription);
    natsConnection_Destroy(tap->connection);
    while (sem_wait(&tap->complete) != 0)
        ;
    tap_clear(tap);
    sem_destroy(&tap->complete);
    pthread_mutex_destroy(&tap->lock);
    free(tap->messages);
    free(tap);
    if (--taps_open == 0 && nats_CloseAndWait(PATIENCE_MS) != NATS_OK)
        abort();
    *self_p = NULL;
}

size_t tap_count(tap_t *tap) {
    pthread_mutex_lock(&tap->lock);
    size_t count = tap->count;
    pthread_mutex_unlock(&tap->lock);
    return count;
}

const lonk_t *tap_at(tap_t *tap, size_t index) {
    pthread_mutex_lock(&tap->lock);
    const lonk_t *lonk = tap->messages[index];
    pthread_mutex_unlock(&tap->lock);
    return lonk;
}

static void sum_up(lonk_summary_t *s, const lonk_t *m) {
    if (s->dones > 0)
        s->disorder = "a message after done";
    if (m->size == 1 && m->payload[0] == 0) {
        s->dones++;
    } else if (m->size == 5 && m->payload[0] == 1) {
        int64_t count = m->payload[1] | m->payload[2] << 8 | m->payload[3] << 16 | (int64_t)m->payload[4] << 24;
        if (s->last_count < 0 && count != 1)
            s->disorder = "the first count is not 1";
        if (count < s->last_count)
            s->disorder = "counts fall";
        s->last_count = count;
        s->counts++;
    } else if (m->size > 1 && m->payload[0] == 2) {
        s->errors++;
    } else {
        s->disorder = "a malformed payload";
    }
}

size_t tap_summarize(tap_t *tap, lonk_summary_t *summaries, size_t room) {
    size_t known = 0, count = tap_count(tap);
    for (size_t i = 0; i < count; i++) {
        const lonk_t *m = tap_at(tap, i);
        size_t s = 0;
        while (s < known && strcmp(summaries[s].subject, m->subject) != 0)
            s++;
        if (s == room)
            continue;
        if (s == known) {
            summaries[known++] = (lonk_summary_t){.last_count = -1};
            strncpy(summaries[s].subject, m->subject, sizeof summaries[s].subject - 1);
        }
        sum_up(&summaries[s], m);
    }
    return known;
}

lonk_summary_t tap_summary_of(tap_t *tap, const char *subject) {
    lonk_summary_t summary = {.last_count = -1};
    size_t count = tap_count(tap);
    for (size_t i = 0; i < count; i++)
        if (strcmp(tap_at(tap, i)->subject, subject) == 0)
            sum_up(&summary, tap_at(tap, i));
    return summary;
}

typedef struct wanted {
    tap_t *tap;
    const char *subject;
    int dones;
} wanted_t;

static bool has_dones(void *argument) {
    const wanted_t *wanted = argument;
    return tap_summary_of(wanted->tap, wanted->subject).dones >= wanted->dones;
}

bool tap_await_done(tap_t *tap, const char *subject, int dones, int64_t ms) {
    wanted_t wanted = {tap, subject, dones};
    return await(has_dones, &wanted, ms);
}

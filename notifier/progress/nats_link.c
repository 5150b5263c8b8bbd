#include "notifier/progress/nats_link.h"

#include <errno.h>
#include <nats/nats.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/secret.h"
#include "notifier/progress/lonk.h"
#include "notifier/progress/nats_options.h"

/* Between two attempts to reach NATS, doubled in between. */
#define RETRY_FIRST_MS   250
#define RETRY_LONGEST_MS 2000
/* A NATS that stays away is mentioned again after this. */
#define COMPLAINT_INTERVAL_MS 60000
/* How often NATS is asked whether it has the ends of series, how long its answer may take (less than a write), how
 * long the connection has to outlive it, and how often an idle connection and the last messages are looked at. */
#define ASK_INTERVAL_MS   100
#define ANSWER_TIMEOUT_MS 900
#define OUTLIVE_MS        250
#define LOOK_INTERVAL_MS  250
#define LAST_LOOK_MS      20
/* How long the end of the process waits for the threads of cnats. */
#define CLOSE_MS 2000

/* The end of a series that NATS may not have. */
typedef struct kept {
    TAILQ_ENTRY(kept) next;
    lonk_final_t final;  /* subject and errors are ours */
    uint64_t said;       /* the connection over which it was said; 0: none */
    int64_t answered_ms; /* when NATS answered after that; 0: not yet */
} kept_t;

struct nats_link {
    const settings_t *settings;
    link_state_t *state;
    natsOptions *options;       /* NULL: the address is of no use */
    natsConnection *connection; /* NULL: none */
    uint64_t number;            /* of the connection, from 1 */
    bool broken;                /* some of its messages are lost */
    int64_t retry_at_ms, complained_ms;
    int64_t failures;               /* to connect, in a row */
    char why[LINK_WHY_BYTES];       /* there is no connection */
    char complaint[LINK_WHY_BYTES]; /* the last logged one */
    int64_t asked_ms;               /* when NATS was last asked whether it has everything */
    int64_t interrupted_ms;         /* when there was no connection last */
    uint64_t lost;                  /* messages */
    log_limit_t complained_lost;
    TAILQ_HEAD(finals, kept) finals; /* oldest first; as many as the loop has given */
    nats_link_taken_fn *taken;
    void *self;
};

/* --- connecting ------------------------------------------------------------------------------------------ */

/* cnats throws away bytes that it could not write before NATS_WRITE_TIMEOUT_MS, and keeps the connection. */
static bool is_of_the_wire(natsStatus status) {
    return status == NATS_TIMEOUT || status == NATS_IO_ERROR || status == NATS_SSL_ERROR;
}

static bool is_connected(const nats_link_t *link) {
    const char *text;
    return link->connection && !link->broken &&
           natsConnection_Status(link->connection) == NATS_CONN_STATUS_CONNECTED &&
           !is_of_the_wire(natsConnection_GetLastError(link->connection, &text));
}

/* Says once why there is no connection, and again when the reason is another or a minute has gone by. */
static void complain(nats_link_t *link, natsStatus status) {
    int64_t now = clock_ms();
    if (link->complained_ms && strcmp(link->why, link->complaint) == 0 &&
        now - link->complained_ms < COMPLAINT_INTERVAL_MS)
        return;
    link->complained_ms = now;
    memcpy(link->complaint, link->why, sizeof link->complaint);
    if (status == NATS_CONNECTION_AUTH_FAILED)
        log_error(NULL, "NATS does not let this user in; progress is dropped, reception goes on");
    else
        log_warn(NULL, "NATS is not there yet (%s); progress is dropped, reception goes on", link->why);
}

/* cnats does not say that its file of credentials is missing. */
static natsStatus check_credentials(nats_link_t *link) {
    const char *path = link->settings->nats_credentials, *why;
    char *content = path ? secret_read(path, &why) : NULL;
    if (path && !content) {
        snprintf(link->why, sizeof link->why, "OXIDICOM_NATS_CREDENTIALS %.150s can't be read: %s", path, why);
        return NATS_ERR;
    }
    if (content)
        explicit_bzero(content, strlen(content));
    free(content);
    return NATS_OK;
}

/* Nor of the other. */
static natsStatus load_ca(nats_link_t *link) {
    const char *path = link->settings->nats_ca;
    natsStatus status = path ? natsOptions_LoadCATrustedCertificates(link->options, path) : NATS_OK;
    if (status != NATS_OK)
        snprintf(link->why, sizeof link->why, "OXIDICOM_NATS_CA %.150s can't be read: %s", path,
                 access(path, R_OK) == 0 ? "it holds no certificate in PEM" : strerror(errno));
    return status;
}

/* Of cnats' own texts only those about TLS are repeated: others may hold the address. */
static const char *reason_of(natsStatus status) {
    const char *text = status == NATS_SSL_ERROR ? nats_GetLastError(NULL) : NULL;
    const char *place_end = text ? strstr(text, "): ") : NULL; /* in cnats' source */
    return place_end ? place_end + strlen("): ") : text ? text : natsStatus_GetText(status);
}

/* CA and credentials are read each time, so that they may come later or be replaced. */
static natsStatus connect_to(nats_link_t *link) {
    natsStatus status = load_ca(link);
    if (status == NATS_OK)
        status = check_credentials(link);
    if (status != NATS_OK)
        return status;
    status = natsConnection_Connect(&link->connection, link->options);
    if (status == NATS_ERR && link->settings->nats_credentials)
        snprintf(link->why, sizeof link->why, "Error; are JWT and key in OXIDICOM_NATS_CREDENTIALS %.150s?",
                 link->settings->nats_credentials);
    else if (status != NATS_OK)
        snprintf(link->why, sizeof link->why, "%s", reason_of(status));
    return status;
}

static void try_to_connect(nats_link_t *link) {
    natsConnection_Destroy(link->connection);
    link->connection = NULL;
    natsStatus status = connect_to(link);
    if (status == NATS_OK) {
        log_info(NULL, "connected to NATS");
        link->interrupted_ms = clock_ms();
        link_state_up(link->state);
        link->number++;
        link->broken = false;
        link->failures = link->complained_ms = link->asked_ms = 0;
        return;
    }
    link->interrupted_ms = clock_ms();
    link->retry_at_ms =
        link->interrupted_ms + backoff_jittered(backoff_ms(RETRY_FIRST_MS, RETRY_LONGEST_MS, ++link->failures));
    link_state_down(link->state, link->why);
    complain(link, status);
}

nats_link_t *nats_link_new(const settings_t *settings, link_state_t *state, nats_link_taken_fn *taken, void *self) {
    nats_link_t *link = must(calloc(1, sizeof *link));
    link->settings = settings;
    link->state = state;
    link->taken = taken;
    link->self = self;
    link->interrupted_ms = clock_ms(); /* what an earlier process said last may be lost */
    TAILQ_INIT(&link->finals);
    link->options = nats_options_new(settings, state);
    if (link->options)
        try_to_connect(link);
    return link;
}

int64_t nats_link_interrupted_ms(const nats_link_t *link) {
    return is_connected(link) ? link->interrupted_ms : INT64_MAX;
}

/* --- kept messages ------------------------------------------------------------------------------------ */

static void lose(nats_link_t *link, const char *why) {
    link->lost++;
    if (link->options && log_seldom(&link->complained_lost, NULL))
        log_warn(NULL, "progress messages that NATS did not take so far: %llu (%s)", (unsigned long long)link->lost,
                 why);
}

static void forget(nats_link_t *link, kept_t *kept) {
    TAILQ_REMOVE(&link->finals, kept, next);
    free((char *)kept->final.subject);
    free((char *)kept->final.errors);
    free(kept);
}

static kept_t *keep(nats_link_t *link, const lonk_final_t *final) {
    kept_t *kept = must(calloc(1, sizeof *kept));
    char *errors = must(malloc(final->errors_size + 1));
    kept->final = *final;
    kept->final.subject = copy_text(final->subject);
    kept->final.errors = memcpy(errors, final->errors, final->errors_size);
    TAILQ_INSERT_TAIL(&link->finals, kept, next);
    return kept;
}

/* Forgets the messages that NATS has answered for, if the connection has outlived the answer: cnats also reports
 * an answer to a question that it could not ask. */
static void forget_answered(nats_link_t *link) {
    if (!is_connected(link))
        return;
    int64_t outlived_ms = clock_ms() - OUTLIVE_MS;
    kept_t *next;
    for (kept_t *kept = TAILQ_FIRST(&link->finals); kept; kept = next) {
        next = TAILQ_NEXT(kept, next);
        if (kept->said == link->number && kept->answered_ms && kept->answered_ms <= outlived_ms) {
            link->taken(link->self, kept->final.reception);
            forget(link, kept);
        }
    }
}

static bool waits_for_answer(const nats_link_t *link) {
    const kept_t *kept = TAILQ_LAST(&link->finals, finals);
    return kept && (kept->said != link->number || !kept->answered_ms);
}

/* --- saying ---------------------------------------------------------------------------------------------- */

static bool say(nats_link_t *link, const char *subject, const void *payload, size_t size) {
    if (!is_connected(link))
        return false;
    natsStatus status = natsConnection_Publish(link->connection, subject, payload, (int)size);
    link->broken = is_of_the_wire(status);
    return status == NATS_OK;
}

static bool say_errors(nats_link_t *link, const lonk_final_t *final) {
    for (size_t at = 0; at < final->errors_size; at += strlen(final->errors + at) + 1) {
        size_t size;
        uint8_t *error = lonk_error(final->errors + at, &size);
        bool said = say(link, final->subject, error, size);
        free(error);
        if (!said)
            return false;
    }
    return true;
}

/* The last count may have been lost in an interruption; to say it again does no harm. */
static bool say_final(nats_link_t *link, kept_t *kept) {
    static const uint8_t done[] = {LONK_DONE};
    uint8_t count[LONK_COUNT_BYTES];
    const lonk_final_t *final = &kept->final;
    bool lost = final->count > 0 && final->ended_ms <= link->interrupted_ms;
    lonk_count(count, final->count);
    if ((lost && !say(link, final->subject, count, sizeof count)) || !say_errors(link, final) ||
        !say(link, final->subject, done, sizeof done))
        return false;
    kept->said = link->number;
    kept->answered_ms = 0;
    return true;
}

void nats_link_publish(nats_link_t *link, const char *subject, const void *payload, size_t size) {
    if (!say(link, subject, payload, size))
        lose(link, "there is no connection");
}

void nats_link_publish_done(nats_link_t *link, const lonk_final_t *final) {
    if (link->options)
        say_final(link, keep(link, final));
}

static void say_finals(nats_link_t *link) {
    kept_t *kept;
    TAILQ_FOREACH(kept, &link->finals, next) {
        if (kept->said != link->number && !say_final(link, kept))
            return;
    }
}

/* --- service --------------------------------------------------------------------------------------------- */

/* NATS handles a connection's messages in order, so its answer to a PING answers all before. An answer that took
 * longer than allowed may be none: the PING could not be written. */
static void ask(nats_link_t *link, int64_t ms) {
    int64_t since_ms = clock_ms();
    natsStatus status = natsConnection_FlushTimeout(link->connection, ms);
    link->asked_ms = clock_ms();
    if (status != NATS_OK || link->asked_ms - since_ms >= ms)
        return;
    kept_t *kept;
    TAILQ_FOREACH(kept, &link->finals, next) {
        if (kept->said == link->number && !kept->answered_ms) /* NOLINT(clang-analyzer-unix.Malloc): TAILQ */
            kept->answered_ms = link->asked_ms;
    }
}

int64_t nats_link_service(nats_link_t *link) {
    if (!link->options)
        return -1;
    if (!is_connected(link)) {
        link->interrupted_ms = clock_ms();
        int64_t left_ms = link->retry_at_ms - clock_ms();
        if (left_ms > 0)
            return left_ms;
        try_to_connect(link);
        if (!is_connected(link))
            return 0;
    }
    forget_answered(link);
    if (TAILQ_EMPTY(&link->finals))
        return LOOK_INTERVAL_MS;
    int64_t left_ms = link->asked_ms + ASK_INTERVAL_MS - clock_ms();
    if (left_ms > 0)
        return left_ms;
    say_finals(link);
    if (waits_for_answer(link))
        ask(link, ANSWER_TIMEOUT_MS);
    return ASK_INTERVAL_MS;
}

void nats_link_flush(nats_link_t *link, int64_t ms) {
    int64_t deadline_ms = clock_ms() + ms;
    for (int64_t left_ms = ms; is_connected(link) && !TAILQ_EMPTY(&link->finals) && left_ms > 0;
         left_ms = deadline_ms - clock_ms()) {
        if (waits_for_answer(link))
            ask(link, left_ms < ANSWER_TIMEOUT_MS ? left_ms : ANSWER_TIMEOUT_MS);
        poll(NULL, 0, LAST_LOOK_MS);
        forget_answered(link);
    }
    if (!TAILQ_EMPTY(&link->finals))
        log_warn(NULL, "the last progress messages may be lost");
}

void nats_link_destroy(nats_link_t **self_p) {
    nats_link_t *link = *self_p;
    if (!link)
        return;
    while (!TAILQ_EMPTY(&link->finals))
        forget(link, TAILQ_FIRST(&link->finals)); /* NOLINT(clang-analyzer-unix.Malloc): TAILQ */
    link_state_end(link->state);
    natsConnection_Destroy(link->connection);
    natsOptions_Destroy(link->options);
    /* cnats' threads may still be about to say that the connection is lost. */
    if (nats_CloseAndWait(CLOSE_MS) != NATS_OK)
        log_debug(NULL, "cnats does not end");
    free(link);
    *self_p = NULL;
}

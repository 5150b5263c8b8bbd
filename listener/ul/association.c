#include "listener/ul/association.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log_peers.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "listener/ul/tracing.h"

/* --- states ----------------------------------------------------------------------------------------- */

bool association_is_served(association_state_t state) {
    return state == STA6_DATA_TRANSFER || state == STA8_AWAITING_RELEASE_RESPONSE;
}

void association_set_state(association_t *a, association_state_t state) {
    int change = a->only_verification ? 0 : association_is_served(state) - association_is_served(a->state);
    a->site->roster.served_count += (size_t)change;
    peers_serve(&a->site->peers, &a->address, change);
    a->state = state;
    a->since_ms = clock_ms();
    if (state != STA2_AWAITING_ASSOCIATE_RQ && state != STA3_AWAITING_LOCAL_RESPONSE) {
        a->site->crowd_bytes -= a->crowd_bytes;
        a->crowd_bytes = 0;
    }
}

bool association_may_log(const association_t *a, log_level_t level) {
    return log_wanted(level) && log_peer_may(level, peers_number(&a->address), a->peer);
}

bool association_seldom(const association_t *a, const char *kind, uint64_t *left_out) {
    return log_peer_seldom(peers_number(&a->address), kind, left_out);
}

/* Once for each connection: after the last PDU nothing more can end. */
static void count_end(const association_t *a, outcome_t outcome) {
    static const char *const names[] = {
        [OUTCOME_RELEASED] = "released",
        [OUTCOME_REJECTED] = "rejected",
        [OUTCOME_ABORTED_BY_PEER] = "aborted_by_peer",
        [OUTCOME_ABORTED_BY_OXIDICOM] = "aborted",
        [OUTCOME_TIMED_OUT] = "timed_out",
        [OUTCOME_CONNECTION_LOST] = "lost",
    };
    if (a->state == STA2_AWAITING_ASSOCIATE_RQ)
        metric_add(METRIC_ASSOCIATIONS, "no_request", 1);
    else if (association_is_served(a->state) || a->state == STA3_AWAITING_LOCAL_RESPONSE)
        metric_add(METRIC_ASSOCIATIONS, names[a->timed_out ? OUTCOME_TIMED_OUT : outcome], 1);
}

/* The fate of stored objects is always logged, however many others knock. */
static void log_end_of_service(const association_t *a, const char *how) {
    char text[LOG_LINE_BYTES];
    snprintf(text, sizeof text, "%s: %s, %llu stored, %llu refused, %llu bytes in %.3f s", a->calling_ae, how,
             (unsigned long long)a->stored, (unsigned long long)a->refused, (unsigned long long)a->bytes,
             (double)(clock_ms() - a->begun_ms) / 1000);
    if (a->stored > 0)
        log_always(&a->context, "%s", text);
    else if (association_may_log(a, LEVEL_INFO))
        log_info(&a->context, "%s", text);
}

static void log_end(association_t *a, outcome_t outcome, const char *how) {
    count_end(a, outcome);
    if (a->outcome == OUTCOME_OPEN) {
        a->outcome = a->timed_out ? OUTCOME_TIMED_OUT : outcome;
        tracing_outcome(a, how);
    }
    if (association_is_served(a->state))
        log_end_of_service(a, how);
    else if (a->state == STA2_AWAITING_ASSOCIATE_RQ)
        log_debug(&a->context, "%s: %s before an A-ASSOCIATE-RQ", a->peer, how);
    else if (a->state == STA3_AWAITING_LOCAL_RESPONSE && association_may_log(a, LEVEL_INFO))
        log_info(&a->context, "%s: %s%s", a->calling_ae, how,
                 outcome == OUTCOME_REJECTED ? "" : " while it waited for a place");
}

static void close_connection(association_t *a) {
    if (a->connection.fd < 0)
        return;
    connection_close(&a->connection);
    peers_remove(&a->site->peers, &a->address);
}

/* AA-2, AA-3, AA-4, AA-5, AR-5. */
void association_close(association_t *a, outcome_t outcome, const char *how) {
    log_end(a, outcome, how);
    association_set_state(a, STA1_IDLE);
    close_connection(a);
    roster_attend(&a->site->roster, a, ATTENTION_ENDED);
}

void association_await_close(association_t *a, outcome_t outcome, const char *how) {
    log_end(a, outcome, how);
    connection_finish(&a->connection);
    connection_read(&a->connection);
    association_set_state(a, STA13_AWAITING_CLOSE);
    roster_attend(&a->site->roster, a, ATTENTION_ENDED);
}

Ring__Ending association_ending(const association_t *a) {
    static const Ring__Ending endings[] = {
        [OUTCOME_OPEN] = RING__ENDING__ENDING_UNKNOWN,
        [OUTCOME_RELEASED] = RING__ENDING__ENDING_RELEASED,
        [OUTCOME_REJECTED] = RING__ENDING__ENDING_ABORTED,
        [OUTCOME_ABORTED_BY_PEER] = RING__ENDING__ENDING_ABORTED,
        [OUTCOME_ABORTED_BY_OXIDICOM] = RING__ENDING__ENDING_ABORTED,
        [OUTCOME_TIMED_OUT] = RING__ENDING__ENDING_TIMED_OUT,
        [OUTCOME_CONNECTION_LOST] = RING__ENDING__ENDING_CONNECTION_LOST,
    };
    return endings[a->outcome];
}

void association_send(association_t *a, const uint8_t *bytes, size_t size) {
    if (a->connection.fd >= 0 && connection_send(&a->connection, bytes, size) != 0)
        association_close(a, OUTCOME_CONNECTION_LOST, "connection lost while sending");
}

void association_note_why(association_t *a, const char *why) {
    if (!a->traced.why)
        a->traced.why = must(strdup(why));
}

/* AA-8; before there is an association AA-1. */
void association_abort(association_t *a, abort_reason_t reason, const char *why) {
    /* Before there is an association, anybody can send anything. */
    if (a->state == STA2_AWAITING_ASSOCIATE_RQ ? association_seldom(a, "stranger", NULL)
                                               : association_may_log(a, LEVEL_WARN))
        log_warn(&a->context, "A-ABORT to %s: %s", a->peer, why);
    association_note_why(a, why);
    if (a->state != STA2_AWAITING_ASSOCIATE_RQ)
        recent_add(&a->site->recent, a, "A-ABORT", why, NULL);
    uint8_t pdu[SHORT_PDU_BYTES];
    abort_build(pdu, ABORT_PROVIDER, reason);
    association_send(a, pdu, sizeof pdu);
    if (a->connection.fd >= 0)
        association_await_close(a, OUTCOME_ABORTED_BY_OXIDICOM, "aborted by oxidicom");
}

/* AR-4 */
static void release(association_t *a) {
    uint8_t pdu[SHORT_PDU_BYTES];
    release_rp_build(pdu);
    association_send(a, pdu, sizeof pdu);
    if (a->connection.fd >= 0)
        association_await_close(a, OUTCOME_RELEASED, "released");
}

void association_on_answered(association_t *a) {
    patience_on_message(&a->patience);
    if (a->unanswered_count > 0)
        return;
    if (a->state == STA1_IDLE || a->state == STA13_AWAITING_CLOSE)
        roster_attend(&a->site->roster, a, ATTENTION_ENDED);
    else if (a->state == STA8_AWAITING_RELEASE_RESPONSE)
        release(a);
    else if (a->state == STA6_DATA_TRANSFER && a->input_ended)
        association_await_close(a, OUTCOME_CONNECTION_LOST, INPUT_ENDED);
}

bool association_end_input(association_t *a) {
    if (!association_is_served(a->state) || a->unanswered_count == 0) {
        association_close(a, OUTCOME_CONNECTION_LOST, INPUT_ENDED);
        return false;
    }
    a->input_ended = true;
    connection_pause(&a->connection, false);
    return true;
}

/* --- its life ------------------------------------------------------------------------------------------ */

void association_drop_request(association_t *a) {
    associate_rq_clear(&a->rq);
    free(a->rq_bytes);
    a->rq_bytes = NULL;
    a->rq_size = 0;
}

/* AE-5 */
association_t *association_new(site_t *site, int fd, uint64_t number, const struct in6_addr *address,
                               const char *peer) {
    association_t *a = must(calloc(1, sizeof *a));
    a->peer = must(strdup(peer));
    a->site = site;
    a->context.association = number;
    a->share = share_new(site->custody, number);
    a->address = *address;
    tracing_begin(a);
    TAILQ_INIT(&a->unanswered);
    a->begun_ms = clock_ms();
    association_set_state(a, STA2_AWAITING_ASSOCIATE_RQ);
    TAILQ_INSERT_TAIL(&site->roster.all, a, next);
    roster_attend(&site->roster, a, ATTENTION_REQUEST);
    if (connection_open(&a->connection, site->epoll, fd, a) == 0)
        return a;
    close(fd);
    association_destroy(&a);
    return NULL;
}

void association_destroy(association_t **self_p) {
    association_t *a = *self_p;
    tracing_end(a);
    association_set_state(a, STA1_IDLE);
    close_connection(a);
    roster_attend(&a->site->roster, a, ATTENTION_NONE);
    TAILQ_REMOVE(&a->site->roster.all, a, next);
    pdu_stream_clear(&a->stream);
    share_drop(a->share);
    association_drop_request(a);
    if (a->contexts)
        presentation_contexts_clear(*a->contexts);
    free(a->contexts);
    free(a->command_set);
    free(a->calling_ae);
    free(a->called_ae);
    free(a->peer);
    free(a);
    *self_p = NULL;
}

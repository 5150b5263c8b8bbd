#include "listener/ul/association.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/metrics.h"
#include "listener/server.h"
#include "listener/ul/establishment.h"
#include "listener/ul/placement.h"
#include "listener/ul/tracing.h"

#define INPUT_ENDED "connection closed by the peer"

/* --- states ----------------------------------------------------------------------------------------- */

bool association_within_message(const association_t *a) {
    return a->receiving || a->command_set_size || pdu_stream_inside(&a->stream);
}

bool association_is_served(association_state_t state) {
    return state == STA6_DATA_TRANSFER || state == STA8_AWAITING_RELEASE_RESPONSE;
}

void association_set_state(association_t *a, association_state_t state) {
    if (!a->only_verification)
        a->server->served_count += (size_t)association_is_served(state) - (size_t)association_is_served(a->state);
    a->state = state;
    a->since_ms = clock_ms();
}

/* Once for each connection: what follows on the last PDU ends nothing any more. */
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

static void log_end(association_t *a, outcome_t outcome, const char *how) {
    count_end(a, outcome);
    tracing_outcome(a, outcome, how);
    if (association_is_served(a->state))
        log_info(&a->context, "%s: %s, %llu stored, %llu refused, %llu bytes in %.3f s", a->calling_ae, how,
                 (unsigned long long)a->stored, (unsigned long long)a->refused, (unsigned long long)a->bytes,
                 (double)(clock_ms() - a->begun_ms) / 1000);
    else if (a->state == STA2_AWAITING_ASSOCIATE_RQ)
        log_debug(&a->context, "%s: %s before an A-ASSOCIATE-RQ", a->peer, how);
    else if (a->state == STA3_AWAITING_LOCAL_RESPONSE)
        log_info(&a->context, "%s: %s while it waited for a place", a->calling_ae, how);
}

static void close_connection(association_t *a) {
    if (a->connection.fd < 0)
        return;
    connection_close(&a->connection);
    server_on_closed(a->server, &a->address);
}

void association_close(association_t *a, outcome_t outcome, const char *how) {
    log_end(a, outcome, how);
    messages_drop_partial(a);
    close_connection(a);
    association_set_state(a, STA1_IDLE);
    server_attend(a->server, a, a->unanswered_count ? ATTENTION_NONE : ATTENTION_OVER);
}

void association_await_close(association_t *a, outcome_t outcome, const char *how) {
    log_end(a, outcome, how);
    messages_drop_partial(a);
    connection_finish(&a->connection);
    connection_read(&a->connection);
    association_set_state(a, STA13_AWAITING_CLOSE);
    server_attend(a->server, a, ATTENTION_NONE);
}

void association_send(association_t *a, const uint8_t *bytes, size_t size) {
    if (a->connection.fd >= 0 && connection_send(&a->connection, bytes, size) != 0)
        association_close(a, OUTCOME_CONNECTION_LOST, "connection lost while sending");
}

void association_note_why(association_t *a, const char *why) {
    if (!a->traced.why && !(a->traced.why = strdup(why)))
        abort();
}

void association_abort(association_t *a, abort_source_t source, abort_reason_t reason, const char *why) {
    /* Before there is an association, anybody can send anything. */
    if (a->state != STA2_AWAITING_ASSOCIATE_RQ || log_seldom(&a->server->strangers, NULL))
        log_warn(&a->context, "A-ABORT to %s: %s", a->peer, why);
    association_note_why(a, why);
    if (a->state != STA2_AWAITING_ASSOCIATE_RQ)
        recent_add(&a->server->recent, a, "A-ABORT", why);
    uint8_t pdu[SHORT_PDU_BYTES];
    abort_build(pdu, source, reason);
    association_send(a, pdu, sizeof pdu);
    if (a->connection.fd >= 0)
        association_await_close(a, OUTCOME_ABORTED_BY_OXIDICOM, "aborted by oxidicom");
}

/* --- its life ------------------------------------------------------------------------------------------ */

association_t *association_new(server_t *server, int fd, uint64_t number, const struct in6_addr *address,
                               const char *peer) {
    association_t *a = calloc(1, sizeof *a);
    if (!a || !(a->peer = strdup(peer)))
        abort();
    a->server = server;
    a->context.association = number;
    a->share = share_new(number);
    a->address = *address;
    tracing_begin(a);
    TAILQ_INIT(&a->unanswered);
    a->begun_ms = clock_ms();
    association_set_state(a, STA2_AWAITING_ASSOCIATE_RQ);
    if (connection_open(&a->connection, server->epoll, fd, a) == 0)
        return a;
    close(fd);
    association_destroy(&a);
    return NULL;
}

void association_destroy(association_t **self_p) {
    association_t *a = *self_p;
    messages_drop_partial(a);
    messages_clear(a);
    tracing_end(a);
    association_set_state(a, STA1_IDLE);
    close_connection(a);
    server_attend(a->server, a, ATTENTION_NONE);
    pdu_stream_clear(&a->stream);
    share_drop(a->share);
    establishment_clear(a);
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

/* --- PDUs -------------------------------------------------------------------------------------------- */

static void on_p_data(association_t *a, const stream_event_t *event) {
    if (a->state != STA6_DATA_TRANSFER)
        association_abort(a, ABORT_PROVIDER, ABORT_UNEXPECTED_PDU, "P-DATA outside of an open association");
    else if (a->server->stage->settings.scp_strict && event->length > a->server->stage->settings.scp_max_pdu_length)
        association_abort(a, ABORT_PROVIDER, ABORT_INVALID_PARAMETER,
                          "a PDU longer than advertised (OXIDICOM_SCP_STRICT)");
}

static void release(association_t *a) {
    uint8_t pdu[SHORT_PDU_BYTES];
    release_rp_build(pdu);
    association_send(a, pdu, sizeof pdu);
    if (a->connection.fd >= 0)
        association_await_close(a, OUTCOME_RELEASED, "released");
}

void association_on_answered(association_t *a) {
    deadlines_on_message(a);
    if (a->unanswered_count > 0)
        return;
    if (a->state == STA1_IDLE)
        server_attend(a->server, a, ATTENTION_OVER);
    else if (a->state == STA8_AWAITING_RELEASE_RESPONSE)
        release(a);
    else if (a->state == STA6_DATA_TRANSFER && a->input_ended)
        association_await_close(a, OUTCOME_CONNECTION_LOST, INPUT_ENDED);
}

static void on_release_rq(association_t *a) {
    if (a->state != STA6_DATA_TRANSFER) {
        association_abort(a, ABORT_PROVIDER, ABORT_UNEXPECTED_PDU, "A-RELEASE-RQ outside of an open association");
        return;
    }
    messages_drop_partial(a);
    association_set_state(a, STA8_AWAITING_RELEASE_RESPONSE);
    association_on_answered(a);
}

static void on_pdu(association_t *a, const stream_event_t *event) {
    switch (event->type) {
    case PDU_ASSOCIATE_RQ:
        establishment_on_request(a, event);
        break;
    case PDU_RELEASE_RQ:
        on_release_rq(a);
        break;
    case PDU_ABORT:
        association_close(a, OUTCOME_ABORTED_BY_PEER, "aborted by the peer");
        break;
    default:
        association_abort(a, ABORT_PROVIDER, ABORT_UNEXPECTED_PDU, "a PDU that does not fit the state");
    }
}

static void take_input(association_t *a, const uint8_t *bytes, size_t size) {
    reader_t input = reader_over(bytes, size);
    while (a->state != STA13_AWAITING_CLOSE && a->state != STA1_IDLE) {
        stream_event_t event = pdu_stream_next(&a->stream, &input);
        switch (event.kind) {
        case STREAM_NEED_MORE:
            return;
        case STREAM_PDU:
            on_pdu(a, &event);
            break;
        case STREAM_P_DATA:
            on_p_data(a, &event);
            break;
        case STREAM_FRAGMENT:
            messages_on_fragment(a, &event);
            break;
        case STREAM_VIOLATION:
            association_abort(a, ABORT_PROVIDER, event.reason, event.why);
        }
    }
}

/* --- input, output, time ------------------------------------------------------------------------------ */

/* How much may be received now; 0: wait. */
static size_t input_room(const association_t *a) {
    if (a->input_ended && association_is_served(a->state))
        return 0;
    if (a->state == STA3_AWAITING_LOCAL_RESPONSE || a->unanswered_count >= UNANSWERED_MAX_OBJECTS)
        return 0;
    if (a->state != STA6_DATA_TRANSFER)
        return RECEIVE_BYTES;
    size_t room = custody_room(a->server->custody, a->share, a->receiving ? a->receiving->object : NULL);
    return !a->receiving && room > RECEIVE_FIRST_BYTES ? RECEIVE_FIRST_BYTES : room;
}

/* Into the object that is being received, where that can be. */
static receive_result_t receive_placed(association_t *a, const placement_t *p, size_t *size) {
    receive_result_t result = connection_receive_pieces(&a->connection, p->pieces, p->count, size);
    if (result != RECEIVED)
        return result;
    placed_t placed = placement_settle(p, &a->stream, *size, a->server->input);
    messages_on_placed(a, placed.size, placed.ends_object);
    take_input(a, a->server->input, placed.others);
    return RECEIVED;
}

static receive_result_t receive(association_t *a, size_t room) {
    placement_t p;
    size_t size = 0;
    receive_result_t result;
    object_t *object = a->receiving && !a->connection.tls ? a->receiving->object : NULL;
    if (object && placement_plan(&p, &a->stream, object, room)) {
        result = receive_placed(a, &p, &size);
    } else {
        result = connection_receive(&a->connection, a->server->input, room, &size);
        if (result == RECEIVED)
            take_input(a, a->server->input, size);
    }
    if (result == RECEIVED) {
        a->any_input = true;
        deadlines_on_input(a, size);
    }
    return result;
}

/* The peer's FIN: perhaps of its half only, so that the answers to what it has sent can still reach it. */
static void on_input_end(association_t *a) {
    if (!association_is_served(a->state) || a->unanswered_count == 0) {
        association_close(a, OUTCOME_CONNECTION_LOST, INPUT_ENDED);
        return;
    }
    messages_drop_partial(a);
    a->input_ended = true;
    connection_pause(&a->connection, false);
}

/* No TLS session came about, for a reason that is the peer's or the site's. */
static void on_refused(association_t *a) {
    if (log_seldom(&a->server->refusals[connection_refusal(&a->connection)], NULL))
        log_warn(&a->context, "%s is refused: %s", a->peer, connection_security(&a->connection));
    association_await_close(a, OUTCOME_REJECTED, connection_security(&a->connection));
}

/* epoll knows nothing of what is left in a TLS session, at most a record: it is taken in this turn. */
static bool may_receive(const association_t *a, int turn) {
    return a->connection.fd >= 0 && (turn < RECEIVE_TURNS || connection_has_input(&a->connection));
}

/* Nothing can be there: the peer may send no more before it has an answer. If it does all the same, epoll says so.
 */
static bool is_awaited(const association_t *a) {
    return a->operations <= 1 && a->unanswered_count > 0 && !association_within_message(a);
}

static void wait_for_room(association_t *a) {
    if (a->attention == ATTENTION_ROOM)
        return;
    connection_pause(&a->connection, false);
    deadlines_on_pause(a);
    server_attend(a->server, a, ATTENTION_ROOM);
}

void association_on_readable(association_t *a) {
    for (int turn = 0; may_receive(a, turn); turn++) {
        size_t room = input_room(a);
        if (room == 0) {
            /* Waiting for a place it is noticed by itself. */
            if (a->state != STA3_AWAITING_LOCAL_RESPONSE)
                wait_for_room(a);
            return;
        }
        switch (receive(a, room)) {
        case RECEIVED:
            if (is_awaited(a) && !connection_has_input(&a->connection))
                return;
            break;
        case RECEIVE_NOTHING:
            return;
        case RECEIVE_END:
            on_input_end(a);
            return;
        case RECEIVE_REFUSED:
            on_refused(a);
            return;
        case RECEIVE_ERROR:
            association_close(a, OUTCOME_CONNECTION_LOST, "connection lost");
        }
    }
}

void association_on_writable(association_t *a) {
    if (a->connection.fd >= 0 && connection_flush(&a->connection) != 0)
        association_close(a, OUTCOME_CONNECTION_LOST, "connection lost while sending");
    else if (a->connection.fd >= 0 && a->connection.reading && connection_wants_output(&a->connection))
        association_on_readable(a);
}

void association_on_hangup(association_t *a) {
    /* Whoever reads finds the end behind the last byte. */
    if (a->connection.fd >= 0 && !a->connection.reading)
        association_close(a, OUTCOME_CONNECTION_LOST, INPUT_ENDED);
}

void association_resume(association_t *a) {
    if (a->connection.fd < 0 || a->connection.reading)
        return;
    if (input_room(a) == 0) {
        wait_for_room(a);
        return;
    }
    server_attend(a->server, a, ATTENTION_NONE);
    deadlines_on_resume(a);
    connection_read(&a->connection);
    if (connection_has_input(&a->connection))
        association_on_readable(a);
}

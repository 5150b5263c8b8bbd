#include "listener/intake.h"

#include "common/limits.h"
#include "listener/dimse/operations.h"
#include "listener/ul/crowd.h"
#include "listener/ul/establishment.h"
#include "listener/ul/placement.h"

/* How often in a row bytes are taken from a socket before other sockets get their turn. Between objects so much is
 * taken at once: a small object, or the begin of a larger one. */
#define RECEIVE_TURNS       4
#define RECEIVE_FIRST_BYTES (32 * 1024)
/* Some C-ECHOs: each is answered by a system call of its own. */
#define RECEIVE_ECHO_BYTES 2048

/* --- PDUs -------------------------------------------------------------------------------------------- */

static void on_p_data(association_t *a, const stream_event_t *event) {
    if (a->state != STA6_DATA_TRANSFER)
        association_abort(a, ABORT_UNEXPECTED_PDU, "P-DATA outside of an open association");
    else if (a->site->stage->settings.scp_strict && event->length > a->site->stage->settings.scp_max_pdu_length)
        association_abort(a, ABORT_INVALID_PARAMETER, "a PDU longer than advertised (OXIDICOM_SCP_STRICT)");
}

static void on_release_rq(association_t *a) {
    if (a->state != STA6_DATA_TRANSFER) {
        association_abort(a, ABORT_UNEXPECTED_PDU, "A-RELEASE-RQ outside of an open association");
        return;
    }
    operations_drop_partial(a);
    association_set_state(a, STA8_AWAITING_RELEASE_RESPONSE);
    association_on_answered(a); /* AR-2, or at once AR-4 */
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
        association_close(a, OUTCOME_ABORTED_BY_PEER, "aborted by the peer"); /* AA-3 */
        break;
    default:
        association_abort(a, ABORT_UNEXPECTED_PDU, "a PDU that does not fit the state");
    }
}

/* Sta13 takes no more of it: AA-6. */
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
            operations_on_fragment(a, &event); /* DT-2 */
            break;
        case STREAM_VIOLATION:
            association_abort(a, event.reason, event.why);
        }
    }
}

/* --- input, output, time ------------------------------------------------------------------------------ */

/* A PDU, a command set or a data set has begun and not ended. */
static bool within_message(const association_t *a) {
    return a->receiving || a->command_set_size || pdu_stream_inside(&a->stream);
}

/* How much may be received now; 0: wait. */
static size_t input_room(const association_t *a) {
    if (a->input_ended && association_is_served(a->state))
        return 0;
    if (a->state == STA3_AWAITING_LOCAL_RESPONSE || a->unanswered_count >= UNANSWERED_MAX_OBJECTS)
        return 0;
    if (a->state != STA6_DATA_TRANSFER)
        return RECEIVE_BYTES;
    if (a->only_verification)
        return RECEIVE_ECHO_BYTES;
    size_t room = custody_room(a->site->custody, a->share, a->receiving ? a->receiving->object : NULL);
    return !a->receiving && room > RECEIVE_FIRST_BYTES ? RECEIVE_FIRST_BYTES : room;
}

/* Into the object that is being received, where that can be. */
static receive_result_t receive_placed(association_t *a, const placement_t *p, size_t *size) {
    receive_result_t result = connection_receive_pieces(&a->connection, p->pieces, p->count, size);
    if (result != RECEIVED)
        return result;
    placed_t placed = placement_finish(p, &a->stream, *size, a->site->input);
    operations_on_placed(a, placed.size, placed.ends_object);
    take_input(a, a->site->input, placed.others);
    return RECEIVED;
}

static receive_result_t receive(association_t *a, size_t room) {
    placement_t p;
    size_t size = 0;
    receive_result_t result;
    object_t *object =
        a->state == STA6_DATA_TRANSFER && a->receiving && !a->connection.tls ? a->receiving->object : NULL;
    if (object && placement_plan(&p, &a->stream, object, room)) {
        result = receive_placed(a, &p, &size);
    } else {
        result = connection_receive(&a->connection, a->site->input, room, &size);
        if (result == RECEIVED)
            take_input(a, a->site->input, size);
    }
    if (!a->contexts) /* not served yet */
        crowd_count(a);
    if (result == RECEIVED) {
        a->any_input = true;
        patience_on_input(&a->patience, size, within_message(a));
    }
    return result;
}

/* No TLS session came about, for a reason that is the peer's or the site's. */
static void on_refused(association_t *a) {
    const char *why = connection_security(&a->connection);
    if (association_seldom(a, why, NULL) && association_may_log(a, LEVEL_WARN))
        log_warn(&a->context, "%s is refused: %s", a->peer, why);
    association_await_close(a, OUTCOME_REJECTED, connection_security(&a->connection));
}

/* epoll knows nothing of the rest in a TLS session, at most a record: it is taken in this turn. */
static bool may_receive(const association_t *a, int turn) {
    return a->connection.fd >= 0 && (turn < RECEIVE_TURNS || connection_has_input(&a->connection));
}

/* Nothing can be there: the peer may send no more before it has an answer. If it does all the same, epoll says so.
 */
static bool is_awaited(const association_t *a) {
    return a->operations <= 1 && a->unanswered_count > 0 && !within_message(a);
}

static void wait_for_room(association_t *a) {
    if (a->attention == ATTENTION_ROOM)
        return;
    connection_pause(&a->connection, false);
    patience_on_pause(&a->patience);
    roster_attend(&a->site->roster, a, ATTENTION_ROOM);
}

void intake_on_readable(association_t *a) {
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
            /* Perhaps of the peer's half only, so that our answers can still reach it. */
            if (association_end_input(a))
                operations_drop_partial(a);
            return;
        case RECEIVE_REFUSED:
            on_refused(a);
            return;
        case RECEIVE_ERROR:
            association_close(a, OUTCOME_CONNECTION_LOST, "connection lost");
        }
    }
}

void intake_on_writable(association_t *a) {
    if (a->connection.fd >= 0 && connection_flush(&a->connection) != 0)
        association_close(a, OUTCOME_CONNECTION_LOST, "connection lost while sending");
    else if (a->connection.fd >= 0 && a->connection.reading && connection_wants_output(&a->connection))
        intake_on_readable(a);
}

void intake_on_hangup(association_t *a) {
    /* A read finds the end behind the last byte. */
    if (a->connection.fd >= 0 && !a->connection.reading)
        association_close(a, OUTCOME_CONNECTION_LOST, INPUT_ENDED);
}

void intake_resume(association_t *a) {
    if (a->connection.fd < 0 || a->connection.reading)
        return;
    if (input_room(a) == 0) {
        wait_for_room(a);
        return;
    }
    roster_attend(&a->site->roster, a, ATTENTION_NONE);
    patience_on_resume(&a->patience);
    connection_read(&a->connection);
    if (connection_has_input(&a->connection))
        intake_on_readable(a);
}

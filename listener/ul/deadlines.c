#include "listener/ul/deadlines.h"

#include "common/clock.h"
#include "listener/server.h"
#include "listener/ul/association.h"

static const settings_t *settings_of(const association_t *a) {
    return &a->server->stage->settings;
}

void deadlines_on_message(association_t *a) {
    a->patience.quiet_since_ms = clock_ms();
}

void deadlines_on_input(association_t *a, size_t size) {
    patience_t *p = &a->patience;
    if (!association_within_message(a)) {
        p->window_since_ms = 0;
        return;
    }
    if (p->window_since_ms == 0) {
        p->window_since_ms = clock_ms();
        p->window_bytes = 0;
    }
    p->window_bytes += size;
}

void deadlines_on_pause(association_t *a) {
    a->patience.paused_since_ms = clock_ms();
}

void deadlines_on_resume(association_t *a) {
    patience_t *p = &a->patience;
    int64_t paused_ms = p->paused_since_ms ? clock_ms() - p->paused_since_ms : 0;
    p->paused_since_ms = 0;
    p->quiet_since_ms += paused_ms;
    /* Moved, not begun anew: else a peer that is paused often could be as slow as it likes. */
    if (p->window_since_ms)
        p->window_since_ms += paused_ms;
}

/* Whether the window is over, and too little came in it. One that was good enough is followed by another. */
static bool too_slow(association_t *a, int64_t now_ms) {
    patience_t *p = &a->patience;
    int64_t passed_ms = now_ms - p->window_since_ms;
    if (passed_ms < settings_of(a)->stall_timeout_ms)
        return false;
    bool slow = p->window_bytes * 1000 < (uint64_t)settings_of(a)->min_rate * (uint64_t)passed_ms;
    p->window_since_ms = now_ms;
    p->window_bytes = 0;
    return slow;
}

static void time_out(association_t *a, const char *why) {
    a->timed_out = true;
    association_abort(a, ABORT_PROVIDER, ABORT_NOT_SPECIFIED, why);
}

int64_t deadlines_quiet_ms(const association_t *a, int64_t now_ms) {
    const patience_t *p = &a->patience;
    if (p->paused_since_ms || p->window_since_ms || a->unanswered_count > 0)
        return 0;
    return now_ms - p->quiet_since_ms;
}

static void check_open(association_t *a, int64_t now_ms) {
    if (a->patience.paused_since_ms || a->input_ended)
        return;
    if (a->patience.window_since_ms) {
        if (too_slow(a, now_ms))
            time_out(a, "within a message, slower than OXIDICOM_MIN_RATE for OXIDICOM_STALL_TIMEOUT");
    } else if (deadlines_quiet_ms(a, now_ms) >= settings_of(a)->idle_timeout_ms) {
        time_out(a, "no message within OXIDICOM_IDLE_TIMEOUT");
    }
}

/* Half-open connections come by the thousand, from scanners that are not of the imaging kind. */
static void end_handshake(association_t *a) {
    uint64_t left_out;
    if (!pdu_stream_inside(&a->stream))
        log_debug(&a->context, "%s sent nothing within OXIDICOM_HANDSHAKE_TIMEOUT: closed", a->peer);
    else if (log_seldom(&a->server->late, &left_out))
        log_warn(&a->context, "%s sent no A-ASSOCIATE-RQ within OXIDICOM_HANDSHAKE_TIMEOUT: closed%s", a->peer,
                 log_more(left_out));
    association_close(a, OUTCOME_TIMED_OUT, "no A-ASSOCIATE-RQ in time");
}

void deadlines_check(association_t *a, int64_t now_ms) {
    switch (a->state) {
    case STA2_AWAITING_ASSOCIATE_RQ:
        if (now_ms - a->since_ms >= settings_of(a)->handshake_timeout_ms)
            end_handshake(a);
        break;
    case STA6_DATA_TRANSFER:
        check_open(a, now_ms);
        break;
    case STA13_AWAITING_CLOSE:
        if (now_ms - a->since_ms >= settings_of(a)->release_timeout_ms)
            association_close(a, OUTCOME_TIMED_OUT, "the peer did not close");
        break;
    case STA1_IDLE:
    case STA3_AWAITING_LOCAL_RESPONSE:   /* ours to answer, within OXIDICOM_ASSOCIATION_WAIT */
    case STA8_AWAITING_RELEASE_RESPONSE: /* ours to answer, within OXIDICOM_STORE_TIMEOUT */
        break;
    }
}

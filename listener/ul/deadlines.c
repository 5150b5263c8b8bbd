#include "listener/ul/deadlines.h"

static void time_out(association_t *a, const char *why) {
    a->timed_out = true;
    association_abort(a, ABORT_NOT_SPECIFIED, why);
}

static bool is_quiet(const association_t *a) {
    const patience_t *p = &a->patience;
    return !p->paused_since_ms && !p->window_since_ms && a->unanswered_count == 0;
}

int64_t deadlines_quiet_ms(const association_t *a, int64_t now_ms) {
    return is_quiet(a) ? now_ms - a->patience.quiet_since_ms : 0;
}

int64_t deadlines_stalled_ms(const association_t *a, int64_t now_ms) {
    return a->input_ended ? 0 : patience_stalled_ms(&a->patience, a->site->stage->settings.min_rate, now_ms);
}

static void check_open(association_t *a, const settings_t *settings, int64_t now_ms) {
    if (a->patience.paused_since_ms || a->input_ended)
        return;
    if (a->patience.window_since_ms) {
        if (patience_too_slow(&a->patience, settings->stall_timeout_ms, settings->min_rate, now_ms))
            time_out(a, "within a message, slower than OXIDICOM_MIN_RATE for OXIDICOM_STALL_TIMEOUT");
    } else if (deadlines_quiet_ms(a, now_ms) >= settings->idle_timeout_ms) {
        time_out(a, "no message within OXIDICOM_IDLE_TIMEOUT");
    }
}

/* Half-open connections come by the thousand, from scanners that are not of the imaging kind. */
static void end_handshake(association_t *a) {
    uint64_t left_out;
    if (!pdu_stream_inside(&a->stream))
        log_debug(&a->context, "%s sent nothing within OXIDICOM_HANDSHAKE_TIMEOUT: closed", a->peer);
    else if (association_seldom(a, "late", &left_out))
        log_warn(&a->context, "%s sent no A-ASSOCIATE-RQ within OXIDICOM_HANDSHAKE_TIMEOUT: closed%s", a->peer,
                 log_more(left_out));
    association_close(a, OUTCOME_TIMED_OUT, "no A-ASSOCIATE-RQ in time"); /* AA-2 */
}

void deadlines_check(association_t *a, int64_t now_ms) {
    const settings_t *settings = &a->site->stage->settings;
    switch (a->state) {
    case STA2_AWAITING_ASSOCIATE_RQ:
        if (now_ms - a->since_ms >= settings->handshake_timeout_ms)
            end_handshake(a);
        break;
    case STA6_DATA_TRANSFER:
        check_open(a, settings, now_ms);
        break;
    case STA13_AWAITING_CLOSE:
        if (now_ms - a->since_ms >= settings->release_timeout_ms)
            association_close(a, OUTCOME_TIMED_OUT, "the peer did not close"); /* AA-2 */
        break;
    case STA1_IDLE:
    case STA3_AWAITING_LOCAL_RESPONSE:   /* ours to answer, within OXIDICOM_ASSOCIATION_WAIT */
    case STA8_AWAITING_RELEASE_RESPONSE: /* ours to answer, within OXIDICOM_STORE_TIMEOUT */
        break;
    }
}

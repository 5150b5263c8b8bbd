#include "listener/ul/establishment.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/telemetry/span.h"
#include "listener/server.h"
#include "listener/ul/tracing.h"

void establishment_clear(association_t *a) {
    associate_rq_clear(&a->rq);
    free(a->rq_bytes);
    a->rq_bytes = NULL;
}

/* A peer that is refused comes again and again. */
static void log_rejection(association_t *a, const char *why) {
    uint64_t left_out;
    if (!log_seldom(&a->server->rejections, &left_out))
        log_debug(&a->context, "A-ASSOCIATE-RJ to %s: %s", a->peer, why);
    else
        log_warn(&a->context, "A-ASSOCIATE-RJ to %s, calling AE \"%s\": %s%s", a->peer, a->calling_ae, why,
                 log_more(left_out));
}

static void reject(association_t *a, const rejection_t *rejection) {
    log_rejection(a, rejection->why);
    association_note_why(a, rejection->why);
    recent_add(&a->server->recent, a, "A-ASSOCIATE-RJ", rejection->why);
    uint8_t pdu[SHORT_PDU_BYTES];
    associate_rj_build(pdu, rejection->result, rejection->source, rejection->reason);
    association_send(a, pdu, sizeof pdu);
    establishment_clear(a);
    if (a->connection.fd >= 0)
        association_await_close(a, OUTCOME_REJECTED, "rejected");
}

void establishment_reject_for_now(association_t *a, const char *why) {
    reject(a, &(rejection_t){REJECTED_TRANSIENT, SOURCE_PRESENTATION, PRESENTATION_LOCAL_LIMIT_EXCEEDED, why});
}

/* A text of the peer, for the log: a few ASCII characters at most. */
static void copy_printable(char *to, size_t room, syntax_uid_t from) {
    snprintf(to, room, "%.*s", (int)from.size, from.size ? from.text : "");
    for (; *to; to++)
        if (*to <= ' ' || *to >= 0x7F)
            *to = '?';
}

static void log_accepted(association_t *a, size_t accepted, uint16_t operations) {
    char class[UID_MAX_BYTES + 1], version[IMPLEMENTATION_VERSION_MAX_BYTES + 1];
    copy_printable(class, sizeof class, a->rq.user.implementation_class);
    copy_printable(version, sizeof version, a->rq.user.implementation_version);
    const char *security = connection_security(&a->connection);
    log_info(&a->context,
             "%s at %s calls \"%s\": %zu of %zu presentation contexts accepted, operations window %u, "
             "implementation %s \"%s\"%s%s",
             a->calling_ae, a->peer, a->called_ae, accepted, a->rq.contexts_count, operations, class, version,
             security ? ", secured by " : "", security ? security : "");
}

void establishment_accept(association_t *a) {
    const settings_t *settings = &a->server->stage->settings;
    allowance_t allowance = {(uint32_t)settings->scp_max_pdu_length, (uint16_t)settings->operations_max};
    answered_context_t *answers = calloc(a->rq.contexts_count + 1, sizeof *answers);
    a->contexts = calloc(1, sizeof *a->contexts);
    if (!answers || !a->contexts)
        abort();
    size_t accepted = negotiate(&a->rq, a->server->policy, answers, *a->contexts);
    pdu_t ac = associate_ac_build(&a->rq, answers, allowance);
    a->peer_max_pdu_length = a->rq.user.max_pdu_length;
    a->operations = operations_granted(&a->rq.user, allowance.operations_max);
    log_accepted(a, accepted, a->operations);
    association_set_state(a, STA6_DATA_TRANSFER);
    server_attend(a->server, a, ATTENTION_NONE);
    deadlines_on_message(a);
    association_send(a, ac.bytes, ac.size);
    tracing_accepted(a, a->rq.contexts_count, accepted);
    free(ac.bytes);
    free(answers);
    establishment_clear(a);
    if (a->state == STA6_DATA_TRANSFER)
        association_resume(a);
}

/* STA3: the request is whole and well-formed. */
static void answer_request(association_t *a) {
    const rejection_t *rejection =
        admission_rejection(&a->server->stage->settings, &a->address, &a->rq, a->called_ae, a->calling_ae);
    if (rejection) {
        reject(a, rejection);
    } else if (a->server->draining) {
        establishment_reject_for_now(a, "oxidicom ends");
    } else if (a->address_crowded) {
        establishment_reject_for_now(a, "its address has more than OXIDICOM_CONNECTIONS_PER_ADDRESS");
    } else if (server_has_place(a->server, a)) {
        establishment_accept(a);
    } else {
        connection_pause(&a->connection, true);
        server_attend(a->server, a, ATTENTION_PLACE);
    }
}

void establishment_on_request(association_t *a, const stream_event_t *event) {
    if (a->state != STA2_AWAITING_ASSOCIATE_RQ) {
        association_abort(a, ABORT_PROVIDER, ABORT_UNEXPECTED_PDU, "a second A-ASSOCIATE-RQ");
        return;
    }
    a->rq_bytes = pdu_stream_take_body(&a->stream);
    if (!associate_rq_read(&a->rq, a->rq_bytes, event->size)) {
        association_abort(a, ABORT_PROVIDER, ABORT_INVALID_PARAMETER, "a malformed A-ASSOCIATE-RQ");
        return;
    }
    a->traced.requested_ns = clock_wall_ns();
    a->called_ae = associate_rq_title(&a->rq, 0);
    a->calling_ae = associate_rq_title(&a->rq, 1);
    a->only_verification = proposes_only_verification(&a->rq);
    association_set_state(a, STA3_AWAITING_LOCAL_RESPONSE);
    answer_request(a);
}

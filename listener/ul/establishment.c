#include "listener/ul/establishment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/comma_list.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/plural.h"
#include "listener/ul/admission.h"
#include "listener/ul/tracing.h"

/* A peer that is refused comes again and again. */
static void log_rejection(association_t *a, const char *why) {
    uint64_t left_out;
    if (!association_seldom(a, "rejected", &left_out))
        log_debug(&a->context, "A-ASSOCIATE-RJ to %s: %s", a->peer, why);
    else
        log_warn(&a->context, "A-ASSOCIATE-RJ to %s, calling AE \"%s\": %s%s", a->peer, a->calling_ae, why,
                 log_more(left_out));
}

/* AE-8 */
static void reject(association_t *a, const rejection_t *rejection) {
    log_rejection(a, rejection->why);
    association_note_why(a, rejection->why);
    recent_add(&a->site->recent, a, "A-ASSOCIATE-RJ", rejection->why, NULL);
    uint8_t pdu[SHORT_PDU_BYTES];
    associate_rj_build(pdu, rejection->result, rejection->source, rejection->reason);
    association_send(a, pdu, sizeof pdu);
    association_drop_request(a);
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
    if (!association_may_log(a, LEVEL_INFO))
        return;
    char class[UID_MAX_BYTES + 1], version[IMPLEMENTATION_VERSION_MAX_BYTES + 1];
    copy_printable(class, sizeof class, a->rq.user.implementation_class);
    copy_printable(version, sizeof version, a->rq.user.implementation_version);
    const char *security = connection_security(&a->connection);
    log_info(&a->context,
             "%s at %s calls \"%s\": %zu of %zu presentation %s accepted, operations window %u, "
             "implementation %s \"%s\"%s%s",
             a->calling_ae, a->peer, a->called_ae, accepted, a->rq.contexts_count,
             plural(a->rq.contexts_count, "context", "contexts"), operations, class, version,
             security ? ", secured by " : "", security ? security : "");
}

/* AE-7 */
void establishment_accept(association_t *a) {
    const settings_t *settings = &a->site->stage->settings;
    allowance_t allowance = {(uint32_t)settings->scp_max_pdu_length, (uint16_t)settings->operations_max};
    answered_context_t *answers = must(calloc(a->rq.contexts_count + 1, sizeof *answers));
    a->contexts = must(calloc(1, sizeof *a->contexts));
    size_t accepted =
        negotiate(&a->rq, (negotiation_policy_t){settings->scp_promiscuous, settings->scp_uncompressed_only},
                  answers, *a->contexts);
    pdu_t ac = associate_ac_build(&a->rq, answers, allowance);
    a->peer_max_pdu_length = a->rq.user.max_pdu_length;
    a->operations = operations_granted(&a->rq.user, allowance.operations_max);
    log_accepted(a, accepted, a->operations);
    association_set_state(a, STA6_DATA_TRANSFER);
    roster_attend(&a->site->roster, a, ATTENTION_NONE);
    patience_on_message(&a->patience);
    association_send(a, ac.bytes, ac.size);
    tracing_accepted(a, a->rq.contexts_count, accepted);
    free(ac.bytes);
    free(answers);
    association_drop_request(a);
}

/* PS3.8 9.3.4, as for titles that are not in OXIDICOM_ALLOW_CALLING_AETS. */
static const rejection_t NOT_ITS_TITLE = {REJECTED_PERMANENT, SOURCE_USER, USER_CALLING_AE_TITLE_NOT_RECOGNIZED,
                                          "OXIDICOM_TLS_AETS does not give its certificate this AE title"};

/* Whether the peer's certificate may use its calling AE title; without TLS nobody can tell. */
static bool may_use_title(const association_t *a) {
    const char *list = a->site->stage->settings.tls_aets, *item;
    size_t size, title = strlen(a->calling_ae);
    if (!list || !a->connection.tls)
        return true;
    while (comma_list_next(&list, &item, &size)) {
        const char *mark = memchr(item, '=', size);
        size_t name = (size_t)(mark - item);
        if (size - name - 1 == title && memcmp(mark + 1, a->calling_ae, title) == 0 &&
            connection_is_peer(&a->connection, item, name))
            return true;
    }
    return false;
}

/* STA3: the request is whole and well-formed. */
static void answer_request(association_t *a) {
    const settings_t *settings = &a->site->stage->settings;
    const rejection_t *rejection = admission_rejection(settings, &a->rq, a->called_ae, a->calling_ae);
    if (!rejection && !may_use_title(a))
        rejection = &NOT_ITS_TITLE;
    if (rejection) {
        reject(a, rejection);
    } else if (a->site->draining) {
        establishment_reject_for_now(a, "oxidicom ends");
    } else if (a->address_crowded) {
        establishment_reject_for_now(a, "its address has more than OXIDICOM_CONNECTIONS_PER_ADDRESS");
    } else if (roster_has_place(&a->site->roster, a, settings->associations_max)) {
        establishment_accept(a);
    } else {
        connection_pause(&a->connection, true);
        roster_attend(&a->site->roster, a, ATTENTION_PLACE);
    }
}

/* AE-6 */
void establishment_on_request(association_t *a, const stream_event_t *event) {
    if (a->state != STA2_AWAITING_ASSOCIATE_RQ) {
        association_abort(a, ABORT_UNEXPECTED_PDU, "a second A-ASSOCIATE-RQ");
        return;
    }
    a->rq_bytes = pdu_stream_take_body(&a->stream);
    a->rq_size = event->size;
    if (!associate_rq_read(&a->rq, a->rq_bytes, event->size)) {
        association_abort(a, ABORT_INVALID_PARAMETER, "a malformed A-ASSOCIATE-RQ");
        return;
    }
    a->traced.requested_ns = clock_wall_ns();
    a->called_ae = associate_rq_title(&a->rq, 0);
    a->calling_ae = associate_rq_title(&a->rq, 1);
    a->only_verification = proposes_only_verification(&a->rq);
    association_set_state(a, STA3_AWAITING_LOCAL_RESPONSE);
    answer_request(a);
}

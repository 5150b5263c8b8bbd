#include "notifier/operator/audits.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/message.h"
#include "common/series_key.h"
#include "proto/reply.h"

struct audits {
    const char *run_dir;
    cube_t *cube;
    link_state_t *cube_state;
    char inbox[TOOL_INBOX_BYTES];
    Ring__Audit *message; /* owned; NULL: none is under way */
    Ring__Answer *answer; /* owned */
    size_t asked, answered;
    size_t with_cube; /* also of an abandoned one */
};

audits_t *audits_new(const char *run_dir, cube_t *cube, link_state_t *cube_state) {
    audits_t *audits = must(calloc(1, sizeof *audits));
    audits->run_dir = run_dir;
    audits->cube = cube;
    audits->cube_state = cube_state;
    return audits;
}

static void forget(audits_t *audits) {
    ring__audit__free_unpacked(audits->message, NULL);
    ring__answer__free_unpacked(audits->answer, NULL);
    audits->message = NULL;
    audits->answer = NULL;
}

void audits_destroy(audits_t **self_p) {
    if (!*self_p)
        return;
    forget(*self_p);
    free(*self_p);
    *self_p = NULL;
}

static void refuse(const audits_t *audits, const Ring__ReplyTo *reply_to, const char *why) {
    Ring__Answer answer = RING__ANSWER__INIT;
    answer.number = reply_to->number;
    answer.error = (char *)(uintptr_t)why;
    reply_send(audits->run_dir, reply_to->inbox, &answer);
}

static Ring__Answer *make_answer(const Ring__Audit *message) {
    Ring__Answer *answer = message_new(&ring__answer__descriptor);
    answer->number = message->reply_to->number;
    Ring__Audited *audited = answer->audited = message_new(&ring__audited__descriptor);
    audited->verdicts = must(calloc(message->n_series + 1, sizeof *audited->verdicts));
    while (audited->n_verdicts < message->n_series)
        audited->verdicts[audited->n_verdicts++] = message_new(&ring__audit_verdict__descriptor);
    return answer;
}

/* The name of the PACS in a series' folder; free it. */
static char *pacs_of(const char *folder) {
    const char *below = series_key_below_pacs(folder), *name = below ? below : "";
    return must(strndup(name, strcspn(name, "/")));
}

/* Numbers of its own, from -1 down. */
static void ask_more(audits_t *audits) {
    while (audits->message && audits->with_cube < AUDITS_UNDER_WAY_MAX &&
           audits->asked < audits->message->n_series) {
        const Ring__AuditedSeries *series = audits->message->series[audits->asked++];
        audits->with_cube++;
        cube_ask(audits->cube,
                 &(cube_question_t){-(int64_t)audits->asked, pacs_of(series->folder),
                                    copy_text(series->series_instance_uid), copy_text(series->folder)});
    }
}

static void finish(audits_t *audits) {
    if (audits->answered < audits->message->n_series)
        return;
    reply_send(audits->run_dir, audits->inbox, audits->answer);
    forget(audits);
}

void audits_on_audit(audits_t *audits, const Ring__Audit *message) {
    if (!message->reply_to || !reply_inbox_valid(message->reply_to->inbox))
        return;
    if (!audits->cube) {
        refuse(audits, message->reply_to, "CUBE is not asked: OXIDICOM_CUBE_URL is not set");
    } else if (audits->message || audits->with_cube > 0) {
        refuse(audits, message->reply_to, "another audit is under way");
    } else if (message->n_series > AUDIT_SERIES_MAX) {
        refuse(audits, message->reply_to, "too many series at once");
    } else {
        snprintf(audits->inbox, sizeof audits->inbox, "%s", message->reply_to->inbox);
        audits->message = message_copy(&message->base); /* it goes with its envelope */
        audits->answer = make_answer(message);
        audits->asked = audits->answered = 0;
        ask_more(audits);
        finish(audits); /* of none */
    }
}

/* CUBE that does not answer is not asked for the others. */
static void give_up(audits_t *audits) {
    bool answers;
    int64_t since;
    char why[LINK_WHY_BYTES];
    link_state_read(audits->cube_state, &answers, &since, why);
    char *text = format_text("CUBE can't be asked: %s", why);
    refuse(audits, &(Ring__ReplyTo){.number = audits->answer->number, .inbox = audits->inbox}, text);
    free(text);
    forget(audits);
}

void audits_on_answer(audits_t *audits, const cube_answer_t *answer) {
    audits->with_cube--;
    if (!audits->message)
        return;
    if (answer->verdict == CUBE_DOES_NOT_SAY || answer->verdict == CUBE_UNASKED) {
        give_up(audits);
        return;
    }
    Ring__AuditVerdict *verdict = audits->answer->audited->verdicts[-answer->question.number - 1];
    verdict->there = answer->verdict == CUBE_HAS;
    verdict->files = (uint64_t)answer->files;
    audits->answered++;
    ask_more(audits);
    finish(audits);
}

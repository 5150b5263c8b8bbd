/* The notifier's answers to the operator's tool, and its work for it. Answers wait for the commit of their
 * transaction, like all its messages. */
#ifndef NOTIFIER_OPERATOR_ANSWERS_H
#define NOTIFIER_OPERATOR_ANSWERS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "common/link_state.h"
#include "common/stage.h"
#include "notifier/broker/registrar.h"
#include "notifier/journal/journal.h"
#include "notifier/journal/storage.h"
#include "notifier/metrics/all_metrics.h"
#include "notifier/progress/publisher.h"
#include "notifier/replicas/replicas.h"
#include "proto/ring.h"

/* Receptions looked through for one answer. */
#define SERIES_PAGE_SEARCHED_ROWS 5000

typedef struct answers answers_t;

/* All of it must outlive the answers. */
typedef struct answers_sources {
    const stage_t *stage;
    journal_t *journal;
    const registrar_t *registrar;
    const inquiries_t *inquiries;
    storage_t *storage;
    replicas_t *replicas;
    publisher_t *publisher;
    all_metrics_t *metrics;
    const atomic_bool *journal_writable; /* it takes events */
    link_state_t *broker, *nats, *cube;
} answers_sources_t;

answers_t *answers_new(const answers_sources_t *sources);
void answers_destroy(answers_t **self_p);

/* Messages of the ring. Those without a usable inbox are ignored. */
void answers_on_status(answers_t *answers, const Ring__StatusQuery *message);
void answers_on_series(answers_t *answers, const Ring__SeriesQuery *message);
void answers_on_resend(answers_t *answers, const Ring__Resend *message);
void answers_on_register(answers_t *answers, const Ring__Register *message);

/* The transaction has ended: the answers go out, or, where it has failed, an error in place of each. */
void answers_finish(answers_t *answers, bool committed);

/* --- shared by answers.c, resend.c and view.c --- */

/* An answer to go out after the commit, to fill with what malloc gave. NULL where nobody is to be answered. */
Ring__Answer *answers_add(answers_t *answers, const Ring__ReplyTo *reply_to);
journal_t *answers_journal(answers_t *answers);
/* Begins a page (SQL_PAGE_…) of Ring__Reception; `lowest`: none of it lies below that number. */
sqlite3_stmt *answers_page(journal_t *journal, sql_t sql, const Ring__SeriesQuery *wish, int64_t *lowest);
/* Where it can be sent, and waits for silent storage, its `why` says so. */
void answers_say_silence(Ring__Reception *reception, storage_t *storage);

#endif

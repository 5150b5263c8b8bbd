/* The notifier's answers to the operator's tool, and its work for it. Answers wait for the commit of their
 * transaction, like all its messages. */
#ifndef NOTIFIER_OPERATOR_QUERY_H
#define NOTIFIER_OPERATOR_QUERY_H

#include <stdbool.h>

#include "common/link_state.h"
#include "common/stage.h"
#include "notifier/broker/registrar.h"
#include "notifier/journal/journal.h"
#include "notifier/journal/storage.h"
#include "notifier/progress/publisher.h"
#include "notifier/replicas/replicas.h"
#include "proto/ring.h"

/* Receptions looked through for one answer. */
#define SERIES_PAGE_SEARCHED_ROWS 5000

typedef struct query query_t;

/* All of it must outlive the query. */
typedef struct query_sources {
    const stage_t *stage;
    journal_t *journal;
    const registrar_t *registrar;
    const inquiries_t *inquiries;
    storage_t *storage;
    replicas_t *replicas;
    publisher_t *publisher;
    link_state_t *broker, *nats, *cube;
} query_sources_t;

query_t *query_new(const query_sources_t *sources);
void query_destroy(query_t **self_p);

/* Messages of the ring. Those without a usable inbox are ignored. */
void query_on_status(query_t *query, const Ring__StatusQuery *message);
void query_on_series(query_t *query, const Ring__SeriesQuery *message);
void query_on_resend(query_t *query, const Ring__Resend *message);
void query_on_register(query_t *query, const Ring__Register *message);

/* The transaction has ended: the answers go out, or, where it has failed, an error in place of each. */
void query_finish(query_t *query, bool committed);

/* --- shared by query.c, resend.c and view.c --- */

/* An answer to go out after the commit, to fill with what malloc gave. NULL where nobody is to be answered. */
Ring__Answer *query_answer(query_t *query, const Ring__ReplyTo *reply_to);
journal_t *query_journal(query_t *query);
/* Begins a page (SQL_PAGE_…) of Ring__Reception; `lowest`: none of it lies below that number. */
sqlite3_stmt *query_page(journal_t *journal, sql_t sql, const Ring__SeriesQuery *wish, int64_t *lowest);
/* Where it can be sent, and waits for silent storage, its `why` says so. */
void query_say_silence(Ring__Reception *reception, storage_t *storage);

#endif

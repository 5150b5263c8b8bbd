/* The notifier's state, shared by main.c (its life), messages.c (what the ring tells) and commit.c (batch and
 * commit).
 */
#ifndef NOTIFIER_NOTIFIER_H
#define NOTIFIER_NOTIFIER_H

#include <czmq.h>

#include "common/link_state.h"
#include "common/log.h"
#include "common/stage.h"
#include "notifier/broker/inquiries.h"
#include "notifier/broker/registrar.h"
#include "notifier/cube/cube.h"
#include "notifier/drain.h"
#include "notifier/http/health.h"
#include "notifier/http/http.h"
#include "notifier/http/live.h"
#include "notifier/journal/adoption.h"
#include "notifier/journal/dones.h"
#include "notifier/journal/expiry.h"
#include "notifier/journal/journal.h"
#include "notifier/journal/owed.h"
#include "notifier/journal/storage.h"
#include "notifier/metrics/all_metrics.h"
#include "notifier/metrics/notifier_metrics.h"
#include "notifier/metrics/otlp_export.h"
#include "notifier/metrics/traced.h"
#include "notifier/operator/answers.h"
#include "notifier/operator/audits.h"
#include "notifier/progress/progress.h"
#include "notifier/progress/publisher.h"
#include "notifier/replicas/replicas.h"
#include "proto/ring.h"
#include "proto/snapshot.h"

/* After a listener's restart the notifier waits so long for the old one's last events. */
#define LISTENER_GRACE_MS 2000

typedef struct notifier {
    stage_t *stage;
    ring_inbox_t inbox;
    zsock_t *listener;    /* its inbox */
    zsock_t *monitor;     /* of the connection to it; NULL: it can't be watched */
    bool listener_there;  /* as the monitor says */
    bool listener_drains; /* as it said last */
    journal_t journal;
    owed_t *owed;
    publisher_t *publisher;
    progress_t *progress;
    int progress_timer; /* -1: none */
    dones_t *dones;
    zactor_t *broker;
    link_state_t broker_state, nats_state, cube_state;
    queue_state_t queue_state;
    cube_t *cube; /* NULL: it is not asked */
    inquiries_t *inquiries;
    storage_t *storage;
    replicas_t *replicas;
    registrar_t *registrar;
    answers_t *answers;
    audits_t *audits;
    adoption_t adoption;
    expiry_t expiry;
    snapshot_t *snapshot;
    all_metrics_t *metrics;
    health_t health;
    notifier_metrics_t own_metrics;
    live_t live;
    http_t *http;               /* NULL: nobody is to be served */
    otlp_export_t *otlp_export; /* NULL: none */
    size_t metrics_heard;       /* messages of that kind in the last batch */
    int64_t journal_try_ms;     /* when a journal that did not take events is tried again */
    traced_t *traced;
    int64_t listener_heard_ns, listener_died_ns; /* since 1970 */
    uint64_t current_listener;                   /* incarnation; 0: has not said it yet */
    bool strangers;                              /* this batch had events of another one */
    int grace_timer;                             /* -1: none */
    int wait_timer;                              /* of the series that wait; -1: none */
    int64_t resend_at_ms;                        /* after a commit that failed; 0: none has */
    int64_t failed_commits;                      /* in a row */
    log_limit_t complained;
    drain_t drain;
    bool leaving;  /* the drain has come to that */
    size_t unleft; /* receptions that are being left to other replicas */
} notifier_t;

/* --- messages.c --- */

/* Gives the inbox the handlers of the ring's messages. */
void messages_start(notifier_t *notifier);

/* --- commit.c: a batch of events, its commit, and the messages after it --- */

/* Only committed changes are acknowledged, published or sent. */
void commit_batch(notifier_t *notifier);
/* Associations end that have waited for too long for what their writers say. Call it now and then. */
void commit_overdue(notifier_t *notifier);
/* Receptions end that have waited long enough (quiet.h). A timer for the next wait is set. Call it once at the
 * start, and after an adoption. */
void commit_waits(notifier_t *notifier);
/* The current listener is a new one: the grace begins anew. */
void commit_renew_grace(notifier_t *notifier);
/* Whether the time has come to ask for unacknowledged objects again, after a commit that failed: then as another.
 */
void commit_ask_again(notifier_t *notifier);

#endif

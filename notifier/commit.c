/* A batch of events, its commit to the journal, and the messages after it. */
#include "common/backoff.h"
#include "common/clock.h"
#include "common/metrics.h"
#include "notifier/journal/quiet.h"
#include "notifier/journal/reception.h"
#include "notifier/journal/room.h"
#include "notifier/notifier.h"

/* After a commit that failed, unacknowledged objects are asked for again; doubled each time. */
#define RESEND_FIRST_MS   1000
#define RESEND_LONGEST_MS 8000
/* After a commit that failed, ended waits of series are looked for again. */
#define WAIT_RETRY_MS 1000

static int on_progress_due(zloop_t *loop, int timer, void *argument);
static int on_grace_over(zloop_t *loop, int timer, void *argument);
static int on_wait_over(zloop_t *loop, int timer, void *argument);

static void arm_progress(notifier_t *notifier) {
    int64_t wait_ms = progress_flush(notifier->progress, clock_ms());
    if (wait_ms >= 0 && notifier->progress_timer < 0)
        notifier->progress_timer =
            zloop_timer(notifier->stage->loop, (size_t)wait_ms, 1, on_progress_due, notifier);
}

static int on_progress_due(zloop_t *loop, int timer, void *argument) {
    (void)loop;
    (void)timer;
    notifier_t *notifier = argument;
    notifier->progress_timer = -1;
    arm_progress(notifier);
    return 0;
}

/* Associations of other listeners than the current one are ended after the grace, which begins anew when another
 * listener says that it lives. */
static void await_grace(notifier_t *notifier) {
    if (notifier->grace_timer < 0)
        notifier->grace_timer = zloop_timer(notifier->stage->loop, LISTENER_GRACE_MS, 1, on_grace_over, notifier);
}

void commit_renew_grace(notifier_t *notifier) {
    if (notifier->grace_timer >= 0)
        zloop_timer_end(notifier->stage->loop, notifier->grace_timer);
    notifier->grace_timer = -1;
    await_grace(notifier);
}

/* For a new notifier the listener sends objects that wait for their series again. After a pause, a notifier with a
 * failed journal (a full disk, say) poses as a new one, so that these objects get another chance before their
 * deadline. */
static void ask_again_later(notifier_t *notifier) {
    if (notifier->resend_at_ms)
        return;
    notifier->resend_at_ms =
        clock_ms() + backoff_ms(RESEND_FIRST_MS, RESEND_LONGEST_MS, ++notifier->failed_commits);
}

void commit_ask_again(notifier_t *notifier) {
    if (!notifier->resend_at_ms || clock_ms() < notifier->resend_at_ms)
        return;
    notifier->resend_at_ms = 0;
    notifier->stage->incarnation++;
}

/* Only writes, not reads, tell whether the journal accepts anything. */
static bool commit_journal(notifier_t *notifier) {
    if (!notifier->journal.open)
        return true;
    bool wrote = journal_wrote(&notifier->journal);
    if (wrote || notifier->journal.room != ROOM_AMPLE)
        room_look(&notifier->journal);
    int64_t begun_us = clock_us();
    bool committed = journal_commit(&notifier->journal) == 0;
    metric_observe(METRIC_JOURNAL_COMMIT_TIME, clock_us() - begun_us);
    if (wrote || !committed)
        atomic_store(&notifier->health.journal_writable, committed && notifier->journal.room != ROOM_NONE);
    return committed;
}

/* For the next end of a wait, at the time that the journal has. */
static void arm_wait(notifier_t *notifier) {
    if (notifier->wait_timer >= 0)
        zloop_timer_end(notifier->stage->loop, notifier->wait_timer);
    notifier->wait_timer = -1;
    int64_t wait_ms = quiet_next_ms(&notifier->journal);
    if (journal_commit(&notifier->journal) != 0) /* of nothing */
        wait_ms = WAIT_RETRY_MS;
    if (wait_ms > 0)
        notifier->wait_timer = zloop_timer(notifier->stage->loop, (size_t)wait_ms, 1, on_wait_over, notifier);
}

static bool commit_and_tell(notifier_t *notifier) {
    reception_end_abandoned(&notifier->journal, notifier->owed);
    bool events = notifier->journal.open, committed = commit_journal(notifier);
    bool end = owed_has_end(notifier->owed), wait = owed_has_wait(notifier->owed);
    answers_finish(notifier->answers, committed);
    if (!committed) {
        owed_drop(notifier->owed);
        reception_load(&notifier->journal);
        ask_again_later(notifier);
    } else {
        owed_tell(notifier->owed, notifier->listener, notifier->progress, clock_ms());
        notifier->failed_commits = events && !notifier->journal.turned_away ? 0 : notifier->failed_commits;
    }
    if (notifier->journal.turned_away)
        ask_again_later(notifier);
    notifier->journal.turned_away = false;
    if (committed && wait)
        arm_wait(notifier);
    arm_progress(notifier);
    if (notifier->strangers && notifier->current_listener)
        await_grace(notifier);
    notifier->strangers = false;
    registrar_pump(notifier->registrar);
    if (end)
        dones_pump(notifier->dones);
    return committed;
}

void commit_batch(notifier_t *notifier) {
    (void)commit_and_tell(notifier);
}

void commit_waits(notifier_t *notifier) {
    bool ended = reception_end_waits(&notifier->journal, notifier->owed);
    if (!ended || commit_and_tell(notifier))
        arm_wait(notifier);
    else
        notifier->wait_timer = zloop_timer(notifier->stage->loop, WAIT_RETRY_MS, 1, on_wait_over, notifier);
}

static int on_wait_over(zloop_t *loop, int timer, void *argument) {
    (void)loop;
    (void)timer;
    notifier_t *notifier = argument;
    notifier->wait_timer = -1;
    commit_waits(notifier);
    return 0;
}

/* The files of receptions that an earlier process has left open are counted by the thread for storage. */
static void count_left_open(notifier_t *notifier) {
    int64_t reception;
    for (char *folder; (folder = reception_next_uncounted(&notifier->journal, &reception)); free(folder))
        storage_list(notifier->storage, reception, folder);
}

void commit_overdue(notifier_t *notifier) {
    count_left_open(notifier);
    if (reception_end_overdue(&notifier->journal, notifier->owed))
        commit_batch(notifier);
    else
        (void)!journal_commit(&notifier->journal); /* of nothing */
}

static int on_grace_over(zloop_t *loop, int timer, void *argument) {
    (void)loop;
    (void)timer;
    notifier_t *notifier = argument;
    notifier->grace_timer = -1;
    traced_close_others(notifier->traced, notifier->current_listener, notifier->listener_died_ns);
    reception_close_other_listeners(&notifier->journal, notifier->owed, notifier->current_listener);
    commit_batch(notifier);
    return 0;
}

#include "notifier/broker/inquiries.h"

#include <stdlib.h>
#include <string.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "common/plural.h"
#include "notifier/broker/order.h"
#include "notifier/broker/worker_clock.h"
#include "notifier/journal/dones.h"
#include "notifier/journal/rows.h"

/* CUBE is asked for the first time so long after the broker's confirm, then with pauses that double. */
#define ASK_FIRST_MS   200
#define ASK_LONGEST_MS 10000
/* As long as the task may be in the queue, it is asked for this rarely. */
#define ASK_QUEUED_MS 60000
/* CUBE is tried again after …, doubled each time; so is an inquiry that was not asked for so long. */
#define AWAY_FIRST_MS   500
#define AWAY_LONGEST_MS 30000
#define IDLE_MS         60000
/* A question that CUBE did not answer comes again after … */
#define PUT_OFF_MS 30000
/* A series for which CUBE has given no answer by then, it is too slow to be waited for; that is looked at so often.
 */
#define UNANSWERED_MS 10000
#define BEHIND_MS     1000
/* A registration that is sent again lets others go first that wait for it, in case CUBE minds this one. */
#define RESEND_PAUSE_MS 1000

/* One that is with CUBE. */
typedef struct inquiry {
    int64_t reception, asked, left_ms, resent, ndicom;
} inquiry_t;

struct inquiries {
    journal_t *journal;
    const settings_t *settings;
    cube_t *cube;
    link_state_t *cube_state;
    queue_state_t *queue;
    worker_clock_t clock;
    int64_t left; /* the last ticket that was seen to have left the queue */
    inquiry_t under_way[INQUIRIES_UNDER_WAY_MAX];
    size_t count;
    bool away, refused; /* what CUBE has said last, or nothing yet */
    int64_t failures;   /* in a row */
    int64_t again_ms;   /* clock_ms; when CUBE is tried, unless it is asked before */
    int64_t complained_still_ms, beat_ms;
};

static int64_t longest_pause_ms(const inquiries_t *inquiries) {
    int64_t longest_ms = inquiries->settings->cube_patience_ms / 4;
    return longest_ms < ASK_LONGEST_MS ? longest_ms : ASK_LONGEST_MS;
}

static int64_t first_pause_ms(void) {
    return backoff_jittered(ASK_FIRST_MS);
}

/* --- earlier inquiries --------------------------------------------------------------------------------- */

/* Nobody waits for CUBE any longer: it can't be asked. */
static void fall_back(inquiries_t *inquiries) {
    journal_run(inquiries->journal, SQL_DONES_FALL_BACK, VALUES(NUMBER(inquiries->settings->done_delay_ms)));
    order_release_all(inquiries->journal, INT64_MAX);
}

inquiries_t *inquiries_new(journal_t *journal, const settings_t *settings, cube_t *cube, link_state_t *cube_state,
                           queue_state_t *queue) {
    inquiries_t *inquiries = must(calloc(1, sizeof *inquiries));
    *inquiries = (inquiries_t){
        .journal = journal, .settings = settings, .cube = cube, .cube_state = cube_state, .queue = queue};
    sqlite3_stmt *rows = journal_query(journal, SQL_INQUIRY_LAST, NULL, 0);
    while (rows_next_ticket(journal, rows, &inquiries->clock.tickets, &inquiries->clock.ran_ms))
        ;
    if (!cube)
        fall_back(inquiries);
    if (journal_commit(journal) != 0)
        log_warn(NULL, "inquiries to CUBE wait longer than necessary");
    return inquiries;
}

void inquiries_destroy(inquiries_t **self_p) {
    free(*self_p);
    *self_p = NULL;
}

/* --- from the broker ------------------------------------------------------------------------------------- */

int64_t inquiries_on_registered(inquiries_t *inquiries, int64_t reception, const char *folder) {
    int64_t now = journal_now();
    bool waits = inquiries->cube && !inquiries->away;
    order_learn(inquiries->journal, folder, waits);
    inquiries->clock.tickets += inquiries->cube != NULL;
    if (inquiries->cube)
        journal_run(inquiries->journal, SQL_INQUIRY_BEGIN,
                    VALUES(NUMBER(reception), NUMBER(now), NUMBER(now + first_pause_ms()),
                           NUMBER(inquiries->clock.tickets), NUMBER(inquiries->clock.ran_ms)));
    return waits ? 0 : now + inquiries->settings->done_delay_ms;
}

/* --- what CUBE says -------------------------------------------------------------------------------------- */

static void end(inquiries_t *inquiries, const inquiry_t *item, const cube_answer_t *answer, const char *state) {
    journal_t *journal = inquiries->journal;
    journal_run(journal, SQL_INQUIRY_END, VALUES(NUMBER(item->reception), TEXT(state), NUMBER(answer->files)));
    journal_run(journal, SQL_DONE_DUE, VALUES(NUMBER(item->reception), NUMBER(journal_now())));
    order_release(journal, answer->question.folder);
    metric_add(METRIC_INQUIRIES, state, 1);
}

static void on_found(inquiries_t *inquiries, const inquiry_t *item, const cube_answer_t *answer) {
    const char *series = answer->question.series_uid;
    if (answer->files >= item->ndicom) {
        end(inquiries, item, answer, "confirmed");
        journal_run(inquiries->journal, SQL_INQUIRY_SUPERSEDE, VALUES(NUMBER(item->reception)));
        log_info(NULL, "series %s is in CUBE: %lld %s", series, (long long)answer->files,
                 plural((uint64_t)answer->files, "file", "files"));
        return;
    }
    end(inquiries, item, answer, "short");
    dones_add_error(inquiries->journal, item->reception, "CUBE has %lld of %lld %s of this series",
                    (long long)answer->files, (long long)item->ndicom,
                    plural((uint64_t)item->ndicom, "file", "files"));
    log_error(NULL,
              "series %s is short in CUBE, which has %lld of its %lld %s and takes a series once: delete it in "
              "CUBE, then have it sent again",
              series, (long long)answer->files, (long long)item->ndicom,
              plural((uint64_t)item->ndicom, "file", "files"));
}

static void lose(inquiries_t *inquiries, const inquiry_t *item, const cube_answer_t *answer) {
    end(inquiries, item, answer, "lost");
    dones_add_error(inquiries->journal, item->reception,
                    "CUBE does not have this series, though it was sent %d times", RESENDS_MAX + 1);
    log_error(NULL,
              "series %s is lost: CUBE does not have it, though it was sent %d times; its worker's log says why",
              answer->question.series_uid, RESENDS_MAX + 1);
}

static void resend(inquiries_t *inquiries, const inquiry_t *item, const cube_answer_t *answer) {
    journal_t *journal = inquiries->journal;
    journal_run(journal, SQL_INQUIRY_RESEND, VALUES(NUMBER(item->reception)));
    journal_run(
        journal, SQL_DUE_AGAIN,
        VALUES(NUMBER(item->reception), NUMBER(clock_ms() + RESEND_PAUSE_MS), TEXT("CUBE does not have it")));
    order_forget(journal, answer->question.folder);
    metric_add(METRIC_RESENDS, NULL, 1);
    log_warn(NULL, "series %s is sent again: CUBE does not have it", answer->question.series_uid);
}

static void on_lacking(inquiries_t *inquiries, const inquiry_t *item, const cube_answer_t *answer) {
    const worker_clock_t *clock = &inquiries->clock;
    bool over = item->left_ms >= 0 && !clock->still_since_ms &&
                clock->ran_ms - item->left_ms >= inquiries->settings->cube_patience_ms;
    if (over && item->resent < RESENDS_MAX) {
        resend(inquiries, item, answer);
    } else if (over) {
        lose(inquiries, item, answer);
    } else {
        int64_t longest_ms = longest_pause_ms(inquiries);
        if (item->left_ms < 0)
            longest_ms = ASK_QUEUED_MS;
        int64_t pause_ms = backoff_jittered(backoff_ms(ASK_FIRST_MS, longest_ms, item->asked + 1));
        journal_run(inquiries->journal, SQL_INQUIRY_ASKED,
                    VALUES(NUMBER(item->reception), NUMBER(journal_now() + pause_ms), NUMBER(clock->ran_ms)));
    }
}

static void complain(inquiries_t *inquiries, bool refused) {
    bool answers;
    int64_t since;
    char why[LINK_WHY_BYTES];
    if (inquiries->away && inquiries->refused == refused)
        return;
    link_state_read(inquiries->cube_state, &answers, &since, why);
    if (refused)
        log_error(NULL, "CUBE can't be asked (%s): done is said without it", why);
    else
        log_warn(NULL, "CUBE can't be asked (%s): done is said without it", why);
}

/* Others are asked for before this one, in case CUBE minds it. */
static void on_silence(inquiries_t *inquiries, const inquiry_t *item, bool refused) {
    complain(inquiries, refused);
    inquiries->away = true;
    inquiries->refused = refused;
    inquiries->again_ms =
        clock_ms() + backoff_jittered(backoff_ms(AWAY_FIRST_MS, AWAY_LONGEST_MS, ++inquiries->failures));
    fall_back(inquiries);
    journal_run(inquiries->journal, SQL_INQUIRY_PUT_OFF,
                VALUES(NUMBER(item->reception), NUMBER(journal_now() + backoff_jittered(PUT_OFF_MS))));
}

static void on_answer(inquiries_t *inquiries, const inquiry_t *item, const cube_answer_t *answer) {
    if (answer->verdict == CUBE_UNASKED)
        return;
    if (answer->verdict == CUBE_DOES_NOT_SAY) {
        on_silence(inquiries, item, answer->refused);
        return;
    }
    if (inquiries->away)
        log_info(NULL, "CUBE answers again");
    inquiries->away = false;
    inquiries->failures = 0;
    inquiries->again_ms = clock_ms() + IDLE_MS;
    if (!item->reception)
        return;
    if (answer->verdict == CUBE_HAS)
        on_found(inquiries, item, answer);
    else
        on_lacking(inquiries, item, answer);
}

static inquiry_t take_under_way(inquiries_t *inquiries, int64_t reception) {
    size_t i = 0;
    while (inquiries->under_way[i].reception != reception)
        i++;
    inquiry_t item = inquiries->under_way[i];
    inquiries->under_way[i] = inquiries->under_way[--inquiries->count];
    return item;
}

void inquiries_on_answer(inquiries_t *inquiries, const cube_answer_t *answer) {
    inquiry_t item = take_under_way(inquiries, answer->question.number);
    on_answer(inquiries, &item, answer);
}

/* --- what CUBE is asked ---------------------------------------------------------------------------------- */

static bool is_under_way(const inquiries_t *inquiries, int64_t reception) {
    for (size_t i = 0; i < inquiries->count; i++)
        if (inquiries->under_way[i].reception == reception)
            return true;
    return false;
}

static void ask(inquiries_t *inquiries, const inquiry_row_t *row) {
    const Ring__Series *series = row->series;
    inquiries->under_way[inquiries->count++] =
        (inquiry_t){row->reception, row->asked, row->left_ms, row->resent, row->ndicom};
    cube_ask(inquiries->cube,
             &(cube_question_t){row->reception, copy_text(series->pacs_name),
                                copy_text(series->series_instance_uid), copy_text(series->folder)});
}

static void try_cube(inquiries_t *inquiries) {
    inquiries->under_way[inquiries->count++] = (inquiry_t){0};
    cube_ask(inquiries->cube, &(cube_question_t){0});
}

/* CUBE that is away is only tried. */
static void ask_what_is_due(inquiries_t *inquiries) {
    journal_t *journal = inquiries->journal;
    int64_t now = journal_now();
    if (inquiries->count == 0 && clock_ms() >= inquiries->again_ms)
        try_cube(inquiries);
    if (inquiries->away || inquiries->count == INQUIRIES_UNDER_WAY_MAX)
        return;
    inquiry_row_t row = {0};
    sqlite3_stmt *rows =
        journal_query(journal, SQL_INQUIRY_FIND,
                      VALUES(NUMBER(now), NUMBER(now + ASK_QUEUED_MS), NUMBER(INQUIRIES_UNDER_WAY_MAX)));
    while (rows_next_inquiry(journal, rows, &row))
        if (row.series && inquiries->count < INQUIRIES_UNDER_WAY_MAX && !is_under_way(inquiries, row.reception))
            ask(inquiries, &row);
}

static int64_t still_of(const inquiries_t *inquiries) {
    int64_t since_ms = inquiries->clock.still_since_ms, still_ms = since_ms ? clock_ms() - since_ms : 0;
    return still_ms >= QUEUE_STILL_MS ? still_ms : 0;
}

static void complain_still(inquiries_t *inquiries) {
    const worker_clock_t *clock = &inquiries->clock;
    int64_t now_ms = clock_ms();
    if (!still_of(inquiries)) {
        if (inquiries->complained_still_ms && !clock->still_since_ms) {
            log_info(NULL, "CUBE's worker takes tasks again");
            inquiries->complained_still_ms = 0;
        }
        return;
    }
    if (inquiries->complained_still_ms && now_ms - inquiries->complained_still_ms < 10 * LOG_RARELY_MS)
        return;
    log_warn(NULL, "CUBE's worker takes no tasks: %lld wait in the queue %s, for %lld s by now",
             (long long)clock->last.waiting, inquiries->settings->queue_name,
             (long long)(now_ms - clock->still_since_ms) / 1000);
    inquiries->complained_still_ms = now_ms;
}

static void look_at_queue(inquiries_t *inquiries) {
    queue_look_t look = queue_state_read(inquiries->queue);
    int64_t left = worker_clock_beat(&inquiries->clock, &look, clock_ms());
    if (left > inquiries->left)
        journal_run(
            inquiries->journal, SQL_INQUIRY_LEFT_QUEUE,
            VALUES(NUMBER(left), NUMBER(inquiries->clock.ran_ms), NUMBER(journal_now() + first_pause_ms())));
    if (left > inquiries->left)
        inquiries->left = left;
    complain_still(inquiries);
}

/* CUBE that is too slow to be waited for. */
static void fall_back_behind(inquiries_t *inquiries) {
    journal_t *journal = inquiries->journal;
    int64_t until = journal_now() - UNANSWERED_MS;
    if (clock_ms() - inquiries->beat_ms < BEHIND_MS)
        return;
    inquiries->beat_ms = clock_ms();
    if (!journal_number(journal, SQL_INQUIRY_UNANSWERED, VALUES(NUMBER(until)), 0))
        return;
    journal_run(journal, SQL_DONES_FALL_BACK_UNASKED,
                VALUES(NUMBER(inquiries->settings->done_delay_ms), NUMBER(until)));
    order_release_all(journal, until);
}

void inquiries_beat(inquiries_t *inquiries) {
    int64_t left = inquiries->left;
    if (!inquiries->cube)
        return;
    look_at_queue(inquiries);
    fall_back_behind(inquiries);
    ask_what_is_due(inquiries);
    if (journal_commit(inquiries->journal) != 0)
        inquiries->left = left;
}

bool inquiries_queue(const inquiries_t *inquiries, int64_t *waiting, int64_t *still_ms) {
    *waiting = inquiries->clock.last.waiting;
    *still_ms = still_of(inquiries);
    return inquiries->cube && inquiries->clock.last.number && *waiting >= 0;
}

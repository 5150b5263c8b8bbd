#include "notifier/broker/left.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"

/* Another look is due after OXIDICOM_ABORT_QUIET, the time for a peer's next attempt, within these bounds. */
#define LOOK_LEAST_MS 1000
#define LOOK_MOST_MS  30000

static int64_t look_again_ms(const settings_t *settings) {
    int64_t ms = settings->abort_quiet_ms;
    return ms < LOOK_LEAST_MS ? LOOK_LEAST_MS : ms > LOOK_MOST_MS ? LOOK_MOST_MS : ms;
}

void left_record(journal_t *journal, const settings_t *settings, const registration_t *registration,
                 const char *note, bool first) {
    journal_run(journal, SQL_DUE_LEFT,
                VALUES(NUMBER(registration->reception), TEXT(note), NUMBER(clock_ms() + look_again_ms(settings)),
                       TEXT("another replica receives the series")));
    if (journal_commit(journal) != 0 || !first)
        return;
    metric_add(METRIC_SERIES_LEFT, NULL, 1);
    log_info(NULL, "series %s is left to another replica, which still receives it",
             registration->series->series_instance_uid);
}

void left_end(journal_t *journal, const settings_t *settings, const registration_t *registration,
              bool is_done_ours) {
    int64_t now = journal_now(), done = now + settings->done_delay_ms;
    journal_run(journal, SQL_DUE_ELSEWHERE,
                VALUES(NUMBER(registration->reception), NUMBER(now), TEXT("registered by another replica"),
                       NUMBER(is_done_ours ? done : 0)));
    journal_run(journal, SQL_DONE_FOLLOWS, VALUES(NUMBER(registration->reception), NUMBER(done)));
    if (journal_commit(journal) == 0)
        log_info(NULL, "series %s was registered by another replica", registration->series->series_instance_uid);
}

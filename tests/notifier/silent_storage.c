/* Storage that does not answer for as long as the test wants: every call of the notifier that names a file below
 * the files root hangs. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "notifier/journal/storage.h"
#include "tests/notifier/site.h"
#include "tests/support/faults.h"
#include "tests/support/http.h"
#include "tests/support/patience.h"
#include "tests/support/receiver.h"

static site_t site;
static char *faults, *port, *preload;
static const char *more[32];

static void set_up(void) {
    site_set_up(&site);
    faults = text_of("%s/faults", site.folder);
    port = text_of("%d", free_port());
    preload = text_of("%s/../preload.so", binaries());
    const char *const environment[] = {"LD_PRELOAD",         preload, "OXIDICOM_TEST_FAULTS", faults,
                                       "OXIDICOM_HTTP_PORT", port};
    memcpy(more, environment, sizeof environment);
    site.more = more;
}

static void tear_down(void) {
    site_tear_down(&site);
    free(faults);
    free(port);
    free(preload);
}

TestSuite(silent_storage, .init = set_up, .fini = tear_down, .timeout = PATIENCE_S);

/* --- its silence ----------------------------------------------------------------------------------------- */

static void need_preload(void) {
#ifdef SANITIZED
    cr_skip("nothing can be preloaded before AddressSanitizer");
#endif
}

static void have_hang(const char *folder) {
    need_preload();
    char *rules = text_of("notifier any hang path=%s\n", folder);
    faults_set(faults, rules);
    free(rules);
}

static void fall_silent(void) {
    have_hang(site.root);
}

static void answer_again(void) {
    faults_set(faults, NULL);
}

static bool is_gone(void *path) {
    return access(path, F_OK) != 0;
}

static bool is_called_silent(void *said) {
    int status;
    char *text = http_get(atoi(port), "/metrics", NULL, &status);
    *(double *)said = metric_in(text, "oxidicom_storage_silent_seconds");
    free(text);
    return *(double *)said >= STORAGE_SILENCE_MS / 1000.0;
}

/* The tool has nothing to do with storage: without its files root. */
static char *asked(const char *const *argv) {
    char *run = text_of("%s/run", site.folder), *said = text_of("%s/said", site.folder);
    unlink(said);
    int status = process_run(said, (const char *const[]){"OXIDICOM_RUN_DIR", run, "LD_PRELOAD", "", NULL}, argv,
                             PATIENCE_MS);
    size_t size;
    char *text = file_content(said, &size);
    cr_assert(status >= 0 && text, "the tool did not end by itself");
    free(run);
    free(said);
    return text;
}

static void expect_answer(const char *path, int wanted, const char *text) {
    int status;
    char *said = http_get(atoi(port), path, NULL, &status);
    cr_expect_eq(status, wanted, "%s: %d", path, status);
    cr_expect_not_null(strstr(said, text), "%s: %s", path, said);
    free(said);
}

Test(silent_storage, holds_up_nothing_but_registrations_which_say_so) {
    double silent_s = 0;
    fall_silent();
    site_start(&site);
    site_send_series(&site, "1.1");
    faults_await_hang(faults);
    cr_expect(await(is_called_silent, &silent_s, PATIENCE_MS), "%f s", silent_s);
    site_send_series(&site, "1.2");
    expect_answer("/livez", 200, "");
    expect_answer("/readyz", 503, "no listener is there");
    expect_answer("/readyz", 503, "storage has not answered for ");
    cr_expect(site_await_log(&site, " s: 1 registration waits for it, in the journal", 0));
    char *tool = text_of("%s/oxidicom", binaries());
    char *said = asked((const char *const[]){tool, "series", "--timeout", "1m", "--json", "1.2", NULL});
    cr_expect_not_null(strstr(said, "storage has not answered for "), "%s", said);
    free(said);
    said = asked((const char *const[]){tool, "status", "--timeout", "1m", NULL});
    cr_expect_not_null(strstr(said, "has not answered for "), "%s", said);
    cr_expect_eq(site_tasks(&site), 0);
    answer_again();
    cr_expect(site_await_tasks(&site, 2, PATIENCE_MS), "%d tasks", site_tasks(&site));
    site_expect_state(&site, "1.1", "registered");
    site_expect_state(&site, "1.2", "registered");
    cr_expect(site_await_log(&site, "storage answers again after ", PATIENCE_MS));
    free(tool);
    free(said);
}

Test(silent_storage, outlasts_a_restart_and_the_series_is_registered_once) {
    fall_silent();
    site_start(&site);
    site_send_series(&site, "1.1");
    faults_await_hang(faults);
    site_kill(&site);
    site_start(&site);
    site_send_series(&site, "1.2");
    answer_again();
    site_expect_state(&site, "1.1", "registered");
    site_expect_state(&site, "1.2", "registered");
    cr_expect_eq(site_tasks(&site), 2);
}

Test(silent_storage, keeps_no_notifier_from_ending_and_what_is_due_stays_in_the_journal) {
    site.drain_timeout = "1s";
    fall_silent();
    site_start(&site);
    site_send_series(&site, "1.1");
    site_expect_state(&site, "1.1", "due");
    faults_await_hang(faults);
    cr_expect_eq(site_terminate(&site, PATIENCE_MS), 0);
    cr_expect(site_await_log(&site, "does not answer: the thread that waits for it is left to the kernel", 0));
    answer_again();
    site_start(&site);
    site_expect_state(&site, "1.1", "registered");
}

Test(silent_storage, of_the_folder_of_a_broker_keeps_no_notifier_from_ending_either) {
    need_preload();
    site.drain_timeout = "1s";
    site_start(&site);
    have_hang(site.tasks);
    site_send_series(&site, "1.1");
    site_expect_state(&site, "1.1", "due");
    faults_await_hang(faults);
    cr_expect_eq(site_terminate(&site, PATIENCE_MS), 0);
    cr_expect(site_await_log(&site, "the broker does not answer: the thread that waits for it is left", 0));
    answer_again();
    site_start(&site);
    site_expect_state(&site, "1.1", "registered");
}

/* By a host with an absent broker. */
static void leave_series_behind(const char *series) {
    char *state = text_of("%s/state", site.folder), *place = text_of("%s/.oxidicom/state", site.root),
         *gone = text_of("%s/gone", place), *private = text_of("%s/.oxidicom", site.root);
    site.broker = text_of("filesystem:///proc/no/such/place");
    site_start(&site);
    site_send_series(&site, series);
    site_expect_state(&site, series, "due");
    site_kill(&site);
    free(site.broker);
    site.broker = NULL;
    mkdir(private, 0700);
    mkdir(place, 0700);
    cr_assert_eq(rename(state, gone), 0);
    free(state);
    free(place);
    free(gone);
    free(private);
}

Test(silent_storage, has_journals_of_vanished_hosts_taken_over_when_it_answers_again) {
    need_preload();
    leave_series_behind("1.1");
    fall_silent();
    site_start(&site);
    faults_await_hang(faults);
    site_send_series(&site, "1.2");
    answer_again();
    site_expect_state(&site, "1.1", "registered");
    site_expect_state(&site, "1.2", "registered");
    cr_expect(site_await_log(&site, "the journal that host gone left behind is taken over: 1 series", PATIENCE_MS));
}

/* Nothing is preloaded: the thread has the sandbox that it has everywhere. */
Test(silent_storage, or_any_other_has_such_journals_taken_over_within_the_sandbox) {
    more[0] = "OXIDICOM_SANDBOX";
    more[1] = "auto";
    more[2] = NULL;
    leave_series_behind("1.1");
    site_start(&site);
    site_expect_state(&site, "1.1", "registered");
    char *gone = text_of("%s/.oxidicom/state/gone", site.root);
    cr_expect(site_await_log(&site, "the journal that host gone left behind is taken over: 1 series", PATIENCE_MS));
    cr_expect(await(is_gone, gone, PATIENCE_MS));
    free(gone);
}

/* The writers have waited, too, and go on at the same moment. */
Test(silent_storage, has_files_counted_again_that_may_not_have_been_all) {
    more[6] = "OXIDICOM_SERIES_QUIET";
    more[7] = "6s";
    double silent_s = 0;
    fall_silent();
    site_start(&site);
    site_send_event(&site, EVENT(.association = 1, .object = 1, .file = "1.dcm"));
    site_send_end(&site, 1, 1);
    cr_assert(site_await_told(&site, "ended:1"));
    faults_await_hang(faults);
    cr_expect(await(is_called_silent, &silent_s, PATIENCE_MS), "%f s", silent_s);
    site_expect_state(&site, SERIES, "due");
    site_send_end(&site, 1, 3); /* of no series; answered in a later turn than that in which storage is asked */
    cr_assert(site_await_told(&site, "ended:3"));
    answer_again();
    cr_assert(site_await_log(&site, "storage answers again after ", PATIENCE_MS));
    site_send_event(&site, EVENT(.association = 2, .object = 2, .file = "2.dcm"));
    site_send_end(&site, 1, 2);
    cr_expect(site_await_tasks(&site, 1, PATIENCE_MS), "%d tasks", site_tasks(&site));
    cr_expect_eq(site_take_task(&site), 2);
    cr_expect(site_await_query(&site,
                               "SELECT group_concat(state, ' ') FROM (SELECT state FROM reception ORDER BY id)",
                               "merged registered", PATIENCE_MS));
}

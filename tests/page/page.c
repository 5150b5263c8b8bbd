/* The live page in a real browser. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/page/browser.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.77."

/* A row of a table has the text in it. */
#define ROW(table, text)                                                                                           \
    "[...document.querySelectorAll('#" table " tbody tr')].some(row => row.textContent.includes('" text "'))"
#define ROWS(table) "document.querySelectorAll('#" table " tbody tr').length"
#define TEXT(id)    "document.getElementById('" id "').textContent"
#define FRESH       "!document.body.classList.contains('stale') && " TEXT("contact") " === ''"
#define LOOK_FOR(what)                                                                                             \
    "const f = document.getElementById('find'); f.value = '" what "'; f.dispatchEvent(new Event('input'));"

static void act(const browser_t *browser, const char *script) {
    free(browser_run(browser, script));
}

/* An instance without a single attribute that a registration needs. */
static void store_refused(scu_t *scu) {
    bytes_t set = {0};
    dataset_text(&set, EXPLICIT_LE, 0x00080018, "UI", SERIES "666");
    cr_assert_eq(scu_store(scu, 1, MR_STORAGE, SERIES "666", &set), 0xC000);
    bytes_free(&set);
}

static void expect_no_patient(const browser_t *browser) {
    static const char *const secrets[] = {"Doe", "Jane", "1449c1d", "20090701", "2009-07-01"};
    char *content = browser_content(browser);
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        cr_expect_null(strstr(content, secrets[i]), "%s is on the page", secrets[i]);
    free(content);
}

static void expect_no_complaints(const browser_t *browser) {
    char *complaints = browser_complaints(browser);
    cr_expect_str_eq(complaints, "[]");
    free(complaints);
}

static void start_receiver(receiver_t *receiver, const char *queue, const char *phi) {
    browser_needed();
    endpoint_start(receiver, queue, NULL,
                   (const char *const[]){"OXIDICOM_WRITERS", "2", "OXIDICOM_HTTP_SHOW_PHI", phi, NULL});
}

Test(page, shows_a_reception_from_its_first_object_to_its_registration_and_names_no_patient,
     .timeout = PATIENCE_S) {
    receiver_t receiver;
    browser_t browser;
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    setenv("OXIDICOM_ABORT_QUIET", "1h", 1);
    start_receiver(&receiver, "page-reception", "false");
    browser_open(&browser, false);
    browser_await(&browser, FRESH " && " TEXT("ready") " === 'Ready'");
    browser_await(&browser, TEXT("associations-empty") " && !document.getElementById('associations-empty').hidden");
    store_some(&scu, receiver.port, "MR-2", SERIES "2", 1, 12);
    cr_assert(scu_release(&scu));
    browser_await(&browser, "document.querySelector('#series .chip.registered')");
    store_some(&scu, receiver.port, "CT-1", SERIES "1", 1, 5);
    store_refused(&scu);
    browser_await(&browser, ROW("associations", "CT-1") " && " ROW("associations", "5 objects of 6"));
    browser_await(&browser, "document.querySelector('#series .chip.receiving') && " ROW("series", SERIES "1"));
    browser_await(&browser, ROW("refusals", "C000") " && " ROW("refusals", "is missing"));
    browser_await(&browser, TEXT("pacs-1") " === '1 association' && " TEXT("storage-1") " === '17 files written'");
    browser_await(&browser, TEXT("nats-state") " === 'connected' && " TEXT("broker-state") " === 'connected'");
    expect_no_patient(&browser);
    /* `make pictures` puts these two into the documents. */
    browser_picture(&browser, "#main", "page");
    browser_picture(&browser, "#ring", "ring");
    scu_abort(&scu);
    browser_await(&browser,
                  "document.querySelector('#series .chip.waiting') && " ROW("series", "waiting until ") " && " ROW(
                      "series", ", the last association was aborted"));
    browser_await(&browser, TEXT("notifier-2") " === '0 series open, 1 waiting'");
    store_some(&scu, receiver.port, "CT-1", SERIES "1", 1, 5);
    cr_assert(scu_release(&scu));
    browser_await(&browser, ROWS("associations") " === 0");
    browser_await(&browser, ROW("series", "5 files told to CUBE"));
    store_some(&scu, receiver.port, "<b>US</b>", SERIES "3", 1, 1);
    browser_await(&browser, ROW("associations", "<b>US</b>") " && !document.querySelector('td b')");
    cr_assert(scu_release(&scu));
    expect_no_patient(&browser);
    expect_no_complaints(&browser);
    browser_close(&browser);
    receiver_clear(&receiver);
}

Test(page, finds_series_by_a_part_of_the_uid_by_ae_title_and_by_number, .timeout = PATIENCE_S) {
    receiver_t receiver;
    browser_t browser;
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    start_receiver(&receiver, "page-search", "false");
    for (int i = 1; i <= 3; i++) {
        char *uid = text_of(SERIES "%d00", i), *title = text_of("AE-%d", i);
        store_some(&scu, receiver.port, title, uid, 1, 1);
        cr_assert(scu_release(&scu));
        free(uid);
        free(title);
    }
    browser_open(&browser, true);
    browser_await(&browser, ROWS("series") " === 3");
    act(&browser, LOOK_FOR("77.200"));
    browser_await(&browser, TEXT("found") " === '1 series in the journal' && " ROWS("series") " === 1 && " ROW(
                                "series", "AE-2"));
    act(&browser, LOOK_FOR("ae-3"));
    browser_await(&browser, TEXT("found") " === '1 series in the journal' && " ROW("series", SERIES "300"));
    act(&browser, LOOK_FOR("1"));
    browser_await(&browser, TEXT("found") ".startsWith('3 series')"); /* it is in all UIDs */
    act(&browser, LOOK_FOR("nobody"));
    browser_await(&browser, TEXT("found") " === 'No series in the journal' && " ROWS("series") " === 0");
    act(&browser, LOOK_FOR(""));
    browser_await(&browser, ROWS("series") " === 3");
    browser_screenshot(&browser, "dark");
    expect_no_complaints(&browser);
    browser_close(&browser);
    receiver_clear(&receiver);
}

/* Kills the stage and waits until the page shows the next process of it. */
static void replace(const receiver_t *receiver, const browser_t *browser, const char *stage, const char *id) {
    pid_t process = receiver_stage(receiver, stage, 0);
    cr_assert_gt(process, 0);
    char *other =
        text_of("[...document.querySelectorAll('#processes tbody tr')].some(row => row.cells[0].textContent"
                " === '%s' && row.cells[1].textContent === 'up' && row.cells[2].textContent !== '%d')"
                " && " FRESH " && " TEXT("ready") " === 'Ready'",
                id, (int)process);
    kill(process, SIGKILL);
    browser_await(browser, other);
    free(other);
}

Test(page, survives_a_restart_of_each_stage_and_shows_what_is_stale_as_stale, .timeout = PATIENCE_S) {
    receiver_t receiver;
    browser_t browser;
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    start_receiver(&receiver, "page-restart", "false");
    browser_open(&browser, false);
    browser_await(&browser, FRESH " && " ROWS("processes") " === 4");
    replace(&receiver, &browser, "writer", "writer-0");
    replace(&receiver, &browser, "listener", "listener");
    replace(&receiver, &browser, "notifier", "notifier");
    pid_t notifier = receiver_stage(&receiver, "notifier", 0);
    kill(notifier, SIGSTOP);
    browser_await(&browser,
                  "document.body.classList.contains('stale') && " TEXT("ready") " === 'No contact' && " TEXT(
                      "contact") ".startsWith('No word from the notifier since')");
    browser_screenshot(&browser, "stale");
    kill(notifier, SIGCONT);
    browser_await(&browser,
                  FRESH " && " TEXT("listener-state") " === 'accepts' && " TEXT("writers-state") " === '2 run'");
    pid_t listener = receiver_stage(&receiver, "listener", 0);
    kill(listener, SIGSTOP);
    browser_await(&browser,
                  "document.getElementById('n-listener').classList.contains('gone') && " TEXT(
                      "listener-state") ".startsWith('gone for') && " TEXT("writers-state") " === '2 run, idle'");
    browser_screenshot(&browser, "listener-gone");
    kill(listener, SIGCONT);
    browser_await(&browser, TEXT("listener-state") " === 'accepts'");
    store_some(&scu, receiver.port, "AFTER", SERIES "9", 1, 3);
    browser_await(&browser, ROW("associations", "AFTER") " && " ROW("series", SERIES "9"));
    cr_assert(scu_release(&scu));
    expect_no_patient(&browser);
    browser_close(&browser);
    receiver_clear(&receiver);
}

Test(page, says_that_one_series_waits_for_a_broker_that_is_not_there, .timeout = PATIENCE_S) {
    receiver_t receiver;
    browser_t browser;
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    char *broker = text_of("amqp://127.0.0.1:%d", free_port());
    browser_needed();
    endpoint_start(&receiver, "page-waits", NULL, (const char *const[]){"OXIDICOM_AMQP_ADDRESS", broker, NULL});
    store_some(&scu, receiver.port, "PACS", SERIES "1", 1, 1);
    cr_assert(scu_release(&scu));
    browser_open(&browser, false);
    browser_await(&browser, TEXT("journal-1") " === '1 waits for the broker'");
    browser_close(&browser);
    receiver_clear(&receiver);
    free(broker);
}

Test(page, names_patients_only_where_it_is_told_to, .timeout = PATIENCE_S) {
    receiver_t receiver;
    browser_t browser;
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    start_receiver(&receiver, "page-phi", "true");
    store_some(&scu, receiver.port, "PACS", SERIES "1", 1, 1);
    browser_open(&browser, false);
    browser_await(&browser, ROW("series", "Doe^Jane") " && " ROW("series", "1449c1d"));
    browser_await(&browser, TEXT("privacy") ".includes('OXIDICOM_HTTP_SHOW_PHI')");
    cr_assert(scu_release(&scu));
    browser_close(&browser);
    receiver_clear(&receiver);
}

/* `oxidicom series` and `oxidicom resend`. */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "tests/tool/tool.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.8."

static void store_series(const receiver_t *receiver, const char *ae, const char *series, int first, int count) {
    scu_t scu = {0};
    store_some(&scu, receiver->port, ae, series, first, count);
    cr_assert(scu_release(&scu));
}

/* Changes the journal as an operator with SQLite's shell might. */
static void change_journal(const receiver_t *receiver, const char *sql) {
    sqlite3 *db;
    char *path = text_of("%s/state/journal.sqlite3", receiver->folder), *error = NULL;
    cr_assert_eq(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, PATIENCE_MS);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &error), SQLITE_OK, "%s", error);
    sqlite3_close(db);
    free(path);
}

static size_t series_count(const char *const *arguments, bool *more) {
    int status;
    json_t *json = tool_json(&status, arguments);
    cr_assert_eq(status, 0);
    size_t count = json_array_size(json_object_get(json, "series"));
    *more = json_is_true(json_object_get(json, "more"));
    json_decref(json);
    return count;
}
#define COUNT(more, ...) series_count((const char *const[]){__VA_ARGS__, NULL}, more)

/* --- where a series is ----------------------------------------------------------------------------------- */

/* The notifier hears of a file after the PACS has its answer. */
static bool has_three_files(void *found) {
    json_t **json = found;
    json_decref(*json);
    *json = reception_of(SERIES "1");
    return strcmp(value_at(*json, "files"), "3") == 0;
}

/* Stores three files of a series and keeps the association open. Returns the series' folder, to be freed. */
static char *receive_three(receiver_t *receiver, const char *queue, scu_t *scu) {
    int status;
    json_t *json = NULL;
    ring_start(receiver, queue, NULL);
    store_some(scu, receiver->port, "SENDER", SERIES "1", 1, 3);
    cr_assert(await(has_three_files, &json, PATIENCE_MS));
    json_decref(json);
    json = TOOL_JSON(&status, "series", SERIES "1", "--show-phi");
    const char *folder = value_at(json_array_get(json_object_get(json, "series"), 0), "folder");
    char *path = text_of("%s/%s", receiver->root, folder);
    json_decref(json);
    return path;
}

Test(series, is_receiving_then_registered_with_the_task_that_the_broker_has, .timeout = PATIENCE_S) {
    receiver_t receiver;
    delivered_t task;
    queue_t *queue = queue_new(rabbitmq_port(), "tool-registered");
    ring_start(&receiver, "tool-registered", NULL);
    scu_t scu = {0};
    store_some(&scu, receiver.port, "SENDER", SERIES "1", 1, 3);
    json_t *json = NULL;
    cr_assert(await(has_three_files, &json, PATIENCE_MS));
    cr_expect_str_eq(value_at(json, "state"), "receiving");
    cr_expect_str_eq(value_at(json, "calling_ae"), "SENDER");
    cr_expect_str_eq(value_at(json, "associations"), "1");
    cr_expect_str_eq(value_at(json, "task_id"), "");
    json_decref(json);
    cr_assert(scu_release(&scu));
    json = await_reception(SERIES "1", "registered");
    cr_assert(queue_await(queue, &task, PATIENCE_MS));
    cr_expect_str_eq(value_at(json, "task_id"), json_string_value(json_object_get(task.headers, "id")));
    cr_expect_str_eq(value_at(json, "ndicom"), "3");
    cr_expect_eq(strncmp(value_at(json, "settled_at"), "20", 2), 0);
    delivered_clear(&task);
    json_decref(json);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

/* A writer that is killed takes what it has gathered for the notifier with it: files are there, and nobody has
 * heard of them. */
Test(series, that_is_registered_has_as_many_files_as_its_folder, .timeout = PATIENCE_S) {
    receiver_t receiver;
    queue_t *queue = queue_new(rabbitmq_port(), "tool-unheard");
    scu_t scu = {0};
    char *folder = receive_three(&receiver, "tool-unheard", &scu);
    for (int i = 0; i < 2; i++) {
        char *path = text_of("%s/unheard-%d.dcm", folder, i);
        FILE *file = fopen(path, "w");
        cr_assert(file && fclose(file) == 0, "%s", path);
        free(path);
    }
    cr_assert(scu_release(&scu));
    expect_registration(queue, SERIES "1", 5);
    json_t *json = await_reception(SERIES "1", "registered");
    cr_expect_str_eq(value_at(json, "files"), "5");
    cr_expect_eq(receiver_times_logged(&receiver, "series " SERIES "1 was received: 3 files heard of, 0 errors"),
                 1);
    cr_expect_eq(receiver_times_logged(&receiver, "series " SERIES "1 is registered: 5 files, task "), 1);
    json_decref(json);
    free(folder);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

/* Everybody was told that they are stored. */
Test(series, whose_files_were_taken_away_is_registered_with_a_warning, .timeout = PATIENCE_S) {
    receiver_t receiver;
    queue_t *queue = queue_new(rabbitmq_port(), "tool-taken");
    scu_t scu = {0};
    char *folder = receive_three(&receiver, "tool-taken", &scu);
    char *path = text_of("%s/0002-%s.dcm", folder, instance_of(SERIES "1", 2));
    cr_assert_eq(unlink(path), 0, "%s", path);
    cr_assert(scu_release(&scu));
    expect_registration(queue, SERIES "1", 2);
    json_decref(await_reception(SERIES "1", "registered"));
    cr_expect(receiver_logged(&receiver, "series " SERIES "1: stored files were taken away; of 3 its folder has 2",
                              PATIENCE_MS));
    free(path);
    free(folder);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

Test(series, waits_for_a_broker_that_is_absent, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int status;
    char *broker = text_of("amqp://127.0.0.1:%d", free_port());
    ring_start(&receiver, "tool-waits", (const char *const[]){"OXIDICOM_AMQP_ADDRESS", broker, NULL});
    store_series(&receiver, "SENDER", SERIES "2", 1, 2);
    json_decref(await_reception(SERIES "2", "waiting"));
    json_t *json = TOOL_JSON(&status, "status");
    cr_expect_str_eq(value_at(json, "journal.receptions.due"), "1");
    cr_expect_str_eq(value_at(json, "journal.oldest_due_series"), SERIES "2");
    char *said = TOOL(&status, "series");
    cr_expect_not_null(strstr(said, "for its turn with the broker"), "%s", said);
    /* It is under way already, so that nothing is to be resent. */
    char *resent = TOOL(&status, "resend", SERIES "2");
    cr_expect_eq(status, 0);
    cr_expect_not_null(strstr(resent, "under way already"), "%s", resent);
    free(said);
    free(resent);
    json_decref(json);
    receiver_clear(&receiver);
    free(broker);
}

Test(series, that_was_refused_says_why, .timeout = PATIENCE_S) {
    receiver_t receiver;
    ring_start(&receiver, "tool-refused", NULL);
    scu_t scu = {0};
    bytes_t set = {0};
    dataset_text(&set, EXPLICIT_LE, 0x00100020, "LO", "1449c1d");
    dataset_text(&set, EXPLICIT_LE, 0x0020000D, "UI", "1.2.3");
    dataset_text(&set, EXPLICIT_LE, 0x0020000E, "UI", SERIES "3");
    dataset_text(&set, EXPLICIT_LE, 0x00200013, "IS", "1");
    cr_assert(scu_associate_mr(&scu, receiver.port, "SENDER", EXPLICIT_LE));
    cr_assert_eq(scu_store(&scu, 1, MR_STORAGE, "1.2.3.4", &set), 0xC000);
    cr_assert(scu_release(&scu));
    json_t *json = await_reception(SERIES "3", "refused");
    cr_expect_str_eq(value_at(json, "errors"), "1");
    cr_expect_str_eq(value_at(json, "why"), "nothing was stored");
    bytes_free(&set);
    json_decref(json);
    receiver_clear(&receiver);
}

/* --- output ---------------------------------------------------------------------------------------------- */

Test(series, name_no_patient_unless_told_to, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int status;
    ring_start(&receiver, "tool-phi", NULL);
    await_status("well", "true");
    store_series(&receiver, "SENDER", SERIES "4", 1, 1);
    json_decref(await_reception(SERIES "4", "registered"));
    static const char *const commands[][3] = {{"series"}, {"series", "--json"}, {"status"}, {"resend", SERIES "4"}};
    for (size_t i = 0; i < 4; i++) {
        char *said = TOOL(&status, commands[i][0], commands[i][1], commands[i][2]);
        cr_expect_eq(status, 0, "%s", said);
        expect_no_patient(said);
        free(said);
    }
    char *said = TOOL(&status, "series", "--show-phi");
    cr_expect_not_null(strstr(said, "SERVICES/PACS/SENDER/1449c1d-Doe_Jane-20090701/"), "%s", said);
    free(said);
    receiver_clear(&receiver);
}

Test(series, are_chosen_by_uid_ae_title_and_time, .timeout = PATIENCE_S) {
    receiver_t receiver;
    bool more;
    ring_start(&receiver, "tool-choice", NULL);
    store_series(&receiver, "ONE", SERIES "5.1", 1, 1);
    store_series(&receiver, "TWO", SERIES "5.2", 1, 1);
    store_series(&receiver, "TWO", SERIES "5.3", 1, 1);
    json_decref(await_reception(SERIES "5.1", "registered"));
    json_decref(await_reception(SERIES "5.2", "registered"));
    json_decref(await_reception(SERIES "5.3", "registered"));
    change_journal(&receiver, "UPDATE reception SET began_at = began_at - 7200000, ended_at = ended_at - 7200000,"
                              " settled_at = settled_at - 7200000 WHERE series_uid LIKE '%5.3'");
    cr_expect_eq(COUNT(&more, "series"), 3);
    cr_expect_eq(COUNT(&more, "series", SERIES "5.1"), 1);
    cr_expect_eq(COUNT(&more, "series", "TWO"), 2);
    cr_expect_eq(COUNT(&more, "series", "1h"), 2);
    cr_expect_eq(COUNT(&more, "series", "3h"), 3);
    cr_expect_eq(COUNT(&more, "series", "--ae", "TWO", "--since", "1h"), 1);
    cr_expect_eq(COUNT(&more, "series", "2020-01-01"), 3);
    cr_expect_eq(COUNT(&more, "series", "THREE"), 0);
    int status;
    char *said = TOOL(&status, "series", SERIES "5.9");
    cr_expect_eq(status, 1);
    cr_expect_not_null(strstr(said, "the journal knows no series"), "%s", said);
    free(said);
    receiver_clear(&receiver);
}

Test(series, come_page_by_page_however_many_there_are_and_however_far_apart, .timeout = PATIENCE_S) {
    receiver_t receiver;
    bool more;
    ring_start(&receiver, "tool-pages", NULL);
    /* Two before a gap longer than one page's search, 250 after it. */
    change_journal(&receiver, "WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 252)"
                              " INSERT INTO reception (id, calling_ae, series_uid, state, began_at, settled_at)"
                              " SELECT iif(n < 3, n, n + 20000), 'OLD', '1.2.' || n, 'registered', n, 9e15 FROM n");
    cr_expect_eq(COUNT(&more, "series"), 100);
    cr_expect(more);
    cr_expect_eq(COUNT(&more, "series", "--all"), 252);
    cr_expect_not(more);
    json_t *oldest = reception_of("1.2.1");
    cr_expect_str_eq(value_at(oldest, "number"), "1");
    json_decref(oldest);
    receiver_clear(&receiver);
}

/* --- folders from before --------------------------------------------------------------------------------- */

/* Sends instances with another description, so that the series has another folder than before. */
static void store_renamed(const receiver_t *receiver, const char *series, int count) {
    scu_t scu = {0};
    cr_assert(scu_associate_mr(&scu, receiver->port, "SENDER", EXPLICIT_LE));
    for (int i = 1; i <= count; i++) {
        bytes_t set = dataset_instance(EXPLICIT_LE, series, instance_of(series, i), i, 100);
        char *description = memmem(set.at, set.size, "SAG MPRAGE 220", 14);
        cr_assert_not_null(description);
        memcpy(description, "COR MPRAGE 220", 14);
        cr_assert_eq(scu_store(&scu, 1, MR_STORAGE, instance_of(series, i), &set), 0);
        bytes_free(&set);
    }
    cr_assert(scu_release(&scu));
}

Test(series, that_came_before_under_another_name_counts_the_files_there_and_names_both_folders,
     .timeout = PATIENCE_S) {
    receiver_t receiver;
    int status;
    queue_t *queue = queue_new(rabbitmq_port(), "tool-folders");
    ring_start(&receiver, "tool-folders", NULL);
    store_series(&receiver, "SENDER", SERIES "10", 1, 3);
    expect_registration(queue, SERIES "10", 3);
    store_renamed(&receiver, SERIES "10", 2);
    expect_registration(queue, SERIES "10", 2);
    json_decref(await_reception(SERIES "10", "registered"));
    json_t *json = TOOL_JSON(&status, "series", SERIES "10", "--show-phi");
    json_t *list = json_object_get(json, "series"), *last = json_array_get(list, 0),
           *first = json_array_get(list, 1);
    cr_expect_str_eq(value_at(last, "elsewhere"), "3");
    cr_expect_str_eq(value_at(first, "elsewhere"), "0");
    cr_expect_not_null(strstr(value_at(last, "folder"), "COR_MPRAGE"));
    cr_expect_not_null(strstr(value_at(first, "folder"), "SAG_MPRAGE"));
    json_decref(json);
    char *said = TOOL(&status, "series", SERIES "10");
    cr_expect_not_null(strstr(said, "; 3 files in other folders"), "%s", said);
    cr_expect_eq(receiver_times_logged(&receiver, "3 files of it lie in other folders"), 1);
    free(said);
    said = TOOL(&status, "resend", SERIES "10");
    int files = 0;
    for (int i = 0; i < 2; i++) {
        delivered_t task;
        cr_assert(queue_await(queue, &task, PATIENCE_MS));
        files += (int)json_integer_value(delivered_argument(&task, "ndicom"));
        delivered_clear(&task);
    }
    cr_expect_eq(files, 3 + 2);
    free(said);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

/* --- resend ---------------------------------------------------------------------------------------------- */

Test(resend, makes_a_second_task_of_what_the_folder_holds_now, .timeout = PATIENCE_S) {
    receiver_t receiver;
    delivered_t first, second;
    int status;
    queue_t *queue = queue_new(rabbitmq_port(), "tool-resend");
    ring_start(&receiver, "tool-resend", NULL);
    store_series(&receiver, "SENDER", SERIES "6", 1, 3);
    cr_assert(queue_await(queue, &first, PATIENCE_MS));
    json_decref(await_reception(SERIES "6", "registered"));
    char *added =
        text_of("%s/%s/9999-added.dcm", receiver.root, json_string_value(delivered_argument(&first, "path")));
    FILE *file = fopen(added, "w");
    cr_assert(file && fclose(file) == 0);
    char *said = TOOL(&status, "resend", SERIES "6");
    cr_expect_eq(status, 0, "%s", said);
    cr_expect_not_null(strstr(said, "due"), "%s", said);
    cr_assert(queue_await(queue, &second, PATIENCE_MS));
    cr_expect_eq(json_integer_value(delivered_argument(&second, "ndicom")), 4);
    cr_expect_str_neq(json_string_value(json_object_get(second.headers, "id")),
                      json_string_value(json_object_get(first.headers, "id")));
    json_object_set_new(json_array_get(first.body, 1), "ndicom", json_integer(4));
    cr_expect(json_equal(json_array_get(first.body, 1), json_array_get(second.body, 1)), "other arguments");
    expect_no_registration(queue);
    delivered_clear(&first);
    delivered_clear(&second);
    free(said);
    free(added);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

Test(resend, of_a_series_that_two_peers_sent_registers_both_folders_or_the_one_named, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int status;
    queue_t *queue = queue_new(rabbitmq_port(), "tool-two");
    ring_start(&receiver, "tool-two", NULL);
    store_series(&receiver, "ONE", SERIES "7", 1, 1);
    expect_registration(queue, SERIES "7", 1);
    store_series(&receiver, "TWO", SERIES "7", 1, 2);
    expect_registration(queue, SERIES "7", 2);
    json_decref(await_reception(SERIES "7", "registered"));
    json_t *json = TOOL_JSON(&status, "resend", SERIES "7", "--ae", "TWO");
    cr_expect_eq(json_array_size(json_object_get(json, "series")), 1);
    expect_registration(queue, SERIES "7", 2);
    json_decref(json);
    json_decref(await_reception(SERIES "7", "registered"));
    json = TOOL_JSON(&status, "resend", SERIES "7");
    cr_expect_eq(json_array_size(json_object_get(json, "series")), 2);
    for (int i = 0; i < 2; i++) {
        delivered_t task;
        cr_assert(queue_await(queue, &task, PATIENCE_MS));
        bool of_one = strcmp(json_string_value(delivered_argument(&task, "pacs_name")), "ONE") == 0;
        cr_expect_eq(json_integer_value(delivered_argument(&task, "ndicom")), of_one ? 1 : 2);
        delivered_clear(&task);
    }
    expect_no_registration(queue);
    json_decref(json);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

Test(resend, of_a_series_that_nobody_knows_is_1_and_says_so, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int status;
    ring_start(&receiver, "tool-unknown", NULL);
    char *said = TOOL(&status, "resend", "1.2.3.4.5");
    cr_expect_eq(status, 1);
    cr_expect_not_null(strstr(said, "the journal knows nothing stored of it"), "%s", said);
    free(said);
    receiver_clear(&receiver);
}

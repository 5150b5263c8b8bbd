/* `oxidicom reconcile` after the journal was lost. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "tests/tool/tool.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.9."
#define LOST   3

/* Series that were received and registered before the journal was lost. */
typedef struct lost {
    receiver_t receiver;
    queue_t *queue;
    const char *uids[LOST];
    json_t *arguments[LOST]; /* of their registrations */
} lost_t;

static json_t *take_arguments(queue_t *queue) {
    delivered_t task;
    cr_assert(queue_await(queue, &task, PATIENCE_MS), "no registration");
    json_t *arguments = json_incref(json_array_get(task.body, 1));
    delivered_clear(&task);
    return arguments;
}

static const char *text_in(const json_t *arguments, const char *name) {
    return json_string_value(json_object_get(arguments, name));
}

/* Starts the receiver again without its journal. */
static void lose_journal(lost_t *lost) {
    char *state = text_of("%s/state", lost->receiver.folder);
    cr_assert_eq(receiver_stop(&lost->receiver), 0);
    remove_folder(state);
    receiver_launch(&lost->receiver, (const char *const[]){"OXIDICOM_AMQP_ADDRESS", rabbitmq_address(), NULL});
    await_status("well", "true");
    free(state);
}

static void set_up(lost_t *lost, const char *queue) {
    static const char *const aes[LOST] = {"ONE", "ONE", "MY PACS"};
    static const char *const uids[LOST] = {SERIES "1", SERIES "2", SERIES "3"};
    *lost = (lost_t){.queue = queue_new(rabbitmq_port(), queue)};
    setenv("OXIDICOM_QUEUE_NAME", queue, 1);
    ring_start(&lost->receiver, queue, NULL);
    for (int i = 0; i < LOST; i++) {
        scu_t scu = {0};
        lost->uids[i] = uids[i];
        store_some(&scu, lost->receiver.port, aes[i], uids[i], 1, i + 1);
        cr_assert(scu_release(&scu));
        lost->arguments[i] = take_arguments(lost->queue);
    }
    lose_journal(lost);
}

static void tear_down(lost_t *lost) {
    for (int i = 0; i < LOST; i++)
        json_decref(lost->arguments[i]);
    queue_destroy(&lost->queue);
    receiver_clear(&lost->receiver);
}

/* The next registration is one of `from`…`to`, with the arguments that it had before. Returns which. */
static int expect_as_before(lost_t *lost) {
    json_t *arguments = take_arguments(lost->queue);
    int which = atoi(strrchr(text_in(arguments, "SeriesInstanceUID"), '.') + 1) - 1;
    cr_assert(which >= 0 && which < LOST);
    cr_expect(json_equal(arguments, lost->arguments[which]), "%s\n%s", json_dumps(arguments, 0),
              json_dumps(lost->arguments[which], 0));
    json_decref(arguments);
    return which;
}

static const char *outcome_of(const json_t *json, const char *uid) {
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(json, "series"), i, line) {
        if (strcmp(value_at(line, "SeriesInstanceUID"), uid) == 0)
            return value_at(line, "outcome");
    }
    return "(none)";
}

/* --- registered series ----------------------------------------------------------------------------------- */

Test(reconcile, registers_every_series_once_with_the_arguments_that_it_had, .timeout = PATIENCE_S) {
    lost_t lost;
    int status, seen[LOST] = {0};
    set_up(&lost, "reconcile-all");
    json_t *json = TOOL_JSON(&status, "reconcile", "--since", "1d");
    cr_expect_eq(status, 0);
    cr_expect_eq(json_array_size(json_object_get(json, "series")), LOST);
    for (int i = 0; i < LOST; i++) {
        cr_expect_str_eq(outcome_of(json, lost.uids[i]), "due");
        seen[expect_as_before(&lost)]++;
    }
    for (int i = 0; i < LOST; i++) {
        cr_expect_eq(seen[i], 1);
        json_decref(await_reception(lost.uids[i], "registered"));
    }
    json_t *known = reception_of(SERIES "3");
    cr_expect_str_eq(value_at(known, "calling_ae"), "MY PACS", "the AE title, not the folder's name");
    json_decref(known);
    json_decref(json);
    /* The journal knows them now. */
    json = TOOL_JSON(&status, "reconcile", "--since", "1d");
    cr_expect_eq(status, 0);
    for (int i = 0; i < LOST; i++)
        cr_expect_str_eq(outcome_of(json, lost.uids[i]), "registered already");
    expect_no_registration(lost.queue);
    json_decref(json);
    json_decref(TOOL_JSON(&status, "reconcile", "--force", SERIES "2"));
    cr_expect_eq(expect_as_before(&lost), 1);
    expect_no_registration(lost.queue);
    tear_down(&lost);
}

Test(reconcile, as_a_dry_run_changes_nothing, .timeout = PATIENCE_S) {
    lost_t lost;
    int status;
    set_up(&lost, "reconcile-dry");
    char *said = TOOL(&status, "reconcile", "--since", "1d", "--dry-run");
    cr_expect_eq(status, 0);
    cr_expect_not_null(strstr(said, "3 would be registered, 0 registered already"), "%s", said);
    expect_no_patient(said);
    free(said);
    json_t *json = TOOL_JSON(&status, "series");
    cr_expect_eq(json_array_size(json_object_get(json, "series")), 0);
    expect_no_registration(lost.queue);
    json_decref(json);
    tear_down(&lost);
}

Test(reconcile, takes_only_what_is_named_or_new_enough, .timeout = PATIENCE_S) {
    lost_t lost;
    int status;
    set_up(&lost, "reconcile-some");
    /* The second series is two hours old: all of its files. */
    char *command =
        text_of("touch -d '2 hours ago' '%s/%s'/*", lost.receiver.root, text_in(lost.arguments[1], "path"));
    cr_assert_eq(process_run(NULL, NULL, (const char *const[]){"sh", "-c", command, NULL}, PATIENCE_MS), 0);
    json_t *json = TOOL_JSON(&status, "reconcile", "--since", "1h");
    cr_expect_eq(status, 0);
    cr_expect_eq(json_array_size(json_object_get(json, "series")), 2);
    cr_expect_str_eq(outcome_of(json, SERIES "2"), "(none)");
    cr_expect_eq(expect_as_before(&lost) + expect_as_before(&lost), 0 + 2);
    expect_no_registration(lost.queue);
    json_decref(json);
    json = TOOL_JSON(&status, "reconcile", SERIES "2", "1.2.3.4.5");
    cr_expect_eq(status, 1, "one is not there");
    cr_expect_str_eq(outcome_of(json, SERIES "2"), "due");
    cr_expect_str_eq(outcome_of(json, "1.2.3.4.5"), "not found in storage");
    cr_expect_eq(expect_as_before(&lost), 1);
    expect_no_registration(lost.queue);
    json_decref(json);
    free(command);
    tear_down(&lost);
}

Test(reconcile, leaves_a_series_alone_that_is_being_received, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int status;
    queue_t *queue = queue_new(rabbitmq_port(), "reconcile-open");
    ring_start(&receiver, "reconcile-open", NULL);
    scu_t scu = {0};
    store_some(&scu, receiver.port, "OPEN", SERIES "4", 1, 2);
    json_t *json = TOOL_JSON(&status, "reconcile", "--since", "1d", "--force");
    cr_expect_str_eq(outcome_of(json, SERIES "4"), "under way already");
    expect_no_registration(queue);
    cr_assert(scu_release(&scu));
    expect_registration(queue, SERIES "4", 2);
    expect_no_registration(queue);
    json_decref(json);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

/* --- what it can't read ---------------------------------------------------------------------------------- */

static void write_garbage(const char *path) {
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs("This is no DICOM.", file) >= 0 && fclose(file) == 0, "%s", path);
}

Test(reconcile, goes_on_after_what_it_cannot_read_names_it_and_is_1, .timeout = PATIENCE_S) {
    lost_t lost;
    int status;
    set_up(&lost, "reconcile-garbage");
    char *services = text_of("%s/SERVICES/PACS", lost.receiver.root), *outside = temporary_folder("outside");
    char *command = text_of("mkdir -p '%s/ONE/Doe/x/y' && ln -s '%s' '%s/LINK' && cp -r '%s/ONE' '%s/'", services,
                            outside, services, services, outside),
         *garbage = text_of("%s/ONE/Doe/x/y/0001-1.2.3.dcm", services);
    cr_assert_eq(process_run(NULL, NULL, (const char *const[]){"sh", "-c", command, NULL}, PATIENCE_MS), 0);
    write_garbage(garbage);
    char *said = TOOL(&status, "reconcile", "--since", "1d");
    cr_expect_eq(status, 1, "%s", said);
    cr_expect_not_null(strstr(said, "SERVICES/PACS/ONE/…/0001-1.2.3.dcm: is not a DICOM file"), "%s", said);
    cr_expect_not_null(strstr(said, "SERVICES/PACS/LINK: is a symbolic link"), "%s", said);
    cr_expect_not_null(strstr(said, "3 due, 0 registered already, 0 under way already, 0 refused, 2 unreadable"),
                       "%s", said);
    expect_no_patient(said);
    for (int i = 0; i < LOST; i++)
        expect_as_before(&lost);
    expect_no_registration(lost.queue);
    remove_folder(outside);
    free(outside);
    free(services);
    free(command);
    free(garbage);
    free(said);
    tear_down(&lost);
}

Test(reconcile, is_69_where_the_notifier_does_not_run_and_78_without_a_files_root, .timeout = PATIENCE_S) {
    lost_t lost;
    int status;
    set_up(&lost, "reconcile-no-notifier");
    unsetenv("OXIDICOM_FILES_ROOT");
    char *said = TOOL(&status, "reconcile", "--since", "1d");
    cr_expect_eq(status, 78, "%d: %s", status, said);
    cr_expect_not_null(strstr(said, "OXIDICOM_FILES_ROOT is not set"), "%s", said);
    free(said);
    setenv("OXIDICOM_FILES_ROOT", lost.receiver.root, 1);
    cr_assert_eq(receiver_stop(&lost.receiver), 0);
    char *launcher = text_of("%s/oxidicom", binaries());
    receiver_launch_as(&lost.receiver, NULL, (const char *const[]){launcher, "--stages", "listener", NULL});
    cr_assert(receiver_logged(&lost.receiver, "listens on port", PATIENCE_MS));
    await_status("notifier", "");
    said = TOOL(&status, "reconcile", "--since", "1d");
    cr_expect_eq(status, EX_UNAVAILABLE, "%d: %s", status, said);
    cr_expect_not_null(strstr(said, "does not run"), "%s", said);
    cr_expect_not_null(strstr(said, "not finished"), "%s", said);
    free(said);
    free(launcher);
    tear_down(&lost);
}

/* `oxidicom audit`: the journal and storage beside what a small CUBE has. */
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "tests/support/cube_site.h"
#include "tests/tool/tool.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.10."

typedef struct audited {
    receiver_t receiver;
    cube_site_t cube;
} audited_t;

static void set_up(audited_t *audited, bool asks) {
    *audited = (audited_t){0};
    receiver_prepare(&audited->receiver);
    char *tasks = text_of("%s/tasks", audited->receiver.folder), *broker = text_of("filesystem://%s", tasks);
    cube_site_start(&audited->cube, audited->receiver.root, tasks);
    receiver_start(&audited->receiver, (const char *const[]){"OXIDICOM_AMQP_ADDRESS", broker, "OXIDICOM_CUBE_URL",
                                                             asks ? audited->cube.url : "", "OXIDICOM_CUBE_TOKEN",
                                                             CUBE_TOKEN, "OXIDICOM_CUBE_PATIENCE", "5s", NULL});
    free(tasks);
    free(broker);
}

static void tear_down(audited_t *audited) {
    cr_expect_eq(receiver_stop(&audited->receiver), 0);
    receiver_clear(&audited->receiver);
    cube_site_stop(&audited->cube);
}

static void store(audited_t *audited, const char *series, int count) {
    scu_t scu = {0};
    store_some(&scu, audited->receiver.port, "AUDITED", series, 1, count);
    cr_assert(scu_release(&scu));
}

static const json_t *line_of(const json_t *json, const char *uid) {
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(json, "series"), i, line) {
        if (strcmp(value_at(line, "SeriesInstanceUID"), uid) == 0)
            return line;
    }
    return NULL;
}

static void expect_line(const json_t *json, const char *uid, const char *outcome, const char *why) {
    const json_t *line = line_of(json, uid);
    cr_assert_not_null(line, "%s", uid);
    cr_expect_str_eq(value_at(line, "outcome"), outcome);
    cr_expect_str_eq(value_at(line, "why"), why);
}

Test(audit, says_what_cube_has_and_sends_what_is_lost_again, .timeout = PATIENCE_S) {
    audited_t audited;
    int status;
    set_up(&audited, true);
    cube_site_tell(&audited.cube, "worker=1");
    store(&audited, SERIES "1", 2);
    json_decref(await_reception(SERIES "1", "confirmed"));
    cube_site_tell(&audited.cube, "keep=1");
    store(&audited, SERIES "2", 2);
    json_decref(await_reception(SERIES "2", "short"));
    cube_site_tell(&audited.cube, "lose=4");
    store(&audited, SERIES "3", 1);
    json_decref(await_reception(SERIES "3", "lost"));
    json_t *json = TOOL_JSON(&status, "audit", "--since", "1d");
    cr_expect_eq(status, 1);
    expect_line(json, SERIES "1", "confirmed", "");
    expect_line(json, SERIES "2", "short", "CUBE has 1 file");
    expect_line(json, SERIES "3", "lost", "CUBE does not have it");
    json_decref(json);
    char *said = TOOL(&status, "audit", "--resend");
    cr_expect_not_null(strstr(said, "1 confirmed, 1 short, 1 lost (1 sent again), 0 unknown here"), "%s", said);
    expect_no_patient(said);
    free(said);
    json_decref(await_reception(SERIES "3", "confirmed"));
    json = TOOL_JSON(&status, "audit");
    expect_line(json, SERIES "3", "confirmed", "");
    json_decref(json);
    tear_down(&audited);
}

Test(audit, ends_with_0_where_cube_has_everything, .timeout = PATIENCE_S) {
    audited_t audited;
    int status;
    set_up(&audited, true);
    cube_site_tell(&audited.cube, "worker=1");
    store(&audited, SERIES "1", 1);
    json_decref(await_reception(SERIES "1", "confirmed"));
    free(TOOL(&status, "audit", "--storage"));
    cr_expect_eq(status, 0);
    tear_down(&audited);
}

Test(audit, of_storage_tells_of_what_the_journal_does_not_know_and_of_files_that_came_later,
     .timeout = PATIENCE_S) {
    audited_t audited;
    int status;
    set_up(&audited, true);
    cube_site_tell(&audited.cube, "worker=1");
    store(&audited, SERIES "1", 1);
    json_t *reception = await_reception(SERIES "1", "confirmed");
    json_decref(reception);
    char *folder = text_of("%s/SERVICES/PACS/OTHER/p/s/1", audited.receiver.root);
    for (char *slash = folder + strlen(audited.receiver.root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(folder, 0755);
        *slash = '/';
    }
    cr_assert_eq(mkdir(folder, 0755), 0);
    write_series(folder, SERIES "2", 1, 2, 16);
    json_t *json = TOOL_JSON(&status, "audit", "--storage");
    cr_expect_eq(status, 1);
    expect_line(json, SERIES "1", "confirmed", "");
    expect_line(json, SERIES "2", "unknown here", "CUBE does not have it");
    json_decref(json);
    free(folder);
    tear_down(&audited);
}

Test(audit, says_that_cube_is_not_asked_or_does_not_answer, .timeout = PATIENCE_S) {
    audited_t audited;
    int status;
    set_up(&audited, false);
    char *said = TOOL(&status, "audit");
    cr_expect_eq(status, EX_UNAVAILABLE);
    cr_expect_not_null(strstr(said, "OXIDICOM_CUBE_URL is not set"), "%s", said);
    free(said);
    tear_down(&audited);
    set_up(&audited, true);
    await_status("cube.connected", "true");
    cube_site_tell(&audited.cube, "worker=1");
    store(&audited, SERIES "1", 1);
    json_decref(await_reception(SERIES "1", "confirmed"));
    cube_site_tell(&audited.cube, "answer=refuse");
    said = TOOL(&status, "audit");
    cr_expect_eq(status, EX_UNAVAILABLE);
    cr_expect_not_null(strstr(said, "CUBE can't be asked: it does not take the user's password, or token"), "%s",
                       said);
    free(said);
    await_status("well", "false");
    tear_down(&audited);
}

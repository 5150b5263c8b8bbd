/* `oxidicom top`. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "tests/tool/tool.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.88."

static bool shows(void *text) {
    int status;
    char *said = TOOL(&status, "top", "--timeout", "2s", "--once");
    bool found = status == 0 && strstr(said, text);
    free(said);
    return found;
}

Test(top, shows_associations_series_and_refusals_once_and_names_no_patient, .timeout = PATIENCE_S) {
    receiver_t receiver;
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    int status;
    ring_start(&receiver, "top-once", (const char *const[]){"OXIDICOM_WRITERS", "2", NULL});
    await_status("well", "true");
    store_some(&scu, receiver.port, "TOP-CT", SERIES "1", 1, 3);
    bytes_t set = {0};
    dataset_text(&set, EXPLICIT_LE, 0x00080018, "UI", SERIES "2");
    cr_expect_eq(scu_store(&scu, 1, MR_STORAGE, SERIES "2", &set), 0xC000);
    /* The notifier hears of a file after the PACS has its answer. */
    char wanted_first[] = "1 association sends it";
    cr_assert(await(shows, wanted_first, PATIENCE_MS));
    char *said = TOOL(&status, "top", "--once");
    cr_expect_eq(status, 0);
    static const char *const wanted[] = {"writer-0", "writer-1",   "notifier", "1 open of",
                                         "TOP-CT",   "receiving",  SERIES "1", "1 association sends it",
                                         "C000",     "is missing", "connected"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        cr_expect_not_null(strstr(said, wanted[i]), "%s is not in: %s", wanted[i], said);
    cr_expect_null(strchr(said, 033), "nothing for a terminal where there is none");
    expect_no_patient(said);
    free(said);
    cr_expect(scu_release(&scu));
    char wanted_last[] = "3 files, task";
    cr_expect(await(shows, wanted_last, PATIENCE_MS));
    bytes_free(&set);
    receiver_clear(&receiver);
}

typedef struct log {
    const char *path;
    int least;
} log_t;

static bool has_looks(void *argument) {
    const log_t *log = argument;
    size_t size;
    char *said = file_content(log->path, &size);
    int count = 0;
    for (const char *at = said; at && (at = strstr(at, "oxidicom in ")); at++)
        count++;
    free(said);
    return count >= log->least;
}

Test(top, where_piped_looks_again_and_again_until_it_is_told_to_end, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int status;
    ring_start(&receiver, "top-piped", NULL);
    char *program = text_of("%s/oxidicom", binaries()), *path = text_of("%s/top", receiver.folder);
    pid_t top = process_start(path, NULL, (const char *const[]){program, "top", NULL});
    cr_expect(await(has_looks, &(log_t){path, 2}, PATIENCE_MS));
    kill(receiver_stage(&receiver, "notifier", 0), SIGKILL); /* goes on with the rest, and finds the next */
    cr_expect(await(has_looks, &(log_t){path, 4}, PATIENCE_MS));
    kill(top, SIGTERM);
    cr_assert(process_wait(top, PATIENCE_MS, &status));
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%d", status);
    receiver_clear(&receiver);
    free(program);
    free(path);
}

Test(top, of_nothing_that_runs_says_so_and_has_no_json, .timeout = PATIENCE_S) {
    int status;
    char *folder = temporary_folder("top-nobody"), *said;
    setenv("OXIDICOM_RUN_DIR", folder, 1);
    said = TOOL(&status, "top", "--once");
    cr_expect_eq(status, EX_UNAVAILABLE, "%s", said);
    free(said);
    said = TOOL(&status, "top", "--json");
    cr_expect_eq(status, EX_USAGE, "%s", said);
    free(said);
    remove_folder(folder);
    free(folder);
}

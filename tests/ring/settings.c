/* The effect of each setting on the running receiver. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/ring/ring.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.3.90"

/* --- helpers ---------------------------------------------------------------------------------------------- */

static void start(receiver_t *receiver, const char *const *environment) {
    receiver_prepare(receiver);
    receiver_start(receiver, environment);
}

#define START(receiver, ...) start(receiver, (const char *const[]){__VA_ARGS__, NULL})

static void store_and_release(const receiver_t *receiver, const char *calling_ae, int count) {
    scu_t scu = {0};
    store_some(&scu, receiver->port, calling_ae, SERIES, 1, count);
    cr_assert(scu_release(&scu));
}

/* The lonk messages of SERIES after `count` instances, with these settings. All tests have the same server, so each
 * has a calling AE title of its own. */
static lonk_summary_t lonk_with(const char *calling_ae, const char *root, const char *const *more, int count) {
    receiver_t receiver;
    tap_t *tap = tap_new(nats_port());
    const char *environment[16] = {"OXIDICOM_NATS_ADDRESS", nats_address()};
    for (size_t i = 0; more[i]; i++)
        environment[2 + i] = more[i];
    char *subject = text_of("%s%s", root, strchr(subject_of(calling_ae, SERIES), '.'));
    start(&receiver, environment);
    cr_assert(receiver_logged(&receiver, "connected to NATS", PATIENCE_MS)); /* earlier bytes are lost */
    store_and_release(&receiver, calling_ae, count);
    cr_assert(tap_await_done(tap, subject, 1, PATIENCE_MS), "no done on %s", subject);
    lonk_summary_t summary = tap_summary_of(tap, subject);
    cr_assert_null(summary.disorder, "%s", summary.disorder);
    tap_destroy(&tap);
    receiver_clear(&receiver);
    free(subject);
    return summary;
}

static int context_result(const receiver_t *receiver, const char *abstract_syntax, const char *transfer_syntax) {
    scu_t scu = {0};
    const scu_context_t context = {1, abstract_syntax, {transfer_syntax}};
    cr_assert(scu_associate(&scu, receiver->port, &(scu_request_t){.contexts = &context, .contexts_count = 1}));
    int result = scu.answered[1].result;
    cr_assert(scu_release(&scu));
    return result;
}

/* --- progress ---------------------------------------------------------------------------------------------- */

Test(settings, progress_interval_is_the_least_time_between_counts) {
    lonk_summary_t rare =
        lonk_with("RARE", "oxidicom", (const char *const[]){"OXIDICOM_PROGRESS_INTERVAL", "1h", NULL}, 30);
    cr_assert_eq(rare.counts, 2, "the first and the last, not %d, the last of which says %lld", rare.counts,
                 (long long)rare.last_count);
    cr_assert_eq(rare.last_count, 30);
    lonk_summary_t often =
        lonk_with("OFTEN", "oxidicom", (const char *const[]){"OXIDICOM_PROGRESS_INTERVAL", "0", NULL}, 600);
    cr_assert_gt(often.counts, 5, "a writer gathers 64 at most: %d", often.counts);
}

Test(settings, root_subject_begins_every_subject) {
    lonk_summary_t s =
        lonk_with("ROOT", "site.dicom", (const char *const[]){"OXIDICOM_ROOT_SUBJECT", "site.dicom", NULL}, 1);
    cr_assert_eq(s.dones, 1);
}

Test(settings, nats_address_may_be_a_url) {
    char *url = text_of("nats://127.0.0.1:%d", nats_port());
    lonk_summary_t s = lonk_with("URL", "oxidicom", (const char *const[]){"OXIDICOM_NATS_ADDRESS", url, NULL}, 1);
    cr_assert_eq(s.dones, 1);
    free(url);
}

/* Nothing but the end of the receiver, which does not pause between messages, could make them come. */
Test(settings, dev_sleep_slows_messages_and_never_reception, .timeout = PATIENCE_S) {
    receiver_t receiver;
    const char *subject = subject_of("SLEEP", SERIES);
    tap_t *tap = tap_new(nats_port());
    START(&receiver, "OXIDICOM_NATS_ADDRESS", nats_address(), "OXIDICOM_DEV_SLEEP", "60s",
          "OXIDICOM_PROGRESS_INTERVAL", "0");
    store_and_release(&receiver, "SLEEP", 10);
    cr_assert(receiver_logged(&receiver, "series " SERIES " is registered", PATIENCE_MS));
    size_t count = 0; /* other tests have the same server */
    for (size_t i = 0; i < tap_count(tap); i++)
        count += strcmp(tap_at(tap, i)->subject, subject) == 0;
    cr_assert_leq(count, 1, "%zu messages", count);
    cr_assert_eq(receiver_stop(&receiver), 0);
    cr_assert(tap_await_done(tap, subject, 1, PATIENCE_MS));
    tap_destroy(&tap);
    receiver_clear(&receiver);
}

/* --- the broker -------------------------------------------------------------------------------------------- */

Test(settings, celery_broker_is_another_name_of_the_amqp_address) {
    receiver_t receiver;
    queue_t *queue = queue_new(rabbitmq_port(), "other-name");
    receiver_prepare(&receiver);
    receiver_start(&receiver,
                   (const char *const[]){"OXIDICOM_CELERY_BROKER", rabbitmq_address(), "OXIDICOM_AMQP_ADDRESS",
                                         rabbitmq_address(), "OXIDICOM_QUEUE_NAME", "other-name", NULL});
    store_and_release(&receiver, "SETTINGS", 2);
    expect_registration(queue, SERIES, 2);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

/* --- the association --------------------------------------------------------------------------------------- */

Test(settings, scp_aet_is_logged_at_the_start) {
    receiver_t receiver;
    START(&receiver, "OXIDICOM_SCP_AET", "MY_SCP");
    cr_assert(receiver_logged(&receiver, "MY_SCP listens on port", PATIENCE_MS));
    receiver_clear(&receiver);
}

Test(settings, max_pdu_length_is_advertised) {
    receiver_t receiver;
    START(&receiver, "OXIDICOM_SCP_MAX_PDU_LENGTH", "16384");
    scu_t scu = {0};
    cr_assert(scu_associate_mr(&scu, receiver.port, "PDU", EXPLICIT_LE));
    cr_assert_eq(scu.peer_max, 16384);
    cr_assert(scu_release(&scu));
    receiver_clear(&receiver);
}

Test(settings, strict_aborts_on_a_pdu_longer_than_advertised_and_otherwise_it_is_taken) {
    for (int strict = 0; strict <= 1; strict++) {
        receiver_t receiver;
        START(&receiver, "OXIDICOM_SCP_MAX_PDU_LENGTH", "16384", "OXIDICOM_SCP_STRICT", strict ? "true" : "false");
        scu_t scu = {0};
        bytes_t set = dataset_instance(EXPLICIT_LE, SERIES, "1.2.3", 1, 300000);
        cr_assert(scu_associate_mr(&scu, receiver.port, "STRICT", EXPLICIT_LE));
        cr_assert(scu_send_store(&scu, 1, MR_STORAGE, "1.2.3", &set, set.size));
        int status = scu_status(&scu);
        cr_assert_eq(status, strict ? -1 : 0);
        cr_assert_eq(scu.type, strict ? 7 : 4);
        scu_close(&scu);
        bytes_free(&set);
        receiver_clear(&receiver);
    }
}

Test(settings, uncompressed_only_refuses_compressed_transfer_syntaxes) {
    receiver_t receiver;
    START(&receiver, "OXIDICOM_SCP_UNCOMPRESSED_ONLY", "true");
    cr_assert_eq(context_result(&receiver, MR_STORAGE, "1.2.840.10008.1.2.4.90"), 4);
    cr_assert_eq(context_result(&receiver, MR_STORAGE, EXPLICIT_LE), 0);
    receiver_clear(&receiver);
}

Test(settings, promiscuous_accepts_any_abstract_syntax) {
    for (int promiscuous = 0; promiscuous <= 1; promiscuous++) {
        receiver_t receiver;
        START(&receiver, "OXIDICOM_SCP_PROMISCUOUS", promiscuous ? "true" : "false");
        cr_assert_eq(context_result(&receiver, "1.2.3.4.5", EXPLICIT_LE), promiscuous ? 0 : 3);
        receiver_clear(&receiver);
    }
}

Test(settings, listener_threads_bounds_the_associations_and_association_wait_how_long_another_waits,
     .timeout = PATIENCE_S) {
    receiver_t receiver;
    START(&receiver, "OXIDICOM_LISTENER_THREADS", "1", "OXIDICOM_ASSOCIATION_WAIT", "700ms");
    scu_t first = {0}, second = {0};
    store_some(&first, receiver.port, "FIRST", SERIES, 1, 1);
    cr_assert_eq(context_result(&receiver, "1.2.840.10008.1.1", IMPLICIT_LE), 0, "verification is always served");
    int64_t begin = clock_ms();
    cr_assert_not(scu_associate_mr(&second, receiver.port, "SECOND", EXPLICIT_LE));
    cr_assert_geq(clock_ms() - begin, 690);
    cr_assert_eq(second.type, 3);
    cr_assert_arr_eq(second.body.at + 1, ((uint8_t[]){2, 3, 2}), 3,
                     "transient, presentation, local limit exceeded");
    scu_close(&second);
    cr_assert(scu_release(&first));
    receiver_clear(&receiver);
}

Test(settings, store_timeout_answers_a700_and_the_association_goes_on, .timeout = PATIENCE_S) {
    receiver_t receiver;
    START(&receiver, "OXIDICOM_STORE_TIMEOUT", "1s");
    scu_t scu = {0};
    cr_assert(scu_associate_mr(&scu, receiver.port, "TIMEOUT", EXPLICIT_LE));
    bytes_t first = dataset_instance(EXPLICIT_LE, SERIES, instance_of(SERIES, 1), 1, 1000);
    expect_stored_in_the_end(&scu, instance_of(SERIES, 1), &first);
    bytes_free(&first);
    pid_t writer = receiver_stage(&receiver, "writer", 0);
    kill(writer, SIGSTOP);
    bytes_t set = dataset_instance(EXPLICIT_LE, SERIES, instance_of(SERIES, 2), 2, 1000);
    int64_t begin = clock_ms();
    cr_assert_eq(scu_store(&scu, 1, MR_STORAGE, instance_of(SERIES, 2), &set), 0xA700);
    cr_assert_geq(clock_ms() - begin, 900);
    kill(writer, SIGCONT);
    expect_stored_in_the_end(&scu, instance_of(SERIES, 2), &set);
    cr_assert(scu_release(&scu));
    bytes_free(&set);
    receiver_clear(&receiver);
}

/* False where the machine was so busy that a stage was killed. */
static bool ends_with_an_association_open(void) {
    receiver_t receiver;
    START(&receiver, "OXIDICOM_DRAIN_TIMEOUT", "500ms");
    scu_t scu = {0};
    store_some(&scu, receiver.port, "DRAIN", SERIES, 1, 1);
    bytes_t command = scu_store_command(MR_STORAGE, instance_of(SERIES, 2), 2);
    cr_assert(scu_p_data(&scu, 1, 3, command.at, command.size));
    bytes_free(&command);
    kill(receiver.launcher, SIGTERM);
    bool aborted = scu_read(&scu) && scu.type == 7, half_closed = aborted && scu_at_end(&scu);
    scu_close(&scu);
    int status;
    cr_assert(process_wait(receiver.launcher, PATIENCE_MS, &status));
    receiver.launcher = 0;
    bool in_time = !receiver_was_killed(&receiver, NULL);
    receiver_clear(&receiver);
    if (!in_time)
        return false;
    cr_assert_eq(status, 0);
    cr_assert(aborted, "no A-ABORT");
    cr_assert(half_closed, "a reset, not a half close");
    return true;
}

Test(settings, drain_timeout_bounds_how_long_an_open_association_keeps_the_end_waiting, .timeout = PATIENCE_S) {
    cr_assert(try_again(ends_with_an_association_open), "stages had to be killed");
}

/* --- processes ---------------------------------------------------------------------------------------------- */

static int writers_with(const char *const *environment) {
    receiver_t receiver;
    start(&receiver, environment);
    int count = 0;
    while (receiver_stage(&receiver, "writer", count))
        count++;
    receiver_clear(&receiver);
    return count;
}

Test(settings, writers_and_the_worker_threads_of_the_reference_are_the_number_of_writers) {
    cr_assert_eq(writers_with((const char *const[]){"TOKIO_WORKER_THREADS", "3", NULL}), 3);
    cr_assert_eq(writers_with((const char *const[]){"TOKIO_WORKER_THREADS", "3", "OXIDICOM_WRITERS", "2", NULL}),
                 2);
    cr_assert_eq(writers_with((const char *const[]){NULL}), 1);
}

Test(settings, rust_log_is_how_much_is_logged) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    receiver_start(&receiver, (const char *const[]){"RUST_LOG", "oxidicom=info", NULL});
    store_and_release(&receiver, "SETTINGS", 1);
    cr_assert_eq(receiver_stop(&receiver), 0);
    cr_assert_not(receiver_logged(&receiver, " debug ", 0));
    receiver_start(&receiver, (const char *const[]){"RUST_LOG", "debug", NULL});
    cr_assert(receiver_logged(&receiver, " debug ", PATIENCE_MS));
    receiver_clear(&receiver);
}

static mode_t mode_of(const char *folder, const char *name) {
    char *path = text_of("%s/%s", folder, name);
    struct stat s = {0};
    cr_assert_eq(stat(path, &s), 0, "no %s", path);
    free(path);
    return s.st_mode & 0777;
}

Test(settings, run_dir_holds_the_sockets_for_their_user_alone) {
    receiver_t receiver;
    start(&receiver, NULL);
    cr_assert_eq(mode_of(receiver.folder, "run"), 0700);
    static const char *const sockets[] = {"run/listener.sock", "run/notifier.sock", "run/writer-0.sock"};
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(mode_of(receiver.folder, sockets[i]) & 077, 0, "%s", sockets[i]);
    receiver_clear(&receiver);
}

Test(settings, state_dir_holds_the_journal_or_the_files_root_does_where_it_cannot_be_written) {
    receiver_t receiver;
    start(&receiver, NULL);
    (void)mode_of(receiver.folder, "state/journal.sqlite3");
    receiver_clear(&receiver);
    START(&receiver, "OXIDICOM_STATE_DIR", "/dev/null/state");
    char host[256] = "", *name;
    gethostname(host, sizeof host - 1);
    name = text_of("root/.oxidicom/state/%s/journal.sqlite3", host);
    (void)mode_of(receiver.folder, name);
    store_and_release(&receiver, "SETTINGS", 3);
    cr_assert_eq(receiver_stop(&receiver), 0);
    free(name);
    receiver_clear(&receiver);
}

/* Bytes forced to the disk, by place; the start's, the end's and the task's are no business of the test. */
typedef struct forced {
    size_t files, folders, journal;
} forced_t;

static size_t lines_with(const char *lines, const char *text) {
    size_t count = 0;
    for (const char *at = lines; at && (at = strstr(at, text)); at = strchr(at, '\n'))
        count++;
    return count;
}

static forced_t forced_with(const char *fsync_setting) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    char *calls = text_of("%s/calls", receiver.folder), *preload = text_of("%s/../preload.so", binaries());
    receiver_start(&receiver, (const char *const[]){"OXIDICOM_FSYNC", fsync_setting, "LD_PRELOAD", preload,
                                                    "OXIDICOM_TEST_CALLS", calls, NULL});
    unlink(calls);
    store_and_release(&receiver, "SETTINGS", 5);
    size_t size;
    char *content = file_content(calls, &size);
    forced_t forced = {lines_with(content, "/.oxidicom/tmp/"), lines_with(content, "/SERVICES/"),
                       lines_with(content, "/journal.sqlite3-wal")};
    free(content);
    receiver_clear(&receiver);
    free(calls);
    free(preload);
    return forced;
}

Test(settings, fsync_forces_every_file_and_the_journal_to_the_disk, .timeout = PATIENCE_S) {
#ifdef SANITIZED
    cr_skip("nothing can be preloaded before AddressSanitizer");
#endif
    forced_t forced = forced_with("true");
    cr_expect_geq(forced.files, 5, "%zu", forced.files);
    cr_expect_geq(forced.folders, 5, "%zu", forced.folders);
    size_t journal = forced.journal;
    cr_expect_geq(journal, 1, "once for the series");
    forced = forced_with("false");
    cr_expect_eq(forced.files + forced.folders, 0, "%zu files and %zu folders", forced.files, forced.folders);
    cr_expect_lt(forced.journal, journal, "not for each series");
}

Test(settings, buffer_size_bounds_what_the_listener_takes_while_storage_stands_still, .timeout = PATIENCE_S) {
    receiver_t receiver;
    START(&receiver, "OXIDICOM_BUFFER_SIZE", "4MiB");
    scu_t scu[6] = {{0}};
    kill(receiver_stage(&receiver, "writer", 0), SIGSTOP);
    static uint8_t block[100000];
    size_t taken = 0;
    for (int i = 0; i < 6; i++) {
        cr_assert(scu_associate_mr(&scu[i], receiver.port, "BUFFER", EXPLICIT_LE));
        bytes_t command = scu_store_command(MR_STORAGE, "1.2.3", 1);
        cr_assert(scu_p_data(&scu[i], 1, 3, command.at, command.size));
        bytes_free(&command);
        for (struct pollfd p = {.fd = scu[i].fd, .events = POLLOUT};
             taken < 512 * sizeof block && poll(&p, 1, 300) == 1;) {
            cr_assert(scu_p_data(&scu[i], 1, 0, block, sizeof block));
            taken += sizeof block;
        }
    }
    /* Socket buffers of the kernel hold some megabytes per connection on top. */
    cr_assert_lt(taken, 512 * sizeof block, "it never stopped reading");
    kill(receiver_stage(&receiver, "writer", 0), SIGCONT);
    for (int i = 0; i < 6; i++)
        scu_close(&scu[i]);
    receiver_clear(&receiver);
}

Test(settings, a_bad_or_missing_value_ends_the_launcher_with_78_and_one_line) {
    static const char *const bad[][2] = {{"OXIDICOM_LISTENER_PORT", "eleven"},
                                         {"OXIDICOM_WRITERS", "0"},
                                         {"OXIDICOM_FSYNC", "no"},
                                         {"OXIDICOM_FILES_ROOT", "relative"},
                                         {"OXIDICOM_PROGRESS_INTERVAL", "fast"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *folder = temporary_folder("bad"), *log = text_of("%s/log", folder),
             *launcher = text_of("%s/oxidicom", binaries());
        const char *const environment[] = {
            "OXIDICOM_FILES_ROOT", "/data", "OXIDICOM_AMQP_ADDRESS", "amqp://host", bad[i][0], bad[i][1], NULL};
        cr_assert_eq(process_run(log, environment, (const char *const[]){launcher, NULL}, PATIENCE_MS), 78);
        size_t size;
        char *said = file_content(log, &size);
        cr_assert(strstr(said, bad[i][0]) && strstr(said, bad[i][1]) && strstr(said, "allowed"), "%s", said);
        cr_assert_eq(strchr(said, '\n'), said + size - 1, "one line: %s", said);
        remove_folder(folder);
        free(said);
        free(folder);
        free(log);
        free(launcher);
    }
}

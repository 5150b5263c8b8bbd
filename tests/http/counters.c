/* /metrics counts the sent objects, through deaths of stages. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/http/endpoint.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.3.700"

static bool is_gone(void *pid) {
    return kill(*(pid_t *)pid, 0) != 0;
}

static void kill_stage(const receiver_t *receiver, const char *stage, int number) {
    pid_t pid = receiver_stage(receiver, stage, number);
    cr_assert_gt(pid, 0);
    kill(pid, SIGKILL);
    cr_assert(await(is_gone, &pid, PATIENCE_MS));
}

/* The writer that has the object under way; writers are numbered as they were started. */
static bool has_object(void *number) {
    *(int *)number = metric("oxidicom_writer_outstanding_objects{writer=\"writer-1\"}") == 1;
    return *(int *)number || metric("oxidicom_writer_outstanding_objects{writer=\"writer-0\"}") == 1;
}

static void kill_its_writer(const receiver_t *receiver) {
    int number;
    cr_assert(await(has_object, &number, PATIENCE_MS));
    kill_stage(receiver, "writer", number);
}

/* Stores instances from `first` on; returns the bytes of their data sets. In the middle of the last one its writer
 * is killed, so that it has to go to another. */
static size_t store(receiver_t *receiver, const char *calling_ae, int first, int count, bool with_a_kill) {
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    size_t bytes = 0;
    cr_assert(scu_associate_mr(&scu, receiver->port, calling_ae, EXPLICIT_LE));
    for (int i = first; i < first + count; i++) {
        const char *uid = instance_of(SERIES, i);
        bytes_t set = dataset_instance(EXPLICIT_LE, SERIES, uid, i, 300000),
                command = scu_store_command(MR_STORAGE, uid, 1);
        cr_assert(scu_p_data(&scu, 1, 3, command.at, command.size));
        cr_assert(scu_p_data(&scu, 1, 0, set.at, set.size / 2));
        if (with_a_kill && i == first + count - 1) {
            /* Its events of the objects before would die with it. */
            await_metric("oxidicom_events_total{event=\"stored\"}", i - 1);
            /* What has sent nothing to its writer is not sent again. */
            await_metric("oxidicom_received_bytes_total", (double)(bytes + set.size / 2));
            kill_its_writer(receiver);
        }
        cr_assert(scu_p_data(&scu, 1, 2, set.at + set.size / 2, set.size - set.size / 2));
        cr_assert_eq(scu_status(&scu), 0, "instance %d", i);
        bytes += set.size;
        bytes_free(&set);
        bytes_free(&command);
    }
    cr_assert(scu_release(&scu));
    return bytes;
}

static void send_what_is_refused(int port) {
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    bytes_t set = {0};
    dataset_text(&set, EXPLICIT_LE, 0x0020000D, "UI", "1.2.3"); /* no series, no patient */
    cr_assert(scu_associate_mr(&scu, port, "PACS1", EXPLICIT_LE));
    cr_assert_eq(scu_store(&scu, 1, MR_STORAGE, "1.2.3.9", &set), 0xC000);
    scu_abort(&scu);
    bytes_free(&set);
}

Test(counters, agree_with_what_was_sent_also_after_a_writer_was_killed, .timeout = PATIENCE_S) {
    receiver_t receiver;
    queue_t *queue = queue_new(rabbitmq_port(), "counters");
    endpoint_start(&receiver, "counters", NULL, (const char *const[]){"OXIDICOM_WRITERS", "2", NULL});
    await_metric("oxidicom_writers_alive", 2);
    size_t first = store(&receiver, "PACS1", 1, 10, true), second = store(&receiver, "PACS2", 11, 5, false);
    await_metric("oxidicom_writers_alive", 2);
    /* Else the series would go on with the next association. */
    await_metric("oxidicom_registrations_total{outcome=\"confirmed\"}", 2);
    first += store(&receiver, "PACS1", 16, 3, false);
    send_what_is_refused(receiver.port);
    await_metric("oxidicom_associations_total{outcome=\"aborted_by_peer\"}", 1);
    await_metric("oxidicom_registrations_total{outcome=\"confirmed\"}", 3);
    static const struct {
        const char *series;
        double value;
    } exact[] = {
        {"oxidicom_objects_stored_total{calling_ae=\"PACS1\"}", 13},
        {"oxidicom_objects_stored_total{calling_ae=\"PACS2\"}", 5},
        {"oxidicom_c_store_responses_total{status=\"0000\"}", 18},
        {"oxidicom_c_store_responses_total{status=\"C000\"}", 1},
        {"oxidicom_c_store_responses_total{status=\"A700\"}", 0},
        {"oxidicom_c_store_seconds_count", 19},
        {"oxidicom_c_store_seconds_bucket{le=\"+Inf\"}", 19},
        {"oxidicom_receive_seconds_count", 19},
        {"oxidicom_associations_total{outcome=\"released\"}", 3},
        {"oxidicom_connections_total", 4},
        {"oxidicom_writers_lost_total", 1},
        {"oxidicom_redeliveries_total", 1},
        {"oxidicom_events_total{event=\"stored\"}", 18},
        {"oxidicom_events_total{event=\"refused\"}", 1},
        {"oxidicom_events_total{event=\"association_ended\"}", 4},
        {"oxidicom_associations_open", 0},
        {"oxidicom_objects_held", 0},
        {"oxidicom_buffer_held_bytes", 0},
        {"oxidicom_broker_connected", 1},
        {"oxidicom_nats_connected", 1},
        {"oxidicom_stage_up{stage=\"writer-1\"}", 1},
    };
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        await_metric(exact[i].series, exact[i].value);
    await_metric("oxidicom_stored_bytes_total{calling_ae=\"PACS1\"}", (double)first);
    await_metric("oxidicom_stored_bytes_total{calling_ae=\"PACS2\"}", (double)second);
    await_metric("oxidicom_journal_receptions{state=\"registered\"}", 3);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

Test(counters, never_go_back_when_a_writer_or_the_listener_is_replaced, .timeout = PATIENCE_S) {
    receiver_t receiver;
    endpoint_start(&receiver, "counters-kept", NULL, NULL);
    size_t bytes = store(&receiver, "KEPT", 1, 4, false);
    await_metric("oxidicom_files_written_total", 4);
    await_metric("oxidicom_fsync_seconds_count", metric("oxidicom_fsync_seconds_bucket{le=\"+Inf\"}"));
    double written = metric("oxidicom_file_written_bytes_total");
    await_metric("oxidicom_objects_stored_total{calling_ae=\"KEPT\"}", 4);
    kill_stage(&receiver, "writer", 0);
    cr_assert(receiver_logged(&receiver, "writer-0 is gone", PATIENCE_MS));
    cr_expect_eq(metric("oxidicom_files_written_total"), 4, "the dead writer's count is gone");
    kill_stage(&receiver, "listener", 0);
    /* Objects held when it hears of the notifier are sent again. */
    cr_assert(receiver_logged_times(&receiver, "the notifier is there", 2, PATIENCE_MS));
    cr_expect_geq(await_status("/readyz", 200), 0);
    bytes += store(&receiver, "KEPT", 5, 2, false);
    await_metric("oxidicom_objects_stored_total{calling_ae=\"KEPT\"}", 6);
    await_metric("oxidicom_stored_bytes_total{calling_ae=\"KEPT\"}", (double)bytes);
    await_metric("oxidicom_files_written_total", 6);
    await_metric("oxidicom_write_seconds_count", 6);
    cr_expect_gt(metric("oxidicom_file_written_bytes_total"), written);
    receiver_clear(&receiver);
}

/* --- the text -------------------------------------------------------------------------------------------- */

/* Runs promtool over the text; returns its exit status, and its output. */
static int promtool(const receiver_t *receiver, const char *text, char **said) {
    char *file = text_of("%s/metrics", receiver->folder), *log = text_of("%s/promtool", receiver->folder),
         *command = text_of("promtool check metrics <%s", file);
    FILE *out = fopen(file, "w");
    cr_assert_not_null(out);
    fputs(text, out);
    fclose(out);
    int status = process_run(log, NULL, (const char *const[]){"sh", "-c", command, NULL}, PATIENCE_MS);
    size_t size;
    *said = file_content(log, &size);
    free(file);
    free(log);
    free(command);
    return status;
}

Test(text, is_as_promtool_wants_it_and_names_no_patient, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int status;
    char *said;
    endpoint_start(&receiver, "text", NULL, NULL);
    store(&receiver, "A \"quoted\\ AE", 1, 2, false);
    send_what_is_refused(receiver.port);
    await_metric("oxidicom_objects_stored_total{calling_ae=\"A \\\"quoted\\\\ AE\"}", 2);
    await_metric("oxidicom_journal_receptions{state=\"registered\"}", 1);
    char *text = http_get(endpoint_port(), "/metrics", NULL, &status);
    cr_expect_eq(promtool(&receiver, text, &said), 0);
    cr_expect_str_eq(said, "", "%s", said);
    static const char *const secrets[] = {"Doe", "Jane", "1449c1d", "SERVICES"};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        cr_expect_null(strstr(text, secrets[i]), "%s", secrets[i]);
    free(said);
    free(text);
    text = http_get(endpoint_port(), "/metrics", "Accept: application/openmetrics-text;version=1.0.0,*/*;q=0.1",
                    &status);
    cr_expect_str_eq(text + strlen(text) - 6, "# EOF\n");
    cr_expect_not_null(strstr(text, "# TYPE oxidicom_stored_bytes counter\n# UNIT oxidicom_stored_bytes bytes\n"));
    cr_expect_geq(metric_in(text, "oxidicom_stored_bytes_total{calling_ae=\"A \\\"quoted\\\\ AE\"}"), 600000);
    free(text);
    receiver_clear(&receiver);
}

/* Every step of PROTOCOL.md, with a death at it. The steps are the rows of its table of messages: the sender dies
 * right before and right after it has sent the message, the receiver right before and right after its handler. One
 * scenario makes all messages happen; a new row that it does not reach fails here. Between messages, writers and
 * notifier die right before and right after the calls that make a file and a commit. */
#include <criterion/parameterized.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/faults/delivery.h"

#define SERIES       "1.2.826.0.1.3680043.9.9999.3.500"
#define OBJECTS      5
#define ROWS_MAX     64
#define STEPS_OF_ROW 4

/* A rule (preload.h) that kills a stage. */
typedef struct step {
    char rule[128];
} step_t;

/* --- the steps ----------------------------------------------------------------------------------------- */

typedef struct row {
    char message[32], from[16], to[16];
} row_t;

/* Reads "| `Message` | from → to | …". */
static bool read_row(const char *line, row_t *row) {
    return strstr(line, " → ") &&
           sscanf(line, "| `%31[A-Za-z]` | %15[a-z]%*[^a-z|]%15[a-z] |", row->message, row->from, row->to) == 3;
}

static step_t step_of_row(const row_t *row, bool by_receiver, bool after) {
    step_t step;
    snprintf(step.rule, sizeof step.rule, "%s %s/%s %s%s%s", by_receiver ? row->to : row->from,
             by_receiver ? "take" : "send", row->message, after ? "kill-after" : "kill-before",
             strcmp(row->message, "Alive") == 0 ? " from=" : "",
             strcmp(row->message, "Alive") == 0 ? row->from : "");
    return step;
}

ParameterizedTestParameters(walk, of_the_protocol) {
    static step_t steps[ROWS_MAX * STEPS_OF_ROW];
    size_t count = 0;
    char line[1024];
    row_t row;
    FILE *document = fopen("proto/PROTOCOL.md", "r");
    while (document && fgets(line, sizeof line, document) && count < sizeof steps / sizeof *steps)
        for (int i = 0; read_row(line, &row) && i < STEPS_OF_ROW; i++)
            steps[count++] = step_of_row(&row, i & 2, i & 1);
    if (document)
        fclose(document);
    return cr_make_param_array(step_t, steps, count);
}

ParameterizedTestParameters(walk, of_the_calls_on_storage) {
    static step_t steps[] = {
        {"writer open kill-before"},
        {"writer open kill-after"},
        {"writer write kill-before path=/.oxidicom/tmp/"},
        {"writer write kill-after path=/.oxidicom/tmp/"},
        {"writer mkdir kill-before after=2"},
        {"writer mkdir kill-after after=2"},
        {"writer fsync kill-before path=/.oxidicom/tmp/"},
        {"writer fsync kill-after path=/.oxidicom/tmp/"},
        {"writer fsync kill-before path=/SERVICES/"},
        {"writer fsync kill-after path=/SERVICES/"},
        {"writer rename kill-before"},
        {"writer rename kill-after"},
        {"writer rename kill-after after=2"},
        {"notifier write kill-before path=/journal"},
        {"notifier write kill-after after=3 path=/journal"},
        {"notifier fsync kill-before path=/journal"},
        {"notifier fsync kill-after path=/journal"},
        {"notifier fsync kill-after after=3 path=/journal"},
    };
    return cr_make_param_array(step_t, steps, sizeof steps / sizeof *steps);
}

/* --- the scenario -------------------------------------------------------------------------------------- */

/* An object that breaks off after its begin. */
static void break_off(const receiver_t *receiver) {
    const char *series = SERIES ".9";
    scu_t scu = {0};
    if (!scu_associate_mr(&scu, receiver->port, "BREAKS", EXPLICIT_LE)) {
        scu_close(&scu);
        return; /* the listener dies in this step */
    }
    bytes_t set = dataset_instance(EXPLICIT_LE, series, "1.2.3.4", 1, 900000);
    bytes_t command = scu_store_command(MR_STORAGE, "1.2.3.4", 1);
    if (scu_p_data(&scu, 1, 3, command.at, command.size))
        (void)scu_p_data(&scu, 1, 0, set.at, 500000);
    scu_abort(&scu);
    bytes_free(&set);
    bytes_free(&command);
}

static bool has_one_writer(void *receiver) {
    return receiver_stage(receiver, "writer", 0) && !receiver_stage(receiver, "writer", 1);
}

static bool has_two_writers(void *receiver) {
    return receiver_stage(receiver, "writer", 1) != 0;
}

static void remove_and_add_a_writer(receiver_t *receiver) {
    cr_assert(await(has_two_writers, receiver, PATIENCE_MS));
    kill(receiver->launcher, SIGTTOU);
    cr_assert(await(has_one_writer, receiver, PATIENCE_MS), "the writer does not end");
    kill(receiver->launcher, SIGTTIN);
    cr_assert(await(has_two_writers, receiver, PATIENCE_MS));
}

/* The tool's answer is not checked: it, or its stage, may die in this step. */
static void ask_as_operator(const receiver_t *receiver) {
    static const char *const questions[][2] = {
        {"status", NULL}, {"series", NULL}, {"resend", SERIES}, {"reconcile", SERIES}, {"audit", NULL}};
    char *tool = text_of("%s/oxidicom", binaries()), *library = text_of("%s/../preload.so", binaries());
    char *faults = text_of("%s/faults", receiver->folder), *log = text_of("%s/tool", receiver->folder);
    const char *const environment[] = {"LD_PRELOAD", library, "OXIDICOM_TEST_FAULTS", faults, NULL};
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        (void)process_run(log, environment, (const char *const[]){tool, questions[i][0], questions[i][1], NULL},
                          PATIENCE_MS);
    free(tool);
    free(library);
    free(faults);
    free(log);
}

static void run_scenario(receiver_t *receiver, delivery_t *delivery) {
    break_off(receiver);
    cr_assert(delivery_run(delivery, PATIENCE_MS), "%d of %d objects were acknowledged",
              delivery_acknowledged(delivery), delivery->count);
    remove_and_add_a_writer(receiver);
    ask_as_operator(receiver);
}

static void expect_all_in_place(const receiver_t *receiver, const delivery_t *delivery, queue_t *queue) {
    int strangers;
    cr_expect_eq(delivery_faults(delivery, receiver->root, &strangers), 0);
    cr_expect_eq(strangers, 0);
    cr_expect_eq(delivery->others, 0, "statuses that nothing explains");
    cr_expect_eq(receiver_files(receiver), OBJECTS);
    expect_last_registration(queue, delivery->series, OBJECTS);
}

static void die_at(const char *rule) {
    receiver_t receiver;
    char *name = text_of("walk %s", rule), *line = text_of("%s\n", rule);
    for (char *slash = name; (slash = strchr(slash, '/'));)
        *slash = '-'; /* no queue's name has one */
    /* Nobody collects the traces: they shall only be on their way. */
    start_with_faults(
        &receiver, name,
        (const char *const[]){"OXIDICOM_WRITERS", "2", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9", NULL});
    queue_t *queue = queue_new(rabbitmq_port(), name);
    delivery_t delivery = {
        .port = receiver.port, .count = OBJECTS, .pixels = 20000, .large = 3, .unreadable = true};
    strcpy(delivery.calling_ae, "WALKS");
    strcpy(delivery.series, SERIES);
    set_faults(&receiver, line);
    run_scenario(&receiver, &delivery);
    cr_assert(fault_killed(&receiver, 1, 30000), "nothing in the scenario makes this happen: %s", rule);
    expect_all_in_place(&receiver, &delivery, queue);
    cr_expect_eq(receiver_stop(&receiver), 0, "%s", rule);
    cr_expect(no_temporary_files(&receiver), "a partial file is left: %s", rule);
    queue_destroy(&queue);
    receiver_clear(&receiver);
    free(line);
    free(name);
}

ParameterizedTest(const step_t *step, walk, of_the_protocol, .timeout = PATIENCE_S) {
    die_at(step->rule);
}

ParameterizedTest(const step_t *step, walk, of_the_calls_on_storage, .timeout = PATIENCE_S) {
    die_at(step->rule);
}

/* Stages that are told to end while objects come in: drained, replaced by hand, added and removed. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "notifier/drain.h"
#include "tests/ring/upper_layer.h"
#include "tests/support/senders.h"

#define SERIES  "1.2.826.0.1.3680043.9.9999.3.97"
#define SENDERS 4
/* Longer than a notifier that waits for nobody takes to its end. */
#define NOTIFIER_STAYS_MS (2 * DRAIN_QUIET_LONGEST_MS)

/* --- drain ------------------------------------------------------------------------------------------------ */

/* Sends half of a series' second object, which it returns. */
static bytes_t begin_second_of(scu_t *scu, const char *series) {
    bytes_t set = dataset_instance(EXPLICIT_LE, series, instance_of(series, 2), 2, 300000);
    bytes_t command = scu_store_command(MR_STORAGE, instance_of(series, 2), 2);
    cr_assert(scu_p_data(scu, 1, LAST_COMMAND, command.at, command.size));
    cr_assert(scu_p_data(scu, 1, DATA, set.at, set.size / 2));
    bytes_free(&command);
    return set;
}

static bytes_t begin_second(scu_t *scu) {
    return begin_second_of(scu, SERIES);
}

/* Sends the rest: it is stored. Frees it. */
static void finish_second(scu_t *scu, bytes_t *set) {
    cr_assert(scu_p_data(scu, 1, LAST_DATA, set->at + set->size / 2, set->size - set->size / 2));
    cr_assert_eq(scu_status(scu), 0);
    bytes_free(set);
}

/* That a new association is rejected as transient (PS3.8 9.3.4). */
static void expect_rejected(int port, const char *abstract_syntax) {
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    const scu_context_t context = {1, abstract_syntax, {EXPLICIT_LE}};
    cr_assert_not(scu_associate(&scu, port, &(scu_request_t){.contexts = &context, .contexts_count = 1}));
    cr_assert_eq(scu.type, ASSOCIATE_RJ, "%s: a PDU of type %d", abstract_syntax, scu.type);
    cr_assert_eq(scu.body.at[1], 2, "%s: not transient", abstract_syntax);
    scu_close(&scu);
}

Test(drain, rejects_newcomers_as_transient_while_an_association_is_open_and_lets_that_finish,
     .timeout = PATIENCE_S) {
    receiver_t receiver;
    queue_t *queue = queue_new(rabbitmq_port(), "drain");
    ring_start(&receiver, "drain", (const char *const[]){"OXIDICOM_DRAIN_TIMEOUT", "60s", NULL});
    scu_t scu = {.timeout_ms = PATIENCE_MS}, silent = {0};
    cr_assert(receiver_logged(&receiver, "connected to the broker", PATIENCE_MS)); /* it ends without, too */
    store_some(&scu, receiver.port, "DRAIN", SERIES, 1, 1);
    bytes_t set = begin_second(&scu);
    cr_assert(scu_connect(&silent, receiver.port));
    kill(receiver.launcher, SIGTERM);
    cr_assert(receiver_logged(&receiver, "listener: told to end", PATIENCE_MS));
    expect_rejected(receiver.port, MR_STORAGE);
    expect_rejected(receiver.port, VERIFICATION);
    finish_second(&scu, &set);
    scu_close(&scu);
    int status;
    cr_assert(process_wait(receiver.launcher, PATIENCE_MS / 3, &status), "a silent connection is waited for");
    receiver.launcher = 0;
    cr_assert_eq(status, 0);
    expect_registration(queue, SERIES, 2);
    scu_close(&silent);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

/* Within a second of its begin: a machine that is busy for longer deserves another try. */
static bool stores_its_first_object_after_term(void) {
    receiver_t receiver;
    ring_start(&receiver, "drain-begun", NULL);
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    cr_assert(scu_associate_mr(&scu, receiver.port, "DRAIN", EXPLICIT_LE));
    kill(receiver.launcher, SIGTERM);
    cr_assert(receiver_logged(&receiver, "listener: told to end", PATIENCE_MS));
    bytes_t set = dataset_instance(EXPLICIT_LE, SERIES, instance_of(SERIES, 1), 1, 1000);
    bool stored = scu_store(&scu, 1, MR_STORAGE, instance_of(SERIES, 1), &set) == 0;
    bytes_free(&set);
    scu_close(&scu);
    receiver_clear(&receiver);
    return stored;
}

Test(drain, lets_an_association_that_has_just_begun_store_its_object, .timeout = PATIENCE_S) {
    cr_expect(try_again(stores_its_first_object_after_term), "it was aborted before it could send one");
}

/* As Ctrl-C does, and a signal to the group: the launcher tells its stages again. */
Test(drain, that_all_processes_are_told_of_at_once_is_told_of_once, .timeout = PATIENCE_S) {
    static const char *const stages[] = {"listener", "writer", "notifier"};
    receiver_t receiver;
    ring_start(&receiver, "drain-group", (const char *const[]){"OXIDICOM_DRAIN_TIMEOUT", "60s", NULL});
    scu_t scu = {0};
    store_some(&scu, receiver.port, "DRAIN", SERIES, 1, 1);
    bytes_t set = begin_second(&scu);
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        kill(receiver_stage(&receiver, stages[i], 0), SIGINT);
    cr_assert(receiver_logged(&receiver, "listener: told to end", PATIENCE_MS));
    kill(receiver.launcher, SIGINT);
    cr_assert(receiver_logged(&receiver, "launcher: drains", PATIENCE_MS));
    finish_second(&scu, &set);
    cr_expect(scu_release(&scu));
    receiver_clear(&receiver);
}

static void tell_to_end(const receiver_t *receiver, const char *stage) {
    char *said = text_of("%s: told to end", stage);
    kill(receiver_stage(receiver, strcmp(stage, "writer-0") == 0 ? "writer" : stage, 0), SIGTERM);
    cr_assert(receiver_logged(receiver, said, PATIENCE_MS));
    free(said);
}

/* To all stages, without an order of their ends, and nobody starts them again. */
static void tell_all_to_end(const receiver_t *receiver) {
    kill(receiver->launcher, SIGSTOP);
    tell_to_end(receiver, "listener");
    tell_to_end(receiver, "writer-0");
    tell_to_end(receiver, "notifier");
}

/* A second of idleness ends the association: a machine that is busy for longer deserves another try. */
static bool stores_after_all_stages_were_told_to_end(void) {
    receiver_t receiver;
    ring_start(&receiver, "drain-all", NULL);
    scu_t scu = {0};
    store_some(&scu, receiver.port, "DRAIN", SERIES, 1, 1);
    tell_all_to_end(&receiver);
    bytes_t set = dataset_instance(EXPLICIT_LE, SERIES, instance_of(SERIES, 2), 2, 1000);
    bool stored = scu_store(&scu, 1, MR_STORAGE, instance_of(SERIES, 2), &set) == 0 && scu_release(&scu);
    kill(receiver.launcher, SIGCONT);
    bytes_free(&set);
    scu_close(&scu);
    receiver_clear(&receiver);
    return stored;
}

Test(drain, lets_an_association_finish_though_all_stages_were_told_to_end_at_once, .timeout = PATIENCE_S) {
    cr_expect(try_again(stores_after_all_stages_were_told_to_end), "its last writer did not stay");
}

/* The notifier is needed for the first object of a series, and for the end of the association. */
Test(drain, lets_an_association_begin_a_series_though_the_notifier_was_told_to_end_too, .timeout = PATIENCE_S) {
    receiver_t receiver;
    ring_start(&receiver, "drain-notifier", (const char *const[]){"OXIDICOM_DRAIN_TIMEOUT", "60s", NULL});
    scu_t scu = {0};
    store_some(&scu, receiver.port, "DRAIN", SERIES, 1, 1);
    bytes_t set = begin_second_of(&scu, SERIES ".2");
    tell_all_to_end(&receiver);
    cr_expect_not(receiver_logged(&receiver, "notifier: notifier ends", NOTIFIER_STAYS_MS));
    finish_second(&scu, &set);
    cr_expect(scu_release(&scu));
    cr_expect(receiver_logged(&receiver, "series " SERIES ".2 was received: 1 file", PATIENCE_MS));
    cr_expect(receiver_logged(&receiver, "notifier: notifier ends", PATIENCE_MS / 3));
    kill(receiver.launcher, SIGCONT);
    scu_close(&scu);
    receiver_clear(&receiver);
}

/* --- under load ------------------------------------------------------------------------------------------- */

static senders_t *start_senders(const receiver_t *receiver) {
    senders_t *senders = senders_start(&(senders_spec_t){
        .port = receiver->port, .senders = SENDERS, .per_association = 5, .bytes = 200000, .series = SERIES});
    cr_assert(senders_await_stored(senders, 2, PATIENCE_MS));
    return senders;
}

/* Waits until the last registration of each series counts all that was stored of it. */
static void expect_all_registered(queue_t *queue, const unsigned *stored) {
    for (int missing = SENDERS; missing > 0;) {
        delivered_t task;
        cr_assert(queue_await(queue, &task, PATIENCE_MS), "%d series lack a registration of all their files",
                  missing);
        const char *series = json_string_value(delivered_argument(&task, "SeriesInstanceUID"));
        int sender = atoi(strrchr(series, '.') + 1);
        cr_assert_lt(sender, SENDERS);
        if (json_integer_value(delivered_argument(&task, "ndicom")) == stored[sender])
            missing--;
        delivered_clear(&task);
    }
}

/* That nothing failed, that all is there, once, and registered. */
static void expect_nothing_failed(const receiver_t *receiver, senders_t *senders, queue_t *queue) {
    senders_quiet(senders);
    unsigned stored[SENDERS];
    for (int i = 0; i < SENDERS; i++)
        stored[i] = senders_stored_by(senders, i);
    sent_counts_t counts = senders_stop(&senders);
    fprintf(stderr, "%u objects over %u associations, turned away %u times\n", counts.stored, counts.associations,
            counts.turned_away);
    cr_expect_eq(counts.a700 + counts.other + counts.unanswered, 0, "A700 %u, other %u, unanswered %u", counts.a700,
                 counts.other, counts.unanswered);
    cr_expect_eq(counts.broken, 0, "%u associations were broken off", counts.broken);
    cr_expect_eq(receiver_files(receiver), counts.stored);
    expect_all_registered(queue, stored);
}

typedef struct replaced {
    const receiver_t *receiver;
    const char *stage;
    int number;
    pid_t old;
} replaced_t;

static bool is_replaced(void *argument) {
    const replaced_t *r = argument;
    pid_t now = receiver_stage(r->receiver, r->stage, r->number);
    return kill(r->old, 0) != 0 && now > 0 && now != r->old;
}

/* TERM; the launcher starts another in its place. */
static void replace(const receiver_t *receiver, senders_t *senders, const char *stage, int number) {
    replaced_t r = {receiver, stage, number, receiver_stage(receiver, stage, number)};
    cr_assert_gt(r.old, 0);
    kill(r.old, SIGTERM);
    cr_assert(await(is_replaced, &r, PATIENCE_MS), "%s is not replaced", stage);
    cr_assert(senders_await_stored(senders, 3, PATIENCE_MS), "nothing is stored after the %s was replaced", stage);
}

/* Whether the listener took a peer for idle while it drained. */
static bool aborts_at_the_end(const receiver_t *receiver) {
    size_t size;
    char *log = file_content(receiver->log, &size), *end = NULL;
    bool aborts = false;
    for (char *line = strtok_r(log, "\n", &end); line && !aborts; line = strtok_r(NULL, "\n", &end))
        aborts = strstr(line, "A-ABORT to ") && strstr(line, ": oxidicom ends");
    free(log);
    return aborts;
}

/* While the listener drains, it reads each sender's next command within a second: a machine that is busy for longer
 * deserves another try, with a queue of its own. */
static bool replaces_each_stage(const char *name) {
    receiver_t receiver;
    queue_t *queue = queue_new(rabbitmq_port(), name);
    ring_start(&receiver, name, (const char *const[]){"OXIDICOM_WRITERS", "2", NULL});
    senders_t *senders = start_senders(&receiver);
    for (int round = 0; round < 2; round++) {
        replace(&receiver, senders, "listener", 0);
        replace(&receiver, senders, "writer", 0);
        replace(&receiver, senders, "writer", 0);
        replace(&receiver, senders, "notifier", 0);
    }
    senders_quiet(senders);
    bool none_late = !aborts_at_the_end(&receiver);
    if (none_late)
        expect_nothing_failed(&receiver, senders, queue);
    else
        (void)senders_stop(&senders);
    cr_assert_eq(receiver_stop(&receiver), 0);
    queue_destroy(&queue);
    receiver_clear(&receiver);
    return none_late;
}

Test(restart, of_each_stage_by_hand_under_load_fails_no_object, .timeout = PATIENCE_S) {
    static const char *const names[] = {"restart", "restart-2", "restart-3", "restart-4", "restart-5"};
    bool replaced = false;
    for (size_t i = 0; i < sizeof names / sizeof *names && !replaced; i++)
        replaced = replaces_each_stage(names[i]);
    cr_expect(replaced, "the listener aborted associations when it was told to end");
}

typedef struct counted {
    const receiver_t *receiver;
    int writers;
} counted_t;

static bool has_writers(void *argument) {
    const counted_t *c = argument;
    return receiver_stage(c->receiver, "writer", c->writers - 1) != 0 &&
           receiver_stage(c->receiver, "writer", c->writers) == 0;
}

static void scale(const receiver_t *receiver, senders_t *senders, int signal_number, int writers) {
    kill(receiver->launcher, signal_number);
    cr_assert(await(has_writers, &(counted_t){receiver, writers}, PATIENCE_MS), "there are not %d writers",
              writers);
    cr_assert(senders_await_stored(senders, 3, PATIENCE_MS), "nothing is stored with %d writers", writers);
}

Test(restart, of_the_number_of_writers_under_load_fails_no_object, .timeout = PATIENCE_S) {
    receiver_t receiver;
    queue_t *queue = queue_new(rabbitmq_port(), "scaling");
    ring_start(&receiver, "scaling", NULL);
    senders_t *senders = start_senders(&receiver);
    for (int round = 0; round < 2; round++) {
        scale(&receiver, senders, SIGTTIN, 2);
        scale(&receiver, senders, SIGTTIN, 3);
        scale(&receiver, senders, SIGTTOU, 2);
        scale(&receiver, senders, SIGTTOU, 1);
    }
    expect_nothing_failed(&receiver, senders, queue);
    cr_assert_eq(receiver_stop(&receiver), 0);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

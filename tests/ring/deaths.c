/* Processes and servers that die while series are received. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/ring/ring.h"

/* Kills the stage with SIGKILL and waits until another process has taken its place. */
static void kill_stage(const receiver_t *receiver, const char *stage, int number);

typedef struct replaced {
    const receiver_t *receiver;
    const char *stage;
    int number;
    pid_t killed;
} replaced_t;

/* A stage killed before may not have been started again: no object waits for that. */
static bool is_there(void *argument) {
    replaced_t *r = argument;
    r->killed = receiver_stage(r->receiver, r->stage, r->number);
    return r->killed > 0;
}

static bool is_gone(void *argument) {
    return kill(((replaced_t *)argument)->killed, 0) != 0;
}

static void kill_stage(const receiver_t *receiver, const char *stage, int number) {
    replaced_t r = {receiver, stage, number, 0};
    cr_assert(await(is_there, &r, PATIENCE_MS));
    kill(r.killed, SIGKILL);
    cr_assert(await(is_gone, &r, PATIENCE_MS));
}

static int store_one(scu_t *scu, const char *series, int number) {
    bytes_t set = dataset_instance(EXPLICIT_LE, series, instance_of(series, number), number, 200000);
    int status = scu_store(scu, 1, MR_STORAGE, instance_of(series, number), &set);
    bytes_free(&set);
    return status;
}

Test(deaths, a_writer_and_the_notifier_killed_in_mid_association_lose_nothing, .timeout = PATIENCE_S) {
    const char *series = "1.2.826.0.1.3680043.9.9999.3.70";
    receiver_t receiver;
    queue_t *queue = queue_new(rabbitmq_port(), "kills");
    ring_start(&receiver, "kills", (const char *const[]){"OXIDICOM_WRITERS", "2", NULL});
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    cr_assert(scu_associate_mr(&scu, receiver.port, "KILLS", EXPLICIT_LE));
    for (int i = 1; i <= 60; i++) {
        if (i % 10 == 0) {
            /* In the middle of an object: half of it is sent, then the stage dies. */
            bytes_t set = dataset_instance(EXPLICIT_LE, series, instance_of(series, i), i, 400000);
            bytes_t command = scu_store_command(MR_STORAGE, instance_of(series, i), 1000);
            cr_assert(scu_p_data(&scu, 1, 3, command.at, command.size));
            cr_assert(scu_p_data(&scu, 1, 0, set.at, set.size / 2));
            kill_stage(&receiver, i % 20 == 0 ? "notifier" : "writer", 0);
            cr_assert(scu_p_data(&scu, 1, 2, set.at + set.size / 2, set.size - set.size / 2));
            cr_assert_eq(scu_status(&scu), 0, "instance %d", i);
            bytes_free(&set);
            bytes_free(&command);
        } else {
            cr_assert_eq(store_one(&scu, series, i), 0, "instance %d", i);
        }
    }
    cr_assert_eq(receiver_files(&receiver), 60);
    cr_assert(scu_release(&scu));
    expect_registration(queue, series, 60);
    expect_no_registration(queue);
    cr_assert_eq(receiver_stop(&receiver), 0);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

Test(deaths, what_was_stored_is_registered_when_the_listener_dies, .timeout = PATIENCE_S) {
    const char *series = "1.2.826.0.1.3680043.9.9999.3.71";
    receiver_t receiver;
    queue_t *queue = queue_new(rabbitmq_port(), "listener-dies");
    ring_start(&receiver, "listener-dies", NULL);
    scu_t scu = {0};
    store_some(&scu, receiver.port, "DIES", series, 1, 7);
    kill_stage(&receiver, "listener", 0);
    expect_registration(queue, series, 7);
    scu_close(&scu);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

Test(deaths, an_aborted_object_is_dropped_alone_and_the_others_are_registered, .timeout = PATIENCE_S) {
    const char *series = "1.2.826.0.1.3680043.9.9999.3.72";
    receiver_t receiver;
    queue_t *queue = queue_new(rabbitmq_port(), "aborted");
    ring_start(&receiver, "aborted", NULL);
    scu_t scu = {0};
    store_some(&scu, receiver.port, "ABORTS", series, 1, 3);
    bytes_t set = dataset_instance(EXPLICIT_LE, series, "1.2.3.4", 4, 500000);
    bytes_t command = scu_store_command(MR_STORAGE, "1.2.3.4", 99);
    cr_assert(scu_p_data(&scu, 1, 3, command.at, command.size) && scu_p_data(&scu, 1, 0, set.at, 300000));
    scu_abort(&scu);
    expect_registration(queue, series, 3);
    cr_assert_eq(receiver_files(&receiver), 3);
    bytes_free(&set);
    bytes_free(&command);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

Test(deaths, reception_works_without_rabbitmq_and_nats_and_registrations_arrive_when_it_appears,
     .timeout = PATIENCE_S) {
    const char *series = "1.2.826.0.1.3680043.9.9999.3.73";
    rabbitmq_t late = {0};
    rabbitmq_start(&late); /* to know its port */
    rabbitmq_pause(&late);
    char *address = text_of("amqp://127.0.0.1:%d", late.port), *nats = text_of("127.0.0.1:%d", free_port());
    receiver_t receiver;
    ring_start(&receiver, "late",
               (const char *const[]){"OXIDICOM_AMQP_ADDRESS", address, "OXIDICOM_NATS_ADDRESS", nats, NULL});
    for (int i = 0; i < 3; i++) {
        scu_t scu = {0};
        char uid[96];
        snprintf(uid, sizeof uid, "%s.%d", series, i);
        store_some(&scu, receiver.port, "LATE", uid, 1, 5);
        cr_assert(scu_release(&scu));
    }
    rabbitmq_start(&late);
    queue_t *queue = queue_new(late.port, "late");
    int total = 0;
    for (int i = 0; i < 3; i++) {
        delivered_t task;
        cr_assert(queue_await(queue, &task, PATIENCE_MS));
        total += (int)json_integer_value(delivered_argument(&task, "ndicom"));
        delivered_clear(&task);
    }
    cr_assert_eq(total, 15);
    expect_no_registration(queue);
    cr_assert_eq(receiver_stop(&receiver), 0);
    queue_destroy(&queue);
    receiver_clear(&receiver);
    rabbitmq_stop(&late);
    free(address);
    free(nats);
}

Test(deaths, the_journal_keeps_registrations_over_a_restart_of_everything, .timeout = PATIENCE_S) {
    const char *series = "1.2.826.0.1.3680043.9.9999.3.74";
    char *nobody = text_of("amqp://127.0.0.1:%d", free_port());
    receiver_t receiver;
    ring_start(&receiver, "restart", (const char *const[]){"OXIDICOM_AMQP_ADDRESS", nobody, NULL});
    scu_t scu = {0};
    store_some(&scu, receiver.port, "RESTART", series, 1, 4);
    cr_assert(scu_release(&scu));
    kill(-receiver.launcher, SIGKILL);
    process_stop(receiver.launcher, SIGKILL, PATIENCE_MS);
    receiver.launcher = 0;
    queue_t *queue = queue_new(rabbitmq_port(), "restart");
    receiver_start(&receiver, (const char *const[]){"OXIDICOM_AMQP_ADDRESS", rabbitmq_address(),
                                                    "OXIDICOM_QUEUE_NAME", "restart", NULL});
    expect_registration(queue, series, 4);
    expect_no_registration(queue);
    queue_destroy(&queue);
    receiver_clear(&receiver);
    free(nobody);
}

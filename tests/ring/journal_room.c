/* The file system of the journal fills up. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/ring/ring.h"
#include "tests/support/patience.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.3.119"

static void mount_small_state(const receiver_t *receiver) {
    char *state = text_of("%s/state", receiver->folder);
    cr_assert(mkdir(state, 0700) == 0 || errno == EEXIST);
    mount_small(state, "size=24m,mode=0700");
    free(state);
}

static void start(receiver_t *receiver, const char *queue, const char *min_free) {
    receiver_prepare(receiver);
    mount_small_state(receiver);
    receiver_start(receiver, (const char *const[]){"OXIDICOM_AMQP_ADDRESS", rabbitmq_address(),
                                                   "OXIDICOM_QUEUE_NAME", queue, "OXIDICOM_STORE_TIMEOUT", "1s",
                                                   "OXIDICOM_JOURNAL_MIN_FREE", min_free, NULL});
}

/* Takes all room but so many bytes. */
static void fill(const receiver_t *receiver, size_t but) {
    static char block[64 * 1024];
    char *path = text_of("%s/state/filler", receiver->folder);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    off_t size = 0;
    for (ssize_t n; (n = write(file, block, sizeof block)) > 0;)
        size += n;
    cr_assert_eq(ftruncate(file, size > (off_t)but ? size - (off_t)but : 0), 0);
    close(file);
    free(path);
}

static void empty(const receiver_t *receiver) {
    char *path = text_of("%s/state/filler", receiver->folder);
    cr_assert_eq(unlink(path), 0);
    free(path);
}

/* Where it is to be stored: a busy machine may take longer than OXIDICOM_STORE_TIMEOUT. */
static void expect_one_stored(scu_t *scu, const char *series, int number) {
    bytes_t set = dataset_instance(EXPLICIT_LE, series, instance_of(series, number), number, 20000);
    expect_stored_in_the_end(scu, instance_of(series, number), &set);
    bytes_free(&set);
}

static void associate(scu_t *scu, const receiver_t *receiver, const char *calling_ae) {
    *scu = (scu_t){.timeout_ms = PATIENCE_MS};
    cr_assert(scu_associate_mr(scu, receiver->port, calling_ae, EXPLICIT_LE));
}

/* A series of its own. */
static int store_new(const receiver_t *receiver, const char *series) {
    scu_t scu;
    associate(&scu, receiver, "FULL");
    int status = store_instance(&scu, series, 1, 20000);
    cr_expect(scu_release(&scu));
    return status;
}

static void expect_new_stored(const receiver_t *receiver, const char *series) {
    scu_t scu;
    associate(&scu, receiver, "FULL");
    expect_one_stored(&scu, series, 1);
    cr_expect(scu_release(&scu));
}

Test(journal_room, that_is_kept_free_lets_go_on_what_was_promised, .timeout = PATIENCE_S) {
    receiver_t receiver;
    queue_t *queue = queue_new(rabbitmq_port(), "room");
    start(&receiver, "room", "16MiB");
    scu_t scu;
    associate(&scu, &receiver, "ROOM");
    expect_one_stored(&scu, SERIES ".1", 1);
    expect_one_stored(&scu, SERIES ".1", 2);
    fill(&receiver, 8 << 20);
    cr_assert(receiver_logged(&receiver, "the journal has no room", PATIENCE_MS));
    cr_expect_eq(store_new(&receiver, SERIES ".2"), 0xA700);
    expect_one_stored(&scu, SERIES ".1", 3);
    cr_expect(scu_release(&scu));
    expect_registration(queue, SERIES ".1", 3);
    empty(&receiver);
    cr_assert(receiver_logged(&receiver, "the journal has room again", PATIENCE_MS));
    expect_new_stored(&receiver, SERIES ".2");
    expect_registration(queue, SERIES ".2", 1);
    cr_expect_eq(receiver_stop(&receiver), 0);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

/* Somebody else has taken the reserve. */
Test(journal_room, that_is_all_gone_loses_nothing_and_comes_back, .timeout = PATIENCE_S) {
    receiver_t receiver;
    queue_t *queue = queue_new(rabbitmq_port(), "gone");
    start(&receiver, "gone", "0");
    expect_new_stored(&receiver, SERIES ".3");
    expect_registration(queue, SERIES ".3", 1);
    fill(&receiver, 0);
    int refused = 0, stored = 0;
    char series[80];
    for (int i = 0; refused == 0 && i < 50; i++) { /* the log has some room inside */
        snprintf(series, sizeof series, SERIES ".4.%d", i);
        int status = store_new(&receiver, series);
        cr_expect(status == 0 || status == 0xA700);
        refused += status == 0xA700;
        stored += status == 0;
    }
    empty(&receiver);
    expect_new_stored(&receiver, SERIES ".5");
    fprintf(stderr, "while there was no room: %d stored, %d refused\n", stored, refused);
    for (int i = 0; i < stored + 1; i++) {
        delivered_t task;
        cr_assert(queue_await(queue, &task, PATIENCE_MS));
        delivered_clear(&task);
    }
    cr_expect_eq(receiver_stop(&receiver), 0);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

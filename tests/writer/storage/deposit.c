/* Objects that storage works on at once, with storage that waits where a test wants it to. */
#include "writer/storage/deposit.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "tests/support/process.h"
#include "tests/writer/storage/storage.h"

#define THREADS 3

static store_t *store;
static pool_t *pool;

static void make_slow(pool_kind_t kind) {
    pool_note(pool, kind, 1000000000);
}

static void init(void) {
    storage_init();
    store = store_new(root, "0", RUN, true);
    pool = pool_new(THREADS);
    cr_assert(store && pool);
    make_slow(POOL_WRITE);
    make_slow(POOL_COMMIT);
}

static void fini(void) {
    cr_expect(deposits_await(pool, PATIENCE_MS));
    pool_destroy(&pool);
    store_destroy(&store);
    storage_fini();
}
TestSuite(deposit, .init = init, .fini = fini, .timeout = PATIENCE_S);

/* --- the loop's part --- */

static deposit_t *begin(const char *name, const char *text) {
    deposit_t *deposit = deposit_new(store, pool, (void *)(uintptr_t)name);
    deposit_set_place(deposit, &(deposit_place_t){.folder = "A", .file = name});
    deposit_take(deposit, strdup(text), strlen(text));
    return deposit;
}

static deposit_t *put_whole(const char *name, const char *text) {
    deposit_t *deposit = begin(name, text);
    deposit_end(deposit);
    return deposit;
}

static void take_text(deposit_t *deposit, const char *text, uint64_t credit) {
    zmq_msg_t message;
    zmq_msg_init_size(&message, strlen(text));
    memcpy(zmq_msg_data(&message), text, strlen(text));
    deposit_take_message(deposit, &message, credit);
    cr_expect_eq(zmq_msg_size(&message), 0, "it is taken");
    zmq_msg_close(&message);
}

/* Waits for one job to come back. Returns its owner. */
static const char *come_back(void) {
    struct pollfd done = {.fd = pool_descriptor(pool), .events = POLLIN};
    for (job_t *job; poll(&done, 1, PATIENCE_MS) == 1;)
        if ((job = pool_take_done(pool)))
            return deposit_on_done(job);
    cr_assert_fail("no job comes back");
    return NULL;
}

/* Advances it as often as jobs of it come back, until it has ended. */
static deposit_state_t finish(deposit_t *deposit) {
    deposit_state_t state;
    while ((state = deposit_advance(deposit)) == DEPOSIT_OPEN)
        come_back();
    return state;
}

static void expect_failure(deposit_t *deposit, int reason, const char *step) {
    const char *failed_step;
    cr_expect_eq(deposit_failure(deposit, &failed_step), reason, "%s", strerror(reason));
    cr_expect_str_eq(failed_step, step);
}

/* --- at once, and in order --- */

Test(deposit, of_several_objects_are_worked_on_at_once) {
    deposit_t *a = put_whole("a", "one"), *b = put_whole("b", "two");
    gate_set(true);
    store_calls.fsync = gated_fsync;
    cr_expect_eq(deposit_advance(a), DEPOSIT_OPEN);
    cr_expect_eq(deposit_advance(b), DEPOSIT_OPEN);
    gate_await(2);
    gate_set(false);
    come_back();
    come_back();
    cr_expect_eq(deposit_advance(a), DEPOSIT_STORED);
    cr_expect_eq(deposit_advance(b), DEPOSIT_STORED);
    cr_expect_eq(deposit_bytes(a), 3);
    expect_content("A/a", "one");
    expect_content("A/b", "two");
    deposit_destroy(&a);
    deposit_destroy(&b);
    cr_expect_eq(files_below(root), 2);
}

Test(deposit, of_one_object_is_written_in_order_and_never_by_two_at_once) {
    gate_set(true);
    store_calls.writev = gated_writev;
    deposit_t *deposit = begin("a", "one ");
    cr_expect_eq(deposit_advance(deposit), DEPOSIT_OPEN);
    gate_await(1);
    take_text(deposit, "two ", 0);
    deposit_advance(deposit);
    take_text(deposit, "", 0);
    take_text(deposit, "three", 0);
    deposit_end(deposit);
    cr_expect_eq(deposit_advance(deposit), DEPOSIT_OPEN);
    cr_expect_eq(pool_outstanding(pool), 1);
    gate_set(false);
    cr_expect_eq(finish(deposit), DEPOSIT_STORED);
    expect_content("A/a", "one two three");
    cr_expect_eq(gate_passed(), 2, "what waited was written by one call");
    deposit_destroy(&deposit);
}

Test(deposit, of_many_pieces_is_whole) {
    deposit_t *deposit = begin("a", "");
    for (int i = 0; i < 200; i++)
        take_text(deposit, "x", 0);
    deposit_end(deposit);
    cr_expect_eq(finish(deposit), DEPOSIT_STORED);
    cr_expect_eq(deposit_bytes(deposit), 200);
    deposit_destroy(&deposit);
}

Test(deposit, gives_credit_when_the_bytes_are_written_and_no_sooner) {
    gate_set(true);
    store_calls.writev = gated_writev;
    deposit_t *deposit = begin("a", "header");
    take_text(deposit, "one", 3);
    take_text(deposit, "two", 6);
    deposit_advance(deposit);
    gate_await(1);
    take_text(deposit, "three", 11);
    deposit_advance(deposit);
    cr_expect_eq(deposit_take_credit(deposit), 0, "nothing is written yet");
    gate_set(false);
    come_back();
    cr_expect_eq(deposit_take_credit(deposit), 6);
    cr_expect_eq(deposit_take_credit(deposit), 0, "once");
    deposit_advance(deposit);
    come_back();
    cr_expect_eq(deposit_take_credit(deposit), 11);
    deposit_destroy(&deposit);
}

/* --- who does it --- */

Test(deposit, on_fast_storage_is_the_loops_own_work) {
    pool_t *fast = pool_new(THREADS);
    deposit_t *deposit = deposit_new(store, fast, NULL);
    deposit_set_place(deposit, &(deposit_place_t){.folder = "A", .file = "a"});
    take_text(deposit, "one", 3);
    pool_note(fast, POOL_COMMIT, 0);
    pool_note(fast, POOL_CLOSE, 0);
    for (int i = 0; i < 100; i++) /* a slow one by chance is forgotten */
        pool_note(fast, POOL_WRITE, i == 0 ? 100000 : 10);
    cr_expect_eq(deposit_advance(deposit), DEPOSIT_OPEN);
    cr_expect_eq(deposit_take_credit(deposit), 3);
    pool_note(fast, POOL_COMMIT, 0);
    deposit_end(deposit);
    cr_expect_eq(deposit_advance(deposit), DEPOSIT_STORED);
    cr_expect_eq(pool_outstanding(fast), 0);
    deposit_destroy(&deposit);
    pool_destroy(&fast);
}

static ssize_t slow_writev(int descriptor, const struct iovec *parts, int parts_count) {
    usleep(20 * POOL_SLOW_US);
    return writev(descriptor, parts, parts_count);
}

static bool watches_writes(const pool_t *asked) {
    bool watched[POOL_KINDS];
    pool_watched(asked, watched);
    return watched[POOL_WRITE];
}

Test(deposit, on_storage_that_becomes_slow_is_watched_again_and_then_goes_to_a_thread) {
    pool_t *fast = pool_new(THREADS);
    for (int i = 0; i < POOL_WATCHED; i++) {
        cr_expect(watches_writes(fast), "what is new is watched");
        pool_note(fast, POOL_WRITE, 10);
    }
    cr_expect_not(watches_writes(fast));
    store_calls.writev = slow_writev;
    deposit_t *deposits[2];
    for (int i = 0; i < 2; i++) {
        cr_expect_not(pool_is_worth_it(fast, POOL_WRITE));
        deposits[i] = deposit_new(store, fast, NULL);
        take_text(deposits[i], "one", 0);
        cr_expect_eq(deposit_advance(deposits[i]), DEPOSIT_OPEN);
        cr_expect(watches_writes(fast));
        cr_expect_eq(pool_outstanding(fast), 0);
    }
    cr_expect(pool_is_worth_it(fast, POOL_WRITE));
    /* Not before: the removal of a file counts, too, as a busy disk makes it slow. */
    for (int i = 0; i < 2; i++)
        deposit_destroy(&deposits[i]);
    cr_expect(deposits_await(fast, PATIENCE_MS));
    pool_destroy(&fast);
}

Test(deposit, that_is_written_fast_and_completed_slowly_goes_to_a_thread_for_its_end_alone) {
    for (int i = 0; i < 300; i++)
        pool_note(pool, POOL_WRITE, 0);
    deposit_t *deposit = begin("a", "header");
    take_text(deposit, "one", 3);
    deposit_end(deposit);
    gate_set(true);
    store_calls.fsync = gated_fsync;
    cr_expect_eq(deposit_advance(deposit), DEPOSIT_OPEN);
    cr_expect_eq(deposit_take_credit(deposit), 3, "written by the loop");
    gate_await(1);
    gate_set(false);
    cr_expect_eq(finish(deposit), DEPOSIT_STORED);
    deposit_destroy(&deposit);
}

Test(deposit, without_a_pool_is_written_by_the_loop_however_slow_storage_is) {
    deposit_t *deposit = deposit_new(store, NULL, NULL);
    deposit_set_place(deposit, &(deposit_place_t){.folder = "A", .file = "a"});
    take_text(deposit, "one", 0);
    deposit_end(deposit);
    cr_expect_eq(deposit_advance(deposit), DEPOSIT_STORED);
    deposit_destroy(&deposit);
}

Test(deposit, is_stored_before_its_file_is_closed_and_a_thread_waits_for_that) {
    gate_set(true);
    store_calls.close = gated_close;
    deposit_t *deposit = put_whole("a", "one");
    cr_expect_eq(finish(deposit), DEPOSIT_STORED);
    expect_content("A/a", "one");
    deposit_destroy(&deposit);
    gate_await(1);
    cr_expect_eq(pool_outstanding(pool), 1);
    cr_expect_not(deposits_await(pool, 10), "the end waits for it");
    gate_set(false);
    cr_expect_null(come_back());
    cr_expect_eq(gate_passed(), 1);
}

/* --- given up, failed, late --- */

Test(deposit, that_is_given_up_while_storage_is_at_work_gets_no_place_and_leaves_nothing) {
    deposit_t *deposit = put_whole("a", "one");
    gate_set(true);
    store_calls.fsync = gated_fsync;
    deposit_advance(deposit);
    gate_await(1);
    deposit_destroy(&deposit);
    cr_expect_eq(files_below(root), 1, "its temporary file is still in use");
    gate_set(false);
    cr_expect_null(come_back());
    cr_expect(deposits_await(pool, PATIENCE_MS));
    cr_expect_eq(files_below(root), 0);
}

Test(deposit, that_is_given_up_between_two_goes_leaves_nothing) {
    deposit_t *deposit = begin("a", "one");
    deposit_advance(deposit);
    come_back();
    cr_expect_eq(files_below(root), 1);
    take_text(deposit, "two", 0);
    deposit_destroy(&deposit);
    cr_expect(deposits_await(pool, PATIENCE_MS));
    cr_expect_eq(files_below(root), 0);
}

Test(deposit, whose_work_was_taken_back_leaves_nothing_to_wake_for) {
    deposit_t *deposit = begin("a", "one");
    deposit_advance(deposit);
    come_back();
    struct pollfd done = {.fd = pool_descriptor(pool), .events = POLLIN};
    cr_expect_eq(poll(&done, 1, 0), 0);
    deposit_destroy(&deposit);
}

Test(deposit, that_is_given_up_before_its_work_has_come_back_leaves_nothing) {
    deposit_t *deposit = begin("a", "one");
    deposit_advance(deposit);
    struct pollfd done = {.fd = pool_descriptor(pool), .events = POLLIN};
    cr_assert_eq(poll(&done, 1, PATIENCE_MS), 1);
    deposit_destroy(&deposit);
    cr_expect(deposits_await(pool, PATIENCE_MS));
    cr_expect_eq(files_below(root), 0);
}

static ssize_t full_for_x(int descriptor, const struct iovec *parts, int count) {
    if (parts[0].iov_len > 0 && *(const char *)parts[0].iov_base == 'X') {
        errno = ENOSPC;
        return -1;
    }
    return gated_writev(descriptor, parts, count);
}

Test(deposit, that_fails_leaves_the_others_alone) {
    gate_set(true);
    store_calls.writev = full_for_x;
    deposit_t *good = put_whole("a", "one"), *bad = put_whole("b", "X");
    deposit_advance(good);
    gate_await(1);
    cr_expect_eq(finish(bad), DEPOSIT_FAILED);
    expect_failure(bad, ENOSPC, "write");
    gate_set(false);
    cr_expect_eq(finish(good), DEPOSIT_STORED);
    deposit_destroy(&bad);
    deposit_destroy(&good);
    cr_expect_eq(files_below(root), 1);
}

Test(deposit, that_storage_holds_beyond_the_deadline_gets_no_place) {
    deposit_t *deposit = put_whole("a", "one");
    gate_set(true);
    store_calls.fsync = gated_fsync;
    deposit_advance(deposit);
    gate_await(1);
    store_set_deadline(store, clock_ms() - 1);
    gate_set(false);
    cr_expect_eq(finish(deposit), DEPOSIT_FAILED);
    expect_failure(deposit, ECANCELED, "complete");
    deposit_destroy(&deposit);
    cr_expect_eq(files_below(root), 0);
}

Test(deposit, whose_root_is_replaced_meanwhile_fails_and_the_next_finds_the_new_one) {
    deposit_t *old = put_whole("a", "one"), *new = put_whole("b", "two");
    gate_set(true);
    store_calls.fsync = gated_fsync;
    deposit_advance(old);
    gate_await(1);
    char *aside = text_of("%s.aside", root);
    cr_assert_eq(rename(root, aside), 0);
    cr_assert_eq(mkdir(root, 0755), 0);
    deposit_advance(new);
    gate_await(2);
    gate_set(false);
    cr_expect_eq(finish(old), DEPOSIT_FAILED);
    expect_failure(old, ESTALE, "complete");
    cr_expect_eq(finish(new), DEPOSIT_STORED);
    expect_content("A/b", "two");
    deposit_destroy(&old);
    deposit_destroy(&new);
    cr_expect_eq(files_below(root), 1);
    remove_folder(aside);
    free(aside);
}

/* --- storage that does not answer --- */

Test(deposit, of_all_threads_held_up_by_storage_is_told_and_one_that_goes_on_ends_it) {
    gate_set(true);
    store_calls.fsync = gated_fsync;
    deposit_t *deposits[THREADS];
    static const char *const names[THREADS] = {"a", "b", "c"};
    for (int i = 0; i < THREADS; i++) {
        cr_expect_eq(pool_held_up_ms(pool), 0, "a thread is free");
        deposits[i] = put_whole(names[i], "x");
        deposit_advance(deposits[i]);
        gate_await(i + 1);
    }
    int64_t began_ms = clock_ms();
    while (pool_held_up_ms(pool) < 20)
        cr_assert_lt(clock_ms() - began_ms, PATIENCE_MS);
    cr_expect_not(deposits_await(pool, 10), "it does not wait for ever");
    gate_set(false);
    for (int i = 0; i < THREADS; i++)
        cr_expect_eq(finish(deposits[i]), DEPOSIT_STORED);
    cr_expect_eq(pool_held_up_ms(pool), 0);
    for (int i = 0; i < THREADS; i++)
        deposit_destroy(&deposits[i]);
}

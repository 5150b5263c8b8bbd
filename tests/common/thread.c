#include "common/thread.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

#include "common/memory.h"
#include "tests/support/patience.h"

typedef struct item {
    thread_question_t question;
    enum { ANSWER, FORGET, TWICE, HANG } kind;
    int number, tries;
    atomic_int *cleared; /* NULL: not counted */
} item_t;

typedef struct worker {
    bool begun, ended; /* the thread's */
    int hanging[2], release[2];
} worker_t;

static void begin(void *self) {
    ((worker_t *)self)->begun = true;
}

static thread_fate_t answer(void *self, void *question) {
    worker_t *worker = self;
    item_t *item = question;
    char byte = 0;
    if (item->kind == HANG)
        must_hold(write(worker->hanging[1], &byte, 1) == 1 && read(worker->release[0], &byte, 1) == 1);
    if (item->kind == TWICE && ++item->tries == 1)
        return THREAD_ASKED_AGAIN;
    return item->kind == FORGET ? THREAD_FORGOTTEN : THREAD_ANSWERED;
}

static void clear(void *question) {
    item_t *item = question;
    if (item->cleared)
        atomic_fetch_add(item->cleared, 1);
}

static void end(void *self) {
    ((worker_t *)self)->ended = true;
}

static const thread_work_t WORK = {.name = "test",
                                   .size = sizeof(item_t),
                                   .begin = begin,
                                   .answer = answer,
                                   .clear = clear,
                                   .end = end,
                                   .again_ms = 1};

static item_t await_answer(thread_t *thread) {
    item_t item;
    while (!thread_receive(thread, &item))
        cr_assert_eq(poll(&(struct pollfd){thread_descriptor(thread), POLLIN, 0}, 1, PATIENCE_MS), 1);
    return item;
}

/* A busy machine may not let it run. */
static void end_thread(thread_t **thread) {
    while (!thread_destroy(thread))
        continue;
}

Test(thread, answers_in_order_but_what_is_asked_again_later, .timeout = PATIENCE_S) {
    worker_t worker = {0};
    atomic_int cleared = 0;
    thread_t *thread = thread_new(&WORK, &worker);
    cr_assert(thread);
    thread_ask(thread, &(item_t){.kind = FORGET, .number = 1, .cleared = &cleared});
    thread_ask(thread, &(item_t){.kind = ANSWER, .number = 2});
    thread_ask(thread, &(item_t){.kind = ANSWER, .number = 3});
    cr_expect_eq(await_answer(thread).number, 2);
    cr_expect_eq(await_answer(thread).number, 3);
    cr_expect_eq(cleared, 1);
    thread_ask(thread, &(item_t){.kind = TWICE, .number = 4});
    item_t item = await_answer(thread);
    cr_expect(item.number == 4 && item.tries == 2 && !item.question.late);
    end_thread(&thread);
    cr_expect(!thread && worker.begun && worker.ended);
}

Test(thread, clears_questions_and_answers_that_are_left_at_the_end, .timeout = PATIENCE_S) {
    worker_t worker = {0};
    atomic_int cleared = 0;
    cr_assert(pipe(worker.hanging) == 0 && pipe(worker.release) == 0);
    char byte = 0;
    thread_t *thread = thread_new(&WORK, &worker);
    thread_ask(thread, &(item_t){.kind = ANSWER, .cleared = &cleared});
    thread_ask(thread, &(item_t){.kind = HANG, .cleared = &cleared});
    thread_ask(thread, &(item_t){.kind = ANSWER, .cleared = &cleared});
    cr_assert_eq(read(worker.hanging[0], &byte, 1), 1);
    cr_expect_neq(thread_begun_ms(thread), 0);
    cr_expect_not(thread_destroy(&thread));
    cr_assert(thread);
    cr_expect_eq(cleared, 0);
    cr_assert_eq(write(worker.release[1], &byte, 1), 1);
    end_thread(&thread);
    cr_expect(worker.ended);
    cr_expect_eq(cleared, 3);
}

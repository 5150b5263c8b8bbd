/* A thread of its own rather than an actor: a thread that hangs in the kernel would hold its ZeroMQ socket, and
 * with it the end of the process. */
#include "common/thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/condition.h"
#include "common/limits.h"
#include "common/memory.h"

TAILQ_HEAD(questions, thread_question);

struct thread {
    const thread_work_t *work;
    void *self;
    pthread_t id;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int answered;             /* eventfd */
    _Atomic int64_t begun_ms; /* its work; 0: it has none */
    int64_t silence_ended_ms; /* the thread's; 0: there was none */
    /* under the lock */
    struct questions questions, answers;
    bool ended, gone; /* told to end; all done */
};

/* --- the thread ------------------------------------------------------------------------------------------ */

static void forget(const thread_t *thread, thread_question_t *question) {
    thread->work->clear(question);
    free(question);
}

static void note_silence(thread_t *thread) {
    int64_t now_ms = clock_ms();
    if (now_ms - atomic_load(&thread->begun_ms) >= STORAGE_SILENCE_MS)
        thread->silence_ended_ms = now_ms;
}

static thread_fate_t work_on(thread_t *thread, thread_question_t *question) {
    thread_fate_t fate = thread->work->answer(thread->self, question);
    note_silence(thread);
    question->late = thread->silence_ended_ms && thread->silence_ended_ms >= question->asked_ms;
    return fate;
}

/* Under the lock, but for the work. Whether there are questions to be asked again, which are back in the queue. */
static bool serve(thread_t *thread) {
    static const uint64_t one = 1;
    struct questions again = TAILQ_HEAD_INITIALIZER(again);
    for (thread_question_t *question; !thread->ended && (question = TAILQ_FIRST(&thread->questions));) {
        TAILQ_REMOVE(&thread->questions, question, next);
        atomic_store(&thread->begun_ms, clock_ms());
        pthread_mutex_unlock(&thread->lock);
        thread_fate_t fate = work_on(thread, question);
        pthread_mutex_lock(&thread->lock);
        atomic_store(&thread->begun_ms, 0);
        if (fate == THREAD_FORGOTTEN)
            forget(thread, question);
        else
            TAILQ_INSERT_TAIL(fate == THREAD_ANSWERED ? &thread->answers : &again, question, next);
        if (fate == THREAD_ANSWERED)
            must_hold(write(thread->answered, &one, sizeof one) == sizeof one); /* it takes 2^64 - 2 of them */
    }
    bool any = !TAILQ_EMPTY(&again);
    TAILQ_CONCAT(&thread->questions, &again, next);
    return any;
}

/* It may touch storage. */
static void give_up(thread_t *thread) {
    for (thread_question_t *question; (question = TAILQ_FIRST(&thread->questions));) {
        TAILQ_REMOVE(&thread->questions, question, next);
        forget(thread, question);
    }
    if (thread->work->end)
        thread->work->end(thread->self);
}

static void *run(void *argument) {
    thread_t *thread = argument;
    if (thread->work->begin)
        thread->work->begin(thread->self);
    note_silence(thread);
    pthread_mutex_lock(&thread->lock);
    atomic_store(&thread->begun_ms, 0);
    for (bool again = serve(thread); !thread->ended; again = serve(thread))
        if (again)
            condition_wait_until(&thread->changed, &thread->lock, clock_ms() + thread->work->again_ms);
        else
            pthread_cond_wait(&thread->changed, &thread->lock);
    atomic_store(&thread->begun_ms, clock_ms());
    TAILQ_CONCAT(&thread->questions, &thread->answers, next);
    pthread_mutex_unlock(&thread->lock);
    give_up(thread);
    pthread_mutex_lock(&thread->lock);
    thread->gone = true;
    pthread_cond_signal(&thread->changed);
    pthread_mutex_unlock(&thread->lock);
    return NULL;
}

/* --- for the loop ---------------------------------------------------------------------------------------- */

static void release(thread_t *thread) {
    pthread_mutex_destroy(&thread->lock);
    pthread_cond_destroy(&thread->changed);
    if (thread->answered >= 0)
        close(thread->answered);
    free(thread);
}

thread_t *thread_new(const thread_work_t *work, void *self) {
    thread_t *thread = must(calloc(1, sizeof *thread));
    thread->work = work;
    thread->self = self;
    TAILQ_INIT(&thread->questions);
    TAILQ_INIT(&thread->answers);
    pthread_mutex_init(&thread->lock, NULL);
    condition_init(&thread->changed);
    thread->begun_ms = clock_ms();
    thread->answered = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int reason = thread->answered < 0 ? errno : pthread_create(&thread->id, NULL, run, thread);
    if (reason != 0) {
        release(thread);
        errno = reason;
        return NULL;
    }
    pthread_setname_np(thread->id, work->name);
    return thread;
}

static bool is_stuck(const thread_t *thread) {
    int64_t begun_ms = thread_begun_ms(thread);
    return begun_ms && clock_ms() - begun_ms >= THREAD_END_MS;
}

/* Waits by a condition, since ThreadSanitizer knows no join in time. */
bool thread_destroy(thread_t **self_p) {
    thread_t *thread = *self_p;
    pthread_mutex_lock(&thread->lock);
    thread->ended = true;
    pthread_cond_signal(&thread->changed);
    while (!thread->gone &&
           (condition_wait_until(&thread->changed, &thread->lock, clock_ms() + THREAD_END_MS) || !is_stuck(thread)))
        continue;
    bool gone = thread->gone;
    pthread_mutex_unlock(&thread->lock);
    if (!gone)
        return false;
    pthread_join(thread->id, NULL);
    release(thread);
    *self_p = NULL;
    return true;
}

int thread_descriptor(const thread_t *thread) {
    return thread->answered;
}

void thread_ask(thread_t *thread, const void *question) {
    thread_question_t *copy = memcpy(must(malloc(thread->work->size)), question, thread->work->size);
    copy->asked_ms = clock_ms();
    pthread_mutex_lock(&thread->lock);
    TAILQ_INSERT_TAIL(&thread->questions, copy, next);
    pthread_cond_signal(&thread->changed);
    pthread_mutex_unlock(&thread->lock);
}

bool thread_receive(thread_t *thread, void *answer) {
    uint64_t count;
    pthread_mutex_lock(&thread->lock);
    thread_question_t *first = TAILQ_FIRST(&thread->answers);
    if (first)
        TAILQ_REMOVE(&thread->answers, first, next);
    else
        (void)!read(thread->answered, &count, sizeof count); /* EAGAIN: it is 0 already */
    pthread_mutex_unlock(&thread->lock);
    if (first)
        memcpy(answer, first, thread->work->size);
    free(first);
    return first != NULL;
}

int64_t thread_begun_ms(const thread_t *thread) {
    return atomic_load(&thread->begun_ms);
}

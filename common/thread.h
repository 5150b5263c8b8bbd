/* A thread that may wait for storage or a server, so that a loop need not: the loop asks it, and hears the answers
 * as events. Questions are answered one after the other. For the loop's thread, but for thread_begun_ms. */
#ifndef COMMON_THREAD_H
#define COMMON_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* A thread that is told to end may need so long for its work. A stall would outlast any time. */
#define THREAD_END_MS 1000

typedef struct thread thread_t;

/* A question, and later its answer, begins with this. */
typedef struct thread_question {
    TAILQ_ENTRY(thread_question) next;
    int64_t asked_ms;
    bool late; /* a stall of STORAGE_SILENCE_MS ended between question and answer */
} thread_question_t;

typedef enum thread_fate { THREAD_ANSWERED, THREAD_FORGOTTEN, THREAD_ASKED_AGAIN } thread_fate_t;

/* The thread's functions, called without a lock; `self` is thread_new's. */
typedef struct thread_work {
    const char *name;
    size_t size;               /* of a question */
    void (*begin)(void *self); /* before the first question; may be NULL, as `end` */
    thread_fate_t (*answer)(void *self, void *question);
    void (*clear)(void *question); /* one that is forgotten, or left at the end */
    void (*end)(void *self);
    int64_t again_ms; /* a question is asked again after this, or after a new one */
} thread_work_t;

/* Both must outlive it. NULL: errno says why. */
thread_t *thread_new(const thread_work_t *work, void *self);
/* Waits for the end, as long as a busy machine needs. False: its work has taken THREAD_END_MS. Call it again, or
 * leave the thread to the kernel, with everything of its own. */
bool thread_destroy(thread_t **self_p) __attribute__((warn_unused_result));

/* Readable when thread_receive has something. */
int thread_descriptor(const thread_t *thread);
/* Asks a copy of the question. */
void thread_ask(thread_t *thread, const void *question);
/* Takes an answer, without waiting; false: there is none. */
bool thread_receive(thread_t *thread, void *answer);

/* The begin of its present work (clock_ms); 0: it has none. For any thread. */
int64_t thread_begun_ms(const thread_t *thread);

#endif

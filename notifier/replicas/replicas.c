/* A thread of its own: new series must not wait until the files of a large folder are counted. */
#include "notifier/replicas/replicas.h"

#include <czmq.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/folders.h"
#include "common/hash.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/sandbox.h"
#include "common/thread.h"
#include "notifier/replicas/byte_locks.h"

/* A lock that another replica holds alone, which it does for a moment, is asked for again after this. */
#define AGAIN_MS 20
/* Storage that takes so long is looked at. */
#define HELD_UP_MS 1000

/* A question, and later its answer. */
typedef struct item {
    TAILQ_ENTRY(item) next;
    enum { SHARE, DECIDE, LEAVE, REGISTERED, LET_GO } kind;
    int64_t reception;
    uint64_t series;
    char *folder, *note; /* owned */
    decision_t decision;
    int64_t asked_ms;
    bool late;
} item_t;

TAILQ_HEAD(items, item);

struct replicas {
    mode_t folder_mode;         /* of new folders */
    char *files_root, *sandbox; /* the thread's own: settings may be gone before it */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t asked;
    int answered; /* eventfd */
    /* under the lock */
    struct items questions, answers;
    bool ended;
    char why[REPLICAS_WHY_BYTES]; /* there are no locks */
    _Atomic int64_t begun_ms;     /* of what the thread is at; 0: it has nothing to do */
    int64_t silence_ended_ms;     /* the thread's; 0: there was none */
    /* the loop's: receptions, as they are asked for (NULL: then not) and shared */
    zhashx_t *asked_for;
};

/* --- the thread ------------------------------------------------------------------------------------------ */

static void item_destroy(item_t *item) {
    free(item->folder);
    free(item->note);
    free(item);
}

static void clear(struct items *items) {
    for (item_t *item; (item = TAILQ_FIRST(items));) {
        TAILQ_REMOVE(items, item, next);
        item_destroy(item); /* NOLINT(clang-analyzer-unix.Malloc): TAILQ */
    }
}

static void note_silence(replicas_t *replicas) {
    int64_t now_ms = clock_ms();
    if (now_ms - atomic_load(&replicas->begun_ms) >= STORAGE_SILENCE_MS)
        replicas->silence_ended_ms = now_ms;
}

static void restrict_files(const replicas_t *replicas) {
    sandbox_t sandbox = {0};
    char *folder = format_text("%s/" REPLICAS_FOLDER, replicas->files_root);
    sandbox_allow(&sandbox, folder, SANDBOX_WRITE);
    sandbox_restrict_thread(&sandbox, replicas->sandbox, "the thread for locks");
    sandbox_clear(&sandbox);
    free(folder);
}

/* Returns whether there is an answer, or false where the question is to be asked again. */
static bool work_on(series_locks_t *locks, item_t *item) {
    char *note = NULL;
    switch (item->kind) {
    case SHARE:
        return series_locks_share(locks, item->reception, item->series);
    case DECIDE:
        item->decision = series_locks_decide(locks, item->reception, item->series, item->folder, item->note, &note);
        break;
    case LEAVE:
        item->decision = DECISION_LEFT;
        note = series_locks_leave(locks, item->reception, item->series, item->folder);
        break;
    case REGISTERED:
        series_locks_registered(locks, item->reception);
        break;
    case LET_GO:
        series_locks_let_go(locks, item->reception);
        break;
    }
    free(item->note);
    item->note = note;
    return true;
}

/* Under the lock. */
static void answer(replicas_t *replicas, item_t *item) {
    static const uint64_t one = 1;
    if (item->kind == REGISTERED || item->kind == LET_GO) {
        item_destroy(item);
        return;
    }
    TAILQ_INSERT_TAIL(&replicas->answers, item, next);
    must_hold(write(replicas->answered, &one, sizeof one) == sizeof one); /* it takes 2^64 - 2 of them */
}

/* Under the lock, but for the work. Unanswered questions are back in the queue afterwards. */
static bool serve(replicas_t *replicas, series_locks_t *locks) {
    struct items again = TAILQ_HEAD_INITIALIZER(again);
    item_t *item;
    while (!replicas->ended && (item = TAILQ_FIRST(&replicas->questions))) {
        TAILQ_REMOVE(&replicas->questions, item, next);
        atomic_store(&replicas->begun_ms, clock_ms());
        pthread_mutex_unlock(&replicas->lock);
        bool done = work_on(locks, item);
        note_silence(replicas);
        item->late = replicas->silence_ended_ms && replicas->silence_ended_ms >= item->asked_ms;
        pthread_mutex_lock(&replicas->lock);
        atomic_store(&replicas->begun_ms, 0);
        snprintf(replicas->why, sizeof replicas->why, "%s", series_locks_why(locks));
        if (done)
            answer(replicas, item);
        else
            TAILQ_INSERT_TAIL(&again, item, next);
    }
    bool any = !TAILQ_EMPTY(&again);
    TAILQ_CONCAT(&replicas->questions, &again, next);
    return any;
}

/* Until there is a question, or for AGAIN_MS. */
static void wait_for_questions(replicas_t *replicas, bool again) {
    struct timespec until;
    int64_t at_ms = clock_ms() + AGAIN_MS;
    until = (struct timespec){at_ms / 1000, at_ms % 1000 * 1000000};
    if (again)
        pthread_cond_clockwait(&replicas->asked, &replicas->lock, CLOCK_MONOTONIC, &until);
    else
        pthread_cond_wait(&replicas->asked, &replicas->lock);
}

static void *run(void *argument) {
    replicas_t *replicas = argument;
    folders_make_below(replicas->files_root, REPLICAS_FOLDER, replicas->folder_mode);
    restrict_files(replicas);
    series_locks_t *locks = series_locks_new(replicas->files_root);
    note_silence(replicas);
    pthread_mutex_lock(&replicas->lock);
    atomic_store(&replicas->begun_ms, 0);
    snprintf(replicas->why, sizeof replicas->why, "%s", series_locks_why(locks));
    for (bool again = serve(replicas, locks); !replicas->ended; again = serve(replicas, locks))
        wait_for_questions(replicas, again);
    pthread_mutex_unlock(&replicas->lock);
    series_locks_destroy(&locks);
    return NULL;
}

/* --- for the loop ---------------------------------------------------------------------------------------- */

static void release(replicas_t *replicas) {
    clear(&replicas->questions);
    clear(&replicas->answers);
    pthread_mutex_destroy(&replicas->lock);
    pthread_cond_destroy(&replicas->asked);
    if (replicas->answered >= 0)
        close(replicas->answered);
    zhashx_destroy(&replicas->asked_for);
    free(replicas->files_root);
    free(replicas->sandbox);
    free(replicas);
}

/* Receptions are numbered from 1. */
static size_t hash_reception(const void *key) {
    return (size_t)hash_end((uint64_t)(uintptr_t)key);
}

static int compare_receptions(const void *a, const void *b) {
    return ((uintptr_t)a > (uintptr_t)b) - ((uintptr_t)a < (uintptr_t)b);
}

static void *key_of(int64_t reception) {
    return (void *)(uintptr_t)reception; /* NOLINT(performance-no-int-to-ptr): a number that a table keeps */
}

replicas_t *replicas_new(const settings_t *settings) {
    replicas_t *replicas = must(calloc(1, sizeof *replicas));
    replicas->files_root = copy_text(settings->files_root);
    replicas->folder_mode = folders_mode();
    replicas->sandbox = copy_text(settings->sandbox);
    TAILQ_INIT(&replicas->questions);
    TAILQ_INIT(&replicas->answers);
    pthread_mutex_init(&replicas->lock, NULL);
    pthread_cond_init(&replicas->asked, NULL);
    replicas->begun_ms = clock_ms();
    replicas->asked_for = zhashx_new();
    zhashx_set_key_hasher(replicas->asked_for, hash_reception);
    zhashx_set_key_comparator(replicas->asked_for, compare_receptions);
    zhashx_set_key_duplicator(replicas->asked_for, NULL);
    zhashx_set_key_destructor(replicas->asked_for, NULL);
    replicas->answered = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int reason = replicas->answered < 0 ? errno : pthread_create(&replicas->thread, NULL, run, replicas);
    if (reason != 0) {
        log_error(NULL, "can't start the thread for locks: %s", strerror(reason));
        release(replicas);
        return NULL;
    }
    pthread_setname_np(replicas->thread, "locks");
    return replicas;
}

bool replicas_destroy(replicas_t **self_p) {
    replicas_t *replicas = *self_p;
    if (!replicas)
        return true;
    pthread_mutex_lock(&replicas->lock);
    replicas->ended = true;
    bool idle = atomic_load(&replicas->begun_ms) == 0;
    pthread_cond_signal(&replicas->asked);
    pthread_mutex_unlock(&replicas->lock);
    *self_p = NULL;
    if (!thread_join(replicas->thread, idle)) {
        log_warn(NULL, "storage (%s) does not answer: the thread for locks is left to the kernel",
                 replicas->files_root);
        return false;
    }
    release(replicas);
    return true;
}

int replicas_descriptor(const replicas_t *replicas) {
    return replicas->answered;
}

bool replicas_have_locks(replicas_t *replicas, char *why, size_t size) {
    pthread_mutex_lock(&replicas->lock);
    snprintf(why, size, "%s", replicas->why);
    pthread_mutex_unlock(&replicas->lock);
    return !*why;
}

bool replicas_are_held_up(replicas_t *replicas) {
    int64_t begun_ms = atomic_load(&replicas->begun_ms);
    return begun_ms && clock_ms() - begun_ms >= HELD_UP_MS;
}

uint64_t replicas_series(const char *calling_ae, const char *series_uid) {
    return hash_end(hash_text(hash_text(HASH_BEGIN, calling_ae), series_uid)) % BYTE_LOCKS_MAX;
}

static void ask(replicas_t *replicas, const item_t *question) {
    item_t *item = must(malloc(sizeof *item));
    *item = *question;
    item->asked_ms = clock_ms();
    pthread_mutex_lock(&replicas->lock);
    TAILQ_INSERT_TAIL(&replicas->questions, item, next);
    pthread_cond_signal(&replicas->asked);
    pthread_mutex_unlock(&replicas->lock);
}

/* The two states of a reception in the table. */
static char ASKED[] = "asked", SHARED[] = "shared";

bool replicas_share(replicas_t *replicas, int64_t reception, uint64_t series) {
    if (!replicas)
        return true;
    const char *state = zhashx_lookup(replicas->asked_for, key_of(reception));
    if (!state) {
        zhashx_update(replicas->asked_for, key_of(reception), ASKED);
        ask(replicas, &(item_t){.kind = SHARE, .reception = reception, .series = series});
    }
    return state == SHARED;
}

bool replicas_is_awaited(const replicas_t *replicas, int64_t reception) {
    return replicas && zhashx_lookup(replicas->asked_for, key_of(reception)) == ASKED;
}

static void ask_about(replicas_t *replicas, item_t item, const char *calling_ae, const char *series_uid,
                      const char *folder) {
    item.series = replicas_series(calling_ae, series_uid);
    item.folder = copy_text(folder);
    ask(replicas, &item);
}

void replicas_decide(replicas_t *replicas, int64_t reception, const char *calling_ae, const char *series_uid,
                     const char *folder, const char *note) {
    item_t item = {.kind = DECIDE, .reception = reception, .note = note ? copy_text(note) : NULL};
    ask_about(replicas, item, calling_ae, series_uid, folder);
}

void replicas_leave(replicas_t *replicas, int64_t reception, const char *calling_ae, const char *series_uid,
                    const char *folder) {
    ask_about(replicas, (item_t){.kind = LEAVE, .reception = reception}, calling_ae, series_uid, folder);
}

static void end(replicas_t *replicas, item_t item) {
    if (!replicas)
        return;
    zhashx_delete(replicas->asked_for, key_of(item.reception));
    ask(replicas, &item);
}

void replicas_registered(replicas_t *replicas, int64_t reception) {
    end(replicas, (item_t){.kind = REGISTERED, .reception = reception});
}

void replicas_let_go(replicas_t *replicas, int64_t reception) {
    end(replicas, (item_t){.kind = LET_GO, .reception = reception});
}

bool replicas_receive(replicas_t *replicas, replicas_answer_t *answer) {
    uint64_t count;
    pthread_mutex_lock(&replicas->lock);
    item_t *item = TAILQ_FIRST(&replicas->answers);
    if (item)
        TAILQ_REMOVE(&replicas->answers, item, next);
    else
        (void)!read(replicas->answered, &count, sizeof count); /* EAGAIN: it is 0 already */
    pthread_mutex_unlock(&replicas->lock);
    if (!item)
        return false;
    *answer = (replicas_answer_t){.shared = item->kind == SHARE,
                                  .reception = item->reception,
                                  .decision = item->decision,
                                  .late = item->late,
                                  .note = item->note};
    item->note = NULL;
    if (answer->shared && zhashx_lookup(replicas->asked_for, key_of(answer->reception)))
        zhashx_update(replicas->asked_for, key_of(answer->reception), SHARED);
    else if (!answer->shared && answer->decision != DECISION_REGISTER)
        zhashx_delete(replicas->asked_for, key_of(answer->reception));
    item_destroy(item);
    return true;
}

/* A thread of its own: new series must not wait until the files of a large folder are counted. */
#include "notifier/replicas/replicas.h"

#include <czmq.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "common/clock.h"
#include "common/folders.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/sandbox.h"
#include "common/series_key.h"
#include "common/thread.h"
#include "notifier/progress/lonk.h"
#include "notifier/replicas/byte_locks.h"

/* A lock that another replica holds alone, which it does for a moment, is asked for again after this. */
#define AGAIN_MS 20
/* Storage that takes so long is looked at. */
#define HELD_UP_MS 1000

/* A question, and later its answer. */
typedef struct item {
    thread_question_t question;
    enum { SHARE, DECIDE, LEAVE, REGISTERED, LET_GO } kind;
    series_id_t id; /* of SHARE: the lock alone */
    char *note;     /* owned */
    replicas_answer_t answer;
} item_t;

struct replicas {
    mode_t folder_mode;         /* of new folders */
    char *files_root, *sandbox; /* the thread's own: settings may be gone before it */
    thread_t *thread;
    series_locks_t *locks; /* the thread's */
    atomic_bool locked_out;
    pthread_mutex_t lock;
    char why[REPLICAS_WHY_BYTES]; /* under the lock; of no locks */
    /* the loop's: receptions, as they are asked for (NULL: then not) and shared */
    zhashx_t *asked_for;
};

/* --- the thread ------------------------------------------------------------------------------------------ */

static void clear(void *question) {
    item_t *item = question;
    free(item->note);
    free(item->answer.note);
}

static void restrict_files(const replicas_t *replicas) {
    sandbox_t sandbox = {0};
    char *folder = format_text("%s/" REPLICAS_FOLDER, replicas->files_root);
    sandbox_allow(&sandbox, folder, SANDBOX_WRITE);
    sandbox_restrict_thread(&sandbox, replicas->sandbox, "the thread for locks");
    sandbox_clear(&sandbox);
    free(folder);
}

static void note_why(replicas_t *replicas) {
    pthread_mutex_lock(&replicas->lock);
    snprintf(replicas->why, sizeof replicas->why, "%s", series_locks_why(replicas->locks));
    pthread_mutex_unlock(&replicas->lock);
}

static thread_fate_t ask_locks(series_locks_t *locks, item_t *item) {
    replicas_answer_t *answer = &item->answer;
    switch (item->kind) {
    case SHARE:
        answer->shared = series_locks_share(locks, answer->reception, item->id.lock);
        return answer->shared ? THREAD_ANSWERED : THREAD_ASKED_AGAIN;
    case DECIDE:
        answer->decision = series_locks_decide(locks, answer->reception, &item->id, item->note, &answer->note);
        return THREAD_ANSWERED;
    case LEAVE:
        answer->decision = DECISION_LEFT;
        answer->note = series_locks_leave(locks, answer->reception, &item->id);
        return THREAD_ANSWERED;
    case REGISTERED:
        series_locks_registered(locks, answer->reception);
        break;
    case LET_GO:
        series_locks_let_go(locks, answer->reception);
        break;
    }
    return THREAD_FORGOTTEN;
}

static thread_fate_t work_on(void *self, void *question) {
    replicas_t *replicas = self;
    thread_fate_t fate = ask_locks(replicas->locks, question);
    note_why(replicas);
    if (!series_locks_locked_out(replicas->locks))
        return fate;
    atomic_store(&replicas->locked_out, true);
    return THREAD_FORGOTTEN; /* the next process asks again, from the journal */
}

static void begin(void *self) {
    replicas_t *replicas = self;
    folders_make_below(replicas->files_root, REPLICAS_FOLDER, replicas->folder_mode);
    restrict_files(replicas);
    replicas->locks = series_locks_new(replicas->files_root, replicas->folder_mode);
    note_why(replicas);
}

static void end_locks(void *self) {
    series_locks_destroy(&((replicas_t *)self)->locks);
}

static const thread_work_t WORK = {.name = "locks",
                                   .size = sizeof(item_t),
                                   .begin = begin,
                                   .answer = work_on,
                                   .clear = clear,
                                   .end = end_locks,
                                   .again_ms = AGAIN_MS};

/* --- for the loop ---------------------------------------------------------------------------------------- */

static void release(replicas_t *replicas) {
    pthread_mutex_destroy(&replicas->lock);
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
    pthread_mutex_init(&replicas->lock, NULL);
    replicas->asked_for = zhashx_new();
    zhashx_set_key_hasher(replicas->asked_for, hash_reception);
    zhashx_set_key_comparator(replicas->asked_for, compare_receptions);
    zhashx_set_key_duplicator(replicas->asked_for, NULL);
    zhashx_set_key_destructor(replicas->asked_for, NULL);
    replicas->thread = thread_new(&WORK, replicas);
    if (replicas->thread)
        return replicas;
    log_error(NULL, "can't start the thread for locks: %s", strerror(errno));
    release(replicas);
    return NULL;
}

bool replicas_destroy(replicas_t **self_p) {
    replicas_t *replicas = *self_p;
    if (!replicas)
        return true;
    *self_p = NULL;
    if (!thread_destroy(&replicas->thread)) {
        log_warn(NULL, "storage (%s) does not answer: the thread for locks is left to the kernel",
                 replicas->files_root);
        return false;
    }
    release(replicas);
    return true;
}

int replicas_descriptor(const replicas_t *replicas) {
    return thread_descriptor(replicas->thread);
}

bool replicas_have_locks(replicas_t *replicas, char *why, size_t size) {
    pthread_mutex_lock(&replicas->lock);
    snprintf(why, size, "%s", replicas->why);
    pthread_mutex_unlock(&replicas->lock);
    return !*why;
}

bool replicas_locked_out(const replicas_t *replicas) {
    return atomic_load(&replicas->locked_out);
}

bool replicas_are_held_up(replicas_t *replicas) {
    int64_t begun_ms = thread_begun_ms(replicas->thread);
    return begun_ms && clock_ms() - begun_ms >= HELD_UP_MS;
}

static uint64_t hash_two(const char *text, const char *other) {
    return hash_end(hash_text(hash_text(HASH_BEGIN, text), other));
}

uint64_t replicas_series(const char *folder, const char *series_uid) {
    const char *below = series_key_below_pacs(folder), *name = below ? below : folder;
    char *pacs_name = must(strndup(name, strcspn(name, "/")));
    uint64_t series = hash_two(pacs_name, series_uid) % BYTE_LOCKS_MAX;
    free(pacs_name);
    return series;
}

series_id_t replicas_id(const char *calling_ae, const char *series_uid, const char *folder) {
    char *title = lonk_title(calling_ae);
    series_id_t id = {.lock = replicas_series(folder, series_uid),
                      .sender = hash_two(title, series_uid) % BYTE_LOCKS_MAX,
                      .place = hash_end(hash_text(HASH_BEGIN, folder))};
    free(title);
    return id;
}

/* The two states of a reception in the table. */
static char ASKED[] = "asked", SHARED[] = "shared";

bool replicas_share(replicas_t *replicas, int64_t reception, uint64_t series) {
    if (!replicas)
        return true;
    const char *state = zhashx_lookup(replicas->asked_for, key_of(reception));
    if (!state) {
        zhashx_update(replicas->asked_for, key_of(reception), ASKED);
        thread_ask(replicas->thread, &(item_t){.kind = SHARE, .answer.reception = reception, .id.lock = series});
    }
    return state == SHARED;
}

bool replicas_is_awaited(const replicas_t *replicas, int64_t reception) {
    return replicas && zhashx_lookup(replicas->asked_for, key_of(reception)) == ASKED;
}

void replicas_decide(replicas_t *replicas, int64_t reception, series_id_t id, const char *note) {
    thread_ask(
        replicas->thread,
        &(item_t){.kind = DECIDE, .answer.reception = reception, .id = id, .note = note ? copy_text(note) : NULL});
}

void replicas_leave(replicas_t *replicas, int64_t reception, series_id_t id) {
    thread_ask(replicas->thread, &(item_t){.kind = LEAVE, .answer.reception = reception, .id = id});
}

static void end(replicas_t *replicas, item_t item) {
    if (!replicas)
        return;
    zhashx_delete(replicas->asked_for, key_of(item.answer.reception));
    thread_ask(replicas->thread, &item);
}

void replicas_registered(replicas_t *replicas, int64_t reception) {
    end(replicas, (item_t){.kind = REGISTERED, .answer.reception = reception});
}

void replicas_let_go(replicas_t *replicas, int64_t reception) {
    end(replicas, (item_t){.kind = LET_GO, .answer.reception = reception});
}

bool replicas_receive(replicas_t *replicas, replicas_answer_t *answer) {
    item_t item;
    if (!thread_receive(replicas->thread, &item))
        return false;
    *answer = item.answer;
    answer->late = item.question.late;
    item.answer.note = NULL; /* the receiver's */
    clear(&item);
    if (answer->shared && zhashx_lookup(replicas->asked_for, key_of(answer->reception)))
        zhashx_update(replicas->asked_for, key_of(answer->reception), SHARED);
    else if (!answer->shared && answer->decision != DECISION_REGISTER)
        zhashx_delete(replicas->asked_for, key_of(answer->reception));
    return true;
}

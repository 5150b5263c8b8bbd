/* A thread of its own rather than an actor: a thread that hangs in the kernel would hold its ZeroMQ socket, and
 * with it the end of the process. */
#include "notifier/journal/storage.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/folders.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/sandbox.h"
#include "common/series_links.h"
#include "common/thread.h"
#include "notifier/journal/heard.h"
#include "notifier/journal/journal_file.h"

/* Silent storage is mentioned again after this. */
#define STORAGE_COMPLAINT_INTERVAL_MS 60000

/* A question, and later its answer. */
typedef struct item {
    TAILQ_ENTRY(item) next;
    registration_t *registration; /* to be counted */
    char *folder;                 /* owned; to be listed. Without both: a look for journals */
    int64_t reception;
    uint64_t *names; /* owned */
    size_t names_count;
    int64_t asked_ms;
    bool late;
    char *own; /* of a look */
    left_behind_t *left;
    bool taken_over;
} item_t;

TAILQ_HEAD(items, item);

struct storage {
    mode_t folder_mode;         /* of the answers that it makes */
    char *files_root, *sandbox; /* the thread's own: settings may be gone before it */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t asked;
    int answered; /* eventfd */
    /* under the lock */
    struct items questions, answers;
    bool ended;
    _Atomic int64_t begun_ms; /* of what the thread is at; 0: it has nothing to do */
    /* the thread's */
    left_walk_t walk;
    int64_t silence_ended_ms; /* 0: there was none */
    /* the loop's */
    int64_t complained_ms, complained_begun_ms; /* 0: about nothing */
};

/* --- the thread ------------------------------------------------------------------------------------------ */

static void item_destroy(item_t *item) {
    registration_destroy(&item->registration);
    left_behind_release(&item->left, false);
    free(item->folder);
    free(item->names);
    free(item->own);
    free(item);
}

static void clear(struct items *items) {
    for (item_t *item; (item = TAILQ_FIRST(items));) {
        TAILQ_REMOVE(items, item, next);
        item_destroy(item); /* NOLINT(clang-analyzer-unix.Malloc): TAILQ */
    }
}

static void allow(sandbox_t *sandbox, const char *files_root) {
    char *path = format_text("%s/" JOURNAL_FALLBACK, files_root),
         *links = format_text("%s/" SERIES_LINKS, files_root);
    /* The names in all folders: the files of a series are counted, on a volume that may be mounted anew meanwhile.
     * The files' content stays closed, except the journals of vanished hosts. */
    sandbox_allow(sandbox, "/", SANDBOX_LIST);
    sandbox_allow(sandbox, path, SANDBOX_WRITE);
    /* A link is removed when its series is not received any more. */
    sandbox_allow(sandbox, links, SANDBOX_WRITE);
    free(path);
    free(links);
}

/* What the loop's sandbox does not allow it, since the way there leads over storage. */
static void restrict_files(const storage_t *storage) {
    sandbox_t sandbox = {0};
    allow(&sandbox, storage->files_root);
    sandbox_restrict_thread(&sandbox, storage->sandbox, "the thread for storage");
    sandbox_clear(&sandbox);
}

static void note_silence(storage_t *storage) {
    int64_t now_ms = clock_ms();
    if (now_ms - atomic_load(&storage->begun_ms) >= STORAGE_SILENCE_MS)
        storage->silence_ended_ms = now_ms;
}

static void add_name(void *argument, const char *name) {
    item_t *item = argument;
    item->names = grown(item->names, item->names_count, sizeof *item->names);
    item->names[item->names_count++] = heard_name(item->folder, name);
}

/* Unreadable folders count as nothing: it is for progress only. */
static void list(const storage_t *storage, item_t *item) {
    (void)registration_list_files(storage->files_root, item->folder, add_name, item);
    if (!item->names)
        item->names = must(malloc(sizeof *item->names));
}

/* The series is not received any more: its next reception may go to another folder. */
static void remove_link(const storage_t *storage, const char *key) {
    static log_limit_t said; /* there is one such thread */
    int root = key ? open(storage->files_root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    int reason = root < 0 ? 0 : series_links_remove(root, key);
    if (reason != 0 && log_rarely(&said, NULL))
        log_warn(NULL, "can't remove " SERIES_LINKS "/%s: %s", key, strerror(reason));
    if (root >= 0)
        close(root);
}

static void work_on(storage_t *storage, item_t *item) {
    if (item->registration) {
        remove_link(storage, item->registration->link);
        registration_count_files(item->registration, storage->files_root);
    } else if (item->folder) {
        list(storage, item);
    } else {
        left_behind_release(&item->left, item->taken_over);
        item->left = left_behind_next(&storage->walk, storage->files_root, item->own);
    }
    note_silence(storage);
    item->late = storage->silence_ended_ms && storage->silence_ended_ms >= item->asked_ms;
}

/* Under the lock, but for the work. */
static void serve(storage_t *storage) {
    static const uint64_t one = 1;
    item_t *item;
    while (!storage->ended && (item = TAILQ_FIRST(&storage->questions))) {
        TAILQ_REMOVE(&storage->questions, item, next);
        atomic_store(&storage->begun_ms, clock_ms());
        pthread_mutex_unlock(&storage->lock);
        work_on(storage, item);
        pthread_mutex_lock(&storage->lock);
        TAILQ_INSERT_TAIL(&storage->answers, item, next);
        must_hold(write(storage->answered, &one, sizeof one) == sizeof one); /* it takes 2^64 - 2 of them */
    }
    atomic_store(&storage->begun_ms, 0);
}

static void *run(void *argument) {
    storage_t *storage = argument;
    folders_make_below(storage->files_root, JOURNAL_FALLBACK, storage->folder_mode);
    folders_make_below(storage->files_root, SERIES_LINKS, storage->folder_mode);
    restrict_files(storage);
    note_silence(storage);
    pthread_mutex_lock(&storage->lock);
    for (serve(storage); !storage->ended; serve(storage))
        pthread_cond_wait(&storage->asked, &storage->lock);
    pthread_mutex_unlock(&storage->lock);
    /* To close a journal is to touch storage. */
    clear(&storage->questions);
    clear(&storage->answers);
    left_behind_end_walk(&storage->walk);
    return NULL;
}

/* --- for the loop ---------------------------------------------------------------------------------------- */

static void release(storage_t *storage) {
    pthread_mutex_destroy(&storage->lock);
    pthread_cond_destroy(&storage->asked);
    if (storage->answered >= 0)
        close(storage->answered);
    free(storage->files_root);
    free(storage->sandbox);
    free(storage);
}

storage_t *storage_new(const settings_t *settings) {
    storage_t *storage = must(calloc(1, sizeof *storage));
    storage->files_root = must(strdup(settings->files_root));
    storage->folder_mode = folders_mode();
    storage->sandbox = must(strdup(settings->sandbox));
    TAILQ_INIT(&storage->questions);
    TAILQ_INIT(&storage->answers);
    pthread_mutex_init(&storage->lock, NULL);
    pthread_cond_init(&storage->asked, NULL);
    storage->answered = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    storage->begun_ms = clock_ms();
    int reason = storage->answered < 0 ? errno : pthread_create(&storage->thread, NULL, run, storage);
    if (reason != 0) {
        log_error(NULL, "can't start the thread that waits for storage: %s", strerror(reason));
        release(storage);
        return NULL;
    }
    pthread_setname_np(storage->thread, "storage");
    return storage;
}

bool storage_destroy(storage_t **self_p) {
    storage_t *storage = *self_p;
    if (!storage)
        return true;
    pthread_mutex_lock(&storage->lock);
    storage->ended = true;
    bool idle =
        atomic_load(&storage->begun_ms) == 0 && TAILQ_EMPTY(&storage->questions) && TAILQ_EMPTY(&storage->answers);
    pthread_cond_signal(&storage->asked);
    pthread_mutex_unlock(&storage->lock);
    *self_p = NULL;
    if (!thread_join(storage->thread, idle)) {
        log_warn(NULL, "storage (%s) does not answer: the thread that waits for it is left to the kernel",
                 storage->files_root);
        return false;
    }
    release(storage);
    return true;
}

int storage_descriptor(const storage_t *storage) {
    return storage->answered;
}

static void ask(storage_t *storage, const item_t *question) {
    item_t *item = must(malloc(sizeof *item));
    *item = *question;
    item->asked_ms = clock_ms();
    pthread_mutex_lock(&storage->lock);
    TAILQ_INSERT_TAIL(&storage->questions, item, next);
    pthread_cond_signal(&storage->asked);
    pthread_mutex_unlock(&storage->lock);
}

void storage_count(storage_t *storage, registration_t **registration_p) {
    ask(storage, &(item_t){.registration = *registration_p});
    *registration_p = NULL;
}

void storage_list(storage_t *storage, int64_t reception, const char *folder) {
    ask(storage, &(item_t){.reception = reception, .folder = copy_text(folder)});
}

void storage_look(storage_t *storage, const char *own, left_behind_t **before_p, bool taken_over) {
    char *copy = must(strdup(own));
    ask(storage, &(item_t){.own = copy, .left = before_p ? *before_p : NULL, .taken_over = taken_over});
    if (before_p)
        *before_p = NULL;
}

bool storage_receive(storage_t *storage, storage_answer_t *answer) {
    uint64_t count;
    pthread_mutex_lock(&storage->lock);
    item_t *item = TAILQ_FIRST(&storage->answers);
    if (item)
        TAILQ_REMOVE(&storage->answers, item, next);
    else
        (void)!read(storage->answered, &count, sizeof count); /* EAGAIN: it is 0 already */
    pthread_mutex_unlock(&storage->lock);
    if (!item)
        return false;
    *answer = (storage_answer_t){.names = item->names,
                                 .names_count = item->names_count,
                                 .reception = item->reception,
                                 .registration = item->registration,
                                 .late = item->late,
                                 .left = item->left};
    item->names = NULL;
    item->registration = NULL;
    item->left = NULL;
    item_destroy(item);
    return true;
}

/* --- silence --------------------------------------------------------------------------------------------- */

int64_t storage_silent_ms(storage_t *storage) {
    int64_t begun_ms = atomic_load(&storage->begun_ms), silent_ms = begun_ms ? clock_ms() - begun_ms : 0;
    return silent_ms >= STORAGE_SILENCE_MS ? silent_ms : 0;
}

void storage_why(int64_t silent_ms, char *text, size_t size) {
    *text = 0;
    if (silent_ms)
        snprintf(text, size, "storage has not answered for %lld s", (long long)silent_ms / 1000);
}

void storage_say(storage_t *storage, size_t registrations) {
    int64_t now_ms = clock_ms(), begun_ms = atomic_load(&storage->begun_ms);
    if (storage->complained_ms && begun_ms != storage->complained_begun_ms) {
        log_info(NULL, "storage answers again after %lld s",
                 (long long)(now_ms - storage->complained_begun_ms) / 1000);
        storage->complained_ms = 0;
    }
    if (!storage_silent_ms(storage) ||
        (storage->complained_ms && now_ms - storage->complained_ms < STORAGE_COMPLAINT_INTERVAL_MS))
        return;
    log_warn(NULL, "storage (%s) has not answered for %lld s: %zu registrations wait for it, in the journal",
             storage->files_root, (long long)(now_ms - begun_ms) / 1000, registrations);
    storage->complained_ms = now_ms;
    storage->complained_begun_ms = begun_ms;
}

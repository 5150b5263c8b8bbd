#include "notifier/journal/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/folders.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/plural.h"
#include "common/sandbox.h"
#include "common/series_links.h"
#include "common/thread.h"
#include "notifier/journal/heard.h"
#include "notifier/journal/journal_file.h"

/* Silent storage is mentioned again after this. */
#define STORAGE_COMPLAINT_INTERVAL_MS 60000

/* A question, and later its answer. */
typedef struct item {
    thread_question_t question;
    char *folder; /* owned; to be listed */
    char *own;    /* owned; of a look */
    bool taken_over;
    storage_answer_t answer; /* with the registration to be counted, or the journal to be given back */
} item_t;

struct storage {
    mode_t folder_mode;         /* of the answers that it makes */
    char *files_root, *sandbox; /* the thread's own: settings may be gone before it */
    thread_t *thread;
    /* the thread's */
    left_walk_t walk;
    struct stat links;      /* of the folder for them, as the sandbox knows it; zeros: there was none */
    atomic_bool locked_out; /* the sandbox holds on to other storage than there is now */
    /* the loop's */
    int64_t complained_ms, complained_begun_ms; /* 0: about nothing */
};

/* --- the thread ------------------------------------------------------------------------------------------ */

static void clear(void *question) {
    item_t *item = question;
    registration_destroy(&item->answer.registration);
    left_behind_release(&item->answer.left, false);
    free(item->folder);
    free(item->answer.names);
    free(item->own);
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

static void note_folder(storage_t *storage) {
    char *links = format_text("%s/" SERIES_LINKS, storage->files_root);
    storage->links = folders_known(links);
    free(links);
}

/* What the loop's sandbox does not allow it, since the way there leads over storage. */
static void restrict_files(const storage_t *storage) {
    sandbox_t sandbox = {0};
    allow(&sandbox, storage->files_root);
    sandbox_restrict_thread(&sandbox, storage->sandbox, "the thread for storage");
    sandbox_clear(&sandbox);
}

static void add_name(void *argument, const char *name) {
    item_t *item = argument;
    storage_answer_t *answer = &item->answer;
    answer->names = grown(answer->names, answer->names_count, sizeof *answer->names);
    answer->names[answer->names_count++] = heard_name(item->folder, name);
}

/* Unreadable folders count as nothing: it is for progress only. */
static void list(const storage_t *storage, item_t *item) {
    (void)registration_list_files(storage->files_root, item->folder, add_name, item);
    if (!item->answer.names)
        item->answer.names = must(malloc(sizeof *item->answer.names));
}

/* The series is not received any more: its next reception may go to another folder. */
static void remove_link(storage_t *storage, const char *key) {
    static log_limit_t said; /* there is one such thread */
    int root = key ? open(storage->files_root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    int reason = root < 0 ? 0 : series_links_remove(root, key);
    if (reason == EACCES && folders_are_kept_out(root, SERIES_LINKS, &storage->links))
        atomic_store(&storage->locked_out, true);
    else if (reason != 0 && log_rarely(&said, NULL))
        log_warn(NULL, "can't remove " SERIES_LINKS "/%s: %s", key, strerror(reason));
    if (root >= 0)
        close(root);
}

static thread_fate_t work_on(void *self, void *question) {
    storage_t *storage = self;
    item_t *item = question;
    registration_t *registration = item->answer.registration;
    if (registration) {
        remove_link(storage, registration->link);
        if (atomic_load(&storage->locked_out))
            return THREAD_FORGOTTEN; /* the next process does it, with what is in the journal */
        registration_count_files(registration, storage->files_root);
    } else if (item->folder) {
        list(storage, item);
    } else {
        left_behind_release(&item->answer.left, item->taken_over);
        item->answer.left = left_behind_next(&storage->walk, storage->files_root, item->own);
    }
    return THREAD_ANSWERED;
}

static void begin(void *self) {
    storage_t *storage = self;
    folders_make_below(storage->files_root, JOURNAL_FALLBACK, storage->folder_mode);
    folders_make_below(storage->files_root, SERIES_LINKS, storage->folder_mode);
    note_folder(storage);
    restrict_files(storage);
}

static void end(void *self) {
    left_behind_end_walk(&((storage_t *)self)->walk);
}

static const thread_work_t WORK = {
    .name = "storage", .size = sizeof(item_t), .begin = begin, .answer = work_on, .clear = clear, .end = end};

/* --- for the loop ---------------------------------------------------------------------------------------- */

static void release(storage_t *storage) {
    free(storage->files_root);
    free(storage->sandbox);
    free(storage);
}

storage_t *storage_new(const settings_t *settings) {
    storage_t *storage = must(calloc(1, sizeof *storage));
    storage->files_root = must(strdup(settings->files_root));
    storage->folder_mode = folders_mode();
    storage->sandbox = must(strdup(settings->sandbox));
    storage->thread = thread_new(&WORK, storage);
    if (storage->thread)
        return storage;
    log_error(NULL, "can't start the thread that waits for storage: %s", strerror(errno));
    release(storage);
    return NULL;
}

bool storage_destroy(storage_t **self_p) {
    storage_t *storage = *self_p;
    if (!storage)
        return true;
    *self_p = NULL;
    if (!thread_destroy(&storage->thread)) {
        log_warn(NULL, "storage (%s) does not answer: the thread that waits for it is left to the kernel",
                 storage->files_root);
        return false;
    }
    release(storage);
    return true;
}

bool storage_locked_out(const storage_t *storage) {
    return atomic_load(&storage->locked_out);
}

int storage_descriptor(const storage_t *storage) {
    return thread_descriptor(storage->thread);
}

void storage_count(storage_t *storage, registration_t **registration_p) {
    thread_ask(storage->thread, &(item_t){.answer.registration = *registration_p});
    *registration_p = NULL;
}

void storage_list(storage_t *storage, int64_t reception, const char *folder) {
    thread_ask(storage->thread, &(item_t){.folder = copy_text(folder), .answer.reception = reception});
}

void storage_look(storage_t *storage, const char *own, left_behind_t **before_p, bool taken_over) {
    item_t item = {.own = copy_text(own), .taken_over = taken_over, .answer.left = before_p ? *before_p : NULL};
    thread_ask(storage->thread, &item);
    if (before_p)
        *before_p = NULL;
}

bool storage_receive(storage_t *storage, storage_answer_t *answer) {
    item_t item;
    if (!thread_receive(storage->thread, &item))
        return false;
    *answer = item.answer;
    answer->late = item.question.late;
    free(item.folder);
    free(item.own);
    return true;
}

/* --- silence --------------------------------------------------------------------------------------------- */

int64_t storage_silent_ms(storage_t *storage) {
    int64_t begun_ms = thread_begun_ms(storage->thread), silent_ms = begun_ms ? clock_ms() - begun_ms : 0;
    return silent_ms >= STORAGE_SILENCE_MS ? silent_ms : 0;
}

void storage_why(int64_t silent_ms, char *text, size_t size) {
    *text = 0;
    if (silent_ms)
        snprintf(text, size, "storage has not answered for %lld s", (long long)silent_ms / 1000);
}

void storage_say(storage_t *storage, size_t registrations) {
    int64_t now_ms = clock_ms(), begun_ms = thread_begun_ms(storage->thread);
    if (storage->complained_ms && begun_ms != storage->complained_begun_ms) {
        log_info(NULL, "storage answers again after %lld s",
                 (long long)(now_ms - storage->complained_begun_ms) / 1000);
        storage->complained_ms = 0;
    }
    if (!storage_silent_ms(storage) ||
        (storage->complained_ms && now_ms - storage->complained_ms < STORAGE_COMPLAINT_INTERVAL_MS))
        return;
    log_warn(NULL, "storage (%s) has not answered for %lld s: %zu %s", storage->files_root,
             (long long)(now_ms - begun_ms) / 1000, registrations,
             plural(registrations, "registration waits for it, in the journal",
                    "registrations wait for it, in the journal"));
    storage->complained_ms = now_ms;
    storage->complained_begun_ms = begun_ms;
}

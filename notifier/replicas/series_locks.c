#include "notifier/replicas/series_locks.h"

#include <czmq.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/folders.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/same_file.h"
#include "notifier/replicas/byte_locks.h"
#include "notifier/replicas/notes.h"

#define LOCK_FILE REPLICAS_FOLDER "/locks"
/* Where there were no locks, they are tried for again so often; the file is looked after so often. */
#define RETRY_MS 30000
#define LOOK_MS  1000

/* A reception that shares the lock of its series. */
typedef struct share {
    int64_t reception;
    uint64_t series;
    char *own;     /* its note, if it was left before */
    notes_t notes; /* that its registration will answer */
} share_t;

typedef struct count {
    uint64_t series;
    size_t shares;
} count_t;

struct series_locks {
    char *files_root, *folder;
    mode_t folder_mode;
    struct stat known; /* the folder of the start; zeros: there was none */
    bool locked_out;
    int file; /* -1: no locks */
    char why[160];
    int64_t looked_ms;
    bool complained;
    zhashx_t *shares; /* by reception */
    zhashx_t *counts; /* by series */
};

/* --- tables ---------------------------------------------------------------------------------------------- */

static size_t hash_number(const void *key) {
    return (size_t)hash_end(*(const uint64_t *)key);
}

static int compare_numbers(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static zhashx_t *table_new(void) {
    zhashx_t *table = zhashx_new();
    zhashx_set_key_hasher(table, hash_number);
    zhashx_set_key_comparator(table, compare_numbers);
    zhashx_set_key_duplicator(table, NULL);
    zhashx_set_key_destructor(table, NULL);
    return table;
}

static share_t *add_share(series_locks_t *locks, int64_t reception, uint64_t series) {
    share_t *share = must(calloc(1, sizeof *share));
    *share = (share_t){.reception = reception, .series = series};
    must_hold(zhashx_insert(locks->shares, &share->reception, share) == 0);
    count_t *count = zhashx_lookup(locks->counts, &series);
    if (!count) {
        count = must(calloc(1, sizeof *count));
        count->series = series;
        must_hold(zhashx_insert(locks->counts, &count->series, count) == 0);
    }
    count->shares++;
    return share;
}

static share_t *find_share(const series_locks_t *locks, int64_t reception) {
    return zhashx_lookup(locks->shares, &reception);
}

/* Returns whether it was the last of its series. */
static bool remove_share(series_locks_t *locks, share_t *share) {
    count_t *count = zhashx_lookup(locks->counts, &share->series);
    bool last = --count->shares == 0;
    if (last) {
        zhashx_delete(locks->counts, &count->series);
        free(count);
    }
    zhashx_delete(locks->shares, &share->reception);
    notes_clear(&share->notes);
    free(share->own);
    free(share);
    return last;
}

/* --- the file -------------------------------------------------------------------------------------------- */

static void do_without(series_locks_t *locks, const char *what, const char *why) {
    snprintf(locks->why, sizeof locks->why, "%s: %s", what, why);
    if (locks->file >= 0)
        close(locks->file);
    locks->file = -1;
    if (!locks->complained)
        log_warn(
            NULL,
            "storage (%s) has no locks that other replicas could see (%s): a series that comes to several of "
            "them is registered by each. Where there is one replica, or all of a series comes to one, nothing is "
            "lost by that",
            locks->files_root, locks->why);
    locks->complained = true;
}

static byte_lock_t checked(series_locks_t *locks, byte_lock_t result) {
    if (result == BYTE_LOCK_FAILED)
        do_without(locks, "fcntl(2)", strerror(errno));
    return result;
}

/* In a new file, all locks are taken again. */
static void share_all(series_locks_t *locks) {
    for (count_t *count = zhashx_first(locks->counts); count && locks->file >= 0;
         count = zhashx_next(locks->counts))
        (void)checked(locks, byte_locks_share(locks->file, count->series));
}

/* A folder that was removed is made again. Returns a descriptor, or -1 with errno. */
static int open_or_make(const series_locks_t *locks, const char *path) {
    const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    int file = open(path, flags, 0644);
    if (file < 0 && errno == ENOENT && folders_make(locks->folder, locks->folder_mode))
        file = open(path, flags, 0644);
    return file;
}

/* After EACCES: whether a new process could use the folder, or make it. */
static bool keeps_out(const series_locks_t *locks) {
    if (access(locks->folder, F_OK) == 0)
        return folders_are_kept_out(AT_FDCWD, locks->folder, &locks->known);
    char *above = format_text("%s/.oxidicom", locks->files_root);
    bool could = locks->known.st_ino && faccessat(AT_FDCWD, above, W_OK | X_OK, AT_EACCESS) == 0;
    free(above);
    return could;
}

static void open_file(series_locks_t *locks) {
    char *path = format_text("%s/" LOCK_FILE, locks->files_root);
    locks->file = open_or_make(locks, path);
    int reason = errno;
    const char *option = locks->file < 0 ? NULL : byte_locks_local_option(locks->file);
    *locks->why = 0;
    locks->locked_out = locks->file < 0 && reason == EACCES && keeps_out(locks);
    if (locks->file < 0)
        do_without(locks, LOCK_FILE, strerror(reason));
    else if (option)
        do_without(locks, "it is mounted with", option);
    else
        share_all(locks);
    if (locks->file >= 0 && locks->complained)
        log_info(NULL, "storage (%s) has locks now", locks->files_root);
    locks->complained = locks->complained && locks->file < 0;
    free(path);
}

/* Other storage may be mounted meanwhile, or the file removed. */
static bool is_the_file(const series_locks_t *locks) {
    struct stat here, there;
    char *path = format_text("%s/" LOCK_FILE, locks->files_root);
    bool is = fstat(locks->file, &here) == 0 && stat(path, &there) == 0 && same_file(&here, &there);
    free(path);
    return is;
}

/* Whether there are locks. */
static bool look_after_file(series_locks_t *locks) {
    int64_t now_ms = clock_ms();
    if (now_ms < locks->looked_ms + (locks->file < 0 ? RETRY_MS : LOOK_MS))
        return locks->file >= 0;
    locks->looked_ms = now_ms;
    if (locks->file >= 0 && is_the_file(locks))
        return true;
    if (locks->file >= 0 && zhashx_size(locks->shares))
        log_warn(NULL,
                 "the file of locks in storage (%s) was removed or replaced: a series that is received now may be "
                 "registered by each replica",
                 locks->files_root);
    if (locks->file >= 0)
        close(locks->file);
    open_file(locks);
    return locks->file >= 0;
}

series_locks_t *series_locks_new(const char *files_root, mode_t folder_mode) {
    series_locks_t *locks = must(calloc(1, sizeof *locks));
    locks->files_root = copy_text(files_root);
    locks->folder = format_text("%s/" REPLICAS_FOLDER, files_root);
    locks->folder_mode = folder_mode;
    locks->known = folders_known(locks->folder);
    locks->shares = table_new();
    locks->counts = table_new();
    locks->file = -1;
    locks->looked_ms = clock_ms();
    open_file(locks);
    return locks;
}

void series_locks_destroy(series_locks_t **self_p) {
    series_locks_t *locks = *self_p;
    if (!locks)
        return;
    for (share_t *share; (share = zhashx_first(locks->shares));)
        (void)!remove_share(locks, share);
    if (locks->file >= 0)
        close(locks->file);
    zhashx_destroy(&locks->shares);
    zhashx_destroy(&locks->counts);
    free(locks->files_root);
    free(locks->folder);
    free(locks);
    *self_p = NULL;
}

const char *series_locks_why(const series_locks_t *locks) {
    return locks->why;
}

bool series_locks_locked_out(const series_locks_t *locks) {
    return locks->locked_out;
}

/* --- sharing --------------------------------------------------------------------------------------------- */

static bool is_shared(const series_locks_t *locks, uint64_t series) {
    return zhashx_lookup(locks->counts, &series) != NULL;
}

bool series_locks_share(series_locks_t *locks, int64_t reception, uint64_t series) {
    share_t *share = find_share(locks, reception);
    if (share && share->series != series) { /* the transaction of an earlier one with this number failed */
        series_locks_let_go(locks, reception);
        share = NULL;
    }
    bool there = look_after_file(locks);
    if (!share && there && !is_shared(locks, series) &&
        checked(locks, byte_locks_share(locks->file, series)) == BYTE_LOCK_BUSY)
        return false;
    if (!share)
        add_share(locks, reception, series);
    return true;
}

void series_locks_let_go(series_locks_t *locks, int64_t reception) {
    share_t *share = find_share(locks, reception);
    uint64_t series = share ? share->series : 0;
    if (share && remove_share(locks, share) && locks->file >= 0)
        (void)checked(locks, byte_locks_let_go(locks->file, series));
}

void series_locks_registered(series_locks_t *locks, int64_t reception) {
    share_t *share = find_share(locks, reception);
    if (share)
        notes_mark(&share->notes, locks->folder, share->own);
    series_locks_let_go(locks, reception);
}

/* --- who registers --------------------------------------------------------------------------------------- */

static char *make_note(const series_locks_t *locks, const series_id_t *id) {
    char *note = notes_make(locks->folder, id->sender, id->place, clock_wall_ms());
    if (!note)
        log_warn(NULL, "can't make a note for the other replicas, a series may be registered twice: %s",
                 strerror(errno));
    return note;
}

char *series_locks_leave(series_locks_t *locks, int64_t reception, const series_id_t *id) {
    char *note = look_after_file(locks) ? make_note(locks, id) : NULL;
    series_locks_let_go(locks, reception);
    return note;
}

/* Without waiting; then nobody else had it. */
static bool try(series_locks_t *locks, int64_t reception, uint64_t series) {
    if (checked(locks, byte_locks_try(locks->file, series)) == BYTE_LOCK_BUSY)
        return false;
    if (!find_share(locks, reception))
        add_share(locks, reception, series);
    return true;
}

static bool is_alone(series_locks_t *locks, int64_t reception, uint64_t series) {
    return series_locks_share(locks, reception, series) && locks->file >= 0 &&
           checked(locks, byte_locks_try(locks->file, series)) != BYTE_LOCK_BUSY;
}

/* Whether another has registered it; else `otherwise`, and it remembers which notes its registration will answer.
 */
static decision_t look_for_notes(series_locks_t *locks, int64_t reception, const series_id_t *id, const char *own,
                                 decision_t otherwise) {
    notes_t notes = {0};
    if (!notes_look(&notes, locks->folder, id->sender, id->place, own, clock_wall_ms()))
        log_warn(NULL, "can't see what other replicas have left, a series may be registered twice: %s",
                 strerror(errno));
    share_t *share = find_share(locks, reception);
    if (notes.own != NOTE_UNMARKED || !share) {
        note_mark_t mark = notes.own;
        notes_clear(&notes);
        return mark == NOTE_REGISTERED ? DECISION_REGISTERED : mark == NOTE_COVERED ? DECISION_COVERED : otherwise;
    }
    notes_clear(&share->notes);
    free(share->own);
    share->notes = notes;
    share->own = own ? copy_text(own) : NULL;
    return otherwise;
}

/* The lock is ours, or there is none. */
static decision_t take_over(series_locks_t *locks, int64_t reception, const series_id_t *id, const char *note) {
    if (locks->file < 0)
        return DECISION_REGISTER;
    decision_t decision = look_for_notes(locks, reception, id, note, DECISION_REGISTER);
    if (decision != DECISION_REGISTER)
        series_locks_let_go(locks, reception);
    return decision;
}

decision_t series_locks_decide(series_locks_t *locks, int64_t reception, const series_id_t *id, const char *note,
                               char **made) {
    char *left = NULL;
    decision_t decision = DECISION_LEFT;
    *made = NULL;
    if (!look_after_file(locks))
        return take_over(locks, reception, id, note);
    if (!note && is_alone(locks, reception, id->lock))
        return take_over(locks, reception, id, NULL);
    if (!note && locks->file >= 0)
        note = left = series_locks_leave(locks, reception, id);
    if (locks->file < 0 || try(locks, reception, id->lock))
        decision = take_over(locks, reception, id, note);
    else if (!left)
        decision = look_for_notes(locks, reception, id, note, DECISION_LEFT);
    if (decision == DECISION_LEFT) {
        series_locks_let_go(locks, reception);
        *made = left;
    } else {
        free(left);
    }
    return decision;
}

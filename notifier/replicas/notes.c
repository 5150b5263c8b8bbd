#include "notifier/replicas/notes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"

/* Sender, place, time, and a random number; then the mark. */
#define HASH_FORMAT "%016" PRIx64 "."
#define NAME_FORMAT HASH_FORMAT HASH_FORMAT "%013" PRIx64 ".%016" PRIx64
#define HASH_LENGTH (16 + 1)
#define PLACE_AT    HASH_LENGTH
#define TIME_AT     (2 * HASH_LENGTH)
#define NAME_LENGTH (TIME_AT + 13 + 1 + 16)

static const char *const MARKS[] = {
    [NOTE_UNMARKED] = "", [NOTE_REGISTERED] = ".registered", [NOTE_COVERED] = ".covered"};

/* Opening a folder by name makes NFS read it anew. -1 with errno. */
static int enter(const char *path) {
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

char *notes_make(const char *path, uint64_t sender, uint64_t place, int64_t now_ms) {
    uint64_t unique;
    must_hold(getrandom(&unique, sizeof unique, 0) == sizeof unique);
    char *name = format_text(NAME_FORMAT, sender, place, (uint64_t)now_ms, unique);
    char *note = format_text("%s/%s", path, name);
    int made = open(note, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    int reason = errno;
    free(note);
    if (made >= 0) {
        close(made);
        return name;
    }
    free(name);
    errno = reason;
    return NULL;
}

void notes_clear(notes_t *notes) {
    while (notes->count > 0)
        free(notes->names[--notes->count]);
    free(notes->names);
    *notes = (notes_t){0};
}

static bool is_too_old(const char *name, int64_t now_ms) {
    return (int64_t)strtoull(name + TIME_AT, NULL, 16) < now_ms - NOTES_KEPT_MS;
}

/* NOTE_MARKS: it is no note. */
static note_mark_t mark_of(const char *name) {
    size_t length = strlen(name);
    note_mark_t mark = length < NAME_LENGTH ? NOTE_MARKS : NOTE_UNMARKED;
    while (mark < NOTE_MARKS && strcmp(name + NAME_LENGTH, MARKS[mark]) != 0)
        mark++;
    return mark;
}

static bool has_hash(const char *name, size_t at, uint64_t hash) {
    char text[HASH_LENGTH + 1];
    snprintf(text, sizeof text, HASH_FORMAT, hash);
    return strncmp(name + at, text, HASH_LENGTH) == 0;
}

static void take(notes_t *notes, int folder, uint64_t place, const char *own, const char *name, int64_t now_ms) {
    note_mark_t mark = mark_of(name);
    if (mark == NOTE_MARKS)
        return;
    bool is_own = mark != NOTE_UNMARKED && own && strncmp(name, own, NAME_LENGTH) == 0;
    if (is_own)
        notes->own = mark;
    if (is_own || is_too_old(name, now_ms)) {
        (void)!unlinkat(folder, name, 0);
    } else if (mark == NOTE_UNMARKED && has_hash(name, PLACE_AT, place)) {
        notes->names = grown(notes->names, notes->count, sizeof *notes->names);
        notes->names[notes->count++] = copy_text(name);
    }
}

bool notes_look(notes_t *notes, const char *path, uint64_t sender, uint64_t place, const char *own,
                int64_t now_ms) {
    int folder = enter(path);
    DIR *listing = folder < 0 ? NULL : fdopendir(folder);
    if (!listing) {
        if (folder >= 0)
            close(folder);
        return false;
    }
    notes->sender = sender;
    errno = 0;
    for (struct dirent *entry; (entry = readdir(listing)); errno = 0)
        take(notes, folder, place, own, entry->d_name, now_ms);
    int reason = errno;
    closedir(listing);
    errno = reason;
    return reason == 0;
}

void notes_mark(const notes_t *notes, const char *path, const char *own) {
    int folder = notes->count ? enter(path) : -1;
    for (size_t i = 0; i < notes->count; i++) {
        const char *name = notes->names[i];
        note_mark_t mark = has_hash(name, 0, notes->sender) ? NOTE_REGISTERED : NOTE_COVERED;
        char *marked = format_text("%s%s", name, MARKS[mark]);
        bool is_own = own && strcmp(name, own) == 0;
        if ((is_own ? unlinkat(folder, name, 0) : renameat(folder, name, folder, marked)) != 0 && errno != ENOENT)
            log_warn(NULL, "can't tell another replica that its series is registered: %s", strerror(errno));
        free(marked);
    }
    if (folder >= 0)
        close(folder);
}

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

#define MARK ".registered"
/* Series, place, time, and a random number. */
#define NAME_FORMAT  "%016" PRIx64 ".%016" PRIx64 ".%013" PRIx64 ".%016" PRIx64
#define NAME_LENGTH  (16 + 1 + 16 + 1 + 13 + 1 + 16)
#define ABOUT_LENGTH (16 + 1 + 16 + 1)

/* Opening a folder by name makes NFS read it anew. -1 with errno. */
static int enter(const char *path) {
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

char *notes_make(const char *path, uint64_t series, uint64_t place, int64_t now_ms) {
    uint64_t unique;
    must_hold(getrandom(&unique, sizeof unique, 0) == sizeof unique);
    char *name = format_text(NAME_FORMAT, series, place, (uint64_t)now_ms, unique);
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
    return (int64_t)strtoull(name + ABOUT_LENGTH, NULL, 16) < now_ms - NOTES_KEPT_MS;
}

static void take(notes_t *notes, int folder, const char *about, const char *own, const char *name, int64_t now_ms) {
    size_t length = strlen(name);
    bool marked = length == NAME_LENGTH + strlen(MARK) && strcmp(name + NAME_LENGTH, MARK) == 0;
    if (length != NAME_LENGTH && !marked)
        return; /* no note */
    bool is_own = marked && own && strncmp(name, own, NAME_LENGTH) == 0;
    notes->marked |= is_own;
    if (is_own || is_too_old(name, now_ms)) {
        (void)!unlinkat(folder, name, 0);
    } else if (!marked && strncmp(name, about, ABOUT_LENGTH) == 0) {
        notes->names = grown(notes->names, notes->count, sizeof *notes->names);
        notes->names[notes->count++] = copy_text(name);
    }
}

bool notes_look(notes_t *notes, const char *path, uint64_t series, uint64_t place, const char *own,
                int64_t now_ms) {
    char about[ABOUT_LENGTH + 1];
    int folder = enter(path);
    DIR *listing = folder < 0 ? NULL : fdopendir(folder);
    if (!listing) {
        if (folder >= 0)
            close(folder);
        return false;
    }
    snprintf(about, sizeof about, "%016" PRIx64 ".%016" PRIx64 ".", series, place);
    errno = 0;
    for (struct dirent *entry; (entry = readdir(listing)); errno = 0)
        take(notes, folder, about, own, entry->d_name, now_ms);
    int reason = errno;
    closedir(listing);
    errno = reason;
    return reason == 0;
}

void notes_mark(const notes_t *notes, const char *path, const char *own) {
    int folder = notes->count ? enter(path) : -1;
    for (size_t i = 0; i < notes->count; i++) {
        const char *name = notes->names[i];
        char *mark = format_text("%s" MARK, name);
        bool is_own = own && strcmp(name, own) == 0;
        if ((is_own ? unlinkat(folder, name, 0) : renameat(folder, name, folder, mark)) != 0 && errno != ENOENT)
            log_warn(NULL, "can't tell another replica that its series is registered: %s", strerror(errno));
        free(mark);
    }
    if (folder >= 0)
        close(folder);
}

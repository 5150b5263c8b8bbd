/* Notes between replicas: small files in one folder below the files root, next to the locks. A replica that leaves
 * a series to another makes a note; the replica that registers the folder looks for notes before it counts the
 * files, and marks them once its registration is confirmed. Only a mark says that a registration has counted
 * everything that was there when the note was made: a note that is lost makes a series be registered twice, never
 * not at all. It also says who says done: the replica that registers does for its own calling AE title. For the
 * thread that may wait for storage (replicas.h). */
#ifndef NOTIFIER_REPLICAS_NOTES_H
#define NOTIFIER_REPLICAS_NOTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Older notes are removed; their makers do not find them any more. */
#define NOTES_KEPT_MS (7LL * 24 * 3600 * 1000)

/* In the folder `path`: makes a note about the place of a series, and who sends it, both as hashes. Returns its
 * name; free it. NULL with errno. */
char *notes_make(const char *path, uint64_t sender, uint64_t place, int64_t now_ms);

typedef enum note_mark {
    NOTE_UNMARKED,
    NOTE_REGISTERED, /* for the same sender */
    NOTE_COVERED,    /* for another one */
    NOTE_MARKS
} note_mark_t;

typedef struct notes {
    uint64_t sender; /* who registers */
    char **names;    /* owned; about the place, not marked */
    size_t count;
    note_mark_t own; /* on the note `own` */
} notes_t;

/* Looks for notes about a place, and for the mark on `own`, which may be NULL. A mark is removed once seen, and so
 * are old notes. `sender`: for whom the place would be registered. Begins as zeros; false with errno. */
bool notes_look(notes_t *notes, const char *path, uint64_t sender, uint64_t place, const char *own, int64_t now_ms);
/* Marks them, but removes `own`. */
void notes_mark(const notes_t *notes, const char *path, const char *own);
void notes_clear(notes_t *notes);

#endif

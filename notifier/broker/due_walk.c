#include "notifier/broker/due_walk.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/memory.h"
#include "notifier/journal/rows.h"

/* Passed over by age, and looks at the journal by folder, in one walk. */
#define PASSED_OVER_MAX 32
#define STEPS_MAX       256
/* Behind every name in UTF-8. */
#define LAST_NAME "\xF4\x8F\xBF\xBF"

static void set(char **text, char *to) {
    free(*text);
    *text = to;
}

void due_walk_begin(due_walk_t *walk) {
    walk->after = walk->passed_over = walk->steps = 0;
    walk->past = false;
    if (!walk->cursor)
        walk->cursor = copy_text("");
    set(&walk->begun, copy_text(walk->cursor));
}

static int64_t find(due_walk_t *walk, journal_t *journal, sql_t sql, value_t after) {
    int64_t reception = 0;
    char *folder = NULL;
    sqlite3_stmt *rows = journal_query(journal, sql, VALUES(after, NUMBER(clock_ms())));
    while (rows_next_folder(journal, rows, &reception, &folder))
        ;
    set(&walk->folder, folder);
    return reception;
}

static int64_t next_by_folder(due_walk_t *walk, journal_t *journal) {
    while (walk->steps++ < STEPS_MAX) {
        int64_t reception = find(walk, journal, SQL_DUE_FIND_BY_FOLDER, TEXT(walk->cursor));
        if (walk->past && (!reception || strcmp(walk->folder, walk->begun) > 0))
            return 0;
        set(&walk->cursor, copy_text(walk->folder)); /* "": to the first */
        if (reception)
            return reception;
        walk->past = true;
    }
    return 0;
}

int64_t due_walk_next(due_walk_t *walk, journal_t *journal) {
    if (walk->passed_over >= PASSED_OVER_MAX)
        return next_by_folder(walk, journal);
    return walk->after = find(walk, journal, SQL_DUE_FIND_OLDEST, NUMBER(walk->after));
}

void due_walk_pass_over(due_walk_t *walk, const char *folder) {
    if (walk->passed_over >= PASSED_OVER_MAX)
        set(&walk->cursor, format_text("%s/" LAST_NAME, folder));
    walk->passed_over++;
}

void due_walk_clear(due_walk_t *walk) {
    free(walk->folder);
    free(walk->cursor);
    free(walk->begun);
    *walk = (due_walk_t){0};
}

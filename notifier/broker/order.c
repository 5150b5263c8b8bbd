#include "notifier/broker/order.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/series_key.h"

/* CUBE makes it before it takes anything. */
/* In place of the time from which on CUBE knows a folder: CUBE is asked. */
#define ONCE_CUBE_SAYS INT64_MAX

/* The end of the next folder above a series' folder, after `at`; NULL: there is none. */
static const char *next_end(const char *folder, const char *at) {
    if (at)
        return strchr(at + 1, '/');
    const char *below = series_key_below_pacs(folder);
    return below ? strchr(below, '/') : NULL;
}

static char *up_to(const char *folder, const char *end) {
    return must(strndup(folder, (size_t)(end - folder)));
}

order_t order_new_folder(journal_t *journal, const char *folder, char **new_folder) {
    int64_t now = journal_now();
    for (const char *end = NULL; (end = next_end(folder, end));) {
        *new_folder = up_to(folder, end);
        int64_t since = journal_number(journal, SQL_KNOWN_FIND, VALUES(TEXT(*new_folder)), -1);
        if (since < 0)
            return ORDER_NEW;
        /* Further in the future where the clock was set back; nobody should wait for that. */
        if (since > now && since <= now + ORDER_PAUSE_MS)
            return ORDER_FRESH;
        if (since == ONCE_CUBE_SAYS)
            return ORDER_ASKED;
        free(*new_folder);
    }
    *new_folder = NULL;
    return ORDER_KNOWN;
}

void order_learn(journal_t *journal, const char *folder, bool asked) {
    int64_t now = journal_now();
    for (const char *end = NULL; (end = next_end(folder, end));) {
        char *part = up_to(folder, end);
        journal_run(journal, SQL_KNOWN_LEARN,
                    VALUES(TEXT(part), NUMBER(asked ? ONCE_CUBE_SAYS : now + ORDER_PAUSE_MS), NUMBER(now)));
        free(part);
    }
}

void order_release(journal_t *journal, const char *folder) {
    for (const char *end = NULL; (end = next_end(folder, end));) {
        char *part = up_to(folder, end);
        journal_run(journal, SQL_KNOWN_RELEASE, VALUES(TEXT(part), NUMBER(journal_now())));
        free(part);
    }
}

void order_forget(journal_t *journal, const char *folder) {
    for (const char *end = NULL; (end = next_end(folder, end));) {
        char *part = up_to(folder, end);
        journal_run(journal, SQL_KNOWN_FORGET, VALUES(TEXT(part)));
        free(part);
    }
}

void order_release_all(journal_t *journal, int64_t until) {
    journal_run(journal, SQL_KNOWN_RELEASE_ALL, VALUES(NUMBER(journal_now() + ORDER_PAUSE_MS), NUMBER(until)));
}

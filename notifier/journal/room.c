#include "notifier/journal/room.h"

#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "common/log.h"
#include "common/memory.h"

/* Empty pages that the file keeps for later rows, and how many go at once. */
#define PAGES_KEPT    1024
#define PAGES_AT_ONCE "256"
/* Where the file system is short of room, so much inside the file is enough to go on. */
#define SPARE_BYTES ((int64_t)1 << 20)
/* Of OXIDICOM_JOURNAL_SIZE: in eighths, from where on things are forgotten before their time. */
#define SCARCE_EIGHTHS 7

/* Of the journal's file system; INT64_MAX where that can't be told. */
static int64_t free_bytes(const journal_t *journal) {
    struct statvfs s;
    char *folder = copy_text(journal->path), *slash = strrchr(folder, '/');
    if (slash)
        *slash = 0;
    bool told = statvfs(slash ? folder : ".", &s) == 0;
    free(folder);
    return told ? (int64_t)(s.f_bavail * s.f_frsize) : INT64_MAX;
}

static room_t room_in_file(const journal_t *journal, int64_t used) {
    int64_t most = journal->max_bytes;
    if (most == 0 || used < most / 8 * SCARCE_EIGHTHS)
        return ROOM_AMPLE;
    return used < most ? ROOM_SCARCE : ROOM_NONE;
}

static room_t room_on_disk(int64_t least, int64_t left, int64_t spare) {
    if (least == 0 || left >= 2 * least || spare >= 4 * SPARE_BYTES)
        return ROOM_AMPLE;
    return left >= least || spare >= SPARE_BYTES ? ROOM_SCARCE : ROOM_NONE;
}

/* `margin`: in sixteenths of the settings. */
static room_t measure(const journal_t *journal, int64_t used, int64_t spare, int64_t margin) {
    int64_t least = journal->min_free_bytes, left = least ? free_bytes(journal) : 0;
    room_t in_file = room_in_file(journal, used + journal->max_bytes / 16 * margin),
           on_disk = room_on_disk(least, left - least / 16 * margin, spare - SPARE_BYTES / 16 * margin);
    return in_file > on_disk ? in_file : on_disk;
}

static void say(const journal_t *journal, room_t room) {
    if (room == ROOM_NONE)
        log_error(NULL,
                  "the journal has no room (OXIDICOM_JOURNAL_SIZE, OXIDICOM_JOURNAL_MIN_FREE): new series are not "
                  "opened, their objects are answered A700");
    else if (journal->room == ROOM_NONE)
        log_info(NULL, "the journal has room again");
    else if (room == ROOM_SCARCE)
        log_warn(NULL, "the journal is short of room: what is finished is forgotten before OXIDICOM_JOURNAL_KEEP");
}

void room_look(journal_t *journal) {
    int64_t pages = journal_number(journal, SQL_PAGE_COUNT, NULL, 0, 0),
            spare = journal_number(journal, SQL_PAGES_FREE, NULL, 0, 0);
    if (journal->broken)
        return;
    int64_t used = (pages - spare) * journal->page_bytes, inside = spare * journal->page_bytes;
    room_t room = measure(journal, used, inside, 0);
    if (room < journal->room) { /* only with a margin, or it would change all the time */
        room_t with_margin = measure(journal, used, inside, 1);
        room = with_margin < journal->room ? with_margin : journal->room;
    }
    if (room != journal->room)
        say(journal, room);
    journal->room = room;
}

void room_give_back(journal_t *journal) {
    if (journal_number(journal, SQL_PAGES_FREE, NULL, 0, 0) <= PAGES_KEPT || journal_commit(journal) != 0)
        return;
    sqlite3_exec(journal->db, "PRAGMA incremental_vacuum(" PAGES_AT_ONCE ")", NULL, NULL, NULL);
}

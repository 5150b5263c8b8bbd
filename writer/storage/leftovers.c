#include "writer/storage/leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/series_links.h"
#include "writer/storage/home.h"
#include "writer/storage/temporary.h"

typedef struct sweep {
    const sweeper_t *sweeper;
    bool own_host;
    bool is_dead; /* the run that is swept, for certain */
    size_t removed;
    int root; /* of links alone */
} sweep_t;

/* Of an entry; false: no more of them. */
typedef bool visit_t(sweep_t *sweep, int folder, const char *name);

static bool is_full(const sweep_t *sweep) {
    return sweep->removed >= LEFTOVERS_AT_ONCE;
}

/* Calls `each` for the entries of a folder, which stays open. */
static void for_each(int folder, sweep_t *sweep, visit_t *each) {
    int own = open_beneath(folder, ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *list = own < 0 ? NULL : fdopendir(own);
    if (!list) {
        log_warn(NULL, "can't look for what dead writers have left: %s", strerror(errno));
        if (own >= 0)
            close(own);
        return;
    }
    for (struct dirent *entry; (entry = readdir(list));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            !each(sweep, folder, entry->d_name))
            break;
    closedir(list);
}

/* The same for a folder in another, if it is there. */
static void sweep_folder(sweep_t *sweep, int parent, const char *name, visit_t *each) {
    int folder = open_beneath(parent, name, O_RDONLY | O_DIRECTORY, 0);
    if (folder < 0)
        return;
    for_each(folder, sweep, each);
    close(folder);
}

/* --- one run ----------------------------------------------------------------------------------------- */

static bool was_touched_within(int folder, const char *name, time_t seconds) {
    struct stat s;
    if (fstatat(folder, name, &s, AT_SYMLINK_NOFOLLOW) != 0)
        return errno != ENOENT;
    return time(NULL) - s.st_mtime < seconds;
}

static bool was_touched(int folder, const char *name) {
    return was_touched_within(folder, name, LEFTOVER_UNTOUCHED_S);
}

static bool remove_file(sweep_t *sweep, int folder, const char *name) {
    if (!sweep->is_dead && was_touched(folder, name))
        return true;
    if (unlinkat(folder, name, 0) == 0)
        sweep->removed++;
    else if (errno != ENOENT)
        log_warn(NULL, "can't remove the temporary file %s of a dead writer: %s", name, strerror(errno));
    return !is_full(sweep);
}

/* A file, or one of the folders that a run's files are spread over. */
static bool remove_entry(sweep_t *sweep, int run, const char *name) {
    if (!is_spread_name(name))
        return remove_file(sweep, run, name);
    bool goes = sweep->is_dead || !was_touched(run, name);
    sweep_folder(sweep, run, name, remove_file);
    if (goes)
        (void)unlinkat(run, name, AT_REMOVEDIR); /* if it is empty */
    return !is_full(sweep);
}

/* Goes through one run's folder while it holds its lock, so that nobody becomes its owner meanwhile. */
static bool sweep_run(sweep_t *sweep, int writer, const char *name) {
    if (!is_run_name(name) || (sweep->own_host && strcmp(name, sweep->sweeper->run) == 0))
        return true;
    int folder = open_beneath(writer, name, O_RDONLY | O_DIRECTORY, 0);
    if (folder < 0)
        return true;
    bool locked = flock(folder, LOCK_EX | LOCK_NB) == 0;
    if (!locked && errno == EWOULDBLOCK) {
        close(folder);
        return true;
    }
    sweep->is_dead = locked && sweep->own_host;
    /* A folder that was made a moment ago has no files yet. */
    bool goes = sweep->is_dead || !was_touched(folder, ".");
    for_each(folder, sweep, remove_entry);
    if (goes) /* if it is empty */
        (void)unlinkat(writer, name, AT_REMOVEDIR);
    close(folder);
    return !is_full(sweep);
}

/* --- writers and hosts ------------------------------------------------------------------------------- */

static bool sweep_writer(sweep_t *sweep, int host, const char *name) {
    sweep_folder(sweep, host, name, sweep_run);
    (void)unlinkat(host, name, AT_REMOVEDIR); /* goes only if it is empty */
    return !is_full(sweep);
}

static bool sweep_host(sweep_t *sweep, int hosts, const char *name) {
    sweep->own_host = strcmp(name, sweep->sweeper->host) == 0;
    sweep_folder(sweep, hosts, name, sweep_writer);
    (void)unlinkat(hosts, name, AT_REMOVEDIR); /* pods have a new name each time */
    return !is_full(sweep);
}

size_t leftovers_sweep(int root, const sweeper_t *sweeper) {
    sweep_t sweep = {.sweeper = sweeper};
    sweep_folder(&sweep, root, TEMPORARY_FOLDERS, sweep_host);
    return sweep.removed;
}

/* --- links of series ----------------------------------------------------------------------------------- */

static bool leads_to_fresh(int root, int links, const char *key) {
    char target[PATH_MAX];
    int folder = home_read_link(links, key, target) == 0 ? open_beneath(root, target, O_PATH | O_DIRECTORY, 0) : -1;
    bool fresh = folder >= 0 && was_touched_within(folder, ".", LINK_UNTOUCHED_S);
    if (folder >= 0)
        close(folder);
    return fresh;
}

static bool sweep_link(sweep_t *sweep, int links, const char *key) {
    if (was_touched_within(links, key, LINK_UNTOUCHED_S) || leads_to_fresh(sweep->root, links, key))
        return true;
    if (unlinkat(links, key, 0) == 0)
        sweep->removed++;
    else if (errno != ENOENT)
        log_warn(NULL, "can't remove " SERIES_LINKS "/%s, which is not used any more: %s", key, strerror(errno));
    return !is_full(sweep);
}

size_t leftovers_sweep_links(int root) {
    sweep_t sweep = {.root = root};
    sweep_folder(&sweep, root, SERIES_LINKS, sweep_link);
    return sweep.removed;
}

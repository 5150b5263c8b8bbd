#include "writer/storage/home.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/open_beneath.h"
#include "common/portability.h"
#include "common/series_links.h"
#include "writer/dicom/path.h"
#include "writer/storage/calls.h"
#include "writer/storage/claims.h"

/* Links may come and go while they are looked at. */
#define HOME_TRIES 8
/* Folders below the PACS' own: patient, study and series. */
#define HOME_LEVELS 3

struct home {
    char *pacs_name, *series_uid, *key, *above; /* above: "SERVICES/PACS/NAME/" */
    size_t users;                               /* the loop's, like the next one */
    bool has_differed;
    pthread_mutex_t lock; /* held while storage is asked */
    char *folder;         /* set once under the lock; NULL: not known yet */
};

/* The question of one thread. */
typedef struct search {
    const home_t *home;
    const base_t *base;
    int links;
    bool durable;
    const char *wanted;
} search_t;

int (*home_symlinkat)(const char *target, int folder, const char *name) = symlinkat;

/* --- life ---------------------------------------------------------------------------------------------- */

home_t *home_new(const char *pacs_name, const char *series_uid) {
    home_t *self = must(calloc(1, sizeof *self));
    self->pacs_name = copy_text(pacs_name);
    self->series_uid = copy_text(series_uid);
    self->key = series_key(pacs_name, series_uid);
    self->above = format_text(SERVICES_PACS "/%s/", pacs_name);
    self->users = 1;
    pthread_mutex_init(&self->lock, NULL);
    return self;
}

home_t *home_share(home_t *self) {
    self->users++;
    return self;
}

void home_release(home_t **self_p) {
    home_t *self = *self_p;
    *self_p = NULL;
    if (!self || --self->users > 0)
        return;
    pthread_mutex_destroy(&self->lock);
    free(self->pacs_name);
    free(self->series_uid);
    free(self->key);
    free(self->above);
    free(self->folder);
    free(self);
}

bool home_is_of(const home_t *self, const char *pacs_name, const char *series_uid) {
    return strcmp(self->series_uid, series_uid) == 0 && strcmp(self->pacs_name, pacs_name) == 0;
}

const char *home_folder(const home_t *self) {
    return self->folder;
}

bool home_differs_first(home_t *self) {
    bool is_first = !self->has_differed;
    self->has_differed = true;
    return is_first;
}

/* --- what a link says ------------------------------------------------------------------------------------ */

/* Others may write to storage, too, and make links. */
static bool can_be(const home_t *home, const char *target) {
    size_t size = strlen(home->above);
    if (strncmp(target, home->above, size) != 0 || !path_folder_may_be_of(target, home->series_uid))
        return false;
    target += size;
    for (int level = 1; level <= HOME_LEVELS; level++) {
        size = path_component_size(target);
        if (size == 0 || target[size] != (level < HOME_LEVELS ? '/' : 0))
            return false;
        target += size + 1;
    }
    return true;
}

/* Reads a regular file that stands for a link. */
static int read_file(int links, const char *key, char target[PATH_MAX]) {
    struct stat s;
    int file = open_beneath(links, key, O_RDONLY | O_NONBLOCK, 0);
    if (file < 0)
        return errno;
    ssize_t size = fstat(file, &s) == 0 && S_ISREG(s.st_mode) ? read(file, target, PATH_MAX - 1) : 0;
    int reason = size < 0 ? errno : 0;
    target[size < 0 ? 0 : size] = 0;
    close(file);
    return reason;
}

int home_read_link(int links, const char *key, char target[PATH_MAX]) {
    ssize_t size = readlinkat(links, key, target, PATH_MAX - 1);
    target[size < 0 ? 0 : size] = 0;
    if (size < 0)
        return errno == EINVAL ? read_file(links, key, target) : errno;
    return 0;
}

/* --- making one ------------------------------------------------------------------------------------------ */

/* Storage has no such call, or not for a target of this length. */
static bool is_lacking(int reason) {
    return reason == EPERM || reason == EOPNOTSUPP || reason == ENOSYS || reason == EINVAL ||
           reason == ENAMETOOLONG || reason == EMLINK;
}

/* Below the run's folder for temporary files, where no other process makes one. */
static void temporary_link_name(char name[32]) {
    static atomic_ullong made;
    snprintf(name, 32, "link-%llu", (unsigned long long)atomic_fetch_add(&made, 1));
}

static int write_file(const search_t *search, const char *name) {
    int file = open_beneath(search->base->temporary, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (file < 0)
        return errno;
    ssize_t size = (ssize_t)strlen(search->wanted), written = write(file, search->wanted, (size_t)size);
    int reason = written < 0 ? errno : written < size ? ENOSPC : 0;
    if (reason == 0 && search->durable && calls_force(file) != 0)
        reason = errno;
    if (close(file) != 0 && reason == 0)
        reason = errno;
    return reason;
}

/* Gives the file its name unless that is taken. A reader finds all of it. */
static int place_file(const search_t *search, const char *name) {
    const home_t *home = search->home;
    if (linkat(search->base->temporary, name, search->links, home->key, 0) == 0)
        return 0;
    if (!is_lacking(errno))
        return errno;
    return renameat2(search->base->temporary, name, search->links, home->key, RENAME_NOREPLACE) == 0 ? 0 : errno;
}

static void remove_temporary(const search_t *search, const char *name) {
    if (unlinkat(search->base->temporary, name, 0) != 0 && errno != ENOENT)
        log_debug(NULL, "the temporary file %s stays: %s", name, strerror(errno));
}

/* A sandbox allows links in the folder that was there at the start. */
static bool is_link_lacking(int reason) {
    return is_lacking(reason) || reason == EACCES;
}

/* EEXIST: there is one. */
static int make_link(const search_t *search) {
    char name[32];
    if (home_symlinkat(search->wanted, search->links, search->home->key) == 0)
        return 0;
    if (!is_link_lacking(errno))
        return errno;
    temporary_link_name(name);
    int reason = write_file(search, name);
    if (reason == 0)
        reason = place_file(search, name);
    remove_temporary(search, name);
    return reason;
}

/* Puts a good one over a bad one, at once, so that nobody finds none and takes another folder. */
static int replace_link(const search_t *search) {
    char name[32];
    temporary_link_name(name);
    int reason = home_symlinkat(search->wanted, search->base->temporary, name) == 0 ? 0 : errno;
    if (is_link_lacking(reason))
        reason = write_file(search, name);
    if (reason == 0 && renameat(search->base->temporary, name, search->links, search->home->key) != 0)
        reason = errno;
    remove_temporary(search, name);
    return reason;
}

/* After a power loss, the next file must go to the same folder. NFS has the link durable with the answer. */
static int force_links(const search_t *search) {
    if (!search->durable || search->base->is_nfs)
        return 0;
    int folder = open_beneath(search->links, ".", O_RDONLY | O_DIRECTORY, 0);
    int reason = folder >= 0 && fsync(folder) == 0 ? 0 : errno;
    if (folder >= 0)
        close(folder);
    return reason;
}

/* --- finding it ------------------------------------------------------------------------------------------ */

/* One try. `target` is empty where the link has gone meanwhile, or was bad and is replaced. */
static int try_once(const search_t *search, char target[PATH_MAX]) {
    *target = 0;
    int reason = make_link(search);
    if (reason == 0) {
        snprintf(target, PATH_MAX, "%s", search->wanted);
        return force_links(search);
    }
    if (reason == EEXIST)
        reason = home_read_link(search->links, search->home->key, target);
    if (reason != 0)
        return reason == ENOENT ? 0 : reason;
    if (can_be(search->home, target))
        return 0;
    *target = 0;
    log_warn(NULL, "the link of series %s names no folder of its own and is replaced", search->home->series_uid);
    return replace_link(search);
}

static int find(home_t *self, const search_t *search) {
    char target[PATH_MAX];
    for (int try = 0; try < HOME_TRIES; try++) {
        int reason = try_once(search, target);
        if (reason != 0)
            return reason;
        if (*target) {
            self->folder = copy_text(target);
            return 0;
        }
    }
    return EBUSY;
}

/* Somebody else's hand is in it, or storage can't do it: reception goes on. */
static bool is_hopeless(int reason) {
    return is_lacking(reason) || reason == EACCES || reason == ELOOP || reason == ENOTDIR || reason == EISDIR ||
           reason == ENOTEMPTY || reason == EEXIST || reason == EXDEV || reason == EBUSY;
}

static int ask(home_t *self, bases_t *bases, base_t *base, bool durable, const char *wanted) {
    int links = series_links_open(base->root), reason = links < 0 ? errno : 0;
    /* Two series of one hash wanted the same folder. */
    char *own = claims_folder(bases, base, wanted, self->series_uid);
    search_t search = {self, base, links, durable, own};
    if (reason == 0)
        reason = find(self, &search);
    if (links >= 0)
        close(links);
    if (!is_hopeless(reason)) {
        free(own);
        return reason;
    }
    log_warn(NULL, "the files of series %s go to the folders of their own tags: no link can be made: %s",
             self->series_uid, strerror(reason));
    self->folder = own;
    return 0;
}

int home_find(home_t *self, bases_t *bases, bool durable, const char *wanted) {
    int reason = 0;
    pthread_mutex_lock(&self->lock);
    if (!self->folder) {
        base_t *base = bases_borrow(bases);
        reason = base ? ask(self, bases, base, durable, wanted) : ENOENT;
        bases_give_back(bases, &base);
    }
    pthread_mutex_unlock(&self->lock);
    return reason;
}

#include "tests/writer/storage/storage.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "tests/support/process.h"
#include "writer/storage/root.h"

char *root;

void storage_init(void) {
    log_start("test", "off", NULL);
    umask(022);
    root = temporary_folder("store");
}

void storage_fini(void) {
    remove_folder(root);
    free(root);
}

int files_below(const char *path) {
    int count = 0;
    DIR *list = opendir(path);
    for (struct dirent *entry; list && (entry = readdir(list));) {
        if (entry->d_name[0] == '.' && (!entry->d_name[1] || entry->d_name[1] == '.'))
            continue;
        char *below = text_of("%s/%s", path, entry->d_name);
        count += entry->d_type == DT_DIR ? files_below(below) : entry->d_type != DT_LNK;
        free(below);
    }
    if (list)
        closedir(list);
    return count;
}

void expect_content(const char *path, const char *wanted) {
    char *whole = text_of("%s/%s", root, path), content[256] = "";
    FILE *file = fopen(whole, "r");
    cr_assert_not_null(file, "%s", whole);
    size_t size = fread(content, 1, sizeof content - 1, file);
    cr_expect_eq(size, strlen(wanted));
    cr_expect_str_eq(content, wanted);
    fclose(file);
    free(whole);
}

int append_text(store_t *store, store_file_t *file, const char *text) {
    struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
    return store_append(store, file, &part, 1);
}

int put(store_t *store, const char *folder, const char *name, const char *text) {
    store_file_t file;
    int reason = store_begin(store, &file);
    if (reason == 0)
        reason = append_text(store, &file, text);
    if (reason == 0)
        reason = store_commit(store, &file, folder, name);
    store_close(&file);
    return reason;
}

void mount_root(const char *options) {
    static bool own_mounts;
    if (!own_mounts && (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0))
        cr_skip("a file system of its own needs root");
    own_mounts = true;
    cr_assert_eq(mount("none", root, "tmpfs", 0, options), 0);
}

void unmount_root(void) {
    cr_assert_eq(umount2(root, MNT_DETACH), 0);
}

static int nfs_fstatfs(int folder, struct statfs *what) {
    int result = fstatfs(folder, what);
    what->f_type = NFS_SUPER_MAGIC;
    return result;
}

void pretend_nfs(void) {
    root_fstatfs = nfs_fstatfs;
}

static struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool shut;
    int inside, passed;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

void gate_set(bool shut) {
    pthread_mutex_lock(&gate.lock);
    gate.shut = shut;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static void gate_pass(void) {
    pthread_mutex_lock(&gate.lock);
    gate.inside++;
    pthread_cond_broadcast(&gate.changed);
    while (gate.shut)
        pthread_cond_wait(&gate.changed, &gate.lock);
    gate.inside--;
    gate.passed++;
    pthread_mutex_unlock(&gate.lock);
}

void gate_await(int count) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    int reason = 0;
    pthread_mutex_lock(&gate.lock);
    while (gate.inside < count && reason == 0)
        reason = pthread_cond_timedwait(&gate.changed, &gate.lock, &until);
    int inside = gate.inside;
    pthread_mutex_unlock(&gate.lock);
    cr_assert_eq(inside, count, "%d calls of storage are under way", inside);
}

int gate_passed(void) {
    pthread_mutex_lock(&gate.lock);
    int passed = gate.passed;
    pthread_mutex_unlock(&gate.lock);
    return passed;
}

int gated_fsync(int descriptor) {
    gate_pass();
    return fsync(descriptor);
}

int gated_close(int descriptor) {
    gate_pass();
    return close(descriptor);
}

ssize_t gated_writev(int descriptor, const struct iovec *parts, int count) {
    gate_pass();
    return writev(descriptor, parts, count);
}

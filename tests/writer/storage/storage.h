/* What the suites about the store share: a root of the test's own, files in it, a file system of its own over it.
 */
#ifndef TESTS_WRITER_STORAGE_STORAGE_H
#define TESTS_WRITER_STORAGE_STORAGE_H

#include "writer/storage/store.h"

#define RUN 0x1234ABCDu

/* The root: made by storage_init, removed by storage_fini. */
extern char *root;
void storage_init(void);
void storage_fini(void);

/* How many files lie below `path`; folders and symbolic links do not count. */
int files_below(const char *path);
void expect_content(const char *path, const char *wanted);
int append_text(store_t *store, store_file_t *file, const char *text);
/* A whole file through the store. Returns 0 or an errno value. */
int put(store_t *store, const char *folder, const char *name, const char *text);

/* Puts a new tmpfs over the root, seen by this process alone; skips the test where that is not permitted. */
void mount_root(const char *options);
/* Takes it away even while it is used. */
void unmount_root(void);

/* The store takes files opened from now on for NFS. */
void pretend_nfs(void);

/* --- storage that waits --- */

/* For store_calls: these wait at the gate while it is shut. */
int gated_fsync(int descriptor);
int gated_close(int descriptor);
ssize_t gated_writev(int descriptor, const struct iovec *parts, int count);
void gate_set(bool shut);
/* Waits until so many calls are at the gate together. */
void gate_await(int count);
int gate_passed(void);

#endif

/* The files root: everything of the store is opened relative to it. Opens it, and knows whether the path still
 * names the open folder, and how much room there is. */
#ifndef WRITER_STORAGE_ROOT_H
#define WRITER_STORAGE_ROOT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/vfs.h>

typedef struct root {
    char *path;              /* owned */
    atomic_bool locked_out;  /* this process may not use the folder that the path names now */
    bool was_mount;          /* it has been a mount point while this process lived */
    uint64_t min_free_bytes; /* 0: any room will do */
    pthread_mutex_t lock;    /* of the three below */
    int64_t looked_ms;       /* when the file system was asked for its room; -1: it must be */
    uint64_t allowance;      /* bytes that may be written before it is asked again */
    uint64_t room;           /* free above min_free_bytes then, less the bytes written since */
} root_t;

/* The identity of an open folder while it is open. */
typedef struct root_place {
    uint64_t inode, mount;
    uint32_t device_major, device_minor;
} root_place_t;

/* Free with root_clear. */
void root_init(root_t *root, const char *path);
void root_clear(root_t *root);

/* Opens it; not by two threads at once. Puts the descriptor, the caller's, into `folder`, and into `place` what
 * that is. Returns 0 or an errno value; ENODEV: it was a mount point and is none now: the path leads to the
 * folder below the storage. ESTALE with locked_out set: another folder or volume is there than when
 * the process was given its sandbox, so that only a new process can use it. */
int root_open(root_t *root, int *folder, root_place_t *place) __attribute__((warn_unused_result));

/* Whether the path still names the open folder: not after a volume was unmounted, mounted again or replaced. One
 * system call. */
bool root_is_current(const root_t *root, const root_place_t *place);

/* Whether `folder` lies on NFS, of any version: each call is a round trip or more to a server then, and a server
 * answers a change of a folder only when it is durable (RFC 1813 4.7), so that fsync(2) of a folder has nothing to
 * do. */
bool root_is_nfs(int folder);

/* Whether min_free_bytes are left where `folder` lies, `size` bytes being written now. Asks the file system at most
 * once a second and each time that a share of the room has been written: it is a call to the server for a network
 * file system. `unfinished`: of the sender, with these bytes. More than SENDER_LITTLE_BYTES,
 * and more than is left then, half of the room, is too much. Returns 0, ENOSPC or EFBIG. */
int root_room(root_t *root, int folder, uint64_t size, uint64_t unfinished) __attribute__((warn_unused_result));

/* fstatfs(2). Replaced by tests, which have no NFS. */
extern int (*root_fstatfs)(int folder, struct statfs *what);

#endif

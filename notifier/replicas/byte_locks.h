/* Locks on single bytes of one file, as all replicas on one storage see them: fcntl(2)'s of the open file
 * description (F_OFD_SETLK). The kernel, or the file server after its lease, frees the locks of a dead process. For
 * the thread that may wait for storage (replicas.h). */
#ifndef NOTIFIER_REPLICAS_BYTE_LOCKS_H
#define NOTIFIER_REPLICAS_BYTE_LOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes are numbered below this: what a file's offset can be on every file system. */
#define BYTE_LOCKS_MAX (UINT64_C(1) << 62)

typedef enum byte_lock {
    BYTE_LOCK_DONE,
    BYTE_LOCK_BUSY,   /* another replica holds it */
    BYTE_LOCK_FAILED, /* errno says why */
} byte_lock_t;

/* Others may hold it, too. */
byte_lock_t byte_locks_share(int file, uint64_t byte);
/* Without waiting; DONE: no other replica held it, and now we share it. BUSY: if we shared it, we still do. By
 * setting locks alone: asking for one (F_OFD_GETLK) finds no lock of others on NFS 3. */
byte_lock_t byte_locks_try(int file, uint64_t byte);
byte_lock_t byte_locks_let_go(int file, uint64_t byte);

/* The mount option that keeps the open file's locks to this host; NULL: none is known. Valid
 * as long as the program runs. */
const char *byte_locks_local_option(int file);
/* The same, of a mount's options as /proc/self/mountinfo has them. */
const char *byte_locks_local_in(const char *options);

#endif

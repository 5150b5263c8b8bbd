/* Preloaded into stages by tests: counts, fails, delays and records their calls, and kills them at chosen points.
 *
 * OXIDICOM_TEST_CALLS=FILE: a line for each fsync and fdatasync, with the path of the file.
 *
 * OXIDICOM_TEST_RECORD=FILE: every change of files and folders below FILE's own folder, with the bytes, and every
 * promise of the ring, in order (record.c has the format).
 *
 * OXIDICOM_TEST_FAULTS=FILE: rules, one a line; the file may appear, change and vanish while the stages run. A
 * new rule begins to count anew.
 *
 *     STAGE CALL ACTION [after=N] [count=N] [path=TEXT] [from=STAGE]
 *
 *   STAGE    listener, writer, notifier, or tool: the operator's
 *   CALL     open, create (an exclusive open), write, fsync, rename, mkdir, unlink, truncate, stat (every look
 *            at a name, opendir, too) or connect (to a Unix socket), by any function of the C library;
 *            any: each of these; or send/MESSAGE, take/MESSAGE for a message of the ring (ring.proto)
 *   ACTION   the name of an error (ENOSPC, EIO …): the call fails with it;
 *            lost=ERROR: an open is done, and fails with that error all the same;
 *            short: a write takes half of its bytes;
 *            stall=MS: the call waits first;
 *            hang: it waits first, as long as the rule is there; FILE.hangs tells that somebody does;
 *            kill-before, kill-after: the stage dies by SIGKILL, once for each rule, however many processes
 *            see the rule; FILE.dead-LINE appears right before that. A message that is taken is "before" its
 *            handler runs or "after" it.
 *   after=N  lets the first N calls pass
 *   count=N  acts at most N times, by process
 *   path=    only files with this text in their path; standard output and error never count
 *   from=    only messages of this stage (Alive says whose it is) */
#ifndef PRELOAD_PRELOAD_H
#define PRELOAD_PRELOAD_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The function of that name behind this library. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

typedef struct rule {
    int line;
    char stage[32], call[40], action[24], path[96], from[16];
    long after, count, seen, acted;
} rule_t;

/* Looks for a rule and does its part before the call: waits, kills. False: the call fails, errno is set. `rule` is
 * for fault_end and is NULL if none acts. `path` and `from` may be NULL. */
bool fault_begin(const char *call, const char *path, const char *from, const rule_t **rule);
/* The same for a call on an open file. */
bool fault_begin_at(const char *call, int fd, const rule_t **rule);
/* The part after it. */
void fault_end(const rule_t *rule);
/* Whether the answer to the call is lost; errno is set then. */
bool fault_loses(const rule_t *rule);
/* How much of `size` a write takes. */
size_t fault_size(const rule_t *rule, size_t size);

/* Changes, recorded after they have happened. Each looks for itself whether it is to be recorded. */
void record_write(int fd, int64_t offset, const void *bytes, size_t size);
void record_truncate(int fd, int64_t size);
/* Where the record is now: what stands before it is covered by a sync that begins now. */
int64_t record_position(void);
void record_sync(int fd, int64_t began_at);
void record_entry(const char *what, int folder, const char *path);
void record_rename(int from_folder, const char *from, int to_folder, const char *to);
void record_promise(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool record_wanted(void);

#endif

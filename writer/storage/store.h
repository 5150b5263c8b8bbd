/* Files below the files root: temporary ones while an object comes in, complete and durable ones under their final
 * name afterwards. Everything is opened relative to the root and nothing can lead out of it. Several threads may
 * work on files of their own at once; no lock is held while storage is waited for. */
#ifndef WRITER_STORAGE_STORE_H
#define WRITER_STORAGE_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "common/log.h"
#include "writer/storage/calls.h"
#include "writer/storage/home.h"
#include "writer/storage/senders.h"

/* A file's pages go to storage after so many bytes, so that the fsync at its end does not take as long as the file
 * took to come. */
#define WRITEBACK_BYTES (8 * 1024 * 1024)

#define MUST_SUCCEED    __attribute__((warn_unused_result))

typedef struct store store_t;

/* A file that is being written; only this writer's life knows it. Zeroed: none. */
typedef struct store_file {
    int descriptor;
    char name[24];               /* within the writer's temporary folder; "": none, or it has its place */
    uint64_t bytes;              /* written so far */
    uint64_t written_back;       /* of these, told to storage */
    const atomic_bool *given_up; /* true: it gets no final place. NULL: nobody gives it up; set after store_begin */
    int64_t spent_us;            /* what storage took for it so far */
    sender_t *sender;            /* counts its unfinished bytes; NULL: nobody does; set after store_begin */
    uint64_t counted;            /* of its bytes, to the sender's */
} store_file_t;

/* Opens the files root for the writer `id`, makes its folder for temporary files (.oxidicom/tmp/HOST/ID/RUN below
 * the root, so that no two writers share one) and sweeps. `durable`: commits wait for storage. NULL after logging
 * why; where storage only fails for now (full, read-only, its server away) there is a store that tries again with
 * each file. */
store_t *store_new(const char *files_root, const char *id, uint64_t incarnation, bool durable);
void store_destroy(store_t **self_p);

/* Whether the sandbox of this process closes the new root: another process could use it. */
bool store_locked_out(const store_t *self);

/* So much stays free on the file system: no file is begun or goes on beyond it (ENOSPC). 0, as at first: nothing.
 */
void store_keep_free(store_t *self, uint64_t bytes);

/* The mode of stored files, as far as the umask allows; 0644 at first. */
void store_set_file_mode(store_t *self, mode_t mode);

/* Logs that an object failed at `step` ("create", "write", "complete") for `reason`, at most once a minute for each
 * reason. */
void store_complain(store_t *self, const log_context_t *object, const char *step, int reason);

/* Removes the temporary files of dead writers, own ones that could not be removed before, and links of series that
 * nobody removed. */
void store_sweep(store_t *self);

/* The following return 0 or an errno value. After a failure nothing is left of the file. */

/* Begins a file. Follows the root where it was removed and made again or
 * mounted anew; ENODEV: it was a mount point and is none now. */
int store_begin(store_t *self, store_file_t *file) MUST_SUCCEED;

/* Writes all of it. EFBIG: its sender has more unfinished than is free (senders.h). The entries of `parts` are used
 * up. */
int store_append(store_t *self, store_file_t *file, struct iovec *parts, int parts_count) MUST_SUCCEED;

/* Until then files may get their final place, on clock_ms; INT64_MAX, as at first: always. Later they are given up
 * (ECANCELED), for others may have been told to store the same and something newer since. */
void store_set_deadline(store_t *self, int64_t deadline_ms);

/* The owners of a file and its place. */
typedef struct store_identity {
    const char *instance_uid; /* as in claim_t */
    const char *identity;     /* the same; NULL: the file's name is of one instance alone */
    home_t *home;             /* of the series; NULL: it has none */
} store_identity_t;

/* store_commit, but to the home of the series (home.h), and next to a file of another instance (claims.h): then
 * another text takes the place of `*folder` or `*name`. */
int store_commit_as(store_t *self, store_file_t *file, const store_identity_t *identity, char **folder,
                    char **name) MUST_SUCCEED;

/* Gives the file its final place, and makes a missing `folder`. On 0 the file is complete under that name and, in
 * a durable store, survives a power loss; only store_close remains, and nobody need wait for it. ECANCELED: it was
 * given up, or the deadline is over. */
int store_commit(store_t *self, store_file_t *file, const char *folder, const char *name) MUST_SUCCEED;

/* Closes the open rest of a file that has its place; on NFS this waits for the server. */
void store_close(store_file_t *file);

/* Opens a folder below the root, and makes its missing parts. Returns a descriptor (perhaps O_PATH), or -1 with
 * errno. */
int store_open_folder(store_t *self, const char *folder) MUST_SUCCEED;

/* The sender of a peer; give it back with sender_release. */
sender_t *store_sender(store_t *self, const char *peer);

/* Its bytes are no sender's any more. */
void store_uncount(store_file_t *file);

/* Removes the file, if there is one; a file in its place is closed. */
void store_discard(store_t *self, store_file_t *file);

#endif

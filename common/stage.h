/* What the three stages have in common: settings, log, one inbox, one loop, signals, readiness. */
#ifndef COMMON_STAGE_H
#define COMMON_STAGE_H

#include <czmq.h>

#include "common/sandbox.h"
#include "common/settings.h"

/* Larger blocks are mapped and unmapped on their own; of the rest, the heap keeps HEAP_KEEP_BYTES for the next
 * time and grows by HEAP_STEP_BYTES. */
#define HEAP_MAP_BYTES  (1024 * 1024)
#define HEAP_KEEP_BYTES (4 * 1024 * 1024)
#define HEAP_STEP_BYTES (256 * 1024)

typedef struct stage stage_t;

/* What makes a stage that stage. The callbacks run in the loop's thread, one at a time. */
typedef struct stage_spec {
    const char *name;    /* "listener", "writer", "notifier" */
    const char *summary; /* one sentence for --help */
    unsigned settings;   /* its FOR_ value */
    /* Its parts of the conformance statement, for --conformance; NULL: there are none. */
    void (*print_conformance)(FILE *out);
    /* The libraries that it runs with, a line each, for --version; NULL: they are not told. */
    void (*print_libraries)(FILE *out);
    /* Lists the stage's needs of files and network, makes its folders, and opens everything that can't be opened
     * later. May make stage->self. No thread exists yet; a thread started here restricts its files itself.
     * Returns 0, or an exit status after logging why. */
    int (*confine)(stage_t *stage, sandbox_t *sandbox);
    /* Makes the stage's own state, stage->self, or the rest of it. Returns 0, or an exit status after logging why.
     */
    int (*start)(stage_t *stage);
    /* The inbox has messages. Returns whether there may be more than it has taken. */
    bool (*on_inbox)(stage_t *stage);
    /* Every ALIVE_INTERVAL_MS, first right after start: say that you live. */
    void (*on_beat)(stage_t *stage);
    /* TERM or INT: finish open work, then call stage_end. Called again for a second signal of the parent, or of all
     * others. */
    void (*on_terminate)(stage_t *stage);
    /* HUP: read files again that may have been replaced. NULL: there are none. */
    void (*on_hangup)(stage_t *stage);
    /* Frees stage->self. */
    void (*destroy)(stage_t *stage);
} stage_spec_t;

struct stage {
    const stage_spec_t *spec;
    settings_t settings;
    char *id;             /* "listener", "notifier" or "writer-<id>": names the inbox */
    uint64_t incarnation; /* differs between two runs of the same stage */
    int64_t started_at;   /* milliseconds since 1970 */
    sandbox_t sandbox;
    zloop_t *loop;
    zsock_t *inbox; /* PULL, bound to <run dir>/<id>.sock */
    void *self;
    int status; /* exit status, set by stage_end */
    int lock;   /* file held while this stage runs under this id */
    int signals;
    unsigned told[2]; /* to end: by others, by the parent */
    int run_folder;   /* tells of changes in it; -1: nothing does */
    bool ended;
    bool leaves_threads; /* set by spec->destroy: some can't be awaited, and the process ends over them */
};

/* The whole life of a stage process; main returns what this returns. Options: --help, --version, --conformance. */
int stage_main(const stage_spec_t *spec, int argc, char **argv);

/* From now on another run, as far as others can tell. Returns 0, or -1 where there is no randomness. */
int stage_renew(stage_t *stage) __attribute__((warn_unused_result));

/* Ends the loop; the process exits with `status` after spec->destroy. */
void stage_end(stage_t *stage, int status);

/* Ends it with a warning, for another that knows the files root and its folders of now: the sandbox knows those of
 * the start. */
void stage_end_locked_out(stage_t *stage);

/* Writes "<run dir>/<id>.sock" as an ipc:// endpoint. Returns a string to free, or NULL where the path would
 * pass SOCKET_PATH_MAX_BYTES. */
char *stage_endpoint(const char *run_dir, const char *id);

/* The umask under which an inbox in the run folder is bound: nobody but this user may write into the ring, unless
 * the folder can be written by its group, for stages that run as users of their own. */
mode_t stage_inbox_umask(const char *run_dir);

#endif

/* The rights that a stage gives up at its start, so that an intruder gets little: files by Landlock, system calls
 * by seccomp. Each stage's main.c lists its needs. */
#ifndef COMMON_SANDBOX_H
#define COMMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a stage's sandbox can hold of paths, and of TCP ports to listen on. */
#define SANDBOX_RULES_MAX 32
#define SANDBOX_PORTS_MAX 4

/* The rights to a folder and everything below it. */
typedef enum sandbox_access {
    SANDBOX_LIST,  /* the names in folders */
    SANDBOX_READ,  /* and the content of files */
    SANDBOX_WRITE, /* and everything but symbolic links, devices and execution */
    SANDBOX_LINK,  /* and symbolic links made */
} sandbox_access_t;

typedef struct sandbox_rule {
    char *path;
    sandbox_access_t access;
} sandbox_rule_t;

/* Begins zeroed, which allows nothing. */
typedef struct sandbox {
    sandbox_rule_t rules[SANDBOX_RULES_MAX];
    size_t rules_count;
    uint16_t ports[SANDBOX_PORTS_MAX]; /* TCP, that may be bound until the calls are restricted */
    size_t ports_count;
    bool internet;               /* sockets for IPv4 and IPv6 may still be made and connected then */
    int landlock;                /* its ABI; 0: not in force */
    bool seccomp;                /* is in force */
    int no_landlock, no_seccomp; /* where one is not in force, the errno value that says why */
} sandbox_t;

/* Frees the rules. They stay in force until the process ends. */
void sandbox_clear(sandbox_t *sandbox);

/* A path must be there when the files are restricted. One made afterwards under the same name stays closed. */
void sandbox_allow(sandbox_t *sandbox, const char *path, sandbox_access_t access);
/* A file that is read again later and may be replaced meanwhile: its folder can be read, and the target's, if it
 * is a symbolic link. NULL: none. */
void sandbox_allow_file(sandbox_t *sandbox, const char *path);
/* A TCP port that the stage listens on; 0: none. */
void sandbox_allow_port(sandbox_t *sandbox, int64_t port);

/* Whether this mode of OXIDICOM_SANDBOX (auto, true or false) asks for it. `auto` does not in a program built with
 * AddressSanitizer: its reports go to files and need ptrace(2). */
bool sandbox_wanted(const char *mode);

/* Gives up all capabilities (capabilities(7)) but two: root's way into files of other users, which Landlock
 * bounds, and, where the stage listens on a port below 1024, its right to that. For the calling thread and its
 * later children: call it before there are others. Returns 0 or an errno value. */
int sandbox_drop_capabilities(const sandbox_t *sandbox) __attribute__((warn_unused_result));

/* Landlock, for the calling thread and its later children: call it before there are others. Returns 0; or an errno
 * value, and nothing is in force: ENOSYS, EOPNOTSUPP or EPERM if the kernel or the container's filter refuses. */
int sandbox_restrict_files(sandbox_t *sandbox) __attribute__((warn_unused_result));
/* The same for one thread that needs other files than the rest, if `mode` (OXIDICOM_SANDBOX) asks for it. The stage
 * itself says if there is no Landlock; with mode true the process ends then. `who`: for the log. */
void sandbox_restrict_thread(sandbox_t *sandbox, const char *mode, const char *who);
/* seccomp, for all threads; call it once the stage has opened and bound everything. Returns 0 or an errno
 * value. */
int sandbox_restrict_calls(sandbox_t *sandbox) __attribute__((warn_unused_result));

/* Whether the process was started under a seccomp filter. */
bool sandbox_is_filtered(void);
/* Names in words, for the log, the cause of a system call's errno value: an old kernel, or a seccomp filter of a
 * supervisor or container. */
const char *sandbox_refused_by(int reason);

/* The one line about the rules in force. */
void sandbox_say(const sandbox_t *sandbox, const char *mode);

#endif

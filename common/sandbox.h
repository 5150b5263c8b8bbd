/* What a stage takes from itself once it is started, so that whoever takes it over by a fault gets little: files by
 * Landlock, system calls by seccomp. Does not know the stages: each says in its main.c what it needs. */
#ifndef COMMON_SANDBOX_H
#define COMMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a stage's sandbox can hold of paths, and of TCP ports to listen on. */
#define SANDBOX_RULES_MAX 32
#define SANDBOX_PORTS_MAX 4

/* What may be done with a folder and everything below it. */
typedef enum sandbox_access {
    SANDBOX_LIST,  /* the names in folders */
    SANDBOX_READ,  /* and the content of files */
    SANDBOX_WRITE, /* and everything but devices and execution */
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
    int landlock;                /* its ABI, where it is in force; 0: it is not */
    bool seccomp;                /* is in force */
    int no_landlock, no_seccomp; /* where one is not in force, the errno value that says why */
} sandbox_t;

/* Frees the rules. What is in force stays so until the process ends. */
void sandbox_clear(sandbox_t *sandbox);

/* A path that is not there when the files are restricted is left out, and one that comes to be afterwards under the
 * same name is another: it stays closed. */
void sandbox_allow(sandbox_t *sandbox, const char *path, sandbox_access_t access);
/* A file that is read again later and may be replaced meanwhile: its folder can be read, and that of the file that
 * a symbolic link leads to. NULL: none. */
void sandbox_allow_file(sandbox_t *sandbox, const char *path);
/* A TCP port that the stage listens on; 0: none. */
void sandbox_allow_port(sandbox_t *sandbox, int64_t port);

/* Whether this mode of OXIDICOM_SANDBOX (auto, true or false) asks for it. `auto` does not in a program built with
 * AddressSanitizer, whose reports go to files and need ptrace(2). */
bool sandbox_wanted(const char *mode);

/* Gives up all capabilities (capabilities(7)) but two: root's way into files of other users, which Landlock bounds,
 * and, where the stage listens on a port below 1024, its right to that. For the calling thread and those that it
 * will start: to be called before there are others. Returns 0 or an errno value. */
int sandbox_drop_capabilities(const sandbox_t *sandbox) __attribute__((warn_unused_result));

/* Landlock, for the calling thread and those that it will start: to be called before there are others. Returns 0;
 * or an errno value, and nothing is in force: ENOSYS, EOPNOTSUPP or EPERM where the kernel, or the container's own
 * filter, has none. */
int sandbox_restrict_files(sandbox_t *sandbox) __attribute__((warn_unused_result));
/* seccomp, for all threads; for when the stage has opened and bound what it needs. Returns 0 or an errno value. */
int sandbox_restrict_calls(sandbox_t *sandbox) __attribute__((warn_unused_result));

/* Whether the process was started under a seccomp filter. */
bool sandbox_is_filtered(void);
/* Whose doing it is that a system call is refused with this errno value, in words, for who reads the log: an old
 * kernel's, or a seccomp filter's, which a supervisor or a container has put over the process. */
const char *sandbox_refused_by(int reason);

/* The one line that says what is in force. */
void sandbox_say(const sandbox_t *sandbox, const char *mode);

#endif

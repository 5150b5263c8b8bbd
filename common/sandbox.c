/* The files: Landlock, by its system calls (landlock(7)), since Debian 12 has no library for it. */
#include "common/sandbox.h"
#include "common/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/landlock.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"

/* Later than Debian 12's linux/landlock.h; which of them the running kernel knows, its ABI tells. */
#define ACCESS_FS_TRUNCATE  (1ULL << 14)
#define ACCESS_FS_IOCTL_DEV (1ULL << 15)
#define ACCESS_NET_BIND     (1ULL << 0)
#define ACCESS_NET_CONNECT  (1ULL << 1)
#define SCOPE_ABSTRACT_UNIX (1ULL << 0)
#define SCOPE_SIGNAL        (1ULL << 1)
#define RULE_NET_PORT       2

/* With the first, of Linux 5.13, no file can be moved from one folder to another, as a writer must. */
#define ABI_LEAST 2

typedef struct ruleset_attr {
    uint64_t handled_access_fs;
    uint64_t handled_access_net; /* from ABI 4 */
    uint64_t scoped;             /* from ABI 6 */
} ruleset_attr_t;

typedef struct net_port_attr {
    uint64_t allowed_access;
    uint64_t port;
} net_port_attr_t;

#define ACCESS_LIST LANDLOCK_ACCESS_FS_READ_DIR
#define ACCESS_READ (ACCESS_LIST | LANDLOCK_ACCESS_FS_READ_FILE)
#define ACCESS_WRITE                                                                                               \
    (ACCESS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                                 \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |                  \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REFER | ACCESS_FS_TRUNCATE)
#define ACCESS_LINK (ACCESS_WRITE | LANDLOCK_ACCESS_FS_MAKE_SYM)
#define ACCESS_ALL                                                                                                 \
    (ACCESS_LINK | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_FIFO |      \
     LANDLOCK_ACCESS_FS_MAKE_BLOCK | ACCESS_FS_IOCTL_DEV)
/* The rights to a thing that is no folder; Landlock rejects a file's rule with others. */
#define ACCESS_OF_FILES (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_FS_TRUNCATE)

static const uint64_t ACCESSES[] = {[SANDBOX_LIST] = ACCESS_LIST,
                                    [SANDBOX_READ] = ACCESS_READ,
                                    [SANDBOX_WRITE] = ACCESS_WRITE,
                                    [SANDBOX_LINK] = ACCESS_LINK};

/* What the libraries of every stage read now and then: other libraries and iconv's tables, the resolver's files,
 * the number of processors, what the process is told of itself. Nobody's patients are there. */
static const sandbox_rule_t EVERYBODYS[] = {
    {(char *)"/usr", SANDBOX_READ},         {(char *)"/lib", SANDBOX_READ},
    {(char *)"/lib64", SANDBOX_READ},       {(char *)"/etc", SANDBOX_READ},
    {(char *)"/proc", SANDBOX_READ},        {(char *)"/sys/devices/system/cpu", SANDBOX_READ},
    {(char *)"/dev/urandom", SANDBOX_READ}, {(char *)"/dev/null", SANDBOX_WRITE},
};

/* --- rules ---------------------------------------------------------------------------------------------- */

void sandbox_clear(sandbox_t *sandbox) {
    while (sandbox->rules_count > 0)
        free(sandbox->rules[--sandbox->rules_count].path);
}

void sandbox_allow(sandbox_t *sandbox, const char *path, sandbox_access_t access) {
    must_hold(sandbox->rules_count < SANDBOX_RULES_MAX);
    sandbox->rules[sandbox->rules_count++] = (sandbox_rule_t){copy_text(path), access};
}

void sandbox_allow_file(sandbox_t *sandbox, const char *path) {
    char *named = path ? strdup(path) : NULL, *real = path ? realpath(path, NULL) : NULL;
    if (named)
        sandbox_allow(sandbox, dirname(named), SANDBOX_READ);
    if (real)
        sandbox_allow(sandbox, dirname(real), SANDBOX_READ);
    free(named);
    free(real);
}

void sandbox_allow_port(sandbox_t *sandbox, int64_t port) {
    must_hold(sandbox->ports_count < SANDBOX_PORTS_MAX);
    if (port != 0)
        sandbox->ports[sandbox->ports_count++] = (uint16_t)port;
}

/* --- who refuses ---------------------------------------------------------------------------------------- */

bool sandbox_is_filtered(void) {
    static atomic_int mode = -1; /* threads ask, too */
    if (atomic_load(&mode) < 0)
        atomic_store(&mode, prctl(PR_GET_SECCOMP, 0, 0, 0, 0) > 0);
    return atomic_load(&mode) > 0;
}

const char *sandbox_refused_by(int reason) {
    if (reason == EPERM)
        return "a seccomp filter of the supervisor or container refuses it";
    if (reason == EOPNOTSUPP)
        return "this kernel has it switched off";
    if (reason != ENOSYS)
        return strerror(reason);
    return sandbox_is_filtered() ? "this kernel has none, or too old a one, or a seccomp filter of the "
                                   "supervisor or container hides it"
                                 : "this kernel has none, or too old a one";
}

/* --- Landlock ------------------------------------------------------------------------------------------- */

static uint64_t known_accesses(int abi) {
    return ACCESS_ALL & ~(abi < 3 ? ACCESS_FS_TRUNCATE : 0) & ~(abi < 5 ? ACCESS_FS_IOCTL_DEV : 0);
}

/* Unix sockets without a file are reached by nobody's leave (unix(7)); a supervisor may have one. */
static uint64_t scopes(void) {
    const char *supervisor = getenv("NOTIFY_SOCKET");
    return SCOPE_SIGNAL | (supervisor && supervisor[0] == '@' ? 0 : SCOPE_ABSTRACT_UNIX);
}

static int new_ruleset(const sandbox_t *sandbox, int abi) {
    ruleset_attr_t attr = {
        .handled_access_fs = known_accesses(abi),
        .handled_access_net = sandbox->internet ? 0 : ACCESS_NET_BIND | ACCESS_NET_CONNECT,
        .scoped = scopes(),
    };
    /* An older kernel takes the part of it that it knows. */
    size_t size = abi < 4   ? offsetof(ruleset_attr_t, handled_access_net)
                  : abi < 6 ? offsetof(ruleset_attr_t, scoped)
                            : sizeof attr;
    return (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
}

/* Returns 0 or an errno value. A path that is not there, or that this user can't reach, needs no rule. */
static int add_path(int ruleset, int abi, const sandbox_rule_t *rule) {
    struct stat s;
    struct landlock_path_beneath_attr attr = {.allowed_access = ACCESSES[rule->access] & known_accesses(abi)};
    attr.parent_fd = open(rule->path, O_PATH | O_CLOEXEC);
    if (attr.parent_fd < 0 || fstat(attr.parent_fd, &s) != 0) {
        log_debug(NULL, "the sandbox has no rule for %s: %s", rule->path, strerror(errno));
        if (attr.parent_fd >= 0)
            close(attr.parent_fd);
        return 0;
    }
    if (!S_ISDIR(s.st_mode))
        attr.allowed_access &= ACCESS_OF_FILES;
    int status = 0;
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) != 0)
        status = errno;
    close(attr.parent_fd);
    return status;
}

static int add_port(int ruleset, uint16_t port) {
    net_port_attr_t attr = {.allowed_access = ACCESS_NET_BIND, .port = port};
    return syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &attr, 0) == 0 ? 0 : errno;
}

static int add_rules(const sandbox_t *sandbox, int ruleset, int abi) {
    int status = 0;
    for (size_t i = 0; i < sizeof EVERYBODYS / sizeof *EVERYBODYS && status == 0; i++)
        status = add_path(ruleset, abi, &EVERYBODYS[i]);
    for (size_t i = 0; i < sandbox->rules_count && status == 0; i++)
        status = add_path(ruleset, abi, &sandbox->rules[i]);
    for (size_t i = 0; i < sandbox->ports_count && status == 0 && abi >= 4 && !sandbox->internet; i++)
        status = add_port(ruleset, sandbox->ports[i]);
    return status;
}

/* Returns 0 or an errno value. */
static int restrict_files(sandbox_t *sandbox) {
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 0)
        return errno;
    if (abi < ABI_LEAST)
        return ENOSYS;
    int ruleset = new_ruleset(sandbox, abi);
    if (ruleset < 0)
        return errno;
    int status = add_rules(sandbox, ruleset, abi);
    /* Without it only a privileged process may restrict itself: a set-user-ID program could be confused
     * otherwise. */
    if (status == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        status = errno;
    if (status == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        status = errno;
    close(ruleset);
    sandbox->landlock = status == 0 ? abi : 0;
    return status;
}

int sandbox_restrict_files(sandbox_t *sandbox) {
    (void)sandbox_is_filtered(); /* as long as there is no filter of our own */
    return sandbox->no_landlock = restrict_files(sandbox);
}

/* --- whether, and what ---------------------------------------------------------------------------------- */

bool sandbox_wanted(const char *mode) {
#ifdef SANITIZED
    return strcmp(mode, "true") == 0;
#else
    return strcmp(mode, "false") != 0;
#endif
}

void sandbox_restrict_thread(sandbox_t *sandbox, const char *mode, const char *who) {
    int reason = sandbox_wanted(mode) ? sandbox_restrict_files(sandbox) : 0;
    if (reason == 0 || strcmp(mode, "true") != 0)
        return;
    log_error(NULL, "OXIDICOM_SANDBOX is true, but the files of %s can't be restricted: %s", who, strerror(reason));
    _exit(EX_UNAVAILABLE);
}

void sandbox_say(const sandbox_t *sandbox, const char *mode) {
    if (!sandbox_wanted(mode))
        log_info(NULL, "no sandbox: OXIDICOM_SANDBOX is %s%s", mode,
                 strcmp(mode, "auto") == 0 ? ", and this program is built with AddressSanitizer" : "");
    else if (sandbox->landlock && sandbox->seccomp)
        log_info(NULL, "sandbox: files by Landlock (ABI %d), system calls by seccomp", sandbox->landlock);
    else
        log_warn(NULL, "the sandbox is incomplete: Landlock for files: %s; seccomp for system calls: %s",
                 sandbox->landlock ? "in force" : sandbox_refused_by(sandbox->no_landlock),
                 sandbox->seccomp ? "in force" : sandbox_refused_by(sandbox->no_seccomp));
}

#include "tests/deploy/filter.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/support/receiver.h"

#define CALLS_MAX    1024
#define PROGRAMS_MAX 24
#define PLACES_MAX   4
/* The files root of the units. */
#define UNITS_ROOT "/srv/oxidicom"

typedef struct place {
    char *path;
    unsigned long flags; /* mount(2) */
} place_t;

/* Each setting is a filter of its own, as in systemd. */
struct filter {
    char *unit;
    place_t places[PLACES_MAX];
    size_t places_count;
    struct sock_fprog programs[PROGRAMS_MAX];
    size_t count;
};

/* --- the unit file --------------------------------------------------------------------------------------- */

/* The value of the next line `key=value` from *at on, or NULL; free it. */
static char *next_value(const char **at, const char *key) {
    size_t length = strlen(key);
    while (*at && **at) {
        const char *line = *at;
        size_t size = strcspn(line, "\n");
        *at = line + size + (line[size] == '\n');
        if (strncmp(line, key, length) == 0 && line[length] == '=')
            return strndup(line + length + 1, size - length - 1);
    }
    return NULL;
}

static char *value_of(const filter_t *self, const char *key) {
    const char *at = self->unit;
    char *value = NULL;
    for (char *next; (next = next_value(&at, key));) {
        free(value);
        value = next;
    }
    return value;
}

static bool is_on(const filter_t *self, const char *key) {
    char *value = value_of(self, key);
    cr_assert(!value || strcmp(value, "yes") == 0 || strcmp(value, "no") == 0, "%s=%s", key, value);
    bool on = value && strcmp(value, "yes") == 0;
    free(value);
    return on;
}

/* --- places ---------------------------------------------------------------------------------------------- */

static void add_place(filter_t *self, const char *files_root, const char *below, unsigned long flags) {
    cr_assert_lt(self->places_count, PLACES_MAX);
    self->places[self->places_count++] = (place_t){text_of("%s%s", files_root, below), flags};
}

/* The lines that open or close a part of storage; the rest of it can only be read (ProtectSystem=strict). */
static void add_places(filter_t *self, const char *files_root) {
    static const char start[] = "-" UNITS_ROOT;
    add_place(self, files_root, "", MS_RDONLY);
    for (int closes = 0; closes < 2; closes++) {
        const char *at = self->unit;
        for (char *line; (line = next_value(&at, closes ? "ReadOnlyPaths" : "ReadWritePaths")); free(line)) {
            cr_assert_eq(strncmp(line, start, strlen(start)), 0, "%s", line);
            add_place(self, files_root, line + strlen(start), closes ? MS_RDONLY : 0);
        }
    }
}

/* Without the right to mount it does nothing. */
static void enter_places(const filter_t *self) {
    if (unshare(CLONE_NEWNS) != 0)
        return;
    int status = mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    for (size_t i = 0; i < self->places_count && status == 0; i++) {
        const place_t *place = &self->places[i];
        status = mount(place->path, place->path, NULL, MS_BIND | MS_REC, NULL);
        if (status == 0)
            status = mount(NULL, place->path, NULL, MS_BIND | MS_REMOUNT | place->flags, NULL);
        else if (errno == ENOENT)
            status = 0; /* as the `-` before its name says */
    }
    if (status != 0)
        _exit(126);
}

/* --- filters --------------------------------------------------------------------------------------------- */

static scmp_filter_ctx begin(uint32_t otherwise) {
    scmp_filter_ctx context = seccomp_init(otherwise);
    cr_assert_not_null(context);
    /* No more than systemd asks for; the next program gives up privileges anyway. */
    cr_assert_eq(seccomp_attr_set(context, SCMP_FLTATR_CTL_NNP, 0), 0);
    return context;
}

/* Takes the context. */
static void end(filter_t *self, scmp_filter_ctx *context) {
    int fd = memfd_create("filter", MFD_CLOEXEC);
    cr_assert(fd >= 0 && seccomp_export_bpf(*context, fd) == 0);
    off_t size = lseek(fd, 0, SEEK_END);
    cr_assert(size > 0 && self->count < PROGRAMS_MAX);
    struct sock_fprog *program = &self->programs[self->count++];
    program->len = (unsigned short)((size_t)size / sizeof *program->filter);
    program->filter = malloc((size_t)size);
    cr_assert_eq(pread(fd, program->filter, (size_t)size, 0), size);
    close(fd);
    seccomp_release(*context);
    *context = NULL;
}

static void refuse(scmp_filter_ctx context, int reason, int call, unsigned count, struct scmp_arg_cmp first,
                   struct scmp_arg_cmp second) {
    if (call >= 0) /* this architecture has it */
        cr_assert_eq(seccomp_rule_add(context, SCMP_ACT_ERRNO((unsigned)reason), call, count, first, second), 0);
}

#define NOTHING                                                                                                    \
    (struct scmp_arg_cmp) {                                                                                        \
        0                                                                                                          \
    }
#define REFUSE(context, reason, call)       refuse(context, reason, SCMP_SYS(call), 0, NOTHING, NOTHING)
#define REFUSE_IF(context, call, condition) refuse(context, EPERM, SCMP_SYS(call), 1, condition, NOTHING)
#define BITS(argument, bits)                SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, bits, bits)

/* --- sets of system calls -------------------------------------------------------------------------------- */

typedef struct calls {
    bool have[CALLS_MAX];
} calls_t;

/* A call's name, or a set's, which begins with '@', with everything in it. */
static void set_calls(calls_t *calls, const char *name, bool have) {
    cr_assert_null(strchr(name, ':'), "%s: an error of its own is not known to this test", name);
    if (name[0] != '@') {
        int number = seccomp_syscall_resolve_name(name);
        cr_assert_lt(number, CALLS_MAX, "%s", name);
        if (number >= 0)
            calls->have[number] = have;
        return;
    }
    char *command = text_of("systemd-analyze syscall-filter --no-pager %s", name), line[256];
    FILE *said = popen(command, "r");
    while (said && fgets(line, sizeof line, said)) {
        char *word = line + strspn(line, " ");
        word[strcspn(word, "\n")] = 0;
        if (word > line && *word && *word != '#') /* the first line has its name */
            set_calls(calls, word, have);
    }
    cr_assert(said && pclose(said) == 0, "%s", command);
    free(command);
}

static void set_words(calls_t *calls, char *words, bool have) {
    for (char *word; (word = strsep(&words, " "));)
        if (*word)
            set_calls(calls, word, have);
}

static int error_number(const filter_t *self) {
    char *name = value_of(self, "SystemCallErrorNumber");
    cr_assert(name && strcmp(name, "EPERM") == 0, "SystemCallErrorNumber=%s", name);
    free(name);
    return EPERM;
}

/* The first line says whether it lists allowed calls, with @default, or refused ones; each later line adds to it
 * or takes from it. */
static void add_call_filter(filter_t *self) {
    calls_t calls = {0};
    const char *at = self->unit;
    bool begun = false, allows = false;
    for (char *line; (line = next_value(&at, "SystemCallFilter")); free(line)) {
        bool inverted = line[0] == '~';
        if (!begun && !inverted)
            set_calls(&calls, "@default", true);
        allows = begun ? allows : !inverted;
        begun = true;
        set_words(&calls, line + inverted, inverted != allows);
    }
    if (!begun)
        return;
    uint32_t refused = SCMP_ACT_ERRNO((unsigned)error_number(self));
    scmp_filter_ctx context = begin(allows ? refused : SCMP_ACT_ALLOW);
    for (int i = 0; i < CALLS_MAX; i++)
        if (calls.have[i])
            cr_assert_eq(seccomp_rule_add(context, allows ? SCMP_ACT_ALLOW : refused, i, 0), 0);
    end(self, &context);
}

/* --- the settings ---------------------------------------------------------------------------------------- */

/* The calls refused with any arguments. */
static void add_refusals(filter_t *self) {
    static const struct {
        const char *setting, *calls;
    } refusals[] = {
        {"PrivateDevices", "@raw-io"},
        {"ProtectClock", "@clock"},
        {"ProtectHostname", "sethostname setdomainname"},
        {"ProtectKernelLogs", "syslog"},
        {"ProtectKernelModules", "@module"},
        {"ProtectKernelTunables", "_sysctl"},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        if (!is_on(self, refusals[i].setting))
            continue;
        calls_t calls = {0};
        char *words = strdup(refusals[i].calls);
        set_words(&calls, words, true);
        free(words);
        scmp_filter_ctx context = begin(SCMP_ACT_ALLOW);
        for (int number = 0; number < CALLS_MAX; number++)
            if (calls.have[number])
                refuse(context, EPERM, number, 0, NOTHING, NOTHING);
        end(self, &context);
    }
}

static void add_memory(filter_t *self) {
    scmp_filter_ctx context = begin(SCMP_ACT_ALLOW);
    REFUSE_IF(context, mmap, BITS(2, PROT_EXEC | PROT_WRITE));
    REFUSE_IF(context, mprotect, BITS(2, PROT_EXEC));
    REFUSE_IF(context, pkey_mprotect, BITS(2, PROT_EXEC));
    REFUSE_IF(context, shmat, BITS(2, SHM_EXEC));
    end(self, &context);
}

static void add_realtime(filter_t *self) {
    scmp_filter_ctx context = begin(SCMP_ACT_ALLOW);
    for (int policy = 0; policy < SCHED_IDLE; policy++)
        if (policy != SCHED_OTHER && policy != SCHED_BATCH)
            REFUSE_IF(context, sched_setscheduler, SCMP_A1(SCMP_CMP_EQ, (unsigned)policy, 0));
    REFUSE_IF(context, sched_setscheduler, SCMP_A1(SCMP_CMP_GT, SCHED_IDLE, 0));
    end(self, &context);
}

/* openat2(2) has its mode in memory, where a filter can't look: systemd says that there is no such call. */
static void add_set_id(filter_t *self) {
    static const uint64_t bits[] = {S_ISUID, S_ISGID};
    scmp_filter_ctx context = begin(SCMP_ACT_ALLOW);
    for (size_t i = 0; i < 2; i++) {
        REFUSE_IF(context, chmod, BITS(1, bits[i]));
        REFUSE_IF(context, fchmod, BITS(1, bits[i]));
        REFUSE_IF(context, fchmodat, BITS(2, bits[i]));
        REFUSE_IF(context, mkdir, BITS(1, bits[i]));
        REFUSE_IF(context, mkdirat, BITS(2, bits[i]));
        REFUSE_IF(context, mknod, BITS(1, bits[i]));
        REFUSE_IF(context, mknodat, BITS(2, bits[i]));
        REFUSE_IF(context, creat, BITS(1, bits[i]));
        refuse(context, EPERM, SCMP_SYS(open), 2, BITS(1, O_CREAT), BITS(2, bits[i]));
        refuse(context, EPERM, SCMP_SYS(openat), 2, BITS(2, O_CREAT), BITS(3, bits[i]));
    }
    REFUSE(context, ENOSYS, openat2);
    end(self, &context);
}

/* clone3(2) as openat2(2). */
static void add_namespaces(filter_t *self) {
    static const uint64_t flags[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                     CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};
    scmp_filter_ctx context = begin(SCMP_ACT_ALLOW);
    REFUSE(context, ENOSYS, clone3);
    REFUSE(context, EPERM, setns);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        REFUSE_IF(context, clone, BITS(0, flags[i]));
        REFUSE_IF(context, unshare, BITS(0, flags[i]));
    }
    end(self, &context);
}

static void add_personality(filter_t *self) {
    scmp_filter_ctx context = begin(SCMP_ACT_ALLOW);
    REFUSE_IF(context, personality, SCMP_A0(SCMP_CMP_NE, PER_LINUX, 0));
    end(self, &context);
}

static void add_families(filter_t *self) {
    char *names = value_of(self, "RestrictAddressFamilies"), *rest = names;
    bool allowed[AF_MAX] = {false};
    if (!names)
        return;
    for (char *name; (name = strsep(&rest, " "));) {
        int family = strcmp(name, "AF_UNIX") == 0    ? AF_UNIX
                     : strcmp(name, "AF_INET") == 0  ? AF_INET
                     : strcmp(name, "AF_INET6") == 0 ? AF_INET6
                                                     : AF_UNSPEC;
        cr_assert_neq(family, AF_UNSPEC, "RestrictAddressFamilies has \"%s\"", name);
        allowed[family] = true;
    }
    scmp_filter_ctx context = begin(SCMP_ACT_ALLOW);
    for (int family = 0; family < AF_MAX; family++)
        if (!allowed[family])
            refuse(context, EAFNOSUPPORT, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, (unsigned)family, 0), NOTHING);
    end(self, &context);
    free(names);
}

/* --- the whole ------------------------------------------------------------------------------------------- */

filter_t *filter_of_unit(const char *path, const char *files_root) {
    static const struct {
        const char *setting;
        void (*add)(filter_t *self);
    } settings[] = {
        {"LockPersonality", add_personality},   {"MemoryDenyWriteExecute", add_memory},
        {"RestrictNamespaces", add_namespaces}, {"RestrictRealtime", add_realtime},
        {"RestrictSUIDSGID", add_set_id},
    };
    size_t size;
    filter_t *self = calloc(1, sizeof *self);
    self->unit = file_content(path, &size);
    cr_assert_not_null(self->unit, "%s", path);
    cr_assert(is_on(self, "NoNewPrivileges"), "without it, filters of a user that is not root are not taken");
    add_places(self, files_root);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (is_on(self, settings[i].setting))
            settings[i].add(self);
    add_families(self);
    add_refusals(self);
    add_call_filter(self); /* last: it may refuse the next filter */
    return self;
}

void filter_destroy(filter_t **self_p) {
    filter_t *self = *self_p;
    while (self->count > 0)
        free(self->programs[--self->count].filter);
    while (self->places_count > 0)
        free(self->places[--self->places_count].path);
    free(self->unit);
    free(self);
    *self_p = NULL;
}

size_t filter_programs(const filter_t *self) {
    return self->count;
}

void filter_enter(const void *argument) {
    const filter_t *self = argument;
    enter_places(self);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        _exit(126);
    for (size_t i = 0; i < self->count; i++)
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &self->programs[i]) != 0)
            _exit(126);
}

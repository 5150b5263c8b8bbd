/* The system calls: a list of calls that no stage needs and an intruder would. A list of needed calls would be
 * longer, would change with each release of a library, and its gaps would show only in production, as a failing
 * stage. Files are Landlock's part. */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/sandbox.h"

/* Later than libseccomp 2.5.4; from 424 on, numbers are the same on every architecture. */
enum {
    CALL_FCHMODAT2 = 452,
    CALL_SETXATTRAT = 463,
    CALL_REMOVEXATTRAT = 466,
    CALL_OPEN_TREE_ATTR = 467,
    CALL_FILE_SETATTR = 469,
};

static const int REFUSED[] = {
    /* other programs and processes */
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
#ifndef SANITIZED /* LeakSanitizer stops the other threads with it */
    SCMP_SYS(ptrace),
#endif
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(process_madvise),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(kcmp),
    SCMP_SYS(move_pages),
    SCMP_SYS(migrate_pages),
    /* mounts, namespaces, the way around folders */
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    CALL_OPEN_TREE_ATTR,
    SCMP_SYS(fsopen),
    SCMP_SYS(fsmount),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(setns),
    SCMP_SYS(unshare),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(fanotify_init),
    SCMP_SYS(quotactl),
    SCMP_SYS(quotactl_fd),
    /* the parts of the kernel that faults are found in most often */
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(modify_ldt),
    SCMP_SYS(personality),
    /* the machine */
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(acct),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(adjtimex),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(syslog),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(vhangup),
    /* what Landlock leaves open: modes, owners, times and attributes by path; before its ABI 3, lengths */
    SCMP_SYS(truncate),
    SCMP_SYS(chmod),
    SCMP_SYS(fchmodat),
    CALL_FCHMODAT2,
    SCMP_SYS(chown),
    SCMP_SYS(lchown),
    SCMP_SYS(fchownat),
    SCMP_SYS(utime),
    SCMP_SYS(utimes),
    SCMP_SYS(futimesat),
    SCMP_SYS(utimensat),
    SCMP_SYS(setxattr),
    SCMP_SYS(lsetxattr),
    CALL_SETXATTRAT,
    SCMP_SYS(removexattr),
    SCMP_SYS(lremovexattr),
    CALL_REMOVEXATTRAT,
    CALL_FILE_SETATTR,
    /* every inbox and port is there already */
    SCMP_SYS(listen),
};

/* The kernel looks at the low half of these arguments alone. */
#define LOW_HALF 0xFFFFFFFFu

/* New namespaces. clone3(2) has its flags in memory, where a filter can't look; without it glibc uses clone(2). */
static int refuse_namespaces(scmp_filter_ctx filter) {
    static const uint64_t flags[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                     CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};
    int status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    for (size_t i = 0; i < sizeof flags / sizeof *flags && status == 0; i++)
        status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                  SCMP_CMP(0, SCMP_CMP_MASKED_EQ, flags[i], flags[i]));
    return status;
}

/* The ring's sockets are made anew whenever a stage comes back. The resolver asks the kernel for its addresses
 * through netlink. */
static bool family_allowed(const sandbox_t *sandbox, int family) {
    return family == AF_UNIX ||
           (sandbox->internet && (family == AF_INET || family == AF_INET6 || family == AF_NETLINK));
}

static int refuse_sockets(const sandbox_t *sandbox, scmp_filter_ctx filter) {
    int status =
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_GT, AF_NETLINK, 0));
    for (int family = 0; family <= AF_NETLINK && status == 0; family++)
        if (!family_allowed(sandbox, family))
            status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
                                      SCMP_A0(SCMP_CMP_MASKED_EQ, LOW_HALF, (unsigned)family));
    if (status == 0 && !sandbox->internet)
        status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(bind), 0);
    return status;
}

static int refuse(const sandbox_t *sandbox, scmp_filter_ctx filter) {
    int status = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1); /* all threads, or none */
    if (status == 0)
        status = seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1); /* the kernel's own reason */
    for (size_t i = 0; i < sizeof REFUSED / sizeof *REFUSED && status == 0; i++) {
        status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), REFUSED[i], 0);
        if (status == -EDOM) /* this architecture has no such call */
            status = 0;
    }
    if (status == 0)
        status = refuse_namespaces(filter);
    if (status == 0)
        status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                                  SCMP_A1(SCMP_CMP_MASKED_EQ, LOW_HALF, TIOCSTI));
    return status ? status : refuse_sockets(sandbox, filter);
}

int sandbox_restrict_calls(sandbox_t *sandbox) {
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (!filter)
        return ENOMEM;
    int status = refuse(sandbox, filter);
    if (status == 0)
        status = seccomp_load(filter);
    seccomp_release(filter);
    /* libseccomp tries the call, and takes any answer but one for a kernel without it; where there is a filter,
     * there is one. */
    if (status == -EOPNOTSUPP && sandbox_is_filtered())
        status = -EPERM;
    sandbox->seccomp = status == 0;
    return sandbox->no_seccomp = -status;
}

/* What systemd makes of those lines of a unit file that it turns into seccomp filters, or that say what can be
 * written below the files root (systemd.exec(5)), without a systemd that runs: only systemd-analyze is asked, for
 * the sets of system calls of the release that is installed here. */
#ifndef DEPLOY_FILTER_H
#define DEPLOY_FILTER_H

#include <stddef.h>

typedef struct filter filter_t;

/* Reads the unit file, with `files_root` in place of its own; aborts the test where it has a form of these lines
 * that is not known here. */
filter_t *filter_of_unit(const char *path, const char *files_root);
void filter_destroy(filter_t **self_p);
/* How many filters it consists of. */
size_t filter_programs(const filter_t *self);
/* Puts it in force, for the calling process and its programs; to be called between fork and exec. */
void filter_enter(const void *self);

#endif

/* Control groups as a container engine uses them, version 1 or 2, to limit processor and memory. */
#ifndef TESTS_CGROUP_H
#define TESTS_CGROUP_H

#include <stdbool.h>

typedef struct cgroup {
    char *folders; /* to enter, separated by spaces; "" where there are none */
    char *events;  /* the file that counts processes killed for want of memory */
} cgroup_t;

/* A shell's command that enters the folders in $1 and becomes what the arguments after it say. */
#define CGROUP_ENTER "for folder in $1; do echo $$ >$folder/cgroup.procs || exit 1; done; shift; exec \"$@\""

/* False where this machine lets nobody make one. */
bool cgroup_make(cgroup_t *cgroup, int millicores, int mebibytes);
/* How many processes in it were killed for want of memory. */
long cgroup_killed(const cgroup_t *cgroup);
/* When all in it have ended. */
void cgroup_remove(cgroup_t *cgroup);

#endif

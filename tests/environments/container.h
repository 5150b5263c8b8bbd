/* The receiver as a container engine would start it (deploy/image/run.sh), with the variables of an environment of
 * the reference implementation. */
#ifndef TESTS_CONTAINER_H
#define TESTS_CONTAINER_H

#include "tests/environments/cgroup.h"
#include "tests/ring/ring.h"

/* How long anything that is to happen may take, with a quarter of a busy processor, too. */

typedef struct environment {
    const char *user; /* UID:GID */
    const char *const *variables;
    /* What the addresses have before their port, which is the test's own. */
    const char *amqp, *nats;
} environment_t;

/* One container of 250 millicores and 256 MiB, an arbitrary user, one volume. */
extern const environment_t CHART;
/* User 1001:0, one volume. */
extern const environment_t MINICHRIS;

typedef struct container {
    receiver_t receiver; /* its root is the volume at /data */
    char *hosts;
} container_t;

/* Skips the test where containers can't be made. */
void container_prepare(container_t *container);
/* Starts the receiver in the machine's own root file system, with only /data writable, and waits for its port.
 * `more`: name-value pairs on top of the environment's, or NULL; `cgroup`: to start it in, or NULL. */
void container_start(container_t *container, const environment_t *environment, const char *hostname,
                     const char *const *more, const cgroup_t *cgroup);
/* Its first process, the launcher, as this side sees it. */
pid_t container_launcher(const container_t *container);
/* Runs `oxidicom COMMAND OPTION` inside, and gives it two minutes. Returns the exit status. */
int container_tool(const container_t *container, const environment_t *environment, const char *command,
                   const char *option);
/* TERM. Returns the exit status of the launcher. */
int container_stop(container_t *container);
/* KILL for every process in it. */
void container_kill(container_t *container);
void container_clear(container_t *container);

#endif

/* Hears the stages' beats, as systemd does (sd_notify(3), WATCHDOG=1): a stage whose loop stands still sends none.
 */
#ifndef LAUNCHER_WATCHDOG_H
#define LAUNCHER_WATCHDOG_H

#include <stdint.h>
#include <sys/types.h>

/* A socket that the kernel names, in the abstract namespace. -1 after logging why. */
int watchdog_socket(void);

/* In a new process before it becomes a stage: where and how often it has to be heard. */
void watchdog_introduce(int socket, int64_t silence_ms);

/* The process of the next beat; 0: nothing more was said. */
pid_t watchdog_next(int socket);

#endif

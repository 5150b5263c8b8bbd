/* What a stage says to the supervisor that started it, and what that hands to it: s6's newline (OXIDICOM_READY_FD)
 * and systemd's datagrams, watchdog and sockets. Without such a supervisor nothing happens. */
#ifndef COMMON_SUPERVISION_H
#define COMMON_SUPERVISION_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* Listening sockets that a supervisor may hand over; there is one for plain DICOM and one for TLS. */
#define SUPERVISION_SOCKETS_MAX 8

/* Tells who waits that the process is ready: a newline on `ready_fd`, which is closed then (-1: none), and READY=1
 * to NOTIFY_SOCKET. A failure is logged. */
void supervision_ready(int ready_fd);

/* STOPPING=1, and that the end may take so long (sd_notify(3), EXTEND_TIMEOUT_USEC). */
void supervision_stopping(int64_t may_take_ms);

/* WATCHDOG=1, and a byte on `beat_fd` (-1: none), at most four times in WATCHDOG_USEC or in `watchdog_ms`. To be
 * called from the loop, so that it stops when the loop does. */
void supervision_beat(int beat_fd, int64_t watchdog_ms);

/* Sockets that were handed over (sd_listen_fds(3)): returns how many, from SUPERVISION_FIRST_SOCKET on; 0 where
 * they are another process'. They are closed on exec from now on. */
#define SUPERVISION_FIRST_SOCKET 3
int supervision_sockets(void);
/* Whether the so manieth of them, from 0 on, has this name (FileDescriptorName=). */
bool supervision_socket_is(int index, const char *name);

/* Blocks the signals, which a loop reads from a signalfd then, and undoes that a parent ignores some of them, as
 * nohup does: those would not come. Ignores SIGPIPE: a log that nobody reads any more ends nothing. -1: errno says
 * why. */
int supervision_take_signals(const sigset_t *signals);

/* Takes all of the above out of the environment, so that no child speaks for its parent. */
void supervision_keep_to_oneself(void);

#endif

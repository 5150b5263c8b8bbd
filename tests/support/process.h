/* Processes that tests start: they die with the test, are stopped by pid, and their output goes to a file. */
#ifndef SUPPORT_PROCESS_H
#define SUPPORT_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/support/patience.h"

/* As the value of a variable: it is not in the environment. */
extern const char UNSET[];

/* Starts argv[0], found in PATH, with the name-value pairs of `environment` (NULL-terminated, may be NULL) on top
 * of ours; a value of NULL leaves a variable unchanged. `log`: a file that output is appended to, or NULL: none.
 * The process is a group of its own. */
pid_t process_start(const char *log, const char *const *environment, const char *const *argv);
/* The same, and `enter` is called in the new process right before it executes; it may only make safe calls. */
pid_t process_start_entering(const char *log, const char *const *environment, const char *const *argv,
                             void (*enter)(const void *argument), const void *argument);

/* Sends the signal and waits; kills the group after `ms`. Returns the wait status. */
int process_stop(pid_t pid, int signal_number, int64_t ms);

/* Runs to its end, at most `ms`. Returns the exit status; -1 where it was killed. */
int process_run(const char *log, const char *const *environment, const char *const *argv, int64_t ms);

/* Waits for the process; returns whether it ended within `ms`. */
bool process_wait(pid_t pid, int64_t ms, int *status);

/* Anonymous memory of a process, in KiB, and how many descriptors it has open; 0 for an absent one. */
long process_anonymous_kib(pid_t pid);
size_t process_descriptors(pid_t pid);
/* The same once it has not changed for a while: when the stages of a ring have connected in every way; an object
 * that goes round shows only some. */
size_t process_steady_descriptors(pid_t pid);

/* Asks `condition` every few milliseconds until it holds; false after `ms`. */
bool await(bool (*condition)(void *argument), void *argument, int64_t ms);
/* Plays a scene again that a busy machine has spoilt, as it says by false, at most five times. Returns its last
 * answer. */
bool try_again(bool (*scene)(void));

/* A folder of the test's own; free the path. */
char *temporary_folder(const char *name);
void remove_folder(const char *path);

/* `format` as a string to free. */
char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What a test rolls its dice with: OXIDICOM_TEST_SEED, or a new one. The test says which. */
unsigned test_seed(void);

/* A TCP port of 127.0.0.1 on which nobody listens, and which no other test gets until this process ends. */
int free_port(void);
/* Whether somebody accepts on it within `ms`. */
bool await_port(int port, int64_t ms);

#endif

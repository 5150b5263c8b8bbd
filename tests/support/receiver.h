/* The whole receiver as a site runs it: the launcher and its stages, in a folder of the test's own. */
#ifndef SUPPORT_RECEIVER_H
#define SUPPORT_RECEIVER_H

#include "tests/support/process.h"

typedef struct receiver {
    char *folder; /* with root/, run/, state/ and log in it */
    char *root;
    char *log;
    int port;
    pid_t launcher;
} receiver_t;

/* The folder of the built executables, next to this test program's own. */
const char *binaries(void);

/* Makes the folder. */
void receiver_prepare(receiver_t *receiver);
/* Puts what a test needs into our own environment, for stages that are started without receiver_start. */
void receiver_set_defaults(const receiver_t *receiver);
/* Waits until all stages say that they are ready, and the listener that the others are there: a notifier gets
 * earlier messages again, and a writer gets nothing before. */
bool receiver_ready(const receiver_t *receiver);
/* Starts it with the name-value pairs `environment` (NULL-terminated) on top of what a test needs, and waits until
 * receiver_ready; aborts the test where it does not become so. */
void receiver_start(receiver_t *receiver, const char *const *environment);
/* The same without waiting, for one that is to fail or to say nothing. */
void receiver_launch(receiver_t *receiver, const char *const *environment);
/* The same with a command of the test's own that becomes the launcher. */
void receiver_launch_as(receiver_t *receiver, const char *const *environment, const char *const *argv);
/* TERM. Returns the exit status; -1 where it did not end by itself. */
int receiver_stop(receiver_t *receiver);
/* Removes the folder. */
void receiver_clear(receiver_t *receiver);

/* The process of a stage: "listener", "writer", "notifier"; `number` counts writers. 0: none. */
pid_t receiver_stage(const receiver_t *receiver, const char *stage, int number);
/* Anonymous memory of the launcher and its stages together, in KiB. */
long receiver_memory_kib(const receiver_t *receiver);
/* Waits until the log has the text; false after `ms`. */
bool receiver_logged(const receiver_t *receiver, const char *text, int64_t ms);
int receiver_times_logged(const receiver_t *receiver, const char *text);
/* Whether the launcher had to kill a stage ("listener", "writer-0", "notifier"; NULL: any) that did not end in
 * time. */
bool receiver_was_killed(const receiver_t *receiver, const char *stage);
bool receiver_logged_times(const receiver_t *receiver, const char *text, int times, int64_t ms);

/* Files below SERVICES/, and the .dcm files among them. */
size_t receiver_files(const receiver_t *receiver);
/* Whole content of a file, NUL-terminated; free it. NULL where it can't be read. */
char *file_content(const char *path, size_t *size);

#endif

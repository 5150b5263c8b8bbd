/* Launchers under test, with the project's stages or with scripts in their place, and what their log says. */
#ifndef TESTS_LAUNCHER_H
#define TESTS_LAUNCHER_H

#include <stddef.h>

#include "tests/support/receiver.h"
#include "tests/support/scu.h"

/* How long anything that is to happen may take, under sanitizers on a busy machine, too. */

/* --- launching ------------------------------------------------------------------------------------------- */

/* Makes the folder and starts the project's stages in it, up to ready. START (&receiver, name, value, …) */
void start(receiver_t *receiver, const char *const *environment);
#define START(receiver, ...) start(receiver, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

/* Runs the launcher with these options to its end and returns the exit status. Its output is in receiver->log. */
int run_with(receiver_t *receiver, const char *const *environment, const char *const *options);

/* A script for an obedient stage. `ready` reports readiness. */
#define OBEDIENT "ready; exec sleep 1000"
/* A script that prints the signals it gets. */
#define HEARING                                                                                                    \
    "trap 'echo heard HUP >&2' HUP; trap 'echo heard TERM >&2; kill $!; exit 0' TERM; "                            \
    "sleep 60 & ready; while :; do wait $!; done"
/* Waits for let_go, which releases one waiting caller. */
#define HOLD "read <\"$HERE/go\"; "
void let_go(const receiver_t *receiver);
/* Makes the folder, in it a copy of the launcher, and next to that OBEDIENT in place of each stage. */
void prepare_scripts(receiver_t *receiver);
/* Lines of bash in place of the stage. $HERE is the receiver's folder. */
void write_stage(const receiver_t *receiver, const char *stage, const char *script);
/* The copy among the scripts. LAUNCH_SCRIPTS (&receiver, name, value, …) */
void launch_scripts(receiver_t *receiver, const char *const *environment);
#define LAUNCH_SCRIPTS(receiver, ...)                                                                              \
    launch_scripts(receiver, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

/* --- looking --------------------------------------------------------------------------------------------- */

/* Fails the test, with the log, where the text does not appear in time. */
void expect_logged(const receiver_t *receiver, const char *text);
/* The same for the text's so manieth appearance. */
void expect_logged_times(const receiver_t *receiver, const char *text, int times);
/* Each text appears, for the first time after the one before it. NULL-terminated. */
void expect_in_order(const receiver_t *receiver, const char *const *texts);
/* The process that the log names as the last one of "writer-0", say. 0: none. */
pid_t last_process(const receiver_t *receiver, const char *name);
/* Waits until the launcher's child runs the executable of the stage, in another process than `old`. */
pid_t await_stage(const receiver_t *receiver, const char *stage, pid_t old);

/* --- objects under way ----------------------------------------------------------------------------------- */

/* Associates and sends half of an object; finish_object sends the rest, expects Success and releases. */
bytes_t begin_object(scu_t *scu, const receiver_t *receiver, const char *instance_uid);
void finish_object(scu_t *scu, bytes_t *set);
/* Waits until writers have begun to write so many. */
void expect_under_way(const receiver_t *receiver, size_t objects);

/* --- ending ---------------------------------------------------------------------------------------------- */

/* Waits for the end of the launcher. Returns its exit status; -1 where it died of a signal. */
int ended(receiver_t *receiver, int64_t ms);

#endif

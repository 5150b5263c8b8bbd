/* A supervision tree of deploy/ that really runs, in a folder of the test's own, and the stages below it. */
#ifndef DEPLOY_TREE_H
#define DEPLOY_TREE_H

#include <criterion/criterion.h>

#include "tests/support/receiver.h"
#include "tests/support/scu.h"

/* How long anything that is to happen may take, under sanitizers on a busy machine, too. */

typedef struct tree {
    const char *name;
    /* Copies the tree into receiver->folder, with what a site changes in it changed, and starts it. */
    void (*start)(receiver_t *receiver, int writers);
    /* As many writers as that. */
    void (*scale)(receiver_t *receiver, int writers);
    /* Its supervisor's exit status after TERM. */
    int status;
} tree_t;

extern const tree_t LAUNCHER_TREE, S6_TREE, SUPERVISORD_TREE;

/* Runs a line of bash, with $FOLDER and $BIN, to its end; fails the test where it fails. */
void tree_shell(const receiver_t *receiver, const char *line);
/* The same, and returns its exit status; its output is in the file `shell` of the folder. */
int tree_try_shell(const receiver_t *receiver, const char *line);

/* The process of "listener", "notifier" or "writer-<id>" of this ring, under any parent; 0: none. */
pid_t tree_stage(const receiver_t *receiver, const char *id);
/* Waits for a process other than `old` that answers to `oxidicom status`; fails the test if none comes. */
pid_t tree_await_stage(const receiver_t *receiver, const char *id, pid_t old);
void tree_await_gone(const receiver_t *receiver, const char *id);

/* Waits until the logs say it; fails the test with them where they don't. */
void tree_expect_said(const receiver_t *receiver, const char *text);
bool tree_has_said(const receiver_t *receiver, const char *text);
/* When the line with the text was written, as text that sorts by time; free it. */
char *tree_said_at(const receiver_t *receiver, const char *text);

#endif

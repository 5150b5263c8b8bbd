/* How each of the trees is set up, started and scaled. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "tests/deploy/tree.h"

/* The supervisor itself; it is what receiver->launcher is then. */
static void start_supervisor(receiver_t *receiver, const char *const *argv) {
    receiver_launch_as(receiver, NULL, argv);
}

/* --- launcher ------------------------------------------------------------------------------------------------- */

static void start_launcher(receiver_t *receiver, int writers) {
    char *count = text_of("%d", writers);
    setenv("OXIDICOM_WRITERS", count, 1);
    free(count);
    char *launcher = text_of("%s/oxidicom", binaries());
    start_supervisor(receiver, (const char *const[]){launcher, NULL});
    free(launcher);
}

static int count_writers(const receiver_t *receiver) {
    int count = 0;
    for (int i = 0; i < 8; i++) {
        char *id = text_of("writer-%d", i);
        count += tree_stage(receiver, id) != 0;
        free(id);
    }
    return count;
}

static void scale_launcher(receiver_t *receiver, int writers) {
    /* One signal after the other: two that are pending at once are one. */
    for (int have; (have = count_writers(receiver)) != writers;) {
        char *id = text_of("writer-%d", have < writers ? have : have - 1);
        kill(receiver->launcher, have < writers ? SIGTTIN : SIGTTOU);
        if (have < writers)
            (void)tree_await_stage(receiver, id, 0);
        else
            tree_await_gone(receiver, id);
        free(id);
    }
}

const tree_t LAUNCHER_TREE = {"launcher", start_launcher, scale_launcher, 0};

/* --- s6 ---------------------------------------------------------------------------------------------------------
 */

static void start_s6(receiver_t *receiver, int writers) {
    tree_shell(receiver, "cp -r deploy/s6/scan \"$FOLDER/scan\"; mkdir \"$FOLDER/logs\"; cd \"$FOLDER/scan\"; "
                         "sed -i -e \"s|^settings=.*|settings=$FOLDER/none|\" -e 's|^user=.*|user=|' "
                         "-e \"s|^logs=.*|logs=$FOLDER/logs|\" -e \"s|^PATH=|PATH=$BIN:|\" .site; "
                         "grep -q \"^PATH=$BIN:\" .site");
    for (int i = 1; i < writers; i++) {
        char *line = text_of("cp -r \"$FOLDER/scan/writer-0\" \"$FOLDER/scan/writer-%d\"", i);
        tree_shell(receiver, line);
        free(line);
    }
    char *scan = text_of("%s/scan", receiver->folder);
    start_supervisor(receiver, (const char *const[]){"s6-svscan", scan, NULL});
    free(scan);
}

static void scale_s6(receiver_t *receiver, int writers) {
    char *line = text_of("deploy/s6/scale \"$FOLDER/scan\" %d", writers);
    tree_shell(receiver, line);
    free(line);
}

const tree_t S6_TREE = {"s6", start_s6, scale_s6, 0};

/* --- supervisord ------------------------------------------------------------------------------------------------
 */

static void start_supervisord(receiver_t *receiver, int writers) {
    tree_shell(
        receiver,
        "cp -r deploy/supervisord \"$FOLDER/tree\"; mkdir \"$FOLDER/logs\"; cd \"$FOLDER/tree\"; "
        "sed -i -e \"s|/var/log/oxidicom|$FOLDER/logs|\" -e \"s|/usr/local/share/oxidicom/supervisord|$PWD|\" "
        "-e \"s|/run/oxidicom-|$FOLDER/|\" -e 's|^stopwaitsecs=.*|stopwaitsecs=130|' *.conf; "
        "sed -i -e 's|^user=.*|user=|' -e \"s|^settings=.*|settings=$FOLDER/none|\" -e \"s|^PATH=|PATH=$BIN:|\" "
        "run; "
        "grep -q \"^PATH=$BIN:\" run; grep -q \"command=$PWD/run oxidicom-writer 0\" *.conf");
    for (int i = 1; i < writers; i++) {
        char *line = text_of("cd \"$FOLDER/tree\"; sed 's/-0\\]/-%d]/; s/ 0$/ %d/' oxidicom-writer-0.conf "
                             ">oxidicom-writer-%d.conf",
                             i, i, i);
        tree_shell(receiver, line);
        free(line);
    }
    char *conf = text_of("%s/tree/supervisord.conf", receiver->folder);
    start_supervisor(receiver, (const char *const[]){"supervisord", "-n", "-c", conf, NULL});
    free(conf);
}

static void scale_supervisord(receiver_t *receiver, int writers) {
    char *line = text_of("cd \"$FOLDER/tree\"; ./scale . %d -c supervisord.conf", writers);
    tree_shell(receiver, line);
    free(line);
}

const tree_t SUPERVISORD_TREE = {"supervisord", start_supervisord, scale_supervisord, 0};

/* oxidicom: starts the three stages, restarts each alone, ends them in order. No stage depends on it. With the name
 * of a command it is the operator's tool instead (deploy/tool/). */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/environment.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/version.h"
#include "deploy/launcher/supervisor.h"
#include "deploy/tool/place.h"
#include "deploy/tool/tool.h"
#include "proto/libraries.h"

/* Time for the removal of the run folder, which may lie in storage, too. */
#define END_REMOVE_MS 500

static void print_help(void) {
    puts("oxidicom: receives DICOM for ChRIS. Starts listener, writers and notifier, restarts each alone.\n"
         "  --stages LIST   only these of listener,writer,notifier\n"
         "  --settings      print the tables of all settings; also --version, --help\n"
         "Signals: TERM and INT drain and end, TTIN and TTOU add and remove a writer, HUP is handed on.\n"
         "Exit status: 0 drained; 1 a stage had to be killed, 2 did not end even so; 64 unknown option; "
         "78 a setting is bad.\n"
         "oxidicom COMMAND asks one that runs; each command has a --help of its own:\n" TOOL_COMMANDS_HELP
         "Settings are environment variables; oxidicom.conf(5) and deploy/SETTINGS.md say more of each:");
    settings_print_summary(stdout);
}

/* Reads "listener,writer"; false where it names something else. */
static bool read_stages(const char *list, bool wanted[KINDS]) {
    memset(wanted, 0, KINDS * sizeof *wanted);
    for (const char *at = list; *at; at += strspn(at, ",")) {
        size_t length = strcspn(at, ",");
        int kind = 0;
        while (kind < KINDS && (strlen(KIND_NAMES[kind]) != length || strncmp(KIND_NAMES[kind], at, length) != 0))
            kind++;
        if (kind == KINDS)
            return false;
        wanted[kind] = true;
        at += length;
    }
    return wanted[KIND_LISTENER] || wanted[KIND_WRITER] || wanted[KIND_NOTIFIER];
}

/* Returns -1 to go on, or an exit status. */
static int read_options(int argc, char **argv, bool wanted[KINDS]) {
    static const struct option options[] = {{"stages", required_argument, NULL, 's'},
                                            {"settings", no_argument, NULL, 't'},
                                            {"version", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (option) {
        case 's':
            if (read_stages(optarg, wanted))
                break;
            fprintf(stderr, "oxidicom: --stages is \"%s\"; allowed is a list of listener,writer,notifier\n",
                    optarg);
            return EX_USAGE;
        case 't':
            settings_print_markdown(stdout);
            return 0;
        case 'v':
            puts("oxidicom " OXIDICOM_VERSION);
            libraries_print(stdout);
            return 0;
        case 'h':
            print_help();
            return 0;
        default:
            return EX_USAGE;
        }
    if (optind == argc)
        return -1;
    fprintf(stderr, "oxidicom: unknown argument \"%s\"; see --help\n", argv[optind]);
    return EX_USAGE;
}

int main(int argc, char **argv) {
    if (argc > 1 && tool_has_command(argv[1]))
        return tool_main(argc - 1, argv + 1);
    bool wanted[KINDS] = {true, true, true};
    int status = read_options(argc, argv, wanted);
    if (status >= 0)
        return status;
    settings_t settings;
    if ((status = settings_read(&settings, FOR_LAUNCHER, stderr)) != 0)
        return status;
    log_start("launcher", settings.rust_log, settings.log_format);
    environment_warn_of_unknown();
    environment_warn_of_idle(&settings);
    char folder[PATH_MAX];
    int lock = -1;
    char *made = settings.run_dir ? NULL : place_make_run_dir(settings.files_root, &lock);
    if ((!settings.run_dir && !made) || !place_own_folder(folder) || supervisor_block_signals() != 0 ||
        setenv("OXIDICOM_RUN_DIR", made ? made : settings.run_dir, 1) != 0) {
        log_error(NULL, "can't start: %s", strerror(errno));
        status = EX_OSERR;
    } else {
        status = supervisor_run(&settings, folder, wanted);
        log_info(NULL, "ends with status %d", status);
    }
    if (made)
        /* Where stages had to be killed, little of the time is left. */
        place_remove_run_dir(made, lock, status == LAUNCHER_DRAINED ? END_MARGIN_MS : END_REMOVE_MS);
    free(made);
    settings_clear(&settings);
    return status;
}

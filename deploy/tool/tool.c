#include "deploy/tool/tool.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "common/clock.h"
#include "common/duration.h"
#include "common/log.h"
#include "common/settings.h"
#include "deploy/tool/print.h"
#include "proto/ring.h"

/* How long it waits for an answer, unless told otherwise, and at most. Storage may take longer than a stage. */
#define TOOL_TIMEOUT_MS      2000
#define LONG_TIMEOUT_MS      60000 /* storage is looked through, CUBE asked for a hundred series */
#define TOOL_TIMEOUT_MOST_MS (10 * 60 * 1000)

/* The options of a command, as bits. */
enum {
    OPTION_ALL = 1,
    OPTION_AE = 2,
    OPTION_UID = 4,
    OPTION_SINCE = 8,
    OPTION_DRY_RUN = 16,
    OPTION_FORCE = 32,
    OPTION_SHOW_PHI = 64,
    OPTION_STAGES = 128,
    OPTION_ONCE = 256,
    OPTION_RESEND = 512,
    OPTION_STORAGE = 1024,
};

typedef struct tool_command {
    const char *name;
    int (*run)(const options_t *options, ask_t *ask);
    unsigned options;
    size_t names_least, names_most;
    const char *help;
} tool_command_t;

static const tool_command_t COMMANDS[] = {
    {"status", status_command, OPTION_STAGES, 0, 0,
     "oxidicom status: stages, queues, journal, broker, NATS and CUBE of an oxidicom that runs.\n\n"
     "  --stages        broker, NATS and CUBE may be away: for probes, since no restart of this brings those "
     "back\n"},
    {"top", top_command, OPTION_ONCE, 0, 0,
     "oxidicom top: stages, rates, queues, associations, series and refusals, drawn anew each second until "
     "Control-C.\n"
     "Where it is piped, each is printed below the one before.\n\n"
     "  --once          one, and the end\n"},
    {"series", series_command, OPTION_ALL | OPTION_AE | OPTION_UID | OPTION_SINCE | OPTION_SHOW_PHI, 0, 1,
     "oxidicom series [UID|AE|SINCE]: series with state and reason, the newest first.\n\n"
     "The argument is a UID if it has digits and dots only, a point in time if it is a date (2026-05-01, also "
     "with\n"
     "T12:30) or a duration (2h), else an AE title. To say which:\n\n"
     "  --uid UID, --ae AE, --since SINCE\n"
     "  --all           all, not only the newest 100\n"
     "  --show-phi      the folder, too, which names the patient\n"},
    {"resend", resend_command, OPTION_AE, 1, SIZE_MAX,
     "oxidicom resend UID…: registers the present folders of these series again, each with a new "
     "task.\nCUBE refuses a series that it has already.\n\n"
     "  --ae AE         only folders of this AE title\n"},
    {"reconcile", reconcile_command, OPTION_SINCE | OPTION_DRY_RUN | OPTION_FORCE | OPTION_SHOW_PHI, 0, SIZE_MAX,
     "oxidicom reconcile [--since SINCE] [UID…]: looks through $OXIDICOM_FILES_ROOT/SERVICES/PACS and registers "
     "the\n"
     "named series, or all with a file not older than SINCE, unless the journal has them as registered or on "
     "their\n"
     "way. For use after the loss of a journal.\n\n"
     "  --since SINCE   a date (2026-05-01, with T12:30 if need be) or a duration (2h)\n"
     "  --dry-run       only list them\n"
     "  --force         also registered ones\n"
     "  --show-phi      the folder, too, which names the patient\n"},
    {"audit", audit_command, OPTION_SINCE | OPTION_RESEND | OPTION_STORAGE | OPTION_SHOW_PHI, 0, 0,
     "oxidicom audit: asks CUBE for every registered series, and names the missing ones. Needs "
     "OXIDICOM_CUBE_URL.\n\n"
     "  confirmed       CUBE has it with all its files\n"
     "  short           with fewer: delete it in CUBE, then have it sent again\n"
     "  lost            CUBE does not have it\n"
     "  unknown here    it lies in storage, and the journal does not know it (--storage): oxidicom reconcile\n\n"
     "  --since SINCE   series since a date (2026-05-01, with T12:30 if need be) or for a duration (2h)\n"
     "  --resend        registers the lost ones again\n"
     "  --storage       also series in $OXIDICOM_FILES_ROOT/SERVICES/PACS, with their files counted\n"
     "  --show-phi      the folder, too, which names the patient\n"},
};

static const tool_command_t *find_command(const char *name) {
    for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++)
        if (strcmp(COMMANDS[i].name, name) == 0)
            return &COMMANDS[i];
    return NULL;
}

bool tool_has_command(const char *name) {
    return find_command(name) != NULL;
}

static bool is_known_to(const tool_command_t *command, int option) {
    return (option == 'j' && command->run != top_command) || option == 't' || option == 'h' ||
           (command->options & (unsigned)option) != 0;
}

static int64_t timeout_of(const tool_command_t *command) {
    return command->run == reconcile_command || command->run == audit_command ? LONG_TIMEOUT_MS : TOOL_TIMEOUT_MS;
}

static void print_help(const tool_command_t *command) {
    fputs(command->help, stdout);
    if (is_known_to(command, 'j'))
        puts("\n  --json          for machines");
    printf("  --timeout TIME  how long to wait at most, from the start or the last answer on (%s)\n",
           timeout_of(command) == TOOL_TIMEOUT_MS ? "2s" : "60s");
    puts("  --help\n\n"
         "Exit status: 0 all is well; 1 something is missing, was not found or was not done; 64 a bad argument;\n"
         "69 nothing runs, or it does not answer; 78 a setting is bad.\n\n"
         "OXIDICOM_RUN_DIR says where it runs; without it, the folders are tried that `oxidicom` uses by default.");
}

/* --- options ------------------------------------------------------------------------------------------- */

static int bad_value(const tool_command_t *command, const char *option, const char *value, const char *allowed) {
    fprintf(stderr, "oxidicom %s: --%s is \"%s\"; allowed is %s\n", command->name, option, value, allowed);
    return EX_USAGE;
}

/* Returns -1 to go on, or an exit status. */
static int take_option(const tool_command_t *command, options_t *options, int option, const char *value) {
    switch (option) {
    case 'j':
        options->json = true;
        return -1;
    case 't':
        if (duration_parse(value, &options->timeout_ms) && options->timeout_ms > 0 &&
            options->timeout_ms <= TOOL_TIMEOUT_MOST_MS)
            return -1;
        return bad_value(command, "timeout", value, "a duration up to 10m");
    case 'h':
        print_help(command);
        return TOOL_FINE;
    case OPTION_SINCE:
        return when_parse(value, &options->since)
                   ? -1
                   : bad_value(command, "since", value, "a date such as 2026-05-01 or a duration such as 2h");
    case OPTION_AE:
        options->ae = value;
        return -1;
    case OPTION_UID:
        options->uid = value;
        return -1;
    default:
        options->all |= option == OPTION_ALL;
        options->resend |= option == OPTION_RESEND;
        options->storage |= option == OPTION_STORAGE;
        options->dry_run |= option == OPTION_DRY_RUN;
        options->force |= option == OPTION_FORCE;
        options->once |= option == OPTION_ONCE;
        options->show_phi |= option == OPTION_SHOW_PHI;
        options->stages |= option == OPTION_STAGES;
        return -1;
    }
}

/* Returns -1 to go on, or an exit status. */
static int read_options(const tool_command_t *command, options_t *options, int argc, char **argv) {
    static const struct option known[] = {{"json", no_argument, NULL, 'j'},
                                          {"timeout", required_argument, NULL, 't'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"all", no_argument, NULL, OPTION_ALL},
                                          {"ae", required_argument, NULL, OPTION_AE},
                                          {"uid", required_argument, NULL, OPTION_UID},
                                          {"since", required_argument, NULL, OPTION_SINCE},
                                          {"dry-run", no_argument, NULL, OPTION_DRY_RUN},
                                          {"force", no_argument, NULL, OPTION_FORCE},
                                          {"show-phi", no_argument, NULL, OPTION_SHOW_PHI},
                                          {"stages", no_argument, NULL, OPTION_STAGES},
                                          {"once", no_argument, NULL, OPTION_ONCE},
                                          {"resend", no_argument, NULL, OPTION_RESEND},
                                          {"storage", no_argument, NULL, OPTION_STORAGE},
                                          {0}};
    for (int option, at; (option = getopt_long(argc, argv, "", known, &at)) != -1;) {
        if (option == '?')
            return EX_USAGE;
        if (!is_known_to(command, option)) {
            fprintf(stderr, "oxidicom %s: has no --%s; see --help\n", command->name, known[at].name);
            return EX_USAGE;
        }
        int status = take_option(command, options, option, optarg);
        if (status >= 0)
            return status;
    }
    options->names = argv + optind;
    options->names_count = (size_t)(argc - optind);
    if (options->names_count >= command->names_least && options->names_count <= command->names_most)
        return -1;
    fprintf(stderr, "oxidicom %s: %s; see --help\n", command->name,
            options->names_count < command->names_least ? "a UID is missing" : "too many arguments");
    return EX_USAGE;
}

/* --- life ---------------------------------------------------------------------------------------------- */

int tool_main(int argc, char **argv) {
    int64_t begin_ms = clock_ms();
    const tool_command_t *command = find_command(argv[0]);
    options_t options = {.timeout_ms = timeout_of(command), .since = -1};
    int status = read_options(command, &options, argc, argv);
    if (status < 0 && command->run == reconcile_command && options.since < 0 && options.names_count == 0) {
        fputs("oxidicom reconcile: name series, or --since; see --help\n", stderr);
        status = EX_USAGE;
    }
    if (status >= 0)
        return status;
    settings_t settings;
    if ((status = settings_read(&settings, FOR_TOOL, stderr)) != 0)
        return status;
    log_start("oxidicom", "error", NULL);
    ask_t ask;
    status = ask_open(&ask, settings.run_dir, options.timeout_ms, begin_ms);
    if (status == 0)
        status = command->run(&options, &ask);
    ask_close(&ask);
    settings_clear(&settings);
    return status;
}

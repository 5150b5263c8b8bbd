/* Prints the table of settings, or with a program's name the settings that it uses: for manual pages and
 * deploy/SETTINGS.md, on the machine that builds, which may not run the result. */
#include <string.h>
#include <sysexits.h>

#include "common/settings.h"
#include "common/settings_table.h"

static const struct {
    const char *program;
    unsigned stages;
} PROGRAMS[] = {
    {"oxidicom", FOR_ALL},
    {"oxidicom-listener", FOR_LISTENER},
    {"oxidicom-writer", FOR_WRITER},
    {"oxidicom-notifier", FOR_NOTIFIER},
};

static void print_names(unsigned stages) {
    for (size_t i = 0; i < SETTINGS_COUNT; i++)
        if (SETTINGS[i].stages & stages)
            puts(SETTINGS[i].name);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        settings_print_markdown(stdout);
        return EX_OK;
    }
    for (size_t i = 0; i < sizeof PROGRAMS / sizeof *PROGRAMS; i++)
        if (strcmp(argv[1], PROGRAMS[i].program) == 0) {
            print_names(PROGRAMS[i].stages);
            return EX_OK;
        }
    fprintf(stderr, "settings: no program \"%s\"\n", argv[1]);
    return EX_USAGE;
}

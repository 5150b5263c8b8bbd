/* Reads the environment through the table, and prints the table. */
#include "common/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/duration.h"
#include "common/limits.h"
#include "common/settings_table.h"

static void *field_of(settings_t *settings, const setting_t *setting) {
    return (char *)settings + setting->offset;
}

static bool parse_integer(const char *text, int64_t *value) {
    char *end;
    errno = 0;
    long long parsed = strtoll(text, &end, 10);
    *value = parsed;
    return errno == 0 && end != text && *end == 0;
}

static bool in_range(const setting_t *setting, int64_t value) {
    return value >= setting->least && value <= setting->most;
}

static bool store_number(settings_t *settings, const setting_t *setting, const char *text) {
    int64_t value;
    bool read = setting->type == SETTING_DURATION ? duration_parse(text, &value)
                : setting->type == SETTING_SIZE   ? size_parse(text, &value)
                                                  : parse_integer(text, &value);
    if (!read || !in_range(setting, value))
        return false;
    *(int64_t *)field_of(settings, setting) = value;
    return true;
}

static bool store_boolean(settings_t *settings, const setting_t *setting, const char *text) {
    bool value = strcmp(text, "true") == 0;
    *(bool *)field_of(settings, setting) = value;
    return value || strcmp(text, "false") == 0;
}

/* Reads `text` into the setting's field; false where it is not allowed. */
static bool store(settings_t *settings, const setting_t *setting, const char *text) {
    if (setting->type == SETTING_BOOLEAN)
        return store_boolean(settings, setting, text);
    if (setting->type != SETTING_TEXT)
        return store_number(settings, setting, text);
    if (!*text)
        return setting->may_be_empty;
    if (setting->valid && !setting->valid(text))
        return false;
    char **field = field_of(settings, setting);
    free(*field);
    *field = strdup(text);
    return *field != NULL;
}

/* What may be written for the setting, in words. */
static void print_allowed(FILE *out, const setting_t *setting) {
    switch (setting->type) {
    case SETTING_BOOLEAN:
        fputs("true or false", out);
        break;
    case SETTING_INTEGER:
        fprintf(out, "a whole number from %lld to %lld", (long long)setting->least, (long long)setting->most);
        break;
    case SETTING_DURATION:
        fprintf(out, "a duration such as 500ms or 1m 30s, from %lldms to %llds", (long long)setting->least,
                (long long)setting->most / 1000);
        break;
    case SETTING_SIZE:
        fprintf(out, "a size such as 64MiB, at least %lldMiB", (long long)setting->least / (1024 * 1024));
        break;
    case SETTING_TEXT:
        fputs(setting->allowed ? setting->allowed : "any text", out);
    }
}

/* An address may hold a password: everything between the scheme and the last '@' is left out. */
static void print_value(FILE *out, const char *value) {
    const char *scheme = strstr(value, "://"), *at = strrchr(value, '@');
    if (scheme && at && at > scheme)
        fprintf(out, "%.*s***%s", (int)(scheme + 3 - value), value, at);
    else
        fputs(value, out);
}

static int complain(FILE *out, const setting_t *setting, const char *name, const char *value) {
    if (value) {
        fprintf(out, "%s is \"", name);
        print_value(out, value);
        fputs("\"; allowed is ", out);
    } else {
        fprintf(out, "%s is not set; needed is ", name);
    }
    print_allowed(out, setting);
    fputc('\n', out);
    return EXIT_SETTINGS;
}

static int read_setting(settings_t *settings, const setting_t *setting, unsigned stage, FILE *complaints) {
    const char *name = setting->name, *value = getenv(name);
    if (value && !*value && setting->empty_is_unset)
        value = NULL;
    const char *other = setting->alias ? getenv(setting->alias) : NULL;
    /* For a count, the project's own variable wins over the reference's; an address must be unambiguous. */
    if (value && other && setting->type == SETTING_TEXT && strcmp(value, other) != 0) {
        fprintf(complaints, "%s and %s are both set and differ; allowed is one of them\n", name, setting->alias);
        return EXIT_SETTINGS;
    }
    if (!value && other) {
        name = setting->alias;
        value = other;
    }
    if (value)
        return store(settings, setting, value) ? 0 : complain(complaints, setting, name, value);
    if (setting->default_value)
        return store(settings, setting, setting->default_value)
                   ? 0
                   : complain(complaints, setting, name, setting->default_value);
    return setting->required && (setting->stages & stage) ? complain(complaints, setting, name, NULL) : 0;
}

/* Whether the folder is there, or can be made, and can be written by this user. */
static bool usable_folder(const char *path) {
    return (mkdir(path, 0700) == 0 || errno == EEXIST) && access(path, W_OK | X_OK) == 0;
}

/* The default of OXIDICOM_RUN_DIR depends on the machine. NULL where there is none. */
static char *default_run_dir(void) {
    if (usable_folder("/run/oxidicom"))
        return strdup("/run/oxidicom");
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char *path;
    if (!runtime || !*runtime || asprintf(&path, "%s/oxidicom", runtime) < 0)
        return NULL;
    if (usable_folder(path))
        return path;
    free(path);
    return NULL;
}

int settings_read(settings_t *settings, unsigned stage, FILE *complaints) {
    memset(settings, 0, sizeof *settings);
    int status = 0;
    for (size_t i = 0; i < SETTINGS_COUNT && status == 0; i++)
        /* The launcher checks everything, so that a bad value is found before a stage is started. */
        if ((SETTINGS[i].stages & stage) || stage == FOR_LAUNCHER)
            status = read_setting(settings, &SETTINGS[i], stage, complaints);
    if (status == 0 && !settings->run_dir && (stage & FOR_ALL))
        settings->run_dir = default_run_dir();
    if (status == 0 && !settings->run_dir && (stage & FOR_ALL) && stage != FOR_LAUNCHER) {
        fputs("OXIDICOM_RUN_DIR is not set, and neither /run/oxidicom nor $XDG_RUNTIME_DIR/oxidicom can be "
              "written; needed is an absolute path\n",
              complaints);
        status = EXIT_SETTINGS;
    }
    if (status != 0)
        settings_clear(settings);
    return status;
}

void settings_clear(settings_t *settings) {
    for (size_t i = 0; i < SETTINGS_COUNT; i++)
        if (SETTINGS[i].type == SETTING_TEXT)
            free(*(char **)field_of(settings, &SETTINGS[i]));
    memset(settings, 0, sizeof *settings);
}

void settings_print_help(FILE *out, unsigned stage) {
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        const setting_t *s = &SETTINGS[i];
        if (!(s->stages & stage))
            continue;
        fprintf(out, "  %s", s->name);
        if (s->alias)
            fprintf(out, " (or %s)", s->alias);
        fprintf(out, "\n      %s\n      ", s->help);
        print_allowed(out, s);
        fprintf(out, "; %s%s\n", s->required ? "required" : "default: ",
                s->required        ? ""
                : s->default_value ? s->default_value
                                   : "none");
    }
}

void settings_print_markdown(FILE *out) {
    fputs("| variable | default | allowed | what it does |\n|---|---|---|---|\n", out);
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        const setting_t *s = &SETTINGS[i];
        fprintf(out, "| `%s`", s->name);
        if (s->alias)
            fprintf(out, " (or `%s`)", s->alias);
        if (s->required)
            fputs(" | required", out);
        else
            fprintf(out, " | %s%s%s", s->default_value ? "`" : "", s->default_value ? s->default_value : "none",
                    s->default_value ? "`" : "");
        fputs(" | ", out);
        print_allowed(out, s);
        fprintf(out, " | %s |\n", s->help);
    }
}

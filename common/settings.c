/* Reads the environment through the table, and prints the table. */
#include "common/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/duration.h"
#include "common/memory.h"
#include "common/secret.h"
#include "common/settings_checks.h"
#include "common/settings_table.h"
#include "common/utf8.h"

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

static bool store_number(settings_t *settings, const setting_t *setting, const char *text) {
    int64_t value;
    bool read = setting->type == SETTING_DURATION ? duration_parse(text, &value)
                : setting->type == SETTING_SIZE   ? size_parse(text, &value)
                                                  : parse_integer(text, &value);
    if (!read || value < setting->least || value > setting->most)
        return false;
    *(int64_t *)field_of(settings, setting) = value;
    return true;
}

static bool store_boolean(settings_t *settings, const setting_t *setting, const char *text) {
    bool value = strcmp(text, "true") == 0;
    *(bool *)field_of(settings, setting) = value;
    return value || strcmp(text, "false") == 0;
}

/* Reads `text` into the setting's field; false if it is not allowed. */
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

/* The allowed values, in words. */
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
        fprintf(out, "a size such as 64MiB or 2TiB, at least %lldMiB", (long long)setting->least / (1024 * 1024));
        break;
    case SETTING_TEXT:
        fputs(setting->allowed ? setting->allowed : "any text", out);
    }
}

/* Where the value of a setting comes from. */
typedef struct source {
    const char *variable;
    const char *path; /* of the file that holds it; NULL: the variable itself does */
    char *value;      /* owned */
} source_t;

/* An address may hold a password before its host or after a `?`: only scheme, host and path are printed, and
 * nothing of several addresses. */
static void print_secret(FILE *out, const char *value) {
    const char *scheme = strstr(value, "://"), *begin = scheme ? scheme + 3 : value, *at = strrchr(value, '@');
    bool several = strpbrk(value, ",;") != NULL;
    bool has_user = at && at >= begin;
    const char *host = has_user ? at : begin;
    if (several)
        fprintf(out, "%.*s***", (int)(begin - value), value);
    else
        fprintf(out, "%.*s%s%.*s%s", (int)(begin - value), value, has_user ? "***" : "", (int)strcspn(host, "?"),
                host, strchr(host, '?') ? "?***" : "");
}

static void print_source(FILE *out, const setting_t *setting, const source_t *source) {
    if (source->path) {
        fprintf(out, "%s_FILE is \"%s\", and that file's content can't be used", source->variable, source->path);
        return;
    }
    fprintf(out, "%s is \"", source->variable);
    if (setting->hidden)
        fputs("***", out);
    else if (setting->secret)
        print_secret(out, source->value);
    else
        fputs(source->value, out);
    fputc('"', out);
}

/* `source` NULL: there is no value. */
static int complain(FILE *out, const setting_t *setting, const source_t *source) {
    if (source)
        print_source(out, setting, source);
    else
        fprintf(out, "%s is not set", setting->name);
    fputs(source ? "; allowed is " : "; needed is ", out);
    print_allowed(out, setting);
    return EXIT_SETTINGS;
}

/* Reads the file that `variable` and _FILE name, if they do. `value`: of the variable itself, NULL: it is unset. */
static int read_secret_file(source_t *source, const char *value, FILE *complaints) {
    char *file_variable;
    const char *why;
    file_variable = format_text("%s_FILE", source->variable);
    int status = 0;
    source->path = getenv(file_variable);
    if (source->path && value) {
        fprintf(complaints, "%s and %s are both set; allowed is one of them", source->variable, file_variable);
        status = EXIT_SETTINGS;
    } else if (source->path && !(source->value = secret_read(source->path, &why))) {
        fprintf(complaints, "%s is \"%s\": %s; allowed is a file of 1 to %d bytes", file_variable, source->path,
                why, SECRET_FILE_MAX_BYTES);
        status = EXIT_SETTINGS;
    }
    free(file_variable);
    return status;
}

/* The value under one of the setting's names, NULL where it has none. */
static int find_under(source_t *source, const setting_t *setting, const char *variable, FILE *complaints) {
    *source = (source_t){.variable = variable};
    const char *value = variable ? getenv(variable) : NULL;
    if (value && !*value && setting->empty_is_unset)
        value = NULL;
    if (variable && setting->secret) {
        int status = read_secret_file(source, value, complaints);
        if (status != 0 || source->value)
            return status;
    }
    if (value)
        source->value = must(strdup(value));
    return 0;
}

/* The value under either name. */
static int find_source(source_t *source, const setting_t *setting, FILE *complaints) {
    source_t other = {0};
    int status = find_under(source, setting, setting->name, complaints);
    if (status == 0)
        status = find_under(&other, setting, setting->alias, complaints);
    /* For a count, the project's own variable wins over the reference's; an address must be unambiguous. */
    if (status == 0 && source->value && other.value && setting->type == SETTING_TEXT &&
        strcmp(source->value, other.value) != 0) {
        fprintf(complaints, "%s and %s are both set and differ; allowed is one of them", setting->name,
                setting->alias);
        status = EXIT_SETTINGS;
    }
    if (status == 0 && !source->value && other.value) {
        *source = other;
        return 0;
    }
    free(other.value);
    return status;
}

static int read_setting(settings_t *settings, const setting_t *setting, unsigned stage, FILE *complaints) {
    source_t source = {0};
    int status = find_source(&source, setting, complaints);
    if (status == 0 && source.value && !store(settings, setting, source.value))
        status = complain(complaints, setting, &source);
    if (status == 0 && !source.value && setting->default_value)
        must_hold(store(settings, setting, setting->default_value)); /* else the table is wrong */
    if (status == 0 && !source.value && !setting->default_value && setting->required && (setting->stages & stage))
        status = complain(complaints, setting, NULL);
    free(source.value);
    return status;
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

static int read_all(settings_t *settings, unsigned stage, FILE *complaints) {
    int status = 0;
    for (size_t i = 0; i < SETTINGS_COUNT && status == 0; i++)
        /* The launcher checks everything, so that a bad value is found before a stage is started. */
        if ((SETTINGS[i].stages & stage) || stage == FOR_LAUNCHER)
            status = read_setting(settings, &SETTINGS[i], stage, complaints);
    if (status == 0 && !settings->run_dir && (stage & FOR_ALL))
        settings->run_dir = default_run_dir();
    if (status == 0 && !settings->run_dir && (stage & FOR_ALL) && stage != FOR_LAUNCHER) {
        fputs("OXIDICOM_RUN_DIR is not set, and neither /run/oxidicom nor $XDG_RUNTIME_DIR/oxidicom can be "
              "written; needed is an absolute path",
              complaints);
        status = EXIT_SETTINGS;
    }
    if (status == 0 && !settings_checks_folders(settings, complaints))
        status = EXIT_SETTINGS;
    return status;
}

/* A complaint holds what somebody wrote into a variable: it stays one line, and no terminal obeys it. */
int settings_read(settings_t *settings, unsigned stage, FILE *complaints) {
    char *complaint, *shown;
    size_t size;
    FILE *out = must(open_memstream(&complaint, &size));
    memset(settings, 0, sizeof *settings);
    int status = read_all(settings, stage, out);
    must_hold(fclose(out) == 0);
    if (status != 0) {
        shown = utf8_shown(complaint);
        fprintf(complaints, "%s\n", shown);
        free(shown);
        settings_clear(settings);
    }
    free(complaint);
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
        if (s->secret)
            fprintf(out, "%s_FILE instead: a file that holds it.\n      ", s->name);
        print_allowed(out, s);
        fprintf(out, "; %s%s\n", s->required ? "required" : "default: ",
                s->required        ? ""
                : s->default_value ? s->default_value
                                   : "none");
    }
}

/* Of the names with their defaults. */
#define SUMMARY_COLUMN 39

void settings_print_summary(FILE *out) {
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        const setting_t *s = &SETTINGS[i];
        const char *end = strstr(s->help, ". ");
        if (s->group)
            fprintf(out, "%s\n", s->group);
        int width = fprintf(out, "  %s%s%s", s->name, s->default_value ? "=" : "",
                            s->default_value ? s->default_value : "");
        fprintf(out, "%*s%.*s\n", width < SUMMARY_COLUMN ? SUMMARY_COLUMN - width : 1, "",
                (int)(end ? (size_t)(end - s->help) : strcspn(s->help, ".")), s->help);
    }
}

void settings_print_markdown(FILE *out) {
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        const setting_t *s = &SETTINGS[i];
        if (s->group)
            fprintf(out, "%s## %s\n\n| variable | default | allowed | effect |\n|---|---|---|---|\n",
                    i > 0 ? "\n" : "", s->group);
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
        fprintf(out, " | %s", s->help);
        if (s->secret)
            fprintf(out, " `%s_FILE` instead: a file that holds it.", s->name);
        fputs(" |\n", out);
    }
}

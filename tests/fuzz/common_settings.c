/* Settings: durations, sizes, log directives, and the whole environment. Input: a stage, then texts that end with a
 * NUL, each after the number of the setting that it is for (SETTINGS_COUNT and more: its alias). */
#include <string.h>
#include <unistd.h>

#include "common/duration.h"
#include "common/log_filter.h"
#include "common/settings_table.h"
#include "common/utf8.h"
#include "tests/fuzz/fuzz.h"

/* Each reader alone. */
static void read_text(const char *text) {
    int64_t number;
    if (duration_parse(text, &number))
        CHECK(number >= 0);
    if (size_parse(text, &number))
        CHECK(number >= 0);
    char unknown[32];
    (void)log_filter(text, "writer-0", unknown, sizeof unknown);
    size_t size;
    char *utf8 = utf8_from_latin1(text, strlen(text), &size);
    CHECK(utf8_valid(utf8, size));
    free(utf8);
}

static void set_variable(uint8_t number, const char *text) {
    const setting_t *setting = &SETTINGS[number % SETTINGS_COUNT];
    const char *name = number >= SETTINGS_COUNT && setting->alias ? setting->alias : setting->name;
    setenv(name, text, 1);
}

/* The required ones, and a run folder, which would be made for want of one. */
static void reset_environment(void) {
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        unsetenv(SETTINGS[i].name);
        if (SETTINGS[i].alias)
            unsetenv(SETTINGS[i].alias);
    }
    setenv("OXIDICOM_FILES_ROOT", "/data", 1);
    setenv("OXIDICOM_AMQP_ADDRESS", "amqp://queue:5672", 1);
    setenv("OXIDICOM_RUN_DIR", "/run/fuzz", 1);
}

static void check_numbers(const settings_t *settings) {
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        const setting_t *s = &SETTINGS[i];
        if (s->type == SETTING_TEXT || s->type == SETTING_BOOLEAN)
            continue;
        int64_t value = *(const int64_t *)((const char *)settings + s->offset);
        CHECK(value >= s->least && value <= s->most);
    }
}

static void read_environment(unsigned stage) {
    char *complaint = NULL;
    size_t size = 0;
    FILE *complaints = open_memstream(&complaint, &size);
    settings_t settings;
    int status = settings_read(&settings, stage, complaints);
    fclose(complaints);
    CHECK((status == 0) == (size == 0));
    if (status == 0) {
        if (stage == FOR_LAUNCHER) /* it alone reads every setting */
            check_numbers(&settings);
        settings_clear(&settings);
    }
    free(complaint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const unsigned stages[] = {FOR_LISTENER, FOR_WRITER, FOR_NOTIFIER, FOR_LAUNCHER};
    if (size < 3)
        return 0;
    reset_environment();
    for (size_t at = 1; at + 1 < size;) {
        uint8_t number = data[at++];
        char *text = strndup((const char *)data + at, size - at);
        at += strlen(text) + 1;
        read_text(text);
        set_variable(number, text);
        free(text);
    }
    read_environment(stages[data[0] % 4]);
    return 0;
}

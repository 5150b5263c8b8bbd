#include "tests/common/settings_rig.h"

#include <stdlib.h>

#include "common/settings.h"

void settings_rig_set(const char *const *assignments) {
    clearenv();
    setenv("OXIDICOM_FILES_ROOT", "/data", 1);
    setenv("OXIDICOM_AMQP_ADDRESS", "amqp://queue:5672", 1);
    setenv("OXIDICOM_RUN_DIR", "/tmp/run", 1);
    for (; assignments && *assignments; assignments += 2)
        setenv(assignments[0], assignments[1], 1);
}

char *settings_rig_read(unsigned stage, int *status) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    settings_t settings;
    *status = settings_read(&settings, stage, out);
    if (*status == 0)
        settings_clear(&settings);
    fclose(out);
    return text;
}

#include "common/settings_checks.h"

#include <stdlib.h>

#include "common/memory.h"
#include "common/plain_path.h"
#include "common/series_key.h"

static bool is_outside(const char *services, const char *variable, const char *folder, FILE *complaints) {
    char *plain = folder ? plain_path(folder) : NULL;
    bool outside = !plain || !plain_path_holds(services, plain);
    if (!outside)
        fprintf(complaints, "%s is \"%s\", where CUBE reads; allowed is a folder outside of \"%s\"", variable,
                folder, services);
    free(plain);
    return outside;
}

bool settings_checks_folders(const settings_t *settings, FILE *complaints) {
    if (!settings->files_root)
        return true;
    char *path = format_text("%s/" SERVICES, settings->files_root), *services = plain_path(path);
    bool outside = is_outside(services, "OXIDICOM_STATE_DIR", settings->state_dir, complaints) &&
                   is_outside(services, "OXIDICOM_RUN_DIR", settings->run_dir, complaints);
    free(path);
    free(services);
    return outside;
}

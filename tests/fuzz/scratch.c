#include "tests/fuzz/scratch.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

static char folder[64];

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *ftw) {
    (void)s;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_all(void) {
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *scratch_folder(void) {
    if (*folder)
        return folder;
    snprintf(folder, sizeof folder, "%s/oxidicom-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    CHECK(mkdtemp(folder));
    CHECK(atexit(remove_all) == 0);
    return folder;
}

void scratch_remove(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", scratch_folder(), name);
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

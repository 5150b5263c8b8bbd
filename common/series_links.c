#include "common/series_links.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/open_beneath.h"

/* Closes `above` and makes `name` in it. Returns it as a descriptor, or -1 with errno. */
static int enter(int above, const char *name) {
    int folder = -1;
    if (mkdirat(above, name, 0755) == 0 || errno == EEXIST)
        folder = open_beneath(above, name, O_PATH | O_DIRECTORY, 0);
    int reason = errno;
    close(above);
    errno = reason;
    return folder;
}

int series_links_open(int root) {
    int folder = open_beneath(root, SERIES_LINKS, O_PATH | O_DIRECTORY, 0);
    if (folder >= 0 || errno != ENOENT)
        return folder;
    folder = open_beneath(root, ".", O_PATH | O_DIRECTORY, 0);
    folder = folder < 0 ? -1 : enter(folder, ".oxidicom");
    return folder < 0 ? -1 : enter(folder, "series");
}

int series_links_remove(int root, const char *key) {
    int folder = open_beneath(root, SERIES_LINKS, O_PATH | O_DIRECTORY, 0);
    if (folder < 0)
        return errno == ENOENT ? 0 : errno;
    int reason = unlinkat(folder, key, 0) == 0 || errno == ENOENT ? 0 : errno;
    close(folder);
    return reason;
}

/* Preloaded into a stage by a test: writes a line to the file OXIDICOM_TEST_CALLS for each fsync and fdatasync. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void record(const char *call) {
    const char *path = getenv("OXIDICOM_TEST_CALLS");
    int file = path ? open(path, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    if (file < 0)
        return;
    if (write(file, call, strlen(call)) < 0)
        abort();
    close(file);
}

int fsync(int fd) {
    record("fsync\n");
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return real(fd);
}

int fdatasync(int fd) {
    record("fdatasync\n");
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return real(fd);
}

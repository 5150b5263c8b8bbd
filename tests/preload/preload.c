/* Preloaded into the stages by a test. Writes a line to the file OXIDICOM_TEST_CALLS for each fsync and fdatasync.
 * In a writer, each call that waits for storage takes OXIDICOM_TEST_DELAY_MS longer. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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

static void delay(void) {
    const char *ms = getenv("OXIDICOM_TEST_DELAY_MS");
    if (!ms || strcmp(program_invocation_short_name, "oxidicom-writer") != 0)
        return;
    struct timespec pause = {.tv_nsec = atol(ms) * 1000000};
    nanosleep(&pause, NULL);
}

int fsync(int fd) {
    record("fsync\n");
    delay();
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return real(fd);
}

int fdatasync(int fd) {
    record("fdatasync\n");
    delay();
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return real(fd);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    delay();
    int (*real)(int, const char *, int, const char *) =
        (int (*)(int, const char *, int, const char *))dlsym(RTLD_NEXT, "renameat");
    return real(from_folder, from, to_folder, to);
}

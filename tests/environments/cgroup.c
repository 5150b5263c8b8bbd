#include "tests/environments/cgroup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/process.h"
#include "tests/support/receiver.h"

#define PERIOD_US 100000

static bool write_number(const char *folder, const char *name, long long value, const char *rest) {
    char *path = text_of("%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    bool written = file && fprintf(file, "%lld%s", value, rest) > 0;
    written = file && fclose(file) == 0 && written;
    free(path);
    return written;
}

static bool make_version_2(cgroup_t *cgroup, long long quota_us, long long bytes) {
    char *folder = text_of("/sys/fs/cgroup/oxidicom-test-%d", (int)getpid());
    bool made = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0 && mkdir(folder, 0755) == 0;
    if (made && write_number(folder, "cpu.max", quota_us, " 100000") &&
        write_number(folder, "memory.max", bytes, "")) {
        cgroup->folders = folder;
        cgroup->events = text_of("%s/memory.events", folder);
        return true;
    }
    if (made)
        rmdir(folder);
    free(folder);
    return false;
}

static bool make_version_1(cgroup_t *cgroup, long long quota_us, long long bytes) {
    char *memory = text_of("/sys/fs/cgroup/memory/oxidicom-test-%d", (int)getpid()),
         *cpu = text_of("/sys/fs/cgroup/cpu/oxidicom-test-%d", (int)getpid());
    bool made = mkdir(memory, 0755) == 0 && mkdir(cpu, 0755) == 0 &&
                write_number(cpu, "cpu.cfs_period_us", PERIOD_US, "") &&
                write_number(cpu, "cpu.cfs_quota_us", quota_us, "") &&
                write_number(memory, "memory.limit_in_bytes", bytes, "");
    if (made) {
        cgroup->folders = text_of("%s %s", memory, cpu);
        cgroup->events = text_of("%s/memory.oom_control", memory);
    } else {
        rmdir(memory);
        rmdir(cpu);
    }
    free(memory);
    free(cpu);
    return made;
}

bool cgroup_make(cgroup_t *cgroup, int millicores, int mebibytes) {
    long long quota_us = (long long)millicores * PERIOD_US / 1000, bytes = (long long)mebibytes * 1024 * 1024;
    return make_version_2(cgroup, quota_us, bytes) || make_version_1(cgroup, quota_us, bytes);
}

long cgroup_killed(const cgroup_t *cgroup) {
    size_t size;
    char *content = file_content(cgroup->events, &size), *at = content ? strstr(content, "oom_kill ") : NULL;
    long killed = at ? atol(at + strlen("oom_kill ")) : -1;
    free(content);
    return killed;
}

/* A process that has ended may be counted for a moment longer. */
static bool is_removed(void *argument) {
    return rmdir(argument) == 0 || access(argument, F_OK) != 0;
}

void cgroup_remove(cgroup_t *cgroup) {
    char *rest = cgroup->folders;
    for (char *folder; (folder = strsep(&rest, " "));)
        if (!await(is_removed, folder, 10000))
            perror(folder);
    free(cgroup->folders);
    free(cgroup->events);
}

#include "common/run_folder.h"

#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

int run_folder_watch(const char *run_dir) {
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch < 0 ||
        inotify_add_watch(watch, run_dir, IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF) >= 0)
        return watch;
    close(watch);
    return -1;
}

bool run_folder_lost(int watch, const char *name) {
    _Alignas(struct inotify_event) char events[4096];
    bool lost = false;
    for (ssize_t size; (size = read(watch, events, sizeof events)) > 0;)
        for (char *at = events; at < events + size;) {
            const struct inotify_event *event = (const struct inotify_event *)at;
            lost |= (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0 ||
                    (event->len > 0 && strcmp(event->name, name) == 0);
            at += sizeof *event + event->len;
        }
    return lost;
}

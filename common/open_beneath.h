/* Opening below a folder, safe from any path. */
#ifndef COMMON_OPEN_BENEATH_H
#define COMMON_OPEN_BENEATH_H

/* Opens `path` relative to `folder` without ever leaving it, and through no symbolic link: by openat2(2), or
 * component by component where that is missing (before Linux 5.6, gVisor, emulators, old seccomp profiles). Returns
 * a descriptor, or -1 with errno; EXDEV: the path would leave the folder, ELOOP: a part of it is a symbolic link.
 */
int open_beneath(int folder, const char *path, int flags, unsigned mode);

/* Says in the log if openat2(2) was missing so far, and why. */
void open_beneath_say(void);

#endif

/* Where things lie: the executables, and the run folder where neither the environment nor the machine has one. */
#ifndef TOOL_PLACE_H
#define TOOL_PLACE_H

#include <limits.h>
#include <stdbool.h>

/* The folder that this executable lies in, where the stages lie, too. */
bool place_own_folder(char folder[PATH_MAX]);

/* Where a launcher makes a run folder of its own: the first writable place, down to a container with only the
 * volume of its files. */
typedef enum place {
    PLACE_TEMPORARY, /* $TMPDIR, else /tmp: oxidicom-<user id> */
    PLACE_MEMORY,    /* /dev/shm: the same */
    PLACE_STORAGE, /* below the files root: the host's name. Sockets work there between processes of one host, on a
                      network file system, too */
    PLACES
} place_t;
#define PLACE_BELOW_FILES_ROOT ".oxidicom/run"

/* The run folder that a launcher of this user makes in that place, and that the operator's tool finds without being
 * told. `files_root` may be NULL. Free it; NULL: there is none. */
char *place_private_run_dir(place_t place, const char *files_root);

/* Whether it is a folder, no link, of this user, that nobody else may look into. */
bool place_is_private(const char *path);

/* Makes the private folder in the first place that can be written, or, where another launcher of this user has it
 * or somebody else has put something in its place, one with a random name; `lock` holds it while it is open. NULL
 * after logging why; else free the path. */
char *place_make_run_dir(const char *files_root, int *lock);
/* Removes it with the sockets and locks in it; gives it up after `ms`, since it may lie in storage that is away. */
void place_remove_run_dir(const char *path, int lock, int ms);

#endif

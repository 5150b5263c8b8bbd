/* Where things lie: the executables, and the run folder where neither the environment nor the machine has one. */
#ifndef LAUNCHER_PLACE_H
#define LAUNCHER_PLACE_H

#include <limits.h>
#include <stdbool.h>

/* The folder that this executable lies in, where the stages lie, too. */
bool place_own_folder(char folder[PATH_MAX]);

/* A run folder under the temporary folder that a launcher of this user makes where it needs one, and that the
 * operator's tool finds without being told: oxidicom-<user id>. Free it. */
char *place_private_run_dir(void);

/* Whether it is a folder, no link, of this user, that nobody else may look into. */
bool place_is_private(const char *path);

/* Makes the private folder, or, where another launcher of this user has it or somebody else has put something in
 * its place, one with a random name; `lock` holds it while it is open. NULL after logging why; else free the path.
 */
char *place_make_run_dir(int *lock);
/* Removes it with the sockets and locks in it. */
void place_remove_run_dir(const char *path, int lock);

#endif

/* What an object costs on a real NFS mount, in a machine of its own: boot.sh. `make nfs-check` does more of it. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/process.h"
#include "tests/support/receiver.h"

#define MACHINE_MS (15 * 60 * 1000)

Test(nfs, costs_few_operations_for_each_object_and_series, .timeout = 2 * MACHINE_MS / 1000) {
#ifdef SANITIZED
    cr_skip_test("the machine runs what was built without sanitizers");
#endif
    if (access("/usr/bin/linux.uml", X_OK) != 0 || access("/usr/sbin/rpc.nfsd", X_OK) != 0)
        cr_skip_test("no user-mode Linux or no NFS server is installed: deploy/deps.sh nfs");
    char *folder = temporary_folder("nfs"), *path = text_of("%s/log", folder), *machine = text_of("%s/vm", folder);
    int status =
        process_run(path, NULL, (const char *const[]){"tests/nfs/boot.sh", machine, "count", NULL}, MACHINE_MS);
    size_t size;
    char *log = file_content(path, &size), *console_path = text_of("%s/console", machine);
    char *console = file_content(console_path, &size);
    cr_assert_eq(status, 0, "%s\n%s", log, console);
    remove_folder(folder);
    free(folder);
    free(path);
    free(machine);
    free(log);
    free(console_path);
    free(console);
}

/* A listener that was held up, by its machine or by its own work. */
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/ring/upper_layer.h"

static bool is_there(void *path) {
    return access(path, F_OK) == 0;
}

static void write_rules(const char *path, const char *rules) {
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs(rules, file) >= 0 && fclose(file) == 0);
}

/* Its timers come before its sockets when it goes on. */
Test(held_up, hears_what_came_meanwhile_before_it_judges_anybody, .timeout = PATIENCE_S) {
#ifdef SANITIZED
    cr_skip_test("the sanitizer wants to be the first library");
#endif
    char *preload = text_of("%s/../preload.so", binaries()), *folder = temporary_folder("held_up");
    char *faults = text_of("%s/faults", folder), *hangs = text_of("%s/faults.hangs", folder);
    site_t site = SITE_WITH("OXIDICOM_STALL_TIMEOUT", "3s", "OXIDICOM_MIN_RATE", "10000", "LD_PRELOAD", preload,
                            "OXIDICOM_TEST_FAULTS", faults);
    scu_t scu = site_associate(&site);
    bytes_t set = instance(1, 20000), command = scu_store_command(MR_STORAGE, "1.2.3", 1);
    cr_assert(scu_p_data(&scu, MR_CONTEXT, 3, command.at, command.size));
    cr_assert(scu_p_data(&scu, MR_CONTEXT, 0, set.at, 10000));
    write_rules(faults, "listener send/Alive hang\n");
    cr_assert(await(is_there, hangs, PATIENCE_MS), "it does not hang");
    cr_assert(scu_p_data(&scu, MR_CONTEXT, 2, set.at + 10000, set.size - 10000));
    for (int64_t end_ms = clock_ms() + 3500; clock_ms() < end_ms;)
        poll(NULL, 0, 50); /* until its time would be over */
    write_rules(faults, "\n");
    cr_assert_eq(scu_status(&scu), 0);
    cr_assert(scu_release(&scu));
    site_end(&site);
    bytes_free(&set);
    bytes_free(&command);
    remove_folder(folder);
    free(folder);
    free(faults);
    free(hangs);
    free(preload);
}

/* A listener that was held up, by its machine or by its own work. */
#include <poll.h>
#include <stdlib.h>

#include "common/clock.h"
#include "tests/ring/upper_layer.h"
#include "tests/support/faults.h"

/* Its timers come before its sockets when it goes on. */
Test(held_up, hears_what_came_meanwhile_before_it_judges_anybody, .timeout = PATIENCE_S) {
#ifdef SANITIZED
    cr_skip_test("the sanitizer wants to be the first library");
#endif
    char *preload = text_of("%s/../preload.so", binaries()), *folder = temporary_folder("held_up");
    char *faults = text_of("%s/faults", folder);
    site_t site = SITE_WITH("OXIDICOM_STALL_TIMEOUT", "3s", "OXIDICOM_MIN_RATE", "10000", "LD_PRELOAD", preload,
                            "OXIDICOM_TEST_FAULTS", faults);
    scu_t scu = site_associate(&site);
    bytes_t set = instance(1, 20000), command = scu_store_command(MR_STORAGE, "1.2.3", 1);
    cr_assert(scu_p_data(&scu, MR_CONTEXT, 3, command.at, command.size));
    cr_assert(scu_p_data(&scu, MR_CONTEXT, 0, set.at, 10000));
    faults_set(faults, "listener send/Alive hang\n");
    faults_await_hang(faults);
    cr_assert(scu_p_data(&scu, MR_CONTEXT, 2, set.at + 10000, set.size - 10000));
    for (int64_t end_ms = clock_ms() + 3500; clock_ms() < end_ms;)
        poll(NULL, 0, 50); /* until its time would be over */
    faults_set(faults, NULL);
    cr_assert_eq(scu_status(&scu), 0);
    cr_assert(scu_release(&scu));
    site_end(&site);
    bytes_free(&set);
    bytes_free(&command);
    remove_folder(folder);
    free(folder);
    free(faults);
    free(preload);
}

/* The power fails at any instant of a reception, and bytes not forced to the disk survive in any part and
 * order. The stages' system calls are recorded while objects come in; power_cut.py does the rest. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/faults/delivery.h"

#define CUTS "240"
/* Enough for the write-ahead log to be written back while objects come in. */
#define SERIES_COUNT 36

/* Receives a few series, in associations of one object and of some. */
static void record_reception(receiver_t *receiver, const char *fsync, const char *state_dir) {
#ifdef SANITIZED
    cr_skip("nothing can be preloaded before AddressSanitizer");
#endif
    receiver_prepare(receiver);
    char *library = text_of("%s/../preload.so", binaries()), *record = text_of("%s/record", receiver->folder);
    int objects = 0;
    receiver_start(receiver,
                   (const char *const[]){"LD_PRELOAD", library, "OXIDICOM_TEST_RECORD", record, "OXIDICOM_FSYNC",
                                         fsync, "OXIDICOM_WRITERS", "2", "OXIDICOM_STATE_DIR", state_dir, NULL});
    for (int i = 1; i <= SERIES_COUNT; i++) {
        /* A stage that takes over from a killed one must not rely on bytes that the other did not force to the
         * disk. */
        if (i % 5 == 0)
            kill(receiver_stage(receiver, i % 2 ? "writer" : "notifier", 0), SIGKILL);
        delivery_t d = {.port = receiver->port, .calling_ae = "POWER", .count = 1 + i % 4 * 3, .pixels = 9000};
        snprintf(d.series, sizeof d.series, "1.2.826.0.1.3680043.9.9999.3.600.%d", i);
        d.large = i == 5 ? 1 : 0;
        cr_assert(delivery_run(&d, PATIENCE_MS));
        objects += d.count;
    }
    cr_assert_eq((int)receiver_files(receiver), objects);
    cr_assert_eq(receiver_stop(receiver), 0);
    free(library);
    free(record);
}

static int cut_the_power(const receiver_t *receiver) {
    char *record = text_of("%s/record", receiver->folder), *seed = text_of("%ld", (long)time(NULL) % 100000);
    char *output = text_of("%s/cuts", receiver->folder);
    int status = process_run(output, NULL,
                             (const char *const[]){"/usr/bin/python3", "tests/faults/power_cut.py", record,
                                                   receiver->folder, CUTS, seed, NULL},
                             300000);
    size_t size;
    char *told = file_content(output, &size);
    fprintf(stderr, "%s", told ? told : "power_cut.py said nothing\n");
    free(told);
    free(record);
    free(seed);
    free(output);
    return status;
}

Test(power_cut, leaves_every_acknowledged_object_in_storage_and_journal, .timeout = PATIENCE_S) {
    receiver_t receiver;
    record_reception(&receiver, "true", NULL);
    cr_assert_eq(cut_the_power(&receiver), 0);
    receiver_clear(&receiver);
}

Test(power_cut, leaves_every_acknowledged_object_where_the_journal_lies_below_the_files_root,
     .timeout = PATIENCE_S) {
    receiver_t receiver;
    record_reception(&receiver, "true", "/dev/null/state");
    cr_assert_eq(cut_the_power(&receiver), 0);
    receiver_clear(&receiver);
}

Test(power_cut, would_lose_objects_if_nothing_were_forced_to_the_disk, .timeout = PATIENCE_S) {
    receiver_t receiver;
    record_reception(&receiver, "false", NULL);
    cr_assert_eq(cut_the_power(&receiver), 1);
    receiver_clear(&receiver);
}

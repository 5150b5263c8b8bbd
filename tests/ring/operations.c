/* Asynchronous operations: several objects of one association under way at once. */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/ring/upper_layer.h"
#include "tests/support/faults.h"

static const scu_context_t CONTEXTS[] = {{MR_CONTEXT, MR_STORAGE, {EXPLICIT_LE}},
                                         {ECHO_CONTEXT, VERIFICATION, {IMPLICIT_LE}}};

/* Opens an association that asks for `operations` at once. */
static scu_t associate_for(const site_t *site, uint8_t operations) {
    uint8_t window[] = {0x53, 0, 0, 4, 0, operations, 0, 1};
    scu_t scu = {0};
    cr_assert(scu_associate(
        &scu, site->receiver.port,
        &(scu_request_t){.contexts = CONTEXTS, .contexts_count = 2, .extra_user_items = {window, sizeof window}}));
    return scu;
}

/* The operations window that the peer was granted: 256 * performed + invoked; -1: none. */
static int granted(const scu_t *scu) {
    for (size_t at = 0; at + 8 <= scu->body.size; at++)
        if (memcmp(scu->body.at + at, "\x53\0\0\4\0", 5) == 0)
            return scu->body.at[at + 7] << 8 | scu->body.at[at + 5];
    return -1;
}

Test(operations, are_granted_as_asked_up_to_the_setting_and_logged, .timeout = PATIENCE_S) {
    site_t site = SITE_WITH("OXIDICOM_SCP_ASYNC_OPS", "4");
    static const uint8_t asked[] = {0, 1, 3, 4, 5, 255}, wanted[] = {4, 1, 3, 4, 4, 4};
    for (size_t i = 0; i < sizeof asked; i++) {
        scu_t scu = associate_for(&site, asked[i]);
        cr_assert_eq(granted(&scu), 256 | wanted[i], "%d of %d", granted(&scu), asked[i]);
        cr_assert(scu_release(&scu));
    }
    scu_t scu = site_associate(&site);
    cr_assert_eq(granted(&scu), -1, "nothing was asked for");
    cr_assert(scu_release(&scu));
    cr_assert(receiver_logged(&site.receiver, "operations window 3, implementation 1.2.826.0.1.3680043.9.9999.1",
                              PATIENCE_MS));
    site_end(&site);
}

#define OBJECTS 6

Test(operations, of_one_association_go_to_several_writers_and_are_answered_as_they_end, .timeout = PATIENCE_S) {
    /* One operation each: a writer that has an object gets no second one while another has none. */
    site_t site = SITE_WITH("OXIDICOM_WRITERS", "2", "OXIDICOM_WRITER_OPERATIONS", "1");
    scu_t scu = associate_for(&site, 16);
    bool answered[OBJECTS + 1] = {false};
    int order[OBJECTS];
    site_hold(&site, "notifier"); /* so that all are outstanding before one is answered */
    site_hold(&site, "writer");   /* the first of the two */
    for (int i = 1; i <= OBJECTS; i++) {
        bytes_t set = instance(i, 500);
        cr_assert(scu_send_store(&scu, MR_CONTEXT, MR_STORAGE, "1.2.3", &set, 0));
        bytes_free(&set);
    }
    cr_assert_eq(scu_echo(&scu, ECHO_CONTEXT), 0, "the listener has all");
    site_go_on(&site, "notifier");
    for (int i = 0; i < OBJECTS; i++) {
        if (i == OBJECTS / 2)
            site_go_on(&site, "writer");
        cr_assert_eq(scu_status(&scu), 0);
        order[i] = scu_response_number(&scu, 0x0120);
        cr_assert(order[i] >= 1 && order[i] <= OBJECTS && !answered[order[i]], "message %d", order[i]);
        answered[order[i]] = true;
    }
    cr_assert_lt(order[OBJECTS / 2], order[OBJECTS / 2 - 1], "the first writer's come after the second's");
    expect_files(&site, OBJECTS);
    cr_assert(scu_release(&scu));
    site_end(&site);
}

#define ROUND_OBJECTS   32
#define WARM_UP_OBJECTS 32

/* How long it takes to store so many objects of 20 KB, `window` of them outstanding at once. */
static int64_t round_ms(const site_t *site, int window, int first, int objects) {
    scu_t scu = associate_for(site, 16);
    int outstanding = 0;
    int64_t begin_ms = clock_ms();
    for (int i = first; i < first + objects; i++) {
        bytes_t set = instance(i, 20000);
        cr_assert(scu_send_store(&scu, MR_CONTEXT, MR_STORAGE, "1.2.3", &set, 0));
        bytes_free(&set);
        if (++outstanding == window) {
            cr_assert_eq(scu_status(&scu), 0);
            outstanding--;
        }
    }
    for (; outstanding > 0; outstanding--)
        cr_assert_eq(scu_status(&scu), 0);
    int64_t passed_ms = clock_ms() - begin_ms;
    cr_assert(scu_release(&scu));
    return passed_ms;
}

/* --- slow storage ------------------------------------------------------------------------------------------ */

typedef struct slow_site {
    site_t site;
    char *preload, *folder, *faults;
} slow_site_t;

/* Writers with `operations` at once each, and these faults of storage (preload.h); they know it by now. */
static void slow_start(slow_site_t *slow, const char *writers, const char *operations, const char *rules) {
#ifdef SANITIZED
    cr_skip_test("the sanitizer wants to be the first library");
#endif
    slow->preload = text_of("%s/../preload.so", binaries());
    slow->folder = temporary_folder("slow");
    slow->faults = text_of("%s/faults", slow->folder);
    faults_set(slow->faults, rules);
    slow->site = SITE_WITH("OXIDICOM_WRITERS", writers, "OXIDICOM_WRITER_OPERATIONS", operations, "LD_PRELOAD",
                           slow->preload, "OXIDICOM_TEST_FAULTS", slow->faults);
    round_ms(&slow->site, 16, 1000, WARM_UP_OBJECTS);
}

static void slow_end(slow_site_t *slow) {
    site_end(&slow->site);
    remove_folder(slow->folder);
    free(slow->preload);
    free(slow->folder);
    free(slow->faults);
}

/* How many times as fast objects are stored with a window, as without. */
static double gain_once(const char *writers, const char *rules) {
    slow_site_t slow;
    slow_start(&slow, writers, "4", rules);
    int64_t one_by_one = round_ms(&slow.site, 1, 2000, ROUND_OBJECTS);
    int64_t at_once = round_ms(&slow.site, 16, 3000, ROUND_OBJECTS);
    fprintf(stderr, "%d objects, writers: %s, one by one %lld ms, with a window %lld ms\n", ROUND_OBJECTS, writers,
            (long long)one_by_one, (long long)at_once);
    slow_end(&slow);
    return (double)one_by_one / (double)at_once;
}

/* The best of some, until one is enough: other work of the machine makes a gain smaller and never greater. And
 * storage is so slow that the objects' processor time hardly counts. */
static double gain_of(const char *writers, const char *rules, double enough) {
    double best = 0;
    int64_t end_ms = clock_ms() + PATIENCE_MS;
    do {
        double gain = gain_once(writers, rules);
        best = gain > best ? gain : best;
    } while (best <= enough && clock_ms() < end_ms);
    return best;
}

/* Sixteen at once, for each of four writers has four of them under way. */
Test(operations, outstanding_at_once_make_up_for_slow_storage, .timeout = PATIENCE_S) {
    double gain = gain_of("4", "writer write stall=400\n", 8);
    cr_assert_gt(gain, 8, "%.1f times as fast", gain);
}

Test(operations, are_overlapped_by_a_single_writer_as_well, .timeout = PATIENCE_S) {
    double gain = gain_of("1", "writer write stall=100\nwriter fsync stall=100\nwriter rename stall=100\n", 2.5);
    cr_assert_gt(gain, 2.5, "%.1f times as fast", gain);
}

/* --- storage that stops ------------------------------------------------------------------------------------ */

static void send_objects(scu_t *scu, const int *numbers, int count) {
    for (int i = 0; i < count; i++) {
        bytes_t set = instance(numbers[i], 500);
        cr_assert(scu_send_store(scu, MR_CONTEXT, MR_STORAGE, "1.2.3", &set, 0));
        bytes_free(&set);
    }
}

Test(operations, go_on_where_storage_keeps_one_of_them, .timeout = PATIENCE_S) {
    slow_site_t slow;
    slow_start(&slow, "1", "4", "writer rename stall=8000 path=0099-\nwriter write stall=20\n");
    scu_t scu = associate_for(&slow.site, 16);
    scu.timeout_ms = PATIENCE_MS;
    send_objects(&scu, (const int[]){99, 1, 2, 3, 4, 5, 6, 7}, 8);
    for (int i = 0; i < 8; i++) {
        cr_assert_eq(scu_status(&scu), 0);
        /* Messages are numbered as they are sent. */
        cr_expect_eq(scu_response_number(&scu, 0x0120) == 1, i == 7, "the one that storage keeps comes last");
    }
    cr_assert(scu_release(&scu));
    slow_end(&slow);
}

/* The listener takes the writer for gone, and the objects go to the next life of it; none is lost or in doubt. */
Test(operations, all_of_which_storage_keeps_make_their_writer_count_as_gone, .timeout = PATIENCE_S) {
    slow_site_t slow;
    char rules[128]; /* no memory of its own: slow_start may skip the test */
    snprintf(rules, sizeof rules,
             "writer fsync stall=14000 path=.oxidicom/tmp/ after=%d count=2\nwriter write stall=20\n",
             WARM_UP_OBJECTS);
    slow_start(&slow, "1", "2", rules);
    scu_t scu = associate_for(&slow.site, 16);
    scu.timeout_ms = PATIENCE_MS;
    send_objects(&scu, (const int[]){1, 2, 3}, 3);
    cr_assert(receiver_logged(&slow.site.receiver, "is gone (silent", PATIENCE_MS));
    for (int i = 0; i < 3; i++)
        cr_assert_eq(scu_status(&scu), 0);
    cr_assert(receiver_logged(&slow.site.receiver, "was held up for", PATIENCE_MS));
    expect_files(&slow.site, WARM_UP_OBJECTS + 3);
    cr_assert(scu_release(&scu));
    slow_end(&slow);
}

/* Storage that is full, and objects larger than memory should be. */
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include <czmq.h>

#include "common/log.h"
#include "tests/ring/ring.h"
#include "tests/support/patience.h"
#include "tests/support/senders.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.3.95"

Test(storage, that_is_full_is_answered_a700_and_leaves_no_partial_file, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    mount_small(receiver.root, "size=3m");
    receiver_start(&receiver, (const char *const[]){"OXIDICOM_MIN_FREE", "0", NULL});
    scu_t scu = {0};
    store_some(&scu, receiver.port, "FULL", SERIES, 1, 2);
    bytes_t big = dataset_instance(EXPLICIT_LE, SERIES, instance_of(SERIES, 3), 3, 8 << 20);
    cr_assert_eq(scu_store(&scu, 1, MR_STORAGE, instance_of(SERIES, 3), &big), 0xA700);
    bytes_t small = dataset_instance(EXPLICIT_LE, SERIES, instance_of(SERIES, 4), 4, 1000);
    cr_assert_eq(scu_store(&scu, 1, MR_STORAGE, instance_of(SERIES, 4), &small), 0, "the association goes on");
    cr_assert(scu_release(&scu));
    cr_assert_eq(receiver_files(&receiver), 3);
    char *temporary = text_of("%s/.oxidicom", receiver.root);
    cr_assert_eq(process_run(NULL, NULL,
                             (const char *const[]){"sh", "-c", "test -z \"$(find \"$0\" -type f -size +1k)\"",
                                                   temporary, NULL},
                             5000),
                 0, "a partial file is left");
    free(temporary);
    bytes_free(&big);
    bytes_free(&small);
    cr_assert_eq(receiver_stop(&receiver), 0);
    umount2(receiver.root, MNT_DETACH);
    receiver_clear(&receiver);
}

/* --- filled by many, freed, filled again ------------------------------------------------------------------ */

enum { SENDERS = 8 };

/* Temporary files below the files root. */
static int temporary_files(const receiver_t *receiver) {
    char *command = text_of("find %s/.oxidicom/tmp -type f | wc -l", receiver->root), text[32] = "";
    FILE *output = popen(command, "r");
    cr_assert_not_null(output);
    cr_assert_not_null(fgets(text, sizeof text, output));
    pclose(output);
    free(command);
    return atoi(text);
}

typedef struct filling {
    senders_t *senders;
    unsigned a700; /* so many more are waited for */
} filling_t;

static bool is_full(void *argument) {
    const filling_t *filling = argument;
    return senders_counts(filling->senders).a700 >= filling->a700;
}

/* Goes on until each sender has been refused a few times. */
static void fill(senders_t *senders) {
    filling_t filling = {senders, senders_counts(senders).a700 + 5 * SENDERS};
    cr_assert(await(is_full, &filling, PATIENCE_MS), "it does not become full");
}

static bool none_is_temporary(void *receiver) {
    return temporary_files(receiver) == 0;
}

static uint64_t free_bytes(const receiver_t *receiver) {
    struct statvfs room;
    cr_assert_eq(statvfs(receiver->root, &room), 0);
    return (uint64_t)room.f_bavail * room.f_frsize;
}

/* Removes the stored files, and returns how many. */
static size_t make_room(const receiver_t *receiver) {
    size_t files = receiver_files(receiver);
    char *services = text_of("%s/SERVICES", receiver->root);
    const char *const argv[] = {"find", services, "-name", "*.dcm", "-delete", NULL};
    cr_assert_eq(process_run(NULL, NULL, argv, PATIENCE_MS), 0);
    free(services);
    return files;
}

typedef struct recovery {
    const receiver_t *receiver;
    senders_t *senders;
    unsigned a700, stored[SENDERS];
} recovery_t;

/* Whether each sender has stored two more. Where others have used up the room before one had its turn, it is made
 * again. */
static bool all_go_on(void *argument) {
    recovery_t *r = argument;
    unsigned a700 = senders_counts(r->senders).a700;
    bool all = true;
    for (int i = 0; i < SENDERS; i++)
        all = all && senders_stored_by(r->senders, i) >= r->stored[i] + 2;
    if (!all && a700 > r->a700) {
        make_room(r->receiver);
        r->a700 = senders_counts(r->senders).a700;
    }
    return all;
}

static int lines_with(const receiver_t *receiver, const char *text) {
    size_t size;
    int lines = 0;
    char *log = file_content(receiver->log, &size);
    for (const char *at = log; (at = strstr(at, text)); at++)
        lines++;
    free(log);
    return lines;
}

static void fill_and_free(const char *min_free, uint64_t kept) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    mount_small(receiver.root, "size=20m");
    receiver_start(&receiver, (const char *const[]){"OXIDICOM_MIN_FREE", min_free, "OXIDICOM_WRITERS", "2", NULL});
    pid_t writer = receiver_stage(&receiver, "writer", 0);
    senders_t *senders = senders_start(&(senders_spec_t){
        .port = receiver.port, .senders = SENDERS, .per_association = 10, .bytes = 300000, .series = SERIES});
    fill(senders);
    cr_expect_geq(free_bytes(&receiver), kept, "it is not kept free");
    /* Senders that have one refused send it again: as soon as there is room it is stored. */
    recovery_t recovery = {.receiver = &receiver, .senders = senders};
    for (int i = 0; i < SENDERS; i++)
        recovery.stored[i] = senders_stored_by(senders, i);
    cr_assert(await(all_go_on, &recovery, PATIENCE_MS), "it does not go on when there is room again");
    fill(senders);
    senders_quiet(senders);
    sent_counts_t counts = senders_stop(&senders);
    fprintf(stderr, "%s kept free: %u stored, %u refused with A700\n", min_free, counts.stored, counts.a700);
    cr_expect_eq(counts.other + counts.unanswered + counts.broken, 0, "other %u, unanswered %u, broken %u",
                 counts.other, counts.unanswered, counts.broken);
    cr_expect(await(none_is_temporary, &receiver, PATIENCE_MS), "a partial file is left");
    cr_expect_eq(receiver_stage(&receiver, "writer", 0), writer, "a writer was started again");
    /* Two writers and the listener, one line a minute each. */
    int minutes = 1 + 2 * PATIENCE_MS / LOG_RARELY_MS;
    cr_expect_leq(lines_with(&receiver, "storage failed to"), 2 * minutes);
    cr_expect_eq(lines_with(&receiver, "; 0 more"), 0, "nothing was left out before the first");
    cr_expect_leq(lines_with(&receiver, "A700"), 2 * minutes);
    cr_expect(receiver_logged(&receiver, "storage works again", PATIENCE_MS));
    cr_assert_eq(receiver_stop(&receiver), 0);
    umount2(receiver.root, MNT_DETACH);
    receiver_clear(&receiver);
}

Test(storage, of_20_mb_filled_by_eight_senders_freed_and_filled_again_answers_a700_and_recovers,
     .timeout = PATIENCE_S) {
    fill_and_free("0", 0);
}

Test(storage, of_20_mb_keeps_its_least_free_room_when_it_is_filled_freed_and_filled_again, .timeout = PATIENCE_S) {
    /* Objects that are under way together may each have been let in for the same room. */
    fill_and_free("4MiB", (uint64_t)3 << 20);
}

/* An element of OW with `size` bytes to come. */
static void add_pixel_header(bytes_t *set, uint32_t size) {
    const uint8_t header[] = {0xE0,
                              0x7F,
                              0x10,
                              0,
                              'O',
                              'W',
                              0,
                              0,
                              (uint8_t)size,
                              (uint8_t)(size >> 8),
                              (uint8_t)(size >> 16),
                              (uint8_t)(size >> 24)};
    bytes_add(set, header, sizeof header);
}

/* --- quarantine ------------------------------------------------------------------------------------------- */

/* Sends an object without PatientID, in small pieces. Returns the files in the quarantine once it is answered. */
static int kept_with(const char *quarantine_size) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    receiver_start(&receiver, (const char *const[]){"OXIDICOM_QUARANTINE_SIZE", quarantine_size, NULL});
    scu_t scu = {.timeout_ms = PATIENCE_MS}, other = {.timeout_ms = PATIENCE_MS};
    cr_assert(scu_associate_mr(&scu, receiver.port, "REFUSED", EXPLICIT_LE));
    bytes_t set = {0};
    dataset_text(&set, EXPLICIT_LE, 0x00080020, "DA", "20130308");
    dataset_text(&set, EXPLICIT_LE, 0x0020000D, "UI", "1.2.3");
    dataset_text(&set, EXPLICIT_LE, 0x0020000E, "UI", SERIES);
    add_pixel_header(&set, 3 << 20);
    char *pixels = calloc(1, 3 << 20);
    bytes_add(&set, pixels, 3 << 20);
    cr_assert_eq(scu_store(&scu, 1, MR_STORAGE, "1.2.3.4", &set), 0xC000);
    cr_assert(scu_release(&scu));
    store_some(&other, receiver.port, "REFUSED", SERIES, 1, 1);
    cr_assert(scu_release(&other));
    cr_assert_eq(receiver_stop(&receiver), 0);
    char *folder = text_of("%s/.oxidicom/quarantine", receiver.root);
    zdir_t *quarantine = zdir_new(folder, NULL);
    int files = quarantine ? (int)zdir_count(quarantine) : 0;
    zdir_destroy(&quarantine);
    cr_expect_eq(receiver_files(&receiver), 1);
    free(folder);
    free(pixels);
    bytes_free(&set);
    receiver_clear(&receiver);
    return files;
}

Test(storage, of_refused_objects_is_as_large_as_the_quarantine_size_allows, .timeout = PATIENCE_S) {
    cr_expect_eq(kept_with("0"), 0);
    cr_expect_eq(kept_with("1MiB"), 0);
    cr_expect_eq(kept_with("10MiB"), 2, "the object and why it was refused");
}

/* --- memory ----------------------------------------------------------------------------------------------- */

Test(storage, of_one_gigabyte_passes_through_little_memory, .timeout = PATIENCE_S) {
#ifdef SANITIZED
    cr_skip("AddressSanitizer takes memory of its own");
#endif
    enum { PIECE = 1 << 20, PIECES = 1024 };
    receiver_t receiver;
    queue_t *queue = queue_new(rabbitmq_port(), "gigabyte");
    ring_start(&receiver, "gigabyte", NULL);
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    cr_assert(scu_associate_mr(&scu, receiver.port, "LARGE", EXPLICIT_LE));
    bytes_t command = scu_store_command(MR_STORAGE, "1.2.3", 1),
            head = dataset_instance(EXPLICIT_LE, SERIES, "1.2.3", 1, 0);
    head.size -= 12; /* its empty pixel data */
    add_pixel_header(&head, (uint32_t)PIECE * PIECES);
    cr_assert(scu_p_data(&scu, 1, 3, command.at, command.size) && scu_p_data(&scu, 1, 0, head.at, head.size));
    static uint8_t piece[PIECE];
    long most = 0;
    for (int i = 0; i < PIECES; i++) {
        memset(piece, i, sizeof piece);
        cr_assert(scu_p_data(&scu, 1, i == PIECES - 1 ? 2 : 0, piece, sizeof piece));
        if (i % 16 == 0) {
            long now = receiver_memory_kib(&receiver);
            most = now > most ? now : most;
        }
    }
    cr_assert_eq(scu_status(&scu), 0);
    cr_assert(scu_release(&scu));
    expect_registration(queue, SERIES, 1);
    fprintf(stderr, "one object of 1 GiB: at most %ld MiB of anonymous memory\n", most / 1024);
    cr_assert_lt(most, 150 * 1024, "%ld KiB", most);
    bytes_free(&command);
    bytes_free(&head);
    queue_destroy(&queue);
    receiver_clear(&receiver);
}

/* The bytes of the only file below the folder of a calling AE. */
static void expect_stored_as(const receiver_t *receiver, const char *calling_ae, const bytes_t *set) {
    char *pattern = text_of("%s/SERVICES/PACS/%s/*/*/*/0007-*.dcm", receiver->root, calling_ae), syntax[65];
    glob_t found_paths;
    cr_assert_eq(glob(pattern, 0, NULL, &found_paths), 0, "%s", pattern);
    const char *path = found_paths.gl_pathv[0];
    size_t size;
    char *content = file_content(path, &size);
    cr_assert_not_null(content, "%s", path);
    bytes_t found = part10_data_set(content, size, syntax);
    cr_expect(found.size == set->size && memcmp(found.at, set->at, set->size) == 0, "%s is not what was sent",
              path);
    cr_expect_str_eq(syntax, EXPLICIT_LE);
    free(content);
    free(pattern);
    globfree(&found_paths);
}

Test(storage, keeps_data_sets_that_are_not_encoded_or_ordered_as_they_should_as_they_came, .timeout = PATIENCE_S) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    receiver_start(&receiver, NULL);
    bytes_t implicit = dataset_instance(IMPLICIT_LE, SERIES, instance_of(SERIES, 7), 7, 3000), early = {0};
    bytes_t set = dataset_instance(EXPLICIT_LE, SERIES, instance_of(SERIES, 7), 7, 3000), private = {0};
    uint8_t *zeros = calloc(1, 17 << 20);
    dataset_add(&early, EXPLICIT_LE, 0x7FE00010, "OW", zeros, 3000);
    bytes_add(&early, set.at, set.size - 3000 - 12);
    dataset_add(&private, EXPLICIT_LE, 0x00070010, "OB", zeros, 17 << 20);
    bytes_add(&private, set.at, set.size);
    const struct {
        const char *calling_ae;
        const bytes_t *set;
    } cases[] = {{"IMPLICIT", &implicit}, {"EARLY", &early}, {"PRIVATE", &private}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scu_t scu = {0};
        cr_assert(scu_associate_mr(&scu, receiver.port, cases[i].calling_ae, EXPLICIT_LE));
        cr_assert_eq(scu_store(&scu, 1, MR_STORAGE, instance_of(SERIES, 7), cases[i].set), 0, "%s",
                     cases[i].calling_ae);
        cr_assert(scu_release(&scu));
        scu_close(&scu);
        expect_stored_as(&receiver, cases[i].calling_ae, cases[i].set);
    }
    free(zeros);
    bytes_free(&implicit);
    bytes_free(&set);
    bytes_free(&early);
    bytes_free(&private);
    receiver_stop(&receiver);
    receiver_clear(&receiver);
}

#include "tests/faults/delivery.h"

#include <dirent.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/support/faults.h"

#define LARGE_PIXELS 1400000

/* --- sending ------------------------------------------------------------------------------------------- */

bytes_t delivery_object(const delivery_t *d, int number) {
    size_t pixels = number == d->large ? LARGE_PIXELS : d->pixels;
    return dataset_instance(EXPLICIT_LE, d->series, instance_of(d->series, number), number, pixels);
}

int delivery_acknowledged(const delivery_t *d) {
    int count = 0;
    for (int i = 1; i <= d->count; i++)
        count += d->acknowledged[i];
    return count;
}

static bool is_complete(const delivery_t *d) {
    return delivery_acknowledged(d) == d->count && (d->refused || !d->unreadable);
}

/* False where the connection is no more. */
static bool send_object(delivery_t *d, scu_t *scu, int number) {
    char uid[128];
    snprintf(uid, sizeof uid, "%s", instance_of(d->series, number));
    bytes_t set = delivery_object(d, number);
    int status = scu_store(scu, 1, MR_STORAGE, uid, &set);
    bytes_free(&set);
    d->sent++;
    if (status == 0)
        d->acknowledged[number] = true;
    else if (status == 0xA700)
        d->out_of_resources++;
    else if (status >= 0)
        d->others++;
    return status >= 0;
}

/* A data set without a patient. */
static bool send_unreadable(delivery_t *d, scu_t *scu) {
    bytes_t set = {0};
    dataset_text(&set, EXPLICIT_LE, 0x00080018, "UI", "1.2.3");
    dataset_text(&set, EXPLICIT_LE, 0x00080020, "DA", "20130308");
    dataset_text(&set, EXPLICIT_LE, 0x0020000D, "UI", "1.2");
    dataset_text(&set, EXPLICIT_LE, 0x0020000E, "UI", d->series);
    int status = scu_store(scu, 1, MR_STORAGE, "1.2.3", &set);
    bytes_free(&set);
    d->refused = status == 0xC000;
    d->others += status >= 0 && status != 0xC000 && status != 0xA700;
    return status >= 0;
}

static void run_association(delivery_t *d, scu_t *scu, int64_t end_ms) {
    d->associations++;
    for (int i = 1; i <= d->count; i++)
        if (!d->acknowledged[i] && (!send_object(d, scu, i) || clock_ms() > end_ms))
            goto broken;
    if (d->unreadable && !d->refused && !send_unreadable(d, scu))
        goto broken;
    (void)scu_release(scu); /* if it breaks now, the receiver must find out by itself */
    return;
broken:
    scu_close(scu);
}

typedef struct attempt {
    delivery_t *delivery;
    int64_t end_ms;
} attempt_t;

static bool attempt(void *argument) {
    attempt_t *a = argument;
    delivery_t *d = a->delivery;
    scu_t scu = {.timeout_ms = (int)(d->timeout_ms ? d->timeout_ms : PATIENCE_MS)};
    if (scu_associate_mr(&scu, d->port, d->calling_ae, EXPLICIT_LE))
        run_association(d, &scu, a->end_ms);
    else
        scu_close(&scu);
    return is_complete(d) || (d->stop && *d->stop);
}

bool delivery_run(delivery_t *d, int64_t ms) {
    attempt_t a = {d, clock_ms() + ms};
    return await(attempt, &a, ms) && is_complete(d);
}

/* --- the result ------------------------------------------------------------------------------------------- */

static bool is_altered(const delivery_t *d, int number, const char *path) {
    char syntax[65];
    size_t size = 0;
    char *content = file_content(path, &size);
    bytes_t got = part10_data_set(content, size, syntax), sent = delivery_object(d, number);
    bool same = content && got.size == sent.size && memcmp(got.at, sent.at, sent.size) == 0;
    bytes_free(&sent);
    free(content);
    return !same;
}

/* The files of the series, wherever its folder is. */
static void find_files(const delivery_t *d, const char *root, glob_t *found) {
    char *pattern = text_of("%s/SERVICES/PACS/%s/*/*/*/*-%s.*.dcm", root, d->calling_ae, d->series);
    if (glob(pattern, GLOB_NOSORT, NULL, found) != 0)
        found->gl_pathc = 0;
    free(pattern);
}

int delivery_faults(const delivery_t *d, const char *root, int *others) {
    glob_t found = {0};
    bool there[DELIVERY_MAX + 1] = {0};
    int faults = 0, strangers = 0;
    find_files(d, root, &found);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        int number = atoi(strrchr(found.gl_pathv[i], '/') + 1);
        if (number < 1 || number > d->count)
            strangers++;
        else if (is_altered(d, number, found.gl_pathv[i]))
            fprintf(stderr, "%s is not what was sent\n", found.gl_pathv[i]);
        else
            there[number] = true;
    }
    for (int i = 1; i <= d->count; i++)
        if (d->acknowledged[i] && !there[i]) {
            fprintf(stderr, "object %d of series %s was acknowledged and is not there as sent\n", i, d->series);
            faults++;
        }
    globfree(&found);
    if (others)
        *others = strangers;
    return faults;
}

bool no_temporary_files(const receiver_t *receiver) {
    char *folder = text_of("%s/.oxidicom/tmp", receiver->root);
    const char *const list[] = {"sh", "-c", "test -z \"$(find \"$0\" -type f)\"", folder, NULL};
    bool none = process_run(NULL, NULL, list, PATIENCE_MS) == 0;
    free(folder);
    return none;
}

void expect_last_registration(queue_t *queue, const char *series, int ndicom) {
    delivered_t task;
    long long last = -1;
    while (last != ndicom && queue_await(queue, &task, PATIENCE_MS)) {
        if (strcmp(json_string_value(delivered_argument(&task, "SeriesInstanceUID")), series) == 0)
            last = json_integer_value(delivered_argument(&task, "ndicom"));
        delivered_clear(&task);
    }
    cr_assert_eq(last, ndicom, "series %s was last registered with %lld files", series, last);
    while (queue_await(queue, &task, 200)) {
        cr_assert_eq(json_integer_value(delivered_argument(&task, "ndicom")), ndicom);
        delivered_clear(&task);
    }
}

/* --- the preloaded library ----------------------------------------------------------------------------- */

void set_faults(const receiver_t *receiver, const char *rules) {
    char *path = text_of("%s/faults", receiver->folder);
    faults_set(path, rules);
    free(path);
}

static bool exists(void *path) {
    return access(path, F_OK) == 0;
}

bool fault_killed(const receiver_t *receiver, int line, int64_t ms) {
    char *path = text_of("%s/faults.dead-%d", receiver->folder, line);
    bool killed = await(exists, path, ms);
    free(path);
    return killed;
}

void start_with_faults(receiver_t *receiver, const char *queue, const char *const *more) {
    start_under_faults(receiver, queue, NULL, more);
}

void start_under_faults(receiver_t *receiver, const char *queue, const char *rules, const char *const *more) {
#ifdef SANITIZED
    cr_skip("nothing can be preloaded before AddressSanitizer");
#endif
    const char *environment[64] = {"OXIDICOM_AMQP_ADDRESS", rabbitmq_address(),    "OXIDICOM_NATS_ADDRESS",
                                   nats_address(),          "OXIDICOM_QUEUE_NAME", queue};
    receiver_prepare(receiver);
    set_faults(receiver, rules);
    char *library = text_of("%s/../preload.so", binaries()), *faults = text_of("%s/faults", receiver->folder);
    size_t n = 6;
    environment[n++] = "LD_PRELOAD";
    environment[n++] = library;
    environment[n++] = "OXIDICOM_TEST_FAULTS";
    environment[n++] = faults;
    for (; more && *more; more++)
        environment[n++] = *more;
    receiver_start(receiver, environment);
    free(library);
    free(faults);
}

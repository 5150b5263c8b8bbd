/* Instances of one series disagree about names, dates and descriptions: it is one folder and one registration. */
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/ring/ring.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.3.9"
/* More by hand: OXIDICOM_TEST_SERIES=343. */
#define SERIES_DEFAULT 40
#define SERIES_MOST    1000
#define AT_ONCE        20 /* series of two associations */
#define INSTANCES      6  /* each association sends half of them */
#define WINDOW         16 /* operations outstanding */

/* --- instances that disagree ----------------------------------------------------------------------------- */

/* One tag or several, another for each series. */
enum { NAME = 1, ID = 2, BIRTH_DATE = 4, DATE = 8, DESCRIPTION = 16, NUMBER = 32, KINDS = 64 };

static void add_text(bytes_t *set, uint32_t tag, const char *vr, const char *text, bool differs, int instance) {
    char changed[64];
    snprintf(changed, sizeof changed, "%s%d", text, instance);
    dataset_text(set, EXPLICIT_LE, tag, vr, differs ? changed : text);
}

static bytes_t disagreeing(int series, const char *series_uid, const char *instance_uid, int instance) {
    int what = series % KINDS;
    char number[16], date[16], birth_date[16];
    bytes_t set = {0};
    snprintf(number, sizeof number, "%d", instance);
    snprintf(date, sizeof date, "201303%02d", what & DATE ? instance : 8);
    snprintf(birth_date, sizeof birth_date, "200907%02d", what & BIRTH_DATE ? instance : 1);
    dataset_text(&set, EXPLICIT_LE, 0x00080016, "UI", MR_STORAGE);
    dataset_text(&set, EXPLICIT_LE, 0x00080018, "UI", instance_uid);
    dataset_text(&set, EXPLICIT_LE, 0x00080020, "DA", date);
    add_text(&set, 0x00081030, "LO", "Study", what & DESCRIPTION, instance);
    add_text(&set, 0x0008103E, "LO", "Series", what & DESCRIPTION, instance);
    add_text(&set, 0x00100010, "PN", "Doe^Jane", what & NAME, instance);
    add_text(&set, 0x00100020, "LO", "1449c1d", what & ID, instance);
    dataset_text(&set, EXPLICIT_LE, 0x00100030, "DA", birth_date);
    dataset_text(&set, EXPLICIT_LE, 0x0020000D, "UI", "1.2.826.0.1.3680043.9.9999.2.1");
    dataset_text(&set, EXPLICIT_LE, 0x0020000E, "UI", series_uid);
    add_text(&set, 0x00200011, "IS", "5", what & NUMBER, instance);
    dataset_text(&set, EXPLICIT_LE, 0x00200013, "IS", number);
    return set;
}

/* --- two associations that send the same series ---------------------------------------------------------- */

static void open_association(scu_t *scu, int port, const char *calling_ae) {
    static uint8_t window[] = {0x53, 0, 0, 4, 0, WINDOW, 0, 1};
    static const scu_context_t context = {1, MR_STORAGE, {EXPLICIT_LE}};
    *scu = (scu_t){.timeout_ms = PATIENCE_MS};
    cr_assert(scu_associate(scu, port,
                            &(scu_request_t){.calling = calling_ae,
                                             .contexts = &context,
                                             .contexts_count = 1,
                                             .extra_user_items = {window, sizeof window}}));
}

/* One instance of each of the series, so that all are new at once; `outstanding` without answer. */
static void send_instance(scu_t *scu, int *outstanding, int first, int end, int instance) {
    for (int n = first; n < end; n++) {
        const char *uid = series_number(SERIES, n);
        bytes_t set = disagreeing(n, uid, instance_of(uid, instance), instance);
        if (++*outstanding > WINDOW) {
            cr_assert_eq(scu_status(scu), 0);
            --*outstanding;
        }
        cr_assert(scu_send_store(scu, 1, MR_STORAGE, instance_of(uid, instance), &set, 0));
        bytes_free(&set);
    }
}

static void send_series(const receiver_t *receiver, const char *const titles[2], int first, int end) {
    scu_t scu[2];
    int outstanding[2] = {0};
    for (int i = 0; i < 2; i++)
        open_association(&scu[i], receiver->port, titles[i]);
    for (int instance = 1; instance <= INSTANCES; instance += 2)
        for (int i = 0; i < 2; i++)
            send_instance(&scu[i], &outstanding[i], first, end, instance + i);
    for (int i = 0; i < 2; i++)
        while (outstanding[i]-- > 0)
            cr_assert_eq(scu_status(&scu[i]), 0);
    for (int i = 0; i < 2; i++)
        cr_assert(scu_release(&scu[i]));
}

/* --- the result ------------------------------------------------------------------------------------------ */

static int folders;

/* Below SERVICES/PACS they are the PACS', a patient's, a study's, and a series'. */
static int count_series_folder(const char *path, const struct stat *s, int type, struct FTW *at) {
    (void)path;
    (void)s;
    folders += type == FTW_D && at->level == 5;
    return 0;
}

static int series_folders(const receiver_t *receiver) {
    char *services = text_of("%s/SERVICES", receiver->root);
    folders = 0;
    cr_assert_eq(nftw(services, count_series_folder, 32, FTW_PHYS), 0);
    free(services);
    return folders;
}

/* `titles`: of the two associations. */
static void expect_one_folder_each(receiver_t *receiver, const char *name, const char *const titles[2], int count) {
    int registered[SERIES_MOST] = {0};
    queue_t *queue = queue_new(rabbitmq_port(), name);
    ring_start(receiver, name, (const char *const[]){"OXIDICOM_WRITERS", "3", NULL});
    cr_assert(receiver_logged(receiver, "connected to NATS", PATIENCE_MS)); /* earlier messages are lost */
    for (int n = 0; n < count; n += AT_ONCE)
        send_series(receiver, titles, n, n + AT_ONCE < count ? n + AT_ONCE : count);
    for (int i = 0; i < count; i++) {
        delivered_t task;
        cr_assert(queue_await(queue, &task, PATIENCE_MS), "%d registrations of %d", i, count);
        const char *uid = json_string_value(delivered_argument(&task, "SeriesInstanceUID"));
        registered[atoi(strrchr(uid, '.') + 1)]++;
        cr_expect_eq(json_integer_value(delivered_argument(&task, "ndicom")), INSTANCES, "%s", uid);
        delivered_clear(&task);
    }
    expect_no_registration(queue);
    for (int n = 0; n < count; n++)
        cr_expect_eq(registered[n], 1, "series %d: %d", n, registered[n]);
    cr_expect_eq(receiver_files(receiver), (size_t)count * INSTANCES);
    cr_expect_eq(series_folders(receiver), count);
    cr_expect_eq(receiver_times_logged(receiver, "lie in other folders"), 0);
    queue_destroy(&queue);
}

Test(one_folder, has_all_files_of_a_series_whatever_their_tags_say, .timeout = PATIENCE_S) {
    receiver_t receiver;
    expect_one_folder_each(&receiver, "one-folder", (const char *const[]){"FOLDERS", "FOLDERS"},
                           series_to_send(SERIES_DEFAULT, SERIES_MOST));
    cr_expect_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
}

Test(one_folder, is_that_of_two_titles_that_are_sanitised_alike, .timeout = PATIENCE_S) {
    static const char *const titles[] = {"FOLDERS@1", "FOLDERS_1"};
    receiver_t receiver;
    tap_t *tap = tap_new(nats_port());
    expect_one_folder_each(&receiver, "one-folder-two-titles", titles, AT_ONCE);
    for (int n = 0; n < 2 * AT_ONCE; n++) {
        const char *subject = subject_of(titles[n % 2], series_number(SERIES, n / 2));
        cr_expect(tap_await_done(tap, subject, 1, PATIENCE_MS), "no done of %s", subject);
        lonk_summary_t lonk = tap_summary_of(tap, subject);
        cr_expect_eq(lonk.last_count, INSTANCES, "%s", subject);
        cr_expect_null(lonk.disorder, "%s: %s", subject, lonk.disorder);
    }
    cr_expect_eq(receiver_stop(&receiver), 0);
    tap_destroy(&tap);
    receiver_clear(&receiver);
}

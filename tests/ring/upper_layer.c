#include "tests/ring/upper_layer.h"

#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define SERIES "1.2.826.0.1.3680043.9.9999.3.95"

/* --- the receiver ------------------------------------------------------------------------------------------ */

site_t site_start(void) {
    return site_start_with(NULL);
}

site_t site_start_with(const char *const *settings) {
    site_t site = {0};
    receiver_prepare(&site.receiver);
    receiver_start(&site.receiver, settings);
    site.listener = receiver_stage(&site.receiver, "listener", 0);
    return site;
}

void site_end(site_t *site) {
    cr_assert_eq(receiver_stage(&site->receiver, "listener", 0), site->listener, "the listener died");
    kill(site->receiver.launcher, SIGTERM);
    cr_assert(receiver_logged(&site->receiver, "launcher: listener has ended", PATIENCE_MS));
    /* The other stages take a second to drain, which is not tested. */
    kill(-site->receiver.launcher, SIGKILL);
    process_stop(site->receiver.launcher, SIGKILL, PATIENCE_MS);
    site->receiver.launcher = 0;
    receiver_clear(&site->receiver);
}

scu_t site_associate(const site_t *site) {
    static const scu_context_t contexts[] = {
        {MR_CONTEXT, MR_STORAGE, {EXPLICIT_LE}},
        {ECHO_CONTEXT, VERIFICATION, {IMPLICIT_LE}},
        {NOT_ACCEPTED, "1.2.3.4.5", {IMPLICIT_LE}},
    };
    scu_t scu = {0};
    cr_assert(
        scu_associate(&scu, site->receiver.port, &(scu_request_t){.contexts = contexts, .contexts_count = 3}));
    cr_assert_eq(scu.answered[MR_CONTEXT].result, 0);
    cr_assert_eq(scu.answered[ECHO_CONTEXT].result, 0);
    cr_assert_eq(scu.answered[NOT_ACCEPTED].result, 3);
    return scu;
}

void expect_service(const site_t *site, const bytes_t *set) {
    scu_t scu = site_associate(site);
    cr_assert_eq(scu_store(&scu, MR_CONTEXT, MR_STORAGE, "1.2.3", set), 0);
    cr_assert(scu_release(&scu));
}

void site_hold(const site_t *site, const char *stage) {
    kill(receiver_stage(&site->receiver, stage, 0), SIGSTOP);
}

void site_go_on(const site_t *site, const char *stage) {
    kill(receiver_stage(&site->receiver, stage, 0), SIGCONT);
}

/* --- objects ----------------------------------------------------------------------------------------------- */

bytes_t instance(int number, size_t size) {
    return dataset_instance(EXPLICIT_LE, SERIES, instance_of(SERIES, number), number, size);
}

/* nftw has no argument for its callback. */
static struct {
    const bytes_t *wanted;
    bool found;
    size_t count;
} walk;

static int look_at(const char *path, const struct stat *s, int type, struct FTW *ftw) {
    (void)s;
    (void)ftw;
    /* The file for locks is nobody's object. */
    if (type != FTW_F || strstr(path, "/.oxidicom/replicas/"))
        return 0;
    walk.count++;
    size_t size;
    char syntax[65], *content = walk.wanted ? file_content(path, &size) : NULL;
    bytes_t set = content ? part10_data_set(content, size, syntax) : (bytes_t){0};
    if (walk.wanted && set.size == walk.wanted->size && memcmp(set.at, walk.wanted->at, set.size) == 0)
        walk.found = true;
    free(content);
    return 0;
}

typedef struct awaited_set {
    const char *root;
    const bytes_t *set;
} awaited_set_t;

static bool has_set(void *argument) {
    const awaited_set_t *awaited = argument;
    walk.wanted = awaited->set;
    walk.found = false;
    nftw(awaited->root, look_at, 32, FTW_PHYS);
    return walk.found;
}

void expect_stored(const site_t *site, const bytes_t *set) {
    awaited_set_t awaited = {site->receiver.root, set};
    cr_assert(has_set(&awaited), "no file has the data set as it was sent");
}

void expect_stored_soon(const site_t *site, const bytes_t *set) {
    awaited_set_t awaited = {site->receiver.root, set};
    cr_assert(await(has_set, &awaited, PATIENCE_MS), "no file has the data set as it was sent");
}

typedef struct awaited_files {
    const char *root;
    size_t count;
} awaited_files_t;

static bool has_files(void *argument) {
    const awaited_files_t *awaited = argument;
    walk.wanted = NULL;
    walk.count = 0;
    nftw(awaited->root, look_at, 32, FTW_PHYS);
    return walk.count == awaited->count;
}

void expect_files(const site_t *site, size_t count) {
    awaited_files_t awaited = {site->receiver.root, count};
    cr_assert(await(has_files, &awaited, PATIENCE_MS), "%zu files, not %zu", walk.count, count);
}

void expect_response(scu_t *scu, int status, uint16_t field, uint16_t message_id) {
    int got = scu_status(scu);
    cr_assert_eq(got, status, "status %04X, not %04X, of message %d", (unsigned)got, (unsigned)status, message_id);
    cr_assert_eq(scu_response_number(scu, 0x0100), field | 0x8000);
    cr_assert_eq(scu_response_number(scu, 0x0120), message_id);
    cr_assert_eq(scu_response_number(scu, 0x0800), 0x0101, "no data set follows");
}

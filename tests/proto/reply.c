/* Answers to the operator's tool: who gets one, and who does not. */
#include "proto/reply.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/stat.h>

Test(reply, goes_to_inboxes_of_tools_alone) {
    static const struct {
        const char *name;
        bool valid;
    } cases[] = {{"tool-1", true},        {"tool-4294967295", true},
                 {"tool-", false},        {"tool-42949672950", false},
                 {"tool-1.sock", false},  {"tool-1/../x", false},
                 {"../tool-1", false},    {"/tmp/tool-1", false},
                 {"tool-../../x", false}, {"", false},
                 {"tool-1 ", false},      {"Tool-1", false},
                 {"writer-0", false},     {"notifier", false},
                 {"tool-1\ntool", false}, {"tool--1", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(reply_inbox_valid(cases[i].name), cases[i].valid, "\"%s\"", cases[i].name);
}

/* A run folder, and inboxes in and above it. */
typedef struct site {
    char folder[64], run[80];
    zsock_t *inside, *outside;
} site_t;

static zsock_t *bind_at(const char *folder, const char *name) {
    zsock_t *inbox = zsock_new(ZMQ_PULL);
    cr_assert_geq(zsock_bind(inbox, "ipc://%s/%s.sock", folder, name), 0);
    return inbox;
}

static site_t set_up(void) {
    site_t site = {.folder = "/tmp/reply-XXXXXX"};
    cr_assert_not_null(mkdtemp(site.folder));
    zsys_handler_set(NULL);
    snprintf(site.run, sizeof site.run, "%s/run", site.folder);
    cr_assert_eq(mkdir(site.run, 0700), 0);
    site.inside = bind_at(site.run, "tool-7");
    site.outside = bind_at(site.folder, "tool-8");
    return site;
}

static void remove_file(const char *folder, const char *name) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    remove(path);
}

static void tear_down(site_t *site) {
    zsock_destroy(&site->inside);
    zsock_destroy(&site->outside);
    zsys_shutdown();
    remove_file(site->run, "tool-7.sock");
    remove_file(site->folder, "tool-8.sock");
    remove_file(site->folder, "run");
    remove(site->folder);
}

Test(reply, arrives_with_its_number_and_leads_nowhere_else) {
    site_t site = set_up();
    Ring__Answer answer = RING__ANSWER__INIT;
    answer.number = 77;
    /* This one would exist. */
    reply_send(site.run, "../tool-8", &answer);
    reply_send(site.run, "tool-7", &answer);
    zpoller_t *poller = zpoller_new(site.inside, site.outside, NULL);
    cr_assert_eq(zpoller_wait(poller, 20000), site.inside);
    zframe_t *frame = zframe_recv(site.inside);
    Ring__Envelope *envelope = ring_unpack(zframe_data(frame), zframe_size(frame));
    cr_assert(envelope && envelope->body_case == RING__ENVELOPE__BODY_ANSWER);
    cr_expect_eq(envelope->answer->number, 77);
    cr_expect_null(zpoller_wait(poller, 100), "an answer outside of the run folder");
    ring__envelope__free_unpacked(envelope, NULL);
    zframe_destroy(&frame);
    zpoller_destroy(&poller);
    tear_down(&site);
}

/* ZeroMQ has a limited number of sockets; questions in the names of absent tools must not use them up. */
Test(reply, to_thousands_that_are_gone_costs_no_sockets) {
    site_t site = set_up();
    Ring__Answer answer = RING__ANSWER__INIT;
    char name[32];
    for (int i = 100; i < 5100; i++) {
        snprintf(name, sizeof name, "tool-%d", i);
        reply_send(site.run, name, &answer);
    }
    reply_send(site.run, "tool-7", &answer);
    zpoller_t *poller = zpoller_new(site.inside, NULL);
    cr_expect_eq(zpoller_wait(poller, 20000), site.inside);
    zpoller_destroy(&poller);
    tear_down(&site);
}

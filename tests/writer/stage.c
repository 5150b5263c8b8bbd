/* The program oxidicom-writer, with the test in the place of listener and notifier. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/stage.h"
#include "proto/ring.h"
#include "tests/support/faults.h"
#include "tests/support/process.h"
#include "tests/support/receiver.h"
#include "tests/writer/dicom/data_set.h"
#include "writer/storage/temporary.h"

#define LISTENER 77

static struct {
    char *folder, *root, *log;
    zsock_t *listener, *notifier, *to_writer;
    pid_t writer;
    uint64_t incarnation; /* the writer's, from its first message */
    uint64_t meant_for;   /* what chunks say of it; 0: nothing */
} rig;

static zsock_t *inbox(const char *id) {
    char *endpoint = stage_endpoint(rig.folder, id);
    zsock_t *socket = zsock_new(ZMQ_PULL);
    zsock_set_rcvtimeo(socket, PATIENCE_MS);
    cr_assert_eq(zsock_bind(socket, "%s", endpoint), 0);
    freen(endpoint);
    return socket;
}

static Ring__Envelope *received(zsock_t *socket) {
    zframe_t *frame = zframe_recv(socket);
    cr_assert_not_null(frame, "nothing came");
    Ring__Envelope *envelope = ring_unpack(zframe_data(frame), zframe_size(frame));
    cr_assert_not_null(envelope);
    zframe_destroy(&frame);
    return envelope;
}

/* Takes messages to the listener up to one of this kind; false where none comes soon. */
static bool hears(Ring__Envelope__BodyCase kind) {
    for (int64_t end = clock_ms() + PATIENCE_MS; clock_ms() < end;) {
        Ring__Envelope *message = received(rig.listener);
        bool found = message->body_case == kind;
        if (message->body_case == RING__ENVELOPE__BODY_ALIVE)
            rig.incarnation = message->alive->incarnation;
        ring__envelope__free_unpacked(message, NULL);
        if (found)
            return true;
    }
    return false;
}

static void start(const char *drain_timeout) {
    char *program = text_of("%s/oxidicom-writer", binaries());
    const char *const argv[] = {program, NULL};
    const char *const environment[] = {"OXIDICOM_FILES_ROOT",
                                       rig.root,
                                       "OXIDICOM_RUN_DIR",
                                       rig.folder,
                                       "OXIDICOM_DRAIN_TIMEOUT",
                                       drain_timeout,
                                       "RUST_LOG",
                                       "oxidicom=debug",
                                       "OXIDICOM_WRITER_ID",
                                       "7",
                                       NULL};
    rig.writer = process_start(rig.log, environment, argv);
    free(program);
    /* A killed writer may have left a sign of life in the inbox. */
    for (uint64_t before = rig.incarnation; rig.incarnation == before;)
        cr_assert(hears(RING__ENVELOPE__BODY_ALIVE));
}

static void init(void) {
    zsys_handler_set(NULL);
    log_start("test", "off", NULL);
    rig.folder = temporary_folder("writer");
    rig.root = text_of("%s/root", rig.folder);
    rig.log = text_of("%s/log", rig.folder);
    cr_assert_eq(mkdir(rig.root, 0755), 0);
    rig.listener = inbox("listener");
    rig.notifier = inbox("notifier");
    rig.to_writer = ring_outbox_new(rig.folder, "writer-7", 0);
}

static void fini(void) {
    process_stop(rig.writer, SIGKILL, PATIENCE_MS);
    zsock_destroy(&rig.listener);
    zsock_destroy(&rig.notifier);
    zsock_destroy(&rig.to_writer);
    zsys_shutdown();
    remove_folder(rig.folder);
}
TestSuite(writer, .init = init, .fini = fini, .timeout = PATIENCE_S);

static void send_chunk(uint64_t object, const data_set_t *set, size_t offset, size_t size, bool last) {
    Ring__ObjectId id = RING__OBJECT_ID__INIT;
    id.listener = LISTENER;
    id.association = 1;
    id.object = object;
    Ring__ObjectHeader header = RING__OBJECT_HEADER__INIT;
    header.calling_ae = (char *)"RAWSCU";
    header.transfer_syntax_uid = (char *)EXPLICIT_VR;
    Ring__Chunk chunk = RING__CHUNK__INIT;
    chunk.object = &id;
    chunk.attempt = 1;
    chunk.offset = offset;
    chunk.last = last;
    chunk.header = offset ? NULL : &header;
    chunk.writer = rig.meant_for;
    zmq_msg_t data;
    zmq_msg_init_size(&data, size);
    memcpy(zmq_msg_data(&data), set->bytes + offset, size);
    cr_assert_eq(ring_send_data(rig.to_writer, &RING_ENVELOPE(CHUNK, chunk, &chunk), &data), 0);
}

static void release(uint64_t listener, uint64_t incarnation) {
    Ring__Released released = RING__RELEASED__INIT;
    released.listener = listener;
    released.incarnation = incarnation;
    cr_assert_eq(ring_send(rig.to_writer, &RING_ENVELOPE(RELEASED, released, &released)), 0);
}

/* Whether the writer ends by itself, well, within `ms`. */
static bool ends_within(int64_t ms) {
    int status;
    if (!process_wait(rig.writer, ms, &status))
        return false;
    rig.writer = 0;
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "ended with %x", status);
    return true;
}

/* The next message to the notifier but for metrics, which come all the time. */
static Ring__Envelope *next_event(void) {
    Ring__Envelope *event = received(rig.notifier);
    while (event->body_case == RING__ENVELOPE__BODY_METRICS) {
        ring__envelope__free_unpacked(event, NULL);
        event = received(rig.notifier);
    }
    return event;
}

static void expect_event(Ring__Envelope__BodyCase kind) {
    Ring__Envelope *event = next_event();
    cr_expect_eq(event->body_case, kind);
    ring__envelope__free_unpacked(event, NULL);
}

Test(writer, says_that_it_lives_and_stores_what_it_is_sent) {
    start("20s");
    data_set_t *set = typical(EXPLICIT_VR);
    send_chunk(1, set, 0, set->size, true);
    expect_event(RING__ENVELOPE__BODY_STORED);
    cr_expect(hears(RING__ENVELOPE__BODY_ALIVE));
    free(set);
}

Test(writer, takes_more_messages_than_one_turn_handles_though_none_comes_after_them) {
    start("20s");
    data_set_t *set = typical(EXPLICIT_VR);
    const uint64_t count = 8 * INBOX_BURST_MESSAGES;
    kill(rig.writer, SIGSTOP);
    for (uint64_t object = 1; object <= count; object++)
        send_chunk(object, set, 0, set->size, true);
    kill(rig.writer, SIGCONT);
    for (uint64_t stored = 0; stored < count;) {
        Ring__Envelope *event = next_event();
        cr_assert_eq(event->body_case, RING__ENVELOPE__BODY_STORED);
        stored += event->stored->n_objects;
        ring__envelope__free_unpacked(event, NULL);
    }
    free(set);
}

Test(writer, told_to_end_goes_on_until_it_is_released) {
    start("20s");
    data_set_t *set = typical(EXPLICIT_VR);
    send_chunk(1, set, 0, 200, false);
    kill(rig.writer, SIGTERM);
    cr_expect(hears(RING__ENVELOPE__BODY_LEAVING));
    cr_expect(hears(RING__ENVELOPE__BODY_LEAVING), "it says so again, for a listener that was not there");
    send_chunk(1, set, 200, set->size - 200, true);
    expect_event(RING__ENVELOPE__BODY_STORED);
    cr_expect_not(ends_within(300));
    release(LISTENER, rig.incarnation + 1);
    cr_expect_not(ends_within(300), "another writer was meant");
    release(LISTENER, rig.incarnation);
    cr_expect(ends_within(PATIENCE_MS));
    free(set);
}

Test(writer, ends_at_once_where_its_listener_has_ended) {
    start("20s");
    data_set_t *set = typical(EXPLICIT_VR);
    send_chunk(1, set, 0, set->size, true);
    expect_event(RING__ENVELOPE__BODY_STORED);
    release(LISTENER, 0);
    cr_expect_not(ends_within(300), "nobody has told it to end");
    kill(rig.writer, SIGTERM);
    cr_expect(ends_within(PATIENCE_MS));
    free(set);
}

Test(writer, ends_at_once_where_no_listener_is_there_to_release_it) {
    start("24h");
    zsock_destroy(&rig.listener);
    kill(rig.writer, SIGTERM);
    cr_expect(ends_within(PATIENCE_MS));
}

Test(writer, stores_what_a_dead_listener_sent_whole_drops_the_rest_and_ends) {
    start("24h");
    data_set_t *set = typical(EXPLICIT_VR);
    send_chunk(1, set, 0, 200, false);
    kill(rig.writer, SIGTERM);
    cr_expect(hears(RING__ENVELOPE__BODY_LEAVING));
    cr_expect_not(ends_within(300), "its listener is there");
    send_chunk(2, set, 0, set->size, true);
    expect_event(RING__ENVELOPE__BODY_STORED);
    zsock_destroy(&rig.listener);
    cr_expect(ends_within(PATIENCE_MS));
    char *path = text_of("%s/.oxidicom", rig.root);
    zdir_t *hidden = zdir_new(path, NULL);
    cr_expect_eq(zdir_count(hidden), 0);
    zdir_destroy(&hidden);
    free(path);
    free(set);
}

Test(writer, that_nobody_releases_ends_after_the_drain_timeout) {
    start("700ms");
    data_set_t *set = typical(EXPLICIT_VR);
    send_chunk(1, set, 0, 200, false);
    int64_t begun_ms = clock_ms();
    kill(rig.writer, SIGTERM);
    cr_expect(ends_within(PATIENCE_MS));
    cr_expect_geq(clock_ms() - begun_ms, 690);
    free(set);
}

#define GAVE_STORAGE_UP "storage does not answer"

/* How often the writers' log has the text. */
static int times_logged(const char *text) {
    return receiver_times_logged(&(receiver_t){.log = rig.log}, text);
}

typedef struct times {
    int left_alone, given_up;
} times_t;

static times_t count_times(void) {
    return (times_t){times_logged("the listener is gone"), times_logged(GAVE_STORAGE_UP)};
}

/* It may hear of the listener's end without a line of its own. */
static bool is_left_alone(void *argument) {
    const times_t *before = argument;
    times_t now = count_times();
    return now.left_alone > before->left_alone || now.given_up > before->given_up;
}

/* A writer ends while its storage hangs until the listener is gone. Returns whether it waited for storage until
 * that answered: a busy machine may have needed too long for that. */
static bool waits_for_storage(const char *faults, const data_set_t *set) {
    char *hangs = text_of("%s.hangs", faults);
    faults_set(faults, "writer write stall=30\nwriter rename stall=700\n");
    unlink(hangs);
    start("24h");
    send_chunk(1, set, 0, set->size, true); /* after which it knows that storage is slow */
    expect_event(RING__ENVELOPE__BODY_STORED);
    faults_set(faults, "writer write stall=30\nwriter rename hang\n");
    send_chunk(2, set, 0, set->size, true);
    send_chunk(3, set, 0, 390, false);
    faults_await_hang(faults);
    kill(rig.writer, SIGTERM);
    cr_expect(hears(RING__ENVELOPE__BODY_LEAVING));
    times_t before = count_times();
    zsock_destroy(&rig.listener);
    cr_assert(await(is_left_alone, &before, PATIENCE_MS));
    faults_set(faults, NULL);
    cr_expect(ends_within(PATIENCE_MS));
    free(hangs);
    return times_logged(GAVE_STORAGE_UP) == before.given_up;
}

Test(writer, told_to_end_waits_for_what_storage_is_doing) {
#if defined SANITIZED || defined __SANITIZE_THREAD__
    cr_skip_test("the sanitizer wants to be the first library");
#endif
    char *preload = text_of("%s/../preload.so", binaries()), *faults = text_of("%s/faults", rig.folder);
    setenv("OXIDICOM_TEST_FAULTS", faults, 1);
    setenv("LD_PRELOAD", preload, 1);
    data_set_t *set = typical(EXPLICIT_VR);
    while (!waits_for_storage(faults, set)) {
        zsock_destroy(&rig.notifier);
        rig.listener = inbox("listener");
        rig.notifier = inbox("notifier");
    }
    unsetenv("LD_PRELOAD");
    expect_event(RING__ENVELOPE__BODY_STORED);
    char *left = text_of("%s/.oxidicom", rig.root);
    zdir_t *hidden = zdir_new(left, NULL);
    cr_expect_eq(zdir_count(hidden), 0);
    zdir_destroy(&hidden);
    free(left);
    free(preload);
    free(faults);
    free(set);
}

Test(writer, told_to_end_twice_ends_at_once) {
    start("20s");
    kill(rig.writer, SIGTERM);
    cr_expect(hears(RING__ENVELOPE__BODY_LEAVING));
    kill(rig.writer, SIGTERM);
    cr_expect(ends_within(PATIENCE_MS));
}

Test(writer, leaves_no_temporary_file_when_it_ends_nor_after_a_kill) {
    start("20s");
    data_set_t *set = typical(EXPLICIT_VR);
    send_chunk(1, set, 0, 390, false);
    send_chunk(2, set, 0, set->size, true);
    expect_event(RING__ENVELOPE__BODY_STORED);
    process_stop(rig.writer, SIGKILL, PATIENCE_MS);
    start("20s");
    char *path = text_of("%s/.oxidicom", rig.root);
    zdir_t *hidden = zdir_new(path, NULL);
    cr_expect_eq(zdir_count(hidden), 0);
    zdir_destroy(&hidden);
    free(path);
    free(set);
}

Test(writer, ignores_chunks_for_one_that_had_its_inbox_before) {
    start("20s");
    data_set_t *set = typical(EXPLICIT_VR);
    rig.meant_for = rig.incarnation + 2;
    send_chunk(1, set, 0, set->size, true);
    rig.meant_for = rig.incarnation;
    send_chunk(2, set, 0, set->size, true);
    Ring__Envelope *event = next_event();
    cr_expect_eq(event->body_case, RING__ENVELOPE__BODY_STORED);
    cr_expect_eq(event->stored->objects[0]->object, 2);
    ring__envelope__free_unpacked(event, NULL);
    free(set);
}

static bool is_empty(void *path) {
    zdir_t *folder = zdir_new(path, NULL);
    bool empty = !folder || zdir_count(folder) == 0;
    zdir_destroy(&folder);
    return empty;
}

Test(writer, removes_what_others_leave_while_it_runs) {
    setenv("OXIDICOM_SWEEP_INTERVAL", "100ms", 1);
    start("20s");
    char *host = host_folder(), *path = text_of("%s/.oxidicom/tmp/%s/8/00000000000000ab", rig.root, host);
    char *aside = text_of("%s/aside", rig.folder), *file = text_of("%s/1", aside);
    cr_assert_eq(zsys_dir_create("%s", aside), 0);
    FILE *left = fopen(file, "w");
    cr_assert_not_null(left);
    fclose(left);
    do /* an empty folder may be swept before it is filled */
        cr_assert_eq(zsys_dir_create("%s", path), 0);
    while (rename(aside, path) != 0);
    cr_expect(await(is_empty, path, PATIENCE_MS));
    free(file);
    free(aside);
    free(path);
    free(host);
}

Test(writer, without_a_files_root_says_so_and_ends) {
    char *program = text_of("%s/oxidicom-writer", binaries());
    const char *const argv[] = {program, NULL};
    const char *const environment[] = {"OXIDICOM_FILES_ROOT", "/nonexistent/root", "OXIDICOM_RUN_DIR", rig.folder,
                                       NULL};
    cr_expect_eq(process_run(rig.log, environment, argv, PATIENCE_MS), 73);
    size_t size;
    char *log = file_content(rig.log, &size);
    cr_expect_not_null(strstr(log, "/nonexistent/root"));
    free(log);
    free(program);
}

Test(writer, without_a_dictionary_says_so_and_ends) {
    char *program = text_of("%s/oxidicom-writer", binaries());
    const char *const argv[] = {program, NULL};
    const char *const environment[] = {
        "OXIDICOM_FILES_ROOT",     rig.root, "OXIDICOM_RUN_DIR", rig.folder, "DCMDICTPATH",
        "/nonexistent/dictionary", NULL};
    cr_expect_eq(process_run(rig.log, environment, argv, PATIENCE_MS), 69);
    size_t size;
    char *log = file_content(rig.log, &size);
    cr_expect_not_null(strstr(log, "dictionary"));
    free(log);
    free(program);
}

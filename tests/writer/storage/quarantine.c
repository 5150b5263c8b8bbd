/* The kept part of refused objects, and the rest. */
#include "writer/storage/quarantine.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/message.h"
#include "tests/support/process.h"
#include "tests/support/receiver.h"
#include "tests/writer/dicom/data_set.h"
#include "tests/writer/storage/storage.h"
#include "writer/incoming.h"

#define HEADER_BYTES 132 /* preamble and prefix, PS3.10 7.1 */

/* A writer's object and its surroundings; nobody listens to its events. */
static struct {
    store_t *store;
    quarantine_t quarantine;
    incoming_environment_t environment;
    zsock_t *listener, *notifier;
    uint64_t objects;
    char *folder;
} rig;

static void init(void) {
    storage_init();
    zsys_handler_set(NULL);
    cr_assert(head_start());
    rig.store = store_new(root, "0", RUN, false);
    rig.quarantine = (quarantine_t){.store = rig.store, .size_bytes = 1 << 20};
    rig.listener = zsock_new(ZMQ_PUSH);
    rig.notifier = zsock_new(ZMQ_PUSH);
    rig.environment = (incoming_environment_t){.store = rig.store,
                                               .report = report_new(NULL, rig.listener, rig.notifier, "writer-0"),
                                               .quarantine = &rig.quarantine,
                                               .homes = homes_new()};
    rig.folder = text_of("%s/" QUARANTINE_FOLDER, root);
}

static void fini(void) {
    report_destroy(&rig.environment.report);
    homes_destroy(&rig.environment.homes);
    zsock_destroy(&rig.listener);
    zsock_destroy(&rig.notifier);
    store_destroy(&rig.store);
    zsys_shutdown();
    free(rig.folder);
    storage_fini();
}
TestSuite(quarantine, .init = init, .fini = fini);

static incoming_t *begin(void) {
    static Ring__ObjectId id;
    id = (Ring__ObjectId)RING__OBJECT_ID__INIT;
    id.association = 3;
    id.object = ++rig.objects;
    Ring__ObjectHeader header = RING__OBJECT_HEADER__INIT;
    header.calling_ae = (char *)"RAWSCU";
    header.called_ae = (char *)"L\xC4NGE"; /* not UTF-8 */
    header.sop_class_uid = (char *)"1.2.3";
    header.sop_instance_uid = (char *)"1.2.3.4.5";
    header.transfer_syntax_uid = (char *)EXPLICIT_VR;
    header.peer = (char *)"127.0.0.1:104";
    Ring__Chunk chunk = RING__CHUNK__INIT;
    chunk.object = &id;
    chunk.attempt = 1;
    chunk.header = message_copy(&header.base);
    return incoming_new(&rig.environment, &chunk);
}

static incoming_state_t take(incoming_t *object, const uint8_t *bytes, size_t size, bool last) {
    zmq_msg_t data;
    cr_assert_eq(zmq_msg_init_size(&data, size), 0);
    memcpy(zmq_msg_data(&data), bytes, size);
    incoming_state_t state = incoming_take(object, &data, last, false);
    zmq_msg_close(&data);
    return state;
}

/* Gives the data set to an object in two chunks. Returns the state after the first; it must be refused at its end.
 */
static incoming_state_t refuse(const data_set_t *set, size_t first) {
    incoming_t *object = begin();
    incoming_state_t early = take(object, set->bytes, first, false), state = early;
    if (!incoming_state_is_end(state))
        state = take(object, set->bytes + first, set->size - first, true);
    cr_assert_eq(state, INCOMING_REFUSED);
    incoming_destroy(&object);
    return early;
}

/* The name in the quarantine that ends so, the first in order; free it. NULL: none. */
static char *kept(const char *end) {
    struct dirent **entries;
    char *found = NULL;
    int count = scandir(rig.folder, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        size_t length = strlen(name), wanted = strlen(end);
        bool plain = *end || (name[0] != '.' && !strstr(name, ".dcm") && !strstr(name, ".json"));
        if (!found && plain && length >= wanted && strcmp(name + length - wanted, end) == 0)
            found = text_of("%s/%s", rig.folder, name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return found;
}

static void expect_text(const json_t *why, const char *name, const char *wanted) {
    const char *text = json_string_value(json_object_get(why, name));
    cr_assert_not_null(text, "%s", name);
    cr_expect_str_eq(text, wanted, "%s is %s", name, text);
}

Test(quarantine, keeps_an_object_without_a_required_tag_as_a_file_and_says_why) {
    data_set_t *set = typical_but(EXPLICIT_VR, 0x00100020, NULL);
    add_pixels(set, 100000);
    cr_expect_eq(refuse(set, set->size - 50000), INCOMING_HEAD, "it is looked for to the end");
    char *path = kept(".dcm"), *json = kept(".json");
    cr_assert(path && json);
    size_t size;
    char *content = file_content(path, &size);
    cr_assert_gt(size, set->size + HEADER_BYTES);
    cr_expect_arr_eq(content + 128, "DICM", 4);
    cr_expect_arr_eq(content + size - set->size, set->bytes, set->size, "its data set was changed");
    json_t *why = json_load_file(json, 0, NULL);
    cr_assert_not_null(why);
    expect_text(why, "file", strrchr(path, '/') + 1);
    expect_text(why, "peer", "127.0.0.1:104");
    expect_text(why, "calling_ae", "RAWSCU");
    expect_text(why, "called_ae", "L\xC3\x84NGE");
    expect_text(why, "sop_class_uid", "1.2.3");
    expect_text(why, "sop_instance_uid", "1.2.3.4.5");
    expect_text(why, "transfer_syntax_uid", EXPLICIT_VR);
    expect_text(why, "status", "C000");
    expect_text(why, "offending_element", "(0010,0020)");
    expect_text(why, "error_comment", "PatientID (0010,0020) is missing");
    cr_expect_eq((size_t)json_integer_value(json_object_get(why, "bytes")), size);
    cr_expect_eq(files_below(root), 2);
    json_decref(why);
    free(content);
    free(path);
    free(json);
    free(set);
}

/* More than is held in memory until its place is known. */
Test(quarantine, keeps_an_object_that_has_begun_its_file_before_it_was_refused) {
    data_set_t *set = typical_but(EXPLICIT_VR, 0x00100020, NULL);
    add_pixels(set, HEAD_GATHERED_MAX_BYTES + 4096);
    cr_expect_eq(refuse(set, set->size - 1000), INCOMING_HEAD);
    char *path = kept(".dcm"), *json = kept(".json");
    cr_assert(path && json);
    size_t size;
    char *content = file_content(path, &size);
    cr_assert_gt(size, set->size + HEADER_BYTES);
    cr_expect_arr_eq(content + 128, "DICM", 4);
    cr_expect_arr_eq(content + size - set->size, set->bytes, set->size, "its data set was changed");
    cr_expect_eq(files_below(root), 2);
    free(content);
    free(path);
    free(json);
    rig.quarantine.size_bytes = 1000;
    refuse(set, set->size - 1000);
    cr_expect_eq(files_below(root), 2, "what is larger than the quarantine leaves nothing");
    free(set);
}

Test(quarantine, keeps_what_can_not_be_read_as_it_came) {
    data_set_t *set = data_set_new(EXPLICIT_VR);
    add_text(set, 0x00100020, "LO", "1449c1d");
    add_bytes(set, "\x20\0\x0D\0UI\xFF\xFF", 8); /* longer than the next part */
    refuse(set, 10);
    char *path = kept(""), *json = kept(".json");
    cr_assert(path && json);
    size_t size;
    char *content = file_content(path, &size);
    cr_expect_eq(size, set->size);
    cr_expect_arr_eq(content, set->bytes, size);
    json_t *why = json_load_file(json, 0, NULL);
    cr_expect(json_is_null(json_object_get(why, "offending_element")));
    json_decref(why);
    free(content);
    free(path);
    free(json);
    free(set);
}

Test(quarantine, has_names_without_anything_of_the_patient) {
    data_set_t *set = typical_but(EXPLICIT_VR, 0x00080020, "yesterday");
    refuse(set, 10);
    char *path = kept(".dcm"), *json = kept(".json");
    cr_assert(path && json);
    size_t size;
    char *why = file_content(json, &size);
    static const char *const secrets[] = {"Doe", "Jane", "1449c1d"};
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        cr_expect_not(strstr(path, secrets[i]) || strstr(why, secrets[i]), "%s", secrets[i]);
    free(why);
    free(path);
    free(json);
    free(set);
}

Test(quarantine, is_never_larger_than_its_size_and_loses_the_oldest_first) {
    data_set_t *set = typical_but(EXPLICIT_VR, 0x00100020, NULL);
    add_pixels(set, 100000);
    rig.quarantine.size_bytes = 350000;
    refuse(set, 10);
    char *oldest = kept(".json"), *notes = text_of("%s/notes.txt", rig.folder);
    FILE *file = fopen(notes, "w");
    cr_assert_not_null(file);
    fclose(file);
    for (int i = 0; i < 2; i++)
        refuse(set, 10);
    cr_expect_eq(files_below(root), 3 * 2 + 1);
    refuse(set, 10);
    cr_expect_eq(files_below(root), 3 * 2 + 1, "what is over is removed, with its reason");
    cr_expect_eq(access(oldest, F_OK), -1);
    cr_expect_eq(access(notes, F_OK), 0, "what people put there is theirs");
    free(notes);
    free(oldest);
    free(set);
}

Test(quarantine, does_not_keep_an_object_larger_than_itself_and_answers_as_soon_as_that_is_known) {
    data_set_t *set = typical_but(EXPLICIT_VR, 0x00080020, "yesterday");
    add_pixels(set, 100000);
    rig.quarantine.size_bytes = 50000;
    cr_expect_eq(refuse(set, 60000), INCOMING_REFUSED);
    cr_expect_eq(refuse(set, 10000), INCOMING_KEPT);
    cr_expect_eq(files_below(root), 0);
    free(set);
}

Test(quarantine, that_can_not_be_written_changes_no_answer) {
    data_set_t *set = typical_but(EXPLICIT_VR, 0x00080020, "yesterday");
    store_keep_free(rig.store, (uint64_t)1 << 60);
    cr_expect_eq(refuse(set, set->size - 10), INCOMING_REFUSED);
    cr_expect_eq(files_below(root), 0);
    free(set);
}

Test(quarantine, keeps_nothing_of_what_is_broken_off) {
    data_set_t *set = typical_but(EXPLICIT_VR, 0x00080020, "yesterday");
    add_pixels(set, 100000);
    incoming_t *object = begin();
    cr_assert_eq(take(object, set->bytes, set->size - 10, false), INCOMING_KEPT);
    cr_expect_eq(files_below(root), 1);
    incoming_destroy(&object);
    cr_expect_eq(files_below(root), 0);
    free(set);
}

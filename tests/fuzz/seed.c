/* Writes the first inputs of every fuzz target below the folder that it is given: what honest peers send, made of
 * tests/vectors/cases.json and by hand. `make fuzz-seeds` merges them into the corpora. */
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/settings_table.h"
#include "proto/ring.h"
#include "tests/support/process.h"
#include "tests/support/scu.h"

static const char *const SYNTAXES[] = {IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE, DEFLATED_LE};
static const char *root;

/* --- files ----------------------------------------------------------------------------------------------- */

static void write_seed(const char *target, bytes_t *input) {
    static int number;
    char *folder = text_of("%s/%s", root, target), *path = text_of("%s/seed-%04d", folder, number++);
    mkdir(folder, 0755);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(input->at, 1, input->size, file) != input->size || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
    free(folder);
    free(path);
    bytes_free(input);
}

static void add_part(bytes_t *input, const void *bytes, size_t size) {
    bytes_add(input, (uint8_t[]){(uint8_t)(size >> 8), (uint8_t)size}, 2);
    bytes_add(input, bytes, size);
}

static void add_message(bytes_t *input, const Ring__Envelope *envelope) {
    size_t size = ring__envelope__get_packed_size(envelope);
    uint8_t *packed = malloc(size);
    ring__envelope__pack(envelope, packed);
    add_part(input, packed, size);
    free(packed);
}

static void add_bytes(bytes_t *input, const char *bytes, size_t size) {
    bytes_add(input, bytes, size);
}

/* --- vectors --------------------------------------------------------------------------------------------- */

static bytes_t decode_base64(const char *text) {
    size_t length = strlen(text);
    bytes_t out = {.at = malloc(length + 1)};
    out.size = (size_t)EVP_DecodeBlock(out.at, (const unsigned char *)text, (int)length);
    while (length > 0 && text[--length] == '=')
        out.size--;
    return out;
}

static const char *text_in(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

static uint8_t syntax_number(const char *syntax) {
    for (uint8_t i = 0; i < 4; i++)
        if (strcmp(SYNTAXES[i], syntax) == 0)
            return i;
    return 1;
}

/* Only the head is read; pixels would just make the corpus larger. */
static void seed_head(const json_t *object, const bytes_t *set) {
    bytes_t input = {0};
    bytes_add(&input, (uint8_t[]){syntax_number(text_in(object, "transfer_syntax")), 0, 3, 40, 1}, 5);
    bytes_add(&input, set->at, set->size < 4096 ? set->size : 4096);
    write_seed("writer_head", &input);
}

static void add_chunk(bytes_t *input, uint64_t offset, bool last, const bytes_t *bytes, const json_t *object) {
    Ring__ObjectId id = RING__OBJECT_ID__INIT;
    id.listener = 5;
    id.association = id.object = 1;
    Ring__ObjectHeader header = RING__OBJECT_HEADER__INIT;
    header.calling_ae = (char *)"SEED";
    header.sop_class_uid = (char *)text_in(object, "sop_class");
    header.sop_instance_uid = (char *)text_in(object, "sop_instance");
    header.transfer_syntax_uid = (char *)text_in(object, "transfer_syntax");
    Ring__Chunk chunk = RING__CHUNK__INIT;
    chunk.object = &id;
    chunk.attempt = 1;
    chunk.offset = offset;
    chunk.last = last;
    chunk.header = offset ? NULL : &header;
    chunk.credit_wanted = true;
    add_message(input, &RING_ENVELOPE(CHUNK, chunk, &chunk));
    add_part(input, bytes->at, bytes->size);
}

static void seed_chunks(const json_t *object, const bytes_t *set) {
    bytes_t input = {0};
    size_t half = set->size < 2000 ? set->size / 2 : 1000, rest = set->size - half < 1000 ? set->size - half : 1000;
    add_chunk(&input, 0, false, &(bytes_t){set->at, half}, object);
    add_chunk(&input, half, true, &(bytes_t){set->at + half, rest}, object);
    write_seed("writer_ring", &input);
}

/* The texts of the data set, each with the character set. */
static void seed_texts(const bytes_t *set) {
    static const char charset[] = {8, 0, 5, 0, 'C', 'S'}, name[] = {0x10, 0, 0x10, 0, 'P', 'N'};
    const uint8_t *c = memmem(set->at, set->size, charset, 6), *n = memmem(set->at, set->size, name, 6);
    if (!n || n[6] + 8 > set->at + set->size - n)
        return;
    uint8_t size = c ? c[6] : 0;
    bytes_t input = {0};
    bytes_add(&input, (uint8_t[]){1, size}, 2);
    bytes_add(&input, c ? c + 8 : n, size);
    bytes_add(&input, n + 8, n[6]);
    write_seed("writer_text", &input);
}

/* Heads that try to take memory, time or stack: nested without end, lengths of 4 GB, a value of the wanted tags
 * too, VRs that there are not, a stream that inflates a thousandfold. */
static void seed_hostile_heads(void) {
    bytes_t nested = {0}, lengths = {0}, vrs = {0}, zeros = {0}, input;
    static const uint8_t megabyte[1 << 20];
    add_bytes(&nested, "\0\0\0\0\0", 5);
    for (int i = 0; i < 70; i++)
        add_bytes(&nested, "\x08\0\x40\x11\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\xFF\xFF\xFF\xFF", 16);
    write_seed("writer_head", &nested);
    add_bytes(&lengths,
              "\0\0\0\0\0"
              "\x09\0\x10\0\xF0\xFF\xFF\xFF"
              "\x10\0\x20\0\xF0\xFF\xFF\xFF",
              21);
    write_seed("writer_head", &lengths);
    add_bytes(&vrs, "\1\1\0\0\7", 5);
    static const char *const names[] = {"XX", "na", "ox", "up", "lt", "PS", "UN", "AT", "FD", "OB"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        dataset_add(&vrs, EXPLICIT_LE, 0x00080050 + (uint32_t)i, names[i], "\1\0\0\0\0\0\0\0", 8);
    write_seed("writer_head", &vrs);
    add_bytes(&zeros, "\x09\0\x10\x10OB\0\0\xF0\xFF\xFF\xFF", 12);
    for (int i = 0; i < 4; i++)
        bytes_add(&zeros, megabyte, sizeof megabyte);
    bytes_t packed = dataset_deflate(&zeros);
    input = (bytes_t){0};
    add_bytes(&input, "\3\0\0\0\0", 5);
    bytes_add(&input, packed.at, packed.size);
    bytes_free(&packed);
    bytes_free(&zeros);
    write_seed("writer_head", &input);
}

/* What other receivers read: the middle of a data set, its begin and rest around it. */
static void seed_structures(void) {
#define IN         "\x10\0\x20\0LO\6\0nobody"
#define SQ         "\x08\0\x40\x11SQ\0\0"
#define ITEM       "\xFE\xFF\0\xE0"
#define ENDS       "\xFE\xFF\x0D\xE0"
#define OVER       "\xFE\xFF\xDD\xE0"
#define OPEN       "\xFF\xFF\xFF\xFF"
#define NONE       "\0\0\0\0"
#define SIZE       "\x0E\0\0\0"
#define SEED(text) text, sizeof text - 1
    static const struct {
        const char *bytes;
        size_t size;
    } middles[] = {
        {SEED(SQ OPEN ITEM SIZE IN OVER OPEN)},
        {SEED(SQ OPEN ITEM OPEN IN ENDS "\4\0\0\0" OVER NONE)},
        {SEED(ITEM SIZE IN)},
        {SEED(SQ "\x16\0\0\0" ITEM SIZE IN OVER NONE ENDS NONE)},
        {SEED(SQ OPEN ITEM SIZE IN ENDS NONE OVER NONE)},
        {SEED(SQ OPEN ITEM OPEN IN ITEM OPEN IN OVER NONE)},
        {SEED(SQ "\x10\0\0\0" ITEM SIZE IN)},
        {SEED(SQ "\x10\0\0\0" ITEM OPEN IN ENDS NONE)},
        {SEED("\x09\0\1\x10UN\0\0" OPEN ITEM OPEN IN ENDS NONE OVER NONE)},
        {SEED("\x09\0\1\x10UN\0\0" OPEN ITEM OPEN "\x10\0\x20\0\6\0\0\0nobody" ENDS NONE OVER NONE)},
        {SEED("\x09\0\1\x10\4\0\0\0ABCD\x09\0\2\x10??\4\0ABCD\x09\0\3\x10  \0\0\4\0\0\0ABCD")},
        {SEED("\x28\0\x10\0US\2\0\2\0")},
        {SEED("\xE0\x7F\x10\0OW\0\0\x08\0\0\0"
              "12345678"
              "\x20\0\x13\0IS\2\0001 ")},
    };
    for (size_t i = 0; i < sizeof middles / sizeof *middles; i++) {
        bytes_t input = {0}, rest = dataset_instance(EXPLICIT_LE, "1.2.3.4", "1.2.3", 1, 8);
        add_bytes(&input, "\1\0\3\x28\1", 5);
        dataset_text(&input, EXPLICIT_LE, 0x00080005, "CS", i % 2 ? "\\ISO 2022 IR 58" : "ISO_IR 6\\ISO_IR 100");
        bytes_add(&input, middles[i].bytes, middles[i].size);
        bytes_add(&input, rest.at, rest.size);
        bytes_free(&rest);
        write_seed("writer_head", &input);
    }
#undef IN
#undef SQ
#undef ITEM
#undef ENDS
#undef OVER
#undef OPEN
#undef NONE
#undef SIZE
#undef SEED
}

static void seed_unescaped_texts(void) {
    static const char *const texts[][2] = {
        {"\\ISO 2022 IR 58", "Zhang^X=\xD5\xC5^\xC8\xFD"},
        {"ISO_IR 6\\ISO_IR 100", "M\xFCller^J"},
        {"\\ISO 2022 IR 149", "\x1B$)C\xB1\xE8^\xC3\xB6"},
        {"\\ISO 2022 IR 87", "M\xC3\xBCller^J"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bytes_t input = {0};
        bytes_add(&input, (uint8_t[]){1, (uint8_t)strlen(texts[i][0])}, 2);
        bytes_add(&input, texts[i][0], strlen(texts[i][0]));
        bytes_add(&input, texts[i][1], strlen(texts[i][1]));
        write_seed("writer_text", &input);
    }
}

static void seed_vectors(const char *path) {
    json_error_t error;
    json_t *cases = json_load_file(path, 0, &error), *the_case, *object;
    if (!cases) {
        fprintf(stderr, "%s: %s\n", path, error.text);
        exit(1);
    }
    size_t i, k;
    json_array_foreach(cases, i, the_case) json_array_foreach(json_object_get(the_case, "objects"), k, object) {
        bytes_t set = decode_base64(text_in(object, "data_set"));
        seed_head(object, &set);
        seed_texts(&set);
        if (i % 10 == 0)
            seed_chunks(object, &set);
        bytes_free(&set);
    }
    json_decref(cases);
}

/* --- the network ----------------------------------------------------------------------------------------- */

static bytes_t user_items(void) {
    bytes_t items = {0};
    add_bytes(&items, "\x53\0\0\4\0\5\0\5", 8); /* async. operations */
    add_bytes(&items,
              "\x54\0\0\x1d\0\x19"
              "1.2.840.10008.5.1.4.1.1.4"
              "\1\1",
              33);                          /* roles */
    add_bytes(&items, "\x55\0\0\4SEED", 8); /* version name */
    add_bytes(&items,
              "\x56\0\0\x21\0\x19"
              "1.2.840.10008.5.1.4.1.1.4"
              "\2\0\0\0\1\0",
              37); /* extended */
    add_bytes(&items,
              "\x57\0\0\x21\0\x19"
              "1.2.840.10008.5.1.4.1.1.4"
              "\0\4"
              "1.23",
              37);                                           /* common extended */
    add_bytes(&items, "\x58\0\0\x0c\2\1\0\4user\0\2pw", 16); /* identity */
    return items;
}

static bytes_t seed_request(bool extra) {
    static const scu_context_t contexts[] = {
        {1, MR_STORAGE, {EXPLICIT_LE, IMPLICIT_LE}},
        {3, "1.2.840.10008.1.1", {IMPLICIT_LE}},
        {5, "1.2.3.4.5", {DEFLATED_LE}},
        {5, CT_STORAGE, {"1.2.840.10008.1.2.4.70"}},
        {7, NULL, {EXPLICIT_BE}},
        {9, CT_STORAGE, {NULL}},
    };
    bytes_t items = user_items();
    scu_request_t request = {.calling = "SEED", .called = "CHRIS", .contexts = contexts, .contexts_count = 6};
    if (extra)
        request.extra_user_items = items;
    bytes_t pdu = scu_associate_rq(&request);
    bytes_free(&items);
    return pdu;
}

static void add_p_data(bytes_t *stream, uint8_t control, const bytes_t *bytes) {
    bytes_t pdvs = {0};
    scu_add_pdv(&pdvs, 1, control, bytes->at, bytes->size);
    bytes_add(stream, (uint8_t[]){4, 0, 0, 0, (uint8_t)(pdvs.size >> 8), (uint8_t)pdvs.size}, 6);
    bytes_add(stream, pdvs.at, pdvs.size);
    bytes_free(&pdvs);
}

/* A whole association: request, C-ECHO, C-STORE, release or abort. */
static bytes_t seed_session(bool aborts) {
    bytes_t stream = seed_request(false), echo = scu_echo_command(1),
            store = scu_store_command(MR_STORAGE, "1.2.3", 2);
    bytes_t set = dataset_instance(EXPLICIT_LE, "1.2.3.4", "1.2.3", 1, 40), first = {set.at, 100};
    add_p_data(&stream, 3, &echo);
    add_p_data(&stream, 3, &store);
    add_p_data(&stream, 0, &first);
    add_p_data(&stream, 2, &(bytes_t){set.at + 100, set.size - 100});
    add_bytes(&stream, aborts ? "\7\0\0\0\0\4\0\0\0\0" : "\5\0\0\0\0\4\0\0\0\0", 10);
    bytes_free(&echo);
    bytes_free(&store);
    bytes_free(&set);
    return stream;
}

static void seed_commands(void) {
    static const uint16_t fields[] = {0x0001, 0x0030, 0x0020, 0x0FFF, 0x8001};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        bytes_t input = {0}, command = scu_command(fields[i], MR_STORAGE, (uint16_t)i, i % 2);
        if (fields[i] == 0x0001) {
            bytes_free(&command);
            command = scu_store_command(MR_STORAGE, "1.2.3.4.5.6", 7);
        }
        add_bytes(&input,
                  "\0\0\0\x40\xA7\0\0\x10\0\x20\1\x07"
                  "comment",
                  19);
        bytes_add(&input, command.at, command.size);
        bytes_free(&command);
        write_seed("listener_command", &input);
    }
}

static void seed_network(void) {
    for (int extra = 0; extra < 2; extra++) {
        bytes_t request = seed_request(extra), input = {0};
        add_bytes(&input, extra ? "\1" : "\0", 1);
        bytes_add(&input, request.at + 6, request.size - 6);
        bytes_free(&request);
        write_seed("listener_associate", &input);
        bytes_t session = seed_session(extra), stream = {0};
        add_bytes(&stream, "\0\1\6\x40", 4);
        bytes_add(&stream, session.at, session.size);
        write_seed("listener_pdu_stream", &stream);
        bytes_t steps = {0};
        add_bytes(&steps, "\1\0", 2);
        add_part(&steps, session.at, session.size / 2);
        add_bytes(&steps, "\4\2\0", 3);
        add_part(&steps, session.at + session.size / 2, session.size - session.size / 2);
        add_bytes(&steps, extra ? "\1\0\3" : "\3\1\x08", 3);
        write_seed("listener_session", &steps);
        bytes_free(&session);
    }
    seed_commands();
}

/* --- the ring -------------------------------------------------------------------------------------------- */

static Ring__ObjectId object_id = {PROTOBUF_C_MESSAGE_INIT(&ring__object_id__descriptor), 7, 1, 1};

static void add_alive(bytes_t *input, Ring__Stage stage, const char *id, uint64_t incarnation) {
    Ring__Alive alive = RING__ALIVE__INIT;
    alive.stage = stage;
    alive.id = (char *)id;
    alive.incarnation = incarnation;
    alive.release = (char *)"1.0";
    add_message(input, &RING_ENVELOPE(ALIVE, alive, &alive));
}

static void seed_listener_inbox(void) {
    bytes_t input = {0};
    Ring__Credit credit = RING__CREDIT__INIT;
    credit.object = &object_id;
    credit.attempt = 1;
    credit.taken = 131072;
    Ring__Written written = RING__WRITTEN__INIT;
    written.object = &object_id;
    written.attempt = 1;
    written.token = 5;
    Ring__Opening opening = RING__OPENING__INIT, *openings[] = {&opening};
    opening.association = 1;
    opening.token = 5;
    Ring__Opened opened = RING__OPENED__INIT;
    opened.listener = 7;
    opened.openings = openings;
    opened.n_openings = 1;
    uint64_t ends[] = {2};
    Ring__Acknowledged acknowledged = RING__ACKNOWLEDGED__INIT;
    acknowledged.listener = 7;
    acknowledged.associations = ends;
    acknowledged.n_associations = 1;
    Ring__Leaving leaving = RING__LEAVING__INIT;
    leaving.id = (char *)"writer-0";
    leaving.incarnation = 3;
    add_alive(&input, RING__STAGE__STAGE_NOTIFIER, "notifier", 9);
    add_alive(&input, RING__STAGE__STAGE_WRITER, "writer-0", 3);
    add_message(&input, &RING_ENVELOPE(CREDIT, credit, &credit));
    add_message(&input, &RING_ENVELOPE(LEAVING, leaving, &leaving));
    add_message(&input, &RING_ENVELOPE(WRITTEN, written, &written));
    add_message(&input, &RING_ENVELOPE(OPENED, opened, &opened));
    add_message(&input, &RING_ENVELOPE(ACKNOWLEDGED, acknowledged, &acknowledged));
    add_alive(&input, RING__STAGE__STAGE_NOTIFIER, "notifier", 10);
    write_seed("listener_ring", &input);
}

static Ring__Series series = {
    PROTOBUF_C_MESSAGE_INIT(&ring__series__descriptor),
    .series_instance_uid = (char *)"1.2.3",
    .study_instance_uid = (char *)"1.2",
    .patient_id = (char *)"1449c1d",
    .study_date = (char *)"2013-03-08",
    .patient_name = (char *)"Doe^Jane's \"\xC3\xA9\"",
    .patient_birth_date = (char *)"2009-07-01",
    .patient_age_days = 1096,
    .patient_sex = (char *)"F",
    .accession_number = (char *)"98ed",
    .modality = (char *)"MR",
    .protocol_name = (char *)"SAG",
    .study_description = (char *)"MR-Brain",
    .series_description = (char *)"SAG MPRAGE",
    .pacs_name = (char *)"SEED",
    .has_patient_age_days = 1,
    .folder = (char *)"SERVICES/PACS/SEED/1/2/3",
};

static void seed_notifier_inbox(void) {
    bytes_t input = {0};
    Ring__StoredObject object = RING__STORED_OBJECT__INIT, *objects[] = {&object};
    object.object = 1;
    object.attempt = 1;
    object.file = (char *)"0001-1.2.3.dcm";
    object.bytes = 4242;
    Ring__Stored stored = RING__STORED__INIT;
    stored.listener = 7;
    stored.association = 1;
    stored.token = 5;
    stored.objects = objects;
    stored.n_objects = 1;
    stored.calling_ae = (char *)"SEED";
    stored.series = &series;
    stored.writer = (char *)"writer-0";
    Ring__ObjectId second = object_id;
    second.object = 2;
    Ring__Refused refused = RING__REFUSED__INIT;
    refused.object = &second;
    refused.attempt = 1;
    refused.calling_ae = (char *)"SE ED";
    refused.series_instance_uid = (char *)"1.2.3";
    refused.status = 0xC000;
    refused.offending_element = 0x00100020;
    refused.error_comment = refused.reason = (char *)"PatientID (0010,0020) is missing";
    Ring__AssociationEnded ended = RING__ASSOCIATION_ENDED__INIT;
    ended.listener = 7;
    ended.association = 1;
    Ring__Answered answered = RING__ANSWERED__INIT, *all[] = {&answered};
    answered.token = 5;
    answered.objects = 2;
    ended.answered = all;
    ended.n_answered = 1;
    ended.refused = 1;
    add_alive(&input, RING__STAGE__STAGE_LISTENER, "listener", 7);
    add_message(&input, &RING_ENVELOPE(STORED, stored, &stored));
    add_message(&input, &RING_ENVELOPE(REFUSED, refused, &refused));
    add_message(&input, &RING_ENVELOPE(ASSOCIATION_ENDED, association_ended, &ended));
    add_message(&input, &RING_ENVELOPE(REFUSED, refused, &refused));
    /* Each message alone is a seed of the reader of heads. */
    for (size_t at = 0, size; at + 2 <= input.size; at += 2 + size) {
        bytes_t head = {0};
        size = (size_t)input.at[at] << 8 | input.at[at + 1];
        bytes_add(&head, input.at + at + 2, size);
        write_seed("proto_ring", &head);
    }
    write_seed("notifier_ring", &input);
}

/* --- settings -------------------------------------------------------------------------------------------- */

static void seed_settings(void) {
    static const char *const texts[] = {"1h 30m 5ms", "64MiB",          "oxidicom=debug,info",       "true",
                                        "0",          "127.0.0.1:4222", "amqps://u:p@h:1/v;amqp://x"};
    for (size_t i = 0; i < SETTINGS_COUNT; i++) {
        bytes_t input = {0};
        const char *value = SETTINGS[i].default_value ? SETTINGS[i].default_value : "/tmp/x";
        bytes_add(&input, (uint8_t[]){(uint8_t)i, (uint8_t)i}, 2);
        bytes_add(&input, value, strlen(value) + 1);
        const char *more = texts[i % (sizeof texts / sizeof *texts)];
        bytes_add(&input, (uint8_t[]){(uint8_t)(i + 1)}, 1);
        bytes_add(&input, more, strlen(more) + 1);
        write_seed("common_settings", &input);
    }
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: seed FOLDER CASES.json\n");
        return 64;
    }
    root = argv[1];
    seed_vectors(argv[2]);
    seed_hostile_heads();
    seed_structures();
    seed_unescaped_texts();
    seed_network();
    seed_listener_inbox();
    seed_notifier_inbox();
    seed_settings();
    return 0;
}

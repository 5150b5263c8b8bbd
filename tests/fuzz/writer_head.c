/* The head of a data set, and what becomes of it: tags, texts, place, Part 10 header. Input: a transfer syntax,
 * sizes of pieces, then the data set. */
#include <string.h>

#include "common/message.h"
#include "common/utf8.h"
#include "tests/fuzz/fuzz.h"
#include "writer/dicom/instance.h"
#include "writer/dicom/part10.h"
#include "writer/dicom/path.h"

static const char *const SYNTAXES[] = {
    "1.2.840.10008.1.2",      "1.2.840.10008.1.2.1",    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.70", "1.2.3.4",
};
#define DEFLATED       3
#define SYNTAXES_COUNT (sizeof SYNTAXES / sizeof *SYNTAXES)

static head_state_t feed(head_t *head, const uint8_t *bytes, size_t size, pieces_t pieces) {
    head_state_t state = HEAD_NEED_MORE;
    for (size_t at = 0, piece; at < size; at += piece) {
        piece = piece_next(&pieces, size - at);
        uint8_t *copy = malloc(piece);
        memcpy(copy, bytes + at, piece);
        head_state_t before = state;
        state = head_feed(head, copy, piece);
        CHECK(before == HEAD_NEED_MORE || state == before);
        free(copy);
    }
    return head_finish(head);
}

/* However the data set is cut, the same is read of it. */
static void check_same(const head_t *a, const head_t *b) {
    CHECK(strcmp(head_complaint(a), head_complaint(b)) == 0);
    head_value_t of_a[HEAD_TAGS], of_b[HEAD_TAGS];
    head_values(a, of_a);
    head_values(b, of_b);
    for (int tag = 0; tag < HEAD_TAGS; tag++) {
        size_t size = of_a[tag].size;
        CHECK(!of_a[tag].bytes == !of_b[tag].bytes && size == of_b[tag].size && size <= HEAD_VALUE_MAX_BYTES);
        CHECK(!of_a[tag].bytes || memcmp(of_a[tag].bytes, of_b[tag].bytes, size) == 0);
    }
}

/* Every component of a path is a name that any file system takes and that leads nowhere else. */
static void check_path(const char *path) {
    for (const char *at = path;; at++) {
        size_t size = strcspn(at, "/");
        CHECK(size > 0 && size <= PATH_COMPONENT_MAX_BYTES && strncmp(at, "..", size < 2 ? 2 : size) != 0);
        CHECK(!(size == 1 && *at == '.'));
        for (size_t i = 0; i < size; i++)
            CHECK(strchr("_.-", at[i]) || (at[i] >= '0' && at[i] <= '9') ||
                  ((at[i] | 32) >= 'a' && (at[i] | 32) <= 'z'));
        at += size;
        if (!*at)
            return;
    }
}

static void check_instance(const instance_t *instance, const char *syntax) {
    CHECK(strncmp(instance->series->folder, "SERVICES/PACS/", 14) == 0);
    check_path(instance->series->folder);
    check_path(instance->file);
    CHECK(!strchr(instance->file, '/'));
    CHECK(strlen(instance->series->study_date) == 10 && *instance->series->patient_id);
    part10_t part10 = {instance->sop_class_uid, instance->sop_instance_uid, syntax, instance->series->patient_name};
    size_t size;
    uint8_t *header = part10_header(&part10, &size);
    CHECK(size > 144 && size - 144 == (header[140] | (size_t)header[141] << 8 | (size_t)header[142] << 16));
    free(header);
}

static bool is_text(const char *text, const char *wanted) {
    return !text == !wanted && (!text || strcmp(text, wanted) == 0);
}

/* A memo changes nothing: it has seen the inputs before, and sees this one twice. */
static void check_with_memo(const instance_t *wanted, bool stored, const head_t *head,
                            const Ring__ObjectHeader *command) {
    static series_memo_t *memo;
    if (!memo)
        memo = series_memo_new();
    for (int i = 0; i < 2; i++) {
        instance_t instance;
        refusal_t refusal;
        CHECK(instance_read(&instance, memo, head, command, &refusal) == stored);
        size_t size, wanted_size;
        uint8_t *packed = message_pack(&instance.series->base, &size),
                *wanted_packed = message_pack(&wanted->series->base, &wanted_size);
        CHECK(size == wanted_size && memcmp(packed, wanted_packed, size) == 0);
        CHECK(is_text(instance.file, wanted->file) && is_text(instance.identity, wanted->identity));
        CHECK(is_text(instance.sop_class_uid, wanted->sop_class_uid));
        CHECK(is_text(instance.sop_instance_uid, wanted->sop_instance_uid));
        free(packed);
        free(wanted_packed);
        instance_clear(&instance);
    }
}

static void read_instance(const head_t *head, const char *syntax) {
    Ring__ObjectHeader command = RING__OBJECT_HEADER__INIT;
    command.calling_ae = (char *)"FUZZ";
    command.sop_class_uid = (char *)"1.2.840.10008.5.1.4.1.1.4";
    command.sop_instance_uid = (char *)"1.2.3";
    instance_t instance;
    refusal_t refusal = {0};
    bool stored = instance_read(&instance, NULL, head, &command, &refusal);
    if (stored)
        check_instance(&instance, syntax);
    else
        CHECK(refusal.status == STATUS_CANNOT_UNDERSTAND && *refusal.comment);
    const Ring__Series *series = instance.series;
    CHECK(utf8_valid(series->patient_name, strlen(series->patient_name)));
    CHECK(utf8_valid(series->series_instance_uid, strlen(series->series_instance_uid)));
    check_with_memo(&instance, stored, head, &command);
    instance_clear(&instance);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool started;
    if (!started)
        CHECK(started = head_start());
    if (size < 1 + PIECE_SIZES)
        return 0;
    const char *syntax = SYNTAXES[data[0] % SYNTAXES_COUNT];
    const uint8_t *bytes = data + 1 + PIECE_SIZES;
    head_t *whole = head_new(syntax), *cut = head_new(syntax);
    head_state_t state = feed(whole, bytes, size - 1 - PIECE_SIZES, (pieces_t){0});
    head_state_t cut_state = feed(cut, bytes, size - 1 - PIECE_SIZES, (pieces_t){data + 1, PIECE_SIZES, 0});
    CHECK(state != HEAD_NEED_MORE && cut_state != HEAD_NEED_MORE);
    /* How much of a broken deflated stream is read before zlib complains depends on the pieces. */
    if (syntax != SYNTAXES[DEFLATED] || (state == HEAD_READY && cut_state == HEAD_READY)) {
        CHECK(state == cut_state);
        check_same(whole, cut);
    }
    read_instance(whole, syntax);
    head_destroy(&whole);
    head_destroy(&cut);
    return 0;
}

/* Every transfer syntax and storage SOP class that is known: negotiated, and stored as it was sent. */
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "listener/ul/uids.h"
#include "tests/interop/interop.h"
#include "tests/support/scu.h"

#define GE_IMPLICIT          "1.2.840.113619.5.2"
#define JPIP_DEFLATE         "1.2.840.10008.1.2.4.95"
#define JPIP_HTJ2K_DEFLATE   "1.2.840.10008.1.2.4.205"
#define PRIVATE_CLASS        "1.2.826.0.1.3680043.9.9999.77"
#define UNKNOWN_SYNTAX       "1.2.826.0.1.3680043.9.9999.78"
#define SERIES               "1.2.826.0.1.3680043.9.9999.79"
#define SYNTAX_NOT_SUPPORTED 4 /* PS3.8 9.3.3.2, result of a presentation context */
#define CONTEXTS             128

/* --- data sets ----------------------------------------------------------------------------------------------- */

static bool is_one_of(const char *syntax, const char *const *others) {
    for (; *others; others++)
        if (strcmp(syntax, *others) == 0)
            return true;
    return false;
}

/* Pixel data of two fragments after an empty offset table (PS3.5 A.4), in the place of the native one without any.
 */
static void encapsulate(bytes_t *set) {
    static const char pixel_data[] = "\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF"
                                     "\xFE\xFF\0\xE0\0\0\0\0"
                                     "\xFE\xFF\0\xE0\4\0\0\0\xFF\xD8\xFF\xD9"
                                     "\xFE\xFF\0\xE0\2\0\0\0ab"
                                     "\xFE\xFF\xDD\xE0\0\0\0";
    set->size -= 12;
    bytes_add(set, pixel_data, sizeof pixel_data); /* its last NUL, too */
}

/* An instance in the encoding that the transfer syntax says. */
static bytes_t instance_in(const known_transfer_syntax_t *syntax, int number) {
    static const char *const deflated[] = {DEFLATED_LE, JPIP_DEFLATE, JPIP_HTJ2K_DEFLATE, NULL};
    char *uid = text_of("%s.%d", SERIES, number);
    bytes_t set;
    if (syntax->native) {
        set = dataset_instance(syntax->uid, SERIES, uid, number, 1000);
    } else if (strcmp(syntax->uid, GE_IMPLICIT) == 0) {
        set = dataset_instance(IMPLICIT_LE, SERIES, uid, number, 1000);
    } else if (is_one_of(syntax->uid, deflated)) {
        bytes_t inflated = dataset_instance(EXPLICIT_LE, SERIES, uid, number, 1000);
        set = dataset_deflate(&inflated);
        bytes_free(&inflated);
    } else {
        set = dataset_instance(EXPLICIT_LE, SERIES, uid, number, 0);
        encapsulate(&set);
    }
    free(uid);
    return set;
}

static void expect_stored(const receiver_t *receiver, int number, const char *syntax, const bytes_t *set) {
    char *pattern =
        text_of("%s/SERVICES/PACS/SYNTAXES/*/*/*/%04d-%s.%d.dcm", receiver->root, number, SERIES, number);
    glob_t found;
    cr_assert_eq(glob(pattern, 0, NULL, &found), 0, "%s is not stored", syntax);
    cr_assert_eq(found.gl_pathc, 1);
    size_t size;
    char of_file[65], *content = file_content(found.gl_pathv[0], &size);
    bytes_t stored = part10_data_set(content, size, of_file);
    cr_assert_str_eq(of_file, syntax);
    cr_assert(stored.size == set->size && memcmp(stored.at, set->at, set->size) == 0, "%s differs", syntax);
    globfree(&found);
    free(content);
    free(pattern);
}

/* --- every transfer syntax ----------------------------------------------------------------------------------- */

/* Proposes each known transfer syntax in a context of its own, and an unknown one in the last. */
static void associate(scu_t *scu, const receiver_t *receiver, const char *abstract_syntax) {
    scu_context_t contexts[CONTEXTS];
    cr_assert_lt(TRANSFER_SYNTAXES_COUNT, CONTEXTS);
    for (size_t i = 0; i < TRANSFER_SYNTAXES_COUNT; i++)
        contexts[i] = (scu_context_t){(uint8_t)(2 * i + 1), abstract_syntax, {TRANSFER_SYNTAXES[i].uid}};
    contexts[TRANSFER_SYNTAXES_COUNT] =
        (scu_context_t){(uint8_t)(2 * TRANSFER_SYNTAXES_COUNT + 1), abstract_syntax, {UNKNOWN_SYNTAX}};
    cr_assert(scu_associate(scu, receiver->port,
                            &(scu_request_t){.calling = "SYNTAXES",
                                             .contexts = contexts,
                                             .contexts_count = TRANSFER_SYNTAXES_COUNT + 1}));
    cr_assert_eq(scu->answered[2 * TRANSFER_SYNTAXES_COUNT + 1].result, SYNTAX_NOT_SUPPORTED);
}

/* Stores one instance in each transfer syntax that the receiver is to accept with this setting. */
static void store_in_every_syntax(const char *setting, const char *sop_class, bool native_only) {
    receiver_t receiver;
    scu_t scu = {0};
    receiver_prepare(&receiver);
    receiver_start(&receiver, (const char *const[]){setting, "true", NULL});
    associate(&scu, &receiver, sop_class);
    for (size_t i = 0; i < TRANSFER_SYNTAXES_COUNT; i++) {
        const known_transfer_syntax_t *syntax = &TRANSFER_SYNTAXES[i];
        uint8_t id = (uint8_t)(2 * i + 1);
        bool wanted = syntax->native || !native_only;
        cr_assert_eq(scu.answered[id].result, wanted ? 0 : SYNTAX_NOT_SUPPORTED, "%s", syntax->name);
        if (!wanted)
            continue;
        char *uid = text_of("%s.%d", SERIES, (int)i + 1);
        bytes_t set = instance_in(syntax, (int)i + 1);
        int status = scu_store(&scu, id, sop_class, uid, &set);
        cr_assert_eq(status, 0, "%s: %04X", syntax->name, (unsigned)status);
        expect_stored(&receiver, (int)i + 1, syntax->uid, &set);
        bytes_free(&set);
        free(uid);
    }
    cr_assert(scu_release(&scu));
    cr_assert_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
}

Test(syntaxes, are_all_stored_as_they_were_sent, .timeout = PATIENCE_S) {
    store_in_every_syntax("OXIDICOM_FSYNC", MR_STORAGE, false);
}

Test(syntaxes, that_are_native_are_the_only_ones_where_nothing_else_is_wanted, .timeout = PATIENCE_S) {
    store_in_every_syntax("OXIDICOM_SCP_UNCOMPRESSED_ONLY", MR_STORAGE, true);
}

Test(syntaxes, are_all_stored_for_unknown_classes_by_the_promiscuous, .timeout = PATIENCE_S) {
    store_in_every_syntax("OXIDICOM_SCP_PROMISCUOUS", PRIVATE_CLASS, false);
}

/* --- every storage class ------------------------------------------------------------------------------------- */

/* Syntaxes of PS3.6 without business for a receiver of patients' images: folders of media, and goods and machine
 * parts under inspection (DICOS, DICONDE). */
static bool is_left_out(const char *uid) {
    static const char *const left_out[] = {"1.2.840.10008.1.3.10", "1.2.840.10008.5.1.4.1.1.501.",
                                           "1.2.840.10008.5.1.4.1.1.601."};
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        if (strncmp(uid, left_out[i], strlen(left_out[i])) == 0)
            return true;
    return false;
}

Test(classes, of_dcmtks_dictionary_are_all_accepted_128_at_a_time, .timeout = PATIENCE_S) {
    size_t count, accepted = 0;
    const char *const *classes = dcmtk_storage_classes(&count);
    for (size_t at = 0; at < count; at += CONTEXTS) {
        scu_context_t contexts[CONTEXTS];
        scu_t scu = {0};
        size_t part = count - at < CONTEXTS ? count - at : CONTEXTS;
        for (size_t i = 0; i < part; i++)
            contexts[i] = (scu_context_t){(uint8_t)(2 * i + 1), classes[at + i], {IMPLICIT_LE}};
        cr_assert(
            scu_associate(&scu, receiver_port(),
                          &(scu_request_t){.calling = "CLASSES", .contexts = contexts, .contexts_count = part}));
        for (size_t i = 0; i < part; i++) {
            cr_assert_eq(scu.answered[2 * i + 1].result == 0, !is_left_out(classes[at + i]), "%s", classes[at + i]);
            accepted += scu.answered[2 * i + 1].result == 0;
        }
        cr_assert(scu_release(&scu));
    }
    cr_assert_gt(accepted, 150);
}

#include "writer/dicom/instance.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/writer/dicom/data_set.h"

static void init(void) {
    cr_assert(head_start());
}
TestSuite(instance, .init = init);

static Ring__ObjectHeader command(void) {
    Ring__ObjectHeader header = RING__OBJECT_HEADER__INIT;
    header.calling_ae = (char *)"RAWSCU";
    header.sop_class_uid = (char *)"1.2.3";
    header.sop_instance_uid = (char *)"1.2.3.4.5";
    header.transfer_syntax_uid = (char *)EXPLICIT_VR;
    return header;
}

/* Reads the typical data set with another text for one tag; frees its argument. */
static bool read_but(instance_t *instance, uint32_t tag, const char *text, refusal_t *refusal) {
    data_set_t *set = typical_but(EXPLICIT_VR, tag, text);
    head_t *head = head_new(EXPLICIT_VR);
    head_feed(head, set->bytes, set->size);
    cr_assert_eq(head_finish(head), HEAD_READY);
    Ring__ObjectHeader header = command();
    bool stored = instance_read(instance, NULL, head, &header, refusal);
    head_destroy(&head);
    free(set);
    return stored;
}

static instance_t stored_but(uint32_t tag, const char *text) {
    instance_t instance;
    refusal_t refusal = {0};
    cr_assert(read_but(&instance, tag, text, &refusal), "%s", refusal.comment);
    return instance;
}

static void expect_refused(uint32_t tag, const char *text, const char *comment) {
    instance_t instance;
    refusal_t refusal = {0};
    cr_assert_not(read_but(&instance, tag, text, &refusal));
    cr_expect_eq(refusal.status, STATUS_CANNOT_UNDERSTAND);
    cr_expect_eq(refusal.offending_element, tag);
    cr_expect_str_eq(refusal.comment, comment);
    cr_expect_str_eq(instance.series->series_instance_uid, tag == 0x0020000E ? "" : SERIES_UID);
    instance_clear(&instance);
}

Test(instance, has_the_tags_of_its_registration) {
    instance_t instance = stored_but(0, NULL);
    const Ring__Series *series = instance.series;
    cr_expect_str_eq(series->series_instance_uid, SERIES_UID);
    cr_expect_str_eq(series->study_instance_uid, "1.2.826.0.1.3680043.9.9999.2.1");
    cr_expect_str_eq(series->patient_id, "1449c1d");
    cr_expect_str_eq(series->study_date, "2013-03-08");
    cr_expect_str_eq(series->patient_name, "Doe^Jane");
    cr_expect_str_eq(series->patient_birth_date, "2009-07-01");
    cr_expect(series->has_patient_age_days);
    cr_expect_eq(series->patient_age_days, 1096);
    cr_expect_str_eq(series->patient_sex, "F");
    cr_expect_str_eq(series->accession_number, "98edede8b2");
    cr_expect_str_eq(series->modality, "MR");
    cr_expect_str_eq(series->protocol_name, "SAG MPRAGE");
    cr_expect_str_eq(series->study_description, "MR-Brain w/o Contrast");
    cr_expect_str_eq(series->series_description, "SAG MPRAGE 220 FOV");
    cr_expect_str_eq(series->pacs_name, "RAWSCU");
    cr_expect_str_eq(series->folder, "SERVICES/PACS/RAWSCU/1449c1d-Doe_Jane-20090701/"
                                     "MR-Brain_w_o_Contrast-98edede8b2-20130308/00005-SAG_MPRAGE_220_FOV-6b39373");
    cr_expect_str_eq(instance.file, "0001-1.2.826.0.1.3680043.9.9999.4.1.dcm");
    cr_expect_str_eq(instance.sop_class_uid, "1.2.840.10008.5.1.4.1.1.4");
    instance_clear(&instance);
}

Test(instance, with_forms_that_cube_does_not_take_leaves_them_unset) {
    instance_t instance = stored_but(0x00100030, "1.7.2009");
    cr_expect_str_eq(instance.series->patient_birth_date, "");
    cr_expect_not_null(strstr(instance.series->folder, "-1.7.2009/"));
    instance_clear(&instance);
    instance = stored_but(0x00100040, "unknown");
    cr_expect_str_eq(instance.series->patient_sex, "");
    instance_clear(&instance);
    instance = stored_but(0x00101010, "old");
    cr_expect_not(instance.series->has_patient_age_days);
    instance_clear(&instance);
}

Test(instance, with_a_blank_text_is_as_blank_in_the_path_and_unset_in_the_registration) {
    instance_t instance = stored_but(0x00081030, "  ");
    cr_expect_str_eq(instance.series->study_description, "");
    cr_expect_not_null(strstr(instance.series->folder, "/-98edede8b2-20130308/"));
    instance_clear(&instance);
    instance = stored_but(0x00081030, "");
    cr_expect_not_null(strstr(instance.series->folder, "/StudyDescription-98edede8b2-20130308/"));
    instance_clear(&instance);
}

Test(instance, that_does_not_name_itself_is_named_by_the_command) {
    instance_t instance = stored_but(0x00080018, NULL);
    cr_expect_str_eq(instance.file, "0001-1.2.3.4.5.dcm");
    cr_expect_str_eq(instance.sop_instance_uid, "1.2.3.4.5");
    instance_clear(&instance);
    instance = stored_but(0x00080016, "  ");
    cr_expect_str_eq(instance.sop_class_uid, "1.2.3");
    instance_clear(&instance);
}

Test(instance, without_a_required_tag_is_refused) {
    static const char *const nothing[] = {NULL, "", "  "};
    for (int i = 0; i < 3; i++) {
        expect_refused(0x0020000D, nothing[i], "StudyInstanceUID (0020,000D) is missing");
        expect_refused(0x0020000E, nothing[i], "SeriesInstanceUID (0020,000E) is missing");
        expect_refused(0x00100020, nothing[i], "PatientID (0010,0020) is missing");
        expect_refused(0x00080020, nothing[i], "StudyDate (0008,0020) is missing");
    }
    expect_refused(0x00080020, "20131301", "StudyDate (0008,0020) is not a date");
    expect_refused(0x00080020, "20130308-20130309", "StudyDate (0008,0020) is not a date");
}

/* Of 100 characters each, which CUBE does not cut: such a series could never be registered. */
Test(instance, whose_uids_are_longer_than_cube_has_room_for_is_refused) {
    char uid[102];
    memset(uid, '1', sizeof uid);
    uid[100] = 0;
    instance_t instance = stored_but(0x0020000D, uid);
    cr_expect_str_eq(instance.series->study_instance_uid, uid);
    instance_clear(&instance);
    instance = stored_but(0x0020000E, uid);
    instance_clear(&instance);
    uid[100] = '1';
    uid[101] = 0;
    instance = stored_but(0x00080018, uid); /* a registration does not name it */
    instance_clear(&instance);
    refusal_t refusal = {0};
    cr_assert_not(read_but(&instance, 0x0020000D, uid, &refusal));
    cr_expect_str_eq(refusal.comment, "StudyInstanceUID (0020,000D) is too long");
    cr_expect_eq(refusal.status, STATUS_CANNOT_UNDERSTAND);
    cr_expect_eq(refusal.offending_element, 0x0020000D);
    instance_clear(&instance);
    cr_assert_not(read_but(&instance, 0x0020000E, uid, &refusal));
    cr_expect_str_eq(refusal.comment, "SeriesInstanceUID (0020,000E) is too long");
    cr_expect_str_eq(instance.series->series_instance_uid, "");
    instance_clear(&instance);
}

/* 16 KiB of each would be a hundred times what came over the network, in the journal and in the broker. */
Test(instance, has_texts_of_no_more_than_one_character_over_what_cube_keeps) {
    char text[1000 + 1];
    memset(text, '\xE9', 1000); /* of ISO_IR 100: two bytes in UTF-8 */
    text[1000] = 0;
    instance_t instance = stored_but(0x00100020, text);
    cr_expect_eq(strlen(instance.series->patient_id), 2 * 101);
    instance_clear(&instance);
    instance = stored_but(0x00081030, text);
    cr_expect_eq(strlen(instance.series->study_description), 2 * 401);
    instance_clear(&instance);
    text[400] = 0;
    instance = stored_but(0x0008103E, text);
    cr_expect_eq(strlen(instance.series->series_description), 2 * 400);
    instance_clear(&instance);
}

Test(instance, that_nobody_names_is_refused) {
    data_set_t *set = typical_but(EXPLICIT_VR, 0x00080018, NULL);
    head_t *head = head_new(EXPLICIT_VR);
    cr_assert_eq(head_feed(head, set->bytes, set->size), HEAD_READY);
    Ring__ObjectHeader header = command();
    header.sop_instance_uid = (char *)"";
    instance_t instance;
    refusal_t refusal;
    cr_expect_not(instance_read(&instance, NULL, head, &header, &refusal));
    cr_expect_eq(refusal.offending_element, 0x00080018);
    instance_clear(&instance);
    head_destroy(&head);
    free(set);
}

Test(instance, has_text_in_utf8) {
    instance_t instance = stored_but(0x00100010, "M\xFCller^J\xE9r\xF4me");
    cr_expect_str_eq(instance.series->patient_name, "Müller^Jérôme");
    cr_expect_not_null(strstr(instance.series->folder, "/1449c1d-M_ller_J_r_me-20090701/"));
    instance_clear(&instance);
}

Test(instance, comments_have_at_most_64_characters) {
    refusal_t refusal;
    char text[200];
    memset(text, 'x', sizeof text);
    text[199] = 0;
    refusal_set(&refusal, STATUS_OUT_OF_RESOURCES, "%s", text);
    cr_expect_eq(strlen(refusal.comment), 64);
}

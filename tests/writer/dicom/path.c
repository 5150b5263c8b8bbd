#include "writer/dicom/path.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static path_parts_t usual(void) {
    return (path_parts_t){
        .calling_ae = "RAWSCU",
        .patient_id = "1449c1d",
        .patient_name = "Doe^Jane",
        .patient_birth_date = "20090701",
        .study_description = "MR-Brain w/o Contrast",
        .accession_number = "98edede8b2",
        .study_date = "20130308",
        .series_number = "5",
        .series_description = "SAG MPRAGE 220 FOV",
        .series_instance_uid = "1.2.826.0.1.3680043.9.9999.3.1",
        .instance_number = "1",
        .sop_instance_uid = "1.2.826.0.1.3680043.9.9999.4.1",
    };
}

static void expect_folder(const path_parts_t *parts, const char *wanted) {
    char *folder = path_folder(parts);
    cr_expect_str_eq(folder, wanted);
    free(folder);
}

static void expect_file(const path_parts_t *parts, const char *wanted) {
    char *file = path_file(parts);
    cr_expect_str_eq(file, wanted);
    free(file);
}

static void expect_component(const char *name, const char *suffix, const char *wanted) {
    char *component = path_component(name, suffix);
    cr_expect_str_eq(component, wanted);
    free(component);
}

Test(path, of_a_usual_instance_is_the_one_cube_knows) {
    path_parts_t parts = usual();
    expect_folder(&parts,
                  "SERVICES/PACS/RAWSCU/1449c1d-Doe_Jane-20090701/MR-Brain_w_o_Contrast-98edede8b2-20130308/"
                  "00005-SAG_MPRAGE_220_FOV-6b39373");
    expect_file(&parts, "0001-1.2.826.0.1.3680043.9.9999.4.1.dcm");
}

Test(path, of_absent_tags_has_their_names) {
    path_parts_t parts = usual();
    parts.patient_name = parts.patient_birth_date = parts.study_description = parts.accession_number = NULL;
    parts.series_number = parts.series_description = parts.instance_number = NULL;
    expect_folder(&parts, "SERVICES/PACS/RAWSCU/1449c1d--/StudyDescription-AccessionNumber-20130308/"
                          "SeriesNumber-SeriesDescription-6b39373");
    expect_file(&parts, "InstanceNumber-1.2.826.0.1.3680043.9.9999.4.1.dcm");
}

Test(path, of_blank_tags_has_empty_texts_and_padded_numbers) {
    path_parts_t parts = usual();
    parts.patient_name = parts.study_description = parts.accession_number = "";
    parts.series_number = parts.series_description = parts.instance_number = "";
    expect_folder(&parts, "SERVICES/PACS/RAWSCU/1449c1d--20090701/--20130308/00000--6b39373");
    expect_file(&parts, "0000-1.2.826.0.1.3680043.9.9999.4.1.dcm");
}

Test(path, has_one_underscore_for_each_run_of_other_characters) {
    static const char *const cases[][2] = {
        {"a b", "a_b"},     {"a/../b", "a_.._b"},        {"a \t\n b", "a_b"},    {"__", "_"},
        {"$HOME", "_HOME"}, {"M\xC3\xBCller", "M_ller"}, {"a_b-c.d", "a_b-c.d"}, {"", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *clean = path_sanitize(cases[i][0]);
        cr_expect_str_eq(clean, cases[i][1]);
        free(clean);
    }
}

Test(path, pads_numbers_and_texts_in_their_place) {
    static const char *const cases[][2] = {
        {"0", "0000-u.dcm"},
        {"007", "0007-u.dcm"},
        {"+5", "0005-u.dcm"},
        {"12345", "12345-u.dcm"},
        {"4294967295", "4294967295-u.dcm"},
        {"4294967296", "4294967296-u.dcm"},
        {"00000000004294967296", "00000000004294967296-u.dcm"},
        {"-1", "00-1-u.dcm"},
        {"1.0", "01.0-u.dcm"},
        {"a b", "0a_b-u.dcm"},
        {"+", "000_-u.dcm"},
        {"99999999999999999999999", "99999999999999999999999-u.dcm"},
        {"../../../x", ".._.._.._x-u.dcm"},
    };
    path_parts_t parts = usual();
    parts.sop_instance_uid = "u";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        parts.instance_number = cases[i][0];
        expect_file(&parts, cases[i][1]);
    }
}

Test(path, never_has_a_component_that_means_another_folder) {
    expect_component("", "", "_");
    expect_component(".", "", "_");
    expect_component("..", "", "__");
    expect_component("...", "", "...");
    path_parts_t parts = usual();
    parts.calling_ae = "..";
    expect_folder(&parts, "SERVICES/PACS/__/1449c1d-Doe_Jane-20090701/MR-Brain_w_o_Contrast-98edede8b2-20130308/"
                          "00005-SAG_MPRAGE_220_FOV-6b39373");
}

Test(path, has_components_of_at_most_255_bytes) {
    char name[300];
    memset(name, 'x', sizeof name);
    name[255] = 0;
    expect_component(name, "", name);
    name[255] = 'x';
    name[256] = 0;
    char *cut = path_component(name, "");
    cr_expect_eq(strlen(cut), 255);
    cr_expect_eq(strspn(cut, "x"), 247);
    cr_expect_eq(cut[247], '_');
    free(cut);
    cut = path_component(name, ".dcm");
    cr_expect_eq(strlen(cut), 255);
    cr_expect_eq(strspn(cut, "x"), 243);
    cr_expect_str_eq(cut + 251, ".dcm");
    free(cut);
}

Test(path, of_a_long_series_description_ends_with_the_hash_of_the_whole) {
    char text[301];
    memset(text, 's', 300);
    text[300] = 0;
    path_parts_t parts = usual();
    parts.series_description = text;
    char *folder = path_folder(&parts);
    cr_expect_str_eq(strrchr(folder, '_'), "_2d7abf2");
    cr_expect_eq(strlen(strrchr(folder, '/') + 1), 255);
    free(folder);
}

Test(path, of_digits_and_dots_alone_is_of_one_instance) {
    static const char *const plain[] = {"0001-1.2.3.dcm", "12345-1.dcm", "InstanceNumber-1.2.3.dcm"},
                             *const ambiguous[] = {"0001-1.2_3.dcm", "0001-1.2-3.dcm",    "1-1-1.2.dcm",
                                                   "00_1-1.2.dcm",   "0001-.dcm.dcm",     "0001-a.dcm",
                                                   "_.dcm",          "InstanceNumber.dcm"};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        cr_expect_not(path_file_is_ambiguous(plain[i]), "%s", plain[i]);
    for (size_t i = 0; i < sizeof ambiguous / sizeof *ambiguous; i++)
        cr_expect(path_file_is_ambiguous(ambiguous[i]), "%s", ambiguous[i]);
}

static void expect_apart(char *apart, const char *wanted) {
    cr_expect_str_eq(apart, wanted);
    free(apart);
}

Test(path, that_is_taken_gives_way_to_one_with_the_whole_hash) {
    const char *uid = "1.2.826.0.1.3680043.8.119551"; /* its hash: 9a7cb00… */
    expect_apart(path_folder_apart("A/B/00005-MPRAGE-9a7cb00", uid), "A/B/00005-MPRAGE-9a7cb002e8756f88");
    expect_apart(path_file_apart("0001-1.2.3.dcm", uid), "0001-1.2.3_9a7cb002e8756f88.dcm");
    char name[PATH_COMPONENT_MAX_BYTES + 1];
    memset(name, 'x', sizeof name);
    memcpy(name + sizeof name - 9, "_1234567", 9);
    char *apart = path_folder_apart(name, uid);
    cr_expect_eq(strlen(apart), PATH_COMPONENT_MAX_BYTES);
    free(apart);
    memcpy(name + sizeof name - 5, ".dcm", 5);
    apart = path_file_apart(name, uid);
    cr_expect_eq(strlen(apart), PATH_COMPONENT_MAX_BYTES);
    cr_expect_str_eq(apart + PATH_COMPONENT_MAX_BYTES - 4, ".dcm");
    free(apart);
}

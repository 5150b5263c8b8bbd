#include "notifier/cube/registration.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "notifier/cube/celery.h"
#include "tests/notifier/journal/events.h"
#include "tests/support/process.h"

static Ring__Series series;
static registration_t registration;

static void set_up(void) {
    series = series_example();
    registration = (registration_t){.reception = 1, .number = 1, .began_at = 1700000000000, .series = &series};
}

static void tear_down(void) {
    free(registration.why);
}

TestSuite(registration, .init = set_up, .fini = tear_down);

static const char *argument(const char *name) {
    static char text[8192];
    json_t *arguments = registration_arguments(&registration);
    json_t *value = json_object_get(arguments, name);
    cr_assert_not_null(value, "%s", name);
    snprintf(text, sizeof text, "%s", json_is_null(value) ? "null" : json_string_value(value));
    json_decref(arguments);
    return text;
}

static char *repeated(const char *unit, size_t times) {
    char *text = calloc(times * strlen(unit) + 1, 1);
    for (size_t i = 0; i < times; i++)
        strcat(text, unit);
    return text;
}

static void expect_problem(const char *folder, const char *pacs_name, const char *wanted) {
    series.folder = (char *)(uintptr_t)folder;
    series.pacs_name = (char *)(uintptr_t)pacs_name;
    char *problem = registration_problem(&series);
    if (wanted)
        cr_expect(problem && strstr(problem, wanted), "%s: %s", folder, problem);
    else
        cr_expect_null(problem, "%s: %s", folder, problem);
    free(problem);
}

Test(registration, arguments_that_are_absent_are_null) {
    series.patient_name = series.patient_sex = series.protocol_name = (char[]){""};
    series.has_patient_age_days = false;
    cr_expect_str_eq(argument("PatientName"), "null");
    cr_expect_str_eq(argument("PatientSex"), "null");
    cr_expect_str_eq(argument("ProtocolName"), "null");
    cr_expect_str_eq(argument("PatientAge"), "null");
    cr_expect_str_eq(argument("Modality"), "MR");
}

Test(registration, age_of_no_days_is_not_absent) {
    series.patient_age_days = 0;
    json_t *arguments = registration_arguments(&registration);
    cr_expect(json_is_integer(json_object_get(arguments, "PatientAge")));
    json_decref(arguments);
}

Test(registration, text_is_cut_in_characters_to_the_columns_of_cube) {
    struct {
        const char *name;
        char **field;
        size_t most;
    } columns[] = {
        {"PatientID", &series.patient_id, 100},
        {"PatientName", &series.patient_name, 150},
        {"AccessionNumber", &series.accession_number, 100},
        {"Modality", &series.modality, 15},
        {"ProtocolName", &series.protocol_name, 64},
        {"StudyDescription", &series.study_description, 400},
        {"SeriesDescription", &series.series_description, 400},
    };
    char nothing[] = "";
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        char *fits = repeated("\xE5\xB1\xB1", columns[i].most),
             *longer = repeated("\xE5\xB1\xB1", columns[i].most + 1);
        *columns[i].field = fits;
        cr_expect_str_eq(argument(columns[i].name), fits);
        *columns[i].field = longer;
        cr_expect_str_eq(argument(columns[i].name), fits, "%s", columns[i].name);
        free(fits);
        free(longer);
        *columns[i].field = nothing;
    }
}

Test(registration, text_that_is_not_utf8_is_taken_for_latin1) {
    series.patient_name = (char[]){"D\xFCrer"};
    cr_expect_str_eq(argument("PatientName"), "D\xC3\xBCrer");
}

Test(registration, folder_begins_with_services_and_pacs_name) {
    expect_problem(FOLDER, "RAWSCU", NULL);
    expect_problem("SERVICES/PACS/__/x", "__", NULL);
    expect_problem("SERVICES/PACS/a..b/..c", "a..b", NULL);
    expect_problem("SERVICES/PACS/RAWSCU2/x", "RAWSCU", "begin");
    expect_problem("SERVICES/PACS/RAWSCU", "RAWSCU", "begin");
    expect_problem("SERVICES/PACS/R", "RAWSCU", "begin");
    expect_problem("/SERVICES/PACS/RAWSCU/x", "RAWSCU", "begin");
    expect_problem("SERVICES/PACS/RAWSCU/../../x", "RAWSCU", "begin");
    expect_problem("SERVICES/PACS/RAWSCU/..", "RAWSCU", "begin");
    expect_problem("", "", "begin");
    expect_problem("SERVICES/PACS//x", "", "1 to 20");
}

Test(registration, what_cannot_be_cut_is_a_problem) {
    expect_problem("SERVICES/PACS/20CharactersLongName/x", "20CharactersLongName", NULL);
    expect_problem("SERVICES/PACS/21CharactersLongNames/x", "21CharactersLongNames", "1 to 20");
    char *tail = repeated("\xC3\xBC", 1024 - strlen("SERVICES/PACS/A/")),
         *path = text_of("SERVICES/PACS/A/%s", tail);
    expect_problem(path, "A", NULL);
    free(path);
    path = text_of("SERVICES/PACS/A/%s+", tail);
    expect_problem(path, "A", "1024");
    free(path);
    free(tail);
}

static void touch(const char *root, const char *name) {
    char *path = text_of("%s/%s/%s", root, FOLDER, name);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    cr_assert_geq(fd, 0);
    close(fd);
    free(path);
}

static void make_folders(const char *root) {
    char *path = text_of("%s/%s", root, FOLDER);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    cr_assert_eq(mkdir(path, 0700), 0);
    free(path);
}

Test(registration, counts_the_dicom_files_of_the_folder) {
    char *root = temporary_folder("count");
    make_folders(root);
    cr_expect_not(registration_count_files(&registration, root));
    cr_expect_eq(registration.outcome, OUTCOME_IMPOSSIBLE);
    const char *const names[] = {"1.dcm", "2.dcm", ".dcm", "3.DCM", "4.dcm.tmp", "notes.txt"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        touch(root, names[i]);
    char *nested = text_of("%s/%s/5.dcm", root, series.folder);
    cr_assert_eq(mkdir(nested, 0700), 0);
    cr_expect(registration_count_files(&registration, root));
    cr_expect_eq(registration.ndicom, 2);
    free(nested);
    remove_folder(root);
    free(root);
}

Test(registration, of_a_folder_that_is_gone_is_impossible_but_not_while_the_storage_is_gone) {
    char *root = temporary_folder("count");
    make_folders(root);
    series.folder = (char[]){"SERVICES/PACS/RAWSCU/nowhere"};
    cr_expect_not(registration_count_files(&registration, root));
    cr_expect_eq(registration.outcome, OUTCOME_IMPOSSIBLE);
    remove_folder(root);
    cr_expect_not(registration_count_files(&registration, root));
    cr_expect_eq(registration.outcome, OUTCOME_REJECTED);
    cr_assert_eq(mkdir(root, 0700), 0);
    cr_expect_not(registration_count_files(&registration, root));
    cr_expect_eq(registration.outcome, OUTCOME_REJECTED);
    remove_folder(root);
    free(root);
}

Test(registration, never_counts_outside_of_the_root) {
    char *root = temporary_folder("count"), *link = text_of("%s/SERVICES", root);
    cr_assert_eq(symlink("/usr", link), 0);
    series.folder = (char[]){"SERVICES/bin"};
    cr_expect_not(registration_count_files(&registration, root));
    cr_expect_eq(registration.outcome, OUTCOME_REJECTED);
    remove_folder(root);
    free(link);
    free(root);
}

Test(registration, sent_again_has_the_same_task_id) {
    char first[UUID_STR_LEN];
    registration.ndicom = 2;
    registration_set_task_id(&registration);
    strcpy(first, registration.task_id);
    cr_expect_eq(first[14], '5', "%s is not of version 5", first);
    registration_set_task_id(&registration);
    cr_expect_str_eq(registration.task_id, first);
    registration.ndicom = 3;
    registration_set_task_id(&registration);
    cr_expect_str_neq(registration.task_id, first);
    registration.ndicom = 2;
    registration.number = 2;
    registration_set_task_id(&registration);
    cr_expect_str_neq(registration.task_id, first);
}

/* --- the envelope, against what a real Celery made of the same series --- */

static json_t *golden, *made;
static celery_sender_t sender;
static celery_message_t message;

static void make_message(void) {
    golden = json_load_file("tests/notifier/cube/celery.json", 0, NULL);
    cr_assert_not_null(golden, "run it from the project's top");
    set_up();
    registration.ndicom = 2;
    registration_set_task_id(&registration);
    celery_sender_init(&sender);
    celery_message_init(&message, &sender, &registration);
}

static void free_message(void) {
    celery_message_clear(&message);
    celery_sender_clear(&sender);
    json_decref(golden);
    json_decref(made);
}

TestSuite(celery, .init = make_message, .fini = free_message);

static json_t *at(json_t *value, const char *path) {
    char *copy = strdup(path), *rest = copy;
    for (char *key; (key = strsep(&rest, "/"));)
        value = json_object_get(value, key);
    cr_assert_not_null(value, "%s", path);
    free(copy);
    return value;
}

/* Same keys in the same order; same values, except for the ones that differ each time, or that name the patient. */
static void expect_alike(json_t *got, json_t *wanted, const char *where) {
    static const char *const fleeting[] = {"id",       "root_id",      "origin",    "correlation_id",
                                           "reply_to", "delivery_tag", "kwargsrepr"};
    void *g = json_object_iter(got), *w = json_object_iter(wanted);
    for (; g && w; g = json_object_iter_next(got, g), w = json_object_iter_next(wanted, w)) {
        const char *key = json_object_iter_key(w);
        bool same = json_equal(json_object_iter_value(g), json_object_iter_value(w));
        cr_expect_str_eq(json_object_iter_key(g), key, "%s", where);
        for (size_t i = 0; i < sizeof fleeting / sizeof *fleeting; i++)
            same = same || (strcmp(key, fleeting[i]) == 0 && json_is_string(json_object_iter_value(g)));
        if (json_is_object(json_object_iter_value(w)))
            expect_alike(json_object_iter_value(g), json_object_iter_value(w), key);
        else
            cr_expect(same, "%s/%s differs", where, key);
    }
    cr_expect(!g && !w, "%s has more or less keys", where);
}

Test(celery, body_is_what_python_writes) {
    cr_expect_str_eq(message.body, json_string_value(at(golden, "amqp/body")));
}

Test(celery, headers_are_those_of_celery) {
    expect_alike(message.headers, at(golden, "amqp/properties/headers"), "headers");
    cr_expect_str_eq(json_string_value(json_object_get(message.headers, "id")), registration.task_id);
    cr_expect_str_eq(json_string_value(json_object_get(message.headers, "root_id")), registration.task_id);
    cr_expect_eq(strncmp(json_string_value(json_object_get(message.headers, "origin")), "oxidicom@", 9), 0);
}

/* Workers and monitors show them to people. */
Test(celery, headers_name_the_series_and_no_patient) {
    char *text = json_dumps(message.headers, 0);
    const char *const secrets[] = {series.patient_id,
                                   series.patient_name,
                                   series.patient_birth_date,
                                   series.accession_number,
                                   series.study_description,
                                   series.series_description,
                                   series.folder};
    cr_expect_str_eq(json_string_value(at(message.headers, "kwargsrepr")),
                     "{'StudyInstanceUID': '1.2.826.0.1.3680043.9.9999.2.1', 'SeriesInstanceUID': '" SERIES
                     "', ...}");
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        cr_expect_null(strstr(text, secrets[i]), "the headers have %s", secrets[i]);
    free(text);
}

/* What JSON can't hold would end the process. */
Test(celery, takes_a_uid_that_is_no_text_and_one_that_is_absent) {
    celery_message_clear(&message);
    series.series_instance_uid = (char[]){"1.2\xFC'"};
    series.study_instance_uid = (char[]){""};
    celery_message_init(&message, &sender, &registration);
    cr_expect_str_eq(json_string_value(at(message.headers, "kwargsrepr")),
                     "{'StudyInstanceUID': '', 'SeriesInstanceUID': '1.2\xC3\xBC'', ...}");
}

Test(celery, envelope_is_that_of_kombu) {
    char *text = celery_envelope(&message, "main2");
    made = json_loads(text, 0, NULL);
    cr_assert_not_null(made);
    expect_alike(made, at(golden, "filesystem/content"), "envelope");
    cr_expect_str_eq(json_string_value(at(made, "properties/correlation_id")), registration.task_id);
    cr_expect_null(strstr(text, "\\/"));
    free(text);
}

Test(celery, text_outside_ascii_is_escaped) {
    celery_message_clear(&message);
    series.patient_name = (char[]){"D\xC3\xBCrer^\xF0\x9F\x98\x80\"\\"};
    celery_message_init(&message, &sender, &registration);
    for (const char *c = message.body; *c; c++)
        cr_assert_lt((unsigned char)*c, 0x80);
    made = json_loads(message.body, 0, NULL);
    cr_expect_str_eq(json_string_value(json_object_get(json_array_get(made, 1), "PatientName")),
                     series.patient_name);
}

#include "writer/dicom/instance.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cube_columns.h"
#include "common/memory.h"
#include "common/utf8.h"
#include "writer/dicom/forms.h"
#include "writer/dicom/path.h"
#include "writer/dicom/text.h"

/* First values of the head as text; NULL: absent or empty. */
typedef char *texts_t[HEAD_TAGS];

static bool is_blank(const char *text) {
    return !text || !*text;
}

/* Where the data set does not name its SOP class or instance, the command does. */
static void complete_from_command(texts_t texts, head_tag_t tag, const char *of_command) {
    if (!is_blank(texts[tag]))
        return;
    free(texts[tag]);
    texts[tag] = copy_text(of_command);
}

void refusal_set(refusal_t *refusal, store_status_t status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    refusal->status = status;
    refusal->offending_element = 0;
    vsnprintf(refusal->comment, sizeof refusal->comment, format, arguments);
    va_end(arguments);
}

static bool refuse_tag(refusal_t *refusal, head_tag_t tag, const char *name, const char *why) {
    uint32_t number = head_tag_number(tag);
    refusal_set(refusal, STATUS_CANNOT_UNDERSTAND, "%s (%04X,%04X) %s", name, number >> 16, number & 0xFFFF, why);
    refusal->offending_element = number;
    return false;
}

/* What CUBE's registration can't do without (DESIGN, Path). `is_known`: the series has been read before. */
static bool has_required(texts_t texts, bool is_known, refusal_t *refusal) {
    static const struct {
        head_tag_t tag;
        const char *name;
        size_t characters; /* at most; 0: any */
    } required[] = {
        {HEAD_STUDY_INSTANCE_UID, "StudyInstanceUID", CUBE_UID_MAX},
        {HEAD_SERIES_INSTANCE_UID, "SeriesInstanceUID", CUBE_UID_MAX},
        {HEAD_PATIENT_ID, "PatientID", 0},
        {HEAD_STUDY_DATE, "StudyDate", 0},
        {HEAD_SOP_CLASS_UID, "SOPClassUID", 0},
        {HEAD_SOP_INSTANCE_UID, "SOPInstanceUID", 0},
    };
    for (size_t i = 0; i < sizeof required / sizeof *required; i++) {
        const char *text = texts[required[i].tag];
        if (is_known && series_memo_counts(required[i].tag))
            continue;
        if (is_blank(text))
            return refuse_tag(refusal, required[i].tag, required[i].name, "is missing");
        if (required[i].characters && text[utf8_cut(text, required[i].characters)])
            return refuse_tag(refusal, required[i].tag, required[i].name, "is too long");
    }
    char date[ISO_DATE_BYTES + 1];
    if (!is_known && !date_read(texts[HEAD_STUDY_DATE], date))
        return refuse_tag(refusal, HEAD_STUDY_DATE, "StudyDate", "is not a date");
    return true;
}

static char *iso_date(const char *text) {
    char date[ISO_DATE_BYTES + 1];
    return copy_text(text && date_read(text, date) ? date : "");
}

/* Cut to one character more than CUBE's column has, so that the notifier sees that it was longer, and says so.
 * Nobody has to keep more of it. */
static char *cut(const char *text, size_t characters) {
    return text ? must(strndup(text, utf8_cut(text, characters + 1))) : copy_text("");
}

/* "" in place of a long one: nothing can be kept under its name. */
static char *uid(const char *text) {
    return copy_text(text && text[utf8_cut(text, CUBE_UID_MAX)] == 0 ? text : "");
}

static Ring__Series *series_of(texts_t texts) {
    Ring__Series *series = series_new();
    series->series_instance_uid = uid(texts[HEAD_SERIES_INSTANCE_UID]);
    series->study_instance_uid = uid(texts[HEAD_STUDY_INSTANCE_UID]);
    series->patient_id = cut(texts[HEAD_PATIENT_ID], CUBE_PATIENT_ID_MAX);
    series->study_date = iso_date(texts[HEAD_STUDY_DATE]);
    series->patient_name = cut(texts[HEAD_PATIENT_NAME], CUBE_PATIENT_NAME_MAX);
    series->patient_birth_date = iso_date(texts[HEAD_PATIENT_BIRTH_DATE]);
    const char *sex = texts[HEAD_PATIENT_SEX];
    series->patient_sex = copy_text(sex && sex_valid(sex) ? sex : "");
    series->has_patient_age_days =
        texts[HEAD_PATIENT_AGE] && age_read(texts[HEAD_PATIENT_AGE], &series->patient_age_days);
    series->accession_number = cut(texts[HEAD_ACCESSION_NUMBER], CUBE_ACCESSION_NUMBER_MAX);
    series->modality = cut(texts[HEAD_MODALITY], CUBE_MODALITY_MAX);
    series->protocol_name = cut(texts[HEAD_PROTOCOL_NAME], CUBE_PROTOCOL_NAME_MAX);
    series->study_description = cut(texts[HEAD_STUDY_DESCRIPTION], CUBE_DESCRIPTION_MAX);
    series->series_description = cut(texts[HEAD_SERIES_DESCRIPTION], CUBE_DESCRIPTION_MAX);
    return series;
}

static void find_folder(Ring__Series *series, texts_t texts, const char *calling_ae) {
    path_parts_t parts = {
        .calling_ae = calling_ae,
        .patient_id = texts[HEAD_PATIENT_ID],
        .patient_name = texts[HEAD_PATIENT_NAME],
        .patient_birth_date = texts[HEAD_PATIENT_BIRTH_DATE],
        .study_description = texts[HEAD_STUDY_DESCRIPTION],
        .accession_number = texts[HEAD_ACCESSION_NUMBER],
        .study_date = texts[HEAD_STUDY_DATE],
        .series_number = texts[HEAD_SERIES_NUMBER],
        .series_description = texts[HEAD_SERIES_DESCRIPTION],
        .series_instance_uid = texts[HEAD_SERIES_INSTANCE_UID],
    };
    series->folder = path_folder(&parts);
    series->pacs_name = path_pacs_name(calling_ae);
}

/* The file is named by the data set's UID. */
static void find_identity(instance_t *instance, const char *of_command) {
    const char *uid = instance->sop_instance_uid;
    instance->is_misnamed = *of_command && strcmp(of_command, uid) != 0;
    if (instance->is_misnamed)
        instance->identity = format_text("%s\n%s", uid, of_command);
    else if (path_file_is_ambiguous(instance->file))
        instance->identity = copy_text(uid);
}

/* The elements of the instance alone, and their character set. */
static void drop_series(head_value_t values[HEAD_TAGS]) {
    for (int tag = 0; tag < HEAD_TAGS; tag++)
        if (series_memo_counts(tag) && tag != HEAD_SPECIFIC_CHARACTER_SET)
            values[tag] = (head_value_t){0};
}

bool instance_read(instance_t *instance, series_memo_t *memo, const head_t *head, const Ring__ObjectHeader *command,
                   refusal_t *refusal) {
    head_value_t values[HEAD_TAGS], wanted[HEAD_TAGS];
    texts_t texts;
    head_values(head, values);
    Ring__Series *known = memo ? series_memo_find(memo, values, command->calling_ae) : NULL;
    memcpy(wanted, values, sizeof wanted);
    if (known)
        drop_series(wanted);
    text_first_values(wanted, texts);
    complete_from_command(texts, HEAD_SOP_CLASS_UID, command->sop_class_uid);
    complete_from_command(texts, HEAD_SOP_INSTANCE_UID, command->sop_instance_uid);
    *instance = (instance_t){.series = known ? known : series_of(texts)};
    instance->sop_class_uid = copy_text(texts[HEAD_SOP_CLASS_UID]);
    instance->sop_instance_uid = copy_text(texts[HEAD_SOP_INSTANCE_UID]);
    bool stored = has_required(texts, known, refusal);
    if (stored && !known) {
        find_folder(instance->series, texts, command->calling_ae);
        if (memo)
            series_memo_keep(memo, values, command->calling_ae, instance->series);
    }
    if (stored) {
        instance->file = path_file(&(path_parts_t){.instance_number = texts[HEAD_INSTANCE_NUMBER],
                                                   .sop_instance_uid = texts[HEAD_SOP_INSTANCE_UID]});
        find_identity(instance, command->sop_instance_uid);
    }
    for (int tag = 0; tag < HEAD_TAGS; tag++)
        free(texts[tag]);
    return stored;
}

void instance_clear(instance_t *instance) {
    series_release(&instance->series);
    free(instance->file);
    free(instance->sop_class_uid);
    free(instance->sop_instance_uid);
    free(instance->identity);
    *instance = (instance_t){0};
}

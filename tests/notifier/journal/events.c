#include "tests/notifier/journal/events.h"

#include "common/hash.h"

/* Messages hold texts that they may free; these are never freed. */
static char *text(const char *given, const char *otherwise) {
    return (char *)(uintptr_t)(given ? given : otherwise);
}

Ring__Series series_example(void) {
    Ring__Series series = RING__SERIES__INIT;
    series.series_instance_uid = text(SERIES, NULL);
    series.study_instance_uid = text("1.2.826.0.1.3680043.9.9999.2.1", NULL);
    series.patient_id = text("1449c1d", NULL);
    series.study_date = text("2013-03-08", NULL);
    series.patient_name = text("Doe^Jane", NULL);
    series.patient_birth_date = text("2009-07-01", NULL);
    series.has_patient_age_days = true;
    series.patient_age_days = 1095;
    series.patient_sex = text("F", NULL);
    series.accession_number = text("98edede8b2", NULL);
    series.modality = text("MR", NULL);
    series.protocol_name = text("SAG MPRAGE", NULL);
    series.study_description = text("MR-Brain w/o Contrast", NULL);
    series.series_description = text("SAG MPRAGE 220 FOV", NULL);
    series.pacs_name = text("RAWSCU", NULL);
    series.folder = text(FOLDER, NULL);
    return series;
}

uint64_t event_token(const event_t *event) {
    uint64_t hash = hash_text(HASH_BEGIN, event->calling_ae ? event->calling_ae : AE);
    hash = hash_text(hash, event->series ? event->series : SERIES);
    return hash_end(hash_text(hash, event->folder ? event->folder : FOLDER));
}

void event_fill(event_message_t *m, const event_t *event) {
    ring__object_id__init(&m->id);
    m->id.listener = event->listener ? event->listener : 1;
    m->id.association = event->association ? event->association : 1;
    m->id.object = event->object ? event->object : 1;
    m->series = series_example();
    m->series.series_instance_uid = text(event->series, SERIES);
    m->series.folder = text(event->folder, FOLDER);
    snprintf(m->file, sizeof m->file, "%04llu-1.2.3.dcm", (unsigned long long)m->id.object);
    ring__stored_object__init(&m->object);
    m->object.object = m->id.object;
    m->object.attempt = event->attempt ? event->attempt : 1;
    m->object.file = text(event->file, m->file);
    m->objects[0] = &m->object;
    ring__stored__init(&m->stored);
    m->stored.listener = m->id.listener;
    m->stored.association = m->id.association;
    m->stored.token = event_token(event);
    m->stored.calling_ae = text(event->calling_ae, AE);
    m->stored.series = &m->series;
    m->stored.objects = m->objects;
    m->stored.n_objects = 1;
    ring__refused__init(&m->refused);
    m->refused.object = &m->id;
    m->refused.attempt = m->object.attempt;
    m->refused.calling_ae = text(event->calling_ae, AE);
    m->refused.series_instance_uid = text(event->series, SERIES);
    m->refused.status = event->status;
    m->refused.offending_element = 0x00080020;
    m->refused.error_comment = text("StudyDate", NULL);
    m->refused.reason = text(event->reason, "StudyDate is missing");
}

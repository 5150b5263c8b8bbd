#include "writer/incoming_report.h"

#include "common/clock.h"
#include "common/memory.h"
#include "common/metrics.h"
#include "common/telemetry/span.h"
#include "writer/dicom/path.h"

/* What this stage did for the object, to be said as spans by the notifier; NULL: it is not traced. */
static Ring__WriterSpans *spans_of(const incoming_t *self, Ring__WriterSpans *spans) {
    if (!self->began_ns)
        return NULL;
    ring__writer_spans__init(spans);
    spans->sent_at_ns = self->sent_ns;
    spans->begun_at_ns = self->began_ns;
    spans->ended_at_ns = clock_wall_ns();
    spans->bytes = self->taken;
    return spans;
}

static report_object_t report_of(const incoming_t *self, Ring__WriterSpans *spans) {
    return (report_object_t){&self->id, self->attempt, self->header, self->instance.series, spans_of(self, spans)};
}

/* Its place was another series' or instance's. */
static void say_moved(const incoming_t *self, const char *what) {
    static log_limit_t said;
    uint64_t left_out;
    if (log_rarely(&said, &left_out))
        log_warn(&self->context, "%s, which stays: this one has a longer hash in its name%s", what,
                 log_more(left_out));
}

/* Its series has another home than its own tags name. */
static void say_other_home(const incoming_t *self) {
    metric_add(METRIC_FILES_MOVED_HOME, NULL, 1);
    if (home_differs_first(deposit_home(self->deposit)))
        log_info(&self->context, "series %s: its files' tags name several folders; all go to the first file's",
                 self->instance.series->series_instance_uid);
}

static void note_folder(incoming_t *self, const char *folder) {
    const Ring__Series *series = self->instance.series;
    if (strcmp(folder, series->folder) == 0)
        return;
    char *apart = path_folder_apart(series->folder, series->series_instance_uid);
    if (strcmp(folder, apart) == 0)
        say_moved(self, "its series' folder is that of another series");
    else
        say_other_home(self);
    free(apart);
    series_move(&self->instance.series, folder);
}

static void note_file(incoming_t *self, const char *file) {
    if (strcmp(file, self->instance.file) == 0)
        return;
    free(self->instance.file);
    self->instance.file = copy_text(file);
    say_moved(self, "its file's name is that of another instance");
}

static void note_place(incoming_t *self) {
    deposit_place_t place = deposit_place(self->deposit);
    note_folder(self, place.folder);
    note_file(self, place.file);
}

void incoming_report_stored(incoming_t *self) {
    self->state = INCOMING_STORED;
    note_place(self);
    uint64_t bytes = deposit_bytes(self->deposit);
    Ring__WriterSpans spans;
    report_object_t object = report_of(self, &spans);
    report_stored(self->environment->report, &object, self->instance.file, bytes);
    log_debug(&self->context, "stored %llu bytes as %s/%s", (unsigned long long)bytes,
              self->instance.series->folder, self->instance.file);
}

void incoming_report_refused(incoming_t *self, const refusal_t *refusal) {
    store_discard(self->environment->store, &self->kept);
    Ring__WriterSpans spans;
    report_object_t object = report_of(self, &spans);
    report_refused(self->environment->report, &object, refusal->status, refusal->offending_element,
                   refusal->comment);
    self->state = INCOMING_REFUSED;
}

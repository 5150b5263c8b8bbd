/* `oxidicom reconcile`: what the writer's survey finds in storage, and the journal does not know, becomes a
 * registration. The tool itself opens no file there, so that it can give up a storage that does not answer. */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "common/clock.h"
#include "common/dicom_file.h"
#include "common/memory.h"
#include "common/series_key.h"
#include "deploy/tool/outcome.h"
#include "deploy/tool/survey_reader.h"
#include "deploy/tool/tool.h"

typedef struct reconcile {
    const options_t *options;
    ask_t *ask;
    outcomes_t outcomes;
    bool *found; /* of the names */
    size_t counts[RING__OUTCOME__OUTCOME_REFUSED + 1];
    size_t unreadable;
    int status;
} reconcile_t;

/* --- the survey's lines -------------------------------------------------------------------------------- */

static const char *text_in(const json_t *line, const char *name) {
    const char *text = json_string_value(json_object_get(line, name));
    return text ? text : "";
}

/* The counterpart of the survey's series_json; texts belong to `json`. */
static Ring__Series series_of(const json_t *json) {
    Ring__Series series = RING__SERIES__INIT;
    const ProtobufCMessageDescriptor *descriptor = &ring__series__descriptor;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        void *value = (char *)&series + field->offset;
        const json_t *given = json_object_get(json, field->name);
        if (field->type == PROTOBUF_C_TYPE_STRING && json_is_string(given))
            *(char **)value = (char *)(uintptr_t)json_string_value(given);
        else if (field->type == PROTOBUF_C_TYPE_SINT64 && json_is_integer(given))
            *(int64_t *)value = json_integer_value(given);
        else if (field->type == PROTOBUF_C_TYPE_BOOL && json_is_boolean(given))
            *(protobuf_c_boolean *)value = json_boolean_value(given);
    }
    return series;
}

/* The path without what names a patient: the AE title's folder, and of a file its name, which is a number and a
 * UID. */
static const char *anonymous(const char *path) {
    const char *pacs = series_key_below_pacs(path), *rest = pacs ? strchr(pacs, '/') : NULL;
    if (!rest)
        return path;
    int depth = 0; /* patient, study, series, file */
    for (const char *at = rest; at; at = strchr(at + 1, '/'))
        depth++;
    bool is_file = depth >= 4 && dicom_file_is_name(path);
    return cell("%.*s/…%s", (int)(rest - path), path, is_file ? strrchr(path, '/') : "");
}

static void on_unreadable(reconcile_t *self, const json_t *line) {
    const char *path = text_in(line, "path");
    self->unreadable++;
    const char *shown = self->options->show_phi ? path : anonymous(path);
    outcome_add(&self->outcomes, &(outcome_line_t){.outcome = "unreadable",
                                                   .why = cell("%s: %s", shown, text_in(line, "error")),
                                                   .folder = path});
}

/* Returns false where the notifier does not answer: then there is no use in going on. */
static bool on_series(reconcile_t *self, const json_t *line) {
    Ring__Series series = series_of(json_object_get(line, "series"));
    Ring__Register message = RING__REGISTER__INIT;
    message.reply_to = ask_reply_to(self->ask);
    message.calling_ae = (char *)(uintptr_t)text_in(line, "calling_ae");
    message.series = &series;
    message.files = (uint32_t)json_integer_value(json_object_get(line, "files"));
    message.again = self->options->force;
    message.dry_run = self->options->dry_run;
    for (size_t i = 0; i < self->options->names_count; i++)
        self->found[i] |= strcmp(self->options->names[i], series.series_instance_uid) == 0;
    Ring__Answer *answer = ask_notifier(self->ask, &RING_ENVELOPE(REGISTER, register_, &message));
    if (!answer || !answer->registrations || answer->registrations->n_registrations == 0) {
        ring__answer__free_unpacked(answer, NULL);
        return false;
    }
    const Ring__Registration *r = answer->registrations->registrations[0];
    if (r->outcome >= 0 && r->outcome <= RING__OUTCOME__OUTCOME_REFUSED)
        self->counts[r->outcome]++;
    outcome_add(&self->outcomes, &(outcome_line_t){.series_uid = series.series_instance_uid,
                                                   .calling_ae = message.calling_ae,
                                                   .files = message.files,
                                                   .outcome = outcome_name(r->outcome, self->options->dry_run),
                                                   .why = r->why,
                                                   .folder = series.folder});
    ring__answer__free_unpacked(answer, NULL);
    return true;
}

/* --- the survey ---------------------------------------------------------------------------------------- */

/* Returns false if going on is of no use. */
static bool on_line(reconcile_t *self, const char *text) {
    json_t *line = json_loads(text, 0, NULL);
    bool go_on = true;
    if (json_object_get(line, "error"))
        on_unreadable(self, line);
    else if (json_object_get(line, "series"))
        go_on = on_series(self, line);
    else if (!json_is_object(line) || json_object_size(line) > 0)
        self->status = EX_SOFTWARE;
    json_decref(line);
    return go_on && !zsys_interrupted;
}

/* Storage may keep the survey for as long as it likes: then nobody waits for its end. */
static void give_up(reconcile_t *self, pid_t survey) {
    kill(survey, SIGKILL);
    (void)waitpid(survey, NULL, WNOHANG);
    self->status = EX_UNAVAILABLE;
    fputs("oxidicom reconcile: not finished; due series stay due, repeat the command for the rest\n", stderr);
}

/* What the survey's end means: it must have looked at everything. */
static void judge_end(reconcile_t *self, pid_t survey) {
    int how = 0;
    bool ended = waitpid(survey, &how, 0) == survey;
    int status = ended && WIFEXITED(how) ? WEXITSTATUS(how) : EX_SOFTWARE;
    if (self->status == TOOL_FINE && status > TOOL_LACKING) {
        fprintf(stderr, "oxidicom reconcile: the survey of storage failed with %d\n", status);
        self->status = status;
    }
}

/* Each line renews the deadline. */
static void read_lines(reconcile_t *self, pid_t survey, survey_reader_lines_t *lines) {
    ssize_t got = 0;
    bool go_on = true;
    for (char *line; go_on && (line = survey_reader_next_line(lines, self->ask->deadline_ms, &got));) {
        ask_renew(self->ask);
        go_on = on_line(self, line);
    }
    if (go_on && got == 0) {
        judge_end(self, survey);
        return;
    }
    if (go_on)
        fprintf(stderr, "oxidicom reconcile: OXIDICOM_FILES_ROOT %s\n",
                errno == ETIMEDOUT ? "does not answer within --timeout" : strerror(errno));
    give_up(self, survey);
}

/* --- the command --------------------------------------------------------------------------------------- */

static void report_missing(reconcile_t *self) {
    for (size_t i = 0; self->status == TOOL_FINE && i < self->options->names_count; i++)
        if (!self->found[i]) {
            outcome_add(&self->outcomes, &(outcome_line_t){.series_uid = self->options->names[i],
                                                           .outcome = "not found in storage"});
            self->status = TOOL_LACKING;
        }
}

int reconcile_command(const options_t *options, ask_t *ask) {
    reconcile_t self = {.options = options, .ask = ask, .outcomes = outcomes_new(options->show_phi)};
    survey_reader_lines_t lines = {.descriptor = -1};
    self.found = must(calloc(options->names_count + 1, sizeof *self.found));
    pid_t survey = survey_reader_start("reconcile", options, &lines);
    if (survey > 0) {
        read_lines(&self, survey, &lines);
    } else {
        fprintf(stderr, "oxidicom reconcile: can't survey storage: %s\n", strerror(errno));
        self.status = EX_OSERR;
    }
    survey_reader_close(&lines);
    report_missing(&self);
    if (self.status == TOOL_FINE && (self.unreadable || self.counts[RING__OUTCOME__OUTCOME_REFUSED]))
        self.status = TOOL_LACKING;
    outcomes_print(&self.outcomes, options->json);
    if (!options->json) {
        printf("%zu %s, %zu registered already, %zu under way already, %zu refused, %zu unreadable\n",
               self.counts[RING__OUTCOME__OUTCOME_DUE],
               outcome_name(RING__OUTCOME__OUTCOME_DUE, self.options->dry_run),
               self.counts[RING__OUTCOME__OUTCOME_REGISTERED], self.counts[RING__OUTCOME__OUTCOME_UNDER_WAY],
               self.counts[RING__OUTCOME__OUTCOME_REFUSED], self.unreadable);
    }
    free(self.found);
    return self.status;
}

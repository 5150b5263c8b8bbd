/* `oxidicom audit` compares the journal's registrations, and with --storage the series in storage, with CUBE. The
 * notifier asks CUBE; the tool needs no password. */
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "common/limits.h"
#include "common/memory.h"
#include "deploy/tool/outcome.h"
#include "deploy/tool/survey_reader.h"
#include "deploy/tool/tool.h"

/* Series that CUBE is asked for at once. */
#define BATCH_SERIES 100

typedef enum verdict { CONFIRMED, SHORT, LOST, UNKNOWN_HERE, VERDICTS } verdict_t;

static const char *const NAMES[VERDICTS] = {"confirmed", "short", "lost", "unknown here"};

/* A series of the journal or of storage. */
typedef struct candidate {
    char *series_uid, *calling_ae, *folder; /* owned */
    int64_t files;
    bool known; /* to the journal */
} candidate_t;

typedef struct audit {
    const options_t *options;
    ask_t *ask;
    outcomes_t outcomes;
    json_t *seen; /* folders, of either */
    candidate_t batch[BATCH_SERIES];
    size_t batch_count;
    size_t counts[VERDICTS], resent;
    int status;
} audit_t;

/* --- CUBE ------------------------------------------------------------------------------------------------ */

static void clear_batch(audit_t *audit) {
    while (audit->batch_count > 0) {
        candidate_t *candidate = &audit->batch[--audit->batch_count];
        free(candidate->series_uid);
        free(candidate->calling_ae);
        free(candidate->folder);
    }
}

/* What CUBE says of the batch; NULL after saying on stderr what went wrong. Also of none: whether CUBE is asked. */
static Ring__Answer *ask_cube(audit_t *audit) {
    Ring__AuditedSeries series[BATCH_SERIES], *pointers[BATCH_SERIES];
    Ring__Audit message = RING__AUDIT__INIT;
    message.reply_to = ask_reply_to(audit->ask);
    message.series = pointers;
    for (; message.n_series < audit->batch_count; message.n_series++) {
        const candidate_t *candidate = &audit->batch[message.n_series];
        pointers[message.n_series] = &series[message.n_series];
        ring__audited_series__init(pointers[message.n_series]);
        pointers[message.n_series]->series_instance_uid = candidate->series_uid;
        pointers[message.n_series]->folder = candidate->folder;
    }
    Ring__Answer *answer = ask_notifier(audit->ask, &RING_ENVELOPE(AUDIT, audit, &message));
    if (answer && answer->audited && answer->audited->n_verdicts == audit->batch_count)
        return answer;
    ring__answer__free_unpacked(answer, NULL);
    audit->status = EX_UNAVAILABLE;
    return NULL;
}

static const char *resend(audit_t *audit, const candidate_t *candidate) {
    Ring__Resend message = RING__RESEND__INIT;
    message.reply_to = ask_reply_to(audit->ask);
    message.series_instance_uid = candidate->series_uid;
    message.calling_ae = candidate->calling_ae;
    Ring__Answer *answer = ask_notifier(audit->ask, &RING_ENVELOPE(RESEND, resend, &message));
    const Ring__Registrations *r = answer ? answer->registrations : NULL;
    bool due = r && r->n_registrations > 0 && r->registrations[0]->outcome == RING__OUTCOME__OUTCOME_DUE;
    const char *why = !r || r->n_registrations == 0 ? "not sent again"
                                                    : cell("%s", outcome_name(r->registrations[0]->outcome, false));
    audit->resent += due;
    ring__answer__free_unpacked(answer, NULL);
    return due ? "sent again" : why;
}

static void judge(audit_t *audit, const candidate_t *candidate, const Ring__AuditVerdict *said) {
    bool whole = said->there && (int64_t)said->files >= candidate->files;
    verdict_t verdict = !candidate->known ? UNKNOWN_HERE : whole ? CONFIRMED : said->there ? SHORT : LOST;
    const char *why = whole         ? ""
                      : said->there ? cell("CUBE has %s", cell_many(said->files, "file", "files"))
                                    : "CUBE does not have it";
    audit->counts[verdict]++;
    if (!whole && audit->status == TOOL_FINE)
        audit->status = TOOL_LACKING;
    if (verdict == LOST && audit->options->resend)
        why = resend(audit, candidate);
    if (verdict != CONFIRMED || audit->options->json)
        outcome_add(&audit->outcomes, &(outcome_line_t){.series_uid = candidate->series_uid,
                                                        .calling_ae = candidate->calling_ae,
                                                        .files = candidate->files,
                                                        .outcome = NAMES[verdict],
                                                        .why = why,
                                                        .folder = candidate->folder});
}

static bool flush(audit_t *audit) {
    Ring__Answer *answer = ask_cube(audit);
    for (size_t i = 0; answer && i < audit->batch_count; i++)
        judge(audit, &audit->batch[i], answer->audited->verdicts[i]);
    ring__answer__free_unpacked(answer, NULL);
    clear_batch(audit);
    return answer != NULL && !zsys_interrupted;
}

/* Takes the texts' copies. Returns false if going on is of no use. */
static bool add(audit_t *audit, const candidate_t *candidate) {
    if (json_object_get(audit->seen, candidate->folder))
        return true;
    json_object_set_new(audit->seen, candidate->folder, json_true());
    audit->batch[audit->batch_count++] =
        (candidate_t){copy_text(candidate->series_uid), copy_text(candidate->calling_ae),
                      copy_text(candidate->folder), candidate->files, candidate->known};
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the batch owns them */
    return audit->batch_count < BATCH_SERIES || flush(audit);
}

/* --- the journal ----------------------------------------------------------------------------------------- */

/* Of several receptions of a folder, the newest tells how many files it has. */
static bool add_registered(audit_t *audit, const Ring__Reception *r, const json_t *storage) {
    static const char *const states[] = {"registered", "confirmed", "short", "lost"};
    const json_t *files = json_object_get(storage, r->folder);
    bool over = false;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        over |= strcmp(r->state, states[i]) == 0;
    return !over || add(audit, &(candidate_t){
                                   r->series_instance_uid, r->calling_ae, r->folder,
                                   files ? json_integer_value(json_object_get(files, "files")) : r->ndicom, true});
}

/* Waiting and open series are known, too. */
static bool look_through_journal(audit_t *audit, json_t *storage) {
    Ring__SeriesQuery query = RING__SERIES_QUERY__INIT;
    query.since = audit->options->since >= 0 ? audit->options->since : 0;
    query.with_folder = true;
    query.most = SERIES_PAGE_ROWS;
    bool go_on = true;
    do {
        query.reply_to = ask_reply_to(audit->ask);
        Ring__Answer *answer = ask_notifier(audit->ask, &RING_ENVELOPE(SERIES_QUERY, series_query, &query));
        go_on = answer && answer->series;
        if (!go_on)
            audit->status = EX_UNAVAILABLE;
        for (size_t i = 0; go_on && i < answer->series->n_receptions; i++) {
            go_on = add_registered(audit, answer->series->receptions[i], storage);
            json_object_del(storage, answer->series->receptions[i]->folder);
        }
        query.before = go_on ? answer->series->before : 0;
        ring__answer__free_unpacked(answer, NULL);
    } while (go_on && query.before > 0);
    return go_on;
}

/* --- storage --------------------------------------------------------------------------------------------- */

static void remember_line(json_t *storage, const char *text) {
    json_t *line = json_loads(text, 0, NULL), *series = json_object_get(line, "series");
    const char *folder = json_string_value(json_object_get(series, "folder"));
    const char *uid = json_string_value(json_object_get(series, "series_instance_uid"));
    json_t *ae = json_object_get(line, "calling_ae"), *files = json_object_get(line, "files");
    if (folder && uid)
        json_object_set_new(storage, folder,
                            json_pack("{s:s, s:O?, s:O?}", "series", uid, "calling_ae", ae, "files", files));
    json_decref(line);
}

/* The series that the writer's survey finds, by folder; NULL after saying what went wrong. */
static json_t *survey(audit_t *audit) {
    json_t *storage = json_object();
    if (!audit->options->storage)
        return storage;
    survey_reader_lines_t lines = {.descriptor = -1};
    ssize_t got = 0;
    int how = 0;
    pid_t process = survey_reader_start("audit", audit->options, &lines);
    for (char *line; process > 0 && (line = survey_reader_next_line(&lines, audit->ask->deadline_ms, &got));) {
        ask_renew(audit->ask);
        remember_line(storage, line);
    }
    survey_reader_close(&lines);
    if (process > 0 && got < 0)
        kill(process, SIGKILL);
    if (process > 0 && waitpid(process, &how, got < 0 ? WNOHANG : 0) == process && WIFEXITED(how) &&
        WEXITSTATUS(how) <= TOOL_LACKING)
        return storage;
    fputs("oxidicom audit: storage can't be surveyed\n", stderr);
    audit->status = EX_OSERR;
    json_decref(storage);
    return NULL;
}

/* What the journal did not tell of. */
static bool look_through_storage(audit_t *audit, json_t *storage) {
    const char *folder;
    json_t *found;
    json_object_foreach(storage, folder, found) {
        candidate_t candidate = {
            .series_uid = (char *)(uintptr_t)json_string_value(json_object_get(found, "series")),
            .calling_ae = (char *)(uintptr_t)json_string_value(json_object_get(found, "calling_ae")),
            .folder = (char *)(uintptr_t)folder,
            .files = json_integer_value(json_object_get(found, "files"))};
        if (!add(audit, &candidate))
            return false;
    }
    return true;
}

/* --- the command ----------------------------------------------------------------------------------------- */

int audit_command(const options_t *options, ask_t *ask) {
    audit_t audit = {
        .options = options, .ask = ask, .outcomes = outcomes_new(options->show_phi), .seen = json_object()};
    bool asked = flush(&audit); /* of none: where CUBE is not asked, that is said at once */
    json_t *storage = asked ? survey(&audit) : NULL;
    bool finished =
        storage && look_through_journal(&audit, storage) && look_through_storage(&audit, storage) && flush(&audit);
    if (asked && !finished)
        fputs("oxidicom audit: not finished\n", stderr);
    outcomes_print(&audit.outcomes, options->json);
    if (!options->json && asked)
        printf("%zu confirmed, %zu short, %zu lost (%zu sent again), %zu unknown here\n", audit.counts[CONFIRMED],
               audit.counts[SHORT], audit.counts[LOST], audit.resent, audit.counts[UNKNOWN_HERE]);
    clear_batch(&audit);
    json_decref(storage);
    json_decref(audit.seen);
    return audit.status;
}

/* `oxidicom status`. */
#include <dirent.h>
#include <string.h>
#include <sysexits.h>

#include "deploy/tool/print.h"
#include "deploy/tool/run_dir.h"
#include "deploy/tool/tool.h"
#include "proto/message_json.h"

/* A writer says every 250 ms that it lives. */
#define SILENT_MS 2000

typedef struct status {
    const ask_t *ask;
    question_t listener, notifier;
} status_t;

/* --- missing parts ------------------------------------------------------------------------------------ */

static const Ring__ListenerStatus *of_listener(const status_t *s) {
    return s->listener.answer ? s->listener.answer->listener : NULL;
}

static const Ring__NotifierStatus *of_notifier(const status_t *s) {
    return s->notifier.answer ? s->notifier.answer->notifier : NULL;
}

static bool is_absent(const Ring__Connection *connection) {
    return connection->wanted && !connection->connected;
}

static bool are_stages_well(const status_t *s) {
    return of_listener(s) && of_listener(s)->n_writers > 0 && of_notifier(s);
}

static bool is_all_well(const status_t *s) {
    return are_stages_well(s) && !of_notifier(s)->journal->refuses && !of_notifier(s)->writers_failing &&
           !is_absent(of_notifier(s)->broker) && !is_absent(of_notifier(s)->nats) &&
           !(of_notifier(s)->cube && is_absent(of_notifier(s)->cube)) && !of_notifier(s)->queue_still_ms;
}

static const char *state_of(const question_t *asked) {
    if (!asked->answer)
        return asked->there ? "does not answer" : "does not run";
    if (*asked->answer->error)
        return "fails";
    return asked->answer->listener && asked->answer->listener->draining ? "drains" : "runs";
}

/* --- stages -------------------------------------------------------------------------------------------- */

/* One line of the table or one object of JSON per stage. */
typedef struct stages {
    table_t *table;
    json_t *json;
} stages_t;

typedef struct stage_line {
    const char *id, *state;
    const Ring__Alive *self;          /* NULL: not known */
    const question_t *asked;          /* of the stages that were asked */
    const Ring__WriterStatus *writer; /* of writers that the listener knows */
} stage_line_t;

static const char *details_of(const stage_line_t *line) {
    if (line->writer)
        return cell("%s with it, %s", cell_many(line->writer->objects, "object", "objects"),
                    cell_bytes(line->writer->bytes));
    return line->self ? cell("answered in %lld ms", (long long)line->asked->took_ms) : "";
}

static void add_stage(stages_t *stages, const stage_line_t *line) {
    const Ring__Alive *self = line->self;
    table_add(stages->table, line->id, line->state, self ? cell("%u", self->process) : "-",
              self ? self->release : "-", self ? cell_time(self->started_at) : "-",
              self ? cell("%llx", (unsigned long long)self->incarnation) : "-", details_of(line), NULL);
    json_t *json = json_pack("{s:s, s:s}", "id", line->id, "state", line->state);
    if (self) {
        json_object_set_new(json, "process", json_integer(self->process));
        json_object_set_new(json, "release", message_json_text(self->release, MESSAGE_JSON_READABLE));
        json_object_set_new(json, "started_at", message_json_time(self->started_at, MESSAGE_JSON_READABLE));
        json_object_set_new(json, "incarnation", json_sprintf("%llx", (unsigned long long)self->incarnation));
    }
    if (line->writer) {
        json_object_set_new(json, "outstanding_objects", json_integer((json_int_t)line->writer->objects));
        json_object_set_new(json, "outstanding_bytes", json_integer((json_int_t)line->writer->bytes));
    } else if (self) {
        json_object_set_new(json, "answer_ms", json_integer(line->asked->took_ms));
    }
    json_array_append_new(stages->json, json);
}

static bool is_known_writer(const status_t *s, const char *id) {
    for (size_t i = 0; of_listener(s) && i < of_listener(s)->n_writers; i++)
        if (of_listener(s)->writers[i]->self && strcmp(of_listener(s)->writers[i]->self->id, id) == 0)
            return true;
    return false;
}

/* Sockets of writers that the listener does not know: they have died, or it is the listener that has. */
static void add_other_writers(stages_t *stages, const status_t *s) {
    struct dirent **entries;
    int count = scandir(s->ask->run_dir, &entries, NULL, versionsort);
    for (int i = 0; i < count; i++) {
        char *name = entries[i]->d_name, *dot = strrchr(name, '.');
        if (strncmp(name, "writer-", 7) == 0 && dot && strcmp(dot, ".sock") == 0) {
            *dot = 0;
            const char *state = run_dir_reaches(s->ask->run_dir, name) ? "unknown to the listener" : "does not run";
            if (!is_known_writer(s, name))
                add_stage(stages, &(stage_line_t){.id = name, .state = state});
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static const char *writer_state(const Ring__WriterStatus *writer) {
    if (writer->leaving)
        return "leaves";
    return writer->silent_ms < SILENT_MS ? "runs"
                                         : cell("silent for %llu s", (unsigned long long)writer->silent_ms / 1000);
}

static void add_stages(stages_t *stages, const status_t *s) {
    const Ring__ListenerStatus *listener = of_listener(s);
    const Ring__NotifierStatus *notifier = of_notifier(s);
    stage_line_t line = {.id = "listener", .state = state_of(&s->listener), .asked = &s->listener};
    line.self = listener ? listener->self : NULL;
    add_stage(stages, &line);
    for (size_t i = 0; listener && i < listener->n_writers; i++) {
        const Ring__WriterStatus *writer = listener->writers[i];
        line = (stage_line_t){writer->self->id, writer_state(writer), writer->self, NULL, writer};
        add_stage(stages, &line);
    }
    add_other_writers(stages, s);
    if (listener && listener->n_writers == 0)
        add_stage(stages, &(stage_line_t){.id = "writer", .state = "none is there"});
    line = (stage_line_t){.id = "notifier", .state = state_of(&s->notifier), .asked = &s->notifier};
    line.self = notifier ? notifier->self : NULL;
    add_stage(stages, &line);
}

/* --- for people ---------------------------------------------------------------------------------------- */

static void print_connection(table_t *table, const char *name, const Ring__Connection *connection) {
    if (!connection->wanted)
        table_add(table, name, "not set", NULL);
    else if (connection->connected)
        table_add(table, name, cell("connected since %s", cell_time(connection->since)), NULL);
    else
        table_add(table, name, cell("absent since %s: %s", cell_time(connection->since), connection->why), NULL);
}

static void print_listener(table_t *table, const Ring__ListenerStatus *l) {
    table_add(table, "associations",
              cell("%llu open of %llu, %llu waiting", (unsigned long long)l->associations_open,
                   (unsigned long long)l->associations_most, (unsigned long long)l->associations_waiting),
              NULL);
    table_add(table, "objects",
              cell("%llu not answered, %s", (unsigned long long)l->objects_unacknowledged,
                   cell_many(l->ends_unacknowledged, "end of an association", "ends of associations")),
              NULL);
    table_add(table, "buffer", cell("%s of %s held", cell_bytes(l->bytes_held), cell_bytes(l->bytes_most)), NULL);
}

static void print_journal(table_t *table, const Ring__JournalStatus *j) {
    char states[256] = "";
    size_t at = 0;
    for (size_t i = 0; i < j->n_states && at < sizeof states; i++)
        at += (size_t)snprintf(states + at, sizeof states - at, "%s%llu %s", i ? ", " : "",
                               (unsigned long long)j->states[i]->receptions, j->states[i]->state);
    table_add(table, "journal",
              cell("%s, %s, schema %u%s", j->path, cell_bytes(j->bytes), j->schema,
                   j->refuses ? ": takes no events, so that new series are not received" : ""),
              NULL);
    table_add(table, "receptions", j->n_states ? states : "none", NULL);
    if (j->oldest_due_at)
        table_add(table, "oldest", cell("%s waits since %s", j->oldest_due_series, cell_time(j->oldest_due_at)),
                  NULL);
}

static void print_notifier(table_t *table, const Ring__NotifierStatus *n) {
    table_add(table, "registrations", cell("%llu with the broker", (unsigned long long)n->registrations_under_way),
              NULL);
    table_add(table, "progress",
              cell("%llu waiting, %llu dropped", (unsigned long long)n->progress_waiting,
                   (unsigned long long)n->progress_dropped),
              NULL);
    print_journal(table, n->journal);
    print_connection(table, "broker", n->broker);
    print_connection(table, "NATS", n->nats);
    if (n->cube)
        print_connection(table, "CUBE", n->cube);
    if (n->queue_still_ms)
        table_add(table, "queue",
                  cell("%s: CUBE's worker has taken none for %llu s",
                       cell_many(n->queue_waiting, "task waits", "tasks wait"),
                       (unsigned long long)n->queue_still_ms / 1000),
                  NULL);
    else if (n->queue_known)
        table_add(table, "queue",
                  cell("%s for CUBE's worker", cell_many(n->queue_waiting, "task waits", "tasks wait")), NULL);
    if (n->storage_silent_ms)
        table_add(table, "storage",
                  cell("has not answered for %llu s: registrations wait",
                       (unsigned long long)n->storage_silent_ms / 1000),
                  NULL);
    if (n->writers_failing)
        table_add(
            table, "storage",
            cell("fails: it did not take the last file of %s", cell_many(n->writers_failing, "writer", "writers")),
            NULL);
    if (*n->no_locks)
        table_add(table, "replicas", cell("storage has no locks that they could see (%s)", n->no_locks), NULL);
}

static void print_for_people(const status_t *s, stages_t *stages) {
    table_t *table = table_new("");
    table_print(&stages->table, stdout);
    putchar('\n');
    table_add(table, "run folder", s->ask->run_dir, NULL);
    if (of_listener(s))
        print_listener(table, of_listener(s));
    if (of_notifier(s))
        print_notifier(table, of_notifier(s));
    else if (s->notifier.answer)
        table_add(table, "journal", s->notifier.answer->error, NULL);
    table_print(&table, stdout);
}

/* --- for machines -------------------------------------------------------------------------------------- */

static json_t *connection_json(const Ring__Connection *connection) {
    return message_json(connection->wanted ? &connection->base : NULL, MESSAGE_JSON_READABLE);
}

static json_t *journal_json(const Ring__JournalStatus *j) {
    json_t *json = message_json(&j->base, MESSAGE_JSON_READABLE), *states = json_object();
    for (size_t i = 0; i < j->n_states; i++)
        json_object_set_new(states, j->states[i]->state, json_integer((json_int_t)j->states[i]->receptions));
    json_object_del(json, "states");
    json_object_set_new(json, "receptions", states);
    return json;
}

static void print_json(const status_t *s, json_t *stages) {
    const Ring__ListenerStatus *l = of_listener(s);
    const Ring__NotifierStatus *n = of_notifier(s);
    json_t *json =
        json_pack("{s:o, s:b, s:O}", "run_dir", message_json_text(s->ask->run_dir, MESSAGE_JSON_READABLE), "well",
                  is_all_well(s), "stages", stages);
    json_object_set_new(json, "listener", message_json(l ? &l->base : NULL, MESSAGE_JSON_READABLE));
    json_object_set_new(json, "notifier", message_json(n ? &n->base : NULL, MESSAGE_JSON_READABLE));
    json_object_set_new(json, "journal", n ? journal_json(n->journal) : json_null());
    json_object_set_new(json, "broker", n ? connection_json(n->broker) : json_null());
    json_object_set_new(json, "nats", n ? connection_json(n->nats) : json_null());
    json_object_set_new(json, "cube", n && n->cube ? connection_json(n->cube) : json_null());
    json_print(json, stdout);
}

/* --- the command --------------------------------------------------------------------------------------- */

/* Whether the answer has all that it must have; one of another release may not. */
static bool is_whole(const Ring__Answer *a) {
    for (size_t i = 0; a->listener && i < a->listener->n_writers; i++)
        if (!a->listener->writers[i]->self)
            return false;
    return (a->listener && a->listener->self) || *a->error ||
           (a->notifier && a->notifier->self && a->notifier->journal && a->notifier->broker && a->notifier->nats);
}

void status_ask(ask_t *ask, question_t *listener, question_t *notifier) {
    question_t asked[] = {{.stage = "listener"}, {.stage = "notifier"}};
    ask_status(ask, asked, 2);
    for (size_t i = 0; i < 2; i++)
        if (asked[i].answer && !is_whole(asked[i].answer)) {
            ring__answer__free_unpacked(asked[i].answer, NULL);
            asked[i].answer = NULL;
        }
    *listener = asked[0];
    *notifier = asked[1];
}

int status_command(const options_t *options, ask_t *ask) {
    status_t s = {.ask = ask};
    status_ask(ask, &s.listener, &s.notifier);
    bool anybody = s.listener.answer || s.notifier.answer;
    bool well = options->stages ? are_stages_well(&s) : is_all_well(&s);
    int status = well ? TOOL_FINE : anybody ? TOOL_LACKING : EX_UNAVAILABLE;
    stages_t stages = {table_new("STAGE|STATE|PROCESS|RELEASE|SINCE|INCARNATION|DETAILS"), json_array()};
    add_stages(&stages, &s);
    if (options->json) {
        print_json(&s, stages.json);
        table_clear(&stages.table);
    } else {
        print_for_people(&s, &stages);
    }
    json_decref(stages.json);
    ring__answer__free_unpacked(s.listener.answer, NULL);
    ring__answer__free_unpacked(s.notifier.answer, NULL);
    return status;
}

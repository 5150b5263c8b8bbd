/* A notifier's inbox: events into a journal, the messages owed after them, and the task of a stored series.
 * Nothing is committed, so that every input finds an empty journal. Input: message heads. */
#include <sys/stat.h>

#include "common/log.h"
#include "notifier/cube/celery.h"
#include "notifier/journal/reception.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/scratch.h"

static struct {
    journal_t journal;
    zsock_t *listener; /* connected to nobody: its messages are dropped */
    celery_sender_t sender;
} bench;

static void set_up(void) {
    static settings_t settings;
    zsys_init();
    zsys_handler_set(NULL);
    log_start("fuzz", "off", NULL);
    settings.state_dir = settings.files_root = (char *)scratch_folder();
    CHECK(journal_open(&bench.journal, &settings) == 0);
    CHECK(sqlite3_exec(bench.journal.db, "PRAGMA synchronous = OFF", NULL, NULL, NULL) == SQLITE_OK);
    bench.listener = zsock_new(ZMQ_PUSH);
    celery_sender_init(&bench.sender);
}

/* As the registrar does once a reception has ended. */
static void register_series(const Ring__Series *series) {
    char *problem = registration_problem(series);
    bool possible = !problem;
    free(problem);
    if (!possible)
        return;
    registration_t registration = {.reception = 1, .series = (Ring__Series *)series, .ndicom = 3};
    registration_set_task_id(&registration);
    json_t *arguments = registration_arguments(&registration);
    CHECK(json_object_size(arguments) == 16);
    json_decref(arguments);
    celery_message_t message;
    celery_message_init(&message, &bench.sender, &registration);
    char *envelope = celery_envelope(&message, "main2");
    json_t *read_back = json_loads(envelope, 0, NULL), *body = json_loads(message.body, 0, NULL);
    CHECK(read_back && body);
    json_decref(read_back);
    json_decref(body);
    free(envelope);
    celery_message_clear(&message);
}

static void handle(owed_t *owed, const Ring__Envelope *envelope) {
    if (envelope->body_case == RING__ENVELOPE__BODY_STORED && reception_stored_usable(envelope->stored)) {
        reception_on_stored(&bench.journal, owed, envelope->stored);
        register_series(envelope->stored->series);
    } else if (envelope->body_case == RING__ENVELOPE__BODY_REFUSED && reception_refused_usable(envelope->refused)) {
        reception_on_refused(&bench.journal, owed, envelope->refused);
    } else if (envelope->body_case == RING__ENVELOPE__BODY_ASSOCIATION_ENDED) {
        reception_on_association_ended(&bench.journal, owed, envelope->association_ended);
    } else if (envelope->body_case == RING__ENVELOPE__BODY_ALIVE && envelope->alive->incarnation) {
        reception_close_other_listeners(&bench.journal, owed, envelope->alive->incarnation);
    }
    CHECK(!bench.journal.broken);
}

/* No token of a subject may end early, match several or break NATS' line. */
static void on_lonk(void *self, const char *subject, const void *payload, size_t size) {
    (void)self;
    size_t dots = 0;
    CHECK(size > 0 && *(const uint8_t *)payload <= 2);
    for (const char *c = subject; *c; c++) {
        CHECK((unsigned char)*c > ' ' && *c != '*' && *c != '>');
        dots += *c == '.';
    }
    CHECK(dots == 2 && strlen(subject) < 4000);
}

static bool on_lonk_done(void *self, const lonk_final_t *final) {
    on_lonk(self, final->subject, "", 1);
    return true;
}

static int64_t never_interrupted(void *self) {
    (void)self;
    return -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!bench.journal.db)
        set_up();
    owed_t *owed = owed_new(1, NULL);
    progress_t *progress =
        progress_new("oxidicom", 0, (progress_sink_t){on_lonk, on_lonk_done, never_interrupted, NULL});
    reader_t input = reader_over(data, size), head;
    while (part_next(&input, &head)) {
        Ring__Envelope *envelope = ring_unpack(head.at, reader_left(&head));
        if (!envelope)
            continue;
        handle(owed, envelope);
        ring__envelope__free_unpacked(envelope, NULL);
    }
    reception_end_abandoned(&bench.journal, owed);
    bool began = bench.journal.open;
    CHECK(!bench.journal.broken);
    bench.journal.broken = true; /* so that it rolls back */
    CHECK(journal_commit(&bench.journal) == (began ? -1 : 0));
    heard_forget(bench.journal.heard);
    bench.journal.broken = false;
    owed_tell(owed, bench.listener, progress, 0);
    owed_destroy(&owed);
    progress_destroy(&progress);
    return 0;
}

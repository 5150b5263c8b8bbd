#include "notifier/broker/registrar.h"

#include <sys/queue.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/series_key.h"
#include "common/telemetry/span.h"
#include "notifier/broker/broker.h"
#include "notifier/broker/due_walk.h"
#include "notifier/broker/left.h"
#include "notifier/broker/order.h"
#include "notifier/broker/outcome.h"
#include "notifier/journal/dones.h"
#include "notifier/journal/rows.h"

/* A registration that the broker would not take is tried again after this, doubled each time. */
#define RETRY_FIRST_MS   1000
#define RETRY_LONGEST_MS (5 * 60 * 1000)

typedef enum place {
    CHOSEN,      /* the walk has come to it */
    AT_REPLICAS, /* who registers it is being asked */
    AT_STORAGE,  /* its files are being counted */
    HELD,        /* it is counted once more at again_ms */
    AT_BROKER,
    BACK, /* and not recorded yet */
} place_t;

/* A registration on its way. */
typedef struct shipment {
    TAILQ_ENTRY(shipment) next;
    int64_t reception;
    char *new_folder; /* owned; see order.h; NULL: CUBE knows them all */
    place_t place;
    registration_t *registration; /* if it is CHOSEN, AT_REPLICAS, HELD or BACK */
    series_id_t id;
    char *note; /* owned; of its reception; NULL: it was not left before */
    bool held;  /* it was */
    bool late;  /* storage was silent while it was AT_REPLICAS */
    int64_t again_ms;
} shipment_t;

struct registrar {
    journal_t *journal;
    replicas_t *replicas;
    storage_t *storage;
    zactor_t *broker;
    inquiries_t *inquiries;
    const settings_t *settings;
    char *span_name; /* owned */
    bool connected, blocked;
    TAILQ_HEAD(shipments, shipment) under_way;
    size_t under_way_count;
    due_walk_t walk;
    bool waiting; /* a skipped registration will have its turn */
};

registrar_t *registrar_new(journal_t *journal, replicas_t *replicas, storage_t *storage, zactor_t *broker,
                           inquiries_t *inquiries, const settings_t *settings) {
    registrar_t *registrar = must(calloc(1, sizeof *registrar));
    registrar->journal = journal;
    registrar->replicas = replicas;
    registrar->storage = storage;
    registrar->broker = broker;
    registrar->inquiries = inquiries;
    registrar->settings = settings;
    registrar->span_name = format_text("send %s", settings->queue_name);
    TAILQ_INIT(&registrar->under_way);
    /* They count from the start of a process: after a restart, each gets another chance at the broker. */
    journal_run(journal, SQL_DUE_FORGET_RETRIES, NULL, 0);
    if (journal_commit(journal) != 0)
        log_warn(NULL, "registrations that were rejected wait longer than necessary");
    return registrar;
}

static void forget(registrar_t *registrar, shipment_t *item) {
    TAILQ_REMOVE(&registrar->under_way, item, next);
    registrar->under_way_count--;
    registration_destroy(&item->registration);
    free(item->new_folder);
    free(item->note);
    free(item);
}

void registrar_destroy(registrar_t **self_p) {
    registrar_t *registrar = *self_p;
    if (!registrar)
        return;
    while (!TAILQ_EMPTY(&registrar->under_way))
        forget(registrar, TAILQ_FIRST(&registrar->under_way)); /* NOLINT(clang-analyzer-unix.Malloc): TAILQ */
    free(registrar->span_name);
    due_walk_clear(&registrar->walk);
    free(registrar);
    *self_p = NULL;
}

static shipment_t *find_under_way(registrar_t *registrar, int64_t reception) {
    shipment_t *item;
    TAILQ_FOREACH(item, &registrar->under_way, next) {
        if (item->reception == reception)
            break;
    }
    return item;
}

/* --- to the broker ------------------------------------------------------------------------------------- */

/* Older registrations of the same folder, held until now, become one with this one; the tags of the very first
 * instance win. The last one of another title keeps the errors and the done, which follows this one's. */
static void merge_older(registrar_t *registrar, int64_t reception) {
    journal_t *journal = registrar->journal;
    int64_t older;
    sqlite3_stmt *rows = journal_query(journal, SQL_DUE_FIND_OLDER, VALUES(NUMBER(reception)));
    while (rows_next_number(journal, rows, &older)) {
        shipment_t *item = find_under_way(registrar, older);
        if (item && item->place != AT_REPLICAS && item->place != AT_STORAGE && item->place != HELD)
            continue;
        replicas_let_go(registrar->replicas, older);
        journal_run(journal, SQL_DUE_TAKE_SERIES, VALUES(NUMBER(reception), NUMBER(older)));
        journal_run(journal, SQL_DUE_MERGE, VALUES(NUMBER(older), NUMBER(reception), NUMBER(journal_now())));
        journal_run(journal, SQL_ERRORS_PASS_ON, VALUES(NUMBER(reception)));
        journal_run(journal, SQL_DONES_PASS_ON, VALUES(NUMBER(reception)));
    }
}

/* It is over with that, and its done is said. */
static void refuse(journal_t *journal, int64_t reception, const char *why) {
    dones_add_error(journal, reception, "this series can't be registered: %s", why);
    journal_run(journal, SQL_DUE_REFUSED, VALUES(NUMBER(reception), NUMBER(journal_now()), TEXT(why)));
}

/* Such a row can't be made a task, ever. It must neither be tried for ever nor keep others waiting. */
static void refuse_unreadable(registrar_t *registrar, registration_t **registration_p) {
    log_error(NULL, "a series can't be registered: %s (reception %lld)", ROWS_UNREADABLE,
              (long long)(*registration_p)->reception);
    refuse(registrar->journal, (*registration_p)->reception, ROWS_UNREADABLE);
    replicas_let_go(registrar->replicas, (*registration_p)->reception);
    registration_destroy(registration_p);
}

/* Reads the row into the item; false where the transaction broke or the tags can't be read. */
static bool read_due(registrar_t *registrar, shipment_t *item) {
    int64_t reception = item->reception;
    registration_t *registration = NULL;
    reception_row_t row = {0};
    sqlite3_stmt *rows = journal_query(registrar->journal, SQL_RECEPTION_READ, VALUES(NUMBER(reception)));
    while (rows_next_reception(registrar->journal, rows, &row)) {
        registration_destroy(&registration);
        registration = must(calloc(1, sizeof *registration));
        registration->reception = reception;
        registration->series = rows_series(&row);
        registration->began_at = row.began_at;
        registration->attempts = row.attempts;
        registration->stored = row.files - row.elsewhere;
        registration->number = row.number;
        registration->resent = journal_number(registrar->journal, SQL_INQUIRY_RESENT, VALUES(NUMBER(reception)), 0);
        if (row.traceparent)
            (void)traceparent_read(&registration->parent, row.traceparent);
        if (registration->series) {
            registration->link = series_key(registration->series->pacs_name, row.series_uid);
            item->id = replicas_id(row.calling_ae, row.series_uid, registration->series->folder);
        }
        free(item->note);
        item->note = row.note ? copy_text(row.note) : NULL;
    }
    if (registration && !registration->series)
        refuse_unreadable(registrar, &registration);
    item->registration = registration;
    return registration != NULL;
}

/* Whether a registration that is under way is the first below this folder. */
static bool is_begun(const registrar_t *registrar, const char *new_folder) {
    const shipment_t *item;
    TAILQ_FOREACH(item, &registrar->under_way, next) {
        if (item->new_folder && strcmp(item->new_folder, new_folder) == 0)
            return true;
    }
    return false;
}

/* Takes the walk's registration, unless it is on its way, or is not the first below a folder that CUBE does not
 * know: then all below that folder are skipped. */
static void choose(registrar_t *registrar, int64_t reception) {
    char *new_folder = NULL;
    if (find_under_way(registrar, reception))
        return;
    order_t order = order_new_folder(registrar->journal, registrar->walk.folder, &new_folder);
    bool follows = order == ORDER_FRESH || order == ORDER_ASKED;
    if (follows || (new_folder && is_begun(registrar, new_folder))) {
        due_walk_pass_over(&registrar->walk, new_folder);
        free(new_folder);
        registrar->waiting = registrar->waiting || order != ORDER_ASKED; /* CUBE may need any time */
        return;
    }
    merge_older(registrar, reception);
    shipment_t *item = must(calloc(1, sizeof *item));
    *item = (shipment_t){.reception = reception, .new_folder = new_folder};
    TAILQ_INSERT_TAIL(&registrar->under_way, item, next);
    registrar->under_way_count++;
    if (!read_due(registrar, item))
        forget(registrar, item);
}

static void have_counted(registrar_t *registrar, shipment_t *item, registration_t *registration) {
    item->place = AT_STORAGE;
    item->registration = NULL;
    storage_count(registrar->storage, &registration);
}

static void begin(registrar_t *registrar, shipment_t *item) {
    registration_t *registration = item->registration;
    /* An operator's registration is a trace of its own. */
    registration->trace = trace_is_set(&registration->parent) ? trace_child(&registration->parent) : trace_begin();
    registration->sent_ns = clock_wall_ns();
    if (!registrar->replicas) {
        have_counted(registrar, item, registration);
        return;
    }
    item->place = AT_REPLICAS;
    replicas_decide(registrar->replicas, item->reception, item->id, item->note);
}

static void count_held(registrar_t *registrar) {
    shipment_t *item;
    TAILQ_FOREACH(item, &registrar->under_way, next) {
        if (item->place == HELD && clock_ms() >= item->again_ms)
            have_counted(registrar, item, item->registration);
    }
}

void registrar_pump(registrar_t *registrar) {
    shipment_t *item, *next;
    count_held(registrar);
    /* The ones on their way are walked each time, so the search halves. */
    if (!registrar->connected || registrar->blocked || registrar->under_way_count > REGISTRATIONS_IN_FLIGHT / 2)
        return;
    due_walk_begin(&registrar->walk);
    registrar->waiting = false;
    for (int64_t id; registrar->under_way_count < REGISTRATIONS_IN_FLIGHT &&
                     (id = due_walk_next(&registrar->walk, registrar->journal)) != 0;)
        choose(registrar, id);
    /* A merged reception must be on the disk before its successor can be called registered. */
    bool committed = journal_commit(registrar->journal) == 0;
    for (item = TAILQ_FIRST(&registrar->under_way); item; item = next) {
        next = TAILQ_NEXT(item, next);
        if (item->place != CHOSEN)
            continue;
        if (committed)
            begin(registrar, item);
        else
            forget(registrar, item);
    }
}

/* A count that waited for silent storage may come at the very moment at which the writers, which waited, too, go on
 * with the series: it is repeated after the time that a series has to be quiet for. Once: storage that is always
 * that slow must do, too. */
static bool is_early(const shipment_t *item, const registration_t *registration, bool late) {
    return late && !item->held && registration->outcome != OUTCOME_REJECTED;
}

static void hold(const registrar_t *registrar, shipment_t *item, registration_t *registration) {
    item->place = HELD;
    item->held = true;
    item->again_ms = clock_ms() + registrar->settings->series_quiet_ms;
    registration->outcome = OUTCOME_UNSENT;
    free(registration->why);
    registration->why = NULL;
    item->registration = registration;
}

/* Whether it may be sent as before: its series may be received again, or it may be merged into a later one. */
static bool is_due(registrar_t *registrar, int64_t reception) {
    bool due = journal_number(registrar->journal, SQL_DUE_STILL, VALUES(NUMBER(reception)), 0) == 1;
    return journal_commit(registrar->journal) == 0 && due;
}

bool registrar_on_decided(registrar_t *registrar, const replicas_answer_t *answer) {
    shipment_t *item = find_under_way(registrar, answer->reception);
    if (!item || item->place != AT_REPLICAS)
        return false;
    item->late = answer->late;
    if (answer->decision == DECISION_REGISTER) {
        have_counted(registrar, item, item->registration);
    } else {
        /* One that is not due is taken in by a reception that was opened meanwhile. */
        bool due = is_due(registrar, item->reception);
        if (due && answer->decision == DECISION_LEFT)
            left_record(registrar->journal, registrar->settings, item->registration, answer->note, !item->note);
        else if (due)
            left_end(registrar->journal, registrar->settings, item->registration,
                     answer->decision == DECISION_COVERED);
        forget(registrar, item);
    }
    free(answer->note);
    return true;
}

/* The files are counted as late as possible, since CUBE will count them, too: a registration that can't be sent
 * now is counted again later. */
void registrar_on_counted(registrar_t *registrar, registration_t *registration, bool late) {
    shipment_t *item = find_under_way(registrar, registration->reception);
    assert(item && item->place == AT_STORAGE);
    if (!registrar->connected || registrar->blocked || !is_due(registrar, item->reception)) {
        registration_destroy(&registration);
        forget(registrar, item);
    } else if (is_early(item, registration, late || item->late)) {
        hold(registrar, item, registration);
    } else if (registration->outcome != OUTCOME_UNSENT) {
        item->place = BACK;
        item->registration = registration;
    } else {
        item->place = AT_BROKER;
        broker_send(registrar->broker, &registration);
    }
}

/* --- and back ------------------------------------------------------------------------------------------ */

/* When a registration that was rejected `attempts` times is sent again. */
static int64_t retry_at(int64_t attempts) {
    return clock_ms() + backoff_jittered(backoff_ms(RETRY_FIRST_MS, RETRY_LONGEST_MS, attempts));
}

static void record(registrar_t *registrar, const registration_t *returned) {
    journal_t *journal = registrar->journal;
    int64_t id = returned->reception, attempts = returned->attempts + 1, now = journal_now(), done;
    switch (returned->outcome) {
    case OUTCOME_CONFIRMED:
        done = inquiries_on_registered(registrar->inquiries, id, returned->series->folder);
        journal_run(
            journal, SQL_DUE_REGISTERED,
            VALUES(NUMBER(id), NUMBER(now), TEXT(returned->task_id), NUMBER(returned->ndicom), NUMBER(done)));
        break;
    case OUTCOME_IMPOSSIBLE:
        refuse(journal, id, returned->why);
        break;
    case OUTCOME_REJECTED:
        journal_run(journal, SQL_DUE_REJECTED,
                    VALUES(NUMBER(id), NUMBER(attempts), NUMBER(retry_at(attempts)), TEXT(returned->why)));
        break;
    case OUTCOME_UNSENT:
        break; /* it is as due as before */
    }
}

/* The others may rely on the count once the broker has it for good. */
static void end_sharing(registrar_t *registrar, const registration_t *returned) {
    if (returned->outcome == OUTCOME_CONFIRMED)
        replicas_registered(registrar->replicas, returned->reception);
    else if (returned->outcome == OUTCOME_IMPOSSIBLE)
        replicas_let_go(registrar->replicas, returned->reception);
}

/* Records the returned registrations, all in one transaction. If that fails, they stay on their way, so that they
 * are not sent again, and are recorded at the next occasion. */
static void record_returned(registrar_t *registrar) {
    shipment_t *item, *next;
    TAILQ_FOREACH(item, &registrar->under_way, next) {
        if (item->place == BACK)
            record(registrar, item->registration);
    }
    if (journal_commit(registrar->journal) != 0)
        return;
    for (item = TAILQ_FIRST(&registrar->under_way); item; item = next) {
        next = TAILQ_NEXT(item, next);
        if (item->place == BACK) {
            outcome_log(item->registration);
            outcome_say_span(registrar->settings, registrar->span_name, item->registration);
            end_sharing(registrar, item->registration);
            forget(registrar, item);
        }
    }
}

static void on_event(registrar_t *registrar, broker_event_t event, registration_t *registration) {
    if (event == BROKER_CONNECTED || event == BROKER_DISCONNECTED)
        registrar->connected = event == BROKER_CONNECTED;
    registrar->blocked = event == BROKER_BLOCKED || (registrar->blocked && event == BROKER_SETTLED);
    if (!registration)
        return;
    shipment_t *item = find_under_way(registrar, registration->reception);
    assert(item && item->place == AT_BROKER);
    item->place = BACK;
    item->registration = registration;
}

void registrar_on_broker(registrar_t *registrar) {
    broker_event_t event;
    registration_t *registration;
    while (broker_receive(registrar->broker, &event, &registration))
        on_event(registrar, event, registration);
    record_returned(registrar);
    registrar_pump(registrar);
}

bool registrar_busy(registrar_t *registrar) {
    if (!registrar->connected || registrar->blocked)
        return false;
    registrar_pump(registrar);
    return registrar->waiting || !TAILQ_EMPTY(&registrar->under_way);
}

static size_t count_at(const registrar_t *registrar, place_t place, place_t or_place) {
    const shipment_t *item;
    size_t count = 0;
    TAILQ_FOREACH(item, &registrar->under_way, next) {
        count += item->place == place || item->place == or_place;
    }
    return count;
}

size_t registrar_with_broker(const registrar_t *registrar) {
    return count_at(registrar, AT_BROKER, BACK);
}

size_t registrar_at_storage(const registrar_t *registrar) {
    return count_at(registrar, AT_REPLICAS, AT_STORAGE);
}

/* A model of the three parties, with every run explored: two objects of one series go over one association,
 * messages take any time, each party dies at most once, at any moment, and comes again; with the notifier its
 * journal may be lost. Shown is that Success implies a durable file and a series that is open, that answered
 * objects are registered, and that no object waits for ever. And each rule is needed: without it the model finds a
 * run that breaks a promise. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/faults/exploration.h"
#include "tests/support/patience.h"
#include "tests/support/process.h"

#define OBJECTS 2
#define QUEUE   10

typedef enum rule {
    RULES_ALL,
    NOT_WAITING_FOR_THE_FILE,   /* Success when the series is open */
    NOT_WAITING_FOR_THE_SERIES, /* Success when the object is written */
    NOT_COMMITTING_FIRST,       /* Opened before the commit */
    NOT_SENDING_AGAIN_TO_A_WRITER,
    NOT_SENDING_AGAIN_FOR_A_NOTIFIER,
    NOT_SENDING_AGAIN_WHAT_IS_WRITTEN_LATER,
    NOT_ASKING_WHICH_JOURNAL,
    NOT_FORGETTING_WHO_IS_GONE, /* a notifier */
    NOT_ENDING_WHAT_A_LISTENER_LEFT,
    RULES
} rule_t;

typedef struct queue {
    uint8_t count, items[QUEUE];
} queue_t;

enum { ALIVE = 0x40, OPENED = 0x80 }; /* of the notifier; the low bit: its journal */

/* Everything that there is; parties have incarnations 0 and 1. */
typedef struct state {
    uint8_t writer, notifier, journal; /* incarnations; which journal */
    uint8_t listener;                  /* 0: it lives; 1: dead; 2: another one has said that it lives */
    uint8_t journal_died;
    /* storage and journal */
    uint8_t file[OBJECTS], open, over, registered[OBJECTS], due;
    /* the listener's memory */
    uint8_t attempt[OBJECTS], written[OBJECTS], answered[OBJECTS], since[OBJECTS], with[OBJECTS];
    uint8_t known_open, known_journal, known_notifier, known_writer, ended;
    /* the writer's: attempts that are durable and not said; series told; objects gathered */
    uint8_t unsaid[OBJECTS], unwritten[OBJECTS], told, gathered[OBJECTS];
    /* the notifier's: heard of the series; to be committed; Opened is owed */
    uint8_t heard, uncommitted, owed, said_alive;
    queue_t to_writer, from_writer[2], events[2], from_notifier[2], to_notifier;
} state_t;

/* --- queues ---------------------------------------------------------------------------------------------- */

static void put(queue_t *queue, unsigned item) {
    cr_assert_lt(queue->count, QUEUE, "the model's queues are too short");
    queue->items[queue->count++] = (uint8_t)item;
}

static unsigned take(queue_t *queue) {
    unsigned item = queue->items[0];
    memmove(queue->items, queue->items + 1, QUEUE - 1);
    queue->items[QUEUE - 1] = 0;
    queue->count--;
    return item;
}

static void cut(queue_t *queue, unsigned left) {
    while (queue->count > left)
        queue->items[--queue->count] = 0;
}

static unsigned message(unsigned object, unsigned attempt) {
    return object << 4 | attempt;
}

/* --- exploring ------------------------------------------------------------------------------------------- */

typedef struct search {
    rule_t broken;
    exploration_t all;
} search_t;

static void found(search_t *s, const state_t *state) {
    exploration_found(&s->all, state);
}

/* --- the listener ---------------------------------------------------------------------------------------- */

static void send_object(state_t *t, unsigned o) {
    t->attempt[o]++;
    t->written[o] = 0;
    t->since[o] = t->known_notifier;
    t->with[o] = t->known_writer;
    if (t->known_writer == t->writer)
        put(&t->to_writer, message(o, t->attempt[o]));
}

static void answer(search_t *s, state_t *t, unsigned o) {
    t->answered[o] = 1;
    t->written[o] = t->since[o] = t->with[o] = 0; /* nobody asks any more */
    t->attempt[o] = 1;
    if (!t->file[o])
        s->all.fault = "Success without a file";
    /* The content of a lost journal is lost, if the listener has not heard of the loss. */
    if (!t->open && !t->over && !(t->journal_died && t->known_journal != t->journal))
        s->all.fault = "Success without an open series";
}

/* In the journal that the notifier is known to have: bit 0 or 1. */
static bool is_open(const search_t *s, const state_t *t) {
    return s->broken == NOT_ASKING_WHICH_JOURNAL ? t->known_open != 0 : t->known_open >> t->known_journal & 1;
}

static void answer_if_open(search_t *s, state_t *t, unsigned o) {
    bool file = t->written[o] || s->broken == NOT_WAITING_FOR_THE_FILE;
    bool open = is_open(s, t) || s->broken == NOT_WAITING_FOR_THE_SERIES;
    if (t->attempt[o] && !t->answered[o] && file && open)
        answer(s, t, o);
}

static void on_written(search_t *s, state_t *t, unsigned item) {
    unsigned o = item >> 4;
    if ((item & 15) != t->attempt[o] || t->answered[o])
        return;
    t->written[o] = 1;
    answer_if_open(s, t, o);
    if (!t->answered[o] && t->since[o] != t->known_notifier && s->broken != NOT_SENDING_AGAIN_WHAT_IS_WRITTEN_LATER)
        send_object(t, o);
}

static void on_notifier(search_t *s, state_t *t, unsigned item, unsigned incarnation) {
    if (item & OPENED) {
        t->known_open |= 1 << (item & 1);
        for (unsigned o = 0; o < OBJECTS; o++)
            answer_if_open(s, t, o);
        return;
    }
    if (t->known_notifier > incarnation + 1 && s->broken != NOT_FORGETTING_WHO_IS_GONE)
        return;
    t->known_journal = item & 1;
    for (unsigned o = 0; o < OBJECTS; o++)
        answer_if_open(s, t, o);
    if (t->known_notifier == incarnation + 1)
        return;
    t->known_notifier = (uint8_t)(incarnation + 1);
    for (unsigned o = 0; o < OBJECTS; o++)
        if (t->written[o] && !t->answered[o] && s->broken != NOT_SENDING_AGAIN_FOR_A_NOTIFIER)
            send_object(t, o);
}

static void steps_of_the_listener(search_t *s, const state_t *from) {
    state_t t;
    if (from->listener != 0)
        return;
    for (unsigned o = 0; o < OBJECTS; o++)
        if (!from->attempt[o] && (o == 0 || from->attempt[0])) { /* they are alike */
            t = *from;
            send_object(&t, o);
            found(s, &t);
        }
    for (unsigned i = 0; i < 2; i++) {
        if (from->from_writer[i].count) {
            t = *from;
            on_written(s, &t, take(&t.from_writer[i]));
            found(s, &t);
        }
        if (from->from_notifier[i].count) {
            t = *from;
            on_notifier(s, &t, take(&t.from_notifier[i]), i);
            found(s, &t);
        }
    }
    if (from->known_writer != from->writer) { /* it notices */
        t = *from;
        t.known_writer = from->writer;
        for (unsigned o = 0; o < OBJECTS; o++)
            if (t.attempt[o] && !t.answered[o] && t.with[o] != t.known_writer &&
                s->broken != NOT_SENDING_AGAIN_TO_A_WRITER)
                send_object(&t, o);
        found(s, &t);
    }
    if (from->answered[0] && from->answered[1] && !from->ended && !from->to_notifier.count) {
        t = *from;
        put(&t.to_notifier, 1);
        found(s, &t);
    }
}

/* --- the writer ------------------------------------------------------------------------------------------ */

static void steps_of_the_writer(search_t *s, const state_t *from) {
    state_t t = *from;
    bool busy = from->unsaid[0] || from->unsaid[1] || from->unwritten[0] || from->unwritten[1];
    if (from->to_writer.count && !busy) {
        unsigned item = take(&t.to_writer);
        t.file[item >> 4] = 1;
        t.unsaid[item >> 4] = t.unwritten[item >> 4] = item & 15;
        found(s, &t);
    }
    for (unsigned o = 0; o < OBJECTS; o++) {
        t = *from;
        if (from->unsaid[o]) {
            bool at_once = from->unsaid[o] > 1 || !from->told;
            t.unsaid[o] = 0;
            if (at_once)
                put(&t.events[t.writer], message(o, from->unsaid[o]));
            else
                t.gathered[o] = from->unsaid[o];
            t.told = 1;
            found(s, &t);
        } else if (from->unwritten[o]) {
            if (t.listener == 0)
                put(&t.from_writer[t.writer], message(o, from->unwritten[o]));
            t.unwritten[o] = 0;
            found(s, &t);
        }
        t = *from;
        if (from->gathered[o]) {
            put(&t.events[t.writer], message(o, from->gathered[o]));
            t.gathered[o] = 0;
            found(s, &t);
        }
    }
}

/* --- the notifier ---------------------------------------------------------------------------------------- */

static void on_stored(search_t *s, state_t *t, unsigned item) {
    if (!t->heard && !t->over) {
        t->uncommitted = 1;
        t->owed |= s->broken == NOT_COMMITTING_FIRST;
    } else if (!t->over && (item & 15) > 1) {
        t->owed = 1;
    } else if (t->over) {
        t->due = 1; /* late: registered once more */
    }
}

static void end_association(state_t *t) {
    if (t->open)
        t->due = 1;
    t->open = 0;
    t->over = 1;
    t->heard = 0;
}

static void steps_of_the_notifier(search_t *s, const state_t *from) {
    state_t t;
    for (unsigned i = 0; i < 2; i++)
        if (from->events[i].count) {
            t = *from;
            on_stored(s, &t, take(&t.events[i]));
            found(s, &t);
        }
    t = *from;
    if (from->owed) {
        t.owed = 0;
        if (t.listener == 0)
            put(&t.from_notifier[t.notifier], OPENED | t.journal);
        found(s, &t);
    } else if (from->uncommitted) {
        t.uncommitted = 0;
        t.open = t.heard = t.owed = 1;
        found(s, &t);
    }
    t = *from;
    if (!from->said_alive && from->listener == 0) {
        t.said_alive = 1;
        put(&t.from_notifier[t.notifier], ALIVE | t.journal);
        found(s, &t);
    }
    t = *from;
    if (from->to_notifier.count) {
        take(&t.to_notifier);
        end_association(&t);
        t.ended = 1;
        found(s, &t);
    }
    t = *from;
    if (from->listener == 2 && !from->over && s->broken != NOT_ENDING_WHAT_A_LISTENER_LEFT) {
        end_association(&t);
        found(s, &t);
    }
    t = *from;
    if (from->due) {
        t.due = 0;
        memcpy(t.registered, t.file, sizeof t.registered);
        found(s, &t);
    }
}

/* --- deaths ---------------------------------------------------------------------------------------------- */

/* Of what the dead one has said, any part may be lost, from some point on. */
static void kill_writer(search_t *s, const state_t *from) {
    for (unsigned said = 0; said <= from->from_writer[0].count; said++)
        for (unsigned events = 0; events <= from->events[0].count; events++) {
            state_t t = *from;
            t.writer = 1;
            cut(&t.from_writer[0], said);
            cut(&t.events[0], events);
            cut(&t.to_writer, 0);
            t.told = 0;
            for (unsigned o = 0; o < OBJECTS; o++)
                t.unsaid[o] = t.unwritten[o] = t.gathered[o] = 0;
            found(s, &t);
        }
}

static void kill_notifier(search_t *s, const state_t *from, bool with_journal) {
    for (unsigned said = 0; said <= from->from_notifier[0].count; said++)
        for (unsigned kept = 0; kept < 2; kept++) { /* what writers had queued: reaches the next one, or nobody */
            state_t t = *from;
            t.notifier = 1;
            cut(&t.from_notifier[0], said);
            for (unsigned i = 0; i < 2 && !kept; i++)
                cut(&t.events[i], 0);
            cut(&t.to_notifier, 0);
            t.heard = t.uncommitted = t.owed = 0;
            if (with_journal) {
                t.journal = 1;
                t.journal_died = 1;
                t.open = t.due = t.over = t.ended = 0;
            }
            t.said_alive = 0;
            found(s, &t);
        }
}

static void deaths(search_t *s, const state_t *from) {
    state_t t = *from;
    if (from->writer == 0)
        kill_writer(s, from);
    if (from->notifier == 0) {
        kill_notifier(s, from, false);
        kill_notifier(s, from, true);
    }
    if (from->listener == 0) {
        t.listener = 1;
        memset(t.attempt, 0, sizeof t.attempt);
        memset(t.written, 0, sizeof t.written);
        memset(t.since, 0, sizeof t.since);
        memset(t.with, 0, sizeof t.with);
        t.known_open = t.known_journal = t.known_notifier = t.known_writer = t.ended = t.said_alive = 0;
        cut(&t.to_writer, 0);
        cut(&t.to_notifier, 0);
        for (unsigned i = 0; i < 2; i++) {
            cut(&t.from_writer[i], 0);
            cut(&t.from_notifier[i], 0);
        }
        found(s, &t);
    }
}

/* --- the promises ---------------------------------------------------------------------------------------- */

/* Nothing more will happen unless somebody dies. */
static void look_at_the_end(search_t *s, const state_t *t) {
    for (unsigned o = 0; o < OBJECTS; o++) {
        if (t->listener == 0 && !t->answered[o])
            s->all.fault = "an object waits for ever";
        if (t->answered[o] && !t->registered[o] && !t->journal_died)
            s->all.fault = "an object is answered with Success and never registered";
    }
}

static void look(void *self, const void *state) {
    search_t *s = self;
    state_t from = *(const state_t *)state, t = from;
    size_t before = s->all.steps;
    steps_of_the_listener(s, &from);
    steps_of_the_writer(s, &from);
    steps_of_the_notifier(s, &from);
    if (from.listener == 1) {
        t.listener = 2;
        found(s, &t);
    }
    if (s->all.steps == before && !s->all.fault)
        look_at_the_end(s, &from);
    deaths(s, &from);
}

/* The fault of a run that breaks the rule; NULL: no run is wrong. */
static const char *fault_without(int broken, size_t *states) {
    static const state_t first = {.known_journal = 2};
    search_t s = {.broken = (rule_t)broken, .all = {.state_size = sizeof first}};
    exploration_run(&s.all, &first, look, &s);
    *states = s.all.count;
    exploration_clear(&s.all);
    return s.all.fault;
}

Test(custody_model, keeps_its_promises_in_every_run, .timeout = PATIENCE_S) {
    exploration_expect_no_fault("custody model", fault_without);
}

Test(custody_model, breaks_a_promise_without_any_of_its_rules, .timeout = PATIENCE_S) {
    exploration_expect_faults("custody model", fault_without, RULES);
}

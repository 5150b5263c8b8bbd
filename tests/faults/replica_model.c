/* A model of two replicas on one storage, explored in every run: both receive the same series into one
 * folder, over two associations each, and each notifier dies at most once, at any moment. It comes again, or its
 * journal is adopted by the other replica, or is lost with it; the lock of a dead one may last for some time. Shown
 * is that every acknowledged file is in the last registration, that nothing is left waiting, and that a series is
 * registered twice only where a notifier died, or where the series came again after its registration had begun. And
 * each rule is needed: without it the model finds a run that breaks a promise. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/faults/exploration.h"
#include "tests/support/patience.h"

#define RINGS 2
/* Of the first ring; of the second it is one. Each has one file. */
#define ASSOCIATIONS 2

typedef enum rule {
    RULES_ALL,
    NOT_LOCKING_BEFORE_OPENED,
    NOT_HOLDING_UNTIL_CONFIRMED,
    NOT_NOTING_BEFORE_LETTING_GO,
    NOT_LETTING_GO_OF_WHAT_IS_LEFT,
    NOT_LOOKING_AGAIN,
    NOT_LOOKING_FOR_NOTES_BEFORE_COUNTING,
    NOT_LOOKING_FOR_THE_MARK_UNDER_THE_LOCK,
    NOT_CONFIRMING_BEFORE_MARKING,
    NOT_MAKING_A_NEW_NOTE_EACH_TIME,
    NOT_LOCKING_FOR_EACH_RECEPTION, /* what an older one holds will do */
    RULES
} rule_t;

/* What becomes of a notifier: it lives, or is dead; the latter three for good. */
enum { LIVES, DEAD, GONE, ADOPTED, LOST };
/* A row that is no longer receiving. */
enum { NONE, DUE, LEFT };
/* What a registration is at. */
enum { IDLE, NOTE, LET_GO, TRY, LEAVE, LOOK, COUNT, SEND, CONFIRM, MARK, RELEASE };
/* A note, as the others see it. */
enum { ABSENT, THERE, MARKED };

typedef struct ring {
    uint8_t life, died;
    /* the listener's and storage's: bits of associations; a file each */
    uint8_t stored, opened, acked;
    /* the journal's */
    uint8_t receiving, sending, ended, due, newer;
    /* the notifier's memory; `locked`: the reception that is open has had the lock taken for itself */
    uint8_t locked, at, has_note, seen, counted;
} ring_t;

typedef struct state {
    ring_t ring[RINGS];
    uint8_t shared, stale; /* locks: of rings; of dead ones */
    uint8_t note[RINGS];
    uint8_t registered, last; /* how often, and the files of the last */
    uint8_t again;            /* something came after a registration had begun */
} state_t;

typedef struct search {
    rule_t broken; /* one death is enough to find a run that breaks a promise then */
    exploration_t all;
} search_t;

static void found(search_t *s, const state_t *state) {
    exploration_found(&s->all, state);
}

static uint8_t files(const state_t *t) {
    return (uint8_t)(t->ring[0].stored | t->ring[1].stored << ASSOCIATIONS);
}

static bool others_hold(const state_t *t, int r) {
    return (t->shared & ~(1 << r)) || t->stale;
}

static void let_go(state_t *t, int r) {
    t->shared &= (uint8_t) ~(1 << r);
}

/* --- receiving ------------------------------------------------------------------------------------------- */

static void acknowledge(state_t *t, int r, int a) {
    t->ring[r].acked |= 1 << a;
    t->again |= t->registered > 0;
    for (int i = 0; i < RINGS; i++)
        t->again |= t->ring[i].at >= LOOK;
}

static void steps_of_the_others(search_t *s, const state_t *from, int r) {
    const ring_t *ring = &from->ring[r];
    for (int a = 0; a < ASSOCIATIONS - r; a++) {
        state_t t = *from;
        if (!(ring->stored >> a & 1) && (a == 0 || ring->stored)) {
            t.ring[r].stored |= 1 << a;
            found(s, &t);
        } else if (ring->opened >> a & 1 && !(ring->acked >> a & 1)) {
            acknowledge(&t, r, a);
            found(s, &t);
        }
    }
}

static void receive(search_t *s, const state_t *from, int r) {
    const ring_t *ring = &from->ring[r];
    bool locked = ring->locked || s->broken == NOT_LOCKING_BEFORE_OPENED ||
                  (s->broken == NOT_LOCKING_FOR_EACH_RECEPTION && from->shared >> r & 1);
    bool busy = ring->at >= NOTE && ring->at <= TRY; /* one thread does this as one step */
    for (int a = 0; a < ASSOCIATIONS - r; a++) {
        state_t t = *from;
        ring_t *to = &t.ring[r];
        bool sends = ring->sending >> a & 1;
        if (ring->stored >> a & 1 && !sends && !(ring->ended >> a & 1)) {
            to->sending |= 1 << a;
            to->receiving = 1;
        } else if (sends && locked && !(ring->opened >> a & 1)) {
            to->opened |= 1 << a;
        } else if (sends && ring->acked >> a & 1) {
            to->sending &= ~(1 << a);
            to->ended |= 1 << a;
        } else {
            continue;
        }
        found(s, &t);
    }
    state_t t = *from;
    if (ring->receiving && !ring->locked && !busy) {
        t.shared |= 1 << r;
        t.ring[r].locked = 1;
        found(s, &t);
    }
    t = *from;
    if (ring->receiving && !ring->sending && locked) {
        t.ring[r].receiving = t.ring[r].locked = 0;
        *(ring->due == NONE ? &t.ring[r].due : &t.ring[r].newer) = DUE;
        found(s, &t);
    }
}

/* --- registering ----------------------------------------------------------------------------------------- */

/* Of a row that is due and not under way: the first question is whether others hold the lock. */
static void begin(search_t *s, const state_t *from, int r) {
    state_t t = *from;
    ring_t *ring = &t.ring[r];
    if (ring->receiving || (ring->due == NONE && !ring->newer))
        return;
    if (ring->newer) { /* they become one */
        ring->due = DUE;
        ring->newer = ring->has_note = 0;
    } else if (ring->due == DUE) {
        t.shared |= 1 << r;
        ring->at = others_hold(&t, r) ? NOTE : LOOK;
        if (s->broken == NOT_HOLDING_UNTIL_CONFIRMED && ring->at == LOOK)
            let_go(&t, r);
        if (s->broken == NOT_NOTING_BEFORE_LETTING_GO && ring->at == NOTE)
            ring->at = LET_GO;
    } else {
        if (others_hold(&t, r) || s->broken == NOT_LOOKING_AGAIN)
            return;
        ring->has_note = 1;
        ring->at = TRY;
    }
    found(s, &t);
}

static void make_note(search_t *s, state_t *t, int r) {
    t->note[r] = THERE;
    t->ring[r].has_note = 1;
    for (int i = 0; i < RINGS && s->broken != NOT_MAKING_A_NEW_NOTE_EACH_TIME; i++)
        t->ring[i].seen &= (uint8_t) ~(1 << r);
}

static void look_for_notes(search_t *s, state_t *t, int r) {
    ring_t *ring = &t->ring[r];
    if (ring->has_note && t->note[r] == MARKED && s->broken != NOT_LOOKING_FOR_THE_MARK_UNDER_THE_LOCK) {
        ring->due = NONE; /* another has registered it */
        ring->at = RELEASE;
        return;
    }
    ring->seen = 0;
    for (int i = 0; i < RINGS; i++)
        ring->seen |= (uint8_t)((t->note[i] == THERE) << i);
    ring->at = COUNT;
}

static void mark(state_t *t, int r) {
    for (int i = 0; i < RINGS; i++)
        if (t->ring[r].seen >> i & 1 && t->note[i] == THERE)
            t->note[i] = MARKED;
    t->ring[r].seen = 0;
}

static void go_on(search_t *s, const state_t *from, int r) {
    state_t t = *from;
    ring_t *ring = &t.ring[r];
    switch (ring->at) {
    case IDLE:
        begin(s, from, r);
        return;
    case NOTE:
        make_note(s, &t, r);
        ring->at = LET_GO;
        break;
    case LET_GO:
        if (s->broken != NOT_LETTING_GO_OF_WHAT_IS_LEFT)
            let_go(&t, r);
        if (s->broken == NOT_NOTING_BEFORE_LETTING_GO && !ring->has_note) {
            found(s, &t);
            make_note(s, &t, r);
        }
        ring->at = TRY;
        break;
    case TRY:
        if (!others_hold(&t, r)) {
            t.shared |= 1 << r;
            ring->at = LOOK;
        } else {
            ring->at = LEAVE;
        }
        break;
    case LEAVE:
        ring->due = LEFT;
        ring->at = IDLE;
        break;
    case LOOK:
        look_for_notes(s, &t, r);
        if (s->broken == NOT_LOOKING_FOR_NOTES_BEFORE_COUNTING)
            ring->counted = files(&t);
        break;
    case COUNT:
        if (s->broken == NOT_LOOKING_FOR_NOTES_BEFORE_COUNTING)
            look_for_notes(s, &t, r);
        else
            ring->counted = files(&t);
        if (ring->receiving || ring->newer)
            ring->at = ring->seen = ring->counted = 0; /* it will be one with that */
        else
            ring->at = SEND;
        break;
    case SEND:
        if (s->broken == NOT_CONFIRMING_BEFORE_MARKING && ring->seen) {
            mark(&t, r);
            break;
        }
        t.last = ring->counted;
        t.registered += t.registered < 3;
        ring->at = CONFIRM;
        break;
    case CONFIRM:
        ring->due = NONE;
        ring->counted = 0;
        ring->at = MARK;
        break;
    case MARK:
        mark(&t, r);
        ring->at = RELEASE;
        break;
    default:
        if (!ring->receiving && ring->due == NONE && !ring->newer)
            let_go(&t, r);
        ring->at = ring->has_note = ring->seen = 0;
    }
    found(s, &t);
}

/* --- deaths ---------------------------------------------------------------------------------------------- */

static void kill_notifier(search_t *s, const state_t *from, int r) {
    state_t t = *from;
    ring_t *ring = &t.ring[r];
    if (ring->died || (s->broken && from->ring[!r].died))
        return;
    ring->died = 1;
    ring->at = ring->seen = ring->counted = ring->has_note = ring->locked = 0;
    t.stale = (uint8_t)(t.shared & 1 << r);
    let_go(&t, r);
    if (ring->due != LEFT)
        t.note[r] = ABSENT; /* nobody asks for it any more */
    for (int life = DEAD; life <= LOST; life++)
        if (life != ADOPTED) {
            ring->life = (uint8_t)life;
            found(s, &t);
        }
}

static void after_death(search_t *s, const state_t *from, int r) {
    state_t t = *from;
    ring_t *ring = &t.ring[r], *other = &t.ring[!r];
    if (ring->life == DEAD) {
        ring->life = LIVES;
        found(s, &t);
    } else if (ring->life == GONE && other->life == LIVES) {
        ring->life = ADOPTED;
        if (ring->receiving || ring->due || ring->newer)
            *(other->due == NONE ? &other->due : &other->newer) = DUE;
        ring->receiving = ring->sending = ring->due = ring->newer = 0;
        found(s, &t);
    }
}

/* --- the promises ---------------------------------------------------------------------------------------- */

/* Nothing more will happen unless somebody dies. */
static void look_at_the_end(search_t *s, const state_t *t) {
    uint8_t owed = 0;
    bool died = t->ring[0].died || t->ring[1].died;
    if (t->ring[0].life != LIVES && t->ring[1].life != LIVES)
        return; /* nobody is left who could promise anything */
    for (int r = 0; r < RINGS; r++) {
        const ring_t *ring = &t->ring[r];
        if (ring->life == LIVES && (ring->receiving || ring->due || ring->newer || t->shared))
            s->all.fault = "something waits for ever";
        if (ring->life == LIVES || ring->life == ADOPTED)
            owed |= (uint8_t)(ring->acked << r * ASSOCIATIONS);
    }
    if (owed & ~t->last)
        s->all.fault = "the last registration lacks an acknowledged file";
    if (t->registered > 1 && !died && !t->again)
        s->all.fault = "registered twice, and nobody died";
}

static void look(void *self, const void *state) {
    search_t *s = self;
    const state_t *from = state;
    size_t before = s->all.steps;
    for (int r = 0; r < RINGS; r++) {
        if (from->ring[r].life <= DEAD)
            steps_of_the_others(s, from, r);
        if (from->ring[r].life == LIVES) {
            receive(s, from, r);
            go_on(s, from, r);
        }
        after_death(s, from, r);
    }
    if (from->stale) {
        state_t t = *from;
        t.stale = 0;
        found(s, &t);
    }
    if (s->all.steps == before && !s->all.fault)
        look_at_the_end(s, from);
    for (int r = 0; r < RINGS; r++)
        kill_notifier(s, from, r);
}

static const char *fault_without(int broken, size_t *states) {
    static const state_t first;
    search_t s = {.broken = (rule_t)broken, .all = {.state_size = sizeof first}};
    exploration_run(&s.all, &first, look, &s);
    *states = s.all.count;
    exploration_clear(&s.all);
    return s.all.fault;
}

Test(replica_model, keeps_its_promises_in_every_run, .timeout = PATIENCE_S) {
    exploration_expect_no_fault("replica model", fault_without);
}

Test(replica_model, breaks_a_promise_without_any_of_its_rules, .timeout = PATIENCE_S) {
    exploration_expect_faults("replica model", fault_without, RULES);
}

#include "listener/ul/crowd.h"

#include "listener/ul/deadlines.h"
#include "listener/ul/establishment.h"

/* --- before they are served ------------------------------------------------------------------------------ */

static size_t held_by(const association_t *a) {
    if (a->state == STA3_AWAITING_LOCAL_RESPONSE)
        return a->rq_size;
    if (a->state != STA2_AWAITING_ASSOCIATE_RQ)
        return 0;
    return a->stream.body_capacity + (connection_is_shaking_hands(&a->connection) ? CROWD_HANDSHAKE_BYTES : 0);
}

static void recount(association_t *a) {
    a->site->crowd_bytes -= a->crowd_bytes;
    a->crowd_bytes = held_by(a);
    a->site->crowd_bytes += a->crowd_bytes;
}

static void crowd_out(association_t *a) {
    uint64_t left_out;
    if (association_seldom(a, "crowded out", &left_out))
        log_warn(&a->context, "%s sent no whole A-ASSOCIATE-RQ, and others wait: closed%s", a->peer,
                 log_more(left_out));
    association_close(a, OUTCOME_TIMED_OUT, "no A-ASSOCIATE-RQ, and others wait");
    pdu_stream_clear(&a->stream); /* many go in one turn, and are freed at its end only */
}

void crowd_make_room(site_t *site, int64_t now_ms) {
    association_t *eldest;
    for (int i = 0; i < CROWD_LEAVE_AT_ONCE && (eldest = TAILQ_FIRST(&site->roster.attended[ATTENTION_REQUEST])) &&
                    now_ms - eldest->since_ms >= CROWD_REQUEST_MS;
         i++)
        crowd_out(eldest);
}

void crowd_count(association_t *a) {
    site_t *site = a->site;
    association_t *other, *following;
    recount(a);
    for (other = TAILQ_FIRST(&site->roster.attended[ATTENTION_REQUEST]);
         other && site->crowd_bytes > CROWD_MAX_BYTES; other = following) {
        following = TAILQ_NEXT(other, attended);
        if (other->crowd_bytes == 0)
            continue;
        crowd_out(other);
    }
    if (site->crowd_bytes > CROWD_MAX_BYTES && a->state == STA3_AWAITING_LOCAL_RESPONSE) {
        establishment_reject_for_now(a, "too many wait for a place");
    }
}

/* --- places ----------------------------------------------------------------------------------------------- */

/* The limit of one address while others want places. */
static size_t fair_share(int64_t most) {
    return most > 1 ? (size_t)most / 2 : 1;
}

static size_t places_of(const association_t *a) {
    return peers_served(&a->site->peers, &a->address);
}

association_t *crowd_next(const site_t *site, int64_t most) {
    association_t *a;
    TAILQ_FOREACH(a, &site->roster.attended[ATTENTION_PLACE], attended)
    if (places_of(a) < fair_share(most))
        return a;
    return TAILQ_FIRST(&site->roster.attended[ATTENTION_PLACE]);
}

/* How willingly its place is taken for `waiting`; 0: not at all. */
static int64_t worth_taking(const association_t *a, const association_t *waiting, size_t fair, int64_t now_ms) {
    if (a->only_verification || a->state != STA6_DATA_TRANSFER)
        return 0;
    bool has_much = places_of(a) > fair, wants_little = places_of(waiting) < fair;
    int64_t quiet_ms = deadlines_quiet_ms(a, now_ms), stalled_ms = deadlines_stalled_ms(a, now_ms);
    if (stalled_ms > quiet_ms)
        quiet_ms = stalled_ms;
    if (wants_little && has_much) /* the idle ones first, then the ones that lose least */
        return ((int64_t)1 << 60) + (quiet_ms > 0 ? (int64_t)1 << 50 : 0) + quiet_ms -
               (now_ms - a->begun_ms) / 1000;
    return quiet_ms >= CROWD_IDLE_MS ? quiet_ms : 0;
}

static association_t *find_victim(const site_t *site, const association_t *waiting, size_t fair, int64_t now_ms) {
    association_t *a, *victim = NULL;
    int64_t most = 0;
    TAILQ_FOREACH(a, &site->roster.all, next) {
        int64_t worth = worth_taking(a, waiting, fair, now_ms);
        if (worth > most) {
            most = worth;
            victim = a;
        }
    }
    return victim;
}

void crowd_take_places(site_t *site, int64_t most, int64_t now_ms) {
    size_t free_places = site->roster.served_count < (size_t)most ? (size_t)most - site->roster.served_count : 0;
    association_t *waiting;
    TAILQ_FOREACH(waiting, &site->roster.attended[ATTENTION_PLACE], attended) {
        if (free_places > 0) {
            free_places--;
            continue;
        }
        association_t *victim = find_victim(site, waiting, fair_share(most), now_ms);
        if (victim)
            association_abort(victim, ABORT_NOT_SPECIFIED, "others wait for its place");
    }
}

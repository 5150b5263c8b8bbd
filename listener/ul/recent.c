#include "listener/ul/recent.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"

/* A repeated refusal of the same association counts up, so that one failing peer does not push all others out. */
static refused_t *place_for(recent_t *recent, const association_t *a, const char *what, const char *why) {
    refused_t *newest = (refused_t *)(uintptr_t)recent_nth(recent, 0);
    if (newest && newest->association == a->context.association && strcmp(newest->what, what) == 0 &&
        strncmp(newest->why, why, sizeof newest->why - 1) == 0)
        return newest;
    refused_t *place = &recent->items[recent->next];
    recent->next = (recent->next + 1) % REFUSALS_KEPT;
    recent->count += recent->count < REFUSALS_KEPT;
    *place = (refused_t){.association = a->context.association};
    return place;
}

void recent_add(recent_t *recent, const association_t *a, const char *what, const char *why, const char *uid) {
    refused_t *r = place_for(recent, a, what, why);
    r->at = clock_wall_ms();
    r->times++;
    snprintf(r->calling_ae, sizeof r->calling_ae, "%s", a->calling_ae ? a->calling_ae : "");
    snprintf(r->peer, sizeof r->peer, "%s", a->peer);
    snprintf(r->what, sizeof r->what, "%s", what);
    snprintf(r->why, sizeof r->why, "%s", why);
    snprintf(r->sop_instance_uid, sizeof r->sop_instance_uid, "%s", uid ? uid : "");
}

const refused_t *recent_nth(const recent_t *recent, size_t n) {
    return n < recent->count ? &recent->items[(recent->next + REFUSALS_KEPT - 1 - n) % REFUSALS_KEPT] : NULL;
}

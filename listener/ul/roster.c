#include "listener/ul/roster.h"

void roster_start(roster_t *roster) {
    TAILQ_INIT(&roster->all);
    for (size_t i = 0; i < ATTENTIONS; i++)
        TAILQ_INIT(&roster->attended[i]);
}

bool roster_has_place(const roster_t *roster, const association_t *association, int64_t most) {
    return association->only_verification || roster->served_count < (size_t)most;
}

void roster_attend(roster_t *roster, association_t *a, attention_t attention) {
    if (a->attention == attention)
        return;
    if (a->attention != ATTENTION_NONE)
        TAILQ_REMOVE(&roster->attended[a->attention], a, attended);
    a->attention = attention;
    if (attention != ATTENTION_NONE)
        TAILQ_INSERT_TAIL(&roster->attended[attention], a, attended);
}

size_t roster_count(const roster_t *roster, attention_t attention) {
    size_t count = 0;
    const association_t *a;
    TAILQ_FOREACH(a, &roster->attended[attention], attended)
    count++;
    return count;
}

#include "writer/homes.h"

#include "common/hash.h"
#include "common/memory.h"

typedef struct entry {
    uint64_t listener, association, hash;
    home_t *home; /* NULL: free */
} entry_t;

struct homes {
    entry_t entries[HOMES_MAX];
    size_t next, last; /* to be replaced; found */
};

homes_t *homes_new(void) {
    return must(calloc(1, sizeof(homes_t)));
}

void homes_destroy(homes_t **self_p) {
    homes_t *self = *self_p;
    *self_p = NULL;
    for (size_t i = 0; self && i < HOMES_MAX; i++)
        home_release(&self->entries[i].home);
    free(self);
}

static bool is_it(const entry_t *entry, const homes_wish_t *wish, uint64_t hash) {
    return entry->hash == hash && entry->home && entry->association == wish->association &&
           entry->listener == wish->listener && home_is_of(entry->home, wish->pacs_name, wish->series_uid);
}

home_t *homes_of(homes_t *self, const homes_wish_t *wish) {
    uint64_t hash = hash_end(hash_text(hash_text(HASH_BEGIN, wish->pacs_name), wish->series_uid));
    /* Most often it is the last one's. */
    for (size_t i = 0; i < HOMES_MAX; i++) {
        size_t at = (self->last + i) % HOMES_MAX;
        if (!is_it(&self->entries[at], wish, hash))
            continue;
        self->last = at;
        return home_share(self->entries[at].home);
    }
    entry_t *entry = &self->entries[self->next];
    home_release(&entry->home);
    *entry = (entry_t){wish->listener, wish->association, hash, home_new(wish->pacs_name, wish->series_uid)};
    self->last = self->next;
    self->next = (self->next + 1) % HOMES_MAX;
    return home_share(entry->home);
}

#include "writer/storage/base.h"

#include <sys/file.h>

#include "common/memory.h"
#include "writer/storage/temporary.h"

/* Series folders that this writer knows to be durable. */
#define DURABLE_FOLDERS_MAX 256

void bases_init(bases_t *self, const char *files_root, const char *id, uint64_t incarnation) {
    *self = (bases_t){.id = copy_text(id), .incarnation = incarnation};
    root_init(&self->root, files_root);
    pthread_mutex_init(&self->lock, NULL);
    pthread_mutex_init(&self->opening, NULL);
}

static void base_close(base_t *base) {
    close(base->temporary);
    close(base->root);
    zhashx_destroy(&base->durable);
    zhashx_destroy(&base->owners);
    free(base);
}

void bases_clear(bases_t *self) {
    base_t *base = self->now;
    if (base) {
        temporary_close(base->root, base->temporary, self->id, self->incarnation);
        base->temporary = -1;
        base_close(base);
    }
    pthread_mutex_destroy(&self->opening);
    pthread_mutex_destroy(&self->lock);
    root_clear(&self->root);
    free(self->id);
}

/* --- borrowing ---------------------------------------------------------------------------------------- */

base_t *bases_borrow(bases_t *self) {
    pthread_mutex_lock(&self->lock);
    base_t *base = self->now;
    if (base)
        base->users++;
    pthread_mutex_unlock(&self->lock);
    return base;
}

void bases_give_back(bases_t *self, base_t **base_p) {
    base_t *base = *base_p;
    *base_p = NULL;
    if (!base)
        return;
    pthread_mutex_lock(&self->lock);
    bool is_last = --base->users == 0 && base != self->now;
    pthread_mutex_unlock(&self->lock);
    if (is_last)
        base_close(base);
}

bool bases_is_now(bases_t *self, const base_t *base) {
    pthread_mutex_lock(&self->lock);
    bool is_now = base == self->now;
    pthread_mutex_unlock(&self->lock);
    return is_now;
}

/* --- opening ------------------------------------------------------------------------------------------ */

static void *owner_copy(const void *item) {
    return copy_text(item);
}

static void owner_free(void **item_p) {
    free(*item_p);
    *item_p = NULL;
}

static int base_open(bases_t *self, base_t **base_p) {
    root_place_t place;
    int root, reason = root_open(&self->root, &root, &place);
    if (reason != 0)
        return reason;
    int temporary = temporary_open(root, self->id, self->incarnation);
    bool is_nfs = temporary >= 0 && root_is_nfs(temporary);
    if (temporary < 0 || (is_nfs && temporary_spread(temporary) != 0)) {
        reason = errno;
        if (temporary >= 0)
            close(temporary);
        close(root);
        return reason;
    }
    base_t *base = must(calloc(1, sizeof *base));
    *base = (base_t){root, temporary, place, is_nfs, zhashx_new(), zhashx_new(), 0};
    zhashx_set_duplicator(base->owners, owner_copy);
    zhashx_set_destructor(base->owners, owner_free);
    *base_p = base;
    return 0;
}

/* Nobody borrows it any more. Its lock goes at once, also while others still use it: the next open may be of the
 * same folder, and would wait for the lock. */
static void retire(bases_t *self) {
    pthread_mutex_lock(&self->lock);
    base_t *old = self->now;
    self->now = NULL;
    if (old)
        old->users++;
    pthread_mutex_unlock(&self->lock);
    if (old)
        flock(old->temporary, LOCK_UN);
    bases_give_back(self, &old);
}

int bases_reopen(bases_t *self, base_t **base_p) {
    base_t *opened = NULL;
    int reason = 0;
    pthread_mutex_lock(&self->opening);
    if (bases_is_now(self, *base_p)) {
        bases_give_back(self, base_p);
        retire(self);
        reason = base_open(self, &opened);
        if (reason == 0) {
            pthread_mutex_lock(&self->lock);
            self->now = opened;
            pthread_mutex_unlock(&self->lock);
        }
    }
    pthread_mutex_unlock(&self->opening);
    bases_give_back(self, base_p);
    if (reason == 0)
        *base_p = bases_borrow(self);
    return reason == 0 && !*base_p ? ENOENT : reason;
}

/* --- durable folders ---------------------------------------------------------------------------------- */

bool bases_is_durable(bases_t *self, const base_t *base, const char *folder) {
    pthread_mutex_lock(&self->lock);
    bool is_durable = zhashx_lookup(base->durable, folder) != NULL;
    pthread_mutex_unlock(&self->lock);
    return is_durable;
}

void bases_made_durable(bases_t *self, base_t *base, const char *folder) {
    pthread_mutex_lock(&self->lock);
    if (zhashx_size(base->durable) >= DURABLE_FOLDERS_MAX)
        zhashx_purge(base->durable);
    zhashx_insert(base->durable, folder, self);
    pthread_mutex_unlock(&self->lock);
}

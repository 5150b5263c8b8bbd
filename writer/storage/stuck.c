#include "writer/storage/stuck.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "writer/storage/calls.h"
#include "writer/storage/leftovers.h"

void stuck_init(stuck_t *self) {
    *self = (stuck_t){.lock = PTHREAD_MUTEX_INITIALIZER, .names = zlist_new()};
    zlist_autofree(self->names);
}

void stuck_clear(stuck_t *self) {
    pthread_mutex_destroy(&self->lock);
    zlist_destroy(&self->names);
}

static void remember(stuck_t *self, const char *name) {
    pthread_mutex_lock(&self->lock);
    if (zlist_size(self->names) < LEFTOVERS_AT_ONCE)
        zlist_append(self->names, (void *)(uintptr_t)name);
    pthread_mutex_unlock(&self->lock);
}

/* Returns 0 or an errno value. */
static int remove_or_remember(stuck_t *self, int temporary, const char *name) {
    if (store_calls.unlinkat(temporary, name, 0) == 0 || errno == ENOENT)
        return 0;
    int reason = errno;
    remember(self, name);
    return reason;
}

void stuck_remove(stuck_t *self, int temporary, const char *name) {
    uint64_t left_out;
    int reason = remove_or_remember(self, temporary, name);
    if (reason == 0)
        return;
    pthread_mutex_lock(&self->lock);
    if (log_rarely(&self->said, &left_out))
        log_error(NULL, "can't remove the temporary file %s: %s", name, strerror(reason));
    pthread_mutex_unlock(&self->lock);
}

void stuck_remove_quietly(stuck_t *self, int temporary, const char *name) {
    (void)remove_or_remember(self, temporary, name);
}

static size_t count(stuck_t *self) {
    pthread_mutex_lock(&self->lock);
    size_t names = zlist_size(self->names);
    pthread_mutex_unlock(&self->lock);
    return names;
}

/* NULL: another thread has taken the last one. */
static char *take(stuck_t *self) {
    pthread_mutex_lock(&self->lock);
    char *name = zlist_pop(self->names);
    pthread_mutex_unlock(&self->lock);
    return name;
}

void stuck_retry(stuck_t *self, int temporary) {
    for (size_t left = count(self); left > 0; left--) {
        char *name = take(self);
        if (name)
            stuck_remove(self, temporary, name);
        freen(name);
    }
}

#include "writer/storage/naming.h"

#include <string.h>

#include "common/memory.h"

void naming_init(naming_t *self) {
    *self = (naming_t){.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER, .paths = zlist_new()};
}

void naming_clear(naming_t *self) {
    pthread_mutex_destroy(&self->lock);
    pthread_cond_destroy(&self->ended);
    zlist_destroy(&self->paths);
}

static bool is_under_way(const naming_t *self, const char *path) {
    for (const char *other = zlist_first(self->paths); other; other = zlist_next(self->paths))
        if (strcmp(other, path) == 0)
            return true;
    return false;
}

char *naming_begin(naming_t *self, const char *folder, const char *name) {
    char *path = format_text("%s/%s", folder, name);
    pthread_mutex_lock(&self->lock);
    while (is_under_way(self, path))
        pthread_cond_wait(&self->ended, &self->lock);
    zlist_append(self->paths, path);
    pthread_mutex_unlock(&self->lock);
    return path;
}

void naming_end(naming_t *self, char *path) {
    pthread_mutex_lock(&self->lock);
    zlist_remove(self->paths, path);
    pthread_cond_broadcast(&self->ended);
    pthread_mutex_unlock(&self->lock);
    free(path);
}

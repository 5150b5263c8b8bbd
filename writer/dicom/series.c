#include "writer/dicom/series.h"

#include "common/memory.h"
#include "common/message.h"

typedef struct shared {
    Ring__Series series; /* first: protobuf-c frees it by this address */
    size_t holders;
} shared_t;

static shared_t *shared_of(Ring__Series *series) {
    return (shared_t *)series;
}

Ring__Series *series_new(void) {
    shared_t *self = must(malloc(sizeof *self));
    ring__series__init(&self->series);
    self->holders = 1;
    return &self->series;
}

Ring__Series *series_share(Ring__Series *series) {
    shared_of(series)->holders++;
    return series;
}

void series_release(Ring__Series **series_p) {
    Ring__Series *series = *series_p;
    *series_p = NULL;
    if (series && --shared_of(series)->holders == 0)
        ring__series__free_unpacked(series, NULL);
}

/* Takes the texts of a copy that protobuf-c made. */
static Ring__Series *copy(const Ring__Series *series) {
    Ring__Series *own = series_new(), *texts = message_copy(&series->base);
    *own = *texts;
    free(texts);
    return own;
}

void series_move(Ring__Series **series_p, const char *folder) {
    if (shared_of(*series_p)->holders > 1) {
        Ring__Series *own = copy(*series_p);
        series_release(series_p);
        *series_p = own;
    }
    char *moved = copy_text(folder);
    free((*series_p)->folder);
    (*series_p)->folder = moved;
}

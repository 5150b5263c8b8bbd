#include "notifier/http/viewers.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "common/memory.h"

/* One view as it goes over the wire, shared by those who are being sent it. */
typedef struct view_text {
    unsigned holders;
    size_t size;
    char bytes[];
} view_text_t;

typedef struct viewer {
    viewers_t *viewers;
    struct MHD_Connection *connection; /* NULL: the place is free */
    view_text_t *sending;              /* NULL: it has all that there is */
    uint64_t begin;                    /* of `sending`, in the stream */
    uint64_t number;                   /* of the view that it got last */
    bool suspended;                    /* until there is another view */
} viewer_t;

struct viewers {
    pthread_mutex_t lock; /* of all that follows */
    viewer_t viewers[VIEWERS_MAX];
    size_t viewers_count;
    view_text_t *latest;
    uint64_t number; /* of the latest view; 0: there is none */
    bool ended;
};

viewers_t *viewers_new(void) {
    viewers_t *viewers = must(calloc(1, sizeof *viewers));
    pthread_mutex_init(&viewers->lock, NULL);
    return viewers;
}

/* Under the lock. */
static void drop(view_text_t **text_p) {
    if (*text_p && --(*text_p)->holders == 0)
        free(*text_p);
    *text_p = NULL;
}

void viewers_destroy(viewers_t **self_p) {
    viewers_t *viewers = *self_p;
    if (!viewers)
        return;
    drop(&viewers->latest);
    pthread_mutex_destroy(&viewers->lock);
    free(viewers);
    *self_p = NULL;
}

/* --- in the thread that answers HTTP ------------------------------------------------------------------- */

/* Under the lock. Returns whether there is anything to send. */
static bool take_latest(viewer_t *viewer, uint64_t position) {
    viewers_t *viewers = viewer->viewers;
    if (viewer->sending && position - viewer->begin < viewer->sending->size)
        return true;
    drop(&viewer->sending);
    if (!viewers->latest || viewer->number == viewers->number)
        return false;
    viewer->sending = viewers->latest;
    viewer->sending->holders++;
    viewer->begin = position;
    viewer->number = viewers->number;
    return true;
}

/* For libmicrohttpd: the stream's bytes from `position` on. */
static ssize_t read_stream(void *argument, uint64_t position, char *room, size_t most) {
    viewer_t *viewer = argument;
    viewers_t *viewers = viewer->viewers;
    ssize_t size = 0;
    pthread_mutex_lock(&viewers->lock);
    if (viewers->ended) {
        size = MHD_CONTENT_READER_END_OF_STREAM;
    } else if (take_latest(viewer, position)) {
        size_t at = (size_t)(position - viewer->begin), left = viewer->sending->size - at;
        size = (ssize_t)(left < most ? left : most);
        memcpy(room, viewer->sending->bytes + at, (size_t)size);
    } else {
        MHD_suspend_connection(viewer->connection);
        viewer->suspended = true;
    }
    pthread_mutex_unlock(&viewers->lock);
    return size;
}

static void free_viewer(void *argument) {
    viewer_t *viewer = argument;
    viewers_t *viewers = viewer->viewers;
    pthread_mutex_lock(&viewers->lock);
    drop(&viewer->sending);
    viewer->connection = NULL;
    if (--viewers->viewers_count == 0)
        drop(&viewers->latest); /* nothing is made while nobody looks: who comes later is not shown an old one */
    pthread_mutex_unlock(&viewers->lock);
}

static viewer_t *add_viewer(viewers_t *viewers, struct MHD_Connection *connection) {
    viewer_t *viewer = NULL;
    pthread_mutex_lock(&viewers->lock);
    for (size_t i = 0; i < VIEWERS_MAX && !viewer && !viewers->ended; i++)
        if (!viewers->viewers[i].connection)
            viewer = &viewers->viewers[i];
    if (viewer) {
        *viewer = (viewer_t){.viewers = viewers, .connection = connection};
        viewers->viewers_count++;
    }
    pthread_mutex_unlock(&viewers->lock);
    return viewer;
}

struct MHD_Response *viewers_response(viewers_t *viewers, struct MHD_Connection *connection) {
    viewer_t *viewer = add_viewer(viewers, connection);
    struct MHD_Response *response =
        viewer ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read_stream, viewer, free_viewer) : NULL;
    if (viewer && !response)
        free_viewer(viewer);
    return response;
}

/* --- in the loop --------------------------------------------------------------------------------------- */

bool viewers_any(viewers_t *viewers) {
    pthread_mutex_lock(&viewers->lock);
    bool any = viewers->viewers_count > 0;
    pthread_mutex_unlock(&viewers->lock);
    return any;
}

/* Under the lock. */
static void wake_all(viewers_t *viewers) {
    for (size_t i = 0; i < VIEWERS_MAX; i++)
        if (viewers->viewers[i].connection && viewers->viewers[i].suspended) {
            viewers->viewers[i].suspended = false;
            MHD_resume_connection(viewers->viewers[i].connection);
        }
}

void viewers_publish(viewers_t *viewers, const char *line) {
    size_t room = strlen(line) + 16;
    view_text_t *text = must(malloc(sizeof *text + room));
    text->holders = 1;
    text->size = (size_t)snprintf(text->bytes, room, "data: %s\n\n", line);
    pthread_mutex_lock(&viewers->lock);
    drop(&viewers->latest);
    viewers->latest = text;
    viewers->number++;
    wake_all(viewers);
    pthread_mutex_unlock(&viewers->lock);
}

void viewers_end(viewers_t *viewers) {
    pthread_mutex_lock(&viewers->lock);
    viewers->ended = true;
    wake_all(viewers);
    pthread_mutex_unlock(&viewers->lock);
}

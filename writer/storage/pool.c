#include "writer/storage/pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/memory.h"

typedef struct queue {
    job_t *first, *last;
} queue_t;

struct pool {
    size_t threads_max, outstanding;
    int64_t average_us[POOL_KINDS]; /* of the latest jobs; -1: nothing yet */
    unsigned watched[POOL_KINDS];   /* that so many more are */
    int done_event;                 /* eventfd, counts returned jobs */
    pthread_mutex_t lock;           /* of all that follows; never held while a job runs */
    pthread_cond_t submitted;
    queue_t waiting, done;
    size_t waiting_jobs, running;
    int64_t progress_ms; /* when a job last began or ended */
    bool ending;
    size_t threads_count;
    pthread_t threads[WRITER_OPERATIONS_MAX];
};

/* --- queues ------------------------------------------------------------------------------------------- */

static void put(queue_t *queue, job_t *job) {
    job->next = NULL;
    if (queue->last)
        queue->last->next = job;
    else
        queue->first = job;
    queue->last = job;
}

static job_t *take(queue_t *queue) {
    job_t *job = queue->first;
    if (!job)
        return NULL;
    queue->first = job->next;
    if (!queue->first)
        queue->last = NULL;
    return job;
}

/* --- threads ------------------------------------------------------------------------------------------ */

static void come_back(pool_t *self, job_t *job) {
    const uint64_t one = 1;
    bool is_first = !self->done.first;
    put(&self->done, job);
    self->running--;
    self->progress_ms = clock_ms();
    if (is_first && write(self->done_event, &one, sizeof one) != sizeof one)
        log_error(NULL, "can't tell that storage has answered: %s", strerror(errno));
}

static void *work(void *argument) {
    pool_t *self = argument;
    pthread_mutex_lock(&self->lock);
    for (;;) {
        job_t *job = take(&self->waiting);
        if (job) {
            self->waiting_jobs--;
            self->running++;
            self->progress_ms = clock_ms();
            pthread_mutex_unlock(&self->lock);
            job->run(job);
            pthread_mutex_lock(&self->lock);
            come_back(self, job);
        } else if (self->ending) {
            break;
        } else {
            pthread_cond_wait(&self->submitted, &self->lock);
        }
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

/* One more, where all that there are have something to do. Returns whether there is any. */
static bool start_thread(pool_t *self) {
    if (self->threads_count == self->threads_max || self->running + self->waiting_jobs < self->threads_count)
        return true;
    int reason = pthread_create(&self->threads[self->threads_count], NULL, work, self);
    if (reason == 0)
        self->threads_count++;
    else
        log_warn(NULL, "can't start a thread that waits for storage: %s", strerror(reason));
    return self->threads_count > 0;
}

/* --- life --------------------------------------------------------------------------------------------- */

pool_t *pool_new(size_t threads) {
    pool_t *self = must(calloc(1, sizeof *self));
    assert(threads > 0 && threads <= WRITER_OPERATIONS_MAX);
    self->threads_max = threads;
    for (int i = 0; i < POOL_KINDS; i++) {
        self->average_us[i] = -1;
        self->watched[i] = POOL_WATCHED;
    }
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->submitted, NULL);
    self->done_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->done_event < 0) {
        log_warn(NULL, "storage is waited for one object at a time: %s", strerror(errno));
        free(self);
        return NULL;
    }
    return self;
}

void pool_destroy(pool_t **self_p) {
    pool_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    assert(self->outstanding == 0);
    pthread_mutex_lock(&self->lock);
    self->ending = true;
    pthread_cond_broadcast(&self->submitted);
    pthread_mutex_unlock(&self->lock);
    for (size_t i = 0; i < self->threads_count; i++)
        pthread_join(self->threads[i], NULL);
    close(self->done_event);
    pthread_cond_destroy(&self->submitted);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

/* --- worth it? ----------------------------------------------------------------------------------------- */

/* The newest counts an eighth: a single slow one by chance changes little, many do. */
void pool_note(pool_t *self, pool_kind_t kind, int64_t took_us) {
    int64_t *average_us = &self->average_us[kind];
    *average_us = *average_us < 0 ? took_us : *average_us + (took_us - *average_us) / 8;
    if (took_us >= POOL_SLOW_US)
        self->watched[kind] = POOL_WATCHED;
    else if (self->watched[kind] > 0)
        self->watched[kind]--;
}

void pool_suspect(pool_t *self, pool_kind_t kind) {
    self->watched[kind] = POOL_WATCHED;
}

void pool_watched(const pool_t *self, bool watched[POOL_KINDS]) {
    for (int kind = 0; kind < POOL_KINDS; kind++)
        watched[kind] = self && self->watched[kind] > 0;
}

/* Before the first close, a close may take as long as the steps before it. */
bool pool_is_worth_it(const pool_t *self, pool_kind_t kind) {
    if (self && kind == POOL_CLOSE && self->average_us[kind] < 0)
        kind = POOL_COMMIT;
    return self && self->average_us[kind] >= POOL_SLOW_US;
}

/* --- jobs --------------------------------------------------------------------------------------------- */

bool pool_submit(pool_t *self, job_t *job) {
    pthread_mutex_lock(&self->lock);
    bool submitted = start_thread(self);
    if (submitted) {
        put(&self->waiting, job);
        self->waiting_jobs++;
        self->outstanding++;
        pthread_cond_signal(&self->submitted);
    }
    pthread_mutex_unlock(&self->lock);
    return submitted;
}

/* The last one takes the event with it, or the loop would wake for nothing for ever. */
job_t *pool_take_done(pool_t *self) {
    uint64_t counted;
    pthread_mutex_lock(&self->lock);
    job_t *job = take(&self->done);
    if (job && !self->done.first && read(self->done_event, &counted, sizeof counted) < 0)
        log_error(NULL, "can't hear whether storage has answered: %s", strerror(errno));
    pthread_mutex_unlock(&self->lock);
    self->outstanding -= job != NULL;
    return job;
}

int pool_descriptor(const pool_t *self) {
    return self->done_event;
}

size_t pool_outstanding(const pool_t *self) {
    return self ? self->outstanding : 0;
}

int64_t pool_held_up_ms(pool_t *self) {
    if (!self)
        return 0;
    pthread_mutex_lock(&self->lock);
    bool none_is_free =
        self->running == self->threads_max || (self->waiting_jobs > 0 && self->running == self->threads_count);
    int64_t held_up_ms = none_is_free ? clock_ms() - self->progress_ms : 0;
    pthread_mutex_unlock(&self->lock);
    return held_up_ms;
}

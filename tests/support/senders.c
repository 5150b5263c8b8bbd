#include "tests/support/senders.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/process.h"
#include "tests/support/scu.h"

/* A peer waits longer than OXIDICOM_STORE_TIMEOUT for an answer. */
#define RETRY_MS       20
#define REJECTED_PDU   3
#define REJECTED_LATER 2 /* PS3.8 9.3.4: rejected-transient */

/* Written by the senders, read by the test. */
typedef struct shared {
    atomic_bool stop;
    atomic_uint associations, turned_away, broken, a700, other, unanswered;
    atomic_uint stored[SENDERS_MAX];
} shared_t;

struct senders {
    senders_spec_t spec;
    shared_t *shared;
    pid_t pids[SENDERS_MAX];
};

typedef struct sender {
    const senders_spec_t *spec;
    shared_t *shared;
    int number;
    char series[80], calling_ae[17];
    int next; /* instance */
} sender_t;

static bool associate(sender_t *self, scu_t *scu) {
    *scu = (scu_t){.timeout_ms = PATIENCE_MS};
    if (scu_associate_mr(scu, self->spec->port, self->calling_ae, EXPLICIT_LE))
        return true;
    bool later = scu->fd < 0 || scu->type == 0 ||
                 (scu->type == REJECTED_PDU && scu->body.size == 4 && scu->body.at[1] == REJECTED_LATER);
    (*(later ? &self->shared->turned_away : &self->shared->broken))++;
    scu_close(scu);
    poll(NULL, 0, RETRY_MS);
    return false;
}

/* Returns whether the association goes on. */
static bool store_next(sender_t *self, scu_t *scu) {
    char uid[128];
    snprintf(uid, sizeof uid, "%s.%d", self->series, self->next);
    bytes_t set = dataset_instance(EXPLICIT_LE, self->series, uid, self->next, self->spec->bytes);
    int status = scu_store(scu, 1, MR_STORAGE, uid, &set);
    bytes_free(&set);
    if (status == 0)
        self->shared->stored[self->number]++;
    else if (status == 0xA700)
        self->shared->a700++;
    else if (status < 0)
        self->shared->unanswered++;
    else
        self->shared->other++;
    if (status == 0 || (status > 0 && self->spec->once))
        self->next++;
    return status >= 0;
}

static void send_until_stopped(sender_t *self) {
    while (!self->shared->stop) {
        scu_t scu;
        if (!associate(self, &scu))
            continue;
        bool open = true;
        for (int i = 0; open && i < self->spec->per_association && !self->shared->stop; i++)
            open = store_next(self, &scu);
        if (open && scu_release(&scu)) {
            self->shared->associations++;
        } else {
            self->shared->broken++;
            scu_close(&scu);
        }
    }
}

static void become_sender(senders_t *self, int number) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sender_t sender = {.spec = &self->spec, .shared = self->shared, .number = number, .next = 1};
    snprintf(sender.series, sizeof sender.series, "%s.%d", self->spec.series, number);
    snprintf(sender.calling_ae, sizeof sender.calling_ae, "SEND%d", number);
    send_until_stopped(&sender);
    _exit(0);
}

senders_t *senders_start(const senders_spec_t *spec) {
    senders_t *self = calloc(1, sizeof *self);
    if (!self || spec->senders > SENDERS_MAX)
        abort();
    self->spec = *spec;
    self->shared = mmap(NULL, sizeof *self->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (self->shared == MAP_FAILED)
        abort();
    for (int i = 0; i < spec->senders; i++) {
        self->pids[i] = fork();
        if (self->pids[i] == 0)
            become_sender(self, i);
        if (self->pids[i] < 0)
            abort();
    }
    return self;
}

sent_counts_t senders_counts(senders_t *self) {
    const shared_t *s = self->shared;
    sent_counts_t counts = {.associations = s->associations,
                            .turned_away = s->turned_away,
                            .broken = s->broken,
                            .a700 = s->a700,
                            .other = s->other,
                            .unanswered = s->unanswered};
    for (int i = 0; i < self->spec.senders; i++)
        counts.stored += s->stored[i];
    return counts;
}

unsigned senders_stored_by(senders_t *self, int sender) {
    return self->shared->stored[sender];
}

typedef struct awaited {
    senders_t *senders;
    unsigned wanted[SENDERS_MAX];
} awaited_t;

static bool all_have_stored(void *argument) {
    awaited_t *awaited = argument;
    for (int i = 0; i < awaited->senders->spec.senders; i++)
        if (senders_stored_by(awaited->senders, i) < awaited->wanted[i])
            return false;
    return true;
}

bool senders_await_stored(senders_t *self, unsigned more, int64_t ms) {
    awaited_t awaited = {.senders = self};
    for (int i = 0; i < self->spec.senders; i++)
        awaited.wanted[i] = senders_stored_by(self, i) + more;
    return await(all_have_stored, &awaited, ms);
}

void senders_quiet(senders_t *self) {
    self->shared->stop = true;
    for (int i = 0; i < self->spec.senders; i++) {
        int status;
        if (self->pids[i] && !process_wait(self->pids[i], PATIENCE_MS, &status))
            kill(self->pids[i], SIGKILL);
        self->pids[i] = 0;
    }
}

sent_counts_t senders_stop(senders_t **self_p) {
    senders_t *self = *self_p;
    senders_quiet(self);
    sent_counts_t counts = senders_counts(self);
    munmap(self->shared, sizeof *self->shared);
    free(self);
    *self_p = NULL;
    return counts;
}

#include "writer/storage/deposit.h"

#include <assert.h>
#include <poll.h>
#include <stddef.h>
#include <sys/resource.h>

#include "common/clock.h"
#include "common/memory.h"

/* Pieces of an object that are given to storage by one call. */
#define DEPOSIT_PIECES_AT_ONCE 64
#define DEPOSIT_SUSPECT        (-2)

typedef struct piece {
    struct piece *next;
    void *bytes; /* owned, NULL where the message has them */
    size_t size;
    zmq_msg_t message;
    uint64_t credit;
} piece_t;

typedef struct pieces {
    piece_t *first, **end;
} pieces_t;

/* One go: filled before it begins, read when it is over. */
typedef struct go {
    job_t job;
    piece_t *pieces;
    bool commits;
    bool watched[POOL_KINDS];
    uint64_t credit;             /* of its written bytes */
    int64_t took_us[POOL_KINDS]; /* -1: was not done; DEPOSIT_SUSPECT: long, and nobody has watched */
} go_t;

struct deposit {
    store_t *store;
    pool_t *pool;
    void *owner;      /* NULL: nobody wants it any more */
    sender_t *sender; /* NULL: nobody's */
    char *folder, *name;
    char *instance_uid, *identity; /* of the place; NULL as there */
    home_t *home;                  /* NULL: none */
    /* The loop's. */
    pieces_t waiting;
    bool ended;   /* all bytes have come */
    bool is_away; /* with the pool: the thread owns the fields below */
    uint64_t credit;
    atomic_bool given_up; /* set by the loop, read by anybody */
    go_t go;
    store_file_t file;
    bool begun, stored;
    uint64_t bytes;
    int reason; /* errno value of the failure, 0: none */
    const char *step;
};

/* --- bytes -------------------------------------------------------------------------------------------- */

static piece_t *add_piece(deposit_t *self) {
    piece_t *piece = must(calloc(1, sizeof *piece));
    zmq_msg_init(&piece->message);
    *self->waiting.end = piece;
    self->waiting.end = &piece->next;
    return piece;
}

void deposit_take(deposit_t *self, void *bytes, size_t size) {
    piece_t *piece = add_piece(self);
    piece->bytes = bytes;
    piece->size = size;
}

void deposit_take_message(deposit_t *self, zmq_msg_t *message, uint64_t credit) {
    piece_t *piece = add_piece(self);
    piece->credit = credit;
    must_hold(zmq_msg_move(&piece->message, message) == 0); /* both are messages */
}

void deposit_end(deposit_t *self) {
    assert(self->folder);
    self->ended = true;
}

static struct iovec bytes_of(piece_t *piece) {
    if (piece->bytes)
        return (struct iovec){piece->bytes, piece->size};
    return (struct iovec){zmq_msg_data(&piece->message), zmq_msg_size(&piece->message)};
}

/* Frees the first of them, up to `end`. Returns the highest credit that they had. */
static uint64_t free_pieces(piece_t **pieces, const piece_t *end) {
    uint64_t credit = 0;
    while (*pieces != end) {
        piece_t *piece = *pieces;
        *pieces = piece->next;
        if (piece->credit > credit)
            credit = piece->credit;
        zmq_msg_close(&piece->message);
        free(piece->bytes);
        free(piece);
    }
    return credit;
}

static piece_t *take_waiting(deposit_t *self) {
    piece_t *pieces = self->waiting.first;
    self->waiting.first = NULL;
    self->waiting.end = &self->waiting.first;
    return pieces;
}

/* --- the work: by the loop or a thread of the pool ---------------------------------------------------- */

static void fail(deposit_t *self, int reason, const char *step) {
    self->reason = reason;
    self->step = step;
}

static bool begin_file(deposit_t *self) {
    int reason = self->begun ? 0 : store_begin(self->store, &self->file);
    if (reason != 0) {
        fail(self, reason, "create");
        return false;
    }
    self->begun = true;
    self->file.given_up = &self->given_up;
    self->file.sender = self->sender;
    return true;
}

/* Writes the available pieces, so many at once, and frees them as it goes. */
static void write_pieces(deposit_t *self) {
    go_t *go = &self->go;
    if (!begin_file(self))
        return;
    while (go->pieces && !atomic_load(&self->given_up)) {
        struct iovec parts[DEPOSIT_PIECES_AT_ONCE];
        int count = 0;
        piece_t *end = go->pieces;
        for (; end && count < DEPOSIT_PIECES_AT_ONCE; end = end->next)
            parts[count++] = bytes_of(end);
        int reason = store_append(self->store, &self->file, parts, count);
        if (reason != 0) {
            fail(self, reason, "write");
            return;
        }
        uint64_t credit = free_pieces(&go->pieces, end);
        if (credit)
            go->credit = credit;
    }
}

static void commit(deposit_t *self) {
    self->bytes = self->file.bytes;
    store_identity_t identity = {self->instance_uid, self->identity, self->home};
    int reason = store_commit_as(self->store, &self->file, &identity, &self->folder, &self->name);
    if (reason != 0)
        fail(self, reason, "complete");
    self->stored = reason == 0;
}

/* Removes it, or closes it where it has its place. */
static void end_file(deposit_t *self) {
    store_discard(self->store, &self->file);
}

/* How often this thread has given its core away because it waited for something. */
static long waits(void) {
    struct rusage usage;
    return getrusage(RUSAGE_THREAD, &usage) == 0 ? usage.ru_nvcsw : 0;
}

/* The time counts for storage only where the thread waited. A thread that merely shared its core would share it
 * anywhere, and handing its work over would cost more still. A fast step is fast on any core. */
static void timed(deposit_t *self, void (*step)(deposit_t *), pool_kind_t kind) {
    bool watched = self->go.watched[kind];
    int64_t begin_us = clock_us();
    long before = watched ? waits() : 0;
    step(self);
    int64_t took_us = clock_us() - begin_us;
    if (watched)
        self->go.took_us[kind] = waits() == before ? 0 : took_us;
    else
        self->go.took_us[kind] = took_us < POOL_SLOW_US ? 0 : DEPOSIT_SUSPECT;
}

static void run(deposit_t *self) {
    if (self->go.pieces)
        timed(self, write_pieces, POOL_WRITE);
    if (self->go.commits && self->reason == 0 && !atomic_load(&self->given_up))
        timed(self, commit, POOL_COMMIT);
    if (atomic_load(&self->given_up))
        timed(self, end_file, *self->file.name ? POOL_WRITE : POOL_CLOSE);
    free_pieces(&self->go.pieces, NULL); /* of a failed or cancelled one */
}

static deposit_t *deposit_of(job_t *job) {
    return (deposit_t *)(void *)((char *)job - offsetof(deposit_t, go.job));
}

static void run_job(job_t *job) {
    run(deposit_of(job));
}

/* --- who does it -------------------------------------------------------------------------------------- */

static void note_end(deposit_t *self) {
    for (int kind = 0; self->pool && kind < POOL_KINDS; kind++) {
        if (self->go.took_us[kind] >= 0)
            pool_note(self->pool, (pool_kind_t)kind, self->go.took_us[kind]);
        else if (self->go.took_us[kind] == DEPOSIT_SUSPECT)
            pool_suspect(self->pool, (pool_kind_t)kind);
    }
    if (self->go.credit)
        self->credit = self->go.credit;
}

/* One go of the work, done when this returns or handed over. */
static void go(deposit_t *self, piece_t *pieces, bool commits, pool_kind_t kind) {
    self->go = (go_t){.job = {.run = run_job}, .pieces = pieces, .commits = commits, .took_us = {-1, -1, -1}};
    pool_watched(self->pool, self->go.watched);
    self->is_away = pool_is_worth_it(self->pool, kind) && pool_submit(self->pool, &self->go.job);
    if (self->is_away)
        return;
    run(self);
    note_end(self);
}

static deposit_state_t state_of(const deposit_t *self) {
    if (self->is_away)
        return DEPOSIT_OPEN;
    return self->reason != 0 ? DEPOSIT_FAILED : self->stored ? DEPOSIT_STORED : DEPOSIT_OPEN;
}

deposit_state_t deposit_advance(deposit_t *self) {
    if (self->is_away || self->reason != 0 || self->stored)
        return state_of(self);
    /* A thread with slow writes may as well complete the file; after fast ones the completion may still be
     * slow. */
    if (self->waiting.first)
        go(self, take_waiting(self), self->ended && pool_is_worth_it(self->pool, POOL_WRITE), POOL_WRITE);
    if (self->ended && !self->is_away && self->reason == 0 && !self->stored)
        go(self, NULL, true, POOL_COMMIT);
    return state_of(self);
}

void *deposit_on_done(job_t *job) {
    deposit_t *self = deposit_of(job);
    self->is_away = false;
    note_end(self);
    void *owner = self->owner;
    if (!owner)
        deposit_destroy(&self);
    return owner;
}

bool deposits_await(pool_t *pool, int64_t wait_ms) {
    for (int64_t end_ms = clock_ms() + wait_ms; pool_outstanding(pool) > 0;) {
        int64_t left_ms = end_ms - clock_ms();
        struct pollfd done = {.fd = pool_descriptor(pool), .events = POLLIN};
        if (left_ms <= 0 || (poll(&done, 1, (int)left_ms) < 0 && errno != EINTR))
            return false;
        for (job_t *job; (job = pool_take_done(pool));)
            (void)deposit_on_done(job);
    }
    return true;
}

/* --- life --------------------------------------------------------------------------------------------- */

deposit_t *deposit_new(store_t *store, pool_t *pool, void *owner) {
    deposit_t *self = must(calloc(1, sizeof *self));
    self->store = store;
    self->pool = pool;
    self->owner = owner;
    self->waiting.end = &self->waiting.first;
    self->file.descriptor = -1;
    return self;
}

void deposit_set_sender(deposit_t *self, const char *peer) {
    self->sender = store_sender(self->store, peer);
}

static char *copy_any(const char *text) {
    return text ? copy_text(text) : NULL;
}

void deposit_set_place(deposit_t *self, const deposit_place_t *place) {
    assert(!self->folder && !self->ended);
    self->folder = copy_text(place->folder);
    self->name = copy_text(place->file);
    self->instance_uid = copy_any(place->identity.instance_uid);
    self->identity = copy_any(place->identity.identity);
    self->home = place->identity.home ? home_share(place->identity.home) : NULL;
}

void deposit_destroy(deposit_t **self_p) {
    deposit_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    self->owner = NULL;
    atomic_store(&self->given_up, true);
    piece_t *pieces = take_waiting(self);
    free_pieces(&pieces, NULL);
    if (!self->is_away && *self->file.name)
        go(self, NULL, false, POOL_WRITE); /* removes it */
    else if (!self->is_away && self->file.descriptor >= 0)
        go(self, NULL, false, POOL_CLOSE);
    if (self->is_away)
        return; /* comes back to deposit_on_done */
    sender_release(&self->sender);
    free(self->folder);
    free(self->name);
    free(self->instance_uid);
    free(self->identity);
    home_release(&self->home);
    free(self);
}

uint64_t deposit_take_credit(deposit_t *self) {
    uint64_t credit = self->credit;
    self->credit = 0;
    return credit;
}

uint64_t deposit_bytes(const deposit_t *self) {
    return self->bytes;
}

deposit_place_t deposit_place(const deposit_t *self) {
    return (deposit_place_t){.folder = self->folder, .file = self->name};
}

home_t *deposit_home(const deposit_t *self) {
    return self->home;
}

bool deposit_take_file(deposit_t *self, store_file_t *file) {
    assert(!self->ended);
    if (deposit_advance(self) != DEPOSIT_FAILED && (self->is_away || self->waiting.first))
        return false;
    store_uncount(&self->file);
    *file = self->file;
    file->given_up = NULL;
    self->file = (store_file_t){.descriptor = -1};
    return true;
}

int deposit_failure(const deposit_t *self, const char **step) {
    *step = self->step;
    return self->reason;
}

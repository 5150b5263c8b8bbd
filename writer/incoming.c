/* Owns the bytes of the head until it can be read, and the file's deposit; knows nothing of other
 * objects, chunks or attempts but its own. */
#include "writer/incoming.h"

#include <assert.h>

#include "common/clock.h"
#include "common/log_peers.h"
#include "common/memory.h"
#include "common/message.h"
#include "common/metrics.h"
#include "common/portability.h"
#include "common/telemetry/span.h"
#include "writer/dicom/part10.h"
#include "writer/dicom/path.h"

/* Bytes that have come and wait for those before them to be inflated. */
typedef struct arrival {
    struct arrival *next;
    zmq_msg_t data;
    bool is_last, credit_wanted;
    bool is_fed; /* the head has them, and has not inflated all of them */
} arrival_t;

struct incoming {
    const incoming_environment_t *environment;
    log_context_t context;
    incoming_state_t state;
    Ring__ObjectId id;
    uint32_t attempt;
    int64_t sent_ns, began_ns; /* of the first chunk; only if it is traced */
    uint64_t arrived, taken;   /* bytes; `taken`: without the arrivals */
    uint64_t credit;           /* to be given; 0: none */
    bool has_arrived, is_whole;
    size_t held;                /* of the holdings */
    Ring__ObjectHeader *header; /* owned */
    head_t *head;               /* while INCOMING_HEAD */
    arrival_t *arrivals, **arrivals_end;
    uint8_t *gathered; /* bytes of the head before this chunk, while there is no deposit */
    size_t gathered_bytes, gathered_capacity;
    instance_t instance; /* from INCOMING_FILE on; before, the values known at the deposit's begin */
    deposit_t *deposit;  /* from INCOMING_FILE on; before, where the head is long */
    store_file_t kept;   /* while INCOMING_KEPT */
    refusal_t refusal;   /* while INCOMING_KEPT */
    bool is_part10;      /* while INCOMING_KEPT: the kept file has a header */
};

/* Writers died of it: nothing of it is read. */
static void begin_unread(incoming_t *self) {
    refusal_set(&self->refusal, STATUS_OUT_OF_RESOURCES, "three writers died or hung with this object");
    log_warn(&self->context, "refused unread with %04X: %s", self->refusal.status, self->refusal.comment);
    self->state = INCOMING_KEPT;
}

/* --- life ------------------------------------------------------------------------------------------- */

/* Its memory until it is whole. */
static size_t size_of(const incoming_t *self) {
    const Ring__Series *series = self->instance.series;
    size_t size = sizeof *self + ring__object_header__get_packed_size(self->header) + self->gathered_capacity;
    size += self->head ? head_held(self->head) : 0;
    size += series ? sizeof *series + ring__series__get_packed_size(series) : 0;
    size += self->instance.sop_class_uid ? strlen(self->instance.sop_class_uid) : 0;
    return size + (self->instance.sop_instance_uid ? strlen(self->instance.sop_instance_uid) : 0);
}

/* The budget knows of it from the first chunk on that is not the last. */
static void count(incoming_t *self) {
    holdings_set(self->environment->holdings, &self->held, size_of(self));
}

static bool holds_too_much(incoming_t *self) {
    count(self);
    return !holdings_allow(self->environment->holdings, self->held, self->held);
}

incoming_t *incoming_new(const incoming_environment_t *environment, const Ring__Chunk *first) {
    incoming_t *self = must(calloc(1, sizeof *self));
    self->environment = environment;
    self->context = (log_context_t){.association = first->object->association, .object = first->object->object};
    self->state = INCOMING_HEAD;
    if (first->header->unread)
        begin_unread(self);
    self->id = (Ring__ObjectId)RING__OBJECT_ID__INIT;
    self->id.listener = first->object->listener;
    self->id.association = first->object->association;
    self->id.object = first->object->object;
    self->attempt = first->attempt;
    self->sent_ns = first->sent_at_ns;
    self->began_ns = first->sent_at_ns ? clock_wall_ns() : 0;
    self->header = message_copy(&first->header->base);
    self->head = head_new(self->header->transfer_syntax_uid);
    self->kept.descriptor = -1;
    self->arrivals_end = &self->arrivals;
    return self;
}

static void forget_head(incoming_t *self) {
    if (self->head)
        head_destroy(&self->head);
    free(self->gathered);
    self->gathered = NULL;
    self->gathered_bytes = self->gathered_capacity = 0;
    if (self->held > 0)
        count(self);
}

static void pop_arrival(incoming_t *self) {
    arrival_t *arrival = self->arrivals;
    self->arrivals = arrival->next;
    if (!self->arrivals)
        self->arrivals_end = &self->arrivals;
    zmq_msg_close(&arrival->data);
    free(arrival);
}

void incoming_destroy(incoming_t **self_p) {
    incoming_t *self = *self_p;
    while (self->arrivals)
        pop_arrival(self);
    forget_head(self);
    holdings_set(self->environment->holdings, &self->held, 0);
    deposit_destroy(&self->deposit);
    store_discard(self->environment->store, &self->kept);
    instance_clear(&self->instance);
    ring__object_header__free_unpacked(self->header, NULL);
    free(self);
    *self_p = NULL;
}

const Ring__ObjectId *incoming_id(const incoming_t *self) {
    return &self->id;
}

uint32_t incoming_attempt(const incoming_t *self) {
    return self->attempt;
}

bool incoming_goes_on_at(const incoming_t *self, uint64_t offset) {
    return offset == self->arrived && !self->has_arrived;
}

bool incoming_is_whole(const incoming_t *self) {
    return self->has_arrived;
}

bool incoming_waits(const incoming_t *self) {
    return self->arrivals && !incoming_state_is_end(self->state);
}

uint64_t incoming_take_credit(incoming_t *self) {
    uint64_t credit = self->deposit ? deposit_take_credit(self->deposit) : 0;
    if (credit < self->credit)
        credit = self->credit;
    self->credit = 0;
    return credit;
}

/* --- events ----------------------------------------------------------------------------------------- */

/* What this stage did for the object, to be said as spans by the notifier; NULL: it is not traced. */
static Ring__WriterSpans *spans_of(const incoming_t *self, Ring__WriterSpans *spans) {
    if (!self->began_ns)
        return NULL;
    ring__writer_spans__init(spans);
    spans->sent_at_ns = self->sent_ns;
    spans->begun_at_ns = self->began_ns;
    spans->ended_at_ns = clock_wall_ns();
    spans->bytes = self->taken;
    return spans;
}

static report_object_t report_of(const incoming_t *self, Ring__WriterSpans *spans) {
    return (report_object_t){&self->id, self->attempt, self->header, self->instance.series, spans_of(self, spans)};
}

static void say_stored(const incoming_t *self, uint64_t bytes) {
    Ring__WriterSpans spans;
    report_object_t object = report_of(self, &spans);
    report_stored(self->environment->report, &object, self->instance.file, bytes);
    log_debug(&self->context, "stored %llu bytes as %s/%s", (unsigned long long)bytes,
              self->instance.series->folder, self->instance.file);
}

/* Its place was another series' or instance's. */
static void move(incoming_t *self, char **text, const char *to, const char *what) {
    static log_limit_t said;
    uint64_t left_out;
    if (strcmp(*text, to) == 0)
        return;
    free(*text);
    *text = copy_text(to);
    if (log_rarely(&said, &left_out))
        log_warn(&self->context, "%s, which stays: this one has a longer hash in its name%s", what,
                 log_more(left_out));
}

/* Its series has another home than its own tags name. */
static void move_home(incoming_t *self, const char *folder) {
    Ring__Series *series = self->instance.series;
    metric_add(METRIC_FILES_MOVED_HOME, NULL, 1);
    if (home_differs_first(deposit_home(self->deposit)))
        log_info(&self->context, "series %s: its files' tags name several folders; all go to the first file's",
                 series->series_instance_uid);
    free(series->folder);
    series->folder = copy_text(folder);
}

static void note_folder(incoming_t *self, const char *folder) {
    Ring__Series *series = self->instance.series;
    char *apart = path_folder_apart(series->folder, series->series_instance_uid);
    if (strcmp(folder, apart) == 0)
        move(self, &series->folder, folder, "its series' folder is that of another series");
    else if (strcmp(folder, series->folder) != 0)
        move_home(self, folder);
    free(apart);
}

static void note_place(incoming_t *self) {
    deposit_place_t place = deposit_place(self->deposit);
    note_folder(self, place.folder);
    move(self, &self->instance.file, place.file, "its file's name is that of another instance");
}

static void refuse(incoming_t *self, const refusal_t *refusal) {
    store_discard(self->environment->store, &self->kept);
    Ring__WriterSpans spans;
    report_object_t object = report_of(self, &spans);
    report_refused(self->environment->report, &object, refusal->status, refusal->offending_element,
                   refusal->comment);
    self->state = INCOMING_REFUSED;
}

/* Storage errors that a retry cannot fix: something else stands in the place of a folder or the file. */
static bool is_misplaced(int reason) {
    return reason == ENOTDIR || reason == EISDIR || reason == ELOOP || reason == ENAMETOOLONG || reason == EINVAL ||
           reason == EXDEV || reason == ENOTEMPTY;
}

/* --- its series' home --------------------------------------------------------------------------------- */

/* Give it back. */
static home_t *home_of(const incoming_t *self) {
    const Ring__Series *series = self->instance.series;
    return homes_of(self->environment->homes, &(homes_wish_t){self->id.listener, self->id.association,
                                                              series->pacs_name, series->series_instance_uid});
}

/* --- bytes ------------------------------------------------------------------------------------------ */

/* Returns false, and does nothing, where the object would hold too much then. */
static bool gather(incoming_t *self, const void *bytes, size_t size) {
    size_t needed = self->gathered_bytes + size, doubled = 2 * self->gathered_capacity,
           grown = needed <= self->gathered_capacity ? self->gathered_capacity
                   : doubled > needed                ? doubled
                                                     : needed;
    count(self);
    if (needed > HEAD_GATHERED_MAX_BYTES ||
        !holdings_allow(self->environment->holdings, self->held, self->held - self->gathered_capacity + grown))
        return false;
    if (grown > self->gathered_capacity)
        self->gathered = must(realloc(self->gathered, self->gathered_capacity = grown));
    if (size)
        memcpy(self->gathered + self->gathered_bytes, bytes, size);
    self->gathered_bytes = needed;
    count(self);
    return true;
}

static const char *known(const char *of_data_set, const char *of_command) {
    return of_data_set ? of_data_set : of_command;
}

/* What makes a file of the data set. Free it. */
static struct iovec file_header(const incoming_t *self) {
    struct iovec header;
    part10_t part10 = {
        .sop_class_uid = known(self->instance.sop_class_uid, self->header->sop_class_uid),
        .sop_instance_uid = known(self->instance.sop_instance_uid, self->header->sop_instance_uid),
        .transfer_syntax_uid = self->header->transfer_syntax_uid,
        .calling_ae = self->header->calling_ae,
    };
    header.iov_base = part10_header(&part10, &header.iov_len);
    return header;
}

/* What the head has told so far. */
static bool read_instance(incoming_t *self, refusal_t *refusal) {
    instance_clear(&self->instance);
    return instance_read(&self->instance, self->head, self->header, refusal);
}

/* Its first bytes are the Part 10 header and the gathered ones. */
static void begin_deposit(incoming_t *self) {
    if (self->deposit)
        return;
    struct iovec header = file_header(self);
    self->deposit = deposit_new(self->environment->store, self->environment->pool, self);
    deposit_set_sender(self->deposit, self->header->peer);
    deposit_take(self->deposit, header.iov_base, header.iov_len);
    if (self->gathered)
        deposit_take(self->deposit, self->gathered, self->gathered_bytes);
    self->gathered = NULL;
    self->gathered_bytes = self->gathered_capacity = 0;
}

/* --- refused data sets ------------------------------------------------------------------------------ */

/* The answer does not wait for the quarantine. */
static void end_kept(incoming_t *self) {
    if (self->deposit && !deposit_take_file(self->deposit, &self->kept))
        return; /* storage is at work on it: comes back by incoming_go_on */
    store_file_t file = self->kept;
    self->kept = (store_file_t){.descriptor = -1};
    refuse(self, &self->refusal);
    quarantine_label_t label = {&self->id, self->header, &self->refusal, self->is_part10};
    if (*file.name)
        quarantine_keep(self->environment->quarantine, &file, &label);
}

static void keep(incoming_t *self, zmq_msg_t *data, uint64_t credit) {
    quarantine_t *quarantine = self->environment->quarantine;
    struct iovec part = {zmq_msg_data(data), zmq_msg_size(data)};
    bool fits = true;
    if (!quarantine) {
        fits = false;
    } else if (self->deposit) {
        fits = self->taken <= quarantine->size_bytes;
        deposit_take_message(self->deposit, data, credit);
    } else {
        fits = quarantine_append(quarantine, &self->kept, &part, 1);
        self->credit = credit;
    }
    if (!fits)
        refuse(self, &self->refusal);
}

/* The bytes so far are the first to be kept. */
static void begin_kept(incoming_t *self, const refusal_t *refusal, bool is_part10, zmq_msg_t *data,
                       uint64_t credit) {
    self->refusal = *refusal;
    self->is_part10 = is_part10 || self->deposit;
    self->state = INCOMING_KEPT;
    struct iovec header = is_part10 && !self->deposit ? file_header(self) : (struct iovec){0};
    struct iovec parts[2] = {header, {self->gathered, self->gathered_bytes}};
    if (self->deposit || quarantine_append(self->environment->quarantine, &self->kept, parts, 2))
        keep(self, data, credit);
    else
        refuse(self, refusal);
    free(header.iov_base);
    forget_head(self);
}

/* Its data set is bad, while storage is well. */
static void refuse_data_set(incoming_t *self, const refusal_t *refusal, bool is_part10, zmq_msg_t *data,
                            uint64_t credit) {
    if (log_peer_may(LEVEL_WARN, log_peer_number(self->header->peer), self->header->peer))
        log_warn(&self->context, "refused with %04X: %s", refusal->status, refusal->comment);
    if (self->environment->quarantine && refusal->status == STATUS_CANNOT_UNDERSTAND)
        begin_kept(self, refusal, is_part10, data, credit);
    else
        refuse(self, refusal);
}

/* The series it belongs to may have been read nevertheless: its watchers shall hear of it. */
static void refuse_unreadable(incoming_t *self, const char *why, zmq_msg_t *data, uint64_t credit) {
    refusal_t refusal;
    if (!read_instance(self, &refusal))
        log_debug(&self->context, "%s", refusal.comment);
    refusal_set(&refusal, STATUS_CANNOT_UNDERSTAND, "%s", why);
    refuse_data_set(self, &refusal, false, data, credit);
}

/* Only who holds much is refused; others still have room then. */
static void refuse_for_memory(incoming_t *self) {
    uint64_t left_out;
    refusal_t refusal;
    if (log_rarely(&self->environment->holdings->said, &left_out))
        log_warn(&self->context, "heads that have not come whole take the memory for them: A700%s",
                 log_more(left_out));
    refusal_set(&refusal, STATUS_OUT_OF_RESOURCES, "too many long heads at once, please send it again");
    refuse(self, &refusal);
}

/* With its first bytes that are too many: no repetition cures that. */
static void refuse_for_size(incoming_t *self) {
    refusal_t refusal;
    if (self->state == INCOMING_HEAD && !read_instance(self, &refusal)) /* for the watchers of its series */
        log_debug(&self->context, "so far, %s", refusal.comment);
    refusal_set(&refusal, STATUS_PROCESSING_FAILURE, "the object is larger than OXIDICOM_MAX_OBJECT_SIZE");
    refuse(self, &refusal);
}

/* --- the way to the file ---------------------------------------------------------------------------- */

/* The head is known, and so is the place. */
static void begin_file(incoming_t *self, zmq_msg_t *data, uint64_t credit) {
    refusal_t refusal;
    if (!read_instance(self, &refusal)) {
        refuse_data_set(self, &refusal, true, data, credit);
        return;
    }
    self->state = INCOMING_FILE;
    begin_deposit(self);
    home_t *home = home_of(self);
    const instance_t *instance = &self->instance;
    store_identity_t identity = {instance->is_misnamed ? NULL : instance->sop_instance_uid, instance->identity,
                                 home};
    deposit_set_place(self->deposit, &(deposit_place_t){instance->series->folder, instance->file, identity});
    home_release(&home);
    deposit_take_message(self->deposit, data, credit);
    forget_head(self);
    if (!self->is_whole && holds_too_much(self))
        refuse_for_memory(self);
}

/* The head goes on. The bytes too many for memory go to the file, behind a header of the values known by now. */
static void go_on_gathering(incoming_t *self, zmq_msg_t *data, uint64_t credit) {
    if (!self->deposit && gather(self, zmq_msg_data(data), zmq_msg_size(data))) {
        self->credit = credit;
        return;
    }
    refusal_t refusal;
    if (!self->deposit && !read_instance(self, &refusal))
        log_debug(&self->context, "so far, %s", refusal.comment);
    begin_deposit(self);
    deposit_take_message(self->deposit, data, credit);
    if (holds_too_much(self))
        refuse_for_memory(self);
}

/* `state`: the head's, with these bytes. */
static void take_head(incoming_t *self, head_state_t state, zmq_msg_t *data, uint64_t credit) {
    if (self->is_whole)
        state = head_finish(self->head);
    if (state == HEAD_READY)
        begin_file(self, data, credit);
    else if (state == HEAD_UNREADABLE)
        refuse_unreadable(self, head_complaint(self->head), data, credit);
    else
        go_on_gathering(self, data, credit);
}

static incoming_state_t end_failed(incoming_t *self) {
    const char *step;
    int reason = deposit_failure(self->deposit, &step);
    refusal_t refusal;
    if (reason == ECANCELED) {
        self->state = INCOMING_DROPPED;
        return self->state;
    }
    if (self->state == INCOMING_FILE)
        log_debug(&self->context, "its place is %s/%s", self->instance.series->folder, self->instance.file);
    else if (!read_instance(self, &refusal)) /* for the watchers of its series */
        log_debug(&self->context, "so far, %s", refusal.comment);
    const char *name = errno_name(reason);
    store_complain(self->environment->store, &self->context, step, reason);
    refusal_set(&refusal, is_misplaced(reason) ? STATUS_PROCESSING_FAILURE : STATUS_OUT_OF_RESOURCES,
                "storage failed to %s the file: %s", step, name ? name : "unknown error");
    refuse(self, &refusal);
    return self->state;
}

static incoming_state_t go_on_keeping(incoming_t *self) {
    if (self->is_whole)
        end_kept(self);
    else if (self->deposit && deposit_advance(self->deposit) == DEPOSIT_FAILED)
        refuse(self, &self->refusal); /* without being kept */
    return self->state;
}

incoming_state_t incoming_go_on(incoming_t *self) {
    if (self->state == INCOMING_KEPT)
        return go_on_keeping(self);
    deposit_state_t state = deposit_advance(self->deposit);
    if (state == DEPOSIT_FAILED)
        return end_failed(self);
    if (state == DEPOSIT_STORED) {
        self->state = INCOMING_STORED;
        note_place(self);
        say_stored(self, deposit_bytes(self->deposit));
    }
    return self->state;
}

/* --- arrivals -------------------------------------------------------------------------------------- */

/* `head`: the state of the head with these bytes, while it is not known. */
static incoming_state_t take(incoming_t *self, head_state_t head, zmq_msg_t *data, bool last, bool credit_wanted) {
    self->taken += zmq_msg_size(data);
    self->is_whole = last;
    uint64_t credit = credit_wanted && !last ? self->taken : 0;
    if (self->state == INCOMING_HEAD)
        take_head(self, head, data, credit);
    else if (self->state == INCOMING_FILE)
        deposit_take_message(self->deposit, data, credit);
    else
        keep(self, data, credit);
    if (last && self->state == INCOMING_FILE)
        deposit_end(self->deposit);
    bool goes_on = self->deposit ? !incoming_state_is_end(self->state) : self->state == INCOMING_KEPT;
    return goes_on ? incoming_go_on(self) : self->state;
}

incoming_state_t incoming_inflate(incoming_t *self, uint64_t *budget) {
    while (incoming_waits(self)) {
        arrival_t *arrival = self->arrivals;
        head_state_t head = HEAD_READY;
        if (self->state == INCOMING_HEAD) {
            head = arrival->is_fed ? head_feed_within(self->head, NULL, 0, budget)
                                   : head_feed_within(self->head, zmq_msg_data(&arrival->data),
                                                      zmq_msg_size(&arrival->data), budget);
            arrival->is_fed = true;
        }
        if (head == HEAD_BUSY)
            return self->state;
        take(self, head, &arrival->data, arrival->is_last, arrival->credit_wanted);
        pop_arrival(self);
    }
    return self->state;
}

static void wait_for_turn(incoming_t *self, zmq_msg_t *data, bool last, bool credit_wanted) {
    arrival_t *arrival = must(calloc(1, sizeof *arrival));
    arrival->is_last = last;
    arrival->credit_wanted = credit_wanted;
    must_hold(zmq_msg_init(&arrival->data) == 0 && zmq_msg_move(&arrival->data, data) == 0);
    *self->arrivals_end = arrival;
    self->arrivals_end = &arrival->next;
}

incoming_state_t incoming_take(incoming_t *self, zmq_msg_t *data, bool last, bool credit_wanted) {
    assert(!incoming_state_is_end(self->state) && !self->has_arrived);
    self->arrived += zmq_msg_size(data);
    self->has_arrived = last;
    uint64_t most = self->environment->max_object_bytes;
    if (most > 0 && self->arrived > most && self->state != INCOMING_KEPT) {
        refuse_for_size(self);
        return self->state;
    }
    if (self->state == INCOMING_HEAD && head_is_deflated(self->head)) {
        wait_for_turn(self, data, last, credit_wanted);
        return self->state;
    }
    head_state_t head = HEAD_READY;
    if (self->state == INCOMING_HEAD)
        head = head_feed(self->head, zmq_msg_data(data), zmq_msg_size(data));
    return take(self, head, data, last, credit_wanted);
}

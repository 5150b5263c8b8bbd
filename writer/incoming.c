/* The life of an object and its way to the file; knows nothing of other objects, chunks or attempts but its own. */
#include "writer/incoming.h"

#include <assert.h>

#include "common/clock.h"
#include "common/memory.h"
#include "writer/incoming_bytes.h"
#include "writer/incoming_refusal.h"
#include "writer/incoming_report.h"

/* --- life ------------------------------------------------------------------------------------------- */

incoming_t *incoming_new(const incoming_environment_t *environment, Ring__Chunk *first) {
    incoming_t *self = must(calloc(1, sizeof *self));
    self->environment = environment;
    self->context = (log_context_t){.association = first->object->association, .object = first->object->object};
    self->state = INCOMING_HEAD;
    self->id = (Ring__ObjectId)RING__OBJECT_ID__INIT;
    self->id.listener = first->object->listener;
    self->id.association = first->object->association;
    self->id.object = first->object->object;
    self->attempt = first->attempt;
    self->sent_ns = first->sent_at_ns;
    self->began_ns = first->sent_at_ns ? clock_wall_ns() : 0;
    self->header = first->header;
    first->header = NULL;
    self->head = head_new(self->header->transfer_syntax_uid);
    self->kept.descriptor = -1;
    self->arrivals_end = &self->arrivals;
    if (self->header->unread)
        incoming_refusal_unread(self);
    return self;
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
    incoming_bytes_forget(self);
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

/* --- the way to the file ---------------------------------------------------------------------------- */

/* Of its series. Give it back. */
static home_t *home_of(const incoming_t *self) {
    const Ring__Series *series = self->instance.series;
    return homes_of(self->environment->homes, &(homes_wish_t){self->id.listener, self->id.association,
                                                              series->pacs_name, series->series_instance_uid});
}

/* The head is known, and so is the place. */
static void begin_file(incoming_t *self, zmq_msg_t *data, uint64_t credit) {
    refusal_t refusal;
    if (!incoming_bytes_read(self, &refusal)) {
        incoming_refusal_of_data_set(self, &refusal, true, data, credit);
        return;
    }
    self->state = INCOMING_FILE;
    incoming_bytes_deposit(self);
    home_t *home = home_of(self);
    const instance_t *instance = &self->instance;
    store_identity_t identity = {instance->is_misnamed ? NULL : instance->sop_instance_uid, instance->identity,
                                 home};
    deposit_set_place(self->deposit, &(deposit_place_t){instance->series->folder, instance->file, identity});
    home_release(&home);
    deposit_take_message(self->deposit, data, credit);
    incoming_bytes_forget(self);
    if (!self->is_whole && incoming_bytes_are_too_many(self))
        incoming_refusal_for_memory(self);
}

/* The head goes on. The bytes too many for memory go to the file, behind a header of the values known by now. */
static void go_on_gathering(incoming_t *self, zmq_msg_t *data, uint64_t credit) {
    if (!self->deposit && incoming_bytes_gather(self, zmq_msg_data(data), zmq_msg_size(data))) {
        self->credit = credit;
        return;
    }
    if (!self->deposit)
        incoming_bytes_read_so_far(self);
    incoming_bytes_deposit(self);
    deposit_take_message(self->deposit, data, credit);
    if (incoming_bytes_are_too_many(self))
        incoming_refusal_for_memory(self);
}

/* `state`: the head's, with these bytes. */
static void take_head(incoming_t *self, head_state_t state, zmq_msg_t *data, uint64_t credit) {
    if (self->is_whole)
        state = head_finish(self->head);
    if (state == HEAD_READY)
        begin_file(self, data, credit);
    else if (state == HEAD_UNREADABLE)
        incoming_refusal_of_unreadable(self, head_complaint(self->head), data, credit);
    else
        go_on_gathering(self, data, credit);
}

incoming_state_t incoming_go_on(incoming_t *self) {
    if (self->state == INCOMING_KEPT)
        return incoming_refusal_go_on(self);
    deposit_state_t state = deposit_advance(self->deposit);
    if (state == DEPOSIT_FAILED)
        return incoming_refusal_by_storage(self);
    if (state == DEPOSIT_STORED)
        incoming_report_stored(self);
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
        incoming_refusal_keep(self, data, credit);
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
        incoming_refusal_for_size(self);
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

#include "writer/incoming_refusal.h"

#include "common/limits.h"
#include "common/log_peers.h"
#include "common/memory.h"
#include "common/portability.h"
#include "writer/incoming_bytes.h"
#include "writer/incoming_report.h"

/* An operator looks for the instance that the command names. A peer may send anything as its UID. */
static void say_refused(const incoming_t *self, const char *how, const refusal_t *refusal) {
    const char *uid = self->header->sop_instance_uid;
    log_warn(&self->context, "instance %.*s is refused%s with %04X: %s", UID_MAX_BYTES, *uid ? uid : "(none)", how,
             refusal->status, refusal->comment);
}

/* The answer does not wait for the quarantine. */
static void end_kept(incoming_t *self) {
    if (self->deposit && !deposit_take_file(self->deposit, &self->kept))
        return; /* storage is at work on it: comes back by incoming_go_on */
    store_file_t file = self->kept;
    self->kept = (store_file_t){.descriptor = -1};
    incoming_report_refused(self, &self->refusal);
    quarantine_label_t label = {&self->id, self->header, &self->refusal, self->is_part10};
    if (*file.name)
        quarantine_keep(self->environment->quarantine, &file, &label);
}

void incoming_refusal_keep(incoming_t *self, zmq_msg_t *data, uint64_t credit) {
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
        incoming_report_refused(self, &self->refusal);
}

/* The bytes so far are the first to be kept. */
static void begin_kept(incoming_t *self, const refusal_t *refusal, bool is_part10, zmq_msg_t *data,
                       uint64_t credit) {
    self->refusal = *refusal;
    self->is_part10 = is_part10 || self->deposit;
    self->state = INCOMING_KEPT;
    struct iovec header = is_part10 && !self->deposit ? incoming_bytes_file_header(self) : (struct iovec){0};
    struct iovec parts[2] = {header, {self->gathered, self->gathered_bytes}};
    if (self->deposit || quarantine_append(self->environment->quarantine, &self->kept, parts, 2))
        incoming_refusal_keep(self, data, credit);
    else
        incoming_report_refused(self, refusal);
    free(header.iov_base);
    incoming_bytes_forget(self);
}

void incoming_refusal_of_data_set(incoming_t *self, const refusal_t *refusal, bool is_part10, zmq_msg_t *data,
                                  uint64_t credit) {
    if (log_peer_may(LEVEL_WARN, log_peer_number(self->header->peer), self->header->peer))
        say_refused(self, "", refusal);
    if (self->environment->quarantine && refusal->status == STATUS_CANNOT_UNDERSTAND)
        begin_kept(self, refusal, is_part10, data, credit);
    else
        incoming_report_refused(self, refusal);
}

void incoming_refusal_unread(incoming_t *self) {
    refusal_set(&self->refusal, STATUS_OUT_OF_RESOURCES, "three writers died or hung with this object");
    say_refused(self, " unread", &self->refusal);
    self->state = INCOMING_KEPT;
}

void incoming_refusal_of_unreadable(incoming_t *self, const char *why, zmq_msg_t *data, uint64_t credit) {
    refusal_t refusal;
    if (!incoming_bytes_read(self, &refusal))
        log_debug(&self->context, "%s", refusal.comment);
    refusal_set(&refusal, STATUS_CANNOT_UNDERSTAND, "%s", why);
    incoming_refusal_of_data_set(self, &refusal, false, data, credit);
}

void incoming_refusal_for_memory(incoming_t *self) {
    uint64_t left_out;
    refusal_t refusal;
    if (log_rarely(&self->environment->holdings->said, &left_out))
        log_warn(&self->context, "heads that have not come whole take the memory for them: A700%s",
                 log_more(left_out));
    refusal_set(&refusal, STATUS_OUT_OF_RESOURCES, "too many long heads at once, please send it again");
    incoming_report_refused(self, &refusal);
}

void incoming_refusal_for_size(incoming_t *self) {
    refusal_t refusal;
    if (self->state == INCOMING_HEAD)
        incoming_bytes_read_so_far(self);
    refusal_set(&refusal, STATUS_PROCESSING_FAILURE, "the object is larger than OXIDICOM_MAX_OBJECT_SIZE");
    incoming_report_refused(self, &refusal);
}

/* Storage errors that a retry cannot fix: something else stands in the place of a folder or the file. */
static bool is_misplaced(int reason) {
    return reason == ENOTDIR || reason == EISDIR || reason == ELOOP || reason == ENAMETOOLONG || reason == EINVAL ||
           reason == EXDEV || reason == ENOTEMPTY;
}

incoming_state_t incoming_refusal_by_storage(incoming_t *self) {
    const char *step;
    int reason = deposit_failure(self->deposit, &step);
    refusal_t refusal;
    if (reason == ECANCELED) {
        self->state = INCOMING_DROPPED;
        return self->state;
    }
    if (self->state == INCOMING_FILE)
        log_debug(&self->context, "its place is %s/%s", self->instance.series->folder, self->instance.file);
    else
        incoming_bytes_read_so_far(self);
    const char *name = errno_name(reason);
    store_complain(self->environment->store, &self->context, step, reason);
    refusal_set(&refusal, is_misplaced(reason) ? STATUS_PROCESSING_FAILURE : STATUS_OUT_OF_RESOURCES,
                "storage failed to %s the file: %s", step, name ? name : "unknown error");
    incoming_report_refused(self, &refusal);
    return self->state;
}

incoming_state_t incoming_refusal_go_on(incoming_t *self) {
    if (self->is_whole)
        end_kept(self);
    else if (self->deposit && deposit_advance(self->deposit) == DEPOSIT_FAILED)
        incoming_report_refused(self, &self->refusal); /* without being kept */
    return self->state;
}

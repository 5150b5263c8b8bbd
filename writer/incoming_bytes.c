#include "writer/incoming_bytes.h"

#include "common/memory.h"
#include "writer/dicom/part10.h"

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

bool incoming_bytes_are_too_many(incoming_t *self) {
    count(self);
    return !holdings_allow(self->environment->holdings, self->held, self->held);
}

void incoming_bytes_forget(incoming_t *self) {
    if (self->head)
        head_destroy(&self->head);
    free(self->gathered);
    self->gathered = NULL;
    self->gathered_bytes = self->gathered_capacity = 0;
    if (self->held > 0)
        count(self);
}

bool incoming_bytes_gather(incoming_t *self, const void *bytes, size_t size) {
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

struct iovec incoming_bytes_file_header(const incoming_t *self) {
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

bool incoming_bytes_read(incoming_t *self, refusal_t *refusal) {
    instance_clear(&self->instance);
    return instance_read(&self->instance, self->environment->series, self->head, self->header, refusal);
}

void incoming_bytes_read_so_far(incoming_t *self) {
    refusal_t refusal;
    if (!incoming_bytes_read(self, &refusal))
        log_debug(&self->context, "so far, %s", refusal.comment);
}

void incoming_bytes_deposit(incoming_t *self) {
    if (self->deposit)
        return;
    struct iovec header = incoming_bytes_file_header(self);
    self->deposit = deposit_new(self->environment->store, self->environment->pool, self);
    deposit_set_sender(self->deposit, self->header->peer);
    deposit_take(self->deposit, header.iov_base, header.iov_len);
    if (self->gathered)
        deposit_take(self->deposit, self->gathered, self->gathered_bytes);
    self->gathered = NULL;
    self->gathered_bytes = self->gathered_capacity = 0;
}

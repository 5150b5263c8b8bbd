/* Refused objects, kept under .oxidicom/quarantine/ for people to look at: the data set, and beside it a JSON file
 * with its origin and the reason. It never delays or changes the answer. */
#ifndef WRITER_STORAGE_QUARANTINE_H
#define WRITER_STORAGE_QUARANTINE_H

#include "proto/ring.pb-c.h"
#include "writer/dicom/instance.h"
#include "writer/storage/store.h"

#define QUARANTINE_FOLDER ".oxidicom/quarantine"

typedef struct quarantine {
    store_t *store;      /* must outlive it */
    uint64_t size_bytes; /* of all that is kept, over all writers; 0: nothing is */
    log_limit_t said;
} quarantine_t;

/* The facts about a refused object. */
typedef struct quarantine_label {
    const Ring__ObjectId *id;
    const Ring__ObjectHeader *header;
    const refusal_t *refusal;
    bool
        is_part10; /* its head could be read, so that it has become a DICOM file; else the bytes are as they came */
} quarantine_label_t;

/* Writes on, or begins where `file` has no name. Returns false, and nothing is left of it, where it can't be kept:
 * it is larger than the quarantine, or storage fails. */
bool quarantine_append(quarantine_t *quarantine, store_file_t *file, struct iovec *parts, int parts_count)
    __attribute__((warn_unused_result));

/* Gives the file its place, at the cost of the oldest ones. */
void quarantine_keep(quarantine_t *quarantine, store_file_t *file, const quarantine_label_t *label);

#endif

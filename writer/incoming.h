/* One object on its way from the first chunk to its file and its report. */
#ifndef WRITER_INCOMING_H
#define WRITER_INCOMING_H

#include <czmq.h>

#include "common/log.h"
#include "proto/ring.h"
#include "writer/dicom/instance.h"
#include "writer/holdings.h"
#include "writer/homes.h"
#include "writer/report.h"
#include "writer/storage/deposit.h"
#include "writer/storage/quarantine.h"
#include "writer/storage/store.h"

/* A data set without a place by then goes to its temporary file; until then it is held in memory. */
#define HEAD_GATHERED_MAX_BYTES (256 * 1024)

/* What objects need of the stage. */
typedef struct incoming_environment {
    store_t *store;
    report_t *report;
    quarantine_t *quarantine;  /* NULL: none */
    pool_t *pool;              /* NULL: none */
    holdings_t *holdings;      /* NULL: memory is not counted */
    uint64_t max_object_bytes; /* 0: any */
    homes_t *homes;
    series_memo_t *series; /* NULL: none */
} incoming_environment_t;

typedef enum incoming_state {
    INCOMING_HEAD,   /* its head is not known yet: its bytes are in memory, or in a file without a place */
    INCOMING_FILE,   /* its bytes go to its file, or storage completes that */
    INCOMING_KEPT,   /* it will be refused; until then its bytes are gathered for the quarantine */
    INCOMING_STORED, /* ended: it is reported */
    INCOMING_REFUSED,
    INCOMING_DROPPED, /* ended in silence: it is somebody else's by now */
} incoming_state_t;

/* Nothing is to be done for it any more. */
static inline bool incoming_state_is_end(incoming_state_t state) {
    return state == INCOMING_STORED || state == INCOMING_REFUSED || state == INCOMING_DROPPED;
}

typedef struct incoming incoming_t;

/* Begins an attempt from its first chunk, which has a header; takes that. */
incoming_t *incoming_new(const incoming_environment_t *environment, Ring__Chunk *first);

/* Forgets it; its temporary file is removed, now or when storage is done with it. */
void incoming_destroy(incoming_t **self_p);

const Ring__ObjectId *incoming_id(const incoming_t *self);
uint32_t incoming_attempt(const incoming_t *self);

/* Whether the next bytes of the data set are those at `offset`. */
bool incoming_goes_on_at(const incoming_t *self, uint64_t offset);

/* Its last bytes have been taken. */
bool incoming_is_whole(const incoming_t *self);

/* Takes the next bytes of the data set, and with them the message where storage needs it; `last`: they are the
 * last. On INCOMING_STORED and INCOMING_REFUSED it is reported; on these and INCOMING_DROPPED nothing
 * but the final file is left of it, and the caller destroys the object. */
incoming_state_t incoming_take(incoming_t *self, zmq_msg_t *data, bool last, bool credit_wanted);

/* Bytes of its head wait to be inflated: they are kept, and the object is to be given turns. */
bool incoming_waits(const incoming_t *self);

/* Gives it one: inflates no more than the budget, off which that is taken. Returns as incoming_take does. */
incoming_state_t incoming_inflate(incoming_t *self, uint64_t *budget);

/* The same for an object that deposit_on_done has reported. */
incoming_state_t incoming_go_on(incoming_t *self);

/* How far the listener shall have credit, once: where it was wanted, and no further than what needs no memory here
 * any more or is part of the head. 0: there is none to give. */
uint64_t incoming_take_credit(incoming_t *self);

#endif

/* One object on its way, as the parts of incoming.c see it. Private to them. */
#ifndef WRITER_INCOMING_STATE_H
#define WRITER_INCOMING_STATE_H

#include "writer/incoming.h"

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

#endif

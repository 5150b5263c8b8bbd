/* What the broker says of CUBE's queue: written by its thread, read by the loop. */
#ifndef NOTIFIER_BROKER_QUEUE_STATE_H
#define NOTIFIER_BROKER_QUEUE_STATE_H

#include <pthread.h>
#include <stdint.h>

typedef struct queue_look {
    uint64_t number;   /* of the look, from 1; 0: there was none */
    int64_t at_ms;     /* of clock_ms */
    int64_t waiting;   /* messages; -1: the broker does not let us see it */
    int64_t consumers; /* -1: the broker does not know */
} queue_look_t;

typedef struct queue_state {
    pthread_mutex_t lock;
    queue_look_t last;
} queue_state_t;

void queue_state_init(queue_state_t *state);
void queue_state_looked(queue_state_t *state, int64_t now_ms, int64_t waiting, int64_t consumers);
queue_look_t queue_state_read(queue_state_t *state);

/* How often it is looked at, for a patience of so long. */
int64_t queue_look_interval_ms(int64_t patience_ms);

#endif

/* The stages started one by one, without the launcher and its pauses: a killed one is there again at once. */
#ifndef FAULTS_RING_OF_OURS_H
#define FAULTS_RING_OF_OURS_H

#include "tests/faults/delivery.h"

#define RING_WRITERS 3
/* The listener, the notifier, the writers. */
#define RING_STAGES (2 + RING_WRITERS)

typedef struct ring_of_ours {
    receiver_t *receiver; /* its folder; it has no launcher */
    const char *const *environment;
    pid_t pids[RING_STAGES];
    int kills[RING_STAGES];
} ring_of_ours_t;

/* Starts all stages with the environment on top of what a test needs; it must live as long as the ring. */
void ring_of_ours_start(ring_of_ours_t *ring, receiver_t *receiver, const char *const *environment);
/* Kills a stage by SIGKILL and starts it again. */
void ring_of_ours_kill(ring_of_ours_t *ring, int stage);
/* TERM in the order of the data's way; true where every stage ended with status 0. */
bool ring_of_ours_stop(ring_of_ours_t *ring);

#endif

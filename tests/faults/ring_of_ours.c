#include "tests/faults/ring_of_ours.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

static const char *const STAGES[] = {"listener", "notifier", "writer"};

static void start_stage(ring_of_ours_t *ring, int stage) {
    char *program = text_of("%s/oxidicom-%s", binaries(), STAGES[stage < 2 ? stage : 2]);
    char *id = text_of("%d", stage < 2 ? 0 : stage - 2);
    const char *environment[32] = {"OXIDICOM_WRITER_ID", id};
    for (size_t i = 0; ring->environment[i]; i++)
        environment[i + 2] = ring->environment[i];
    ring->pids[stage] = process_start(ring->receiver->log, environment, (const char *const[]){program, NULL});
    free(program);
    free(id);
}

void ring_of_ours_start(ring_of_ours_t *ring, receiver_t *receiver, const char *const *environment) {
    *ring = (ring_of_ours_t){.receiver = receiver, .environment = environment};
    receiver_set_defaults(receiver);
    for (int stage = 0; stage < RING_STAGES; stage++)
        start_stage(ring, stage);
}

void ring_of_ours_kill(ring_of_ours_t *ring, int stage) {
    int status;
    kill(ring->pids[stage], SIGKILL);
    cr_assert(process_wait(ring->pids[stage], 20000, &status));
    cr_assert(WIFSIGNALED(status), "%s ended by itself with %d", STAGES[stage < 2 ? stage : 2], status);
    ring->kills[stage]++;
    start_stage(ring, stage);
}

bool ring_of_ours_stop(ring_of_ours_t *ring) {
    static const int order[] = {0, 2, 3, 4, 1};
    bool well = true;
    for (int i = 0; i < RING_STAGES; i++) {
        int status = process_stop(ring->pids[order[i]], SIGTERM, PATIENCE_MS);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            fprintf(stderr, "%s ended with %d\n", STAGES[order[i] < 2 ? order[i] : 2], status);
            well = false;
        }
    }
    return well;
}

/* Registered means that CUBE has it. Once the broker has confirmed a registration, CUBE is asked for the series
 * with growing pauses, until one of these is true, which the journal keeps: confirmed  CUBE has it with all files
 * of the folder: now its done is said short      CUBE has it with fewer; it takes a series once, so that a further
 * task would change nothing lost       CUBE does not have it, though it was sent again RESENDS_MAX times, each with
 * an id of its own Patience for a task begins when it has left the broker's queue, and runs while CUBE's worker
 * takes tasks (worker_clock.h). While CUBE can't be asked, everything goes on as without it: done is said
 * OXIDICOM_DONE_DELAY after the broker's confirm, and the question is asked when CUBE is back. */
#ifndef NOTIFIER_BROKER_INQUIRIES_H
#define NOTIFIER_BROKER_INQUIRIES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/link_state.h"
#include "notifier/broker/queue_state.h"
#include "notifier/cube/cube.h"
#include "notifier/journal/journal.h"

/* A registration that CUBE does not have is sent again so often. */
#define RESENDS_MAX 3
/* Questions that are with CUBE's thread at once. */
#define INQUIRIES_UNDER_WAY_MAX 16
/* A queue that has stood still for so long is complained about. */
#define QUEUE_STILL_MS 60000

typedef struct inquiries inquiries_t;

/* All must outlive it. `cube` NULL: CUBE is not asked, and what an earlier process waited for goes on without it.
 */
inquiries_t *inquiries_new(journal_t *journal, const settings_t *settings, cube_t *cube, link_state_t *cube_state,
                           queue_state_t *queue);
void inquiries_destroy(inquiries_t **self_p);

/* The broker has confirmed it: CUBE is asked from now on. In the open transaction. Returns when its done is due, in
 * milliseconds since 1970; 0: that depends on what CUBE says. */
int64_t inquiries_on_registered(inquiries_t *inquiries, int64_t reception, const char *folder);

/* Hears CUBE's answer to an inquiry: a question with a number of 0 or above. The texts stay the caller's. In the
 * open transaction; if that fails, nothing has changed, and CUBE is asked again. */
void inquiries_on_answer(inquiries_t *inquiries, const cube_answer_t *answer);
/* Commits the answers, and asks the due questions. The registrar and dones_pump see to series that became due,
 * done or free to be sent. Call it several times a second. */
void inquiries_beat(inquiries_t *inquiries);

/* The state of CUBE's queue; false: unknown. `still_ms`: for how long it has stood still, if at least
 * QUEUE_STILL_MS, else 0. */
bool inquiries_queue(const inquiries_t *inquiries, int64_t *waiting, int64_t *still_ms);

#endif

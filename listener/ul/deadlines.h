/* Ends associations with late peers. */
#ifndef LISTENER_UL_DEADLINES_H
#define LISTENER_UL_DEADLINES_H

#include "listener/ul/association.h"

/* For how long nothing has been under way on it: no message has begun, none waits for its response. 0: something
 * is.
 */
int64_t deadlines_quiet_ms(const association_t *association, int64_t now_ms);

/* How long a message has been under way that comes slower than OXIDICOM_MIN_RATE; 0: none. */
int64_t deadlines_stalled_ms(const association_t *association, int64_t now_ms);

/* Aborts it, or closes its connection, where a deadline has passed. To be called every TIMER_TICK_MS. */
void deadlines_check(association_t *association, int64_t now_ms);

#endif

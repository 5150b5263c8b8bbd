/* Conditions that are waited for until a time of clock_ms. */
#ifndef COMMON_CONDITION_H
#define COMMON_CONDITION_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Destroy it with pthread_cond_destroy. */
void condition_init(pthread_cond_t *condition);

/* Waits, under the lock; false where that time has come. It may wake without reason, as pthread_cond_timedwait. */
bool condition_wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until_ms);

#endif

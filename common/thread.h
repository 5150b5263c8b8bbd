/* The end of a thread that may wait for storage. */
#ifndef COMMON_THREAD_H
#define COMMON_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* A thread gets a moment to finish its work. A stall would outlast any time. */
#define THREAD_END_MS 1000

/* Waits until the thread has ended: as long as a busy machine needs if it is idle, else THREAD_END_MS. False: it is
 * left to the kernel. */
bool thread_join(pthread_t thread, bool idle) __attribute__((warn_unused_result));

#endif

/* Pauses between attempts. */
#ifndef COMMON_BACKOFF_H
#define COMMON_BACKOFF_H

#include <stdint.h>

/* The pause after so many failures in a row, from 1: the first one, doubled with each further failure, up to the
 * longest. */
int64_t backoff_ms(int64_t first_ms, int64_t longest_ms, int64_t failures);

/* Between half and the whole of a pause, so that many do not come back at the same moment. */
int64_t backoff_jittered(int64_t pause_ms);

#endif

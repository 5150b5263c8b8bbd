/* What the log hears of storage that fails: a full disk fails for every object. */
#ifndef WRITER_STORAGE_TROUBLE_H
#define WRITER_STORAGE_TROUBLE_H

#include <stdbool.h>

#include "common/log.h"

#define TROUBLE_KINDS 16

/* Begins zeroed. */
typedef struct trouble {
    struct {
        int reason; /* errno; 0: free */
        log_limit_t limit;
    } kinds[TROUBLE_KINDS];
    uint64_t objects; /* failures since the last stored object */
} trouble_t;

/* Errors that may be over in a moment, or by an operator's hand, without a new start. */
bool trouble_may_pass(int reason);

/* An object failed at `step`: one line a minute for each errno value. `hint`: added to the line. */
void trouble_say(trouble_t *trouble, const log_context_t *object, const char *step, int reason, const char *hint);

/* An object was stored: says so where others failed before. */
void trouble_over(trouble_t *trouble);

#endif

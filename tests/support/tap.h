/* What a NATS server carries: a subscriber to everything. */
#ifndef SUPPORT_TAP_H
#define SUPPORT_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tap tap_t;

typedef struct lonk {
    char *subject;
    uint8_t payload[512];
    size_t size;
    int64_t at_ms;
} lonk_t;

/* Connects and subscribes; aborts the test where it can't. */
tap_t *tap_new(int port);
void tap_destroy(tap_t **self_p);

/* The messages so far, in order. Valid until tap_clear or tap_destroy, also while more arrive. */
size_t tap_count(tap_t *tap);
const lonk_t *tap_at(tap_t *tap, size_t index);
void tap_clear(tap_t *tap);

/* The messages of one subject, summed up. */
typedef struct lonk_summary {
    char subject[256];
    int64_t last_count; /* -1: none */
    int counts, errors, dones;
    const char *disorder; /* NULL: counts start at 1 and never fall, nothing follows done */
} lonk_summary_t;

/* Fills at most `room` summaries, one per subject in order of appearance; returns their number. */
size_t tap_summarize(tap_t *tap, lonk_summary_t *summaries, size_t room);
/* Waits until the subject has had `dones` dones. */
bool tap_await_done(tap_t *tap, const char *subject, int dones, int64_t ms);
lonk_summary_t tap_summary_of(tap_t *tap, const char *subject);

#endif

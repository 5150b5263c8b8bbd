/* A sender like a PACS: it sends a series until every object is acknowledged, through everything. And the checks
 * of storage and queue afterwards. */
#ifndef FAULTS_DELIVERY_H
#define FAULTS_DELIVERY_H

#include "tests/ring/ring.h"

#define DELIVERY_MAX 64

typedef struct delivery {
    int port;
    char calling_ae[17], series[65];
    int count;          /* objects, numbered from 1 */
    size_t pixels;      /* bytes of each … */
    int large;          /* … but of this one, 0: none, which is too large for one window of credit */
    bool unreadable;    /* one more is sent, which is to be refused */
    int64_t timeout_ms; /* for one response */
    bool *stop;         /* ends early where it becomes true, or NULL */
    bool acknowledged[DELIVERY_MAX + 1];
    bool refused;                                     /* the unreadable one was, as it should */
    int associations, sent, out_of_resources, others; /* acknowledged; others: statuses without an explanation */
} delivery_t;

/* Sends, over as many associations as it takes, until all is acknowledged; false after `ms`. */
bool delivery_run(delivery_t *delivery, int64_t ms);
int delivery_acknowledged(const delivery_t *delivery);
bytes_t delivery_object(const delivery_t *delivery, int number);

/* How many acknowledged objects are missing or altered in storage, each with a line on standard error. `others`,
 * where not NULL, gets the number of files in the series' folder that are none of the series. */
int delivery_faults(const delivery_t *delivery, const char *root, int *others);

/* Temporary files that are left, counted by `find`. */
bool no_temporary_files(const receiver_t *receiver);

/* Takes registrations of the series until one has `ndicom` files, and checks that none with another number follows.
 */
void expect_last_registration(queue_t *queue, const char *series, int ndicom);

/* Makes `rules` (preload.h) the ones that stages of this receiver follow from now on; NULL: none. */
void set_faults(const receiver_t *receiver, const char *rules);
/* Whether the stage that the rule of this line is for was killed within `ms`. */
bool fault_killed(const receiver_t *receiver, int line, int64_t ms);
/* Starts the receiver with the preloaded library. Skips the test where nothing can be preloaded. */
void start_with_faults(receiver_t *receiver, const char *queue, const char *const *more);
/* The same under these rules from the start. */
void start_under_faults(receiver_t *receiver, const char *queue, const char *rules, const char *const *more);

#endif

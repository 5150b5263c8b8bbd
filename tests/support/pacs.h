/* A PACS that sends series after series in a thread of its own, until it is told to end. */
#ifndef SUPPORT_PACS_H
#define SUPPORT_PACS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct pacs {
    int port;
    const char *calling_ae;
    const char *root_uid; /* series are this with .1, .2 and so on */
    int objects;          /* of a series */
    size_t object_bytes;  /* of pixel data */
    int series_max;       /* it ends by itself then */
    atomic_int series;    /* sent; each object acknowledged, each association released */
    atomic_bool ended, failed;
    pthread_t thread;
} pacs_t;

/* Goes on where it ended last. */
void pacs_begin(pacs_t *pacs);
/* Waits for the series under way. Fails the test where one was not taken, as all below do. */
void pacs_end(pacs_t *pacs);
/* Until so many more series are sent; fails the test after `ms`. */
void pacs_await(pacs_t *pacs, int more, int64_t ms);
/* Lets it send for a while; returns objects per second. */
double pacs_rate(pacs_t *pacs, int64_t ms);
/* The number of a series of this PACS; fails the test where it neither has sent it nor does. */
int pacs_number_of(const pacs_t *pacs, const char *series_uid);

#endif

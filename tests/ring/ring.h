/* What the end-to-end suites share: one RabbitMQ and one nats-server for the whole program, started before the
 * first test and stopped after the last. */
#ifndef RING_RING_H
#define RING_RING_H

#include <criterion/criterion.h>

#include "tests/support/queue.h"
#include "tests/support/receiver.h"
#include "tests/support/scu.h"
#include "tests/support/servers.h"
#include "tests/support/tap.h"

int rabbitmq_port(void);
int nats_port(void);
/* Addresses of the two as the receiver takes them; valid for the whole test. */
const char *rabbitmq_address(void);
const char *nats_address(void);

/* A receiver with these servers and a queue of its own name, `progress` as OXIDICOM_PROGRESS_INTERVAL. `more`:
 * further name-value pairs, NULL-terminated, or NULL. */
void ring_start(receiver_t *receiver, const char *queue, const char *const *more);

/* "oxidicom.<AE>.<series>" as the subject has it; valid until the next call. */
const char *subject_of(const char *calling_ae, const char *series_uid);

/* Opens an association and stores `count` instances of the series, numbered from `first`; every status must be
 * 0000. Leaves it open. */
/* Mounts a tmpfs with these options (mount(8)) on the folder, for this process and its children. Skips the test
 * without the right to. */
void mount_small(const char *folder, const char *options);
/* Sends one instance of a series, with so many bytes of pixels, over an association for MR. Returns the status. */
int store_instance(scu_t *scu, const char *series_uid, int number, size_t pixels);
void store_some(scu_t *scu, int port, const char *calling_ae, const char *series_uid, int first, int count);
/* The UID of an instance of a series, as store_some makes it; valid until the next call. */
const char *instance_of(const char *series_uid, int number);

/* How many series a test sends: OXIDICOM_TEST_SERIES, at most `most`, where it is set. */
int series_to_send(int usual, int most);
/* The UID of series `number` below `root`; valid until the next call. */
const char *series_number(const char *root, int number);

/* Writes `count` Part 10 files of a series into the folder, numbered from `first`. */
void write_series(const char *folder, const char *series_uid, int first, int count, size_t pixels);

/* Takes the next registration from the queue and checks series and count. */
void expect_registration(queue_t *queue, const char *series_uid, int ndicom);
/* That none comes within a moment. */
void expect_no_registration(queue_t *queue);

/* Stores an object, again and again until it is stored: the receiver may give it up after
 * OXIDICOM_STORE_TIMEOUT. */
void expect_stored_in_the_end(scu_t *scu, const char *instance, const bytes_t *set);

#endif

/* A connection to a broker that blocks only until a deadline: TCP, TCP with TLS, or a Unix socket. */
#ifndef NOTIFIER_BROKER_STREAM_H
#define NOTIFIER_BROKER_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "notifier/broker/broker_tls.h"
#include "notifier/broker/failure.h"

typedef struct stream stream_t;

/* `deadline_ms` is one of clock_ms, `tls` NULL: none. NULL: with the failure. */
stream_t *stream_open_tcp(const char *host, const char *port, const broker_tls_t *tls, int64_t deadline_ms,
                          failure_t *failure);
stream_t *stream_open_unix(const char *path, int64_t deadline_ms, failure_t *failure);
void stream_close(stream_t **self_p);

/* Readable when there is something to read. */
int stream_descriptor(const stream_t *stream);
/* Waits until there may be something to read; -1: not until the deadline, with the failure. */
int stream_await(const stream_t *stream, int64_t deadline_ms, failure_t *failure);
/* Writes all; -1: with the failure. */
int stream_write(stream_t *stream, const void *bytes, size_t size, int64_t deadline_ms, failure_t *failure);
/* Reads the available bytes, up to `size`; 0: nothing now. -1: the end, with the failure. */
ssize_t stream_read(stream_t *stream, void *bytes, size_t size, failure_t *failure);

#endif

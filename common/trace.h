/* The span and trace of an association or object (W3C Trace Context, https://www.w3.org/TR/trace-context/). */
#ifndef COMMON_TRACE_H
#define COMMON_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRACE_ID_BYTES    16
#define SPAN_ID_BYTES     8
#define TRACEPARENT_BYTES 56 /* with its NUL */

/* Zeroed: none. */
typedef struct trace_context {
    uint8_t trace_id[TRACE_ID_BYTES];
    uint8_t span_id[SPAN_ID_BYTES];
    bool sampled;
} trace_context_t;

/* Whether there is one; it may be sampled or not. */
bool trace_is_set(const trace_context_t *trace);

/* Writes lower-case digits and a NUL. */
void trace_hex(const uint8_t *bytes, size_t size, char *text);

/* Writes "00-<trace id>-<span id>-<flags>", or an empty text where there is none. */
void traceparent_write(const trace_context_t *trace, char text[TRACEPARENT_BYTES]);

/* Reads it; false, and none in `trace`, for another version than 00. */
bool traceparent_read(trace_context_t *trace, const char *text);

#endif

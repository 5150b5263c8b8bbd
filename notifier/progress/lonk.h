/* LONK, the "light oxidicom notifications encoding": subjects and payloads as bytes. */
#ifndef NOTIFIER_PROGRESS_LONK_H
#define NOTIFIER_PROGRESS_LONK_H

#include <stddef.h>
#include <stdint.h>

/* The first byte of each payload. */
#define LONK_DONE        0x00
#define LONK_COUNT       0x01
#define LONK_ERROR       0x02

#define LONK_COUNT_BYTES 5

/* The end of a series: published last, and kept until NATS has it. */
typedef struct lonk_final {
    int64_t reception;
    const char *subject;
    uint32_t count;     /* the last one */
    int64_t ended_ms;   /* clock_ms when it was said; 0: it was not */
    const char *errors; /* each ends with a NUL */
    size_t errors_size;
} lonk_final_t;

/* Longer parts of a subject are cut: nats-server closes a connection on a protocol line of more than 4096
 * bytes. */
#define LONK_TOKEN_MAX_BYTES 1024

/* "{root}.{calling AE}.{SeriesInstanceUID}"; in the last two parts, space, `.`, `*`, `>` and control characters
 * become `_`, since they would end a token, match several or break NATS' line; so does an empty AE title; an empty
 * UID is UNKNOWN. Free it. */
char *lonk_subject(const char *root, const char *calling_ae, const char *series_uid);
/* The part of it for the calling AE title: clients hear titles that have one as one. Free it. */
char *lonk_title(const char *calling_ae);

/* 01 and the count, little endian. */
void lonk_count(uint8_t payload[LONK_COUNT_BYTES], uint32_t count);

/* 02 and the text. Free it. */
uint8_t *lonk_error(const char *text, size_t *size);

#endif

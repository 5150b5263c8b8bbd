#include "common/trace.h"

#include <string.h>

bool trace_is_set(const trace_context_t *trace) {
    static const trace_context_t none;
    return memcmp(trace->trace_id, none.trace_id, TRACE_ID_BYTES) != 0 &&
           memcmp(trace->span_id, none.span_id, SPAN_ID_BYTES) != 0;
}

void trace_hex(const uint8_t *bytes, size_t size, char *text) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        *text++ = digits[bytes[i] >> 4];
        *text++ = digits[bytes[i] & 15];
    }
    *text = 0;
}

void traceparent_write(const trace_context_t *trace, char text[TRACEPARENT_BYTES]) {
    text[0] = 0;
    if (!trace_is_set(trace))
        return;
    memcpy(text, "00-", 3);
    trace_hex(trace->trace_id, TRACE_ID_BYTES, text + 3);
    text[35] = '-';
    trace_hex(trace->span_id, SPAN_ID_BYTES, text + 36);
    memcpy(text + 52, trace->sampled ? "-01" : "-00", 4);
}

/* Two digits, lower case as the recommendation has them; -1: they are none. */
static int byte_of(const char *text) {
    int value = 0;
    for (int i = 0; i < 2; i++) {
        int digit = text[i] >= '0' && text[i] <= '9'   ? text[i] - '0'
                    : text[i] >= 'a' && text[i] <= 'f' ? text[i] - 'a' + 10
                                                       : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static bool read_bytes(const char *text, uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        int value = byte_of(text + 2 * i);
        if (value < 0)
            return false;
        bytes[i] = (uint8_t)value;
    }
    return true;
}

bool traceparent_read(trace_context_t *trace, const char *text) {
    uint8_t flags;
    bool read = strlen(text) == TRACEPARENT_BYTES - 1 && strncmp(text, "00-", 3) == 0 && text[35] == '-' &&
                text[52] == '-' && read_bytes(text + 3, trace->trace_id, TRACE_ID_BYTES) &&
                read_bytes(text + 36, trace->span_id, SPAN_ID_BYTES) && read_bytes(text + 53, &flags, 1) &&
                trace_is_set(trace);
    if (read)
        trace->sampled = flags & 1;
    else
        memset(trace, 0, sizeof *trace);
    return read;
}

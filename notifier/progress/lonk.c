#include "notifier/progress/lonk.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

/* Bytes of the character at `s` that a subject's token must not hold (U+0000–1F and U+007F–9F are controls); 0: it
 * may. */
static size_t forbidden(const uint8_t *s) {
    if (s[0] == 0xC2 && s[1] >= 0x80 && s[1] <= 0x9F)
        return 2;
    return strchr(" .*>\x7F", s[0]) || s[0] < ' ';
}

/* Appends one token of a subject, cut where a character begins. Returns where it ends. */
static char *append_token(char *to, const char *text) {
    const char *end = to + LONK_TOKEN_MAX_BYTES;
    for (const uint8_t *s = (const uint8_t *)text; *s && to < end;) {
        size_t skip = forbidden(s), length = 1;
        while (!skip && (s[length] & 0xC0) == 0x80)
            length++;
        if (to + length > end)
            break;
        if (skip)
            *to++ = '_';
        else
            to = mempcpy(to, s, length);
        s += skip ? skip : length;
    }
    return to;
}

char *lonk_title(const char *calling_ae) {
    if (!*calling_ae) /* NATS knows no empty tokens */
        calling_ae = "_";
    char *title = must(malloc(strlen(calling_ae) + 1));
    *append_token(title, calling_ae) = 0;
    return title;
}

char *lonk_subject(const char *root, const char *calling_ae, const char *series_uid) {
    if (!*series_uid)
        series_uid = "UNKNOWN";
    char *title = lonk_title(calling_ae);
    char *subject = must(malloc(strlen(root) + strlen(title) + strlen(series_uid) + 3));
    char *to = stpcpy(stpcpy(stpcpy(stpcpy(subject, root), "."), title), ".");
    *append_token(to, series_uid) = 0;
    free(title);
    return subject;
}

void lonk_count(uint8_t payload[LONK_COUNT_BYTES], uint32_t count) {
    payload[0] = LONK_COUNT;
    for (int i = 0; i < 4; i++)
        payload[1 + i] = (uint8_t)(count >> (8 * i));
}

uint8_t *lonk_error(const char *text, size_t *size) {
    *size = 1 + strlen(text);
    uint8_t *payload = must(malloc(*size));
    payload[0] = LONK_ERROR;
    memcpy(payload + 1, text, *size - 1);
    return payload;
}

#include "common/percent.h"

#include <ctype.h>

static int hex(char c) {
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

int percent_decode(char *text) {
    char *to = text;
    int stray = 0;
    for (const char *from = text; *from; to++) {
        int high = *from == '%' ? hex(from[1]) : -1, low = high >= 0 ? hex(from[2]) : -1;
        *to = *from;
        if (low >= 0)
            *(unsigned char *)to = (unsigned char)(high * 16 + low);
        stray += *from == '%' && low < 0;
        from += low >= 0 ? 3 : 1;
        if (!*to)
            return -1;
    }
    *to = 0;
    return stray;
}

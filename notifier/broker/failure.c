#include "notifier/broker/failure.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/memory.h"

int failure_set(failure_t *failure, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = vformat_text(format, arguments);
    va_end(arguments);
    snprintf(failure->text, sizeof failure->text, "%s", text);
    free(text);
    return -1;
}

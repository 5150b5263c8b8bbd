/* Percent-encoded parts of addresses (RFC 3986 2.1). */
#ifndef COMMON_PERCENT_H
#define COMMON_PERCENT_H

#include <stdbool.h>

/* Decodes in place. What is no percent-encoded byte stays, as Python has it. False: there is an encoded NUL. */
bool percent_decode(char *text) __attribute__((warn_unused_result));

#endif

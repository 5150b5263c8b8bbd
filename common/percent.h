/* Percent-encoded parts of addresses (RFC 3986 2.1). */
#ifndef COMMON_PERCENT_H
#define COMMON_PERCENT_H

/* Decodes in place. Returns how many % are not followed by two digits; they stay, as Python has it. -1: there is an
 * encoded NUL. */
int percent_decode(char *text) __attribute__((warn_unused_result));

#endif

/* The two text encodings that bytes from the network are taken for when they do not say. */
#ifndef COMMON_UTF8_H
#define COMMON_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the bytes are well-formed UTF-8 (no surrogates, no overlong forms, nothing above U+10FFFF). */
bool utf8_valid(const char *bytes, size_t size);

/* How many bytes of a UTF-8 text are its first `characters` code points, or all of it. */
size_t utf8_cut(const char *text, size_t characters);

/* Puts `?` in place of each control character (C0, C1, DEL) of a valid text, and of each that breaks a line or
 * turns the direction of text (UAX #9): they could make a terminal lie. In place. */
void utf8_blank_controls(char *text);

/* A copy to show to people: as UTF-8, from Latin-1 where it is none, with its control characters blanked. Free it.
 */
char *utf8_shown(const char *text);

/* Latin-1 as UTF-8, NUL-terminated; free it. A NUL inside the bytes stays inside: `size_out`, if not NULL, is
 * the length without the terminator. */
char *utf8_from_latin1(const char *bytes, size_t size, size_t *size_out);

#endif

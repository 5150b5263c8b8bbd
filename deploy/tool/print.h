/* What the commands print: aligned columns for people, JSON for machines. */
#ifndef TOOL_PRINT_H
#define TOOL_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Lines of cells, printed when all are known. */
typedef struct table table_t;

/* Headings in the form "ONE|TWO|THREE"; "" in place of them: none, and `columns` of the first line. */
table_t *table_new(const char *headings);
/* One line: as many cells, NULL-terminated. They are copied; control characters, which a terminal would obey,
 * become `?`. */
void table_add(table_t *table, ...) __attribute__((sentinel));
size_t table_lines(const table_t *table);
/* Destroys it; nothing if it is destroyed already. */
void table_clear(table_t **self_p);
/* Prints and destroys it. */
void table_print(table_t **self_p, FILE *out);

/* Texts for cells, valid until some dozen further calls of these. */
const char *cell(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Local time; "-" for 0. */
const char *cell_time(int64_t wall_ms);
/* The time of day alone. */
const char *cell_clock(int64_t wall_ms);
const char *cell_bytes(uint64_t bytes);
/* A number, and the words for one or for another number. */
const char *cell_many(uint64_t count, const char *one, const char *more);

/* Prints and frees it. */
void json_print(json_t *json, FILE *out);

/* Reads a point in time: a date, optionally with a time (2026-05-01, 2026-05-01T12:30, seconds too; local time), or
 * how long ago (90s, 2h 30m, 3days). */
bool when_parse(const char *text, int64_t *wall_ms) __attribute__((warn_unused_result));

#endif

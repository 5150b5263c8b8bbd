/* The associations of tests/vectors/cases.json: how each is sent, and which patients are in them. */
#ifndef RING_CASES_H
#define RING_CASES_H

#include "tests/ring/ring.h"

#define CASE_OBJECTS 8

/* An array of them. */
json_t *cases_load(void);

/* Opens the association, sends its objects and releases it; returns whether that went well. The data sets go to
 * `sets`, to be freed, their number to `count`, the statuses, as four hexadecimal digits, to the array `statuses`.
 */
bool case_send(const json_t *the_case, int port, bytes_t sets[CASE_OBJECTS], size_t *count, json_t *statuses);

/* How often the bytes name one of the cases' patients, by name, ID, or the folder's name, which is made of both.
 * Says each, and `where`, to stderr. */
int cases_patients_in(const json_t *cases, const char *where, const char *bytes, size_t size);

#endif

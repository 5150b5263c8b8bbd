/* What the conformance statement says of the listener, from its tables. */
#ifndef LISTENER_CONFORMANCE_H
#define LISTENER_CONFORMANCE_H

#include <stdio.h>

/* Writes the parts of deploy/CONFORMANCE.md that are made of this folder's tables, each between the markers that it
 * has there. */
void conformance_print(FILE *out);

#endif

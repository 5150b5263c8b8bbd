/* Versions of the libraries that every process of the ring runs with, as they say themselves. */
#ifndef PROTO_LIBRARIES_H
#define PROTO_LIBRARIES_H

#include <stdio.h>

/* For --version: a line each. */
void libraries_print(FILE *out);
void libraries_print_one(FILE *out, const char *name, const char *version);

#endif

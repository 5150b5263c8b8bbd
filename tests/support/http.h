/* A client of the HTTP endpoint, and a reader of its values. */
#ifndef SUPPORT_HTTP_H
#define SUPPORT_HTTP_H

#include <stddef.h>

/* Sends the bytes to 127.0.0.1 and returns the answer until the connection ends, at most for `ms`; free it. NULL
 * if nobody accepts. */
char *http_exchange(int port, const void *bytes, size_t size, int ms);

/* The same for a request that is text, until one response is there, though the server may keep the connection. */
char *http_call(int port, const char *request, int ms);

/* GET with one further header line, or NULL. Returns the body, to free; "" where there is none. `status`: of the
 * response; 0: none came. */
char *http_get(int port, const char *path, const char *header, int *status);

/* The value of a series, written as in /metrics ("oxidicom_objects_stored_total{calling_ae=\"PACS\"}"); -1 if it
 * is not in the text. */
double metric_in(const char *text, const char *series);

#endif

/* Between a client and a server on loopback: a TCP relay that can cut connections or stop passing anything on. */
#ifndef SUPPORT_RELAY_H
#define SUPPORT_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct relay relay_t;

/* Passes everything on to the server on `port`; where that is not there, connections are closed at once. */
relay_t *relay_new(int port);
void relay_destroy(relay_t **self_p);
/* Where clients connect to. */
int relay_port(const relay_t *relay);

/* From now on each new connection is cut after a number of bytes from `least` to `most`, both directions counted.
 */
void relay_cut(relay_t *relay, unsigned seed, size_t least, size_t most);
/* Connections are cut, and new ones closed at once, as if the server were not there. */
void relay_refuse(relay_t *relay);
/* Connections stay open, and nothing passes. */
void relay_hang(relay_t *relay);
/* Everything passes again, also bytes sent meanwhile. */
void relay_pass(relay_t *relay);

/* How many connections were cut so far, and waiting for it. */
int relay_cuts(relay_t *relay);
bool relay_await_cuts(relay_t *relay, int cuts, int64_t ms);

#endif

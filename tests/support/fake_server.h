/* A TCP server of loopback that means no good: it says its given lines, and never reads. */
#ifndef SUPPORT_FAKE_SERVER_H
#define SUPPORT_FAKE_SERVER_H

#include <stdint.h>

typedef struct fake_server fake_server_t;

/* Sends each client `greeting`, then `filler` again and again as long as the client takes it; "": nothing, and
 * the client's turn is over after a moment; NULL: nothing, and it is not. Both must outlive it. */
fake_server_t *fake_server_new(const char *greeting, const char *filler);
void fake_server_destroy(fake_server_t **self_p);
int fake_server_port(const fake_server_t *server);

/* The sent lines so far, and the number of clients. */
uint64_t fake_server_sent_bytes(const fake_server_t *server);
int fake_server_clients(const fake_server_t *server);

#endif

/* What the suites about the upper layer share: a receiver that needs no server, looked at from the wire. */
#ifndef RING_UPPER_LAYER_H
#define RING_UPPER_LAYER_H

#include "tests/ring/ring.h"

#define VERIFICATION "1.2.840.10008.1.1"
#define MR_CONTEXT   1
#define ECHO_CONTEXT 3
#define NOT_ACCEPTED 5 /* proposed with an abstract syntax that nobody knows */

enum { ASSOCIATE_RQ = 1, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT };
enum { LAST_COMMAND = 3, COMMAND = 1, DATA = 0, LAST_DATA = 2 }; /* message control headers, PS3.8 E.2 */

typedef struct site {
    receiver_t receiver;
    pid_t listener;
} site_t;

site_t site_start(void);
/* With name-value pairs, NULL-terminated. */
site_t site_start_with(const char *const *settings);
#define SITE_WITH(...) site_start_with((const char *const[]){__VA_ARGS__, NULL})
/* Ends the listener in order, the rest at once. No test may have brought the listener down: a new one in its place
 * would hide it. */
void site_end(site_t *site);

/* Opens an association with the three contexts above. */
scu_t site_associate(const site_t *site);
/* That a new association stores the instance. */
void expect_service(const site_t *site, const bytes_t *set);
/* Stops the writer or the notifier: objects stay unanswered until site_go_on. */
void site_hold(const site_t *site, const char *stage);
void site_go_on(const site_t *site, const char *stage);

/* An instance of `size` or more bytes. Free it. */
bytes_t instance(int number, size_t size);
/* That a file has exactly this data set. */
void expect_stored(const site_t *site, const bytes_t *set);
/* The same where nobody has been told so yet. */
void expect_stored_soon(const site_t *site, const bytes_t *set);
/* That there come to be exactly so many files below the files root, temporary ones included. */
void expect_files(const site_t *site, size_t count);
/* That the next response has this status, and answers this command and message. */
void expect_response(scu_t *scu, int status, uint16_t field, uint16_t message_id);

#endif

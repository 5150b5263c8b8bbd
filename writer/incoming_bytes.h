/* The bytes of an object while its head is not known, and the values that the head has told. Private to incoming.c.
 */
#ifndef WRITER_INCOMING_BYTES_H
#define WRITER_INCOMING_BYTES_H

#include "writer/incoming_state.h"

/* Takes bytes of the head into memory. Returns false, and does nothing, where the object would hold too much then.
 */
bool incoming_bytes_gather(incoming_t *self, const void *bytes, size_t size);
/* Forgets the head and its bytes. */
void incoming_bytes_forget(incoming_t *self);
/* Whether the object holds more memory than the budget of all allows it. */
bool incoming_bytes_are_too_many(incoming_t *self);

/* Reads what the head has told so far into the instance. Returns false with the refusal where that is bad. */
bool incoming_bytes_read(incoming_t *self, refusal_t *refusal);
/* The same, of an object that is to be refused or goes on without them: the watchers of its series shall hear of
 * it. */
void incoming_bytes_read_so_far(incoming_t *self);
/* What makes a file of the data set: the preamble and File Meta Information (PS3.10 7.1). Free it. */
struct iovec incoming_bytes_file_header(const incoming_t *self);
/* Begins the deposit, if there is none, with that header and the gathered bytes. */
void incoming_bytes_deposit(incoming_t *self);

#endif

/* The end of an object, said to the listener and the notifier. Private to incoming.c. */
#ifndef WRITER_INCOMING_REPORT_H
#define WRITER_INCOMING_REPORT_H

#include "writer/incoming_state.h"

/* Its file stands where the deposit says: INCOMING_STORED. */
void incoming_report_stored(incoming_t *self);
/* INCOMING_REFUSED; what was kept of it is discarded. */
void incoming_report_refused(incoming_t *self, const refusal_t *refusal);

#endif

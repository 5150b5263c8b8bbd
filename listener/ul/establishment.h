/* From A-ASSOCIATE-RQ to its answer (PS3.8 9.2, states 2 and 3). */
#ifndef LISTENER_UL_ESTABLISHMENT_H
#define LISTENER_UL_ESTABLISHMENT_H

#include "listener/ul/association.h"

/* The request is whole; it is answered, or waits in STA3 for a place among the associations served. */
void establishment_on_request(association_t *association, const stream_event_t *event);

/* STA3: answers with A-ASSOCIATE-AC. */
void establishment_accept(association_t *association);
/* STA3: answers with A-ASSOCIATE-RJ, because a limit of ours is reached for now. */
void establishment_reject_for_now(association_t *association, const char *why);

#endif

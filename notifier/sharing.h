/* What the notifier does with replicas.h besides its registrations: locks at the start, openings that wait for
 * their lock, and receptions that are left to the others at the end. */
#ifndef NOTIFIER_SHARING_H
#define NOTIFIER_SHARING_H

#include "notifier/notifier.h"

/* The locks of what an earlier process has left went with it: they are taken again. */
void sharing_resume(notifier_t *notifier);
/* What the thread for locks has answered. */
void sharing_on_answers(notifier_t *notifier);
/* At the end: replicas that go on can tell us by our notes that they have registered a series which we have a part
 * of. `unleft` says how many answers are to come. */
void sharing_leave_all(notifier_t *notifier);

#endif

/* Takes due registrations from the journal to the replicas, who say whether this one registers the series, then to
 * storage, which counts their files, then to the broker, and their fate back into the journal. Owns the list of
 * registrations on their way; a crash forgets that, and they are sent again with the same task ids. */
#ifndef NOTIFIER_BROKER_REGISTRAR_H
#define NOTIFIER_BROKER_REGISTRAR_H

#include <czmq.h>

#include "notifier/broker/inquiries.h"
#include "notifier/journal/journal.h"
#include "notifier/journal/storage.h"
#include "notifier/replicas/replicas.h"

/* Registrations handed to the broker and not yet confirmed, at most. */
#define REGISTRATIONS_IN_FLIGHT 64

typedef struct registrar registrar_t;

/* All must outlive it; `broker` as of broker_new. `replicas` NULL: there are none. */
registrar_t *registrar_new(journal_t *journal, replicas_t *replicas, storage_t *storage, zactor_t *broker,
                           inquiries_t *inquiries, const settings_t *settings);
void registrar_destroy(registrar_t **self_p);

/* The replicas' decision; false: the registrar did not ask. Takes the answer's note. Call registrar_on_broker after
 * the last one. */
bool registrar_on_decided(registrar_t *registrar, const replicas_answer_t *answer);
/* Storage has counted the files of a registration, which is taken; `late` as in storage_answer_t. Call
 * registrar_on_broker after the last one: it does the rest. */
void registrar_on_counted(registrar_t *registrar, registration_t *registration, bool late);
/* Takes the messages of the broker's thread, records them, and hands over due registrations. */
void registrar_on_broker(registrar_t *registrar);
/* Hands over due registrations, while the broker is connected. Call it when one may have become due, and now and
 * then. */
void registrar_pump(registrar_t *registrar);
/* Whether waiting could bring a confirmation soon. */
bool registrar_busy(registrar_t *registrar);
/* How many wait for storage. */
size_t registrar_at_storage(const registrar_t *registrar);
/* How many are with the broker, not confirmed or not recorded yet. */
size_t registrar_with_broker(const registrar_t *registrar);

#endif

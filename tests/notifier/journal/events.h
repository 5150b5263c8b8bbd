/* Messages as the listener and the writers send them to the notifier. */
#ifndef TESTS_NOTIFIER_JOURNAL_EVENTS_H
#define TESTS_NOTIFIER_JOURNAL_EVENTS_H

#include "proto/ring.h"

#define AE "RAWSCU"
#define FOLDER                                                                                                     \
    "SERVICES/PACS/RAWSCU/1449c1d-Doe_Jane-20090701/MR-Brain_w_o_Contrast-98edede8b2-20130308/"                    \
    "00005-SAG_MPRAGE_220_FOV-c920ca4"
#define SERIES            "1.2.826.0.1.3680043.9.9999.3.1"
#define SERIES_IN_SUBJECT "1_2_826_0_1_3680043_9_9999_3_1"
#define SUBJECT           "oxidicom.RAWSCU." SERIES_IN_SUBJECT

/* A test's event of one object; missing fields have a default. */
typedef struct event {
    uint64_t listener, association, object; /* default: 1 each */
    const char *calling_ae;                 /* AE */
    const char *series;                     /* SERIES; "" stays empty */
    const char *folder;                     /* FOLDER */
    const char *file;                       /* named after the object */
    uint32_t status;                        /* refused with it; 0: stored */
    uint32_t attempt;                       /* 1 */
    const char *reason;
} event_t;

/* The messages behind an event. Not to be copied: they point into themselves. */
typedef struct event_message {
    Ring__ObjectId id;
    Ring__Series series;
    Ring__Stored stored;
    Ring__StoredObject object, *objects[1]; /* of stored */
    Ring__Refused refused;
    char file[32];
} event_message_t;

void event_fill(event_message_t *message, const event_t *event);
/* The token of an event's series. */
uint64_t event_token(const event_t *event);

/* The tags of the series in celery.json, in FOLDER. */
Ring__Series series_example(void);

#endif

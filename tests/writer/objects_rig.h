/* A writer without its loop, with the test in the place of its two neighbours. */
#ifndef TESTS_WRITER_OBJECTS_RIG_H
#define TESTS_WRITER_OBJECTS_RIG_H

#include "tests/writer/dicom/data_set.h"
#include "writer/objects.h"

#define LISTENER 77
#define FOLDER                                                                                                     \
    "SERVICES/PACS/RAWSCU/1449c1d-Doe_Jane-20090701/MR-Brain_w_o_Contrast-98edede8b2-20130308/"                    \
    "00005-SAG_MPRAGE_220_FOV-6b39373"
#define FILE_NAME "0001-1.2.826.0.1.3680043.9.9999.4.1.dcm"

/* A writer without its loop: the table, a store, and the inboxes of its two neighbours. */
extern struct rig {
    char *folder, *root;
    zsock_t *to_listener, *to_notifier, *listener, *notifier;
    incoming_environment_t environment;
    holdings_t holdings;
    objects_t *objects;
} rig;

void rig_init(void);
void rig_fini(void);

/* --- what the listener does --- */

typedef struct sent {
    bool unread;
    uint64_t listener, association, object;
    uint32_t attempt;
    bool credit_wanted, headless;
    char *sop_class, *sop_instance, *syntax, *calling_ae;
    const ProtobufCMessageUnknownField *unknown; /* in the header */
} sent_t;

void send_bytes(sent_t which, const uint8_t *bytes, uint64_t offset, size_t size, bool last);
void send_chunk(sent_t which, const data_set_t *set, size_t offset, size_t size, bool last);
void send_by(sent_t which, const data_set_t *set, size_t step);
void send_whole(sent_t which, const data_set_t *set);

/* --- results --- */

/* Free it with ring__envelope__free_unpacked. */
Ring__Envelope *received(zsock_t *socket);
/* Nothing comes, also of gathered events; and without a look at them. */
void expect_silence(zsock_t *socket);
void expect_silence_for_now(zsock_t *socket);
/* What the listener is told of the object. */
void expect_written(uint64_t object, uint32_t attempt, uint32_t status);
/* The same, and the event that the object was stored, with its attempt. */
void expect_stored(uint64_t object, uint32_t attempt, size_t bytes);
void expect_refused(uint32_t status, uint32_t element, const char *series);
/* The stored file: a Part 10 header and the data set, bit for bit. Returns its size. */
size_t expect_file(const data_set_t *set);
bool is_temporary_folder_empty(void);

#endif

/* The tables of known syntaxes. */
#ifndef LISTENER_UL_UIDS_H
#define LISTENER_UL_UIDS_H

#include "listener/ul/pdu.h"

#define VERIFICATION_SOP_CLASS    "1.2.840.10008.1.1"
#define IMPLICIT_VR_LITTLE_ENDIAN "1.2.840.10008.1.2"

typedef struct known_uid {
    const char *uid, *name;
} known_uid_t;

typedef struct known_transfer_syntax {
    const char *uid, *name;
    bool native; /* neither encapsulated nor deflated */
} known_transfer_syntax_t;

extern const known_uid_t STORAGE_SOP_CLASSES[];
extern const size_t STORAGE_SOP_CLASSES_COUNT;
extern const known_transfer_syntax_t TRANSFER_SYNTAXES[];
extern const size_t TRANSFER_SYNTAXES_COUNT;

bool storage_sop_class_known(syntax_uid_t uid);
/* NULL if it is not in the table. */
const known_transfer_syntax_t *transfer_syntax_find(syntax_uid_t uid);

#endif

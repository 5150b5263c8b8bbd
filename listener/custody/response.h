/* What a C-STORE is answered with. */
#ifndef LISTENER_CUSTODY_RESPONSE_H
#define LISTENER_CUSTODY_RESPONSE_H

#include <stdint.h>

/* The used C-STORE statuses (PS3.4 B.2.3, PS3.7 annex C). */
typedef enum dimse_status {
    STATUS_SUCCESS = 0x0000,
    STATUS_PROCESSING_FAILURE = 0x0110,
    STATUS_SOP_CLASS_NOT_SUPPORTED = 0x0122,
    STATUS_UNRECOGNIZED_OPERATION = 0x0211,
    STATUS_OUT_OF_RESOURCES = 0xA700,
    STATUS_CANNOT_UNDERSTAND = 0xC000,
} dimse_status_t;

typedef struct response {
    uint16_t status;
    uint32_t offending_element; /* 0: none */
    const char *error_comment;  /* NULL or "": none; cut to 64 bytes */
} response_t;

#endif

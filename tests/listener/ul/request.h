/* Builds A-ASSOCIATE-RQs of bare bytes. */
#ifndef LISTENER_UL_REQUEST_H
#define LISTENER_UL_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#define CT  "1.2.840.10008.5.1.4.1.1.2"
#define ELE "1.2.840.10008.1.2.1"
#define J2K "1.2.840.10008.1.2.4.90"

typedef struct request {
    uint8_t bytes[131072];
    size_t size;
} request_t;

/* Titles CALLED and CALLING and DICOM's application context; free it. */
request_t *request_begin(void);
void request_put(request_t *request, const void *bytes, size_t size);
void request_item(request_t *request, uint8_t type, const void *body, size_t size);
/* `abstract` NULL: none; `syntaxes` ends with NULL. */
void request_context(request_t *request, uint8_t id, const char *abstract, const char *const *syntaxes);

#endif

/* Items and sub-items, which every variable field of an association request and its answer is made of
 * (PS3.8 9.3.1). Pure. */
#ifndef LISTENER_UL_ITEMS_H
#define LISTENER_UL_ITEMS_H

#include "common/reader.h"

/* PS3.8 9.3.2 and 9.3.3, PS3.7 D.3.3 */
typedef enum item_type {
    ITEM_APPLICATION_CONTEXT = 0x10,
    ITEM_PROPOSED_CONTEXT = 0x20,
    ITEM_ANSWERED_CONTEXT = 0x21,
    ITEM_ABSTRACT_SYNTAX = 0x30,
    ITEM_TRANSFER_SYNTAX = 0x40,
    ITEM_USER_INFORMATION = 0x50,
    ITEM_MAX_LENGTH = 0x51,
    ITEM_IMPLEMENTATION_CLASS_UID = 0x52,
    ITEM_OPERATIONS_WINDOW = 0x53,
    ITEM_ROLE_SELECTION = 0x54,
    ITEM_IMPLEMENTATION_VERSION_NAME = 0x55,
    ITEM_EXTENDED_NEGOTIATION = 0x56,
    ITEM_USER_IDENTITY_RQ = 0x58,
    ITEM_USER_IDENTITY_AC = 0x59,
} item_type_t;

#define ITEM_HEADER_BYTES 4

/* A UID or a short text from the request's bytes, trailing padding removed; not NUL-terminated. */
typedef struct syntax_uid {
    const char *text;
    size_t size;
} syntax_uid_t;

/* The next item; false after the last, or where its length passes the end. */
bool item_next(reader_t *items, uint8_t *type, reader_t *body) MUST_CHECK;
/* All of the rest. Peers pad UIDs with a NUL, as in data sets, or with spaces. */
syntax_uid_t item_uid(reader_t body);
bool uid_is(syntax_uid_t uid, const char *text);
bool uid_equal(syntax_uid_t a, syntax_uid_t b);

/* Big endian; each returns where to go on. There must be room. */
uint8_t *put_u16(uint8_t *to, size_t value);
uint8_t *put_u32(uint8_t *to, size_t value);
uint8_t *put_item(uint8_t *to, item_type_t type, const void *body, size_t size);

#endif

/* The user information of an association request, and our answer to it (PS3.7 D.3.3): lengths, names, the
 * asynchronous operations window, roles, extended negotiation, user identity. Pure. */
#ifndef LISTENER_UL_USER_INFORMATION_H
#define LISTENER_UL_USER_INFORMATION_H

#include "common/limits.h"
#include "listener/ul/items.h"

/* Role selections, and extended negotiations, of one request that are answered: one for each of 128 contexts. */
#define USER_ITEMS_ANSWERED_MAX 128
/* PS3.7 D.3.3.2.3 */
#define IMPLEMENTATION_VERSION_MAX_BYTES 16

/* What the peer says of itself and asks for. Pointers go into the bytes that were read. */
typedef struct user_information {
    uint32_t max_pdu_length;             /* of the peer; 0: no limit */
    syntax_uid_t implementation_class;   /* its UID */
    syntax_uid_t implementation_version; /* its name */
    bool asks_operations;                /* it negotiates the asynchronous operations window … */
    uint16_t operations_invoked;         /* … and would have so many outstanding; 0: no limit */
    bool asks_identity_response;
    reader_t items; /* all of them, to be answered one by one */
} user_information_t;

/* Reads the body of the item. Unknown and malformed sub-items are skipped. Returns false where a length passes the
 * end. */
bool user_information_read(user_information_t *user, reader_t body) MUST_CHECK;

/* What we allow. */
typedef struct allowance {
    uint32_t max_pdu_length; /* bytes */
    uint16_t operations_max; /* outstanding at once */
} allowance_t;

/* How many operations the peer may have outstanding: its wish, up to the limit. Without negotiation, 1 (PS3.7
 * D.3.3.3). */
uint16_t operations_granted(const user_information_t *user, uint16_t most);

#define USER_INFORMATION_AC_MAX_BYTES                                                                              \
    (512 + 2 * USER_ITEMS_ANSWERED_MAX * (ITEM_HEADER_BYTES + 2 + UID_MAX_BYTES + 6))

/* Puts the item of the A-ASSOCIATE-AC. `accepted`: the abstract syntaxes of accepted contexts, none longer than
 * UID_MAX_BYTES; roles and extended negotiation of others are not answered. Takes at most
 * USER_INFORMATION_AC_MAX_BYTES; returns where to go on. */
uint8_t *put_user_information(uint8_t *to, const user_information_t *user, allowance_t allowance,
                              const syntax_uid_t *accepted, size_t accepted_count);

#endif

#include "listener/ul/user_information.h"

#include <string.h>

#include "common/version.h"
#include "listener/ul/uids.h"

/* --- reading ---------------------------------------------------------------------------------------- */

static void read_operations_window(user_information_t *user, reader_t body) {
    uint16_t invoked;
    if (!reader_u16_be(&body, &invoked))
        return;
    user->asks_operations = true;
    user->operations_invoked = invoked;
}

/* PS3.7 D.3.3.7.1: who it is, is not looked at; it is no authentication, and nothing of it is kept or logged. */
static void read_identity(user_information_t *user, reader_t body) {
    uint8_t type, response_requested;
    if (reader_u8(&body, &type) && reader_u8(&body, &response_requested))
        user->asks_identity_response = response_requested == 1;
}

static bool read_item(user_information_t *user, uint8_t type, reader_t body) {
    switch (type) {
    case ITEM_MAX_LENGTH:
        return reader_u32_be(&body, &user->max_pdu_length);
    case ITEM_IMPLEMENTATION_CLASS_UID:
        user->implementation_class = item_uid(body);
        break;
    case ITEM_IMPLEMENTATION_VERSION_NAME:
        user->implementation_version = item_uid(body);
        break;
    case ITEM_OPERATIONS_WINDOW:
        read_operations_window(user, body);
        break;
    case ITEM_USER_IDENTITY_RQ:
        read_identity(user, body);
        break;
    default: /* the common extended negotiation, 0x57, needs no answer either (PS3.7 D.3.3.6) */
        break;
    }
    return true;
}

bool user_information_read(user_information_t *user, reader_t body) {
    user->items = body;
    uint8_t type;
    reader_t item;
    while (reader_left(&body) > 0) {
        if (!item_next(&body, &type, &item))
            return false;
        if (!read_item(user, type, item))
            return false;
    }
    return true;
}

/* --- answering --------------------------------------------------------------------------------------- */

uint16_t operations_granted(const user_information_t *user, uint16_t most) {
    if (!user->asks_operations)
        return 1;
    return user->operations_invoked == 0 || user->operations_invoked > most ? most : user->operations_invoked;
}

/* The begin of a role selection or extended negotiation: a length and a SOP class (PS3.7 D.3.3.4, D.3.3.5). */
static bool read_sop_class(reader_t *body, syntax_uid_t *sop_class) {
    uint16_t length;
    reader_t uid;
    if (!reader_u16_be(body, &length) || !reader_part(body, length, &uid))
        return false;
    *sop_class = item_uid(uid);
    return true;
}

static bool is_accepted(syntax_uid_t sop_class, const syntax_uid_t *accepted, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (uid_equal(accepted[i], sop_class))
            return true;
    return false;
}

static uint8_t *put_sop_class_item(uint8_t *to, item_type_t type, syntax_uid_t sop_class, const uint8_t *answer,
                                   size_t size) {
    uint8_t body[2 + UID_MAX_BYTES + 6], *at = put_u16(body, sop_class.size);
    memcpy(at, sop_class.text, sop_class.size);
    memcpy(at + sop_class.size, answer, size);
    return put_item(to, type, body, 2 + sop_class.size + size);
}

/* The peer may be the SCU where it wants to, never the SCP: nothing is sent from here (PS3.7 D.3.3.4.2). */
static uint8_t *put_roles(uint8_t *to, syntax_uid_t sop_class, reader_t proposed) {
    uint8_t scu;
    if (!reader_u8(&proposed, &scu))
        return to;
    return put_sop_class_item(to, ITEM_ROLE_SELECTION, sop_class, (const uint8_t[]){scu == 1, 0}, 2);
}

/* PS3.4 B.3.1.2: a level 2 SCP, which stores as sent: signature level 3 (bit-preserving, B.4.1), no coercion. */
static uint8_t *put_extended_negotiation(uint8_t *to, syntax_uid_t sop_class) {
    static const uint8_t as_sent[] = {2, 0, 3, 0, 0, 0};
    if (uid_is(sop_class, VERIFICATION_SOP_CLASS))
        return to;
    return put_sop_class_item(to, ITEM_EXTENDED_NEGOTIATION, sop_class, as_sent, sizeof as_sent);
}

/* Answers the roles and the extended negotiations of the request, in their order. */
static uint8_t *put_sop_class_items(uint8_t *to, const user_information_t *user, const syntax_uid_t *accepted,
                                    size_t accepted_count) {
    reader_t items = user->items, body;
    uint8_t type;
    size_t roles = 0, negotiations = 0;
    while (item_next(&items, &type, &body)) {
        syntax_uid_t sop_class;
        if (type != ITEM_ROLE_SELECTION && type != ITEM_EXTENDED_NEGOTIATION)
            continue;
        if (!read_sop_class(&body, &sop_class) || !is_accepted(sop_class, accepted, accepted_count))
            continue;
        if (type == ITEM_ROLE_SELECTION && roles++ < USER_ITEMS_ANSWERED_MAX)
            to = put_roles(to, sop_class, body);
        else if (type == ITEM_EXTENDED_NEGOTIATION && negotiations++ < USER_ITEMS_ANSWERED_MAX)
            to = put_extended_negotiation(to, sop_class);
    }
    return to;
}

uint8_t *put_user_information(uint8_t *to, const user_information_t *user, allowance_t allowance,
                              const syntax_uid_t *accepted, size_t accepted_count) {
    uint8_t *begin = to, value[4];
    to = put_item(to, ITEM_USER_INFORMATION, "", 0);
    put_u32(value, allowance.max_pdu_length);
    to = put_item(to, ITEM_MAX_LENGTH, value, 4);
    to = put_item(to, ITEM_IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_CLASS_UID, strlen(IMPLEMENTATION_CLASS_UID));
    if (user->asks_operations) {
        /* We invoke nothing, so what the peer would perform does not matter: 1, which is the default. */
        put_u16(put_u16(value, operations_granted(user, allowance.operations_max)), 1);
        to = put_item(to, ITEM_OPERATIONS_WINDOW, value, 4);
    }
    to = put_sop_class_items(to, user, accepted, accepted_count);
    to = put_item(to, ITEM_IMPLEMENTATION_VERSION_NAME, IMPLEMENTATION_VERSION_NAME,
                  strlen(IMPLEMENTATION_VERSION_NAME));
    if (user->asks_identity_response)
        to = put_item(to, ITEM_USER_IDENTITY_AC, "\0", 2); /* a server response of length 0, PS3.7 D.3.3.7.2 */
    put_u16(begin + 2, (size_t)(to - begin) - ITEM_HEADER_BYTES);
    return to;
}

/* What the user information of a request is answered with, sub-item by sub-item (PS3.7 D.3.3). */
#include "listener/ul/user_information.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "listener/ul/negotiation.h"
#include "tests/listener/ul/request.h"

#define VERIFICATION "1.2.840.10008.1.1"

/* The user information of an A-ASSOCIATE-AC. */
typedef struct answer {
    uint8_t *bytes;
    reader_t items;
} answer_t;

/* The answer to a request for CT and Verification, both accepted, and an unknown class, with these user items. */
static answer_t answer_to(const void *items, size_t size) {
    static const char *const syntaxes[] = {ELE, NULL};
    request_t *r = request_begin();
    request_context(r, 1, CT, syntaxes);
    request_context(r, 3, VERIFICATION, syntaxes);
    request_context(r, 5, "1.2.3", syntaxes);
    request_item(r, ITEM_USER_INFORMATION, items, size);
    associate_rq_t rq;
    answered_context_t contexts[3];
    presentation_contexts_t accepted = {0};
    cr_assert(associate_rq_read(&rq, r->bytes, r->size));
    cr_assert_eq(negotiate(&rq, (negotiation_policy_t){0}, contexts, accepted), 2);
    pdu_t ac = associate_ac_build(&rq, contexts, (allowance_t){.max_pdu_length = 131072, .operations_max = 16});
    cr_assert_eq(((size_t)ac.bytes[3] << 16 | (size_t)ac.bytes[4] << 8 | ac.bytes[5]) + PDU_HEADER_BYTES, ac.size);
    reader_t all = reader_over(ac.bytes, ac.size);
    cr_assert_not_null(reader_take(&all, PDU_HEADER_BYTES + 68));
    answer_t answer = {.bytes = ac.bytes};
    uint8_t type = 0;
    while (item_next(&all, &type, &answer.items))
        ;
    cr_assert_eq(type, ITEM_USER_INFORMATION, "it comes last, PS3.8 9.3.3");
    cr_assert_eq(reader_left(&all), 0);
    presentation_contexts_clear(accepted);
    associate_rq_clear(&rq);
    free(r);
    return answer;
}

/* How many sub-items of a type there are; `body` is the last one's. */
static size_t count(const answer_t *answer, uint8_t wanted, reader_t *body) {
    reader_t items = answer->items, at;
    uint8_t type;
    size_t found = 0;
    while (item_next(&items, &type, &at))
        if (type == wanted) {
            *body = at;
            found++;
        }
    cr_assert_eq(reader_left(&items), 0, "nothing but whole items");
    return found;
}

static void expect_item(const answer_t *answer, uint8_t type, const void *bytes, size_t size) {
    reader_t body;
    cr_assert_eq(count(answer, type, &body), 1, "item %02x", type);
    cr_assert_eq(reader_left(&body), size, "item %02x of %zu bytes", type, reader_left(&body));
    cr_assert_eq(memcmp(body.at, bytes, size), 0, "item %02x", type);
}

static void expect_none(const answer_t *answer, uint8_t type) {
    reader_t body;
    cr_assert_eq(count(answer, type, &body), 0, "item %02x", type);
}

#define ANSWER_TO(literal) answer_to(literal, sizeof(literal) - 1)

Test(user_information, says_lengths_and_names_and_nothing_that_was_not_asked_for) {
    answer_t a = ANSWER_TO("\x51\0\0\4\0\0\x40\0\x57\0\0\1x");
    reader_t body;
    expect_item(&a, ITEM_MAX_LENGTH, "\0\2\0\0", 4);
    cr_assert_eq(count(&a, ITEM_IMPLEMENTATION_CLASS_UID, &body), 1);
    cr_assert_eq(count(&a, ITEM_IMPLEMENTATION_VERSION_NAME, &body), 1);
    cr_assert_leq(reader_left(&body), IMPLEMENTATION_VERSION_MAX_BYTES);
    for (uint8_t type = ITEM_OPERATIONS_WINDOW; type <= ITEM_USER_IDENTITY_AC; type++)
        if (type != ITEM_IMPLEMENTATION_VERSION_NAME)
            expect_none(&a, type);
    free(a.bytes);
}

/* PS3.7 D.3.3.3: the peer's invoked operations count, and are limited; 0 is no limit of its own. */
Test(user_information, grants_operations_as_asked_up_to_the_most) {
    static const struct {
        const char *asked, *granted;
    } windows[] = {{"\0\5\0\1", "\0\5\0\1"},   {"\0\x10\0\0", "\0\x10\0\1"},   {"\0\x11\0\3", "\0\x10\0\1"},
                   {"\0\0\0\0", "\0\x10\0\1"}, {"\xFF\xFF\0\0", "\0\x10\0\1"}, {"\0\1\0\1", "\0\1\0\1"}};
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        char item[8] = "\x53\0\0\4";
        memcpy(item + 4, windows[i].asked, 4);
        answer_t a = answer_to(item, sizeof item);
        expect_item(&a, ITEM_OPERATIONS_WINDOW, windows[i].granted, 4);
        free(a.bytes);
    }
}

Test(user_information, is_synchronous_without_negotiation) {
    user_information_t user = {0};
    cr_assert_eq(operations_granted(&user, 16), 1);
}

/* PS3.7 D.3.3.4: the peer is the SCU where it proposes that, and never the SCP. */
Test(user_information, answers_the_roles_of_accepted_sop_classes) {
    answer_t a = ANSWER_TO("\x54\0\0\x1D\0\x19" CT "\1\1"
                           "\x54\0\0\11\0\5"
                           "1.2.3"
                           "\1\0"
                           "\x54\0\0\11\0\5"
                           "1.2.4"
                           "\1\0");
    expect_item(&a, ITEM_ROLE_SELECTION, "\0\x19" CT "\1\0", 29);
    free(a.bytes);
    a = ANSWER_TO("\x54\0\0\x1D\0\x19" CT "\0\1");
    expect_item(&a, ITEM_ROLE_SELECTION, "\0\x19" CT "\0\0", 29);
    free(a.bytes);
}

/* PS3.4 B.3.1.2: level 2, signatures preserved, no coercion. */
Test(user_information, answers_extended_negotiation_of_storage_as_sent) {
    answer_t a = ANSWER_TO("\x56\0\0\x21\0\x19" CT "\3\0\0\0\2\0"
                           "\x56\0\0\x19\0\x11" VERIFICATION "\3\0\0\0\2\0"
                           "\x56\0\0\x0D\0\5"
                           "1.2.3"
                           "\3\0\0\0\2\0");
    expect_item(&a, ITEM_EXTENDED_NEGOTIATION, "\0\x19" CT "\2\0\3\0\0\0", 33);
    free(a.bytes);
}

/* PS3.7 D.3.3.7: the identity is not looked at. */
Test(user_information, answers_a_user_identity_only_where_a_response_is_requested) {
    answer_t a = ANSWER_TO("\x58\0\0\x0E\2\1\0\4user\0\4word");
    expect_item(&a, ITEM_USER_IDENTITY_AC, "\0", 2);
    cr_assert_eq(memcmp((a.items.end - 6), "\x59\0\0\2\0\0", 6), 0);
    free(a.bytes);
    a = ANSWER_TO("\x58\0\0\x0E\2\0\0\4user\0\4word");
    expect_none(&a, ITEM_USER_IDENTITY_AC);
    free(a.bytes);
}

Test(user_information, skips_items_that_are_unknown_or_too_short) {
    answer_t a =
        ANSWER_TO("\x7F\0\0\3new\x53\0\0\1\1\x54\0\0\1\0\x54\0\0\4\0\x19xx\x56\0\0\0\x58\0\0\1\1\x52\0\0\0");
    expect_none(&a, ITEM_OPERATIONS_WINDOW);
    expect_none(&a, ITEM_ROLE_SELECTION);
    expect_none(&a, ITEM_EXTENDED_NEGOTIATION);
    expect_none(&a, ITEM_USER_IDENTITY_AC);
    free(a.bytes);
}

Test(user_information, is_malformed_where_a_length_passes_its_end) {
    static const uint8_t cut[] = {0x7F, 0, 0, 4, 'n', 'e', 'w'};
    user_information_t user = {0};
    cr_assert_not(user_information_read(&user, reader_over(cut, sizeof cut)));
}

/* Each answer is longer than the item that asks for it. */
Test(user_information, answers_a_bounded_number_of_items) {
    static const char role[] = "\x54\0\0\x1D\0\x19" CT "\1\1", extended[] = "\x56\0\0\x1B\0\x19" CT;
    request_t *many = calloc(1, sizeof *many);
    for (int i = 0; i < 1000; i++) {
        request_put(many, role, sizeof role - 1);
        request_put(many, extended, sizeof extended - 1);
    }
    answer_t a = answer_to(many->bytes, many->size);
    reader_t body;
    cr_assert_eq(count(&a, ITEM_ROLE_SELECTION, &body), USER_ITEMS_ANSWERED_MAX);
    cr_assert_eq(count(&a, ITEM_EXTENDED_NEGOTIATION, &body), USER_ITEMS_ANSWERED_MAX);
    free(a.bytes);
    free(many);
}

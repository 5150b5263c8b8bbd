#include "tests/listener/ul/request.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "listener/ul/pdu.h"

void request_put(request_t *r, const void *bytes, size_t size) {
    cr_assert_leq(r->size + size, sizeof r->bytes);
    memcpy(r->bytes + r->size, bytes, size);
    r->size += size;
}

void request_item(request_t *r, uint8_t type, const void *body, size_t size) {
    request_put(r, (uint8_t[]){type, 0, (uint8_t)(size >> 8), (uint8_t)size}, 4);
    request_put(r, body, size);
}

request_t *request_begin(void) {
    request_t *r = calloc(1, sizeof *r);
    cr_assert_not_null(r);
    request_put(r, "\0\1\0\0CALLED          CALLING         ", 36);
    request_put(r, (uint8_t[32]){0}, 32);
    request_item(r, ITEM_APPLICATION_CONTEXT, APPLICATION_CONTEXT_NAME, strlen(APPLICATION_CONTEXT_NAME));
    return r;
}

void request_context(request_t *r, uint8_t id, const char *abstract, const char *const *syntaxes) {
    request_t *body = calloc(1, sizeof *body);
    cr_assert_not_null(body);
    request_put(body, (uint8_t[]){id, 0, 0, 0}, 4);
    if (abstract)
        request_item(body, ITEM_ABSTRACT_SYNTAX, abstract, strlen(abstract));
    for (; syntaxes && *syntaxes; syntaxes++)
        request_item(body, ITEM_TRANSFER_SYNTAX, *syntaxes, strlen(*syntaxes));
    request_item(r, ITEM_PROPOSED_CONTEXT, body->bytes, body->size);
    free(body);
}

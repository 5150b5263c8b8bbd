#include "writer/dicom/character_set.h"

#include <stdlib.h>
#include <string.h>

#include "writer/dicom/code_set.h"

/* The letters and digits of one term, in upper case: terms are often written with other separators. */
static void normalize(const char *bytes, size_t size, char *term, size_t room) {
    size_t length = 0;
    for (size_t i = 0; i < size && length + 1 < room; i++) {
        char c = bytes[i];
        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        if ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
            term[length++] = c;
    }
    term[length] = 0;
}

/* The number of "ISO_IR 100" or "ISO 2022 IR 100", or 0. */
static int term_number(const char *term) {
    const char *digits = strncmp(term, "ISOIR", 5) == 0       ? term + 5
                         : strncmp(term, "ISO2022IR", 9) == 0 ? term + 9
                                                              : "";
    return strlen(digits) < 4 ? atoi(digits) : 0;
}

static character_set_t set_of_term(const char *term, bool has_more) {
    int number = term_number(term);
    if (number == 192 || strcmp(term, "UTF8") == 0)
        return (character_set_t){.coding = CODING_UTF8};
    if (strcmp(term, "GB18030") == 0)
        return (character_set_t){.coding = CODING_GB18030};
    if (strcmp(term, "GBK") == 0)
        return (character_set_t){.coding = CODING_GBK};
    const code_set_t *set = code_set_numbered(number);
    /* The default repertoire alone says nothing of bytes above 0x7F; with code extensions it is the first set. */
    bool is_default = !*term || number == 6;
    if (is_default ? !has_more : !set)
        return (character_set_t){.coding = CODING_UNDECLARED};
    return (character_set_t){.coding = CODING_ISO_2022,
                             .g0 = code_set_numbered(number == 13 ? 14 : 6),
                             .g1 = set && set->half == G1 ? set : NULL};
}

/* The only one of these terms that is a set for bytes above 0x7F, or NULL. */
static const code_set_t *only_g1(const char *terms, const char *end) {
    const code_set_t *only = NULL;
    for (const char *at = terms, *next; at < end; at = next + 1) {
        const char *backslash = memchr(at, '\\', (size_t)(end - at));
        char term[32];
        next = backslash ? backslash : end;
        normalize(at, (size_t)(next - at), term, sizeof term);
        const code_set_t *set = code_set_numbered(term_number(term));
        if (!set || set->half != G1 || set == only)
            continue;
        if (only)
            return NULL;
        only = set;
    }
    return only;
}

character_set_t character_set_read(const char *bytes, size_t size) {
    const char *backslash = size ? memchr(bytes, '\\', size) : NULL;
    char term[32];
    normalize(bytes, backslash ? (size_t)(backslash - bytes) : size, term, sizeof term);
    character_set_t set = set_of_term(term, backslash != NULL);
    if (backslash && set.coding == CODING_ISO_2022 && !set.g1)
        set.g1_unescaped = only_g1(backslash + 1, bytes + size);
    return set;
}

/* iconv's names tell the decoding, not always the content. */
static const char *repertoire_of(const code_set_t *set) {
    switch (set->number) {
    case 14:
    case 13:
        return "JIS X 0201";
    case 87:
        return "JIS X 0208";
    case 159:
        return "JIS X 0212";
    case 149:
        return "KS X 1001";
    case 58:
        return "GB 2312";
    default:
        return set->iconv_name;
    }
}

bool character_set_term(size_t index, character_set_term_t *term) {
    static const character_set_term_t named[] = {
        {"ISO_IR 192", 0, false, "UTF-8"}, {"GB18030", 0, false, "GB 18030"}, {"GBK", 0, false, "GBK"}};
    const size_t named_count = sizeof named / sizeof *named;
    if (index >= CODE_SETS_COUNT + named_count)
        return false;
    const code_set_t *set = &CODE_SETS[index < CODE_SETS_COUNT ? index : 0];
    *term = index < CODE_SETS_COUNT
                ? (character_set_term_t){NULL, set->number, set->is_double || set->number == 6, repertoire_of(set)}
                : named[index - CODE_SETS_COUNT];
    return true;
}

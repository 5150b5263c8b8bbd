/* Character sets. Input: a byte that says whether it is a person's name, the size of Specific Character Set, its
 * value, then the text. */
#include <string.h>

#include "common/utf8.h"
#include "tests/fuzz/fuzz.h"
#include "writer/dicom/text.h"

/* A byte that can't be decoded becomes the three bytes of U+FFFD; nothing else takes more room than that, but that
 * Shift JIS and the like have a few characters of several code points. */
#define GROWTH 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    reader_t r = reader_over(data, size), charset;
    uint8_t is_person_name, charset_size;
    if (!reader_u8(&r, &is_person_name) || !reader_u8(&r, &charset_size) ||
        !reader_part(&r, charset_size, &charset))
        return 0;
    character_set_t set = character_set_read((const char *)charset.at, reader_left(&charset));
    char *text = text_first_value(&set, (const char *)r.at, reader_left(&r), is_person_name & 1);
    size_t length = strlen(text);
    CHECK(utf8_valid(text, length) && length <= GROWTH * reader_left(&r));
    CHECK(length == 0 || (text[0] != ' ' && text[length - 1] != ' '));
    free(text);
    return 0;
}

/* Owns the switching between character sets; iconv owns their tables. */
#include "writer/dicom/text.h"

#include <iconv.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/utf8.h"

#define ESCAPE            0x1B
#define REPLACEMENT       "\xEF\xBF\xBD" /* U+FFFD */
#define UTF8_LONGEST      4
#define DOUBLE_BYTE_FIRST 0x21 /* both bytes of a double-byte set lie in 0x21 to 0x7E, in G1 with bit 7 set */
#define DOUBLE_BYTE_LAST  0x7E

/* Which half of the byte values an escape sequence gives to a set. */
typedef enum half { G0, G1 } half_t;

/* PS3.3 tables C.12-2 to C.12-4. */
typedef struct code_set {
    int number; /* of the ISO International Register: ISO_IR 100 */
    half_t half;
    bool is_double;
    const char *escape; /* after the ESC that invokes it */
    const char *iconv_name;
    const char *prefix; /* iconv wants this before each character */
} code_set_t;

static const code_set_t CODE_SETS[] = {
    {6, G0, false, "(B", "US-ASCII", ""},
    {14, G0, false, "(J", "SJIS", ""}, /* its single bytes are JIS X 0201 */
    {13, G1, false, ")I", "SJIS", ""},
    {100, G1, false, "-A", "ISO-8859-1", ""},
    {101, G1, false, "-B", "ISO-8859-2", ""},
    {109, G1, false, "-C", "ISO-8859-3", ""},
    {110, G1, false, "-D", "ISO-8859-4", ""},
    {144, G1, false, "-L", "ISO-8859-5", ""},
    {127, G1, false, "-G", "ISO-8859-6", ""},
    {126, G1, false, "-F", "ISO-8859-7", ""},
    {138, G1, false, "-H", "ISO-8859-8", ""},
    {148, G1, false, "-M", "ISO-8859-9", ""},
    {203, G1, false, "-b", "ISO-8859-15", ""},
    {166, G1, false, "-T", "TIS-620", ""},
    {87, G0, true, "$B", "EUC-JP", ""},
    {159, G0, true, "$(D", "EUC-JP", "\x8F"}, /* JIS X 0212 is EUC-JP's third plane */
    {149, G1, true, "$)C", "EUC-KR", ""},
    {58, G1, true, "$)A", "EUC-CN", ""},
};
#define CODE_SETS_COUNT (sizeof CODE_SETS / sizeof *CODE_SETS)

/* Bytes still to be decoded, and where the text goes. */
typedef struct decoder {
    const uint8_t *at, *end;
    FILE *out;
} decoder_t;

/* --- iconv ------------------------------------------------------------------------------------------ */

/* Converters are kept for the life of the process: opening one may load a library. */
typedef struct converter {
    const char *name;
    iconv_t descriptor;
} converter_t;

static iconv_t converter_for(const char *name) {
    static converter_t converters[CODE_SETS_COUNT + 2];
    converter_t *converter = converters;
    while (converter->name && strcmp(converter->name, name) != 0)
        converter++;
    if (!converter->name) {
        *converter = (converter_t){name, iconv_open("UTF-8", name)};
        if (converter->descriptor == (iconv_t)-1)
            log_error(NULL, "this system's iconv does not know %s: such text is unreadable", name);
    }
    return converter->descriptor;
}

/* Writes one character; false where the bytes are none. */
static bool convert(FILE *out, const char *iconv_name, const void *bytes, size_t size) {
    iconv_t descriptor = converter_for(iconv_name);
    char utf8[4 * UTF8_LONGEST], *to = utf8, *from = (char *)bytes;
    size_t room = sizeof utf8;
    if (descriptor == (iconv_t)-1)
        return false;
    iconv(descriptor, NULL, NULL, NULL, NULL);
    if (iconv(descriptor, &from, &size, &to, &room) != 0 || size != 0)
        return false;
    fwrite(utf8, 1, (size_t)(to - utf8), out);
    return to > utf8;
}

/* --- decoding --------------------------------------------------------------------------------------- */

static size_t left(const decoder_t *d) {
    return (size_t)(d->end - d->at);
}

static void replace_byte(decoder_t *d) {
    fputs(REPLACEMENT, d->out);
    d->at++;
}

/* Copies what needs no decoding; NUL is padding wherever it stands. */
static void copy_byte(decoder_t *d) {
    if (*d->at)
        fputc(*d->at, d->out);
    d->at++;
}

static void decode_utf8(decoder_t *d) {
    while (d->at < d->end && *d->at != '\\') {
        size_t size = *d->at < 0x80 ? 1 : *d->at < 0xE0 ? 2 : *d->at < 0xF0 ? 3 : UTF8_LONGEST;
        if (size == 1)
            copy_byte(d);
        else if (size <= left(d) && utf8_valid((const char *)d->at, size)) {
            fwrite(d->at, 1, size, d->out);
            d->at += size;
        } else
            replace_byte(d);
    }
}

/* Neither UTF-8 nor Latin-1 has a backslash within a character, so the first value ends at the first one. */
static void decode_undeclared(decoder_t *d) {
    const uint8_t *backslash = memchr(d->at, '\\', left(d));
    if (backslash)
        d->end = backslash;
    if (utf8_valid((const char *)d->at, left(d))) {
        decode_utf8(d);
        return;
    }
    size_t size;
    char *utf8 = utf8_from_latin1((const char *)d->at, left(d), &size);
    decode_utf8(&(decoder_t){(uint8_t *)utf8, (uint8_t *)utf8 + size, d->out});
    free(utf8);
}

/* Two or, in GB18030 only, four bytes; the second may be a backslash. */
static void decode_chinese(decoder_t *d, const char *iconv_name) {
    while (d->at < d->end && *d->at != '\\') {
        bool is_long = left(d) >= 2 && d->at[1] >= '0' && d->at[1] <= '9';
        size_t size = is_long ? 4 : 2;
        if (*d->at < 0x80)
            copy_byte(d);
        else if (size <= left(d) && convert(d->out, iconv_name, d->at, size))
            d->at += size;
        else
            replace_byte(d);
    }
}

/* The set that the escape sequence at `at` invokes, or NULL. */
static const code_set_t *escape_at(const decoder_t *d) {
    for (size_t i = 0; i < CODE_SETS_COUNT; i++) {
        size_t size = strlen(CODE_SETS[i].escape);
        if (size < left(d) && memcmp(d->at + 1, CODE_SETS[i].escape, size) == 0)
            return &CODE_SETS[i];
    }
    return NULL;
}

/* One character of a set; false, and nothing is taken, where the bytes are none. */
static bool take_character(decoder_t *d, const code_set_t *set) {
    size_t size = set && set->is_double ? 2 : 1;
    bool is_whole = set && size <= left(d);
    char bytes[4] = {0};
    size_t prefix = set ? strlen(set->prefix) : 0;
    for (size_t i = 0; is_whole && i < size; i++) {
        uint8_t low = d->at[i] & 0x7F;
        if (size == 2 && (low < DOUBLE_BYTE_FIRST || low > DOUBLE_BYTE_LAST || ((d->at[i] ^ d->at[0]) & 0x80)))
            is_whole = false;
        bytes[prefix + i] = (char)(size == 2 ? low | 0x80 : d->at[i]);
    }
    if (!is_whole)
        return false;
    memcpy(bytes, set->prefix, prefix);
    if (!convert(d->out, set->iconv_name, bytes, prefix + size))
        return false;
    d->at += size;
    return true;
}

static void decode_character(decoder_t *d, const code_set_t *set) {
    if (!take_character(d, set))
        replace_byte(d);
}

/* Whether all of it is of the set; only then it is written. */
static bool decode_whole(decoder_t *d, const code_set_t *set) {
    char *text = NULL;
    size_t size;
    decoder_t trial = {d->at, d->end, must(open_memstream(&text, &size))};
    while (trial.at < trial.end && take_character(&trial, set))
        ;
    must_hold(fclose(trial.out) == 0);
    bool is_whole = trial.at == trial.end;
    if (is_whole)
        fwrite(text, 1, size, d->out);
    free(text);
    return is_whole;
}

/* Bytes above 0x7F that the first set does not have, without an escape sequence before them: pydicom 3 writes so.
 */
static void decode_unescaped(decoder_t *d, const character_set_t *set) {
    decoder_t run = {d->at, d->at, d->out};
    while (run.end < d->end && *run.end >= 0x80)
        run.end++;
    if (!set->g1_unescaped || !decode_whole(&run, set->g1_unescaped))
        decode_undeclared(&run);
    d->at = run.end;
}

/* JIS X 0201 has a yen sign and an overline where ASCII has a backslash, which is a delimiter, and a tilde. */
static bool is_ascii(uint8_t byte, const code_set_t *g0) {
    return byte < 0x80 && (byte != '~' || g0->number == 6);
}

/* PS3.5 6.1.2.5.3: at the begin, after control characters and, in names, after the delimiters, the sets of the
 * first value of Specific Character Set are active. */
static void decode_iso_2022(decoder_t *d, const character_set_t *set, bool is_person_name) {
    character_set_t active = *set;
    while (d->at < d->end) {
        bool is_plain = !active.g0->is_double;
        const code_set_t *escaped = *d->at == ESCAPE ? escape_at(d) : NULL;
        if (escaped) {
            *(escaped->half == G0 ? &active.g0 : &active.g1) = escaped;
            d->at += 1 + strlen(escaped->escape);
        } else if (*d->at == ESCAPE) {
            replace_byte(d);
        } else if (*d->at == '\\' && is_plain) {
            return;
        } else if (*d->at < ' ' || (is_plain && is_person_name && (*d->at == '^' || *d->at == '='))) {
            active = *set;
            copy_byte(d);
        } else if (*d->at == ' ' || (is_plain && is_ascii(*d->at, active.g0))) {
            copy_byte(d);
        } else if (*d->at >= 0x80 && !active.g1) {
            decode_unescaped(d, set);
        } else {
            decode_character(d, *d->at < 0x80 ? active.g0 : active.g1);
        }
    }
}

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static char *trimmed(char *text) {
    size_t size = strlen(text), begin = 0;
    while (size > 0 && is_blank(text[size - 1]))
        size--;
    while (begin < size && is_blank(text[begin]))
        begin++;
    memmove(text, text + begin, size - begin);
    text[size - begin] = 0;
    return text;
}

/* Nearly all values are a few characters that are the same in every coding; only JIS X 0201 has others in their
 * place. */
static bool is_plain(const character_set_t *set, const uint8_t *at, size_t size) {
    if (set->coding == CODING_ISO_2022 && set->g0->number != 6)
        return false;
    for (size_t i = 0; i < size; i++)
        if (at[i] < ' ' || at[i] > '~' || at[i] == '\\')
            return false;
    return true;
}

static char *decode(const character_set_t *set, const uint8_t *at, size_t size, bool is_person_name) {
    char *text = NULL;
    size_t text_size;
    decoder_t decoder = {at, at + size, must(open_memstream(&text, &text_size))};
    switch (set->coding) {
    case CODING_UNDECLARED:
        decode_undeclared(&decoder);
        break;
    case CODING_UTF8:
        decode_utf8(&decoder);
        break;
    case CODING_GB18030:
        decode_chinese(&decoder, "GB18030");
        break;
    case CODING_GBK:
        decode_chinese(&decoder, "GBK");
        break;
    case CODING_ISO_2022:
        decode_iso_2022(&decoder, set, is_person_name);
        break;
    }
    must_hold(fclose(decoder.out) == 0);
    return text;
}

char *text_first_value(const character_set_t *set, const char *bytes, size_t size, bool is_person_name) {
    const uint8_t *at = size ? (const uint8_t *)bytes : (const uint8_t *)"";
    while (size > 0 && at[size - 1] == 0)
        size--;
    return trimmed(
        must(is_plain(set, at, size) ? strndup((const char *)at, size) : decode(set, at, size, is_person_name)));
}

/* --- Specific Character Set ------------------------------------------------------------------------- */

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

static const code_set_t *set_numbered(int number) {
    for (size_t i = 0; i < CODE_SETS_COUNT; i++)
        if (CODE_SETS[i].number == number)
            return &CODE_SETS[i];
    return NULL;
}

static character_set_t set_of_term(const char *term, bool has_more) {
    int number = term_number(term);
    if (number == 192 || strcmp(term, "UTF8") == 0)
        return (character_set_t){.coding = CODING_UTF8};
    if (strcmp(term, "GB18030") == 0)
        return (character_set_t){.coding = CODING_GB18030};
    if (strcmp(term, "GBK") == 0)
        return (character_set_t){.coding = CODING_GBK};
    const code_set_t *set = set_numbered(number);
    /* The default repertoire alone says nothing of bytes above 0x7F; with code extensions it is the first set. */
    bool is_default = !*term || number == 6;
    if (is_default ? !has_more : !set)
        return (character_set_t){.coding = CODING_UNDECLARED};
    return (character_set_t){.coding = CODING_ISO_2022,
                             .g0 = set_numbered(number == 13 ? 14 : 6),
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
        const code_set_t *set = set_numbered(term_number(term));
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

void text_first_values(const head_value_t values[HEAD_TAGS], char *texts[HEAD_TAGS]) {
    const head_value_t *value = &values[HEAD_SPECIFIC_CHARACTER_SET];
    character_set_t set = character_set_read(value->bytes, value->size);
    for (int tag = 0; tag < HEAD_TAGS; tag++) {
        value = &values[tag];
        texts[tag] =
            value->size ? text_first_value(&set, value->bytes, value->size, tag == HEAD_PATIENT_NAME) : NULL;
    }
}

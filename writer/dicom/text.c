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
#include "writer/dicom/code_set.h"

#define ESCAPE            0x1B
#define REPLACEMENT       "\xEF\xBF\xBD" /* U+FFFD */
#define UTF8_LONGEST      4
#define DOUBLE_BYTE_FIRST 0x21 /* both bytes of a double-byte set lie in 0x21 to 0x7E, in G1 with bit 7 set */
#define DOUBLE_BYTE_LAST  0x7E

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

void text_first_values(const head_value_t values[HEAD_TAGS], char *texts[HEAD_TAGS]) {
    const head_value_t *value = &values[HEAD_SPECIFIC_CHARACTER_SET];
    character_set_t set = character_set_read(value->bytes, value->size);
    for (int tag = 0; tag < HEAD_TAGS; tag++) {
        value = &values[tag];
        texts[tag] =
            value->size ? text_first_value(&set, value->bytes, value->size, tag == HEAD_PATIENT_NAME) : NULL;
    }
}

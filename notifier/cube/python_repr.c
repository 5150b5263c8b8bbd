#include "notifier/cube/python_repr.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Code points above ASCII of the categories Cc, Cf, Cs, Co, Zl, Zp and Zs (Unicode 15), which str.isprintable
 * refuses; first and last. */
static const struct range {
    uint32_t first, last;
} UNPRINTABLE[] = {
    {0x7F, 0xA0},       {0xAD, 0xAD},         {0x600, 0x605},     {0x61C, 0x61C},     {0x6DD, 0x6DD},
    {0x70F, 0x70F},     {0x890, 0x891},       {0x8E2, 0x8E2},     {0x1680, 0x1680},   {0x180E, 0x180E},
    {0x2000, 0x200F},   {0x2028, 0x202F},     {0x205F, 0x2064},   {0x2066, 0x206F},   {0x3000, 0x3000},
    {0xD800, 0xF8FF},   {0xFEFF, 0xFEFF},     {0xFFF9, 0xFFFB},   {0x110BD, 0x110BD}, {0x110CD, 0x110CD},
    {0x13430, 0x1343F}, {0x1BCA0, 0x1BCA3},   {0x1D173, 0x1D17A}, {0xE0001, 0xE0001}, {0xE0020, 0xE007F},
    {0xF0000, 0xFFFFD}, {0x100000, 0x10FFFD},
};

static bool printable(uint32_t c) {
    for (size_t i = 0; i < sizeof UNPRINTABLE / sizeof *UNPRINTABLE; i++)
        if (c >= UNPRINTABLE[i].first && c <= UNPRINTABLE[i].last)
            return false;
    return c >= ' ';
}

/* The code point at `s`, well-formed UTF-8 (jansson holds no other); moves `s` behind it. */
static uint32_t take_code_point(const uint8_t **s) {
    uint8_t lead = *(*s)++;
    int more = lead < 0x80 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    uint32_t c = more == 0 ? lead : lead & (0x3Fu >> more);
    while (more-- > 0)
        c = c << 6 | (*(*s)++ & 0x3F);
    return c;
}

static void print_escape(FILE *out, uint32_t c) {
    if (c == '\n' || c == '\r' || c == '\t')
        fprintf(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
    else if (c < 0x100)
        fprintf(out, "\\x%02x", c);
    else if (c < 0x10000)
        fprintf(out, "\\u%04x", c);
    else
        fprintf(out, "\\U%08x", c);
}

static void print_text(FILE *out, const char *text) {
    char quote = strchr(text, '\'') && !strchr(text, '"') ? '"' : '\'';
    fputc(quote, out);
    for (const uint8_t *s = (const uint8_t *)text; *s;) {
        const uint8_t *begin = s;
        uint32_t c = take_code_point(&s);
        if (c == '\\' || c == (uint32_t)quote)
            fprintf(out, "\\%c", (int)c);
        else if (printable(c))
            fwrite(begin, 1, (size_t)(s - begin), out);
        else
            print_escape(out, c);
    }
    fputc(quote, out);
}

static void print_value(FILE *out, json_t *value);

static void print_object(FILE *out, json_t *object) {
    const char *separator = "";
    fputc('{', out);
    const char *key;
    json_t *item;
    json_object_foreach(object, key, item) {
        fputs(separator, out);
        print_text(out, key);
        fputs(": ", out);
        print_value(out, item);
        separator = ", ";
    }
    fputc('}', out);
}

static void print_array(FILE *out, json_t *array) {
    fputc('[', out);
    for (size_t i = 0; i < json_array_size(array); i++) {
        fputs(i ? ", " : "", out);
        print_value(out, json_array_get(array, i));
    }
    fputc(']', out);
}

static void print_value(FILE *out, json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        print_object(out, value);
        break;
    case JSON_ARRAY:
        print_array(out, value);
        break;
    case JSON_STRING:
        print_text(out, json_string_value(value));
        break;
    case JSON_INTEGER:
        fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        assert(!"no task has floating point numbers");
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        fputs(json_is_true(value) ? "True" : "False", out);
        break;
    case JSON_NULL:
        fputs("None", out);
        break;
    }
}

char *python_repr(json_t *value) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    print_value(out, value);
    bool failed = ferror(out);
    if (fclose(out) == 0 && !failed)
        return text;
    free(text);
    return NULL;
}

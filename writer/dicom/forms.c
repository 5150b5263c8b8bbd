#include "writer/dicom/forms.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS "0123456789"

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Whether the text has the form `form`; 'd' stands for a digit. */
static bool has_form(const char *text, const char *form) {
    for (; *form; text++, form++)
        if (*form == 'd' ? !is_digit(*text) : *text != *form)
            return false;
    return !*text;
}

static int days_of(int year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

static int two_digits(const char *text) {
    return (text[0] - '0') * 10 + (text[1] - '0');
}

bool date_read(const char *text, char iso[ISO_DATE_BYTES + 1]) {
    int separators = has_form(text, "dddddddd") ? 0 : 1;
    if (separators && !has_form(text, "dddd-dd-dd") && !has_form(text, "dddd.dd.dd"))
        return false;
    const char *months = text + 4 + separators, *days = months + 2 + separators;
    int year = two_digits(text) * 100 + two_digits(text + 2), month = two_digits(months), day = two_digits(days);
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_of(year, month))
        return false;
    memcpy(iso, "yyyy-mm-dd", ISO_DATE_BYTES + 1);
    memcpy(iso, text, 4);
    memcpy(iso + 5, months, 2);
    memcpy(iso + 8, days, 2);
    return true;
}

/* The end of a decimal number with optional sign, fraction and exponent, or NULL where there is none. strtod alone
 * would also take "nan", "inf" and hexadecimal. */
static const char *number_end(const char *text) {
    text += *text == '+' || *text == '-';
    size_t whole = strspn(text, DIGITS), fraction = 0;
    text += whole;
    if (*text == '.') {
        fraction = strspn(text + 1, DIGITS);
        text += 1 + fraction;
    }
    if (whole + fraction == 0)
        return NULL;
    if (*text == 'e' || *text == 'E') {
        const char *exponent = text + 1;
        exponent += *exponent == '+' || *exponent == '-';
        if (!is_digit(*exponent))
            return NULL;
        text = exponent + strspn(exponent, DIGITS);
    }
    return text;
}

bool age_read(const char *text, int64_t *days) {
    const char *unit = number_end(text);
    if (!unit || !unit[0] || unit[1])
        return false;
    double factor = *unit == 'D' ? 1 : *unit == 'W' ? 7 : *unit == 'M' ? 30.44 : *unit == 'Y' ? 365.24 : 0;
    double value = round(strtod(text, NULL) * factor);
    if (factor == 0 || !(fabs(value) <= INT32_MAX))
        return false;
    *days = (int64_t)value;
    return true;
}

bool sex_valid(const char *text) {
    return (text[0] == 'M' || text[0] == 'F' || text[0] == 'O') && !text[1];
}

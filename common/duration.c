#include "common/duration.h"

#include <ctype.h>
#include <string.h>

typedef struct unit {
    const char *name;
    double size; /* in nanoseconds, or in bytes */
} unit_t;

/* The units of humantime 2; a month is 30.44 days and a year 365.25 days there. */
static const unit_t TIME_UNITS[] = {
    {"nsec", 1},
    {"ns", 1},
    {"usec", 1e3},
    {"us", 1e3},
    {"msec", 1e6},
    {"ms", 1e6},
    {"seconds", 1e9},
    {"second", 1e9},
    {"secs", 1e9},
    {"sec", 1e9},
    {"s", 1e9},
    {"minutes", 6e10},
    {"minute", 6e10},
    {"mins", 6e10},
    {"min", 6e10},
    {"m", 6e10},
    {"hours", 3.6e12},
    {"hour", 3.6e12},
    {"hrs", 3.6e12},
    {"hr", 3.6e12},
    {"h", 3.6e12},
    {"days", 8.64e13},
    {"day", 8.64e13},
    {"d", 8.64e13},
    {"weeks", 6.048e14},
    {"week", 6.048e14},
    {"w", 6.048e14},
    {"wk", 6.048e14},
    {"wks", 6.048e14},
    {"months", 2.630016e15},
    {"month", 2.630016e15},
    {"M", 2.630016e15},
    {"years", 3.15576e16},
    {"year", 3.15576e16},
    {"y", 3.15576e16},
    {"yr", 3.15576e16},
    {"yrs", 3.15576e16},
};

static const unit_t SIZE_UNITS[] = {
    {"B", 1},     {"kB", 1e3},   {"KB", 1e3},      {"MB", 1e6},         {"GB", 1e9},
    {"TB", 1e12}, {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}, {"TiB", 1099511627776},
};

static const char *skip_spaces(const char *at) {
    while (isspace((unsigned char)*at))
        at++;
    return at;
}

/* Reads digits; NULL where there are none. Doubles hold every integer that a duration or size may reach. */
static const char *read_number(const char *at, double *number) {
    if (!isdigit((unsigned char)*at))
        return NULL;
    for (*number = 0; isdigit((unsigned char)*at); at++)
        *number = *number * 10 + (*at - '0');
    return at;
}

static const char *read_unit(const char *at, const unit_t *units, size_t count, double *size) {
    size_t length = 0;
    while (isalpha((unsigned char)at[length]))
        length++;
    for (size_t i = 0; i < count; i++)
        if (strlen(units[i].name) == length && memcmp(units[i].name, at, length) == 0) {
            *size = units[i].size;
            return at + length;
        }
    return NULL;
}

/* The largest sum that an int64_t of milliseconds or bytes holds with room for rounding. */
#define LARGEST 9.0e15

bool duration_parse(const char *text, int64_t *milliseconds) {
    double nanoseconds = 0, number, size;
    const char *at = skip_spaces(text);
    if (strcmp(at, "0") == 0) {
        *milliseconds = 0;
        return true;
    }
    if (!*at)
        return false;
    while (*at) {
        if (!(at = read_number(at, &number)))
            return false;
        at = skip_spaces(at);
        if (!(at = read_unit(at, TIME_UNITS, sizeof TIME_UNITS / sizeof *TIME_UNITS, &size)))
            return false;
        nanoseconds += number * size;
        at = skip_spaces(at);
    }
    double ms = nanoseconds / 1e6;
    if (ms > LARGEST)
        return false;
    *milliseconds = (int64_t)ms + ((double)(int64_t)ms < ms);
    return true;
}

bool size_parse(const char *text, int64_t *bytes) {
    double number, size = 1;
    const char *at = read_number(skip_spaces(text), &number);
    if (!at)
        return false;
    at = skip_spaces(at);
    if (*at && !(at = read_unit(at, SIZE_UNITS, sizeof SIZE_UNITS / sizeof *SIZE_UNITS, &size)))
        return false;
    if (*skip_spaces(at) || number * size > LARGEST)
        return false;
    *bytes = (int64_t)(number * size);
    return true;
}

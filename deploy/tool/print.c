#include "deploy/tool/print.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/duration.h"
#include "common/memory.h"
#include "common/plural.h"

#define COLUMNS_MAX 12
#define CELLS_KEPT  32

/* --- tables -------------------------------------------------------------------------------------------- */

struct table {
    size_t columns, lines;
    char *(*cells)[COLUMNS_MAX]; /* owned */
    bool has_headings;
};

/* C0, DEL, and C1 as UTF-8 has it (C2 80 to C2 9F). */
static char *without_controls(const char *text) {
    char *copy = must(strdup(text));
    for (unsigned char *c = (unsigned char *)copy; *c; c++) {
        if (*c < ' ' || *c == 0x7F)
            *c = '?';
        else if (*c == 0xC2 && c[1] >= 0x80 && c[1] <= 0x9F)
            c[0] = c[1] = '?';
    }
    return copy;
}

table_t *table_new(const char *headings) {
    table_t *table = must(calloc(1, sizeof *table));
    char *text = copy_text(headings), *rest = text;
    table->has_headings = *headings != 0;
    if (table->has_headings) {
        table->cells = grown(NULL, 0, sizeof *table->cells);
        for (char *heading; table->columns < COLUMNS_MAX && (heading = strsep(&rest, "|"));)
            table->cells[0][table->columns++] = without_controls(heading);
        table->lines = 1;
    }
    free(text);
    return table;
}

void table_add(table_t *table, ...) {
    va_list cells;
    size_t columns = 0;
    table->cells = grown(table->cells, table->lines, sizeof *table->cells);
    va_start(cells, table);
    for (const char *text; columns < COLUMNS_MAX && (text = va_arg(cells, const char *));)
        table->cells[table->lines][columns++] = without_controls(text);
    va_end(cells);
    if (table->lines == 0)
        table->columns = columns;
    while (columns < table->columns)
        table->cells[table->lines][columns++] = without_controls("");
    table->lines++;
}

size_t table_lines(const table_t *table) {
    return table->lines - table->has_headings;
}

static size_t width_of(const char *text) {
    size_t width = 0;
    for (; *text; text++)
        width += (*text & 0xC0) != 0x80;
    return width;
}

void table_clear(table_t **self_p) {
    table_t *table = *self_p;
    if (!table)
        return;
    for (size_t i = 0; i < table->lines * table->columns; i++)
        free(table->cells[i / table->columns][i % table->columns]);
    free(table->cells);
    free(table);
    *self_p = NULL;
}

void table_print(table_t **self_p, FILE *out) {
    table_t *table = *self_p;
    size_t widths[COLUMNS_MAX] = {0};
    for (size_t line = 0; line < table->lines; line++)
        for (size_t i = 0; i < table->columns; i++)
            if (width_of(table->cells[line][i]) > widths[i])
                widths[i] = width_of(table->cells[line][i]);
    for (size_t line = 0; line < table->lines; line++) {
        for (size_t i = 0; i < table->columns; i++) {
            bool last = i + 1 == table->columns;
            fprintf(out, "%s%*s", table->cells[line][i],
                    last ? 0 : (int)(widths[i] - width_of(table->cells[line][i]) + 2), "");
        }
        fputc('\n', out);
    }
    table_clear(self_p);
}

/* --- cells --------------------------------------------------------------------------------------------- */

static char *next_cell(size_t *room) {
    static char cells[CELLS_KEPT][512];
    static size_t at;
    at = (at + 1) % CELLS_KEPT;
    *room = sizeof cells[at];
    return cells[at];
}

const char *cell(const char *format, ...) {
    size_t room;
    char *text = next_cell(&room);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, room, format, arguments);
    va_end(arguments);
    return text;
}

static const char *cell_local(int64_t wall_ms, bool with_date) {
    size_t room;
    char *text = next_cell(&room);
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm local;
    if (wall_ms <= 0 || !localtime_r(&seconds, &local) ||
        strftime(text, room, with_date ? "%F %T" : "%T", &local) == 0)
        snprintf(text, room, "-");
    return text;
}

const char *cell_time(int64_t wall_ms) {
    return cell_local(wall_ms, true);
}

const char *cell_clock(int64_t wall_ms) {
    return cell_local(wall_ms, false);
}

const char *cell_many(uint64_t count, const char *one, const char *more) {
    return cell("%" PRIu64 " %s", count, plural(count, one, more));
}

const char *cell_bytes(uint64_t bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double size = (double)bytes;
    size_t unit = 0;
    for (; size >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
        size /= 1024;
    return cell(unit ? "%.1f %s" : "%.0f %s", size, units[unit]);
}

/* --- JSON ---------------------------------------------------------------------------------------------- */

void json_print(json_t *json, FILE *out) {
    json_dumpf(json, out, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    fputc('\n', out);
    json_decref(json);
}

/* --- points in time ------------------------------------------------------------------------------------ */

static bool read_date(const char *text, int64_t *wall_ms) {
    static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M",
                                        "%Y-%m-%d %H:%M:%S"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm local = {.tm_isdst = -1}, read;
        const char *end = strptime(text, forms[i], &local);
        read = local;
        if (!end || *end)
            continue;
        time_t seconds = mktime(&local);
        if (seconds < 0 || local.tm_mday != read.tm_mday) /* before 1970, or the 31st of February */
            return false;
        *wall_ms = (int64_t)seconds * 1000;
        return true;
    }
    return false;
}

bool when_parse(const char *text, int64_t *wall_ms) {
    int64_t ago_ms;
    if (read_date(text, wall_ms))
        return true;
    if (!duration_parse(text, &ago_ms))
        return false;
    int64_t now = clock_wall_ms();
    *wall_ms = ago_ms < now ? now - ago_ms : 0;
    return true;
}

/* `oxidicom top`: the live page in a terminal. It asks the stages themselves, so it also works when one of them is
 * dead. */
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/memory.h"
#include "deploy/tool/print.h"
#include "deploy/tool/tool.h"

/* `oxidicom top` looks this often, and names so many of each list. */
#define TOP_INTERVAL_MS 1000
#define TOP_SERIES      10
#define TOP_LINES       16

/* What stages said at one time. */
typedef struct look {
    Ring__Answer *listener, *notifier, *series; /* NULL: no answer */
    int64_t at_us;
} top_look_t;

static void look_clear(top_look_t *look) {
    ring__answer__free_unpacked(look->listener, NULL);
    ring__answer__free_unpacked(look->notifier, NULL);
    ring__answer__free_unpacked(look->series, NULL);
    *look = (top_look_t){0};
}

static top_look_t look_now(ask_t *ask) {
    question_t listener, notifier;
    status_ask(ask, &listener, &notifier);
    top_look_t look = {.listener = listener.answer, .notifier = notifier.answer, .at_us = clock_us()};
    if (!look.notifier)
        return look;
    Ring__SeriesQuery query = RING__SERIES_QUERY__INIT;
    query.reply_to = ask_reply_to(ask);
    query.most = TOP_SERIES;
    look.series = ask_stage(ask, "notifier", &RING_ENVELOPE(SERIES_QUERY, series_query, &query));
    return look;
}

static const Ring__ListenerStatus *listener_of(const top_look_t *look) {
    return look->listener ? look->listener->listener : NULL;
}

static const Ring__NotifierStatus *notifier_of(const top_look_t *look) {
    return look->notifier ? look->notifier->notifier : NULL;
}

/* --- rates --------------------------------------------------------------------------------------------- */

/* What a counter has grown by each second. It begins anew with the process that counts. */
static double rate(uint64_t before, uint64_t now, const top_look_t *last, const top_look_t *look) {
    int64_t took_us = look->at_us - last->at_us;
    return last->at_us && took_us > 0 && now >= before ? (double)(now - before) * 1e6 / (double)took_us : 0;
}

static bool is_same_listener(const top_look_t *last, const top_look_t *look) {
    return listener_of(last) && listener_of(look) &&
           listener_of(last)->self->incarnation == listener_of(look)->self->incarnation;
}

static const Ring__OpenAssociation *association_in(const top_look_t *last, uint64_t number) {
    for (size_t i = 0; i < listener_of(last)->n_associations; i++)
        if (listener_of(last)->associations[i]->number == number)
            return listener_of(last)->associations[i];
    return NULL;
}

static const char *cell_rate(double bytes) {
    return cell("%s/s", cell_bytes((uint64_t)bytes));
}

/* --- parts --------------------------------------------------------------------------------------------- */

static void print_ring(const top_look_t *last, const top_look_t *look, FILE *out) {
    const Ring__ListenerStatus *l = listener_of(look),
                               *before = is_same_listener(last, look) ? listener_of(last) : l;
    const Ring__NotifierStatus *n = notifier_of(look);
    table_t *table = table_new("STAGE|STATE|NOW|QUEUE");
    if (l)
        table_add(table, "listener", l->draining ? "drains" : "runs",
                  cell("%s, %.1f objects/s", cell_rate(rate(before->bytes_received, l->bytes_received, last, look)),
                       rate(before->objects_stored, l->objects_stored, last, look)),
                  cell("%s held, %s of %s", cell_many(l->objects_unacknowledged, "object", "objects"),
                       cell_bytes(l->bytes_held), cell_bytes(l->bytes_most)),
                  NULL);
    else
        table_add(table, "listener", "no answer", "-", "-", NULL);
    for (size_t i = 0; l && i < l->n_writers && i < TOP_LINES; i++)
        table_add(table, l->writers[i]->self->id, l->writers[i]->leaving ? "leaves" : "runs", "",
                  cell("%s, %s", cell_many(l->writers[i]->objects, "object", "objects"),
                       cell_bytes(l->writers[i]->bytes)),
                  NULL);
    if (l && l->n_writers == 0)
        table_add(table, "writer", "none is there", "-", "-", NULL);
    if (n)
        table_add(
            table, "notifier", "runs",
            cell("%s with the broker", cell_many(n->registrations_under_way, "registration", "registrations")),
            cell_many(n->progress_waiting, "progress message", "progress messages"), NULL);
    else
        table_add(table, "notifier", "no answer", "-", "-", NULL);
    table_print(&table, out);
}

static const char *connection_text(const Ring__Connection *c) {
    if (!c->wanted)
        return "not set";
    return c->connected ? "connected" : cell("absent since %s: %s", cell_time(c->since), c->why);
}

static void print_outside(const top_look_t *look, FILE *out) {
    const Ring__NotifierStatus *n = notifier_of(look);
    table_t *table = table_new("");
    if (!n)
        return table_clear(&table);
    for (size_t i = 0; i < n->journal->n_states; i++)
        table_add(table, i ? "" : "journal",
                  cell("%" PRIu64 " %s", n->journal->states[i]->receptions, n->journal->states[i]->state), NULL);
    table_add(table, "broker", connection_text(n->broker), NULL);
    table_add(table, "NATS", connection_text(n->nats), NULL);
    table_print(&table, out);
}

static void print_associations(const top_look_t *last, const top_look_t *look, FILE *out) {
    const Ring__ListenerStatus *l = listener_of(look);
    if (!l)
        return;
    fprintf(out, "\nAssociations: %" PRIu64 " open of %" PRIu64 ", %" PRIu64 " waiting\n", l->associations_open,
            l->associations_most, l->associations_waiting);
    table_t *table = table_new("NO|AE|CALLED|PEER|STATE|STORED|REFUSED|UNDER WAY|RECEIVED|RATE|OPEN");
    for (size_t i = 0; i < l->n_associations && i < TOP_LINES; i++) {
        const Ring__OpenAssociation *a = l->associations[i],
                                    *before = is_same_listener(last, look) ? association_in(last, a->number) : NULL;
        table_add(table, cell("%" PRIu64, a->number), a->calling_ae, a->called_ae, a->peer, a->state,
                  cell("%" PRIu64, a->stored), cell("%" PRIu64, a->refused), cell("%" PRIu64, a->unanswered),
                  cell_bytes(a->bytes), cell_rate(rate(before ? before->bytes : a->bytes, a->bytes, last, look)),
                  cell("%" PRIu64 " s", a->open_ms / 1000), NULL);
    }
    if (table_lines(table) > 0)
        table_print(&table, out);
    table_clear(&table);
}

static void print_series(const top_look_t *look, FILE *out) {
    const Ring__SeriesPage *page = look->series ? look->series->series : NULL;
    if (!page || page->n_receptions == 0)
        return;
    fputs("\nSeries, the newest first\n", out);
    table_t *table = table_new("SERIES|AE|STATE|FILES|ERRORS|WHY");
    for (size_t i = 0; i < page->n_receptions && i < TOP_SERIES; i++) {
        const Ring__Reception *r = page->receptions[i];
        table_add(table, r->series_instance_uid, r->calling_ae, reception_state(r), cell("%" PRIu64, r->files),
                  cell("%" PRIu64, r->errors), reception_details(r), NULL);
    }
    table_print(&table, out);
}

static void print_refusals(const top_look_t *look, FILE *out) {
    const Ring__ListenerStatus *l = listener_of(look);
    if (!l || l->n_refusals == 0)
        return;
    fputs("\nRefusals, the latest first\n", out);
    table_t *table = table_new("WHEN|AE|PEER|WHAT|TIMES|WHY");
    for (size_t i = 0; i < l->n_refusals && i < TOP_SERIES; i++) {
        const Ring__Refusal *r = l->refusals[i];
        table_add(table, cell_time(r->at), r->calling_ae, r->peer, r->what, cell("%" PRIu64, r->times), r->why,
                  NULL);
    }
    table_print(&table, out);
}

/* --- the screen ---------------------------------------------------------------------------------------- */

/* On a terminal: from its upper left corner, each line cut to its width, so that it does not scroll or flicker.
 * UTF-8 is cut between characters; every character counts as one column. */
static void show_on_terminal(const char *text) {
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size); /* a terminal that does not know has 80 times 24 */
    unsigned lines = 0, column = 0;
    fputs("\033[H", stdout);
    for (const char *c = text; *c && lines + 1 < size.ws_row; c++) {
        if (*c == '\n') {
            fputs("\033[K\n", stdout);
            lines++;
            column = 0;
        } else if ((*c & 0xC0) == 0x80 ? column <= size.ws_col : ++column <= size.ws_col) {
            putchar(*c);
        }
    }
    fputs("\033[J", stdout);
}

static void show(const top_look_t *last, const top_look_t *look, const ask_t *ask, bool terminal) {
    char *text = NULL;
    size_t size;
    FILE *out = must(open_memstream(&text, &size));
    fprintf(out, "oxidicom in %s, %s\n\n", ask->run_dir, cell_time(clock_wall_ms()));
    print_ring(last, look, out);
    putc('\n', out);
    print_outside(look, out);
    print_associations(last, look, out);
    print_series(look, out);
    print_refusals(look, out);
    must_hold(fclose(out) == 0);
    if (terminal)
        show_on_terminal(text);
    else
        printf("%s\n", text);
    free(text);
}

/* czmq notes Control-C and TERM. Returns whether to go on. */
static bool wait_for_next(const top_look_t *look) {
    int64_t left_ms = TOP_INTERVAL_MS - (clock_us() - look->at_us) / 1000;
    if (left_ms > 0 && !zsys_interrupted)
        zclock_sleep((int)left_ms);
    return !zsys_interrupted;
}

int top_command(const options_t *options, ask_t *ask) {
    bool terminal = isatty(STDOUT_FILENO) && !options->once;
    top_look_t last = {0}, look = look_now(ask);
    int status = look.listener || look.notifier ? TOOL_FINE : EX_UNAVAILABLE;
    if (terminal)
        fputs("\033[?1049h\033[?25l", stdout); /* another screen, without a cursor */
    for (;;) {
        show(&last, &look, ask, terminal);
        if (fflush(stdout) != 0 || options->once || !wait_for_next(&look))
            break;
        look_clear(&last);
        last = look;
        ask_renew(ask);
        look = look_now(ask);
    }
    if (terminal)
        fputs("\033[?25h\033[?1049l", stdout);
    look_clear(&last);
    look_clear(&look);
    return options->once ? status : TOOL_FINE;
}

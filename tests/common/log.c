#include <criterion/criterion.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/hash.h"
#include "common/log.h"
#include "common/log_filter.h"
#include "common/log_peers.h"
#include "common/utf8.h"
#include "tests/support/process.h"

/* --- RUST_LOG ------------------------------------------------------------------------------------------ */

static char unknown[LOG_UNKNOWN_BYTES];

static log_level_t level_of(const char *directives, const char *stage) {
    return log_filter(directives, stage, unknown, sizeof unknown);
}

Test(log_filter, takes_a_level_for_everything_in_any_case) {
    cr_assert_eq(level_of("Debug", "writer-0"), LEVEL_DEBUG);
    cr_assert_eq(level_of(" WARN ", "launcher"), LEVEL_WARN);
    cr_assert_eq(level_of("off", "listener"), LEVEL_OFF);
    cr_assert_str_empty(unknown);
}

Test(log_filter, is_info_where_nothing_is_said_of_this_program) {
    cr_assert_eq(level_of(NULL, "listener"), LEVEL_INFO);
    cr_assert_eq(level_of("", "listener"), LEVEL_INFO);
    cr_assert_eq(level_of("hyper=trace,tonic::transport=off", "listener"), LEVEL_INFO);
    cr_assert_str_empty(unknown);
}

Test(log_filter, prefers_the_longest_target_wherever_it_stands) {
    static const char directives[] = "oxidicom::writer=debug,warn,oxidicom=error";
    cr_assert_eq(level_of(directives, "writer-0"), LEVEL_DEBUG);
    cr_assert_eq(level_of(directives, "writer-west.2"), LEVEL_DEBUG);
    cr_assert_eq(level_of(directives, "listener"), LEVEL_ERROR);
    cr_assert_eq(level_of("warn,oxidicom::writer=debug", "notifier"), LEVEL_WARN);
    cr_assert_str_empty(unknown);
}

Test(log_filter, takes_the_last_of_two_for_the_same_target) {
    cr_assert_eq(level_of("debug,warn", "listener"), LEVEL_WARN);
    cr_assert_eq(level_of("oxidicom=warn,oxidicom=trace", "listener"), LEVEL_TRACE);
}

Test(log_filter, takes_a_target_alone_for_everything_of_it) {
    cr_assert_eq(level_of("error,oxidicom::notifier", "notifier"), LEVEL_TRACE);
    cr_assert_eq(level_of("error,oxidicom::notifier", "listener"), LEVEL_ERROR);
    cr_assert_str_empty(unknown);
}

Test(log_filter, tells_what_it_does_not_understand_and_uses_the_rest) {
    cr_assert_eq(level_of("loud,oxidicom=debug,oxidicom=shrill,oxidicom::reader=info,x=y", "listener"),
                 LEVEL_DEBUG);
    cr_assert_str_eq(unknown, "loud,oxidicom=shrill,oxidicom::reader=info,x=y");
}

Test(log_filter, cuts_what_it_repeats_of_nonsense) {
    char text[2000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    level_of(text, "listener");
    cr_assert_eq(strlen(unknown), sizeof unknown - 1);
}

/* --- lines --------------------------------------------------------------------------------------------- */

static char captured[512 * 1024];

/* What `write_lines` writes to stderr, which is `descriptor` meanwhile; reads from `from`. */
static const char *capture(int descriptor, int from, void (*write_lines)(void)) {
    int kept = dup(STDERR_FILENO);
    dup2(descriptor, STDERR_FILENO);
    write_lines();
    dup2(kept, STDERR_FILENO);
    close(kept);
    ssize_t size = pread(from, captured, sizeof captured - 1, 0);
    if (size < 0) /* a terminal */
        size = read(from, captured, sizeof captured - 1);
    captured[size > 0 ? size : 0] = 0;
    return captured;
}

static const char *lines_of(void (*write_lines)(void)) {
    char path[] = "/tmp/oxi-log-XXXXXX";
    int file = mkstemp(path);
    unlink(path);
    capture(file, file, write_lines);
    close(file);
    return captured;
}

static size_t count_of(const char *text) {
    size_t count = 0;
    for (const char *at = captured; (at = strstr(at, text)); at++)
        count++;
    return count;
}

static const log_context_t OBJECT = {
    .association = 7, .object = 11, .trace = {.trace_id = {0xAB, 1}, .span_id = {0xCD, 2}, .sampled = true}};

static void say_one(void) {
    log_start("writer-0", "info", NULL);
    log_warn(&OBJECT, "%s", "one\nthing");
}

Test(log, is_one_line_with_level_stage_association_and_object) {
    const char *line = lines_of(say_one);
    cr_assert(strstr(line, "Z warn  writer-0 association=7 object=11: one?thing\n"), "%s", line);
    cr_assert_eq(count_of("\033["), 0);
    cr_assert_eq(count_of("\n"), 1);
}

static void say_what_turns_lines(void) {
    log_start("writer-0", "info", NULL);
    log_warn(NULL, "%s",
             "a\xC2\x9B"
             "31m\xE2\x80\xAE"
             "b\xE2\x81\xA6\xD8\x9C\xE2\x80\xA8.\xC3\xBC\xE2\x82\xAC");
    log_info(NULL, "%s",
             "\x9B"
             "31m");
}

Test(log, shows_no_character_that_a_terminal_obeys) {
    const char *lines = lines_of(say_what_turns_lines);
    cr_assert(strstr(lines, ": a?31m?b???.\xC3\xBC\xE2\x82\xAC\n") && strstr(lines, ": ?31m\n"), "%s", lines);
}

static void say_a_thousand(void) {
    log_start("listener", "info", NULL);
    for (int i = 0; i < 1000; i++)
        log_always(NULL, "always");
}

Test(log, leaves_out_nothing_of_what_is_always_said) {
    lines_of(say_a_thousand);
    cr_assert_eq(count_of("always"), 1000);
}

static void say_in_json(void) {
    log_start("writer-0", "info", "json");
    log_warn(&OBJECT, "a \"quoted\" %s", "thing");
    log_info(NULL, "caf\xE9");
}

Test(log, has_the_fields_of_opentelemetrys_data_model_as_json) {
    const char *lines = lines_of(say_in_json);
    json_t *record = json_loads(lines, JSON_DISABLE_EOF_CHECK, NULL);
    cr_assert(record, "%s", lines);
    const char *time = json_string_value(json_object_get(record, "Timestamp"));
    cr_assert_eq(strlen(time), 19, "nanoseconds since 1970: %s", time);
    cr_assert_str_eq(json_string_value(json_object_get(record, "SeverityText")), "WARN");
    cr_assert_eq(json_integer_value(json_object_get(record, "SeverityNumber")), 13);
    cr_assert_str_eq(json_string_value(json_object_get(record, "Body")), "a \"quoted\" thing");
    cr_assert_str_eq(json_string_value(json_object_get(record, "TraceId")), "ab010000000000000000000000000000");
    cr_assert_str_eq(json_string_value(json_object_get(record, "SpanId")), "cd02000000000000");
    const json_t *attributes = json_object_get(record, "Attributes"),
                 *resource = json_object_get(record, "Resource");
    cr_assert_eq(json_integer_value(json_object_get(attributes, "oxidicom.association")), 7);
    cr_assert_eq(json_integer_value(json_object_get(attributes, "oxidicom.object")), 11);
    cr_assert_str_eq(json_string_value(json_object_get(resource, "service.name")), "oxidicom");
    cr_assert_str_eq(json_string_value(json_object_get(resource, "service.instance.id")), "writer-0");
    json_decref(record);
    cr_assert(utf8_valid(lines, strlen(lines)) && strstr(lines, "caf\xC3\xA9"), "%s", lines);
}

static void say_to_the_journal(void) {
    struct stat s;
    char stream[64];
    fstat(STDERR_FILENO, &s);
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)s.st_dev, (unsigned long long)s.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_start("listener", "debug", "text");
    log_error(NULL, "a");
    log_warn(NULL, "b");
    log_info(NULL, "c");
    log_debug(NULL, "d");
}

Test(log, gives_priorities_to_systemds_journal) {
    cr_assert_str_eq(lines_of(say_to_the_journal),
                     "<3>listener: a\n<4>listener: b\n<6>listener: c\n<7>listener: d\n");
}

static void say_with_a_stream_of_somebody_else(void) {
    setenv("JOURNAL_STREAM", "1:2", 1);
    log_start("listener", "info", "text");
    log_info(NULL, "c");
}

Test(log, keeps_its_form_where_stderr_is_not_the_journals) {
    cr_assert(strstr(lines_of(say_with_a_stream_of_somebody_else), "Z info  listener: c\n"));
}

static void on_terminal(const char *no_color) {
    int ours, theirs;
    setenv("TERM", "xterm", 1);
    setenv("NO_COLOR", no_color, 1);
    cr_assert_eq(openpty(&ours, &theirs, NULL, NULL, NULL), 0);
    capture(theirs, ours, say_one);
    close(ours);
    close(theirs);
}

Test(log, is_colored_on_a_terminal_only_and_not_where_no_color_is_set) {
    on_terminal("");
    cr_assert(strstr(captured, "\033[33mwarn "), "%s", captured);
    on_terminal("1");
    cr_assert_null(strstr(captured, "\033["), "%s", captured);
}

static void start_with_nonsense(void) {
    log_start("notifier", "loud,info", NULL);
}

Test(log, reports_directives_that_it_does_not_understand_in_one_line) {
    const char *lines = lines_of(start_with_nonsense);
    cr_assert(strstr(lines, "RUST_LOG") && strstr(lines, "\"loud\""), "%s", lines);
    cr_assert_eq(count_of("\n"), 1);
}

/* --- floods -------------------------------------------------------------------------------------------- */

static void flood(void) {
    log_start("listener", "debug", NULL);
    for (int i = 0; i < 5 * LOG_BURST_LINES; i++) {
        log_warn(NULL, "flooded by %d", i);
        log_debug(NULL, "quietly %d", i);
    }
    log_warn(NULL, "another one");
    log_say_left_out(true);
    log_debug(NULL, "all is told");
    log_say_left_out(true);
}

/* Lines told to be left out: a slow machine tells of some during the flood. */
static uint64_t told_to_be_left_out(void) {
    uint64_t left_out = 0;
    for (const char *told = captured; (told = strstr(told, " left out: \"flooded by %d\"")); told++) {
        const char *line = told;
        while (line > captured && line[-1] != '\n')
            line--;
        left_out += strtoull(strstr(line, ": ") + 2, NULL, 10);
    }
    return left_out;
}

Test(log, lets_no_place_flood_it_and_counts_what_it_left_out) {
    lines_of(flood);
    /* A telling line has the format, too. */
    size_t tells = count_of(" left out: "), said = count_of("flooded by") - tells;
    const char *all_is_told = strstr(captured, "all is told");
    cr_assert_geq(tells, 1);
    cr_assert(all_is_told);
    cr_assert_null(strstr(all_is_told, " left out: "), "told twice");
    cr_assert_geq(said, LOG_BURST_LINES);
    cr_assert_lt(said, 2 * LOG_BURST_LINES);
    cr_assert_eq(said + told_to_be_left_out(), 5 * LOG_BURST_LINES);
    cr_assert_eq(count_of("quietly"), 5 * LOG_BURST_LINES);
    cr_assert_eq(count_of("another one"), 1);
}

static void fill(int pipe_end) {
    static const char bytes[4096];
    fcntl(pipe_end, F_SETFL, O_NONBLOCK);
    while (write(pipe_end, bytes, sizeof bytes) > 0)
        ;
    fcntl(pipe_end, F_SETFL, 0);
}

static void empty(int pipe_end) {
    for (int left; ioctl(pipe_end, FIONREAD, &left) == 0 && left > 0;)
        cr_assert_gt(read(pipe_end, captured, sizeof captured), 0);
}

static int log_pipe[2];

static void say_until_it_is_read(void) {
    for (int i = 0; i < 1000; i++)
        log_debug(NULL, "unread %d", i);
    empty(log_pipe[0]);
    log_debug(NULL, "read again");
    log_debug(NULL, "and again");
}

/* A full pipe, as of a shipper of logs that hangs. */
Test(log, waits_for_no_reader_that_stops_and_counts_what_it_left_out) {
    log_start("listener", "debug", NULL);
    cr_assert_eq(pipe(log_pipe), 0);
    fill(log_pipe[1]);
    capture(log_pipe[1], log_pipe[0], say_until_it_is_read);
    cr_expect(strstr(captured, "warn  listener: 1000 lines were left out: nobody read the log\n"), "%s", captured);
    cr_expect(strstr(captured, "read again") && strstr(captured, "and again"));
    cr_expect_eq(count_of("\n"), 3);
}

/* Looks at the log's reader that find it there. */
static int looks_left;

static int look(struct pollfd *files, nfds_t count, int timeout_ms) {
    (void)timeout_ms;
    return looks_left-- > 0 ? poll(files, count, 0) : 0;
}

static void say_to_one_who_stops_again(void) {
    log_poll = look;
    for (int i = 0; i < 5; i++) {
        looks_left = i % 2; /* the second one is for the line that says how many */
        log_debug(NULL, "unread %d", i);
    }
    log_poll = poll;
    log_debug(NULL, "read again");
}

/* A reader that takes one line and stops again. */
Test(log, counts_what_it_left_out_until_it_could_say_so) {
    log_start("listener", "debug", NULL);
    cr_assert_eq(pipe(log_pipe), 0);
    capture(log_pipe[1], log_pipe[0], say_to_one_who_stops_again);
    cr_expect(strstr(captured, "warn  listener: 5 lines were left out: nobody read the log\n"), "%s", captured);
    cr_expect_eq(count_of("\n"), 2);
}

static void be_noisy(void) {
    log_start("listener", "info", NULL);
    for (int i = 0; i < 2000; i++)
        if (log_peer_may(LEVEL_WARN, 1, "192.0.2.1:104"))
            log_warn(NULL, "the noisy one knocks");
    if (log_peer_may(LEVEL_WARN, 2, "192.0.2.2:104"))
        log_warn(NULL, "another one knocks");
}

Test(log, of_one_peer_never_drowns_what_another_does) {
    lines_of(be_noisy);
    cr_expect_geq(count_of("the noisy one"), LOG_PEER_BURST_MS / LOG_PEER_WARN_MS);
    cr_expect_lt(count_of("the noisy one"), LOG_BURST_LINES / 2, "a few such peers would use up the place's lines");
    cr_expect_eq(count_of("another one"), 1);
}

static uint64_t forgotten_number(uint64_t number) {
    for (uint64_t other = number + 1;; other++)
        if (hash_end(other) % LOG_PEERS_MAX == hash_end(number) % LOG_PEERS_MAX)
            return other;
}

/* A peer with many addresses makes the table forget, not refuse. */
Test(log, knows_a_bounded_number_of_peers) {
    while (log_peer_may(LEVEL_WARN, 3, ""))
        ;
    cr_expect(log_peer_may(LEVEL_WARN, forgotten_number(3), ""));
    cr_expect(log_peer_may(LEVEL_WARN, 3, ""));
}

Test(log, says_seldom_of_one_peer_what_it_says_at_once_of_another) {
    uint64_t left_out;
    cr_expect(log_peer_seldom(1, "rejected", &left_out));
    cr_expect_not(log_peer_seldom(1, "rejected", &left_out));
    cr_expect(log_peer_seldom(2, "rejected", &left_out));
    cr_expect(log_peer_seldom(1, "late", &left_out));
}

Test(log, knows_a_peer_by_its_address_whatever_its_port) {
    cr_expect_eq(log_peer_number("192.0.2.1:104"), log_peer_number("192.0.2.1:1104"));
    cr_expect_neq(log_peer_number("192.0.2.1:104"), log_peer_number("192.0.2.11:104"));
    cr_expect_neq(log_peer_number("[2001:db8::1]:104"), log_peer_number("[2001:db8::2]:104"));
}

/* Clients of the HTTP endpoint that do not behave. */
#include "notifier/http/http.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/host.h"
#include "common/log.h"
#include "notifier/http/clients.h"
#include "tests/support/http.h"
#include "tests/support/process.h"

static settings_t settings;
static link_state_t broker;
static health_t health;
static live_t live;
static http_t *http;

static void init(void) {
    log_start("test", "off", NULL);
    settings.http_port = free_port();
    settings.http_address = (char *)"127.0.0.1";
    link_state_init(&broker);
    health.metrics = all_metrics_new();
    health.broker = &broker;
    health.journal_writable = true;
    health_beat(&health);
    live_init(&live, &(view_sources_t){&settings, &health, NULL});
    http = http_new(&settings, &health, &live);
    cr_assert_not_null(http);
}

static void fini(void) {
    http_destroy(&http);
    live_clear(&live);
    all_metrics_destroy(&health.metrics);
}
TestSuite(http, .init = init, .fini = fini, .timeout = PATIENCE_S);

static int port(void) {
    return (int)settings.http_port;
}

static int status_of(const char *path) {
    int status;
    free(http_get(port(), path, NULL, &status));
    return status;
}

static int connect_silently(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port())};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

Test(http, answers_what_it_knows_and_nothing_else) {
    static const struct {
        const char *path;
        int status;
    } cases[] = {
        {"/livez", 200},  {"/livez?verbose", 200}, {"/readyz", 503},           {"/metrics", 200},
        {"/", 200},       {"/metrics/", 404},      {"/../../etc/passwd", 404}, {"/%2e%2e/metrics", 404},
        {"//livez", 404}, {"/LIVEZ", 404},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(status_of(cases[i].path), cases[i].status, "%s: %d", cases[i].path, status_of(cases[i].path));
}

static int status_under(const char *path, const char *host) {
    char *request = text_of("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host);
    char *said = http_call(port(), request, PATIENCE_MS);
    int status = said && strncmp(said, "HTTP/1.1 ", 9) == 0 ? atoi(said + 9) : 0;
    free(said);
    free(request);
    return status;
}

Test(http, shows_the_page_under_names_of_the_machine_only_and_probes_under_any) {
    char own[HOST_NAME_MAX + 1];
    host_read_name(own);
    const char *const ours[] = {"127.0.0.1", "127.0.0.1:80", "[::1]:80", "localhost:1", "LOCALHOST", own};
    const char *const theirs[] = {"evil.example", "localhost.evil.example:80", "127.0.0.1.evil.example", "[]",
                                  ":80"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        cr_expect_eq(status_under("/", ours[i]), 200, "%s", ours[i]);
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++) {
        cr_expect_eq(status_under("/", theirs[i]), 421, "%s", theirs[i]);
        cr_expect_eq(status_under("/series?q=1", theirs[i]), 421, "%s", theirs[i]);
        cr_expect_eq(status_under("/events", theirs[i]), 421, "%s", theirs[i]);
        cr_expect_eq(status_under("/livez", theirs[i]), 200, "%s", theirs[i]);
        cr_expect_eq(status_under("/metrics", theirs[i]), 200, "%s", theirs[i]);
    }
    settings.http_hosts = (char *)"dicom.example, evil.example";
    cr_expect_eq(status_under("/", "Dicom.Example:8080"), 200);
    cr_expect_eq(status_under("/", "evil.example"), 200);
    cr_expect_eq(status_under("/", "example"), 421);
    settings.http_hosts = (char *)"*";
    cr_expect_eq(status_under("/", "whatever.example"), 200);
    settings.http_hosts = NULL;
}

/* RFC 9112 3.2.2, where the Host header says nothing then. */
Test(http, answers_targets_in_absolute_form_under_the_host_in_them) {
    static const struct {
        const char *target;
        int status;
    } cases[] = {
        {"http://any.example:8080/metrics", 200},
        {"HTTP://any.example/livez?verbose", 200},
        {"http://[::1]:80/livez", 200},
        {"http://127.0.0.1/", 200},
        {"http://127.0.0.1:80", 200},
        {"http://localhost?x", 200},
        {"http://localhost/series", 400},
        {"http://evil.example/series?q=1", 421},
        {"http://evil.example/", 421},
        {"http://evil.example:80?x", 421},
        {"http://localhost/metrics/", 404},
        {"http:///metrics", 404},
        {"http://", 404},
        {"http:/metrics", 404},
        {"ftp://localhost/metrics", 404},
        {"/http://localhost/metrics", 404},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool evil = strstr(cases[i].target, "evil");
        cr_expect_eq(status_under(cases[i].target, evil ? "localhost" : "evil.example"), cases[i].status, "%s",
                     cases[i].target);
    }
}

Test(http, only_reads) {
    static const char *const methods[] = {"POST", "PUT", "DELETE", "PATCH", "OPTIONS"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char *request = text_of("%s /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", methods[i]);
        char *said = http_exchange(port(), request, strlen(request), PATIENCE_MS);
        cr_expect(said && strncmp(said, "HTTP/1.1 405 ", 13) == 0, "%s: %s", methods[i], said);
        cr_expect(said && strstr(said, "Allow: GET, HEAD"), "%s: %s", methods[i], said);
        free(said);
        free(request);
    }
    static const char head[] = "HEAD /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    char *said = http_exchange(port(), head, strlen(head), PATIENCE_MS);
    cr_expect_eq(strncmp(said, "HTTP/1.1 200 ", 13), 0, "%s", said);
    cr_expect_str_eq(strstr(said, "\r\n\r\n"), "\r\n\r\n", "a body: %s", said);
    free(said);
}

Test(http, survives_what_is_no_request) {
    static const char *const nonsense[] = {
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET /livez\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "GET /livez HTTP/9.9\r\n\r\n",
        "GET /livez HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "GET /livez HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        "GET /livez HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        "GET /livez HTTP/1.1\r\nno colon\r\n: \r\n\r\n",
    };
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        free(http_exchange(port(), nonsense[i], strlen(nonsense[i]), 100));
        cr_expect_eq(status_of("/livez"), 200, "after %zu", i);
    }
}

Test(http, refuses_a_request_that_is_too_long) {
    size_t size = 4 * HTTP_REQUEST_MAX_BYTES;
    char *request = malloc(size + 1);
    memset(request, 'x', size);
    request[size] = 0;
    memcpy(request, "GET /", 5);
    char *said = http_exchange(port(), request, size, PATIENCE_MS);
    cr_expect(!said || !*said || strncmp(said, "HTTP/1.1 4", 10) == 0, "%.100s", said);
    cr_expect_eq(status_of("/livez"), 200);
    free(said);
    free(request);
}

static bool is_closed(int fd) {
    char byte;
    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

/* As many clients as there are places, every second of them with half of a request. */
static void take_places(int fds[CLIENTS_MAX]) {
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        fds[i] = connect_silently();
        if (i % 2)
            cr_assert_eq(send(fds[i], "GET /livez HTTP/1.1\r\nA: b", 25, MSG_NOSIGNAL), 25);
    }
}

static void leave_places(const int fds[CLIENTS_MAX]) {
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        close(fds[i]);
}

Test(http, gives_newcomers_the_places_of_those_who_have_asked_nothing_for_longest) {
    int fds[CLIENTS_MAX];
    take_places(fds);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(status_of("/livez"), 200, "%d", i);
    cr_expect(is_closed(fds[0]) && is_closed(fds[1]), "the eldest keep their places");
    cr_expect_not(is_closed(fds[CLIENTS_MAX - 1]), "the youngest had to go");
    leave_places(fds);
}

static bool is_closed_by_now(void *argument) {
    return is_closed(*(int *)argument);
}

Test(http, ends_clients_that_send_nothing_or_a_byte_now_and_then) {
    int fds[2] = {connect_silently(), connect_silently()};
    cr_assert_eq(send(fds[1], "GET /livez HTTP/1.1\r\nA: b", 25, MSG_NOSIGNAL), 25);
    cr_assert_eq(status_of("/livez"), 200, "they have been taken note of before it");
    http_tick(http, clock_ms());
    cr_expect(!is_closed(fds[0]) && !is_closed(fds[1]), "they are given up before their time");
    http_tick(http, clock_ms() + CLIENTS_REQUEST_MAX_MS);
    for (size_t i = 0; i < 2; i++) {
        cr_expect(await(is_closed_by_now, &fds[i], PATIENCE_MS), "%zu", i);
        close(fds[i]);
    }
}

Test(http, says_that_a_loop_which_does_not_come_round_is_held_up) {
    health.loop_ms = clock_ms() - LOOP_SILENCE_MS;
    cr_expect_eq(status_of("/livez"), 503);
    int status;
    char *said = http_get(port(), "/readyz", NULL, &status);
    cr_expect_eq(status, 503);
    cr_expect_not_null(strstr(said, "the notifier is held up"), "%s", said);
    free(said);
    health_beat(&health);
    cr_expect_eq(status_of("/livez"), 200);
}

Test(http, takes_a_port_that_was_in_use_as_soon_as_it_is_free) {
    settings_t same = settings;
    int64_t begin_ms = clock_ms();
    http_t *second = http_new(&same, &health, &live);
    cr_assert_not_null(second, "a port in use ends nothing");
    http_destroy(&http);
    http_tick(second, begin_ms);
    cr_expect_eq(status_of("/livez"), 0, "it is not tried all the time");
    http_tick(second, clock_ms() + HTTP_RETRY_MS);
    cr_expect_eq(status_of("/livez"), 200);
    http_destroy(&second);
}

Test(http, is_off_where_the_port_is_0) {
    settings_t off = settings;
    off.http_port = 0;
    cr_expect_null(http_new(&off, &health, &live));
    http_tick(NULL, clock_ms());
}

Test(http, serves_ipv6_too) {
    settings_t six = settings;
    six.http_port = free_port();
    six.http_address = (char *)"::1";
    http_t *second = http_new(&six, &health, &live);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)six.http_port)};
    inet_pton(AF_INET6, "::1", &address.sin6_addr);
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    cr_expect_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    http_destroy(&second);
}

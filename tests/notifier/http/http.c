/* Clients of the HTTP endpoint that do not behave. */
#include "notifier/http/http.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
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
    health.board = board_new();
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
    board_destroy(&health.board);
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

static bool answers(void *argument) {
    (void)argument;
    return status_of("/livez") == 200;
}

Test(http, takes_the_places_of_clients_that_send_nothing_or_a_byte_now_and_then) {
    int fds[HTTP_CONNECTIONS_MAX];
    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        fds[i] = connect_silently();
        if (i % 2)
            cr_assert_eq(send(fds[i], "GET /livez HTTP/1.1\r\nA: b", 25, MSG_NOSIGNAL), 25);
    }
    static const char get[] = "GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n";
    char *said = http_exchange(port(), get, strlen(get), 300);
    cr_expect(!said || !*said, "there are more places than the test takes");
    free(said);
    http_tick(http, clock_ms());
    said = http_exchange(port(), get, strlen(get), 300);
    cr_expect(!said || !*said, "they are given up before their time");
    free(said);
    http_tick(http, clock_ms() + HTTP_REQUEST_MAX_MS);
    cr_expect(await(answers, NULL, PATIENCE_MS), "they keep their places");
    for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++)
        close(fds[i]);
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
    http_t *second = http_new(&same, &health, &live);
    cr_assert_not_null(second, "a port in use ends nothing");
    http_destroy(&http);
    http_tick(second, clock_ms());
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

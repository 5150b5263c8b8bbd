/* The streams and searches behind the live page, without a browser. */
#include <arpa/inet.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "notifier/http/search.h"
#include "notifier/http/viewers.h"
#include "tests/http/endpoint.h"

/* Asks for the path; the connection stays open. */
static int open_request(const char *path) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)endpoint_port())};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    char *request = text_of("GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    cr_assert_eq(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    free(request);
    return fd;
}

/* Reads until the text has come; false at the end of the connection or after PATIENCE_MS. */
static bool hears(int fd, const char *text) {
    static char said[1024 * 1024];
    size_t size = 0;
    int64_t deadline = clock_ms() + PATIENCE_MS;
    for (ssize_t got = 1; got > 0 && size < sizeof said - 1;) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        int64_t left = deadline - clock_ms();
        if (left <= 0 || poll(&readable, 1, (int)left) != 1)
            return false;
        if ((got = recv(fd, said + size, sizeof said - 1 - size, 0)) > 0)
            size += (size_t)got;
        said[size] = 0;
        if (strstr(said, text))
            return true;
    }
    return false;
}

static bool finds_place(void *argument) {
    int *fd = argument;
    *fd = open_request("/events");
    if (hears(*fd, "HTTP/1.1 200"))
        return true;
    close(*fd);
    return false;
}

Test(viewers, are_bounded_in_number_and_take_nobody_elses_place, .timeout = PATIENCE_S) {
    receiver_t receiver;
    int viewers[VIEWERS_MAX], next;
    endpoint_start(&receiver, "viewers-bounded", NULL, NULL);
    for (size_t i = 0; i < VIEWERS_MAX; i++) {
        viewers[i] = open_request("/events");
        cr_assert(hears(viewers[i], "data: {"), "viewer %zu", i);
    }
    cr_expect_eq(status_of("/events"), 503);
    cr_expect_geq(await_status("/readyz", 200), 0);
    close(viewers[0]);
    cr_assert(await(finds_place, &next, PATIENCE_MS), "whoever leaves makes room");
    cr_expect(hears(viewers[1], "data: {"), "the others are told on");
    kill(receiver_stage(&receiver, "notifier", 0), SIGTERM); /* ends while they look, and is started again */
    cr_expect(!hears(viewers[1], "no such text"), "the stream ends");
    cr_expect_geq(await_status("/readyz", 200), 0);
    for (size_t i = 1; i < VIEWERS_MAX; i++)
        close(viewers[i]);
    close(next);
    cr_expect_eq(receiver_stop(&receiver), 0);
    receiver_clear(&receiver);
}

Test(viewers, who_read_nothing_hold_up_nobody, .timeout = PATIENCE_S) {
    receiver_t receiver;
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    endpoint_start(&receiver, "viewers-slow", NULL, NULL);
    int slow = open_request("/events"), quick = open_request("/events");
    cr_assert(hears(quick, "data: {"));
    store_some(&scu, receiver.port, "QUICK", "1.2.3.4.5", 1, 3);
    cr_expect(hears(quick, "\"calling_ae\":\"QUICK\""));
    cr_assert(scu_release(&scu));
    close(slow);
    close(quick);
    receiver_clear(&receiver);
}

Test(viewers, find_series_by_any_text_and_break_nothing_with_it, .timeout = PATIENCE_S) {
    receiver_t receiver;
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    int status;
    endpoint_start(&receiver, "viewers-search", NULL, NULL);
    store_some(&scu, receiver.port, "O'HARA", "1.2.3.4.5", 1, 1);
    cr_assert(scu_release(&scu));
    char *said = http_get(endpoint_port(), "/series?q=o%27hara", NULL, &status);
    json_t *json = json_loads(said, 0, NULL), *found = json_array_get(json_object_get(json, "series"), 0);
    cr_expect_eq(status, 200);
    cr_expect_str_eq(json_string_value(json_object_get(found, "series_instance_uid")), "1.2.3.4.5", "%s", said);
    json_decref(json);
    free(said);
    said = http_get(endpoint_port(), "/series?q=%25%27%20OR%201=1--%00%ff", NULL, &status);
    cr_expect_eq(status, 200);
    cr_expect_str_eq(said, "{\"series\":[]}");
    free(said);
    char *long_one = text_of("/series?q=%0*d", SEARCH_TEXT_MAX_BYTES + 1, 0);
    cr_expect_eq(status_of(long_one), 400);
    cr_expect_eq(status_of("/series?q="), 400);
    cr_expect_eq(status_of("/series"), 400);
    free(long_one);
    /* One who leaves before he is answered. */
    for (int i = 0; i < 2 * SEARCHES_MAX; i++)
        close(open_request("/series?q=1"));
    cr_expect_geq(await_status("/series?q=1", 200), 0);
    receiver_clear(&receiver);
}

Test(viewers, get_a_page_that_loads_nothing_and_may_be_framed_nowhere, .timeout = PATIENCE_S) {
    receiver_t receiver;
    endpoint_start(&receiver, "viewers-policy", NULL, NULL);
    const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    char *said = http_exchange(endpoint_port(), request, strlen(request), PATIENCE_MS);
    cr_assert_not_null(said);
    cr_expect_not_null(strstr(said, "Content-Security-Policy: default-src 'none'; script-src 'sha256-"));
    cr_expect_not_null(strstr(said, "frame-ancestors 'none'"));
    cr_expect_not_null(strstr(said, "Cache-Control: no-store"));
    cr_expect_null(strstr(said, "src=\"http"), "nothing from outside");
    cr_expect_null(strstr(said, "@import"));
    cr_expect_not_null(strstr(said, "</html>"), "all of it comes");
    free(said);
    receiver_clear(&receiver);
}

#include "tests/support/http.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/support/process.h"

static int connect_to(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Whether all of a response is there that says how long it is. */
static bool is_complete(const char *said) {
    const char *length = strcasestr(said, "\r\nContent-Length:"), *body = strstr(said, "\r\n\r\n");
    return body && length && length < body &&
           strlen(body + 4) >= strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
}

static char *exchange(int port, const void *bytes, size_t size, int ms, bool one_response) {
    int fd = connect_to(port);
    if (fd < 0)
        return NULL;
    char *said = NULL, block[65536];
    size_t said_size;
    FILE *into = open_memstream(&said, &said_size);
    int64_t deadline = clock_ms() + ms;
    ssize_t got = send(fd, bytes, size, MSG_NOSIGNAL);
    while (got >= 0) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        int64_t left = deadline - clock_ms();
        if (left <= 0 || poll(&readable, 1, (int)left) != 1 || (got = recv(fd, block, sizeof block, 0)) <= 0)
            break;
        fwrite(block, 1, (size_t)got, into);
        if (one_response && fflush(into) == 0 && is_complete(said))
            break;
    }
    fclose(into);
    close(fd);
    return said;
}

char *http_exchange(int port, const void *bytes, size_t size, int ms) {
    return exchange(port, bytes, size, ms, false);
}

char *http_call(int port, const char *request, int ms) {
    return exchange(port, request, strlen(request), ms, true);
}

char *http_get(int port, const char *path, const char *header, int *status) {
    char *request = text_of("GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s%s\r\n", path,
                            header ? header : "", header ? "\r\n" : "");
    char *said = http_exchange(port, request, strlen(request), PATIENCE_MS);
    free(request);
    *status = 0;
    if (said && sscanf(said, "HTTP/1.1 %d", status) != 1)
        *status = 0;
    const char *body = said ? strstr(said, "\r\n\r\n") : NULL;
    char *copy = strdup(body ? body + 4 : "");
    free(said);
    return copy;
}

double metric_in(const char *text, const char *series) {
    size_t size = strlen(series);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, series, size) == 0 && line[size] == ' ')
            return strtod(line + size, NULL);
    }
    return -1;
}

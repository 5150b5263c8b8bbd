/* Draws the progress of one series from the real progress messages, until it is done.
 *
 *     progress NATS_URL READY_FILE TOTAL [SECONDS]
 *
 * Makes READY_FILE once it is subscribed. A bar on a terminal, plain lines elsewhere. Exit status 0: done, with
 * TOTAL files. */
#include <nats/nats.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/plural.h"

#define BAR_CELLS 50

static void draw(uint32_t count, uint32_t total, const char *what) {
    if (!isatty(STDOUT_FILENO)) {
        printf("  %u of %u %s %s\n", count, total, plural(total, "file", "files"), what);
        return;
    }
    char bar[BAR_CELLS + 1];
    uint32_t filled = count >= total ? BAR_CELLS : count * BAR_CELLS / total;
    for (uint32_t i = 0; i < BAR_CELLS; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[BAR_CELLS] = 0;
    printf("\r  [%s] %u/%u %s", bar, count, total, what);
    fflush(stdout);
}

static uint32_t count_of(const uint8_t *p) {
    return p[1] | (uint32_t)p[2] << 8 | (uint32_t)p[3] << 16 | (uint32_t)p[4] << 24;
}

static int follow(natsSubscription *subscription, uint32_t total, int64_t timeout_ms) {
    uint32_t count = 0;
    natsMsg *message = NULL;
    while (natsSubscription_NextMsg(&message, subscription, timeout_ms) == NATS_OK) {
        const uint8_t *payload = (const uint8_t *)natsMsg_GetData(message);
        int size = natsMsg_GetDataLength(message), kind = size > 0 ? payload[0] : -1;
        if (kind == 1 && size == 5)
            draw(count = count_of(payload), total, "");
        else if (kind == 2)
            printf("\n  error: %.*s\n", size - 1, (const char *)payload + 1);
        natsMsg_Destroy(message);
        if (kind == 0) {
            draw(count, total, "done\n");
            return count == total ? 0 : 1;
        }
    }
    fprintf(stderr, "progress: no message for too long\n");
    return 1;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fputs("usage: progress NATS_URL READY_FILE TOTAL [SECONDS]\n", stderr);
        return 64;
    }
    natsConnection *connection = NULL;
    natsSubscription *subscription = NULL;
    int status = 1;
    if (natsConnection_ConnectTo(&connection, argv[1]) != NATS_OK ||
        natsConnection_SubscribeSync(&subscription, connection, "oxidicom.>") != NATS_OK ||
        natsConnection_Flush(connection) != NATS_OK) {
        fprintf(stderr, "progress: can't subscribe at %s\n", argv[1]);
    } else {
        FILE *ready = fopen(argv[2], "w");
        if (ready && fclose(ready) == 0)
            status = follow(subscription, (uint32_t)strtoul(argv[3], NULL, 10),
                            argc > 4 ? 1000 * atoll(argv[4]) : 60000);
    }
    natsSubscription_Destroy(subscription);
    natsConnection_Destroy(connection);
    nats_Close();
    return status;
}

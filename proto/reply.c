#include "proto/reply.h"

#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/version.h"

bool reply_inbox_valid(const char *inbox) {
    size_t prefix = strlen(TOOL_INBOX_PREFIX);
    if (strncmp(inbox, TOOL_INBOX_PREFIX, prefix) != 0)
        return false;
    size_t digits = strspn(inbox + prefix, "0123456789");
    return digits >= 1 && digits <= TOOL_NUMBER_DIGITS && inbox[prefix + digits] == 0;
}

/* A socket of its own for each answer, gone after LINGER_MS with any peer. Without a socket file there is no peer,
 * so no socket is made: they are limited. */
void reply_send(const char *run_dir, const char *inbox, const Ring__Answer *answer) {
    char *endpoint = reply_inbox_valid(inbox) ? stage_endpoint(run_dir, inbox) : NULL;
    zsock_t *outbox = NULL;
    if (endpoint && access(endpoint + strlen("ipc://"), F_OK) == 0)
        outbox = zsock_new(ZMQ_PUSH);
    if (outbox) {
        zsock_set_linger(outbox, LINGER_MS);
        Ring__Envelope envelope = RING_ENVELOPE(ANSWER, answer, (Ring__Answer *)(uintptr_t)answer);
        if (zsock_connect(outbox, "%s", endpoint) != 0 || ring_send(outbox, &envelope) != 0)
            log_debug(NULL, "%s can't be answered: %s", inbox, strerror(errno));
    }
    zsock_destroy(&outbox);
    freen(endpoint);
}

Ring__Alive alive_of(const stage_t *stage, Ring__Stage kind) {
    Ring__Alive alive = RING__ALIVE__INIT;
    alive.stage = kind;
    alive.id = stage->id;
    alive.incarnation = stage->incarnation;
    alive.release = (char *)OXIDICOM_VERSION;
    alive.process = (uint32_t)getpid();
    alive.started_at = stage->started_at;
    return alive;
}

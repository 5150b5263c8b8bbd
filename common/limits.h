/* Limits that are no settings and that several processes share, with their unit in the name. */
#ifndef COMMON_LIMITS_H
#define COMMON_LIMITS_H

/* Longest path that fits sockaddr_un.sun_path with its terminating NUL (unix(7)). */
#define SOCKET_PATH_MAX_BYTES 107
/* How often each stage says that it lives. */
#define ALIVE_INTERVAL_MS 250
/* A writer that owes answers and has been silent this long is taken for hung. */
#define WRITER_SILENCE_MS 10000
/* Messages handled before the loop looks at its other sources again. */
#define INBOX_BURST_MESSAGES 256
/* How long a process that ends waits for its last messages to leave. */
#define LINGER_MS 500
/* Told to end, the ring as a whole, and a stage without the others, may take OXIDICOM_DRAIN_TIMEOUT and this. */
#define END_MARGIN_MS 5000
/* A process measures itself, and the notifier its journal, this often. */
#define MEASURE_INTERVAL_MS 1000
/* UIDs have at most 64 characters (PS3.5 9.1). */
#define UID_MAX_BYTES  64
#define AE_TITLE_BYTES 16
/* A command set holds a few fixed elements and two UIDs. */
#define COMMAND_SET_MAX_BYTES (16 * 1024)
/* Objects of one association that are complete and not answered yet. */
#define UNANSWERED_MAX_OBJECTS 64
/* Objects of one writer that storage works on at once, at most. */
#define WRITER_OPERATIONS_MAX 64
/* Receptions in one answer. */
#define SERIES_PAGE_ROWS 100
/* States of a reception in the journal, and room for more. */
#define RECEPTION_STATES_MAX 16
/* Writers of one ring. */
#define WRITERS_MAX 256

/* Storage that has left a thread of the notifier waiting for so long is called silent. */
#define STORAGE_SILENCE_MS 5000

#endif

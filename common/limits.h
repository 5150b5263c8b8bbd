/* Every limit that is not a setting, with its unit in its name. */
#ifndef COMMON_LIMITS_H
#define COMMON_LIMITS_H

/* --- the ring ------------------------------------------------------------------------------------- */

/* Longest path that fits sockaddr_un.sun_path with its terminating NUL (unix(7)). */
#define SOCKET_PATH_MAX_BYTES 107
/* How often each stage says that it lives. */
#define ALIVE_INTERVAL_MS 250
/* A writer that owes answers and has been silent this long is taken for hung. */
#define WRITER_SILENCE_MS 10000
/* One that has been silent this long is held up: all of it waits for storage, or it hangs. */
#define WRITER_HELD_UP_MS 2000
/* Messages handled before the loop looks at its other sources again. */
#define INBOX_BURST_MESSAGES 256
/* A message head (protobuf) longer than this is corrupt: the longest legal one holds a few texts. */
#define MESSAGE_HEAD_MAX_BYTES (1024 * 1024)
/* After a listener's restart the notifier waits so long for events of the old one that are on their way. */
#define LISTENER_GRACE_MS 2000
/* How long a process that ends waits for its last messages to leave. */
#define LINGER_MS 500
/* A complaint that could come with every message comes once in this time. */
#define LOG_SELDOM_MS 1000
/* One that could come with every object comes once in this time, with a count of those left out. */
#define LOG_RARELY_MS 60000
/* From one place in the source: so many lines at once, then one in this time. */
#define LOG_BURST_LINES 300
#define LOG_INTERVAL_MS 100
/* A line, or its message where it is JSON; and what is repeated of a RUST_LOG that can't be understood. */
#define LOG_LINE_BYTES    2048
#define LOG_UNKNOWN_BYTES 256
/* Spans that wait for the collector of traces, more are dropped; and how many go in one request, how often at
 * least. */
#define OTLP_QUEUE_SPANS 2048
#define OTLP_BATCH_SPANS 512
#define OTLP_BATCH_MS    1000
/* A collector's answer: how long it may take (OTEL_EXPORTER_OTLP_TIMEOUT), how long it may be, how often a batch is
 * sent that it could not take, after which pause, doubled each time, with jitter; and what the end of a process
 * waits for it. */
#define OTLP_TIMEOUT_MS       10000
#define OTLP_TIMEOUT_MOST_MS  3600000
#define OTLP_ANSWER_MAX_BYTES (64 * 1024)
#define OTLP_TRIES            5
#define OTLP_RETRY_FIRST_MS   500
#define OTLP_RETRY_LONGEST_MS 4000
#define OTLP_FLUSH_MS         2000
/* Looks at a connection on which nothing moves that may follow one another at once, and the pause before each
 * further one. */
#define OTLP_IDLE_LOOKS     8
#define OTLP_IDLE_PAUSE_MS  10
#define SPAN_ATTRIBUTES_MAX 24
/* Who a span is of, where another process says it: a writer's id, with "writer-" before it. */
#define SPAN_INSTANCE_MAX_BYTES 80
/* How often metrics are sent (OTEL_METRIC_EXPORT_INTERVAL), and how rarely at most. */
#define OTLP_INTERVAL_MS      60000
#define OTLP_INTERVAL_MOST_MS 86400000
/* OpenTelemetry's variables that are complained about at most. */
#define OTLP_VARIABLES_MAX      16
#define RESOURCE_ATTRIBUTES_MAX 128
/* Associations whose span the notifier would say in place of a listener that died. */
#define TRACED_ASSOCIATIONS_MAX 10000
/* A queue's name is an AMQP short string (AMQP 0-9-1, 4.2.5.3), and a file's name for the filesystem broker. */
#define QUEUE_NAME_MAX_BYTES 255
/* A file that holds a setting: an address with its password, perhaps several. */
#define SECRET_FILE_MAX_BYTES (64 * 1024)
/* Listening sockets that a supervisor may hand over; there is one for plain DICOM and one for TLS. */
#define SUPERVISION_SOCKETS_MAX 8
/* Told to end, the ring as a whole, and a stage without the others, may take OXIDICOM_DRAIN_TIMEOUT and this. */
#define END_MARGIN_MS 5000

/* What a stage's sandbox can hold of paths, and of TCP ports to listen on. */
#define SANDBOX_RULES_MAX 32
#define SANDBOX_PORTS_MAX 4

/* What is allocated in one piece of this size or more is mapped and unmapped on its own; of the rest so much is
 * kept for the next time, and so much is asked for at once. */
#define HEAP_MAP_BYTES  (1024 * 1024)
#define HEAP_KEEP_BYTES (4 * 1024 * 1024)
#define HEAP_STEP_BYTES (256 * 1024)

/* --- metrics -------------------------------------------------------------------------------------- */

/* A label's value: an AE title in UTF-8, a writer's id. */
#define METRIC_LABEL_MAX_BYTES 80
/* AE titles told apart; those that are new after so many are counted together as "other". */
#define METRIC_AE_TITLES_MAX 50
/* Snapshots that wait for a notifier that is not there: what comes later counts them in, so none need queue up. */
#define FIGURES_QUEUE_MESSAGES 2
/* A process measures itself, and the notifier its journal, this often. */
#define MEASURE_INTERVAL_MS 1000

/* --- listener ------------------------------------------------------------------------------------- */

/* UIDs have at most 64 characters (PS3.5 9.1). */
#define UID_MAX_BYTES  64
#define AE_TITLE_BYTES 16
/* A command set holds a few fixed elements and two UIDs. */
#define COMMAND_SET_MAX_BYTES (16 * 1024)
/* Objects of one association that are complete and not answered yet. */
#define UNANSWERED_MAX_OBJECTS 64

/* --- writer --------------------------------------------------------------------------------------- */

/* A data set whose place is not known by then goes to its temporary file; until then it is held in memory. */
#define HEAD_GATHERED_MAX_BYTES (256 * 1024)
/* A deflated data set can inflate a thousandfold: it is looked through so far for what is wanted. */
#define HEAD_INFLATED_MAX_BYTES (256 * 1024 * 1024)
/* NAME_MAX of every file system that matters. */
#define PATH_COMPONENT_MAX_BYTES 255
/* Of a value that is kept from the head: no text that means anything to CUBE is longer. */
#define HEAD_VALUE_MAX_BYTES (16 * 1024)
/* CUBE's columns of UIDs of the series and the study; a longer one names nothing any more when it is cut. */
#define CUBE_UID_MAX 100
/* Sequences, and items of undefined length, within one another: each of 512 may have both. */
#define WALK_DEPTH_MAX 1024
/* A file's pages go to storage after so many bytes, so that the fsync at its end does not take as long as the file
 * took to come. */
#define WRITEBACK_BYTES (8 * 1024 * 1024)
/* The room on the disk is asked for this often at least while files are written, and each time that this part of
 * what was above OXIDICOM_MIN_FREE has been written. */
#define FREE_CHECK_MS    1000
#define FREE_CHECK_SHARE 16
/* A temporary file of whom nobody can say whether he lives (another host, no locks) is left alone until nobody has
 * touched it for so long. */
#define LEFTOVER_UNTOUCHED_S (24 * 60 * 60)
/* Temporary files removed in one go, and own ones that could not be removed and are remembered. */
#define LEFTOVERS_AT_ONCE 1000
/* Files in the quarantine: two for each object. They are looked through each time that one is put in. */
#define QUARANTINE_MAX_FILES 2000
/* How often a writer that starts tries to get its own folder before those who tidy up. */
#define FOLDER_TRIES 10
/* Objects of one writer that storage works on at once, at most. */
#define WRITER_OPERATIONS_MAX 64
/* A thread waits for what took storage so long of late; anything faster is done by the loop itself. */
#define STORAGE_SLOW_US 1000
/* Pieces of an object that are given to storage by one call. */
#define DEPOSIT_PIECES_AT_ONCE 64
/* A writer that nobody waits for any more, or that is told to end at once, waits so long for what storage is doing.
 */
#define STORAGE_END_WAIT_MS 1000
/* Messages waiting for a listener or notifier that is away. */
#define WRITER_OUTBOX_MESSAGES 1000
/* Series folders that this writer knows to be durable, and earlier listeners that it remembers as gone. */
#define DURABLE_FOLDERS_MAX 256
#define GONE_LISTENERS_MAX  16

/* The survey of storage: what is read of a file at once, which its header (PS3.10 7.1) must fit; how many files of
 * a folder are tried for a head that can be read; folders within one another below SERVICES/PACS. */
#define SURVEY_BLOCK_BYTES (64 * 1024)
#define SURVEY_HEADS_TRIED 8
#define SURVEY_DEPTH_MAX   16

/* --- notifier ------------------------------------------------------------------------------------- */

/* Associations whose series the notifier need not look up in the journal for each object. */
#define JOINED_MAX 64
/* Events in one journal transaction. */
#define JOURNAL_BATCH_EVENTS 256
/* What is finished and older than OXIDICOM_JOURNAL_KEEP is looked for this often, and removed in slices of so many
 * rows, so that the loop never waits for long. */
#define JOURNAL_EXPIRE_INTERVAL_MS (60 * 60 * 1000)
#define JOURNAL_EXPIRE_ROWS        2000
/* A journal up to this size is checked at start: in seconds, even from a slow disk. */
#define JOURNAL_CHECK_MAX_BYTES (256LL * 1024 * 1024)
/* Journals that vanished hosts left behind are looked for at start and this often. */
#define ADOPTION_INTERVAL_MS 60000
/* Storage that has left a question unanswered for so long is called silent, and mentioned again after …; how long
 * the end of the process waits for the thread that asks it. */
#define STORAGE_SILENCE_MS            5000
#define STORAGE_COMPLAINT_INTERVAL_MS 60000
#define STORAGE_END_MS                1000
/* After a commit that failed, unacknowledged objects are asked for again; doubled each time. */
#define RESEND_FIRST_MS   1000
#define RESEND_LONGEST_MS 8000
/* How long to wait for somebody who looks into the journal with SQLite's shell. */
#define JOURNAL_BUSY_TIMEOUT_MS 2000
/* Acknowledgements and signs of life that wait for a listener that is not there. */
#define LISTENER_QUEUE_MESSAGES 10000
/* Told to end, the notifier waits until the ring has been silent for so many turns of the loop in a row, one each
 * …, but not longer than … */
#define DRAIN_QUIET_TURNS      10
#define DRAIN_TURN_MS          30
#define DRAIN_QUIET_LONGEST_MS 2000

/* A stage whose figures stay away so long is taken for gone by those who look from outside … */
#define STAGE_SILENCE_MS 2000
/* … and is shown as such for so long. */
#define STAGE_SHOWN_MS (5 * 60 * 1000)
/* Processes whose figures are remembered; the one that has been silent for longest makes room. */
#define BOARD_STAGES_MAX (WRITERS_MAX + 16)
/* Values of one process, those of unknown names not counted. */
#define BOARD_VALUES_MAX 2048
/* A journal that did not take events is tried so often. */
#define JOURNAL_TRY_MS 2000
/* Receptions are counted by state, then for so many times as long not again. */
#define JOURNAL_COUNT_PAUSE 100
/* Clients of the HTTP endpoint: connections at once, bytes of a request and of what belongs to it, and times:
 * between two bytes, for a whole request, for a whole answer; and between two attempts to bind the port. */
#define HTTP_CONNECTIONS_MAX   64
#define HTTP_REQUEST_MAX_BYTES (16 * 1024)
#define HTTP_IDLE_TIMEOUT_S    10
#define HTTP_REQUEST_MAX_MS    15000
#define HTTP_ANSWER_MAX_MS     30000
#define HTTP_RETRY_MS          5000
/* The live page: those who look at once, what each is told how often, and receptions in it; searches that wait for
 * their answer, and the longest text that is looked for. */
#define VIEWERS_MAX           16
#define VIEW_INTERVAL_MS      500
#define VIEW_RECEPTIONS       60
#define SEARCHES_MAX          8
#define SEARCH_TEXT_MAX_BYTES 128
/* A viewer whose network has gone without a word is given up after this. */
#define HTTP_UNACKNOWLEDGED_MS 20000
/* A loop that has not come round for so long hangs. */
#define LOOP_SILENCE_MS 10000

/* Answers to the operator's tool in one batch; further questions in it are not answered. */
#define QUERIES_PER_BATCH 16
/* Receptions in one answer, and receptions looked through for it. */
#define SERIES_PAGE_ROWS          100
#define SERIES_PAGE_SEARCHED_ROWS 5000
/* Folders of one series that are registered again at once: nearly always one. */
#define RESEND_FOLDERS_MAX 64
/* States of a reception in the journal, and room for more. */
#define RECEPTION_STATES_MAX 16

/* --- the operator's tool ---------------------------------------------------------------------------- */

/* How long it waits for an answer, unless told otherwise, and at most. */
#define TOOL_TIMEOUT_MS      2000
#define TOOL_TIMEOUT_MOST_MS (10 * 60 * 1000)

/* `oxidicom top` looks this often, and names so many of each list. */
#define TOP_INTERVAL_MS 1000
#define TOP_SERIES      10
#define TOP_LINES       16

/* --- launcher ------------------------------------------------------------------------------------- */

#define WRITERS_MAX 256
/* A stage that died is started again after this; doubled each time it dies young. */
#define RESTART_FIRST_MS   100
#define RESTART_LONGEST_MS 10000
/* A stage that lived this long did not die young. */
#define RESTART_YOUNG_MS 5000
/* In a drain, the kinds of stages are told to end at once so long after OXIDICOM_DRAIN_TIMEOUT: the listener has
 * aborted what was open by then, each of the others has some time after the one before it. */
#define END_AT_ONCE_LISTENER_MS 1250
#define END_AT_ONCE_WRITERS_MS  1750
#define END_AT_ONCE_NOTIFIER_MS 2750
/* Told so, a stage is killed after this; killed, it is left behind after this: the kernel may keep it in storage.
 */
#define END_KILL_MS  1250
#define END_LEAVE_MS 500
/* What the removal of the run folder may take, which may lie in storage, too. */
#define END_REMOVE_MS 500
/* A stage that waits for storage may be silent so many times OXIDICOM_WATCHDOG. */
#define WATCHDOG_STORAGE_FACTOR 5

#endif

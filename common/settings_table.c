/* One entry per environment variable. --help, the README's table and every complaint come from here. */
#include "common/settings_table.h"

#include <ctype.h>
#include <string.h>

#include "common/broker_schemes.h"
#include "common/comma_list.h"
#include "common/limits.h"
#include "common/network.h"
#include "common/utf8.h"

/* A queue's name is an AMQP short string (AMQP 0-9-1, 4.2.5.3), and a file's name for the filesystem broker. */
#define QUEUE_NAME_MAX_BYTES 255

#define FOR_TRACES           (FOR_LISTENER | FOR_NOTIFIER)

static bool is_absolute(const char *text) {
    return text[0] == '/';
}

static bool is_broker(const char *text) {
    for (const char *next; (next = strchr(text, ';')); text = next + 1)
        if (broker_scheme_of(text) < 0)
            return false;
    return broker_scheme_of(text) >= 0;
}

/* One server, up to a comma or the end. */
static bool is_one_nats(const char *text, size_t length) {
    bool scheme = strncmp(text, "nats://", 7) == 0 || strncmp(text, "tls://", 6) == 0;
    const char *mark = strstr(text, "://"), *host = scheme ? mark + 3 : text;
    return host < text + length && (scheme || !mark || mark >= text + length);
}

static bool is_nats(const char *text) {
    if (strpbrk(text, " \t"))
        return false;
    for (const char *next; (next = strchr(text, ',')); text = next + 1)
        if (!is_one_nats(text, (size_t)(next - text)))
            return false;
    return is_one_nats(text, strlen(text));
}

static bool has_control_characters(const char *text) {
    for (; *text; text++)
        if (iscntrl((unsigned char)*text))
            return true;
    return false;
}

static bool is_queue_name(const char *text) {
    size_t length = strlen(text);
    return length >= 1 && length <= QUEUE_NAME_MAX_BYTES && utf8_valid(text, length) && !strchr(text, '/') &&
           !has_control_characters(text);
}

static bool is_key_prefix(const char *text) {
    size_t length = strlen(text);
    return length <= QUEUE_NAME_MAX_BYTES && utf8_valid(text, length) && !has_control_characters(text);
}

/* Tokens between dots, none of them empty (NATS protocol, subject names). */
static bool is_subject(const char *text) {
    return *text && !strpbrk(text, " *>") && !has_control_characters(text) && text[0] != '.' &&
           text[strlen(text) - 1] != '.' && !strstr(text, "..");
}

static bool is_ae_title(const char *text) {
    return *text && strlen(text) <= AE_TITLE_BYTES;
}

static bool are_ae_titles(const char *text) {
    const char *title;
    size_t size;
    while (comma_list_next(&text, &title, &size))
        if (size == 0 || size > AE_TITLE_BYTES)
            return false;
    return true;
}

/* name=TITLE, several between commas. */
static bool are_named_titles(const char *text) {
    const char *item, *mark;
    size_t size;
    while (comma_list_next(&text, &item, &size)) {
        mark = memchr(item, '=', size);
        if (!mark || mark == item || mark + 1 == item + size || size - (size_t)(mark + 1 - item) > AE_TITLE_BYTES)
            return false;
    }
    return true;
}

/* Where a path can be put behind it. A password has settings of its own, which nobody prints. */
static bool is_cube_url(const char *text) {
    const char *host = strncmp(text, "http://", 7) == 0    ? text + 7
                       : strncmp(text, "https://", 8) == 0 ? text + 8
                                                           : NULL;
    return host && *host && *host != '/' && !strpbrk(host, "@?# \"<>\\") && !has_control_characters(host);
}

/* It is put into a line of a header as it is. */
static bool is_cube_token(const char *text) {
    return !strchr(text, ' ') && !has_control_characters(text);
}

/* HTTP's Basic authentication ends it there (RFC 7617 2). */
static bool is_cube_user(const char *text) {
    return !strchr(text, ':') && !has_control_characters(text);
}

static bool is_log_format(const char *text) {
    return strcmp(text, "text") == 0 || strcmp(text, "json") == 0;
}

static bool is_writer_id(const char *text) {
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("-_.", text[i]))
            return false;
    return length >= 1 && length <= 64;
}

static bool is_tls_client(const char *text) {
    return strcmp(text, "none") == 0 || strcmp(text, "optional") == 0 || strcmp(text, "required") == 0;
}

static bool is_sandbox(const char *text) {
    return strcmp(text, "auto") == 0 || strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
}

/* The first words of an entry: the variable and its field. One of another type does not compile. */
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a type */
#define FIELD(type, field)    _Generic(((settings_t *)0)->field, type : offsetof(settings_t, field))
#define TEXT(text, field)     .name = (text), .type = SETTING_TEXT, .offset = FIELD(char *, field)
#define BOOLEAN(text, field)  .name = (text), .type = SETTING_BOOLEAN, .offset = FIELD(bool, field)
#define INTEGER(text, field)  .name = (text), .type = SETTING_INTEGER, .offset = FIELD(int64_t, field)
#define DURATION(text, field) .name = (text), .type = SETTING_DURATION, .offset = FIELD(int64_t, field)
#define SIZE(text, field)     .name = (text), .type = SETTING_SIZE, .offset = FIELD(int64_t, field)
/* Its values. */
#define RANGE(low, high)    .least = (low), .most = (high)
#define CHECKED(check, ...) .valid = (check), .allowed = __VA_ARGS__
#define ABSOLUTE_PATH       CHECKED(is_absolute, "an absolute path")
#define IP_ADDRESS          CHECKED(network_is_address, "an IPv4 or IPv6 address")
#define OR_FORM(form, ...)  " " form

const setting_t SETTINGS[] = {
    {TEXT("OXIDICOM_FILES_ROOT", files_root), .stages = FOR_WRITER | FOR_NOTIFIER | FOR_LAUNCHER | FOR_SURVEY,
     .required = true, ABSOLUTE_PATH, .help = "Folder of CUBE's storage; instances go below its SERVICES/PACS."},
    {TEXT("OXIDICOM_AMQP_ADDRESS", broker_address), .alias = "OXIDICOM_CELERY_BROKER",
     .stages = FOR_NOTIFIER | FOR_LAUNCHER, .required = true, .secret = true,
     CHECKED(is_broker, "addresses, separated by `;`, as one of" BROKER_SCHEMES(OR_FORM)),
     .help = "Broker of CUBE's Celery queue; several are tried in turn."},
    {TEXT("OXIDICOM_BROKER_TLS_CA", broker_tls_ca), .stages = FOR_NOTIFIER, ABSOLUTE_PATH,
     .help =
         "PEM file with the CAs that may have issued the certificate of an amqps:// or rediss:// broker; unset: "
         "those that the system trusts. This and the two below are read at each connection."},
    {TEXT("OXIDICOM_BROKER_TLS_CERTIFICATE", broker_tls_certificate), .stages = FOR_NOTIFIER, ABSOLUTE_PATH,
     .help = "PEM file with the certificate that is shown to the broker, then those between it and its CA; unset: "
             "none."},
    {TEXT("OXIDICOM_BROKER_TLS_KEY", broker_tls_key), .stages = FOR_NOTIFIER, ABSOLUTE_PATH,
     .help = "PEM file with that certificate's private key, without passphrase; unset: it is in the certificate's "
             "file."},
    {BOOLEAN("OXIDICOM_BROKER_TLS_VERIFY", broker_tls_verify), .stages = FOR_NOTIFIER, .default_value = "true",
     .help = "Take only a broker whose certificate is good and names its host; false: anybody can read and forge "
             "registrations."},
    {TEXT("OXIDICOM_REDIS_KEY_PREFIX", redis_key_prefix), .stages = FOR_NOTIFIER,
     CHECKED(is_key_prefix, "1 to 255 bytes of UTF-8 without control characters"),
     .help = "What CUBE's Celery has as global_keyprefix in its broker_transport_options: put before each key in "
             "Redis."},
    {TEXT("OXIDICOM_QUEUE_NAME", queue_name), .stages = FOR_NOTIFIER, .default_value = "main2",
     CHECKED(is_queue_name, "1 to 255 bytes of UTF-8 without `/` and control characters"),
     .help = "Celery queue that registrations are put on."},
    {TEXT("OXIDICOM_NATS_ADDRESS", nats_address), .stages = FOR_NOTIFIER, .secret = true,
     CHECKED(is_nats, "host:port, nats://host:port or tls://host:port, several separated by commas"),
     .help = "NATS servers for progress messages, with user:password@ or token@ before the host if need be; unset: "
             "none are sent."},
    {TEXT("OXIDICOM_NATS_CREDENTIALS", nats_credentials), .stages = FOR_NOTIFIER, ABSOLUTE_PATH,
     .help = "File with the user's JWT and key (.creds) for NATS, read at each connection."},
    {TEXT("OXIDICOM_NATS_CA", nats_ca), .stages = FOR_NOTIFIER, ABSOLUTE_PATH,
     .help = "PEM file with the CAs that may have issued the certificates of NATS; set: only TLS is spoken; unset: "
             "those that the system trusts."},
    {DURATION("OXIDICOM_PROGRESS_INTERVAL", progress_interval_ms), .stages = FOR_NOTIFIER, .default_value = "500ms",
     .most = 86400000, .help = "Least time between two counts of one series."},
    {DURATION("OXIDICOM_DONE_DELAY", done_delay_ms), .stages = FOR_NOTIFIER, .default_value = "1s", .most = 3600000,
     .help =
         "From the broker's confirm of a series until its done is said, where CUBE is not asked or can't be: its "
         "worker has it by then, if it is not busy. A series that is not registered is done at once."},
    {TEXT("OXIDICOM_CUBE_URL", cube_url), .stages = FOR_NOTIFIER, .secret = true, .empty_is_unset = true,
     CHECKED(is_cube_url, "http://host:port/api/v1/ or https://host:port/api/v1/, without user and password"),
     .help = "CUBE's API, which is asked whether a registered series is there: only then its done is said; unset: "
             "it is not asked."},
    {TEXT("OXIDICOM_CUBE_USER", cube_user), .stages = FOR_NOTIFIER, .secret = true, .hidden = true,
     .empty_is_unset = true, CHECKED(is_cube_user, "a text without `:` and control characters"),
     .help = "Who asks CUBE: a member of its group pacs_users, who may read."},
    {TEXT("OXIDICOM_CUBE_PASSWORD", cube_password), .stages = FOR_NOTIFIER, .secret = true, .hidden = true,
     .empty_is_unset = true, .help = "That user's password."},
    {TEXT("OXIDICOM_CUBE_TOKEN", cube_token), .stages = FOR_NOTIFIER, .secret = true, .hidden = true,
     .empty_is_unset = true, CHECKED(is_cube_token, "a text without spaces and control characters"),
     .help = "That user's token (CUBE's auth-token/), in place of user and password."},
    {TEXT("OXIDICOM_CUBE_CA", cube_ca), .stages = FOR_NOTIFIER, .empty_is_unset = true, ABSOLUTE_PATH,
     .help =
         "PEM file with the CAs that may have issued the certificate of an https:// CUBE; unset: those that the "
         "system trusts."},
    {DURATION("OXIDICOM_CUBE_PATIENCE", cube_patience_ms), .stages = FOR_NOTIFIER, .default_value = "2m",
     RANGE(1000, 86400000),
     .help = "How long CUBE's worker, while it takes tasks, may take to register a series; then it is sent again, "
             "three times at most."},
    {TEXT("OXIDICOM_ROOT_SUBJECT", root_subject), .stages = FOR_NOTIFIER, .default_value = "oxidicom",
     CHECKED(is_subject, "a NATS subject without spaces, wildcards and empty parts"),
     .help = "First part of the subject of progress messages."},
    {DURATION("OXIDICOM_DEV_SLEEP", dev_sleep_ms), .stages = FOR_NOTIFIER, .default_value = "0s", .most = 60000,
     .help = "Pause after each progress message, to watch them; never slows reception."},
    {TEXT("OXIDICOM_SCP_AET", scp_aet), .stages = FOR_LISTENER, .default_value = "ChRIS",
     CHECKED(is_ae_title, "an AE title of 1 to 16 characters"),
     .help = "AE title of this receiver; calls to any other title are answered, too, unless "
             "OXIDICOM_REQUIRE_CALLED_AET."},
    {BOOLEAN("OXIDICOM_REQUIRE_CALLED_AET", require_called_aet), .stages = FOR_LISTENER, .default_value = "false",
     .help = "Reject associations that call another AE title than OXIDICOM_SCP_AET."},
    {TEXT("OXIDICOM_ALLOW_CALLING_AETS", allow_calling_aets), .stages = FOR_LISTENER,
     CHECKED(are_ae_titles, "AE titles of 1 to 16 characters, separated by `,`"), .may_be_empty = true,
     .help = "Calling AE titles that are served; unset or empty: all."},
    {TEXT("OXIDICOM_ALLOW_PEERS", allow_peers), .stages = FOR_LISTENER,
     CHECKED(networks_valid, "IPv4 or IPv6 addresses or networks such as 10.1.0.0/16, separated by `,`"),
     .may_be_empty = true, .help = "Addresses that are served; unset or empty: all."},
    {BOOLEAN("OXIDICOM_SCP_STRICT", scp_strict), .stages = FOR_LISTENER, .default_value = "false",
     .help = "Abort an association whose peer sends a PDU longer than was advertised."},
    {BOOLEAN("OXIDICOM_SCP_UNCOMPRESSED_ONLY", scp_uncompressed_only), .stages = FOR_LISTENER,
     .default_value = "false", .help = "Accept native transfer syntaxes only."},
    {BOOLEAN("OXIDICOM_SCP_PROMISCUOUS", scp_promiscuous), .stages = FOR_LISTENER, .default_value = "false",
     .help = "Accept every abstract syntax, not only known storage SOP classes."},
    {INTEGER("OXIDICOM_SCP_MAX_PDU_LENGTH", scp_max_pdu_length), .stages = FOR_LISTENER, .default_value = "131072",
     RANGE(4096, 131072 * 1024), .help = "Maximum length of a P-DATA PDU that is advertised to peers, in bytes."},
    {TEXT("OXIDICOM_LISTENER_ADDRESS", listener_address), .stages = FOR_LISTENER, .empty_is_unset = true,
     IP_ADDRESS,
     .help = "Address of this machine that both DICOM ports are bound to; unset: all of IPv4 and IPv6."},
    {INTEGER("OXIDICOM_LISTENER_PORT", listener_port), .stages = FOR_LISTENER, .default_value = "11111",
     RANGE(0, 65535), .help = "TCP port for plain DICOM; 0: none, where there is an OXIDICOM_TLS_PORT."},
    {INTEGER("OXIDICOM_TLS_PORT", tls_port), .stages = FOR_LISTENER, .default_value = "0", RANGE(0, 65535),
     .help = "TCP port for DICOM over TLS, 2762 by custom; 0: none."},
    {TEXT("OXIDICOM_TLS_CERTIFICATE", tls_certificate), .stages = FOR_LISTENER, ABSOLUTE_PATH,
     .help = "PEM file with the receiver's certificate, then those between it and its CA. HUP reads it and the two "
             "below again."},
    {TEXT("OXIDICOM_TLS_KEY", tls_key), .stages = FOR_LISTENER, ABSOLUTE_PATH,
     .help = "PEM file with the certificate's private key, without passphrase; unset: it is in the certificate's "
             "file."},
    {TEXT("OXIDICOM_TLS_CA", tls_ca), .stages = FOR_LISTENER, ABSOLUTE_PATH,
     .help = "PEM file with the CAs that may have issued the peers' certificates."},
    {TEXT("OXIDICOM_TLS_CLIENT", tls_client), .stages = FOR_LISTENER,
     CHECKED(is_tls_client, "none, optional or required"),
     .help =
         "Certificates of peers: none is asked for, one that is sent must be good, or each must send one; unset: "
         "required with an OXIDICOM_TLS_CA, not asked for without."},
    {TEXT("OXIDICOM_TLS_AETS", tls_aets), .stages = FOR_LISTENER, .empty_is_unset = true,
     CHECKED(are_named_titles,
             "NAME=TITLE, several separated by `,`: a name of a certificate, and an AE title of 1 to 16 "
             "characters"),
     .help = "Which calling AE titles a peer may use on the TLS port, by the DNS name or common name of its "
             "certificate; "
             "unset: any."},
    {INTEGER("OXIDICOM_LISTENER_THREADS", associations_max), .stages = FOR_LISTENER, .default_value = "256",
     RANGE(1, 10000), .help = "The most associations served at once; verification is always served."},
    {DURATION("OXIDICOM_ASSOCIATION_WAIT", association_wait_ms), .stages = FOR_LISTENER, .default_value = "20s",
     .most = 3600000, .help = "How long an association over that number waits before it is rejected as transient."},
    {INTEGER("OXIDICOM_SCP_ASYNC_OPS", operations_max), .stages = FOR_LISTENER, .default_value = "16",
     RANGE(1, UNANSWERED_MAX_OBJECTS),
     .help = "The most operations outstanding at once that are granted to a peer that negotiates them."},
    {INTEGER("OXIDICOM_CONNECTIONS", connections_max), .stages = FOR_LISTENER, .default_value = "4096",
     RANGE(1, 100000),
     .help = "The most TCP connections open at once, whatever they are for; more wait in the kernel."},
    {INTEGER("OXIDICOM_CONNECTIONS_PER_ADDRESS", connections_per_address), .stages = FOR_LISTENER,
     .default_value = "0", .most = 100000,
     .help = "The most connections of one address; more are rejected as transient, over twice as many closed at "
             "once. 0: no limit."},
    {DURATION("OXIDICOM_HANDSHAKE_TIMEOUT", handshake_timeout_ms), .stages = FOR_LISTENER, .default_value = "30s",
     RANGE(100, 3600000), .help = "From the TCP connection to the end of the A-ASSOCIATE-RQ."},
    {DURATION("OXIDICOM_IDLE_TIMEOUT", idle_timeout_ms), .stages = FOR_LISTENER, .default_value = "10m",
     RANGE(100, 86400000), .help = "How long an open association may be without a message before it is aborted."},
    {INTEGER("OXIDICOM_MIN_RATE", min_rate), .stages = FOR_LISTENER, .default_value = "256", RANGE(1, 1000000000),
     .help = "Bytes per second that a peer must deliver within a message, on average over "
             "OXIDICOM_STALL_TIMEOUT, or be aborted."},
    {DURATION("OXIDICOM_STALL_TIMEOUT", stall_timeout_ms), .stages = FOR_LISTENER, .default_value = "60s",
     RANGE(100, 3600000),
     .help =
         "The time that OXIDICOM_MIN_RATE is averaged over; while the listener does not read, it stands still."},
    {DURATION("OXIDICOM_RELEASE_TIMEOUT", release_timeout_ms), .stages = FOR_LISTENER, .default_value = "5s",
     RANGE(100, 60000), .help = "How long a peer has to close its connection after the last PDU."},
    {DURATION("OXIDICOM_STORE_TIMEOUT", store_timeout_ms), .stages = FOR_LISTENER, .default_value = "60s",
     RANGE(100, 86400000),
     .help = "How long an object may wait for storage and journal before it is answered A700."},
    {DURATION("OXIDICOM_DRAIN_TIMEOUT", drain_timeout_ms), .stages = FOR_ALL, .default_value = "15s",
     .most = 86400000,
     .help = "How long what is under way may take to finish after TERM; the whole ring has ended 5s later at the "
             "latest."},
    {SIZE("OXIDICOM_BUFFER_SIZE", buffer_size_bytes), .stages = FOR_LISTENER, .default_value = "64MiB",
     RANGE(4 * 1024 * 1024, (int64_t)1 << 40),
     .help = "What the listener may hold of objects, in flight and for redelivery."},
    {INTEGER("OXIDICOM_WRITERS", writers), .alias = "TOKIO_WORKER_THREADS", .stages = FOR_LAUNCHER,
     .default_value = "1", RANGE(1, WRITERS_MAX), .help = "Number of writers that the launcher starts."},
    {DURATION("OXIDICOM_WATCHDOG", watchdog_ms), .stages = FOR_ALL, .default_value = "60s", RANGE(1000, 86400000),
     .help = "How long the listener's loop may stand still until the launcher kills it and starts it again; a "
             "writer and the notifier, which wait for storage, may five times as long."},
    {TEXT("OXIDICOM_WRITER_ID", writer_id), .stages = FOR_WRITER, .default_value = "0",
     CHECKED(is_writer_id, "1 to 64 letters, digits, `-`, `_` and `.`"),
     .help = "Tells writers of one run folder apart; the launcher sets it."},
    {INTEGER("OXIDICOM_WRITER_OPERATIONS", writer_operations), .stages = FOR_WRITER, .default_value = "4",
     RANGE(1, WRITER_OPERATIONS_MAX),
     .help = "Objects that slow storage works on at once for each writer; 1: one after the other."},
    {BOOLEAN("OXIDICOM_FSYNC", fsync), .stages = FOR_WRITER | FOR_NOTIFIER, .default_value = "true",
     .help = "Force files and journal to the disk before Success is said."},
    {SIZE("OXIDICOM_MIN_FREE", min_free_bytes), .stages = FOR_WRITER, .default_value = "64MiB",
     .most = (int64_t)1 << 50,
     .help = "Objects are answered A700 while storage has less room than this; 0: until it is full."},
    {SIZE("OXIDICOM_QUARANTINE_SIZE", quarantine_size_bytes), .stages = FOR_WRITER, .default_value = "0",
     .most = (int64_t)1 << 50,
     .help =
         "What may be kept, below $OXIDICOM_FILES_ROOT/.oxidicom/quarantine/, of objects that were refused with "
         "C000; the oldest go first. 0: none are."},
    {DURATION("OXIDICOM_SWEEP_INTERVAL", sweep_interval_ms), .stages = FOR_WRITER, .default_value = "1h",
     RANGE(100, 86400000), .help = "How often temporary files of dead writers are looked for and removed."},
    {TEXT("OXIDICOM_RUN_DIR", run_dir), .stages = FOR_ALL | FOR_TOOL, ABSOLUTE_PATH,
     .help = "Folder of the sockets; default: /run/oxidicom, else $XDG_RUNTIME_DIR/oxidicom, else a private one "
             "that the launcher makes: $TMPDIR/oxidicom-<user id>, /dev/shm/oxidicom-<user id> or "
             "$OXIDICOM_FILES_ROOT/.oxidicom/run/<host>, the first that can be written."},
    {TEXT("OXIDICOM_STATE_DIR", state_dir), .stages = FOR_NOTIFIER, .default_value = "/var/lib/oxidicom",
     ABSOLUTE_PATH,
     .help = "Folder of the journal; where it can't be written, a folder named after the host under "
             "$OXIDICOM_FILES_ROOT/.oxidicom/state/."},
    {DURATION("OXIDICOM_JOURNAL_KEEP", journal_keep_ms), .stages = FOR_NOTIFIER, .default_value = "7d",
     RANGE(3600000, 3650LL * 24 * 3600000), .help = "How long the journal remembers what is finished."},
    {DURATION("OXIDICOM_SERIES_QUIET", series_quiet_ms), .stages = FOR_NOTIFIER, .default_value = "0s",
     .most = 86400000,
     .help = "How long nothing must have come of a series before it is registered, for a PACS that opens an "
             "association for each object."},
    {INTEGER("OXIDICOM_READY_FD", ready_fd), .stages = FOR_ALL, .default_value = "-1", RANGE(-1, 1 << 20),
     .help = "Descriptor that gets a newline when the process is ready, as s6 has it; -1: none."},
    {INTEGER("OXIDICOM_BEAT_FD", beat_fd), .stages = FOR_LISTENER | FOR_WRITER | FOR_NOTIFIER,
     .default_value = "-1", RANGE(-1, 1 << 20),
     .help =
         "Descriptor that gets a byte at least four times in OXIDICOM_WATCHDOG while the loop turns; the launcher "
         "sets it. -1: none."},
    {INTEGER("OXIDICOM_HTTP_PORT", http_port), .stages = FOR_NOTIFIER, .default_value = "0", .most = 65535,
     .help = "TCP port of the live page (/), /metrics, /livez and /readyz, served by the notifier for all stages; "
             "0: none."},
    {TEXT("OXIDICOM_HTTP_ADDRESS", http_address), .stages = FOR_NOTIFIER, .default_value = "127.0.0.1", IP_ADDRESS,
     .help = "Address that this port is bound to; :: stands for every address of the machine."},
    {TEXT("OXIDICOM_HTTP_HOSTS", http_hosts), .stages = FOR_NOTIFIER, .empty_is_unset = true,
     .allowed = "host names, separated by `,`, or `*` for any",
     .help = "Names that browsers may see the live page by, besides addresses, localhost and the machine's name: a "
             "page of somebody else's could read it under a name of his."},
    {BOOLEAN("OXIDICOM_HTTP_SHOW_PHI", http_show_phi), .stages = FOR_NOTIFIER, .default_value = "false",
     .help = "Show patients' names, IDs and folders on the live page, to everybody who can reach its port."},
    {TEXT("OXIDICOM_SANDBOX", sandbox), .stages = FOR_LISTENER | FOR_WRITER | FOR_NOTIFIER, .default_value = "auto",
     CHECKED(is_sandbox, "auto, true or false"),
     .help =
         "Each stage gives up what it does not need once it is started: files by Landlock, system calls by seccomp "
         "(deploy/SECURITY.md). auto: as far as the kernel has them; true: both, or it does not start."},
    {TEXT("RUST_LOG", rust_log), .empty_is_unset = true, .stages = FOR_ALL | FOR_SURVEY,
     .default_value = "oxidicom=info",
     .allowed = "off, error, warn, info, debug or trace, or TARGET=LEVEL, separated by commas; targets are "
                "oxidicom, oxidicom::listener, ::writer, ::notifier and ::launcher",
     .help = "How much is logged. What is not understood is ignored with a warning."},
    {TEXT("OXIDICOM_LOG_FORMAT", log_format), .stages = FOR_ALL | FOR_SURVEY, .default_value = "text",
     CHECKED(is_log_format, "text or json"),
     .help = "Lines for people, with colors on a terminal (unless NO_COLOR is set) and priorities for systemd's "
             "journal; or JSON with the fields of OpenTelemetry's log data model."},
    /* OpenTelemetry's own variables: what is bad of them is said and counts as unset, as its specification has it.
     */
    {INTEGER("OXIDICOM_OTEL_OBJECT_SPANS", otel_object_spans), .stages = FOR_LISTENER, .default_value = "100",
     .most = 1000000,
     .help =
         "Objects of an association that have spans of their own in its trace; those that follow are summed up."},
    {TEXT("OTEL_EXPORTER_OTLP_ENDPOINT", otel_endpoint), .stages = FOR_TRACES, .empty_is_unset = true,
     .allowed = "http://host:port or https://host:port",
     .help = "Collector of traces and metrics; unset: nothing is sent."},
    {TEXT("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", otel_traces_endpoint), .stages = FOR_TRACES, .empty_is_unset = true,
     .allowed = "a URL",
     .help = "The same for traces alone; over HTTP it is used as it stands, without /v1/traces behind it."},
    {TEXT("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", otel_metrics_endpoint), .stages = FOR_NOTIFIER,
     .empty_is_unset = true, .allowed = "a URL",
     .help = "The same for metrics alone, without /v1/metrics behind it."},
    {TEXT("OTEL_EXPORTER_OTLP_PROTOCOL", otel_protocol), .stages = FOR_TRACES, .empty_is_unset = true,
     .allowed = "grpc or http/protobuf", .help = "How the collector is spoken to; unset: grpc."},
    {TEXT("OTEL_EXPORTER_OTLP_HEADERS", otel_headers), .stages = FOR_TRACES, .empty_is_unset = true, .secret = true,
     .allowed = "key=value, separated by commas, percent-encoded",
     .help = "Headers of each request to the collector."},
    {TEXT("OTEL_EXPORTER_OTLP_TIMEOUT", otel_timeout), .stages = FOR_TRACES, .empty_is_unset = true,
     .allowed = "a number of milliseconds", .help = "How long the collector may take to answer; unset: 10000."},
    {TEXT("OTEL_RESOURCE_ATTRIBUTES", otel_resource_attributes), .stages = FOR_TRACES, .empty_is_unset = true,
     .allowed = "key=value, separated by commas, percent-encoded",
     .help = "What traces and metrics say of this installation."},
    {TEXT("OTEL_SERVICE_NAME", otel_service_name), .stages = FOR_TRACES, .empty_is_unset = true,
     .allowed = "any text", .help = "Its service.name, which wins over OTEL_RESOURCE_ATTRIBUTES; unset: oxidicom."},
    {TEXT("OTEL_TRACES_SAMPLER", otel_sampler), .stages = FOR_TRACES, .empty_is_unset = true,
     .allowed = "always_on, always_off or traceidratio, or one of them after parentbased_",
     .help = "Which associations are traced; unset: all."},
    {TEXT("OTEL_TRACES_SAMPLER_ARG", otel_sampler_arg), .stages = FOR_TRACES, .empty_is_unset = true,
     .allowed = "a number from 0 to 1", .help = "The part of them, for traceidratio."},
    {TEXT("OTEL_METRICS_EXPORTER", otel_metrics_exporter), .stages = FOR_NOTIFIER, .empty_is_unset = true,
     .allowed = "otlp or none",
     .help = "none: the collector gets no metrics; unset: otlp. /metrics does not depend on it."},
    {TEXT("OTEL_METRIC_EXPORT_INTERVAL", otel_metric_interval), .stages = FOR_NOTIFIER, .empty_is_unset = true,
     .allowed = "a number of milliseconds", .help = "How often metrics are sent; unset: 60000."},
    {TEXT("OTEL_SDK_DISABLED", otel_sdk_disabled), .stages = FOR_TRACES, .empty_is_unset = true,
     .allowed = "true or false", .help = "true: neither traces nor metrics are sent."},
};

const size_t SETTINGS_COUNT = sizeof SETTINGS / sizeof *SETTINGS;

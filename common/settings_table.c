/* One entry per environment variable, in groups. --help, manual pages, deploy/SETTINGS.md and every complaint come
 * from here. The first sentence of a help text is its summary, one line of `oxidicom --help`. */
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

/* It is put into a line of a header unchanged. */
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

static bool is_file_mode(const char *text) {
    text += *text == '0';
    return strlen(text) == 3 && strspn(text, "01234567") == 3 && (*text == '6' || *text == '7');
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
    {.group = "Required",
     TEXT("OXIDICOM_FILES_ROOT", files_root),
     .stages = FOR_WRITER | FOR_NOTIFIER | FOR_LAUNCHER | FOR_SURVEY,
     .required = true,
     ABSOLUTE_PATH,
     .help = "Folder of CUBE's storage. Instances go below its SERVICES/PACS."},
    {TEXT("OXIDICOM_AMQP_ADDRESS", broker_address), .alias = "OXIDICOM_CELERY_BROKER",
     .stages = FOR_NOTIFIER | FOR_LAUNCHER, .required = true, .secret = true,
     CHECKED(is_broker, "addresses, separated by `;`, as one of" BROKER_SCHEMES(OR_FORM)),
     .help = "Broker of CUBE's Celery queue. Several are tried in turn."},
    {.group = "Brokers",
     TEXT("OXIDICOM_QUEUE_NAME", queue_name),
     .stages = FOR_NOTIFIER,
     .default_value = "main2",
     CHECKED(is_queue_name, "1 to 255 bytes of UTF-8 without `/` and control characters"),
     .help = "Celery queue of the registrations."},
    {TEXT("OXIDICOM_REDIS_KEY_PREFIX", redis_key_prefix), .stages = FOR_NOTIFIER,
     CHECKED(is_key_prefix, "1 to 255 bytes of UTF-8 without control characters"),
     .help =
         "Prefix of each key in Redis. Set it to global_keyprefix of broker_transport_options in CUBE's Celery."},
    {TEXT("OXIDICOM_NATS_ADDRESS", nats_address), .stages = FOR_NOTIFIER, .secret = true,
     CHECKED(is_nats, "host:port, nats://host:port or tls://host:port, several separated by commas"),
     .help = "NATS servers for progress messages. user:password@ or token@ may stand before the host; unset: no "
             "progress."},
    {TEXT("OXIDICOM_NATS_CREDENTIALS", nats_credentials), .stages = FOR_NOTIFIER, ABSOLUTE_PATH,
     .help = "File with JWT and key (.creds) for NATS. It is read at each connection."},
    {TEXT("OXIDICOM_ROOT_SUBJECT", root_subject), .stages = FOR_NOTIFIER, .default_value = "oxidicom",
     CHECKED(is_subject, "a NATS subject without spaces, wildcards and empty parts"),
     .help = "First part of the subject of progress messages."},
    {DURATION("OXIDICOM_PROGRESS_INTERVAL", progress_interval_ms), .stages = FOR_NOTIFIER, .default_value = "500ms",
     .most = 86400000, .help = "Least time between two counts of a series."},
    {DURATION("OXIDICOM_DONE_DELAY", done_delay_ms), .stages = FOR_NOTIFIER, .default_value = "1s", .most = 3600000,
     .help = "From the broker's confirm to a series' done. Used where CUBE is not asked or does not answer; a "
             "series that is not registered is done at once."},
    {TEXT("OXIDICOM_CUBE_URL", cube_url), .stages = FOR_NOTIFIER, .secret = true, .empty_is_unset = true,
     CHECKED(is_cube_url, "http://host:port/api/v1/ or https://host:port/api/v1/, without user and password"),
     .help = "CUBE's API, asked for each registered series. Done is published once CUBE has the series; unset: "
             "CUBE is not asked."},
    {TEXT("OXIDICOM_CUBE_USER", cube_user), .stages = FOR_NOTIFIER, .secret = true, .hidden = true,
     .empty_is_unset = true, CHECKED(is_cube_user, "a text without `:` and control characters"),
     .help = "CUBE's user for these questions. It needs the group pacs_users."},
    {TEXT("OXIDICOM_CUBE_PASSWORD", cube_password), .stages = FOR_NOTIFIER, .secret = true, .hidden = true,
     .empty_is_unset = true, .help = "That user's password."},
    {TEXT("OXIDICOM_CUBE_TOKEN", cube_token), .stages = FOR_NOTIFIER, .secret = true, .hidden = true,
     .empty_is_unset = true, CHECKED(is_cube_token, "a text without spaces and control characters"),
     .help = "That user's token, instead of name and password. CUBE's auth-token/ gives it."},
    {DURATION("OXIDICOM_CUBE_PATIENCE", cube_patience_ms), .stages = FOR_NOTIFIER, .default_value = "2m",
     RANGE(1000, 86400000),
     .help = "Time for CUBE's worker to register a series. It counts while the worker takes tasks; then the task "
             "is sent again, three times at most."},
    {.group = "Reception",
     TEXT("OXIDICOM_SCP_AET", scp_aet),
     .stages = FOR_LISTENER,
     .default_value = "ChRIS",
     CHECKED(is_ae_title, "an AE title of 1 to 16 characters"),
     .help =
         "AE title of this receiver. Calls to other titles are served, too, unless OXIDICOM_REQUIRE_CALLED_AET."},
    {BOOLEAN("OXIDICOM_REQUIRE_CALLED_AET", require_called_aet), .stages = FOR_LISTENER, .default_value = "false",
     .help = "Reject associations that call another AE title."},
    {TEXT("OXIDICOM_ALLOW_CALLING_AETS", allow_calling_aets), .stages = FOR_LISTENER,
     CHECKED(are_ae_titles, "AE titles of 1 to 16 characters, separated by `,`"), .may_be_empty = true,
     .help = "Calling AE titles to serve. Unset or empty: all."},
    {TEXT("OXIDICOM_ALLOW_PEERS", allow_peers), .stages = FOR_LISTENER,
     CHECKED(networks_valid, "IPv4 or IPv6 addresses or networks such as 10.1.0.0/16, separated by `,`"),
     .may_be_empty = true, .help = "Addresses to serve. Unset or empty: all."},
    {TEXT("OXIDICOM_LISTENER_ADDRESS", listener_address), .stages = FOR_LISTENER, .empty_is_unset = true,
     IP_ADDRESS, .help = "Address of this machine for both DICOM ports. Unset: all of IPv4 and IPv6."},
    {INTEGER("OXIDICOM_LISTENER_PORT", listener_port), .stages = FOR_LISTENER, .default_value = "11111",
     RANGE(0, 65535), .help = "TCP port for plain DICOM. 0: none, if OXIDICOM_TLS_PORT is set."},
    {BOOLEAN("OXIDICOM_SCP_STRICT", scp_strict), .stages = FOR_LISTENER, .default_value = "false",
     .help = "Abort on a PDU longer than advertised."},
    {BOOLEAN("OXIDICOM_SCP_UNCOMPRESSED_ONLY", scp_uncompressed_only), .stages = FOR_LISTENER,
     .default_value = "false", .help = "Accept native transfer syntaxes only."},
    {BOOLEAN("OXIDICOM_SCP_PROMISCUOUS", scp_promiscuous), .stages = FOR_LISTENER, .default_value = "false",
     .help = "Accept every abstract syntax. false: known storage SOP classes only."},
    {INTEGER("OXIDICOM_SCP_MAX_PDU_LENGTH", scp_max_pdu_length), .stages = FOR_LISTENER, .default_value = "131072",
     RANGE(4096, 131072 * 1024), .help = "Maximum P-DATA PDU to advertise, in bytes."},
    {DURATION("OXIDICOM_SERIES_QUIET", series_quiet_ms), .stages = FOR_NOTIFIER, .default_value = "3s",
     .most = 86400000,
     .help = "Wait of a series for another association, after a release. CUBE takes a series once, so it is "
             "registered after that; 0s: at once."},
    {DURATION("OXIDICOM_ABORT_QUIET", abort_quiet_ms), .stages = FOR_NOTIFIER, .default_value = "60s",
     .most = 86400000,
     .help = "Wait of a series after an abort or a lost connection. Also after a timeout or the listener's death; "
             "take more than the peer's pause before it sends again."},
    {DURATION("OXIDICOM_HANDSHAKE_TIMEOUT", handshake_timeout_ms), .stages = FOR_LISTENER, .default_value = "30s",
     RANGE(100, 3600000), .help = "From the TCP connection to the end of A-ASSOCIATE-RQ."},
    {DURATION("OXIDICOM_IDLE_TIMEOUT", idle_timeout_ms), .stages = FOR_LISTENER, .default_value = "10m",
     RANGE(100, 86400000), .help = "Silence of an open association before its abort."},
    {INTEGER("OXIDICOM_MIN_RATE", min_rate), .stages = FOR_LISTENER, .default_value = "256", RANGE(1, 1000000000),
     .help = "Least bytes per second of a peer within a message. It is averaged over OXIDICOM_STALL_TIMEOUT; a "
             "slower peer is aborted."},
    {DURATION("OXIDICOM_STALL_TIMEOUT", stall_timeout_ms), .stages = FOR_LISTENER, .default_value = "60s",
     RANGE(100, 3600000),
     .help = "Time over which OXIDICOM_MIN_RATE is averaged. It stops while the listener does not read."},
    {DURATION("OXIDICOM_RELEASE_TIMEOUT", release_timeout_ms), .stages = FOR_LISTENER, .default_value = "5s",
     RANGE(100, 60000), .help = "Time for a peer to close after the last PDU."},
    {.group = "Storage",
     SIZE("OXIDICOM_MIN_FREE", min_free_bytes),
     .stages = FOR_WRITER,
     .default_value = "64MiB",
     .most = (int64_t)1 << 50,
     .help = "Room to keep free: below it, objects get A700. 0: until storage is full."},
    {SIZE("OXIDICOM_MAX_OBJECT_SIZE", max_object_size_bytes), .stages = FOR_WRITER, .default_value = "0",
     .most = (int64_t)1 << 50,
     .help = "Largest object. A larger one is answered 0110; 0: any. The unfinished objects of one address take at "
             "most half of the free room in any case."},
    {TEXT("OXIDICOM_FILE_MODE", file_mode), .stages = FOR_WRITER, .default_value = "0644",
     CHECKED(is_file_mode,
             "three octal digits, with or without a 0 before them, as 0640: at least 6 for the owner"),
     .help = "Mode of stored files, as far as the umask allows. CUBE must be able to read them."},
    {SIZE("OXIDICOM_QUARANTINE_SIZE", quarantine_size_bytes), .stages = FOR_WRITER, .default_value = "0",
     .most = (int64_t)1 << 50,
     .help = "Room for objects refused with C000. They lie in $OXIDICOM_FILES_ROOT/.oxidicom/quarantine/, and the "
             "oldest go first; 0: none is kept."},
    {DURATION("OXIDICOM_SWEEP_INTERVAL", sweep_interval_ms), .stages = FOR_WRITER, .default_value = "1h",
     RANGE(100, 86400000), .help = "Time between removals of dead writers' temporary files."},
    {.group = "Durability",
     BOOLEAN("OXIDICOM_FSYNC", fsync),
     .stages = FOR_WRITER | FOR_NOTIFIER,
     .default_value = "true",
     .help = "Force files and journal to disk before Success."},
    {DURATION("OXIDICOM_STORE_TIMEOUT", store_timeout_ms), .stages = FOR_LISTENER, .default_value = "60s",
     RANGE(100, 86400000), .help = "Time for storage and journal before an object gets A700."},
    {DURATION("OXIDICOM_DRAIN_TIMEOUT", drain_timeout_ms), .stages = FOR_ALL, .default_value = "15s",
     .most = 86400000, .help = "Time for open work after TERM. All processes end within 5s more."},
    {DURATION("OXIDICOM_WATCHDOG", watchdog_ms), .stages = FOR_ALL, .default_value = "60s", RANGE(1000, 86400000),
     .help = "Silence before the launcher kills a hanging stage. A writer and the notifier, which wait for "
             "storage, get five times as long."},
    {TEXT("OXIDICOM_STATE_DIR", state_dir), .stages = FOR_NOTIFIER, .default_value = "/var/lib/oxidicom",
     ABSOLUTE_PATH,
     .help = "Folder of the journal. If it is not writable: a folder named after the host under "
             "$OXIDICOM_FILES_ROOT/.oxidicom/state/."},
    {DURATION("OXIDICOM_JOURNAL_KEEP", journal_keep_ms), .stages = FOR_NOTIFIER, .default_value = "7d",
     RANGE(3600000, 3650LL * 24 * 3600000), .help = "Time before the journal forgets a finished series."},
    {SIZE("OXIDICOM_JOURNAL_SIZE", journal_size_bytes), .stages = FOR_NOTIFIER, .default_value = "1GiB",
     .most = (int64_t)1 << 50,
     .help = "Most bytes of the journal. Near them it forgets finished series earlier, refusals first; beyond them "
             "no series is opened: A700. 0: no limit."},
    {SIZE("OXIDICOM_JOURNAL_MIN_FREE", journal_min_free_bytes), .stages = FOR_NOTIFIER, .default_value = "16MiB",
     .most = (int64_t)1 << 50,
     .help = "Free room for the journal's file system. The same with less room than this; 0: until it is full."},
    {TEXT("OXIDICOM_RUN_DIR", run_dir), .stages = FOR_ALL | FOR_TOOL, ABSOLUTE_PATH,
     .help = "Folder of the sockets. Default: /run/oxidicom, else $XDG_RUNTIME_DIR/oxidicom, else a private one of "
             "the launcher: $TMPDIR/oxidicom-<user id>, /dev/shm/oxidicom-<user id> or "
             "$OXIDICOM_FILES_ROOT/.oxidicom/run/<host>, the first that is writable."},
    {.group = "Scaling",
     INTEGER("OXIDICOM_WRITERS", writers),
     .alias = "TOKIO_WORKER_THREADS",
     .stages = FOR_LAUNCHER,
     .default_value = "1",
     RANGE(1, WRITERS_MAX),
     .help = "Writers that the launcher starts."},
    {INTEGER("OXIDICOM_WRITER_OPERATIONS", writer_operations), .stages = FOR_LISTENER | FOR_WRITER,
     .default_value = "4", RANGE(1, WRITER_OPERATIONS_MAX),
     .help = "Objects in progress at once per writer on slow storage. 1: one after the other."},
    {SIZE("OXIDICOM_BUFFER_SIZE", buffer_size_bytes), .stages = FOR_LISTENER, .default_value = "64MiB",
     RANGE(4 * 1024 * 1024, (int64_t)1 << 40),
     .help = "Memory of the listener for objects. It holds those in flight and those kept for redelivery."},
    {INTEGER("OXIDICOM_LISTENER_THREADS", associations_max), .stages = FOR_LISTENER, .default_value = "256",
     RANGE(1, 10000), .help = "Most associations at once. Verification is always served."},
    {DURATION("OXIDICOM_ASSOCIATION_WAIT", association_wait_ms), .stages = FOR_LISTENER, .default_value = "20s",
     .most = 3600000, .help = "Wait of an association above that number. Then it is rejected as transient."},
    {INTEGER("OXIDICOM_SCP_ASYNC_OPS", operations_max), .stages = FOR_LISTENER, .default_value = "16",
     RANGE(1, UNANSWERED_MAX_OBJECTS),
     .help = "Most outstanding operations granted to a peer. Only a peer that negotiates asynchronous operations "
             "gets more than one."},
    {INTEGER("OXIDICOM_CONNECTIONS", connections_max), .stages = FOR_LISTENER, .default_value = "4096",
     RANGE(1, 100000), .help = "Most TCP connections at once, of any kind. More wait in the kernel."},
    {INTEGER("OXIDICOM_CONNECTIONS_PER_ADDRESS", connections_per_address), .stages = FOR_LISTENER,
     .default_value = "0", .most = 100000,
     .help = "Most connections of one address. More are rejected as transient, beyond twice as many closed at "
             "once; 0: no limit."},
    {.group = "TLS and sandbox",
     INTEGER("OXIDICOM_TLS_PORT", tls_port),
     .stages = FOR_LISTENER,
     .default_value = "0",
     RANGE(0, 65535),
     .help = "TCP port for DICOM over TLS. 2762 by custom; 0: none."},
    {TEXT("OXIDICOM_TLS_CERTIFICATE", tls_certificate), .stages = FOR_LISTENER, ABSOLUTE_PATH,
     .help = "PEM file with the receiver's certificate, then its chain. HUP reads it, key and CA again."},
    {TEXT("OXIDICOM_TLS_KEY", tls_key), .stages = FOR_LISTENER, ABSOLUTE_PATH,
     .help = "PEM file with its private key, without passphrase. Unset: the key is in the certificate's file."},
    {TEXT("OXIDICOM_TLS_CA", tls_ca), .stages = FOR_LISTENER, ABSOLUTE_PATH,
     .help = "PEM file with the CAs of the peers' certificates."},
    {TEXT("OXIDICOM_TLS_CLIENT", tls_client), .stages = FOR_LISTENER,
     CHECKED(is_tls_client, "none, optional or required"),
     .help = "Whether peers need a certificate. none: not asked for; optional: checked if sent; required: each "
             "must send one. Unset: required with OXIDICOM_TLS_CA, else none."},
    {TEXT("OXIDICOM_TLS_AETS", tls_aets), .stages = FOR_LISTENER, .empty_is_unset = true,
     CHECKED(are_named_titles,
             "NAME=TITLE, several separated by `,`: a name of a certificate, and an AE title of 1 to 16 "
             "characters"),
     .help = "AE titles by certificate on the TLS port. The name is a DNS name or common name of the certificate; "
             "unset: any."},
    {TEXT("OXIDICOM_BROKER_TLS_CA", broker_tls_ca), .stages = FOR_NOTIFIER, ABSOLUTE_PATH,
     .help = "PEM file with the CAs of amqps:// and rediss:// brokers. Unset: the system's. This and the next two "
             "are read at each connection."},
    {TEXT("OXIDICOM_BROKER_TLS_CERTIFICATE", broker_tls_certificate), .stages = FOR_NOTIFIER, ABSOLUTE_PATH,
     .help = "PEM file with the certificate to show to the broker. Its chain follows in the file; unset: none."},
    {TEXT("OXIDICOM_BROKER_TLS_KEY", broker_tls_key), .stages = FOR_NOTIFIER, ABSOLUTE_PATH,
     .help = "PEM file with its private key, without passphrase. Unset: the key is in the certificate's file."},
    {BOOLEAN("OXIDICOM_BROKER_TLS_VERIFY", broker_tls_verify), .stages = FOR_NOTIFIER, .default_value = "true",
     .help = "Check the broker's certificate and its host name. false: anybody can read and forge registrations."},
    {TEXT("OXIDICOM_NATS_CA", nats_ca), .stages = FOR_NOTIFIER, ABSOLUTE_PATH,
     .help = "PEM file with the CAs of NATS. Set: only TLS is spoken; unset: the system's CAs."},
    {TEXT("OXIDICOM_CUBE_CA", cube_ca), .stages = FOR_NOTIFIER, .empty_is_unset = true, ABSOLUTE_PATH,
     .help = "PEM file with the CAs of an https:// CUBE. Unset: the system's."},
    {TEXT("OXIDICOM_SANDBOX", sandbox), .stages = FOR_LISTENER | FOR_WRITER | FOR_NOTIFIER, .default_value = "auto",
     CHECKED(is_sandbox, "auto, true or false"),
     .help = "Restrict each stage to the files and calls it needs. Files by Landlock, system calls by seccomp "
             "(deploy/SECURITY.md). auto: as far as the kernel can; true: both, or the stage does not start."},
    {.group = "Telemetry",
     INTEGER("OXIDICOM_HTTP_PORT", http_port),
     .stages = FOR_NOTIFIER,
     .default_value = "0",
     .most = 65535,
     .help = "TCP port of page, metrics and health. /, /metrics, /livez and /readyz, served by the notifier for "
             "all stages; 0: none."},
    {TEXT("OXIDICOM_HTTP_ADDRESS", http_address), .stages = FOR_NOTIFIER, .default_value = "127.0.0.1", IP_ADDRESS,
     .help = "Address for this port. :: is every address of the machine."},
    {TEXT("OXIDICOM_HTTP_HOSTS", http_hosts), .stages = FOR_NOTIFIER, .empty_is_unset = true,
     .allowed = "host names, separated by `,`, or `*` for any",
     .help = "Host names for the live page in browsers. Addresses, localhost and the machine's name always work; "
             "under any other name, a stranger's page could read it."},
    {BOOLEAN("OXIDICOM_HTTP_SHOW_PHI", http_show_phi), .stages = FOR_NOTIFIER, .default_value = "false",
     .help =
         "Show patients on the live page. Names, IDs and folders are visible to everybody who reaches its port."},
    {TEXT("RUST_LOG", rust_log), .empty_is_unset = true, .stages = FOR_ALL | FOR_SURVEY,
     .default_value = "oxidicom=info",
     .allowed = "off, error, warn, info, debug or trace, or TARGET=LEVEL, separated by commas; targets are "
                "oxidicom, oxidicom::listener, ::writer, ::notifier and ::launcher",
     .help = "How much is logged. Unknown parts are ignored with a warning."},
    {TEXT("OXIDICOM_LOG_FORMAT", log_format), .stages = FOR_ALL | FOR_SURVEY, .default_value = "text",
     CHECKED(is_log_format, "text or json"),
     .help = "Form of the log. text: lines for people, with colors on a terminal (unless NO_COLOR is set) and "
             "priorities for systemd's journal; json: the fields of OpenTelemetry's log data model."},
    {INTEGER("OXIDICOM_OTEL_OBJECT_SPANS", otel_object_spans), .stages = FOR_LISTENER, .default_value = "100",
     .most = 1000000, .help = "Objects per association with spans of their own. Further ones are summed up."},
    /* OpenTelemetry's own variables: a bad value is logged and counts as unset, as its specification says. */
    {TEXT("OTEL_EXPORTER_OTLP_ENDPOINT", otel_endpoint), .stages = FOR_TRACES, .empty_is_unset = true,
     .allowed = "http://host:port or https://host:port",
     .help = "Collector of traces and metrics. Unset: nothing is sent."},
    {TEXT("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", otel_traces_endpoint), .stages = FOR_TRACES, .empty_is_unset = true,
     .allowed = "a URL", .help = "The same for traces alone. Over HTTP it is used as given, without /v1/traces."},
    {TEXT("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", otel_metrics_endpoint), .stages = FOR_NOTIFIER,
     .empty_is_unset = true, .allowed = "a URL",
     .help = "The same for metrics alone. Over HTTP it is used as given, without /v1/metrics."},
    {TEXT("OTEL_EXPORTER_OTLP_PROTOCOL", otel_protocol), .stages = FOR_TRACES, .empty_is_unset = true,
     .allowed = "grpc or http/protobuf", .help = "Protocol of the collector. Unset: grpc."},
    {TEXT("OTEL_EXPORTER_OTLP_HEADERS", otel_headers), .stages = FOR_TRACES, .empty_is_unset = true, .secret = true,
     .allowed = "key=value, separated by commas, percent-encoded",
     .help = "Headers of each request to the collector."},
    {TEXT("OTEL_EXPORTER_OTLP_TIMEOUT", otel_timeout), .stages = FOR_TRACES, .empty_is_unset = true,
     .allowed = "a number of milliseconds", .help = "Time for the collector to answer. Unset: 10000."},
    {TEXT("OTEL_RESOURCE_ATTRIBUTES", otel_resource_attributes), .stages = FOR_TRACES, .empty_is_unset = true,
     .allowed = "key=value, separated by commas, percent-encoded",
     .help = "Attributes of this installation in traces and metrics."},
    {TEXT("OTEL_SERVICE_NAME", otel_service_name), .stages = FOR_TRACES, .empty_is_unset = true,
     .allowed = "any text", .help = "Its service.name. It overrides OTEL_RESOURCE_ATTRIBUTES; unset: oxidicom."},
    {TEXT("OTEL_TRACES_SAMPLER", otel_sampler), .stages = FOR_TRACES, .empty_is_unset = true,
     .allowed = "always_on, always_off or traceidratio, or one of them after parentbased_",
     .help = "Which associations are traced. Unset: all."},
    {TEXT("OTEL_TRACES_SAMPLER_ARG", otel_sampler_arg), .stages = FOR_TRACES, .empty_is_unset = true,
     .allowed = "a number from 0 to 1", .help = "The part of them, for traceidratio."},
    {TEXT("OTEL_METRICS_EXPORTER", otel_metrics_exporter), .stages = FOR_NOTIFIER, .empty_is_unset = true,
     .allowed = "otlp or none",
     .help = "none: the collector gets no metrics. Unset: otlp. /metrics does not depend on it."},
    {TEXT("OTEL_METRIC_EXPORT_INTERVAL", otel_metric_interval), .stages = FOR_NOTIFIER, .empty_is_unset = true,
     .allowed = "a number of milliseconds", .help = "Time between two exports of metrics. Unset: 60000."},
    {TEXT("OTEL_SDK_DISABLED", otel_sdk_disabled), .stages = FOR_TRACES, .empty_is_unset = true,
     .allowed = "true or false", .help = "true: neither traces nor metrics are sent."},
    {.group = "Development",
     DURATION("OXIDICOM_DEV_SLEEP", dev_sleep_ms),
     .stages = FOR_NOTIFIER,
     .default_value = "0s",
     .most = 60000,
     .help = "Pause after each progress message, to watch them. It never slows reception."},
    {TEXT("OXIDICOM_WRITER_ID", writer_id), .stages = FOR_WRITER, .default_value = "0",
     CHECKED(is_writer_id, "1 to 64 letters, digits, `-`, `_` and `.`"),
     .help = "Tells the writers of a run folder apart. Supervisors set it."},
    {INTEGER("OXIDICOM_READY_FD", ready_fd), .stages = FOR_ALL, .default_value = "-1", RANGE(-1, 1 << 20),
     .help = "Descriptor for a newline when the process is ready, as in s6. -1: none."},
    {INTEGER("OXIDICOM_BEAT_FD", beat_fd), .stages = FOR_LISTENER | FOR_WRITER | FOR_NOTIFIER,
     .default_value = "-1", RANGE(-1, 1 << 20),
     .help = "Descriptor for the beats of the loop. A byte arrives at least four times in OXIDICOM_WATCHDOG; the "
             "launcher sets it; -1: none."},
};

const size_t SETTINGS_COUNT = sizeof SETTINGS / sizeof *SETTINGS;

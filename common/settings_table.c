/* One entry per environment variable. --help, the README's table and every complaint come from here. */
#include "common/settings_table.h"

#include <arpa/inet.h>
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

static bool is_ip_address(const char *text) {
    struct in6_addr address;
    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

static bool is_sandbox(const char *text) {
    return strcmp(text, "auto") == 0 || strcmp(text, "true") == 0 || strcmp(text, "false") == 0;
}

#define FIELD(name)        offsetof(settings_t, name)
#define OR_FORM(form, ...) " " form

const setting_t SETTINGS[] = {
    {.name = "OXIDICOM_FILES_ROOT",
     .type = SETTING_TEXT,
     .offset = FIELD(files_root),
     .stages = FOR_WRITER | FOR_NOTIFIER | FOR_LAUNCHER | FOR_SURVEY,
     .required = true,
     .valid = is_absolute,
     .allowed = "an absolute path",
     .help = "Folder of CUBE's storage; instances go below its SERVICES/PACS."},
    {.name = "OXIDICOM_AMQP_ADDRESS",
     .alias = "OXIDICOM_CELERY_BROKER",
     .type = SETTING_TEXT,
     .offset = FIELD(broker_address),
     .stages = FOR_NOTIFIER | FOR_LAUNCHER,
     .required = true,
     .secret = true,
     .valid = is_broker,
     .allowed = "addresses, separated by `;`, as one of" BROKER_SCHEMES(OR_FORM),
     .help = "Broker of CUBE's Celery queue; several are tried in turn."},
    {.name = "OXIDICOM_BROKER_TLS_CA",
     .type = SETTING_TEXT,
     .offset = FIELD(broker_tls_ca),
     .stages = FOR_NOTIFIER,
     .valid = is_absolute,
     .allowed = "an absolute path",
     .help =
         "PEM file with the CAs that may have issued the certificate of an amqps:// or rediss:// broker; unset: "
         "those that the system trusts. This and the two below are read at each connection."},
    {.name = "OXIDICOM_BROKER_TLS_CERTIFICATE",
     .type = SETTING_TEXT,
     .offset = FIELD(broker_tls_certificate),
     .stages = FOR_NOTIFIER,
     .valid = is_absolute,
     .allowed = "an absolute path",
     .help = "PEM file with the certificate that is shown to the broker, then those between it and its CA; unset: "
             "none."},
    {.name = "OXIDICOM_BROKER_TLS_KEY",
     .type = SETTING_TEXT,
     .offset = FIELD(broker_tls_key),
     .stages = FOR_NOTIFIER,
     .valid = is_absolute,
     .allowed = "an absolute path",
     .help = "PEM file with that certificate's private key, without passphrase; unset: it is in the certificate's "
             "file."},
    {.name = "OXIDICOM_BROKER_TLS_VERIFY",
     .type = SETTING_BOOLEAN,
     .offset = FIELD(broker_tls_verify),
     .stages = FOR_NOTIFIER,
     .default_value = "true",
     .help = "Take only a broker whose certificate is good and names its host; false: anybody can read and forge "
             "registrations."},
    {.name = "OXIDICOM_REDIS_KEY_PREFIX",
     .type = SETTING_TEXT,
     .offset = FIELD(redis_key_prefix),
     .stages = FOR_NOTIFIER,
     .valid = is_key_prefix,
     .allowed = "1 to 255 bytes of UTF-8 without control characters",
     .help = "What CUBE's Celery has as global_keyprefix in its broker_transport_options: put before each key in "
             "Redis."},
    {.name = "OXIDICOM_QUEUE_NAME",
     .type = SETTING_TEXT,
     .offset = FIELD(queue_name),
     .stages = FOR_NOTIFIER,
     .default_value = "main2",
     .valid = is_queue_name,
     .allowed = "1 to 255 bytes of UTF-8 without `/` and control characters",
     .help = "Celery queue that registrations are put on."},
    {.name = "OXIDICOM_NATS_ADDRESS",
     .type = SETTING_TEXT,
     .offset = FIELD(nats_address),
     .stages = FOR_NOTIFIER,
     .secret = true,
     .valid = is_nats,
     .allowed = "host:port, nats://host:port or tls://host:port, several separated by commas",
     .help = "NATS servers for progress messages, with user:password@ or token@ before the host if need be; unset: "
             "none are sent."},
    {.name = "OXIDICOM_NATS_CREDENTIALS",
     .type = SETTING_TEXT,
     .offset = FIELD(nats_credentials),
     .stages = FOR_NOTIFIER,
     .valid = is_absolute,
     .allowed = "an absolute path",
     .help = "File with the user's JWT and key (.creds) for NATS, read at each connection."},
    {.name = "OXIDICOM_NATS_CA",
     .type = SETTING_TEXT,
     .offset = FIELD(nats_ca),
     .stages = FOR_NOTIFIER,
     .valid = is_absolute,
     .allowed = "an absolute path",
     .help = "PEM file with the CAs that may have issued the certificates of NATS; set: only TLS is spoken; unset: "
             "those that the system trusts."},
    {.name = "OXIDICOM_PROGRESS_INTERVAL",
     .type = SETTING_DURATION,
     .offset = FIELD(progress_interval_ms),
     .stages = FOR_NOTIFIER,
     .default_value = "500ms",
     .most = 86400000,
     .help = "Least time between two counts of one series."},
    {.name = "OXIDICOM_ROOT_SUBJECT",
     .type = SETTING_TEXT,
     .offset = FIELD(root_subject),
     .stages = FOR_NOTIFIER,
     .default_value = "oxidicom",
     .valid = is_subject,
     .allowed = "a NATS subject without spaces, wildcards and empty parts",
     .help = "First part of the subject of progress messages."},
    {.name = "OXIDICOM_DEV_SLEEP",
     .type = SETTING_DURATION,
     .offset = FIELD(dev_sleep_ms),
     .stages = FOR_NOTIFIER,
     .default_value = "0s",
     .most = 60000,
     .help = "Pause after each progress message, to watch them; never slows reception."},
    {.name = "OXIDICOM_SCP_AET",
     .type = SETTING_TEXT,
     .offset = FIELD(scp_aet),
     .stages = FOR_LISTENER,
     .default_value = "ChRIS",
     .valid = is_ae_title,
     .allowed = "an AE title of 1 to 16 characters",
     .help = "AE title of this receiver; calls to any other title are answered, too, unless "
             "OXIDICOM_REQUIRE_CALLED_AET."},
    {.name = "OXIDICOM_REQUIRE_CALLED_AET",
     .type = SETTING_BOOLEAN,
     .offset = FIELD(require_called_aet),
     .stages = FOR_LISTENER,
     .default_value = "false",
     .help = "Reject associations that call another AE title than OXIDICOM_SCP_AET."},
    {.name = "OXIDICOM_ALLOW_CALLING_AETS",
     .type = SETTING_TEXT,
     .offset = FIELD(allow_calling_aets),
     .stages = FOR_LISTENER,
     .valid = are_ae_titles,
     .may_be_empty = true,
     .allowed = "AE titles of 1 to 16 characters, separated by `,`",
     .help = "Calling AE titles that are served; unset or empty: all."},
    {.name = "OXIDICOM_ALLOW_PEERS",
     .type = SETTING_TEXT,
     .offset = FIELD(allow_peers),
     .stages = FOR_LISTENER,
     .valid = networks_valid,
     .may_be_empty = true,
     .allowed = "IPv4 or IPv6 addresses or networks such as 10.1.0.0/16, separated by `,`",
     .help = "Addresses that are served; unset or empty: all."},
    {.name = "OXIDICOM_SCP_STRICT",
     .type = SETTING_BOOLEAN,
     .offset = FIELD(scp_strict),
     .stages = FOR_LISTENER,
     .default_value = "false",
     .help = "Abort an association whose peer sends a PDU longer than was advertised."},
    {.name = "OXIDICOM_SCP_UNCOMPRESSED_ONLY",
     .type = SETTING_BOOLEAN,
     .offset = FIELD(scp_uncompressed_only),
     .stages = FOR_LISTENER,
     .default_value = "false",
     .help = "Accept native transfer syntaxes only."},
    {.name = "OXIDICOM_SCP_PROMISCUOUS",
     .type = SETTING_BOOLEAN,
     .offset = FIELD(scp_promiscuous),
     .stages = FOR_LISTENER,
     .default_value = "false",
     .help = "Accept every abstract syntax, not only known storage SOP classes."},
    {.name = "OXIDICOM_SCP_MAX_PDU_LENGTH",
     .type = SETTING_INTEGER,
     .offset = FIELD(scp_max_pdu_length),
     .stages = FOR_LISTENER,
     .default_value = "131072",
     .least = 4096,
     .most = 131072 * 1024,
     .help = "Maximum length of a P-DATA PDU that is advertised to peers, in bytes."},
    {.name = "OXIDICOM_LISTENER_ADDRESS",
     .type = SETTING_TEXT,
     .offset = FIELD(listener_address),
     .stages = FOR_LISTENER,
     .empty_is_unset = true,
     .valid = is_ip_address,
     .allowed = "an IPv4 or IPv6 address",
     .help = "Address of this machine that both DICOM ports are bound to; unset: all of IPv4 and IPv6."},
    {.name = "OXIDICOM_LISTENER_PORT",
     .type = SETTING_INTEGER,
     .offset = FIELD(listener_port),
     .stages = FOR_LISTENER,
     .default_value = "11111",
     .least = 0,
     .most = 65535,
     .help = "TCP port for plain DICOM; 0: none, where there is an OXIDICOM_TLS_PORT."},
    {.name = "OXIDICOM_TLS_PORT",
     .type = SETTING_INTEGER,
     .offset = FIELD(tls_port),
     .stages = FOR_LISTENER,
     .default_value = "0",
     .least = 0,
     .most = 65535,
     .help = "TCP port for DICOM over TLS, 2762 by custom; 0: none."},
    {.name = "OXIDICOM_TLS_CERTIFICATE",
     .type = SETTING_TEXT,
     .offset = FIELD(tls_certificate),
     .stages = FOR_LISTENER,
     .valid = is_absolute,
     .allowed = "an absolute path",
     .help = "PEM file with the receiver's certificate, then those between it and its CA. HUP reads it and the two "
             "below again."},
    {.name = "OXIDICOM_TLS_KEY",
     .type = SETTING_TEXT,
     .offset = FIELD(tls_key),
     .stages = FOR_LISTENER,
     .valid = is_absolute,
     .allowed = "an absolute path",
     .help = "PEM file with the certificate's private key, without passphrase; unset: it is in the certificate's "
             "file."},
    {.name = "OXIDICOM_TLS_CA",
     .type = SETTING_TEXT,
     .offset = FIELD(tls_ca),
     .stages = FOR_LISTENER,
     .valid = is_absolute,
     .allowed = "an absolute path",
     .help = "PEM file with the CAs that may have issued the peers' certificates."},
    {.name = "OXIDICOM_TLS_CLIENT",
     .type = SETTING_TEXT,
     .offset = FIELD(tls_client),
     .stages = FOR_LISTENER,
     .valid = is_tls_client,
     .allowed = "none, optional or required",
     .help =
         "Certificates of peers: none is asked for, one that is sent must be good, or each must send one; unset: "
         "required with an OXIDICOM_TLS_CA, not asked for without."},
    {.name = "OXIDICOM_LISTENER_THREADS",
     .type = SETTING_INTEGER,
     .offset = FIELD(associations_max),
     .stages = FOR_LISTENER,
     .default_value = "256",
     .least = 1,
     .most = 10000,
     .help = "The most associations served at once; verification is always served."},
    {.name = "OXIDICOM_ASSOCIATION_WAIT",
     .type = SETTING_DURATION,
     .offset = FIELD(association_wait_ms),
     .stages = FOR_LISTENER,
     .default_value = "20s",
     .most = 3600000,
     .help = "How long an association over that number waits before it is rejected as transient."},
    {.name = "OXIDICOM_SCP_ASYNC_OPS",
     .type = SETTING_INTEGER,
     .offset = FIELD(operations_max),
     .stages = FOR_LISTENER,
     .default_value = "16",
     .least = 1,
     .most = UNANSWERED_MAX_OBJECTS,
     .help = "The most operations outstanding at once that are granted to a peer that negotiates them."},
    {.name = "OXIDICOM_CONNECTIONS",
     .type = SETTING_INTEGER,
     .offset = FIELD(connections_max),
     .stages = FOR_LISTENER,
     .default_value = "4096",
     .least = 1,
     .most = 100000,
     .help = "The most TCP connections open at once, whatever they are for; more wait in the kernel."},
    {.name = "OXIDICOM_CONNECTIONS_PER_ADDRESS",
     .type = SETTING_INTEGER,
     .offset = FIELD(connections_per_address),
     .stages = FOR_LISTENER,
     .default_value = "0",
     .most = 100000,
     .help = "The most connections of one address; more are rejected as transient, over twice as many closed at "
             "once. 0: no limit."},
    {.name = "OXIDICOM_HANDSHAKE_TIMEOUT",
     .type = SETTING_DURATION,
     .offset = FIELD(handshake_timeout_ms),
     .stages = FOR_LISTENER,
     .default_value = "30s",
     .least = 100,
     .most = 3600000,
     .help = "From the TCP connection to the end of the A-ASSOCIATE-RQ."},
    {.name = "OXIDICOM_IDLE_TIMEOUT",
     .type = SETTING_DURATION,
     .offset = FIELD(idle_timeout_ms),
     .stages = FOR_LISTENER,
     .default_value = "10m",
     .least = 100,
     .most = 86400000,
     .help = "How long an open association may be without a message before it is aborted."},
    {.name = "OXIDICOM_MIN_RATE",
     .type = SETTING_INTEGER,
     .offset = FIELD(min_rate),
     .stages = FOR_LISTENER,
     .default_value = "256",
     .least = 1,
     .most = 1000000000,
     .help = "Bytes per second that a peer must deliver within a message, on average over "
             "OXIDICOM_STALL_TIMEOUT, or be aborted."},
    {.name = "OXIDICOM_STALL_TIMEOUT",
     .type = SETTING_DURATION,
     .offset = FIELD(stall_timeout_ms),
     .stages = FOR_LISTENER,
     .default_value = "60s",
     .least = 100,
     .most = 3600000,
     .help =
         "The time that OXIDICOM_MIN_RATE is averaged over; while the listener does not read, it stands still."},
    {.name = "OXIDICOM_RELEASE_TIMEOUT",
     .type = SETTING_DURATION,
     .offset = FIELD(release_timeout_ms),
     .stages = FOR_LISTENER,
     .default_value = "5s",
     .least = 100,
     .most = 60000,
     .help = "How long a peer has to close its connection after the last PDU."},
    {.name = "OXIDICOM_STORE_TIMEOUT",
     .type = SETTING_DURATION,
     .offset = FIELD(store_timeout_ms),
     .stages = FOR_LISTENER,
     .default_value = "60s",
     .least = 100,
     .most = 86400000,
     .help = "How long an object may wait for storage and journal before it is answered A700."},
    {.name = "OXIDICOM_DRAIN_TIMEOUT",
     .type = SETTING_DURATION,
     .offset = FIELD(drain_timeout_ms),
     .stages = FOR_ALL,
     .default_value = "15s",
     .most = 86400000,
     .help = "How long what is under way may take to finish after TERM; the whole ring has ended 5s later at the "
             "latest."},
    {.name = "OXIDICOM_BUFFER_SIZE",
     .type = SETTING_SIZE,
     .offset = FIELD(buffer_size_bytes),
     .stages = FOR_LISTENER,
     .default_value = "64MiB",
     .least = 4 * 1024 * 1024,
     .most = (int64_t)1 << 40,
     .help = "What the listener may hold of objects, in flight and for redelivery."},
    {.name = "OXIDICOM_WRITERS",
     .alias = "TOKIO_WORKER_THREADS",
     .type = SETTING_INTEGER,
     .offset = FIELD(writers),
     .stages = FOR_LAUNCHER,
     .default_value = "1",
     .least = 1,
     .most = WRITERS_MAX,
     .help = "Number of writers that the launcher starts."},
    {.name = "OXIDICOM_WATCHDOG",
     .type = SETTING_DURATION,
     .offset = FIELD(watchdog_ms),
     .stages = FOR_ALL,
     .default_value = "60s",
     .least = 1000,
     .most = 86400000,
     .help = "How long the listener's loop may stand still until the launcher kills it and starts it again; a "
             "writer and the notifier, which wait for storage, may five times as long."},
    {.name = "OXIDICOM_WRITER_ID",
     .type = SETTING_TEXT,
     .offset = FIELD(writer_id),
     .stages = FOR_WRITER,
     .default_value = "0",
     .valid = is_writer_id,
     .allowed = "1 to 64 letters, digits, `-`, `_` and `.`",
     .help = "Tells writers of one run folder apart; the launcher sets it."},
    {.name = "OXIDICOM_WRITER_OPERATIONS",
     .type = SETTING_INTEGER,
     .offset = FIELD(writer_operations),
     .stages = FOR_WRITER,
     .default_value = "4",
     .least = 1,
     .most = WRITER_OPERATIONS_MAX,
     .help = "Objects that slow storage works on at once for each writer; 1: one after the other."},
    {.name = "OXIDICOM_FSYNC",
     .type = SETTING_BOOLEAN,
     .offset = FIELD(fsync),
     .stages = FOR_WRITER | FOR_NOTIFIER,
     .default_value = "true",
     .help = "Force files and journal to the disk before Success is said."},
    {.name = "OXIDICOM_MIN_FREE",
     .type = SETTING_SIZE,
     .offset = FIELD(min_free_bytes),
     .stages = FOR_WRITER,
     .default_value = "64MiB",
     .most = (int64_t)1 << 50,
     .help = "Objects are answered A700 while storage has less room than this; 0: until it is full."},
    {.name = "OXIDICOM_QUARANTINE_SIZE",
     .type = SETTING_SIZE,
     .offset = FIELD(quarantine_size_bytes),
     .stages = FOR_WRITER,
     .default_value = "0",
     .most = (int64_t)1 << 50,
     .help =
         "What may be kept, below $OXIDICOM_FILES_ROOT/.oxidicom/quarantine/, of objects that were refused with "
         "C000; the oldest go first. 0: none are."},
    {.name = "OXIDICOM_SWEEP_INTERVAL",
     .type = SETTING_DURATION,
     .offset = FIELD(sweep_interval_ms),
     .stages = FOR_WRITER,
     .default_value = "1h",
     .least = 100,
     .most = 86400000,
     .help = "How often temporary files of dead writers are looked for and removed."},
    {.name = "OXIDICOM_RUN_DIR",
     .type = SETTING_TEXT,
     .offset = FIELD(run_dir),
     .stages = FOR_ALL | FOR_TOOL,
     .valid = is_absolute,
     .allowed = "an absolute path",
     .help = "Folder of the sockets; default: /run/oxidicom, else $XDG_RUNTIME_DIR/oxidicom, else a private one "
             "that the launcher makes: $TMPDIR/oxidicom-<user id>, /dev/shm/oxidicom-<user id> or "
             "$OXIDICOM_FILES_ROOT/.oxidicom/run/<host>, the first that can be written."},
    {.name = "OXIDICOM_STATE_DIR",
     .type = SETTING_TEXT,
     .offset = FIELD(state_dir),
     .stages = FOR_NOTIFIER,
     .default_value = "/var/lib/oxidicom",
     .valid = is_absolute,
     .allowed = "an absolute path",
     .help = "Folder of the journal; where it can't be written, a folder named after the host under "
             "$OXIDICOM_FILES_ROOT/.oxidicom/state/."},
    {.name = "OXIDICOM_JOURNAL_KEEP",
     .type = SETTING_DURATION,
     .offset = FIELD(journal_keep_ms),
     .stages = FOR_NOTIFIER,
     .default_value = "7d",
     .least = 3600000,
     .most = 3650LL * 24 * 3600000,
     .help = "How long the journal remembers what is finished."},
    {.name = "OXIDICOM_SERIES_QUIET",
     .type = SETTING_DURATION,
     .offset = FIELD(series_quiet_ms),
     .stages = FOR_NOTIFIER,
     .default_value = "0s",
     .most = 86400000,
     .help = "How long nothing must have come of a series before it is registered, for a PACS that opens an "
             "association for each object."},
    {.name = "OXIDICOM_READY_FD",
     .type = SETTING_INTEGER,
     .offset = FIELD(ready_fd),
     .stages = FOR_ALL,
     .default_value = "-1",
     .least = -1,
     .most = 1 << 20,
     .help = "Descriptor that gets a newline when the process is ready, as s6 has it; -1: none."},
    {.name = "OXIDICOM_BEAT_FD",
     .type = SETTING_INTEGER,
     .offset = FIELD(beat_fd),
     .stages = FOR_LISTENER | FOR_WRITER | FOR_NOTIFIER,
     .default_value = "-1",
     .least = -1,
     .most = 1 << 20,
     .help =
         "Descriptor that gets a byte at least four times in OXIDICOM_WATCHDOG while the loop turns; the launcher "
         "sets it. -1: none."},
    {.name = "OXIDICOM_HTTP_PORT",
     .type = SETTING_INTEGER,
     .offset = FIELD(http_port),
     .stages = FOR_NOTIFIER,
     .default_value = "0",
     .most = 65535,
     .help = "TCP port of the live page (/), /metrics, /livez and /readyz, served by the notifier for all stages; "
             "0: none."},
    {.name = "OXIDICOM_HTTP_ADDRESS",
     .type = SETTING_TEXT,
     .offset = FIELD(http_address),
     .stages = FOR_NOTIFIER,
     .default_value = "127.0.0.1",
     .valid = is_ip_address,
     .allowed = "an IPv4 or IPv6 address",
     .help = "Address that this port is bound to; :: stands for every address of the machine."},
    {.name = "OXIDICOM_HTTP_SHOW_PHI",
     .type = SETTING_BOOLEAN,
     .offset = FIELD(http_show_phi),
     .stages = FOR_NOTIFIER,
     .default_value = "false",
     .help = "Show patients' names, IDs and folders on the live page, to everybody who can reach its port."},
    {.name = "OXIDICOM_SANDBOX",
     .type = SETTING_TEXT,
     .offset = FIELD(sandbox),
     .stages = FOR_LISTENER | FOR_WRITER | FOR_NOTIFIER,
     .default_value = "auto",
     .valid = is_sandbox,
     .allowed = "auto, true or false",
     .help =
         "Each stage gives up what it does not need once it is started: files by Landlock, system calls by seccomp "
         "(deploy/SECURITY.md). auto: as far as the kernel has them; true: both, or it does not start."},
    {.name = "RUST_LOG",
     .type = SETTING_TEXT,
     .offset = FIELD(rust_log),
     .empty_is_unset = true,
     .stages = FOR_ALL | FOR_SURVEY,
     .default_value = "oxidicom=info",
     .allowed = "off, error, warn, info, debug or trace, or TARGET=LEVEL, separated by commas; targets are "
                "oxidicom, oxidicom::listener, ::writer, ::notifier and ::launcher",
     .help = "How much is logged. What is not understood is ignored with a warning."},
    {.name = "OXIDICOM_LOG_FORMAT",
     .type = SETTING_TEXT,
     .offset = FIELD(log_format),
     .stages = FOR_ALL | FOR_SURVEY,
     .default_value = "text",
     .valid = is_log_format,
     .allowed = "text or json",
     .help = "Lines for people, with colors on a terminal (unless NO_COLOR is set) and priorities for systemd's "
             "journal; or JSON with the fields of OpenTelemetry's log data model."},
    /* OpenTelemetry's own variables: what is bad of them is said and counts as unset, as its specification has it.
     */
    {.name = "OXIDICOM_OTEL_OBJECT_SPANS",
     .type = SETTING_INTEGER,
     .offset = FIELD(otel_object_spans),
     .stages = FOR_LISTENER,
     .default_value = "100",
     .most = 1000000,
     .help =
         "Objects of an association that have spans of their own in its trace; those that follow are summed up."},
    {.name = "OTEL_EXPORTER_OTLP_ENDPOINT",
     .type = SETTING_TEXT,
     .offset = FIELD(otel_endpoint),
     .stages = FOR_TRACES,
     .empty_is_unset = true,
     .allowed = "http://host:port or https://host:port",
     .help = "Collector of traces and metrics; unset: nothing is sent."},
    {.name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
     .type = SETTING_TEXT,
     .offset = FIELD(otel_traces_endpoint),
     .stages = FOR_TRACES,
     .empty_is_unset = true,
     .allowed = "a URL",
     .help = "The same for traces alone; over HTTP it is used as it stands, without /v1/traces behind it."},
    {.name = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
     .type = SETTING_TEXT,
     .offset = FIELD(otel_metrics_endpoint),
     .stages = FOR_NOTIFIER,
     .empty_is_unset = true,
     .allowed = "a URL",
     .help = "The same for metrics alone, without /v1/metrics behind it."},
    {.name = "OTEL_EXPORTER_OTLP_PROTOCOL",
     .type = SETTING_TEXT,
     .offset = FIELD(otel_protocol),
     .stages = FOR_TRACES,
     .empty_is_unset = true,
     .allowed = "grpc or http/protobuf",
     .help = "How the collector is spoken to; unset: grpc."},
    {.name = "OTEL_EXPORTER_OTLP_HEADERS",
     .type = SETTING_TEXT,
     .offset = FIELD(otel_headers),
     .stages = FOR_TRACES,
     .empty_is_unset = true,
     .allowed = "key=value, separated by commas, percent-encoded",
     .help = "Headers of each request to the collector."},
    {.name = "OTEL_EXPORTER_OTLP_TIMEOUT",
     .type = SETTING_TEXT,
     .offset = FIELD(otel_timeout),
     .stages = FOR_TRACES,
     .empty_is_unset = true,
     .allowed = "a number of milliseconds",
     .help = "How long the collector may take to answer; unset: 10000."},
    {.name = "OTEL_RESOURCE_ATTRIBUTES",
     .type = SETTING_TEXT,
     .offset = FIELD(otel_resource_attributes),
     .stages = FOR_TRACES,
     .empty_is_unset = true,
     .allowed = "key=value, separated by commas, percent-encoded",
     .help = "What traces and metrics say of this installation."},
    {.name = "OTEL_SERVICE_NAME",
     .type = SETTING_TEXT,
     .offset = FIELD(otel_service_name),
     .stages = FOR_TRACES,
     .empty_is_unset = true,
     .allowed = "any text",
     .help = "Its service.name, which wins over OTEL_RESOURCE_ATTRIBUTES; unset: oxidicom."},
    {.name = "OTEL_TRACES_SAMPLER",
     .type = SETTING_TEXT,
     .offset = FIELD(otel_sampler),
     .stages = FOR_TRACES,
     .empty_is_unset = true,
     .allowed = "always_on, always_off or traceidratio, or one of them after parentbased_",
     .help = "Which associations are traced; unset: all."},
    {.name = "OTEL_TRACES_SAMPLER_ARG",
     .type = SETTING_TEXT,
     .offset = FIELD(otel_sampler_arg),
     .stages = FOR_TRACES,
     .empty_is_unset = true,
     .allowed = "a number from 0 to 1",
     .help = "The part of them, for traceidratio."},
    {.name = "OTEL_METRICS_EXPORTER",
     .type = SETTING_TEXT,
     .offset = FIELD(otel_metrics_exporter),
     .stages = FOR_NOTIFIER,
     .empty_is_unset = true,
     .allowed = "otlp or none",
     .help = "none: the collector gets no metrics; unset: otlp. /metrics does not depend on it."},
    {.name = "OTEL_METRIC_EXPORT_INTERVAL",
     .type = SETTING_TEXT,
     .offset = FIELD(otel_metric_interval),
     .stages = FOR_NOTIFIER,
     .empty_is_unset = true,
     .allowed = "a number of milliseconds",
     .help = "How often metrics are sent; unset: 60000."},
    {.name = "OTEL_SDK_DISABLED",
     .type = SETTING_TEXT,
     .offset = FIELD(otel_sdk_disabled),
     .stages = FOR_TRACES,
     .empty_is_unset = true,
     .allowed = "true or false",
     .help = "true: neither traces nor metrics are sent."},
};

const size_t SETTINGS_COUNT = sizeof SETTINGS / sizeof *SETTINGS;

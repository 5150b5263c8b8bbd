/* One entry per environment variable. --help, the README's table and every complaint come from here. */
#include "common/settings_table.h"

#include <ctype.h>
#include <string.h>

#include "common/comma_list.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/network.h"
#include "common/utf8.h"

static bool is_absolute(const char *text) {
    return text[0] == '/';
}

static bool is_one_broker(const char *text) {
    static const char *const schemes[] = {"amqp://", "amqps://", "filesystem://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncmp(text, schemes[i], strlen(schemes[i])) == 0)
            return true;
    return false;
}

static bool is_broker(const char *text) {
    for (const char *next; (next = strchr(text, ';')); text = next + 1)
        if (!is_one_broker(text))
            return false;
    return is_one_broker(text);
}

static bool is_nats(const char *text) {
    const char *host = strncmp(text, "nats://", 7) == 0 ? text + 7 : text;
    return *host && !strpbrk(text, " \t") && (strstr(text, "://") == NULL || host != text);
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

#define FIELD(name) offsetof(settings_t, name)

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
     .valid = is_broker,
     .allowed = "addresses that begin with amqp://, amqps:// or filesystem://, separated by `;`",
     .help = "Broker of CUBE's Celery queue; several are tried in turn."},
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
     .valid = is_nats,
     .allowed = "host:port or nats://host:port",
     .help = "NATS server for progress messages; unset: none are sent."},
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
    {.name = "OXIDICOM_LISTENER_PORT",
     .type = SETTING_INTEGER,
     .offset = FIELD(listener_port),
     .stages = FOR_LISTENER,
     .default_value = "11111",
     .least = 0,
     .most = 65535,
     .help = "TCP port for plain DICOM, on IPv4 and IPv6; 0: none, where there is an OXIDICOM_TLS_PORT."},
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
     .default_value = "20s",
     .most = 86400000,
     .help = "How long a stage that is told to end may take to finish what is under way."},
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
             "that the launcher makes, $TMPDIR/oxidicom-<user id>."},
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
    {.name = "RUST_LOG",
     .type = SETTING_TEXT,
     .offset = FIELD(rust_log),
     .stages = FOR_ALL | FOR_SURVEY,
     .default_value = "oxidicom=info",
     .valid = log_directives_valid,
     .allowed = "off, error, warn, info, debug or trace, or oxidicom=LEVEL",
     .help = "How much is logged."},
};

const size_t SETTINGS_COUNT = sizeof SETTINGS / sizeof *SETTINGS;

/* Every setting of every stage: environment variables, read once through the table in settings_table.c. */
#ifndef COMMON_SETTINGS_H
#define COMMON_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The exit status of a process with a bad or missing value (EX_CONFIG of sysexits.h). */
#define EXIT_SETTINGS 78

/* Which stages use a setting. */
enum {
    FOR_LISTENER = 1,
    FOR_WRITER = 2,
    FOR_NOTIFIER = 4,
    FOR_LAUNCHER = 8,
    FOR_ALL = 15,
    /* Not stages: they make no run folder. */
    FOR_TOOL = 16,
    FOR_SURVEY = 32,
};

/* Texts are owned by the settings; an unset one without default is NULL. */
typedef struct settings {
    char *files_root;                                              /* absolute path */
    char *broker_address;                                          /* amqp://, redis://, filesystem:// … */
    char *broker_tls_ca, *broker_tls_certificate, *broker_tls_key; /* absolute paths of PEM files, or NULL */
    bool broker_tls_verify;
    char *redis_key_prefix; /* or NULL */
    char *queue_name;
    char *nats_address; /* host:port, nats://host:port or tls://host:port, by commas; NULL: no progress messages */
    char *nats_credentials, *nats_ca; /* absolute paths, or NULL */
    int64_t progress_interval_ms;
    int64_t done_delay_ms;
    char *cube_url;                                         /* http://… or https://…; NULL: CUBE is not asked */
    char *cube_user, *cube_password, *cube_token, *cube_ca; /* or NULL */
    int64_t cube_patience_ms;
    int64_t dev_sleep_ms;
    char *root_subject;
    char *scp_aet;
    bool scp_strict;
    bool scp_uncompressed_only;
    bool scp_promiscuous;
    int64_t scp_max_pdu_length;               /* bytes */
    char *listener_address;                   /* IPv4 or IPv6; NULL: all */
    int64_t listener_port;                    /* 0: none */
    int64_t tls_port;                         /* 0: none */
    char *tls_certificate, *tls_key, *tls_ca; /* absolute paths of PEM files, or NULL */
    char *tls_client;
    char *tls_aets; /* none, optional, required, or NULL */
    int64_t associations_max;
    int64_t association_wait_ms;
    int64_t operations_max;   /* outstanding at once on an association with negotiated asynchronous operations */
    char *allow_calling_aets; /* comma list; NULL: all */
    char *allow_peers;        /* comma list of networks; NULL: all */
    bool require_called_aet;
    int64_t connections_max;
    int64_t connections_per_address; /* 0: no limit */
    int64_t handshake_timeout_ms;
    int64_t idle_timeout_ms;
    int64_t min_rate; /* bytes per second within a message, over … */
    int64_t stall_timeout_ms;
    int64_t release_timeout_ms;
    int64_t store_timeout_ms;
    int64_t drain_timeout_ms;
    int64_t watchdog_ms;
    int64_t buffer_size_bytes;
    char *run_dir;
    char *state_dir;
    int64_t journal_keep_ms, journal_size_bytes, journal_min_free_bytes;
    int64_t series_quiet_ms, abort_quiet_ms;
    char *writer_id;
    int64_t writer_operations; /* objects that storage works on at once */
    int64_t writers;
    bool fsync;
    char *file_mode; /* octal */
    int64_t min_free_bytes;
    int64_t max_object_size_bytes; /* 0: any */
    int64_t quarantine_size_bytes;
    int64_t sweep_interval_ms;
    int64_t ready_fd; /* -1: none */
    int64_t beat_fd;  /* -1: none */
    char *sandbox;    /* auto, true or false */
    char *rust_log;
    int64_t http_port; /* 0: none */
    char *http_address;
    char *http_hosts;
    bool http_show_phi;
    char *log_format; /* text or json */
    int64_t otel_object_spans;
    /* As they are in the environment, or NULL; read by common/telemetry/otlp_target.c. */
    char *otel_endpoint, *otel_traces_endpoint, *otel_protocol, *otel_headers, *otel_timeout;
    char *otel_resource_attributes, *otel_service_name, *otel_sampler, *otel_sampler_arg, *otel_sdk_disabled;
    char *otel_metrics_endpoint, *otel_metrics_exporter, *otel_metric_interval;
} settings_t;

/* Reads the environment, and the files that the variables of secrets name with _FILE at their end. Only what
 * `stage` (one FOR_ value) uses is required. Returns 0, or EXIT_SETTINGS after writing one line to `complaints`
 * with the variable, the value (no secret) and the allowed ones; then nothing is left to free. Free with
 * settings_clear. */
int settings_read(settings_t *settings, unsigned stage, FILE *complaints) __attribute__((warn_unused_result));
void settings_clear(settings_t *settings);

/* The variables that `stage` uses, for --help of a stage. */
void settings_print_help(FILE *out, unsigned stage);
/* All variables in groups, one line each: name, default and summary. */
void settings_print_summary(FILE *out);
/* All variables as the Markdown tables of deploy/SETTINGS.md, one per group. */
void settings_print_markdown(FILE *out);

#endif

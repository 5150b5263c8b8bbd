#include "common/environment.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/settings_table.h"

/* What libc, the dynamic linker, OpenSSL, libcurl, DCMTK, sanitizers and supervisors are told by; `*` ends a
 * prefix. A setting of our own is kept unless it is a secret. */
static const char *const KEPT[] = {
    "OXIDICOM_*",  "OTEL_*",  "RUST_LOG",   "PATH",        "HOME",          "USER",           "LANG",
    "LANGUAGE",    "LC_*",    "TZ",         "TZDIR",       "TERM",          "NO_COLOR",       "TMPDIR",
    "XDG_*",       "LD_*",    "GCONV_PATH", "LOCPATH",     "MALLOC_*",      "GLIBC_TUNABLES", "RES_OPTIONS",
    "LOCALDOMAIN", "SSL_*",   "OPENSSL_*",  "DCMDICTPATH", "NOTIFY_SOCKET", "WATCHDOG_*",     "LISTEN_*",
    "http_proxy",  "*_PROXY", "no_proxy",   "https_proxy", "all_proxy",     "JOURNAL_STREAM", "INVOCATION_ID",
    "ASAN_*",      "UBSAN_*", "LSAN_*",     "TSAN_*",      "GCOV_*",        "LLVM_*",
};

static bool matches(const char *pattern, const char *name, size_t length) {
    size_t size = strlen(pattern);
    if (pattern[0] == '*')
        return length >= size - 1 && memcmp(name + length - (size - 1), pattern + 1, size - 1) == 0;
    if (pattern[size - 1] == '*')
        return length >= size - 1 && memcmp(name, pattern, size - 1) == 0;
    return length == size && memcmp(name, pattern, size) == 0;
}

static bool is_named(const char *setting, const char *name, size_t length) {
    return setting && strlen(setting) == length && memcmp(setting, name, length) == 0;
}

/* By its name or its alias; NULL: there is none. */
static const setting_t *find_setting(const char *name, size_t length) {
    for (size_t i = 0; i < SETTINGS_COUNT; i++)
        if (is_named(SETTINGS[i].name, name, length) || is_named(SETTINGS[i].alias, name, length))
            return &SETTINGS[i];
    return NULL;
}

static bool is_secret(const char *name, size_t length) {
    const setting_t *setting = find_setting(name, length);
    return setting && setting->secret;
}

/* Or, with _FILE behind its name, the file of a secret one. */
static bool is_setting(const char *name, size_t length) {
    size_t suffix = strlen("_FILE");
    return find_setting(name, length) || (length > suffix && memcmp(name + length - suffix, "_FILE", suffix) == 0 &&
                                          is_secret(name, length - suffix));
}

void environment_warn_of_unknown(void) {
    char *names = NULL;
    size_t size;
    FILE *out = must(open_memstream(&names, &size));
    for (char **entry = environ; entry && *entry; entry++) {
        size_t length = strcspn(*entry, "=");
        if (strncmp(*entry, "OXIDICOM_", strlen("OXIDICOM_")) == 0 && !is_setting(*entry, length))
            fprintf(out, "%s%.*s", ftell(out) > 0 ? ", " : "", (int)length, *entry);
    }
    must_hold(fclose(out) == 0);
    if (size > 0)
        log_warn(NULL, "variables that are no settings do nothing: %s", names);
    free(names);
}

static void warn_of_idle(const char *value, const char *name, const char *other_value, const char *other) {
    if (value && !other_value)
        log_warn(NULL, "%s does nothing without %s", name, other);
}

void environment_warn_of_idle(const settings_t *s) {
    warn_of_idle(s->cube_user, "OXIDICOM_CUBE_USER", s->cube_url, "OXIDICOM_CUBE_URL");
    warn_of_idle(s->cube_password, "OXIDICOM_CUBE_PASSWORD", s->cube_url, "OXIDICOM_CUBE_URL");
    warn_of_idle(s->cube_token, "OXIDICOM_CUBE_TOKEN", s->cube_url, "OXIDICOM_CUBE_URL");
    warn_of_idle(s->cube_ca, "OXIDICOM_CUBE_CA", s->cube_url, "OXIDICOM_CUBE_URL");
    warn_of_idle(s->nats_ca, "OXIDICOM_NATS_CA", s->nats_address, "OXIDICOM_NATS_ADDRESS");
    warn_of_idle(s->nats_credentials, "OXIDICOM_NATS_CREDENTIALS", s->nats_address, "OXIDICOM_NATS_ADDRESS");
    const char *tls_port = s->tls_port ? "" : NULL, *http_port = s->http_port ? "" : NULL;
    warn_of_idle(s->tls_ca, "OXIDICOM_TLS_CA", tls_port, "OXIDICOM_TLS_PORT");
    warn_of_idle(s->tls_key, "OXIDICOM_TLS_KEY", tls_port, "OXIDICOM_TLS_PORT");
    warn_of_idle(s->tls_aets, "OXIDICOM_TLS_AETS", tls_port, "OXIDICOM_TLS_PORT");
    warn_of_idle(s->http_hosts, "OXIDICOM_HTTP_HOSTS", http_port, "OXIDICOM_HTTP_PORT");
}

static bool is_kept(const char *name, size_t length) {
    for (size_t i = 0; i < sizeof KEPT / sizeof *KEPT; i++)
        if (matches(KEPT[i], name, length))
            return !is_secret(name, length);
    return false;
}

static void unset(const char *name, bool secret) {
    if (!name)
        return;
    (void)unsetenv(name); /* fails for names with `=` alone */
    if (!secret)
        return;
    char *file = format_text("%s_FILE", name);
    (void)unsetenv(file);
    free(file);
}

void environment_leave_for(unsigned stage) {
    for (size_t i = 0; i < SETTINGS_COUNT; i++)
        if (!(SETTINGS[i].stages & stage)) {
            unset(SETTINGS[i].name, SETTINGS[i].secret);
            unset(SETTINGS[i].alias, SETTINGS[i].secret);
        }
}

void environment_wipe(void) {
    char **kept = environ;
    for (char **entry = environ; entry && *entry; entry++) {
        if (is_kept(*entry, strcspn(*entry, "=")))
            *kept++ = *entry;
        else
            explicit_bzero(*entry, strlen(*entry));
    }
    if (kept)
        *kept = NULL;
}

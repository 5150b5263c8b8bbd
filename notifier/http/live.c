#include "notifier/http/live.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"

/* How often each viewer gets news. */
#define VIEW_INTERVAL_MS 500

void live_init(live_t *live, const view_sources_t *sources) {
    *live = (live_t){.view = view_new(sources), .stream = viewers_new(), .search = search_new()};
}

void live_clear(live_t *live) {
    view_destroy(&live->view);
    viewers_destroy(&live->stream);
    search_destroy(&live->search);
}

void live_beat(live_t *live, int64_t now_ms) {
    /* After a hang, all seem to be gone that have spoken meanwhile: their words are in the inbox yet. */
    bool late = live->beat_ms && now_ms - live->beat_ms > STAGE_SILENCE_MS / 2;
    live->beat_ms = now_ms;
    search_answer_one(live->search, view_search, live->view);
    if (late)
        return;
    /* Half a beat early is in time. */
    if (now_ms - live->shown_ms < VIEW_INTERVAL_MS - ALIVE_INTERVAL_MS / 2 || !viewers_any(live->stream))
        return;
    live->shown_ms = now_ms;
    char *line = view_now(live->view, now_ms);
    viewers_publish(live->stream, line);
    free(line);
}

void live_end(live_t *live) {
    viewers_end(live->stream);
    search_end(live->search);
}

/* --- the page ------------------------------------------------------------------------------------------ */

/* notifier/http/page.html, linked in unchanged. */
extern const char _binary_notifier_http_page_html_start[], _binary_notifier_http_page_html_end[];

const char *live_page(size_t *size) {
    *size = (size_t)(_binary_notifier_http_page_html_end - _binary_notifier_http_page_html_start);
    return _binary_notifier_http_page_html_start;
}

#define HASH_TEXT_BYTES (4 * ((SHA256_DIGEST_LENGTH + 2) / 3) + 1)

/* Of the text between the first `begin` and the `end` after it, as CSP 3 (2.3.1, hash-source) says. */
static void hash_part(const char *page, size_t size, const char *begin, const char *end,
                      char text[HASH_TEXT_BYTES]) {
    unsigned char hash[SHA256_DIGEST_LENGTH];
    const char *from = memmem(page, size, begin, strlen(begin));
    from = from ? from + strlen(begin) : page + size;
    const char *to = memmem(from, (size_t)(page + size - from), end, strlen(end));
    SHA256((const unsigned char *)from, to ? (size_t)(to - from) : 0, hash);
    EVP_EncodeBlock((unsigned char *)text, hash, sizeof hash);
}

static char policy[512];

static void make_policy(void) {
    char script[HASH_TEXT_BYTES], style[HASH_TEXT_BYTES];
    size_t size;
    const char *page = live_page(&size);
    hash_part(page, size, "<script>", "</script>", script);
    hash_part(page, size, "<style>", "</style>", style);
    snprintf(policy, sizeof policy,
             "default-src 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'; connect-src 'self'; "
             "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
             script, style);
}

const char *live_page_policy(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_policy);
    return policy;
}

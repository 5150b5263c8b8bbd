#include "notifier/cube/cube_link.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/version.h"
#include "notifier/cube/cube_api.h"

#define CONNECT_TIMEOUT_MS 5000

struct cube_link {
    CURL *curl;
    struct curl_slist *headers; /* with the token; NULL: there is none yet */
    char *url;                  /* of the API, with a slash at its end */
    char *user, *password;      /* owned; NULL: the token was given */
    char *body;
    size_t size;
    bool too_long;
    atomic_bool ended;
    char curl_why[CURL_ERROR_SIZE];
};

const char *cube_link_missing(const settings_t *settings) {
    bool user = settings->cube_user || settings->cube_password;
    if (settings->cube_token && user)
        return "OXIDICOM_CUBE_TOKEN and OXIDICOM_CUBE_USER or OXIDICOM_CUBE_PASSWORD are both set; allowed is one "
               "way";
    if (!settings->cube_token && (!settings->cube_user || !settings->cube_password))
        return "OXIDICOM_CUBE_URL is set; needed besides are OXIDICOM_CUBE_USER and OXIDICOM_CUBE_PASSWORD, or "
               "OXIDICOM_CUBE_TOKEN";
    return NULL;
}

/* --- one request ----------------------------------------------------------------------------------------- */

static size_t on_body(char *bytes, size_t size, size_t count, void *argument) {
    cube_link_t *self = argument;
    size *= count;
    if (self->size + size > CUBE_ANSWER_MAX_BYTES) {
        self->too_long = true;
        return 0; /* libcurl ends it */
    }
    memcpy(self->body + self->size, bytes, size);
    self->size += size;
    return size;
}

static int on_progress(void *argument, curl_off_t to_receive, curl_off_t received, curl_off_t to_send,
                       curl_off_t sent) {
    (void)to_receive;
    (void)received;
    (void)to_send;
    (void)sent;
    return atomic_load(&((cube_link_t *)argument)->ended);
}

static cube_result_t judge_status(long status, char why[CUBE_WHY_BYTES]) {
    const char *meaning = status == 401   ? "it does not take the user's password, or token"
                          : status == 403 ? "the user may not see its series, is no member of its group pacs_users"
                          : status == 404 ? "its API does not lie at OXIDICOM_CUBE_URL"
                          : status >= 300 && status < 400 ? "it sends us elsewhere, where we do not go"
                          : status >= 500                 ? "it fails"
                                                          : "it answers strangely";
    snprintf(why, CUBE_WHY_BYTES, "%s (HTTP status %ld)", meaning, status);
    return status == 401 || status == 403 ? CUBE_REFUSES : CUBE_AWAY;
}

static struct curl_slist *with_header(struct curl_slist *headers, const char *line) {
    return must(curl_slist_append(headers, line));
}

/* GETs with the headers, or POSTs `data`. */
static cube_result_t request(cube_link_t *self, const char *path, struct curl_slist *headers, const char *data,
                             char why[CUBE_WHY_BYTES]) {
    char *url = format_text("%s%s", self->url, path);
    long status = 0;
    self->size = 0;
    self->too_long = false;
    self->curl_why[0] = why[0] = 0;
    curl_easy_setopt(self->curl, CURLOPT_URL, url); /* it makes a copy */
    free(url);
    curl_easy_setopt(self->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(self->curl, data ? CURLOPT_POST : CURLOPT_HTTPGET, 1L);
    if (data)
        curl_easy_setopt(self->curl, CURLOPT_COPYPOSTFIELDS, data);
    CURLcode code = curl_easy_perform(self->curl);
    curl_easy_getinfo(self->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && status == 200)
        return CUBE_ANSWERED;
    if (code == CURLE_OK)
        return judge_status(data && status == 400 ? 401 : status, why); /* so it says that the password is wrong */
    snprintf(why, CUBE_WHY_BYTES, "%s",
             self->too_long    ? "its answer is too long"
             : *self->curl_why ? self->curl_why
                               : curl_easy_strerror(code));
    return CUBE_AWAY;
}

static void set_token(cube_link_t *self, const char *token) {
    char *line = format_text("Authorization: Token %s", token);
    self->headers = with_header(with_header(NULL, "Accept: application/json"), line);
    free(line);
}

static void forget_token(cube_link_t *self) {
    curl_easy_setopt(self->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(self->headers);
    self->headers = NULL;
}

static cube_result_t log_in(cube_link_t *self, char why[CUBE_WHY_BYTES]) {
    char *credentials = cube_api_credentials(self->user, self->password);
    struct curl_slist *headers = with_header(NULL, "Accept: application/json");
    headers = with_header(headers, "Content-Type: application/json");
    cube_result_t result = request(self, CUBE_API_LOGIN, headers, credentials, why);
    curl_easy_setopt(self->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    free(credentials);
    if (result != CUBE_ANSWERED)
        return result;
    char *token = cube_api_read_token(self->body, self->size);
    if (token)
        set_token(self, token);
    else
        snprintf(why, CUBE_WHY_BYTES, "it answers a login with something else than a token");
    free(token);
    return self->headers ? CUBE_ANSWERED : CUBE_AWAY;
}

cube_result_t cube_link_get(cube_link_t *self, const char *path, const char **body, size_t *size,
                            char why[CUBE_WHY_BYTES]) {
    cube_result_t result = self->headers ? CUBE_ANSWERED : log_in(self, why);
    if (result == CUBE_ANSWERED)
        result = request(self, path, self->headers, NULL, why);
    /* A token may be withdrawn: the next request gets a new one. */
    if (result == CUBE_REFUSES && self->user && self->headers)
        forget_token(self);
    *body = self->body;
    *size = self->size;
    return result;
}

void cube_link_end(cube_link_t *self) {
    atomic_store(&self->ended, true);
}

/* --- life ------------------------------------------------------------------------------------------------ */

static bool prepare_curl(cube_link_t *self, const settings_t *settings) {
    CURL *curl = self->curl = curl_easy_init();
    return curl && curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_USERAGENT, "oxidicom/" OXIDICOM_VERSION) == CURLE_OK &&
           /* CUBE lies beside us: a proxy is for the world outside. */
           curl_easy_setopt(curl, CURLOPT_NOPROXY, "*") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           (!settings->cube_ca || curl_easy_setopt(curl, CURLOPT_CAINFO, settings->cube_ca) == CURLE_OK) &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)CUBE_TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, self->curl_why) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, self) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_XFERINFODATA, self) == CURLE_OK;
}

cube_link_t *cube_link_new(const settings_t *settings) {
    cube_link_t *self = must(calloc(1, sizeof *self));
    size_t size = strlen(settings->cube_url);
    self->url = format_text("%s%s", settings->cube_url, settings->cube_url[size - 1] == '/' ? "" : "/");
    self->body = must(malloc(CUBE_ANSWER_MAX_BYTES));
    if (settings->cube_token) {
        set_token(self, settings->cube_token);
    } else {
        self->user = copy_text(settings->cube_user);
        self->password = copy_text(settings->cube_password);
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || !prepare_curl(self, settings))
        cube_link_destroy(&self);
    return self;
}

void cube_link_destroy(cube_link_t **self_p) {
    cube_link_t *self = *self_p;
    if (!self)
        return;
    curl_easy_cleanup(self->curl);
    curl_slist_free_all(self->headers);
    free(self->url);
    free(self->user);
    free(self->password);
    free(self->body);
    free(self);
    *self_p = NULL;
}

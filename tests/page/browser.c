#include "tests/page/browser.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_installed(const char *program) {
    char *paths = strdup(getenv("PATH") ? getenv("PATH") : ""), *rest = paths;
    bool found = false;
    for (const char *folder; !found && (folder = strsep(&rest, ":"));) {
        char *path = text_of("%s/%s", folder, program);
        struct stat s;
        found = stat(path, &s) == 0 && (s.st_mode & S_IXUSR);
        free(path);
    }
    free(paths);
    return found;
}

void browser_needed(void) {
    if (!is_installed("chromium") || !is_installed("chromedriver"))
        cr_skip_test("chromium and chromedriver are not installed: deploy/deps.sh browser");
}

/* --- commands -------------------------------------------------------------------------------------------- */

/* The value that the driver answers with, also of an error that it says. Takes `body`, NULL: none. */
static json_t *answer_to(const browser_t *browser, const char *method, const char *path, json_t *body) {
    char *text = body ? json_dumps(body, JSON_COMPACT) : strdup("");
    char *request = text_of("%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                            "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                            method, path, strlen(text), text);
    char *said = http_call(browser->port, request, PATIENCE_MS);
    const char *from = said ? strstr(said, "\r\n\r\n") : NULL;
    json_t *answer = from ? json_loads(from + 4, 0, NULL) : NULL;
    json_t *value = json_incref(json_object_get(answer, "value"));
    cr_assert_not_null(value, "%s %s: %s", method, path, said ? said : "no answer");
    json_decref(answer);
    json_decref(body);
    free(said);
    free(request);
    free(text);
    return value;
}

static const char *error_of(const json_t *value) {
    return json_string_value(json_object_get(value, "error"));
}

/* The value that the driver answers with. Takes `body`, NULL: none. */
static json_t *command(const browser_t *browser, const char *method, const char *path, json_t *body) {
    json_t *value = answer_to(browser, method, path, body);
    cr_assert_null(error_of(value), "%s %s: %s", method, path, json_dumps(value, JSON_COMPACT));
    return value;
}

static json_t *of_session(const browser_t *browser, const char *method, const char *path, json_t *body) {
    char *whole = text_of("/session/%s/%s", browser->session, path);
    json_t *value = command(browser, method, whole, body);
    free(whole);
    return value;
}

/* --- life ------------------------------------------------------------------------------------------------ */

static json_t *capabilities(const browser_t *browser, bool dark) {
    char *profile = text_of("--user-data-dir=%s/profile", browser->folder);
    /* Its sandbox needs rights that a container does not give; it sees nothing but our page. */
    json_t *arguments =
        json_pack("[s, s, s, s, s, s, s, s]", "--headless=new", "--no-sandbox", "--disable-dev-shm-usage",
                  "--disable-gpu", "--disable-lcd-text", "--window-size=1400,1500", profile,
                  dark ? "--blink-settings=preferredColorScheme=0" : "--blink-settings=preferredColorScheme=1");
    free(profile);
    return json_pack("{s:{s:{s:{s:o}, s:{s:s}}}}", "capabilities", "alwaysMatch", "goog:chromeOptions", "args",
                     arguments, "goog:loggingPrefs", "browser", "ALL");
}

void browser_open(browser_t *browser, bool dark) {
    *browser = (browser_t){.port = free_port(), .folder = temporary_folder("browser")};
    char *port = text_of("--port=%d", browser->port), *log = text_of("%s/log", browser->folder),
         *url = text_of("http://127.0.0.1:%d/", endpoint_port());
    browser->driver = process_start(log, (const char *const[]){"HOME", browser->folder, NULL},
                                    (const char *const[]){"chromedriver", port, NULL});
    cr_assert(await_port(browser->port, PATIENCE_MS));
    json_t *session = command(browser, "POST", "/session", capabilities(browser, dark));
    browser->session = strdup(json_string_value(json_object_get(session, "sessionId")));
    json_decref(session);
    json_decref(of_session(browser, "POST", "url", json_pack("{s:s}", "url", url)));
    free(port);
    free(log);
    free(url);
}

void browser_close(browser_t *browser) {
    char *path = text_of("/session/%s", browser->session);
    json_decref(command(browser, "DELETE", path, NULL));
    process_stop(browser->driver, SIGTERM, PATIENCE_MS);
    remove_folder(browser->folder);
    free(path);
    free(browser->session);
    free(browser->folder);
}

/* --- looking --------------------------------------------------------------------------------------------- */

char *browser_run(const browser_t *browser, const char *script) {
    json_t *value = of_session(browser, "POST", "execute/sync", json_pack("{s:s, s:[]}", "script", script, "args"));
    char *text = json_is_string(value) ? strdup(json_string_value(value)) : json_dumps(value, JSON_ENCODE_ANY);
    json_decref(value);
    return text;
}

typedef struct awaited {
    const browser_t *browser;
    char *script;
} awaited_t;

static bool holds(void *argument) {
    const awaited_t *awaited = argument;
    char *said = browser_run(awaited->browser, awaited->script);
    bool is_true = strcmp(said, "true") == 0;
    free(said);
    return is_true;
}

void browser_await(const browser_t *browser, const char *expression) {
    awaited_t awaited = {browser, text_of("return Boolean(%s)", expression)};
    if (!await(holds, &awaited, PATIENCE_MS)) {
        char *seen = browser_run(browser, "return document.body.innerText");
        cr_assert_fail("%s does not become true; the page says:\n%s", expression, seen);
    }
    free(awaited.script);
}

char *browser_content(const browser_t *browser) {
    return browser_run(browser, "return document.documentElement.outerHTML");
}

char *browser_complaints(const browser_t *browser) {
    json_t *value = of_session(browser, "POST", "se/log", json_pack("{s:s}", "type", "browser"));
    char *text = json_dumps(value, JSON_COMPACT);
    json_decref(value);
    return text;
}

typedef struct picture {
    const browser_t *browser;
    char *path;
    json_t *png; /* in base64 */
} picture_t;

/* The driver gives a picture up after 10 s, which a busy machine may need. */
static bool is_taken(void *argument) {
    picture_t *picture = argument;
    json_t *value = answer_to(picture->browser, "GET", picture->path, NULL);
    const char *error = error_of(value);
    if (error && strcmp(error, "timeout") == 0) {
        json_decref(value);
        return false;
    }
    cr_assert_null(error, "%s: %s", picture->path, json_dumps(value, JSON_COMPACT));
    picture->png = value;
    return true;
}

/* `what`: of the session. */
static void save(const browser_t *browser, const char *what, const char *name) {
    picture_t picture = {browser, text_of("/session/%s/%s", browser->session, what), NULL};
    cr_assert(await(is_taken, &picture, PATIENCE_MS), "%s", what);
    json_t *value = picture.png;
    size_t size = json_string_length(value);
    unsigned char *image = malloc(size);
    char *folder = text_of("%s/../page", binaries()), *path = text_of("%s/%s.png", folder, name);
    mkdir(folder, 0777);
    int bytes = EVP_DecodeBlock(image, (const unsigned char *)json_string_value(value), (int)size);
    FILE *file = fopen(path, "w");
    cr_assert(file && bytes > 0, "%s", path);
    cr_assert_eq(fwrite(image, 1, (size_t)bytes, file), (size_t)bytes);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(memcmp(image, "\x89PNG", 4), 0);
    free(path);
    free(folder);
    free(image);
    free(picture.path);
    json_decref(value);
}

void browser_screenshot(const browser_t *browser, const char *name) {
    save(browser, "screenshot", name);
}

void browser_picture(const browser_t *browser, const char *selector, const char *name) {
    json_t *found =
        of_session(browser, "POST", "element", json_pack("{s:s, s:s}", "using", "css selector", "value", selector));
    /* WebDriver's key for references to elements. */
    const char *element = json_string_value(json_object_get(found, "element-6066-11e4-a52e-4f735466cecf"));
    cr_assert_not_null(element, "%s", selector);
    char *path = text_of("element/%s/screenshot", element);
    save(browser, path, name);
    free(path);
    json_decref(found);
}

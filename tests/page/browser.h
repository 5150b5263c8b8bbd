/* Debian's Chromium, without a window, through its own WebDriver (W3C WebDriver, over HTTP on loopback). */
#ifndef TESTS_PAGE_BROWSER_H
#define TESTS_PAGE_BROWSER_H

#include "tests/http/endpoint.h"

typedef struct browser {
    pid_t driver;
    int port;
    char *session;
    char *folder; /* all that it writes */
} browser_t;

/* Skips the test, by name, where chromium or chromedriver is not installed. */
void browser_needed(void);

/* Opens the page of the receiver that was started last. */
void browser_open(browser_t *browser, bool dark);
void browser_close(browser_t *browser);

/* Runs the body of a function in the page and returns what that returns, as text; free it. */
char *browser_run(const browser_t *browser, const char *script);
/* Waits until the expression is true in the page; fails the test, with what the page says, where it does not become
 * so. */
void browser_await(const browser_t *browser, const char *expression);
/* Everything that the page holds, seen or not; free it. */
char *browser_content(const browser_t *browser);
/* Complaints in the page's console, such as of violations of its policy; "[]": none. Free it. */
char *browser_complaints(const browser_t *browser);
/* Saves the window as build/page/NAME.png. */
void browser_screenshot(const browser_t *browser, const char *name);
/* Saves the element that the CSS selector finds in the same way. */
void browser_picture(const browser_t *browser, const char *selector, const char *name);

#endif

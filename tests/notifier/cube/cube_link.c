/* Which settings go together. */
#include "notifier/cube/cube_link.h"

#include <criterion/criterion.h>

static void expect_missing(const char *user, const char *password, const char *token, bool missing) {
    settings_t settings = {.cube_url = (char *)"http://chris/",
                           .cube_user = (char *)user,
                           .cube_password = (char *)password,
                           .cube_token = (char *)token};
    cr_expect_eq(cube_link_missing(&settings) != NULL, missing, "%s %s %s", user, password, token);
}

Test(cube_link, needs_either_a_password_or_a_token) {
    expect_missing(NULL, NULL, NULL, true);
    expect_missing("me", NULL, NULL, true);
    expect_missing(NULL, "pass", NULL, true);
    expect_missing("me", "pass", NULL, false);
    expect_missing(NULL, NULL, "token", false);
    expect_missing("me", NULL, "token", true);
    expect_missing("me", "pass", "token", true);
}

#include "writer/storage/base.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>

#include "tests/support/patience.h"
#include "tests/writer/storage/storage.h"

static bases_t bases;

static void init(void) {
    storage_init();
    bases_init(&bases, root, "0", RUN);
}

static void fini(void) {
    bases_clear(&bases);
    storage_fini();
}
TestSuite(base, .init = init, .fini = fini, .timeout = PATIENCE_S);

static bool is_open(int descriptor) {
    return fcntl(descriptor, F_GETFD) >= 0;
}

Test(base, is_not_there_before_it_was_opened) {
    cr_expect_null(bases_borrow(&bases));
}

Test(base, is_opened_anew_without_waiting_for_those_that_use_the_old_one) {
    base_t *mine = NULL, *others;
    cr_assert_eq(bases_reopen(&bases, &mine), 0);
    others = bases_borrow(&bases);
    cr_assert_eq(others, mine);
    int old = others->temporary;
    bases_made_durable(&bases, mine, "A");
    cr_assert_eq(bases_reopen(&bases, &mine), 0);
    cr_expect_neq(mine, others);
    cr_expect_not(bases_is_now(&bases, others));
    cr_expect(bases_is_durable(&bases, others, "A"));
    cr_expect_not(bases_is_durable(&bases, mine, "A"), "nothing that was known of the old one need hold");
    cr_expect(is_open(old));
    bases_give_back(&bases, &others);
    cr_expect_null(others);
    cr_expect_not(is_open(old), "nobody uses it any more");
    bases_give_back(&bases, &mine);
}

Test(base, that_another_thread_has_opened_anew_is_not_opened_again) {
    base_t *first = NULL, *second;
    cr_assert_eq(bases_reopen(&bases, &first), 0);
    second = bases_borrow(&bases);
    cr_assert_eq(bases_reopen(&bases, &first), 0);
    cr_assert_eq(bases_reopen(&bases, &second), 0);
    cr_expect_eq(second, first);
    bases_give_back(&bases, &first);
    bases_give_back(&bases, &second);
}

Test(base, that_can_not_be_opened_is_none_until_it_can) {
    base_t *base = NULL;
    cr_assert_eq(bases_reopen(&bases, &base), 0);
    char aside[4096];
    snprintf(aside, sizeof aside, "%s.aside", root);
    cr_assert_eq(rename(root, aside), 0);
    cr_expect_eq(bases_reopen(&bases, &base), ENOENT);
    cr_expect_null(base);
    cr_expect_null(bases_borrow(&bases));
    cr_assert_eq(rename(aside, root), 0);
    cr_expect_eq(bases_reopen(&bases, &base), 0);
    cr_expect_not_null(base);
    bases_give_back(&bases, &base);
}

#include "common/host.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

/* In a UTS namespace of this test's own, which takes root. */
static void expect(const char *given, const char *read) {
    char name[HOST_NAME_MAX + 1];
    if (unshare(CLONE_NEWUTS) != 0)
        cr_skip_test("a host's name can't be set here");
    cr_assert_eq(sethostname(given, strlen(given)), 0);
    host_read_name(name);
    cr_expect_str_eq(name, read);
}

Test(host, is_called_what_the_kernel_says) {
    static const char longest[] = "a-name-of-64-bytes-the-most-that-linux-takes-for-a-host-01234567";
    cr_assert_eq(strlen(longest), HOST_NAME_MAX);
    expect("pod-7.example", "pod-7.example");
    expect(longest, longest);
}

Test(host, is_called_localhost_where_its_name_could_lead_out_of_a_folder) {
    expect("", "localhost");
    expect("..", "localhost");
    expect("a/b", "localhost");
}

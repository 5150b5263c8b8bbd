/* The ports of the tests' own servers. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/process.h"

enum { PORTS = 300 };

static void choose(int *ports) {
    for (int i = 0; i < PORTS; i++)
        ports[i] = free_port();
}

/* Nobody listens on any of them, as while a server is away. */
Test(ports, of_a_test_are_no_other_tests_as_long_as_it_lives, .timeout = PATIENCE_S) {
    int ours[PORTS], theirs[PORTS], ends[2];
    cr_assert_eq(pipe(ends), 0);
    pid_t other = fork();
    cr_assert_geq(other, 0);
    if (other == 0) {
        choose(theirs);
        _exit(write(ends[1], theirs, sizeof theirs) == sizeof theirs && pause() == 0);
    }
    cr_assert_eq(read(ends[0], theirs, sizeof theirs), (ssize_t)sizeof theirs);
    choose(ours);
    for (int i = 0; i < PORTS; i++)
        for (int j = 0; j < PORTS; j++)
            cr_assert_neq(ours[i], theirs[j]);
    kill(other, SIGKILL);
    cr_assert_eq(waitpid(other, NULL, 0), other);
}

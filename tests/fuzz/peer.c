/* A long run of hostile peers: peer mutated|bad-ends SESSIONS SEED. A session that the report names is replayed by
 * its number as SEED and 1 as SESSIONS; what the 15 before it did may matter, too. */
#include <stdlib.h>
#include <string.h>

#include "tests/support/hostile.h"

int main(int argc, char **argv) {
    if (argc != 4 || (strcmp(argv[1], "mutated") != 0 && strcmp(argv[1], "bad-ends") != 0)) {
        fprintf(stderr, "usage: peer mutated|bad-ends SESSIONS SEED\n");
        return 64;
    }
    hostile_t hostile = {
        .session = strcmp(argv[1], "mutated") == 0 ? session_mutated : session_badly_ended,
        .sessions = strtoull(argv[2], NULL, 10),
        .seed = strtoull(argv[3], NULL, 10),
    };
    printf("%s: %zu sessions from seed %llu on\n", argv[1], hostile.sessions, (unsigned long long)hostile.seed);
    fflush(stdout);
    return hostile_run(&hostile, stdout) ? 0 : 1;
}

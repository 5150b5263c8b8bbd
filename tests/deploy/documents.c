/* The commands that the documents tell are commands that there are. */
#include "tests/deploy/tree.h"

#define CHECK(what) "BIN=$BIN tests/deploy/documents.sh " what " $FOLDER"

static void check(const char *line) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    receiver_set_defaults(&receiver);
    tree_shell(&receiver, line);
    receiver_clear(&receiver);
}

Test(documents, name_targets_that_make_has, .timeout = PATIENCE_S) {
    check(CHECK("targets"));
}

Test(documents, name_options_that_the_commands_have, .timeout = PATIENCE_S) {
    check(CHECK("options"));
}

Test(documents, start_a_receiver_and_send_to_it_as_the_readme_says, .timeout = PATIENCE_S) {
    check(CHECK("start"));
}

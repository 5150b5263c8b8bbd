/* The service definitions for s6-rc, as s6-overlay has them; Debian 12 has no s6-rc that could compile them. */
#include <stdlib.h>

#include "tests/deploy/tree.h"

static void check(const char *line) {
    receiver_t receiver;
    receiver_prepare(&receiver);
    char *here = text_of("cd deploy/s6/s6-rc.d; %s", line);
    tree_shell(&receiver, here);
    free(here);
    receiver_clear(&receiver);
}

Test(s6_rc, the_order_of_the_start_reversed_is_listener_writer_notifier) {
    check("test -e oxidicom-listener/dependencies.d/oxidicom-writer-0; "
          "test -e oxidicom-listener/dependencies.d/oxidicom-notifier; "
          "test -e oxidicom-writer-0/dependencies.d/oxidicom-notifier; "
          "[ -z \"$(ls -A oxidicom-notifier/dependencies.d 2>/dev/null)\" ]");
}

Test(s6_rc, each_stage_is_a_longrun_that_says_when_it_is_ready_and_has_a_log) {
    check("[ $(ls -d oxidicom-* | wc -l) -eq 6 ]; for s in listener writer-0 notifier; do d=oxidicom-$s; "
          "[ \"$(cat $d/type $d-log/type)\" = $'longrun\\nlongrun' ]; [ \"$(cat $d/notification-fd)\" = 3 ]; "
          "grep -qx 'export OXIDICOM_READY_FD 3' $d/run; grep -qx \"oxidicom-${s%-0}\" $d/run; "
          "[ \"$(cat $d/producer-for)\" = $d-log ]; [ \"$(cat $d-log/consumer-for)\" = $d ]; "
          "test -e user/contents.d/$(cat $d-log/pipeline-name); "
          "test -x $d/run; test -x $d-log/run; sh $d/finish 0 0; "
          "status=0; sh $d/finish 78 0 || status=$?; [ $status -eq 125 ]; done");
}

/* Fewer replicas, as an autoscaler makes them: with journals below the files root, as the chart and the overlay
 * have them where replicas go for good. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/environments/container.h"

#define SERIES "1.2.826.0.1.3680043.9.9999.8.7"

/* The broker is away for the removed replica, so that nothing but its journal knows of the series. */
Test(scaling, a_replica_that_goes_leaves_its_series_to_one_that_stays, .timeout = PATIENCE_S) {
    container_t stays, goes;
    container_prepare(&stays);
    container_prepare(&goes);
    free(goes.receiver.root);
    goes.receiver.root = text_of("%s", stays.receiver.root);
    queue_t *queue = queue_new(rabbitmq_port(), "scaling");
    char *nowhere = text_of("amqp://queue:%d", free_port());
    container_start(&stays, &CHART, "oxidicom-0", (const char *const[]){"OXIDICOM_QUEUE_NAME", "scaling", NULL},
                    NULL);
    container_start(&goes, &CHART, "oxidicom-1",
                    (const char *const[]){"OXIDICOM_AMQP_ADDRESS", nowhere, "OXIDICOM_QUEUE_NAME", "scaling", NULL},
                    NULL);
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    store_some(&scu, goes.receiver.port, "SCALING", SERIES, 1, 4);
    cr_assert(scu_release(&scu));
    cr_assert_eq(container_stop(&goes), 0);
    cr_expect(receiver_logged(&stays.receiver,
                              "the journal that host oxidicom-1 left behind is taken over: 1 series", PATIENCE_MS));
    expect_registration(queue, SERIES, 4);
    expect_no_registration(queue);
    cr_assert_eq(container_stop(&stays), 0);
    queue_destroy(&queue);
    container_clear(&goes);
    container_clear(&stays);
    free(nowhere);
}

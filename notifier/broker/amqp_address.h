/* Addresses of AMQP brokers as kombu and rabbitmq-c have them:
 *   amqp[s]://[user[:password]@][host][:port][/virtual host]
 * Options behind a `?` are ignored. No host is this machine, but not behind a user or password: there it was
 * forgotten. */
#ifndef NOTIFIER_BROKER_AMQP_ADDRESS_H
#define NOTIFIER_BROKER_AMQP_ADDRESS_H

#include <stdbool.h>

#include "notifier/broker/rabbitmq_c.h"

typedef struct amqp_address {
    char *text; /* owned; amqp_parse_url cuts it into the texts of `info` */
    struct amqp_connection_info info;
} amqp_address_t;

/* Returns false for another form. Clear it in any case. */
bool amqp_address_parse(amqp_address_t *address, const char *text) __attribute__((warn_unused_result));
void amqp_address_clear(amqp_address_t *address);

#endif

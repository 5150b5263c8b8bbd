/* The headers of a task as a field table (AMQP 0-9-1, 4.2.5.5). */
#ifndef NOTIFIER_BROKER_AMQP_TABLE_H
#define NOTIFIER_BROKER_AMQP_TABLE_H

#include <jansson.h>

#include "notifier/broker/rabbitmq_c.h"

/* The table lives as long as the pool and the JSON, an object of strings, integers, booleans, arrays of them and
 * nulls. */
amqp_table_t amqp_table_of(amqp_pool_t *pool, json_t *headers);

#endif

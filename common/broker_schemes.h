/* The kinds of brokers: one more is a row here, and a transport of that name (notifier/broker/transport.h). They
 * are in common/ since the settings, which all stages share, know what an address begins with. */
#ifndef COMMON_BROKER_SCHEMES_H
#define COMMON_BROKER_SCHEMES_H

#include <stdbool.h>

/* The form of an address, its transport, the broker's name on the page, messaging.system of spans (OpenTelemetry's
 * conventions), and whether a folder follows ://, which the sandbox must open. */
#define BROKER_SCHEMES(ROW)                                                                                        \
    ROW("amqp://user:password@host:port/vhost", AMQP, "RabbitMQ", "rabbitmq", false)                               \
    ROW("amqps://user:password@host:port/vhost", AMQP, "RabbitMQ, TLS", "rabbitmq", false)                         \
    ROW("redis://user:password@host:port/database", REDIS, "Redis", "redis", false)                                \
    ROW("rediss://user:password@host:port/database", REDIS, "Redis, TLS", "redis", false)                          \
    ROW("unix://user:password@/socket?db=database", REDIS, "Redis", "redis", false)                                \
    ROW("redis+socket://user:password@/socket?virtual_host=database", REDIS, "Redis", "redis", false)              \
    ROW("filesystem:///folder", FILESYSTEM, "a folder", "filesystem", true)

typedef struct broker_scheme {
    const char *form, *name, *system;
    bool is_folder;
} broker_scheme_t;

extern const broker_scheme_t BROKERS[];

/* The number of the row of an address; -1: none. */
int broker_scheme_of(const char *address);
/* The part after ://. */
const char *broker_scheme_rest(const char *address);

#endif

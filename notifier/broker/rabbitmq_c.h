/* rabbitmq-c: its headers have a folder of their own since 0.12; Debian 12 has 0.11. */
#ifndef NOTIFIER_BROKER_RABBITMQ_C_H
#define NOTIFIER_BROKER_RABBITMQ_C_H

#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/framing.h>
#include <rabbitmq-c/ssl_socket.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#endif

#endif

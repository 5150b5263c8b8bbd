#include "tests/support/servers.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect_port(const char *what, int port) {
    if (await_port(port, PATIENCE_MS))
        return;
    fprintf(stderr, "%s does not listen on port %d\n", what, port);
    abort();
}

void nats_server_start_with(nats_server_t *server, int port, const char *const *options) {
    server->port = port ? port : free_port();
    char *text = text_of("%d", server->port);
    const char *argv[32] = {"nats-server", "-a", "127.0.0.1", "-p", text};
    for (size_t count = 5; options && *options; options++)
        argv[count++] = *options;
    server->pid = process_start(NULL, NULL, argv);
    free(text);
    expect_port("nats-server", server->port);
}

void nats_server_start(nats_server_t *server, int port) {
    nats_server_start_with(server, port, NULL);
}

void nats_server_stop(nats_server_t *server) {
    process_stop(server->pid, SIGTERM, PATIENCE_MS);
    server->pid = 0;
}

static void write_file(const char *folder, const char *name, const char *text) {
    char *path = text_of("%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
    free(path);
}

static void rabbitmq_prepare(rabbitmq_t *r) {
    r->folder = temporary_folder("rabbitmq");
    r->port = free_port();
    r->distribution_port = free_port();
    r->epmd_port = free_port();
    write_file(r->folder, "plugins", "[].");
    if (!r->certificates)
        return;
    r->tls_port = free_port();
    char *config = text_of("listeners.ssl.1 = 127.0.0.1:%d\n"
                           "listeners.ssl.2 = 127.0.0.2:%d\n"
                           "ssl_options.cacertfile = %s/ca.crt\n"
                           "ssl_options.certfile = %s/server.crt\n"
                           "ssl_options.keyfile = %s/server.key\n"
                           "ssl_options.verify = verify_peer\n"
                           "ssl_options.fail_if_no_peer_cert = true\n",
                           r->tls_port, r->tls_port, r->certificates, r->certificates, r->certificates);
    write_file(r->folder, "rabbitmq.conf", config);
    free(config);
}

void rabbitmq_start(rabbitmq_t *r) {
    if (!r->folder)
        rabbitmq_prepare(r);
    char *port = text_of("%d", r->port), *distribution = text_of("%d", r->distribution_port),
         *epmd = text_of("%d", r->epmd_port);
    char *mnesia = text_of("%s/mnesia", r->folder), *plugins = text_of("%s/plugins", r->folder);
    char *pid_file = text_of("%s/pid", r->folder), *log = text_of("%s/output", r->folder);
    char *config = text_of("%s/rabbitmq", r->folder);
    /* Started here, since Erlang's own does not end with the node. */
    r->epmd =
        process_start(NULL, NULL, (const char *const[]){"epmd", "-port", epmd, "-address", "127.0.0.1", NULL});
    expect_port("epmd", r->epmd_port);
    const char *const environment[] = {
        "RABBITMQ_NODENAME", "oxidicom@localhost", "RABBITMQ_NODE_PORT", port, "RABBITMQ_NODE_IP_ADDRESS",
        "127.0.0.1", "RABBITMQ_DIST_PORT", distribution, "RABBITMQ_MNESIA_BASE", mnesia, "RABBITMQ_LOG_BASE",
        r->folder, "RABBITMQ_CONFIG_FILE", config, "RABBITMQ_ENABLED_PLUGINS_FILE", plugins, "RABBITMQ_PID_FILE",
        pid_file, "HOME", r->folder, "ERL_EPMD_PORT", epmd, "ERL_EPMD_ADDRESS", "127.0.0.1",
        /* Erlang replaces the script, instead of outliving it when it is killed. */
        "RUNNING_UNDER_SYSTEMD", "true", NULL};
    r->pid = process_start(log, environment, (const char *const[]){"/usr/lib/rabbitmq/bin/rabbitmq-server", NULL});
    expect_port("rabbitmq-server", r->port);
    free(port);
    free(distribution);
    free(epmd);
    free(mnesia);
    free(plugins);
    free(pid_file);
    free(log);
    free(config);
}

void rabbitmq_pause(rabbitmq_t *r) {
    if (r->pid <= 0) /* paused already; the group of process 0 would be our own */
        return;
    process_stop(r->pid, SIGTERM, PATIENCE_MS);
    kill(-r->pid, SIGKILL); /* its helper programs */
    process_stop(r->epmd, SIGTERM, PATIENCE_MS);
    r->pid = r->epmd = 0;
}

/* Runs rabbitmqctl with a command and its arguments. */
static void control(rabbitmq_t *r, const char *command, const char *first, const char *second) {
    char *epmd = text_of("%d", r->epmd_port), *log = text_of("%s/output", r->folder);
    const char *const environment[] = {"HOME", r->folder, "ERL_EPMD_PORT", epmd, NULL};
    const char *const argv[] = {
        "/usr/lib/rabbitmq/bin/rabbitmqctl", "-n", "oxidicom@localhost", command, first, second, NULL};
    if (process_run(log, environment, argv, PATIENCE_MS) != 0) {
        fprintf(stderr, "rabbitmqctl %s failed, see %s\n", command, log);
        abort();
    }
    free(epmd);
    free(log);
}

void rabbitmq_alarm(rabbitmq_t *r, bool raised) {
    control(r, "set_vm_memory_high_watermark", raised ? "0" : "0.9", NULL);
}

void rabbitmq_close_connections(rabbitmq_t *r) {
    control(r, "close_all_connections", "closed for a test", NULL);
}

void rabbitmq_stop(rabbitmq_t *r) {
    rabbitmq_pause(r);
    remove_folder(r->folder);
    free(r->folder);
    *r = (rabbitmq_t){0};
}

static void redis_prepare(redis_server_t *r) {
    r->folder = temporary_folder("redis");
    r->socket = text_of("%s/redis.sock", r->folder);
    r->port = free_port();
}

void redis_start(redis_server_t *r, const char *const *options) {
    if (!r->folder)
        redis_prepare(r);
    char *port = text_of("%d", r->port), *log = text_of("%s/output", r->folder);
    const char *argv[64] = {"redis-server", "--port",        port,      "--bind", "127.0.0.1", "--dir",
                            r->folder,      "--unixsocket",  r->socket, "--save", "",          "--appendonly",
                            "yes",          "--appendfsync", "always"};
    for (size_t count = 15; options && *options; options++)
        argv[count++] = *options;
    r->pid = process_start(log, NULL, argv);
    expect_port("redis-server", r->port);
    free(port);
    free(log);
}

void redis_pause(redis_server_t *r, int signal_number) {
    if (r->pid > 0)
        process_stop(r->pid, signal_number, PATIENCE_MS);
    r->pid = 0;
}

void redis_stop(redis_server_t *r) {
    redis_pause(r, SIGTERM);
    remove_folder(r->folder);
    free(r->folder);
    free(r->socket);
    *r = (redis_server_t){0};
}

pid_t celery_worker_start(const char *broker, const char *queue, const char *files_root, const char *record,
                          const char *log) {
    const char *const environment[] = {"CUBE_BROKER", broker, "CUBE_FILES_ROOT",         files_root,
                                       "CUBE_RECORD", record, "PYTHONDONTWRITEBYTECODE", "1",
                                       NULL};
    return process_start(log, environment,
                         (const char *const[]){"/usr/bin/python3", "-m", "celery", "--workdir", "tests/support",
                                               "-A", "cube", "worker", "-P", "solo", "-Q", queue, "-l", "info",
                                               "--without-gossip", "--without-mingle", "--without-heartbeat",
                                               NULL});
}

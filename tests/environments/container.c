#include "tests/environments/container.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN      "deploy/image/run.sh"
#define PROGRAMS "/opt/oxidicom"

/* The public chart's and compose file's, with their optional ones, too. Ports are the test's own. */
const environment_t CHART = {.user = "100650:0",
                             .amqp = "amqp://guest:guest@queue",
                             .nats = "nats",
                             .variables = (const char *const[]){"OXIDICOM_FILES_ROOT",
                                                                "/data",
                                                                "OXIDICOM_SCP_AET",
                                                                "ChRIS",
                                                                "OXIDICOM_LISTENER_THREADS",
                                                                "8",
                                                                "TOKIO_WORKER_THREADS",
                                                                "4",
                                                                "RUST_LOG",
                                                                "oxidicom=warn",
                                                                "OXIDICOM_SCP_STRICT",
                                                                "true",
                                                                "OXIDICOM_SCP_MAX_PDU_LENGTH",
                                                                "16384",
                                                                "OXIDICOM_SCP_UNCOMPRESSED_ONLY",
                                                                "true",
                                                                "OXIDICOM_SCP_PROMISCUOUS",
                                                                "true",
                                                                "OTEL_RESOURCE_ATTRIBUTES",
                                                                "service.name=oxidicom",
                                                                "OTEL_EXPORTER_OTLP_ENDPOINT",
                                                                "http://127.0.0.1:1",
                                                                NULL}};

const environment_t MINICHRIS = {
    .user = "1001:0",
    .amqp = "amqp://queue",
    .nats = "nats",
    .variables = (const char *const[]){"OXIDICOM_FILES_ROOT", "/data", "OXIDICOM_SCP_AET", "ChRIS",
                                       "OXIDICOM_SCP_PROMISCUOUS", "true", "OXIDICOM_LISTENER_THREADS", "32",
                                       "RUST_LOG", "oxidicom=info", "OXIDICOM_PROGRESS_INTERVAL", "100ms",
                                       "OXIDICOM_DEV_SLEEP", "150ms", NULL}};

void container_prepare(container_t *container) {
    if (geteuid() != 0)
        cr_skip_test("only root can make a container");
    if (process_run(NULL, NULL, (const char *const[]){RUN, "/", "true", NULL}, PATIENCE_MS) != 0)
        cr_skip_test("no container can be made here: namespaces or overlayfs are missing");
    *container = (container_t){0};
    receiver_prepare(&container->receiver);
    container->hosts = text_of("%s/hosts", container->receiver.folder);
    FILE *file = fopen(container->hosts, "w");
    cr_assert(file && fputs("127.0.0.1 localhost queue nats\n", file) > 0 && fclose(file) == 0);
    cr_assert_eq(chmod(container->hosts, 0644), 0);
    cr_assert_eq(chmod(container->receiver.root, 0775), 0); /* group 0, as a cluster or an image has its volumes */
}

/* What the test's own environment has and a container's has not. */
static size_t forget(const char **variables, size_t count) {
    static const char *const names[] = {
        "OXIDICOM_RUN_DIR", "OXIDICOM_STATE_DIR", "TMPDIR",        "XDG_RUNTIME_DIR",
        "ASAN_OPTIONS",     "LSAN_OPTIONS",       "UBSAN_OPTIONS", "HOME"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        variables[count++] = names[i];
        variables[count++] = UNSET;
    }
    return count;
}

void container_start(container_t *container, const environment_t *environment, const char *hostname,
                     const char *const *more, const cgroup_t *cgroup) {
    const receiver_t *receiver = &container->receiver;
    char *amqp = text_of("%s:%d", environment->amqp, rabbitmq_port()),
         *nats = text_of("%s:%d", environment->nats, nats_port()), *data = text_of("%s:/data", receiver->root),
         *programs = text_of("%s:" PROGRAMS ":ro", binaries()),
         *hosts = text_of("%s:/etc/hosts:ro", container->hosts);
    const char *variables[64] = {"OXIDICOM_AMQP_ADDRESS", amqp, "OXIDICOM_NATS_ADDRESS", nats};
    size_t count = forget(variables, 4);
    for (const char *const *at = environment->variables; *at; at++)
        variables[count++] = *at;
    for (const char *const *at = more; at && *at; at++)
        variables[count++] = *at;
    receiver_launch_as(&container->receiver, variables,
                       (const char *const[]){"sh", "-c", CGROUP_ENTER, "sh", cgroup ? cgroup->folders : "", RUN,
                                             "--user", environment->user, "--hostname", hostname, "--volume", data,
                                             "--volume", programs, "--volume", hosts, "/", PROGRAMS "/oxidicom",
                                             NULL});
    if (!await_port(receiver->port, PATIENCE_MS)) {
        size_t size;
        cr_assert_fail("it does not start:\n%s", file_content(receiver->log, &size));
    }
    free(amqp);
    free(nats);
    free(data);
    free(programs);
    free(hosts);
}

static pid_t child_of(pid_t pid) {
    int child = 0;
    char *path = text_of("/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *file = fopen(path, "r");
    cr_assert(file && fscanf(file, "%d", &child) == 1, "the container has no process");
    fclose(file);
    free(path);
    return child;
}

pid_t container_launcher(const container_t *container) {
    return child_of(child_of(container->receiver.launcher)); /* of run.sh, of unshare */
}

int container_tool(const container_t *container, const environment_t *environment, const char *command,
                   const char *option) {
    char user[32], *group, *target = text_of("--target=%d", container_launcher(container)), *reuid, *regid;
    snprintf(user, sizeof user, "%s", environment->user);
    group = strchr(user, ':');
    *group++ = 0;
    reuid = text_of("--reuid=%s", user);
    regid = text_of("--regid=%s", group);
    const char *variables[32] = {"OXIDICOM_FILES_ROOT", "/data"};
    variables[forget(variables, 2)] = NULL;
    int status = process_run(container->receiver.log, variables,
                             (const char *const[]){"nsenter", target, "--mount", "--pid", "--uts", "--ipc",
                                                   "--root", "--wd=/", "setpriv", reuid, regid, "--clear-groups",
                                                   PROGRAMS "/oxidicom", command, option, "--timeout", "2m", NULL},
                             PATIENCE_MS);
    free(target);
    free(reuid);
    free(regid);
    return status;
}

int container_stop(container_t *container) {
    int status;
    kill(container->receiver.launcher, SIGTERM);
    cr_assert(process_wait(container->receiver.launcher, PATIENCE_MS, &status), "it does not end");
    container->receiver.launcher = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void container_kill(container_t *container) {
    int status;
    kill(container_launcher(container), SIGKILL); /* and with it all of its process namespace (pid_namespaces(7)) */
    cr_assert(process_wait(container->receiver.launcher, PATIENCE_MS, &status));
    container->receiver.launcher = 0;
}

void container_clear(container_t *container) {
    if (container->receiver.launcher)
        container_kill(container);
    receiver_clear(&container->receiver);
    free(container->hosts);
}

/* A container for each stage, as in deploy/kubernetes/overlays/sidecars and the chart's form `sidecars`: each with
 * its needs and nothing else, over one folder of sockets. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/environments/container.h"

#define SERIES   "1.2.826.0.1.3680043.9.9999.8.2"
#define RUN      "deploy/image/run.sh"
#define PROGRAMS "/opt/oxidicom"

/* Of the pod: containers share its host name, and the folder of sockets. */
typedef struct pod {
    container_t container; /* its folder, port and log */
    char *programs, *run, *files, *state, *hosts, *amqp, *port;
} pod_t;

/* Volumes and variables that one container is given on top of what each has. */
typedef struct given {
    bool files, state;
    const char *names_and_values[6];
} given_t;

static void pod_prepare(pod_t *pod) {
    container_prepare(&pod->container);
    const receiver_t *receiver = &pod->container.receiver;
    pod->programs = text_of("%s:" PROGRAMS ":ro", binaries());
    pod->run = text_of("%s/run:/run/oxidicom", receiver->folder);
    pod->files = text_of("%s:/data", receiver->root);
    pod->state = text_of("%s/state:/state", receiver->folder);
    pod->hosts = text_of("%s:/etc/hosts:ro", pod->container.hosts);
    pod->amqp = text_of("amqp://guest:guest@queue:%d", rabbitmq_port());
    pod->port = text_of("%d", receiver->port);
    char *folders[] = {text_of("%s/run", receiver->folder), text_of("%s/state", receiver->folder)};
    for (size_t i = 0; i < 2; i++) {
        mkdir(folders[i], 0775);
        cr_assert_eq(chmod(folders[i], 0775), 0); /* of group 0, as a cluster makes them by fsGroup */
        free(folders[i]);
    }
}

static void pod_clear(pod_t *pod) {
    char *texts[] = {pod->programs, pod->run, pod->files, pod->state, pod->hosts, pod->amqp, pod->port};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    container_clear(&pod->container);
}

/* Starts a command with its arguments, at most three, in a container of its own. */
static pid_t pod_start(const pod_t *pod, const given_t *given, const char *const *command) {
    const char *argv[32] = {RUN,           "--user",   "100650:0", "--hostname", "oxidicom-0", "--volume",
                            pod->programs, "--volume", pod->run,   "--volume",   pod->hosts};
    size_t count = 11;
    if (given->files) {
        argv[count++] = "--volume";
        argv[count++] = pod->files;
    }
    if (given->state) {
        argv[count++] = "--volume";
        argv[count++] = pod->state;
    }
    argv[count++] = "/";
    while (*command)
        argv[count++] = *command++;
    const char *variables[48] = {"OXIDICOM_FILES_ROOT",
                                 "/data",
                                 "OXIDICOM_RUN_DIR",
                                 "/run/oxidicom",
                                 "OXIDICOM_STATE_DIR",
                                 UNSET,
                                 "TMPDIR",
                                 UNSET,
                                 "XDG_RUNTIME_DIR",
                                 UNSET,
                                 "HOME",
                                 UNSET};
    size_t at = 12;
    for (const char *const *text = given->names_and_values; text < given->names_and_values + 6 && *text; text++)
        variables[at++] = *text;
    return process_start(pod->container.receiver.log, variables, argv);
}

static bool probe_answers(void *argument) {
    const char *const probe[] = {PROGRAMS "/oxidicom", "status", "--stages", NULL};
    pid_t pid = pod_start(argument, &(given_t){.files = true, .state = true}, probe);
    int status;
    return process_wait(pid, PATIENCE_MS, &status) && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void expect_end(pid_t pid, const char *what) {
    int status;
    cr_expect(process_wait(pid, PATIENCE_MS, &status), "%s does not end", what);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s ends with wait status %d", what, status);
}

Test(sidecars, with_what_each_needs_receive_a_series_and_end_after_the_listener, .timeout = PATIENCE_S) {
    pod_t pod;
    pod_prepare(&pod);
    queue_t *queue = queue_new(rabbitmq_port(), "sidecars");
    pid_t listener = pod_start(&pod, &(given_t){.names_and_values = {"OXIDICOM_LISTENER_PORT", pod.port}},
                               (const char *const[]){PROGRAMS "/oxidicom-listener", NULL}),
          writers[2],
          notifier =
              pod_start(&pod,
                        &(given_t){.files = true,
                                   .state = true,
                                   .names_and_values = {"OXIDICOM_AMQP_ADDRESS", pod.amqp, "OXIDICOM_STATE_DIR",
                                                        "/state", "OXIDICOM_QUEUE_NAME", "sidecars"}},
                        (const char *const[]){PROGRAMS "/oxidicom-notifier", NULL});
    for (int i = 0; i < 2; i++)
        writers[i] = pod_start(
            &pod, &(given_t){.files = true, .names_and_values = {"OXIDICOM_WRITER_ID", i == 0 ? "0" : "1"}},
            (const char *const[]){PROGRAMS "/oxidicom-writer", NULL});
    size_t size;
    cr_assert(await(probe_answers, &pod, PATIENCE_MS), "%s", file_content(pod.container.receiver.log, &size));
    scu_t scu = {.timeout_ms = PATIENCE_MS};
    store_some(&scu, pod.container.receiver.port, "SIDECARS", SERIES, 1, 10);
    bytes_t command = scu_store_command(MR_STORAGE, instance_of(SERIES, 11), 11);
    cr_assert(scu_p_data(&scu, 1, 3, command.at, command.size)); /* an idle association is not waited for */
    bytes_free(&command);

    /* The cluster ends all of them at once; their preStop keeps the others until the listener has ended. */
    pid_t stop =
        pod_start(&pod, &(given_t){0}, (const char *const[]){"flock", "/run/oxidicom/listener.lock", "true", NULL});
    int status;
    kill(listener, SIGTERM);
    cr_assert(receiver_logged(&pod.container.receiver, "listener: told to end", PATIENCE_MS));
    cr_expect_not(process_wait(stop, 500, &status), "the preStop does not wait for the open association");
    scu_close(&scu);
    expect_end(listener, "the listener");
    expect_end(stop, "the preStop");
    pid_t others[] = {writers[0], writers[1], notifier};
    for (size_t i = 0; i < 3; i++)
        kill(others[i], SIGTERM);
    for (size_t i = 0; i < 3; i++)
        expect_end(others[i], i < 2 ? "a writer" : "the notifier");
    expect_registration(queue, SERIES, 10);
    cr_expect_eq(receiver_files(&pod.container.receiver), 10);
    queue_destroy(&queue);
    pod_clear(&pod);
}

static bool livez_answers(void *port) {
    char *url = text_of("http://127.0.0.1:%d/livez", *(int *)port);
    int status =
        process_run(NULL, NULL, (const char *const[]){"curl", "-sf", "-o", "/dev/null", url, NULL}, PATIENCE_MS);
    free(url);
    return status == 0;
}

/* A native sidecar is started before the stages that `oxidicom status --stages` asks for. */
Test(sidecars, the_notifier_alone_passes_the_probe_of_its_start_and_not_that_of_the_ring, .timeout = PATIENCE_S) {
    pod_t pod;
    pod_prepare(&pod);
    int port = free_port();
    char *number = text_of("%d", port);
    pid_t notifier =
        pod_start(&pod,
                  &(given_t){.files = true,
                             .state = true,
                             .names_and_values = {"OXIDICOM_AMQP_ADDRESS", pod.amqp, "OXIDICOM_STATE_DIR", "/state",
                                                  "OXIDICOM_HTTP_PORT", number}},
                  (const char *const[]){PROGRAMS "/oxidicom-notifier", NULL});
    cr_expect(await(livez_answers, &port, PATIENCE_MS), "it would be killed before the others are started");
    cr_expect_not(probe_answers(&pod));
    kill(notifier, SIGTERM);
    expect_end(notifier, "the notifier");
    free(number);
    pod_clear(&pod);
}

/* The least that the form of the ring costs: three processes that pass objects and events on over ZeroMQ PUSH/PULL
 * on Unix sockets. The first receives from TCP straight into chunks, the second writes them to a file, forces it to
 * the disk, renames it, forces its folder and tells the first, which answers the peer: two hops. The third hears of
 * many files at once and nobody waits for it. There is no DICOM, no custody, no journal and no loop.
 *
 *   bare_ring FOLDER ASSOCIATIONS OBJECTS BYTES
 *
 * Each association, a thread, sends OBJECTS of BYTES and waits for the answer to each. Prints one line of JSON as
 * the sender does, and the processor time of the three. */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "common/portability.h"
#include "common/stage.h"
#include "listener/custody/state.h"

#define ANSWER_BYTES     148
#define HEAD_BYTES       200 /* of a message of the ring, about */
#define STORED_AT_ONCE   64  /* files that the third process is told of by one message */
#define ASSOCIATIONS_MAX 64

#define MUST(condition)                                                                                            \
    do {                                                                                                           \
        if (!(condition)) {                                                                                        \
            perror(#condition);                                                                                    \
            _exit(EXIT_FAILURE);                                                                                   \
        }                                                                                                          \
    } while (0)

static struct {
    const char *folder;
    unsigned associations, objects;
    size_t bytes;
    int listening;
    uint16_t port;
} options;

typedef struct head {
    uint64_t object, offset;
    unsigned association;
    bool last;
    char rest[HEAD_BYTES];
} head_t;

/* --- the ring ------------------------------------------------------------------------------------------------ */

static char *path(const char *name) {
    char *made;
    MUST(asprintf(&made, "%s/%s", options.folder, name) > 0);
    return made;
}

static void *stage_socket(void *context, int type, const char *stage) {
    char *endpoint;
    int none = 0;
    void *socket = zmq_socket(context, type);
    MUST(asprintf(&endpoint, "ipc://%s/%s", options.folder, stage) > 0);
    MUST(zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none) == 0);
    MUST((type == ZMQ_PULL ? zmq_bind : zmq_connect)(socket, endpoint) == 0);
    free(endpoint);
    return socket;
}

static void complete(int file, int folder, const head_t *head) {
    char temporary[32], final[64], *from, *to;
    snprintf(temporary, sizeof temporary, "%u", head->association);
    snprintf(final, sizeof final, "files/%u-%llu", head->association, (unsigned long long)head->object);
    from = path(temporary);
    to = path(final);
    MUST(fsync(file) == 0 && close(file) == 0 && rename(from, to) == 0 && fsync(folder) == 0);
    free(from);
    free(to);
}

static void be_writer(void) {
    void *context = zmq_ctx_new(), *inbox = stage_socket(context, ZMQ_PULL, "writer");
    void *listener = stage_socket(context, ZMQ_PUSH, "listener");
    void *notifier = stage_socket(context, ZMQ_PUSH, "notifier");
    int files[ASSOCIATIONS_MAX];
    char *place = path("files");
    int folder = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(place);
    MUST(folder >= 0);
    static head_t stored[STORED_AT_ONCE];
    size_t stored_count = 0;
    for (head_t head;;) {
        zmq_msg_t data;
        zmq_msg_init(&data);
        MUST(zmq_recv(inbox, &head, sizeof head, 0) == sizeof head && zmq_msg_recv(&data, inbox, 0) >= 0);
        if (head.offset == 0) {
            char name[32];
            snprintf(name, sizeof name, "%u", head.association);
            char *temporary = path(name);
            files[head.association] = open(temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
            free(temporary);
        }
        size_t size = zmq_msg_size(&data);
        MUST(write(files[head.association], zmq_msg_data(&data), size) == (ssize_t)size);
        zmq_msg_close(&data);
        if (!head.last)
            continue;
        complete(files[head.association], folder, &head);
        MUST(zmq_send(listener, &head, sizeof head, 0) == sizeof head);
        stored[stored_count++] = head;
        if (stored_count == STORED_AT_ONCE) {
            MUST(zmq_send(notifier, stored, sizeof stored, 0) == sizeof stored);
            stored_count = 0;
        }
    }
}

static void be_notifier(void) {
    void *context = zmq_ctx_new(), *inbox = stage_socket(context, ZMQ_PULL, "notifier");
    static head_t stored[STORED_AT_ONCE];
    for (;;)
        MUST(zmq_recv(inbox, stored, sizeof stored, 0) == sizeof stored);
}

typedef struct association {
    int fd;
    uint64_t object;
    size_t received, size; /* of the object, of its last chunk */
    uint8_t *chunk;
} association_t;

static void free_chunk(void *bytes, void *hint) {
    (void)hint;
    free(bytes);
}

static void send_chunk(association_t *a, unsigned number, void *writer) {
    head_t head = {a->object, a->received - a->size, number, a->received == options.bytes, ""};
    zmq_msg_t data;
    MUST(zmq_msg_init_data(&data, a->chunk, a->size, free_chunk, NULL) == 0);
    MUST(zmq_send(writer, &head, sizeof head, ZMQ_SNDMORE) == sizeof head && zmq_msg_send(&data, writer, 0) >= 0);
    a->chunk = NULL;
    a->size = 0;
    if (head.last) {
        a->object++;
        a->received = 0;
    }
}

static void receive(association_t *a, unsigned number, void *writer) {
    size_t left = options.bytes - a->received, room = CHUNK_BYTES - a->size;
    if (!a->chunk)
        MUST((a->chunk = malloc(CHUNK_BYTES)) != NULL);
    ssize_t got = recv(a->fd, a->chunk + a->size, left < room ? left : room, 0);
    if (got <= 0)
        _exit(EXIT_SUCCESS); /* the peers have had all answers */
    a->received += (size_t)got;
    a->size += (size_t)got;
    if (a->size == CHUNK_BYTES || a->received == options.bytes)
        send_chunk(a, number, writer);
}

static void answer(const association_t *associations, void *inbox) {
    static const char response[ANSWER_BYTES];
    for (head_t head; zmq_recv(inbox, &head, sizeof head, ZMQ_DONTWAIT) == sizeof head;)
        MUST(send(associations[head.association].fd, response, sizeof response, MSG_NOSIGNAL) == sizeof response);
}

static void watch(int epoll, int fd, unsigned number) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    MUST(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

static void be_listener(void) {
    static association_t associations[ASSOCIATIONS_MAX];
    void *context = zmq_ctx_new(), *inbox = stage_socket(context, ZMQ_PULL, "listener");
    void *writer = stage_socket(context, ZMQ_PUSH, "writer");
    int epoll = epoll_create1(EPOLL_CLOEXEC), fd, on = 1;
    size_t size = sizeof fd;
    MUST(zmq_getsockopt(inbox, ZMQ_FD, &fd, &size) == 0);
    watch(epoll, fd, ASSOCIATIONS_MAX);
    for (unsigned i = 0; i < options.associations; i++) {
        MUST((associations[i].fd = accept4(options.listening, NULL, NULL, SOCK_CLOEXEC)) >= 0);
        (void)setsockopt(associations[i].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(epoll, associations[i].fd, i);
    }
    for (;;) {
        struct epoll_event events[ASSOCIATIONS_MAX + 1];
        int count = epoll_wait(epoll, events, ASSOCIATIONS_MAX + 1, -1);
        for (int i = 0; i < count; i++)
            if (events[i].data.u32 == ASSOCIATIONS_MAX)
                answer(associations, inbox);
            else
                receive(&associations[events[i].data.u32], events[i].data.u32, writer);
    }
}

/* --- the peers ----------------------------------------------------------------------------------------------- */

static void listen_on_loopback(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    options.listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(bind(options.listening, (struct sockaddr *)&address, size) == 0);
    MUST(listen(options.listening, ASSOCIATIONS_MAX) == 0);
    MUST(getsockname(options.listening, (struct sockaddr *)&address, &size) == 0);
    options.port = address.sin_port;
}

static void send_object(int fd, const uint8_t *object) {
    char response[ANSWER_BYTES];
    for (size_t at = 0; at < options.bytes;) {
        ssize_t sent = send(fd, object + at, options.bytes - at, MSG_NOSIGNAL);
        MUST(sent > 0);
        at += (size_t)sent;
    }
    MUST(recv(fd, response, sizeof response, MSG_WAITALL) == sizeof response);
}

/* One object goes round before the clock starts: then all are connected. */
static void *send_objects(void *argument) {
    pthread_barrier_t *connected = argument;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = options.port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint8_t *object = calloc(1, options.bytes);
    MUST(object && connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    send_object(fd, object);
    pthread_barrier_wait(connected);
    for (unsigned i = 0; i < options.objects; i++)
        send_object(fd, object);
    free(object);
    return NULL;
}

static double send_all(void) {
    pthread_t threads[ASSOCIATIONS_MAX];
    pthread_barrier_t connected;
    struct timespec begin, end;
    MUST(pthread_barrier_init(&connected, NULL, options.associations + 1) == 0);
    for (unsigned i = 0; i < options.associations; i++)
        MUST(pthread_create(&threads[i], NULL, send_objects, &connected) == 0);
    pthread_barrier_wait(&connected);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (unsigned i = 0; i < options.associations; i++)
        pthread_join(threads[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) * 1e-9;
}

static pid_t start(void (*be_stage)(void)) {
    pid_t process = fork();
    MUST(process >= 0);
    if (process == 0)
        be_stage();
    return process;
}

int main(int argc, char **argv) {
    if (argc != 5 || (options.associations = (unsigned)strtoul(argv[2], NULL, 10)) > ASSOCIATIONS_MAX)
        return EXIT_FAILURE;
    options.folder = argv[1];
    options.objects = (unsigned)strtoul(argv[3], NULL, 10);
    options.bytes = strtoul(argv[4], NULL, 10);
    heap_tune(HEAP_MAP_BYTES, HEAP_KEEP_BYTES, HEAP_STEP_BYTES);
    char *files = path("files");
    MUST(mkdir(files, 0755) == 0);
    free(files);
    listen_on_loopback();
    const pid_t stages[] = {start(be_notifier), start(be_writer), start(be_listener)};
    double seconds = send_all();
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        kill(stages[i], SIGKILL);
        waitpid(stages[i], NULL, 0);
    }
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
    unsigned all = options.associations * options.objects;
    printf("{\"objects\": %u, \"ok\": %u, \"bytes\": %zu, \"seconds\": %f, \"cpu_seconds\": %f}\n", all, all,
           all * options.bytes, seconds, cpu);
    return EXIT_SUCCESS;
}

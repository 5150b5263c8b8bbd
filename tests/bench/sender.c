/* Sends objects as fast as a receiver takes them: whole C-STORE requests are made before the clock starts, and only
 * their UIDs change from object to object. One thread per association.
 *
 *   sender PORT ASSOCIATIONS OBJECTS BYTES WINDOW PDU
 *
 * OBJECTS are sent per association, each with BYTES of pixels, at most WINDOW of them unanswered, in PDUs of at
 * most PDU bytes. Prints one line of JSON: objects, those answered 0000, bytes of data sets, seconds from the first
 * byte to the last response, and how long single objects took. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "tests/support/scu.h"

#define SERIES         "1.2.826.0.1.3680043.9.9999.8"
#define NUMBER_DIGITS  9
#define PLACEHOLDER    "000000000"
#define PIXELS_HEADER  12
#define PDU_OVERHEAD   12 /* headers of PDU and PDV */
#define FILLER_BYTES   (1024 * 1024)
#define PLACES_MAX     4
#define UNANSWERED_MAX 65536

typedef struct options {
    int port, associations, objects, window;
    size_t bytes, pdu;
} options_t;

/* One C-STORE request: `first`, then `filler` again and again, then `last`. */
typedef struct request {
    bytes_t first, filler, last;
    size_t fillers; /* how often the whole filler, without its parts in `first` and `last` */
    size_t places[PLACES_MAX], places_count;
    size_t data_set_bytes, message_id_at;
} request_t;

typedef struct sender {
    const options_t *options;
    int number, ok;
    double begin, end;
    double *took; /* seconds, one per object */
    bool failed;
    pthread_t thread;
} sender_t;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* --- requests -------------------------------------------------------------------------------------------- */

static void add_pdu(bytes_t *to, uint8_t control, const uint8_t *bytes, size_t size) {
    uint32_t pdu = htonl((uint32_t)size + 6), pdv = htonl((uint32_t)size + 2);
    bytes_add(to, (const uint8_t[]){4, 0}, 2);
    bytes_add(to, &pdu, 4);
    bytes_add(to, &pdv, 4);
    bytes_add(to, (const uint8_t[]){1, control}, 2);
    bytes_add(to, bytes, size);
}

static void find_places(request_t *request) {
    const uint8_t *begin = request->first.at, *at = begin;
    size_t left = request->first.size;
    while (request->places_count < PLACES_MAX && (at = memmem(at, left, PLACEHOLDER, NUMBER_DIGITS))) {
        request->places[request->places_count++] = (size_t)(at - begin);
        at += NUMBER_DIGITS;
        left = request->first.size - (size_t)(at - begin);
    }
}

/* Cuts the head and as many pixels as fill its last PDU, then filler, then the rest. */
static void cut(request_t *request, const bytes_t *head, size_t pixels, size_t pdu, const uint8_t *noise) {
    size_t part = (pdu - 6) & ~(size_t)1, left = head->size + pixels, lead = part - head->size;
    bytes_t begin = {0};
    bytes_add(&begin, head->at, head->size);
    bytes_add(&begin, noise, lead < pixels ? lead : pixels);
    left -= begin.size;
    add_pdu(&request->first, left == 0 ? 2 : 0, begin.at, begin.size);
    bytes_free(&begin);
    size_t per_filler = FILLER_BYTES / part ? FILLER_BYTES / part : 1;
    for (size_t i = 0; i < per_filler; i++)
        add_pdu(&request->filler, 0, noise, part);
    request->fillers = left ? (left - 1) / (per_filler * part) : 0;
    left -= request->fillers * per_filler * part;
    for (size_t size; left > 0; left -= size) {
        size = left < part ? left : part;
        add_pdu(&request->last, left == size ? 2 : 0, noise, size);
    }
}

static request_t request_new(const options_t *options, int number) {
    request_t request = {0};
    char series[48], instance[65];
    snprintf(series, sizeof series, "%s.%d", SERIES, number);
    snprintf(instance, sizeof instance, "%s.1%s", series, PLACEHOLDER);
    bytes_t command = scu_store_command(MR_STORAGE, instance, 1);
    add_pdu(&request.first, 3, command.at, command.size);
    bytes_t head = dataset_instance(EXPLICIT_LE, series, instance, 1, 0);
    uint32_t length = (uint32_t)options->bytes; /* the machine is little endian, like the data set */
    memcpy(head.at + head.size - 4, &length, 4);
    uint8_t *noise = malloc(FILLER_BYTES + options->pdu);
    if (!noise)
        abort();
    uint32_t state = 1;
    for (size_t i = 0; i < FILLER_BYTES + options->pdu; i++)
        noise[i] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
    cut(&request, &head, options->bytes, options->pdu, noise);
    find_places(&request);
    request.data_set_bytes = head.size + options->bytes;
    free(noise);
    bytes_free(&head);
    bytes_free(&command);
    return request;
}

static void request_free(request_t *request) {
    bytes_free(&request->first);
    bytes_free(&request->filler);
    bytes_free(&request->last);
}

static void name(request_t *request, int number) {
    char digits[16];
    snprintf(digits, sizeof digits, "%0*d", NUMBER_DIGITS, number % 1000000000);
    for (size_t i = 0; i < request->places_count; i++)
        memcpy(request->first.at + request->places[i], digits, NUMBER_DIGITS);
}

/* --- sending --------------------------------------------------------------------------------------------- */

static bool write_all(int fd, struct iovec *parts, int count) {
    while (count > 0) {
        ssize_t written = writev(fd, parts, count);
        if (written < 0)
            return false;
        size_t left = (size_t)written;
        for (; count > 0 && left >= parts->iov_len; parts++, count--)
            left -= parts->iov_len;
        if (count > 0) {
            parts->iov_base = (char *)parts->iov_base + left;
            parts->iov_len -= left;
        }
    }
    return true;
}

static bool send_request(int fd, const request_t *r) {
    if (r->fillers == 0)
        return write_all(fd, (struct iovec[]){{r->first.at, r->first.size}, {r->last.at, r->last.size}}, 2);
    bool sent = write_all(fd, &(struct iovec){r->first.at, r->first.size}, 1);
    for (size_t i = 0; sent && i < r->fillers; i++)
        sent = write_all(fd, &(struct iovec){r->filler.at, r->filler.size}, 1);
    return sent && write_all(fd, &(struct iovec){r->last.at, r->last.size}, 1);
}

static bool associate(scu_t *scu, const options_t *options, int number) {
    char calling[17];
    snprintf(calling, sizeof calling, "BENCH%d", number);
    const scu_context_t context = {1, MR_STORAGE, {EXPLICIT_LE}};
    scu_request_t rq = {.calling = calling, .called = "ChRIS", .contexts = &context, .contexts_count = 1};
    uint16_t window = htons((uint16_t)options->window);
    if (options->window > 1) {
        bytes_add(&rq.extra_user_items, (const uint8_t[]){0x53, 0, 0, 4}, 4);
        bytes_add(&rq.extra_user_items, &window, 2);
        bytes_add(&rq.extra_user_items, (const uint8_t[]){0, 1}, 2);
    }
    bool open = scu_associate(scu, options->port, &rq) && scu->answered[1].result == 0;
    bytes_free(&rq.extra_user_items);
    return open;
}

/* Reads the response to some object and notes how long that took; false where none came. */
static bool read_response(sender_t *sender, scu_t *scu, const double *begun) {
    int status = scu_status(scu);
    int64_t id = scu_response_number(scu, 0x0120);
    if (status < 0 || id < 0)
        return false;
    sender->ok += status == 0;
    int object = (int)id - 1;
    if (object >= 0 && object < sender->options->objects)
        sender->took[object] = now() - begun[object];
    return true;
}

static void set_message_id(request_t *request, int object) {
    uint16_t id = (uint16_t)(object + 1);
    memcpy(request->first.at + request->message_id_at, &id, sizeof id);
}

/* Where (0000,0110) has its value. */
static void find_message_id(request_t *request) {
    static const uint8_t element[] = {0, 0, 0x10, 1, 2, 0, 0, 0};
    uint8_t *at = memmem(request->first.at, request->first.size, element, sizeof element);
    if (!at)
        abort();
    request->message_id_at = (size_t)(at - request->first.at) + sizeof element;
}

static void *run(void *argument) {
    sender_t *sender = argument;
    const options_t *options = sender->options;
    request_t request = request_new(options, sender->number);
    find_message_id(&request);
    double *begun = calloc((size_t)options->objects, sizeof *begun);
    scu_t scu = {.timeout_ms = 120000};
    sender->failed = !begun || !associate(&scu, options, sender->number);
    sender->begin = now();
    int unanswered = 0;
    for (int i = 0; i < options->objects && !sender->failed; i++) {
        name(&request, i);
        set_message_id(&request, i);
        begun[i] = now();
        sender->failed = !send_request(scu.fd, &request);
        unanswered++;
        while (!sender->failed && (unanswered >= options->window || (i == options->objects - 1 && unanswered))) {
            sender->failed = !read_response(sender, &scu, begun);
            unanswered--;
        }
    }
    sender->end = now();
    sender->failed |= !scu_release(&scu);
    request_free(&request);
    free(begun);
    return NULL;
}

/* --- figures --------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_figures(const options_t *options, sender_t *senders, double *took, size_t count) {
    double begin = senders[0].begin, end = senders[0].end;
    int ok = 0;
    for (int i = 0; i < options->associations; i++) {
        begin = senders[i].begin < begin ? senders[i].begin : begin;
        end = senders[i].end > end ? senders[i].end : end;
        ok += senders[i].ok;
    }
    qsort(took, count, sizeof *took, compare);
    printf("{\"objects\": %zu, \"ok\": %d, \"bytes\": %.0f, \"seconds\": %.6f, \"end\": %.6f, \"p50_ms\": %.3f, "
           "\"p99_ms\": %.3f}\n",
           count, ok, (double)options->bytes * (double)count, end - begin, end, took[count / 2] * 1e3,
           took[count * 99 / 100] * 1e3);
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "sender PORT ASSOCIATIONS OBJECTS BYTES WINDOW PDU\n");
        return 64;
    }
    const options_t options = {.port = atoi(argv[1]),
                               .associations = atoi(argv[2]),
                               .objects = atoi(argv[3]),
                               .bytes = strtoul(argv[4], NULL, 10) & ~1UL,
                               .window = atoi(argv[5]),
                               .pdu = strtoul(argv[6], NULL, 10)};
    if (options.associations < 1 || options.objects < 1 || options.objects >= UNANSWERED_MAX ||
        options.window < 1 || options.pdu < 4096 || options.bytes > UINT32_MAX - 1) {
        fprintf(stderr, "sender: counts are 1 or more, OBJECTS is below %d, PDU 4096 or more\n", UNANSWERED_MAX);
        return 64;
    }
    size_t count = (size_t)options.associations * (size_t)options.objects;
    sender_t *senders = calloc((size_t)options.associations, sizeof *senders);
    double *took = calloc(count, sizeof *took);
    if (!senders || !took)
        abort();
    bool failed = false;
    for (int i = 0; i < options.associations; i++) {
        senders[i] =
            (sender_t){.options = &options, .number = i + 1, .took = took + (size_t)i * (size_t)options.objects};
        if (pthread_create(&senders[i].thread, NULL, run, &senders[i]) != 0)
            abort();
    }
    for (int i = 0; i < options.associations; i++) {
        pthread_join(senders[i].thread, NULL);
        failed |= senders[i].failed;
    }
    print_figures(&options, senders, took, count);
    free(senders);
    free(took);
    return failed;
}

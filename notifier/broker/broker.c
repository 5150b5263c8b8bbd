#include "notifier/broker/broker.h"

#include <sys/queue.h>

#include "common/backoff.h"
#include "common/broker_schemes.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/watch.h"
#include "notifier/broker/transport.h"

/* Reconnecting: first and longest pause, doubled in between, and the one after the broker has refused the user. */
#define RETRY_FIRST_MS   100
#define RETRY_LONGEST_MS 10000
#define REFUSED_RETRY_MS 30000
/* How long its end may take: a stall of its own storage or network would outlast any time. */
#define BROKER_END_MS 3000
/* A broker that stays away is mentioned again after this. */
#define ABSENT_INTERVAL_MS              60000

#define TRANSPORT(form, transport, ...) &TRANSPORT_##transport,
static const transport_t *const TRANSPORTS[] = {BROKER_SCHEMES(TRANSPORT)};

/* One address of the setting, tried in turn with the others. */
typedef struct destination {
    const transport_t *transport;
    void *connection;
} destination_t;

/* A registration that the broker has and has said nothing about. */
typedef struct sent {
    TAILQ_ENTRY(sent) next;
    registration_t *registration;
    uint64_t tag;
    int64_t deadline_ms;
} sent_t;

typedef struct broker {
    zsock_t *pipe; /* to the loop */
    const settings_t *settings;
    link_state_t *state;
    queue_state_t *queue; /* NULL: nobody wants to know */
    int64_t look_at_ms;
    celery_sender_t sender;
    destination_t *destinations;
    size_t destinations_count, current;
    bool connected, ended;
    bool blocked;            /* an alarm of the broker: confirms may take as long as it takes */
    bool complained_refused; /* that the broker does not let us in was said last */
    uint64_t last_tag;       /* of this connection */
    int64_t retry_at_ms, connected_ms, complained_ms;
    int64_t failures;                 /* to connect, in a row */
    TAILQ_HEAD(sent_list, sent) sent; /* oldest first */
} broker_t;

/* --- to and from the loop ------------------------------------------------------------------------------ */

static void say(zsock_t *pipe, broker_event_t event, registration_t *registration) {
    /* Pointers within one process: the pipe hands them over. At most REGISTRATIONS_IN_FLIGHT are on their way. */
    if (zsock_send(pipe, "ip", (int)event, registration) != 0)
        registration_destroy(&registration); /* the process ends; the journal has it */
}

static void give_back(broker_t *broker, registration_t *registration) {
    say(broker->pipe, BROKER_SETTLED, registration);
}

/* The registration, which is not waited for any more. */
static registration_t *take_sent(broker_t *broker, sent_t *sent) {
    registration_t *registration = sent->registration;
    TAILQ_REMOVE(&broker->sent, sent, next);
    free(sent);
    return registration;
}

/* --- the connection ------------------------------------------------------------------------------------ */

static destination_t *current(broker_t *broker) {
    destination_t *destination = &broker->destinations[broker->current];
    assert(destination->transport);
    return destination;
}

/* That a broker is not there passes; that it does not let us in is for people to put right. */
static void complain(broker_t *broker, const failure_t *failure) {
    int64_t now = clock_ms();
    if (broker->complained_ms && failure->refused == broker->complained_refused &&
        now - broker->complained_ms < ABSENT_INTERVAL_MS)
        return;
    if (failure->refused)
        log_error(NULL, "the broker does not let this user in (%s): registrations wait in the journal",
                  failure->text);
    else
        log_warn(NULL, "no connection to the broker (%s): registrations wait in the journal", failure->text);
    broker->complained_ms = now;
    broker->complained_refused = failure->refused;
}

static void retry_later(broker_t *broker, const failure_t *failure) {
    int64_t pause_ms = backoff_ms(RETRY_FIRST_MS, RETRY_LONGEST_MS, ++broker->failures);
    broker->retry_at_ms = clock_ms() + backoff_jittered(failure->refused ? REFUSED_RETRY_MS : pause_ms);
    complain(broker, failure);
    link_state_down(broker->state, failure->text);
}

static void disconnect(broker_t *broker, const failure_t *failure) {
    int64_t now = clock_ms();
    current(broker)->transport->disconnect(current(broker)->connection);
    broker->connected = broker->blocked = false;
    while (!TAILQ_EMPTY(&broker->sent)) {
        registration_t *registration = /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ */
            take_sent(broker, TAILQ_FIRST(&broker->sent));
        registration_fail(registration, OUTCOME_UNSENT, "%s", failure->text);
        give_back(broker, registration);
    }
    say(broker->pipe, BROKER_DISCONNECTED, NULL);
    /* A connection that held for a while is no sign of a broker that takes none. */
    if (now - broker->connected_ms >= RETRY_LONGEST_MS)
        broker->failures = broker->complained_ms = 0;
    retry_later(broker, failure);
}

/* One round over all addresses. */
static void try_to_connect(broker_t *broker) {
    failure_t failure = {0}, said = {0};
    for (size_t i = 0; i < broker->destinations_count; i++) {
        if (current(broker)->transport->connect(current(broker)->connection, &failure) == 0) {
            broker->connected = true;
            broker->connected_ms = clock_ms();
            broker->last_tag = 0;
            broker->look_at_ms = clock_ms();
            log_info(NULL, "connected to the broker");
            link_state_up(broker->state);
            say(broker->pipe, BROKER_CONNECTED, NULL);
            return;
        }
        /* An absent broker may be back soon, so its error counts more than another's refusal of the user. */
        if (i == 0 || !failure.refused)
            said = failure;
        failure = (failure_t){0};
        broker->current = (broker->current + 1) % broker->destinations_count;
    }
    retry_later(broker, &said);
}

/* --- registrations ------------------------------------------------------------------------------------- */

static void finish(broker_t *broker, sent_t *sent, registration_outcome_t outcome, const char *why) {
    registration_t *registration = take_sent(broker, sent);
    if (outcome != OUTCOME_CONFIRMED) {
        registration_fail(registration, outcome, "%s", why);
    } else if (registration->outcome != OUTCOME_REJECTED) { /* a returned message is confirmed, too */
        registration->outcome = OUTCOME_CONFIRMED;
        broker->failures = broker->complained_ms = 0;
    }
    give_back(broker, registration);
}

static void on_finished(void *self, uint64_t tag, bool multiple, registration_outcome_t outcome, const char *why) {
    broker_t *broker = self;
    for (sent_t *sent = TAILQ_FIRST(&broker->sent), *next; sent && sent->tag <= tag; sent = next) {
        next = TAILQ_NEXT(sent, next);
        if (multiple || sent->tag == tag)
            finish(broker, sent, outcome, why);
    }
}

static void on_returned(void *self, const char *task_id, const char *why) {
    broker_t *broker = self;
    sent_t *sent;
    TAILQ_FOREACH(sent, &broker->sent, next) {
        if (strcmp(sent->registration->task_id, task_id) == 0)
            registration_fail(sent->registration, OUTCOME_REJECTED, "%s", why);
    }
}

/* RabbitMQ's alarms (memory, disk) come and go; until then it reads nothing that we send. */
static void on_blocked(void *self, const char *why) {
    broker_t *broker = self;
    if (broker->blocked == (why != NULL))
        return;
    broker->blocked = why != NULL;
    if (why)
        log_warn(NULL, "the broker takes nothing for now (%s): registrations wait in the journal", why);
    else
        log_info(NULL, "the broker takes messages again");
    sent_t *sent;
    TAILQ_FOREACH(sent, &broker->sent, next) {
        sent->deadline_ms = clock_ms() + BROKER_CONFIRM_TIMEOUT_MS;
    }
    say(broker->pipe, why ? BROKER_BLOCKED : BROKER_UNBLOCKED, NULL);
}

static void on_looked(void *self, int64_t waiting, int64_t consumers) {
    queue_state_looked(((broker_t *)self)->queue, clock_ms(), waiting, consumers);
}

static void send_message(broker_t *broker, registration_t *registration) {
    failure_t failure = {0};
    celery_message_t message;
    sent_t *sent = must(calloc(1, sizeof *sent));
    *sent = (sent_t){.registration = registration,
                     .tag = ++broker->last_tag,
                     .deadline_ms = clock_ms() + BROKER_CONFIRM_TIMEOUT_MS};
    TAILQ_INSERT_TAIL(&broker->sent, sent, next);
    celery_message_init(&message, &broker->sender, registration);
    destination_t *destination = current(broker);
    int status = destination->transport->send(destination->connection, &message, broker->last_tag, &failure);
    celery_message_clear(&message);
    if (status != 0)
        disconnect(broker, &failure);
}

/* --- the thread ---------------------------------------------------------------------------------------- */

/* A registration to send; none: the end. */
static void on_pipe(broker_t *broker) {
    registration_t *registration = NULL;
    if (zsock_recv(broker->pipe, "p", &registration) != 0 || !registration) {
        broker->ended = true;
    } else if (!broker->connected) {
        registration_fail(registration, OUTCOME_UNSENT, "no connection to the broker");
        give_back(broker, registration);
    } else {
        registration_set_task_id(registration);
        send_message(broker, registration);
    }
}

static void service(broker_t *broker) {
    failure_t failure = {0};
    destination_t *destination = current(broker);
    if (destination->transport->service(destination->connection, &failure) != 0) {
        disconnect(broker, &failure);
        return;
    }
    sent_t *oldest = TAILQ_FIRST(&broker->sent);
    if (oldest && !broker->blocked && clock_ms() >= oldest->deadline_ms)
        disconnect(broker, &(failure_t){.text = "the broker did not confirm in time"});
}

/* A broker that takes nothing answers nothing, either. */
static void look(broker_t *broker) {
    failure_t failure = {0};
    destination_t *destination = current(broker);
    if (!broker->queue || broker->blocked || clock_ms() < broker->look_at_ms)
        return;
    broker->look_at_ms = clock_ms() + queue_look_interval_ms(broker->settings->cube_patience_ms);
    if (destination->transport->look(destination->connection, &failure) != 0)
        disconnect(broker, &failure);
}

static long wait_ms(const broker_t *broker) {
    int64_t look_ms = broker->queue ? broker->look_at_ms - clock_ms() : BROKER_SERVICE_MS;
    if (broker->connected)
        return look_ms >= BROKER_SERVICE_MS ? BROKER_SERVICE_MS : look_ms > 0 ? (long)look_ms : 0;
    int64_t left = broker->retry_at_ms - clock_ms();
    return left > 0 ? (long)left : 0;
}

static void run(broker_t *broker) {
    while (!broker->ended) {
        if (!broker->connected && clock_ms() >= broker->retry_at_ms)
            try_to_connect(broker);
        int descriptor =
            broker->connected ? current(broker)->transport->descriptor(current(broker)->connection) : -1;
        zmq_pollitem_t items[] = {{.socket = zsock_resolve(broker->pipe), .events = ZMQ_POLLIN},
                                  {.fd = descriptor, .events = ZMQ_POLLIN}};
        if (zmq_poll(items, descriptor >= 0 ? 2 : 1, wait_ms(broker)) < 0 && errno != EINTR)
            return;
        if (broker->connected)
            look(broker);
        if (broker->connected)
            service(broker);
        if (items[0].revents & ZMQ_POLLIN)
            on_pipe(broker);
    }
}

static void clear_destinations(destination_t **destinations_p, size_t *count) {
    for (size_t i = 0; i < *count; i++)
        (*destinations_p)[i].transport->destroy((*destinations_p)[i].connection);
    free(*destinations_p);
    *destinations_p = NULL;
    *count = 0;
}

/* One for each address of the setting, separated by `;` as kombu has it. Returns how many, at `*destinations_p`; 0
 * after logging where one is not of its scheme's form. */
static size_t make_destinations(destination_t **destinations_p, const settings_t *settings,
                                transport_results_t results) {
    char *addresses = copy_text(settings->broker_address), *rest = addresses;
    destination_t *destinations = must(calloc(strlen(addresses) + 1, sizeof *destinations));
    size_t count = 0;
    for (char *address; (address = strsep(&rest, ";"));) {
        int scheme = broker_scheme_of(address);
        assert(scheme >= 0); /* the settings have seen to it */
        void *connection = TRANSPORTS[scheme]->create(address, settings, results);
        if (!connection) {
            const char *form = BROKERS[scheme].form;
            log_error(NULL, "address %zu of OXIDICOM_AMQP_ADDRESS can't be read; allowed is the form %s%s",
                      count + 1, form, strstr(form, "host:port") ? ", with a host and a port from 1 to 65535" : "");
            clear_destinations(&destinations, &count);
            break;
        }
        destinations[count++] = (destination_t){TRANSPORTS[scheme], connection};
    }
    free(addresses);
    *destinations_p = destinations;
    return count;
}

bool broker_can_read_address(const settings_t *settings) {
    destination_t *destinations;
    size_t count = make_destinations(&destinations, settings, (transport_results_t){0});
    bool readable = count > 0;
    clear_destinations(&destinations, &count);
    return readable;
}

static void clear(broker_t *broker) {
    if (broker->connected)
        current(broker)->transport->disconnect(current(broker)->connection);
    clear_destinations(&broker->destinations, &broker->destinations_count);
    while (!TAILQ_EMPTY(&broker->sent))
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ */
        give_back(broker, take_sent(broker, TAILQ_FIRST(&broker->sent)));
    celery_sender_clear(&broker->sender);
}

typedef struct start {
    settings_t *settings;
    link_state_t *state;
    queue_state_t *queue;
} broker_start_t;

static void broker_thread(zsock_t *pipe, void *argument) {
    const broker_start_t *start = argument; /* read before the signal */
    broker_t broker = {.pipe = pipe, .settings = start->settings, .state = start->state, .queue = start->queue};
    TAILQ_INIT(&broker.sent);
    celery_sender_init(&broker.sender);
    transport_results_t results = {&broker, on_finished, on_returned, on_blocked, on_looked};
    broker.destinations_count = make_destinations(&broker.destinations, broker.settings, results);
    assert(broker.destinations_count > 0); /* broker_can_read_address has seen to it */
    zsock_signal(pipe, 0);
    run(&broker);
    clear(&broker);
    say(pipe, BROKER_ENDED, NULL);
}

/* --- for the loop -------------------------------------------------------------------------------------- */

zactor_t *broker_new(settings_t *settings, link_state_t *state, queue_state_t *queue) {
    broker_start_t start = {settings, state, queue};
    zactor_t *broker = zactor_new(broker_thread, &start);
    assert(broker);
    return broker;
}

bool broker_destroy(zactor_t **self_p) {
    if (!*self_p)
        return true;
    int64_t deadline_ms = clock_ms() + BROKER_END_MS;
    int event = zsock_send(*self_p, "p", NULL) == 0 ? BROKER_DISCONNECTED : BROKER_ENDED;
    registration_t *registration = NULL;
    while (event != BROKER_ENDED && watch_until(*self_p, deadline_ms) &&
           zsock_recv(*self_p, "ip", &event, &registration) == 0)
        registration_destroy(&registration); /* the journal has it */
    if (event != BROKER_ENDED) {
        log_warn(NULL, "the broker does not answer: the thread that waits for it is left to the kernel");
        return false;
    }
    zactor_destroy(self_p);
    return true;
}

void broker_send(zactor_t *broker, registration_t **registration_p) {
    if (zsock_send(broker, "p", *registration_p) != 0)
        registration_destroy(registration_p);
    *registration_p = NULL;
}

bool broker_receive(zactor_t *broker, broker_event_t *event, registration_t **registration) {
    int number;
    *registration = NULL;
    if (!(zsock_events(broker) & ZMQ_POLLIN) || zsock_recv(broker, "ip", &number, registration) != 0)
        return false;
    *event = (broker_event_t)number;
    return true;
}

#include "deploy/tool/ask.h"

#include <sys/stat.h>
#include <sysexits.h>

#include "common/clock.h"
#include "common/stage.h"
#include "deploy/tool/run_dir.h"

/* --- the inbox ----------------------------------------------------------------------------------------- */

/* Root asks a service of another user: that one must be able to answer. */
static void hand_over(const char *run_dir, const char *path) {
    struct stat s;
    if (geteuid() == 0 && stat(run_dir, &s) == 0 && s.st_uid != 0 && lchown(path, s.st_uid, s.st_gid) != 0)
        fprintf(stderr, "oxidicom: can't let the user of %s answer: %s\n", run_dir, strerror(errno));
}

static int bind_inbox(ask_t *ask) {
    snprintf(ask->inbox_name, sizeof ask->inbox_name, TOOL_INBOX_PREFIX "%d", (int)getpid());
    char *endpoint = stage_endpoint(ask->run_dir, ask->inbox_name);
    if (!endpoint)
        return EX_UNAVAILABLE;
    ask->inbox = zsock_new(ZMQ_PULL);
    mode_t old = umask(stage_inbox_umask(ask->run_dir));
    int bound = ask->inbox ? zsock_bind(ask->inbox, "%s", endpoint) : -1;
    umask(old);
    if (bound < 0)
        fprintf(stderr, "oxidicom: can't make an inbox in %s: %s\n", ask->run_dir, strerror(errno));
    else
        hand_over(ask->run_dir, endpoint + strlen("ipc://"));
    freen(endpoint);
    return bound < 0 ? EX_UNAVAILABLE : 0;
}

int ask_open(ask_t *ask, const char *run_dir, int64_t timeout_ms, int64_t begin_ms) {
    *ask = (ask_t){.timeout_ms = timeout_ms, .deadline_ms = begin_ms + timeout_ms};
    ask->run_dir = run_dir_find(run_dir, ask->deadline_ms);
    ring__reply_to__init(&ask->reply_to);
    if (!ask->run_dir)
        return EX_UNAVAILABLE;
    zsys_init();
    run_dir_sweep(ask->run_dir);
    return bind_inbox(ask);
}

void ask_close(ask_t *ask) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s.sock", ask->run_dir ? ask->run_dir : "", ask->inbox_name);
    if (ask->inbox)
        (void)unlink(path); /* ZeroMQ may have done so */
    zsock_destroy(&ask->inbox);
    zsys_shutdown();
    freen(ask->run_dir);
}

void ask_renew(ask_t *ask) {
    ask->deadline_ms = clock_ms() + ask->timeout_ms;
}

/* --- questions ----------------------------------------------------------------------------------------- */

Ring__ReplyTo *ask_reply_to(ask_t *ask) {
    ask->reply_to.inbox = ask->inbox_name;
    ask->reply_to.number++;
    return &ask->reply_to;
}

/* The answer in a message; NULL: it is none. */
static Ring__Answer *take_answer(zmsg_t *message) {
    zframe_t *head = zmsg_first(message);
    Ring__Envelope *envelope = head ? ring_unpack(zframe_data(head), zframe_size(head)) : NULL;
    Ring__Answer *answer = NULL;
    if (envelope && envelope->body_case == RING__ENVELOPE__BODY_ANSWER) {
        answer = envelope->answer;
        envelope->body_case = RING__ENVELOPE__BODY__NOT_SET;
        envelope->answer = NULL;
    }
    ring__envelope__free_unpacked(envelope, NULL);
    return answer;
}

/* Gives the answer to the question that has its number. Returns whether there is one. */
static bool hand_to(question_t *questions, size_t count, Ring__Answer *answer) {
    for (size_t i = 0; i < count; i++)
        if (questions[i].outbox && !questions[i].answer && questions[i].number == answer->number) {
            questions[i].answer = answer;
            questions[i].took_ms = clock_ms() - questions[i].asked_ms;
            return true;
        }
    return false;
}

/* Earlier questions may be answered yet; those answers are thrown away. */
static void await_answers(ask_t *ask, question_t *questions, size_t count, size_t missing) {
    zpoller_t *poller = zpoller_new(ask->inbox, NULL);
    int64_t left;
    while (missing > 0 && (left = ask->deadline_ms - clock_ms()) > 0 && zpoller_wait(poller, (int)left)) {
        zmsg_t *message = zmsg_recv(ask->inbox);
        Ring__Answer *answer = message ? take_answer(message) : NULL;
        if (answer && hand_to(questions, count, answer))
            missing--;
        else
            ring__answer__free_unpacked(answer, NULL);
        zmsg_destroy(&message);
    }
    zpoller_destroy(&poller);
}

/* Returns whether it was sent. */
static bool put(const ask_t *ask, question_t *question, const Ring__Envelope *envelope) {
    question->number = ask->reply_to.number;
    question->asked_ms = clock_ms();
    question->there = run_dir_reaches(ask->run_dir, question->stage);
    question->outbox = question->there ? ring_outbox_new(ask->run_dir, question->stage, 1) : NULL;
    if (!question->outbox)
        return false;
    zsock_set_linger(question->outbox, 0);
    return ring_send(question->outbox, envelope) == 0;
}

void ask_status(ask_t *ask, question_t *questions, size_t count) {
    size_t sent = 0;
    for (size_t i = 0; i < count; i++) {
        Ring__StatusQuery query = RING__STATUS_QUERY__INIT;
        query.reply_to = ask_reply_to(ask);
        sent += put(ask, &questions[i], &RING_ENVELOPE(STATUS_QUERY, status_query, &query));
    }
    await_answers(ask, questions, count, sent);
    for (size_t i = 0; i < count; i++)
        zsock_destroy(&questions[i].outbox);
}

Ring__Answer *ask_stage(ask_t *ask, const char *stage, const Ring__Envelope *envelope) {
    question_t question = {.stage = stage};
    await_answers(ask, &question, 1, put(ask, &question, envelope));
    zsock_destroy(&question.outbox);
    if (question.answer)
        ask_renew(ask);
    return question.answer;
}

Ring__Answer *ask_notifier(ask_t *ask, const Ring__Envelope *question) {
    Ring__Answer *answer = ask_stage(ask, "notifier", question);
    if (!answer)
        fprintf(stderr, "oxidicom: the notifier in %s %s\n", ask->run_dir,
                run_dir_reaches(ask->run_dir, "notifier") ? "does not answer" : "does not run");
    else if (*answer->error)
        fprintf(stderr, "oxidicom: the notifier says: %s\n", answer->error);
    else if (answer->series || answer->registrations || answer->audited)
        return answer;
    else
        fputs("oxidicom: the notifier answers something else; is it of another release?\n", stderr);
    ring__answer__free_unpacked(answer, NULL);
    return NULL;
}

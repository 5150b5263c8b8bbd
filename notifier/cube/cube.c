#include "notifier/cube/cube.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/log.h"
#include "common/memory.h"
#include "notifier/cube/cube_api.h"
#include "notifier/cube/cube_link.h"

/* Answers in the order of the questions: a ring from `first`, the oldest, with `answered` answered ones. */
struct cube {
    cube_link_t *link;
    link_state_t *state;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t asked;
    int answered_event; /* eventfd */
    /* under the lock */
    cube_answer_t items[CUBE_QUESTIONS_MAX];
    size_t first, count, answered;
    bool ended;
};

void cube_question_clear(cube_question_t *question) {
    free(question->pacs_name);
    free(question->series_uid);
    free(question->folder);
    *question = (cube_question_t){0};
}

/* --- the thread ------------------------------------------------------------------------------------------ */

static void fail(const cube_t *cube, cube_answer_t *answer, cube_result_t result, const char *why) {
    answer->verdict = CUBE_DOES_NOT_SAY;
    answer->refused = result == CUBE_REFUSES;
    link_state_down(cube->state, why);
}

/* GETs `path`, which it frees; false: with the answer. */
static bool get(cube_t *cube, char *path, cube_answer_t *answer, const char **body, size_t *size) {
    char why[CUBE_WHY_BYTES];
    cube_result_t result = cube_link_get(cube->link, path, body, size, why);
    free(path);
    if (result != CUBE_ANSWERED)
        fail(cube, answer, result, why);
    return result == CUBE_ANSWERED;
}

static void count_files(cube_t *cube, cube_answer_t *answer) {
    const char *body, *why;
    size_t size;
    if (!get(cube, cube_api_files_path(answer->question.folder), answer, &body, &size))
        return;
    answer->files = cube_api_read_files(body, size, &why);
    if (answer->files < 0)
        fail(cube, answer, CUBE_AWAY, why);
}

static void try_it(cube_t *cube, cube_answer_t *answer) {
    const char *body, *why;
    size_t size;
    answer->verdict = CUBE_LACKS;
    if (!get(cube, copy_text(CUBE_API_ANY), answer, &body, &size))
        return;
    if (cube_api_read_files(body, size, &why) < 0)
        fail(cube, answer, CUBE_AWAY, why);
}

static void look_for_series(cube_t *cube, cube_answer_t *answer) {
    const cube_question_t *question = &answer->question;
    const char *body, *why;
    size_t size;
    if (!get(cube, cube_api_series_path(question->pacs_name, question->series_uid), answer, &body, &size))
        return;
    int has = cube_api_read_series(body, size, question->pacs_name, question->series_uid, &why);
    answer->verdict = has == 1 ? CUBE_HAS : CUBE_LACKS;
    if (has < 0)
        fail(cube, answer, CUBE_AWAY, why);
    else if (has)
        count_files(cube, answer);
}

static void answer_one(cube_t *cube, cube_answer_t *answer) {
    if (answer->question.series_uid)
        look_for_series(cube, answer);
    else
        try_it(cube, answer);
    if (answer->verdict != CUBE_DOES_NOT_SAY)
        link_state_up(cube->state);
}

static void tell(cube_t *cube) {
    static const uint64_t one = 1;
    if (write(cube->answered_event, &one, sizeof one) != sizeof one)
        abort(); /* it takes 2^64 - 2 of them */
}

/* Under the lock: each further question would wait as long. */
static void give_up_the_others(cube_t *cube) {
    for (; cube->answered < cube->count; cube->answered++)
        cube->items[(cube->first + cube->answered) % CUBE_QUESTIONS_MAX].verdict = CUBE_UNASKED;
}

static void *run(void *argument) {
    cube_t *cube = argument;
    pthread_mutex_lock(&cube->lock);
    while (!cube->ended) {
        if (cube->answered == cube->count) {
            pthread_cond_wait(&cube->asked, &cube->lock);
            continue;
        }
        cube_answer_t *item = &cube->items[(cube->first + cube->answered) % CUBE_QUESTIONS_MAX];
        cube_answer_t answer = *item; /* its place stays its own until it is answered and received */
        pthread_mutex_unlock(&cube->lock);
        answer_one(cube, &answer);
        pthread_mutex_lock(&cube->lock);
        *item = answer;
        cube->answered++;
        if (answer.verdict == CUBE_DOES_NOT_SAY)
            give_up_the_others(cube);
        tell(cube);
    }
    pthread_mutex_unlock(&cube->lock);
    return NULL;
}

/* --- for the loop ---------------------------------------------------------------------------------------- */

cube_t *cube_new(const settings_t *settings, link_state_t *state) {
    const char *missing = cube_link_missing(settings);
    if (missing) {
        log_error(NULL, "%s", missing);
        return NULL;
    }
    cube_t *cube = must(calloc(1, sizeof *cube));
    cube->state = state;
    pthread_mutex_init(&cube->lock, NULL);
    pthread_cond_init(&cube->asked, NULL);
    cube->answered_event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    cube->link = cube_link_new(settings);
    cube->started = cube->link && cube->answered_event >= 0 && pthread_create(&cube->thread, NULL, run, cube) == 0;
    if (!cube->started) {
        log_error(NULL, "CUBE can't be asked: its client can't be started");
        cube_destroy(&cube);
        return NULL;
    }
    pthread_setname_np(cube->thread, "cube");
    return cube;
}

void cube_destroy(cube_t **self_p) {
    cube_t *cube = *self_p;
    if (!cube)
        return;
    pthread_mutex_lock(&cube->lock);
    cube->ended = true;
    if (cube->link)
        cube_link_end(cube->link);
    pthread_cond_signal(&cube->asked);
    pthread_mutex_unlock(&cube->lock);
    if (cube->started)
        pthread_join(cube->thread, NULL);
    for (; cube->count > 0; cube->count--, cube->first = (cube->first + 1) % CUBE_QUESTIONS_MAX)
        cube_question_clear(&cube->items[cube->first].question);
    cube_link_destroy(&cube->link);
    pthread_mutex_destroy(&cube->lock);
    pthread_cond_destroy(&cube->asked);
    if (cube->answered_event >= 0)
        close(cube->answered_event);
    free(cube);
    *self_p = NULL;
}

int cube_descriptor(const cube_t *cube) {
    return cube->answered_event;
}

void cube_ask(cube_t *cube, const cube_question_t *question) {
    pthread_mutex_lock(&cube->lock);
    if (cube->count == CUBE_QUESTIONS_MAX)
        abort();
    cube->items[(cube->first + cube->count++) % CUBE_QUESTIONS_MAX] = (cube_answer_t){.question = *question};
    pthread_cond_signal(&cube->asked);
    pthread_mutex_unlock(&cube->lock);
}

bool cube_receive(cube_t *cube, cube_answer_t *answer) {
    uint64_t ignored;
    pthread_mutex_lock(&cube->lock);
    bool any = cube->answered > 0;
    if (any) {
        *answer = cube->items[cube->first];
        cube->first = (cube->first + 1) % CUBE_QUESTIONS_MAX;
        cube->count--;
        cube->answered--;
    } else {
        (void)!read(cube->answered_event, &ignored, sizeof ignored); /* EAGAIN: it is 0 already */
    }
    pthread_mutex_unlock(&cube->lock);
    return any;
}

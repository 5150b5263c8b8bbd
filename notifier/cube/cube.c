#include "notifier/cube/cube.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/thread.h"
#include "notifier/cube/cube_api.h"
#include "notifier/cube/cube_link.h"

/* A question, and later its answer. */
typedef struct item {
    thread_question_t question;
    cube_answer_t answer;
} item_t;

struct cube {
    cube_link_t *link;
    link_state_t *state;
    thread_t *thread;
    int64_t silent_ms; /* the thread's: when CUBE did not say something; 0: it has always */
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

/* Questions that waited for one without an answer are given up: each would wait as long. */
static thread_fate_t work_on(void *self, void *question) {
    cube_t *cube = self;
    item_t *item = question;
    if (item->question.asked_ms <= cube->silent_ms) {
        item->answer.verdict = CUBE_UNASKED;
        return THREAD_ANSWERED;
    }
    answer_one(cube, &item->answer);
    if (item->answer.verdict == CUBE_DOES_NOT_SAY)
        cube->silent_ms = clock_ms();
    return THREAD_ANSWERED;
}

static void clear(void *question) {
    cube_question_clear(&((item_t *)question)->answer.question);
}

static const thread_work_t WORK = {.name = "cube", .size = sizeof(item_t), .answer = work_on, .clear = clear};

/* --- for the loop ---------------------------------------------------------------------------------------- */

cube_t *cube_new(const settings_t *settings, link_state_t *state) {
    const char *missing = cube_link_missing(settings);
    if (missing) {
        log_error(NULL, "%s", missing);
        return NULL;
    }
    cube_t *cube = must(calloc(1, sizeof *cube));
    cube->state = state;
    cube->link = cube_link_new(settings);
    cube->thread = cube->link ? thread_new(&WORK, cube) : NULL;
    if (!cube->thread) {
        log_error(NULL, "CUBE can't be asked: its client can't be started");
        cube_destroy(&cube);
    }
    return cube;
}

void cube_destroy(cube_t **self_p) {
    cube_t *cube = *self_p;
    if (!cube)
        return;
    if (cube->thread) {
        cube_link_end(cube->link);
        while (!thread_destroy(&cube->thread))
            continue; /* libcurl breaks off soon */
    }
    cube_link_destroy(&cube->link);
    free(cube);
    *self_p = NULL;
}

int cube_descriptor(const cube_t *cube) {
    return thread_descriptor(cube->thread);
}

void cube_ask(cube_t *cube, const cube_question_t *question) {
    thread_ask(cube->thread, &(item_t){.answer.question = *question});
}

bool cube_receive(cube_t *cube, cube_answer_t *answer) {
    item_t item;
    bool any = thread_receive(cube->thread, &item);
    if (any)
        *answer = item.answer;
    return any;
}

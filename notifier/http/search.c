#include "notifier/http/search.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

struct question {
    search_t *search;
    bool used, waits;
    unsigned long number; /* in the order of asking */
    struct MHD_Connection *connection;
    char text[SEARCH_TEXT_MAX_BYTES + 1];
    char *answer;
};

struct search {
    pthread_mutex_t lock;
    question_t questions[SEARCHES_MAX];
    unsigned long asked;
    bool ended;
};

search_t *search_new(void) {
    search_t *search = must(calloc(1, sizeof *search));
    pthread_mutex_init(&search->lock, NULL);
    return search;
}

void search_destroy(search_t **self_p) {
    search_t *search = *self_p;
    if (!search)
        return;
    for (size_t i = 0; i < SEARCHES_MAX; i++)
        free(search->questions[i].answer);
    pthread_mutex_destroy(&search->lock);
    free(search);
    *self_p = NULL;
}

/* --- in the thread that answers HTTP ------------------------------------------------------------------- */

question_t *search_ask(search_t *search, struct MHD_Connection *connection, const char *text) {
    question_t *place = NULL;
    if (!text || !*text || strlen(text) > SEARCH_TEXT_MAX_BYTES)
        return NULL;
    pthread_mutex_lock(&search->lock);
    for (size_t i = 0; i < SEARCHES_MAX && !place && !search->ended; i++)
        if (!search->questions[i].used)
            place = &search->questions[i];
    if (place) {
        *place = (question_t){.search = search, .used = true, .waits = true, .connection = connection};
        place->number = ++search->asked;
        snprintf(place->text, sizeof place->text, "%s", text);
        MHD_suspend_connection(connection); /* before the loop can resume it */
    }
    pthread_mutex_unlock(&search->lock);
    return place;
}

char *search_take_answer(question_t *question) {
    search_t *search = question->search;
    pthread_mutex_lock(&search->lock);
    char *answer = question->answer;
    *question = (question_t){.search = search};
    pthread_mutex_unlock(&search->lock);
    return answer;
}

void search_give_up(question_t *question) {
    free(search_take_answer(question));
}

/* --- in the loop --------------------------------------------------------------------------------------- */

/* Under the lock. */
static question_t *longest_waiting(search_t *search) {
    question_t *first = NULL;
    for (size_t i = 0; i < SEARCHES_MAX; i++) {
        question_t *q = &search->questions[i];
        if (q->waits && (!first || q->number < first->number))
            first = q;
    }
    return first;
}

/* Under the lock. */
static void wake(question_t *question, char *answer) {
    question->answer = answer;
    question->waits = false;
    MHD_resume_connection(question->connection);
}

/* A connection that waits is suspended, so that its question stays until it is answered. */
void search_answer_one(search_t *search, char *(*answer)(void *self, const char *text), void *self) {
    pthread_mutex_lock(&search->lock);
    question_t *question = longest_waiting(search);
    pthread_mutex_unlock(&search->lock);
    if (!question)
        return;
    char *text = answer(self, question->text);
    pthread_mutex_lock(&search->lock);
    wake(question, text);
    pthread_mutex_unlock(&search->lock);
}

void search_end(search_t *search) {
    pthread_mutex_lock(&search->lock);
    search->ended = true;
    for (question_t *q; (q = longest_waiting(search));)
        wake(q, NULL);
    pthread_mutex_unlock(&search->lock);
}

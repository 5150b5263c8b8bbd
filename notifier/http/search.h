/* Searches of the live page: the thread that answers HTTP leaves them here, the loop, which owns the journal,
 * answers one at a time. */
#ifndef NOTIFIER_HTTP_SEARCH_H
#define NOTIFIER_HTTP_SEARCH_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

/* Searches that wait for their answer, and the longest text that is looked for. */
#define SEARCHES_MAX          8
#define SEARCH_TEXT_MAX_BYTES 128

typedef struct search search_t;

search_t *search_new(void);
/* The daemon must have been stopped. */
void search_destroy(search_t **self_p);

/* --- in the thread that answers HTTP --- */

/* A question that waits, of a connection that is suspended until the answer is there. */
typedef struct question question_t;

/* NULL: `text` is empty or too long, or SEARCHES_MAX wait already. */
question_t *search_ask(search_t *search, struct MHD_Connection *connection, const char *text);
/* The answer, to free, and the end of the question; NULL: the loop ends. */
char *search_take_answer(question_t *question);
/* The client has gone before its answer was sent. */
void search_give_up(question_t *question);

/* --- in the loop --- */

/* Answers the search that waits longest: `answer` returns JSON, which is freed. */
void search_answer_one(search_t *search, char *(*answer)(void *self, const char *text), void *self);
/* Nothing is answered any more: to be called before the daemon is stopped. */
void search_end(search_t *search);

#endif

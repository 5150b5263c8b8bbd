/* `oxidicom audit`: CUBE is asked for series that the operator's tool names, and the tool is answered when CUBE has
 * said something to each. One question of the tool at a time; nothing of it is journaled. */
#ifndef NOTIFIER_OPERATOR_AUDITS_H
#define NOTIFIER_OPERATOR_AUDITS_H

#include "common/link_state.h"
#include "notifier/cube/cube.h"
#include "proto/ring.h"

/* Series in one question of the tool; so many are with CUBE's thread at once. */
#define AUDIT_SERIES_MAX     100
#define AUDITS_UNDER_WAY_MAX 4

typedef struct audits audits_t;

/* All must outlive it. `cube` NULL: it is not asked, and the tool is told so. */
audits_t *audits_new(const char *run_dir, cube_t *cube, link_state_t *cube_state);
void audits_destroy(audits_t **self_p);

/* A message of the ring; one without a usable inbox is ignored. */
void audits_on_audit(audits_t *audits, const Ring__Audit *message);
/* CUBE's answer to a question of an audit, with a number below 0. The texts stay the caller's. */
void audits_on_answer(audits_t *audits, const cube_answer_t *answer);

#endif

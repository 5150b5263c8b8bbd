/* Deadlines of tests. They only end what hangs: no test says by them how fast anything is, so that a busy machine
 * breaks none. */
#ifndef SUPPORT_PATIENCE_H
#define SUPPORT_PATIENCE_H

/* For expected events. */
#define PATIENCE_MS 120000

/* For a whole test. */
#define PATIENCE_S 600

#endif

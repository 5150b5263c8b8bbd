/* The homes of the series that associations send (writer/storage/home.h): each is asked for once per association,
 * since it may be another one for the next. */
#ifndef WRITER_HOMES_H
#define WRITER_HOMES_H

#include <stdint.h>

#include "writer/storage/home.h"

/* Series remembered, of all associations; beyond, storage is asked again. */
#define HOMES_MAX 256

typedef struct homes homes_t;

homes_t *homes_new(void);
void homes_destroy(homes_t **self_p);

/* Which series, and who sends it. */
typedef struct homes_wish {
    uint64_t listener, association;
    const char *pacs_name, *series_uid;
} homes_wish_t;

/* The caller's, to be given back with home_release. */
home_t *homes_of(homes_t *self, const homes_wish_t *wish);

#endif

/* The table behind settings.h. Private to common/. */
#ifndef COMMON_SETTINGS_TABLE_H
#define COMMON_SETTINGS_TABLE_H

#include <stddef.h>

#include "common/settings.h"

typedef enum setting_type {
    SETTING_TEXT,
    SETTING_BOOLEAN,
    SETTING_INTEGER,
    SETTING_DURATION,
    SETTING_SIZE
} setting_type_t;

typedef struct setting {
    const char *group; /* the title of the group that this setting begins, or NULL */
    const char *name;
    const char *alias; /* another name of the same variable, or NULL */
    setting_type_t type;
    size_t offset;                   /* of the field in settings_t */
    unsigned stages;                 /* FOR_ values that use it */
    bool required;                   /* by those stages */
    bool secret;                     /* a text that may hold a password: NAME_FILE may name a file that holds it */
    bool hidden;                     /* a secret that is never printed */
    bool empty_is_unset;             /* as if it were not in the environment */
    const char *default_value;       /* as one would write it; NULL: unset */
    int64_t least, most;             /* of integers, milliseconds and bytes */
    bool (*valid)(const char *text); /* of texts; NULL: anything */
    bool may_be_empty;               /* a text: "" is as if it were unset */
    const char *allowed;             /* in words, for complaints and the help */
    const char *help;                /* its first sentence is the summary */
} setting_t;

extern const setting_t SETTINGS[];
extern const size_t SETTINGS_COUNT;

#endif

/* Every statement of the journal, and the steps that make its schema. */
#ifndef NOTIFIER_JOURNAL_JOURNAL_SQL_H
#define NOTIFIER_JOURNAL_JOURNAL_SQL_H

#include <stddef.h>

typedef enum sql {
    /* events */
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_EVENT_FIND,
    SQL_EVENT_ADD,
    /* associations and listeners */
    SQL_LISTENER_ADD,
    SQL_LISTENERS_CLOSE_OTHERS,
    SQL_ASSOCIATION_END,
    SQL_ASSOCIATION_IS_OVER,
    SQL_SENDING_ADD,
    SQL_SENDING_ANY,
    SQL_SENDING_END,
    SQL_SENDING_END_OTHERS,
    /* receptions */
    SQL_RECEPTION_FIND_OPEN,
    SQL_RECEPTION_BEGIN,
    SQL_RECEPTION_SET_FIRST,
    SQL_RECEPTION_ADD_FILE,
    SQL_RECEPTION_ADD_ERROR,
    SQL_RECEPTION_FIND_ABANDONED,
    SQL_RECEPTION_QUIET,
    SQL_RECEPTION_STIR,
    SQL_RECEPTION_FIND_QUIET,
    SQL_RECEPTION_READ,
    SQL_RECEPTION_SETTLE,
    SQL_FILE_ADD,
    SQL_FILES_FORGET,
    /* what is said at the end */
    SQL_ERROR_ADD,
    SQL_ERRORS_READ,
    SQL_ERRORS_GATHER,
    SQL_ERRORS_PASS_ON,
    SQL_ERRORS_FORGET,
    SQL_DONES_FIND,
    SQL_DONE_TAKEN,
    /* registrations */
    SQL_DUE_FIND_OLDEST,
    SQL_DUE_FIND_BY_FOLDER,
    SQL_DUE_STILL,
    SQL_DUE_FIND_OLDER,
    SQL_DUE_MERGE,
    SQL_DUE_TAKE_SERIES,
    SQL_DUE_REGISTERED,
    SQL_DUE_REFUSED,
    SQL_DUE_REJECTED,
    SQL_DUE_FORGET_RETRIES,
    SQL_KNOWN_FIND,
    SQL_KNOWN_LEARN,
    /* for the operator's tool */
    SQL_STATUS_STATES,
    SQL_STATUS_OLDEST_DUE,
    SQL_RECEPTION_LAST,
    SQL_PAGE_IN_RANGE,
    SQL_PAGE_OF_SERIES,
    SQL_PAGE_MATCHING,
    SQL_RESEND_FIND,
    SQL_REGISTER_FIND,
    SQL_REGISTER_ADD,
    /* for those who ask whether it takes anything */
    SQL_JOURNAL_TRY,
    /* housekeeping */
    SQL_EVENT_EXPIRE,
    SQL_ASSOCIATION_EXPIRE,
    SQL_LISTENER_EXPIRE,
    SQL_RECEPTION_EXPIRE,
    SQL_DONES_CANCEL,
    SQL_ERRORS_CANCEL,
    SQL_KNOWN_EXPIRE,
    /* journals left behind */
    SQL_LEFT_READ,
    SQL_LEFT_FORGET,
    SQL_ADOPT,
    SQL_ADOPT_ERRORS,
    SQL_COUNT,
} sql_t;

extern const char *const JOURNAL_SQL[SQL_COUNT];

/* Step n brings the schema from version n to n + 1 (PRAGMA user_version). Add steps, never change one. */
extern const char *const JOURNAL_MIGRATIONS[];
extern const size_t JOURNAL_MIGRATIONS_COUNT;

#endif

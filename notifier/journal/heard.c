#include "notifier/journal/heard.h"

#include <czmq.h>

#include "common/hash.h"
#include "common/memory.h"
#include "notifier/journal/numbers.h"

typedef struct reception {
    int64_t id;
    numbers_t names;
    int64_t elsewhere;
    int64_t before; /* files of an earlier process, until they are counted in storage */
    enum { COUNTED, UNCOUNTED, ASKED } storage;
} reception_t;

typedef struct heard_sent {
    uint64_t token;
    int64_t reception; /* 0: not known */
    bool elsewhere;    /* its folder is not the reception's */
    numbers_t objects;
    uint64_t wanted; /* objects, once the association has ended */
} heard_sent_t;

typedef struct heard_sender {
    uint64_t key[2]; /* listener, number */
    zhashx_t *series;
    numbers_t refused;
    uint64_t refused_wanted;
    enum { OPEN, ENDING, OVER } state;
    int64_t until_ms; /* of ENDING: it is waited for; of OVER: it is known */
    Ring__Ending ending;
} heard_sender_t;

struct heard {
    zhashx_t *receptions, *associations;
    size_t ending; /* associations */
    size_t room;   /* for numbers */
};

/* --- tables -------------------------------------------------------------------------------------------- */

static size_t hash_number(const void *key) {
    return (size_t)hash_end(*(const uint64_t *)key);
}

static int compare_numbers(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static size_t hash_pair(const void *key) {
    const uint64_t *pair = key;
    return (size_t)hash_end(pair[0] ^ hash_end(pair[1]));
}

static int compare_pairs(const void *a, const void *b) {
    return memcmp(a, b, 2 * sizeof(uint64_t));
}

/* Keys are the first members of the items. */
static zhashx_t *table_new(zhashx_hash_fn hash, zhashx_comparator_fn compare) {
    zhashx_t *table = zhashx_new();
    zhashx_set_key_hasher(table, hash);
    zhashx_set_key_comparator(table, compare);
    zhashx_set_key_duplicator(table, NULL);
    zhashx_set_key_destructor(table, NULL);
    return table;
}

heard_t *heard_new(void) {
    heard_t *heard = must(calloc(1, sizeof *heard));
    heard->receptions = table_new(hash_number, compare_numbers);
    heard->associations = table_new(hash_pair, compare_pairs);
    heard->room = HEARD_NUMBERS_MAX;
    return heard;
}

static void remove_reception(heard_t *heard, reception_t *reception) {
    zhashx_delete(heard->receptions, &reception->id);
    numbers_clear(&reception->names, &heard->room);
    free(reception);
}

static void remove_association(heard_t *heard, heard_sender_t *a) {
    for (heard_sent_t *series; (series = zhashx_first(a->series));) {
        zhashx_delete(a->series, &series->token);
        numbers_clear(&series->objects, &heard->room);
        free(series);
    }
    zhashx_delete(heard->associations, a->key);
    zhashx_destroy(&a->series);
    numbers_clear(&a->refused, &heard->room);
    heard->ending -= a->state == ENDING;
    free(a);
}

void heard_forget(heard_t *heard) {
    for (reception_t *reception; (reception = zhashx_first(heard->receptions));)
        remove_reception(heard, reception);
    for (heard_sender_t *a; (a = zhashx_first(heard->associations));)
        remove_association(heard, a);
}

void heard_destroy(heard_t **self_p) {
    heard_t *heard = *self_p;
    if (!heard)
        return;
    heard_forget(heard);
    zhashx_destroy(&heard->receptions);
    zhashx_destroy(&heard->associations);
    free(heard);
    *self_p = NULL;
}

/* --- receptions ---------------------------------------------------------------------------------------- */

static reception_t *find_reception(heard_t *heard, int64_t id) {
    return zhashx_lookup(heard->receptions, &id);
}

void heard_open(heard_t *heard, int64_t id, int64_t files) {
    if (find_reception(heard, id))
        return;
    reception_t *reception = must(calloc(1, sizeof *reception));
    reception->id = id;
    reception->before = files;
    reception->storage = files > 0 ? UNCOUNTED : COUNTED;
    zhashx_insert(heard->receptions, &reception->id, reception);
}

bool heard_knows(heard_t *heard, int64_t id) {
    return find_reception(heard, id) != NULL;
}

void heard_close(heard_t *heard, int64_t id) {
    reception_t *reception = find_reception(heard, id);
    if (reception)
        remove_reception(heard, reception);
}

uint64_t heard_name(const char *folder, const char *file) {
    return hash_end(hash_text(hash_text(HASH_BEGIN, folder), file));
}

bool heard_file(heard_t *heard, int64_t id, const char *folder, const char *file, bool elsewhere) {
    reception_t *reception = find_reception(heard, id);
    if (!reception || !numbers_add(&reception->names, &heard->room, heard_name(folder, file)))
        return false;
    reception->elsewhere += elsewhere;
    return true;
}

int64_t heard_files(heard_t *heard, int64_t id) {
    const reception_t *reception = find_reception(heard, id);
    if (!reception)
        return 0;
    int64_t count = (int64_t)reception->names.count;
    return count > reception->before ? count : reception->before;
}

int64_t heard_elsewhere(heard_t *heard, int64_t id) {
    const reception_t *reception = find_reception(heard, id);
    return reception ? reception->elsewhere : 0;
}

int64_t heard_next_uncounted(heard_t *heard) {
    for (reception_t *reception = zhashx_first(heard->receptions); reception;
         reception = zhashx_next(heard->receptions))
        if (reception->storage == UNCOUNTED) {
            reception->storage = ASKED;
            return reception->id;
        }
    return 0;
}

void heard_counted(heard_t *heard, int64_t id, const uint64_t *names, size_t count) {
    reception_t *reception = find_reception(heard, id);
    if (!reception)
        return;
    for (size_t i = 0; i < count; i++)
        (void)numbers_add(&reception->names, &heard->room, names[i]);
    reception->before = 0;
    reception->storage = COUNTED;
}

void heard_sql_counted(sqlite3_context *context, int count, sqlite3_value **values) {
    heard_t *heard = sqlite3_user_data(context);
    int64_t id = sqlite3_value_int64(values[0]), otherwise = sqlite3_value_int64(values[count - 1]);
    if (!heard || !heard_knows(heard, id))
        sqlite3_result_int64(context, otherwise);
    else if (strcmp((const char *)sqlite3_value_text(values[1]), "files") == 0)
        sqlite3_result_int64(context, heard_files(heard, id));
    else
        sqlite3_result_int64(context, heard_elsewhere(heard, id) ? heard_elsewhere(heard, id) : otherwise);
}

/* --- associations -------------------------------------------------------------------------------------- */

static heard_sender_t *find_association(heard_t *heard, uint64_t listener, uint64_t number) {
    return zhashx_lookup(heard->associations, (uint64_t[]){listener, number});
}

/* NULL: there are too many. */
static heard_sender_t *association_of(heard_t *heard, uint64_t listener, uint64_t number) {
    heard_sender_t *a = find_association(heard, listener, number);
    if (a || zhashx_size(heard->associations) == HEARD_ASSOCIATIONS_MAX)
        return a;
    a = must(calloc(1, sizeof *a));
    a->key[0] = listener;
    a->key[1] = number;
    a->series = table_new(hash_number, compare_numbers);
    zhashx_insert(heard->associations, a->key, a);
    return a;
}

/* NULL: there are too many. */
static heard_sent_t *series_of(heard_sender_t *a, uint64_t token) {
    heard_sent_t *series = a ? zhashx_lookup(a->series, &token) : NULL;
    if (series || !a || zhashx_size(a->series) == HEARD_SERIES_MAX)
        return series;
    series = must(calloc(1, sizeof *series));
    series->token = token;
    zhashx_insert(a->series, &series->token, series);
    return series;
}

int64_t heard_reception(heard_t *heard, const heard_series_t *of, bool *elsewhere) {
    heard_sender_t *a = find_association(heard, of->listener, of->association);
    const heard_sent_t *series = a ? zhashx_lookup(a->series, &of->token) : NULL;
    *elsewhere = series && series->elsewhere;
    return series && a->state != OVER ? series->reception : 0;
}

void heard_join(heard_t *heard, const heard_series_t *of, int64_t reception, bool elsewhere) {
    heard_sent_t *series = series_of(association_of(heard, of->listener, of->association), of->token);
    if (!series)
        return;
    series->reception = reception;
    series->elsewhere = elsewhere;
}

bool heard_stored(heard_t *heard, const heard_series_t *of, uint64_t object) {
    heard_sent_t *series = series_of(association_of(heard, of->listener, of->association), of->token);
    return !series || numbers_add(&series->objects, &heard->room, object);
}

bool heard_refused(heard_t *heard, const heard_series_t *of, uint64_t object) {
    heard_sender_t *a = association_of(heard, of->listener, of->association);
    bool stored = false;
    for (const heard_sent_t *series = a ? zhashx_first(a->series) : NULL; series && !stored;
         series = zhashx_next(a->series))
        stored = numbers_has(&series->objects, object);
    return !a || (numbers_add(&a->refused, &heard->room, object) && !stored);
}

/* --- ends ---------------------------------------------------------------------------------------------- */

static bool is_complete(const heard_sender_t *a) {
    bool complete = a->refused.count >= a->refused_wanted;
    for (const heard_sent_t *series = zhashx_first(a->series); series && complete; series = zhashx_next(a->series))
        complete = series->objects.count >= series->wanted;
    return complete;
}

bool heard_end(heard_t *heard, const Ring__AssociationEnded *ended, int64_t now_ms) {
    heard_sender_t *a = association_of(heard, ended->listener, ended->association);
    if (!a || a->state == OVER)
        return true;
    for (size_t i = 0; i < ended->n_answered; i++) {
        heard_sent_t *series = series_of(a, ended->answered[i]->token);
        if (series)
            series->wanted = ended->answered[i]->objects;
    }
    a->refused_wanted = ended->refused;
    a->ending = ended->ending;
    if (a->state == OPEN) {
        a->state = ENDING;
        a->until_ms = now_ms + HEARD_END_WAIT_MS;
        heard->ending++;
    }
    return is_complete(a);
}

bool heard_all(heard_t *heard, uint64_t listener, uint64_t number) {
    const heard_sender_t *a = heard->ending ? find_association(heard, listener, number) : NULL;
    return a && a->state == ENDING && is_complete(a);
}

bool heard_next_overdue(heard_t *heard, int64_t now_ms, uint64_t *listener, uint64_t *number) {
    heard_sender_t *a = heard->ending ? zhashx_first(heard->associations) : NULL;
    for (; a; a = zhashx_next(heard->associations))
        if (a->state == ENDING && now_ms >= a->until_ms) {
            *listener = a->key[0];
            *number = a->key[1];
            return true;
        }
    return false;
}

static void set_over(heard_t *heard, heard_sender_t *a, int64_t now_ms) {
    heard->ending -= a->state == ENDING;
    a->state = OVER;
    a->until_ms = now_ms + HEARD_KEPT_MS;
}

void heard_over(heard_t *heard, uint64_t listener, uint64_t number, int64_t now_ms) {
    heard_sender_t *a = find_association(heard, listener, number);
    if (a && a->state != OVER)
        set_over(heard, a, now_ms);
}

void heard_others_over(heard_t *heard, uint64_t listener, int64_t now_ms) {
    for (heard_sender_t *a = zhashx_first(heard->associations); a; a = zhashx_next(heard->associations))
        if (a->key[0] != listener && a->state != OVER)
            set_over(heard, a, now_ms);
}

bool heard_is_over(heard_t *heard, uint64_t listener, uint64_t number) {
    const heard_sender_t *a = find_association(heard, listener, number);
    return a && a->state == OVER;
}

Ring__Ending heard_ending(heard_t *heard, uint64_t listener, uint64_t number) {
    const heard_sender_t *a = find_association(heard, listener, number);
    return a ? a->ending : RING__ENDING__ENDING_UNKNOWN;
}

void heard_beat(heard_t *heard, int64_t now_ms) {
    for (heard_sender_t *a = zhashx_first(heard->associations); a;) {
        bool gone = a->state == OVER && now_ms >= a->until_ms;
        if (gone)
            remove_association(heard, a);
        a = gone ? zhashx_first(heard->associations) : zhashx_next(heard->associations);
    }
}

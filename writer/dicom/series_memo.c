#include "writer/dicom/series_memo.h"

#include "common/memory.h"
#include "writer/dicom/seahash.h"

/* All values and the AE title, each behind its length. */
typedef struct values {
    size_t size, place; /* `place`: of its entry */
    uint8_t bytes[SERIES_MEMO_VALUES_MAX_BYTES];
} values_t;

typedef struct entry {
    Ring__Series *series; /* NULL: free */
    uint8_t *key;
    size_t key_size;
} entry_t;

struct series_memo {
    entry_t entries[SERIES_MEMO_MAX];
};

series_memo_t *series_memo_new(void) {
    return must(calloc(1, sizeof(series_memo_t)));
}

static void forget(entry_t *entry) {
    series_release(&entry->series);
    free(entry->key);
    *entry = (entry_t){0};
}

void series_memo_destroy(series_memo_t **self_p) {
    series_memo_t *self = *self_p;
    *self_p = NULL;
    for (size_t i = 0; self && i < SERIES_MEMO_MAX; i++)
        forget(&self->entries[i]);
    free(self);
}

bool series_memo_counts(head_tag_t tag) {
    return tag != HEAD_SOP_CLASS_UID && tag != HEAD_SOP_INSTANCE_UID && tag != HEAD_INSTANCE_NUMBER;
}

static bool append(values_t *key, const char *bytes, size_t size) {
    uint32_t length = (uint32_t)size; /* a value has at most HEAD_VALUE_MAX_BYTES */
    size_t room = sizeof key->bytes - key->size;
    if (room < sizeof length || size > room - sizeof length)
        return false;
    memcpy(key->bytes + key->size, &length, sizeof length);
    if (size > 0)
        memcpy(key->bytes + key->size + sizeof length, bytes, size);
    key->size += sizeof length + size;
    return true;
}

/* False: the values are too long. */
static bool key_of(values_t *key, const head_value_t values[HEAD_TAGS], const char *calling_ae) {
    const head_value_t *uid = &values[HEAD_SERIES_INSTANCE_UID];
    key->size = 0;
    key->place = seahash(uid->bytes, uid->size) % SERIES_MEMO_MAX;
    for (head_tag_t tag = 0; tag < HEAD_TAGS; tag++)
        if (series_memo_counts(tag) && !append(key, values[tag].bytes, values[tag].size))
            return false;
    return append(key, calling_ae, strlen(calling_ae));
}

Ring__Series *series_memo_find(series_memo_t *self, const head_value_t values[HEAD_TAGS], const char *calling_ae) {
    values_t key;
    if (!key_of(&key, values, calling_ae))
        return NULL;
    const entry_t *entry = &self->entries[key.place];
    if (!entry->series || entry->key_size != key.size || memcmp(entry->key, key.bytes, key.size) != 0)
        return NULL;
    return series_share(entry->series);
}

void series_memo_keep(series_memo_t *self, const head_value_t values[HEAD_TAGS], const char *calling_ae,
                      Ring__Series *series) {
    values_t key;
    if (!key_of(&key, values, calling_ae))
        return;
    entry_t *entry = &self->entries[key.place];
    forget(entry);
    *entry = (entry_t){series_share(series), must(malloc(key.size)), key.size};
    memcpy(entry->key, key.bytes, key.size);
}

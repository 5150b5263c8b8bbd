#include "writer/dicom/walk.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

/* Sequences, and items of undefined length, within one another: each of 512 may have both. */
#define WALK_DEPTH_MAX 1024

#define NO_END         UINT64_MAX

/* A sequence, or an item of undefined length. Items of defined length are passed by whole. */
typedef struct level {
    bool is_sequence;
    bool has_length;   /* a sequence of defined length */
    bool is_undecided; /* the encoding of its first element */
    encoding_t encoding;
    uint64_t end; /* of the innermost sequence of defined length, which it is or lies in; NO_END: none */
} level_t;

struct walk {
    walk_value_t *values, *value; /* the one in reading, or NULL */
    size_t values_count, value_max;
    element_t value_element;
    uint32_t value_left;
    uint32_t tag_before;
    bool has_any, is_disordered;
    walk_state_t state;
    encoding_t encoding; /* of the top level */
    bool is_decided;
    uint64_t at;
    uint64_t skip; /* bytes to pass by */
    level_t *levels;
    size_t depth, room;
    uint8_t carried[ELEMENT_MAX_BYTES]; /* begin of a header that has not come whole */
    size_t carried_size;
};

walk_t *walk_new(encoding_t encoding, walk_value_t *values, size_t count, size_t value_max) {
    walk_t *self = must(calloc(1, sizeof *self));
    self->encoding = encoding;
    self->values = values;
    self->values_count = count;
    self->value_max = value_max;
    return self;
}

void walk_destroy(walk_t **self_p) {
    walk_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    free(self->levels);
    free(self);
}

uint64_t walk_bytes(const walk_t *self) {
    return self->at;
}

size_t walk_held(const walk_t *self) {
    size_t held = sizeof *self + self->room * sizeof *self->levels;
    for (size_t i = 0; i < self->values_count; i++)
        held += self->values[i].size;
    return held;
}

const walk_value_t *walk_unfinished(const walk_t *self) {
    return self->value;
}

bool walk_is_between(const walk_t *self) {
    return self->depth == 0 && self->skip == 0 && !self->value && self->carried_size == 0;
}

bool walk_is_inside(const walk_t *self) {
    return self->depth > 0;
}

bool walk_has_any(const walk_t *self) {
    return self->has_any;
}

bool walk_is_behind(const walk_t *self) {
    return self->tag_before > self->values[self->values_count - 1].tag;
}

bool walk_is_disordered(const walk_t *self) {
    return self->is_disordered;
}

/* --- bytes -------------------------------------------------------------------------------------------- */

/* Bytes of the call, after the carried ones. */
typedef struct input {
    const uint8_t *bytes;
    size_t size;
    bool is_end;
} input_t;

static void pass(walk_t *self, input_t *input, size_t size) {
    self->at += size;
    if (self->carried_size > size) {
        self->carried_size -= size;
        memmove(self->carried, self->carried + size, self->carried_size);
        return;
    }
    size -= self->carried_size;
    self->carried_size = 0;
    input->bytes += size;
    input->size -= size;
}

/* The bytes that come next, at most `wanted` of them and in one piece. */
static size_t next_piece(const walk_t *self, const input_t *input, uint64_t wanted, const uint8_t **bytes) {
    size_t size = self->carried_size ? self->carried_size : input->size;
    *bytes = self->carried_size ? self->carried : input->bytes;
    return wanted < size ? (size_t)wanted : size;
}

/* The next bytes, in one piece of at least ELEMENT_MAX_BYTES, or fewer if there are no more yet. */
static size_t look_ahead(walk_t *self, input_t *input, const uint8_t **bytes) {
    if (self->carried_size == 0) {
        *bytes = input->bytes;
        return input->size;
    }
    size_t room = sizeof self->carried - self->carried_size, size = room < input->size ? room : input->size;
    memcpy(self->carried + self->carried_size, input->bytes, size);
    self->carried_size += size;
    input->bytes += size;
    input->size -= size;
    *bytes = self->carried;
    return self->carried_size;
}

/* Keeps the rest for the next call. */
static void carry(walk_t *self, input_t *input) {
    if (self->carried_size > 0 || input->size == 0)
        return;
    memcpy(self->carried, input->bytes, input->size);
    self->carried_size = input->size;
    input->bytes += input->size;
    input->size = 0;
}

/* --- levels ------------------------------------------------------------------------------------------- */

static level_t *innermost(walk_t *self) {
    return self->depth ? &self->levels[self->depth - 1] : NULL;
}

static encoding_t encoding_here(walk_t *self) {
    const level_t *level = innermost(self);
    return level ? level->encoding : self->encoding;
}

static void descend(walk_t *self, level_t level) {
    if (self->depth == WALK_DEPTH_MAX) {
        self->state = WALK_TOO_DEEP;
        return;
    }
    if (self->depth == self->room) {
        self->room = self->room ? 2 * self->room : 8;
        self->levels = must(realloc(self->levels, self->room * sizeof *self->levels));
    }
    self->levels[self->depth++] = level;
}

static uint64_t end_here(walk_t *self) {
    const level_t *level = innermost(self);
    return level ? level->end : NO_END;
}

/* An item that goes on beyond the end of its sequence is believed: a sequence is ended by its length where that
 * lies between two elements, or else when its item is over. */
static void leave_ended(walk_t *self) {
    for (level_t *level; (level = innermost(self)) && level->end != NO_END;) {
        if (self->at == level->end || (self->at > level->end && level->has_length))
            self->depth--;
        else
            return;
    }
}

/* --- elements ----------------------------------------------------------------------------------------- */

static void begin_item(walk_t *self, uint32_t length) {
    /* The item before it lacks its delimiter. */
    if (self->depth > 1 && !innermost(self)->is_sequence && self->levels[self->depth - 2].is_sequence)
        self->depth--;
    const level_t *level = innermost(self);
    if (length != ELEMENT_UNDEFINED)
        self->skip = length;
    else
        descend(self, (level_t){.encoding = level ? level->encoding : self->encoding,
                                .is_undecided = level && level->is_undecided,
                                .end = end_here(self)});
}

/* Ends the item that is open in it, too. */
static void end_sequence(walk_t *self) {
    if (self->depth > 0 && !innermost(self)->is_sequence)
        self->depth--;
    const level_t *level = innermost(self);
    if (!level || !level->is_sequence)
        return;
    if (level->has_length && self->at < level->end)
        self->skip = level->end - self->at;
    self->depth--;
}

/* An item or a delimiter, wherever it stands: where none is open it is passed by. The length of a delimiter means
 * nothing (PS3.5 7.5). */
static void begin_fffe(walk_t *self, const element_t *element) {
    const level_t *level = innermost(self);
    if (element->tag == ELEMENT_ITEM)
        begin_item(self, element->length);
    else if (element->tag == ELEMENT_SEQUENCE_END)
        end_sequence(self);
    else if (element->tag == ELEMENT_ITEM_END && level && !level->is_sequence)
        self->depth--;
}

static void begin_sequence(walk_t *self, const element_t *element) {
    bool has_length = element->length != ELEMENT_UNDEFINED;
    bool is_unknown = memcmp(element->vr, "UN", 2) == 0 || vr_kind(element->vr) == VR_UNKNOWN;
    descend(self, (level_t){
                      .is_sequence = true,
                      .has_length = has_length,
                      .is_undecided = true,
                      /* PS3.5 6.2.2, note 4, as a first guess: UN of undefined length is a sequence in Implicit VR
                       * Little Endian. */
                      .encoding = is_unknown ? (encoding_t){false, false} : encoding_here(self),
                      .end = has_length ? self->at + element->length : end_here(self),
                  });
}

/* Implicit elements do not say whether they are sequences; their content does. */
static bool is_sequence(const element_t *element) {
    return element->length == ELEMENT_UNDEFINED || memcmp(element->vr, "SQ", 2) == 0 ||
           (!element->encoding.is_explicit && element->length >= ELEMENT_HEADER_BYTES);
}

static bool has_all(const walk_t *self, bool if_required) {
    for (size_t i = 0; i < self->values_count; i++)
        if (!self->values[i].bytes && (self->values[i].is_required || !if_required))
            return false;
    return true;
}

static walk_value_t *wanted_of(walk_t *self, uint32_t tag) {
    for (size_t i = 0; i < self->values_count; i++)
        if (self->values[i].tag == tag && !self->values[i].bytes)
            return &self->values[i];
    return NULL;
}

static void begin_top_element(walk_t *self, const element_t *element) {
    self->is_disordered |= element->tag < self->tag_before;
    self->tag_before = element->tag;
    if (walk_is_behind(self) && has_all(self, true)) {
        self->state = WALK_DONE;
        return;
    }
    self->has_any |= !walk_is_behind(self);
    bool has_value = element->length != ELEMENT_UNDEFINED && memcmp(element->vr, "SQ", 2) != 0;
    self->value = has_value ? wanted_of(self, element->tag) : NULL;
    self->value_element = *element;
    if (self->value)
        self->value_left = element->length;
    else if (is_sequence(element))
        begin_sequence(self, element);
    else
        self->skip = element->length;
}

/* Groups below 8 are of commands and of files, and have encodings of their own. */
static void decide(walk_t *self, const element_t *element) {
    level_t *level = innermost(self);
    if (level && level->is_undecided) {
        level->encoding = element->encoding;
        level->is_undecided = false;
    } else if (!level && !self->is_decided && element->tag >> 16 >= 8) {
        self->encoding = element->encoding;
        self->is_decided = true;
    }
}

/* In a sequence of defined length there is something else than items: its length is all that is known of it. */
static bool is_opaque(walk_t *self, const uint8_t *bytes) {
    const level_t *level = innermost(self);
    if (!level || !level->is_sequence || !level->has_length)
        return false;
    bool is_big = level->encoding.is_big;
    return level->end - self->at < ELEMENT_HEADER_BYTES || bytes[is_big ? 0 : 1] != 0xFF ||
           bytes[is_big ? 1 : 0] != 0xFE;
}

static void begin_element(walk_t *self, input_t *input, const element_t *element) {
    pass(self, input, element->header_bytes);
    if (element->tag >> 16 == 0xFFFE) {
        begin_fffe(self, element);
        return;
    }
    decide(self, element);
    if (self->depth == 0)
        begin_top_element(self, element);
    else if (is_sequence(element)) /* in a sequence that lacks its item, too */
        begin_sequence(self, element);
    else
        self->skip = element->length;
}

/* False: more bytes are needed. */
static bool read_header(walk_t *self, input_t *input) {
    const uint8_t *bytes;
    element_t element;
    leave_ended(self);
    size_t size = look_ahead(self, input, &bytes);
    if (size >= 2 && is_opaque(self, bytes)) {
        self->skip = innermost(self)->end - self->at;
        return true;
    }
    if (!element_read(bytes, size, input->is_end, encoding_here(self), &element)) {
        carry(self, input);
        return false;
    }
    begin_element(self, input, &element);
    return true;
}

static bool skip(walk_t *self, input_t *input) {
    const uint8_t *bytes;
    size_t size = next_piece(self, input, self->skip, &bytes);
    pass(self, input, size);
    self->skip -= size;
    return size > 0;
}

/* In a data set that is in order nothing that is wanted can be expected from the last wanted tag on, so that nobody
 * reads gigabytes of pixels for a tag that is not there. */
static void end_value(walk_t *self) {
    walk_value_t *value = self->value;
    if (self->value_element.is_number) {
        char number[ELEMENT_NUMBER_BYTES];
        element_number(&self->value_element, value->bytes, value->size, number);
        free(value->bytes);
        value->bytes = copy_text(number);
        value->size = strlen(number);
    }
    self->value = NULL;
    bool is_last = value == &self->values[self->values_count - 1];
    if (self->is_disordered ? has_all(self, false) : is_last && has_all(self, true))
        self->state = WALK_DONE;
}

static bool keep_value(walk_t *self, input_t *input) {
    const uint8_t *bytes;
    walk_value_t *value = self->value;
    size_t size = next_piece(self, input, self->value_left, &bytes), room = self->value_max - value->size,
           kept = size < room ? size : room;
    if (size == 0 && self->value_left > 0)
        return false;
    value->bytes = must(realloc(value->bytes, value->size + kept + 1));
    memcpy(value->bytes + value->size, bytes, kept);
    value->bytes[value->size += kept] = 0;
    self->value_left -= (uint32_t)size;
    pass(self, input, size);
    if (self->value_left == 0)
        end_value(self);
    return true;
}

walk_state_t walk_feed(walk_t *self, const uint8_t *bytes, size_t size, bool is_end) {
    input_t input = {bytes, size, is_end};
    bool goes_on = true;
    while (goes_on && self->state == WALK_ON)
        goes_on = self->skip > 0 ? skip(self, &input)
                  : self->value  ? keep_value(self, &input)
                                 : read_header(self, &input);
    return self->state;
}

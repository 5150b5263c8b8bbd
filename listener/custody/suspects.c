/* Objects that a writer had in hand when it died, or hung. One of them may be why, and would kill the next writer,
 * too. So each has a writer to itself from then on, and the next death tells which it is. The others are
 * stored when their turn comes. */
#include "listener/custody/private.h"

/* A chunk that nobody asked about may not have been looked at yet. */
static bool is_in_hand(const object_t *object, const writer_link_t *writer) {
    return object->writer == writer && !object->written && !object->failed && object->sent > object->taken;
}

void suspects_blame(custody_t *custody, const writer_link_t *writer) {
    object_t *object;
    TAILQ_FOREACH(object, &custody->objects, next)
    if (is_in_hand(object, writer) && object->deaths++ == 0)
        custody->suspects++;
}

bool suspects_any(const custody_t *custody) {
    return custody->suspects > 0;
}

bool suspects_hold(const custody_t *custody, const writer_link_t *writer) {
    const object_t *object;
    if (!suspects_any(custody))
        return false;
    TAILQ_FOREACH(object, &custody->objects, next)
    if (object->deaths > 0 && object->writer == writer &&
        (dispatch_awaited(object) > 0 || dispatch_can_send(object)))
        return true;
    return false;
}

bool suspects_allow(const object_t *object, bool held) {
    return object->deaths == 0 ? !held : object->writer->awaited_bytes == dispatch_awaited(object);
}

void suspects_forget(object_t *object) {
    if (object->deaths > 0)
        object->custody->suspects--;
    object->deaths = 0;
}

#include "common/telemetry/otlp_batch.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/telemetry/otlp_message.h"

/* Everything about one process. */
typedef struct group {
    Otlp__ResourceSpans message;
    Otlp__ScopeSpans spans;
    Otlp__ScopeSpans *spans_pointer;
    Otlp__Resource resource;
    Otlp__KeyValue identity; /* service.instance.id */
    Otlp__AnyValue identity_value;
} group_t;

typedef struct draft {
    Otlp__InstrumentationScope scope;
    Otlp__Span **spans;
    group_t *groups;
    Otlp__ResourceSpans **pointers;
    size_t count; /* of groups */
} draft_t;

void otlp_item_clear(otlp_item_t *item) {
    otlp__span__free_unpacked(item->span, NULL);
    free(item->instance);
    *item = (otlp_item_t){0};
}

static const char *name_of(const otlp_item_t *item) {
    return item->instance ? item->instance : "";
}

static int by_instance(const void *a, const void *b) {
    return strcmp(name_of(a), name_of(b));
}

/* This process' resource, but for what tells processes apart: its id, unless OTEL_RESOURCE_ATTRIBUTES gives all the
 * same, and its number, which is not known of another. */
static void describe_other(group_t *group, const Otlp__Resource *own, const char *own_instance, char *instance) {
    group->resource = (Otlp__Resource)OTLP__RESOURCE__INIT;
    group->resource.attributes = must(calloc(own->n_attributes, sizeof *own->attributes));
    for (size_t i = 0; i < own->n_attributes; i++) {
        Otlp__KeyValue *attribute = own->attributes[i];
        if (strcmp(attribute->key, "process.pid") == 0)
            continue;
        if (strcmp(attribute->key, "service.instance.id") == 0 &&
            strcmp(attribute->value->string_value, own_instance) == 0) {
            group->identity = *attribute;
            group->identity_value = *attribute->value;
            group->identity_value.string_value = instance;
            group->identity.value = &group->identity_value;
            attribute = &group->identity;
        }
        group->resource.attributes[group->resource.n_attributes++] = attribute;
    }
}

static void begin_group(draft_t *draft, size_t first) {
    group_t *group = &draft->groups[draft->count];
    group->spans = (Otlp__ScopeSpans)OTLP__SCOPE_SPANS__INIT;
    group->spans.scope = &draft->scope;
    group->spans.spans = draft->spans + first;
    group->spans_pointer = &group->spans;
    group->message = (Otlp__ResourceSpans)OTLP__RESOURCE_SPANS__INIT;
    group->message.scope_spans = &group->spans_pointer;
    group->message.n_scope_spans = 1;
    draft->pointers[draft->count++] = &group->message;
}

otlp_result_t otlp_batch_post(otlp_link_t *link, const char *instance, otlp_item_t *items, size_t count,
                              char why[OTLP_WHY_BYTES]) {
    Otlp__Resource *own = otlp_link_target(link)->resource;
    draft_t draft = {.scope = otlp_message_scope(),
                     .spans = must(calloc(count, sizeof *draft.spans)),
                     .groups = must(calloc(count, sizeof *draft.groups)),
                     .pointers = must(calloc(count, sizeof *draft.pointers))};
    qsort(items, count, sizeof *items, by_instance);
    for (size_t i = 0; i < count; i++) {
        draft.spans[i] = items[i].span;
        if (i == 0 || by_instance(&items[i - 1], &items[i]) != 0) {
            begin_group(&draft, i);
            group_t *group = &draft.groups[draft.count - 1];
            group->message.resource = own;
            if (items[i].instance) {
                describe_other(group, own, instance, items[i].instance);
                group->message.resource = &group->resource;
            }
        }
        draft.groups[draft.count - 1].spans.n_spans++;
    }
    Otlp__ExportTraceServiceRequest request = OTLP__EXPORT_TRACE_SERVICE_REQUEST__INIT;
    request.resource_spans = draft.pointers;
    request.n_resource_spans = draft.count;
    otlp_result_t result = otlp_link_post(link, &request.base, why);
    for (size_t i = 0; i < draft.count; i++)
        free(draft.groups[i].resource.attributes);
    free(draft.spans);
    free(draft.groups);
    free(draft.pointers);
    return result;
}

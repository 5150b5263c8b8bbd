#include "common/telemetry/otlp_message.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/utf8.h"
#include "common/version.h"

Otlp__KeyValue *otlp_message_attribute(const char *key) {
    Otlp__KeyValue *attribute = must(malloc(sizeof *attribute));
    otlp__key_value__init(attribute);
    attribute->key = must(strdup(key));
    attribute->value = must(malloc(sizeof *attribute->value));
    otlp__any_value__init(attribute->value);
    return attribute;
}

void otlp_message_set_text(Otlp__AnyValue *value, const char *text) {
    size_t size = strlen(text);
    value->value_case = OTLP__ANY_VALUE__VALUE_STRING_VALUE;
    value->string_value = utf8_valid(text, size) ? must(strdup(text)) : must(utf8_from_latin1(text, size, NULL));
}

Otlp__InstrumentationScope otlp_message_scope(void) {
    Otlp__InstrumentationScope scope = OTLP__INSTRUMENTATION_SCOPE__INIT;
    scope.name = (char *)"oxidicom";
    scope.version = (char *)OXIDICOM_VERSION;
    return scope;
}

/* Parts of OTLP's messages, allocated as protobuf-c unpacks them, so that it can free them. */
#ifndef COMMON_TELEMETRY_OTLP_MESSAGE_H
#define COMMON_TELEMETRY_OTLP_MESSAGE_H

#include "common/telemetry/otlp.pb-c.h"

/* An attribute without a value. */
Otlp__KeyValue *otlp_message_attribute(const char *key);
/* Makes it a text. Invalid UTF-8 is taken for Latin-1: otherwise no collector takes the request. */
void otlp_message_set_text(Otlp__AnyValue *value, const char *text);
/* Who says it, which each request names. Valid for ever, nothing to free. */
Otlp__InstrumentationScope otlp_message_scope(void);

#endif

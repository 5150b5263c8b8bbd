/* The log line, metric and span of a registration that has come back from the broker. */
#ifndef NOTIFIER_BROKER_OUTCOME_H
#define NOTIFIER_BROKER_OUTCOME_H

#include "common/settings.h"
#include "notifier/cube/registration.h"

/* In the log and the metrics. */
void outcome_log(const registration_t *returned);
/* Its span, of that name. */
void outcome_say_span(const settings_t *settings, const char *name, const registration_t *returned);

#endif

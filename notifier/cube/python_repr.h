/* How Python prints values: Celery shows a task's arguments to people in this form. */
#ifndef NOTIFIER_CUBE_PYTHON_REPR_H
#define NOTIFIER_CUBE_PYTHON_REPR_H

#include <jansson.h>

/* What repr() gives for the value that json.loads makes of this one: None, True, single quotes unless the text
 * holds one and no double quote, escapes for what Unicode calls not printable (unassigned code points are left as
 * they are). Floating point numbers are not known here. NULL where there is no memory; free it. */
char *python_repr(json_t *value);

#endif

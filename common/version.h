#ifndef COMMON_VERSION_H
#define COMMON_VERSION_H

#define OXIDICOM_VERSION "0.1.0"
/* Implementation class UID (PS3.7 D.3.3.2): a UUID-derived UID (PS3.5 B.2) of this project. */
#define IMPLEMENTATION_CLASS_UID "2.25.4993686257365601542418920039692937091"
/* At most 16 characters (PS3.7 D.3.3.2.3). */
#define IMPLEMENTATION_VERSION_NAME "OXIDICOM_C_0.1"

#endif

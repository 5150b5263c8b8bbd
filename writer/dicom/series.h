/* What a head tells of its series, which all objects of one series may hold together. */
#ifndef WRITER_DICOM_SERIES_H
#define WRITER_DICOM_SERIES_H

#include "proto/ring.pb-c.h"

/* Without texts yet; the caller is its holder. */
Ring__Series *series_new(void);

/* Has one holder more, who must not change it; only those that series_new makes can. */
Ring__Series *series_share(Ring__Series *series);

/* The last holder frees it. */
void series_release(Ring__Series **series_p);

/* Another folder for this holder alone: it gets its own copy where there are more. */
void series_move(Ring__Series **series_p, const char *folder);

#endif

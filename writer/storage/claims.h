/* The owners of folders and file names. 28 bits of hash tell the series of a study folder apart, and illegal UIDs
 * can be sanitised alike. The first series or instance keeps its place, the second one gets a name with a longer
 * hash. Storage is asked once for each series and writer, and for a file only if its name is ambiguous. */
#ifndef WRITER_STORAGE_CLAIMS_H
#define WRITER_STORAGE_CLAIMS_H

#include "writer/storage/base.h"

/* The folder for this series: `wanted`, unless another series has that. In any thread. Two writers that begin two
 * such series at once do not know of each other. Free it. */
char *claims_folder(bases_t *bases, base_t *base, const char *wanted, const char *series_uid);

/* A file, and its instance. */
typedef struct claim {
    const char *name;         /* that it wants */
    const char *temporary;    /* its name in the base's folder of temporary files */
    const char *instance_uid; /* a file of this instance may be replaced; NULL: only one with the same bytes may */
    const char *identity;     /* what tells it from others, for its other name */
} claim_t;

/* The name for the file in `folder`: another one if another instance has that already. Not for two files of one
 * folder at once. Free it. */
char *claims_file(const base_t *base, const char *folder, const claim_t *claim);

#endif

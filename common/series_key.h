/* What a series of one PACS is called below the files root, where writers and notifiers of several hosts meet: at
 * its link to the folder that is in force. CUBE, too, keys a series by these two. */
#ifndef COMMON_SERIES_KEY_H
#define COMMON_SERIES_KEY_H

/* Below the files root: where CUBE reads what services like this one bring. */
#define SERVICES "SERVICES"
/* Each PACS has a folder of its name here, with the folders of its series in it. */
#define SERVICES_PACS SERVICES "/PACS"

/* The part of a path below SERVICES_PACS, which begins with the PACS' name; NULL: the path is no such one. */
const char *series_key_below_pacs(const char *path);

/* Below the files root: one entry for each series that is received, named by its key. */
#define SERIES_LINKS ".oxidicom/series"

/* NAME_MAX of every file system that matters. */
#define SERIES_KEY_MAX_BYTES 255

/* The key of a series, whose PACS is the folder `pacs_name` below SERVICES/PACS: a file name of 1 to
 * SERIES_KEY_MAX_BYTES bytes of [A-Za-z0-9.-_%+=] with one '+' in it. Two series never have the same key where it
 * fits; a longer one is cut and marked with the SHA-1 of the whole, and still begins with the PACS' name. Free it.
 */
char *series_key(const char *pacs_name, const char *series_uid);

#endif

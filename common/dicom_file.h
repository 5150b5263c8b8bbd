/* CUBE's rule for the files of a series: it counts and shows the names that end with `.dcm`. */
#ifndef COMMON_DICOM_FILE_H
#define COMMON_DICOM_FILE_H

#include <stdbool.h>

#define DICOM_FILE_SUFFIX ".dcm"

/* Whether a name, or a path, ends so; the suffix alone is no name. */
bool dicom_file_is_name(const char *name);

#endif

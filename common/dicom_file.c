#include "common/dicom_file.h"

#include <string.h>

bool dicom_file_is_name(const char *name) {
    size_t length = strlen(name), suffix = strlen(DICOM_FILE_SUFFIX);
    return length > suffix && strcmp(name + length - suffix, DICOM_FILE_SUFFIX) == 0;
}

/* Where an instance lies below the files root. Pure. */
#ifndef WRITER_DICOM_PATH_H
#define WRITER_DICOM_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* NAME_MAX of every file system that matters. */
#define PATH_COMPONENT_MAX_BYTES 255

/* What a path is made of, as UTF-8. NULL: absent or empty in the data set; "" and blanks: there, but blank. */
typedef struct path_parts {
    const char *calling_ae; /* never NULL, like the two UIDs */
    const char *patient_id;
    const char *patient_name;
    const char *patient_birth_date;
    const char *study_description;
    const char *accession_number;
    const char *study_date;
    const char *series_number;
    const char *series_description;
    const char *series_instance_uid;
    const char *instance_number;
    const char *sop_instance_uid;
} path_parts_t;

/* The series' folder, relative to the files root: "SERVICES/PACS/…". Every component has 1 to
 * PATH_COMPONENT_MAX_BYTES bytes of [A-Za-z0-9._-] and is neither "." nor "..". Free it. */
char *path_folder(const path_parts_t *parts);

/* The file's name within it, of the same form, ending in ".dcm". Free it. */
char *path_file(const path_parts_t *parts);

/* Whether two instances of different UIDs can have this name: UID or number were not only digits and dots, or were
 * cut off. */
bool path_file_is_ambiguous(const char *file);

/* Of a name, where that is taken by another series or instance: it ends with the whole hash, of 16 characters, of
 * `uid`. Free them. */
char *path_folder_apart(const char *folder, const char *uid);
char *path_file_apart(const char *file, const char *uid);

/* Whether path_folder or path_folder_apart can have named it for this series. A long name that was cut off does not
 * say its series: it may be of any. */
bool path_folder_may_be_of(const char *folder, const char *series_uid);

/* The name of the folder below SERVICES/PACS. Free it. */
char *path_pacs_name(const char *calling_ae);

/* `text` with each run of characters outside [A-Za-z0-9.-] replaced by one '_'. Free it. */
char *path_sanitize(const char *text);

/* A component that any file system takes: a long name is cut and marked with the hash of the whole, and `suffix`
 * (which `name` does not have yet) is kept; "", "." and ".." are replaced. Free it. */
char *path_component(const char *name, const char *suffix);

/* The length of the first component of `path`; 0: path_folder makes none like it. */
size_t path_component_size(const char *path);

#endif

/* CUBE's columns, in characters: a registration must fit (its models of PACS and PACSSeries). */
#ifndef COMMON_CUBE_COLUMNS_H
#define COMMON_CUBE_COLUMNS_H

/* Of series and study; a longer one names nothing any more when it is cut. */
#define CUBE_UID_MAX              100
#define CUBE_PATIENT_ID_MAX       100
#define CUBE_PATIENT_NAME_MAX     150
#define CUBE_ACCESSION_NUMBER_MAX 100
#define CUBE_MODALITY_MAX         15
#define CUBE_PROTOCOL_NAME_MAX    64
#define CUBE_DESCRIPTION_MAX      400
#define CUBE_PATH_MAX             1024
#define CUBE_PACS_NAME_MAX        20

#endif

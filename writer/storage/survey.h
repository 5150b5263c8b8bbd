/* The survey of storage, for `oxidicom reconcile`: a short-lived mode of this executable that reads and never
 * writes. */
#ifndef WRITER_STORAGE_SURVEY_H
#define WRITER_STORAGE_SURVEY_H

#define SURVEY_LIFE_MS 100

/* --survey [--since MILLISECONDS] [SeriesInstanceUID…]: looks at every folder with .dcm files below SERVICES/PACS
 * of the files root, and prints one line of JSON for each that has a file not older than so many milliseconds since
 * 1970 and holds one of the series named, if any are:
 *
 *   {"folder": relative to the root, "calling_ae", "files": .dcm files, "newest": their last time of change in
 *    milliseconds since 1970, "series": the fields of ring.proto's Series by their names}
 *   {"path": file or folder, "error": why it can't be read}
 *   {} at least every SURVEY_LIFE_MS while storage answers: the survey goes on
 *
 * argv[0] is "--survey". Returns 0; 1: something can't be read; else of sysexits.h. */
int survey_main(int argc, char **argv);

#endif

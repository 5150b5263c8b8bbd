/* Rules of the preloaded library that makes faults (tests/preload/preload.h), in the file of OXIDICOM_TEST_FAULTS.
 */
#ifndef SUPPORT_FAULTS_H
#define SUPPORT_FAULTS_H

/* They hold from now on, all at once, instead of those before. NULL: none, and no file. */
void faults_set(const char *path, const char *rules);
/* Waits until a stage hangs by one of them. */
void faults_await_hang(const char *path);

#endif

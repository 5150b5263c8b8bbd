/* Secrets that come in files, as Docker, Kubernetes and systemd hand them over. */
#ifndef COMMON_SECRET_H
#define COMMON_SECRET_H

/* A file that holds a setting: an address with its password, perhaps several. */
#define SECRET_FILE_MAX_BYTES (64 * 1024)

/* The content of a file, without the newline at its end; free it. NULL: it can't be read or is no text of 1 to
 * SECRET_FILE_MAX_BYTES bytes; then `why` says so, and is valid until the thread's next call of strerror. */
char *secret_read(const char *path, const char **why);

#endif

/* CUBE's API for questions about a series: the paths below OXIDICOM_CUBE_URL, and the meaning of the answers. Owns
 * no connection (cube_link.h).
 *
 * Two requests, both in CUBE 6 and 7, for members of the group pacs_users and the user chris:
 *   pacs/series/search/?SeriesInstanceUID=…&pacs_identifier=…&limit=2   at most one: CUBE's table is unique in both
 *   pacs/files/search/?fname=FOLDER/&limit=1                            `count`: files below that path
 * CUBE makes the rows of the files before the row of the series, so a series that is there is complete.
 * Without `Accept: application/json` it answers in Collection+JSON; filters that it does not know, it ignores.
 *
 * A password is POSTed to auth-token/ once, for a token: with HTTP's Basic authentication CUBE would hash
 * the password anew for each request, which takes it a second of a processor.
 *
 * Differences: since 7, a series can be deleted over the API, by a task, and says so meanwhile (deletion_status
 * "pending", or "failed"); 6 has no such field. Both refuse a series that is there, also while it is being deleted.
 */
#ifndef NOTIFIER_CUBE_CUBE_API_H
#define NOTIFIER_CUBE_CUBE_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What anybody who may ask for series gets an answer to, of the form of the second. */
#define CUBE_API_ANY "pacs/series/search/?limit=1"

/* Where a token is got, and the body of the request; free that. And its answer; free it, too. NULL: no token. */
#define CUBE_API_LOGIN "auth-token/"
char *cube_api_credentials(const char *user, const char *password);
char *cube_api_read_token(const char *text, size_t size);

/* Paths below the API's own; free them. `folder`: of the series, without a slash at its end. */
char *cube_api_series_path(const char *pacs_name, const char *series_uid);
char *cube_api_files_path(const char *folder);

/* Whether the answer to the first has the series: 1, 0; -1: it is no such answer, with `why`, a constant. */
int cube_api_read_series(const char *text, size_t size, const char *pacs_name, const char *series_uid,
                         const char **why);
/* How many files the answer to the second tells of; -1: it is no such answer, with `why`. */
int64_t cube_api_read_files(const char *text, size_t size, const char **why);

#endif

/* What the texts of settings may be: one function for each kind. An empty text is asked about only where it is no
 * unset one. */
#ifndef COMMON_VALID_H
#define COMMON_VALID_H

#include <stdbool.h>

/* An absolute one. */
bool valid_path(const char *text);
/* Addresses between semicolons, each of a scheme that there is. Its transport reads the rest. */
bool valid_broker(const char *text);
/* Servers between commas. */
bool valid_nats(const char *text);
/* An AMQP short string (AMQP 0-9-1, 4.2.5.3), and a file's name for the filesystem broker. */
bool valid_queue_name(const char *text);
bool valid_key_prefix(const char *text);
/* Tokens between dots, none of them empty (NATS protocol, subject names). */
bool valid_subject(const char *text);
/* The value of an AE (PS3.5 6.2) as a peer's is compared, without the spaces around it. */
bool valid_ae_title(const char *text);
bool valid_ae_titles(const char *text);
/* name=TITLE, several between commas. */
bool valid_named_titles(const char *text);
/* Where a path can be put behind it. A password has settings of its own, which nobody prints. */
bool valid_cube_url(const char *text);
/* It is put into a line of a header unchanged. */
bool valid_cube_token(const char *text);
/* HTTP's Basic authentication ends it at a colon (RFC 7617 2). */
bool valid_cube_user(const char *text);
bool valid_log_format(const char *text);
/* Three octal digits, with or without a 0 before them. The owner can read and write. */
bool valid_file_mode(const char *text);
bool valid_writer_id(const char *text);
bool valid_tls_client(const char *text);
bool valid_sandbox(const char *text);

#endif

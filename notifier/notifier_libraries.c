#include "notifier/notifier_libraries.h"

#include <curl/curl.h>
#include <hiredis/hiredis.h>
#include <microhttpd.h>
#include <nats/nats.h>
#include <openssl/crypto.h>
#include <sqlite3.h>

#include "notifier/broker/rabbitmq_c.h"
#include "proto/libraries.h"

void notifier_libraries_print(FILE *out) {
    libraries_print(out);
    libraries_print_one(out, "curl", curl_version_info(CURLVERSION_NOW)->version);
    libraries_print_one(out, "sqlite", sqlite3_libversion());
    libraries_print_one(out, "cnats", nats_GetVersion());
    libraries_print_one(out, "rabbitmq-c", amqp_version());
    fprintf(out, "  hiredis %d.%d.%d\n", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
    libraries_print_one(out, "microhttpd", MHD_get_version());
    libraries_print_one(out, "openssl", OpenSSL_version(OPENSSL_VERSION_STRING));
}

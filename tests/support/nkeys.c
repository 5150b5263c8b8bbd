#include "tests/support/nkeys.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/process.h"

#define KEY_BYTES 32
#define SEED      (18 << 3)
#define OPERATOR  (14 << 3)
#define ACCOUNT   0
#define USER      (20 << 3)

typedef struct identity {
    EVP_PKEY *key;
    char name[64], seed[64]; /* in base 32 */
} identity_t;

/* --- encodings ------------------------------------------------------------------------------------------- */

static uint16_t crc16(const uint8_t *bytes, size_t size) {
    uint16_t crc = 0;
    for (size_t i = 0; i < size; i++) {
        crc = (uint16_t)(crc ^ (bytes[i] << 8));
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1);
    }
    return crc;
}

/* RFC 4648 6, without padding. */
static void base32(char *to, const uint8_t *bytes, size_t size) {
    uint32_t held = 0;
    int bits = 0;
    for (size_t i = 0; i < size; i++) {
        held = held << 8 | bytes[i];
        for (bits += 8; bits >= 5; bits -= 5)
            *to++ = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[held >> (bits - 5) & 31];
    }
    if (bits > 0)
        *to++ = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[held << (5 - bits) & 31];
    *to = 0;
}

/* Prefix, key and checksum. */
static void encode_key(char *to, const uint8_t *prefix, size_t prefix_size, const uint8_t *key) {
    uint8_t bytes[2 + KEY_BYTES + 2];
    size_t size = prefix_size + KEY_BYTES;
    memcpy(bytes, prefix, prefix_size);
    memcpy(bytes + prefix_size, key, KEY_BYTES);
    uint16_t crc = crc16(bytes, size);
    bytes[size] = (uint8_t)crc;
    bytes[size + 1] = (uint8_t)(crc >> 8);
    base32(to, bytes, size + 2);
}

/* RFC 4648 5, without padding; free it. */
static char *base64url(const void *bytes, size_t size) {
    char *text = calloc(1, 4 * ((size + 2) / 3) + 1);
    if (!text)
        abort();
    EVP_EncodeBlock((unsigned char *)text, bytes, (int)size);
    for (char *c = text; *c; c++)
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c == '=' ? '\0' : *c;
    return text;
}

/* --- identities ------------------------------------------------------------------------------------------ */

static void identity_make(identity_t *identity, uint8_t kind) {
    uint8_t seed[KEY_BYTES], public[KEY_BYTES];
    size_t size = sizeof public;
    if (RAND_bytes(seed, sizeof seed) != 1)
        abort();
    identity->key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed);
    if (!identity->key || EVP_PKEY_get_raw_public_key(identity->key, public, &size) != 1)
        abort();
    encode_key(identity->name, &kind, 1, public);
    const uint8_t prefix[] = {(uint8_t)(SEED | kind >> 5), (uint8_t)((kind & 31) << 3)};
    encode_key(identity->seed, prefix, 2, seed);
}

/* What `issuer` says about `subject`; free it. */
static char *make_jwt(const identity_t *issuer, const identity_t *subject, const char *claims) {
    static const char head[] = "{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}";
    char *body =
        text_of("{\"jti\":\"TEST\",\"iat\":%lld,\"iss\":\"%s\",\"name\":\"test\",\"sub\":\"%s\",\"nats\":{%s}}",
                (long long)time(NULL), issuer->name, subject->name, claims);
    char *first = base64url(head, strlen(head)), *second = base64url(body, strlen(body));
    char *text = text_of("%s.%s", first, second);
    uint8_t signature[64];
    size_t size = sizeof signature;
    EVP_MD_CTX *signer = EVP_MD_CTX_new();
    if (!signer || EVP_DigestSignInit(signer, NULL, NULL, NULL, issuer->key) != 1 ||
        EVP_DigestSign(signer, signature, &size, (const uint8_t *)text, strlen(text)) != 1)
        abort();
    char *third = base64url(signature, size), *jwt = text_of("%s.%s", text, third);
    EVP_MD_CTX_free(signer);
    free(body);
    free(first);
    free(second);
    free(third);
    free(text);
    return jwt;
}

static char *write_text(char *path, char *text) {
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
    free(text);
    return path;
}

char *nkeys_write(const char *folder) {
    identity_t operator, account, user;
    identity_make(&operator, OPERATOR);
    identity_make(&account, ACCOUNT);
    identity_make(&user, USER);
    char *of_operator = make_jwt(&operator, & operator, "\"type\":\"operator\",\"version\":2");
    char *of_account = make_jwt(&operator, & account,
                                "\"limits\":{\"subs\":-1,\"data\":-1,\"payload\":-1,\"imports\":-1,\"exports\":-1,"
                                "\"wildcards\":true,\"conn\":-1,\"leaf\":-1},\"type\":\"account\",\"version\":2");
    char *of_user = make_jwt(&account, &user,
                             "\"pub\":{},\"sub\":{},\"subs\":-1,\"data\":-1,\"payload\":-1,\"type\":\"user\","
                             "\"version\":2");
    free(write_text(text_of("%s/user.creds", folder),
                    text_of("-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n"
                            "-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n",
                            of_user, user.seed)));
    char *config = write_text(text_of("%s/nats.conf", folder),
                              text_of("operator: %s\nresolver: MEMORY\nresolver_preload: { %s: %s }\n", of_operator,
                                      account.name, of_account));
    free(of_operator);
    free(of_account);
    free(of_user);
    EVP_PKEY_free(operator.key);
    EVP_PKEY_free(account.key);
    EVP_PKEY_free(user.key);
    return config;
}

/*
 * hash.h -- SHA-256 digests as values, and hex and base64 for bytes.
 *
 * A digest is a struct, never a pointer to bytes of unknown length. Its text
 * form is 64 lower-case hex digits; nothing else parses.
 *
 * Depends on: err, buf, libcrypto.  Threads: a running hash belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_HASH_H
#define AI_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define AI_HEX 65 /* a digest in hex, with its NUL */

struct ai_buf;
struct ai_digest { uint8_t b[32]; };
struct ai_sha { void *ctx; /* EVP_MD_CTX */ };

/*
 * For a program that only judges: OpenSSL reads no configuration file, so that neither a file nor a variable can change what its
 * algorithms are, and it starts a millisecond sooner. To be called before anything else of this header; not for libraries.
 */
void ai_crypto_without_config(void);

/* One-shot SHA-256 of n bytes. Cannot fail: the algorithm is fetched and tested once, and the process aborts without it. */
void ai_sha256(const void *p, size_t n, struct ai_digest *out);
/* SHA-1, for git's names of objects and nothing else: whoever can choose both of two contents can make them collide. */
void ai_sha1(const void *p, size_t n, uint8_t out[20]);
/* SHA-256 of a followed by b: the extend of a PCR. */
void ai_sha256_pair(const struct ai_digest *a, const struct ai_digest *b, struct ai_digest *out);

/* Running SHA-256: init, add…, end (which also releases). ai_sha_done releases one that never ended. */
int ai_sha_init(struct ai_sha *s, struct ai_err *err) AI_CHECKED;
void ai_sha_add(struct ai_sha *s, const void *p, size_t n);
void ai_sha_end(struct ai_sha *s, struct ai_digest *out);
void ai_sha_done(struct ai_sha *s);
/* Running SHA-1, for the same names of git's; ai_sha_add and ai_sha_done as above. */
int ai_sha1_init(struct ai_sha *s, struct ai_err *err) AI_CHECKED;
void ai_sha1_end(struct ai_sha *s, uint8_t out[20]);

/* Whole content of a file from its present offset to its end; size_out may be NULL. */
int ai_sha256_fd(int fd, struct ai_digest *out, uint64_t *size_out, struct ai_err *err) AI_CHECKED;

bool ai_digest_eq(const struct ai_digest *a, const struct ai_digest *b);
int ai_digest_cmp(const struct ai_digest *a, const struct ai_digest *b);
void ai_hex(const struct ai_digest *d, char out[AI_HEX]);
/* 64 lower-case hex digits and the end of the text; anything else is false. */
bool ai_unhex(const char *s, struct ai_digest *out);

/* n bytes as lower-case hex into out (2n+1 chars). */
void ai_hex_bytes(const void *p, size_t n, char *out);

/* Canonical base64 (RFC 4648 section 4, padded, no white space). */
void ai_b64_put(struct ai_buf *b, const void *p, size_t n);
/* Decodes text of length n into out; refuses everything that ai_b64_put would not have written. */
int ai_b64_get(const char *s, size_t n, struct ai_buf *out, struct ai_err *err) AI_CHECKED;

#endif

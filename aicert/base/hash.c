/* hash.c -- see hash.h.  SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

/* Fetching an algorithm takes OpenSSL 3 longer than hashing a node, so it is done once. */
static EVP_MD *sha256_md;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void
sha256_fetch(void)
{
	sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!sha256_md)
		abort();
}

static const EVP_MD *
sha256(void)
{
	pthread_once(&sha256_once, sha256_fetch);
	return sha256_md;
}

void
ai_crypto_without_config(void)
{
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		abort();
}

void
ai_sha256(const void *p, size_t n, struct ai_digest *out)
{
	if (EVP_Digest(p, n, out->b, NULL, sha256(), NULL) != 1)
		abort();
}

void
ai_sha1(const void *p, size_t n, uint8_t out[20])
{
	if (EVP_Digest(p, n, out, NULL, EVP_sha1(), NULL) != 1)
		abort();
}

void
ai_sha256_pair(const struct ai_digest *a, const struct ai_digest *b, struct ai_digest *out)
{
	uint8_t both[64];
	memcpy(both, a->b, 32);
	memcpy(both + 32, b->b, 32);
	ai_sha256(both, sizeof both, out);
}

static int
init(struct ai_sha *s, const EVP_MD *md, struct ai_err *err)
{
	s->ctx = EVP_MD_CTX_new();
	if (!s->ctx || EVP_DigestInit_ex(s->ctx, md, NULL) != 1) {
		ai_sha_done(s);
		return ai_nomem(err);
	}
	return 0;
}

int
ai_sha_init(struct ai_sha *s, struct ai_err *err)
{
	return init(s, sha256(), err);
}

int
ai_sha1_init(struct ai_sha *s, struct ai_err *err)
{
	return init(s, EVP_sha1(), err);
}

void
ai_sha_add(struct ai_sha *s, const void *p, size_t n)
{
	if (EVP_DigestUpdate(s->ctx, p, n) != 1)
		abort();
}

void
ai_sha_end(struct ai_sha *s, struct ai_digest *out)
{
	if (EVP_DigestFinal_ex(s->ctx, out->b, NULL) != 1)
		abort();
	ai_sha_done(s);
}

void
ai_sha1_end(struct ai_sha *s, uint8_t out[20])
{
	if (EVP_DigestFinal_ex(s->ctx, out, NULL) != 1)
		abort();
	ai_sha_done(s);
}

void
ai_sha_done(struct ai_sha *s)
{
	EVP_MD_CTX_free(s->ctx);
	s->ctx = NULL;
}

int
ai_sha256_fd(int fd, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	enum { CHUNK = 1 << 18 };
	struct ai_sha s;
	AI_FREE char *chunk = malloc(CHUNK);
	if (!chunk)
		return ai_nomem(err);
	if (ai_sha_init(&s, err) < 0)
		return err->code;
	uint64_t size = 0;
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	for (;;) {
		ssize_t n = read(fd, chunk, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			ai_sha_done(&s);
			return ai_fail_errno(err, AI_EINPUT, "read");
		}
		if (n == 0)
			break;
		ai_sha_add(&s, chunk, (size_t)n);
		size += (uint64_t)n;
	}
	ai_sha_end(&s, out);
	if (size_out)
		*size_out = size;
	return 0;
}

bool
ai_digest_eq(const struct ai_digest *a, const struct ai_digest *b)
{
	return CRYPTO_memcmp(a->b, b->b, sizeof a->b) == 0;
}

int
ai_digest_cmp(const struct ai_digest *a, const struct ai_digest *b)
{
	return memcmp(a->b, b->b, sizeof a->b);
}

void
ai_hex_bytes(const void *p, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *b = p;
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[b[i] >> 4];
		out[2 * i + 1] = digits[b[i] & 15];
	}
	out[2 * n] = '\0';
}

void
ai_hex(const struct ai_digest *d, char out[AI_HEX])
{
	ai_hex_bytes(d->b, sizeof d->b, out);
}

static int
nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

bool
ai_unhex(const char *s, struct ai_digest *out)
{
	struct ai_digest d;
	for (size_t i = 0; i < sizeof d.b; i++) {
		int hi = nibble(s[2 * i]);
		int lo = hi < 0 ? -1 : nibble(s[2 * i + 1]);
		if (lo < 0)
			return false;
		d.b[i] = (uint8_t)(hi << 4 | lo);
	}
	if (s[64] != '\0')
		return false;
	*out = d;
	return true;
}

static const char b64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
ai_b64_put(struct ai_buf *b, const void *p, size_t n)
{
	const uint8_t *u = p;
	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)u[i] << 16;
		if (i + 1 < n)
			v |= (uint32_t)u[i + 1] << 8;
		if (i + 2 < n)
			v |= u[i + 2];
		char q[4] = { b64_digits[v >> 18], b64_digits[v >> 12 & 63],
			i + 1 < n ? b64_digits[v >> 6 & 63] : '=', i + 2 < n ? b64_digits[v & 63] : '=' };
		ai_buf_put(b, q, 4);
	}
}

static int
b64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The 24 bits of the four characters at s, of which the last pad are '='. */
static int
b64_group(const char *s, size_t pad, size_t at, uint32_t *v, struct ai_err *err)
{
	*v = 0;
	for (size_t k = 0; k < 4; k++) {
		int d = k < 4 - pad ? b64_value(s[k]) : 0;
		if (d < 0)
			return ai_fail(err, AI_EINPUT, "base64: character %zu is not in the alphabet", at + k + 1);
		*v = *v << 6 | (uint32_t)d;
	}
	/* Bits that the padding throws away must be zero, or two texts would mean the same bytes. */
	if (*v & ((1u << (8 * pad)) - 1u))
		return ai_fail(err, AI_EINPUT, "base64: the last character has bits that nothing uses");
	return 0;
}

int
ai_b64_get(const char *s, size_t n, struct ai_buf *out, struct ai_err *err)
{
	if (n % 4)
		return ai_fail(err, AI_EINPUT, "base64: got %zu characters, expected a multiple of 4", n);
	size_t before = out->len;
	ai_buf_put(out, "", 0);
	for (size_t i = 0; i < n; i += 4) {
		size_t pad = 0;
		if (i + 4 == n)
			pad = s[i + 3] != '=' ? 0 : s[i + 2] != '=' ? 1 : 2;
		uint32_t v;
		if (b64_group(s + i, pad, i, &v, err) < 0) {
			out->len = before;
			if (out->data)
				out->data[before] = '\0';
			return err->code;
		}
		char t[3] = { (char)(v >> 16), (char)(v >> 8), (char)v };
		ai_buf_put(out, t, 3 - pad);
	}
	return ai_buf_ok(out, "base64", err);
}

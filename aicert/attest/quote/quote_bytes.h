/*
 * quote_bytes.h -- what the files of quote.h share: TPM numbers, and a reader of big-endian fields.
 *
 * A reader stays within its bytes: once one field is short, all that follow are, and what was read is zeros.
 * Ask reader_end once, at the end (or wherever a value decides how the rest is read).
 *
 * Depends on: err.  Threads: pure.
 * Source: TPM 2.0 Library, Part 2: TPM_ALG_ID, TPM_ECC_CURVE, TPM_ST, TPM_RH.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_QUOTE_BYTES_H
#define AI_QUOTE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	ALG_RSA = 0x0001, ALG_SHA1 = 0x0004, ALG_SHA256 = 0x000b, ALG_SHA384 = 0x000c, ALG_SHA512 = 0x000d, ALG_NULL = 0x0010,
	ALG_RSASSA = 0x0014, ALG_RSAPSS = 0x0016, ALG_ECDSA = 0x0018, ALG_ECC = 0x0023,
	CURVE_P256 = 0x0003, CURVE_P384 = 0x0004,
	ST_ATTEST_QUOTE = 0x8018,
	MAX_COORDINATE = 48, MAX_MODULUS = 512,
};

struct reader {
	const uint8_t *p;
	size_t left;
	bool bad;
};

static inline const uint8_t *
take(struct reader *r, size_t n)
{
	if (r->bad || n > r->left) {
		r->bad = true;
		return NULL;
	}
	const uint8_t *p = r->p;
	r->p += n;
	r->left -= n;
	return p;
}

static inline uint64_t
number(struct reader *r, size_t n)
{
	const uint8_t *p = take(r, n);
	uint64_t v = 0;
	for (size_t i = 0; p && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

static inline uint16_t get16(struct reader *r) { return (uint16_t)number(r, 2); }
static inline uint32_t get32(struct reader *r) { return (uint32_t)number(r, 4); }

/* A TPM2B of at most max bytes. */
static inline const uint8_t *
get_2b(struct reader *r, size_t max, size_t *n_out)
{
	size_t n = get16(r);
	const uint8_t *p = n <= max ? take(r, n) : NULL;
	if (!p)
		r->bad = true;
	*n_out = p ? n : 0;
	return p;
}

static inline int
reader_end(const struct reader *r, const char *what, struct ai_err *err)
{
	if (r->bad)
		return ai_fail(err, AI_EINPUT, "%s: truncated, or a size in it is too large", what);
	if (r->left)
		return ai_fail(err, AI_EINPUT, "%s: %zu bytes follow its end", what, r->left);
	return 0;
}

/* Bytes of a digest; 0 for an algorithm that is no hash of ours. */
static inline size_t
digest_size(uint16_t alg)
{
	switch (alg) {
	case ALG_SHA1: return 20;
	case ALG_SHA256: return 32;
	case ALG_SHA384: return 48;
	case ALG_SHA512: return 64;
	default: return 0;
	}
}

static inline size_t curve_size(uint16_t curve) { return curve == CURVE_P384 ? 48 : 32; }

#endif

/* quote.c -- quotes, PCR values and whose they are; see quote.h.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/quote/quote.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "attest/quote/quote_bytes.h"

static const uint32_t generated_value = 0xff544347; /* TPM_GENERATED_VALUE: what a restricted key signs nothing foreign with */

/* One TPMS_PCR_SELECTION. */
static int
parse_selection(struct reader *r, struct ai_selection *out, struct ai_err *err)
{
	*out = (struct ai_selection){ .bank = get16(r) };
	size_t n = (size_t)number(r, 1);
	const uint8_t *bits = n >= 1 && n <= 4 ? take(r, n) : NULL;
	if (!bits) {
		r->bad = true;
		return reader_end(r, "quote", err);
	}
	for (size_t i = 0; i < n; i++)
		out->mask |= (uint32_t)bits[i] << (8 * i);
	if (digest_size(out->bank) == 0)
		return ai_fail(err, AI_EINPUT, "quote: PCR bank of an unknown hash %04x", out->bank);
	return 0;
}

/* TPML_PCR_SELECTION. */
static int
parse_selections(struct reader *r, size_t max, struct ai_quote *q, struct ai_err *err)
{
	uint32_t n_banks = get32(r), any = 0;
	if (!r->bad && (n_banks == 0 || n_banks > max))
		return ai_fail(err, AI_EINPUT, "quote: selects %u PCR banks, expected %s1", (unsigned)n_banks, max > 1 ? "at least " : "");
	for (size_t i = 0; i < n_banks && !r->bad; i++) {
		if (parse_selection(r, &q->banks[i], err) < 0)
			return err->code;
		for (size_t k = 0; k < i; k++)
			if (q->banks[k].bank == q->banks[i].bank)
				return ai_fail(err, AI_EINPUT, "quote: selects the PCR bank %04x twice", q->banks[i].bank);
		any |= q->banks[i].mask;
	}
	if (r->bad)
		return reader_end(r, "quote", err);
	if (any == 0)
		return ai_fail(err, AI_EINPUT, "quote: selects no PCR");
	q->n_banks = n_banks;
	q->bank = q->banks[0].bank;
	q->pcr_mask = q->banks[0].mask;
	return 0;
}

static int
parse_header(struct reader *r, struct ai_err *err)
{
	uint32_t magic = get32(r);
	uint16_t type = get16(r);
	if (r->bad)
		return reader_end(r, "quote", err);
	if (magic != generated_value)
		return ai_fail(err, AI_ENO, "quote: magic: got %08x, expected ff544347: no TPM made this", (unsigned)magic);
	if (type != ST_ATTEST_QUOTE)
		return ai_fail(err, AI_ENO, "quote: type: got %04x, expected 8018 (a quote)", type);
	return 0;
}

static int
parse(const uint8_t *p, size_t n, size_t max_banks, struct ai_quote *out, struct ai_err *err)
{
	struct reader r = { p, n, false };
	struct ai_quote q = { 0 };
	if (parse_header(&r, err) < 0)
		return err->code;
	const uint8_t *signer = get_2b(&r, sizeof q.signer, &q.signer_len);
	const uint8_t *extra = get_2b(&r, sizeof q.extra, &q.extra_len);
	q.clock = number(&r, 8);
	q.reset_count = get32(&r);
	q.restart_count = get32(&r);
	uint64_t safe = number(&r, 1);
	q.firmware = number(&r, 8);
	if (r.bad)
		return reader_end(&r, "quote", err);
	if (safe > 1)
		return ai_fail(err, AI_EINPUT, "quote: clock's 'safe' is %u, expected 0 or 1", (unsigned)safe);
	q.safe = safe;
	if (parse_selections(&r, max_banks, &q, err) < 0)
		return err->code;
	const uint8_t *digest = get_2b(&r, sizeof q.pcr_digest, &q.pcr_digest_len);
	if (reader_end(&r, "quote", err) < 0)
		return err->code;
	memcpy(q.signer, signer, q.signer_len);
	memcpy(q.extra, extra, q.extra_len);
	memcpy(q.pcr_digest, digest, q.pcr_digest_len);
	*out = q;
	return 0;
}

int
ai_quote_parse(const uint8_t *p, size_t n, struct ai_quote *out, struct ai_err *err)
{
	return parse(p, n, 1, out, err);
}

int
ai_quote_parse_banks(const uint8_t *p, size_t n, struct ai_quote *out, struct ai_err *err)
{
	return parse(p, n, AI_MAX_SELECTIONS, out, err);
}

bool
ai_quote_extra_is(const struct ai_quote *q, const void *want, size_t n)
{
	return q->extra_len == n && CRYPTO_memcmp(q->extra, want, n) == 0;
}

/* --- the PCRs -------------------------------------------------------------- */

static int
check_digest(const struct ai_quote *q, const EVP_MD *md, const void *values, size_t n, struct ai_err *err)
{
	uint8_t got[EVP_MAX_MD_SIZE];
	unsigned got_len = 0;
	if (EVP_Digest(values, n, got, &got_len, md, NULL) != 1)
		return ai_nomem(err);
	if (got_len != q->pcr_digest_len || memcmp(got, q->pcr_digest, got_len) != 0)
		return ai_fail(err, AI_ENO, "quote: the PCR values presented are not those quoted");
	return 0;
}

int
ai_quote_pcrs(const struct ai_quote *q, const struct ai_digest *pcrs, uint32_t mask, struct ai_err *err)
{
	if (q->bank != ALG_SHA256)
		return ai_fail(err, AI_ENO, "quote: PCR bank: got %04x, expected 000b (SHA-256)", q->bank);
	if (q->pcr_mask != mask || q->n_banks != 1)
		return ai_fail(err, AI_ENO, "quote: selected PCRs: got %06x, expected %06x", (unsigned)q->pcr_mask, (unsigned)mask);
	/* The composite is made with the hash of the key's scheme; its length, signed with it, says which of the two that is. */
	const EVP_MD *md = q->pcr_digest_len == 32 ? EVP_sha256() : q->pcr_digest_len == 48 ? EVP_sha384() : NULL;
	if (!md)
		return ai_fail(err, AI_ENO, "quote: PCR digest of %zu bytes, expected 32 or 48", q->pcr_digest_len);
	return check_digest(q, md, pcrs, (size_t)__builtin_popcount(mask) * sizeof *pcrs, err);
}

size_t
ai_quote_values_size(const struct ai_quote *q)
{
	size_t n = 0;
	for (size_t i = 0; i < q->n_banks; i++)
		n += (size_t)__builtin_popcount(q->banks[i].mask) * digest_size(q->banks[i].bank);
	return n;
}

int
ai_quote_values(const struct ai_quote *q, uint16_t hash, const void *values, size_t n, struct ai_err *err)
{
	const EVP_MD *md = hash == ALG_SHA1 ? EVP_sha1() : hash == ALG_SHA256 ? EVP_sha256() : hash == ALG_SHA384 ? EVP_sha384() : NULL;
	if (n != ai_quote_values_size(q))
		return ai_fail(err, AI_ENO, "quote: PCR values of %zu bytes, expected the %zu of its selection", n, ai_quote_values_size(q));
	if (!md || q->pcr_digest_len != digest_size(hash))
		return ai_fail(err, AI_ENO, "quote: PCR digest of %zu bytes, expected the %zu of the signature's hash", q->pcr_digest_len, digest_size(hash));
	return check_digest(q, md, values, n, err);
}

/* --- whose ------------------------------------------------------------------- */

static bool
is_signer(const struct ai_quote *q, const struct ai_name *qualified)
{
	return q->signer_len == qualified->n && memcmp(q->signer, qualified->b, qualified->n) == 0;
}

const char *
ai_quote_hierarchy_through(const struct ai_quote *q, const struct ai_name *parent, const struct ai_name *name)
{
	/* TPM_RH_OWNER, _NULL, _ENDORSEMENT, _PLATFORM: a hierarchy's name is its handle. */
	static const struct { uint8_t handle[4]; const char *word; } hierarchies[] = {
		{ { 0x40, 0, 0, 0x0b }, "endorsement" }, { { 0x40, 0, 0, 0x01 }, "owner" }, { { 0x40, 0, 0, 0x0c }, "platform" }, { { 0x40, 0, 0, 0x07 }, "null" },
	};
	for (size_t i = 0; i < sizeof hierarchies / sizeof *hierarchies; i++) {
		struct ai_name above, qualified;
		const void *p = hierarchies[i].handle;
		size_t n = sizeof hierarchies[i].handle;
		if (parent) {
			if (!ai_name_qualify(p, n, parent, &above))
				continue;
			p = above.b;
			n = above.n;
		}
		if (ai_name_qualify(p, n, name, &qualified) && is_signer(q, &qualified))
			return hierarchies[i].word;
	}
	return NULL;
}

const char *
ai_quote_hierarchy(const struct ai_quote *q, const struct ai_name *name)
{
	return ai_quote_hierarchy_through(q, NULL, name);
}

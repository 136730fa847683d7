/* test_quote.c -- keys, quotes and signatures: real ones verify, and nothing that differs does.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/quote/quote.h"

#include <fcntl.h>
#include <openssl/pem.h>

#include "base/fs.h"
#include "base/json.h"
#include "tpm_bytes.h"

static EVP_PKEY *p256, *p384, *rsa;

static int
make_keys(void **state)
{
	(void)state;
	p256 = EVP_EC_gen("P-256");
	p384 = EVP_EC_gen("P-384");
	rsa = EVP_RSA_gen(2048);
	return p256 && p384 && rsa ? 0 : -1;
}

static int
free_keys(void **state)
{
	(void)state;
	EVP_PKEY_free(p256);
	EVP_PKEY_free(p384);
	EVP_PKEY_free(rsa);
	return 0;
}

/* A TPMS_ATTEST over PCRs 0-15, all of them `fill`, in one bank. */
static struct bytes
quote_bytes(unsigned bank, uint8_t fill, bool sha384)
{
	struct bytes o = { .n = 0 };
	uint8_t pcrs[16 * 32], digest[64], extra[32] = { 7 };
	unsigned n;
	memset(pcrs, fill, sizeof pcrs);
	EVP_Digest(pcrs, sizeof pcrs, digest, &n, sha384 ? EVP_sha384() : EVP_sha256(), NULL);
	put(&o, 0xff544347, 4);
	put(&o, 0x8018, 2);
	put_2b(&o, "\0\x0b" "0123456789abcdef0123456789abcdef", 34);
	put_2b(&o, extra, sizeof extra);
	put(&o, 1234, 8);
	put(&o, 5, 4);
	put(&o, 6, 4);
	put(&o, 1, 1);
	put(&o, 99, 8);
	put(&o, 1, 4);
	put(&o, bank, 2);
	put(&o, 3, 1);
	put(&o, 0xffff00, 3);
	put_2b(&o, digest, n);
	return o;
}

/* --- keys and signatures of every kind -------------------------------------- */

static void
round_trip(EVP_PKEY *key, const struct key_words *w, int salt)
{
	struct bytes area = public_area(key, w), quote = quote_bytes(S256, 3, w->hash == S384);
	struct bytes sig = sign_bytes(key, w, quote.b, quote.n, salt);
	struct ai_ak ak;
	struct ai_quote q;
	struct ai_digest pcrs[16], want;
	memset(pcrs, 3, sizeof pcrs);
	ok(ai_ak_parse(area.b, area.n, &ak, &err));
	ai_sha256(area.b, area.n, &want);
	assert_true(ai_digest_eq(&want, &ak.fingerprint));
	assert_int_equal(ak.scheme, w->scheme);
	ok(ai_quote_signature(&ak, quote.b, quote.n, sig.b, sig.n, &err));
	ok(ai_quote_parse(quote.b, quote.n, &q, &err));
	assert_int_equal(q.reset_count, 5);
	assert_int_equal(q.clock, 1234);
	assert_true(q.safe);
	assert_int_equal(q.pcr_mask, 0xffff);
	ok(ai_quote_pcrs(&q, pcrs, 0xffff, &err));
	pcrs[15].b[31] ^= 1;
	refused(AI_ENO, "not those quoted", ai_quote_pcrs(&q, pcrs, 0xffff, &err));
	refused(AI_ENO, "selected PCRs", ai_quote_pcrs(&q, pcrs, 0x7fff, &err));
	quote.b[quote.n - 1] ^= 1;
	refused(AI_ENO, "not made by this", ai_quote_signature(&ak, quote.b, quote.n, sig.b, sig.n, &err));
	ai_ak_done(&ak);
}

static void
every_scheme(void **state)
{
	(void)state;
	struct key_words w = ECC_WORDS, r = RSA_WORDS;
	round_trip(p256, &w, 0);
	w.hash = w.name_alg = S384;
	round_trip(p384, &w, 0);
	round_trip(rsa, &r, 0);
	r.exponent = 65537;
	round_trip(rsa, &r, 0);
	r.scheme = RSAPSS;
	round_trip(rsa, &r, RSA_PSS_SALTLEN_DIGEST);
	round_trip(rsa, &r, RSA_PSS_SALTLEN_MAX);
	r.hash = S384;
	round_trip(rsa, &r, RSA_PSS_SALTLEN_DIGEST);
}

static void
refused_key(int code, const struct bytes *area, const char *words)
{
	struct ai_ak ak, before;
	memset(&ak, 0xaa, sizeof ak);
	memcpy(&before, &ak, sizeof ak);
	refused(code, words, ai_ak_parse(area->b, area->n, &ak, &err));
	assert_memory_equal(&ak, &before, sizeof ak);
}

static void
refuses_keys_that_do_not_attest(void **state)
{
	(void)state;
	static const struct { uint32_t flip; const char *words; } bits[] = {
		{ 1u << 1, "fixedTPM is clear" }, { 1u << 4, "fixedParent is clear" }, { 1u << 5, "sensitiveDataOrigin is clear" },
		{ 1u << 16, "restricted is clear" }, { 1u << 17, "decrypt is set" }, { 1u << 18, "sign is clear" },
		{ 1u << 19, "x509sign is set" }, { 1u << 0, "reserved" }, { 1u << 3, "reserved" }, { 1u << 31, "reserved" },
	};
	for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
		struct key_words w = ECC_WORDS;
		w.attributes ^= bits[i].flip;
		struct bytes area = public_area(p256, &w);
		refused_key(AI_ENO, &area, bits[i].words);
	}
	struct key_words rsa_w = RSA_WORDS, e;
	struct { struct key_words w; EVP_PKEY *key; const char *words; } cases[10];
	size_t n = 0;
#define CASE(base, which, change, text) do { e = (base); change; cases[n].w = e; cases[n].key = (which); cases[n++].words = (text); } while (0)
	struct key_words ecc_w = ECC_WORDS;
	CASE(ecc_w, p256, e.scheme = NONE, "not fixed by the key");
	CASE(rsa_w, rsa, e.scheme = NONE, "not fixed by the key");
	CASE(ecc_w, p256, e.scheme = RSASSA, "signature scheme");
	CASE(rsa_w, rsa, e.scheme = ECDSA, "signature scheme");
	CASE(ecc_w, p256, e.hash = S1, "signs with SHA-1");
	CASE(ecc_w, p256, e.hash = 0x27, "signature hash");
	CASE(ecc_w, p256, e.name_alg = S1, "name algorithm");
	CASE(ecc_w, p256, e.symmetric = 6, "symmetric");
	CASE(ecc_w, p256, e.kdf = 0x20, "key derivation");
	CASE(rsa_w, rsa, e.exponent = 3, "exponent");
	for (size_t i = 0; i < n; i++) {
		struct bytes area = public_area(cases[i].key, &cases[i].w);
		refused_key(AI_ENO, &area, cases[i].words);
	}
}

static void
refuses_keys_of_bad_numbers(void **state)
{
	(void)state;
	struct key_words w = ECC_WORDS, r = RSA_WORDS;
	struct bytes area = public_area(p256, &w);
	area.b[area.n - 1] ^= 1;
	refused_key(AI_EINPUT, &area, "not on the curve");
	area = public_area(p256, &w);
	area.b[area.n - 71] = 4; /* the curve says P-384, the point is of P-256 */
	refused_key(AI_EINPUT, &area, "not on the curve");
	area.b[area.n - 71] = 5;
	refused_key(AI_ENO, &area, "curve: got 0005");
	area = public_area(p384, &w);
	area.b[area.n - 103] = 3;
	refused_key(AI_EINPUT, &area, "does not fit its curve");
	area = public_area(rsa, &r);
	area.b[area.n - 1] ^= 1; /* even */
	refused_key(AI_EINPUT, &area, "modulus");
	area = public_area(rsa, &r);
	area.b[area.n - 256] &= 0x7f;
	refused_key(AI_EINPUT, &area, "modulus");
	area = public_area(rsa, &r);
	area.b[area.n - 264] = 4; /* 1024 bits, it says */
	refused_key(AI_EINPUT, &area, "1024 bits");
	area.b[area.n - 264] = 0xff;
	refused_key(AI_EINPUT, &area, "bits");
}

static void
refuses_every_other_length(void **state)
{
	(void)state;
	struct key_words w = ECC_WORDS;
	struct bytes area = public_area(p256, &w), quote = quote_bytes(S256, 0, false), sig = sign_bytes(p256, &w, quote.b, quote.n, 0);
	struct ai_ak ak;
	struct ai_quote q;
	struct ai_err e;
	ok(ai_ak_parse(area.b, area.n, &ak, &err));
	for (size_t n = 0; n <= area.n + 3; n++) {
		struct ai_ak other;
		if (n != area.n)
			assert_int_equal(ai_ak_parse(area.b, n, &other, &e), AI_EINPUT);
	}
	for (size_t n = 0; n <= quote.n + 3; n++)
		if (n != quote.n)
			assert_int_equal(ai_quote_parse(quote.b, n, &q, &e), AI_EINPUT);
	for (size_t n = 0; n <= sig.n + 3; n++)
		if (n != sig.n)
			assert_true(ai_quote_signature(&ak, quote.b, quote.n, sig.b, n, &e) < 0);
	ai_ak_done(&ak);
}

static void
refuses_other_attestations(void **state)
{
	(void)state;
	enum { COUNT_AT = 6 + 36 + 34 + 25 };
	static const struct { size_t at; uint8_t value; const char *words; } edits[] = {
		{ 0, 0xfe, "magic" }, { 5, 0x17, "type: got 8017" }, { 5, 0x1a, "type: got 801a" }, { 7, 0xff, "truncated" },
		{ COUNT_AT - 9, 2, "'safe' is 2" }, { COUNT_AT + 3, 0, "selects 0 PCR banks" }, { COUNT_AT + 3, 2, "selects 2 PCR banks" },
		{ COUNT_AT + 5, 0x99, "unknown hash" }, { COUNT_AT + 6, 0, "truncated" }, { COUNT_AT + 6, 5, "truncated" },
	};
	struct ai_quote q;
	for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
		struct bytes quote = quote_bytes(S256, 0, false);
		quote.b[edits[i].at] = edits[i].value;
		refused(edits[i].at < 6 ? AI_ENO : AI_EINPUT, edits[i].words, ai_quote_parse(quote.b, quote.n, &q, &err));
	}
	struct bytes none = quote_bytes(S256, 0, false);
	none.b[COUNT_AT + 7] = none.b[COUNT_AT + 8] = none.b[COUNT_AT + 9] = 0;
	refused(AI_EINPUT, "selects no PCR", ai_quote_parse(none.b, none.n, &q, &err));
	struct bytes sha1 = quote_bytes(S1, 0, false);
	struct ai_digest pcrs[16] = { { { 0 } } };
	ok(ai_quote_parse(sha1.b, sha1.n, &q, &err));
	refused(AI_ENO, "PCR bank", ai_quote_pcrs(&q, pcrs, 0xffff, &err));
}

static void
scheme_and_hash_are_the_keys(void **state)
{
	(void)state;
	struct key_words w = ECC_WORDS, r = RSA_WORDS, pss = RSA_WORDS;
	pss.scheme = RSAPSS;
	struct bytes quote = quote_bytes(S256, 0, false), area = public_area(rsa, &r), sig = sign_bytes(rsa, &pss, quote.b, quote.n, 32);
	struct ai_ak ak;
	ok(ai_ak_parse(area.b, area.n, &ak, &err));
	refused(AI_ENO, "scheme and hash", ai_quote_signature(&ak, quote.b, quote.n, sig.b, sig.n, &err));
	sig = sign_bytes(p256, &w, quote.b, quote.n, 0);
	refused(AI_ENO, "scheme and hash", ai_quote_signature(&ak, quote.b, quote.n, sig.b, sig.n, &err));
	sig = sign_bytes(rsa, &r, quote.b, quote.n, 0);
	sig.b[3] = S384;
	refused(AI_ENO, "scheme and hash", ai_quote_signature(&ak, quote.b, quote.n, sig.b, sig.n, &err));
	sig.b[3] = S256;
	sig.b[4] = 0;
	sig.b[5] = 0x80;
	refused(AI_ENO, "128 bytes, expected 256", ai_quote_signature(&ak, quote.b, quote.n, sig.b, 6 + 128, &err));
	ai_ak_done(&ak);
}

/* --- every byte -------------------------------------------------------------- */

/* Is the whole good: the key the one known (parsed anew, unless it is given), its signature, the form? */
static bool
verifies(const struct ai_ak *known, const struct bytes *area, const struct bytes *quote, const struct bytes *sig)
{
	struct ai_ak ak = *known;
	struct ai_quote q;
	struct ai_err err = { 0 };
	if (area && ai_ak_parse(area->b, area->n, &ak, &err) < 0)
		return false;
	bool good = ai_digest_eq(&ak.fingerprint, &known->fingerprint)
		&& ai_quote_signature(&ak, quote->b, quote->n, sig->b, sig->n, &err) == 0 && ai_quote_parse(quote->b, quote->n, &q, &err) == 0;
	if (area)
		ai_ak_done(&ak);
	return good;
}

/* Flips each byte of which, one after the other; none may verify. Returns how many were refused. */
static size_t
flip_all(struct bytes *which, const struct ai_ak *ak, const struct bytes *area, const struct bytes *quote, const struct bytes *sig)
{
	static const uint8_t masks[] = { 0x01, 0x80 };
	size_t n_refused = 0;
	for (size_t i = 0; i < which->n; i++)
		for (size_t k = 0; k < sizeof masks; k++, n_refused++) {
			which->b[i] ^= masks[k];
			if (verifies(ak, area, quote, sig))
				fail_msg("byte %zu ^ %02x still verifies", i, masks[k]);
			which->b[i] ^= masks[k];
		}
	return n_refused;
}

static void
no_flipped_byte_verifies(void **state)
{
	(void)state;
	struct key_words words[] = { ECC_WORDS, RSA_WORDS };
	EVP_PKEY *keys[] = { p256, rsa };
	for (size_t i = 0; i < 2; i++) {
		struct bytes area = public_area(keys[i], &words[i]), quote = quote_bytes(S256, 1, false);
		struct bytes sig = sign_bytes(keys[i], &words[i], quote.b, quote.n, 0);
		struct ai_ak ak;
		ok(ai_ak_parse(area.b, area.n, &ak, &err));
		assert_true(verifies(&ak, &area, &quote, &sig));
		size_t n = flip_all(&quote, &ak, NULL, &quote, &sig) + flip_all(&sig, &ak, NULL, &quote, &sig)
			+ flip_all(&area, &ak, &area, &quote, &sig);
		assert_int_equal(n, 2 * (area.n + quote.n + sig.n));
		ai_ak_done(&ak);
	}
}

/* --- real ones ---------------------------------------------------------------- */

static void
load(struct bytes *out, const char *path)
{
	AI_FREE char *full = ai_format("%s/vectors/%s", shared_dir(), path);
	AI_BUF_AUTO b = AI_BUF(sizeof out->b);
	ok(ai_read_file(AT_FDCWD, full, &b, &err));
	out->n = 0;
	put_raw(out, b.data, b.len);
}

/* The SHA-256 values of a .pcrs.json, in order, and their mask. */
static uint32_t
load_pcrs(const char *path, struct ai_digest *pcrs)
{
	AI_FREE char *full = ai_format("%s/vectors/%s", shared_dir(), path);
	AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
	AI_JSON *j = NULL;
	uint32_t mask = 0;
	size_t n = 0;
	ok(ai_read_file(AT_FDCWD, full, &b, &err));
	ok(ai_json_parse(b.data, b.len, full, &j, &err));
	const json_t *bank = ai_json_obj(j, "sha256");
	for (unsigned i = 0; bank && i < 24; i++) {
		char key[12];
		snprintf(key, sizeof key, "%u", i);
		if (!json_object_get(bank, key))
			continue;
		assert_true(ai_json_digest(bank, key, &pcrs[n++]));
		mask |= 1u << i;
	}
	return mask;
}

/* The public area of a vector that has only a PEM key: what the TPM's would have said of it. */
static void
load_pem(struct bytes *area, const char *path)
{
	AI_FREE char *full = ai_format("%s/vectors/%s", shared_dir(), path);
	FILE *f = fopen(full, "r");
	assert_non_null(f);
	EVP_PKEY *key = PEM_read_PUBKEY(f, NULL, NULL, NULL);
	fclose(f);
	assert_non_null(key);
	struct key_words w = RSA_WORDS;
	*area = public_area(key, &w);
	EVP_PKEY_free(key);
}

static void
real_quotes_verify(void **state)
{
	(void)state;
	static const struct { const char *area, *name; } vectors[] = {
		{ "google+go-tpm-tools/extracted/gce-cos-85-no-nonce/akpub.tpmt", "google+go-tpm-tools/extracted/gce-cos-85-no-nonce/quote-sha256" },
		{ "google+go-tpm-tools/extracted/gce-cos-85-nonce9009/akpub.tpmt", "google+go-tpm-tools/extracted/gce-cos-85-nonce9009/quote-sha256" },
		{ "keylime+keylime/extracted/test-data-files/quote.akpub.pem", "keylime+keylime/extracted/test-data-files/quote" },
		{ "keylime+keylime/extracted/tpm_util_test/quote.akpub.pem", "keylime+keylime/extracted/tpm_util_test/quote" },
		{ "kinvolk+azure-cvm-tooling/extracted/azure-cvm-quote.akpub.pem", "kinvolk+azure-cvm-tooling/extracted/azure-cvm-quote" },
	};
	size_t n_good = 0, n_refused = 0;
	if (!shared_dir())
		skip();
	for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
		AI_FREE char *msg = ai_format("%s.msg", vectors[i].name);
		AI_FREE char *sig_path = ai_format("%s.sig", vectors[i].name);
		AI_FREE char *values = ai_format("%s.pcrs.json", vectors[i].name);
		struct bytes area, quote, sig;
		struct ai_digest pcrs[24];
		struct ai_ak ak;
		struct ai_quote q;
		(strstr(vectors[i].area, ".pem") ? load_pem : load)(&area, vectors[i].area);
		load(&quote, msg);
		load(&sig, sig_path);
		uint32_t mask = load_pcrs(values, pcrs);
		ok(ai_ak_parse(area.b, area.n, &ak, &err));
		ok(ai_quote_signature(&ak, quote.b, quote.n, sig.b, sig.n, &err));
		ok(ai_quote_parse(quote.b, quote.n, &q, &err));
		ok(ai_quote_pcrs(&q, pcrs, mask, &err));
		n_good++;
		pcrs[0].b[0] ^= 1;
		refused(AI_ENO, "not those quoted", ai_quote_pcrs(&q, pcrs, mask, &err));
		n_refused += flip_all(&sig, &ak, NULL, &quote, &sig) + flip_all(&quote, &ak, NULL, &quote, &sig);
		ai_ak_done(&ak);
	}
	assert_int_equal(n_good, 5);
	assert_true(n_refused > 5 * 2 * 300);
}

static void
real_quotes_of_other_banks_are_refused(void **state)
{
	(void)state;
	static const char *const folders[] = { "gce-cos-85-no-nonce", "gce-cos-85-nonce9009" };
	static const char *const banks[] = { "sha1", "sha384" };
	size_t n_refused = 0;
	if (!shared_dir())
		skip();
	for (size_t i = 0; i < 4; i++) {
		AI_FREE char *base = ai_format("google+go-tpm-tools/extracted/%s", folders[i / 2]);
		AI_FREE char *key = ai_format("%s/akpub.tpmt", base);
		AI_FREE char *msg = ai_format("%s/quote-%s.msg", base, banks[i % 2]);
		AI_FREE char *sig_path = ai_format("%s/quote-%s.sig", base, banks[i % 2]);
		struct bytes area, quote, sig;
		struct ai_digest pcrs[24] = { { { 0 } } };
		struct ai_ak ak;
		struct ai_quote q;
		load(&area, key);
		load(&quote, msg);
		load(&sig, sig_path);
		ok(ai_ak_parse(area.b, area.n, &ak, &err));
		ok(ai_quote_signature(&ak, quote.b, quote.n, sig.b, sig.n, &err));
		ok(ai_quote_parse(quote.b, quote.n, &q, &err));
		refused(AI_ENO, "PCR bank", ai_quote_pcrs(&q, pcrs, q.pcr_mask, &err));
		n_refused++;
		ai_ak_done(&ak);
	}
	assert_int_equal(n_refused, 4);
}

static void
real_ones_that_are_no_quotes_are_refused(void **state)
{
	(void)state;
	if (!shared_dir())
		skip();
	static const char folder[] = "google+go-attestation/extracted/windows_gcp_shielded_vm";
	AI_FREE char *key = ai_format("%s/akpub.tpmt", folder);
	AI_FREE char *created = ai_format("%s/create_attest.msg", folder);
	AI_FREE char *msg = ai_format("%s/quote.msg", folder);
	struct bytes area, attest, quote;
	struct ai_quote q;
	struct ai_digest pcrs[24] = { { { 0 } } };
	load(&area, key);
	load(&attest, created);
	load(&quote, msg);
	refused_key(AI_ENO, &area, "SHA-1");
	refused(AI_ENO, "type: got 801a", ai_quote_parse(attest.b, attest.n, &q, &err));
	ok(ai_quote_parse(quote.b, quote.n, &q, &err));
	refused(AI_ENO, "PCR bank: got 0004", ai_quote_pcrs(&q, pcrs, q.pcr_mask, &err));
	/* A TPM2B_PUBLIC is not a TPMT_PUBLIC: the two bytes of size are foreign. */
	load(&area, "keylime+keylime/test-data/files/ak.pub");
	struct ai_ak ak;
	refused(AI_EINPUT, "attestation key", ai_ak_parse(area.b, area.n, &ak, &err));
	struct bytes inner = { .n = 0 }, sig;
	put_raw(&inner, area.b + 2, area.n - 2);
	ok(ai_ak_parse(inner.b, inner.n, &ak, &err));
	load(&quote, "keylime+keylime/test-data/files/quote.out");
	load(&sig, "keylime+keylime/test-data/files/quotesig.out");
	ok(ai_quote_signature(&ak, quote.b, quote.n, sig.b, sig.n, &err));
	ai_ak_done(&ak);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_scheme), cmocka_unit_test(refuses_keys_that_do_not_attest), cmocka_unit_test(refuses_keys_of_bad_numbers),
		cmocka_unit_test(refuses_every_other_length), cmocka_unit_test(refuses_other_attestations),
		cmocka_unit_test(scheme_and_hash_are_the_keys), cmocka_unit_test(no_flipped_byte_verifies), cmocka_unit_test(real_quotes_verify),
		cmocka_unit_test(real_quotes_of_other_banks_are_refused), cmocka_unit_test(real_ones_that_are_no_quotes_are_refused),
	};
	return cmocka_run_group_tests(tests, make_keys, free_keys);
}

/* test_quote_values.c -- quotes of other banks, bare signatures, PEM keys, Names: what `aicert tpm check` asks.  SPDX-License-Identifier: Apache-2.0 */
#include <openssl/pem.h>

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

struct select { unsigned bank; uint32_t mask; };

/* A TPMS_ATTEST by this signer, of these selections, with this digest. */
static struct bytes
attest(const void *signer, size_t signer_len, const struct select *s, size_t n, const void *digest, size_t digest_len)
{
	struct bytes o = { .n = 0 };
	put(&o, 0xff544347, 4);
	put(&o, 0x8018, 2);
	put_2b(&o, signer, signer_len);
	put_2b(&o, "nonce", 5);
	put(&o, 1234, 8);
	put(&o, 5, 4);
	put(&o, 6, 4);
	put(&o, 1, 1);
	put(&o, 99, 8);
	put(&o, n, 4);
	for (size_t i = 0; i < n; i++) {
		put(&o, s[i].bank, 2);
		put(&o, 3, 1);
		for (size_t k = 0; k < 3; k++)
			put(&o, s[i].mask >> (8 * k) & 0xff, 1);
	}
	put_2b(&o, digest, digest_len);
	return o;
}

static void
digest_of(const EVP_MD *md, const void *p, size_t n, uint8_t out[64])
{
	unsigned len;
	assert_int_equal(EVP_Digest(p, n, out, &len, md, NULL), 1);
}

static void
the_digest_is_by_the_signatures_hash(void **state)
{
	(void)state;
	static const struct { unsigned bank; size_t size; } banks[] = { { S1, 20 }, { S256, 32 }, { S384, 48 }, { 0x0d, 64 } };
	uint8_t values[3 * 64], digest[64];
	memset(values, 9, sizeof values);
	for (size_t i = 0; i < 4; i++) {
		const struct select s = { banks[i].bank, 0x10003 };
		size_t n = 3 * banks[i].size;
		struct ai_quote q;
		digest_of(EVP_sha256(), values, n, digest);
		struct bytes a = attest("", 0, &s, 1, digest, 32);
		ok(ai_quote_parse(a.b, a.n, &q, &err));
		assert_int_equal(ai_quote_values_size(&q), n);
		ok(ai_quote_values(&q, S256, values, n, &err));
		refused(AI_ENO, "the signature's hash", ai_quote_values(&q, S384, values, n, &err));
		refused(AI_ENO, "the signature's hash", ai_quote_values(&q, NONE, values, n, &err));
		refused(AI_ENO, "of its selection", ai_quote_values(&q, S256, values, n - 1, &err));
		refused(AI_ENO, "of its selection", ai_quote_values(&q, S256, values, n + 1, &err));
		values[n - 1] ^= 1;
		refused(AI_ENO, "not those quoted", ai_quote_values(&q, S256, values, n, &err));
		values[n - 1] ^= 1;
		digest_of(EVP_sha384(), values, n, digest);
		a = attest("", 0, &s, 1, digest, 48);
		ok(ai_quote_parse(a.b, a.n, &q, &err));
		ok(ai_quote_values(&q, S384, values, n, &err));
		refused(AI_ENO, "the signature's hash", ai_quote_values(&q, S256, values, n, &err));
	}
}

static void
several_banks_are_for_those_who_ask(void **state)
{
	(void)state;
	const struct select two[] = { { S1, 0x1 }, { S384, 0x800001 } }, twice[] = { { S256, 1 }, { S256, 2 } }, none[] = { { S256, 0 }, { S1, 0 } };
	const struct select half[] = { { S1, 0 }, { S256, 0xffff } };
	uint8_t values[20 + 2 * 48] = { 1 }, digest[64];
	struct ai_quote q;
	struct ai_digest pcrs[16] = { { { 0 } } };
	digest_of(EVP_sha256(), values, sizeof values, digest);
	struct bytes a = attest("", 0, two, 2, digest, 32);
	refused(AI_EINPUT, "selects 2 PCR banks", ai_quote_parse(a.b, a.n, &q, &err));
	ok(ai_quote_parse_banks(a.b, a.n, &q, &err));
	assert_int_equal(q.n_banks, 2);
	assert_int_equal(q.banks[1].mask, 0x800001);
	ok(ai_quote_values(&q, S256, values, sizeof values, &err));
	a = attest("", 0, twice, 2, digest, 32);
	refused(AI_EINPUT, "twice", ai_quote_parse_banks(a.b, a.n, &q, &err));
	a = attest("", 0, none, 2, digest, 32);
	refused(AI_EINPUT, "selects no PCR", ai_quote_parse_banks(a.b, a.n, &q, &err));
	a = attest("", 0, half, 2, digest, 32);
	ok(ai_quote_parse_banks(a.b, a.n, &q, &err));
	/* A proof's quote is of one bank; the struct of a looser parse does not pass for it. */
	q.bank = S256;
	q.pcr_mask = 0xffff;
	refused(AI_ENO, "selected PCRs", ai_quote_pcrs(&q, pcrs, 0xffff, &err));
}

static void
extra_data_is_all_or_nothing(void **state)
{
	(void)state;
	const struct select s = { S256, 1 };
	uint8_t digest[32] = { 0 };
	struct bytes a = attest("", 0, &s, 1, digest, 32);
	struct ai_quote q;
	ok(ai_quote_parse(a.b, a.n, &q, &err));
	assert_true(ai_quote_extra_is(&q, "nonce", 5));
	assert_false(ai_quote_extra_is(&q, "nonce", 4));
	assert_false(ai_quote_extra_is(&q, "nonce\0", 6));
	assert_false(ai_quote_extra_is(&q, "Nonce", 5));
	assert_false(ai_quote_extra_is(&q, "", 0));
}

/* --- signatures --------------------------------------------------------------- */

static void
bare_signatures(void **state)
{
	(void)state;
	struct key_words e = ECC_WORDS, r = RSA_WORDS;
	struct bytes keys[] = { public_area(p256, &e), public_area(rsa, &r) };
	struct bytes whole[] = { sign_bytes(p256, &e, "text", 4, 0), sign_bytes(rsa, &r, "text", 4, 0) };
	struct ai_ak ak;
	ok(ai_ak_parse(keys[1].b, keys[1].n, &ak, &err));
	ok(ai_quote_signature_bare(&ak, (const uint8_t *)"text", 4, whole[1].b + 6, whole[1].n - 6, &err));
	refused(AI_ENO, "bytes, expected 256", ai_quote_signature_bare(&ak, (const uint8_t *)"text", 4, whole[1].b + 6, whole[1].n - 7, &err));
	refused(AI_ENO, "not made by this", ai_quote_signature_bare(&ak, (const uint8_t *)"Text", 4, whole[1].b + 6, whole[1].n - 6, &err));
	ai_ak_done(&ak);
	ok(ai_ak_parse(keys[0].b, keys[0].n, &ak, &err));
	uint8_t both[64];
	memcpy(both, whole[0].b + 6, 32);
	memcpy(both + 32, whole[0].b + 40, 32);
	ok(ai_quote_signature_bare(&ak, (const uint8_t *)"text", 4, both, 64, &err));
	both[63] ^= 1;
	refused(AI_ENO, "not made by this", ai_quote_signature_bare(&ak, (const uint8_t *)"text", 4, both, 64, &err));
	uint8_t der[100];
	size_t n = sizeof der;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, p256), 1);
	assert_int_equal(EVP_DigestSign(md, der, &n, (const uint8_t *)"text", 4), 1);
	EVP_MD_CTX_free(md);
	ok(ai_quote_signature_bare(&ak, (const uint8_t *)"text", 4, der, n, &err));
	der[n] = 0;
	refused(AI_ENO, "not made by this", ai_quote_signature_bare(&ak, (const uint8_t *)"text", 4, der, n + 1, &err));
	ai_ak_done(&ak);
}

static void
short_numbers_of_ecdsa(void **state)
{
	(void)state;
	struct key_words w = ECC_WORDS;
	struct bytes area = public_area(p256, &w);
	struct ai_ak ak;
	ok(ai_ak_parse(area.b, area.n, &ak, &err));
	/* Sign until r or s begins with a zero byte, and write it shorter, as some TPMs do. */
	for (unsigned i = 0; i < 20000; i++) {
		struct bytes sig = sign_bytes(p256, &w, &i, sizeof i, 0), o = { .n = 0 };
		const uint8_t *r = sig.b + 6, *s = sig.b + 40;
		if (r[0] && s[0])
			continue;
		put(&o, ECDSA, 2);
		put(&o, S256, 2);
		put_2b(&o, r + !r[0], 32 - (size_t)!r[0]);
		put_2b(&o, s + !s[0], 32 - (size_t)!s[0]);
		assert_true(o.n < sig.n);
		ok(ai_quote_signature(&ak, (const uint8_t *)&i, sizeof i, o.b, o.n, &err));
		ok(ai_quote_signature(&ak, (const uint8_t *)&i, sizeof i, sig.b, sig.n, &err));
		ai_ak_done(&ak);
		return;
	}
	fail_msg("no short number in 20000 signatures");
}

static void
sha1_is_for_those_who_ask(void **state)
{
	(void)state;
	struct key_words r = RSA_WORDS;
	r.hash = S1;
	struct bytes area = public_area(rsa, &r);
	struct ai_ak ak;
	refused(AI_ENO, "SHA-1", ai_ak_parse(area.b, area.n, &ak, &err));
	ok(ai_ak_parse_sha1(area.b, area.n, &ak, &err));
	ai_ak_done(&ak);
	r.hash = S256;
	r.name_alg = S1;
	area = public_area(rsa, &r);
	refused(AI_ENO, "name algorithm", ai_ak_parse(area.b, area.n, &ak, &err));
	ok(ai_ak_parse_sha1(area.b, area.n, &ak, &err));
	ai_ak_done(&ak);
	r.attributes &= ~(1u << 16);
	area = public_area(rsa, &r);
	refused(AI_ENO, "restricted", ai_ak_parse_sha1(area.b, area.n, &ak, &err));
}

/* --- PEM ---------------------------------------------------------------------- */

static void
pem_of(EVP_PKEY *key, struct ai_buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p = NULL;
	*out = AI_BUF(AI_MAX_CERT);
	assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
	long n = BIO_get_mem_data(bio, &p);
	ai_buf_put(out, p, (size_t)n);
	BIO_free(bio);
}

static void
pem_keys(void **state)
{
	(void)state;
	struct key_words w = ECC_WORDS;
	struct ai_buf pem;
	struct ai_ak ak;
	EVP_PKEY *small = EVP_RSA_gen(1024), *other = EVP_EC_gen("secp256k1");
	pem_of(p256, &pem);
	ok(ai_ak_from_pem(pem.data, pem.len, ECDSA, S256, false, &ak, &err));
	assert_int_equal(ak.name_alg, 0);
	struct bytes sig = sign_bytes(p256, &w, "text", 4, 0);
	ok(ai_quote_signature(&ak, (const uint8_t *)"text", 4, sig.b, sig.n, &err));
	sig = sign_bytes(p384, &w, "text", 4, 0);
	assert_true(ai_quote_signature(&ak, (const uint8_t *)"text", 4, sig.b, sig.n, &(struct ai_err){ 0 }) < 0);
	ai_ak_done(&ak);
	refused(AI_ENO, "signature scheme: got 0014, expected ECDSA", ai_ak_from_pem(pem.data, pem.len, RSASSA, S256, false, &ak, &err));
	refused(AI_ENO, "SHA-1", ai_ak_from_pem(pem.data, pem.len, ECDSA, S1, false, &ak, &err));
	ok(ai_ak_from_pem(pem.data, pem.len, ECDSA, S1, true, &ak, &err));
	ai_ak_done(&ak);
	for (size_t n = 0; n + 1 < pem.len; n++)
		refused(AI_EINPUT, "not one PEM block", ai_ak_from_pem(pem.data, n, ECDSA, S256, false, &ak, &err));
	ai_buf_puts(&pem, " \n\t");
	ok(ai_ak_from_pem(pem.data, pem.len, ECDSA, S256, false, &ak, &err));
	ai_ak_done(&ak);
	ai_buf_puts(&pem, "x");
	refused(AI_EINPUT, "nothing else", ai_ak_from_pem(pem.data, pem.len, ECDSA, S256, false, &ak, &err));
	ai_buf_done(&pem);
	pem_of(small, &pem);
	refused(AI_ENO, "1024 bits", ai_ak_from_pem(pem.data, pem.len, RSASSA, S256, false, &ak, &err));
	ai_buf_done(&pem);
	pem_of(other, &pem);
	refused(AI_ENO, "curve: got 'secp256k1'", ai_ak_from_pem(pem.data, pem.len, ECDSA, S256, false, &ak, &err));
	ai_buf_done(&pem);
	EVP_PKEY_free(small);
	EVP_PKEY_free(other);
}

/* --- names ---------------------------------------------------------------------- */

/* Part 1, "Names": the hash of handle or parent's qualified name, and Name; done by hand here. */
static struct ai_name
qualify(const void *parent, size_t n, const struct ai_name *name)
{
	struct bytes o = { .n = 0 };
	struct ai_name out = { { 0, S256 }, 34 };
	put_raw(&o, parent, n);
	put_raw(&o, name->b, name->n);
	digest_of(EVP_sha256(), o.b, o.n, out.b + 2);
	return out;
}

static void
whose_quote_it_is(void **state)
{
	(void)state;
	static const struct { uint32_t handle; const char *word; } all[] = {
		{ 0x40000001, "owner" }, { 0x40000007, "null" }, { 0x4000000b, "endorsement" }, { 0x4000000c, "platform" },
	};
	const struct select s = { S256, 1 };
	struct key_words e = ECC_WORDS, r = RSA_WORDS;
	struct bytes key = public_area(p256, &e), parent_area = public_area(rsa, &r);
	struct ai_name name, parent;
	uint8_t digest[64] = { 0 };
	struct ai_quote q;
	ok(ai_name_of(key.b, key.n, &name, &err));
	ok(ai_name_of(parent_area.b, parent_area.n, &parent, &err));
	assert_int_equal(name.n, 34);
	digest_of(EVP_sha256(), key.b, key.n, digest);
	assert_memory_equal(name.b + 2, digest, 32);
	for (size_t i = 0; i < 4; i++) {
		struct bytes handle = { .n = 0 };
		put(&handle, all[i].handle, 4);
		struct ai_name primary = qualify(handle.b, 4, &name), above = qualify(handle.b, 4, &parent), child = qualify(above.b, above.n, &name);
		struct bytes a = attest(primary.b, primary.n, &s, 1, digest, 32);
		ok(ai_quote_parse(a.b, a.n, &q, &err));
		assert_string_equal(ai_quote_hierarchy(&q, &name), all[i].word);
		assert_null(ai_quote_hierarchy(&q, &parent));
		assert_null(ai_quote_hierarchy_through(&q, &parent, &name));
		a = attest(child.b, child.n, &s, 1, digest, 32);
		ok(ai_quote_parse(a.b, a.n, &q, &err));
		assert_null(ai_quote_hierarchy(&q, &name));
		assert_string_equal(ai_quote_hierarchy_through(&q, &parent, &name), all[i].word);
		assert_null(ai_quote_hierarchy_through(&q, &name, &parent));
	}
	struct bytes a = attest(name.b, name.n, &s, 1, digest, 32), none = attest("", 0, &s, 1, digest, 32);
	ok(ai_quote_parse(a.b, a.n, &q, &err));
	assert_null(ai_quote_hierarchy(&q, &name));
	ok(ai_quote_parse(none.b, none.n, &q, &err));
	assert_null(ai_quote_hierarchy(&q, &name));
	refused(AI_EINPUT, "public area", ai_name_of(key.b, 3, &name, &err));
	refused(AI_EINPUT, "public area", ai_name_of((const uint8_t *)"\0\x23\0\x99", 4, &name, &err));
	struct ai_name bad = { { 0, S256 }, 33 }, out;
	assert_false(ai_name_qualify("", 0, &bad, &out));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_digest_is_by_the_signatures_hash), cmocka_unit_test(several_banks_are_for_those_who_ask),
		cmocka_unit_test(extra_data_is_all_or_nothing), cmocka_unit_test(bare_signatures), cmocka_unit_test(short_numbers_of_ecdsa),
		cmocka_unit_test(sha1_is_for_those_who_ask), cmocka_unit_test(pem_keys), cmocka_unit_test(whose_quote_it_is),
	};
	return cmocka_run_group_tests(tests, make_keys, free_keys);
}

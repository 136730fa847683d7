/* test_credential.c -- MakeCredential against keylime's known answers, and against a TPM that opens what was made.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/enrol/credential.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>

#include "attest/enrol/credential_parts.h"
#include "swtpm.h"
#include "tpm_bytes.h"

/* --- known answers ----------------------------------------------------------- */

static void
read_vector(const char *name, struct ai_buf *out)
{
	if (!shared_dir())
		skip();
	AI_FREE char *path = ai_format("%s/vectors/keylime+keylime/%s", shared_dir(), name);
	ok(ai_read_file(AT_FDCWD, path, out, &err));
}

struct known {
	struct ai_buf ek, name, challenge, expected;
	struct ai_ek key;
};

static void
read_known(const char *kind, const char *answer, struct known *k)
{
	struct ai_buf *bufs[] = { &k->ek, &k->name, &k->challenge, &k->expected };
	const char *const files[] = { "ek.tpm2b_public", "ak.name", "challenge", answer };
	for (size_t i = 0; i < 4; i++) {
		AI_FREE char *path = ai_format("extracted/tpm_util_test/makecredential_%s_%s.bin", kind, files[i]);
		*bufs[i] = AI_BUF(4096);
		read_vector(path, bufs[i]);
	}
	ok(ai_ek_parse(k->ek.data + 2, k->ek.len - 2, &k->key, &err));
}

static void
done_known(struct known *k)
{
	ai_buf_done(&k->ek);
	ai_buf_done(&k->name);
	ai_buf_done(&k->challenge);
	ai_buf_done(&k->expected);
	ai_ek_done(&k->key);
}

/* keylime writes what tpm2_makecredential does: a magic number, a version, TPM2B_ID_OBJECT, TPM2B_ENCRYPTED_SECRET. */
static void
make_file(const struct known *k, const struct ai_credential_chance *chance, struct ai_buf *out)
{
	AI_BUF_AUTO object = AI_BUF(4096);
	AI_BUF_AUTO seed = AI_BUF(4096);
	ok(ai_credential_make_with(&k->key, (const uint8_t *)k->name.data, k->name.len, k->challenge.data, k->challenge.len, chance, &object, &seed, &err));
	ai_buf_put(out, "\xba\xdc\xc0\xde\0\0\0\1", 8);
	ai_buf_put(out, object.data, object.len);
	ai_buf_put(out, seed.data, seed.len);
}

static EVP_PKEY *
p256_from_private(const char *decimal)
{
	BIGNUM *d = NULL;
	uint8_t point[65];
	size_t n;
	assert_true(BN_dec2bn(&d, decimal) > 0);
	EC_GROUP *g = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *q = EC_POINT_new(g);
	assert_int_equal(EC_POINT_mul(g, q, d, NULL, NULL, NULL), 1);
	n = EC_POINT_point2oct(g, q, POINT_CONVERSION_UNCOMPRESSED, point, sizeof point, NULL);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0);
	OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, n);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, d);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params), 1);
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EC_POINT_free(q);
	EC_GROUP_free(g);
	BN_free(d);
	return key;
}

static void
test_ecc_known_answer(void **state)
{
	(void)state;
	struct known k = { 0 };
	read_known("ecc", "expected_full", &k);
	struct ai_credential_chance chance = { .ephemeral = p256_from_private("75548318724506252006992803713632448754009807765151974952668642988315053146586") };
	AI_BUF_AUTO got = AI_BUF(4096);
	make_file(&k, &chance, &got);
	assert_int_equal(got.len, k.expected.len);
	assert_int_equal(got.len, 148);
	assert_memory_equal(got.data, k.expected.data, got.len);
	EVP_PKEY_free(chance.ephemeral);
	done_known(&k);
}

/* The last 256 bytes are RSA-OAEP, which no seed fixes. */
static void
test_rsa_known_answer(void **state)
{
	(void)state;
	struct known k = { 0 };
	read_known("rsa", "expected_prefix80", &k);
	struct ai_credential_chance chance = { .ephemeral = NULL };
	memset(chance.seed, 0x12, 32);
	AI_BUF_AUTO got = AI_BUF(4096);
	make_file(&k, &chance, &got);
	assert_int_equal(got.len, 80 + 256);
	assert_int_equal(k.expected.len, 80);
	assert_memory_equal(got.data, k.expected.data, 80);
	done_known(&k);
}

static void
test_name_of_a_real_key(void **state)
{
	(void)state;
	AI_BUF_AUTO public = AI_BUF(4096);
	AI_BUF_AUTO name = AI_BUF(4096);
	uint8_t got[66];
	size_t n = 0;
	read_vector("test-data/files/ak.pub", &public);
	read_vector("test-data/files/ak.name", &name);
	ok(ai_credential_name(public.data + 2, public.len - 2, got, &n, &err));
	assert_int_equal(n, name.len);
	assert_memory_equal(got, name.data, n);
}

static void
test_a_real_endorsement_key(void **state)
{
	(void)state;
	AI_BUF_AUTO public = AI_BUF(4096);
	struct ai_ek ek;
	read_vector("test-data/files/ek.pub", &public);
	ok(ai_ek_parse(public.data + 2, public.len - 2, &ek, &err));
	assert_int_equal(ek.type, RSA_);
	assert_int_equal(ek.name_alg, S256);
	assert_int_equal(ek.symmetric_bits, 128);
	ai_ek_done(&ek);
	/* Every shorter one is refused, and one with a byte more. */
	for (size_t i = 0; i < public.len - 2; i++)
		refused(AI_EINPUT, "endorsement key", ai_ek_parse(public.data + 2, i, &ek, &err));
	ai_buf_putc(&public, 0);
	refused(AI_EINPUT, "1 bytes follow its end", ai_ek_parse(public.data + 2, public.len - 2, &ek, &err));
}

/* --- what is no endorsement key ---------------------------------------------- */

struct ek_words { unsigned name_alg, symmetric, bits, mode, scheme, kdf; uint32_t attributes, exponent; size_t policy; };
#define EK_WORDS { S256, 6, 128, 0x43, NONE, NONE, 0x000300b2, 0, 32 }

static struct bytes
ek_area(EVP_PKEY *key, const struct ek_words *w)
{
	static const uint8_t policy[64] = { 0x83 };
	struct bytes o = { .n = 0 };
	bool ecc = EVP_PKEY_is_a(key, "EC");
	put(&o, ecc ? ECC : RSA_, 2);
	put(&o, w->name_alg, 2);
	put(&o, w->attributes, 4);
	put_2b(&o, policy, w->policy);
	put(&o, w->symmetric, 2);
	put(&o, w->bits, 2);
	put(&o, w->mode, 2);
	put(&o, w->scheme, 2);
	if (ecc) {
		put(&o, EVP_PKEY_get_bits(key) == 384 ? 4 : 3, 2);
		put(&o, w->kdf, 2);
		put_point(&o, key);
		return o;
	}
	BIGNUM *n = NULL;
	uint8_t v[512];
	assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n), 1);
	int len = BN_bn2bin(n, v);
	BN_free(n);
	put(&o, (uint64_t)EVP_PKEY_get_bits(key), 2);
	put(&o, w->exponent, 4);
	put_2b(&o, v, (size_t)len);
	return o;
}

static void
refuse_area(EVP_PKEY *key, const struct ek_words *w, const char *why)
{
	struct bytes area = ek_area(key, w);
	struct ai_ek ek;
	refused(strstr(why, "attribute") ? AI_ENO : AI_EINPUT, why, ai_ek_parse(area.b, area.n, &ek, &err));
}

static void
test_what_is_no_endorsement_key(void **state)
{
	(void)state;
	static const struct { struct ek_words w; const char *why; } cases[] = {
		{ { S256, 6, 128, 0x43, NONE, NONE, 0x000200b2, 0, 32 }, "attribute restricted is clear" },
		{ { S256, 6, 128, 0x43, NONE, NONE, 0x000100b2, 0, 32 }, "attribute decrypt is clear" },
		{ { S256, 6, 128, 0x43, NONE, NONE, 0x000300b0, 0, 32 }, "attribute fixedTPM is clear" },
		{ { S256, 6, 128, 0x43, NONE, NONE, 0x000300a2, 0, 32 }, "attribute fixedParent is clear" },
		{ { S256, 6, 128, 0x43, NONE, NONE, 0x00030092, 0, 32 }, "attribute sensitiveDataOrigin is clear" },
		{ { S256, 6, 128, 0x43, NONE, NONE, 0x000700b2, 0, 32 }, "attribute sign is set" },
		{ { S256, 6, 128, 0x43, NONE, NONE, 0x800300b2, 0, 32 }, "attribute bits" },
		{ { S1, 6, 128, 0x43, NONE, NONE, 0x000300b2, 0, 20 }, "name algorithm" },
		{ { S256, 6, 128, 0x43, NONE, NONE, 0x000300b2, 0, 31 }, "policy of 31 bytes" },
		{ { S256, NONE, 128, 0x43, NONE, NONE, 0x000300b2, 0, 32 }, "symmetric algorithm" },
		{ { S256, 6, 192, 0x43, NONE, NONE, 0x000300b2, 0, 32 }, "AES of 192 bits" },
		{ { S256, 6, 128, 0x42, NONE, NONE, 0x000300b2, 0, 32 }, "AES mode" },
		{ { S256, 6, 128, 0x43, RSASSA, NONE, 0x000300b2, 0, 32 }, "scheme" },
	};
	EVP_PKEY *rsa = EVP_RSA_gen(2048), *ecc = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-521");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		refuse_area(rsa, &cases[i].w, cases[i].why);
		refuse_area(ecc, &cases[i].w, cases[i].why);
	}
	refuse_area(rsa, &(struct ek_words){ S256, 6, 128, 0x43, NONE, NONE, 0x000300b2, 3, 32 }, "exponent");
	refuse_area(ecc, &(struct ek_words){ S256, 6, 128, 0x43, NONE, 0x20, 0x000300b2, 0, 32 }, "key derivation");
	struct bytes area = ek_area(ecc, &(struct ek_words)EK_WORDS);
	struct ai_ek ek;
	area.b[area.n - 1] ^= 1;
	refused(AI_EINPUT, "not on the curve", ai_ek_parse(area.b, area.n, &ek, &err));
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ecc);
	EVP_PKEY_free(other);
}

static void
test_sizes_of_secret_and_name(void **state)
{
	(void)state;
	EVP_PKEY *ecc = EVP_EC_gen("P-256");
	struct bytes area = ek_area(ecc, &(struct ek_words)EK_WORDS);
	struct ai_ek ek;
	uint8_t name[66] = { 0, 0xb }, secret[33] = { 1 };
	AI_BUF_AUTO object = AI_BUF(4096);
	AI_BUF_AUTO seed = AI_BUF(4096);
	ok(ai_ek_parse(area.b, area.n, &ek, &err));
	refused(AI_EUSAGE, "secret of 0 bytes", ai_credential_make(&ek, name, 34, secret, 0, &object, &seed, &err));
	refused(AI_EUSAGE, "secret of 33 bytes", ai_credential_make(&ek, name, 34, secret, 33, &object, &seed, &err));
	refused(AI_EUSAGE, "name of 33 bytes", ai_credential_make(&ek, name, 33, secret, 32, &object, &seed, &err));
	assert_int_equal(object.len + seed.len, 0);
	ok(ai_credential_make(&ek, name, 34, secret, 32, &object, &seed, &err));
	ai_ek_done(&ek);
	EVP_PKEY_free(ecc);
}

/* --- a TPM opens it ---------------------------------------------------------- */

/* Of the test that runs: its teardown ends it, whatever happened. */
static struct swtpm s;

static int
end_tpm(void **state)
{
	(void)state;
	if (s.dir)
		swtpm_end(&s);
	s = (struct swtpm){ 0 };
	return 0;
}

static int
shell(const char *script)
{
	AI_FREE char *line = ai_format("cd '%s' && export TPM2TOOLS_TCTI='%s' && { %s; } >out 2>&1", s.dir, s.tcti, script);
	return system(line);
}

static void
must(const char *script)
{
	if (shell(script) != 0) {
		AI_FREE char *show = ai_format("cat '%s/out' >&2", s.dir);
		(void)!system(show);
		fail_msg("%s", script);
	}
}

static void
read_from(const char *name, struct ai_buf *out)
{
	AI_FREE char *path = ai_format("%s/%s", s.dir, name);
	ok(ai_read_file(AT_FDCWD, path, out, &err));
}

/* Makes an EK by what `make` says, and activates a credential for the key ak.ctx; the flush keeps the TPM's three slots free. */
static void
open_with_tpm(const char *make, bool other_name)
{
	static const char secret[] = "what only this TPM reads: 32 b.";
	AI_BUF_AUTO public = AI_BUF(4096);
	AI_BUF_AUTO ak = AI_BUF(4096);
	AI_BUF_AUTO file = AI_BUF(8192);
	AI_BUF_AUTO got = AI_BUF(4096);
	struct ai_ek ek;
	uint8_t name[66];
	size_t name_len;
	must(make);
	read_from("ek.pub", &public);
	read_from("ak.pub", &ak);
	ok(ai_ek_parse(public.data + 2, public.len - 2, &ek, &err));
	ok(ai_credential_name(ak.data + 2, ak.len - 2, name, &name_len, &err));
	name[33] = (uint8_t)(name[33] ^ other_name);
	ai_buf_put(&file, "\xba\xdc\xc0\xde\0\0\0\1", 8);
	AI_BUF_AUTO seed = AI_BUF(4096);
	ok(ai_credential_make(&ek, name, name_len, secret, sizeof secret, &file, &seed, &err));
	ai_buf_put(&file, seed.data, seed.len);
	ai_ek_done(&ek);
	AI_FREE char *path = ai_format("%s/cred", s.dir);
	ok(ai_write_file(AT_FDCWD, path, file.data, file.len, 0600, &err));
	must("tpm2_startauthsession --policy-session -S ses && tpm2_policysecret -S ses -c e && rm -f secret");
	int r = shell("tpm2_activatecredential -c ak.ctx -C ek.ctx -i cred -o secret -P session:ses");
	must("tpm2_flushcontext ses; tpm2_flushcontext -t");
	if (other_name) {
		assert_int_not_equal(r, 0);
		return;
	}
	assert_int_equal(r, 0);
	read_from("secret", &got);
	assert_int_equal(got.len, sizeof secret);
	assert_memory_equal(got.data, secret, sizeof secret);
}

static void
test_a_tpm_opens_it(void **state)
{
	(void)state;
	if (!have_swtpm() || !ai_exists("/usr/bin/tpm2_activatecredential"))
		skip();
	swtpm_start(&s);
	must("tpm2_createprimary -C o -G ecc:ecdsa-sha256:null -a 'restricted|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign' -c ak.ctx"
		" && tpm2_readpublic -c ak.ctx -o ak.pub && tpm2_flushcontext -t");
	open_with_tpm("tpm2_createek -G rsa -c ek.ctx -u ek.pub && tpm2_flushcontext -t", false);
	open_with_tpm("tpm2_createek -G ecc -c ek.ctx -u ek.pub && tpm2_flushcontext -t", false);
	/* For a key that the TPM does not hold, it gives nothing. */
	open_with_tpm("tpm2_createek -G ecc -c ek.ctx -u ek.pub && tpm2_flushcontext -t", true);
}

/* P-384 with SHA-384 and AES-256, and AES-256 with SHA-256: a storage key of our own, since no EK template of the tools' has them. */
static void
test_a_tpm_opens_other_sizes(void **state)
{
	(void)state;
	if (!have_swtpm() || !ai_exists("/usr/bin/tpm2_activatecredential"))
		skip();
	swtpm_start(&s);
	must("printf '\\203\\161\\227\\147\\104\\204\\263\\370\\032\\220\\314\\215\\106\\245\\327\\044\\375\\122\\327\\156\\006\\122\\013\\144\\362\\241\\332\\033\\063\\024\\151\\252' > policy"
		" && tpm2_createprimary -C o -G ecc:ecdsa-sha256:null -a 'restricted|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign' -c ak.ctx"
		" && tpm2_readpublic -c ak.ctx -o ak.pub && tpm2_flushcontext -t");
	open_with_tpm("tpm2_createprimary -C e -g sha256 -G ecc256:aes256cfb -L policy -a 'restricted|fixedtpm|fixedparent|sensitivedataorigin|adminwithpolicy|decrypt'"
		" -c ek.ctx && tpm2_readpublic -c ek.ctx -o ek.pub && tpm2_flushcontext -t", false);
	/* A policy has the length of the name algorithm's digest: PolicySecret(endorsement) by SHA-384. */
	must("tpm2_startauthsession -g sha384 -S ses && tpm2_policysecret -S ses -c e -L policy && tpm2_flushcontext ses");
	AI_BUF_AUTO public = AI_BUF(4096);
	AI_BUF_AUTO ak = AI_BUF(4096);
	AI_BUF_AUTO file = AI_BUF(8192);
	AI_BUF_AUTO seed = AI_BUF(4096);
	AI_BUF_AUTO got = AI_BUF(4096);
	struct ai_ek ek;
	uint8_t name[66];
	size_t name_len;
	must("tpm2_createprimary -C e -g sha384 -G ecc384:aes256cfb -L policy -a 'restricted|fixedtpm|fixedparent|sensitivedataorigin|adminwithpolicy|decrypt'"
		" -c ek.ctx && tpm2_readpublic -c ek.ctx -o ek.pub && tpm2_flushcontext -t");
	read_from("ek.pub", &public);
	read_from("ak.pub", &ak);
	ok(ai_ek_parse(public.data + 2, public.len - 2, &ek, &err));
	assert_int_equal(ek.name_alg, S384);
	assert_int_equal(ek.symmetric_bits, 256);
	ok(ai_credential_name(ak.data + 2, ak.len - 2, name, &name_len, &err));
	ai_buf_put(&file, "\xba\xdc\xc0\xde\0\0\0\1", 8);
	ok(ai_credential_make(&ek, name, name_len, "abc", 3, &file, &seed, &err));
	ai_buf_put(&file, seed.data, seed.len);
	ai_ek_done(&ek);
	AI_FREE char *path = ai_format("%s/cred", s.dir);
	ok(ai_write_file(AT_FDCWD, path, file.data, file.len, 0600, &err));
	must("tpm2_startauthsession --policy-session -g sha384 -S ses && tpm2_policysecret -S ses -c e && rm -f secret"
		" && tpm2_activatecredential -c ak.ctx -C ek.ctx -i cred -o secret -P session:ses");
	read_from("secret", &got);
	assert_int_equal(got.len, 3);
	assert_memory_equal(got.data, "abc", 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ecc_known_answer),
		cmocka_unit_test(test_rsa_known_answer),
		cmocka_unit_test(test_name_of_a_real_key),
		cmocka_unit_test(test_a_real_endorsement_key),
		cmocka_unit_test(test_what_is_no_endorsement_key),
		cmocka_unit_test(test_sizes_of_secret_and_name),
		cmocka_unit_test_teardown(test_a_tpm_opens_it, end_tpm),
		cmocka_unit_test_teardown(test_a_tpm_opens_other_sizes, end_tpm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

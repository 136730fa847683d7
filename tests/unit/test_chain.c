/* test_chain.c -- certificates of an attestation key: one good order, and every way to be wrong.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/x509/chain.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "attest/tpm/localca.h"
#include "base/fs.h"
#include "tpm_bytes.h"

static EVP_PKEY *ak_key, *root_key, *middle_key;
static struct ai_ak ak;

static int
make_keys(void **state)
{
	(void)state;
	struct ai_err err;
	struct key_words w = ECC_WORDS;
	ak_key = EVP_EC_gen("P-256");
	root_key = EVP_EC_gen("P-256");
	middle_key = EVP_RSA_gen(2048);
	struct bytes area = public_area(ak_key, &w);
	return ai_ak_parse(area.b, area.n, &ak, &err);
}

static int
free_keys(void **state)
{
	(void)state;
	ai_ak_done(&ak);
	EVP_PKEY_free(ak_key);
	EVP_PKEY_free(root_key);
	EVP_PKEY_free(middle_key);
	return 0;
}

/* --- making certificates ------------------------------------------------------ */

struct spec {
	const char *subject, *issuer, *constraints, *extra; /* extra: an OID marked critical, or NULL */
	EVP_PKEY *key, *signer;
	const EVP_MD *md;
};

static void
name_it(X509_NAME *name, const char *cn)
{
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0), 1);
}

static void
add(X509 *x, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

static json_t *
cert(const struct spec *s)
{
	X509 *x = X509_new();
	AI_BUF_AUTO text = AI_BUF(AI_MAX_CERT);
	unsigned char *der = NULL;
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 77);
	name_it(X509_get_subject_name(x), s->subject);
	name_it(X509_get_issuer_name(x), s->issuer);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, s->key);
	if (s->constraints)
		add(x, NID_basic_constraints, s->constraints);
	if (s->extra) {
		ASN1_OBJECT *oid = OBJ_txt2obj(s->extra, 1);
		ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
		ASN1_OCTET_STRING_set(value, (const unsigned char *)"\5", 2);
		X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, value);
		X509_add_ext(x, e, -1);
		X509_EXTENSION_free(e);
		ASN1_OCTET_STRING_free(value);
		ASN1_OBJECT_free(oid);
	}
	assert_true(X509_sign(x, s->signer, s->md ? s->md : EVP_sha256()) > 0);
	int n = i2d_X509(x, &der);
	ai_b64_put(&text, der, (size_t)n);
	OPENSSL_free(der);
	X509_free(x);
	return json_stringn(text.data, text.len);
}

#define LEAF { "leaf", "root", "critical,CA:FALSE", NULL, ak_key, root_key, NULL }
#define ROOT { "root", "root", "critical,CA:TRUE", NULL, root_key, root_key, NULL }
#define MIDDLE { "middle", "root", "critical,CA:TRUE", NULL, middle_key, root_key, NULL }
#define LEAF_OF_MIDDLE { "leaf", "middle", "critical,CA:FALSE", NULL, ak_key, middle_key, NULL }

static json_t *
list2(const struct spec *a, const struct spec *b)
{
	return json_pack("[o, o]", cert(a), cert(b));
}

/* --- good ones ------------------------------------------------------------------ */

static void
accepts_good_chains(void **state)
{
	(void)state;
	struct spec leaf = LEAF, root = ROOT, middle = MIDDLE, low = LEAF_OF_MIDDLE;
	struct ai_chain c;
	AI_JSON *two = list2(&leaf, &root);
	ok(ai_chain_check(two, &ak, NULL, &c, &err));
	assert_string_equal(c.subject, "CN = leaf");
	assert_string_equal(c.issuer, "CN = root");
	assert_true(c.self_signed);
	assert_false(c.software);
	struct ai_digest spki = c.root_spki;
	ai_chain_done(&c);
	AI_JSON *three = json_pack("[o, o, o]", cert(&low), cert(&middle), cert(&root));
	ok(ai_chain_check(three, &ak, NULL, &c, &err));
	assert_true(ai_digest_eq(&spki, &c.root_spki));
	ai_chain_done(&c);
	root.subject = root.issuer = leaf.issuer = "my software TPM CA";
	AI_JSON *soft = list2(&leaf, &root);
	ok(ai_chain_check(soft, &ak, NULL, &c, &err));
	assert_true(c.software);
	ai_chain_done(&c);
}

static void
local_ca_is_made_once(void **state)
{
	(void)state;
	AI_FREE char *dir = NULL;
	AI_JSON *first = NULL;
	AI_JSON *second = NULL;
	struct ai_chain c;
	ok(ai_mkdtemp("/tmp/aicert-chain", &dir, &err));
	assert_false(ai_localca_exists(dir));
	ok(ai_localca_certificates(dir, "ecc", &ak, &first, &err));
	assert_true(ai_localca_exists(dir));
	ok(ai_localca_certificates(dir, "ecc", &ak, &second, &err));
	assert_true(json_equal(first, second));
	ok(ai_chain_check(first, &ak, NULL, &c, &err));
	assert_string_equal(c.subject, "CN = aicert AK (software TPM)");
	assert_string_equal(c.issuer, "CN = aicert local CA (software TPM)");
	assert_true(c.software && c.self_signed);
	ai_chain_done(&c);
	/* The certificate of another key stays what it is. */
	struct key_words w = ECC_WORDS;
	struct bytes area = public_area(root_key, &w);
	struct ai_ak other;
	json_t *none = NULL;
	ok(ai_ak_parse(area.b, area.n, &other, &err));
	refused(AI_EENV, "is not the attestation key", ai_localca_certificates(dir, "ecc", &other, &none, &err));
	/* A lost CA key is not replaced. */
	AI_FREE char *key = ai_format("%s/ca.key", dir);
	assert_int_equal(unlink(key), 0);
	refused(AI_EENV, "ca.key", ai_localca_certificates(dir, "rsa", &other, &none, &err));
	assert_null(none);
	ai_ak_done(&other);
	ok(ai_remove_tree(AT_FDCWD, dir, &err));
}

/* --- bad ones --------------------------------------------------------------------- */

static void
refused_chain(json_t *list, int code, const char *words)
{
	struct ai_chain c = { .subject = (char *)&ak };
	refused(code, words, ai_chain_check(list, &ak, NULL, &c, &err));
	assert_ptr_equal(c.subject, &ak);
	json_decref(list);
}

static void
refuses_bad_chains(void **state)
{
	(void)state;
	struct spec leaf = LEAF, root = ROOT, middle = MIDDLE, low = LEAF_OF_MIDDLE, s;
	refused_chain(json_array(), AI_ENO, "there are none");
	refused_chain(json_object(), AI_EINPUT, "not a list");
	refused_chain(json_pack("[o, o, o]", cert(&leaf), cert(&root), cert(&root)), AI_ENO, "left over");
	refused_chain(json_pack("[o, o, o]", cert(&leaf), cert(&root), cert(&middle)), AI_ENO, "left over");
	refused_chain(json_pack("[o, o, o]", cert(&leaf), cert(&middle), cert(&root)), AI_ENO, "issuer is not the subject");
	refused_chain(list2(&root, &leaf), AI_ENO, "not the attestation key");
	refused_chain(list2(&low, &root), AI_ENO, "issuer is not the subject");
	refused_chain(list2(&low, &middle), AI_ENO, "is the last and not self-signed");
	refused_chain(json_pack("[o]", cert(&leaf)), AI_ENO, "is the last and not self-signed");
	s = leaf, s.key = root_key;
	refused_chain(list2(&s, &root), AI_ENO, "not the attestation key");
	s = leaf, s.signer = middle_key;
	refused_chain(list2(&s, &root), AI_ENO, "not by the key of the next");
	s = leaf, s.constraints = "critical,CA:TRUE";
	refused_chain(list2(&s, &root), AI_ENO, "certificate 0: is a CA");
	s = root, s.constraints = "critical,CA:FALSE";
	refused_chain(list2(&leaf, &s), AI_ENO, "certificate 1: is not a CA");
	s = root, s.constraints = NULL;
	refused_chain(list2(&leaf, &s), AI_ENO, "certificate 1: is not a CA");
	s = root, s.signer = middle_key;
	refused_chain(list2(&leaf, &s), AI_ENO, "says it is self-signed");
	s = root, s.constraints = "critical,CA:TRUE,pathlen:0";
	refused_chain(json_pack("[o, o, o]", cert(&low), cert(&middle), cert(&s)), AI_ENO, "allows 0 CAs");
	s = leaf, s.extra = "1.2.3.4.5";
	refused_chain(list2(&s, &root), AI_ENO, "critical extension");
	s = leaf, s.md = EVP_sha1();
	refused_chain(list2(&s, &root), AI_ENO, "too weak");
	json_t *many = json_array();
	for (int i = 0; i < 9; i++)
		json_array_append_new(many, cert(&middle));
	refused_chain(many, AI_EINPUT, "at most 8");
}

static json_t *
altered(const char *text, const char *prefix, const char *suffix)
{
	AI_FREE char *s = ai_format("%s%s%s", prefix, text, suffix);
	return json_pack("[s]", s);
}

static void
refuses_other_encodings(void **state)
{
	(void)state;
	struct spec leaf = LEAF;
	AI_JSON *one = cert(&leaf);
	const char *text = json_string_value(one);
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	AI_BUF_AUTO long_form = AI_BUF(AI_MAX_CERT);
	refused_chain(json_pack("[i]", 1), AI_EINPUT, "not base64 text");
	refused_chain(json_pack("[s]", ""), AI_EINPUT, "not an X.509");
	refused_chain(json_pack("[s]", "AAAA"), AI_EINPUT, "not an X.509");
	refused_chain(altered(text, "", "\n"), AI_EINPUT, "base64");
	refused_chain(altered(text, " ", "   "), AI_EINPUT, "base64");
	ok(ai_b64_get(text, strlen(text), &der, &err));
	ai_buf_putc(&der, 0);
	ai_b64_put(&long_form, der.data, der.len);
	refused_chain(json_pack("[s]", long_form.data), AI_EINPUT, "bytes follow");
	/* The same content with the outer length written in one byte more than needed: BER, not DER. */
	assert_int_equal((uint8_t)der.data[1], 0x82);
	ai_buf_clear(&long_form);
	AI_BUF_AUTO ber = AI_BUF(AI_MAX_CERT);
	ai_buf_put(&ber, "\x30\x83\0", 3);
	ai_buf_put(&ber, der.data + 2, der.len - 3);
	ai_b64_put(&long_form, ber.data, ber.len);
	refused_chain(json_pack("[s]", long_form.data), AI_EINPUT, "not DER");
}

static void
no_flipped_byte_passes(void **state)
{
	(void)state;
	struct spec leaf = LEAF, root = ROOT;
	AI_JSON *good = list2(&leaf, &root);
	size_t n_refused = 0;
	for (size_t which = 0; which < 2; which++) {
		const char *text = json_string_value(json_array_get(good, which));
		AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
		ok(ai_b64_get(text, strlen(text), &der, &err));
		for (size_t i = 0; i < der.len; i++, n_refused++) {
			AI_BUF_AUTO again = AI_BUF(AI_MAX_CERT);
			AI_JSON *list = json_deep_copy(good);
			struct ai_chain c;
			struct ai_err e = { 0 };
			der.data[i] ^= 1;
			ai_b64_put(&again, der.data, der.len);
			der.data[i] ^= 1;
			json_array_set_new(list, which, json_stringn(again.data, again.len));
			if (ai_chain_check(list, &ak, NULL, &c, &e) == 0)
				fail_msg("certificate %zu: byte %zu flipped passes", which, i);
			assert_true(e.text[0]);
		}
	}
	assert_true(n_refused > 500);
}

/* The signature's count of unused bits is signed by nobody; where those bits are zero, it can be changed and nothing else differs. */
static void
unused_bits_of_a_signature_are_refused(void **state)
{
	(void)state;
	struct spec leaf = LEAF, root = ROOT;
	for (int tries = 0; tries < 200; tries++) {
		AI_JSON *list = list2(&leaf, &root);
		AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
		AI_BUF_AUTO again = AI_BUF(AI_MAX_CERT);
		const char *text = json_string_value(json_array_get(list, 0));
		ok(ai_b64_get(text, strlen(text), &der, &err));
		/* 03 <length> 00 30 <length of the rest>: BIT STRING, unused bits, ECDSA-Sig-Value. */
		char *bits = der.data + der.len - 64;
		while (!(bits[0] == 0 && bits[1] == 0x30 && bits + 3 + bits[2] == der.data + der.len))
			bits--;
		if (der.data[der.len - 1] & 1)
			continue;
		bits[0] = 1;
		ai_b64_put(&again, der.data, der.len);
		json_array_set_new(list, 0, json_stringn(again.data, again.len));
		refused_chain(json_incref(list), AI_ENO, "certificate 0: its signature is not by the key of the next");
		return;
	}
	fail_msg("no signature of 200 ends in a zero bit");
}

/* --- a real one --------------------------------------------------------------------- */

static json_t *
file_cert(const char *path)
{
	AI_FREE char *full = ai_format("%s/vectors/google+go-tpm-tools/%s", shared_dir(), path);
	AI_BUF_AUTO b = AI_BUF(AI_MAX_CERT);
	AI_BUF_AUTO text = AI_BUF(AI_MAX_CERT);
	ok(ai_read_file(AT_FDCWD, full, &b, &err));
	const unsigned char *p = (const unsigned char *)b.data;
	BIO *bio = BIO_new_mem_buf(b.data, (int)b.len);
	X509 *x = b.data[0] == 0x30 ? d2i_X509(NULL, &p, (long)b.len) : PEM_read_bio_X509(bio, NULL, NULL, NULL);
	unsigned char *der = NULL;
	int n = i2d_X509(x, &der);
	ai_b64_put(&text, der, (size_t)n);
	OPENSSL_free(der);
	X509_free(x);
	BIO_free(bio);
	return json_stringn(text.data, text.len);
}

static void
real_cloud_chain_passes(void **state)
{
	(void)state;
	if (!shared_dir())
		skip();
	AI_FREE char *path = ai_format("%s/vectors/google+go-tpm-tools/extracted/gce-cos-85-no-nonce/akpub.tpmt", shared_dir());
	AI_BUF_AUTO area = AI_BUF(AI_MAX_QUOTE);
	struct ai_ak real;
	struct ai_chain c;
	ok(ai_read_file(AT_FDCWD, path, &area, &err));
	ok(ai_ak_parse((const uint8_t *)area.data, area.len, &real, &err));
	AI_JSON *list = json_pack("[o, o, o]", file_cert("extracted/gce-cos-85-no-nonce/akcert.der"),
		file_cert("server/ca-certs/tpm_ek_intermediate_2.crt"), file_cert("server/ca-certs/tpm_ek_root_1.cer"));
	ok(ai_chain_check(list, &real, NULL, &c, &err));
	assert_true(c.self_signed);
	assert_false(c.software);
	assert_non_null(strstr(c.issuer, "tpm_ek_v1_cloud_host_root"));
	ai_chain_done(&c);
	refused(AI_ENO, "not the attestation key", ai_chain_check(list, &ak, NULL, &c, &err));
	json_array_set_new(list, 1, file_cert("server/ca-certs/tpm_ek_intermediate_3.crt"));
	refused(AI_ENO, "certificate 0", ai_chain_check(list, &real, NULL, &c, &err));
	ai_ak_done(&real);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_good_chains), cmocka_unit_test(local_ca_is_made_once), cmocka_unit_test(refuses_bad_chains),
		cmocka_unit_test(refuses_other_encodings), cmocka_unit_test(no_flipped_byte_passes), cmocka_unit_test(unused_bits_of_a_signature_are_refused),
		cmocka_unit_test(real_cloud_chain_passes),
	};
	return cmocka_run_group_tests(tests, make_keys, free_keys);
}

/* test_chain_twin.c -- a certificate that is revoked by its bytes, and comes back with its ECDSA signature turned.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/x509/chain.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "base/buf.h"
#include "unit.h"

static void
add(X509 *x, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

static X509 *
make(const char *subject, EVP_PKEY *key, const char *issuer, EVP_PKEY *signer, bool ca)
{
	X509 *x = X509_new();
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 3);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)subject, -1, -1, 0);
	X509_NAME_add_entry_by_txt(X509_get_issuer_name(x), "CN", MBSTRING_ASC, (const unsigned char *)issuer, -1, -1, 0);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	add(x, NID_basic_constraints, ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	add(x, NID_key_usage, ca ? "critical,keyCertSign" : "critical,digitalSignature");
	if (!ca)
		add(x, NID_ext_key_usage, "2.23.133.8.3");
	assert_true(X509_sign(x, signer, EVP_sha384()) > 0);
	return x;
}

/* (r, s) becomes (r, order - s). */
static X509 *
turned(X509 *x, EVP_PKEY *signer)
{
	X509 *t = X509_dup(x);
	const ASN1_BIT_STRING *sig;
	unsigned char *der = NULL;
	BIGNUM *order = NULL, *s = BN_new();
	X509_get0_signature(&sig, NULL, t);
	const unsigned char *p = ASN1_STRING_get0_data(sig);
	ECDSA_SIG *e = d2i_ECDSA_SIG(NULL, &p, ASN1_STRING_length(sig));
	assert_int_equal(EVP_PKEY_get_bn_param(signer, OSSL_PKEY_PARAM_EC_ORDER, &order), 1);
	BN_sub(s, order, ECDSA_SIG_get0_s(e));
	ECDSA_SIG_set0(e, BN_dup(ECDSA_SIG_get0_r(e)), s);
	int n = i2d_ECDSA_SIG(e, &der);
	ASN1_STRING_set((ASN1_STRING *)(uintptr_t)sig, der, n);
	OPENSSL_free(der);
	ECDSA_SIG_free(e);
	BN_free(order);
	return t;
}

static struct ai_digest
put(X509 *x, struct ai_buf *der)
{
	unsigned char *p = NULL;
	struct ai_digest d;
	int n = i2d_X509(x, &p);
	ai_sha256(p, (size_t)n, &d);
	ai_buf_clear(der);
	ai_buf_put(der, p, (size_t)n);
	OPENSSL_free(p);
	return d;
}

static const char *const curves[] = { "P-256", "P-384" };

static void
revoked_in_either_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * 3; i++) {
		EVP_PKEY *key[3] = { EVP_EC_gen("P-256"), EVP_EC_gen(curves[i % 2]), EVP_EC_gen(curves[i % 2]) };
		X509 *x[3] = { make("leaf", key[0], "sub", key[1], false), make("sub", key[1], "root", key[2], true), make("root", key[2], "root", key[2], true) };
		const size_t at = i / 2, signer = at < 2 ? at + 1 : 2;
		struct ai_roots *roots = NULL;
		struct ai_chain chain;
		const struct ai_anchor *anchor = NULL;
		AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
		AI_JSON *list = json_array();
		(void)put(x[2], &der);
		ok(ai_roots_new(false, &roots, &err));
		ok(ai_roots_add(roots, der.data, der.len, "us", AI_ROLE_AK_CA, "us", &err));
		X509 *t = turned(x[at], key[signer]);
		struct ai_digest revoked = put(x[at], &der), other = put(t, &der);
		assert_false(ai_digest_eq(&revoked, &other));
		for (size_t k = 0; k < 3; k++) {
			AI_BUF_AUTO text = AI_BUF(AI_MAX_CERT);
			(void)put(k == at ? t : x[k], &der);
			ai_b64_put(&text, der.data, der.len);
			json_array_append_new(list, json_stringn(text.data, text.len));
		}
		/* The turned one is as good as the other: else this test would show nothing. */
		ok(ai_chain_check_key(list, key[0], roots, &chain, &err));
		ok(ai_chain_trust(&chain, roots, AI_ROLE_AK_CA, time(NULL), &anchor, &err));
		struct ai_digest nobody = { { 5 } };
		ok(ai_roots_revoke(roots, &nobody, &err));
		ok(ai_chain_trust(&chain, roots, AI_ROLE_AK_CA, time(NULL), &anchor, &err));
		ok(ai_roots_revoke(roots, &revoked, &err));
		refused(AI_ENO, "was revoked by this verifier", ai_chain_trust(&chain, roots, AI_ROLE_AK_CA, time(NULL), &anchor, &err));
		ai_chain_done(&chain);
		ai_roots_free(roots);
		X509_free(t);
		for (size_t k = 0; k < 3; k++) {
			X509_free(x[k]);
			EVP_PKEY_free(key[k]);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(revoked_in_either_form) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}

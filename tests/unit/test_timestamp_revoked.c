/* test_timestamp_revoked.c -- certificates of a token that come in other bytes than those that were revoked.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/x509/chain_parts.h"
#include "attest/x509/timestamp.h"
#include "fake_tsa.h"

static const struct ai_digest imprint = { { 1, 2, 3 } };

/* The certificate with this serial in the token; the caller's. */
static X509 *
find(const struct ai_buf *token, long serial)
{
	const unsigned char *p = (const unsigned char *)token->data;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)token->len);
	STACK_OF(X509) *all = CMS_get1_certs(cms);
	X509 *x = NULL;
	for (int i = 0; i < sk_X509_num(all); i++)
		if (ASN1_INTEGER_get(X509_get0_serialNumber(sk_X509_value(all, i))) == serial)
			x = sk_X509_value(all, i);
	assert_true(x && X509_up_ref(x) == 1);
	sk_X509_pop_free(all, X509_free);
	CMS_ContentInfo_free(cms);
	return x;
}

/* Believed before, not after; frees roots. */
static void
revoked_by(const struct ai_digest *d, struct ai_roots *roots, const struct ai_buf *token)
{
	struct ai_stamp s;
	ok(ai_timestamp_check(token->data, token->len, &imprint, roots, &s, &err));
	assert_non_null(s.anchor);
	ai_stamp_done(&s);
	ok(ai_roots_revoke(roots, d, &err));
	ok(ai_timestamp_check(token->data, token->len, &imprint, roots, &s, &err));
	assert_null(s.anchor);
	assert_non_null(strstr(s.why_not, "was revoked"));
	ai_stamp_done(&s);
	ai_roots_free(roots);
}

/* Nobody signs a signature: the certificate in the token is the turned form of the one that was revoked. */
static void
an_issuer_with_its_signature_turned(void **state)
{
	struct fake_tsa t;
	AI_BUF_AUTO token = AI_BUF(AI_MAX_TEXT);
	struct ai_digest d;
	(void)state;
	fake_tsa_init(&t);
	EVP_PKEY *ec = EVP_EC_gen("P-384");
	t.root.key = t.root.signer = t.ca.signer = ec;
	struct ai_roots *roots = fake_tsa_roots(&t.root);
	fake_token(&t, &imprint, &token);
	X509 *x = find(&token, t.ca.serial);
	assert_true(ai_x509_twin(x, ec, &d));
	revoked_by(&d, roots, &token);
	X509_free(x);
	EVP_PKEY_free(ec);
	fake_tsa_done(&t);
}

/* A token brings an anchor in bytes of its maker's choice, for it is known by its key. */
static void
an_anchor_in_other_bytes_than_the_verifiers_copy(void **state)
{
	struct fake_tsa t;
	AI_BUF_AUTO token = AI_BUF(AI_MAX_TEXT);
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	struct ai_digest d;
	(void)state;
	fake_tsa_init(&t);
	struct ai_roots *roots = fake_tsa_roots(&t.root);
	fake_cert_der(&t.root, &der);
	ai_sha256(der.data, der.len, &d);
	t.root.serial = 77;
	fake_token(&t, &imprint, &token);
	revoked_by(&d, roots, &token);
	fake_tsa_done(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(an_issuer_with_its_signature_turned), cmocka_unit_test(an_anchor_in_other_bytes_than_the_verifiers_copy) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_timestamp.c -- attest/timestamp: what is stamped, and every way a token may not hold.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/x509/timestamp.h"

#include "base/when.h"
#include "fake_tsa.h"

static const struct ai_digest imprint = { { 1, 2, 3 } }, other = { { 1, 2, 4 } };
static const uint8_t nonce[8] = { 0x91, 2, 3, 4, 5, 6, 7, 8 };

static int
check(const struct fake_tsa *t, const struct ai_digest *d, const struct ai_roots *roots, struct ai_stamp *s, struct ai_err *err)
{
	AI_BUF_AUTO token = AI_BUF(AI_MAX_TEXT);
	fake_token(t, d, &token);
	struct ai_stamp kept;
	memset(s, 0xaa, sizeof *s);
	memset(&kept, 0xaa, sizeof kept);
	int r = ai_timestamp_check(token.data, token.len, d, roots, s, err);
	if (r < 0)
		assert_memory_equal(s, &kept, sizeof kept);
	return r;
}

/* A token of t does not hold, whoever is believed. */
#define altered(t, words) do { struct ai_stamp s_; struct ai_roots *roots_ = fake_tsa_roots(&(t)->root); \
	refused(AI_ENO, words, check(t, &imprint, roots_, &s_, &err)); ai_roots_free(roots_); } while (0)

/* A token of t holds, and its authority is not believed. */
static void
unbelieved(const struct fake_tsa *t, const struct fake_cert *anchor, const char *words)
{
	struct ai_roots *roots = fake_tsa_roots(anchor);
	struct ai_stamp s;
	ok(check(t, &imprint, roots, &s, &err));
	assert_null(s.anchor);
	if (!strstr(s.why_not, words))
		fail_msg("'%s' lacks '%s'", s.why_not, words);
	ai_stamp_done(&s);
	ai_roots_free(roots);
}

static void
believed(const struct fake_tsa *t, const struct fake_cert *anchor, const char *when)
{
	struct ai_roots *roots = fake_tsa_roots(anchor);
	struct ai_stamp s;
	char text[AI_WHEN_TEXT];
	ok(check(t, &imprint, roots, &s, &err));
	if (!s.anchor)
		fail_msg("not believed: %s", s.why_not);
	ai_when_text(s.time, text);
	assert_string_equal(text, when);
	assert_null(s.why_not);
	assert_non_null(strstr(s.authority, "TSA signer"));
	ai_stamp_done(&s);
	ai_roots_free(roots);
}

#define TEST(name) static void name(void **state)
#define TSA struct fake_tsa t; (void)state; fake_tsa_init(&t)

/* --- what is stamped ------------------------------------------------------------- */

TEST(imprint_is_of_four_fields_and_no_others)
{
	(void)state;
	static const char text[] = "{\"claims\":{},\"low_level_quote\":\"cXVvdGU=\",\"signature\":\"c2ln\",\"root\":\"x\",\"evidence\":"
		"{\"ak_public\":\"cHVi\",\"ak_certificates\":[\"Yw==\"],\"timestamp\":\"AAAA\",\"boot_log\":\"\"}}";
	static const char canonical[] = "{\"ak_certificates\":[\"Yw==\"],\"ak_public\":\"cHVi\",\"quote\":\"cXVvdGU=\",\"signature\":\"c2ln\"}";
	AI_JSON *a = NULL;
	struct ai_digest made, want;
	ok(ai_json_parse(text, sizeof text - 1, "test", &a, &err));
	ok(ai_timestamp_imprint(a, &made, &err));
	ai_sha256(canonical, sizeof canonical - 1, &want);
	assert_true(ai_digest_eq(&made, &want));
	json_object_del(json_object_get(a, "evidence"), "ak_certificates");
	refused(AI_EINPUT, "is no attestation", ai_timestamp_imprint(a, &made, &err));
}

/* --- tokens that hold -------------------------------------------------------------- */

TEST(good_token_is_believed_through_its_root)
{
	TSA;
	believed(&t, &t.root, "2026-01-01T12:00:00Z");
	t.said_by = "TSA signer";
	t.md = EVP_sha512();
	t.nonce = nonce;
	believed(&t, &t.root, "2026-01-01T12:00:00Z");
	fake_tsa_done(&t);
}

TEST(intermediate_may_be_the_anchor_itself)
{
	TSA;
	t.no_root = true;
	believed(&t, &t.ca, "2026-01-01T12:00:00Z");
	fake_tsa_done(&t);
}

/* As most authorities answer: who believes the root has it. One of the same name is not it. */
TEST(root_may_be_left_out)
{
	TSA;
	struct fake_cert namesake = t.root;
	namesake.key = namesake.signer = EVP_EC_gen("P-256");
	t.no_root = true;
	believed(&t, &t.root, "2026-01-01T12:00:00Z");
	unbelieved(&t, &namesake, "whose issuer is not among them");
	EVP_PKEY_free(namesake.key);
	fake_tsa_done(&t);
}

TEST(sha1_name_of_the_signing_certificate_is_still_a_name)
{
	TSA;
	t.ess_v1 = true;
	believed(&t, &t.root, "2026-01-01T12:00:00Z");
	fake_tsa_done(&t);
}

TEST(keys_of_every_kind)
{
	TSA;
	EVP_PKEY *const keys[] = { EVP_RSA_gen(2048), EVP_EC_gen("P-384") };
	for (size_t i = 0; i < 2; i++) {
		EVP_PKEY_free(t.key);
		t.leaf.key = t.key = keys[i];
		t.md = i ? EVP_sha384() : NULL;
		believed(&t, &t.root, "2026-01-01T12:00:00Z");
		t.pss = i == 0;
		believed(&t, &t.root, "2026-01-01T12:00:00Z");
		t.pss = false;
	}
	fake_tsa_done(&t);
}

TEST(the_latest_moment_that_the_token_allows_is_what_counts)
{
	TSA;
	t.time = "20260101120000.5Z";
	believed(&t, &t.root, "2026-01-01T12:00:01Z");
	t.accuracy_s = 2;
	t.accuracy_ms = 1;
	believed(&t, &t.root, "2026-01-01T12:00:04Z");
	fake_tsa_done(&t);
}

TEST(baggage_is_passed_over)
{
	TSA;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct fake_cert c = { .subject = "TSA root", .issuer = "TSA root", .key = key, .signer = key, .constraints = "critical,CA:TRUE",
		.usage = "critical,keyCertSign", .serial = 7 };
	t.further = &c;
	believed(&t, &t.root, "2026-01-01T12:00:00Z");
	EVP_PKEY_free(key);
	fake_tsa_done(&t);
}

TEST(cross_signed_root_is_the_pinned_key)
{
	TSA;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	/* The token brings the root's key under an older root's signature, as the big authorities' do. */
	struct fake_cert cross = t.root;
	cross.issuer = "Older root";
	cross.signer = key;
	t.no_root = true;
	t.further = &cross;
	believed(&t, &t.root, "2026-01-01T12:00:00Z");
	EVP_PKEY_free(key);
	fake_tsa_done(&t);
}

/* --- tokens that do not ---------------------------------------------------------------- */

TEST(stamp_of_another_signature)
{
	TSA;
	AI_BUF_AUTO token = AI_BUF(AI_MAX_TEXT);
	struct ai_roots *roots = fake_tsa_roots(&t.root);
	struct ai_stamp s;
	fake_token(&t, &other, &token);
	refused(AI_ENO, "stamp of something else", ai_timestamp_check(token.data, token.len, &imprint, roots, &s, &err));
	ai_roots_free(roots);
	fake_tsa_done(&t);
}

/* Where a certificate of a token lies in it, by its serial number. */
static void
find_certificate(const struct ai_buf *token, long serial, size_t *from, size_t *to, X509 **out)
{
	const unsigned char *p = (const unsigned char *)token->data;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)token->len);
	STACK_OF(X509) *all = CMS_get1_certs(cms);
	*from = *to = 0;
	for (int i = 0; i < sk_X509_num(all); i++) {
		X509 *x = sk_X509_value(all, i);
		unsigned char *der = NULL;
		int n = i2d_X509(x, &der);
		const char *at = memmem(token->data, token->len, der, (size_t)n);
		if (ASN1_INTEGER_get(X509_get0_serialNumber(x)) == serial && at) {
			*from = (size_t)(at - token->data);
			*to = *from + (size_t)n;
			if (out && X509_up_ref(x) == 1)
				*out = x;
		}
		OPENSSL_free(der);
	}
	assert_true(*to > 0);
	sk_X509_pop_free(all, X509_free);
	CMS_ContentInfo_free(cms);
}

TEST(every_byte_that_anybody_signed_counts)
{
	TSA;
	AI_BUF_AUTO token = AI_BUF(AI_MAX_TEXT);
	struct ai_roots *roots = fake_tsa_roots(&t.root);
	size_t from, to, first, last, more = 0;
	fake_token(&t, &imprint, &token);
	find_certificate(&token, t.root.serial, &from, &to, NULL);
	find_certificate(&token, t.leaf.serial, &first, &last, NULL);
	const size_t content = (size_t)((char *)memmem(token.data, token.len, "20260101120000Z", 15) - token.data);
	for (size_t i = 0; i < token.len; i++) {
		struct ai_err err = { 0 };
		struct ai_stamp s = { 0 };
		token.data[i] ^= 1;
		/* Nobody signed the message's versions and its list of digests; of the root's certificate the key is pinned, and nothing else believed. */
		if (ai_timestamp_check(token.data, token.len, &imprint, roots, &s, &err) == 0 && s.anchor && (i < from || i >= to)) {
			more++;
			assert_true(i < content && i < first ? i < 41 : i > last);
			assert_int_equal(s.time, 1767268800);
		}
		ai_stamp_done(&s);
		token.data[i] ^= 1;
	}
	assert_in_range(more, 1, 14);
	ai_roots_free(roots);
	fake_tsa_done(&t);
}

TEST(edited_time)
{
	TSA;
	AI_BUF_AUTO token = AI_BUF(AI_MAX_TEXT);
	struct ai_stamp s;
	fake_token(&t, &imprint, &token);
	char *at = memmem(token.data, token.len, "20260101120000Z", 15);
	assert_non_null(at);
	at[3] = '5';
	refused(AI_ENO, "it was edited", ai_timestamp_check(token.data, token.len, &imprint, NULL, &s, &err));
	fake_tsa_done(&t);
}

TEST(signer_without_the_purpose)
{
	TSA;
	t.leaf.extended = NULL;
	altered(&t, "not for time stamping only");
	t.leaf.extended = "critical,codeSigning";
	altered(&t, "not for time stamping only");
	fake_tsa_done(&t);
}

TEST(signer_whose_purpose_is_not_critical)
{
	TSA;
	t.leaf.extended = "timeStamping";
	altered(&t, "not for time stamping only");
	fake_tsa_done(&t);
}

TEST(signer_with_a_second_purpose)
{
	TSA;
	t.leaf.extended = "critical,timeStamping,codeSigning";
	altered(&t, "not for time stamping only");
	fake_tsa_done(&t);
}

TEST(signer_that_is_a_ca)
{
	TSA;
	t.leaf.constraints = "critical,CA:TRUE";
	t.leaf.usage = "critical,digitalSignature,keyCertSign";
	altered(&t, "is a CA's");
	t.leaf.constraints = "critical,CA:FALSE";
	t.leaf.usage = "critical,digitalSignature,keyEncipherment";
	altered(&t, "more than signing");
	fake_tsa_done(&t);
}

TEST(two_signers)
{
	TSA;
	t.two_signers = true;
	altered(&t, "has 2 signers");
	fake_tsa_done(&t);
}

TEST(no_signed_attributes)
{
	TSA;
	t.no_attributes = true;
	altered(&t, "does not say which certificate");
	fake_tsa_done(&t);
}

TEST(no_name_of_the_signing_certificate_or_anothers)
{
	TSA;
	t.no_ess = true;
	altered(&t, "does not say which certificate");
	t.no_ess = false;
	t.other_ess = true;
	altered(&t, "no certificate that is the one");
	t.ess_v1 = true;
	altered(&t, "no certificate that is the one");
	fake_tsa_done(&t);
}

TEST(no_certificates)
{
	TSA;
	t.no_certificates = true;
	altered(&t, "carries 0 certificates");
	fake_tsa_done(&t);
}

TEST(sha1_imprint_and_sha1_signature)
{
	TSA;
	t.imprint_nid = NID_sha1;
	altered(&t, "its imprint is a 'SHA1' hash");
	t.imprint_nid = 0;
	t.md = EVP_sha1();
	altered(&t, "signed over a 'SHA1' hash");
	fake_tsa_done(&t);
}

/* RSASSA-PSS names a hash of its own (by default SHA-1), beside the message's. */
TEST(pss_with_another_hash)
{
	TSA;
	AI_BUF_AUTO token = AI_BUF(AI_MAX_TEXT);
	static const uint8_t pss_sha256[] = { 0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01 };
	struct ai_stamp s;
	EVP_PKEY_free(t.key);
	t.leaf.key = t.key = EVP_RSA_gen(2048);
	t.pss = true;
	fake_token(&t, &imprint, &token);
	char *at = memmem(token.data, token.len, pss_sha256, sizeof pss_sha256);
	assert_non_null(at);
	at[sizeof pss_sha256 - 1] = 2; /* SHA-384 */
	refused(AI_ENO, "its signature names the hash 'SHA384'", ai_timestamp_check(token.data, token.len, &imprint, NULL, &s, &err));
	fake_tsa_done(&t);
}

TEST(weak_key)
{
	TSA;
	EVP_PKEY_free(t.key);
	t.key = EVP_RSA_gen(1024);
	t.leaf.key = t.key;
	altered(&t, "too weak");
	fake_tsa_done(&t);
}

TEST(bytes_after_its_end)
{
	TSA;
	AI_BUF_AUTO token = AI_BUF(AI_MAX_TEXT);
	struct ai_stamp s;
	fake_token(&t, &imprint, &token);
	ai_buf_putc(&token, 0);
	refused(AI_ENO, "1 bytes follow its end", ai_timestamp_check(token.data, token.len, &imprint, NULL, &s, &err));
	refused(AI_ENO, "is no signed CMS message", ai_timestamp_check(token.data, token.len - 2, &imprint, NULL, &s, &err));
	refused(AI_ENO, "got 0 bytes", ai_timestamp_check(token.data, 0, &imprint, NULL, &s, &err));
	fake_tsa_done(&t);
}

TEST(ber_encoding)
{
	TSA;
	AI_BUF_AUTO token = AI_BUF(AI_MAX_TEXT), ber = AI_BUF(AI_MAX_TEXT);
	struct ai_stamp s;
	fake_token(&t, &imprint, &token);
	fake_ber(&token, &ber);
	refused(AI_ENO, "is not DER", ai_timestamp_check(ber.data, ber.len, &imprint, NULL, &s, &err));
	fake_tsa_done(&t);
}

TEST(what_it_says_is_malformed)
{
	TSA;
	static const char *const times[] = { "202601011200Z", "20260101120000", "20260101120000.50Z", "20260101120000+0100", "20261301120000Z", "20260101120000.Z" };
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		t.time = times[i];
		altered(&t, "its time is none");
	}
	t.time = NULL;
	t.said_by = "Somebody else";
	altered(&t, "names another authority");
	t.said_by = NULL;
	t.accuracy_s = 90000;
	altered(&t, "accuracy is out of range");
	t.accuracy_s = 0;
	t.version_2 = true;
	altered(&t, "version: got 2");
	t.version_2 = false;
	t.critical_extension = true;
	altered(&t, "critical extension");
	fake_tsa_done(&t);
}

/* --- tokens that hold, by somebody whom nobody here chose ----------------------------------- */

TEST(self_made_authority)
{
	TSA;
	struct fake_tsa forger;
	fake_tsa_init(&forger);
	/* All names are the real ones. */
	EVP_PKEY_free(forger.root_key);
	forger.root_key = EVP_EC_gen("P-256");
	forger.root.key = forger.root.signer = forger.ca.signer = forger.root_key;
	unbelieved(&forger, &t.root, "its certificates end at 'CN = TSA root', which this verifier does not believe");
	fake_tsa_done(&forger);
	fake_tsa_done(&t);
}

TEST(self_signed_signer)
{
	TSA;
	struct fake_cert root = t.root;
	t.leaf.issuer = "TSA signer";
	t.leaf.signer = t.key;
	unbelieved(&t, &root, "its certificates end at 'CN = TSA signer'");
	fake_tsa_done(&t);
}

TEST(no_roots_at_all)
{
	TSA;
	struct ai_stamp s;
	ok(check(&t, &imprint, NULL, &s, &err));
	assert_null(s.anchor);
	assert_non_null(s.why_not);
	ai_stamp_done(&s);
	fake_tsa_done(&t);
}

TEST(anchor_of_another_role)
{
	TSA;
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	struct ai_roots *roots = NULL;
	struct ai_stamp s;
	fake_cert_der(&t.root, &der);
	ok(ai_roots_new(false, &roots, &err));
	ok(ai_roots_add(roots, der.data, der.len, NULL, AI_ROLE_AK_CA, "team", &err));
	ok(check(&t, &imprint, roots, &s, &err));
	assert_null(s.anchor);
	ai_stamp_done(&s);
	ai_roots_free(roots);
	fake_tsa_done(&t);
}

TEST(certificates_not_valid_at_the_stamped_time)
{
	TSA;
	int64_t then = 1767268800 /* 2026-01-01T12:00:00Z */;
	t.leaf.not_after = then - 1;
	unbelieved(&t, &t.root, "the certificate of 'CN = TSA signer' is valid from 2025-01-01T00:00:00Z to 2026-01-01T11:59:59Z, and the stamped time is 2026");
	t.leaf.not_after = then;
	believed(&t, &t.root, "2026-01-01T12:00:00Z");
	t.ca.not_before = then + 1;
	unbelieved(&t, &t.root, "the certificate of 'CN = TSA issuing CA' is valid from");
	t.ca.not_before = then;
	believed(&t, &t.root, "2026-01-01T12:00:00Z");
	t.root.not_after = then - 1;
	unbelieved(&t, &t.root, "the certificate of 'CN = TSA root' is valid from");
	fake_tsa_done(&t);
}

TEST(revoked_anywhere_on_the_way)
{
	TSA;
	const struct fake_cert *way[] = { &t.leaf, &t.ca, &t.root };
	for (int i = 0; i < 6; i++) {
		struct ai_roots *roots = fake_tsa_roots(&t.root);
		struct ai_digest d;
		struct ai_stamp s;
		unsigned char *der = NULL;
		AI_BUF_AUTO token = AI_BUF(AI_MAX_TEXT);
		X509 *x = NULL;
		size_t from, to;
		fake_token(&t, &imprint, &token);
		/* ECDSA signs anew each time: the certificate is taken from the token itself. */
		find_certificate(&token, way[i % 3]->serial, &from, &to, &x);
		int n = i < 3 ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der) : i2d_X509(x, &der);
		ai_sha256(der, (size_t)n, &d);
		ok(ai_roots_revoke(roots, &d, &err));
		ok(ai_timestamp_check(token.data, token.len, &imprint, roots, &s, &err));
		assert_null(s.anchor);
		assert_non_null(strstr(s.why_not, "was revoked"));
		ai_stamp_done(&s);
		OPENSSL_free(der);
		X509_free(x);
		ai_roots_free(roots);
	}
	fake_tsa_done(&t);
}

TEST(issuers_that_may_not)
{
	TSA;
	t.ca.constraints = "critical,CA:FALSE";
	unbelieved(&t, &t.root, "is not a CA's");
	t.ca.constraints = "critical,CA:TRUE";
	t.ca.usage = "critical,digitalSignature";
	unbelieved(&t, &t.root, "is not a CA's");
	t.ca.usage = "critical,keyCertSign";
	t.ca.extended = "serverAuth";
	unbelieved(&t, &t.root, "of which time stamping is none");
	t.ca.extended = "timeStamping";
	believed(&t, &t.root, "2026-01-01T12:00:00Z");
	t.root.constraints = "critical,CA:TRUE,pathlen:0";
	unbelieved(&t, &t.root, "allows fewer CAs below it");
	fake_tsa_done(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(imprint_is_of_four_fields_and_no_others),
		cmocka_unit_test(good_token_is_believed_through_its_root),
		cmocka_unit_test(intermediate_may_be_the_anchor_itself),
		cmocka_unit_test(root_may_be_left_out),
		cmocka_unit_test(sha1_name_of_the_signing_certificate_is_still_a_name),
		cmocka_unit_test(keys_of_every_kind),
		cmocka_unit_test(the_latest_moment_that_the_token_allows_is_what_counts),
		cmocka_unit_test(baggage_is_passed_over),
		cmocka_unit_test(cross_signed_root_is_the_pinned_key),
		cmocka_unit_test(stamp_of_another_signature),
		cmocka_unit_test(every_byte_that_anybody_signed_counts),
		cmocka_unit_test(edited_time),
		cmocka_unit_test(signer_without_the_purpose),
		cmocka_unit_test(signer_whose_purpose_is_not_critical),
		cmocka_unit_test(signer_with_a_second_purpose),
		cmocka_unit_test(signer_that_is_a_ca),
		cmocka_unit_test(two_signers),
		cmocka_unit_test(no_signed_attributes),
		cmocka_unit_test(no_name_of_the_signing_certificate_or_anothers),
		cmocka_unit_test(no_certificates),
		cmocka_unit_test(sha1_imprint_and_sha1_signature),
		cmocka_unit_test(pss_with_another_hash),
		cmocka_unit_test(weak_key),
		cmocka_unit_test(bytes_after_its_end),
		cmocka_unit_test(ber_encoding),
		cmocka_unit_test(what_it_says_is_malformed),
		cmocka_unit_test(self_made_authority),
		cmocka_unit_test(self_signed_signer),
		cmocka_unit_test(no_roots_at_all),
		cmocka_unit_test(anchor_of_another_role),
		cmocka_unit_test(certificates_not_valid_at_the_stamped_time),
		cmocka_unit_test(revoked_anywhere_on_the_way),
		cmocka_unit_test(issuers_that_may_not),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

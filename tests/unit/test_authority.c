/* test_authority.c -- an attestation CA: one good enrolment, and everything that must not become one.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/enrol/authority.h"

#include <openssl/pem.h>
#include <time.h>

#include "base/when.h"
#include "enrol_unit.h"

static struct maker maker, stranger;
static struct soft_tpm tpm, other;
static struct ai_authority *ca;
static struct ai_roots *roots;
static int64_t now;

static struct ai_roots *
roots_with(X509 *x, ai_role role)
{
	struct ai_roots *r = NULL;
	unsigned char *der = NULL;
	int n = i2d_X509(x, &der);
	ok(ai_roots_new(false, &r, &err));
	ok(ai_roots_add(r, der, (size_t)n, NULL, role, "", &err));
	OPENSSL_free(der);
	return r;
}

static struct ai_authority *
new_ca(const char *name)
{
	AI_BUF_AUTO key = AI_BUF(AI_MAX_CERT);
	AI_BUF_AUTO root = AI_BUF(AI_MAX_CERT);
	struct ai_authority *a = NULL;
	ok(ai_authority_make(name, "P-256", 400, now, NULL, &key, &root, &err));
	ok(ai_authority_open(key.data, key.len, NULL, root.data, root.len, &a, &err));
	return a;
}

static int
set_up(void **state)
{
	(void)state;
	now = time(NULL);
	make_maker(&maker, "Example TPM maker");
	make_maker(&stranger, "Somebody");
	make_tpm(&tpm, &maker);
	make_tpm(&other, &maker);
	ca = new_ca("Team CA");
	roots = roots_with(maker.root, AI_ROLE_EK);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	done_maker(&maker);
	done_maker(&stranger);
	done_tpm(&tpm);
	done_tpm(&other);
	ai_authority_free(ca);
	ai_roots_free(roots);
	return 0;
}

/* --- the CA ------------------------------------------------------------------ */

static void
test_a_ca_is_made_and_opened(void **state)
{
	(void)state;
	static const char *const curves[] = { "P-256", "P-384" };
	for (size_t i = 0; i < 2; i++) {
		AI_BUF_AUTO key = AI_BUF(AI_MAX_CERT);
		AI_BUF_AUTO root = AI_BUF(AI_MAX_CERT);
		struct ai_authority *a = NULL;
		ok(ai_authority_make("Équipe", curves[i], 10, now, "a passphrase", &key, &root, &err));
		refused(AI_EINPUT, "there is no passphrase", ai_authority_open(key.data, key.len, NULL, root.data, root.len, &a, &err));
		refused(AI_EINPUT, "not with this passphrase", ai_authority_open(key.data, key.len, "another", root.data, root.len, &a, &err));
		ok(ai_authority_open(key.data, key.len, "a passphrase", root.data, root.len, &a, &err));
		assert_string_equal(ai_authority_name(a), "Équipe");
		ai_authority_free(a);
		BIO *bio = BIO_new_mem_buf(root.data, (int)root.len);
		X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
		assert_int_equal(X509_check_ca(x), 1);
		assert_int_equal(X509_get_pathlen(x), 0);
		assert_int_equal(X509_get_key_usage(x), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
		assert_non_null(X509_get0_subject_key_id(x));
		X509_free(x);
		BIO_free(bio);
	}
}

static void
test_what_is_no_ca(void **state)
{
	(void)state;
	AI_BUF_AUTO key = AI_BUF(AI_MAX_CERT);
	AI_BUF_AUTO root = AI_BUF(AI_MAX_CERT);
	AI_BUF_AUTO key2 = AI_BUF(AI_MAX_CERT);
	AI_BUF_AUTO root2 = AI_BUF(AI_MAX_CERT);
	struct ai_authority *a = NULL;
	refused(AI_EUSAGE, "name", ai_authority_make("", "P-256", 1, now, NULL, &key, &root, &err));
	refused(AI_EUSAGE, "name", ai_authority_make("a\nb", "P-256", 1, now, NULL, &key, &root, &err));
	refused(AI_EUSAGE, "curve", ai_authority_make("a", "P-521", 1, now, NULL, &key, &root, &err));
	refused(AI_EUSAGE, "days", ai_authority_make("a", "P-256", 0, now, NULL, &key, &root, &err));
	assert_int_equal(key.len + root.len, 0);
	ok(ai_authority_make("one", "P-256", 1, now, NULL, &key, &root, &err));
	ok(ai_authority_make("two", "P-256", 1, now, NULL, &key2, &root2, &err));
	refused(AI_EINPUT, "not that of its root", ai_authority_open(key.data, key.len, NULL, root2.data, root2.len, &a, &err));
	refused(AI_EINPUT, "no private key", ai_authority_open(root.data, root.len, NULL, root.data, root.len, &a, &err));
	refused(AI_EINPUT, "no self-signed CA", ai_authority_open(key.data, key.len, NULL, key.data, key.len, &a, &err));
	/* An endorsement key's certificate in the place of a root. */
	X509 *leaf = make_cert("leaf", tpm.ek, maker.root, false, "critical,keyEncipherment", NULL);
	X509_sign(leaf, maker.key, EVP_sha256());
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;
	PEM_write_bio_X509(bio, leaf);
	long n = BIO_get_mem_data(bio, &p);
	refused(AI_EINPUT, "no self-signed CA", ai_authority_open(key.data, key.len, NULL, p, (size_t)n, &a, &err));
	BIO_free(bio);
	X509_free(leaf);
}

/* --- one whole enrolment ----------------------------------------------------- */

/* A request that is judged good becomes a challenge and a pending entry. */
static void
challenge_for(const struct soft_tpm *t, json_t **challenge, json_t **pending)
{
	AI_JSON *request = request_of(&t->ek_public, t->certificates, &t->ak_public);
	AI_BUF_AUTO a = AI_BUF(AI_MAX_ENROLMENT);
	AI_BUF_AUTO b = AI_BUF(AI_MAX_ENROLMENT);
	struct ai_candidate c;
	ok(ai_candidate_judge(request, NULL, roots, now, &c, &err));
	assert_string_equal(ai_json_str(c.tpm, "manufacturer"), "id:4558414D");
	assert_string_equal(c.anchor, "Example TPM maker");
	ok(ai_authority_challenge(ca, &c, now, &a, &b, &err));
	ai_candidate_done(&c);
	*challenge = parse_text(AI_ENROLMENT_CHALLENGE, &a);
	*pending = parse_text(AI_ENROLMENT_PENDING, &b);
}

static json_t *
answer_with(const json_t *challenge, const char *ak, const void *secret, size_t n)
{
	return through_text(AI_ENROLMENT_ANSWER, json_pack("{s:s, s:s, s:o}", "challenge", ai_json_str(challenge, "id"), "ak", ak ? ak : ai_json_str(challenge, "ak"),
		"secret", ai_enrolment_text(secret, n)));
}

static json_t *
issue_for(const struct soft_tpm *t, json_t **record)
{
	AI_JSON *challenge = NULL;
	AI_JSON *pending = NULL;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_ENROLMENT);
	uint8_t secret[32];
	challenge_for(t, &challenge, &pending);
	assert_int_equal(soft_activate(t, challenge, secret), 32);
	AI_JSON *answer = answer_with(challenge, NULL, secret, sizeof secret);
	ok(ai_authority_answered(pending, answer, now, &err));
	ok(ai_authority_issue(ca, pending, 30, now, &text, record, &err));
	return parse_text(AI_ENROLMENT_CERTIFICATE, &text);
}

static X509 *
x509_of(const json_t *base64)
{
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	ok(ai_b64_get(json_string_value(base64), json_string_length(base64), &der, &err));
	const unsigned char *p = (const unsigned char *)der.data;
	return d2i_X509(NULL, &p, (long)der.len);
}

static void
test_a_whole_enrolment(void **state)
{
	(void)state;
	AI_JSON *record = NULL;
	AI_JSON *file = issue_for(&tpm, &record);
	char *authority = NULL;
	ok(ai_enrolled_check(file, tpm.ak_public.b, tpm.ak_public.n, now, &authority, &err));
	assert_non_null(strstr(authority, "Team CA"));
	free(authority);
	X509 *leaf = x509_of(json_array_get(ai_json_arr(file, "certificates"), 0));
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(leaf), tpm.ak), 1);
	assert_int_equal(X509_get_key_usage(leaf), KU_DIGITAL_SIGNATURE);
	assert_int_equal(X509_check_ca(leaf), 0);
	EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(leaf, NID_ext_key_usage, NULL, NULL);
	char oid[64];
	assert_int_equal(sk_ASN1_OBJECT_num(eku), 1);
	OBJ_obj2txt(oid, sizeof oid, sk_ASN1_OBJECT_value(eku, 0), 1);
	assert_string_equal(oid, "2.23.133.8.3");
	EXTENDED_KEY_USAGE_free(eku);
	int critical = 0;
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, &critical, NULL);
	assert_int_equal(critical, 1);
	assert_int_equal(sk_GENERAL_NAME_num(names), 1);
	assert_int_equal(X509_NAME_entry_count(sk_GENERAL_NAME_value(names, 0)->d.directoryName), 3);
	GENERAL_NAMES_free(names);
	assert_int_equal(ASN1_STRING_length(X509_get0_serialNumber(leaf)), 17);
	assert_non_null(X509_get0_subject_key_id(leaf));
	assert_non_null(X509_get0_authority_key_id(leaf));
	X509_free(leaf);
	assert_int_equal(strlen(ai_json_str(record, "serial")), 34);
	/* Twice the same key: another serial. */
	AI_JSON *record2 = NULL;
	AI_JSON *again = issue_for(&tpm, &record2);
	assert_string_not_equal(ai_json_str(record, "serial"), ai_json_str(record2, "serial"));
}

/* The certificate is worth nothing to a verifier who gave that CA another role, and another CA's root does not stand for it. */
static void
test_who_believes_the_certificate(void **state)
{
	(void)state;
	AI_JSON *record = NULL;
	AI_JSON *file = issue_for(&tpm, &record);
	struct ai_ak ak;
	struct ai_chain chain;
	const struct ai_anchor *anchor;
	const json_t *list = ai_json_arr(file, "certificates");
	X509 *root = x509_of(json_array_get(list, 1));
	struct ai_roots *as_ca = roots_with(root, AI_ROLE_AK_CA), *as_ek = roots_with(root, AI_ROLE_EK);
	ok(ai_ak_parse(tpm.ak_public.b, tpm.ak_public.n, &ak, &err));
	ok(ai_chain_check(list, &ak, NULL, &chain, &err));
	ok(ai_chain_trust(&chain, as_ca, AI_ROLE_AK_CA, now, &anchor, &err));
	refused(AI_ENO, "endorsement keys only", ai_chain_trust(&chain, as_ek, AI_ROLE_AK_CA, now, &anchor, &err));
	refused(AI_ENO, "", ai_chain_trust(&chain, roots, AI_ROLE_AK_CA | AI_ROLE_EK, now, &anchor, &err));
	refused(AI_ENO, "", ai_chain_trust(&chain, as_ca, AI_ROLE_AK_CA, now + 31 * 86400, &anchor, &err));
	ai_chain_done(&chain);
	ai_roots_free(as_ca);
	ai_roots_free(as_ek);
	ai_ak_done(&ak);
	X509_free(root);
}

static void
test_a_certificate_ends_with_its_ca(void **state)
{
	(void)state;
	AI_JSON *challenge = NULL;
	AI_JSON *pending = NULL;
	AI_JSON *record = NULL;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_ENROLMENT);
	int64_t until;
	challenge_for(&tpm, &challenge, &pending);
	refused(AI_EUSAGE, "days", ai_authority_issue(ca, pending, 0, now, &text, &record, &err));
	refused(AI_EENV, "expired", ai_authority_issue(ca, pending, 1, now + 401 * 86400, &text, &record, &err));
	assert_int_equal(text.len, 0);
	ok(ai_authority_issue(ca, pending, 3650, now, &text, &record, &err));
	ok(ai_when_parse(ai_json_str(record, "not_after"), &until, &err));
	assert_int_equal(until, now + 400 * 86400);
}

/* --- requests that are refused ----------------------------------------------- */

static void
refuse_request(int code, const char *why, const struct bytes *ek, json_t *certificates, const struct bytes *ak, const struct ai_roots *r, int64_t at)
{
	AI_JSON *request = request_of(ek, certificates, ak);
	struct ai_candidate c;
	refused(code, why, ai_candidate_judge(request, NULL, r, at, &c, &err));
}

static void
test_an_ek_certificate_of_another_ek(void **state)
{
	(void)state;
	refuse_request(AI_ENO, "public key", &tpm.ek_public, other.certificates, &tpm.ak_public, roots, now);
}

static void
test_no_ek_certificate(void **state)
{
	(void)state;
	AI_JSON *none = json_array();
	refuse_request(AI_ENO, "no certificate", &tpm.ek_public, none, &tpm.ak_public, roots, now);
}

static void
test_an_ek_root_that_nobody_trusts(void **state)
{
	(void)state;
	AI_JSON *list = ek_certificates(&stranger, tpm.ek, EK_EXTENSIONS);
	refuse_request(AI_ENO, "Somebody", &tpm.ek_public, list, &tpm.ak_public, roots, now);
}

/* The same name as the maker's, and another key. */
static void
test_an_ek_root_that_only_says_so(void **state)
{
	(void)state;
	struct maker liar;
	make_maker(&liar, "Example TPM maker");
	AI_JSON *list = ek_certificates(&liar, tpm.ek, EK_EXTENSIONS);
	refuse_request(AI_ENO, "anchor", &tpm.ek_public, list, &tpm.ak_public, roots, now);
	/* And with the maker's root put behind its leaf. */
	json_array_set_new(list, 1, base64_of(maker.root));
	refuse_request(AI_ENO, "signature", &tpm.ek_public, list, &tpm.ak_public, roots, now);
	done_maker(&liar);
}

static void
test_a_root_of_another_role(void **state)
{
	(void)state;
	struct ai_roots *r = roots_with(maker.root, AI_ROLE_AK_CA);
	refuse_request(AI_ENO, "that a CA enrolled only", &tpm.ek_public, tpm.certificates, &tpm.ak_public, r, now);
	ai_roots_free(r);
}

static void
test_a_revoked_ek(void **state)
{
	(void)state;
	struct ai_roots *r = roots_with(maker.root, AI_ROLE_EK);
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	struct ai_digest d;
	const char *text = json_string_value(json_array_get(tpm.certificates, 0));
	ok(ai_b64_get(text, strlen(text), &der, &err));
	ai_sha256(der.data, der.len, &d);
	ok(ai_roots_revoke(r, &d, &err));
	refuse_request(AI_ENO, "revoked", &tpm.ek_public, tpm.certificates, &tpm.ak_public, r, now);
	ai_roots_free(r);
}

static void
test_an_ek_certificate_out_of_its_time(void **state)
{
	(void)state;
	refuse_request(AI_ENO, "expired", &tpm.ek_public, tpm.certificates, &tpm.ak_public, roots, now + 1001 * 86400);
	refuse_request(AI_ENO, "not yet valid", &tpm.ek_public, tpm.certificates, &tpm.ak_public, roots, now - 7200);
}

/* A maker's CA may vouch for other things than endorsement keys: its certificates must say that they are for one. */
static void
test_a_certificate_for_something_else(void **state)
{
	(void)state;
	AI_JSON *signs = ek_certificates(&maker, tpm.ek, "critical,digitalSignature", "2.23.133.8.1");
	AI_JSON *aik = ek_certificates(&maker, tpm.ek, "critical,keyEncipherment", "2.23.133.8.3");
	refuse_request(AI_ENO, "endorsement key", &tpm.ek_public, signs, &tpm.ak_public, roots, now);
	refuse_request(AI_ENO, "2.23.133.8.1", &tpm.ek_public, aik, &tpm.ak_public, roots, now);
}

static void
test_an_ak_that_others_could_use(void **state)
{
	(void)state;
	static const struct { uint32_t attributes; const char *why; } cases[] = {
		{ GOOD_ATTRIBUTES & ~(1u << 16), "restricted" }, { GOOD_ATTRIBUTES & ~(1u << 1), "fixedTPM" },
		{ GOOD_ATTRIBUTES & ~(1u << 4), "fixedParent" }, { GOOD_ATTRIBUTES & ~(1u << 5), "sensitiveDataOrigin" },
		{ GOOD_ATTRIBUTES | 1u << 17, "decrypt" }, { GOOD_ATTRIBUTES | 1u << 7, "policy" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct key_words w = ECC_WORDS;
		w.attributes = cases[i].attributes;
		struct bytes ak = public_area(tpm.ak, &w);
		refuse_request(AI_ENO, cases[i].why, &tpm.ek_public, tpm.certificates, &ak, roots, now);
	}
	/* A policy, whatever it says. */
	struct bytes with = { .n = 0 };
	static const uint8_t policy[32] = { 0xe5 };
	put_raw(&with, tpm.ak_public.b, 8);
	put_2b(&with, policy, sizeof policy);
	put_raw(&with, tpm.ak_public.b + 10, tpm.ak_public.n - 10);
	refuse_request(AI_ENO, "policy", &tpm.ek_public, tpm.certificates, &with, roots, now);
}

/* An EK that could also sign, or that another TPM could have: the certificate speaks of its key only. */
static void
test_an_ek_that_is_none(void **state)
{
	(void)state;
	struct bytes ek = tpm.ek_public;
	ek.b[5] = 0x02; /* not restricted */
	refuse_request(AI_ENO, "restricted", &ek, tpm.certificates, &tpm.ak_public, roots, now);
	refuse_request(AI_ENO, "endorsement key", &tpm.ak_public, tpm.certificates, &tpm.ak_public, roots, now);
}

/* What a deny list names is the key, which stays the same whatever else the public area says of itself. */
static void
test_a_denied_ek_cannot_dress_up(void **state)
{
	(void)state;
	struct bytes ek = tpm.ek_public;
	ek.b[10] ^= 1; /* of the policy, which no certificate vouches for */
	AI_JSON *a = request_of(&tpm.ek_public, tpm.certificates, &tpm.ak_public);
	AI_JSON *b = request_of(&ek, tpm.certificates, &tpm.ak_public);
	struct ai_candidate c, d;
	ok(ai_candidate_judge(a, NULL, roots, now, &c, &err));
	ok(ai_candidate_judge(b, NULL, roots, now, &d, &err));
	assert_false(ai_digest_eq(&c.ek.fingerprint, &d.ek.fingerprint));
	assert_true(ai_digest_eq(&c.ek_key, &d.ek_key));
	ai_candidate_done(&c);
	ai_candidate_done(&d);
}

static void
test_a_chain_is_completed(void **state)
{
	(void)state;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *middle = make_cert("Middle", key, maker.root, true, "critical,keyCertSign", NULL);
	X509_sign(middle, maker.key, EVP_sha256());
	struct maker m = { key, middle };
	AI_JSON *whole = ek_certificates(&m, tpm.ek, EK_EXTENSIONS);
	AI_JSON *leaf = json_pack("[O]", json_array_get(whole, 0));
	/* In any order, with others among them. */
	AI_JSON *issuers = json_pack("[o, o, o]", base64_of(stranger.root), base64_of(maker.root), base64_of(middle));
	AI_JSON *request = request_of(&tpm.ek_public, leaf, &tpm.ak_public);
	struct ai_candidate c;
	refused(AI_ENO, "issuer", ai_candidate_judge(request, NULL, roots, now, &c, &err));
	ok(ai_candidate_judge(request, issuers, roots, now, &c, &err));
	ai_candidate_done(&c);
	/* The middle one as the anchor: the chain ends there. */
	struct ai_roots *r = roots_with(middle, AI_ROLE_EK);
	ok(ai_candidate_judge(request, issuers, r, now, &c, &err));
	ai_candidate_done(&c);
	ai_roots_free(r);
	X509_free(middle);
	EVP_PKEY_free(key);
}

/* --- answers that are refused ------------------------------------------------ */

static void
test_answers(void **state)
{
	(void)state;
	AI_JSON *challenge = NULL;
	AI_JSON *pending = NULL;
	AI_JSON *challenge2 = NULL;
	AI_JSON *pending2 = NULL;
	uint8_t secret[32], wrong[32];
	struct ai_digest d;
	char hex[AI_HEX];
	challenge_for(&tpm, &challenge, &pending);
	challenge_for(&tpm, &challenge2, &pending2);
	assert_int_equal(soft_activate(&tpm, challenge, secret), 32);
	/* Another TPM, or this one with another AK, opens nothing. */
	struct soft_tpm mixed = tpm;
	mixed.ak_public = other.ak_public;
	assert_int_equal(soft_activate(&other, challenge, wrong), 0);
	assert_int_equal(soft_activate(&mixed, challenge, wrong), 0);
	AI_JSON *good = answer_with(challenge, NULL, secret, 32);
	ok(ai_authority_answered(pending, good, now, &err));
	ok(ai_authority_answered(pending, good, now + 3600, &err));
	refused(AI_ENO, "expired", ai_authority_answered(pending, good, now + 3601, &err));
	refused(AI_ENO, "another challenge", ai_authority_answered(pending2, good, now, &err));
	/* The first challenge's secret for the second. */
	AI_JSON *crossed = answer_with(challenge2, NULL, secret, 32);
	refused(AI_ENO, "secret", ai_authority_answered(pending2, crossed, now, &err));
	for (size_t i = 0; i < 32; i += 31) {
		memcpy(wrong, secret, 32);
		wrong[i] ^= 1;
		AI_JSON *bad = answer_with(challenge, NULL, wrong, 32);
		refused(AI_ENO, "secret", ai_authority_answered(pending, bad, now, &err));
	}
	AI_JSON *part = answer_with(challenge, NULL, secret, 31);
	refused(AI_ENO, "secret", ai_authority_answered(pending, part, now, &err));
	ai_sha256(other.ak_public.b, other.ak_public.n, &d);
	ai_hex(&d, hex);
	AI_JSON *elsewhere = answer_with(challenge, hex, secret, 32);
	refused(AI_ENO, "another attestation key", ai_authority_answered(pending, elsewhere, now, &err));
}

/* --- what a builder installs ------------------------------------------------- */

static json_t *
certificate_file(const struct bytes *ak, const json_t *certificates)
{
	struct ai_digest d;
	ai_sha256(ak->b, ak->n, &d);
	return through_text(AI_ENROLMENT_CERTIFICATE, json_pack("{s:o, s:O}", "ak", ai_json_hex(&d), "certificates", certificates));
}

static void
refuse_install(const char *why, json_t *file, int64_t at)
{
	char *authority = NULL;
	refused(AI_ENO, why, ai_enrolled_check(file, tpm.ak_public.b, tpm.ak_public.n, at, &authority, &err));
	assert_null(authority);
	json_decref(file);
}

static void
test_what_is_not_installed(void **state)
{
	(void)state;
	AI_JSON *record = NULL;
	AI_JSON *theirs = issue_for(&other, &record);
	AI_JSON *record2 = NULL;
	AI_JSON *ours = issue_for(&tpm, &record2);
	AI_JSON *nothing = json_array();
	refuse_install("another attestation key", json_incref(theirs), now);
	/* Their certificate under our key's name. */
	refuse_install("public key", certificate_file(&tpm.ak_public, ai_json_arr(theirs, "certificates")), now);
	/* An endorsement key's certificate as ours, also of the very key. */
	refuse_install("public key", certificate_file(&tpm.ak_public, tpm.certificates), now);
	AI_JSON *as_ek = ek_certificates(&maker, tpm.ak, "critical,keyAgreement", "2.23.133.8.1");
	refuse_install("endorsement key", certificate_file(&tpm.ak_public, as_ek), now);
	AI_JSON *purposeless = ek_certificates(&maker, tpm.ak, "critical,digitalSignature", NULL);
	refuse_install("2.23.133.8.3", certificate_file(&tpm.ak_public, purposeless), now);
	AI_JSON *leaf = json_pack("[O]", json_array_get(ai_json_arr(ours, "certificates"), 0));
	refuse_install("issuer", certificate_file(&tpm.ak_public, leaf), now);
	refuse_install("no certificates", certificate_file(&tpm.ak_public, nothing), now);
	refuse_install("expired", json_incref(ours), now + 31 * 86400);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_ca_is_made_and_opened), cmocka_unit_test(test_what_is_no_ca), cmocka_unit_test(test_a_whole_enrolment),
		cmocka_unit_test(test_who_believes_the_certificate), cmocka_unit_test(test_a_certificate_ends_with_its_ca),
		cmocka_unit_test(test_an_ek_certificate_of_another_ek), cmocka_unit_test(test_no_ek_certificate),
		cmocka_unit_test(test_an_ek_root_that_nobody_trusts), cmocka_unit_test(test_an_ek_root_that_only_says_so),
		cmocka_unit_test(test_a_root_of_another_role), cmocka_unit_test(test_a_revoked_ek), cmocka_unit_test(test_an_ek_certificate_out_of_its_time),
		cmocka_unit_test(test_a_certificate_for_something_else), cmocka_unit_test(test_an_ak_that_others_could_use),
		cmocka_unit_test(test_an_ek_that_is_none), cmocka_unit_test(test_a_denied_ek_cannot_dress_up), cmocka_unit_test(test_a_chain_is_completed),
		cmocka_unit_test(test_answers), cmocka_unit_test(test_what_is_not_installed),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* test_forgery_keys.c -- forgeries by whoever holds another key, another certificate, or another CA.  SPDX-License-Identifier: Apache-2.0 */
#include "forgery.h"

/* --- keys and certificates of one's own -------------------------------------- */

TEST(a_key_without_a_certificate_is_enough)
{
	START;
	s.no_certificates = true;
	worthless(made(), "has no certificate");
}

TEST(a_certificate_that_i_signed_myself_is_enough)
{
	START;
	s.leaf.issuer = "ak";
	s.leaf.signer = s.f.tpm.key;
	s.no_mid = s.no_root = true;
	worthless(made(), "not an anchor of this verifier");
}

TEST(a_root_of_mine_passes_for_theirs_by_its_name)
{
	START;
	s.root.key = s.root.signer = s.mid.signer = s.own_key;
	worthless(made(), "end at 'CN = team CA', which is not an anchor of this verifier");
}

/* The true root's certificate at the end of a chain that it did not sign. */
TEST(their_root_may_stand_above_my_issuing_ca)
{
	START;
	s.mid.signer = s.own_key;
	caught(made(), "certificates+reused", "its signature is not by the key of the next");
}

TEST(a_built_in_cloud_root_is_taken_by_its_name)
{
	START;
	struct ai_roots *builtin = NULL;
	ok(ai_roots_new(true, &builtin, &err));
	s.o.roots = builtin;
	s.root.subject = s.root.issuer = s.mid.issuer = "Azure Virtual TPM Root Certificate Authority 2023";
	s.root.key = s.root.signer = s.mid.signer = s.own_key;
	worthless(made(), "which is not an anchor of this verifier");
	ai_roots_free(builtin);
}

/* Somebody else's genuine certificates beside a key of one's own. */
TEST(the_certificate_of_another_ak_speaks_for_mine)
{
	START;
	s.leaf.key = s.own_key;
	caught(made(), "certificates+reused", "its public key is not the attestation key");
}

TEST(my_key_passes_for_the_one_that_the_claims_name)
{
	START;
	json_t *proof = made();
	struct fake_tpm mine = s.f.tpm;
	struct ai_buf public = AI_BUF(AI_MAX_QUOTE), attest, sig = AI_BUF(AI_MAX_QUOTE);
	mine.key = s.own_key;
	get_bytes(proof, "low_level_quote", &attest);
	fake_sign(&mine, &attest, &sig);
	fake_public(&mine, &public);
	put_bytes(proof, "signature", &sig);
	put_bytes(evidence_of(proof), "ak_public", &public);
	ai_buf_done(&attest);
	caught(proof, "attestation key", "which the claims name");
}

/* The verifier trusts a software key of his own: another key, whose claims say the trusted name. */
TEST(a_software_key_passes_for_the_verifiers_by_its_name)
{
	START;
	struct fake_tpm theirs;
	char key[AI_HEX];
	fake_tpm_init(&theirs);
	fake_fingerprint(&theirs, key);
	const char *keys[] = { key };
	s.o.keys = keys;
	s.o.n_keys = 1;
	s.no_certificates = true;
	json_t *proof = made();
	json_object_set_new(json_object_get(proof, "claims"), "ak", json_string(key));
	attest_again(proof);
	caught(proof, "attestation key", "which the claims name");
	fake_tpm_done(&theirs);
}

/* The public area that the verifier trusts, and a signature by another key. */
TEST(a_trusted_public_key_beside_my_signature)
{
	START;
	struct fake_tpm theirs;
	struct ai_buf public = AI_BUF(AI_MAX_QUOTE);
	char key[AI_HEX];
	fake_tpm_init(&theirs);
	fake_fingerprint(&theirs, key);
	fake_public(&theirs, &public);
	const char *keys[] = { key };
	s.o.keys = keys;
	s.o.n_keys = 1;
	s.no_certificates = true;
	json_t *proof = made();
	json_object_set_new(json_object_get(proof, "claims"), "ak", json_string(key));
	attest_again(proof);
	put_bytes(evidence_of(proof), "ak_public", &public);
	/* The reused attestation is by the attacker's key, as ever. */
	caught(proof, "quote+accepted key+genuine tpm+measured platform", "not made by this attestation key");
	fake_tpm_done(&theirs);
}

/* No attack: a certificate binds a key, so the proof's own speaks for what the same key attested before it was enrolled. */
TEST(what_the_same_key_attested_before_its_certificate_counts)
{
	START;
	json_t *proof = made(), *a;
	const char *id;
	json_object_foreach(json_object_get(proof, "attestations"), id, a)
		json_object_set_new(json_object_get(a, "evidence"), "ak_certificates", json_array());
	ends(proof, "measured-platform", "", "");
}

TEST(a_software_key_behind_the_tpm_borrows_its_certificates)
{
	START;
	s.f.two_keys = true;
	ends(made(), "unsigned", "accepted key+genuine tpm+measured platform+policy boot", "a key that attested a reused result");
}

TEST(a_trusted_software_key_passes_for_a_tpm)
{
	START;
	char key[AI_HEX];
	fake_fingerprint(&s.f.tpm, key);
	const char *keys[] = { key };
	s.o.keys = keys;
	s.o.n_keys = 1;
	s.no_certificates = true;
	ends(made(), "software", "genuine tpm+measured platform", "has no certificate");
}

/* --- the chain ------------------------------------------------------------------ */

TEST(my_ak_certificate_makes_me_a_ca)
{
	START;
	s.leaf.constraints = "critical,CA:TRUE";
	s.leaf.usage = "critical,digitalSignature,keyCertSign";
	caught(made(), "certificates+reused", "certificate 0: is a CA");
}

/* Somebody with a genuine AK certificate issues one for a key in software. */
TEST(an_ak_may_issue_certificates)
{
	START;
	s.mid.constraints = "critical,CA:FALSE";
	s.mid.usage = "critical,digitalSignature";
	s.mid.extended = "2.23.133.8.3";
	caught(made(), "certificates+reused", "certificate 1: is not a CA");
}

TEST(an_issuer_may_do_without_the_right_to_sign_certificates)
{
	START;
	s.mid.usage = "critical,digitalSignature";
	caught(made(), "certificates+reused", "certificate 1: is not a CA");
}

TEST(a_ca_below_pathlen_0_may_have_a_ca_below_it)
{
	START;
	s.root.constraints = "critical,CA:TRUE,pathlen:0";
	caught(made(), "certificates+reused", "allows 0 CAs below it: got 1");
}

TEST(the_root_may_be_left_out)
{
	START;
	s.no_root = true;
	caught(made(), "certificates+reused", "its issuer's certificate is missing");
}

TEST(a_further_certificate_goes_unseen)
{
	START;
	s.f.tpm.certificates = forgery_certificates(&s.leaf);
	json_array_append_new(s.f.tpm.certificates, fake_cert_text(&s.root));
	caught(made(), "certificates+reused", "left over");
}

TEST(a_certificate_with_trailing_bytes_is_the_same)
{
	START;
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	s.f.tpm.certificates = forgery_certificates(&s.leaf);
	fake_cert_der(&s.leaf, &der);
	ai_buf_putc(&der, 0);
	ai_b64_put(&text, der.data, der.len);
	json_array_set_new(s.f.tpm.certificates, 0, json_stringn(text.data, text.len));
	caught(made(), "certificates+reused", "certificate 0");
}

/* The leaf as it is, signed once more: with SHA-1. */
TEST(a_certificate_signed_with_sha1)
{
	START;
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	struct ai_buf again = AI_BUF(AI_MAX_CERT);
	fake_cert_der(&s.leaf, &der);
	const unsigned char *p = (const unsigned char *)der.data;
	unsigned char *out = NULL;
	X509 *x = d2i_X509(NULL, &p, (long)der.len);
	assert_true(X509_sign(x, s.mid_key, EVP_sha1()) > 0);
	int n = i2d_X509(x, &out);
	ai_buf_put(&again, out, (size_t)n);
	OPENSSL_free(out);
	X509_free(x);
	s.f.tpm.certificates = forgery_certificates(&s.leaf);
	json_array_set_new(s.f.tpm.certificates, 0, fake_base64(&again));
	caught(made(), "certificates+reused", "its signature algorithm is too weak");
}

TEST(an_issuer_whose_key_can_be_broken)
{
	START;
	EVP_PKEY *weak = EVP_RSA_gen(1024);
	s.mid.key = s.leaf.signer = weak;
	caught(made(), "certificates+reused", "its signature algorithm is too weak");
	EVP_PKEY_free(weak);
}

TEST(a_chain_in_another_order)
{
	START;
	s.f.tpm.certificates = forgery_certificates(&s.leaf);
	json_t *root = json_incref(json_array_get(s.f.tpm.certificates, 2));
	json_array_remove(s.f.tpm.certificates, 2);
	json_array_insert_new(s.f.tpm.certificates, 1, root);
	caught(made(), "certificates+reused", "certificate 0");
}

TEST(an_expired_certificate_still_speaks)
{
	START;
	s.leaf.not_before = s.o.now - 1000;
	s.leaf.not_after = s.o.now - 10;
	worthless(made(), "certificate 0 'CN = ak': expired at");
}

TEST(an_expired_issuer_still_speaks)
{
	START;
	s.mid.not_before = s.o.now - 1000;
	s.mid.not_after = s.o.now - 10;
	worthless(made(), "certificate 1 'CN = issuing CA': expired at");
}

TEST(a_certificate_of_tomorrow_speaks_today)
{
	START;
	s.leaf.not_before = s.o.now + 1000;
	worthless(made(), "not yet valid");
}

TEST(an_ek_may_pass_for_an_ak)
{
	START;
	s.leaf.usage = "critical,keyAgreement";
	s.leaf.extended = "2.23.133.8.1";
	worthless(made(), "an endorsement key's");
}

TEST(a_certificate_for_anything_is_one_for_an_ak)
{
	START;
	s.leaf.extended = "clientAuth";
	worthless(made(), "its extended key usage lacks 2.23.133.8.3");
}

TEST(a_certificate_that_says_no_purpose_is_one_for_an_ak)
{
	START;
	s.leaf.extended = NULL;
	worthless(made(), "has no extended key usage");
}

TEST(an_issuer_for_something_else_may_issue_for_aks)
{
	START;
	s.mid.extended = "serverAuth";
	worthless(made(), "which the leaf is for");
}

/* --- roots and authorities --------------------------------------------------------- */

TEST(a_tpm_makers_root_may_issue_for_aks)
{
	START;
	change("role: ak-ca", "role: ek");
	worthless(made(), "which is an anchor for endorsement keys only");
}

TEST(a_time_stamping_root_may_issue_for_aks)
{
	START;
	change("role: ak-ca", "role: tsa");
	worthless(made(), "which is an anchor for time stamps only");
}

static void
revoke_key(EVP_PKEY *key)
{
	struct ai_digest d;
	char hex[AI_HEX];
	unsigned char *spki = NULL;
	int n = i2d_PUBKEY(key, &spki);
	ai_sha256(spki, (size_t)n, &d);
	OPENSSL_free(spki);
	ai_hex(&d, hex);
	AI_FREE char *roots = ai_format("roots: { revoked: [ %s ], add:", hex);
	change("roots: { add:", roots);
}

TEST(a_revoked_issuer_still_speaks)
{
	START;
	revoke_key(s.mid_key);
	worthless(made(), "certificate 1 'CN = issuing CA': was revoked");
}

TEST(a_revoked_root_still_speaks)
{
	START;
	revoke_key(s.root_key);
	worthless(made(), "certificate 2 'CN = team CA': was revoked");
}

TEST(a_revoked_ak_still_speaks)
{
	START;
	revoke_key(s.f.tpm.key);
	worthless(made(), "certificate 0 'CN = ak': was revoked");
}

/* The machine believes this root; the policy keeps only the built-in ones. */
TEST(a_root_that_the_policy_narrowed_out_still_speaks)
{
	START;
	struct ai_roots *roots = NULL;
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	ok(ai_roots_new(true, &roots, &err));
	fake_cert_der(&s.root, &der);
	ok(ai_roots_add(roots, der.data, der.len, "team-ca", AI_ROLE_AK_CA, "ops-team", &err));
	s.o.roots = roots;
	char *from = strstr(s.policy.data, "roots: {"), *to = strchr(from, '\n');
	AI_FREE char *line = ai_strndup(from, (size_t)(to - from));
	change(line, "roots: { builtin: [ gcp ] }");
	change("{ name: ops-team, roots: [ team-ca ] }", "ops-team");
	worthless(made(), "which is not an anchor of this verifier");
	ai_roots_free(roots);
}

TEST(a_tpm_that_i_operate_passes_for_a_clouds)
{
	START;
	change("[ gcp, { name: ops-team, roots: [ team-ca ] } ]", "[ gcp ]");
	ends(made(), "genuine-tpm", "measured platform", "none of the authorities that the policy names");
}

TEST(my_name_in_the_certificate_makes_me_the_authority)
{
	START;
	change("[ gcp, { name: ops-team, roots: [ team-ca ] } ]", "[ gcp ]");
	s.leaf.subject = "gcp";
	ends(made(), "genuine-tpm", "measured platform", "none of the authorities that the policy names");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		H(the_good_one), H(a_key_without_a_certificate_is_enough), H(a_certificate_that_i_signed_myself_is_enough), H(a_root_of_mine_passes_for_theirs_by_its_name),
		H(their_root_may_stand_above_my_issuing_ca), H(a_built_in_cloud_root_is_taken_by_its_name), H(the_certificate_of_another_ak_speaks_for_mine),
		H(my_key_passes_for_the_one_that_the_claims_name), H(a_software_key_passes_for_the_verifiers_by_its_name), H(a_trusted_public_key_beside_my_signature),
		H(what_the_same_key_attested_before_its_certificate_counts), H(a_software_key_behind_the_tpm_borrows_its_certificates),
		H(a_trusted_software_key_passes_for_a_tpm), H(my_ak_certificate_makes_me_a_ca), H(an_ak_may_issue_certificates),
		H(an_issuer_may_do_without_the_right_to_sign_certificates), H(a_ca_below_pathlen_0_may_have_a_ca_below_it), H(the_root_may_be_left_out),
		H(a_further_certificate_goes_unseen), H(a_certificate_with_trailing_bytes_is_the_same), H(a_certificate_signed_with_sha1),
		H(an_issuer_whose_key_can_be_broken), H(a_chain_in_another_order), H(an_expired_certificate_still_speaks),
		H(an_expired_issuer_still_speaks), H(a_certificate_of_tomorrow_speaks_today), H(an_ek_may_pass_for_an_ak), H(a_certificate_for_anything_is_one_for_an_ak),
		H(a_certificate_that_says_no_purpose_is_one_for_an_ak), H(an_issuer_for_something_else_may_issue_for_aks), H(a_tpm_makers_root_may_issue_for_aks),
		H(a_time_stamping_root_may_issue_for_aks), H(a_revoked_issuer_still_speaks), H(a_revoked_root_still_speaks), H(a_revoked_ak_still_speaks),
		H(a_root_that_the_policy_narrowed_out_still_speaks), H(a_tpm_that_i_operate_passes_for_a_clouds), H(my_name_in_the_certificate_makes_me_the_authority),
	};
	return RUN("forgery_keys", tests);
}

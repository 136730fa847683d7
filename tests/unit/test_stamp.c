/*
 * test_stamp.c -- proof/stamp: when the certificates of a proof's attestations are judged, through the whole verifier.
 *
 * The attestation key's CA was good until the middle of 2026; "now" is 2030. A team's authority stamped the quotes on 1 January 2026.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fake_proof.h"
#include "fake_tsa.h"

enum { NOW = 1893456000 /* 2030-01-01 */, AK_FROM = 1735689600 /* 2025-01-01 */, AK_TO = 1782864000 /* 2026-07-01 */, DURING = 1772323200 /* 2026-03-01 */ };

struct scene {
	struct fake f;
	struct fake_tsa tsa;
	struct ai_roots *roots;
	json_t *proof;
	struct ai_verify_options o;
	int64_t as_of;
};

static void
begin(struct scene *s)
{
	*s = (struct scene){ .o = { .require = AI_LEVEL_GENUINE_TPM, .now = NOW } };
	EVP_PKEY *ca_key = EVP_EC_gen("P-256");
	fake_init(&s->f);
	fake_tsa_init(&s->tsa);
	struct fake_cert ca = { .subject = "Team CA", .issuer = "Team CA", .key = ca_key, .signer = ca_key, .constraints = "critical,CA:TRUE",
		.usage = "critical,keyCertSign", .not_before = AK_FROM, .not_after = AK_TO, .serial = 11 };
	struct fake_cert ak = { .subject = "AK", .issuer = "Team CA", .key = s->f.tpm.key, .signer = ca_key, .constraints = "critical,CA:FALSE",
		.usage = "critical,digitalSignature", .extended = "2.23.133.8.3", .not_before = AK_FROM, .not_after = AK_TO, .serial = 12 };
	AI_BUF_AUTO der = AI_BUF(AI_MAX_CERT);
	s->f.tpm.certificates = json_pack("[o, o]", fake_cert_text(&ak), fake_cert_text(&ca));
	s->roots = fake_tsa_roots(&s->tsa.root);
	fake_cert_der(&ca, &der);
	ok(ai_roots_add(s->roots, der.data, der.len, NULL, AI_ROLE_AK_CA, "team", &err));
	s->o.roots = s->roots;
	s->proof = fake_make(&s->f);
	EVP_PKEY_free(ca_key);
}

static void
end(struct scene *s)
{
	json_decref(s->proof);
	ai_roots_free(s->roots);
	fake_tsa_done(&s->tsa);
	fake_done(&s->f);
}

static json_t *
earlier(struct scene *s)
{
	return json_object_get(json_object_get(s->proof, "attestations"), s->f.earlier);
}

/* A stamp by s's authority over one attestation, put on another (or the same). */
static void
stamp(struct scene *s, const json_t *of, json_t *on)
{
	struct ai_digest d;
	struct ai_buf token = AI_BUF(AI_MAX_TEXT);
	ok(ai_timestamp_imprint(of, &d, &err));
	fake_token(&s->tsa, &d, &token);
	json_object_set_new(json_object_get(on, "evidence"), "timestamp", fake_base64(&token));
}

static void
stamp_both(struct scene *s)
{
	stamp(s, s->proof, s->proof);
	stamp(s, earlier(s), earlier(s));
}

static json_t *
verdict(struct scene *s, int want)
{
	json_t *report = NULL;
	struct ai_err err = { 0 };
	int r = fake_verify(&s->f, s->proof, &s->o, &report, &err);
	if (r != want)
		fail_msg("got %d '%s', expected %d", r, err.text, want);
	assert_non_null(report);
	return report;
}

/* The check of this name ended so, with these words. */
static void
says(const json_t *report, const char *name, const char *status, const char *words)
{
	const json_t *c = fake_check_named(report, name);
	if (strcmp(ai_json_str(c, "status"), status) != 0 || !strstr(ai_json_str(c, "compared"), words))
		fail_msg("%s: %s '%s', expected %s '%s'", name, ai_json_str(c, "status"), ai_json_str(c, "compared"), status, words);
}

/* Who is not believed is passed over: the chain is judged now, and has expired. */
static void
expired(struct scene *s, const char *timestamp_says)
{
	AI_JSON *report = verdict(s, AI_ENO);
	says(report, "timestamp", "skipped", timestamp_says);
	says(report, "genuine tpm", "failed", "2026-07-01");
	assert_string_equal(ai_json_str(report, "judged_by"), "now");
	assert_string_equal(ai_json_str(report, "judged_at"), "2030-01-01T00:00:00Z");
	assert_string_equal(ai_json_str(report, "level"), "unsigned");
}

#define TEST(name) static void name(void **state)
#define SCENE struct scene s; (void)state; begin(&s)

TEST(expired_chain_with_a_good_stamp)
{
	SCENE;
	stamp_both(&s);
	AI_JSON *report = verdict(&s, 0);
	says(report, "timestamp", "passed", "they existed before 2026-01-01T12:00:00Z");
	says(report, "genuine tpm", "passed", "team");
	assert_string_equal(ai_json_str(report, "judged_by"), "timestamp");
	assert_string_equal(ai_json_str(report, "judged_at"), "2026-01-01T12:00:00Z");
	assert_non_null(strstr(ai_json_str(report, "timestamp_authority"), "TSA signer"));
	assert_string_equal(ai_json_str(report, "level"), "genuine-tpm");
	end(&s);
}

TEST(expired_chain_without)
{
	SCENE;
	expired(&s, "no timestamp");
	end(&s);
}

TEST(as_of_when_there_is_no_stamp)
{
	SCENE;
	s.as_of = DURING;
	s.o.as_of = &s.as_of;
	AI_JSON *report = verdict(&s, 0);
	assert_string_equal(ai_json_str(report, "judged_by"), "as-of");
	assert_string_equal(ai_json_str(report, "judged_at"), "2026-03-01T00:00:00Z");
	end(&s);
}

TEST(stamp_counts_before_as_of)
{
	SCENE;
	stamp_both(&s);
	s.as_of = AK_FROM - 1;
	s.o.as_of = &s.as_of;
	AI_JSON *report = verdict(&s, 0);
	assert_string_equal(ai_json_str(report, "judged_by"), "timestamp");
	end(&s);
}

TEST(stamp_after_the_chain_expired)
{
	SCENE;
	s.tsa.time = "20270101000000Z";
	stamp_both(&s);
	AI_JSON *report = verdict(&s, AI_ENO);
	says(report, "timestamp", "passed", "2027-01-01");
	says(report, "genuine tpm", "failed", "2026-07-01");
	assert_string_equal(ai_json_str(report, "judged_by"), "timestamp");
	end(&s);
}

TEST(self_made_authority)
{
	SCENE;
	EVP_PKEY_free(s.tsa.root_key);
	s.tsa.root_key = EVP_EC_gen("P-256");
	s.tsa.root.key = s.tsa.root.signer = s.tsa.ca.signer = s.tsa.root_key;
	stamp_both(&s);
	expired(&s, "is not believed");
	end(&s);
}

TEST(authority_that_had_expired)
{
	SCENE;
	s.tsa.leaf.not_after = 1767225600 /* 2026-01-01, midnight */;
	stamp_both(&s);
	expired(&s, "to 2026-01-01T00:00:00Z, and the stamped time is 2026-01-01T12:00:00Z");
	end(&s);
}

TEST(stamp_from_the_future)
{
	SCENE;
	stamp_both(&s);
	s.o.now = 1767268800 - 301;
	AI_JSON *report = verdict(&s, AI_ENO);
	says(report, "timestamp", "failed", "is from the future: got 2026-01-01T12:00:00Z, and now it is 2026-01-01T11:54:59Z");
	assert_string_equal(ai_json_str(report, "level"), "none");
	/* Two clocks may differ a little. */
	s.o.now++;
	json_decref(report);
	report = verdict(&s, 0);
	end(&s);
}

TEST(stamp_of_the_reused_attestation_put_on_the_proof)
{
	SCENE;
	stamp(&s, earlier(&s), s.proof);
	AI_JSON *report = verdict(&s, AI_ENO);
	says(report, "timestamp", "failed", "is the stamp of something else");
	assert_string_equal(ai_json_str(report, "level"), "none");
	end(&s);
}

TEST(stamp_of_the_proof_put_on_the_reused_attestation)
{
	SCENE;
	stamp(&s, s.proof, s.proof);
	stamp(&s, s.proof, earlier(&s));
	AI_JSON *report = verdict(&s, AI_ENO);
	says(report, "timestamp", "failed", "is the stamp of something else");
	end(&s);
}

TEST(stamp_on_the_proof_does_not_speak_for_what_is_reused)
{
	SCENE;
	stamp(&s, s.proof, s.proof);
	AI_JSON *report = verdict(&s, AI_ENO);
	says(report, "timestamp", "passed", "they existed before");
	says(report, "genuine tpm", "failed", "2026-07-01");
	assert_string_equal(ai_json_str(report, "level"), "unsigned");
	end(&s);
}

TEST(certificates_exchanged_below_the_stamp)
{
	SCENE;
	stamp_both(&s);
	json_array_append_new(json_object_get(json_object_get(s.proof, "evidence"), "ak_certificates"), json_string("AAAA"));
	AI_JSON *report = verdict(&s, AI_ENO);
	says(report, "timestamp", "failed", "is the stamp of something else");
	end(&s);
}

TEST(no_token_at_all)
{
	SCENE;
	static const char *const texts[] = { "", "AAAA", "MAA=", "MAA", "not base64" };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		json_object_set_new(json_object_get(s.proof, "evidence"), "timestamp", json_string(texts[i]));
		AI_JSON *report = verdict(&s, AI_ENO);
		says(report, "timestamp", "failed", "timestamp");
		assert_string_equal(ai_json_str(report, "level"), "none");
	}
	end(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expired_chain_with_a_good_stamp),
		cmocka_unit_test(expired_chain_without),
		cmocka_unit_test(as_of_when_there_is_no_stamp),
		cmocka_unit_test(stamp_counts_before_as_of),
		cmocka_unit_test(stamp_after_the_chain_expired),
		cmocka_unit_test(self_made_authority),
		cmocka_unit_test(authority_that_had_expired),
		cmocka_unit_test(stamp_from_the_future),
		cmocka_unit_test(stamp_of_the_reused_attestation_put_on_the_proof),
		cmocka_unit_test(stamp_of_the_proof_put_on_the_reused_attestation),
		cmocka_unit_test(stamp_on_the_proof_does_not_speak_for_what_is_reused),
		cmocka_unit_test(certificates_exchanged_below_the_stamp),
		cmocka_unit_test(no_token_at_all),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

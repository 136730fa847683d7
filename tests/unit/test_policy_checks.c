/* test_policy_checks.c -- a whole proof in front of policies: what each asks of the run, and who tries to get past it.  SPDX-License-Identifier: Apache-2.0 */
#include "proof_cases.h"
#include "proof/policy/policy.h"

static char weights[AI_HEX], rule[AI_HEX];

/* The verdict on a proof with the fake's key under a policy: code, and one check's status and words. Takes the proof. */
static void
under(json_t *proof, const char *policy, int want, const char *check, const char *status, const char *words)
{
	struct ai_policy *p = NULL;
	AI_JSON *report = NULL;
	const char *keys[] = { f.key };
	AI_FREE char *text = ai_format("aicert-policy: 1\n%s", policy);
	ok(ai_policy_parse(text, strlen(text), "policy.yaml", NULL, NULL, &p, &err));
	struct ai_verify_options o = { .require = AI_LEVEL_SOFTWARE, .keys = keys, .n_keys = 1, .policy = p };
	struct ai_err err = { 0 };
	int r = fake_verify(&f, proof, &o, &report, &err);
	if (r != want)
		fail_msg("%s: got %d '%s', expected %d", policy, r, err.text, want);
	const json_t *c = fake_check_named(report, check);
	if (strcmp(ai_json_str(c, "status"), status) != 0 || !strstr(ai_json_str(c, "compared"), words))
		fail_msg("%s: check '%s' is %s: '%s', expected %s: '%s'", policy, check, ai_json_str(c, "status"), ai_json_str(c, "compared"), status, words);
	/* What a verifier asks for beyond the proof takes nothing from what the proof shows. */
	if (strncmp(check, "policy", 6) == 0 && strcmp(check, "policy denied") != 0 && strcmp(ai_json_str(report, "level"), "software") != 0)
		fail_msg("%s: level %s", policy, ai_json_str(report, "level"));
	ai_policy_free(p);
	json_decref(proof);
}

/* The proof, with the ids that policies speak of. */
static json_t *
make(void)
{
	json_t *proof = fake_make(&f);
	struct ai_digest d;
	ai_sha256("weights\n", 8, &d);
	ai_hex(&d, weights);
	ai_sha256("-- rule\n", 8, &d);
	ai_hex(&d, rule);
	return proof;
}

#define PASSES(policy, check) under(make(), policy, 0, check, "passed", "")
#define FAILS(policy, check, words) under(make(), policy, AI_ENO, check, "failed", words)
#define SKIPS(policy, check) under(make(), policy, 0, check, "skipped", "")

static void
again(void)
{
	fake_done(&f);
	fake_init(&f);
}

static void
test_nothing_asked(void **state)
{
	(void)state;
	static const char *const checks[] = { "policy root", "policy inputs", "policy outputs", "policy rules", "policy steps", "policy images",
		"policy environments", "policy boot", "policy job", "policy denied", "policy withheld" };
	for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
		SKIPS("", checks[i]);
		again();
	}
}

static void
test_root(void **state)
{
	(void)state;
	json_t *proof = make();
	AI_FREE char *mine = ai_format("root: %s", f.root);
	AI_FREE char *other = ai_format("root: [ %s ]", nowhere);
	under(json_incref(proof), mine, 0, "policy root", "passed", f.root);
	under(json_incref(proof), other, AI_ENO, "policy root", "failed", "none of the 1 roots");
	under(proof, "root: []", AI_ENO, "policy root", "failed", "none of the 0 roots");
}

static void
test_inputs(void **state)
{
	(void)state;
	json_t *proof = make();
	struct { const char *policy; bool good; const char *words; } cases[] = {
		{ ai_format("inputs: { alpaca: %s, code: %s }", f.csv, f.repo), true, "2 inputs" },
		{ ai_format("inputs: { code: 036f1e8a41a9b9bb5c0e7d6b2fd8f3a0f4f0c1d2 }"), true, "1 inputs" },
		{ ai_format("inputs: { code: { type: git, uri: 'https://example.org/r.git', revision: 036f1e8a41a9b9bb5c0e7d6b2fd8f3a0f4f0c1d2 } }"), true, "" },
		{ ai_format("inputs: { alpaca: { type: url, uri: 'https://example.org/d/alpaca.csv', hash: %s } }", f.csv), true, "" },
		{ ai_format("inputs: { alpaca: %s, code: %s }\ninputs-only: true", f.csv, f.repo), true, "no other" },
		{ ai_format("inputs: { code: %s }\ninputs-only: true", f.repo), false, "input 'alpaca' is none of those" },
		{ ai_format("inputs: { code: %s }", f.csv), false, "input 'code': hash: got" },
		{ ai_format("inputs: { data: %s }", f.csv), false, "input 'data': the plan has none of that name" },
		{ ai_format("inputs: { code: { type: url } }"), false, "type: got 'git', expected 'url'" },
		{ ai_format("inputs: { code: { uri: 'https://example.org/other.git' } }"), false, "uri: got" },
		{ ai_format("inputs: { code: { revision: 136f1e8a41a9b9bb5c0e7d6b2fd8f3a0f4f0c1d2 } }"), false, "revision: got" },
		{ ai_format("inputs: { alpaca: { revision: main } }"), false, "revision: got none" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		under(json_incref(proof), cases[i].policy, cases[i].good ? 0 : AI_ENO, "policy inputs", cases[i].good ? "passed" : "failed", cases[i].words);
		free((char *)cases[i].policy);
	}
	json_decref(proof);
}

/* A malicious tree under an official commit: the builder says so itself, by not saying that anybody computed the one from the other. */
static void
not_verified(struct fake *x, json_t *claims)
{
	(void)x;
	json_object_set_new(claims, "verified", json_array());
}

static void
test_revision_that_nobody_computed(void **state)
{
	(void)state;
	f.on_claims = not_verified;
	json_t *proof = make();
	under(json_incref(proof), "inputs: { code: { type: git, revision: 036f1e8a41a9b9bb5c0e7d6b2fd8f3a0f4f0c1d2 } }", AI_ENO, "policy inputs", "failed", "was not tied");
	under(json_incref(proof), "inputs: { code: 036f1e8a41a9b9bb5c0e7d6b2fd8f3a0f4f0c1d2 }", AI_ENO, "policy inputs", "failed", "hash: got");
	AI_FREE char *hashed = ai_format("inputs: { code: { revision: 036f1e8a41a9b9bb5c0e7d6b2fd8f3a0f4f0c1d2, hash: %s } }", f.repo);
	under(proof, hashed, 0, "policy inputs", "passed", "");
}

static void
test_outputs(void **state)
{
	(void)state;
	json_t *proof = make();
	AI_FREE char *good = ai_format("outputs: { model: %s }", weights);
	AI_FREE char *other = ai_format("outputs: { model: %s }", nowhere);
	AI_FREE char *absent = ai_format("outputs: { model: %s, report: %s }", weights, weights);
	under(json_incref(proof), good, 0, "policy outputs", "passed", "1 outputs");
	under(json_incref(proof), other, AI_ENO, "policy outputs", "failed", "output 'model': got");
	under(json_incref(proof), absent, AI_ENO, "policy outputs", "failed", "output 'report': the run has none of that name");
	under(proof, "outputs: {}", AI_ENO, "policy outputs", "failed", "nothing was compared");
}

static void
test_rules(void **state)
{
	(void)state;
	json_t *proof = make();
	AI_FREE char *good = ai_format("rules: { python: [ %s, %s ], shell: %s }", nowhere, rule, nowhere);
	AI_FREE char *other = ai_format("rules: { python: %s }", nowhere);
	AI_FREE char *unlisted = ai_format("rules: { shell: %s }", rule);
	under(json_incref(proof), good, 0, "policy rules", "passed", "1 rules");
	under(json_incref(proof), other, AI_ENO, "policy rules", "failed", "rule 'python': got");
	under(json_incref(proof), unlisted, AI_ENO, "policy rules", "failed", "rule 'python' is none of those");
	under(proof, "rules: {}", AI_ENO, "policy rules", "failed", "rule 'python' is none of those");
}

static void
no_rules(struct fake *x, json_t *plan)
{
	(void)x;
	json_object_set_new(plan, "rules", json_array());
}

static void
test_rules_of_a_plan_without(void **state)
{
	(void)state;
	f.on_plan = no_rules;
	FAILS("rules: {}", "policy rules", "nothing was compared");
}

static void
test_steps(void **state)
{
	(void)state;
	PASSES("steps: { require: [ tokens, train ] }", "policy steps");
	again();
	FAILS("steps: { require: [ train, evaluate ] }", "policy steps", "step 'evaluate': the run has none");
	again();
	FAILS("steps: { require: [] }", "policy steps", "nothing was compared");
	again();
	FAILS("steps: {}", "policy steps", "nothing was compared");
}

static void
test_environments(void **state)
{
	(void)state;
	PASSES("environments: [ host ]", "policy environments");
	again();
	FAILS("environments: [ image ]", "policy environments", "of kind 'host'");
	again();
	FAILS("environments: []", "policy environments", "of kind 'host'");
	again();
	/* Images are asked for, and no step ran in one. */
	FAILS("images: [ 'sha256:1111111111111111111111111111111111111111111111111111111111111111' ]", "policy images", "no step ran in an image");
}

static void
test_denied(void **state)
{
	(void)state;
	json_t *proof = make();
	AI_FREE char *program = ai_format("deny: { programs: [ %s ] }", f.root);
	AI_FREE char *key = ai_format("deny: { keys: [ %s ] }", f.key);
	AI_FREE char *key2 = ai_format("keys: { deny: [ %s ] }", f.key);
	AI_FREE char *others = ai_format("deny: { keys: [ %s ], programs: [ %s ] }", nowhere, nowhere);
	under(json_incref(proof), program, AI_ENO, "policy denied", "failed", "denies the program");
	under(json_incref(proof), key, AI_ENO, "policy denied", "failed", "denies the attestation key");
	under(json_incref(proof), key2, AI_ENO, "policy denied", "failed", "denies the attestation key");
	under(proof, others, 0, "policy denied", "passed", "2 attestations");
}

/* An old runner's result lives on in a cache: its attestation is what counts for it. */
static void
earlier_program(struct fake *x, json_t *claims)
{
	(void)x;
	json_object_set_new(json_object_get(claims, "program"), "sha256", json_string(nowhere));
}

static void
test_denied_in_what_is_reused(void **state)
{
	(void)state;
	f.on_earlier = earlier_program;
	json_t *proof = make();
	AI_FREE char *program = ai_format("deny: { programs: [ %s ] }", nowhere);
	under(proof, program, AI_ENO, "policy denied", "failed", f.earlier);
}

static void
test_denied_key_in_what_is_reused(void **state)
{
	(void)state;
	f.two_keys = true;
	json_t *proof = make();
	char other[AI_HEX];
	fake_fingerprint(&f.other_tpm, other);
	AI_FREE char *both = ai_format("keys: { accept: [ %s ] }", other);
	AI_FREE char *denied = ai_format("keys: { accept: [ %s ], deny: [ %s ] }", other, other);
	under(json_incref(proof), both, 0, "accepted key", "passed", "");
	under(proof, denied, AI_ENO, "policy denied", "failed", f.earlier);
}

static void
test_nonce(void **state)
{
	(void)state;
	PASSES("nonce: fresh", "nonce");
	again();
	FAILS("nonce: stale", "nonce", "expected 'stale'");
}

/* The policy's level holds where nothing else is said; a key that it names is accepted. */
static void
test_timestamp_asked_for(void **state)
{
	(void)state;
	FAILS("timestamp: required", "policy timestamp", "got none");
}

/* --- withheld ------------------------------------------------------------------------ */

/* The node goes; with what a step used the names that it lists, with a source what the summary says of it. */
static json_t *
withhold(json_t *proof, const char *id)
{
	struct ai_digest d;
	char names[AI_HEX];
	ai_sha256("[\"libm.so.6\"]", 13, &d);
	ai_hex(&d, names);
	json_object_set_new(json_object_get(proof, "nodes"), id, fake_json("{'kind':'withheld'}"));
	if (id == f.used)
		assert_int_equal(json_object_del(json_object_get(proof, "blobs"), names), 0);
	if (id == f.alpaca)
		json_array_set_new(json_object_get(proof, "inputs"), 0, fake_json("{'type':'withheld','name':'alpaca','download_url':'','hash':'%s'}", id));
	return proof;
}

static void
test_withheld(void **state)
{
	(void)state;
	static const struct { const char *id, *policy, *words; } cases[] = {
		{ f.used, "withhold: [ used ]", NULL }, { f.used, "withhold: [ source, tree, environment ]", "used" }, { f.used, "withhold: []", "does not allow" },
		{ f.environment, "withhold: [ environment ]", NULL }, { f.environment, "withhold: [ used ]", "environment" },
		{ f.alpaca, "withhold: [ source ]", NULL }, { f.alpaca, "withhold: [ 'source:alpaca' ]", NULL }, { f.alpaca, "withhold: [ 'source:code' ]", "source" },
		{ f.alpaca, "withhold: [ tree, used, environment ]", "source" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *words = cases[i].words;
		under(withhold(make(), cases[i].id), cases[i].policy, words ? AI_ENO : 0, "policy withheld", words ? "failed" : "passed", words ? words : "");
		again();
	}
}

static void
test_withheld_where_the_policy_is_silent(void **state)
{
	(void)state;
	under(withhold(make(), f.used), "", AI_ENO, "withheld", "failed", "expected none");
}

static void
test_input_that_is_withheld(void **state)
{
	(void)state;
	json_t *proof = withhold(make(), f.alpaca);
	AI_FREE char *asked = ai_format("withhold: [ source ]\ninputs: { alpaca: %s }", f.csv);
	under(proof, asked, AI_ENO, "policy inputs", "failed", "the source is withheld");
}

static void
test_rule_about_what_is_withheld(void **state)
{
	(void)state;
	json_t *proof = make();
	withhold(proof, f.environment);
	under(json_incref(proof), "withhold: [ environment ]\nenvironments: [ host ]", AI_ENO, "policy environments", "failed", "its environment is withheld");
	under(proof, "withhold: [ environment ]\nimages: [ 'sha256:1111111111111111111111111111111111111111111111111111111111111111' ]", AI_ENO, "policy images",
		"failed", "its environment is withheld");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_nothing_asked), T(test_root), T(test_inputs), T(test_revision_that_nobody_computed), T(test_outputs), T(test_rules),
		T(test_rules_of_a_plan_without), T(test_steps), T(test_environments), T(test_denied), T(test_denied_in_what_is_reused),
		T(test_denied_key_in_what_is_reused), T(test_nonce), T(test_timestamp_asked_for), T(test_withheld),
		T(test_withheld_where_the_policy_is_silent), T(test_input_that_is_withheld), T(test_rule_about_what_is_withheld),
	};
	return cmocka_run_group_tests_name("policy_checks", tests, NULL, NULL);
}

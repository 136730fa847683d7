/*
 * merge_help.h -- several builders of one root: what the programs on merging and on thresholds share.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MERGE_HELP_H
#define MERGE_HELP_H

#include <time.h>

#include "fake_proof.h"
#include "proof/merge.h"
#include "proof/policy/policy.h"

enum { N_BUILDERS = 4 };

static struct fake by[N_BUILDERS];

static inline int
setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_BUILDERS; i++)
		fake_init(&by[i]);
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_BUILDERS; i++)
		fake_done(&by[i]);
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Nothing is reused: this builder executed both steps. */
static inline void
claim_all(struct fake *x, json_t *claims)
{
	json_object_set_new(claims, "executed", json_pack("[s, s]", x->tokens, x->train));
	json_object_set_new(claims, "reused", json_array());
}

static inline void
log_all(struct fake *x, json_t *log)
{
	json_object_set_new(json_array_get(log, 1), "ids", json_pack("[s, s]", x->tokens, x->train));
}

static inline json_t *
make_all(struct fake *x)
{
	x->on_claims = claim_all;
	x->on_log = log_all;
	return fake_make(x);
}

/* A proof's own attestation, as others carry it. New reference. */
static inline json_t *
own(const json_t *proof)
{
	return json_pack("{s:O, s:O, s:O, s:O}", "claims", json_object_get(proof, "claims"), "signature", json_object_get(proof, "signature"),
		"low_level_quote", json_object_get(proof, "low_level_quote"), "evidence", json_object_get(proof, "evidence"));
}

static inline const char *
id_of(const json_t *attestation, char out[AI_HEX])
{
	struct ai_digest id;
	ok(ai_json_id(json_object_get(attestation, "claims"), &id, &err));
	ai_hex(&id, out);
	return out;
}

/* The proofs merged, or an error. Steals them. out: the bytes. */
static inline int
merge_texts(json_t *const *proofs, size_t n, struct ai_buf *out, struct ai_err *err)
{
	static const char *const names[] = { "a.json", "b.json", "c.json", "d.json" };
	struct ai_proof_text in[4];
	char *texts[4];
	const struct ai_rewrite how = { .now = time(NULL) };
	for (size_t i = 0; i < n; i++) {
		texts[i] = json_dumps(proofs[i], JSON_INDENT(1));
		in[i] = (struct ai_proof_text){ names[i], texts[i], strlen(texts[i]) };
		json_decref(proofs[i]);
	}
	*out = AI_BUF(AI_MAX_PROOF);
	int r = ai_proof_merge(&how, in, n, out, err);
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	if (r < 0)
		assert_int_equal(out->len, 0);
	return r;
}

static inline json_t *
merged(json_t *const *proofs, size_t n)
{
	struct ai_buf out;
	json_t *j = NULL;
	ok(merge_texts(proofs, n, &out, &err));
	ok(ai_json_parse(out.data, out.len, "merged", &j, &err));
	ai_buf_done(&out);
	return j;
}

/* A policy with these lines after its head. */
static inline struct ai_policy *
policy(const char *lines)
{
	struct ai_policy *p = NULL;
	char *text = ai_format("aicert-policy: 1\n%s", lines);
	ok(ai_policy_parse(text, strlen(text), "policy.yaml", NULL, NULL, &p, &err));
	free(text);
	return p;
}

/* How the proof is judged when the keys of the first n builders are accepted, as far as those were at work. Returns the report. */
static inline json_t *
judged(const json_t *proof, size_t n, const char *policy_lines, const struct ai_roots *roots, ai_level level, int want)
{
	const char *keys[N_BUILDERS];
	size_t n_keys = 0;
	for (size_t i = 0; i < n; i++)
		if (by[i].key[0])
			keys[n_keys++] = by[i].key;
	struct ai_policy *p = policy_lines ? policy(policy_lines) : NULL;
	const struct ai_verify_options o = { .require = level, .keys = keys, .n_keys = n_keys, .policy = p, .roots = roots, .now = time(NULL) };
	char *text = json_dumps(proof, JSON_COMPACT);
	json_t *report = NULL;
	struct ai_err err = { 0 };
	int got = ai_verify(text, strlen(text), "proof.json", &o, &report, &err);
	free(text);
	ai_policy_free(p);
	if (got != want)
		fail_msg("got %d '%s', expected %d", got, err.text, want);
	return report;
}

/* The check says so, in a text that holds the words. */
static inline void
says(json_t *report, const char *check, const char *status, const char *words)
{
	const json_t *c = fake_check_named(report, check);
	if (strcmp(ai_json_str(c, "status"), status) != 0 || !strstr(ai_json_str(c, "compared"), words))
		fail_msg("check '%s' is %s: '%s': expected %s with '%s'", check, ai_json_str(c, "status"), ai_json_str(c, "compared"), status, words);
	json_decref(report);
}

#endif

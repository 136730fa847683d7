/*
 * proof_cases.h -- what the programs that try to cheat the verifier share: one fake, and what a refusal looks like.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PROOF_CASES_H
#define PROOF_CASES_H

#include "fake_proof.h"

static struct fake f;

static inline int setup(void **state) { (void)state; fake_init(&f); return 0; }
static inline int teardown(void **state) { (void)state; fake_done(&f); return 0; }

/* The proof fails, and this check is the first that says so, in a text that holds the words. */
static inline void
expect_failed(json_t *proof, const char *check, const char *words)
{
	struct ai_err err = { 0 };
	AI_JSON *report = NULL;
	int r = fake_verify(&f, proof, NULL, &report, &err);
	if (r != AI_ENO)
		fail_msg("got %d '%s', expected a refusal by '%s'", r, err.text, check);
	assert_true(json_is_false(json_object_get(report, "verified")));
	const json_t *c = fake_check_named(report, check);
	if (strcmp(ai_json_str(c, "status"), "failed") != 0)
		fail_msg("check '%s' is %s; first: %s", check, ai_json_str(c, "status"), err.text);
	if (!strstr(ai_json_str(c, "compared"), words))
		fail_msg("check '%s' says '%s', which lacks '%s'", check, ai_json_str(c, "compared"), words);
	assert_string_equal(ai_json_str(report, "level"), "none");
	assert_int_equal(json_array_size(json_object_get(report, "inputs")), 0);
	json_decref(proof);
}

/* The id of nothing that any proof holds. */
static const char nowhere[] = "1111111111111111111111111111111111111111111111111111111111111111";

static inline void
set_input(json_t *step, size_t i, const char *fmt, const char *id)
{
	json_array_set_new(json_object_get(step, "inputs"), i, fake_json(fmt, id));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif

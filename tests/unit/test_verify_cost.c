/*
 * test_verify_cost.c -- what a proof costs to verify grows with its length, whatever it is made of.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "merge_help.h"
#include "proof/rewrite.h"

static size_t n_sources;

/* The plan names one source under many names. */
static void
many_names(struct fake *x, json_t *plan)
{
	json_t *list = json_object_get(plan, "sources");
	for (size_t i = 0; i < n_sources; i++) {
		char name[24];
		snprintf(name, sizeof name, "x%07zu", i);
		assert_int_equal(json_array_append_new(list, json_pack("{s:s, s:s}", "name", name, "id", x->alpaca)), 0);
	}
}

/* What the same key says of the same root once more, with another nonce. */
static void
say_again(struct fake *x, const json_t *proof, size_t i, json_t *into)
{
	json_t *claims = json_deep_copy(json_object_get(proof, "claims"));
	char nonce[24], id[AI_HEX];
	struct ai_digest d;
	snprintf(nonce, sizeof nonce, "n%zu", i);
	json_object_set_new(claims, "nonce", json_string(nonce));
	ok(ai_json_id(claims, &d, &err));
	ai_hex(&d, id);
	json_t *log = fake_json("[{'event':'plan','id':'%s'},{'event':'results','ids':['%s','%s']},{'event':'claims','id':'%s'}]", x->plan, x->tokens, x->train, id);
	json_object_set_new(into, id, fake_attestation(&x->tpm, claims, log));
	json_decref(log);
	json_decref(claims);
}

/* Seconds of processor time to verify a proof with so many sources and cosigned attestations. */
static double
cost(struct fake *x, size_t sources, size_t cosigned)
{
	AI_JSON *said = json_object(), *sorted = json_object(), *report = NULL;
	const char *id;
	json_t *a;
	n_sources = sources;
	x->on_plan = many_names;
	AI_JSON *proof = make_all(x);
	for (size_t i = 0; i < cosigned; i++)
		say_again(x, proof, i, said);
	ok(ai_rewrite_append_sorted(sorted, said, &err));
	json_object_foreach(sorted, id, a)
		json_array_append(json_object_get(proof, "cosigned"), a);
	clock_t before = clock();
	ok(fake_verify(x, proof, NULL, &report, &err));
	clock_t after = clock();
	assert_int_equal(json_integer_value(json_object_get(report, "cosigned")), cosigned);
	return (double)(after - before) / CLOCKS_PER_SEC;
}

/* Whoever lists many sources and carries many attestations makes nobody wait for the one times the other. */
static void
test_attestations_times_sources(void **state)
{
	(void)state;
	enum { SOURCES = 20000, COSIGNED = 300 };
	double wide = cost(&by[0], SOURCES, 0), long_ = cost(&by[1], 0, COSIGNED), both = cost(&by[2], SOURCES, COSIGNED);
	if (both > 2 * (wide + long_))
		fail_msg("got %.2f s for both, expected about %.2f s for the sources and %.2f s for the attestations", both, wide, long_);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { T(test_attestations_times_sources) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}

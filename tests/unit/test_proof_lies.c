/* test_proof_lies.c -- proofs of a builder who lies with a good key.  SPDX-License-Identifier: Apache-2.0 */
#include "proof_cases.h"

#define LIE(name, hook, check, words) \
	static void name(void **state) { (void)state; f.hook = lie_##name; expect_failed(fake_make(&f), check, words); }

/* An input that no source, step or blob gives: in the recipe too, so that plan and step agree. */
static void lie_input_from_nowhere(struct fake *x, json_t *recipe) { (void)x; set_input(recipe, 0, "{'path':'/workspace/resources/alpaca.csv','blob':'%s'}", nowhere); }
LIE(input_from_nowhere, on_recipe, "provenance", "comes from nowhere")
static void lie_tree_from_nowhere(struct fake *x, json_t *recipe) { (void)x; set_input(recipe, 2, "{'path':'/workspace/src','tree':'%s'}", nowhere); }
LIE(tree_from_nowhere, on_recipe, "provenance", "comes from nowhere")
/* The bytes of a source under the other type. */
static void lie_blob_as_tree(struct fake *x, json_t *recipe) { set_input(recipe, 0, "{'path':'/workspace/resources/alpaca.csv','tree':'%s'}", x->csv); }
LIE(blob_as_tree, on_recipe, "provenance", "comes from nowhere")
/* In the step only: the plan does not yield it. */
static void lie_input_in_step(struct fake *x, json_t *step) { (void)x; set_input(step, 0, "{'path':'/workspace/resources/alpaca.csv','blob':'%s'}", nowhere); }
LIE(input_in_step, on_train_step, "plan", "its result is of step")
static void lie_other_command(struct fake *x, json_t *step)
{
	(void)x;
	json_t *action = json_array_get(json_object_get(step, "actions"), 0);
	json_array_set_new(json_object_get(action, "argv"), 1, json_string("evil.py"));
}
LIE(other_command, on_train_step, "plan", "its result is of step")
static void lie_step_left_out(struct fake *x, json_t *plan) { (void)x; json_array_remove(json_object_get(plan, "steps"), 0); }
LIE(step_left_out, on_plan, "plan", "2 results, expected 1")
static void
lie_steps_out_of_order(struct fake *x, json_t *plan)
{
	(void)x;
	json_t *steps = json_object_get(plan, "steps"), *first = json_incref(json_array_get(steps, 0));
	json_array_remove(steps, 0);
	json_array_append_new(steps, first);
}
LIE(steps_out_of_order, on_plan, "plan", "does not stand before it")
static void lie_output_of_other_step(struct fake *x, json_t *plan) { (void)x; json_object_set_new(plan, "outputs", fake_json("[{'name':'model','step':'tokens','output':'tokens'}]")); }
LIE(output_of_other_step, on_plan, "plan", "run output 'model'")
static void lie_output_of_no_step(struct fake *x, json_t *plan) { (void)x; json_object_set_new(plan, "outputs", fake_json("[{'name':'model','step':'x','output':'tokens'}]")); }
LIE(output_of_no_step, on_plan, "plan", "run output 'model'")
static void lie_results_swapped(struct fake *x, json_t *run) { json_object_set_new(run, "results", fake_json("[{'name':'tokens','id':'%s'},{'name':'train','id':'%s'}]", x->train, x->tokens)); }
LIE(results_swapped, on_run, "plan", "its result is of step")
static void lie_other_output(struct fake *x, json_t *run) { json_object_set_new(run, "outputs", fake_json("[{'name':'model','blob':'%s'}]", x->csv)); }
LIE(other_output, on_run, "plan", "run output 'model': got")
static void lie_output_as_tree(struct fake *x, json_t *result) { (void)x; json_object_set_new(result, "outputs", fake_json("[{'name':'model','tree':'%s'}]", x->repo)); }
LIE(output_as_tree, on_train_result, "plan", "got a dir, expected a file")
static void lie_output_undeclared(struct fake *x, json_t *result) { (void)x; json_object_set_new(result, "outputs", fake_json("[{'name':'modal','blob':'%s'}]", x->csv)); }
LIE(output_undeclared, on_train_result, "plan", "'modal' is not declared")
static void lie_host_without_used(struct fake *x, json_t *result) { (void)x; json_object_del(result, "used"); }
LIE(host_without_used, on_train_result, "plan", "does not say what it used")
static void
lie_lineage(struct fake *x, json_t *run)
{
	char id[AI_HEX];
	fake_put(x, json_deep_copy(run), id);
	json_object_set_new(run, "lineage", fake_json("['%s']", id));
}
LIE(lineage, on_run, "lineage", "expected a proof of version 'v1'")

static void lie_failed_claims(struct fake *x, json_t *claims) { (void)x; json_object_del(claims, "root"); }
LIE(failed_claims, on_claims, "claims", "failed prove nothing")
static void lie_failed_with_root(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "failed", fake_json("[{'step':'train','how':'exit 1'}]")); }
LIE(failed_with_root, on_claims, "claims", "a failure never certifies")
static void lie_claims_of_other_run(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "root", json_string(nowhere)); }
LIE(claims_of_other_run, on_claims, "claims", "'root': got 1111")
static void lie_claims_of_other_plan(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "plan", json_string(nowhere)); }
LIE(claims_of_other_plan, on_claims, "claims", "'plan': got 1111")
static void lie_time_backwards(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "started", json_string("2027-01-01T00:00:00Z")); }
LIE(time_backwards, on_claims, "claims", "before it started")
static void lie_verified_stranger(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "verified", fake_json("[{'id':'%s','how':'git'}]", nowhere)); }
LIE(verified_stranger, on_claims, "claims", "is no source of the plan")
static void lie_executed_missing(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "executed", json_array()); }
LIE(executed_missing, on_claims, "coverage", "neither executed nor reused")
static void lie_executed_and_reused(struct fake *x, json_t *claims) { json_array_append_new(json_object_get(claims, "executed"), json_string(x->tokens)); }
LIE(executed_and_reused, on_claims, "coverage", "as executed and as reused")
static void lie_executed_stranger(struct fake *x, json_t *claims) { (void)x; json_array_append_new(json_object_get(claims, "executed"), json_string(nowhere)); }
LIE(executed_stranger, on_claims, "coverage", "is none of the run's")
/* Claimed as executed now, though the log that the TPM holds says nothing of it. */
static void
lie_executed_unlogged(struct fake *x, json_t *claims)
{
	json_object_set_new(claims, "reused", json_array());
	json_array_append_new(json_object_get(claims, "executed"), json_string(x->tokens));
}
LIE(executed_unlogged, on_claims, "run log", "was not logged")
static void lie_logged_unclaimed(struct fake *x, json_t *log) { json_array_append_new(json_object_get(json_array_get(log, 1), "ids"), json_string(x->tokens)); }
LIE(logged_unclaimed, on_log, "run log", "not claimed as executed")
static void lie_logged_twice(struct fake *x, json_t *log) { json_array_insert_new(log, 2, fake_json("{'event':'results','ids':['%s']}", x->train)); }
LIE(logged_twice, on_log, "run log", "stands twice")
static void lie_after_claims(struct fake *x, json_t *log) { json_array_append_new(log, fake_json("{'event':'results','ids':['%s']}", x->train)); }
LIE(after_claims, on_log, "run log", "follows claims")
static void lie_opaque_after_claims(struct fake *x, json_t *log) { (void)x; json_array_append_new(log, fake_json("{'event':'opaque','digest':'%s'}", nowhere)); }
LIE(opaque_after_claims, on_log, "run log", "follows claims")
static void lie_results_before_plan(struct fake *x, json_t *log) { (void)x; json_t *e = json_incref(json_array_get(log, 0)); json_array_remove(log, 0); json_array_insert_new(log, 1, e); }
LIE(results_before_plan, on_log, "run log", "before the plan")
static void lie_no_claims_event(struct fake *x, json_t *log) { (void)x; json_array_remove(log, 2); }
LIE(no_claims_event, on_log, "run log", "ends without claims")

static void lie_reused_not_executed(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "executed", json_array()); }
static void lie_reused_not_executed_log(struct fake *x, json_t *log) { (void)x; json_array_remove(log, 1); }
static void
reused_not_executed(void **state)
{
	(void)state;
	f.on_earlier = lie_reused_not_executed;
	f.on_earlier_log = lie_reused_not_executed_log;
	expect_failed(fake_make(&f), "reused", "does not list result");
}
/* The earlier run had only reused it itself: evidence of evidence is none. */
static void
lie_reused_from_reused(struct fake *x, json_t *claims)
{
	json_object_set_new(claims, "executed", json_array());
	json_object_set_new(claims, "reused", fake_json("[{'result':'%s','attestation':'%s'}]", x->tokens, nowhere));
}
static void
reused_from_reused(void **state)
{
	(void)state;
	f.on_earlier = lie_reused_from_reused;
	f.on_earlier_log = lie_reused_not_executed_log;
	expect_failed(fake_make(&f), "reused", "does not list result");
}
static void lie_earlier_log(struct fake *x, json_t *log) { (void)x; json_array_remove(log, 1); }
LIE(earlier_log, on_earlier_log, "reused", "was not logged")

static void
wrong_extra_data(void **state)
{
	(void)state;
	f.tpm.other_extra = true;
	expect_failed(fake_make(&f), "quote", "extraData");
}

static void
other_selection(void **state)
{
	(void)state;
	f.tpm.select[1] = 0x7f;
	expect_failed(fake_make(&f), "pcrs", "selection");
}

static void
more_selected(void **state)
{
	(void)state;
	f.tpm.select[2] = 0x01;
	expect_failed(fake_make(&f), "pcrs", "selection");
}

static void
bytes_after_quote(void **state)
{
	(void)state;
	f.tpm.after_quote = 1;
	expect_failed(fake_make(&f), "quote", "follow");
}

static void
key_that_decrypts(void **state)
{
	(void)state;
	f.tpm.attributes |= FAKE_DECRYPT;
	expect_failed(fake_make(&f), "attestation key", "decrypt");
}

static void
key_not_restricted(void **state)
{
	(void)state;
	f.tpm.attributes &= ~0x00010000u;
	expect_failed(fake_make(&f), "attestation key", "restricted");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		T(input_from_nowhere), T(tree_from_nowhere), T(blob_as_tree), T(input_in_step), T(other_command), T(step_left_out), T(steps_out_of_order),
		T(output_of_other_step), T(output_of_no_step), T(results_swapped), T(other_output), T(output_as_tree), T(output_undeclared),
		T(host_without_used), T(lineage), T(failed_claims), T(failed_with_root), T(claims_of_other_run), T(claims_of_other_plan), T(time_backwards),
		T(verified_stranger), T(executed_missing), T(executed_and_reused), T(executed_stranger), T(executed_unlogged), T(logged_unclaimed),
		T(logged_twice), T(after_claims), T(opaque_after_claims), T(results_before_plan), T(no_claims_event), T(reused_not_executed),
		T(reused_from_reused), T(earlier_log), T(wrong_extra_data), T(other_selection), T(more_selected), T(bytes_after_quote), T(key_that_decrypts),
		T(key_not_restricted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

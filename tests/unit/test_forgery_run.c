/* test_forgery_run.c -- forgeries of what ran: claims, run log, nodes, origins, reuse, and the summary on top.  SPDX-License-Identifier: Apache-2.0 */
#include "forgery.h"

/* A builder who lies with a good key: the hook changes one part, and all that is built on it and signed agrees. */
#define LIES(name, hook, check, words) TEST(name) { START; s.f.hook = lie_##name; caught(made(), check, words); }

static void
set_input(json_t *step, size_t i, const char *fmt, const char *id)
{
	json_array_set_new(json_object_get(step, "inputs"), i, fake_json(fmt, id));
}

/* --- where things come from -------------------------------------------------- */

static void lie_an_input_from_nowhere(struct fake *x, json_t *recipe) { (void)x; set_input(recipe, 0, "{'path':'/workspace/resources/alpaca.csv','blob':'%s'}", nowhere); }
LIES(an_input_from_nowhere, on_recipe, "provenance", "comes from nowhere")

/* What the proof carries of an output is nobody's origin: here a step would vouch for its own input. */
static void
lie_an_output_that_was_carried_in(struct fake *x, json_t *recipe)
{
	char weights[AI_HEX];
	fake_blob(x, "weights\n", weights);
	json_object_set_new(json_array_get(json_object_get(recipe, "outputs"), 0), "carried", json_true());
	set_input(recipe, 0, "{'path':'/workspace/resources/alpaca.csv','blob':'%s'}", weights);
}
LIES(an_output_that_was_carried_in, on_recipe, "provenance", "comes from nowhere")

static void
carries_its_model(struct fake *x, json_t *recipe)
{
	(void)x;
	json_object_set_new(json_array_get(json_object_get(recipe, "outputs"), 0), "carried", json_true());
}

TEST(a_carried_output_left_out)
{
	START;
	s.f.on_recipe = carries_its_model;
	json_t *proof = made();
	char weights[AI_HEX];
	fake_blob(&s.f, "weights\n", weights);
	assert_int_equal(json_object_del(json_object_get(proof, "blobs"), weights), 0);
	caught(proof, "carried", "has not its bytes");
}

/* The malicious tree stands beside the source that names the official commit. */
static void lie_a_tree_from_nowhere(struct fake *x, json_t *recipe) { (void)x; set_input(recipe, 2, "{'path':'/workspace/src','tree':'%s'}", nowhere); }
LIES(a_tree_from_nowhere, on_recipe, "provenance", "comes from nowhere")

static void lie_the_bytes_of_a_file_read_as_a_folder(struct fake *x, json_t *recipe) { set_input(recipe, 0, "{'path':'/workspace/resources/alpaca.csv','tree':'%s'}", x->csv); }
LIES(the_bytes_of_a_file_read_as_a_folder, on_recipe, "provenance", "comes from nowhere")

/* The step ran with it, the plan says nothing of it. */
static void lie_an_input_that_was_not_planned(struct fake *x, json_t *step) { (void)x; set_input(step, 0, "{'path':'/workspace/resources/alpaca.csv','blob':'%s'}", nowhere); }
LIES(an_input_that_was_not_planned, on_train_step, "plan+provenance", "its result is of step")

static void
lie_a_command_that_was_not_planned(struct fake *x, json_t *step)
{
	(void)x;
	json_array_set_new(json_object_get(json_array_get(json_object_get(step, "actions"), 0), "argv"), 1, json_string("evil.py"));
}
LIES(a_command_that_was_not_planned, on_train_step, "plan", "its result is of step")

static void lie_a_step_left_out_of_the_plan(struct fake *x, json_t *plan) { (void)x; json_array_remove(json_object_get(plan, "steps"), 0); }
LIES(a_step_left_out_of_the_plan, on_plan, "plan+provenance", "2 results, expected 1")

static void lie_an_output_of_mine(struct fake *x, json_t *run) { json_object_set_new(run, "outputs", fake_json("[{'name':'model','blob':'%s'}]", x->csv)); }
LIES(an_output_of_mine, on_run, "plan", "run output 'model': got")

static void lie_the_results_change_places(struct fake *x, json_t *run) { json_object_set_new(run, "results", fake_json("[{'name':'tokens','id':'%s'},{'name':'train','id':'%s'}]", x->train, x->tokens)); }
LIES(the_results_change_places, on_run, "plan+provenance", "its result is of step")

static void lie_an_output_that_was_not_declared(struct fake *x, json_t *result) { json_object_set_new(result, "outputs", fake_json("[{'name':'modal','blob':'%s'}]", x->csv)); }
LIES(an_output_that_was_not_declared, on_train_result, "plan", "'modal' is not declared")

static void lie_what_the_host_gave_goes_unsaid(struct fake *x, json_t *result) { (void)x; json_object_del(result, "used"); }
LIES(what_the_host_gave_goes_unsaid, on_train_result, "plan", "does not say what it used")

static void
lie_a_lineage_of_mine(struct fake *x, json_t *run)
{
	char id[AI_HEX];
	fake_put(x, json_deep_copy(run), id);
	json_object_set_new(run, "lineage", fake_json("['%s']", id));
}
LIES(a_lineage_of_mine, on_run, "lineage", "expected a proof of version 'v1'")

TEST(a_proof_of_mine_in_proofs)
{
	START;
	json_t *proof = made(), *inner = json_deep_copy(proof);
	json_object_set_new(json_object_get(proof, "proofs"), s.f.root, inner);
	caught(proof, "lineage", "is of no input");
}

/* --- what the claims say --------------------------------------------------------- */

static void lie_a_failed_run_certifies(struct fake *x, json_t *claims) { (void)x; json_object_del(claims, "root"); }
LIES(a_failed_run_certifies, on_claims, "claims", "failed prove nothing")

static void lie_a_failed_step_goes_unseen(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "failed", fake_json("[{'step':'train','how':'exit 1'}]")); }
LIES(a_failed_step_goes_unseen, on_claims, "claims", "a failure never certifies")

static void lie_claims_of_another_run(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "root", json_string(nowhere)); }
LIES(claims_of_another_run, on_claims, "claims", "'root': got 1111")

static void lie_claims_of_another_plan(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "plan", json_string(nowhere)); }
LIES(claims_of_another_plan, on_claims, "claims", "'plan': got 1111")

static void lie_a_run_that_ended_before_it_began(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "started", json_string("2027-01-01T00:00:00Z")); }
LIES(a_run_that_ended_before_it_began, on_claims, "claims", "before it started")

/* The whole attestation of another run of the same key: signed, consistent, of something else. */
TEST(the_attestation_of_another_run)
{
	START;
	json_t *proof = made();
	json_object_update(proof, earlier_of(proof));
	caught(proof, "claims+coverage+summary", "failed prove nothing");
}

/* Its quote beside these claims. */
TEST(the_evidence_of_another_run)
{
	START;
	json_t *proof = made();
	const json_t *other = earlier_of(proof);
	json_object_set(proof, "signature", json_object_get(other, "signature"));
	json_object_set(proof, "low_level_quote", json_object_get(other, "low_level_quote"));
	json_object_set(proof, "evidence", json_object_get(other, "evidence"));
	caught(proof, "quote+run log", "extraData");
}

TEST(claims_edited_in_the_file)
{
	START;
	json_t *proof = made();
	json_object_set_new(json_object_get(proof, "claims"), "finished", json_string("2026-01-02T00:00:06Z"));
	caught(proof, "quote+run log", "extraData");
}

static void lie_a_result_that_nobody_made(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "executed", json_array()); }
LIES(a_result_that_nobody_made, on_claims, "coverage+run log", "neither executed nor reused")

static void lie_a_result_made_twice(struct fake *x, json_t *claims) { json_array_append_new(json_object_get(claims, "executed"), json_string(x->tokens)); }
LIES(a_result_made_twice, on_claims, "coverage+run log", "as executed and as reused")

static void lie_a_result_of_no_step(struct fake *x, json_t *claims) { (void)x; json_array_append_new(json_object_get(claims, "executed"), json_string(nowhere)); }
LIES(a_result_of_no_step, on_claims, "coverage+run log", "is none of the run's")

/* --- what the summary shows: "a malicious tree under an official commit id" -------- */

/* Of the git source, whose content is the builder's: verified by git is said of what only the agent computes. */
static void
verified_as(struct fake *x, json_t *claims, const char *id, const char *how)
{
	(void)x;
	json_object_set_new(claims, "verified", json_pack("[{s:s, s:s}]", "id", id, "how", how));
}

/* A file of the builder's that bears an official commit's id. */
static void
lie_a_download_shown_as_an_official_commit(struct fake *x, json_t *claims)
{
	verified_as(x, claims, x->alpaca, "git");
}
LIES(a_download_shown_as_an_official_commit, on_claims, "claims", "'git' is not how a source of type 'url' is verified")

static void lie_a_file_shown_as_an_official_image(struct fake *x, json_t *claims) { verified_as(x, claims, x->alpaca, "oci"); }
LIES(a_file_shown_as_an_official_image, on_claims, "claims", "'oci' is not how")

static void lie_a_commit_that_was_verified_as_a_file(struct fake *x, json_t *claims) { verified_as(x, claims, x->code, "sha256"); }
LIES(a_commit_that_was_verified_as_a_file, on_claims, "claims", "'sha256' is not how a source of type 'git'")

static void lie_a_source_of_another_plan_is_verified(struct fake *x, json_t *claims) { verified_as(x, claims, nowhere, "git"); }
LIES(a_source_of_another_plan_is_verified, on_claims, "claims", "is no source of the plan")

/* Nobody tied the content to the commit: the summary shows the content, and a policy that names the commit is not content. */
static void forget_verified(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "verified", json_array()); }

TEST(a_malicious_tree_under_an_official_commit_id)
{
	START;
	s.f.on_claims = forget_verified;
	json_t *proof = made(), *input = json_array_get(json_object_get(proof, "inputs"), 1);
	assert_string_equal(ai_json_str(input, "hash"), s.f.repo);
	json_object_set_new(input, "hash", json_string("036f1e8a41a9b9bb5c0e7d6b2fd8f3a0f4f0c1d2"));
	caught(proof, "summary", "'inputs[1]' differs");
}

TEST(a_malicious_tree_for_a_policy_that_names_the_commit)
{
	START;
	change("require:", "inputs: { code: { type: git, revision: 036f1e8a41a9b9bb5c0e7d6b2fd8f3a0f4f0c1d2 } }\nrequire:");
	s.f.on_claims = forget_verified;
	unwanted(made(), "policy inputs", "the content was not tied to");
}

static void
summary_says(const char *field, const char *text)
{
	json_t *proof = made();
	json_object_set_new(json_array_get(json_object_get(proof, "inputs"), 1), field, json_string(text));
	caught(proof, "summary", "'inputs[1]' differs from input 'r' of the plan");
}

TEST(a_summary_of_another_type) { START; summary_says("type", "path"); }
TEST(a_summary_of_another_name) { START; summary_says("name", "official"); }
TEST(a_summary_of_another_origin) { START; summary_says("download_url", "https://example.org/official.git"); }
TEST(a_summary_of_another_hash) { START; summary_says("hash", nowhere); }
TEST(a_summary_with_one_field_more) { START; summary_says("audited", "yes"); }

TEST(a_summary_without_the_input_that_betrays_me)
{
	START;
	json_t *proof = made();
	json_array_remove(json_object_get(proof, "inputs"), 0);
	caught(proof, "summary", "'inputs': got 1, expected 2");
}

TEST(a_summary_with_the_inputs_exchanged)
{
	START;
	json_t *proof = made(), *inputs = json_object_get(proof, "inputs"), *first = json_incref(json_array_get(inputs, 0));
	json_array_remove(inputs, 0);
	json_array_append_new(inputs, first);
	caught(proof, "summary", "'inputs[0]' differs");
}

TEST(a_summary_of_another_model)
{
	START;
	json_t *proof = made();
	json_object_set_new(proof, "output_model_hash", json_string(nowhere));
	caught(proof, "summary", "'output_model_hash': got 1111");
}

TEST(a_summary_of_another_platform)
{
	START;
	json_t *proof = made();
	json_object_set_new(proof, "platform_hash", json_string(nowhere));
	caught(proof, "summary", "'platform_hash': got 1111");
}

/* --- what the run log says ---------------------------------------------------------- */

static void lie_a_log_without_claims(struct fake *x, json_t *log) { (void)x; json_array_remove(log, 2); }
LIES(a_log_without_claims, on_log, "run log", "ends without claims")

static void lie_a_log_with_claims_twice(struct fake *x, json_t *log) { (void)x; json_array_append(log, json_array_get(log, 2)); }
LIES(a_log_with_claims_twice, on_log, "run log", "follows claims")

static void
lie_a_log_that_begins_with_claims(struct fake *x, json_t *log)
{
	(void)x;
	json_t *claims = json_incref(json_array_get(log, 2));
	json_array_remove(log, 2);
	json_array_insert_new(log, 0, claims);
}
LIES(a_log_that_begins_with_claims, on_log, "run log", "stands before the plan")

static void lie_a_log_of_other_claims(struct fake *x, json_t *log) { (void)x; json_object_set_new(json_array_get(log, 2), "id", json_string(nowhere)); }
LIES(a_log_of_other_claims, on_log, "run log", "claims event names another claims")

static void lie_a_log_of_another_plan(struct fake *x, json_t *log) { (void)x; json_object_set_new(json_array_get(log, 0), "id", json_string(nowhere)); }
LIES(a_log_of_another_plan, on_log, "run log", "plan event names another plan")

static void lie_a_second_plan_in_one_run(struct fake *x, json_t *log) { (void)x; json_array_insert(log, 1, json_array_get(log, 0)); }
LIES(a_second_plan_in_one_run, on_log, "run log", "a second plan")

static void lie_results_before_the_plan(struct fake *x, json_t *log) { (void)x; json_t *e = json_incref(json_array_get(log, 0)); json_array_remove(log, 0); json_array_insert_new(log, 1, e); }
LIES(results_before_the_plan, on_log, "run log", "before the plan")

static void lie_results_after_the_claims(struct fake *x, json_t *log) { json_array_append_new(log, fake_json("{'event':'results','ids':['%s']}", x->train)); }
LIES(results_after_the_claims, on_log, "run log", "follows claims")

static void lie_a_log_of_a_result_that_is_not_claimed(struct fake *x, json_t *log) { json_array_append_new(json_object_get(json_array_get(log, 1), "ids"), json_string(x->tokens)); }
LIES(a_log_of_a_result_that_is_not_claimed, on_log, "run log", "not claimed as executed")

static void
lie_a_claim_of_a_result_that_is_not_logged(struct fake *x, json_t *claims)
{
	json_object_set_new(claims, "reused", json_array());
	json_array_append_new(json_object_get(claims, "executed"), json_string(x->tokens));
}

TEST(a_claim_of_a_result_that_is_not_logged)
{
	START;
	s.f.on_claims = lie_a_claim_of_a_result_that_is_not_logged;
	caught(made(), "run log", "was not logged");
}

static void lie_a_result_logged_twice(struct fake *x, json_t *log) { json_array_insert_new(log, 2, fake_json("{'event':'results','ids':['%s']}", x->train)); }
LIES(a_result_logged_twice, on_log, "run log", "stands twice")

static void
lie_a_result_hidden_among_what_is_opaque(struct fake *x, json_t *log)
{
	AI_JSON *event = fake_json("{'event':'results','ids':['%s']}", x->train);
	struct ai_digest d;
	ok(ai_event_digest(event, &d, &err));
	json_array_set_new(log, 1, json_pack("{s:s, s:o}", "event", "opaque", "digest", ai_json_hex(&d)));
}
LIES(a_result_hidden_among_what_is_opaque, on_log, "run log", "was not logged")

/* --- reuse --------------------------------------------------------------------------- */

static void nothing_logged(struct fake *x, json_t *log) { (void)x; json_array_remove(log, 1); }
static void nothing_executed(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "executed", json_array()); }

TEST(an_attestation_that_does_not_cover_what_i_reuse)
{
	START;
	s.f.on_earlier = nothing_executed;
	s.f.on_earlier_log = nothing_logged;
	caught(made(), "reused", "does not list result");
}

static void
only_reused(struct fake *x, json_t *claims)
{
	json_object_set_new(claims, "executed", json_array());
	json_object_set_new(claims, "reused", fake_json("[{'result':'%s','attestation':'%s'}]", x->tokens, nowhere));
}

TEST(an_attestation_that_itself_only_reused_it)
{
	START;
	s.f.on_earlier = only_reused;
	s.f.on_earlier_log = nothing_logged;
	caught(made(), "reused", "does not list result");
}

TEST(an_attestation_whose_log_never_saw_it)
{
	START;
	s.f.on_earlier_log = nothing_logged;
	caught(made(), "reused", "was not logged");
}

TEST(an_attestation_by_a_key_of_mine)
{
	START;
	boots(&s.booted, &s.seen);
	s.f.tpm.boot = s.f.other_tpm.boot = &s.seen;
	s.f.two_keys = true;
	worthless(made(), "has no certificate");
}

TEST(an_attestation_that_is_not_there)
{
	START;
	json_t *proof = made();
	json_object_clear(json_object_get(proof, "attestations"));
	caught(proof, "coverage+reused", "is not carried");
}

TEST(an_attestation_edited_in_the_file)
{
	START;
	json_t *proof = made();
	json_array_append_new(json_object_get(json_object_get(earlier_of(proof), "claims"), "executed"), json_string(s.f.train));
	caught(proof, "reused", "its claims have another id");
}

TEST(an_attestation_of_nothing_goes_along)
{
	START;
	json_t *proof = made(), *attestations = json_object_get(proof, "attestations");
	json_object_set(attestations, nowhere, earlier_of(proof));
	caught(proof, "coverage", "is of no reused result");
}

/* --- the file ----------------------------------------------------------------------- */

static json_t *nodes_of(const json_t *proof) { return json_object_get(proof, "nodes"); }

TEST(a_node_edited_in_the_file)
{
	START;
	json_t *proof = made();
	json_object_set_new(json_object_get(nodes_of(proof), s.f.code), "uri", json_string("https://example.org/official.git"));
	caught(proof, "ids", "its canonical bytes hash to");
}

TEST(a_node_under_the_id_of_another)
{
	START;
	json_t *proof = made();
	json_object_set(nodes_of(proof), s.f.train, json_object_get(nodes_of(proof), s.f.tokens));
	caught(proof, "ids", "its canonical bytes hash to");
}

TEST(a_blob_edited_in_the_file)
{
	START;
	json_t *proof = made(), *blobs = json_object_get(proof, "blobs");
	json_object_set_new(blobs, json_object_iter_key(json_object_iter(blobs)), json_string("AAAA"));
	caught(proof, "ids", "its bytes hash to");
}

TEST(a_node_of_mine_goes_along)
{
	START;
	char id[AI_HEX];
	fake_put(&s.f, fake_json("{'kind':'environment','platform':'linux/arm64','host':true}"), id);
	json_t *proof = made();
	json_object_set(nodes_of(proof), id, json_object_get(s.f.nodes, id));
	caught(proof, "references", "nothing that the root reaches refers to it");
}

TEST(a_blob_of_mine_goes_along)
{
	START;
	json_t *proof = made();
	json_object_set_new(json_object_get(proof, "blobs"), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d", json_string("AA=="));
	caught(proof, "references", "nothing that the root reaches refers to it");
}

TEST(a_step_that_nobody_may_see)
{
	START;
	json_t *proof = made();
	json_object_set_new(nodes_of(proof), s.f.train_step, fake_json("{'kind':'withheld'}"));
	caught(proof, "references", "withheld, expected a step");
}

TEST(a_plan_that_nobody_may_see)
{
	START;
	json_t *proof = made();
	json_object_set_new(nodes_of(proof), s.f.plan, fake_json("{'kind':'withheld'}"));
	caught(proof, "references", "withheld, expected a plan");
}

TEST(a_result_that_is_missing)
{
	START;
	json_t *proof = made();
	json_object_del(nodes_of(proof), s.f.tokens);
	caught(proof, "references", "is absent, expected a result");
}

TEST(an_aicertfile_that_is_missing)
{
	START;
	json_t *proof = made(), *plan = json_object_get(nodes_of(proof), s.f.plan);
	json_object_del(json_object_get(proof, "blobs"), ai_json_str(plan, "aicertfile"));
	caught(proof, "references", "is absent, expected a blob");
}

/* The summary that is still to be had of it. */
static void
summarize_again(json_t *proof)
{
	AI_DAG_AUTO *dag = NULL;
	AI_JSON *summary = NULL;
	struct ai_digest root;
	assert_true(ai_unhex(s.f.root, &root));
	ok(ai_dag_load(nodes_of(proof), json_object_get(proof, "blobs"), &dag, &err));
	ok(ai_proof_summary(dag, &root, proof, &summary, &err));
	json_object_update(proof, summary);
}

/* It may be withheld, if the verifier says so; this one does not. */
TEST(a_source_that_nobody_may_see)
{
	START;
	json_t *proof = made();
	json_object_set_new(nodes_of(proof), s.f.alpaca, fake_json("{'kind':'withheld'}"));
	summarize_again(proof);
	caught(proof, "withheld", "1 nodes are withheld: expected none");
}

TEST(a_source_that_the_policy_wants_to_see)
{
	START;
	change("require:", "withhold: [ used, 'source:code' ]\nrequire:");
	json_t *proof = made();
	json_object_set_new(nodes_of(proof), s.f.alpaca, fake_json("{'kind':'withheld'}"));
	summarize_again(proof);
	unwanted(proof, "policy withheld", "is withheld, which the policy does not allow");
}

/* Of two roots the last or the first would be taken, by whom it pleases. */
TEST(a_key_that_stands_twice_in_the_file)
{
	START;
	json_t *proof = made();
	char *text = json_dumps(proof, JSON_COMPACT), *at = strstr(text, "\"root\"");
	AI_FREE char *twice = ai_format("%.*s\"root\":\"%s\",%s", (int)(at - text), text, nowhere, at);
	AI_JSON *report = NULL;
	refused(AI_EINPUT, "duplicate", ai_verify(twice, strlen(twice), "proof.json", &s.o, &report, &err));
	assert_null(report);
	free(text);
	json_decref(proof);
}

TEST(another_root_of_the_same_nodes)
{
	START;
	json_t *proof = made();
	json_object_set_new(proof, "root", json_string(s.f.plan));
	caught(proof, "references", "got plan, expected a run node");
}

TEST(a_later_version_that_this_verifier_takes_for_its_own)
{
	START;
	json_t *proof = made();
	json_object_set_new(proof, "version", json_string("v2"));
	char *text = json_dumps(proof, JSON_COMPACT);
	AI_JSON *report = NULL;
	refused(AI_EINPUT, "version 'v2'", ai_verify(text, strlen(text), "proof.json", &s.o, &report, &err));
	free(text);
	json_decref(proof);
}

TEST(evidence_of_a_kind_that_nobody_checks)
{
	START;
	json_t *proof = made();
	json_object_set_new(evidence_of(proof), "type", json_string("simulated"));
	caught(proof, "format", "got 'simulated', expected 'tpm2'");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		H(the_good_one),
		H(an_output_that_was_carried_in), H(a_carried_output_left_out), H(an_input_from_nowhere), H(a_tree_from_nowhere), H(the_bytes_of_a_file_read_as_a_folder), H(an_input_that_was_not_planned),
		H(a_command_that_was_not_planned), H(a_step_left_out_of_the_plan), H(an_output_of_mine), H(the_results_change_places),
		H(an_output_that_was_not_declared), H(what_the_host_gave_goes_unsaid),  H(a_lineage_of_mine),
		H(a_proof_of_mine_in_proofs), H(a_failed_run_certifies), H(a_failed_step_goes_unseen), H(claims_of_another_run), H(claims_of_another_plan),
		H(a_run_that_ended_before_it_began), H(the_attestation_of_another_run), H(the_evidence_of_another_run), H(claims_edited_in_the_file),
		H(a_result_that_nobody_made), H(a_result_made_twice), H(a_result_of_no_step), H(a_download_shown_as_an_official_commit),
		H(a_file_shown_as_an_official_image), H(a_commit_that_was_verified_as_a_file), H(a_source_of_another_plan_is_verified),
		H(a_malicious_tree_under_an_official_commit_id), H(a_malicious_tree_for_a_policy_that_names_the_commit), H(a_summary_of_another_type),
		H(a_summary_of_another_name), H(a_summary_of_another_origin), H(a_summary_of_another_hash), H(a_summary_with_one_field_more),
		H(a_summary_without_the_input_that_betrays_me), H(a_summary_with_the_inputs_exchanged), H(a_summary_of_another_model),
		H(a_summary_of_another_platform), H(a_log_without_claims), H(a_log_with_claims_twice), H(a_log_that_begins_with_claims), H(a_log_of_other_claims),
		H(a_log_of_another_plan), H(a_second_plan_in_one_run), H(results_before_the_plan), H(results_after_the_claims),
		H(a_log_of_a_result_that_is_not_claimed), H(a_claim_of_a_result_that_is_not_logged), H(a_result_logged_twice),
		H(a_result_hidden_among_what_is_opaque), H(an_attestation_that_does_not_cover_what_i_reuse), H(an_attestation_that_itself_only_reused_it),
		H(an_attestation_whose_log_never_saw_it), H(an_attestation_by_a_key_of_mine), H(an_attestation_that_is_not_there),
		H(an_attestation_edited_in_the_file), H(an_attestation_of_nothing_goes_along), H(a_node_edited_in_the_file), H(a_node_under_the_id_of_another),
		H(a_blob_edited_in_the_file), H(a_node_of_mine_goes_along), H(a_blob_of_mine_goes_along), H(a_step_that_nobody_may_see),
		H(a_plan_that_nobody_may_see), H(a_result_that_is_missing), H(an_aicertfile_that_is_missing), H(a_source_that_nobody_may_see),
		H(a_source_that_the_policy_wants_to_see), H(a_key_that_stands_twice_in_the_file), H(another_root_of_the_same_nodes),
		H(a_later_version_that_this_verifier_takes_for_its_own), H(evidence_of_a_kind_that_nobody_checks),
	};
	return RUN("forgery_run", tests);
}

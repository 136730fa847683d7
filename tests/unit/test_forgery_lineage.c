/*
 * test_forgery_lineage.c -- forgeries of where a model comes from: the proofs of inputs that a proof carries.
 *
 * Three runs of one builder: `base` gives a model, `tune` takes it, and `merge` takes what `tune` gave. A forgery changes one of them or what is
 * carried, and whatever stands above is made and signed anew.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "forgery.h"

#include <dlfcn.h>

#include "proof/lineage.h"

enum { BASE, TUNE, MERGE, N_RUNS };

/* A run, and what it says of the one below it; NULL: as it is. */
struct run {
	struct fake f;                     /* first: hooks find the run by it */
	struct run *below;
	json_t *proof;
	const char *name, *root, *output, *content, *type; /* "" output: none is named */
	const char *lineage;               /* JSON */
	char source[AI_HEX];
	fake_hook *then;                   /* after the claims are as they should be */
};

static struct run runs[N_RUNS];
#define base runs[BASE]
#define tune runs[TUNE]
#define top runs[MERGE]

static const char *
weights_of(const struct run *r)
{
	return ai_json_str(json_array_get(json_object_get(json_object_get(r->f.nodes, r->f.root), "outputs"), 0), "blob");
}

/* The input, where it lies after the others of the step. */
static void
take_below(struct fake *x, json_t *recipe)
{
	struct run *r = (struct run *)x;
	const char *content = r->content ? r->content : weights_of(r->below), *output = r->output ? r->output : "model";
	fake_put(x, fake_json("{'kind':'source','type':'%s','uri':'local',%s%s%s'revision':'%s','content':{'blob':'%s'}}", r->type ? r->type : "proof",
		*output ? "'ref':'" : "", output, *output ? "'," : "", r->root ? r->root : r->below->f.root, content), r->source);
	json_array_append_new(json_object_get(recipe, "inputs"), fake_json("{'path':'/workspace/theirs','blob':'%s'}", content));
}

static void
plan_below(struct fake *x, json_t *plan)
{
	json_array_insert_new(json_object_get(plan, "sources"), 1, fake_json("{'name':'base','id':'%s'}", ((struct run *)x)->source));
}

static void
name_run(struct fake *x, json_t *run)
{
	struct run *r = (struct run *)x;
	json_object_set_new(run, "name", json_string(r->name));
	if (r->below)
		json_object_set_new(run, "lineage", r->lineage ? fake_json("%s", r->lineage) : fake_json("['%s']", r->below->f.root));
}

static void
claim_below(struct fake *x, json_t *claims)
{
	struct run *r = (struct run *)x;
	if (r->below)
		json_array_append_new(json_object_get(claims, "verified"), fake_json("{'id':'%s','how':'sha256'}", r->source));
	fake_call(r->then, x, claims);
}

static int
setup(void **state)
{
	static const char *const names[] = { "base", "tune", "merge" };
	forgery_setup(state);
	boots(&s.booted, &s.seen);
	for (size_t i = 0; i < N_RUNS; i++) {
		struct run *r = &runs[i];
		*r = (struct run){ .name = names[i], .below = i ? &runs[i - 1] : NULL };
		fake_init(&r->f);
		EVP_PKEY_free(r->f.tpm.key);
		r->f.tpm = s.f.tpm;
		EVP_PKEY_up_ref(r->f.tpm.key);
		r->f.tpm.certificates = forgery_certificates(&s.leaf);
		r->f.tpm.boot = &s.seen;
		r->f.on_run = name_run;
		r->f.on_claims = claim_below;
		r->f.on_recipe = i ? take_below : NULL;
		r->f.on_plan = i ? plan_below : NULL;
	}
	return 0;
}

static int
teardown(void **state)
{
	for (size_t i = 0; i < N_RUNS; i++) {
		json_decref(runs[i].proof);
		fake_done(&runs[i].f);
	}
	return forgery_teardown(state);
}

/* The run's proof with those below it; borrowed. What it is to say was set before. */
static json_t *
proof_of(struct run *r)
{
	if (r->proof)
		return r->proof;
	if (r->below) {
		json_t *theirs = proof_of(r->below);
		json_decref(r->f.proofs);
		r->f.proofs = json_pack("{s:O}", r->below->f.root, theirs);
		/* Asked for only by a lineage that names it. */
		if (r->below->below)
			json_object_set(r->f.proofs, r->below->below->f.root, proof_of(r->below->below));
	}
	r->proof = fake_make(&r->f);
	return r->proof;
}

/* The same, to be given away. */
static json_t *given(struct run *r) { return json_incref(proof_of(r)); }
static json_t *proofs_of(struct run *r) { return json_object_get(proof_of(r), "proofs"); }
static json_t *carried(struct run *r, struct run *kin) { json_t *all = proofs_of(r); return json_object_get(all, kin->f.root); }

/* Changes the text a little: another digit, as far from the end as a signature's or quote's meaning needs. */
static void
tamper(json_t *object, const char *field)
{
	char *text = ai_strdup(ai_json_str(object, field));
	text[strlen(text) / 2] = text[strlen(text) / 2] == 'A' ? 'B' : 'A';
	json_object_set_new(object, field, json_string(text));
	free(text);
}

/* --- what is as it should be --------------------------------------------------- */

TEST(the_good_chain)
{
	START;
	ends(given(&top), "measured-platform", "", "");
	assert_int_equal(json_object_size(proofs_of(&top)), 2);
	assert_int_equal(json_object_size(json_object_get(carried(&top, &tune), "proofs")), 0);
}

static json_t *
report_on(const json_t *proof, ai_level require)
{
	struct ai_policy *p = policy_of(s.policy.data);
	struct ai_verify_options o = s.o;
	json_t *report = NULL;
	char *text = json_dumps(proof, JSON_COMPACT);
	struct ai_err unsaid = { 0 };
	o.policy = p;
	o.require = require;
	int r = ai_verify(text, strlen(text), "proof.json", &o, &report, &unsaid);
	assert_true(r == 0 || r == AI_ENO);
	assert_non_null(report);
	ai_policy_free(p);
	free(text);
	return report;
}

TEST(the_good_report)
{
	START;
	json_t *proof = given(&top);
	AI_JSON *report = report_on(proof, AI_LEVEL_MEASURED_PLATFORM);
	AI_JSON *want = fake_json("[{'root':'%s','by':'%s','input':'base','output':'model','name':'tune','level':'measured-platform','key':'%s','authority':'ops-team'},"
		"{'root':'%s','by':'%s','input':'base','output':'model','name':'base','level':'measured-platform','key':'%s','authority':'ops-team'}]",
		tune.f.root, top.f.root, tune.f.key, base.f.root, tune.f.root, base.f.key);
	assert_true(json_equal(json_object_get(report, "lineage"), want));
	json_decref(proof);
}

/* Without a name it is the output 'model'. */
TEST(the_good_output_without_a_name) { START; tune.output = ""; ends(given(&tune), "measured-platform", "", ""); }

/* A nonce is for who asks today: nobody asked when the base model was made. */
static void answers_no_one(struct fake *x, json_t *claims) { (void)x; json_object_del(claims, "nonce"); }
TEST(the_good_nonce_is_the_last_runs) { START; change("require:", "nonce: fresh\nrequire:"); base.then = answers_no_one; ends(given(&tune), "measured-platform", "", ""); }

/* --- what the input says ---------------------------------------------------------- */

TEST(an_output_that_the_base_did_not_give) { START; tune.content = nowhere; caught(given(&tune), "lineage", "which is output 'model' of the run that it names"); }

/* What the base run read is not what it made. */
TEST(an_input_of_the_base_for_its_output)
{
	START;
	proof_of(&base);
	tune.content = base.f.csv;
	caught(given(&tune), "lineage", "which is output 'model'");
}

TEST(an_output_of_a_name_that_is_not_there) { START; tune.output = "modal"; caught(given(&tune), "lineage", "has no output 'modal': it has 'model'"); }
TEST(a_root_that_is_nobodys) { START; tune.root = nowhere; caught(given(&tune), "lineage", "which the run's lineage does not name"); }

/* My weights, and a famous model's proof beside them. */
TEST(a_famous_ancestor_that_i_never_used) { START; tune.type = "huggingface"; caught(given(&tune), "lineage", "and no input is of it"); }
TEST(an_ancestor_that_i_do_not_tell) { START; tune.lineage = "[]"; json_t *p = given(&tune); json_object_clear(json_object_get(p, "proofs")); caught(p, "lineage", "does not name"); }

TEST(a_lineage_in_another_order)
{
	START;
	AI_JSON *run = fake_json("{'kind':'run','format':1,'name':'n','plan':'%s','results':[{'name':'s','id':'%s'}],'outputs':[],'lineage':['%s','0%.63s']}",
		nowhere, nowhere, nowhere, nowhere);
	struct ai_err err = { 0 };
	assert_true(ai_node_check(run, &err) < 0);
	assert_non_null(strstr(err.text, "lineage"));
}

/* --- what is carried ------------------------------------------------------------------ */

TEST(no_proof_of_the_base) { START; json_object_clear(proofs_of(&tune)); caught(given(&tune), "lineage", "no proof of"); }
TEST(no_proof_of_what_the_base_came_from) { START; json_object_del(proofs_of(&top), base.f.root); caught(given(&top), "lineage", "is carried, which run"); }

TEST(a_proof_that_no_input_is_of)
{
	START;
	json_t *other = given(&top), *mine = given(&base);
	json_object_set(json_object_get(mine, "proofs"), top.f.root, other);
	json_object_clear(json_object_get(other, "proofs"));
	caught(mine, "lineage", "is of no input");
	json_decref(other);
}

TEST(a_proof_under_anothers_root)
{
	START;
	json_t *all = proofs_of(&tune), *theirs = json_incref(carried(&tune, &base));
	json_object_clear(all);
	json_object_set_new(all, nowhere, theirs);
	caught(given(&tune), "lineage", "it is of the root");
}

/* It says that it is the one asked for. */
TEST(another_proof_that_bears_the_root)
{
	START;
	json_t *all = proofs_of(&top), *theirs = json_deep_copy(carried(&top, &tune));
	json_object_set_new(theirs, "root", json_string(base.f.root));
	json_object_set_new(all, base.f.root, theirs);
	caught(given(&top), "lineage", "references");
}

TEST(a_root_that_is_no_root)
{
	START;
	json_object_set_new(proofs_of(&tune), "base", json_object());
	caught(given(&tune), "lineage", "'base' is not 64");
}

TEST(a_carried_proof_that_is_none) { START; json_object_set_new(proofs_of(&tune), base.f.root, json_array()); caught(given(&tune), "lineage", "expected a proof of version 'v1'"); }
TEST(a_carried_proof_of_a_later_version) { START; json_object_set_new(carried(&tune, &base), "version", json_string("v2")); caught(given(&tune), "lineage", "version 'v1'"); }
TEST(carried_proofs_that_are_a_list) { START; json_object_set_new(proof_of(&tune), "proofs", json_array()); caught(given(&tune), "format", "'proofs' must be an object"); }

TEST(a_proof_within_a_carried_one)
{
	START;
	json_object_set(json_object_get(carried(&top, &tune), "proofs"), base.f.root, carried(&top, &base));
	caught(given(&top), "lineage", "must be an empty object");
}

TEST(a_base_among_my_nodes)
{
	START;
	json_t *theirs = json_object_get(json_object_get(carried(&tune, &base), "nodes"), base.f.root);
	json_object_set(json_object_get(proof_of(&tune), "nodes"), base.f.root, theirs);
	caught(given(&tune), "references", "nothing that the root reaches");
}

/* --- the carried proof is judged as any other ------------------------------------------- */

TEST(a_base_whose_quote_is_changed) { START; tamper(carried(&tune, &base), "low_level_quote"); caught(given(&tune), "lineage", "quote"); }
TEST(a_base_whose_signature_is_changed) { START; tamper(carried(&tune, &base), "signature"); caught(given(&tune), "lineage", "quote: "); }
TEST(a_base_below_the_base_whose_quote_is_changed) { START; tamper(carried(&top, &base), "low_level_quote"); caught(given(&top), "lineage", "quote"); }

TEST(a_base_with_a_node_changed)
{
	START;
	json_t *nodes = json_object_get(carried(&tune, &base), "nodes");
	json_object_set_new(json_object_get(nodes, base.f.alpaca), "uri", json_string("https://example.org/better.csv"));
	caught(given(&tune), "lineage", "ids: node");
}

/* The run node that the walk reads says one thing, and its id another. */
TEST(a_base_whose_run_gives_what_i_have)
{
	START;
	tune.content = nowhere;
	json_t *run = json_object_get(json_object_get(carried(&tune, &base), "nodes"), base.f.root);
	json_object_set_new(json_array_get(json_object_get(run, "outputs"), 0), "blob", json_string(nowhere));
	caught(given(&tune), "lineage", "its canonical bytes hash to");
}

TEST(a_base_with_another_summary) { START; json_object_set_new(carried(&tune, &base), "output_model_hash", json_string(nowhere)); caught(given(&tune), "lineage", "summary"); }

TEST(a_base_with_the_attestation_of_my_run)
{
	START;
	AI_JSON *mine = json_object();
	static const char *const fields[] = { "claims", "evidence", "signature", "low_level_quote" };
	for (size_t i = 0; i < 4; i++)
		json_object_set(mine, fields[i], json_object_get(proof_of(&tune), fields[i]));
	json_object_update(carried(&tune, &base), mine);
	caught(given(&tune), "lineage", "claims");
}

static void fails(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "failed", fake_json("[{'step':'train','how':'exit 1'}]")); }
TEST(a_base_whose_run_failed) { START; base.then = fails; caught(given(&tune), "lineage", "a failure never certifies"); }

static void from_nowhere(struct fake *x, json_t *recipe) { (void)x; json_array_set_new(json_object_get(recipe, "inputs"), 0, fake_json("{'path':'/workspace/resources/alpaca.csv','blob':'%s'}", nowhere)); }
TEST(a_base_that_comes_from_nowhere) { START; base.f.on_recipe = from_nowhere; caught(given(&tune), "lineage", "comes from nowhere"); }

TEST(a_base_that_withholds)
{
	START;
	json_t *nodes = json_object_get(carried(&tune, &base), "nodes");
	json_object_set_new(nodes, base.f.environment, fake_json("{'kind':'withheld'}"));
	caught(given(&tune), "lineage", "withheld");
}

TEST(a_base_without_the_attestation_of_what_it_reused) { START; json_object_clear(json_object_get(carried(&tune, &base), "attestations")); caught(given(&tune), "lineage", "is not carried"); }

/* --- the chain is as strong as its weakest proof ------------------------------------------- */

static void
key_of_mine(struct run *r)
{
	EVP_PKEY_free(r->f.tpm.key);
	r->f.tpm.key = s.own_key;
	EVP_PKEY_up_ref(s.own_key);
	json_decref(r->f.tpm.certificates);
	r->f.tpm.certificates = NULL;
}

TEST(a_base_by_a_key_of_mine) { START; key_of_mine(&base); ends(given(&tune), "unsigned", "lineage accepted", "input 'base'"); }
TEST(a_base_below_the_base_by_a_key_of_mine) { START; key_of_mine(&base); ends(given(&top), "unsigned", "lineage accepted", "input 'base' of run 'tune'"); }

/* Accepted by hand it is a software key's word, and so is all that is made of it. */
TEST(a_base_by_a_key_that_is_no_tpms)
{
	START;
	key_of_mine(&base);
	proof_of(&base);
	const char *keys[] = { base.f.key };
	s.o.keys = keys;
	s.o.n_keys = 1;
	ends(given(&tune), "software", "lineage accepted", "has no certificate");
}

TEST(a_base_from_a_machine_that_is_not_known)
{
	START;
	add_text(&s.other, 9, IPL, "/rootkit", "rootkit");
	boots(&s.other, &s.told);
	base.f.tpm.boot = &s.told;
	ends(given(&tune), "genuine-tpm", "lineage accepted", "PCR 9");
}

TEST(a_base_that_reused_what_a_key_of_mine_attested)
{
	START;
	base.f.two_keys = true;
	base.f.other_tpm.boot = &s.seen;
	ends(given(&tune), "unsigned", "lineage accepted", "input 'base'");
}

/* What the policy denies it denies of each. */
static void other_program(struct fake *x, json_t *claims) { (void)x; json_object_set_new(json_object_get(claims, "program"), "sha256", json_string(nowhere)); }
TEST(a_base_by_a_program_that_is_denied)
{
	START;
	change("require:", "deny: { programs: [ 1111111111111111111111111111111111111111111111111111111111111111 ] }\nrequire:");
	base.then = other_program;
	unwanted(given(&tune), "lineage accepted", "denies the program");
}

TEST(a_base_that_ran_in_what_the_policy_does_not_allow)
{
	START;
	change("require:", "environments: [ image ]\nrequire:");
	unwanted(given(&tune), "lineage accepted+policy environments", "environment of kind 'host'");
}

TEST(a_base_whose_certificate_has_expired)
{
	START;
	s.leaf.not_after = s.o.now - 10;
	json_decref(base.f.tpm.certificates);
	base.f.tpm.certificates = forgery_certificates(&s.leaf);
	ends(given(&tune), "unsigned", "lineage accepted", "input 'base'");
}

/* --- what is withheld ------------------------------------------------------------------------ */

/* The run's proof without the node of its input, judged by one who lets nodes be withheld. */
static json_t *
without_the_input(struct run *r)
{
	json_t *proof = given(r);
	json_object_set_new(json_object_get(proof, "nodes"), r->source, fake_json("{'kind':'withheld'}"));
	s.o.allow_withheld = true;
	change("require:", "withhold: [ source ]\nrequire:");
	return proof;
}

TEST(the_good_input_that_is_withheld)
{
	START;
	json_t *proof = without_the_input(&top);
	json_array_set_new(json_object_get(proof, "inputs"), 1, fake_json("{'type':'withheld','name':'base','download_url':'','hash':'%s'}", top.source));
	ends(proof, "measured-platform", "", "");
}

/* One input is hidden: it is of one run, and not of a famous one besides. */
TEST(a_famous_ancestor_behind_what_is_withheld)
{
	START;
	char both[2 * AI_HEX + 10];
	proof_of(&tune);
	const bool first = strcmp(base.f.root, tune.f.root) < 0;
	snprintf(both, sizeof both, "['%s','%s']", first ? base.f.root : tune.f.root, first ? tune.f.root : base.f.root);
	top.lineage = both;
	caught(without_the_input(&top), "lineage", "what is withheld can only be of the others");
}

/* --- endless ones ------------------------------------------------------------------------------ */

/* Only what the walk looks at: it must refuse before it judges any. */
static void
put_shell(json_t *all, const char *root, const char *next)
{
	json_t *run = next ? json_pack("{s:[s]}", "lineage", next) : json_pack("{s:[]}", "lineage");
	json_object_set_new(all, root, json_pack("{s:s, s:s, s:{}, s:{s:o}}", "version", "v1", "root", root, "proofs", "nodes", root, run));
}

static char *
number_root(size_t i, char out[AI_HEX])
{
	snprintf(out, AI_HEX, "%064zx", i);
	return out;
}

/* n proofs, each made from the next; the last from the one that is said, or from none. */
static json_t *
chain_of(size_t n, const char *last)
{
	char root[AI_HEX], next[AI_HEX];
	json_t *all = json_object();
	for (size_t i = 0; i < n; i++)
		put_shell(all, number_root(i, root), i + 1 < n ? number_root(i + 1, next) : last);
	return all;
}

static void
caught_chain(json_t *all, const char *words)
{
	tune.lineage = "['0000000000000000000000000000000000000000000000000000000000000000']";
	tune.root = "0000000000000000000000000000000000000000000000000000000000000000";
	json_object_set_new(proof_of(&tune), "proofs", all);
	caught(given(&tune), "lineage", words);
}

TEST(a_base_that_is_made_from_itself) { START; char root[AI_HEX]; caught_chain(chain_of(1, number_root(0, root)), "leads back to itself"); }
TEST(a_circle_of_three) { START; char root[AI_HEX]; caught_chain(chain_of(3, number_root(0, root)), "leads back to itself"); }
TEST(a_chain_of_a_thousand) { START; caught_chain(chain_of(1000, NULL), "more than 100 proofs deep"); }
TEST(more_proofs_than_anyone_has) { START; caught_chain(chain_of(20000, NULL), "holds 20000 proofs, expected at most 1000"); }

TEST(a_lineage_of_what_are_no_roots)
{
	START;
	json_t *all = chain_of(1, NULL);
	char root[AI_HEX];
	json_t *run = json_object_get(json_object_get(json_object_get(all, number_root(0, root)), "nodes"), root);
	json_object_set_new(run, "lineage", fake_json("[[1,2],{},true]"));
	caught_chain(all, "no proof of (no root)");
}

/* Each of many takes all that come after it: who follows each way separately never ends. */
TEST(a_lineage_of_ever_more_ways)
{
	START;
	char root[AI_HEX];
	json_t *all = chain_of(90, NULL);
	for (size_t i = 0; i < 90; i++) {
		json_t *run = json_object_get(json_object_get(json_object_get(all, number_root(i, root)), "nodes"), root), *list = json_array();
		for (size_t k = i + 1; k < 90; k++)
			json_array_append_new(list, json_string(number_root(k, root)));
		json_object_set_new(run, "lineage", list);
	}
	caught_chain(all, "format: field");
}

/* Whose plans take long, by a clock of ours. */
static time_t slept, sleeps;

int
clock_gettime(clockid_t id, struct timespec *t)
{
	int (*real)(clockid_t, struct timespec *) = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int r = real(id, t);
	t->tv_sec += slept;
	return r;
}

static int
plan_slowly(void *ctx, const json_t *run, const json_t *plan, const struct ai_dag *dag, json_t **out, struct ai_err *err)
{
	(void)ctx, (void)run, (void)dag, (void)err;
	slept += sleeps;
	*out = json_incref((json_t *)(uintptr_t)plan);
	return 0;
}

TEST(the_good_chain_planned_again) { START; sleeps = 200; s.o.replan = plan_slowly; ends(given(&top), "measured-platform", "", ""); }
TEST(plans_that_take_hours_together) { START; sleeps = 700; s.o.replan = plan_slowly; caught(given(&top), "lineage", "more than 600 s"); }

#undef H
#define H(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		H(the_good_chain), H(the_good_report), H(the_good_output_without_a_name), H(the_good_nonce_is_the_last_runs),
		H(an_output_that_the_base_did_not_give), H(an_input_of_the_base_for_its_output), H(an_output_of_a_name_that_is_not_there), H(a_root_that_is_nobodys),
		H(a_famous_ancestor_that_i_never_used), H(an_ancestor_that_i_do_not_tell), H(a_lineage_in_another_order),
		H(no_proof_of_the_base), H(no_proof_of_what_the_base_came_from), H(a_proof_that_no_input_is_of), H(a_proof_under_anothers_root),
		H(another_proof_that_bears_the_root), H(a_root_that_is_no_root), H(a_carried_proof_that_is_none), H(a_carried_proof_of_a_later_version),
		H(carried_proofs_that_are_a_list), H(a_proof_within_a_carried_one), H(a_base_among_my_nodes),
		H(a_base_whose_quote_is_changed), H(a_base_whose_signature_is_changed), H(a_base_below_the_base_whose_quote_is_changed), H(a_base_with_a_node_changed),
		H(a_base_whose_run_gives_what_i_have), H(a_base_with_another_summary), H(a_base_with_the_attestation_of_my_run), H(a_base_whose_run_failed),
		H(a_base_that_comes_from_nowhere), H(a_base_that_withholds), H(a_base_without_the_attestation_of_what_it_reused),
		H(a_base_by_a_key_of_mine), H(a_base_below_the_base_by_a_key_of_mine), H(a_base_by_a_key_that_is_no_tpms), H(a_base_from_a_machine_that_is_not_known),
		H(a_base_that_reused_what_a_key_of_mine_attested), H(a_base_by_a_program_that_is_denied), H(a_base_that_ran_in_what_the_policy_does_not_allow),
		H(a_base_that_is_made_from_itself), H(a_circle_of_three), H(a_chain_of_a_thousand), H(more_proofs_than_anyone_has), H(a_lineage_of_what_are_no_roots),
		H(a_lineage_of_ever_more_ways), H(a_base_whose_certificate_has_expired), H(the_good_input_that_is_withheld),
		H(a_famous_ancestor_behind_what_is_withheld), H(the_good_chain_planned_again), H(plans_that_take_hours_together),
	};
	return RUN("lineage", tests);
}

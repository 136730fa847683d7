/*
 * test_redact.c -- what is withheld is gone, what is left holds, and nothing else can be withheld.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "proof/redact.h"
#include "proof_cases.h"

/* The proof (stolen) with these withheld; kinds and nodes end with NULL. The last withheld list and notes stay in these. */
static json_t *withheld, *notes;

static int
redact(json_t *proof, const char *const *nodes, const char *const *kinds, json_t **out, struct ai_err *err)
{
	struct ai_redact what = { nodes, 0, kinds, 0 };
	struct ai_buf bytes = AI_BUF(AI_MAX_PROOF);
	const struct ai_rewrite how = { 0 };
	char *text = json_dumps(proof, JSON_COMPACT);
	const struct ai_proof_text in = { "proof.json", text, strlen(text) };
	while (nodes && nodes[what.n_nodes])
		what.n_nodes++;
	while (kinds && kinds[what.n_kinds])
		what.n_kinds++;
	json_decref(withheld);
	json_decref(notes);
	withheld = notes = NULL;
	int r = ai_proof_redact(&how, &in, &what, &bytes, &withheld, &notes, err);
	if (r == 0)
		r = ai_json_parse(bytes.data, bytes.len, "redacted", out, err);
	else
		assert_true(bytes.len == 0 && !withheld && !notes);
	ai_buf_done(&bytes);
	free(text);
	json_decref(proof);
	return r;
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static json_t *
without(json_t *proof, const char *word)
{
	json_t *out = NULL;
	ok(redact(proof, WORDS(word), NULL, &out, &err));
	return out;
}

static void
not_without(json_t *proof, int code, const char *word, const char *words)
{
	json_t *out = NULL;
	refused(code, words, redact(proof, WORDS(word), NULL, &out, &err));
}

static const char *
kind_at(const json_t *proof, const char *id)
{
	return ai_json_str(json_object_get(json_object_get(proof, "nodes"), id), "kind");
}

/* Judged by one who accepts the key, and withheld nodes or not. */
static json_t *
judge(const json_t *proof, bool allow, int want)
{
	const char *keys[] = { f.key };
	const struct ai_verify_options o = { .require = AI_LEVEL_SOFTWARE, .keys = keys, .n_keys = 1, .allow_withheld = allow };
	struct ai_err err = { 0 };
	json_t *report = NULL;
	int got = fake_verify(&f, proof, &o, &report, &err);
	if (got != want)
		fail_msg("got %d '%s', expected %d", got, err.text, want);
	return report;
}

static bool
noted(const char *words)
{
	size_t i;
	json_t *n;
	json_array_foreach(notes, i, n)
		if (strstr(json_string_value(n), words))
			return true;
	return false;
}

static int
done(void **state)
{
	json_decref(withheld);
	json_decref(notes);
	withheld = notes = NULL;
	return teardown(state);
}

/* A proof that carries the tree of its code. */
static json_t *
with_trees(void)
{
	json_t *proof = fake_make(&f);
	json_object_set(json_object_get(proof, "nodes"), f.repo, json_object_get(f.nodes, f.repo));
	return proof;
}

/* --- what can be withheld ---------------------------------------------------- */

static void
each_kind(void **state)
{
	(void)state;
	AI_JSON *proof = with_trees();
	const struct { const char *word, *id, *kind; size_t n_names; } cases[] = {
		{ "alpaca", f.alpaca, "source", 1 }, { "source:code", f.code, "source", 1 }, { "environment:train", f.environment, "environment", 2 },
		{ "used:tokens", f.used, "used", 2 }, { f.repo, f.repo, "tree", 0 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		AI_JSON *out = without(json_incref(proof), cases[i].word);
		assert_string_equal(kind_at(out, cases[i].id), "withheld");
		assert_int_equal(json_array_size(withheld), 1);
		const json_t *w = json_array_get(withheld, 0);
		assert_string_equal(ai_json_str(w, "id"), cases[i].id);
		assert_string_equal(ai_json_str(w, "kind"), cases[i].kind);
		assert_int_equal(json_array_size(json_object_get(w, "of")), cases[i].n_names);
		AI_JSON *strict = judge(out, false, AI_ENO);
		assert_string_equal(ai_json_str(fake_check_named(strict, "withheld"), "status"), "failed");
		AI_JSON *lenient = judge(out, true, 0);
		assert_string_equal(ai_json_str(fake_check_named(lenient, "withheld"), "status"), "skipped");
		assert_true(noted("unsalted"));
	}
}

static void
by_the_beginning_of_an_id(void **state)
{
	(void)state;
	char word[9];
	json_t *proof = fake_make(&f);
	snprintf(word, sizeof word, "%.8s", f.used);
	AI_JSON *out = without(json_incref(proof), word);
	assert_string_equal(kind_at(out, f.used), "withheld");
	word[7] = '\0';
	not_without(json_incref(proof), AI_EUSAGE, word, "expected an id of at least 8 digits");
	not_without(proof, AI_EUSAGE, "1111111111", "no node whose id begins so");
}

static void
every_one_of_a_kind(void **state)
{
	(void)state;
	AI_JSON *out = NULL, *trees = NULL;
	ok(redact(fake_make(&f), NULL, WORDS("source", "used"), &out, &err));
	assert_string_equal(kind_at(out, f.alpaca), "withheld");
	assert_string_equal(kind_at(out, f.code), "withheld");
	assert_string_equal(kind_at(out, f.used), "withheld");
	assert_string_equal(kind_at(out, f.environment), "environment");
	assert_int_equal(json_array_size(withheld), 3);
	json_decref(judge(out, true, 0));
	refused(AI_EUSAGE, "kind 'tree': the proof shows no node of it", redact(fake_make(&f), NULL, WORDS("tree"), &trees, &err));
	refused(AI_EUSAGE, "kind 'step': expected 'source'", redact(fake_make(&f), NULL, WORDS("step"), &trees, &err));
	refused(AI_EUSAGE, "kind 'withheld': expected 'source'", redact(json_incref(out), NULL, WORDS("withheld"), &trees, &err));
}

/* What only a withheld node led to goes with it. */
static void
nothing_is_left_over(void **state)
{
	(void)state;
	json_t *proof = fake_make(&f);
	size_t before = json_object_size(json_object_get(proof, "blobs"));
	AI_JSON *out = without(proof, "used:train");
	assert_int_equal(json_object_size(json_object_get(out, "blobs")), before - 1);
	AI_FREE char *text = json_dumps(out, 0);
	assert_null(strstr(text, "/usr/bin/python3.11"));
	assert_null(strstr(text, "WyJsaWJtLnNvLjYiXQ=="));
}

/* The name and what was derived of the source are gone from the summary; its id stands there. */
static void
summary_of_a_withheld_source(void **state)
{
	(void)state;
	AI_JSON *out = without(fake_make(&f), "code");
	const json_t *input = json_array_get(json_object_get(out, "inputs"), 1);
	assert_string_equal(ai_json_str(input, "type"), "withheld");
	assert_string_equal(ai_json_str(input, "name"), "code");
	assert_string_equal(ai_json_str(input, "download_url"), "");
	assert_string_equal(ai_json_str(input, "hash"), f.code);
	assert_string_equal(ai_json_str(json_array_get(json_object_get(out, "inputs"), 0), "type"), "url");
	AI_JSON *report = judge(out, true, 0);
	assert_string_equal(ai_json_str(fake_check_named(report, "provenance"), "status"), "skipped");
}

/* Its listing is still there where a step takes the folder: that is said, and can be withheld, too. */
static void
a_listing_that_stays(void **state)
{
	(void)state;
	AI_JSON *out = without(with_trees(), "code");
	assert_string_equal(kind_at(out, f.repo), "tree");
	assert_true(noted(f.repo));
	AI_JSON *both = NULL;
	ok(redact(with_trees(), WORDS("code", f.repo), NULL, &both, &err));
	assert_string_equal(kind_at(both, f.repo), "withheld");
	assert_false(noted("is still there"));
}

static void
twice(void **state)
{
	(void)state;
	AI_JSON *proof = fake_make(&f);
	AI_JSON *once = without(json_incref(proof), "alpaca");
	not_without(json_incref(once), AI_EUSAGE, "alpaca", "is withheld already");
	AI_JSON *more = without(json_incref(once), "used:train");
	AI_JSON *together = NULL, *other_way = without(without(json_incref(proof), "used:train"), "alpaca");
	assert_true(json_equal(more, other_way));
	/* Both by one name or by two: once is enough. */
	ok(redact(json_incref(proof), WORDS("alpaca", "source:alpaca", "used:train", "used:tokens"), NULL, &together, &err));
	assert_true(json_equal(more, together));
	assert_int_equal(json_array_size(withheld), 2);
}

/* --- what cannot ------------------------------------------------------------- */

static void
nothing_else(void **state)
{
	(void)state;
	json_t *proof = fake_make(&f);
	const struct { const char *word, *words; } cases[] = {
		{ f.root, "is a run" }, { f.plan, "is a plan" }, { f.train_step, "is a step" }, { f.train, "is a result" }, { f.tokens, "is a result" },
		{ f.csv, "no node whose id begins so" }, { "nothing", "expected an id" }, { "environment:nothing", "the run has no step 'nothing'" },
		{ "used:", "the run has no step ''" }, { "source:nothing", "expected an id" }, { f.earlier, "no node whose id begins so" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		not_without(json_incref(proof), AI_EUSAGE, cases[i].word, cases[i].words);
	json_t *out = NULL;
	refused(AI_EUSAGE, "nothing is named", redact(proof, NULL, NULL, &out, &err));
}

/* The step's input lies inside the source: that tree is its only way there. */
static char inside[AI_HEX];
static void
take_a_part(struct fake *x, json_t *recipe)
{
	const json_t *entries = json_object_get(json_object_get(x->nodes, x->repo), "entries");
	snprintf(inside, sizeof inside, "%s", ai_json_str(json_array_get(entries, 0), "id"));
	json_array_set_new(json_object_get(recipe, "inputs"), 0, fake_json("{'path':'/workspace/resources/alpaca.csv','blob':'%s'}", inside));
}

static void
a_way_that_others_need(void **state)
{
	(void)state;
	f.on_recipe = take_a_part;
	AI_JSON *proof = with_trees();
	json_decref(judge(proof, false, 0));
	not_without(json_incref(proof), AI_ENO, f.repo, "would not hold without it");
	not_without(json_incref(proof), AI_ENO, f.repo, "comes from nowhere");
}

static void
a_proof_that_does_not_hold(void **state)
{
	(void)state;
	json_t *proof = fake_make(&f);
	json_object_set_new(proof, "output_model_hash", json_string(f.root));
	not_without(proof, AI_ENO, "alpaca", "not verified: summary");
}

/* --- one who forges what he redacts ------------------------------------------ */

static void
refused_though_allowed(json_t *proof, const char *check, const char *words)
{
	AI_JSON *report = judge(proof, true, AI_ENO);
	const json_t *c = fake_check_named(report, check);
	if (strcmp(ai_json_str(c, "status"), "failed") != 0 || !strstr(ai_json_str(c, "compared"), words))
		fail_msg("check '%s' is %s: '%s'", check, ai_json_str(c, "status"), ai_json_str(c, "compared"));
	json_decref(proof);
}

static void
lies_about_the_withheld(void **state)
{
	(void)state;
	AI_JSON *redacted = without(fake_make(&f), "code");
	static const struct { const char *field, *value; } lies[] = {
		{ "type", "git" }, { "name", "falcon" }, { "download_url", "https://huggingface.co/tiiuae/falcon-7b" },
		{ "hash", "036f1e8a41a9b9bb5c0e7d6b2fd8f3a0f4f0c1d2" },
	};
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		json_t *lying = json_deep_copy(redacted);
		json_object_set_new(json_array_get(json_object_get(lying, "inputs"), 1), lies[i].field, json_string(lies[i].value));
		refused_though_allowed(lying, "summary", "'inputs[1]' differs");
	}
	json_t *silent = json_deep_copy(redacted);
	json_array_remove(json_object_get(silent, "inputs"), 1);
	refused_though_allowed(silent, "summary", "'inputs': got 1, expected 2");
}

static void
withheld_by_hand(void **state)
{
	(void)state;
	const char *const ids[] = { f.train_step, f.train, f.plan, f.root };
	static const char *const words[] = { "withheld, expected a step", "withheld, expected a result", "withheld, expected a plan", "got withheld, expected a run" };
	AI_JSON *proof = fake_make(&f);
	for (size_t i = 0; i < 4; i++) {
		json_t *forged = json_deep_copy(proof);
		json_object_set_new(json_object_get(forged, "nodes"), ids[i], fake_json("{'kind':'withheld'}"));
		refused_though_allowed(forged, "references", words[i]);
	}
	/* Withheld under an id that nothing names; and one that says more than that it is withheld. */
	json_t *extra = json_deep_copy(proof);
	json_object_set_new(json_object_get(extra, "nodes"), nowhere, fake_json("{'kind':'withheld'}"));
	refused_though_allowed(extra, "references", "nothing that the root reaches");
	json_t *chatty = json_deep_copy(proof);
	json_object_set_new(json_object_get(chatty, "nodes"), f.alpaca, fake_json("{'kind':'withheld','type':'url'}"));
	refused_though_allowed(chatty, "ids", "unknown");
}

#define R(name) cmocka_unit_test_setup_teardown(name, setup, done)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		R(each_kind), R(by_the_beginning_of_an_id), R(every_one_of_a_kind), R(nothing_is_left_over), R(summary_of_a_withheld_source),
		R(a_listing_that_stays), R(twice), R(nothing_else), R(a_way_that_others_need), R(a_proof_that_does_not_hold), R(lies_about_the_withheld),
		R(withheld_by_hand),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_merge.c -- proofs of one root put together; and what nobody may slip in among them.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fake_tsa.h"
#include "merge_help.h"

/* --- what merging gives ------------------------------------------------------ */

static void
two_become_one(void **state)
{
	(void)state;
	char first[AI_HEX], second[AI_HEX], hex[AI_HEX];
	json_t *a = make_all(&by[0]), *b = make_all(&by[1]);
	id_of(a, first);
	id_of(b, second);
	AI_JSON *other = own(b);
	AI_JSON *m = merged((json_t *[]){ a, b }, 2);
	assert_string_equal(id_of(m, hex), first);
	assert_int_equal(json_array_size(json_object_get(m, "cosigned")), 1);
	assert_true(json_equal(json_array_get(json_object_get(m, "cosigned"), 0), other));
	assert_string_not_equal(first, second);
	AI_JSON *report = judged(m, 1, NULL, NULL, AI_LEVEL_SOFTWARE, 0);
	assert_int_equal(json_integer_value(json_object_get(report, "cosigned")), 1);
	says(json_incref(report), "cosigned", "passed", "each of 1 further attestations");
	says(json_incref(report), "cosigned", "passed", "believes 0 of the 1");
	says(judged(m, 2, NULL, NULL, AI_LEVEL_SOFTWARE, 0), "cosigned", "passed", "believes 1 of the 1");
	/* The first speaks for the proof: that the second is believed does not lift it. */
	says(judged(m, 0, NULL, NULL, AI_LEVEL_SOFTWARE, AI_ENO), "accepted key", "failed", "not among the keys");
}

/* In whatever order the others come, and merged in whatever steps, the file is the same bytes. */
static void
one_way_to_write_it(void **state)
{
	(void)state;
	struct ai_buf one, two, three;
	json_t *p[4];
	for (size_t i = 0; i < 4; i++)
		p[i] = i == 2 ? fake_make(&by[i]) : make_all(&by[i]);
	AI_JSON *ab = NULL, *cd = NULL;
	ab = merged((json_t *[]){ json_incref(p[0]), json_incref(p[1]) }, 2);
	cd = merged((json_t *[]){ json_incref(p[3]), json_incref(p[2]) }, 2);
	ok(merge_texts((json_t *[]){ json_incref(p[0]), json_incref(p[1]), json_incref(p[2]), json_incref(p[3]) }, 4, &one, &err));
	ok(merge_texts((json_t *[]){ p[0], p[3], p[2], p[1] }, 4, &two, &err));
	ok(merge_texts((json_t *[]){ json_incref(ab), json_incref(cd), json_incref(ab) }, 3, &three, &err));
	assert_string_equal(one.data, two.data);
	assert_string_equal(one.data, three.data);
	AI_JSON *m = NULL;
	ok(ai_json_parse(one.data, one.len, "merged", &m, &err));
	assert_int_equal(json_array_size(json_object_get(m, "cosigned")), 3);
	ai_buf_done(&one);
	ai_buf_done(&two);
	ai_buf_done(&three);
}

static void
with_itself_it_is_itself(void **state)
{
	(void)state;
	AI_JSON *a = fake_make(&by[0]);
	AI_JSON *m = merged((json_t *[]){ json_incref(a), json_incref(a) }, 2);
	assert_true(json_equal(a, m));
}

/* Reused results of both: their attestations are united, and each is looked at. */
static void
reused_of_both(void **state)
{
	(void)state;
	AI_JSON *m = merged((json_t *[]){ fake_make(&by[0]), fake_make(&by[1]) }, 2);
	assert_int_equal(json_object_size(json_object_get(m, "attestations")), 2);
	says(judged(m, 1, NULL, NULL, AI_LEVEL_SOFTWARE, 0), "cosigned", "passed", "and those of 1 attestations that only they reuse");
}

static void
withhold(json_t *proof, const char *id)
{
	json_object_set_new(json_object_get(proof, "nodes"), id, fake_json("{'kind':'withheld'}"));
}

static void
what_one_shows_is_shown(void **state)
{
	(void)state;
	json_t *a = make_all(&by[0]), *b = make_all(&by[1]);
	withhold(a, by[0].environment);
	withhold(a, by[0].alpaca);
	json_array_set_new(json_object_get(a, "inputs"), 0, fake_json("{'type':'withheld','name':'alpaca','download_url':'','hash':'%s'}", by[0].alpaca));
	withhold(b, by[0].environment);
	AI_JSON *m = merged((json_t *[]){ a, b }, 2);
	const json_t *nodes = json_object_get(m, "nodes");
	assert_string_equal(ai_json_str(json_object_get(nodes, by[0].alpaca), "kind"), "source");
	assert_string_equal(ai_json_str(json_object_get(nodes, by[0].environment), "kind"), "withheld");
	assert_string_equal(ai_json_str(json_array_get(json_object_get(m, "inputs"), 0), "type"), "url");
}

/* A node that is withheld took with it what only it led to: that comes back, too. */
static void
what_it_led_to_comes_back(void **state)
{
	(void)state;
	json_t *a = make_all(&by[0]), *b = make_all(&by[1]);
	AI_JSON *whole = json_deep_copy(json_object_get(b, "blobs"));
	withhold(a, by[0].used);
	const char *id;
	json_t *v;
	void *next;
	json_object_foreach_safe(json_object_get(a, "blobs"), next, id, v)
		if (strcmp(json_string_value(v), "WyJsaWJtLnNvLjYiXQ==") == 0)
			json_object_del(json_object_get(a, "blobs"), id);
	AI_JSON *m = merged((json_t *[]){ a, b }, 2);
	assert_true(json_equal(json_object_get(m, "blobs"), whole));
	says(judged(m, 2, NULL, NULL, AI_LEVEL_SOFTWARE, 0), "withheld", "skipped", "no node is withheld");
}

/* Trees are carried or not: those of either. */
static void
trees_of_either(void **state)
{
	(void)state;
	json_t *a = make_all(&by[0]), *b = make_all(&by[1]);
	json_object_set(json_object_get(b, "nodes"), by[1].repo, json_object_get(by[1].nodes, by[1].repo));
	AI_JSON *m = merged((json_t *[]){ a, b }, 2);
	assert_non_null(json_object_get(json_object_get(m, "nodes"), by[1].repo));
}

/* A stamp by an authority of no meaning here, over one attestation, put on another (or the same). */
static void
stamp(const json_t *of, json_t *on)
{
	struct ai_digest d;
	struct fake_tsa tsa;
	struct ai_buf token = AI_BUF(AI_MAX_TEXT);
	fake_tsa_init(&tsa);
	ok(ai_timestamp_imprint(of, &d, &err));
	fake_token(&tsa, &d, &token);
	json_object_set_new(json_object_get(on, "evidence"), "timestamp", fake_base64(&token));
	fake_tsa_done(&tsa);
}

/* What was stamped later is the same attestation, with its stamp. */
static void
a_stamped_copy(void **state)
{
	(void)state;
	AI_JSON *a = make_all(&by[0]), *b = make_all(&by[1]);
	AI_JSON *stamped = json_deep_copy(a);
	stamp(stamped, stamped);
	const json_t *want = json_object_get(json_object_get(stamped, "evidence"), "timestamp");
	AI_JSON *first = merged((json_t *[]){ json_incref(a), json_incref(b), json_incref(stamped) }, 3);
	assert_true(json_equal(json_object_get(json_object_get(first, "evidence"), "timestamp"), want));
	assert_int_equal(json_array_size(json_object_get(first, "cosigned")), 1);
	AI_JSON *other = merged((json_t *[]){ json_incref(b), json_incref(a), json_incref(stamped), json_incref(a) }, 4);
	const json_t *cosigned = json_array_get(json_object_get(other, "cosigned"), 0);
	assert_true(json_equal(json_object_get(json_object_get(cosigned, "evidence"), "timestamp"), want));
	says(judged(other, 2, NULL, NULL, AI_LEVEL_SOFTWARE, 0), "cosigned", "passed", "believes 1 of the 1");
}

/* --- what is not merged ------------------------------------------------------ */

static void
not_merged(json_t *a, json_t *b, const char *words)
{
	struct ai_buf out;
	refused(AI_ENO, words, merge_texts((json_t *[]){ a, b }, 2, &out, &err));
	ai_buf_done(&out);
}

static void other_name(struct fake *x, json_t *run) { (void)x; json_object_set_new(run, "name", json_string("other")); }
static void other_plan(struct fake *x, json_t *plan) { (void)x; json_object_set_new(plan, "parameters", fake_json("[{'name':'p','value':'1'}]")); }
static void other_weights(struct fake *x, json_t *result) { json_object_set_new(result, "outputs", fake_json("[{'name':'modal','blob':'%s'}]", x->csv)); }

static void
other_roots(void **state)
{
	(void)state;
	by[1].on_run = other_name;
	not_merged(make_all(&by[0]), make_all(&by[1]), "b.json: root: got");
	not_merged(make_all(&by[0]), make_all(&by[1]), "which a.json has: they have different names or outputs");
	by[1].on_run = NULL;
	by[1].on_plan = other_plan;
	not_merged(make_all(&by[0]), make_all(&by[1]), "different plans");
}

static void other_tokens(struct fake *x, json_t *result)
{
	char id[AI_HEX];
	fake_blob(x, "3 2 1\n", id);
	json_object_set_new(json_array_get(json_object_get(result, "outputs"), 0), "blob", json_string(id));
}

static void
other_result(void **state)
{
	(void)state;
	by[1].on_tokens_result = other_tokens;
	not_merged(make_all(&by[0]), make_all(&by[1]), "with different results of step 'tokens'");
}

static void
what_does_not_hold(void **state)
{
	(void)state;
	json_t *b = make_all(&by[1]);
	json_object_set_new(b, "output_model_hash", json_object_get(b, "root"));
	json_incref(json_object_get(b, "root"));
	not_merged(make_all(&by[0]), b, "b.json: not verified: summary");
	by[1].on_train_result = other_weights;
	not_merged(make_all(&by[1]), make_all(&by[0]), "a.json: not verified: plan");
	struct ai_buf out;
	refused(AI_EUSAGE, "at least two", merge_texts((json_t *[]){ make_all(&by[0]) }, 1, &out, &err));
	refused(AI_EINPUT, "b.json: is no proof", merge_texts((json_t *[]){ make_all(&by[0]), json_object() }, 2, &out, &err));
}

/* --- what somebody might slip into "cosigned" -------------------------------- */

/* The first's proof with these attestations in it (stolen), as they are. */
static json_t *
slipped(json_t *proof, json_t *list)
{
	json_object_set_new(proof, "cosigned", list);
	return proof;
}

static void
refused_in(json_t *proof, const char *check, const char *words)
{
	AI_JSON *report = judged(proof, 2, NULL, NULL, AI_LEVEL_SOFTWARE, AI_ENO);
	assert_string_equal(ai_json_str(report, "level"), "none");
	says(json_incref(report), check, "failed", words);
	json_decref(proof);
}

static json_t *
own_of(json_t *proof)
{
	json_t *o = own(proof);
	json_decref(proof);
	return o;
}

static void
the_same_again(void **state)
{
	(void)state;
	json_t *a = make_all(&by[0]);
	refused_in(slipped(json_incref(a), json_pack("[o]", own(a))), "cosigned", "cosigned[0]: is the proof's own attestation once more");
	AI_JSON *b = own_of(make_all(&by[1]));
	refused_in(slipped(a, json_pack("[O, O]", b, b)), "cosigned", "cosigned[1]: stands twice");
}

static void
out_of_order(void **state)
{
	(void)state;
	AI_JSON *m = merged((json_t *[]){ make_all(&by[0]), make_all(&by[1]), make_all(&by[2]) }, 3);
	json_t *list = json_object_get(m, "cosigned");
	json_t *turned = json_pack("[O, O]", json_array_get(list, 1), json_array_get(list, 0));
	refused_in(slipped(json_incref(m), turned), "cosigned", "cosigned[1]: stands after one of a greater id");
}

static void forget_tokens(struct fake *x, json_t *claims) { claim_all(x, claims); json_array_remove(json_object_get(claims, "executed"), 0); }
static void log_train(struct fake *x, json_t *log) { (void)x; (void)log; }
static void a_failure(struct fake *x, json_t *claims) { claim_all(x, claims); json_object_set_new(claims, "failed", fake_json("[{'step':'x','how':'exit 1'}]")); }
static void no_root(struct fake *x, json_t *claims) { claim_all(x, claims); json_object_del(claims, "root"); }
static void backwards(struct fake *x, json_t *claims) { claim_all(x, claims); json_object_set_new(claims, "finished", json_string("2026-01-01T00:00:00Z")); }
static void not_logged(struct fake *x, json_t *log) { json_object_set_new(json_array_get(log, 1), "ids", json_pack("[s]", x->train)); }
static void
other_result_claimed(struct fake *x, json_t *claims)
{
	claim_all(x, claims);
	json_array_append_new(json_object_get(claims, "executed"), json_string(x->plan));
}
static void
log_other(struct fake *x, json_t *log)
{
	log_all(x, log);
	json_array_append_new(json_object_get(json_array_get(log, 1), "ids"), json_string(x->plan));
}

/* Signed by its own key and consistent in itself, each says something else than this proof. */
static void
it_says_something_else(void **state)
{
	(void)state;
	static const struct { fake_hook *run, *claims, *log; const char *words; } cases[] = {
		{ other_name, claim_all, log_all, "'root': got" },
		{ NULL, forget_tokens, log_train, "is neither executed nor reused" },
		{ NULL, a_failure, log_all, "a failure never certifies" },
		{ NULL, no_root, log_all, "'root' is absent" },
		{ NULL, backwards, log_all, "before it started" },
		{ NULL, claim_all, not_logged, "is claimed as executed and was not logged" },
		{ NULL, other_result_claimed, log_other, "is claimed and is none of the run's" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		by[1].on_run = cases[i].run;
		by[1].on_claims = cases[i].claims;
		by[1].on_log = cases[i].log;
		json_t *other = own_of(fake_make(&by[1]));
		refused_in(slipped(make_all(&by[0]), json_pack("[o]", other)), "cosigned", cases[i].words);
	}
}

/* Nothing of it may be another's. */
static void
pieces_of_others(void **state)
{
	(void)state;
	static const char *const fields[] = { "claims", "signature", "low_level_quote", "evidence" };
	json_t *a = make_all(&by[0]), *b = make_all(&by[1]);
	AI_JSON *c = make_all(&by[2]);
	AI_JSON *base = slipped(a, json_pack("[o]", own_of(b)));
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		json_t *mixed = json_deep_copy(base);
		json_object_set(json_array_get(json_object_get(mixed, "cosigned"), 0), fields[i], json_object_get(c, fields[i]));
		refused_in(mixed, "cosigned", "cosigned[0]: ");
	}
	json_t *bare = json_deep_copy(base);
	json_object_del(json_array_get(json_object_get(bare, "cosigned"), 0), "evidence");
	refused_in(bare, "format", "cosigned[0]: field 'evidence' is missing");
	json_t *odd = json_deep_copy(base);
	json_object_set_new(json_object_get(json_array_get(json_object_get(odd, "cosigned"), 0), "claims"), "reused", json_string("x"));
	refused_in(odd, "cosigned", "cosigned[0]: claims node: reused");
}

static void
stamp_of_another(void **state)
{
	(void)state;
	json_t *a = make_all(&by[0]), *b = own_of(make_all(&by[1]));
	stamp(a, b);
	refused_in(slipped(a, json_pack("[o]", b)), "cosigned", "cosigned[0]: ");
}

/* No byte of it may be another: each is bound by the quote, or by the only way to write it. */
static void
every_byte_of_it(void **state)
{
	(void)state;
	AI_JSON *m = merged((json_t *[]){ make_all(&by[0]), make_all(&by[1]) }, 2);
	AI_FREE char *text = json_dumps(m, JSON_COMPACT);
	char *from = strstr(text, "\"cosigned\""), *to = strstr(text, "\"proofs\"");
	assert_true(from && to && to > from + 1000);
	const char *keys[] = { by[0].key, by[1].key };
	const struct ai_verify_options o = { .require = AI_LEVEL_SOFTWARE, .keys = keys, .n_keys = 2, .now = time(NULL) };
	for (char *p = from; p < to; p++) {
		AI_JSON *report = NULL;
		struct ai_err err = { 0 };
		*p ^= 1;
		if (ai_verify(text, strlen(text), "proof.json", &o, &report, &err) >= 0)
			fail_msg("verifies with byte %zu of it changed: ...%.40s", (size_t)(p - from), p > from + 20 ? p - 20 : p);
		*p ^= 1;
	}
}

/* --- and among the attestations of reused results ---------------------------- */

static void
reused_results_of_the_cosigned(void **state)
{
	(void)state;
	AI_JSON *m = merged((json_t *[]){ make_all(&by[0]), fake_make(&by[1]) }, 2);
	assert_int_equal(json_object_size(json_object_get(m, "attestations")), 1);
	json_t *without = json_deep_copy(m);
	json_object_clear(json_object_get(without, "attestations"));
	refused_in(without, "coverage", "is not carried");
	/* An attestation that none of them names is left over, whoever carried it once. */
	json_t *left_over = json_deep_copy(m);
	json_object_set_new(left_over, "cosigned", json_array());
	refused_in(left_over, "coverage", "is of no reused result");
	json_t *changed = json_deep_copy(m);
	json_object_set_new(json_object_get(json_object_get(changed, "attestations"), by[1].earlier), "signature", json_string("AA=="));
	refused_in(changed, "cosigned", by[1].earlier);
}

static void executed_nothing(struct fake *x, json_t *claims) { (void)x; json_object_set_new(claims, "executed", json_array()); }
static void logged_nothing(struct fake *x, json_t *log) { (void)x; json_array_remove(log, 1); }

static void
the_lender_did_not_execute_it(void **state)
{
	(void)state;
	by[1].on_earlier = executed_nothing;
	by[1].on_earlier_log = logged_nothing;
	AI_JSON *b = fake_make(&by[1]);
	json_t *a = slipped(make_all(&by[0]), json_pack("[o]", own(b)));
	json_object_update(json_object_get(a, "attestations"), json_object_get(b, "attestations"));
	refused_in(a, "cosigned", "does not list result");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		T(two_become_one), T(one_way_to_write_it), T(with_itself_it_is_itself), T(reused_of_both), T(what_one_shows_is_shown),
		T(what_it_led_to_comes_back), T(trees_of_either), T(a_stamped_copy), T(stamp_of_another), T(every_byte_of_it), T(other_roots), T(other_result), T(what_does_not_hold), T(the_same_again),
		T(out_of_order), T(it_says_something_else), T(pieces_of_others), T(reused_results_of_the_cosigned), T(the_lender_did_not_execute_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_vm_result_lies.c -- what a machine gives back is taken in whole or not at all.  SPDX-License-Identifier: Apache-2.0 */
#include "vm_result_unit.h"

/* --- nothing too little, nothing too much ------------------------------------------------------------------ */

static void
test_each_object_is_needed(void **state)
{
	(void)state;
	struct parts p = take_apart(done_fd, "result");
	size_t logs = 0;
	for (size_t i = 0; i < p.n; i++) {
		struct outside o;
		struct ai_err e = { 0 };
		json_t *attestation = NULL;
		int fd = put_together(&p, "result", i);
		go_outside(&o);
		int r = ai_result_take(fd, size_of(fd), &o.job, &attestation, &e);
		if (strcmp(p.list[i].type, "log") == 0) {
			/* A step need not have printed anything. */
			assert_int_equal(r, 0);
			logs++;
		} else {
			if (r != AI_EINPUT)
				fail_msg("without %s %s: got %d '%s'", p.list[i].type, p.list[i].name, r, e.text);
			knows_nothing(&o);
		}
		json_decref(attestation);
		outside_done(&o);
		close(fd);
	}
	assert_int_equal(logs, 2);
	/* Two results, two folders, three files, two logs, the attestation. */
	assert_int_equal(p.n, 10);
	parts_free(&p);
}

static void
test_nothing_else(void **state)
{
	(void)state;
	static const char oci[] = "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"; /* of "x" */
	const struct { const char *type, *name, *bytes, *words; } cases[] = {
		{ "blob", NULL, "nobody's", "belongs to no result" },
		{ "node", NULL, "{\"entries\":[],\"kind\":\"tree\"}", "belongs to no result" },
		{ "node", NULL, "{\"kind\":\"tree\",\"entries\":[]}", "canonical" },
		{ "git", "da39a3ee5e6b4b0d3255bfef95601890afd80709", "", "a result has no such object" },
		{ "oci", oci, "x", "a result has no such object" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct parts p = take_apart(done_fd, "result");
		part_add(&p, cases[i].type, cases[i].name, cases[i].bytes, strlen(cases[i].bytes));
		refused(AI_EINPUT, cases[i].words, try(&p, &err));
		parts_free(&p);
	}
}

/* --- lies ---------------------------------------------------------------------------------------------------- */

static json_t *
about_step(struct parts *p, size_t i)
{
	return json_array_get(ai_json_arr(p->about, "steps"), i);
}

#define ELSEWHERE "\"d745feab837a744001f79d840c4ed03c1d854aef765dd9a4f9df79cacae8d03a\""

static void
test_about(void **state)
{
	(void)state;
	/* step: which one's field; -1: about's own. json NULL: the field is taken away. */
	const struct { int step; const char *key, *json, *words; } cases[] = {
		{ -1, "plan", ELSEWHERE, "is of another plan" },
		{ -1, "plan", NULL, "expected plan" },
		{ -1, "root", ELSEWHERE, "these results give" },
		{ -1, "root", NULL, "expected plan" },
		{ -1, "more", "1", "expected plan" },
		{ -1, "error", "{\"code\":-4,\"text\":\"x\"}", "either root or error" },
		{ -1, "steps", "[]", "steps: got 0" },
		{ 0, "name", "\"two\"", "as the plan has it" },
		{ 0, "name", "\"a\\nb\"", "without a name" },
		{ 0, "state", "\"reused\"", "expected waiting, executed or failed" },
		{ 0, "state", "\"done\"", "expected waiting, executed or failed" },
		{ 0, "state", "\"failed\"", "do not fit" },
		{ 0, "state", "7", "expected waiting" },
		{ 0, "step", ELSEWHERE, "is another than the plan gives" },
		{ 0, "step", NULL, "do not fit" },
		{ 0, "result", ELSEWHERE, "missing" },
		{ 0, "result", NULL, "do not fit" },
		{ 0, "failure", "\"x\"", "do not fit" },
		{ 0, "more", "1", "do not fit" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct parts p = take_apart(done_fd, "result");
		json_t *o = cases[i].step < 0 ? p.about : about_step(&p, (size_t)cases[i].step);
		if (cases[i].json)
			json_object_set_new(o, cases[i].key, json_loads(cases[i].json, JSON_DECODE_ANY, NULL));
		else
			json_object_del(o, cases[i].key);
		refused(AI_EINPUT, cases[i].words, try(&p, &err));
		parts_free(&p);
	}
}

static void
test_errors_of_the_machine(void **state)
{
	(void)state;
	const struct { const char *json, *words; int code; } cases[] = {
		{ "{\"code\":-1,\"text\":\"x\"}", "in the machine: x", AI_ENO },
		{ "{\"code\":-130,\"text\":\"x\"}", "in the machine: x", AI_EINTR },
		{ "{\"code\":-5,\"text\":\"\\u202ex\\u009b31m\"}", "in the machine: ", AI_EENV },
		{ "{\"code\":0,\"text\":\"x\"}", "documented code", AI_EINPUT },
		{ "{\"code\":1,\"text\":\"x\"}", "documented code", AI_EINPUT },
		{ "{\"code\":-7,\"text\":\"x\"}", "documented code", AI_EINPUT },
		{ "{\"code\":-4294967292,\"text\":\"x\"}", "documented code", AI_EINPUT },
		{ "{\"code\":\"-4\",\"text\":\"x\"}", "documented code", AI_EINPUT },
		{ "{\"code\":-4}", "documented code", AI_EINPUT },
		{ "{\"code\":-4,\"text\":\"\"}", "documented code", AI_EINPUT },
		{ "{\"code\":-4,\"text\":\"a\\u001b[2Jb\"}", "documented code", AI_EINPUT },
		{ "{\"code\":-4,\"hint\":\"a\\nb\",\"text\":\"x\"}", "documented code", AI_EINPUT },
		{ "{\"code\":-4,\"more\":1,\"text\":\"x\"}", "documented code", AI_EINPUT },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct parts p = { .about = json_pack("{s:[], s:o}", "steps", "error", json_loads(cases[i].json, 0, NULL)) };
		struct ai_err e = { 0 };
		int r = try(&p, &e);
		if (r != cases[i].code || !strstr(e.text, cases[i].words))
			fail_msg("%s: got %d '%s'", cases[i].json, r, e.text);
		assert_null(strstr(e.text, "\xe2\x80\xae"));
		assert_null(strstr(e.text, "\xc2\x9b"));
		json_decref(p.about);
	}
}

/* A runner that plans otherwise: its own word is all that is known of why. */
static void
test_error_of_another_plan(void **state)
{
	(void)state;
	struct parts p = { .about = json_pack("{s:[], s:{s:i, s:s}, s:s}", "steps", "error", "code", -3, "text", "the plan is another here", "plan",
		"d745feab837a744001f79d840c4ed03c1d854aef765dd9a4f9df79cacae8d03a") };
	struct ai_err e = { 0 };
	assert_int_equal(try(&p, &e), AI_EINPUT);
	assert_non_null(strstr(e.text, "is of another plan"));
	assert_string_equal(e.hint, "the machine says: the plan is another here");
	json_decref(p.about);
}

/* A result of one step in the place of another's; the same one for both. */
static void
test_result_of_another_step(void **state)
{
	(void)state;
	struct parts p = take_apart(done_fd, "result");
	json_object_set(about_step(&p, 1), "result", json_object_get(about_step(&p, 0), "result"));
	refused(AI_EINPUT, "step 'two': its result is of another step", try(&p, &err));
	parts_free(&p);
}

/* The result node of step `one` with something else in it; ids follow. */
static void
lie_in_result(const char *outputs, const char *words)
{
	struct parts p = take_apart(done_fd, "result");
	struct part *x = part_named(&p, "node", ai_json_str(about_step(&p, 0), "result"));
	AI_JSON *node = part_json(x);
	char hex[AI_HEX];
	json_object_set_new(node, "outputs", json_loads(outputs, 0, NULL));
	part_replace(x, node, hex);
	json_object_set_new(about_step(&p, 0), "result", json_string(hex));
	refused(AI_EINPUT, words, try(&p, &err));
	parts_free(&p);
}

static void
test_outputs(void **state)
{
	(void)state;
	lie_in_result("[]", "outputs: got 0, expected 1");
	lie_in_result("[{\"name\":\"other\",\"tree\":" ELSEWHERE "}]", "output 'kept': got 'other'");
	lie_in_result("[{\"name\":\"kept\",\"blob\":" ELSEWHERE "}]", "got a file, expected a dir");
	lie_in_result("[{\"name\":\"kept\",\"tree\":" ELSEWHERE "}]", "missing");
	lie_in_result("[{\"name\":\"kept\"}]", "exactly one of");
	lie_in_result("[{\"name\":\"kept\",\"tree\":" ELSEWHERE "},{\"name\":\"more\",\"tree\":" ELSEWHERE "}]", "outputs: got 2");
}

/* The attestation in its canonical bytes in the place of the disk's own. */
static void
attested(json_t *attestation, const char *words)
{
	struct parts p = take_apart(done_fd, "result");
	struct part *x = part_named(&p, "attestation", "");
	ai_buf_clear(&x->bytes);
	ok(ai_canon(attestation, &x->bytes, &err));
	json_decref(attestation);
	refused(AI_EINPUT, words, try(&p, &err));
	parts_free(&p);
}

static json_t *
with_claim(const char *key, json_t *value)
{
	json_t *a = json_deep_copy(sealed);
	json_object_set_new(ai_json_obj(a, "claims"), key, value);
	return a;
}

static void
test_attestations(void **state)
{
	(void)state;
	json_t *other = json_deep_copy(sealed);
	char *signature = strdup(ai_json_str(other, "signature"));
	size_t mid = strlen(signature) / 2;
	signature[mid] = signature[mid] == 'A' ? 'B' : 'A';
	json_object_set_new(other, "signature", json_string(signature));
	free(signature);
	attested(other, "attestation: ");
	attested(json_pack("{}"), "has no claims");
	attested(json_pack("{s:{s:s}}", "claims", "kind", "tree"), "has no claims");
	attested(json_deep_copy(sealed_failed), "is of another root");
	attested(with_claim("root", json_loads(ELSEWHERE, JSON_DECODE_ANY, NULL)), "is of another root");
	attested(with_claim("plan", json_loads(ELSEWHERE, JSON_DECODE_ANY, NULL)), "is of another plan");
	attested(with_claim("nonce", json_string("of another day")), "nonce: got 'of another day', expected 'a nonce'");
	attested(with_claim("executed", json_pack("[]")), "does not list the result of step 'one'");
	attested(with_claim("executed", json_pack("[O, O, s]", json_array_get(ai_json_arr(ai_json_obj(sealed, "claims"), "executed"), 0),
		json_array_get(ai_json_arr(ai_json_obj(sealed, "claims"), "executed"), 1), "d745feab837a744001f79d840c4ed03c1d854aef765dd9a4f9df79cacae8d03a")), "results that the run has not");
	attested(with_claim("more", json_true()), "more");
	/* Whole in itself, and its claims fit in everything but what was signed. */
	attested(with_claim("started", json_string("2020-01-01T00:00:00Z")), "attestation: ");
}

/* A machine that ran the job twice, with another outcome each time, may not put one's results under the other's word. */
static void
test_another_run(void **state)
{
	(void)state;
	struct parts first = take_apart(done_fd, "result");
	json_t *second = run_inside("a nonce", "something else\n");
	int fd = scratch_file();
	ok(ai_result_pack(&inside.job, second, NULL, fd, 64u << 20, &err));
	struct parts p = take_apart(fd, "result");
	ok(try(&p, &err));
	struct part *x = part_named(&p, "attestation", ""), *y = part_named(&first, "attestation", "");
	struct ai_buf swap = x->bytes;
	x->bytes = y->bytes;
	y->bytes = swap;
	refused(AI_EINPUT, "is of another root", try(&p, &err));
	refused(AI_EINPUT, "is of another root", try(&first, &err));
	parts_free(&p);
	parts_free(&first);
	close(fd);
	json_decref(second);
	json_decref(run_inside("a nonce", "all of it\n"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_object_is_needed),
		cmocka_unit_test(test_nothing_else),
		cmocka_unit_test(test_about),
		cmocka_unit_test(test_errors_of_the_machine),
		cmocka_unit_test(test_error_of_another_plan),
		cmocka_unit_test(test_result_of_another_step),
		cmocka_unit_test(test_outputs),
		cmocka_unit_test(test_attestations),
		cmocka_unit_test(test_another_run),
	};
	return cmocka_run_group_tests(tests, result_setup, result_teardown);
}

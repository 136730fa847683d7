/* test_plan_cache.c -- every ingredient of a plan changes its key; a plan of other texts or sources is none of these.  SPDX-License-Identifier: Apache-2.0 */
#include "run/plan/plan_cache.h"
#include "unit.h"

#define FILE_TEXT "kind: shell\nscript: 'true'\n"

static struct ai_rule_text rules[2] = { { .name = (char *)"a", .text = (char *)"one", .len = 3 }, { .name = (char *)"b", .text = (char *)"two", .len = 3 } };

static struct ai_plan_in
some(const struct ai_plan_source *sources)
{
	return (struct ai_plan_in){ .aicertfile = FILE_TEXT, .aicertfile_len = sizeof FILE_TEXT - 1, .file = "Aicertfile", .lock = "{}", .lock_len = 2,
		.rules = rules, .n_rules = 2, .sources = sources, .n_sources = 2, .platform = "linux/amd64" };
}

static json_t *
source(const char *uri)
{
	return json_pack("{s:s,s:s}", "kind", "source", "uri", uri);
}

static void
key_of(const struct ai_plan_in *in, struct ai_digest *out)
{
	struct ai_err why = { 0 };
	assert_int_equal(ai_plan_key(in, out, &why), 1);
}

static void
each_ingredient_changes_the_key(void **state)
{
	(void)state;
	json_t *one = source("a"), *two = source("b"), *three = source("c"), *p = json_pack("[{s:s,s:s}]", "name", "x", "value", "1"),
		*q = json_pack("[{s:s,s:s}]", "name", "x", "value", "2");
	struct ai_plan_source s[2] = { { "i", one }, { "j", two } }, renamed[2] = { { "i2", one }, { "j", two } }, other[2] = { { "i", one }, { "j", three } };
	struct ai_rule_text edited[2] = { rules[0], { .name = (char *)"b", .text = (char *)"tw0", .len = 3 } }, called[2] = { rules[0], { .name = (char *)"c",
		.text = (char *)"two", .len = 3 } };
	struct ai_plan_in in[16];
	struct ai_digest key[16], again;
	size_t n = 0;
	in[n++] = some(s);
	for (; n < 14; n++)
		in[n] = some(s);
	in[1].aicertfile_len--;
	in[2].lock_len--;
	in[3].lock = NULL;
	in[4].rules = edited;
	in[5].rules = called;
	in[6].n_rules = 1;
	in[7].sources = renamed;
	in[8].sources = other;
	in[9].n_sources = 1;
	in[10].parameters = p;
	in[11].parameters = q;
	in[12].platform = "linux/arm64";
	in[13].gpus = p;
	for (size_t i = 0; i < n; i++)
		key_of(&in[i], &key[i]);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			assert_false(ai_digest_eq(&key[i], &key[k]));
	key_of(&in[0], &again);
	assert_true(ai_digest_eq(&again, &key[0]));
	json_decref(one);
	json_decref(two);
	json_decref(three);
	json_decref(p);
	json_decref(q);
}

/* Bytes of one part do not pass for those of the next. */
static void
parts_do_not_run_together(void **state)
{
	(void)state;
	struct ai_rule_text x[1] = { { .name = (char *)"a", .text = (char *)"bc", .len = 2 } }, y[1] = { { .name = (char *)"ab", .text = (char *)"c", .len = 1 } };
	struct ai_plan_in a = { .aicertfile = "ab", .aicertfile_len = 2, .lock = "c", .lock_len = 1, .rules = x, .n_rules = 1 }, b = a;
	struct ai_digest ka, kb;
	b.aicertfile_len = 1;
	b.lock = "bc";
	b.lock_len = 2;
	key_of(&a, &ka);
	key_of(&b, &kb);
	assert_false(ai_digest_eq(&ka, &kb));
	b = a;
	b.rules = y;
	key_of(&b, &kb);
	assert_false(ai_digest_eq(&ka, &kb));
}

static json_t *
plan_of(const struct ai_plan_in *in)
{
	struct ai_digest text, lock, id[2];
	ai_sha256(in->aicertfile, in->aicertfile_len, &text);
	ai_sha256(in->lock, in->lock_len, &lock);
	for (size_t i = 0; i < 2; i++)
		ok(ai_json_id(in->sources[i].node, &id[i], &err));
	return json_pack("{s:s,s:o,s:o,s:[{s:s,s:o},{s:s,s:o}]}", "kind", "plan", "aicertfile", ai_json_hex(&text), "lock", ai_json_hex(&lock), "sources",
		"name", in->sources[0].name, "id", ai_json_hex(&id[0]), "name", in->sources[1].name, "id", ai_json_hex(&id[1]));
}

static void
a_plan_of_something_else_is_not_taken(void **state)
{
	(void)state;
	json_t *one = source("a"), *two = source("b"), *three = source("c");
	struct ai_plan_source s[2] = { { "i", one }, { "j", two } }, other[2] = { { "i", one }, { "j", three } }, turned[2] = { { "j", two }, { "i", one } };
	struct ai_plan_in in = some(s), now = in;
	json_t *plan = plan_of(&in);
	assert_true(ai_plan_is_of(plan, &in));
	now.sources = turned;
	assert_true(ai_plan_is_of(plan, &now));
	now.sources = other;
	assert_false(ai_plan_is_of(plan, &now));
	now = in;
	now.n_sources = 1;
	assert_false(ai_plan_is_of(plan, &now));
	now = in;
	now.aicertfile_len--;
	assert_false(ai_plan_is_of(plan, &now));
	now = in;
	now.lock_len--;
	assert_false(ai_plan_is_of(plan, &now));
	json_object_set_new(plan, "kind", json_string("run"));
	assert_false(ai_plan_is_of(plan, &in));
	json_decref(plan);
	json_decref(one);
	json_decref(two);
	json_decref(three);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_ingredient_changes_the_key),
		cmocka_unit_test(parts_do_not_run_together),
		cmocka_unit_test(a_plan_of_something_else_is_not_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

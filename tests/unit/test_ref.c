/* test_ref.c -- typed references.  SPDX-License-Identifier: Apache-2.0 */
#include "model/ref.h"
#include "unit.h"

#define ID "1111111111111111111111111111111111111111111111111111111111111111"

static void
get(void **state)
{
	struct ai_ref r = { 0 };
	AI_JSON *blob = json_pack("{s:s, s:s}", "name", "m", "blob", ID), *tree = json_pack("{s:s}", "tree", ID);
	AI_JSON *both = json_pack("{s:s, s:s}", "blob", ID, "tree", ID), *none = json_object();
	AI_JSON *bad = json_pack("{s:s}", "blob", "11"), *typed = json_pack("{s:i}", "tree", 1);
	(void)state;
	ok(ai_ref_get(blob, &r, &err));
	assert_int_equal(r.type, AI_REF_BLOB);
	assert_int_equal(r.id.b[31], 0x11);
	ok(ai_ref_get(tree, &r, &err));
	assert_int_equal(r.type, AI_REF_TREE);
	const struct ai_ref before = r;
	refused(AI_EINPUT, "got both", ai_ref_get(both, &r, &err));
	refused(AI_EINPUT, "got neither", ai_ref_get(none, &r, &err));
	refused(AI_EINPUT, "64 lower-case hex", ai_ref_get(bad, &r, &err));
	refused(AI_EINPUT, "64 lower-case hex", ai_ref_get(typed, &r, &err));
	assert_memory_equal(&before, &r, sizeof r);
}

static void
set_and_compare(void **state)
{
	AI_JSON *o = json_object();
	struct ai_ref a = { .type = AI_REF_TREE }, b;
	(void)state;
	ok(ai_ref_set(o, &a, &err));
	ok(ai_ref_get(o, &b, &err));
	assert_true(ai_ref_eq(&a, &b));
	b.type = AI_REF_BLOB;
	assert_false(ai_ref_eq(&a, &b));
	b.type = AI_REF_TREE;
	b.id.b[7] = 1;
	assert_false(ai_ref_eq(&a, &b));
	assert_string_equal(ai_ref_word(AI_REF_BLOB), "blob");
	assert_string_equal(ai_ref_word(AI_REF_TREE), "tree");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(get), cmocka_unit_test(set_and_compare) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_names.c -- the index of names: every name is found again, and no other.  SPDX-License-Identifier: Apache-2.0 */
#include "base/names.h"
#include "unit.h"

enum { MANY = 5000 };

static void
each_is_found(void **state)
{
	(void)state;
	static char names[MANY][16];
	struct ai_names t = { 0 };
	struct ai_err err = { 0 };
	size_t v;
	assert_false(ai_names_find(&t, "", 0, &v));
	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof names[i], "step-%zu", i);
		assert_int_equal(ai_names_put(&t, names[i], strlen(names[i]), i, &err), 1);
	}
	for (size_t i = 0; i < MANY; i++) {
		char copy[16];
		snprintf(copy, sizeof copy, "step-%zu", i);
		assert_true(ai_names_find(&t, copy, strlen(copy), &v));
		assert_int_equal(v, i);
	}
	assert_false(ai_names_find(&t, "step-", 5, NULL));
	assert_false(ai_names_find(&t, "step-50000", 10, NULL));
	assert_int_equal(t.n, MANY);
	ai_names_done(&t);
	assert_int_equal(t.n, 0);
}

/* The first value stays; a name is its bytes, of the length that is said. */
static void
bytes_are_names(void **state)
{
	(void)state;
	struct ai_names t = { 0 };
	struct ai_err err = { 0 };
	size_t v = 7;
	assert_int_equal(ai_names_put(&t, "ab\0c", 4, 1, &err), 1);
	assert_int_equal(ai_names_put(&t, "ab\0d", 4, 2, &err), 1);
	assert_int_equal(ai_names_put(&t, "ab", 2, 3, &err), 1);
	assert_int_equal(ai_names_put(&t, "", 0, 4, &err), 1);
	assert_int_equal(ai_names_put(&t, "abxx", 2, 9, &err), 0);
	assert_true(ai_names_find(&t, "abc", 2, &v));
	assert_int_equal(v, 3);
	assert_true(ai_names_find(&t, "ab\0d", 4, &v));
	assert_int_equal(v, 2);
	assert_true(ai_names_find(&t, "zz", 0, &v));
	assert_int_equal(v, 4);
	assert_false(ai_names_find(&t, "ab\0", 3, &v));
	assert_int_equal(v, 4);
	ai_names_done(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_is_found), cmocka_unit_test(bytes_are_names) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}

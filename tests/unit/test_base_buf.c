/* test_base_buf.c -- buffers with a ceiling, arrays that grow, errors.  SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>

static void
test_holds_what_was_put(void **state)
{
	(void)state;
	AI_BUF_AUTO b = AI_BUF(1 << 20);
	ai_buf_puts(&b, "one");
	ai_buf_putc(&b, ' ');
	ai_buf_put(&b, "two\0three", 9);
	ai_buf_printf(&b, " %d-%s", 4, "five");
	ok(ai_buf_ok(&b, "b", &err));
	assert_int_equal(b.len, 20);
	assert_memory_equal(b.data, "one two\0three 4-five", 21);
	for (int i = 0; i < 100000; i++)
		ai_buf_putc(&b, 'x');
	assert_int_equal(b.len, 100020);
	ai_buf_clear(&b);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
}

static void
test_the_ceiling_holds_to_the_byte(void **state)
{
	(void)state;
	AI_BUF_AUTO b = AI_BUF(8);
	ai_buf_put(&b, "12345678", 8);
	ok(ai_buf_ok(&b, "b", &err));
	ai_buf_putc(&b, '9');
	refused(AI_EINPUT, "thing: too large: got more than 8 bytes", ai_buf_ok(&b, "thing", &err));
	assert_int_equal(b.len, 8);
	assert_null(ai_buf_take(&b));
}

static void
test_failure_sticks(void **state)
{
	(void)state;
	AI_BUF_AUTO b = AI_BUF(4);
	ai_buf_puts(&b, "too long");
	ai_buf_puts(&b, "ok");
	assert_int_equal(b.len, 0);
	ai_buf_clear(&b);
	refused(AI_EINPUT, "too large", ai_buf_ok(&b, "b", &err));
	AI_BUF_AUTO c = AI_BUF(4);
	ai_buf_printf(&c, "%s", "12345");
	refused(AI_EINPUT, "too large", ai_buf_ok(&c, "c", &err));
	AI_BUF_AUTO d = AI_BUF(SIZE_MAX);
	ai_buf_putc(&d, 'x');
	ai_buf_put(&d, "", SIZE_MAX);
	assert_true(ai_buf_ok(&d, "d", &(struct ai_err){ 0 }) < 0);
}

static void
test_take_gives_text_even_when_empty(void **state)
{
	(void)state;
	struct ai_buf b = AI_BUF(10);
	char *p = ai_buf_take(&b);
	assert_string_equal(p, "");
	free(p);
	assert_null(b.data);
	ai_buf_puts(&b, "again");
	p = ai_buf_take(&b);
	assert_string_equal(p, "again");
	free(p);
}

static void
test_grow(void **state)
{
	(void)state;
	uint64_t *a = NULL;
	size_t cap = 0;
	for (size_t i = 0; i < 1000; i++) {
		ok(ai_grow(&a, &cap, i, sizeof *a, &err));
		a[i] = i;
	}
	assert_int_equal(a[999], 999);
	uint64_t *was = a;
	size_t was_cap = cap;
	refused(AI_EENV, "memory", ai_grow(&a, &cap, SIZE_MAX - 1, sizeof *a, &err));
	refused(AI_EENV, "memory", ai_grow(&a, &cap, SIZE_MAX / 4, sizeof *a, &err));
	assert_ptr_equal(a, was);
	assert_int_equal(cap, was_cap);
	free(a);
}

static void
test_strings(void **state)
{
	(void)state;
	AI_FREE char *a = ai_strdup(""), *b = ai_strndup("abcdef", 3), *c = ai_format("%s-%03d", "x", 7);
	assert_string_equal(a, "");
	assert_string_equal(b, "abc");
	assert_string_equal(c, "x-007");
	AI_FREE char *zeroed = ai_calloc(0, 8);
	assert_non_null(zeroed);
}

static void
test_error_texts(void **state)
{
	(void)state;
	struct ai_err err = { 0 };
	assert_int_equal(ai_fail(&err, AI_EINPUT, "got '%s'", "a\033[31m\x7f" "b"), AI_EINPUT);
	assert_string_equal(err.text, "got 'a?[31m?b'");
	ai_hint(&err, "first");
	ai_hint(&err, "second");
	assert_string_equal(err.hint, "first");
	assert_int_equal(ai_in(&err, "%s:%d", "file", 3), AI_EINPUT);
	assert_string_equal(err.text, "file:3: got 'a?[31m?b'");
	ai_fail(&err, AI_ENO, "fresh");
	assert_string_equal(err.hint, "");
	errno = ENOSPC;
	assert_int_equal(ai_fail_errno(&err, AI_EINPUT, "disk"), AI_EENV);
	assert_non_null(strstr(err.text, "disk: No space"));
	assert_true(err.hint[0] != '\0');
	errno = EACCES;
	assert_int_equal(ai_fail_errno(&err, AI_EINPUT, "file"), AI_EINPUT);
}

/* U+009B is a control sequence introducer to a terminal, as good as ESC [. */
static void
test_no_c1_control_reaches_a_terminal(void **state)
{
	(void)state;
	struct ai_err err = { 0 };
	ai_fail(&err, AI_EINPUT, "caf\xc3\xa9 \xc2\x9b" "31m \xc2\xa0 \x9b" "31m");
	assert_null(strstr(err.text, "\xc2\x9b"));
	assert_null(strstr(err.text, " \x9b"));
	assert_non_null(strstr(err.text, "caf\xc3\xa9"));
	assert_non_null(strstr(err.text, "\xc2\xa0"));
}

static void
test_long_errors_are_cut_not_lost(void **state)
{
	(void)state;
	struct ai_err err = { 0 };
	char big[5000];
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	ai_fail(&err, AI_EINPUT, "%s", big);
	ai_in(&err, "%s", big);
	ai_hint(&err, "%s", big);
	errno = EIO;
	ai_fail_errno(&err, AI_EINPUT, "%s", big);
	assert_int_equal(strlen(err.text), sizeof err.text - 1);
	/* A cut inside a character leaves no half of it. */
	for (size_t i = 0; i + 1 < sizeof big; i += 2) {
		big[i] = (char)0xc3;
		big[i + 1] = (char)0xa9;
	}
	big[sizeof big - 1] = '\0';
	ai_fail(&err, AI_EINPUT, "%s", big);
	assert_true((unsigned char)err.text[strlen(err.text) - 1] != 0xc3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_holds_what_was_put),
		cmocka_unit_test(test_the_ceiling_holds_to_the_byte),
		cmocka_unit_test(test_failure_sticks),
		cmocka_unit_test(test_take_gives_text_even_when_empty),
		cmocka_unit_test(test_grow),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_error_texts),
		cmocka_unit_test(test_no_c1_control_reaches_a_terminal),
		cmocka_unit_test(test_long_errors_are_cut_not_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

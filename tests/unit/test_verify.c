/*
 * test_verify.c -- no edit of a proof verifies.
 *
 * Every byte is flipped in turn, and every field, node, blob and event of the JSON is
 * dropped, doubled, renamed, swapped, added to and changed. None of it verifies.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <time.h>

#include "fake_proof.h"

static struct fake f;
static json_t *proof;
static size_t n_tried;

static int
setup(void **state)
{
	(void)state;
	fake_init(&f);
	proof = fake_make(&f);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	json_decref(proof);
	fake_done(&f);
	return 0;
}

static bool
verifies(const char *text, size_t n)
{
	struct ai_err err = { 0 };
	AI_JSON *report = NULL;
	const char *keys[] = { f.key };
	struct ai_verify_options o = { .require = AI_LEVEL_SOFTWARE, .keys = keys, .n_keys = 1 };
	int r = ai_verify(text, n, "proof.json", &o, &report, &err);
	n_tried++;
	if (r == 0 && err.code)
		fail_msg("verified, with error '%s'", err.text);
	if (r < 0 && !err.text[0])
		fail_msg("failed without a text");
	return r == 0;
}

static void
every_byte(void **state)
{
	static const unsigned char masks[] = { 0x01, 0x20 };
	(void)state;
	AI_FREE char *text = json_dumps(proof, JSON_INDENT(1));
	size_t n = strlen(text);
	assert_true(verifies(text, n));
	for (size_t i = 0; i < n * 2; i++) {
		char was = text[i / 2];
		text[i / 2] = (char)(was ^ (char)masks[i % 2]);
		if (verifies(text, n))
			fail_msg("byte %zu as '%c' verifies: %.60s", i / 2, text[i / 2], text + (i / 2 > 30 ? i / 2 - 30 : 0));
		text[i / 2] = was;
	}
}

/* A prefix is no proof, and neither is a proof with something after it. */
static void
every_length(void **state)
{
	(void)state;
	AI_FREE char *text = json_dumps(proof, JSON_COMPACT);
	size_t n = strlen(text);
	for (size_t i = 0; i < n; i += 1 + i / 100)
		if (verifies(text, i))
			fail_msg("the first %zu bytes verify", i);
	AI_FREE char *more = ai_format("%s{}", text);
	assert_false(verifies(more, n + 2));
	assert_false(verifies(more, n + 1));
	more[n] = ' ';
	assert_true(verifies(more, n + 1));
}

/* The whole proof, edited somewhere, must not verify. */
static void
try_edited(const char *what, const char *where)
{
	AI_FREE char *text = json_dumps(proof, JSON_COMPACT);
	if (verifies(text, strlen(text)))
		fail_msg("%s at '%s' verifies", what, where);
}

/* Edits the value under (object, key) or (array, i) in the proof itself, tries, and puts it back. */
static void
try_values(json_t *holder, const char *key, size_t i, const char *where)
{
	json_t *was = json_incref(key ? json_object_get(holder, key) : json_array_get(holder, i));
	json_t *others[] = { json_string(""), json_string("0"), json_integer(2), json_false(), json_array(), json_object(), json_pack("[{}]"),
		json_string("1111111111111111111111111111111111111111111111111111111111111111") };
	for (size_t k = 0; k < sizeof others / sizeof *others; k++) {
		if (!json_equal(was, others[k])) {
			if (key)
				json_object_set(holder, key, others[k]);
			else
				json_array_set(holder, i, others[k]);
			try_edited("another value", where);
		}
		json_decref(others[k]);
	}
	if (key)
		json_object_set_new(holder, key, was);
	else
		json_array_set_new(holder, i, was);
}

static void every_part(json_t *j, const char *where);

static void
every_field(json_t *object, const char *where)
{
	size_t n = 0;
	const char *key;
	json_t *value, *before = NULL;
	AI_FREE char *before_key = NULL;
	AI_FREE char **keys = ai_calloc(json_object_size(object) + 1, sizeof *keys);
	json_object_foreach(object, key, value)
		keys[n++] = ai_strdup(key);
	json_object_set_new(object, "more", json_string("x"));
	try_edited("one more field", where);
	json_object_del(object, "more");
	for (size_t i = 0; i < n; i++) {
		AI_FREE char *at = ai_format("%s.%s", where, keys[i]);
		value = json_incref(json_object_get(object, keys[i]));
		json_object_del(object, keys[i]);
		try_edited("dropped", at);
		AI_FREE char *renamed = ai_format("%s_", keys[i]);
		json_object_set(object, renamed, value);
		try_edited("renamed", at);
		json_object_set(object, keys[i], value);
		try_edited("doubled under another name", at);
		json_object_del(object, renamed);
		try_values(object, keys[i], 0, at);
		if (before && !json_equal(before, value)) {
			json_object_set(object, keys[i], before);
			json_object_set(object, before_key, value);
			try_edited("swapped", at);
			json_object_set(object, keys[i], value);
			json_object_set(object, before_key, before);
		}
		every_part(value, at);
		json_decref(before);
		free(before_key);
		before = json_incref(value);
		before_key = ai_strdup(keys[i]);
		json_decref(value);
		free(keys[i]);
	}
	json_decref(before);
}

static void
every_item(json_t *array, const char *where)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		AI_FREE char *at = ai_format("%s[%zu]", where, i);
		json_t *value = json_incref(json_array_get(array, i));
		json_array_remove(array, i);
		try_edited("dropped", at);
		json_array_insert(array, i, value);
		json_array_insert_new(array, i, json_deep_copy(value));
		try_edited("doubled", at);
		json_array_remove(array, i);
		try_values(array, NULL, i, at);
		if (i + 1 < json_array_size(array) && !json_equal(value, json_array_get(array, i + 1))) {
			json_array_remove(array, i);
			json_array_insert(array, i + 1, value);
			try_edited("swapped", at);
			json_array_remove(array, i + 1);
			json_array_insert(array, i, value);
		}
		every_part(value, at);
		json_decref(value);
	}
	json_array_append_new(array, json_string("x"));
	try_edited("one more item", where);
	json_array_remove(array, json_array_size(array) - 1);
}

static void
every_part(json_t *j, const char *where)
{
	if (json_is_object(j))
		every_field(j, where);
	else if (json_is_array(j))
		every_item(j, where);
}

static void
every_edit(void **state)
{
	(void)state;
	AI_JSON *was = json_deep_copy(proof);
	n_tried = 0;
	every_part(proof, "");
	/* The edits were all taken back, so what was tried was one edit each. */
	assert_true(json_equal(was, proof));
	assert_true(n_tried > 1000);
	AI_FREE char *text = json_dumps(proof, JSON_COMPACT);
	assert_true(verifies(text, strlen(text)));
}

/* A pipeline of many steps must not cost the square of its length. */
static void
small_is_quick(void **state)
{
	(void)state;
	struct timespec a, b;
	AI_FREE char *text = json_dumps(proof, JSON_COMPACT);
	size_t n = strlen(text);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 20; i++)
		assert_true(verifies(text, n));
	clock_gettime(CLOCK_MONOTONIC, &b);
	double ms = ((double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6) / 20;
	print_message("%zu bytes verified in %.2f ms\n", n, ms);
	assert_true(ms < 200); /* generous: sanitizers and loaded machines run this too */
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = { T(every_length), T(every_edit), T(every_byte), T(small_is_quick) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_lock.c -- the pins: read strictly, written the same by everybody.  SPDX-License-Identifier: Apache-2.0 */
#include "model/lock.h"
#include "model/manifest.h"
#include "unit.h"

#define COMMIT "036f1e8a41a9b9bb5c0e7d6b2fd8f3a0f4f0c1d2"
#define SHA "f118858b606851b588ca986240b95eaf90a3e70a370b4a11b84785faef50425a"

static int
parse(const char *text, json_t **out, struct ai_err *err)
{
	return ai_lock_parse(text, strlen(text), out, err);
}

#define bad(words, text) do { json_t *j = (json_t *)0xaa; refused(AI_EINPUT, words, parse(text, &j, &err)); \
	assert_ptr_equal(j, (json_t *)0xaa); } while (0)
#define LOCK(pin) "{\"format\": 1, \"inputs\": {\"x\": " pin "}}"

static void
round_trip(void **state)
{
	(void)state;
	static const char want[] = "{\n  \"format\": 1,\n  \"inputs\": {\n    \"a\": {\n      \"sha256\": \"" SHA "\",\n      \"size\": 9,\n"
		"      \"type\": \"url\",\n      \"uri\": \"https://e.org/a\"\n    },\n    \"b\": {\n      \"ref\": \"main\",\n      \"revision\": \"" COMMIT
		"\",\n      \"type\": \"git\",\n      \"uri\": \"https://e.org/b\"\n    }\n  }\n}\n";
	json_t *lock = NULL;
	AI_BUF_AUTO b = AI_BUF(AI_MAX_LOCK);
	ok(ai_lock_parse(NULL, 0, &lock, &err));
	json_t *git = json_pack("{s:s,s:s,s:s,s:s}", "uri", "https://e.org/b", "type", "git", "revision", COMMIT, "ref", "main");
	json_t *url = json_pack("{s:i,s:s,s:s,s:s}", "size", 9, "uri", "https://e.org/a", "type", "url", "sha256", SHA);
	ok(ai_lock_set(lock, "b", git, &err));
	ok(ai_lock_set(lock, "a", url, &err));
	ok(ai_lock_format(lock, &b, &err));
	assert_string_equal(b.data, want);
	json_decref(lock);
	ok(parse(b.data, &lock, &err));
	ai_buf_clear(&b);
	ok(ai_lock_format(lock, &b, &err));
	assert_string_equal(b.data, want);
	json_object_set_new(git, "revision", json_string("main"));
	refused(AI_EINPUT, "'revision'", ai_lock_set(lock, "c", git, &err));
	json_decref(git);
	json_decref(url);
	json_decref(lock);
}

static void
malformed(void **state)
{
	(void)state;
	bad("not JSON", "");
	bad("not JSON", "{");
	bad("format", "[]");
	bad("format", "{\"inputs\": {}}");
	bad("written by a newer aicert", "{\"format\": 2, \"inputs\": {}}");
	bad("'inputs'", "{\"format\": 1}");
	bad("'inputs'", "{\"format\": 1, \"inputs\": []}");
	bad("unknown field 'more'", "{\"format\": 1, \"inputs\": {}, \"more\": 1}");
	bad("duplicate", "{\"format\": 1, \"inputs\": {}, \"inputs\": {}}");
	bad("type", LOCK("{}"));
	bad("type", LOCK("7"));
	bad("got 'svn'", LOCK("{\"type\": \"svn\", \"uri\": \"x\"}"));
	bad("'uri'", LOCK("{\"type\": \"git\", \"revision\": \"" COMMIT "\"}"));
	bad("holds a secret", LOCK("{\"type\": \"git\", \"uri\": \"https://u:p@e.org/r\", \"revision\": \"" COMMIT "\"}"));
	bad("'revision'", LOCK("{\"type\": \"git\", \"uri\": \"https://e.org/r\", \"revision\": \"main\"}"));
	bad("unknown field 'sha256'", LOCK("{\"type\": \"git\", \"uri\": \"https://e.org/r\", \"sha256\": \"x\", \"revision\": \"" COMMIT "\"}"));
	bad("'ref'", LOCK("{\"type\": \"git\", \"uri\": \"https://e.org/r\", \"ref\": 1, \"revision\": \"" COMMIT "\"}"));
	bad("'sha256'", LOCK("{\"type\": \"url\", \"uri\": \"https://e.org/r\", \"sha256\": \"F118\", \"size\": 1}"));
	bad("'size'", LOCK("{\"type\": \"url\", \"uri\": \"https://e.org/r\", \"sha256\": \"" SHA "\", \"size\": -1}"));
	bad("'size'", LOCK("{\"type\": \"url\", \"uri\": \"https://e.org/r\", \"sha256\": \"" SHA "\"}"));
}

static void
pins_belong_to_what_was_written(void **state)
{
	(void)state;
	json_t *lock = NULL;
	ok(parse(LOCK("{\"type\": \"git\", \"uri\": \"https://e.org/r\", \"ref\": \"main\", \"revision\": \"" COMMIT "\"}"), &lock, &err));
	struct ai_input in = { .name = (char *)"x", .type = AI_INPUT_GIT, .where = (char *)"https://user:secret@e.org/r", .ref = (char *)"main" };
	assert_non_null(ai_lock_pin(lock, &in)); /* the secret is no part of what is pinned */
	in.ref = (char *)"dev";
	assert_null(ai_lock_pin(lock, &in));
	in.ref = NULL;
	assert_null(ai_lock_pin(lock, &in));
	in.ref = (char *)"main";
	in.where = (char *)"https://e.org/other";
	assert_null(ai_lock_pin(lock, &in));
	in.where = (char *)"https://e.org/r";
	in.type = AI_INPUT_URL;
	assert_null(ai_lock_pin(lock, &in));
	in.type = AI_INPUT_GIT;
	in.name = (char *)"y";
	assert_null(ai_lock_pin(lock, &in));
	json_decref(lock);
}

static void
what_may_be_written_of_a_place(void **state)
{
	(void)state;
	static const struct { ai_input_type type; const char *where, *uri; } cases[] = {
		{ AI_INPUT_GIT, "https://tok:x@e.org/r.git", "https://e.org/r.git" },
		{ AI_INPUT_GIT, "git@e.org:me/r.git", "git@e.org:me/r.git" },
		{ AI_INPUT_GIT, "file:///home/me/r", "local" },
		{ AI_INPUT_GIT, "FILE:///home/me/r", "local" },
		{ AI_INPUT_GIT, "/home/me/r", "local" },
		{ AI_INPUT_GIT, "../r", "local" },
		{ AI_INPUT_GIT, "vendor/r", "vendor/r" },
		{ AI_INPUT_URL, "https://e.org/f?X-Amz-Signature=abc", "https://e.org/f" },
		{ AI_INPUT_URL, "https://e.org/f?rev=2", "https://e.org/f?rev=2" },
		{ AI_INPUT_PATH, "/data/x", "local" },
		{ AI_INPUT_PATH, "~/x", "local" },
		{ AI_INPUT_PATH, "a/../../x", "local" },
		{ AI_INPUT_PATH, "a/../x", "a/../x" },
		{ AI_INPUT_PATH, "data", "data" },
		{ AI_INPUT_PATH, "odd:name", "odd:name" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct ai_input in = { .type = cases[i].type, .where = (char *)(uintptr_t)cases[i].where };
		char *uri = ai_source_uri(&in);
		assert_string_equal(uri, cases[i].uri);
		free(uri);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip), cmocka_unit_test(malformed), cmocka_unit_test(pins_belong_to_what_was_written),
		cmocka_unit_test(what_may_be_written_of_a_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

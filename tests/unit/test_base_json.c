/* test_base_json.c -- strict JSON and its canonical bytes.  SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>

#include "base/fs.h"
#include "base/json.h"

static void
assert_canon(const char *text, const char *want)
{
	AI_JSON *j = NULL;
	AI_BUF_AUTO b = AI_BUF(1 << 20);
	ok(ai_json_parse(text, strlen(text), "t", &j, &err));
	ok(ai_canon(j, &b, &err));
	assert_string_equal(b.data, want);
}

static void
test_canonical_bytes(void **state)
{
	(void)state;
	assert_canon(" { \"b\" : [ 1 , true , false ] , \"a\" : { } } ", "{\"a\":{},\"b\":[1,true,false]}");
	assert_canon("[-9007199254740991,9007199254740991,0]", "[-9007199254740991,9007199254740991,0]");
	assert_canon("\"\\u0041\\u00e9\\/\\ud83d\\ude00\"", "\"A\xc3\xa9/\xf0\x9f\x98\x80\"");
	assert_canon("\"\\u0001\\u001f\\b\\t\\n\\f\\r\\\"\\\\\"", "\"\\u0001\\u001f\\b\\t\\n\\f\\r\\\"\\\\\"");
	assert_canon("[\"-0 \\\"-0\"]", "[\"-0 \\\"-0\"]");
	assert_canon("\"\xe2\x80\xa8 <&>\"", "\"\xe2\x80\xa8 <&>\"");
	assert_canon("{\"a\":1,\"B\":2,\"aa\":3,\"_\":4,\"1\":5,\"\":6}", "{\"\":6,\"1\":5,\"B\":2,\"_\":4,\"a\":1,\"aa\":3}");
}

static void
test_many_keys_are_sorted(void **state)
{
	(void)state;
	AI_JSON *j = json_object();
	AI_BUF_AUTO want = AI_BUF(1 << 16);
	AI_BUF_AUTO b = AI_BUF(1 << 16);
	for (int i = 99; i >= 0; i--) {
		char key[16];
		snprintf(key, sizeof key, "k%02u", (unsigned)i % 100u);
		json_object_set_new(j, key, json_integer(i));
	}
	for (int i = 0; i < 100; i++)
		ai_buf_printf(&want, "%s\"k%02d\":%d", i ? "," : "{", i, i);
	ai_buf_putc(&want, '}');
	ok(ai_canon(j, &b, &err));
	assert_string_equal(b.data, want.data);
}

static void
assert_refused(const char *text, size_t n, const char *words)
{
	json_t *j = (json_t *)0xaa;
	struct ai_err err = { 0 };
	int r = ai_json_parse(text, n, "t.json", &j, &err);
	if (r != AI_EINPUT || !strstr(err.text, words) || !strstr(err.text, "t.json"))
		fail_msg("'%s': got %d '%s', expected %d '%s'", text, r, err.text, AI_EINPUT, words);
	assert_ptr_equal(j, (json_t *)0xaa);
}

static void
test_refuses_what_is_outside_the_subset(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{ "", "not JSON" }, { " ", "not JSON" }, { "{", "not JSON" }, { "{}x", "not JSON" }, { "{} {}", "not JSON" }, { "[1,]", "not JSON" }, { "{\"a\":1,}", "not JSON" },
		{ "nul", "not JSON" }, { "'a'", "not JSON" }, { "{a:1}", "not JSON" }, { "// c\n1", "not JSON" }, { "\xef\xbb\xbf{}", "not JSON" },
		{ "{\"a\":1,\"a\":1}", "duplicate" }, { "{\"a\":1,\"\\u0061\":2}", "duplicate" }, { "[{\"a\":{\"b\":1,\"b\":2}}]", "duplicate" },
		{ "1.0", "not an integer" }, { "1e2", "not an integer" }, { "-0.0", "-0" }, { "-1.5", "not an integer" }, { "{\"a\":[\"-0\",-0]}", "-0" }, { "1E400", "not JSON" },
		{ "null", "null" }, { "[null]", "null" }, { "{\"a\":null}", "null" },
		{ "9007199254740992", "2^53" }, { "-9007199254740992", "2^53" }, { "99999999999999999999", "not JSON" },
		{ "01", "not JSON" }, { "+1", "not JSON" }, { "- 1", "not JSON" }, { "0x10", "not JSON" }, { "NaN", "not JSON" }, { "Infinity", "not JSON" },
		{ "\"\\u0000\"", "not JSON" }, { "\"\\ud800\"", "not JSON" }, { "\"\\udc00\\ud800\"", "not JSON" }, { "\"\\x41\"", "not JSON" },
		{ "\"\xff\"", "not JSON" }, { "\"\xc0\x80\"", "not JSON" }, { "\"\xed\xa0\x80\"", "not JSON" }, { "\"\xf4\x90\x80\x80\"", "not JSON" },
		{ "\"\x01\"", "not JSON" }, { "\"a\nb\"", "not JSON" },
		{ "\"\x7f\"", "U+007F" }, { "\"\\u007f\"", "U+007F" },
		{ "{\"\xc3\xa9\":1}", "printable ASCII" }, { "{\"\\n\":1}", "printable ASCII" }, { "{\"\\u007f\":1}", "printable ASCII" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_refused(cases[i][0], strlen(cases[i][0]), cases[i][1]);
	assert_refused("{}\0", 3, "not JSON");
	assert_refused("\"a\0b\"", 5, "not JSON");
	assert_refused("-0", 2, "-0");
}

static void
test_depth_is_bounded(void **state)
{
	(void)state;
	for (size_t n = 60; n < 70; n++) {
		char text[200] = { 0 };
		memset(text, '[', n);
		memset(text + n, ']', n);
		AI_JSON *j = NULL;
		struct ai_err err = { 0 };
		int r = ai_json_parse(text, 2 * n, "t", &j, &err);
		/* n brackets: the innermost array is at depth n-1, and 64 is the deepest. */
		assert_int_equal(r < 0, n - 1 > 64);
	}
	size_t n = 1 << 20;
	char *deep = malloc(n);
	assert_non_null(deep);
	memset(deep, '[', n);
	json_t *none = NULL;
	refused(AI_EINPUT, "t", ai_json_parse(deep, n, "t", &none, &err));
	for (size_t i = 0; i + 5 < n; i += 5)
		memcpy(deep + i, "{\"a\":", 5);
	refused(AI_EINPUT, "t", ai_json_parse(deep, n, "t", &none, &err));
	free(deep);
}

static void
test_canon_of_built_values_is_checked_too(void **state)
{
	(void)state;
	AI_BUF_AUTO b = AI_BUF(1 << 10);
	AI_JSON *real = json_pack("{s:f}", "x", 1.5);
	AI_JSON *null = json_pack("[n]");
	AI_JSON *big = json_integer(9007199254740992);
	AI_JSON *nul = json_stringn("a\0b", 3);
	refused(AI_EINPUT, "integer", ai_canon(real, &b, &err));
	refused(AI_EINPUT, "null", ai_canon(null, &b, &err));
	refused(AI_EINPUT, "2^53", ai_canon(big, &b, &err));
	refused(AI_EINPUT, "NUL", ai_canon(nul, &b, &err));
	refused(AI_EENV, "memory", ai_canon(NULL, &b, &err));
	assert_int_equal(b.len, 0);
}

static void
test_id_by_hand(void **state)
{
	(void)state;
	/* printf '{"entries":[],"kind":"tree"}' | sha256sum */
	AI_JSON *j = json_pack("{s:s, s:[]}", "kind", "tree", "entries");
	struct ai_digest d;
	ok(ai_json_id(j, &d, &err));
	char hex[AI_HEX];
	ai_hex(&d, hex);
	assert_string_equal(hex, "e99e2daeea0e0f16c0f30cdc9e972496517dd0f600ea633080acaaed03bd4beb");
}

static void
test_fields(void **state)
{
	(void)state;
	const char *text = "{\"s\":\"x\",\"a\":[1],\"o\":{},\"n\":1,\"d\":\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}";
	AI_JSON *j = NULL;
	ok(ai_json_parse(text, strlen(text), "t", &j, &err));
	struct ai_digest d;
	assert_string_equal(ai_json_str(j, "s"), "x");
	assert_null(ai_json_str(j, "n"));
	assert_null(ai_json_str(j, "none"));
	assert_null(ai_json_str(json_object_get(j, "a"), "s"));
	assert_null(ai_json_str(NULL, "s"));
	assert_non_null(ai_json_arr(j, "a"));
	assert_null(ai_json_arr(j, "o"));
	assert_non_null(ai_json_obj(j, "o"));
	assert_null(ai_json_obj(j, "a"));
	assert_true(ai_json_digest(j, "d", &d));
	assert_false(ai_json_digest(j, "s", &d));
	AI_JSON *hex = ai_json_hex(&d);
	assert_string_equal(json_string_value(hex), ai_json_str(j, "d"));
}

static void
test_pretty_reads_back(void **state)
{
	(void)state;
	const char *text = "{\"z\":[1,{\"e\":\"\xc3\xa9\\u0001\"}],\"a\":true}";
	AI_JSON *j = NULL, *again = NULL;
	AI_BUF_AUTO b = AI_BUF(1 << 10);
	ok(ai_json_parse(text, strlen(text), "t", &j, &err));
	ok(ai_json_pretty(j, &b, &err));
	assert_true(b.data[b.len - 1] == '\n');
	assert_true(strstr(b.data, "\"z\"") < strstr(b.data, "\"a\""));
	ok(ai_json_parse(b.data, b.len, "t", &again, &err));
	assert_true(json_equal(j, again));
}

static void
test_golden_nodes_give_their_ids(void **state)
{
	(void)state;
	if (!shared_dir())
		skip();
	AI_FREE char *path = ai_format("%s/golden/golden.json", shared_dir());
	AI_BUF_AUTO b = AI_BUF(AI_MAX_PROOF);
	AI_JSON *golden = NULL;
	ok(ai_read_file(AT_FDCWD, path, &b, &err));
	ok(ai_json_parse(b.data, b.len, path, &golden, &err));
	const char *name;
	json_t *entry;
	size_t n = 0;
	json_object_foreach(ai_json_obj(golden, "nodes"), name, entry) {
		struct ai_digest d;
		char hex[AI_HEX];
		AI_BUF_AUTO canon = AI_BUF(AI_MAX_NODE);
		ok(ai_canon(ai_json_obj(entry, "node"), &canon, &err));
		assert_string_equal(canon.data, ai_json_str(entry, "canonical"));
		ok(ai_json_id(ai_json_obj(entry, "node"), &d, &err));
		ai_hex(&d, hex);
		assert_string_equal(hex, ai_json_str(entry, "id"));
		n++;
	}
	assert_true(n > 5);
	json_object_foreach(ai_json_obj(golden, "blobs"), name, entry) {
		struct ai_digest d;
		char hex[AI_HEX];
		ai_sha256(json_string_value(entry), json_string_length(entry), &d);
		ai_hex(&d, hex);
		assert_string_equal(hex, name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical_bytes),
		cmocka_unit_test(test_many_keys_are_sorted),
		cmocka_unit_test(test_refuses_what_is_outside_the_subset),
		cmocka_unit_test(test_depth_is_bounded),
		cmocka_unit_test(test_canon_of_built_values_is_checked_too),
		cmocka_unit_test(test_id_by_hand),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_pretty_reads_back),
		cmocka_unit_test(test_golden_nodes_give_their_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

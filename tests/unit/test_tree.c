/* test_tree.c -- the bytes of a folder, there and back.  SPDX-License-Identifier: Apache-2.0 */
#include "model/tree.h"
#include "unit.h"

#define ID "0000000000000000000000000000000000000000000000000000000000000000"

static void
there_and_back(void **state)
{
	(void)state;
	struct ai_entry e[] = {
		{ .name = (char *)"\xc3\xa9t\xc3\xa9", .type = AI_ENTRY_LINK, .target = (char *)"../a \"b\"\\c" },
		{ .name = (char *)"b", .type = AI_ENTRY_DIR }, { .name = (char *)"a\"\\", .type = AI_ENTRY_EXEC }, { .name = (char *)"a.b", .type = AI_ENTRY_FILE },
	}, *back = NULL;
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	size_t n = 0;
	ok(ai_tree_bytes(e, 4, &b, &err));
	assert_string_equal(b.data, "{\"entries\":[{\"id\":\"" ID "\",\"name\":\"a\\\"\\\\\",\"type\":\"exec\"},{\"id\":\"" ID "\",\"name\":\"a.b\",\"type\":\"file\"},"
		"{\"id\":\"" ID "\",\"name\":\"b\",\"type\":\"dir\"},{\"name\":\"\xc3\xa9t\xc3\xa9\",\"target\":\"../a \\\"b\\\"\\\\c\",\"type\":\"link\"}],\"kind\":\"tree\"}");
	ok(ai_tree_parse(b.data, b.len, &back, &n, &err));
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(back[i].name, e[i].name);
		assert_int_equal(back[i].type, e[i].type);
	}
	assert_string_equal(back[3].target, e[3].target);
	/* The same as the canonical JSON of the same node. */
	AI_JSON *node = NULL;
	AI_BUF_AUTO canonical = AI_BUF(AI_MAX_NODE);
	ok(ai_json_parse(b.data, b.len, "tree", &node, &err));
	ok(ai_canon(node, &canonical, &err));
	assert_string_equal(canonical.data, b.data);
	ai_entries_free(back, n);
}

static void
empty(void **state)
{
	(void)state;
	struct ai_entry *back = NULL;
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	size_t n = 9;
	ok(ai_tree_bytes(NULL, 0, &b, &err));
	assert_string_equal(b.data, "{\"entries\":[],\"kind\":\"tree\"}");
	ok(ai_tree_parse(b.data, b.len, &back, &n, &err));
	assert_int_equal(n, 0);
	ai_entries_free(back, n);
}

static void
bad_entries(void **state)
{
	(void)state;
	static const char *const names[] = { "", ".", "..", "a/b", "a\nb", "a\x7f", "\xff", "\xed\xa0\x80" };
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct ai_entry e = { .name = (char *)names[i] };
		refused(AI_EINPUT, "name", ai_tree_bytes(&e, 1, &b, &err));
	}
	struct ai_entry twice[] = { { .name = (char *)"a" }, { .name = (char *)"b" }, { .name = (char *)"a", .type = AI_ENTRY_DIR } };
	refused(AI_EINPUT, "two entries are named 'a'", ai_tree_bytes(twice, 3, &b, &err));
	static const char *const targets[] = { NULL, "", "a\nb", "\xff" };
	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
		struct ai_entry e = { .name = (char *)"l", .type = AI_ENTRY_LINK, .target = (char *)targets[i] };
		refused(AI_EINPUT, "link 'l'", ai_tree_bytes(&e, 1, &b, &err));
	}
	assert_int_equal(b.len, 0);
}

static void
bad_bytes(void **state)
{
	(void)state;
	static const char *const bytes[] = {
		"", "{}", "{\"kind\":\"withheld\"}", "{\"entries\": [],\"kind\":\"tree\"}", "{\"kind\":\"tree\",\"entries\":[]}", "{\"entries\":[],\"kind\":\"tree\"}\n",
		"{\"entries\":[],\"kind\":\"tree\",\"kind\":\"tree\"}", "{\"entries\":[],\"extra\":1,\"kind\":\"tree\"}",
		"{\"entries\":[{\"id\":\"" ID "\",\"name\":\"b\",\"type\":\"file\"},{\"id\":\"" ID "\",\"name\":\"a\",\"type\":\"file\"}],\"kind\":\"tree\"}",
		"{\"entries\":[{\"id\":\"" ID "\",\"name\":\"\\u0061\",\"type\":\"file\"}],\"kind\":\"tree\"}",
		"{\"entries\":[{\"id\":\"" ID "\",\"name\":\"a\",\"type\":\"device\"}],\"kind\":\"tree\"}",
	};
	struct ai_entry *back = NULL;
	size_t n = 77;
	for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++)
		refused(AI_EINPUT, "", ai_tree_parse(bytes[i], strlen(bytes[i]), &back, &n, &err));
	assert_null(back);
	assert_int_equal(n, 77);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back), cmocka_unit_test(empty), cmocka_unit_test(bad_entries), cmocka_unit_test(bad_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

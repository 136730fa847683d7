/* test_golden.c -- the contract's own examples: canonical bytes, ids, the run log, and RFC 8785's vectors.  SPDX-License-Identifier: Apache-2.0 */
#include "attest/runlog.h"
#include "base/fs.h"
#include "base/json.h"
#include "model/node.h"
#include "unit.h"

#include <fcntl.h>

static json_t *golden;

static int
read_shared(const char *name, struct ai_buf *b)
{
	struct ai_err err = { 0 };
	AI_FREE char *path = ai_format("%s/%s", shared_dir() ? shared_dir() : "", name);
	return shared_dir() ? ai_read_file(AT_FDCWD, path, b, &err) : -1;
}

static int
setup(void **state)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
	(void)state;
	if (read_shared("golden/golden.json", &b) == 0)
		ok(ai_json_parse(b.data, b.len, "golden.json", &golden, &err));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	json_decref(golden);
	return 0;
}

/*
 * The example of `used` lists /usr/bin/python3.11 before /usr/bin/python3, against the rule that whatever has a path is
 * sorted by path bytes. The rule is what we hold: the example's id is right, and its shape is refused by name.
 */
static void
nodes(void **state)
{
	const char *name;
	json_t *g;
	(void)state;
	if (!golden)
		skip();
	assert_int_equal(json_object_size(json_object_get(golden, "nodes")), 15);
	json_object_foreach(json_object_get(golden, "nodes"), name, g) {
		const json_t *node = json_object_get(g, "node");
		AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
		struct ai_digest id;
		char hex[AI_HEX];
		ok(ai_canon(node, &b, &err));
		assert_string_equal(b.data, ai_json_str(g, "canonical"));
		ok(ai_json_id(node, &id, &err));
		ai_hex(&id, hex);
		assert_string_equal(hex, ai_json_str(g, "id"));
		if (strcmp(name, "used") == 0)
			refused(AI_EINPUT, "used node: files: '/usr/bin/python3' stands after '/usr/bin/python3.11'", ai_node_check(node, &err));
		else
			ok(ai_node_check(node, &err));
	}
}

static void
used_in_order(void **state)
{
	(void)state;
	if (!golden)
		skip();
	AI_JSON *used = json_deep_copy(json_object_get(json_object_get(json_object_get(golden, "nodes"), "used"), "node"));
	json_t *files = json_object_get(used, "files"), *second = json_incref(json_array_get(files, 1));
	json_array_remove(files, 1);
	json_array_insert_new(files, 0, second);
	ok(ai_node_check(used, &err));
	json_array_insert_new(files, 0, json_pack("{s:s, s:s}", "path", "/usr", "type", "dir"));
	ok(ai_node_check(used, &err));
}

static void
run_log(void **state)
{
	struct ai_digest plan, claims, pcr;
	char hex[AI_HEX];
	size_t n_opaque;
	json_t *results = NULL;
	(void)state;
	if (!golden)
		skip();
	const json_t *log = json_object_get(golden, "run_log");
	assert_true(ai_json_digest(json_array_get(log, 0), "id", &plan));
	assert_true(ai_unhex(ai_json_str(golden, "extraData"), &claims));
	ok(ai_runlog_check(log, &plan, &claims, &pcr, &results, &n_opaque, &err));
	ai_hex(&pcr, hex);
	assert_string_equal(hex, ai_json_str(golden, "pcr15"));
	json_decref(results);
}

/* Those of the vectors that lie in our subset give their bytes; the others (floats, null, other keys) are refused. */
static void
canonical_vectors(void **state)
{
	static const struct { const char *name; bool in; } v[] = {
		{ "unicode", true }, { "arrays", false }, { "french", false }, { "structures", false }, { "values", false }, { "weird", false } };
	(void)state;
	for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
		AI_BUF_AUTO in = AI_BUF(AI_MAX_TEXT);
		AI_BUF_AUTO want = AI_BUF(AI_MAX_TEXT);
		AI_BUF_AUTO canonical = AI_BUF(AI_MAX_TEXT);
		AI_FREE char *in_name = ai_format("schemas/cyberphone+json-canonicalization/testdata/input/%s.json", v[i].name);
		AI_FREE char *out_name = ai_format("schemas/cyberphone+json-canonicalization/testdata/output/%s.json", v[i].name);
		AI_JSON *j = NULL;
		if (read_shared(in_name, &in) < 0 || read_shared(out_name, &want) < 0)
			skip();
		if (!v[i].in) {
			refused(AI_EINPUT, "", ai_json_parse(in.data, in.len, v[i].name, &j, &err));
			continue;
		}
		ok(ai_json_parse(in.data, in.len, v[i].name, &j, &err));
		ok(ai_canon(j, &canonical, &err));
		assert_int_equal(canonical.len, want.len);
		assert_memory_equal(canonical.data, want.data, canonical.len);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes), cmocka_unit_test(used_in_order), cmocka_unit_test(run_log), cmocka_unit_test(canonical_vectors),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}

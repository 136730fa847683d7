/* test_lineage.c -- outputs of other runs as inputs: what the lock pins, what a plan takes for it, and proofs put beside each other.  SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "plan_help.h"
#include "proof/lineage.h"

#define ROOT "82f47d5737d84990141a116d894ded50c4284d85ac89666aa4b224496f5944a9"
#define OTHER "1111111111111111111111111111111111111111111111111111111111111111"

static json_t *
json_of(const char *text)
{
	json_t *j = NULL;
	AI_BUF_AUTO b = AI_BUF(AI_MAX_TEXT);
	for (const char *p = text; *p; p++)
		ai_buf_putc(&b, *p == '\'' ? '"' : *p);
	ok(ai_json_parse(b.data, b.len, "test", &j, &err));
	return j;
}

/* --- the lock ------------------------------------------------------------------ */

static int
parse(const char *pin, json_t **out, struct ai_err *err)
{
	char *text = ai_format("{'format': 1, 'inputs': {'x': %s}}", pin);
	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	int r = ai_lock_parse(text, strlen(text), out, err);
	free(text);
	return r;
}

static void
pins(void **state)
{
	(void)state;
	static const char *const bad[][2] = {
		{ "{'type':'proof','uri':'local','revision':'" ROOT "'}", "reference: got neither" },
		{ "{'type':'proof','uri':'local','revision':'" ROOT "','blob':'" BLOB_ID "','tree':'" TREE_ID "'}", "reference: got both" },
		{ "{'type':'proof','uri':'local','revision':'" COMMIT "','blob':'" BLOB_ID "'}", "'revision': expected 64" },
		{ "{'type':'proof','uri':'local','blob':'" BLOB_ID "'}", "'revision': expected 64" },
		{ "{'type':'proof','revision':'" ROOT "','blob':'" BLOB_ID "'}", "'uri' is missing" },
		{ "{'type':'proof','uri':'https://u:p@e.org/p','revision':'" ROOT "','blob':'" BLOB_ID "'}", "holds a secret" },
		{ "{'type':'proof','uri':'local','ref':1,'revision':'" ROOT "','blob':'" BLOB_ID "'}", "'ref': expected a text" },
		{ "{'type':'proof','uri':'local','revision':'" ROOT "','blob':'" BLOB_ID "','sha256':'" BLOB_ID "'}", "unknown field 'sha256'" },
	};
	json_t *lock = NULL;
	ok(parse("{'type':'proof','uri':'local','ref':'model','revision':'" ROOT "','blob':'" BLOB_ID "'}", &lock, &err));
	json_decref(lock);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		refused(AI_EINPUT, bad[i][1], parse(bad[i][0], &lock, &err));
}

/* --- the plan -------------------------------------------------------------------- */

#define TEXT "aicert: 1\nname: n\ninputs:\n  base: { proof: p.json, output: model }\nsteps:\n  s: { use: shell, script: 'true', inputs: { b: base }, outputs: { m: m } }\n"
#define SOURCE(type, uri, ref, revision, content) "{'kind':'source','type':'" type "','uri':'" uri "'," ref "'revision':'" revision "','content':{" content "}}"

static int
plan_of(const char *lock, const char *source, struct ai_err *err)
{
	static const char text[] = TEXT;
	AI_JSON *pins = json_of(lock), *node = json_of(source), *made = NULL;
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_LOCK);
	if (ai_lock_format(pins, &bytes, err) < 0)
		return err->code;
	const struct ai_plan_source sources[] = { { "base", node } };
	const struct ai_plan_in in = { .aicertfile = text, .aicertfile_len = sizeof text - 1, .file = "Aicertfile", .lock = bytes.data, .lock_len = bytes.len,
		.rules = ai_rule_builtin("shell"), .n_rules = 1, .sources = sources, .n_sources = 1, .platform = "linux/amd64" };
	return ai_plan_make(&in, &made, NULL, err);
}

#define LOCKED "{'format':1,'inputs':{'base':{'type':'proof','uri':'p.json','ref':'model','revision':'" ROOT "','blob':'" BLOB_ID "'}}}"
#define BLOB "'blob':'" BLOB_ID "'"
#define REF "'ref':'model',"

static void
planned(void **state)
{
	(void)state;
	static const char *const bad[][2] = {
		{ SOURCE("huggingface", "p.json", REF, ROOT, BLOB), "type: got huggingface, expected proof" },
		{ SOURCE("proof", "q.json", REF, ROOT, BLOB), "uri: got q.json, expected p.json" },
		{ SOURCE("proof", "p.json", "", ROOT, BLOB), "ref: got none, expected model" },
		{ SOURCE("proof", "p.json", "'ref':'modal',", ROOT, BLOB), "ref: got modal" },
		{ SOURCE("proof", "p.json", REF, OTHER, BLOB), "revision: got " OTHER },
		{ SOURCE("proof", "p.json", REF, ROOT, "'blob':'" OTHER "'"), "content: got " OTHER },
		{ SOURCE("proof", "p.json", REF, ROOT, "'tree':'" BLOB_ID "'"), "content: got none" },
	};
	ok(plan_of(LOCKED, SOURCE("proof", "p.json", REF, ROOT, BLOB), &err));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		refused(AI_EINPUT, bad[i][1], plan_of(LOCKED, bad[i][0], &err));
	refused(AI_EINPUT, "has no pin", plan_of("{'format':1,'inputs':{}}", SOURCE("proof", "p.json", REF, ROOT, BLOB), &err));
}

/* --- the output that is meant -------------------------------------------------------- */

static void
outputs(void **state)
{
	(void)state;
	AI_JSON *many = json_of("{'outputs':[{'name':'a','blob':'" BLOB_ID "'},{'name':'model','tree':'" TREE_ID "'}]}");
	AI_JSON *one = json_of("{'outputs':[{'name':'a','blob':'" BLOB_ID "'}]}");
	AI_JSON *two = json_of("{'outputs':[{'name':'a','blob':'" BLOB_ID "'},{'name':'b','blob':'" BLOB_ID "'}]}");
	AI_JSON *none = json_of("{'outputs':[]}");
	struct ai_ref ref;
	const char *name = NULL;
	ok(ai_lineage_output(many, NULL, &ref, &name, &err));
	assert_string_equal(name, "model");
	assert_int_equal(ref.type, AI_REF_TREE);
	ok(ai_lineage_output(many, "a", &ref, &name, &err));
	assert_int_equal(ref.type, AI_REF_BLOB);
	ok(ai_lineage_output(one, NULL, &ref, &name, &err));
	assert_string_equal(name, "a");
	refused(AI_ENO, "2 outputs and none is called 'model': it has 'a', 'b'", ai_lineage_output(two, NULL, &ref, NULL, &err));
	refused(AI_ENO, "no output 'model': it has 'a'", ai_lineage_output(one, "model", &ref, NULL, &err));
	refused(AI_ENO, "it has none", ai_lineage_output(none, "model", &ref, NULL, &err));
	refused(AI_ENO, "0 outputs", ai_lineage_output(NULL, NULL, &ref, NULL, &err));
}

/* --- side by side ---------------------------------------------------------------------- */

/* Of two proofs of one root the one that was put first stays; none keeps proofs inside. */
static void
flat(void **state)
{
	(void)state;
	AI_JSON *all = json_object(), *a = json_of("{'root':'a','proofs':{'c':{'root':'c','by':'a','proofs':{}}}}");
	AI_JSON *b = json_of("{'root':'b','proofs':{'c':{'root':'c','by':'b','proofs':{}},'a':{'root':'a','by':'b','proofs':{}}}}");
	ok(ai_lineage_put(all, "a", a, &err));
	ok(ai_lineage_put(all, "b", b, &err));
	ok(ai_lineage_put_carried(all, a, &err));
	ok(ai_lineage_put_carried(all, b, &err));
	AI_JSON *want = json_of("{'a':{'root':'a','proofs':{}},'b':{'root':'b','proofs':{}},'c':{'root':'c','by':'a','proofs':{}}}");
	assert_true(json_equal(all, want));
	/* What was given is as it was. */
	assert_int_equal(json_object_size(json_object_get(a, "proofs")), 1);
}

/* --- how much of it -------------------------------------------------------------------- */

/* n runs, each made from the next, in the proof of the first; roots begin at from. */
static json_t *
chain(size_t from, size_t n)
{
	json_t *first = NULL, *carried = json_object();
	for (size_t i = 0; i < n; i++) {
		char root[AI_HEX], next[AI_HEX];
		snprintf(root, sizeof root, "%064zx", from + i);
		snprintf(next, sizeof next, "%064zx", from + i + 1);
		json_t *run = i + 1 < n ? json_pack("{s:[s]}", "lineage", next) : json_pack("{s:[]}", "lineage");
		json_t *proof = json_pack("{s:s,s:s,s:{},s:{s:o}}", "version", "v1", "root", root, "proofs", "nodes", root, run);
		if (i)
			json_object_set_new(carried, root, proof);
		else
			first = proof;
	}
	json_object_set_new(first, "proofs", carried);
	return first;
}

/* A run is not begun whose proof nobody would read: not one too deep, nor one of too many in all. */
static void
room(void **state)
{
	(void)state;
	AI_JSON *kin = json_object(), *deepest = chain(0, AI_MAX_LINEAGE_DEPTH), *deeper = chain(0, AI_MAX_LINEAGE_DEPTH + 1);
	ok(ai_lineage_room(kin, deepest, &err));
	ok(ai_lineage_room(kin, deepest, &err));
	assert_int_equal(json_object_size(kin), AI_MAX_LINEAGE_DEPTH);
	refused(AI_ENO, "more than 100 proofs deep", ai_lineage_room(kin, deeper, &err));
	for (size_t i = 1; i < AI_MAX_LINEAGE / AI_MAX_LINEAGE_DEPTH; i++) {
		AI_JSON *more = chain(i * 1000, AI_MAX_LINEAGE_DEPTH);
		ok(ai_lineage_room(kin, more, &err));
	}
	AI_JSON *last = chain(1u << 20, 1);
	refused(AI_ENO, "come from 1001 runs, expected at most 1000", ai_lineage_room(kin, last, &err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pins), cmocka_unit_test(planned), cmocka_unit_test(outputs), cmocka_unit_test(flat), cmocka_unit_test(room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_disclose.c -- one file shown to be in a folder that a proof names; and what is shown to be in it though it is not.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>

#include "base/fs.h"
#include "proof/disclose.h"
#include "proof_cases.h"

/* The run's output `model` is a folder: a/b/{data, run, way -> data}, a/top. */
static char top[AI_HEX], a[AI_HEX], b[AI_HEX], data[AI_HEX], run[AI_HEX], beside[AI_HEX];

static void
make_folder(struct fake *x)
{
	fake_blob(x, "the data\n", data);
	fake_blob(x, "#!/bin/sh\n", run);
	fake_blob(x, "not disclosed\n", beside);
	fake_put(x, fake_json("{'kind':'tree','entries':[{'id':'%s','name':'data','type':'file'},{'id':'%s','name':'run','type':'exec'},"
		"{'name':'way','target':'data','type':'link'}]}", data, run), b);
	fake_put(x, fake_json("{'kind':'tree','entries':[{'id':'%s','name':'b','type':'dir'},{'id':'%s','name':'top','type':'file'}]}", b, beside), a);
	fake_put(x, fake_json("{'kind':'tree','entries':[{'id':'%s','name':'a','type':'dir'},{'name':'l','target':'a','type':'link'}]}", a), top);
}

static void folder_recipe(struct fake *x, json_t *recipe)
{
	make_folder(x);
	json_object_set_new(json_array_get(json_object_get(recipe, "outputs"), 0), "type", json_string("dir"));
}
static void folder_result(struct fake *x, json_t *result) { (void)x; json_object_set_new(result, "outputs", fake_json("[{'name':'model','tree':'%s'}]", top)); }
static void folder_run(struct fake *x, json_t *r) { (void)x; json_object_set_new(r, "outputs", fake_json("[{'name':'model','tree':'%s'}]", top)); }

static char *dir;

static int
begin(void **state)
{
	setup(state);
	f.on_recipe = folder_recipe;
	f.on_train_result = folder_result;
	f.on_run = folder_run;
	ok(ai_mkdtemp("/tmp/test_disclose", &dir, &err));
	return 0;
}

static int
end(void **state)
{
	ai_discard_tree(dir);
	free(dir);
	return teardown(state);
}

static void
carry(json_t *proof, const char *id)
{
	json_object_set(json_object_get(proof, "nodes"), id, json_object_get(f.nodes, id));
}

/* A proof that carries the folder's trees. New reference. */
static json_t *
with_trees(void)
{
	json_t *proof = fake_make(&f);
	carry(proof, top);
	carry(proof, a);
	carry(proof, b);
	return proof;
}

static json_t *
disclosed(const json_t *proof, const char *path)
{
	const struct ai_disclose what = { .name = "model", .path = path };
	json_t *d = NULL;
	ok(ai_disclose_make(proof, &what, &d, &err));
	return d;
}

static char *
write_text(const char *name, const char *text)
{
	char *path = ai_format("%s/%s", dir, name);
	ok(ai_write_file(AT_FDCWD, path, text, strlen(text), 0644, &err));
	return path;
}

/* As aicert's own: a plain file's bytes. */
static int
hash_path(void *ctx, const char *path, const char *revision, struct ai_ref *out, struct ai_err *err)
{
	(void)ctx;
	assert_null(revision);
	AI_BUF_AUTO bytes = AI_BUF(1 << 20);
	if (ai_read_file(AT_FDCWD, path, &bytes, err) < 0)
		return err->code;
	out->type = AI_REF_BLOB;
	ai_sha256(bytes.data ? bytes.data : "", bytes.len, &out->id);
	return 0;
}

/* The check by the verifier's own door: `aicert verify` of this proof with this disclosure (stolen), the file here or NULL. */
static void
verify(const json_t *proof, json_t *d, const char *file, int want, const char *words)
{
	const char *keys[] = { f.key };
	AI_FREE char *text = json_dumps(d, 0);
	AI_FREE char *path = write_text("disclosure.json", text);
	AI_FREE char *here = file ? write_text("here", file) : NULL;
	const struct ai_named_ref given = { path, here };
	const struct ai_verify_options o = { .require = AI_LEVEL_SOFTWARE, .keys = keys, .n_keys = 1, .disclosures = &given, .n_disclosures = 1,
		.hash_path = hash_path };
	AI_JSON *report = NULL;
	struct ai_err err = { 0 };
	int r = fake_verify(&f, proof, &o, &report, &err);
	AI_FREE char *name = ai_format("disclosure %s", path);
	json_decref(d);
	if (r != want)
		fail_msg("got %d '%s', expected %d", r, err.text, want);
	const char *said = ai_json_str(fake_check_named(report, name), "compared");
	if (!strstr(said, words))
		fail_msg("'%s' lacks '%s'", said, words);
	/* What is not disclosed well takes nothing from the proof. */
	assert_string_equal(ai_json_str(report, "level"), "software");
}

/* --- what it shows ----------------------------------------------------------- */

static void
a_file_deep_down(void **state)
{
	(void)state;
	AI_JSON *proof = with_trees();
	AI_JSON *plain = fake_make(&f);
	AI_JSON *d = disclosed(proof, "a/b/data");
	assert_int_equal(json_array_size(json_object_get(d, "trees")), 3);
	assert_string_equal(ai_json_str(json_object_get(d, "reference"), "blob"), data);
	verify(proof, json_incref(d), NULL, 0, "'a/b/data', a file (blob ");
	verify(proof, json_incref(d), "the data\n", 0, "with it");
	verify(proof, json_incref(d), "other data\n", AI_ENO, "here': got blob ");
	/* It stands beside a proof that carries no tree. */
	verify(plain, json_incref(d), "the data\n", 0, "by the ids of 3 folders");
	verify(proof, disclosed(proof, "a/b/run"), NULL, 0, "'a/b/run', an executable file (blob ");
	verify(proof, disclosed(proof, "a/b"), NULL, 0, "'a/b', a folder (tree ");
	verify(proof, disclosed(proof, "a"), NULL, 0, "'a', a folder (tree ");
}

static void
an_input(void **state)
{
	(void)state;
	AI_JSON *proof = fake_make(&f), *d = NULL, *e = NULL;
	const struct ai_disclose code = { .input = true, .name = "code", .path = "main.py" }, csv = { .input = true, .name = "alpaca", .path = "x" };
	refused(AI_ENO, "is not in the proof", ai_disclose_make(proof, &code, &d, &err));
	carry(proof, f.repo);
	ok(ai_disclose_make(proof, &code, &d, &err));
	verify(proof, json_incref(d), "print('hello')\n", 0, "with its place in input 'code'");
	refused(AI_EUSAGE, "is a file, whose hash is in the proof", ai_disclose_make(proof, &csv, &e, &err));
	/* Nobody can say where a withheld source's content is. */
	json_object_set_new(json_object_get(proof, "nodes"), f.code, fake_json("{'kind':'withheld'}"));
	refused(AI_ENO, "its source is withheld", ai_disclose_make(proof, &code, &e, &err));
	assert_null(e);
}

static void
nothing_there(void **state)
{
	(void)state;
	AI_JSON *proof = with_trees();
	static const struct { const char *path, *words; } cases[] = {
		{ "a/c", "there is no 'c'" }, { "a/b/data/x", "'data' is a file, expected a folder" }, { "a/b/way", "is a link to 'data'" },
		{ "l/b/data", "is a link to 'a'" }, { "../x", "" }, { "a/../a/b/data", "" }, { "/a", "" }, { "a//b", "" }, { "", "" }, { "a/", "" }, { ".", "" },
	};
	json_t *d = NULL;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct ai_disclose what = { .name = "model", .path = cases[i].path };
		refused(AI_EUSAGE, cases[i].words, ai_disclose_make(proof, &what, &d, &err));
	}
	const struct ai_disclose other = { .name = "weights", .path = "a" };
	refused(AI_EUSAGE, "it has 'model'", ai_disclose_make(proof, &other, &d, &err));
	/* A tree on the way that is withheld, or that the proof does not carry. */
	const struct ai_disclose deep = { .name = "model", .path = "a/b/data" };
	json_object_set_new(json_object_get(proof, "nodes"), a, fake_json("{'kind':'withheld'}"));
	refused(AI_ENO, "is not in the proof", ai_disclose_make(proof, &deep, &d, &err));
	assert_null(d);
}

/* Trees from elsewhere are believed for their id alone. */
static int
wrong_tree(void *ctx, const struct ai_digest *id, json_t **out, struct ai_err *err)
{
	(void)id;
	(void)err;
	*out = json_incref(ctx);
	return 1;
}

static void
trees_from_elsewhere(void **state)
{
	(void)state;
	AI_JSON *proof = fake_make(&f), *d = NULL;
	struct ai_disclose what = { .name = "model", .path = "a", .tree = wrong_tree, .ctx = json_object_get(f.nodes, b) };
	refused(AI_ENO, "what is there is another node", ai_disclose_make(proof, &what, &d, &err));
	what.ctx = json_object_get(f.nodes, top);
	ok(ai_disclose_make(proof, &what, &d, &err));
	verify(proof, json_incref(d), NULL, 0, "'a', a folder");
}

/* --- what it does not show --------------------------------------------------- */

static json_t *proof, *good;

static void
refused_as(json_t *d, const char *words)
{
	verify(proof, d, NULL, AI_ENO, words);
}

static json_t *
changed(const char *field, json_t *value)
{
	json_t *d = json_deep_copy(good);
	json_object_set_new(d, field, value);
	return d;
}

static json_t *
tree_changed(size_t i, json_t *tree)
{
	json_t *d = json_deep_copy(good);
	json_array_set_new(json_object_get(d, "trees"), i, tree);
	return d;
}

static void
paths(void)
{
	static const char *const bad[] = { "a/b/../b/data", "../a/b/data", "/a/b/data", "a/./data", "a//data", "", "a/b/", "a/b/data\n" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		refused_as(changed("path", json_string(bad[i])), "path: ");
	refused_as(changed("path", json_string("a/b")), "trees: got 3, expected 2");
	refused_as(changed("path", json_string("a/b/data/x")), "trees: got 3, expected 4");
	refused_as(changed("path", json_string("a/b/run")), "reference: got blob");
	refused_as(changed("path", json_string("a/b/way")), "is a link to 'data'");
	refused_as(changed("path", json_string("a/b/none")), "there is no 'none'");
	refused_as(changed("path", json_string("a/top/data")), "'top' is a file, expected a folder");
}

static void
trees(void)
{
	const json_t *t = json_object_get(good, "trees");
	/* A tree of another root; the right ones in another order; one of them changed; one too many; one too few. */
	json_t *stranger = fake_json("{'kind':'tree','entries':[{'id':'%s','name':'a','type':'dir'}]}", b);
	refused_as(tree_changed(0, stranger), "trees[0]: its canonical bytes hash to");
	refused_as(tree_changed(1, json_incref(json_array_get(t, 2))), "which the folder above names");
	json_t *swapped = json_deep_copy(json_array_get(t, 2));
	json_object_set_new(json_array_get(json_object_get(swapped, "entries"), 0), "id", json_string(beside));
	json_t *both = tree_changed(2, swapped);
	json_object_set_new(both, "reference", json_pack("{s:s}", "blob", beside));
	refused_as(both, "trees[2]: its canonical bytes hash to");
	json_t *more = json_deep_copy(good);
	json_array_append(json_object_get(more, "trees"), json_array_get(t, 2));
	refused_as(more, "trees: got 4, expected 3");
	json_t *fewer = json_deep_copy(good);
	json_array_remove(json_object_get(fewer, "trees"), 0);
	refused_as(fewer, "trees: got 2, expected 3");
	/* What is no tree. */
	refused_as(tree_changed(0, fake_json("{'kind':'withheld'}")), "is a withheld, expected a tree");
	refused_as(tree_changed(1, fake_json("{'kind':'tree','entries':[],'x':'y'}")), "unknown");
	refused_as(tree_changed(1, json_string(a)), "trees[1]: ");
}

/* Two files of one name, or another order: whoever reads it might take the other one. */
static void
ambiguous_trees(void)
{
	json_t *twice = fake_json("{'kind':'tree','entries':[{'id':'%s','name':'data','type':'file'},{'id':'%s','name':'data','type':'file'}]}", beside, data);
	refused_as(tree_changed(2, twice), "stands twice");
	json_t *unsorted = fake_json("{'kind':'tree','entries':[{'id':'%s','name':'run','type':'exec'},{'id':'%s','name':'data','type':'file'}]}", run, data);
	refused_as(tree_changed(2, unsorted), "ascending order");
	json_t *dots = fake_json("{'kind':'tree','entries':[{'id':'%s','name':'..','type':'dir'}]}", a);
	refused_as(tree_changed(0, dots), "trees[0]: ");
	json_t *slash = fake_json("{'kind':'tree','entries':[{'id':'%s','name':'a/b','type':'dir'}]}", b);
	refused_as(tree_changed(0, slash), "trees[0]: ");
}

static void
other_fields(void)
{
	char other_root[AI_HEX];
	memset(other_root, '1', 64);
	other_root[64] = '\0';
	refused_as(changed("root", json_string(other_root)), "it was made for another proof");
	refused_as(changed("root", json_string("x")), "root: expected");
	refused_as(changed("of", fake_json("{'output':'weights'}")), "has none of that name");
	refused_as(changed("of", fake_json("{'input':'model'}")), "has none of that name");
	refused_as(changed("of", fake_json("{'input':'code'}")), "trees[0]: its canonical bytes hash to");
	refused_as(changed("of", fake_json("{'input':'alpaca'}")), "is a file");
	refused_as(changed("of", fake_json("{'input':'code','output':'model'}")), "of: expected");
	refused_as(changed("of", fake_json("{}")), "of: expected");
	refused_as(changed("reference", json_pack("{s:s}", "blob", beside)), "reference: got blob");
	refused_as(changed("reference", json_pack("{s:s}", "tree", data)), "reference: got tree");
	refused_as(changed("reference", json_pack("{s:s, s:s}", "blob", data, "tree", data)), "reference: expected");
	refused_as(changed("reference", json_pack("{s:s, s:i}", "blob", data, "size", 9)), "reference: expected");
	refused_as(changed("reference", json_string(data)), "reference: expected");
	refused_as(changed("disclosure", json_integer(2)), "expected version 1");
	refused_as(changed("note", json_string("x")), "field 'note' is unknown");
	json_t *without = json_deep_copy(good);
	json_object_del(without, "root");
	refused_as(without, "field 'root' is missing");
	refused_as(json_array(), "is no disclosure");
	refused_as(json_incref(proof), "is no disclosure");
}

static void
every_attack(void **state)
{
	(void)state;
	proof = with_trees();
	good = disclosed(proof, "a/b/data");
	verify(proof, json_incref(good), "the data\n", 0, "with it");
	paths();
	trees();
	ambiguous_trees();
	other_fields();
	json_decref(good);
	json_decref(proof);
}

static void other_run(struct fake *x, json_t *r) { folder_run(x, r); json_object_set_new(r, "name", json_string("other")); }

/* The same folder, as the output of another run. */
static void
of_another_run(void **state)
{
	(void)state;
	AI_JSON *first = with_trees();
	f.on_run = other_run;
	AI_JSON *second = with_trees();
	verify(second, disclosed(second, "a/b/data"), NULL, 0, "'a/b/data'");
	verify(first, disclosed(second, "a/b/data"), NULL, AI_ENO, "it was made for another proof");
}

static void
a_file_that_is_not_there(void **state)
{
	(void)state;
	AI_JSON *first = with_trees(), *report = NULL;
	const char *keys[] = { f.key };
	const struct ai_named_ref given = { "/nonexistent/disclosure.json", NULL };
	const struct ai_verify_options o = { .require = AI_LEVEL_SOFTWARE, .keys = keys, .n_keys = 1, .disclosures = &given, .n_disclosures = 1 };
	refused(AI_ENO, "/nonexistent/disclosure.json", fake_verify(&f, first, &o, &report, &err));
}

#define D(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		D(a_file_deep_down), D(an_input), D(nothing_there), D(trees_from_elsewhere), D(every_attack), D(of_another_run), D(a_file_that_is_not_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

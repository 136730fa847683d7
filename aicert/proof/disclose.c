/* disclose.c -- see disclose.h.  SPDX-License-Identifier: Apache-2.0 */
#include "proof/disclose.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "proof/check.h"

#define N(a) (sizeof (a) / sizeof *(a))

/* The name of the n-th part of a path that has more than n. Fresh; NULL = no memory. */
static char *
part_of(const char *path, size_t n)
{
	for (; n > 0; n--)
		path += strcspn(path, "/") + 1;
	return ai_strndup(path, strcspn(path, "/"));
}

static size_t
n_parts(const char *path)
{
	size_t n = 1;
	for (; *path; path++)
		n += *path == '/';
	return n;
}

static const json_t *
entry_named(const json_t *tree, const char *name)
{
	size_t i;
	json_t *e;
	json_array_foreach(ai_json_arr(tree, "entries"), i, e)
		if (strcmp(ai_json_str(e, "name"), name) == 0)
			return e;
	return NULL;
}

/*
 * One step down: what the tree has under the n-th part of the path. The tree has passed ai_node_check, so no two entries have one name.
 * code: of the error when it is not there, is a link, or is no folder while more of the path follows.
 */
static int
step_down(const json_t *tree, const char *path, size_t n, int code, struct ai_digest *id, ai_entry_type *type, struct ai_err *err)
{
	AI_FREE char *name = part_of(path, n);
	if (!name)
		return ai_nomem(err);
	const json_t *e = entry_named(tree, name);
	const char *word = ai_json_str(e, "type");
	if (!e)
		return ai_fail(err, code, "'%s': there is no '%s' in its folder", path, name);
	if (strcmp(word, "link") == 0)
		return ai_fail(err, code, "'%s': '%s' is a link to '%s', which is no content", path, name, ai_json_str(e, "target"));
	*type = strcmp(word, "dir") == 0 ? AI_ENTRY_DIR : strcmp(word, "exec") == 0 ? AI_ENTRY_EXEC : AI_ENTRY_FILE;
	if (*type != AI_ENTRY_DIR && n + 1 < n_parts(path))
		return ai_fail(err, code, "'%s': '%s' is a file, expected a folder", path, name);
	return ai_json_digest(e, "id", id) ? 0 : ai_fail(err, code, "'%s': '%s' has no id", path, name);
}

static struct ai_ref
reference_to(ai_entry_type type, const struct ai_digest *id)
{
	return (struct ai_ref){ .type = type == AI_ENTRY_DIR ? AI_REF_TREE : AI_REF_BLOB, .id = *id };
}

/* --- making one -------------------------------------------------------------- */

static const json_t *
node_of(const json_t *proof, const char *id)
{
	return id ? json_object_get(json_object_get(proof, "nodes"), id) : NULL;
}

/* The item of that name; AI_EUSAGE with the names there are. */
static const json_t *
item_named(const json_t *list, const char *what, const char *name, struct ai_err *err)
{
	AI_BUF_AUTO names = AI_BUF(AI_MAX_TEXT);
	size_t i;
	json_t *v;
	json_array_foreach((json_t *)list, i, v) {
		if (strcmp(ai_json_str(v, "name"), name) == 0)
			return v;
		ai_buf_printf(&names, "%s'%s'", names.len ? ", " : "", ai_json_str(v, "name"));
	}
	(void)ai_fail(err, AI_EUSAGE, "%s '%s': the proof has none of that name: it has %s", what, name, names.len ? names.data : "none at all");
	return NULL;
}

int
ai_disclose_of(const json_t *proof, const struct ai_disclose *what, struct ai_ref *out, struct ai_err *err)
{
	const json_t *run = node_of(proof, ai_json_str(proof, "root")), *plan = node_of(proof, ai_json_str(run, "plan"));
	const json_t *item = what->input ? item_named(ai_json_arr(plan, "sources"), "input", what->name, err)
		: item_named(ai_json_arr(run, "outputs"), "output", what->name, err);
	if (!item)
		return err->code;
	if (what->input) {
		item = json_object_get(node_of(proof, ai_json_str(item, "id")), "content");
		if (!item)
			return ai_fail(err, AI_ENO, "input '%s': its source is withheld, so nothing leads to its content", what->name);
	}
	if (ai_ref_get(item, out, err) < 0)
		return err->code;
	if (out->type == AI_REF_BLOB)
		return ai_fail(err, AI_EUSAGE, "%s '%s': is a file, whose hash is in the proof: there is nothing to disclose", what->input ? "input" : "output", what->name);
	return 0;
}

/* Carried by the proof, or wherever the caller looks. */
static int
get_tree(const json_t *proof, const struct ai_disclose *what, const struct ai_digest *id, json_t **out, struct ai_err *err)
{
	char hex[AI_HEX];
	AI_JSON *found = NULL;
	struct ai_digest got;
	ai_hex(id, hex);
	const json_t *carried = node_of(proof, hex);
	if (carried && ai_node_kind(carried) == AI_KIND_TREE) {
		*out = json_incref((json_t *)carried);
		return 0;
	}
	int r = what->tree ? what->tree(what->ctx, id, &found, err) : 0;
	if (r < 0)
		return r;
	if (r == 0) {
		(void)ai_fail(err, AI_ENO, "tree %s: is not in the proof", hex);
		return ai_hint(err, "name the folder as it lies here: --dir DIR");
	}
	if (ai_node_check(found, err) < 0 || ai_json_id(found, &got, err) < 0)
		return err->code;
	if (ai_node_kind(found) != AI_KIND_TREE || !ai_digest_eq(&got, id))
		return ai_fail(err, AI_ENO, "tree %s: what is there is another node", hex);
	*out = json_incref(found);
	return 0;
}

static int
collect_trees(const json_t *proof, const struct ai_disclose *what, struct ai_digest id, json_t *trees, struct ai_ref *end, struct ai_err *err)
{
	const size_t n = n_parts(what->path);
	for (size_t i = 0; i < n; i++) {
		AI_JSON *tree = NULL;
		ai_entry_type type;
		if (get_tree(proof, what, &id, &tree, err) < 0 || step_down(tree, what->path, i, AI_EUSAGE, &id, &type, err) < 0)
			return err->code;
		if (json_array_append(trees, tree) < 0)
			return ai_nomem(err);
		*end = reference_to(type, &id);
	}
	return 0;
}

int
ai_disclose_make(const json_t *proof, const struct ai_disclose *what, json_t **out, struct ai_err *err)
{
	struct ai_ref top, end;
	AI_JSON *trees = json_array(), *reference = json_object();
	if (ai_relpath_check(what->path, err) < 0)
		return (err->code = AI_EUSAGE);
	if (!trees || !reference)
		return ai_nomem(err);
	if (ai_disclose_of(proof, what, &top, err) < 0 || collect_trees(proof, what, top.id, trees, &end, err) < 0 || ai_ref_set(reference, &end, err) < 0)
		return err->code;
	json_t *made = json_pack("{s:i, s:O, s:{s:s}, s:s, s:O, s:O}", "disclosure", 1, "root", json_object_get(proof, "root"),
		"of", what->input ? "input" : "output", what->name, "path", what->path, "reference", reference, "trees", trees);
	if (!made)
		return ai_nomem(err);
	*out = made;
	return 0;
}

/* --- reading one ------------------------------------------------------------- */

static int
check_trees(const json_t *trees, const char *path, struct ai_err *err)
{
	size_t i;
	json_t *t;
	if (json_array_size(trees) != n_parts(path))
		return ai_fail(err, AI_ENO, "trees: got %zu, expected %zu, one for each part of the path", json_array_size(trees), n_parts(path));
	json_array_foreach((json_t *)trees, i, t) {
		if (ai_node_check(t, err) < 0)
			return ai_in(err, "trees[%zu]", i);
		if (ai_node_kind(t) != AI_KIND_TREE)
			return ai_fail(err, AI_ENO, "trees[%zu]: is a %s, expected a tree", i, ai_kind_word(ai_node_kind(t)));
	}
	return 0;
}

/* {"output": NAME} or {"input": NAME}, and nothing else. */
static int
check_of(const json_t *of, struct ai_err *err)
{
	const char *output = ai_json_str(of, "output"), *input = ai_json_str(of, "input");
	return json_object_size(of) == 1 && (output || input) ? 0 : ai_fail(err, AI_ENO, "of: expected {\"output\": NAME} or {\"input\": NAME}");
}

static int
check_disclosure(const json_t *d, struct ai_err *err)
{
	static const char *const keys[] = { "disclosure", "root", "of", "path", "reference", "trees" };
	struct ai_digest root;
	struct ai_ref reference;
	const json_t *version = json_object_get(d, "disclosure"), *ref = json_object_get(d, "reference");
	if (!json_is_object(d) || !version)
		return ai_fail(err, AI_EINPUT, "is no disclosure: it has no 'disclosure'");
	if (!json_is_integer(version) || json_integer_value(version) != 1)
		return ai_fail(err, AI_EINPUT, "disclosure: expected version 1, which this program reads");
	if (ai_exact_fields(d, keys, N(keys), err) < 0)
		return err->code;
	if (!ai_json_digest(d, "root", &root))
		return ai_fail(err, AI_ENO, "root: expected 64 lower-case hex digits");
	if (!ai_json_str(d, "path") || !ai_json_arr(d, "trees"))
		return ai_fail(err, AI_ENO, "'path' must be a string and 'trees' an array");
	if (ai_relpath_check(ai_json_str(d, "path"), err) < 0)
		return ai_in(err, "path");
	if (ai_ref_get(ref, &reference, err) < 0 || json_object_size(ref) != 1)
		return ai_fail(err, AI_ENO, "reference: expected {\"blob\": id} or {\"tree\": id}");
	return check_of(json_object_get(d, "of"), err) < 0 ? err->code : check_trees(json_object_get(d, "trees"), ai_json_str(d, "path"), err);
}

int
ai_disclosure_parse(const char *text, size_t len, const char *file, json_t **out, struct ai_err *err)
{
	AI_JSON *d = NULL;
	if (ai_json_parse(text, len, file, &d, err) < 0)
		return err->code;
	if (check_disclosure(d, err) < 0)
		return ai_in(err, "%s", file);
	*out = json_incref(d);
	return 0;
}

int
ai_disclosure_follow(const json_t *d, const struct ai_digest *top, struct ai_ref *out, ai_entry_type *type, struct ai_err *err)
{
	struct ai_digest id = *top, got;
	ai_entry_type at = AI_ENTRY_DIR;
	struct ai_ref said, end;
	const char *path = ai_json_str(d, "path");
	size_t i;
	json_t *tree;
	json_array_foreach(json_object_get(d, "trees"), i, tree) {
		if (ai_json_id(tree, &got, err) < 0)
			return err->code;
		if (!ai_digest_eq(&got, &id)) {
			char a[AI_HEX], b[AI_HEX];
			ai_hex(&got, a);
			ai_hex(&id, b);
			return ai_fail(err, AI_ENO, "trees[%zu]: its canonical bytes hash to %s, expected %s, which %s", i, a, b, i ? "the folder above names" : "the proof names");
		}
		if (step_down(tree, path, i, AI_ENO, &id, &at, err) < 0)
			return ai_in(err, "trees[%zu]", i);
	}
	end = reference_to(at, &id);
	if (ai_ref_get(json_object_get(d, "reference"), &said, err) < 0)
		return err->code;
	if (!ai_ref_eq(&said, &end)) {
		char a[AI_HEX], b[AI_HEX];
		ai_hex(&said.id, a);
		ai_hex(&end.id, b);
		return ai_fail(err, AI_ENO, "reference: got %s %s, expected %s %s, which lies at '%s'", ai_ref_word(said.type), a, ai_ref_word(end.type), b, path);
	}
	*out = end;
	*type = at;
	return 0;
}

/* --- checking one ------------------------------------------------------------ */

static int
read_disclosure(const char *file, json_t **out, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_NODE);
	return ai_read_file(AT_FDCWD, file, &text, err) < 0 ? err->code : ai_disclosure_parse(text.data, text.len, file, out, err);
}

/* What lies here is what was disclosed. */
static int
compare_local(const struct ai_verify *v, const char *path, const struct ai_ref *want, struct ai_buf *said, struct ai_err *err)
{
	struct ai_ref got;
	char a[AI_HEX], b[AI_HEX];
	if (!v->options->hash_path)
		return ai_fail(err, AI_EUSAGE, "--file %s: this program cannot hash files and folders", path);
	if (v->options->hash_path(v->options->ctx, path, NULL, &got, err) < 0)
		return ai_in(err, "--file %s", path);
	ai_hex(&got.id, a);
	ai_hex(&want->id, b);
	if (!ai_ref_eq(&got, want))
		return ai_fail(err, AI_ENO, "'%s': got %s %s, expected %s %s", path, ai_ref_word(got.type), a, ai_ref_word(want->type), b);
	ai_buf_printf(said, "; and '%s' with it", path);
	return 0;
}

int
ai_check_disclosure(struct ai_verify *v, const struct ai_named_ref *given, struct ai_buf *said, struct ai_err *err)
{
	static const char *const are[] = { "a file", "an executable file", "a folder" }; /* as ai_entry_type counts */
	AI_JSON *d = NULL;
	struct ai_ref top, end;
	ai_entry_type type;
	char root[AI_HEX], hex[AI_HEX], top_hex[AI_HEX];
	ai_hex(&v->root, root);
	if (read_disclosure(given->name, &d, err) < 0)
		return err->code;
	if (strcmp(ai_json_str(d, "root"), root) != 0)
		return ai_fail(err, AI_ENO, "is of root %s, expected %s: it was made for another proof", ai_json_str(d, "root"), root);
	const char *input = ai_json_str(json_object_get(d, "of"), "input"), *output = ai_json_str(json_object_get(d, "of"), "output");
	const struct ai_disclose what = { .input = input != NULL, .name = input ? input : output };
	if (ai_disclose_of(v->proof, &what, &top, err) < 0)
		/* What the disclosure names is not how this verifier was called. */
		return (err->code = err->code == AI_EUSAGE ? AI_ENO : err->code);
	if (ai_disclosure_follow(d, &top.id, &end, &type, err) < 0)
		return err->code;
	ai_hex(&end.id, hex);
	ai_hex(&top.id, top_hex);
	ai_buf_printf(said, "'%s', %s (%s %s), with its place in %s '%s' (tree %s), by the ids of %zu folders on its way", ai_json_str(d, "path"), are[type],
		ai_ref_word(end.type), hex, input ? "input" : "output", what.name, top_hex, json_array_size(json_object_get(d, "trees")));
	return given->path && compare_local(v, given->path, &end, said, err) < 0 ? err->code : CHECK_PASSED;
}

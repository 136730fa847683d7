/* disclose.c -- `aicert disclose`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/x509/roots.h"
#include "base/json.h"
#include "cache/hashsink.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/print.h"
#include "cli/proofs.h"
#include "fetch/fetch.h"
#include "proof/disclose.h"

static void
help(const struct ai_option *table, size_t n)
{
	puts("usage: aicert disclose PROOF --output NAME|--input NAME --path PATH [--dir DIR] [--out FILE]\n"
	     "\n"
	     "Writes what shows that one file (or folder) lies in a folder that the proof names, without the rest: the listings of the\n"
	     "folders on its way. They show the names and hashes of what lies beside it, and no content. They are taken from the proof\n"
	     "(`aicert run --with-trees`) or from DIR, the whole folder as it lies here.\n");
	ai_options_help(table, n);
	puts("\nexample: aicert disclose proof.json --output model --path config.json --dir outputs/model --out disclosure.json\n"
	     "         aicert verify proof.json --disclosure disclosure.json --file config.json");
}

/* --- the listings of a folder of this disk ----------------------------------- */

/* A sink that hashes, and keeps the trees that may be on the way: those with an entry of a name that stands in the path. */
struct listing {
	struct ai_hashsink *hashes;
	struct ai_sink sink;
	const char *path;
	json_t *trees;      /* {id: node} */
};

static bool
stands_in(const char *name, const char *path)
{
	const size_t n = strlen(name);
	for (;;) {
		const size_t part = strcspn(path, "/");
		if (part == n && memcmp(path, name, n) == 0)
			return true;
		if (!path[part])
			return false;
		path += part + 1;
	}
}

static int
keep(struct listing *l, const struct ai_entry *entries, size_t n, const struct ai_digest *id, struct ai_err *err)
{
	AI_JSON *node = NULL;
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_NODE);
	char hex[AI_HEX];
	bool wanted = false;
	for (size_t i = 0; i < n && !wanted; i++)
		wanted = stands_in(entries[i].name, l->path);
	if (!wanted)
		return 0;
	ai_hex(id, hex);
	if (ai_tree_bytes((struct ai_entry *)entries, n, &bytes, err) < 0 || ai_json_parse(bytes.data, bytes.len, "folder", &node, err) < 0)
		return err->code;
	return json_object_set(l->trees, hex, node) < 0 ? ai_nomem(err) : 0;
}

static int
hash_and_keep(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err)
{
	struct listing *l = ctx;
	const struct ai_sink *under = ai_hashsink_sink(l->hashes);
	return under->tree(under->ctx, entries, n, out, err) < 0 ? err->code : keep(l, entries, n, out, err);
}

static int
begin(void *ctx, void **obj, struct ai_err *err)
{
	const struct ai_sink *under = ai_hashsink_sink(((struct listing *)ctx)->hashes);
	return under->begin(under->ctx, obj, err);
}

static int
hash_file(void *ctx, int dirfd, const char *name, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	const struct ai_sink *under = ai_hashsink_sink(((struct listing *)ctx)->hashes);
	return under->file(under->ctx, dirfd, name, out, size_out, err);
}

/* The folder must be the very one that is meant: what is disclosed of another shows nothing. */
static int
list_folder(struct listing *l, const char *dir, const struct ai_ref *want, struct ai_err *err)
{
	const struct ai_path_options options = { .skip_git = true };
	struct ai_ref got;
	char a[AI_HEX], b[AI_HEX];
	AI_FREE char *real = realpath(dir, NULL);
	if (!real)
		return ai_fail_errno(err, AI_EINPUT, "%s: cannot open", dir);
	if (ai_hashsink_new(&l->hashes, err) < 0)
		return err->code;
	l->sink = *ai_hashsink_sink(l->hashes);
	l->sink.ctx = l;
	l->sink.begin = begin;
	l->sink.file = hash_file;
	l->sink.tree = hash_and_keep;
	if (ai_path_import(&l->sink, real, &options, &got, err) < 0)
		return err->code;
	ai_hex(&got.id, a);
	ai_hex(&want->id, b);
	return ai_ref_eq(&got, want) ? 0 : ai_fail(err, AI_ENO, "'%s': got %s %s, expected tree %s, which the proof names", dir, ai_ref_word(got.type), a, b);
}

static int
listed_tree(void *ctx, const struct ai_digest *id, json_t **out, struct ai_err *err)
{
	const struct listing *l = ctx;
	char hex[AI_HEX];
	(void)err;
	ai_hex(id, hex);
	json_t *node = json_object_get(l->trees, hex);
	if (!node)
		return 0;
	*out = json_incref(node);
	return 1;
}

/* --- the command ------------------------------------------------------------- */

struct disclose_cli {
	const char *output, *input, *path, *dir, *out;
	int force, help;
};

static int
disclose_from(const json_t *proof, const struct disclose_cli *c, struct ai_disclose *what, json_t **out, struct ai_err *err)
{
	AI_JSON *trees = json_object();
	struct listing l = { .path = c->path, .trees = trees };
	struct ai_ref top;
	if (!trees)
		return ai_nomem(err);
	if (ai_disclose_of(proof, what, &top, err) < 0)
		return err->code;
	what->tree = listed_tree;
	what->ctx = &l;
	int r = c->dir ? list_folder(&l, c->dir, &top, err) : 0;
	if (r == 0)
		r = ai_disclose_make(proof, what, out, err);
	ai_hashsink_free(l.hashes);
	return r;
}

static int
disclose(const char *file, const struct disclose_cli *c, struct ai_err *err)
{
	AI_BUF_AUTO text = { 0 };
	AI_BUF_AUTO out = AI_BUF(AI_MAX_NODE);
	AI_JSON *proof = NULL, *made = NULL;
	struct ai_proof_text in;
	struct ai_rewrite how;
	struct ai_roots *roots = NULL;
	struct ai_disclose what = { .input = c->input != NULL, .name = c->input ? c->input : c->output, .path = c->path };
	int r = ai_proofs_how(&how, &roots, err);
	if (r == 0)
		r = ai_proofs_read(file, &text, &in, err);
	if (r == 0)
		r = ai_rewrite_open(&how, &in, &proof, err);
	if (r == 0)
		r = disclose_from(proof, c, &what, &made, err);
	if (r == 0)
		r = ai_json_pretty(made, &out, err);
	if (r == 0)
		r = ai_proofs_write(c->out, &out, c->force, err);
	ai_roots_free(roots);
	return r;
}

int
ai_cmd_disclose(int argc, char **argv)
{
	struct disclose_cli c = { 0 };
	const struct ai_option table[] = {
		{ "output", 0, AI_OPTION_TEXT, (void *)&c.output, "NAME", "the run's output that the file is in" },
		{ "input", 0, AI_OPTION_TEXT, (void *)&c.input, "NAME", "the input that the file is in" },
		{ "path", 0, AI_OPTION_TEXT, (void *)&c.path, "PATH", "the file, from that folder on" },
		{ "dir", 0, AI_OPTION_TEXT, (void *)&c.dir, "DIR", "that folder as it lies here (default: the proof's own trees)" },
		{ "out", 'o', AI_OPTION_TEXT, (void *)&c.out, "FILE", "where to write the disclosure (default: standard output)" },
		{ "force", 0, AI_OPTION_FLAG, &c.force, NULL, "replace FILE if it differs" },
		{ "help", 'h', AI_OPTION_FLAG, &c.help, NULL, "show this" },
	};
	const size_t n = sizeof table / sizeof *table;
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, n, argc, argv, &words, &err);
	if (r == 0 && c.help)
		help(table, n);
	else if (r == 0 && words.n != 1)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert disclose PROOF: got %zu arguments, expected one proof", words.n);
	else if (r == 0 && (!c.output == !c.input || !c.path))
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert disclose PROOF: expected one of --output and --input, and --path");
	else if (r == 0)
		r = disclose(words.items[0], &c, &err);
	ai_text_list_done(&words);
	return r < 0 ? ai_print_err(&err) : 0;
}

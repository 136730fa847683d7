/* rules_inputs.c -- the types of inputs that are no rule files, explained as one would be (rules.h).  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/rules.h"

struct key {
	const char *name, *type, *doc;
	bool needed;
};

static const struct input {
	const char *name, *doc, *example;
	struct key keys[9];
} inputs[] = {
	{ "git", "A git repository at a commit, which aicert.lock pins. Files kept in Git LFS are fetched, each checked against its id.",
	  "inputs:\n  code: { git: \"https://github.com/mithril-security/AICert-example\", ref: main }\n", {
		{ "git", "text", "address or path: https, http, ssh, git@host:path, file; also written gitRepo", true },
		{ "ref", "text", "branch, tag or full commit; the remote's HEAD if nothing is said. branch, tag and commit are other words for it", false },
		{ "submodules", "flag", "false leaves submodules out; true if nothing is said", false },
		{ "lfs", "flag", "false keeps the pointers of Git LFS as they are; true if nothing is said", false } } },
	{ "path", "A file or folder of this machine, relative to the Aicertfile. .git, the outputs, the proof and the lock are left out.",
	  "inputs:\n  prompts: { path: prompts, exclude: [\"*.tmp\"] }\n", {
		{ "path", "text", "the file or folder", true },
		{ "exclude", "list of texts", "patterns of what to leave out", false },
		{ "follow", "flag", "links are replaced by what they point to; false if nothing is said, and a link that leads out is then refused", false },
		{ "sha256", "hex", "of a file: what it must hash to", false } } },
	{ "proof", "An output of another run, by that run's proof. The proof is verified first, and this run's proof carries it.",
	  "inputs:\n  base: { proof: ../base/proof.json, output: model, level: software }\n", {
		{ "proof", "text", "path or URL of the proof", true },
		{ "output", "text", "which of its outputs; may be left out where there is one", false },
		{ "level", "text", "what it must reach: unsigned, software, genuine-tpm or measured-platform, which it is if nothing is said, or what --policy asks for", false },
		{ "content", "text", "path or URL of the output's file or folder; it is looked for in the cache and beside the proof if nothing is said", false },
		{ "sha256", "hex", "what the proof file must hash to", false } } },
	{ "url", "A file, a folder of files, or an archive, over http, https or file. aicert.lock pins its SHA-256 and size.",
	  "inputs:\n  alpaca: { url: \"https://example.org/alpaca.csv\" }\n  corpus: { url: \"https://example.org/corpus.tar.gz\", unpack: true, strip: 1 }\n"
	  "  shards: { url: [\"https://example.org/a.bin\", \"https://example.org/b.bin\"] }\n", {
		{ "url", "text, or list of texts", "the address; a list is a folder of the files", true },
		{ "sha256", "hex", "what it must hash to; of a list, a list too, or a map from file names", false },
		{ "size", "integer", "how many bytes it must have", false },
		{ "unpack", "flag", "it is an archive (tar, plain or as gz, bz2, xz, zst; zip), and the input is the folder in it", false },
		{ "strip", "integer", "with unpack: how many leading parts of each path go", false } } },
};

const char *
ai_rules_input_name(size_t i)
{
	return i < sizeof inputs / sizeof *inputs ? inputs[i].name : NULL;
}

json_t *
ai_rules_input(const char *name)
{
	const struct input *in = NULL;
	for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
		if (strcmp(inputs[i].name, name) == 0)
			in = &inputs[i];
	json_t *attrs = in ? json_array() : NULL;
	for (const struct key *k = attrs ? in->keys : NULL; k && k->name; k++) {
		json_t *a = json_pack("{s:s, s:s, s:s}", "name", k->name, "type", k->type, "doc", k->doc);
		if (a && !k->needed)
			json_object_set_new(a, "optional", json_true());
		json_array_append_new(attrs, a);
	}
	return attrs ? json_pack("{s:s, s:s, s:s, s:s, s:o, s:[]}", "name", in->name, "kind", "source", "doc", in->doc, "example", in->example, "attrs", attrs, "outputs") : NULL;
}

/* show.c -- `aicert show`: a proof's DAG for people. Shows, and says that it does not judge.  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/print.h"
#include "model/manifest.h"

static const char *
text(const json_t *obj, const char *key)
{
	const char *s = ai_json_str(obj, key);
	return s ? s : "?";
}

static const json_t *
node(const json_t *proof, const char *id)
{
	return id ? json_object_get(ai_json_obj(proof, "nodes"), id) : NULL;
}

static void
field(const char *name, const char *value)
{
	printf("  %-9s ", name);
	ai_put_safe(value);
	putchar('\n');
}

/* "input base", "step train": where a part begins. */
static void
heading(const char *what, const char *name)
{
	printf("%s%s ", ai_bold(), what);
	ai_put_safe(name);
	printf("%s\n", ai_plain());
}

static const char *
reference(const json_t *obj, const char **word)
{
	const char *id = ai_json_str(obj, "tree");
	*word = id ? "tree" : "blob";
	return id ? id : text(obj, "blob");
}

/* The lock that the proof carries; NULL when it is none. New reference. */
static json_t *
lock_of(const json_t *proof, const json_t *plan)
{
	const char *id = ai_json_str(plan, "lock"), *text64 = id ? ai_json_str(ai_json_obj(proof, "blobs"), id) : NULL;
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_LOCK);
	json_t *lock = NULL;
	struct ai_err ignored = { 0 };
	if (!text64 || ai_b64_get(text64, strlen(text64), &bytes, &ignored) < 0 || ai_json_parse(bytes.data, bytes.len, "lock", &lock, &ignored) < 0)
		return NULL;
	return lock;
}

/* What lies in "train/wheels" or "train/sdists", as the lock has it. */
static void
show_packages(const json_t *lock, const char *source)
{
	const char *slash = strrchr(source, '/');
	AI_FREE char *step = slash ? ai_strndup(source, (size_t)(slash - source)) : NULL;
	const json_t *files = step ? ai_json_arr(ai_json_obj(ai_json_obj(lock, "wheels"), step), strcmp(slash, "/sdists") == 0 ? "sdists" : "files") : NULL;
	size_t i;
	json_t *f;
	json_array_foreach(files, i, f) {
		printf("  %-9s ", i ? "" : "holds");
		ai_put_safe(text(f, "name"));
		printf("  %s", ai_dim());
		ai_put_safe(text(f, "sha256"));
		printf("%s\n", ai_plain());
	}
}

static bool
is_withheld(const json_t *node)
{
	const char *kind = ai_json_str(node, "kind");
	return kind && strcmp(kind, "withheld") == 0;
}

/* What a source's revision is the id of. */
static const char *
revision_word(const char *type)
{
	return strcmp(type, "image") == 0 ? "manifest" : strcmp(type, "proof") == 0 ? "run" : "commit";
}

static void
show_source(const json_t *proof, const json_t *lock, const json_t *entry)
{
	const json_t *s = node(proof, ai_json_str(entry, "id"));
	const char *word, *id = reference(ai_json_obj(s, "content"), &word);
	heading("input", text(entry, "name"));
	if (is_withheld(s)) {
		field("from", "what is withheld");
		return;
	}
	printf("  %-9s ", "from");
	ai_put_safe(text(s, "type"));
	putchar(' ');
	ai_put_safe(text(s, "uri"));
	putchar('\n');
	if (ai_json_str(s, "ref"))
		field(strcmp(text(s, "type"), "proof") == 0 ? "output" : "ref", text(s, "ref"));
	if (ai_json_str(s, "revision"))
		field(revision_word(text(s, "type")), text(s, "revision"));
	printf("  %-9s %s ", "content", word);
	ai_put_safe(id);
	putchar('\n');
	if (strcmp(text(s, "type"), "wheels") == 0)
		show_packages(lock, text(entry, "name"));
}

/* A word of a command; a script keeps its lines, but of one that is only a tool for the words after it no more than a few are shown. */
static void
put_word(const char *word, bool last)
{
	const char *line = word ? word : "?";
	size_t shown = 0, more = 0;
	if (!strchr(line, '\n')) {
		putchar(' ');
		ai_put_safe(line);
		return;
	}
	while (*line) {
		size_t n = strcspn(line, "\n");
		AI_FREE char *copy = last || shown < 3 ? ai_strndup(line, n) : NULL;
		if (copy)
			printf("\n    ");
		ai_put_safe(copy ? copy : "");
		copy ? shown++ : more++;
		line += n + (line[n] == '\n');
	}
	if (more)
		printf("\n    … %zu more lines: --json shows them", more);
	if (!last)
		printf("\n   ");
}

static void
show_variables(const json_t *env)
{
	AI_BUF_AUTO all = AI_BUF(AI_MAX_PROOF);
	size_t i;
	json_t *v;
	json_array_foreach(env, i, v)
		ai_buf_printf(&all, "%s%s=%s", i ? " " : "", text(v, "name"), text(v, "value"));
	if (!all.len)
		return;
	printf("  %-9s ", "with");
	ai_put_prose(all.data, 12);
	putchar('\n');
}

static void
show_actions(const json_t *step)
{
	size_t i, k;
	json_t *a, *v;
	json_array_foreach(ai_json_arr(step, "actions"), i, a) {
		printf("  ");
		ai_put_safe(text(a, "do"));
		for (size_t n = ai_columns(text(a, "do")); n < 9; n++)
			putchar(' ');
		json_array_foreach(ai_json_arr(a, "argv"), k, v)
			put_word(json_string_value(v), k + 1 == json_array_size(ai_json_arr(a, "argv")));
		static const char *const places[] = { "from", "to", "path" };
		for (k = 0; k < sizeof places / sizeof *places; k++)
			if (ai_json_str(a, places[k]))
				put_word(ai_json_str(a, places[k]), true);
		putchar('\n');
		show_variables(ai_json_arr(a, "env"));
	}
}

/* "input base" or "train's model": where content comes from, as far as the proof names it whole. */
static void
put_origin(const json_t *proof, const json_t *plan, const json_t *run, const char *id)
{
	size_t i, k;
	json_t *v, *o;
	const char *word;
	json_array_foreach(ai_json_arr(plan, "sources"), i, v)
		if (strcmp(id, reference(ai_json_obj(node(proof, ai_json_str(v, "id")), "content"), &word)) == 0) {
			printf("input ");
			ai_put_safe(text(v, "name"));
			return;
		}
	json_array_foreach(ai_json_arr(run, "results"), i, v)
		json_array_foreach(ai_json_arr(node(proof, ai_json_str(v, "id")), "outputs"), k, o)
			if (strcmp(id, reference(o, &word)) == 0) {
				printf("step ");
				ai_put_safe(text(v, "name"));
				printf("'s ");
				ai_put_safe(text(o, "name"));
				return;
			}
	printf("a part of those above, or carried in the proof");
}

static void
show_places(const char *title, const char *key, const json_t *list, const json_t *proof, const json_t *plan, const json_t *run)
{
	size_t i, width = 0;
	json_t *v;
	json_array_foreach(list, i, v)
		width = ai_columns(text(v, key)) > width ? ai_columns(text(v, key)) : width;
	json_array_foreach(list, i, v) {
		const char *word, *id = reference(v, &word);
		printf("  ");
		if (*title)
			printf("%-9s ", i ? "" : title);
		ai_put_safe(text(v, key));
		printf("%*s  ", (int)(width - ai_columns(text(v, key))), "");
		if (plan) {
			put_origin(proof, plan, run, id);
			printf("  ");
		}
		printf("%s%s ", ai_dim(), word);
		plan ? ai_put_prose(id, 0) : ai_put_safe(id);
		printf("%s\n", ai_plain());
	}
}

/* What a step ran in, image by image: a run may use several, and the host beside them. */
static void
show_environment(const json_t *proof, const json_t *plan, const json_t *env)
{
	const json_t *image = ai_json_obj(env, "image");
	const char *manifest = ai_json_str(image, "manifest");
	size_t i;
	json_t *v;
	printf("  %-9s ", "in");
	printf("%s", json_is_true(json_object_get(env, "host")) ? "the host environment" : image ? "image" : "an environment that is withheld");
	json_array_foreach(manifest ? ai_json_arr(plan, "sources") : NULL, i, v) {
		const char *revision = ai_json_str(node(proof, ai_json_str(v, "id")), "revision");
		if (!revision || strcmp(revision, manifest) != 0)
			continue;
		putchar(' ');
		ai_put_safe(text(v, "name"));
		break;
	}
	if (manifest) {
		putchar(' ');
		ai_put_safe(manifest);
	}
	putchar('\n');
	json_array_foreach(ai_json_arr(env, "gpus"), i, v) {
		printf("  %-9s ", i ? "" : "on");
		ai_put_safe(text(v, "model"));
		printf(", driver ");
		ai_put_safe(text(v, "driver"));
		putchar('\n');
	}
}

enum { CARRIED_LINES = 40 };

/* What the proof carries of an output, if it is its bytes; the first lines of it. */
static void
show_bytes(const json_t *proof, const char *name, const char *id)
{
	const char *coded = id ? ai_json_str(ai_json_obj(proof, "blobs"), id) : NULL;
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_PROOF);
	struct ai_err ignored = { 0 };
	struct ai_digest named, hash;
	size_t lines = 0;
	if (!coded || !ai_unhex(id, &named) || ai_b64_get(coded, strlen(coded), &bytes, &ignored) < 0)
		return;
	ai_sha256(bytes.data ? bytes.data : "", bytes.len, &hash);
	printf("  %-9s ", "carries");
	ai_put_safe(name);
	if (!ai_digest_eq(&named, &hash)) {
		puts(", but other bytes than its hash says");
		return;
	}
	putchar('\n');
	for (size_t at = 0; at < bytes.len; lines++) {
		const char *end = memchr(bytes.data + at, '\n', bytes.len - at);
		size_t n = end ? (size_t)(end - bytes.data) - at : bytes.len - at;
		AI_FREE char *line = lines < CARRIED_LINES ? ai_strndup(bytes.data + at, n) : NULL;
		if (line) {
			printf("    ");
			ai_put_safe(line);
			putchar('\n');
		}
		at += n + 1;
	}
	if (lines > CARRIED_LINES)
		printf("    … %zu more lines: `aicert verify --json` has them\n", lines - CARRIED_LINES);
}

static void
show_contents(const json_t *proof, const json_t *step, const json_t *result)
{
	size_t i, k;
	json_t *declared, *made;
	json_array_foreach(ai_json_arr(step, "outputs"), i, declared) {
		if (!json_object_get(declared, "carried"))
			continue;
		json_array_foreach(ai_json_arr(result, "outputs"), k, made)
			if (strcmp(text(declared, "name"), text(made, "name")) == 0)
				show_bytes(proof, text(made, "name"), ai_json_str(made, "blob"));
	}
}

static void
show_step(const json_t *proof, const json_t *plan, const json_t *run, const json_t *entry)
{
	const json_t *result = node(proof, ai_json_str(entry, "id"));
	const json_t *step = node(proof, ai_json_str(result, "step"));
	const json_t *env = node(proof, ai_json_str(step, "environment"));
	const json_t *used = node(proof, ai_json_str(result, "used"));
	heading("step", text(entry, "name"));
	show_actions(step);
	show_environment(proof, plan, env);
	if (is_withheld(used))
		field("used", "of the host what is withheld");
	else if (used)
		printf("  %-9s %zu files of the host; looked for %zu more in vain, listed %zu folders\n", "used",
			json_array_size(ai_json_arr(used, "files")), json_array_size(ai_json_arr(used, "absent")), json_array_size(ai_json_arr(used, "listed")));
	show_places("takes", "path", ai_json_arr(step, "inputs"), proof, plan, run);
	show_places("gives", "name", ai_json_arr(result, "outputs"), proof, NULL, NULL);
	show_contents(proof, step, result);
	field("key", text(result, "step"));
}

static void
show_attestation(const json_t *proof)
{
	const json_t *c = ai_json_obj(proof, "claims");
	size_t i;
	json_t *v;
	printf("%sattested%s\n", ai_bold(), ai_plain());
	field("by key", text(c, "ak"));
	field("started", text(c, "started"));
	field("finished", text(c, "finished"));
	if (ai_json_str(c, "nonce"))
		field("nonce", text(c, "nonce"));
	const char *key;
	json_object_foreach(ai_json_obj(c, "machine"), key, v)
		if (json_is_string(v))
			field(key, json_string_value(v));
	json_array_foreach(ai_json_arr(ai_json_obj(proof, "evidence"), "run_log"), i, v)
		if (strcmp(text(v, "event"), "job") == 0) {
			printf("  %-9s as job disk ", "given");
			ai_put_safe(text(v, "id"));
			putchar('\n');
		}
	printf("  %-9s aicert ", "program");
	ai_put_safe(text(ai_json_obj(c, "program"), "version"));
	const size_t n = json_array_size(ai_json_arr(proof, "cosigned"));
	if (n > 0)
		printf("\n  %-9s %zu further attestation%s of this root", "cosigned", n, n == 1 ? "" : "s");
	printf("\n  %-9s %zu executed, %zu reused\n", "results", json_array_size(ai_json_arr(c, "executed")), json_array_size(ai_json_arr(c, "reused")));
}

/* What whoever ran it chose: values of parameters, and steps if not all were run. */
static void
show_parameters(const json_t *plan)
{
	const char *title = "with";
	size_t i;
	json_t *p;
	json_array_foreach(ai_json_arr(plan, "parameters"), i, p) {
		if (strcmp(text(p, "name"), AI_PARAM_STEPS) == 0) {
			field("chosen", text(p, "value"));
			continue;
		}
		printf("  %-9s ", title);
		ai_put_safe(text(p, "name"));
		fputs(" = ", stdout);
		ai_put_safe(text(p, "value"));
		putchar('\n');
		title = "";
	}
}

/* The proof of an input: which run it is of, and what that was made from. */
static void
show_carried(const char *root, const json_t *proof)
{
	const json_t *run = node(proof, root), *plan = node(proof, ai_json_str(run, "plan"));
	size_t i;
	json_t *v;
	heading("proof", text(run, "name"));
	field("root", root);
	show_parameters(plan);
	json_array_foreach(ai_json_arr(plan, "sources"), i, v) {
		const json_t *s = node(proof, ai_json_str(v, "id"));
		const char *word, *id = reference(ai_json_obj(s, "content"), &word);
		printf("  %-9s ", i ? "" : "from");
		ai_put_safe(text(v, "name"));
		fputs(": ", stdout);
		ai_put_safe(is_withheld(s) ? "withheld" : text(s, "type"));
		putchar(' ');
		ai_put_safe(is_withheld(s) ? "" : text(s, "uri"));
		if (!is_withheld(s)) {
			printf(" %s ", word);
			ai_put_safe(id);
		}
		putchar('\n');
	}
}

static void
show(const json_t *proof)
{
	const json_t *run = node(proof, ai_json_str(proof, "root"));
	const json_t *plan = node(proof, ai_json_str(run, "plan"));
	AI_JSON *lock = lock_of(proof, plan);
	size_t i;
	const char *root;
	json_t *v;
	heading("run", text(run, "name"));
	field("root", text(proof, "root"));
	show_parameters(plan);
	json_array_foreach(ai_json_arr(plan, "sources"), i, v)
		show_source(proof, lock, v);
	json_array_foreach(ai_json_arr(run, "results"), i, v)
		show_step(proof, plan, run, v);
	printf("%soutputs%s\n", ai_bold(), ai_plain());
	show_places("", "name", ai_json_arr(run, "outputs"), proof, NULL, NULL);
	show_attestation(proof);
	json_object_foreach(ai_json_obj(proof, "proofs"), root, v)
		show_carried(root, v);
	puts("This shows what the proof says. Whether it holds: aicert verify");
}

int
ai_cmd_show(int argc, char **argv)
{
	int json = 0, help = 0;
	const struct ai_option table[] = {
		{ "json", 0, AI_OPTION_FLAG, &json, NULL, "print root, nodes and claims as JSON" },
		{ "help", 'h', AI_OPTION_FLAG, &help, NULL, "show this" },
	};
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_PROOF);
	AI_JSON *proof = NULL;
	int r = ai_options_parse(table, 2, argc, argv, &words, &err);
	if (r == 0 && help) {
		puts("usage: aicert show PROOF [OPTION…]\n\nPrints a proof's inputs, steps and outputs for people. Checks nothing: that is `aicert verify`.\n");
		ai_options_help(table, 2);
		puts("\nexample: aicert show proof.json");
	} else if (r == 0 && words.n != 1) {
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert show PROOF: got %zu arguments, expected one proof", words.n);
	}
	if (r == 0 && !help)
		r = ai_read_file(AT_FDCWD, words.items[0], &bytes, &err);
	if (r == 0 && !help)
		r = ai_json_parse(bytes.data, bytes.len, words.items[0], &proof, &err);
	if (r == 0 && !help && !node(proof, ai_json_str(proof, "root")))
		r = ai_fail(&err, AI_EINPUT, "%s: not a proof: its root is not among its nodes", words.items[0]);
	ai_text_list_done(&words);
	if (r < 0)
		return ai_print_err(&err);
	if (json && proof) {
		AI_JSON *out = json_pack("{s:O, s:O, s:O}", "root", json_object_get(proof, "root"), "nodes", json_object_get(proof, "nodes"),
			"claims", json_object_get(proof, "claims"));
		AI_BUF_AUTO pretty = AI_BUF(AI_MAX_PROOF);
		if (!out)
			ai_fail(&err, AI_EINPUT, "not a proof: root, nodes or claims are missing");
		if (!out || ai_json_pretty(out, &pretty, &err) < 0)
			return ai_print_err(&err);
		fputs(pretty.data, stdout);
	} else if (proof) {
		show(proof);
	}
	return 0;
}

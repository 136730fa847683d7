/* show.c -- `aicert show`: a proof's DAG for people. Shows, and says that it does not judge.  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/print.h"

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

static void
show_reference(const char *title, const char *name, const json_t *obj)
{
	const char *id = ai_json_str(obj, "tree"), *word = id ? "tree" : "blob";
	if (!id)
		id = ai_json_str(obj, "blob");
	printf("  %-9s ", title);
	ai_put_safe(name);
	printf("  %s%s %s%s\n", ai_dim(), word, id ? id : "?", ai_plain());
}

static void
show_source(const json_t *proof, const json_t *entry)
{
	const json_t *s = node(proof, ai_json_str(entry, "id"));
	printf("%sinput %s%s\n", ai_bold(), text(entry, "name"), ai_plain());
	field("type", text(s, "type"));
	field("from", text(s, "uri"));
	if (ai_json_str(s, "ref"))
		field("ref", text(s, "ref"));
	if (ai_json_str(s, "revision"))
		field("revision", text(s, "revision"));
	show_reference("content", "", ai_json_obj(s, "content"));
}

static void
show_command(const json_t *step)
{
	size_t i, k;
	json_t *a, *word;
	json_array_foreach(ai_json_arr(step, "actions"), i, a) {
		printf("  %-9s", text(a, "do"));
		json_array_foreach(ai_json_arr(a, "argv"), k, word) {
			putchar(' ');
			ai_put_safe(json_string_value(word));
		}
		if (ai_json_str(a, "path")) {
			putchar(' ');
			ai_put_safe(text(a, "path"));
		}
		putchar('\n');
	}
}

static void
show_step(const json_t *proof, const json_t *entry)
{
	const json_t *result = node(proof, ai_json_str(entry, "id"));
	const json_t *step = node(proof, ai_json_str(result, "step"));
	const json_t *env = node(proof, ai_json_str(step, "environment"));
	const json_t *used = node(proof, ai_json_str(result, "used"));
	size_t i;
	json_t *v;
	printf("%sstep %s%s\n", ai_bold(), text(entry, "name"), ai_plain());
	show_command(step);
	field("in", json_is_true(json_object_get(env, "host")) ? "the host environment" : "an image");
	if (used)
		printf("  %-9s %zu files of the host, %zu look-ups that found nothing, %zu folders listed\n", "used",
			json_array_size(ai_json_arr(used, "files")), json_array_size(ai_json_arr(used, "absent")), json_array_size(ai_json_arr(used, "listed")));
	json_array_foreach(ai_json_arr(step, "inputs"), i, v)
		show_reference("takes", text(v, "path"), v);
	json_array_foreach(ai_json_arr(result, "outputs"), i, v)
		show_reference("gives", text(v, "name"), v);
	field("key", text(result, "step"));
}

static void
show_attestation(const json_t *proof)
{
	const json_t *c = ai_json_obj(proof, "claims");
	json_t *v;
	printf("%sattested%s\n", ai_bold(), ai_plain());
	field("by key", text(c, "ak"));
	field("started", text(c, "started"));
	field("finished", text(c, "finished"));
	const char *key;
	json_object_foreach(ai_json_obj(c, "machine"), key, v)
		if (json_is_string(v))
			field(key, json_string_value(v));
	field("program", text(ai_json_obj(c, "program"), "version"));
	printf("  %-9s %zu executed, %zu reused\n", "results", json_array_size(ai_json_arr(c, "executed")), json_array_size(ai_json_arr(c, "reused")));
}

static void
show(const json_t *proof)
{
	const json_t *run = node(proof, ai_json_str(proof, "root"));
	const json_t *plan = node(proof, ai_json_str(run, "plan"));
	size_t i;
	json_t *v;
	printf("%srun %s%s\n", ai_bold(), text(run, "name"), ai_plain());
	field("root", text(proof, "root"));
	json_array_foreach(ai_json_arr(plan, "sources"), i, v)
		show_source(proof, v);
	json_array_foreach(ai_json_arr(run, "results"), i, v)
		show_step(proof, v);
	printf("%soutputs%s\n", ai_bold(), ai_plain());
	json_array_foreach(ai_json_arr(run, "outputs"), i, v)
		show_reference("output", text(v, "name"), v);
	show_attestation(proof);
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

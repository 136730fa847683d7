/* verify.c -- `aicert verify`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aicert.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/print.h"

static void
help(const struct ai_option *table, size_t n)
{
	puts("usage: aicert verify PROOF [OPTION…]\n"
	     "\n"
	     "Recomputes every id, follows every input to where it came from, plans again, checks the TPM's quote, and says\n"
	     "which level the proof reaches. Exit code 0 only when that is the required level (default: measured-platform).\n");
	ai_options_help(table, n);
	puts("\nlevels: unsigned < software < genuine-tpm < measured-platform\n"
	     "example: aicert verify proof.json --require software --output model=outputs/finetuned.pth");
}

/* The width of a column: the longest of what stands under a key in a list. */
static size_t
widest(const json_t *list, const char *key, size_t least)
{
	size_t i;
	json_t *v;
	json_array_foreach(list, i, v) {
		size_t n = ai_columns(ai_json_str(v, key));
		if (n > least)
			least = n;
	}
	return least;
}

static void
put_column(const char *text, size_t width)
{
	size_t n = ai_columns(text);
	ai_put_safe(text);
	printf("%*s", (int)(width > n ? width - n : 0) + 2, "");
}

static void
print_check(const json_t *check, size_t width)
{
	const char *status = ai_json_str(check, "status");
	bool failed = strcmp(status, "failed") == 0, passed = strcmp(status, "passed") == 0;
	printf("  %s%-7s%s  ", failed ? ai_red() : passed ? ai_green() : ai_dim(), failed ? "FAILED" : passed ? "ok" : status, ai_plain());
	put_column(ai_json_str(check, "name"), width);
	ai_put_prose(ai_json_str(check, "compared"), 2 + 7 + 2 + width + 2);
	putchar('\n');
}

static void
print_named(const char *title, const json_t *list, size_t width)
{
	size_t i;
	json_t *v;
	json_array_foreach(list, i, v) {
		printf("%-9s", i ? "" : title);
		put_column(ai_json_str(v, "name"), width);
		ai_put_safe(ai_json_str(v, "hash"));
		const char *from = ai_json_str(v, "download_url");
		if (from)
			printf("  ");
		ai_put_safe(from);
		putchar('\n');
	}
}

static void
print_line(const char *title, const char *text)
{
	if (!text || !*text)
		return;
	printf("%-9s", title);
	ai_put_safe(text);
	putchar('\n');
}

static void
print_prose(const char *title, const char *text)
{
	if (!text || !*text)
		return;
	fputs(title, stdout);
	ai_put_prose(text, strlen(title));
	putchar('\n');
}

/* The verdict first, the failed checks before the others: the weakest link is what a reader came for. */
static void
print_report(const json_t *r)
{
	bool verified = json_is_true(json_object_get(r, "verified"));
	printf("%s%s%s%s  level reached: %s  (required: %s)\n", ai_bold(), verified ? ai_green() : ai_red(),
		verified ? "VERIFIED" : "NOT VERIFIED", ai_plain(), ai_json_str(r, "level"), ai_json_str(r, "required"));
	const json_t *inputs = ai_json_arr(r, "inputs"), *outputs = ai_json_arr(r, "outputs"), *checks = ai_json_arr(r, "checks");
	size_t width = widest(outputs, "name", widest(inputs, "name", 0));
	print_line("run", ai_json_str(r, "name"));
	print_line("root", ai_json_str(r, "root"));
	print_named("inputs", inputs, width);
	print_named("outputs", outputs, width);
	print_line("key", ai_json_str(r, "key"));
	puts("checks   (what was compared with what)");
	size_t i;
	json_t *c;
	width = widest(checks, "name", 0);
	for (int pass = 0; pass < 2; pass++)
		json_array_foreach(checks, i, c)
			if ((strcmp(ai_json_str(c, "status"), "failed") == 0) == (pass == 0))
				print_check(c, width);
	print_prose("not more because: ", ai_json_str(r, "why_not_next"));
	const char *hint = ai_json_str(r, "hint");
	if (hint && *hint) {
		printf("hint: ");
		ai_put_safe(hint);
		putchar('\n');
	}
}

/* NAME=PATH pairs; the strings are cut in place. */
static int
pairs(const struct ai_text_list *list, const char *option, aicert_named_path **out, struct ai_err *err)
{
	*out = ai_calloc(list->n, sizeof **out);
	if (!*out)
		return ai_nomem(err);
	for (size_t i = 0; i < list->n; i++) {
		char *eq = strchr(list->items[i], '=');
		if (!eq || eq == list->items[i] || !eq[1])
			return ai_fail(err, AI_EUSAGE, "usage: --%s: got '%s', expected NAME=PATH", option, list->items[i]);
		*eq = '\0';
		(*out)[i] = (aicert_named_path){ list->items[i], eq + 1 };
	}
	return 0;
}

struct verify_cli {
	aicert_verify_options o;
	struct ai_text_list keys, inputs, outputs, words;
	int json, quiet, help, only_keys;
};

static int
judge(struct verify_cli *v)
{
	char *report = NULL;
	aicert_error error;
	struct ai_err err = { 0 };
	int r = aicert_verify_file(v->words.items[0], &v->o, &report, &error);
	if (report && v->json) {
		fputs(report, stdout);
	} else if (report && !v->quiet) {
		AI_JSON *j = NULL;
		if (ai_json_parse(report, strlen(report), "report", &j, &err) == 0)
			print_report(j);
	}
	if (r < 0 && (!report || v->quiet))
		ai_print_error(&error);
	aicert_free(report);
	return -r;
}

int
ai_cmd_verify(int argc, char **argv)
{
	ai_crypto_without_config();
	struct verify_cli v = { .o.size = sizeof v.o };
	const struct ai_option table[] = {
		{ "require", 0, AI_OPTION_TEXT, (void *)&v.o.require, "LEVEL", "the level that the proof must reach" },
		{ "key", 0, AI_OPTION_LIST, &v.keys, "FINGERPRINT", "accept this attestation key (may be repeated)" },
		{ "only-keys", 0, AI_OPTION_FLAG, &v.only_keys, NULL, "accept no key but those of --key" },
		{ "nonce", 0, AI_OPTION_TEXT, (void *)&v.o.nonce, "TEXT", "the nonce that you gave the builder" },
		{ "input", 0, AI_OPTION_LIST, &v.inputs, "NAME=PATH", "compare an input with a file, folder or git clone here" },
		{ "output", 0, AI_OPTION_LIST, &v.outputs, "NAME=PATH", "compare an output with a file or folder here" },
		{ "allow-withheld", 0, AI_OPTION_FLAG, &v.o.allow_withheld, NULL, "accept a proof whose nodes are withheld" },
		{ "json", 0, AI_OPTION_FLAG, &v.json, NULL, "print the report as JSON" },
		{ "quiet", 'q', AI_OPTION_FLAG, &v.quiet, NULL, "print nothing; the exit code says it" },
		{ "help", 'h', AI_OPTION_FLAG, &v.help, NULL, "show this" },
	};
	const size_t n = sizeof table / sizeof *table;
	aicert_named_path *in = NULL, *out = NULL;
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, n, argc, argv, &v.words, &err), code = 0;
	if (r == 0 && v.help)
		help(table, n);
	else if (r == 0 && v.words.n != 1)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert verify PROOF: got %zu arguments, expected one proof", v.words.n);
	if (r == 0)
		r = pairs(&v.inputs, "input", &in, &err);
	if (r == 0)
		r = pairs(&v.outputs, "output", &out, &err);
	if (r == 0 && !v.help) {
		v.o.keys = v.keys.items;
		v.o.n_keys = v.keys.n;
		v.o.ignore_home = v.only_keys;
		v.o.inputs = in;
		v.o.n_inputs = v.inputs.n;
		v.o.outputs = out;
		v.o.n_outputs = v.outputs.n;
		code = judge(&v);
	}
	free(in);
	free(out);
	ai_text_list_done(&v.keys);
	ai_text_list_done(&v.inputs);
	ai_text_list_done(&v.outputs);
	ai_text_list_done(&v.words);
	return r < 0 ? ai_print_err(&err) : code;
}

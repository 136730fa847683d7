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

static bool
has_status(const json_t *check, const char *status)
{
	return strcmp(ai_json_str(check, "status"), status) == 0;
}

static void
print_check(const json_t *check, size_t width)
{
	bool failed = has_status(check, "failed"), passed = has_status(check, "passed");
	printf("  %s%-7s%s  ", failed ? ai_red() : passed ? ai_green() : ai_dim(), failed ? "FAILED" : passed ? "ok" : ai_json_str(check, "status"), ai_plain());
	put_column(ai_json_str(check, "name"), width);
	ai_put_prose(ai_json_str(check, "compared"), 2 + 7 + 2 + width + 2);
	putchar('\n');
}

/* Told in full whatever the reader asked for: what failed, and a plan that nobody made again though it could have been. */
static bool
is_notable(const json_t *check)
{
	return has_status(check, "failed") || (has_status(check, "skipped") && strcmp(ai_json_str(check, "name"), "planned again") == 0);
}

/* The names alone of the checks of a status, on as few lines as they need; what a policy could have asked for and did not is only counted. */
static void
print_names(const json_t *checks, const char *status, const char *word, const char *colour)
{
	AI_BUF_AUTO names = AI_BUF(AI_MAX_TEXT);
	size_t i;
	json_t *c;
	size_t unasked = 0;
	json_array_foreach(checks, i, c) {
		bool of_policy = strncmp(ai_json_str(c, "name"), "policy ", 7) == 0;
		if (has_status(c, status) && of_policy && has_status(c, "skipped"))
			unasked++;
		else if (has_status(c, status) && !is_notable(c))
			ai_buf_printf(&names, "%s%s", names.len ? ", " : "", ai_json_str(c, "name"));
	}
	if (unasked)
		ai_buf_printf(&names, "%spolicy (%zu)", names.len ? ", " : "", unasked);
	if (!names.len)
		return;
	printf("  %s%-7s%s  ", colour, word, ai_plain());
	ai_put_prose(names.data, 2 + 7 + 2);
	putchar('\n');
}

/* Failed ones in full and first: the weakest link is what a reader came for. The others in full only when asked. */
static void
print_checks(const json_t *checks, bool all)
{
	size_t i, width = 0;
	json_t *c;
	printf("checks   %s\n", all ? "(what was compared with what)" : "(-v: what each compared with what)");
	json_array_foreach(checks, i, c)
		if (all || is_notable(c))
			width = ai_columns(ai_json_str(c, "name")) > width ? ai_columns(ai_json_str(c, "name")) : width;
	json_array_foreach(checks, i, c)
		if (is_notable(c))
			print_check(c, width);
	if (all) {
		json_array_foreach(checks, i, c)
			if (!is_notable(c))
				print_check(c, width);
		return;
	}
	print_names(checks, "passed", "ok", ai_green());
	print_names(checks, "skipped", "skipped", ai_dim());
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
		const char *from = ai_json_str(v, "download_url"), *type = ai_json_str(v, "type");
		/* No content's hash: nobody must compare it with one. */
		bool withheld = type && strcmp(type, "withheld") == 0;
		if (withheld || from)
			printf("  ");
		ai_put_safe(withheld ? "(withheld: the id of its description, not the hash of its content)" : from);
		const char *input = ai_json_str(v, "input");
		if (input && strcmp(input, ai_json_str(v, "name")) != 0) {
			printf("  (input ");
			ai_put_safe(input);
			putchar(')');
		}
		putchar('\n');
	}
}

/* The inputs that are outputs of other runs, and how far the proof of each reaches. */
static void
print_lineage(const json_t *lineage, const char *root)
{
	size_t i;
	json_t *v;
	json_array_foreach(lineage, i, v) {
		const char *input = ai_json_str(v, "input"), *by = ai_json_str(v, "by");
		printf("%-9s", i ? "" : "lineage");
		ai_put_safe(*input ? input : "(withheld)");
		fputs(by && root && *by && strcmp(by, root) != 0 ? " (of a run below)" : "", stdout);
		fputs(": ", stdout);
		if (*input) {
			fputs("output '", stdout);
			ai_put_safe(ai_json_str(v, "output"));
			fputs("' of ", stdout);
		}
		fputs("run '", stdout);
		ai_put_safe(ai_json_str(v, "name"));
		printf("' %s  level %s\n", ai_json_str(v, "root"), ai_json_str(v, "level"));
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

static void
print_anchor(const char *name, const char *authority)
{
	if (!name || !*name)
		return;
	printf("tpm      vouched for by ");
	ai_put_safe(name);
	if (authority && *authority) {
		printf(" (authority ");
		ai_put_safe(authority);
		putchar(')');
	}
	putchar('\n');
}

/* What booted, where the proof says: whose word that is, the level says. */
static void
print_boot(const json_t *boot, const char *job)
{
	bool given = job && *job, matches = json_is_true(json_object_get(boot, "matches"));
	if (json_is_true(json_object_get(boot, "replayed")) || matches)
		printf("boot     replayed%s\n", !matches ? "" : given ? ", runner matches" : ", and every PCR is what the policy says");
	if (given)
		printf("given    as job disk %s\n", job);
}

/* What the steps ran in: an image among the inputs must not let it seem that all ran in it. */
static void
print_environments(const json_t *steps)
{
	long long all = json_integer_value(json_object_get(steps, "all")), images = json_integer_value(json_object_get(steps, "in_images")),
		hosts = json_integer_value(json_object_get(steps, "in_host"));
	if (!steps)
		return;
	printf("steps    %lld: %lld ran in an image, %lld in the host environment", all, images, hosts);
	if (all > images + hosts)
		printf(", %lld in what is withheld", all - images - hosts);
	putchar('\n');
}

/* The verdict first, then what stands between the proof and a higher level. */
static void
print_report(const json_t *r, bool all)
{
	bool verified = json_is_true(json_object_get(r, "verified"));
	printf("%s%s%s%s  level reached: %s  (required: %s)\n", ai_bold(), verified ? ai_green() : ai_red(),
		verified ? "VERIFIED" : "NOT VERIFIED", ai_plain(), ai_json_str(r, "level"), ai_json_str(r, "required"));
	const json_t *inputs = ai_json_arr(r, "inputs"), *outputs = ai_json_arr(r, "outputs"), *checks = ai_json_arr(r, "checks");
	size_t width = widest(outputs, "name", widest(inputs, "name", 0));
	print_line("run", ai_json_str(r, "name"));
	print_line("root", ai_json_str(r, "root"));
	print_named("inputs", inputs, width);
	print_lineage(ai_json_arr(r, "lineage"), ai_json_str(r, "root"));
	print_environments(ai_json_obj(r, "steps"));
	print_named("outputs", outputs, width);
	print_line("key", ai_json_str(r, "key"));
	print_anchor(ai_json_str(r, "anchor"), ai_json_str(r, "authority"));
	print_boot(ai_json_obj(r, "boot"), ai_json_str(r, "job"));
	print_checks(checks, all);
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

/* Each --disclosure with the --file of its place in their order, if there are so many. */
static int
with_files(const struct ai_text_list *disclosures, const struct ai_text_list *files, aicert_named_path **out, struct ai_err *err)
{
	*out = ai_calloc(disclosures->n, sizeof **out);
	if (!*out)
		return ai_nomem(err);
	if (files->n > disclosures->n)
		return ai_fail(err, AI_EUSAGE, "usage: --file: got %zu of them with %zu --disclosure: expected one at most for each", files->n, disclosures->n);
	for (size_t i = 0; i < disclosures->n; i++)
		(*out)[i] = (aicert_named_path){ disclosures->items[i], i < files->n ? files->items[i] : NULL };
	return 0;
}

struct verify_cli {
	aicert_verify_options o;
	struct ai_text_list keys, inputs, outputs, disclosures, files, words;
	int json, quiet, verbose, help, only_keys;
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
			print_report(j, v->verbose);
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
		{ "require", 0, AI_OPTION_TEXT, (void *)&v.o.require, "LEVEL", "the level that the proof must reach, whatever a policy asks for" },
		{ "key", 0, AI_OPTION_LIST, &v.keys, "FINGERPRINT", "accept this attestation key (may be repeated)" },
		{ "only-keys", 0, AI_OPTION_FLAG, &v.only_keys, NULL, "accept no key but those of --key" },
		{ "policy", 0, AI_OPTION_TEXT, (void *)&v.o.policy, "FILE", "judge by this policy (aicert policy --help)" },
		{ "as-of", 0, AI_OPTION_TEXT, (void *)&v.o.as_of, "TIME", "judge certificates as of this day or time, not now" },
		{ "nonce", 0, AI_OPTION_TEXT, (void *)&v.o.nonce, "TEXT", "the nonce that you gave the builder, in the proof's own attestation" },
		{ "input", 0, AI_OPTION_LIST, &v.inputs, "NAME=PATH", "compare an input with a file, folder or git clone here" },
		{ "output", 0, AI_OPTION_LIST, &v.outputs, "NAME=PATH", "compare an output with a file or folder here" },
		{ "disclosure", 0, AI_OPTION_LIST, &v.disclosures, "FILE", "check what `aicert disclose` made (may be repeated)" },
		{ "file", 0, AI_OPTION_LIST, &v.files, "PATH", "compare what that disclosure shows with a file here" },
		{ "allow-withheld", 0, AI_OPTION_FLAG, &v.o.allow_withheld, NULL, "accept a proof whose nodes are withheld" },
		{ "json", 0, AI_OPTION_FLAG, &v.json, NULL, "print the report as JSON" },
		{ "verbose", 'v', AI_OPTION_FLAG, &v.verbose, NULL, "say of each check what it compared with what" },
		{ "quiet", 'q', AI_OPTION_FLAG, &v.quiet, NULL, "print nothing; the exit code says it" },
		{ "help", 'h', AI_OPTION_FLAG, &v.help, NULL, "show this" },
	};
	const size_t n = sizeof table / sizeof *table;
	aicert_named_path *in = NULL, *out = NULL, *shown = NULL;
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
	if (r == 0)
		r = with_files(&v.disclosures, &v.files, &shown, &err);
	if (r == 0 && !v.help) {
		v.o.keys = v.keys.items;
		v.o.n_keys = v.keys.n;
		v.o.ignore_home = v.only_keys;
		v.o.inputs = in;
		v.o.n_inputs = v.inputs.n;
		v.o.outputs = out;
		v.o.n_outputs = v.outputs.n;
		v.o.disclosures = shown;
		v.o.n_disclosures = v.disclosures.n;
		code = judge(&v);
	}
	free(in);
	free(out);
	free(shown);
	ai_text_list_done(&v.keys);
	ai_text_list_done(&v.inputs);
	ai_text_list_done(&v.outputs);
	ai_text_list_done(&v.disclosures);
	ai_text_list_done(&v.files);
	ai_text_list_done(&v.words);
	return r < 0 ? ai_print_err(&err) : code;
}

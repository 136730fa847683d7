/* vm_build.c -- `aicert vm build`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/json.h"
#include "cli/engine.h"
#include "cli/vm.h"
#include "vm/build/build.h"

static void
help(const struct ai_option *table, size_t n)
{
	puts("usage: aicert vm build [OPTION…]\n"
	     "\n"
	     "Builds the measured runner: systemd's stub, the distribution's cloud kernel and aicert as its only program, in one file\n"
	     "that firmware boots. aicert itself is compiled in the sandbox, by the distribution's compiler, from the source in --source.\n"
	     "Every package that goes in is pinned by SHA-256 in a pins file: who has that file and the source gets the same bytes on\n"
	     "any machine. Without --pins the packages are those of today, and the pins file is written beside the runner.\n");
	ai_options_help(table, n);
	puts("\nexample: aicert vm build --source ~/src/aicert --pins release.pins.json --out aicert.efi");
}

static void
say(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total)
{
	ai_print_talk(ctx, (int)kind, text, done, total);
}

/* The present folder, when it is what we are made of. */
static const char *
source_here(struct ai_err *err)
{
	if (ai_exists("Makefile") && ai_exists("aicert/aicert.h"))
		return ".";
	ai_fail(err, AI_EUSAGE, "usage: aicert vm build: the present folder is not aicert's source, which the runner is compiled from");
	ai_hint(err, "name it with --source FOLDER");
	return NULL;
}

static int
print_report(const json_t *j, bool json, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	if (json) {
		if (ai_json_pretty(j, &text, err) < 0)
			return err->code;
		fputs(text.data, stdout);
		return 0;
	}
	json_int_t bytes = json_integer_value(json_object_get(j, "bytes"));
	const char *source = ai_json_str(j, "source");
	printf("runner   ");
	ai_put_safe(ai_json_str(j, "uki"));
	printf("\nsha256   %s\nsize     %lld.%lld MiB\nkernel   %s\nagent    %s\n", ai_json_str(j, "sha256"), (long long)(bytes >> 20),
		(long long)((bytes & 0xfffff) * 10 >> 20), ai_json_str(j, "kernel"), ai_json_str(j, "agent"));
	if (source)
		printf("source   %s\n", source);
	printf("packages %lld, in ", (long long)json_integer_value(json_object_get(j, "packages")));
	ai_put_safe(ai_json_str(j, "pins"));
	putchar('\n');
	return 0;
}

int
ai_vm_build_main(int argc, char **argv)
{
	struct ai_engine_cli e = { 0 };
	const struct ai_talk talk = { .say = say, .ctx = &e.printer };
	struct ai_vm_build in = { .talk = &talk };
	const struct ai_option table[] = {
		{ "out", 'o', AI_OPTION_TEXT, (void *)&in.out, "FILE", "where the runner goes (default: aicert's cache, where `aicert run --in vm` finds it)" },
		{ "pins", 0, AI_OPTION_TEXT, (void *)&in.pins, "FILE", "use the packages of this pins file, and no others" },
		{ "source", 0, AI_OPTION_TEXT, (void *)&in.source, "FOLDER", "aicert's source (default: the present folder)" },
		{ "agent", 0, AI_OPTION_TEXT, (void *)&in.agent, "FILE", "take this built aicert-agent as it is, and compile nothing" },
		{ "json", 0, AI_OPTION_FLAG, &e.printer.json, NULL, "print what was built as JSON" },
		{ "quiet", 'q', AI_OPTION_FLAG, &e.printer.quiet, NULL, "say nothing but errors" },
		{ "verbose", 'v', AI_OPTION_FLAG, &e.printer.verbose, NULL, "say more" },
		{ "help", 'h', AI_OPTION_FLAG, &e.help, NULL, "show this" },
	};
	enum { ROWS = sizeof table / sizeof *table };
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	AI_JSON *report = NULL;
	int r = ai_options_parse(table, ROWS, argc, argv, &words, &err);
	if (r == 0 && e.help) {
		help(table, ROWS);
		ai_text_list_done(&words);
		return 0;
	}
	if (r == 0 && words.n > 0)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert vm build [OPTION…]: got '%s' too", words.items[0]);
	if (r == 0 && in.agent && in.source)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert vm build: '--agent' takes a built one, and '--source' has one built: give one of them");
	if (r == 0 && !in.agent && !in.source && !(in.source = source_here(&err)))
		r = err.code;
	ai_text_list_done(&words);
	if (r == 0) {
		in.strict = in.pins != NULL;
		ai_engine_listen(&e);
		r = ai_vm_build(&in, &report, &err);
		ai_print_settle(&e.printer);
	}
	if (r == 0)
		r = print_report(report, e.printer.json, &err);
	if (r == 0 && !e.printer.quiet && !e.printer.json)
		fputs("aicert: what a machine that boots it must measure: aicert vm reference\n", stderr);
	return r < 0 ? ai_print_err(&err) : 0;
}

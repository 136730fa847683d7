/* env_freeze.c -- `aicert env freeze`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/buf.h"
#include "base/json.h"
#include "cli/engine.h"
#include "cli/env.h"
#include "run/freeze.h"

enum { SAID = 5 };

static void
help(const struct ai_option *table, size_t n)
{
	puts("usage: aicert env freeze [PATH…] --out DIR [OPTION…]\n"
	     "\n"
	     "Makes an image (an OCI layout in the folder DIR) of this machine's own files, without a registry. What goes in is what\n"
	     "the steps of the project's last run looked at in the host environment, each file hashed again; and what PATHs name:\n"
	     "folders whole, links followed. The same files give the same image on every machine.\n"
	     "\n"
	     "Write `image: oci:DIR` into the Aicertfile then. DIR is looked for beside it, so it belongs into the project; the lock\n"
	     "pins it by digest, so it may be moved, and left out of version control.\n"
	     "\n"
	     "A step that meets other data may need files that the last run did not, and so does looking whether requirements.txt\n"
	     "is met: name their folders (/usr/lib/python3.11 /usr/lib/python3/dist-packages). Of a named folder is left out, unless\n"
	     "named itself: homes, /run, and names such as .ssh and id_rsa; always: what not everybody may read, and /etc/shadow and\n"
	     "its like.\n");
	ai_options_help(table, n);
	puts("\n"
	     "exit codes: 0 made; 2 nothing to freeze, or a PATH that goes into no image; 3 a file is no longer what the run used\n"
	     "example: aicert --output-bom host.json && aicert env freeze --out frozen\n"
	     "         aicert env freeze /usr/lib/python3.11 /usr/lib/python3/dist-packages --out frozen");
}

static void
talk(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total)
{
	ai_print_talk(ctx, (int)kind, text, done, total);
}

/* What of the named folders is not in it: the first few, for people. */
static void
say_left_out(const json_t *left_out)
{
	size_t n = json_array_size(left_out);
	struct ai_log_view view = { .n_held = 0 };
	for (size_t i = 0; i < n && i < SAID; i++) {
		const char *path = json_string_value(json_array_get(left_out, i));
		fputs("aicert: left out: ", stderr);
		ai_log_view_put(&view, stderr, path, json_string_length(json_array_get(left_out, i)));
		fputc('\n', stderr);
	}
	if (n > SAID)
		fprintf(stderr, "aicert: left out: %zu more (--json lists them)\n", n - SAID);
}

static long long
number(const json_t *report, const char *key)
{
	return (long long)json_integer_value(json_object_get(report, key));
}

static int
print_report(const struct ai_engine_cli *e, const json_t *report, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	if (e->printer.json) {
		if (ai_json_pretty(report, &text, err) < 0)
			return err->code;
		fputs(text.data, stdout);
		return 0;
	}
	if (e->printer.quiet)
		return 0;
	say_left_out(ai_json_arr(report, "left_out"));
	printf("image    oci:");
	ai_put_safe(ai_json_str(report, "image"));
	printf("\ndigest   %s\nholds    %lld files, %lld folders, %lld links: %.1f MiB\n", ai_json_str(report, "manifest"), number(report, "files"),
		number(report, "folders"), number(report, "links"), (double)number(report, "bytes") / (1 << 20));
	return 0;
}

static int
work(struct ai_engine_cli *e, const struct ai_freeze *in, struct ai_err *err)
{
	struct ai_talk listener = { .say = talk, .ctx = &e->printer };
	struct ai_run_options run = { .file = e->run.file, .talk = &listener };
	AI_JSON *report = NULL;
	if (!in->out || !*in->out) {
		ai_fail(err, AI_EUSAGE, "usage: aicert env freeze: expected --out DIR");
		return ai_hint(err, "a folder in the project, as --out frozen, for 'image: oci:frozen'");
	}
	ai_engine_listen(e);
	int r = ai_freeze(&run, in, &report, err);
	ai_print_settle(&e->printer);
	return r < 0 ? r : print_report(e, report, err);
}

int
ai_env_freeze(int argc, char **argv)
{
	struct ai_engine_cli e = { 0 };
	struct ai_freeze in = { 0 };
	int no_run = 0, force = 0;
	const struct ai_option table[] = {
		{ "out", 'o', AI_OPTION_TEXT, (void *)&in.out, "DIR", "where the image goes" },
		{ "no-run", 0, AI_OPTION_FLAG, &no_run, NULL, "take the PATHs alone: no project, no run is looked at" },
		{ "force", 0, AI_OPTION_FLAG, &force, NULL, "replace another image at DIR" },
		{ "file", 'f', AI_OPTION_TEXT, (void *)&e.run.file, "FILE", "the Aicertfile (default: Aicertfile or aicert.yaml here)" },
		{ "json", 0, AI_OPTION_FLAG, &e.printer.json, NULL, "print the result as JSON" },
		{ "quiet", 'q', AI_OPTION_FLAG, &e.printer.quiet, NULL, "say nothing but errors" },
		{ "help", 'h', AI_OPTION_FLAG, &e.help, NULL, "show this" },
	};
	const size_t n = sizeof table / sizeof *table;
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, n, argc, argv, &words, &err);
	if (r == 0 && e.help) {
		help(table, n);
	} else if (r == 0) {
		in.paths = words.items;
		in.n_paths = words.n;
		in.no_run = no_run != 0;
		in.force = force != 0;
		r = work(&e, &in, &err);
	}
	ai_text_list_done(&words);
	return r < 0 ? ai_print_err(&err) : ai_print_end(0);
}

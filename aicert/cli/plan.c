/* plan.c -- `aicert plan`.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "cli/commands.h"
#include "cli/engine.h"

/* Steps of which nothing is to be done are told when they are so few. */
#define FEW_STEPS 50

static void
help(const struct ai_option *table, size_t n)
{
	puts("usage: aicert plan [STEP…] [OPTION…]\n"
	     "\n"
	     "Says what `aicert run` would do now: what it would pin and fetch (with sizes, where aicert.lock knows them), which steps it\n"
	     "would run and why, and which results it knows. Asks no network and changes nothing: no pin, no content, no result.\n"
	     "`wait`: the step takes something that is not here yet, so its key cannot be known before.\n");
	ai_options_help(table, n);
	puts("\nexample: aicert plan\n         aicert plan train -D epochs=5 --json");
}

static size_t
widest(const json_t *list, const char *key, size_t most)
{
	size_t i, w = 0;
	json_t *v;
	json_array_foreach(list, i, v) {
		size_t n = ai_columns(ai_json_str(v, key));
		w = n > w ? n : w;
	}
	return w < most ? w : most;
}

static void
put_padded(const char *s, size_t width)
{
	size_t n = ai_columns(s);
	ai_put_safe(s);
	for (; n < width; n++)
		putchar(' ');
}

static void
put_size(json_int_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	double size = (double)bytes;
	size_t i = 0;
	for (; size >= 1024 && i < 4; i++)
		size /= 1024;
	if (i == 0)
		printf("%lld B", (long long)bytes);
	else
		printf("%.1f %s", size, units[i - 1]);
}

static void
put_sources(const json_t *sources)
{
	size_t i, name = widest(sources, "name", 40), type = widest(sources, "type", 20);
	json_t *s;
	json_array_foreach(sources, i, s) {
		const char *would = ai_json_str(s, "would");
		const json_t *size = json_object_get(s, "size");
		printf("%-8s ", i ? "" : "inputs");
		put_padded(ai_json_str(s, "name"), name);
		printf("  ");
		put_padded(ai_json_str(s, "type"), type);
		printf("  %s%s%s", ai_bold(), strcmp(would, "nothing") == 0 ? "here" : strcmp(would, "pin") == 0 ? "pin, fetch" : would, ai_plain());
		if (json_is_integer(size)) {
			putchar(' ');
			put_size(json_integer_value(size));
		}
		printf("  %s", ai_dim());
		ai_put_safe(ai_json_str(s, "uri"));
		printf("%s\n", ai_plain());
	}
}

static void
put_steps(const json_t *steps, bool all)
{
	size_t i, shown = 0, name = widest(steps, "step", 40);
	json_t *s;
	json_array_foreach(steps, i, s) {
		const char *would = ai_json_str(s, "would");
		bool reuse = strcmp(would, "reuse") == 0;
		if (reuse && !all)
			continue;
		printf("%-8s ", shown++ ? "" : "steps");
		put_padded(ai_json_str(s, "step"), name);
		printf("  %s%-5s%s  ", reuse ? ai_dim() : strcmp(would, "run") == 0 ? ai_green() : "", would, ai_plain());
		ai_put_prose(ai_json_str(s, "why"), 9 + name + 9);
		putchar('\n');
	}
}

static long long
count(const json_t *totals, const char *key)
{
	return (long long)json_integer_value(json_object_get(totals, key));
}

static void
put_plan(const char *text, bool verbose)
{
	struct ai_err err = { 0 };
	AI_JSON *j = NULL;
	if (ai_json_parse(text, strlen(text), "report", &j, &err) < 0)
		return;
	const json_t *t = ai_json_obj(j, "totals");
	put_sources(ai_json_arr(j, "sources"));
	put_steps(ai_json_arr(j, "steps"), verbose || count(t, "reuse") <= FEW_STEPS);
	printf("would    run %lld of %lld step%s, reuse %lld", count(t, "run"), count(t, "steps"), count(t, "steps") == 1 ? "" : "s", count(t, "reuse"));
	if (count(t, "wait"))
		printf(", wait for %lld", count(t, "wait"));
	if (count(t, "pin"))
		printf("; pin %lld", count(t, "pin"));
	if (count(t, "fetch"))
		printf("; fetch %lld", count(t, "fetch"));
	if (count(t, "size")) {
		printf(" (");
		put_size(json_integer_value(json_object_get(t, "size")));
		printf(" that aicert.lock knows of)");
	}
	putchar('\n');
}

int
ai_cmd_plan(int argc, char **argv)
{
	struct ai_engine_cli e = { 0 };
	struct ai_option table[AI_ENGINE_OPTIONS + 1] = {
		[AI_ENGINE_OPTIONS] = { "fresh", 0, AI_OPTION_FLAG, &e.run.fresh, NULL, "as for a run that reuses nothing" },
	};
	ai_engine_options(&e, table);
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int code = 0;
	if (ai_options_parse(table, AI_ENGINE_OPTIONS + 1, argc, argv, &words, &err) < 0) {
		code = ai_print_err(&err);
	} else if (e.help) {
		help(table, AI_ENGINE_OPTIONS + 1);
	} else {
		e.run.steps = words.items;
		e.run.n_steps = words.n;
		ai_engine_watch(&e, NULL);
		aicert_error error;
		char *report = NULL;
		int r = aicert_plan(&e.run, &report, &error);
		ai_engine_settle(&e);
		if (r < 0)
			code = ai_print_error(&error);
		else if (e.printer.json)
			fputs(report, stdout);
		else
			put_plan(report, e.printer.verbose);
		aicert_free(report);
	}
	ai_text_list_done(&words);
	ai_engine_done(&e);
	return code;
}

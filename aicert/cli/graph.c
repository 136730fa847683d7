/* graph.c -- `aicert graph`.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/graph.h"

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/engine.h"

static void
help(const struct ai_option *table, size_t n)
{
	puts("usage: aicert graph [STEP…] [--dot | --mermaid | --svg] [OPTION…]\n"
	     "\n"
	     "Draws inputs, images, steps and outputs, and what takes what. Steps are coloured by this project's last run: executed green,\n"
	     "reused blue, failed red, not reached yellow. DOT is for Graphviz, Mermaid for Markdown, SVG a picture as it is. Asks no\n"
	     "network and changes nothing.\n");
	ai_options_help(table, n);
	puts("\nexample: aicert graph --svg > graph.svg\n         aicert graph train | dot -Tpdf > train.pdf");
}

struct formats { int dot, mermaid, svg; };

static int
print_graph(const char *report, const struct formats *as, struct ai_err *err)
{
	AI_JSON *graph = NULL;
	AI_BUF_AUTO out = AI_BUF(AI_MAX_NODE);
	if (ai_json_parse(report, strlen(report), "report", &graph, err) < 0)
		return err->code;
	if (as->svg && ai_graph_svg(graph, &out, err) < 0)
		return err->code;
	if (as->mermaid)
		ai_graph_mermaid(graph, &out);
	if (!as->svg && !as->mermaid)
		ai_graph_dot(graph, &out);
	if (ai_buf_ok(&out, "graph", err) < 0)
		return err->code;
	fwrite(out.data, 1, out.len, stdout);
	return 0;
}

int
ai_cmd_graph(int argc, char **argv)
{
	struct ai_engine_cli e = { 0 };
	struct formats as = { 0 };
	enum { OWN = 3 };
	struct ai_option table[AI_ENGINE_OPTIONS + OWN] = {
		[AI_ENGINE_OPTIONS] =
		{ "dot", 0, AI_OPTION_FLAG, &as.dot, NULL, "for Graphviz (default)" },
		{ "mermaid", 0, AI_OPTION_FLAG, &as.mermaid, NULL, "for Markdown" },
		{ "svg", 0, AI_OPTION_FLAG, &as.svg, NULL, "a picture" },
	};
	ai_engine_options(&e, table);
	struct ai_text_list words = { 0 };
	struct ai_err err = { 0 };
	int r = ai_options_parse(table, AI_ENGINE_OPTIONS + OWN, argc, argv, &words, &err), code = 0;
	if (r == 0 && as.dot + as.mermaid + as.svg + e.printer.json > 1)
		r = ai_fail(&err, AI_EUSAGE, "usage: aicert graph: expected one of '--dot', '--mermaid', '--svg' and '--json'");
	if (r == 0 && e.help) {
		help(table, AI_ENGINE_OPTIONS + OWN);
	} else if (r == 0) {
		e.run.steps = words.items;
		e.run.n_steps = words.n;
		ai_engine_watch(&e, NULL);
		aicert_error error;
		char *report = NULL;
		int failed = aicert_graph(&e.run, &report, &error);
		ai_engine_settle(&e);
		if (failed < 0)
			code = ai_print_error(&error);
		else if (e.printer.json)
			fputs(report, stdout);
		else
			r = print_graph(report, &as, &err);
		aicert_free(report);
	}
	ai_text_list_done(&words);
	ai_engine_done(&e);
	return r < 0 ? ai_print_err(&err) : code;
}

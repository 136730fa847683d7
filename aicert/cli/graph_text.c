/* graph_text.c -- DOT and Mermaid (graph.h).  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/graph.h"
#include "cli/print.h"

const struct ai_graph_style *
ai_graph_style(const json_t *node)
{
	static const struct ai_graph_style styles[] = {
		{ "executed", "#1a7f37", "#d7f5dd" }, { "reused", "#0969da", "#ddf0ff" }, { "failed", "#cf222e", "#ffdedb" }, { "waiting", "#9a6700", "#fff3c4" },
		{ "input", "#6e7781", "#f3f4f6" }, { "image", "#6e7781", "#f3f4f6" }, { "output", "#6639ba", "#f0e6ff" }, { "step", "#424a53", "#ffffff" },
	};
	const char *state = ai_json_str(node, "state"), *kind = ai_json_str(node, "kind");
	const size_t n = sizeof styles / sizeof *styles;
	for (size_t i = 0; i < n; i++)
		if ((state && strcmp(styles[i].word, state) == 0) || (!state && kind && strcmp(styles[i].word, kind) == 0))
			return &styles[i];
	return &styles[n - 1];
}

/* Text in which what a terminal or an editor would obey has become '?', and some characters are written as the language has them. */
static void
put_text(struct ai_buf *out, const char *s, const char *special, const char *const *instead)
{
	const unsigned char *p = (const unsigned char *)s;
	for (size_t n = s ? strlen(s) : 0, len; n; p += len, n -= len) {
		bool draws;
		len = ai_next_character(p, n, &draws);
		len = len ? len : n;
		const char *at = len == 1 ? strchr(special, *p) : NULL;
		if (at)
			ai_buf_puts(out, instead[at - special]);
		else if (draws)
			ai_buf_put(out, p, len);
		else
			ai_buf_putc(out, '?');
	}
}

static void
put_dot(struct ai_buf *out, const char *s)
{
	static const char *const instead[] = { "\\\"", "\\\\" };
	put_text(out, s, "\"\\", instead);
}

/* Mermaid reads HTML entities with '#' in the place of '&', and Markdown in labels. */
static void
put_mermaid(struct ai_buf *out, const char *s)
{
	static const char *const instead[] = { "#quot;", "#lt;", "#gt;", "#amp;", "#35;", "#96;", "#59;", "#92;", "#42;", "#95;" };
	put_text(out, s, "\"<>&#`;\\*_", instead);
}

void
ai_graph_dot(const json_t *graph, struct ai_buf *out)
{
	static const char *const shapes[] = { "input", "folder", "image", "component", "output", "note" };
	size_t i;
	json_t *n;
	ai_buf_puts(out, "digraph \"");
	put_dot(out, ai_json_str(graph, "name"));
	ai_buf_puts(out, "\" {\n  rankdir=LR;\n  node [fontname=\"sans-serif\", fontsize=11, shape=box, style=\"filled,rounded\"];\n");
	json_array_foreach(ai_json_arr(graph, "nodes"), i, n) {
		const struct ai_graph_style *style = ai_graph_style(n);
		const char *kind = ai_json_str(n, "kind"), *type = ai_json_str(n, "type"), *state = ai_json_str(n, "state");
		ai_buf_printf(out, "  n%zu [label=\"", i);
		put_dot(out, ai_json_str(n, "name"));
		if (type) {
			ai_buf_puts(out, "\\n");
			put_dot(out, type);
		}
		ai_buf_printf(out, "\", color=\"%s\", fillcolor=\"%s\"", style->stroke, style->fill);
		for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k += 2)
			if (strcmp(kind, shapes[k]) == 0)
				ai_buf_printf(out, ", shape=%s, style=filled", shapes[k + 1]);
		if (state)
			ai_buf_printf(out, ", tooltip=\"%s\"", style->word);
		ai_buf_puts(out, "];\n");
	}
	json_array_foreach(ai_json_arr(graph, "edges"), i, n)
		ai_buf_printf(out, "  n%lld -> n%lld;\n", (long long)json_integer_value(json_object_get(n, "from")),
			(long long)json_integer_value(json_object_get(n, "to")));
	ai_buf_puts(out, "}\n");
}

void
ai_graph_mermaid(const json_t *graph, struct ai_buf *out)
{
	size_t i;
	json_t *n;
	ai_buf_puts(out, "flowchart LR\n");
	json_array_foreach(ai_json_arr(graph, "nodes"), i, n) {
		const char *kind = ai_json_str(n, "kind"), *type = ai_json_str(n, "type");
		bool step = strcmp(kind, "step") == 0;
		ai_buf_printf(out, "  n%zu%s\"", i, step ? "[" : strcmp(kind, "output") == 0 ? ">" : "([");
		put_mermaid(out, ai_json_str(n, "name"));
		if (type) {
			ai_buf_puts(out, "<br/>");
			put_mermaid(out, type);
		}
		ai_buf_printf(out, "\"%s\n", step || strcmp(kind, "output") == 0 ? "]" : "])");
		ai_buf_printf(out, "  class n%zu %s\n", i, ai_graph_style(n)->word);
	}
	json_array_foreach(ai_json_arr(graph, "edges"), i, n)
		ai_buf_printf(out, "  n%lld --> n%lld\n", (long long)json_integer_value(json_object_get(n, "from")),
			(long long)json_integer_value(json_object_get(n, "to")));
	static const char *const words[] = { "executed", "reused", "failed", "waiting", "input", "image", "output", "step" };
	for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
		AI_JSON *node = json_pack("{s:s, s:s}", "kind", words[k], "state", words[k]);
		const struct ai_graph_style *style = ai_graph_style(node);
		ai_buf_printf(out, "  classDef %s fill:%s,stroke:%s,color:#1f2328\n", words[k], style->fill, style->stroke);
	}
}

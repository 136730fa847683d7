/* graph_svg.c -- the picture itself (graph.h).  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/graph.h"
#include "cli/graph_layout.h"
#include "cli/print.h"
#include "cli/progress_view.h"

enum { MAX_NODES = 20000, MAX_LABEL = 48, MARGIN = 16 };
#define COLUMN 7.3      /* of a monospaced letter of 12 pixels */
#define LINE 16.0

/* Text of a label, cut to so many columns; markup characters as entities. Returns its columns. */
static size_t
put_label(struct ai_buf *out, const char *s)
{
	AI_BUF_AUTO cut = AI_BUF(AI_MAX_HEADER);
	size_t n = ai_columns(s), columns = ai_view_cut(&cut, s, strlen(s), n > MAX_LABEL ? MAX_LABEL - 1 : MAX_LABEL);
	for (size_t i = 0; i < cut.len; i++) {
		char c = cut.data[i];
		if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\'')
			ai_buf_printf(out, "&#%d;", c);
		else
			ai_buf_putc(out, c);
	}
	if (n > MAX_LABEL)
		ai_buf_puts(out, "…");
	return columns + (n > MAX_LABEL);
}

static void
measure(const json_t *node, struct ai_layout_node *out)
{
	AI_BUF_AUTO ignored = AI_BUF(AI_MAX_HEADER);
	const char *type = ai_json_str(node, "type");
	size_t name = put_label(&ignored, ai_json_str(node, "name")), below = type ? put_label(&ignored, type) : 0;
	out->width = COLUMN * (double)(name > below ? name : below) + 20;
	out->height = type ? 2 * LINE + 8 : LINE + 10;
}

static void
put_line_of(struct ai_buf *out, const struct ai_layout_node *at, double dy, const char *text, bool small)
{
	ai_buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\"%s>", at->x, at->y + dy, small ? " class=\"t\"" : "");
	(void)put_label(out, text);
	ai_buf_puts(out, "</text>");
}

static void
put_node(struct ai_buf *out, const json_t *node, const struct ai_layout_node *at)
{
	const struct ai_graph_style *style = ai_graph_style(node);
	const char *type = ai_json_str(node, "type"), *kind = ai_json_str(node, "kind");
	ai_buf_printf(out, "<g class=\"%s\"><title>%s ", kind, kind);
	(void)put_label(out, ai_json_str(node, "name"));
	ai_buf_printf(out, "%s%s</title>", ai_json_str(node, "state") ? ": " : "", ai_json_str(node, "state") ? style->word : "");
	ai_buf_printf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"%d\" fill=\"%s\" stroke=\"%s\"/>", at->x - at->width / 2,
		at->y - at->height / 2, at->width, at->height, strcmp(kind, "step") == 0 ? 6 : strcmp(kind, "output") == 0 ? 0 : 12, style->fill, style->stroke);
	put_line_of(out, at, type ? -3 : 4, ai_json_str(node, "name"), false);
	if (type)
		put_line_of(out, at, LINE - 4, type, true);
	ai_buf_puts(out, "</g>\n");
}

/* From the right side of one to the left side of the other, level at each bend. */
static void
put_edge(struct ai_buf *out, const struct ai_layout *l, size_t i)
{
	const struct ai_layout_node *from = &l->nodes[l->edges[i].from], *to = &l->nodes[l->edges[i].to];
	double x = from->x + from->width / 2, y = from->y;
	ai_buf_printf(out, "<path d=\"M%.1f %.1f", x, y);
	for (size_t k = l->first[i]; k <= l->first[i + 1]; k++) {
		bool last = k == l->first[i + 1];
		double next_x = last ? to->x - to->width / 2 - 5 : l->points[k].x, next_y = last ? to->y : l->points[k].y, half = (x + next_x) / 2;
		ai_buf_printf(out, " C%.1f %.1f %.1f %.1f %.1f %.1f", half, y, half, next_y, next_x, next_y);
		x = next_x;
		y = next_y;
	}
	ai_buf_puts(out, "\" marker-end=\"url(#a)\"/>\n");
}

static void
put_picture(struct ai_buf *out, const json_t *graph, const struct ai_layout *l)
{
	double width = l->width + 2 * MARGIN, height = l->height + 2 * MARGIN;
	ai_buf_printf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"%d %d %.0f %.0f\" role=\"img\">\n<title>", width, height,
		-MARGIN, -MARGIN, width, height);
	(void)put_label(out, ai_json_str(graph, "name"));
	ai_buf_printf(out, "</title>\n<style>text{font:12px monospace;text-anchor:middle;fill:#1f2328}.t{font-size:11px;fill:#59636e}path{fill:none;stroke:#8c959f}</style>\n"
		"<defs><marker id=\"a\" viewBox=\"0 0 6 6\" refX=\"1\" refY=\"3\" markerWidth=\"6\" markerHeight=\"6\" orient=\"auto\"><path d=\"M0 0L6 3L0 6z\" "
		"style=\"fill:#8c959f;stroke:none\"/></marker></defs>\n<rect x=\"%d\" y=\"%d\" width=\"%.0f\" height=\"%.0f\" fill=\"#ffffff\"/>\n", -MARGIN, -MARGIN, width, height);
	for (size_t i = 0; i < l->n_edges; i++)
		put_edge(out, l, i);
	for (size_t i = 0; i < l->n_nodes; i++)
		put_node(out, json_array_get(ai_json_arr(graph, "nodes"), i), &l->nodes[i]);
	ai_buf_puts(out, "</svg>\n");
}

int
ai_graph_svg(const json_t *graph, struct ai_buf *out, struct ai_err *err)
{
	const json_t *nodes = ai_json_arr(graph, "nodes"), *edges = ai_json_arr(graph, "edges");
	size_t n = json_array_size(nodes), m = json_array_size(edges);
	if (n > MAX_NODES) {
		ai_fail(err, AI_EUSAGE, "graph: got %zu nodes, expected at most %d for a picture", n, MAX_NODES);
		return ai_hint(err, "--dot has no such limit; or name the steps to draw");
	}
	AI_FREE struct ai_layout_node *at = ai_calloc(n, sizeof *at);
	AI_FREE struct ai_layout_edge *list = ai_calloc(m, sizeof *list);
	if (!at || !list)
		return ai_nomem(err);
	for (size_t i = 0; i < n; i++)
		measure(json_array_get(nodes, i), &at[i]);
	for (size_t i = 0; i < m; i++) {
		const json_t *e = json_array_get(edges, i);
		list[i] = (struct ai_layout_edge){ (size_t)json_integer_value(json_object_get(e, "from")), (size_t)json_integer_value(json_object_get(e, "to")) };
	}
	struct ai_layout l = { .nodes = at, .n_nodes = n, .edges = list, .n_edges = m, .between_layers = 60, .between_nodes = 14 };
	int r = ai_layout_make(&l, err);
	if (r == 0)
		put_picture(out, graph, &l);
	ai_layout_done(&l);
	return r < 0 ? ai_hint(err, "--dot has no such limit; or name the steps to draw") : ai_buf_ok(out, "picture", err);
}

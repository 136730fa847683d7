/* graph_layout.c -- see graph_layout.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/graph_layout.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

enum { MAX_PLACES = 200000, TURNS = 12 };

/* A node, or the bend of an edge in a layer that it passes. */
struct place {
	size_t layer, at;             /* which, and its index there */
	double middle;                /* of its neighbours: what the layer is sorted by */
	double height, y;
	size_t *before, *after;       /* neighbours in the layers beside it: part of one array */
	size_t n_before, n_after;
};

struct work {
	struct ai_layout *l;
	struct place *places; size_t n;
	size_t **layers, *n_in, n_layers;
	size_t *neighbours;
	struct ai_layout_edge *short_edges; size_t n_short; /* between layers beside each other */
	size_t *best;                 /* index in its layer of each place, in the order with the fewest crossings */
};

/* --- layers ------------------------------------------------------------------------- */

/* Who is led to by whom, one edge at a time (Kahn): layer = the longest way. */
static int
find_layers(struct work *w, struct ai_err *err)
{
	const struct ai_layout *l = w->l;
	AI_FREE size_t *left = ai_calloc(l->n_nodes, sizeof *left);
	AI_FREE size_t *queue = ai_calloc(l->n_nodes, sizeof *queue);
	AI_FREE size_t *start = ai_calloc(l->n_nodes + 1, sizeof *start);
	AI_FREE size_t *out = ai_calloc(l->n_edges, sizeof *out);
	size_t head = 0, tail = 0;
	if (!left || !queue || !start || !out)
		return ai_nomem(err);
	for (size_t i = 0; i < l->n_edges; i++) {
		left[l->edges[i].to]++;
		start[l->edges[i].from + 1]++;
	}
	for (size_t i = 0; i < l->n_nodes; i++)
		start[i + 1] += start[i];
	AI_FREE size_t *fill = ai_calloc(l->n_nodes, sizeof *fill);
	if (!fill)
		return ai_nomem(err);
	for (size_t i = 0; i < l->n_edges; i++)
		out[start[l->edges[i].from] + fill[l->edges[i].from]++] = l->edges[i].to;
	for (size_t i = 0; i < l->n_nodes; i++)
		if (left[i] == 0)
			queue[tail++] = i;
	while (head < tail) {
		size_t i = queue[head++];
		for (size_t k = start[i]; k < start[i + 1]; k++) {
			if (w->places[out[k]].layer < w->places[i].layer + 1)
				w->places[out[k]].layer = w->places[i].layer + 1;
			if (--left[out[k]] == 0)
				queue[tail++] = out[k];
		}
	}
	return tail == l->n_nodes ? 0 : ai_fail(err, AI_EUSAGE, "graph: what leads to what runs in a circle");
}

/* What nothing leads to stands beside the first that takes it. */
static int
move_sources(struct work *w, struct ai_err *err)
{
	const struct ai_layout *l = w->l;
	AI_FREE bool *led_to = ai_calloc(l->n_nodes, sizeof *led_to);
	AI_FREE size_t *first = ai_calloc(l->n_nodes, sizeof *first);
	if (!led_to || !first)
		return ai_nomem(err);
	for (size_t i = 0; i < l->n_nodes; i++)
		first[i] = SIZE_MAX;
	for (size_t i = 0; i < l->n_edges; i++) {
		size_t to = w->places[l->edges[i].to].layer;
		led_to[l->edges[i].to] = true;
		if (to < first[l->edges[i].from])
			first[l->edges[i].from] = to;
	}
	for (size_t i = 0; i < l->n_nodes; i++)
		if (!led_to[i] && first[i] != SIZE_MAX)
			w->places[i].layer = first[i] - 1;
	return 0;
}

/* Bends, and the edges between layers beside each other that they make. */
static int
make_bends(struct work *w, struct ai_err *err)
{
	struct ai_layout *l = w->l;
	size_t bends = 0;
	for (size_t i = 0; i < l->n_edges; i++)
		bends += w->places[l->edges[i].to].layer - w->places[l->edges[i].from].layer - 1;
	if (l->n_nodes + bends > MAX_PLACES)
		return ai_fail(err, AI_EUSAGE, "graph: got %zu nodes and %zu bends of edges, expected at most %d for a picture", l->n_nodes, bends, MAX_PLACES);
	struct place *more = realloc(w->places, (l->n_nodes + bends + 1) * sizeof *more);
	if (!more)
		return ai_nomem(err);
	w->places = more;
	memset(more + l->n_nodes, 0, (bends + 1) * sizeof *more);
	w->short_edges = ai_calloc(l->n_edges + bends, sizeof *w->short_edges);
	l->first = ai_calloc(l->n_edges + 1, sizeof *l->first);
	l->points = ai_calloc(bends, sizeof *l->points);
	if (!w->short_edges || !l->first || !l->points)
		return ai_nomem(err);
	w->n = l->n_nodes;
	for (size_t i = 0; i < l->n_edges; i++) {
		size_t from = l->edges[i].from;
		l->first[i] = w->n - l->n_nodes;
		for (size_t layer = w->places[from].layer + 1; layer < w->places[l->edges[i].to].layer; layer++) {
			w->places[w->n].layer = layer;
			w->short_edges[w->n_short++] = (struct ai_layout_edge){ from, w->n };
			from = w->n++;
		}
		w->short_edges[w->n_short++] = (struct ai_layout_edge){ from, l->edges[i].to };
	}
	l->first[l->n_edges] = w->n - l->n_nodes;
	return 0;
}

static int
make_layers(struct work *w, struct ai_err *err)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->places[i].layer >= w->n_layers)
			w->n_layers = w->places[i].layer + 1;
	w->layers = ai_calloc(w->n_layers, sizeof *w->layers);
	w->n_in = ai_calloc(w->n_layers, sizeof *w->n_in);
	w->neighbours = ai_calloc(2 * w->n_short, sizeof *w->neighbours);
	w->best = ai_calloc(w->n, sizeof *w->best);
	if (!w->layers || !w->n_in || !w->neighbours || !w->best)
		return ai_nomem(err);
	for (size_t i = 0; i < w->n; i++)
		w->n_in[w->places[i].layer]++;
	for (size_t i = 0; i < w->n_layers; i++)
		if (!(w->layers[i] = ai_calloc(w->n_in[i], sizeof **w->layers)))
			return ai_nomem(err);
	memset(w->n_in, 0, w->n_layers * sizeof *w->n_in);
	for (size_t i = 0; i < w->n; i++) {
		struct place *p = &w->places[i];
		p->at = w->n_in[p->layer]++;
		w->layers[p->layer][p->at] = i;
	}
	for (size_t i = 0; i < w->n_short; i++) {
		w->places[w->short_edges[i].from].n_after++;
		w->places[w->short_edges[i].to].n_before++;
	}
	size_t *at = w->neighbours;
	for (size_t i = 0; i < w->n; i++) {
		w->places[i].before = at;
		at += w->places[i].n_before;
		w->places[i].after = at;
		at += w->places[i].n_after;
		w->places[i].n_before = w->places[i].n_after = 0;
	}
	for (size_t i = 0; i < w->n_short; i++) {
		struct place *from = &w->places[w->short_edges[i].from], *to = &w->places[w->short_edges[i].to];
		from->after[from->n_after++] = w->short_edges[i].to;
		to->before[to->n_before++] = w->short_edges[i].from;
	}
	return 0;
}

/* --- order --------------------------------------------------------------------------- */

struct sorted { double middle; size_t place, was; };

static int
by_middle(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;
	return x->middle != y->middle ? (x->middle < y->middle ? -1 : 1) : x->was < y->was ? -1 : x->was > y->was;
}

/* A layer by the middle of its neighbours in the one beside it. */
static void
sort_layer(struct work *w, size_t layer, bool by_before, struct sorted *room)
{
	size_t *order = w->layers[layer];
	for (size_t i = 0; i < w->n_in[layer]; i++) {
		const struct place *p = &w->places[order[i]];
		const size_t *list = by_before ? p->before : p->after;
		size_t n = by_before ? p->n_before : p->n_after;
		double sum = 0;
		for (size_t k = 0; k < n; k++)
			sum += (double)w->places[list[k]].at;
		room[i] = (struct sorted){ n ? sum / (double)n : (double)p->at, order[i], i };
	}
	qsort(room, w->n_in[layer], sizeof *room, by_middle);
	for (size_t i = 0; i < w->n_in[layer]; i++) {
		order[i] = room[i].place;
		w->places[order[i]].at = i;
	}
}

static int
by_ends(const void *a, const void *b)
{
	const size_t *x = a, *y = b;
	return x[0] != y[0] ? (x[0] < y[0] ? -1 : 1) : x[1] < y[1] ? -1 : x[1] > y[1];
}

/* Crossings between two layers: inversions of the ends of the edges in the order of their beginnings, counted in a binary indexed tree. */
static size_t
crossings_of(const struct work *w, size_t layer, size_t (*ends)[2], size_t *tree)
{
	size_t n = 0, count = 0, m = w->n_in[layer + 1];
	for (size_t i = 0; i < w->n_in[layer]; i++) {
		const struct place *p = &w->places[w->layers[layer][i]];
		for (size_t k = 0; k < p->n_after; k++) {
			ends[n][0] = i;
			ends[n++][1] = w->places[p->after[k]].at;
		}
	}
	if (n)
		qsort(ends, n, sizeof *ends, by_ends);
	memset(tree, 0, (m + 1) * sizeof *tree);
	for (size_t i = 0; i < n; i++) {
		size_t below = 0;
		for (size_t k = ends[i][1] + 1; k > 0; k -= k & -k)
			below += tree[k];
		count += i - below;
		for (size_t k = ends[i][1] + 1; k <= m; k += k & -k)
			tree[k]++;
	}
	return count;
}

static int
order_layers(struct work *w, struct ai_err *err)
{
	AI_FREE struct sorted *room = ai_calloc(w->n, sizeof *room);
	AI_FREE size_t (*ends)[2] = ai_calloc(w->n_short, sizeof *ends);
	AI_FREE size_t *tree = ai_calloc(w->n + 1, sizeof *tree);
	size_t fewest = SIZE_MAX;
	if (!room || !ends || !tree)
		return ai_nomem(err);
	for (int turn = 0; turn < TURNS && fewest > 0; turn++) {
		for (size_t i = 1; i < w->n_layers && turn % 2 == 0; i++)
			sort_layer(w, i, true, room);
		for (size_t i = w->n_layers - 1; i-- > 0 && turn % 2 == 1;)
			sort_layer(w, i, false, room);
		size_t crossings = 0;
		for (size_t i = 0; i + 1 < w->n_layers; i++)
			crossings += crossings_of(w, i, ends, tree);
		if (crossings >= fewest)
			continue;
		fewest = crossings;
		for (size_t i = 0; i < w->n; i++)
			w->best[i] = w->places[i].at;
	}
	for (size_t i = 0; i < w->n; i++) {
		w->places[i].at = w->best[i];
		w->layers[w->places[i].layer][w->best[i]] = i;
	}
	return 0;
}

/* --- places ---------------------------------------------------------------------------- */

/* Each as near to the middle of its neighbours as the order and the room between them allow. */
static void
settle_layer(struct work *w, size_t layer, bool by_before)
{
	size_t n = w->n_in[layer];
	double gap = w->l->between_nodes, at = -1e300;
	for (size_t i = 0; i < n; i++) {
		struct place *p = &w->places[w->layers[layer][i]];
		const size_t *list = by_before ? p->before : p->after;
		size_t m = by_before ? p->n_before : p->n_after;
		double sum = 0;
		for (size_t k = 0; k < m; k++)
			sum += w->places[list[k]].y;
		p->middle = m ? sum / (double)m : p->y;
		double least = at + p->height / 2;
		p->y = p->middle > least ? p->middle : least;
		at = p->y + p->height / 2 + gap;
	}
	/* What was pushed down comes back up as far as there is room: the layer's middle is where it wants to be. */
	double shift = 0;
	for (size_t i = 0; i < n; i++)
		shift += w->places[w->layers[layer][i]].middle - w->places[w->layers[layer][i]].y;
	for (size_t i = 0; i < n; i++)
		w->places[w->layers[layer][i]].y += shift / (double)n;
}

static void
settle(struct work *w)
{
	for (size_t i = 0; i < w->n_layers; i++) {
		double y = 0;
		for (size_t k = 0; k < w->n_in[i]; k++) {
			struct place *p = &w->places[w->layers[i][k]];
			p->y = y + p->height / 2;
			y += p->height + w->l->between_nodes;
		}
	}
	for (int turn = 0; turn < 4; turn++) {
		for (size_t i = 1; i < w->n_layers; i++)
			settle_layer(w, i, true);
		for (size_t i = w->n_layers - 1; i-- > 0;)
			settle_layer(w, i, false);
	}
}

static void
give_places(struct work *w)
{
	struct ai_layout *l = w->l;
	double x = 0, top = 1e300, bottom = -1e300;
	for (size_t i = 0; i < w->n; i++) {
		const struct place *p = &w->places[i];
		top = p->y - p->height / 2 < top ? p->y - p->height / 2 : top;
		bottom = p->y + p->height / 2 > bottom ? p->y + p->height / 2 : bottom;
	}
	for (size_t i = 0; i < w->n_layers; i++) {
		double widest = 0;
		for (size_t k = 0; k < w->n_in[i]; k++)
			if (w->layers[i][k] < l->n_nodes && l->nodes[w->layers[i][k]].width > widest)
				widest = l->nodes[w->layers[i][k]].width;
		for (size_t k = 0; k < w->n_in[i]; k++) {
			size_t at = w->layers[i][k];
			double y = w->places[at].y - top;
			if (at < l->n_nodes) {
				l->nodes[at].x = x + widest / 2;
				l->nodes[at].y = y;
			} else {
				l->points[at - l->n_nodes] = (struct ai_layout_point){ x + widest / 2, y };
			}
		}
		x += widest + (i + 1 < w->n_layers ? l->between_layers : 0);
	}
	l->width = x;
	l->height = bottom > top ? bottom - top : 0;
}

static void
work_done(struct work *w)
{
	for (size_t i = 0; w->layers && i < w->n_layers; i++)
		free(w->layers[i]);
	free(w->layers);
	free(w->n_in);
	free(w->places);
	free(w->neighbours);
	free(w->short_edges);
	free(w->best);
}

int
ai_layout_make(struct ai_layout *l, struct ai_err *err)
{
	struct work w = { .l = l, .places = ai_calloc(l->n_nodes, sizeof *w.places) };
	int r = w.places ? 0 : ai_nomem(err);
	if (r == 0 && (find_layers(&w, err) < 0 || move_sources(&w, err) < 0 || make_bends(&w, err) < 0 || make_layers(&w, err) < 0))
		r = err->code;
	for (size_t i = 0; r == 0 && i < w.n; i++)
		w.places[i].height = i < l->n_nodes ? l->nodes[i].height : 4;
	if (r == 0 && l->n_nodes > 0)
		r = order_layers(&w, err);
	if (r == 0 && l->n_nodes > 0) {
		settle(&w);
		give_places(&w);
	}
	work_done(&w);
	return r;
}

void
ai_layout_done(struct ai_layout *l)
{
	free(l->points);
	free(l->first);
	l->points = NULL;
	l->first = NULL;
}

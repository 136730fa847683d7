/*
 * graph_layout.h -- where the nodes of a graph without circles stand, and how its edges run.
 *
 * In layers from left to right: each node one layer after the last of those that lead to it, sources beside what they are first taken
 * by. An edge over several layers goes through a bend in each, so that it passes between the nodes there. In each layer nodes and bends are
 * ordered by the middle of their neighbours, in a few turns, and the order with the fewest crossings is kept.
 *
 * The same graph always gives the same places.
 *
 * Depends on: base.  Threads: pure.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_GRAPH_LAYOUT_H
#define AI_GRAPH_LAYOUT_H

#include <stddef.h>

#include "base/err.h"

struct ai_layout_edge { size_t from, to; };

/* What the caller gives, and what it gets: the middle of each node. */
struct ai_layout_node { double width, height, x, y; };

struct ai_layout {
	struct ai_layout_node *nodes; size_t n_nodes;       /* the caller's */
	const struct ai_layout_edge *edges; size_t n_edges; /* the caller's */
	double between_layers, between_nodes;
	double width, height;                               /* of the whole */
	/* bends of edge i: points[first[i]] up to points[first[i + 1]] */
	struct ai_layout_point { double x, y; } *points;
	size_t *first;
};

/* AI_EUSAGE when edges run in a circle or need more bends than a picture can have. */
int ai_layout_make(struct ai_layout *l, struct ai_err *err) AI_CHECKED;
void ai_layout_done(struct ai_layout *l);

#endif

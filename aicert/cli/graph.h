/*
 * graph.h -- `aicert graph`: the picture of a project as DOT, Mermaid or SVG.
 *
 * Names are foreign text: in each language they are quoted so that they stay text.
 *
 * Depends on: base, print.  Threads: main only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CLI_GRAPH_H
#define AI_CLI_GRAPH_H

#include "base/buf.h"
#include "base/json.h"

/* The report of aicert_graph, as these languages have it. */
void ai_graph_dot(const json_t *graph, struct ai_buf *out);
void ai_graph_mermaid(const json_t *graph, struct ai_buf *out);
/* AI_EUSAGE when it is too large for a picture. */
int ai_graph_svg(const json_t *graph, struct ai_buf *out, struct ai_err *err) AI_CHECKED;

/* What a node is drawn as: border, fill. */
struct ai_graph_style { const char *word, *stroke, *fill; };
const struct ai_graph_style *ai_graph_style(const json_t *node);

#endif

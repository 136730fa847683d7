/*
 * dag.h -- the nodes and blobs of a proof, by id.
 *
 * Loading recomputes every id: a node or blob under a wrong id never gets in.
 *
 * Depends on: base, model.  Threads: pure; a dag belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_DAG_H
#define AI_DAG_H

#include "base/hash.h"
#include "base/json.h"
#include "model/node.h"

struct ai_dag;
struct ai_buf;

/* From a proof's "nodes" and "blobs" objects; keeps references. AI_ENO when an id is not that of its content. */
int ai_dag_load(const json_t *nodes, const json_t *blobs, struct ai_dag **out, struct ai_err *err) AI_CHECKED;
void ai_dag_free(struct ai_dag *d);
/* The node of that id if it is of that kind; NULL when absent, withheld or of another kind. Borrowed. */
const json_t *ai_dag_node(const struct ai_dag *d, ai_kind kind, const struct ai_digest *id);
/* A carried blob's bytes; NULL when absent. Borrowed. */
const struct ai_buf *ai_dag_blob(const struct ai_dag *d, const struct ai_digest *id);

#endif

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

#include <stdbool.h>
#include <stddef.h>

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

/* What is carried under an id: AI_KIND_WITHHELD for a withheld node, AI_KIND_NONE when no node is. */
ai_kind ai_dag_kind(const struct ai_dag *d, const struct ai_digest *id);

struct ai_dag_counts { size_t nodes, blobs, withheld, edges; };

/*
 * ai_dag_walk -- follows every edge from the run node at root.
 * Each target must be there and of the kind that the edge asks for (a tree, and a blob that is content, may be absent; a
 * source, environment, used or tree may be withheld), and no node or blob may be left over. AI_ENO names the edge or the rest.
 * The runs of its lineage are not among them: they have proofs of their own.
 */
int ai_dag_walk(struct ai_dag *d, const struct ai_digest *root, struct ai_dag_counts *out, struct ai_err *err) AI_CHECKED;

/* Does a proof carry the bytes of this blob edge? Aicertfile, lock, rules, names of listed folders: yes; content: no. */
bool ai_edge_is_carried(ai_kind from, const char *where);

static inline void ai_dag_freep(struct ai_dag **d) { ai_dag_free(*d); }
#define AI_DAG_AUTO __attribute__((cleanup(ai_dag_freep))) struct ai_dag

#endif

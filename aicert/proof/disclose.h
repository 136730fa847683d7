/*
 * disclose.h -- one file of a folder that a proof names, shown to be in it without the rest.
 *
 * A proof binds a folder by its tree's id. A disclosure carries the trees from that one down to the folder of one file (a
 * Merkle path): each one's id is recomputed and must be what the one above says. It shows the names and hashes of what
 * lies beside the path, and the content of nothing.
 *
 *   {"disclosure": 1, "root": hex, "of": {"output": NAME} or {"input": NAME}, "path": "a/b/file",
 *    "reference": {"blob": hex} or {"tree": hex}, "trees": [the tree, then one for each folder on the path]}
 *
 * Depends on: base, model, proof.  Threads: pure but for the files that a check is given.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_DISCLOSE_H
#define AI_DISCLOSE_H

#include "model/ref.h"
#include "model/tree.h"
#include "proof/rewrite.h"

struct ai_named_ref;
struct ai_verify;

struct ai_disclose {
	bool input;                /* name is an input's, else an output's */
	const char *name, *path;
	/* The tree node of an id, where the proof does not carry it; may be NULL. 1 and a new reference, 0 absent, negative error. */
	int (*tree)(void *ctx, const struct ai_digest *id, json_t **out, struct ai_err *err);
	void *ctx;
};

/* The content of the output or input that is meant: what a folder's hash must be. AI_EUSAGE names those there are. */
int ai_disclose_of(const json_t *proof, const struct ai_disclose *what, struct ai_ref *out, struct ai_err *err) AI_CHECKED;

/* proof: as ai_rewrite_open gave it. *out: the disclosure; new reference. AI_EUSAGE when there is nothing at the path, or a link; AI_ENO without a tree. */
int ai_disclose_make(const json_t *proof, const struct ai_disclose *what, json_t **out, struct ai_err *err) AI_CHECKED;

/* A disclosure's bytes: exactly its fields, its trees of their kind and no more of them than the path has parts. Pure. */
int ai_disclosure_parse(const char *text, size_t len, const char *file, json_t **out, struct ai_err *err) AI_CHECKED;

/*
 * Does the path lead from the tree top to what the disclosure says, by its trees? *type: what lies there. AI_ENO names the folder where it does not.
 * d: as ai_disclosure_parse gave it. Pure.
 */
int ai_disclosure_follow(const json_t *d, const struct ai_digest *top, struct ai_ref *out, ai_entry_type *type, struct ai_err *err) AI_CHECKED;

/* A check of `aicert verify --disclosure FILE [--file PATH]`: given->name is the disclosure's file, given->path what lies here, or NULL. */
int ai_check_disclosure(struct ai_verify *v, const struct ai_named_ref *given, struct ai_buf *said, struct ai_err *err) AI_CHECKED;

#endif

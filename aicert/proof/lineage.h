/*
 * lineage.h -- the proofs of a run's inputs, as a proof carries them and a verifier judges them.
 *
 * A source of type `proof` is an output of another run: its `revision` is that run's root, its `ref` names the output (without one it is the
 * output named 'model', else the only one). The roots of such runs are the `lineage` of the run node, sorted, and their proofs stand in the
 * proof's "proofs" under their roots: those that the lineage leads to, in whatever number of steps, each once, and no others. A carried
 * proof's own "proofs" is empty, because what it would hold stands beside it.
 *
 * Depends on: base, model.  Threads: pure; a lineage belongs to one verification.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_LINEAGE_H
#define AI_LINEAGE_H

#include <stddef.h>

#include "base/hash.h"
#include "base/json.h"
#include "model/ref.h"
#include "proof/verify.h"

/* A verifier reads what a stranger wrote. */
enum { AI_MAX_LINEAGE = 1000, AI_MAX_LINEAGE_DEPTH = 100 };

/* One carried proof; json borrowed but for outputs and report. */
struct ai_kin {
	char root[AI_HEX];
	const json_t *proof, *run;
	json_t *outputs;            /* of run, by name; NULL: nobody asked yet */
	enum { AI_KIN_UNSEEN, AI_KIN_OPEN, AI_KIN_SEEN } state; /* of the walk */
	json_t *report;             /* as of a proof of its own; NULL: not judged yet */
	ai_level level;             /* none: it does not hold */
	struct ai_err first;        /* why it is not what the verifier asks for; code 0: it is */
};

struct ai_lineage {
	struct ai_kin *kin; size_t n;
	json_t *places;             /* {root: index in kin} */
	size_t *order, n_order;     /* each behind those that it is made from */
	json_t *taken;              /* [{"root","by","input","output"}]: which run's input is which output of which proof */
	int64_t planning;           /* milliseconds that planning again took of all of them so far */
};

/*
 * ai_lineage_output -- the output that a source of type `proof` means: of this run node, by name (NULL: 'model', else the only one).
 * *name (may be NULL) is borrowed from run. AI_ENO says which there are.
 */
int ai_lineage_output(const json_t *run, const char *output, struct ai_ref *out, const char **name, struct ai_err *err) AI_CHECKED;

/* A proof's "proofs" listed, walked from the lineage of its run and put in order. AI_ENO: one is missing, left over, or not to be reached so. */
int ai_lineage_open(const json_t *proofs, const json_t *run, struct ai_lineage *out, struct ai_err *err) AI_CHECKED;
void ai_lineage_done(struct ai_lineage *l);
/* NULL when it is not carried. */
struct ai_kin *ai_lineage_find(const struct ai_lineage *l, const char *root);
/* The one of the lowest level, the first of them; NULL when there is none. */
const struct ai_kin *ai_lineage_weakest(const struct ai_lineage *l);
/* "input 'base'", "input 'base' of run 'fr'", as people know the proof under this root; NULL: no memory. own: root of the proof itself. */
char *ai_lineage_who(const struct ai_lineage *l, const char *root, const char *own);

/* Puts a proof under its root, with an empty "proofs" of its own; and those that it carries. What stands there already stays. */
int ai_lineage_put(json_t *proofs, const char *root, const json_t *proof, struct ai_err *err) AI_CHECKED;
int ai_lineage_put_carried(json_t *proofs, const json_t *proof, struct ai_err *err) AI_CHECKED;
/*
 * Can a run that takes an output of this proof's run, beside those whose proofs kin names ({root: true}, added to), have a proof that verifies?
 * AI_ENO: with what it came from it is deeper than a verifier goes, or they are more.
 */
int ai_lineage_room(json_t *kin, const json_t *proof, struct ai_err *err) AI_CHECKED;

#endif

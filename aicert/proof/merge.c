/* merge.c -- see merge.h.  SPDX-License-Identifier: Apache-2.0 */
#include "proof/merge.h"

#include <string.h>

#include "base/buf.h"
#include "model/node.h"
#include "proof/index.h"

/* A set by id: what the first file has, in its order; and what others add to it. */
struct merged { json_t *first, *added; };

static const json_t *
held(const struct merged *m, const char *id)
{
	const json_t *v = json_object_get(m->first, id);
	return v ? v : json_object_get(m->added, id);
}

/* Under the id, where it stands already or as an addition. */
static int
put(const struct merged *m, const char *id, json_t *v, struct ai_err *err)
{
	return json_object_set(json_object_get(m->first, id) ? m->first : m->added, id, v) < 0 ? ai_nomem(err) : 0;
}

/* Nodes and blobs of one id are the same, but that a node may be withheld in one of the two. */
static int
take_content(const struct merged *m, const json_t *from, struct ai_err *err)
{
	const char *id;
	json_t *v;
	json_object_foreach((json_t *)from, id, v) {
		const json_t *have = held(m, id);
		if ((!have || ai_node_kind(have) == AI_KIND_WITHHELD) && put(m, id, v, err) < 0)
			return err->code;
	}
	return 0;
}

static bool
is_stamped(const json_t *attestation)
{
	return json_object_get(json_object_get(attestation, "evidence"), "timestamp") != NULL;
}

static int
take_attestation(const struct merged *m, const char *id, json_t *attestation, struct ai_err *err)
{
	const json_t *have = held(m, id);
	if (!have)
		return put(m, id, attestation, err);
	/* A timestamp is of one signature. */
	bool same = json_equal(json_object_get(have, "signature"), json_object_get(attestation, "signature"))
		&& json_equal(json_object_get(have, "low_level_quote"), json_object_get(attestation, "low_level_quote"));
	return same && !is_stamped(have) && is_stamped(attestation) ? put(m, id, attestation, err) : 0;
}

static int
take_attestations(const struct merged *m, const json_t *from, struct ai_err *err)
{
	const char *id;
	json_t *v;
	json_object_foreach((json_t *)from, id, v)
		if (take_attestation(m, id, v, err) < 0)
			return err->code;
	return 0;
}

static int
id_of(const json_t *attestation, char out[AI_HEX], struct ai_err *err)
{
	struct ai_digest id;
	if (ai_json_id(json_object_get(attestation, "claims"), &id, err) < 0)
		return err->code;
	ai_hex(&id, out);
	return 0;
}

/* A proof's own attestation, without the proof. New reference. */
static json_t *
own_attestation(const json_t *proof)
{
	return json_pack("{s:O, s:O, s:O, s:O}", "claims", json_object_get(proof, "claims"), "signature", json_object_get(proof, "signature"),
		"low_level_quote", json_object_get(proof, "low_level_quote"), "evidence", json_object_get(proof, "evidence"));
}

/* All that speak of the root: the proof's own and the cosigned. */
static int
take_signers(const struct merged *m, const json_t *proof, struct ai_err *err)
{
	AI_JSON *own = own_attestation(proof);
	char id[AI_HEX];
	size_t i;
	json_t *a;
	if (!own)
		return ai_nomem(err);
	if (id_of(own, id, err) < 0 || take_attestation(m, id, own, err) < 0)
		return err->code;
	json_array_foreach(json_object_get(proof, "cosigned"), i, a)
		if (id_of(a, id, err) < 0 || take_attestation(m, id, a, err) < 0)
			return err->code;
	return 0;
}

/* --- one root ---------------------------------------------------------------- */

static const json_t *
node_of(const json_t *proof, const char *id)
{
	return json_object_get(json_object_get(proof, "nodes"), id);
}

/* In what two runs of different roots differ first. */
static void
say_difference(const json_t *a, const json_t *b, struct ai_buf *said, struct ai_err *err)
{
	const json_t *run_a = node_of(a, ai_json_str(a, "root")), *run_b = node_of(b, ai_json_str(b, "root"));
	AI_JSON *theirs = NULL;
	size_t i;
	json_t *r;
	if (strcmp(ai_json_str(run_a, "plan"), ai_json_str(run_b, "plan")) != 0) {
		ai_buf_puts(said, "they have different plans");
		return;
	}
	if (ai_index_by(ai_json_arr(run_b, "results"), "name", &theirs, err) < 0)
		return;
	json_array_foreach(ai_json_arr(run_a, "results"), i, r) {
		const char *id = ai_json_str(json_object_get(theirs, ai_json_str(r, "name")), "id");
		if (id && strcmp(id, ai_json_str(r, "id")) != 0) {
			ai_buf_printf(said, "of one plan, with different results of step '%s'", ai_json_str(r, "name"));
			return;
		}
	}
	ai_buf_puts(said, "they have different names or outputs");
}

static int
same_root(const json_t *first, const json_t *other, const struct ai_proof_text *in_first, const struct ai_proof_text *in, struct ai_err *err)
{
	AI_BUF_AUTO said = AI_BUF(AI_MAX_TEXT);
	const char *want = ai_json_str(first, "root"), *got = ai_json_str(other, "root");
	if (strcmp(want, got) == 0)
		return 0;
	say_difference(first, other, &said, err);
	if (err->code)
		return err->code;
	return ai_fail(err, AI_ENO, "%s: root: got %s, expected %s, which %s has: %s", in->file, got, want, in_first->file, said.len ? said.data : "");
}

/* --- all of them ------------------------------------------------------------- */

struct merge { struct merged nodes, blobs, lenders, signers; };

static int
take(const struct merge *m, const json_t *proof, struct ai_err *err)
{
	if (take_content(&m->nodes, json_object_get(proof, "nodes"), err) < 0 || take_content(&m->blobs, json_object_get(proof, "blobs"), err) < 0
		|| take_attestations(&m->lenders, json_object_get(proof, "attestations"), err) < 0)
		return err->code;
	return take_signers(&m->signers, proof, err);
}

/* What was added, behind what was there. */
static int
settle(const struct merge *m, struct ai_err *err)
{
	const struct merged *all[] = { &m->nodes, &m->blobs, &m->lenders };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (ai_rewrite_append_sorted(all[i]->first, all[i]->added, err) < 0)
			return err->code;
	return 0;
}

/* The first's own attestation back into its place, the others into "cosigned". */
static int
place_signers(const struct merge *m, json_t *proof, struct ai_err *err)
{
	AI_JSON *sorted = json_object(), *list = json_array();
	char own[AI_HEX];
	const char *id, *field;
	json_t *a, *v;
	if (!sorted || !list)
		return ai_nomem(err);
	if (id_of(proof, own, err) < 0 || ai_rewrite_append_sorted(sorted, m->signers.added, err) < 0)
		return err->code;
	json_object_foreach(json_object_get(sorted, own), field, v)
		if (json_object_set(proof, field, v) < 0)
			return ai_nomem(err);
	json_object_foreach(sorted, id, a)
		if (strcmp(id, own) != 0 && json_array_append(list, a) < 0)
			return ai_nomem(err);
	return json_object_set(proof, "cosigned", list) < 0 ? ai_nomem(err) : 0;
}

static int
merge_into(const struct ai_rewrite *how, const struct merge *m, json_t *first, const struct ai_proof_text *in, size_t n, struct ai_err *err)
{
	if (take_signers(&m->signers, first, err) < 0)
		return err->code;
	for (size_t i = 1; i < n; i++) {
		AI_JSON *other = NULL;
		if (ai_rewrite_open(how, &in[i], &other, err) < 0 || same_root(first, other, &in[0], &in[i], err) < 0 || take(m, other, err) < 0)
			return err->code;
	}
	return settle(m, err) < 0 ? err->code : place_signers(m, first, err);
}

int
ai_proof_merge(const struct ai_rewrite *how, const struct ai_proof_text *in, size_t n, struct ai_buf *out, struct ai_err *err)
{
	AI_JSON *first = NULL, *nodes = json_object(), *blobs = json_object(), *lenders = json_object(), *signers = json_object(), *none = json_object();
	if (n < 2)
		return ai_fail(err, AI_EUSAGE, "merge: got %zu proofs, expected at least two", n);
	if (!nodes || !blobs || !lenders || !signers || !none)
		return ai_nomem(err);
	if (ai_rewrite_open(how, &in[0], &first, err) < 0)
		return err->code;
	const struct merge m = {
		{ json_object_get(first, "nodes"), nodes }, { json_object_get(first, "blobs"), blobs },
		{ json_object_get(first, "attestations"), lenders }, { none, signers },
	};
	if (merge_into(how, &m, first, in, n, err) < 0)
		return err->code;
	return ai_rewrite_close(how, first, "the merged proof", out, err);
}

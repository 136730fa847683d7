/* proof.c -- see proof.h.  SPDX-License-Identifier: Apache-2.0 */
#include "proof/proof.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "model/node.h"
#include "model/ref.h"
#include "model/tree.h"
#include "proof/carried.h"
#include "proof/dag.h"
#include "proof/index.h"
#include "proof/lineage.h"

/* --- writing --------------------------------------------------------------- */

/* Nodes and blobs gathered from the root down; todo holds ids whose node is in nodes and whose edges are still to be followed. */
struct gather {
	const struct ai_proof_source *src;
	json_t *nodes, *blobs;
	struct ai_digest *todo;
	size_t n_todo, cap;
	ai_kind from;
};

static int
gather_node(struct gather *g, ai_kind kind, const struct ai_digest *id, struct ai_err *err)
{
	char hex[AI_HEX];
	AI_JSON *node = NULL;
	ai_hex(id, hex);
	if (json_object_get(g->nodes, hex))
		return 0;
	if (g->src->node(g->src->ctx, id, &node, err) < 0)
		return ai_in(err, "%s %s", ai_kind_word(kind), hex);
	if (ai_node_check(node, err) < 0)
		return ai_in(err, "%s %s", ai_kind_word(kind), hex);
	if (ai_node_kind(node) != kind)
		return ai_fail(err, AI_EINPUT, "node %s: got %s, expected %s", hex, ai_kind_word(ai_node_kind(node)), ai_kind_word(kind));
	if (json_object_set(g->nodes, hex, node) < 0)
		return ai_nomem(err);
	if (ai_grow(&g->todo, &g->cap, g->n_todo, sizeof *g->todo, err) < 0)
		return err->code;
	g->todo[g->n_todo++] = *id;
	return 0;
}

static int
gather_blob(struct gather *g, const struct ai_digest *id, struct ai_err *err)
{
	char hex[AI_HEX];
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_PROOF);
	AI_BUF_AUTO text = AI_BUF(AI_MAX_PROOF);
	ai_hex(id, hex);
	if (json_object_get(g->blobs, hex))
		return 0;
	if (g->src->blob(g->src->ctx, id, &bytes, err) < 0)
		return ai_in(err, "blob %s", hex);
	ai_b64_put(&text, bytes.data, bytes.len);
	if (ai_buf_ok(&text, "proof", err) < 0)
		return err->code;
	if (json_object_set_new(g->blobs, hex, json_stringn(text.data ? text.data : "", text.len)) < 0)
		return ai_nomem(err);
	return 0;
}

static int
gather_edge(void *ctx, ai_kind kind, const struct ai_digest *id, const char *where, struct ai_err *err)
{
	struct gather *g = ctx;
	if (kind == AI_KIND_BLOB)
		return ai_edge_is_carried(g->from, where) ? gather_blob(g, id, err) : 0;
	/* Another run has a proof of its own. */
	if (kind == AI_KIND_RUN || (kind == AI_KIND_TREE && !g->src->with_trees))
		return 0;
	return gather_node(g, kind, id, err);
}

static const json_t *
gathered(void *ctx, const struct ai_digest *id)
{
	struct gather *g = ctx;
	char hex[AI_HEX];
	ai_hex(id, hex);
	return json_object_get(g->nodes, hex);
}

static int
gather_output(void *ctx, const char *step, const char *output, const struct ai_digest *blob, struct ai_err *err)
{
	return gather_blob(ctx, blob, err) < 0 ? ai_in(err, "step '%s': output '%s'", step, output) : 0;
}

static int
gather_all(struct gather *g, const struct ai_digest *root, struct ai_err *err)
{
	if (gather_node(g, AI_KIND_RUN, root, err) < 0)
		return err->code;
	while (g->n_todo > 0) {
		char hex[AI_HEX];
		ai_hex(&g->todo[--g->n_todo], hex);
		const json_t *node = json_object_get(g->nodes, hex);
		g->from = ai_node_kind(node);
		if (ai_node_edges(node, gather_edge, g, err) < 0)
			return err->code;
	}
	char hex[AI_HEX];
	ai_hex(root, hex);
	return ai_carried_each(json_object_get(g->nodes, hex), gathered, g, gather_output, g, err);
}

/* The attestations of reused results, by id. */
static int
gather_attestations(const struct ai_proof_source *src, const json_t *claims, json_t *out, struct ai_err *err)
{
	size_t i;
	json_t *reused;
	json_array_foreach(ai_json_arr(claims, "reused"), i, reused) {
		struct ai_digest id;
		const char *hex = ai_json_str(reused, "attestation");
		AI_JSON *attestation = NULL;
		if (!ai_json_digest(reused, "attestation", &id))
			return ai_fail(err, AI_EINPUT, "claims: reused[%zu]: no attestation", i);
		if (json_object_get(out, hex))
			continue;
		if (src->attestation(src->ctx, &id, &attestation, err) < 0)
			return ai_in(err, "attestation %s", hex);
		if (json_object_set(out, hex, attestation) < 0)
			return ai_nomem(err);
	}
	return 0;
}

/* Those of its inputs first, so that of two of one root the one that this run was given is carried. */
static int
gather_proofs(const struct ai_proof_source *src, const json_t *lineage, json_t *out, struct ai_err *err)
{
	AI_JSON *given = json_array();
	size_t i;
	json_t *named;
	if (!given)
		return ai_nomem(err);
	json_array_foreach(lineage, i, named) {
		struct ai_digest root;
		AI_JSON *proof = NULL;
		const char *hex = json_string_value(named);
		if (!src->proof || !ai_unhex(hex, &root))
			return ai_fail(err, AI_EINPUT, "lineage: there is no proof of %s", hex);
		if (src->proof(src->ctx, &root, &proof, err) < 0)
			return ai_in(err, "proof of %s", hex);
		if (json_array_append(given, proof) < 0)
			return ai_nomem(err);
		if (ai_lineage_put(out, hex, proof, err) < 0)
			return err->code;
	}
	json_array_foreach(given, i, named)
		if (ai_lineage_put_carried(out, named, err) < 0)
			return err->code;
	return 0;
}

static int
assemble(const struct ai_digest *root, const json_t *attestation, const struct gather *g, json_t *attestations, json_t *proofs, json_t **proof,
	struct ai_err *err)
{
	AI_DAG_AUTO *dag = NULL;
	AI_JSON *made = NULL;
	if (ai_dag_load(g->nodes, g->blobs, &dag, err) < 0 || ai_proof_summary(dag, root, attestation, &made, err) < 0)
		return err->code;
	const json_t *claims = json_object_get(attestation, "claims"), *evidence = json_object_get(attestation, "evidence");
	int bad = json_object_set_new(made, "root", ai_json_hex(root)) | json_object_set(made, "nodes", g->nodes)
		| json_object_set(made, "blobs", g->blobs) | json_object_set(made, "claims", (json_t *)claims)
		| json_object_set(made, "evidence", (json_t *)evidence) | json_object_set(made, "attestations", attestations)
		| json_object_set_new(made, "cosigned", json_array()) | json_object_set(made, "proofs", proofs);
	if (bad)
		return ai_nomem(err);
	*proof = json_incref(made);
	return 0;
}

int
ai_proof_make(const struct ai_digest *root, const json_t *attestation, const struct ai_proof_source *src, json_t **proof,
	struct ai_err *err)
{
	AI_JSON *nodes = json_object(), *blobs = json_object(), *attestations = json_object(), *proofs = json_object();
	char hex[AI_HEX];
	ai_hex(root, hex);
	if (!nodes || !blobs || !attestations || !proofs)
		return ai_nomem(err);
	struct gather g = { .src = src, .nodes = nodes, .blobs = blobs };
	int r = gather_all(&g, root, err);
	if (r == 0)
		r = gather_attestations(src, json_object_get(attestation, "claims"), attestations, err);
	if (r == 0)
		r = gather_proofs(src, ai_json_arr(json_object_get(nodes, hex), "lineage"), proofs, err);
	if (r == 0)
		r = assemble(root, attestation, &g, attestations, proofs, proof, err);
	free(g.todo);
	return r < 0 ? ai_in(err, "proof") : 0;
}

/* --- the derived fields ---------------------------------------------------- */

/* The name that people know an input by: the repository's, the file's, else the one in the Aicertfile. Fresh; NULL = no memory. */
static char *
public_name(const char *type, const char *uri, const char *name)
{
	size_t n = uri ? strlen(uri) : 0;
	bool git = strcmp(type, "git") == 0, url = strcmp(type, "url") == 0;
	if ((!git && !url) || n == 0 || strcmp(uri, "local") == 0)
		return ai_strdup(name);
	if (url)
		n = strcspn(uri, "?#");
	while (git && n > 0 && uri[n - 1] == '/')
		n--;
	if (git && n > 4 && memcmp(uri + n - 4, ".git", 4) == 0)
		n -= 4;
	size_t from = n;
	while (from > 0 && uri[from - 1] != '/' && !(git && uri[from - 1] == ':'))
		from--;
	return from < n ? ai_strndup(uri + from, n - from) : ai_strdup(name);
}

/* The published hash: the revision if the claims say that it was tied to the content, else the content's id. */
static const char *
public_hash(const json_t *source, const char *how)
{
	const char *revision = ai_json_str(source, "revision");
	if (how && revision && (strcmp(how, "git") == 0 || strcmp(how, "oci") == 0))
		return revision;
	const json_t *content = json_object_get(source, "content");
	const char *blob = ai_json_str(content, "blob");
	return blob ? blob : ai_json_str(content, "tree");
}

/* verified: what the claims say of each source, by the source's id. */
static int
summary_input(const struct ai_dag *dag, const json_t *verified, const json_t *named, json_t *list, struct ai_err *err)
{
	struct ai_digest id;
	const char *hex = ai_json_str(named, "id"), *name = ai_json_str(named, "name");
	if (!ai_json_digest(named, "id", &id))
		return ai_fail(err, AI_EINPUT, "plan: source '%s' has no id", name);
	const json_t *source = ai_dag_node(dag, AI_KIND_SOURCE, &id);
	if (!source && ai_dag_kind(dag, &id) != AI_KIND_WITHHELD)
		return ai_fail(err, AI_ENO, "source '%s': node %s is absent", name, hex);
	const char *type = source ? ai_json_str(source, "type") : "withheld", *uri = source ? ai_json_str(source, "uri") : NULL;
	AI_FREE char *shown = public_name(type, uri, name);
	json_t *made = shown ? json_pack("{s:s, s:s, s:s, s:s}", "type", type, "name", shown, "download_url", uri ? uri : "",
		"hash", source ? public_hash(source, ai_json_str(json_object_get(verified, hex), "how")) : hex) : NULL;
	return json_array_append_new(list, made) < 0 ? ai_nomem(err) : 0;
}

/* The id of a folder that holds the run's outputs by name: what a run with several outputs and no 'model' gave. */
static int
tree_of_outputs(const json_t *outputs, struct ai_digest *out, struct ai_err *err)
{
	size_t n = json_array_size(outputs), i;
	json_t *o;
	AI_FREE struct ai_entry *entries = ai_calloc(n + 1, sizeof *entries);
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	if (!entries)
		return ai_nomem(err);
	json_array_foreach(outputs, i, o) {
		struct ai_ref ref;
		if (ai_ref_get(o, &ref, err) < 0)
			return err->code;
		entries[i] = (struct ai_entry){ .name = (char *)ai_json_str(o, "name"), .id = ref.id,
			.type = ref.type == AI_REF_TREE ? AI_ENTRY_DIR : AI_ENTRY_FILE };
	}
	if (ai_tree_bytes(entries, n, &b, err) < 0)
		return ai_in(err, "outputs");
	ai_sha256(b.data, b.len, out);
	return 0;
}

static int
output_hash(const json_t *outputs, struct ai_digest *out, struct ai_err *err)
{
	size_t i;
	json_t *o;
	const json_t *the = json_array_size(outputs) == 1 ? json_array_get(outputs, 0) : NULL;
	json_array_foreach(outputs, i, o)
		if (strcmp(ai_json_str(o, "name"), "model") == 0)
			the = o;
	if (!the)
		return tree_of_outputs(outputs, out, err);
	struct ai_ref ref;
	if (ai_ref_get(the, &ref, err) < 0)
		return err->code;
	*out = ref.id;
	return 0;
}

/* PCRs 0-9 and 11-14: the platform's; 10 holds what an OS measured and 15 is the run's. */
static int
platform_hash(const json_t *evidence, struct ai_digest *out, struct ai_err *err)
{
	const json_t *pcrs = ai_json_obj(evidence, "pcrs");
	AI_JSON *some = json_object();
	for (int i = 0; i <= 14; i++) {
		char key[12];
		if (i == 10)
			continue;
		snprintf(key, sizeof key, "%d", i);
		json_t *value = json_object_get(pcrs, key);
		if (!json_is_string(value))
			return ai_fail(err, AI_EINPUT, "evidence: pcrs: '%s' is missing", key);
		if (json_object_set(some, key, value) < 0)
			return ai_nomem(err);
	}
	return ai_json_id(some, out, err);
}

int
ai_proof_summary(const struct ai_dag *dag, const struct ai_digest *root, const json_t *attestation, json_t **out,
	struct ai_err *err)
{
	struct ai_digest plan_id, model, platform;
	const json_t *run = ai_dag_node(dag, AI_KIND_RUN, root);
	const json_t *plan = run && ai_json_digest(run, "plan", &plan_id) ? ai_dag_node(dag, AI_KIND_PLAN, &plan_id) : NULL;
	if (!plan)
		return ai_fail(err, AI_ENO, "summary: the run or its plan is absent");
	AI_JSON *inputs = json_array(), *verified = NULL;
	size_t i;
	json_t *named;
	if (ai_index_by(ai_json_arr(json_object_get(attestation, "claims"), "verified"), "id", &verified, err) < 0)
		return err->code;
	json_array_foreach(ai_json_arr(plan, "sources"), i, named)
		if (summary_input(dag, verified, named, inputs, err) < 0)
			return err->code;
	if (output_hash(ai_json_arr(run, "outputs"), &model, err) < 0 || platform_hash(json_object_get(attestation, "evidence"), &platform, err) < 0)
		return err->code;
	const char *signature = ai_json_str(attestation, "signature"), *quote = ai_json_str(attestation, "low_level_quote");
	if (!signature || !quote)
		return ai_fail(err, AI_EINPUT, "attestation: 'signature' or 'low_level_quote' is missing");
	char model_hex[AI_HEX], platform_hex[AI_HEX];
	ai_hex(&model, model_hex);
	ai_hex(&platform, platform_hex);
	json_t *made = json_pack("{s:s, s:O, s:s, s:s, s:s, s:s}", "version", "v1", "inputs", inputs, "output_model_hash", model_hex,
		"platform_hash", platform_hex, "signature", signature, "low_level_quote", quote);
	if (!made)
		return ai_nomem(err);
	*out = made;
	return 0;
}

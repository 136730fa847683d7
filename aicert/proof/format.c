/* format.c -- the checks on the file itself: its fields, then ids, edges, what is withheld.  SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proof/check.h"
#include "proof/index.h"
#include "proof/policy/policy.h"

/* Is key one of keys? A key that ends in '?' is optional, and stands for itself without it. */
static bool
is_key(const char *key, const char *const *keys, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(keys[i]);
		if (keys[i][len - 1] == '?')
			len--;
		if (strlen(key) == len && memcmp(key, keys[i], len) == 0)
			return true;
	}
	return false;
}

int
ai_exact_fields(const json_t *object, const char *const *keys, size_t n, struct ai_err *err)
{
	const char *key;
	json_t *v;
	if (!json_is_object(object))
		return ai_fail(err, AI_ENO, "expected an object");
	json_object_foreach((json_t *)object, key, v)
		if (!is_key(key, keys, n))
			return ai_fail(err, AI_ENO, "field '%s' is unknown", key);
	for (size_t i = 0; i < n; i++)
		if (keys[i][strlen(keys[i]) - 1] != '?' && !json_object_get(object, keys[i]))
			return ai_fail(err, AI_ENO, "field '%s' is missing", keys[i]);
	return 0;
}

#define N(a) (sizeof (a) / sizeof *(a))

static const char *const proof_keys[] = { "version", "inputs", "output_model_hash", "platform_hash", "signature", "low_level_quote",
	"root", "nodes", "blobs", "claims", "evidence", "attestations", "cosigned", "proofs" };
static const char *const attestation_keys[] = { "claims", "signature", "low_level_quote", "evidence" };
static const char *const evidence_keys[] = { "type", "ak_public", "ak_certificates", "pcrs", "boot_log", "run_log", "timestamp?" };

static int
check_evidence_fields(const json_t *e, struct ai_err *err)
{
	if (ai_exact_fields(e, evidence_keys, N(evidence_keys), err) < 0)
		return ai_in(err, "evidence");
	const char *type = ai_json_str(e, "type");
	if (!type || strcmp(type, "tpm2") != 0)
		return ai_fail(err, AI_ENO, "evidence: type: got '%s', expected 'tpm2'", type ? type : "");
	if (!ai_json_str(e, "ak_public") || !ai_json_str(e, "boot_log"))
		return ai_fail(err, AI_ENO, "evidence: 'ak_public' and 'boot_log' must be strings");
	if (!ai_json_arr(e, "ak_certificates") || !ai_json_arr(e, "run_log") || !ai_json_obj(e, "pcrs"))
		return ai_fail(err, AI_ENO, "evidence: 'ak_certificates' and 'run_log' must be arrays and 'pcrs' an object");
	if (json_object_get(e, "timestamp") && !ai_json_str(e, "timestamp"))
		return ai_fail(err, AI_ENO, "evidence: 'timestamp' must be a string");
	return 0;
}

static int
check_attestation(const json_t *a, struct ai_err *err)
{
	if (ai_exact_fields(a, attestation_keys, N(attestation_keys), err) < 0)
		return err->code;
	return check_evidence_fields(json_object_get(a, "evidence"), err);
}

static int
check_attestations(const json_t *attestations, const json_t *cosigned, struct ai_err *err)
{
	const char *hex;
	json_t *a;
	size_t i;
	struct ai_digest id;
	json_object_foreach((json_t *)attestations, hex, a) {
		if (!ai_unhex(hex, &id))
			return ai_fail(err, AI_ENO, "attestations: '%s' is not 64 lower-case hex digits", hex);
		if (check_attestation(a, err) < 0)
			return ai_in(err, "attestation %s", hex);
	}
	json_array_foreach((json_t *)cosigned, i, a)
		if (check_attestation(a, err) < 0)
			return ai_in(err, "cosigned[%zu]", i);
	return 0;
}

int
ai_check_format(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	static const char *const strings[] = { "output_model_hash", "platform_hash", "signature", "low_level_quote", "root" };
	static const char *const objects[] = { "nodes", "blobs", "claims", "attestations", "proofs" };
	const json_t *p = v->proof;
	if (ai_exact_fields(p, proof_keys, N(proof_keys), err) < 0)
		return err->code;
	for (size_t i = 0; i < N(strings); i++)
		if (!ai_json_str(p, strings[i]))
			return ai_fail(err, AI_ENO, "'%s' must be a string", strings[i]);
	for (size_t i = 0; i < N(objects); i++)
		if (!ai_json_obj(p, objects[i]))
			return ai_fail(err, AI_ENO, "'%s' must be an object", objects[i]);
	if (!ai_json_arr(p, "inputs") || !ai_json_arr(p, "cosigned"))
		return ai_fail(err, AI_ENO, "'inputs' and 'cosigned' must be arrays");
	if (!ai_json_digest(p, "root", &v->root))
		return ai_fail(err, AI_ENO, "'root' is not 64 lower-case hex digits");
	if (check_evidence_fields(json_object_get(p, "evidence"), err) < 0
		|| check_attestations(json_object_get(p, "attestations"), json_object_get(p, "cosigned"), err) < 0)
		return err->code;
	ai_buf_puts(said, "the fields of the file with those of a version 'v1' proof: all there, none unknown, none twice");
	return CHECK_PASSED;
}

int
ai_check_ids(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	const json_t *nodes = json_object_get(v->proof, "nodes"), *blobs = json_object_get(v->proof, "blobs");
	if (ai_dag_load(nodes, blobs, &v->dag, err) < 0)
		return err->code;
	ai_buf_printf(said, "the id of each of %zu nodes with the SHA-256 of its canonical JSON, of each of %zu blobs with that of its bytes, "
		"and each node's fields with those of its kind", json_object_size(nodes), json_object_size(blobs));
	return CHECK_PASSED;
}

/* Is any source of the plan withheld? Then what came from it cannot be followed. */
static void
note_withheld_sources(struct ai_verify *v)
{
	const char *name;
	json_t *s;
	json_object_foreach(v->sources, name, s) {
		struct ai_digest id;
		if (ai_json_digest(s, "id", &id) && ai_dag_kind(v->dag, &id) == AI_KIND_WITHHELD)
			v->sources_withheld = true;
	}
}

int
ai_check_edges(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	struct ai_digest plan;
	if (ai_dag_walk(v->dag, &v->root, &v->counts, err) < 0)
		return err->code;
	v->run = ai_dag_node(v->dag, AI_KIND_RUN, &v->root);
	if (!ai_json_digest(v->run, "plan", &plan))
		return ai_fail(err, AI_ENO, "run: no plan");
	v->plan = ai_dag_node(v->dag, AI_KIND_PLAN, &plan);
	if (ai_index_by(json_object_get(v->plan, "sources"), "name", &v->sources, err) < 0
		|| ai_index_by(json_object_get(v->plan, "sources"), "id", &v->source_ids, err) < 0
		|| ai_index_by(json_object_get(v->run, "results"), "name", &v->results, err) < 0)
		return err->code;
	note_withheld_sources(v);
	ai_buf_printf(said, "the target of each of %zu references from the root down with the kind that its place asks for, and what was "
		"reached with what is carried: nothing is left over", v->counts.edges);
	return CHECK_PASSED;
}

int
ai_check_withheld(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	if (v->counts.withheld == 0) {
		ai_buf_puts(said, "no node is withheld");
		return CHECK_SKIPPED;
	}
	if (v->options->policy && json_object_get(ai_policy_json(v->options->policy), "withhold")) {
		ai_buf_printf(said, "%zu nodes are withheld; which of them may be, the policy says", v->counts.withheld);
		return CHECK_SKIPPED;
	}
	if (!v->options->allow_withheld) {
		(void)ai_fail(err, AI_ENO, "%zu nodes are withheld: expected none", v->counts.withheld);
		return ai_hint(err, "--allow-withheld accepts that, if you need not see them");
	}
	ai_buf_printf(said, "%zu nodes are withheld, which you allowed: what they say is bound by the root and not looked at", v->counts.withheld);
	return CHECK_SKIPPED;
}

/* rewrite.c -- see rewrite.h.  SPDX-License-Identifier: Apache-2.0 */
#include "proof/rewrite.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "proof/dag.h"
#include "proof/proof.h"
#include "proof/verify.h"

static int
holds(const struct ai_rewrite *how, const struct ai_proof_text *in, struct ai_err *err)
{
	const struct ai_verify_options o = { .require = AI_LEVEL_UNSIGNED, .allow_withheld = true, .roots = how->roots, .now = how->now };
	AI_JSON *report = NULL;
	return ai_verify(in->text, in->len, in->file, &o, &report, err);
}

int
ai_rewrite_open(const struct ai_rewrite *how, const struct ai_proof_text *in, json_t **out, struct ai_err *err)
{
	return holds(how, in, err) < 0 ? err->code : ai_json_parse(in->text, in->len, in->file, out, err);
}

int
ai_rewrite_close(const struct ai_rewrite *how, const json_t *proof, const char *file, struct ai_buf *out, struct ai_err *err)
{
	static const char *const kept[] = { "root", "nodes", "blobs", "claims", "evidence", "attestations", "cosigned", "proofs" };
	AI_DAG_AUTO *dag = NULL;
	AI_JSON *made = NULL;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_PROOF);
	struct ai_digest root;
	if (!ai_json_digest(proof, "root", &root))
		return ai_fail(err, AI_EINPUT, "%s: 'root' is not 64 lower-case hex digits", file);
	if (ai_dag_load(json_object_get(proof, "nodes"), json_object_get(proof, "blobs"), &dag, err) < 0
		|| ai_proof_summary(dag, &root, proof, &made, err) < 0)
		return ai_in(err, "%s", file);
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
		if (json_object_set(made, kept[i], json_object_get(proof, kept[i])) < 0)
			return ai_nomem(err);
	if (ai_json_pretty(made, &text, err) < 0 || ai_buf_ok(&text, file, err) < 0)
		return err->code;
	const struct ai_proof_text again = { file, text.data, text.len };
	if (holds(how, &again, err) < 0)
		return err->code;
	ai_buf_put(out, text.data, text.len);
	return ai_buf_ok(out, file, err);
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int
ai_rewrite_append_sorted(json_t *to, const json_t *from, struct ai_err *err)
{
	size_t n = 0;
	const char *key;
	json_t *v;
	AI_FREE const char **keys = ai_calloc(json_object_size(from) + 1, sizeof *keys);
	if (!keys)
		return ai_nomem(err);
	json_object_foreach((json_t *)from, key, v)
		keys[n++] = key;
	if (n > 1)
		qsort(keys, n, sizeof *keys, by_text);
	for (size_t i = 0; i < n; i++)
		if (json_object_set(to, keys[i], json_object_get(from, keys[i])) < 0)
			return ai_nomem(err);
	return 0;
}

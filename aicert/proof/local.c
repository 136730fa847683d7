/* local.c -- the derived fields, and data that the verifier has, against what the proof names.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buf.h"
#include "proof/check.h"
#include "proof/index.h"
#include "proof/proof.h"

int
ai_check_summary(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	static const char *const hashes[] = { "output_model_hash", "platform_hash" };
	AI_JSON *derived = NULL;
	size_t i;
	json_t *input;
	if (ai_proof_summary(v->dag, &v->root, v->proof, &derived, err) < 0)
		return err->code;
	for (i = 0; i < sizeof hashes / sizeof *hashes; i++) {
		const char *got = ai_json_str(v->proof, hashes[i]), *want = ai_json_str(derived, hashes[i]);
		if (strcmp(got, want) != 0)
			return ai_fail(err, AI_ENO, "'%s': got %s, expected %s", hashes[i], got, want);
	}
	const json_t *want = json_object_get(derived, "inputs"), *got = json_object_get(v->proof, "inputs");
	if (json_array_size(want) != json_array_size(got))
		return ai_fail(err, AI_ENO, "'inputs': got %zu, expected %zu", json_array_size(got), json_array_size(want));
	json_array_foreach((json_t *)want, i, input)
		if (!json_equal(input, json_array_get(got, i)))
			return ai_fail(err, AI_ENO, "'inputs[%zu]' differs from input '%s' of the plan", i, ai_json_str(input, "name"));
	v->summary = json_incref(derived);
	ai_buf_printf(said, "%zu inputs, the output's hash %s and the platform's hash %s with what the nodes, claims and PCRs give",
		i, ai_json_str(derived, "output_model_hash"), ai_json_str(derived, "platform_hash"));
	return CHECK_PASSED;
}

/* The user named what is not there: say what is. */
static int
unknown_name(const char *option, const char *name, const json_t *by_name, struct ai_err *err)
{
	AI_BUF_AUTO names = AI_BUF(AI_MAX_TEXT);
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)by_name, key, v)
		ai_buf_printf(&names, "%s'%s'", names.len ? ", " : "", key);
	return ai_fail(err, AI_EUSAGE, "%s %s: the proof has none of that name: it has %s", option, name, names.len ? names.data : "none at all");
}

/* The content at a path of this disk (or of a clone's commit there) is the one named. */
static int
compare(struct ai_verify *v, const char *option, const struct ai_named_ref *given, const char *revision, const struct ai_ref *want,
	struct ai_buf *said, struct ai_err *err)
{
	struct ai_ref got;
	char a[AI_HEX], b[AI_HEX];
	if (!v->options->hash_path)
		return ai_fail(err, AI_EUSAGE, "%s %s: this program cannot hash files and folders", option, given->name);
	if (v->options->hash_path(v->options->ctx, given->path, revision, &got, err) < 0)
		return ai_in(err, "%s %s", option, given->name);
	ai_hex(&got.id, a);
	ai_hex(&want->id, b);
	if (!ai_ref_eq(&got, want))
		return ai_fail(err, AI_ENO, "'%s': got %s %s, expected %s %s", given->path, ai_ref_word(got.type), a, ai_ref_word(want->type), b);
	ai_buf_printf(said, "'%s'%s%s with %s %s", given->path, revision ? " at commit " : "", revision ? revision : "", ai_ref_word(want->type), b);
	return CHECK_PASSED;
}

int
ai_check_input(struct ai_verify *v, const struct ai_named_ref *given, struct ai_buf *said, struct ai_err *err)
{
	struct ai_digest id;
	struct ai_ref want;
	const json_t *named = json_object_get(v->sources, given->name);
	if (!named)
		return unknown_name("--input", given->name, v->sources, err);
	const json_t *source = ai_json_digest(named, "id", &id) ? ai_dag_node(v->dag, AI_KIND_SOURCE, &id) : NULL;
	if (!source)
		return ai_fail(err, AI_ENO, "the source is withheld, so nothing can be compared with '%s'", given->path);
	if (ai_ref_get(json_object_get(source, "content"), &want, err) < 0)
		return err->code;
	bool git = strcmp(ai_json_str(source, "type"), "git") == 0;
	return compare(v, "--input", given, git ? ai_json_str(source, "revision") : NULL, &want, said, err);
}

int
ai_check_output(struct ai_verify *v, const struct ai_named_ref *given, struct ai_buf *said, struct ai_err *err)
{
	struct ai_ref want;
	AI_JSON *by_name = NULL;
	if (ai_index_by(json_object_get(v->run, "outputs"), "name", &by_name, err) < 0)
		return err->code;
	const json_t *output = json_object_get(by_name, given->name);
	if (!output)
		return unknown_name("--output", given->name, by_name, err);
	if (ai_ref_get(output, &want, err) < 0)
		return err->code;
	return compare(v, "--output", given, NULL, &want, said, err);
}

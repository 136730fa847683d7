/* report.c -- the verdict as the documented JSON (verify.h).  SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/when.h"
#include "proof/check.h"
#include "proof/policy/policy.h"

/* Foreign text cut by the size of an error may end within a character, which JSON does not take. */
json_t *
ai_safe_text(const char *s)
{
	if (ai_utf8_valid(s, strlen(s)))
		return json_string(s);
	AI_FREE char *plain = ai_strdup(s);
	for (char *p = plain; p && *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	return plain ? json_string(plain) : NULL;
}

/* Added where only the word of somebody trusted is missing: good as the boot is, by itself it is the word of whoever runs the machine. */
static const char *
boot_matches(const struct ai_evidence *e)
{
	if (!e->matches)
		return "";
	return e->job ? "; boot replayed, runner matches: but whoever runs such a machine holds the state of its TPM and the guest's memory, and no authority that "
		"the policy names says that this is not the builder"
		: "; boot replayed, and every PCR is what the policy says: but whoever runs the machine could have made that up";
}

/* A proof of an input that reaches less than this one's own attestations do; NULL when none does. */
static const struct ai_kin *
weaker_kin(const struct ai_verify *v)
{
	const struct ai_kin *kin = v->is_kin || !v->lineage ? NULL : ai_lineage_weakest(v->lineage);
	return kin && kin->report && kin->level < ai_evidence_level(ai_weakest(v)) ? kin : NULL;
}

static char *
why_not_of_kin(const struct ai_verify *v, const struct ai_kin *kin)
{
	char root[AI_HEX];
	ai_hex(&v->root, root);
	AI_FREE char *who = ai_lineage_who(v->lineage, kin->root, root);
	return who ? ai_format("the proof of %s: %s", who, ai_json_str(kin->report, "why_not_next")) : NULL;
}

/* Of the weakest attestation; whose it is when it is not the proof's own. */
static char *
why_not_next(const struct ai_verify *v, const struct ai_verdict *d, ai_level level)
{
	const struct ai_evidence *w = ai_weakest(v);
	const char *whose = w == &v->main ? "" : "an attestation of a reused result: ";
	if (level != AI_LEVEL_NONE && weaker_kin(v))
		return why_not_of_kin(v, weaker_kin(v));
	switch (level) {
	case AI_LEVEL_NONE: return ai_format("a check failed: %s", d->first.text);
	case AI_LEVEL_UNSIGNED: return ai_format("%sthis verifier does not accept the attestation key %s", whose, w->key);
	case AI_LEVEL_SOFTWARE: return ai_format("%s%s%s", whose, w->why_no_tpm, boot_matches(w));
	case AI_LEVEL_GENUINE_TPM: return ai_format("%s%s%s", whose, w->why_not_measured, boot_matches(w));
	case AI_LEVEL_MEASURED_PLATFORM: break;
	}
	return ai_strdup("");
}

/* Do its certificates end at a CA that this verifier has never heard of? Not so when a known one is revoked or its time is over. */
static bool
is_unknown_root(const struct ai_verify *v, const struct ai_evidence *e)
{
	/* What is not self-signed was taken for an anchor's very bytes, so it is known. */
	return e->chain.n > 0 && !e->chain.software && e->chain.self_signed && v->roots
		&& !ai_roots_find(v->roots, &e->chain.root_spki, &e->chain.root_spki, AI_ROLE_AK_CLOUD | AI_ROLE_AK_CA);
}

/* What to type next; "" when there is nothing to say. A key whose certificate is spoilt is not one to take by hand. */
static char *
hint_of(const struct ai_verify *v, const struct ai_verdict *d, ai_level level)
{
	if (d->first.hint[0])
		return ai_strdup(d->first.hint);
	if (level == AI_LEVEL_NONE || level >= v->options->require)
		return ai_strdup("");
	if (weaker_kin(v))
		return ai_strdup(ai_json_str(weaker_kin(v)->report, "hint"));
	if (level == AI_LEVEL_SOFTWARE)
		return ai_format("if a software TPM's word is enough: aicert verify --require software '%s'", v->file);
	if (level == AI_LEVEL_GENUINE_TPM)
		return ai_strdup(v->options->policy ? "" : "write what may boot into a policy ('aicert policy init' begins one), then aicert verify --policy FILE");
	const struct ai_evidence *w = ai_weakest(v);
	struct ai_err unsaid = { 0 };
	if (v->options->policy && ai_evidence_denied(v->options->policy, w, &unsaid) != 0)
		return ai_strdup("");
	if (v->options->require > AI_LEVEL_SOFTWARE && is_unknown_root(v, w))
		return ai_strdup("if you believe the CA that they end at: aicert trust add --root FILE --role ak-ca --authority NAME");
	if (w->chain.n > 0 && !w->chain.software && !is_unknown_root(v, w))
		return ai_strdup("");
	if (w != &v->main && v->options->require > AI_LEVEL_SOFTWARE)
		return ai_strdup("the builder reused results that a run before it attested, by no key of such a TPM: run those afresh, without the cache");
	if (w != &v->main)
		return ai_format("if you know whose key attested the reused results: aicert trust add %s", w->key);
	return ai_format("if you know whose key it is: aicert trust add %s, then aicert verify --require software '%s'", v->main.key, v->file);
}

static int
add_outputs(const struct ai_verify *v, json_t *list, struct ai_err *err)
{
	size_t i;
	json_t *o;
	json_array_foreach(json_object_get(v->run, "outputs"), i, o) {
		const char *blob = ai_json_str(o, "blob"), *tree = ai_json_str(o, "tree");
		if (json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", ai_json_str(o, "name"), "hash", blob ? blob : tree,
			"type", blob ? "file" : "dir")) < 0)
			return ai_nomem(err);
	}
	return 0;
}

/* The summary's inputs, each with the name that the Aicertfile and so --input and policies give it. New reference; NULL: no memory. */
static json_t *
inputs_of(const struct ai_verify *v, const json_t *summary)
{
	json_t *copy = summary ? json_deep_copy(json_object_get(summary, "inputs")) : json_array(), *input;
	size_t i;
	json_array_foreach(copy, i, input)
		if (json_object_set(input, "input", json_object_get(json_array_get(json_object_get(v->plan, "sources"), i), "name")) < 0) {
			json_decref(copy);
			return NULL;
		}
	return copy;
}

/* What the proof says, only when it holds together: nothing of an altered proof is repeated as if it were so. */
static int
add_content(const struct ai_verify *v, bool holds, json_t *report, struct ai_err *err)
{
	AI_JSON *outputs = json_array();
	const json_t *claims = holds ? v->main.claims : NULL, *summary = holds ? v->summary : NULL;
	const char *model = ai_json_str(summary, "output_model_hash"), *platform = ai_json_str(summary, "platform_hash");
	const char *started = ai_json_str(claims, "started"), *finished = ai_json_str(claims, "finished");
	AI_JSON *carried = NULL;
	if (holds && (add_outputs(v, outputs, err) < 0 || ai_carried_shown(v, &carried, err) < 0))
		return err->code;
	int bad = json_object_set_new(report, "inputs", inputs_of(v, summary))
		| json_object_set(report, "outputs", outputs)
		| json_object_set_new(report, "parameters", holds ? json_incref(json_object_get(v->plan, "parameters")) : json_array())
		| json_object_set_new(report, "carried", carried ? json_incref(carried) : json_array())
		| json_object_set_new(report, "output_model_hash", json_string(model ? model : ""))
		| json_object_set_new(report, "platform_hash", json_string(platform ? platform : ""))
		| json_object_set_new(report, "key", json_string(holds ? v->main.key : ""))
		| json_object_set_new(report, "executed", json_integer((json_int_t)json_array_size(json_object_get(claims, "executed"))))
		| json_object_set_new(report, "reused", json_integer((json_int_t)json_array_size(json_object_get(claims, "reused"))))
		| json_object_set_new(report, "started", json_string(started ? started : ""))
		| json_object_set_new(report, "finished", json_string(finished ? finished : ""));
	return bad ? ai_nomem(err) : 0;
}

/* Whose word it is, judged when, and what the TPM's clock said. */
static int
add_attester(const struct ai_verify *v, json_t *report, struct ai_err *err)
{
	static const char *const how[] = { "now", "as-of", "timestamp" };
	const struct ai_evidence *e = &v->main;
	char at[AI_WHEN_TEXT];
	ai_when_text(e->at, at);
	AI_JSON *made = json_pack("{s:s, s:{s:b, s:b}, s:s, s:s, s:s, s:s, s:s, s:{s:I, s:I, s:I, s:b}}", "job", e->job ? e->job : "",
		"boot", "replayed", e->replayed, "matches", e->matches, "judged_at", at, "judged_by", how[e->at_how],
		"timestamp_authority", e->stamped_by ? e->stamped_by : "", "anchor", e->anchor ? e->anchor->name : "",
		"authority", e->anchor ? e->anchor->authority : "", "clock", "milliseconds", (json_int_t)(e->q.clock & INT64_MAX),
		"resets", (json_int_t)e->q.reset_count, "restarts", (json_int_t)e->q.restart_count, "safe", e->q.safe);
	if (!made || json_object_update(report, made) < 0 || json_object_set_new(report, "cosigned", json_integer((json_int_t)v->n_cosigned)) < 0
		|| json_object_set_new(report, "steps", json_pack("{s:I, s:I, s:I}", "in_images", (json_int_t)v->n_in_images, "in_host", (json_int_t)v->n_in_host,
			"all", (json_int_t)json_array_size(json_object_get(v->plan, "steps")))) < 0)
		return ai_nomem(err);
	return 0;
}

static int
add_taken(const struct ai_verify *v, const json_t *taken, json_t *list, struct ai_err *err)
{
	const struct ai_kin *kin = ai_lineage_find(v->lineage, ai_json_str(taken, "root"));
	json_t *made = json_copy((json_t *)taken);
	int bad = !made || json_object_set(made, "name", json_object_get(kin->run, "name")) < 0
		|| json_object_set_new(made, "level", json_string(ai_level_word(kin->level))) < 0
		|| json_object_set(made, "key", json_object_get(kin->report, "key")) < 0
		|| json_object_set(made, "authority", json_object_get(kin->report, "authority")) < 0;
	return json_array_append_new(list, made) < 0 || bad ? ai_nomem(err) : 0;
}

/* The inputs that are outputs of other runs: this run's first, then those of the runs below; then proofs whose input is withheld. */
static int
add_lineage(const struct ai_verify *v, json_t *report, struct ai_err *err)
{
	AI_JSON *list = json_array(), *told = json_object();
	char own[AI_HEX];
	size_t i;
	json_t *t;
	ai_hex(&v->root, own);
	if (!list || !told)
		return ai_nomem(err);
	for (int others = 0; others < 2; others++)
		json_array_foreach(v->lineage->taken, i, t) {
			if ((strcmp(ai_json_str(t, "by"), own) != 0) != others)
				continue;
			if (json_object_set_new(told, ai_json_str(t, "root"), json_true()) < 0)
				return ai_nomem(err);
			if (add_taken(v, t, list, err) < 0)
				return err->code;
		}
	for (i = 0; i < v->lineage->n; i++) {
		AI_JSON *hidden = json_pack("{s:s, s:s, s:s, s:s}", "root", v->lineage->kin[i].root, "by", "", "input", "", "output", "");
		if (!hidden)
			return ai_nomem(err);
		if (!json_object_get(told, v->lineage->kin[i].root) && add_taken(v, hidden, list, err) < 0)
			return err->code;
	}
	return json_object_set(report, "lineage", list) < 0 ? ai_nomem(err) : 0;
}

int
ai_verify_report(const struct ai_verify *v, const struct ai_verdict *d, ai_level level, json_t **out, struct ai_err *err)
{
	AI_JSON *made = json_object();
	AI_FREE char *why = why_not_next(v, d, level);
	AI_FREE char *hint = hint_of(v, d, level);
	char root[AI_HEX];
	const char *name = ai_json_str(v->run, "name");
	ai_hex(&v->root, root);
	if (!why || !hint)
		return ai_nomem(err);
	int bad = json_object_set_new(made, "verified", json_boolean(!d->first.code))
		| json_object_set_new(made, "level", json_string(ai_level_word(level)))
		| json_object_set_new(made, "required", json_string(ai_level_word(v->options->require)))
		| json_object_set_new(made, "why_not_next", ai_safe_text(why))
		| json_object_set_new(made, "hint", ai_safe_text(hint))
		| json_object_set_new(made, "root", json_string(v->run ? root : ""))
		| json_object_set_new(made, "name", ai_safe_text(name ? name : ""))
		| json_object_set(made, "checks", d->checks);
	if (bad)
		return ai_nomem(err);
	if (add_content(v, level != AI_LEVEL_NONE, made, err) < 0 || (level != AI_LEVEL_NONE && add_attester(v, made, err) < 0)
		|| (level != AI_LEVEL_NONE && !v->is_kin && add_lineage(v, made, err) < 0))
		return err->code;
	*out = json_incref(made);
	return 0;
}

/* claims.c -- what the run says of itself, against the DAG that it speaks of.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "proof/check.h"
#include "proof/index.h"
#include "proof/policy/policy.h"

/* The claims' field names the same id as got does. */
static int
same_id(const json_t *claims, const char *field, const char *want, struct ai_err *err)
{
	const char *got = ai_json_str(claims, field);
	if (!got)
		return ai_fail(err, AI_ENO, "'%s' is absent: claims of a run that failed prove nothing", field);
	return strcmp(got, want) == 0 ? 0 : ai_fail(err, AI_ENO, "'%s': got %s, expected %s", field, got, want);
}

/*
 * Can content of this type be tied to its revision in this way? The summary shows the revision for the hash where it was ("git",
 * "oci"), so a source whose revision nobody computes must not be said to be so.
 */
static bool
how_fits(const char *how, const char *type)
{
	bool git = strcmp(type, "git") == 0, image = strcmp(type, "image") == 0, path = strcmp(type, "path") == 0;
	if (strcmp(how, "git") == 0)
		return git;
	if (strcmp(how, "oci") == 0)
		return image;
	return strcmp(how, "none") == 0 || !(git || image || path);
}

/* Claims about sources are about sources of this plan, and say of each what can be said of its type. */
static int
check_verified(const struct ai_verify *v, const json_t *claims, struct ai_err *err)
{
	size_t i;
	json_t *item;
	json_array_foreach(json_object_get(claims, "verified"), i, item) {
		struct ai_digest id;
		const char *how = ai_json_str(item, "how");
		if (!json_object_get(v->source_ids, ai_json_str(item, "id")))
			return ai_fail(err, AI_ENO, "verified[%zu]: %s is no source of the plan", i, ai_json_str(item, "id"));
		const json_t *source = ai_json_digest(item, "id", &id) ? ai_dag_node(v->dag, AI_KIND_SOURCE, &id) : NULL;
		if (source && !how_fits(how, ai_json_str(source, "type")))
			return ai_fail(err, AI_ENO, "verified[%zu]: '%s' is not how a source of type '%s' is verified", i, how, ai_json_str(source, "type"));
	}
	return 0;
}

int
ai_claims_fit(const struct ai_verify *v, const json_t *c, struct ai_err *err)
{
	const char *started = ai_json_str(c, "started"), *finished = ai_json_str(c, "finished");
	char root[AI_HEX];
	ai_hex(&v->root, root);
	if (same_id(c, "root", root, err) < 0 || same_id(c, "plan", ai_json_str(v->run, "plan"), err) < 0)
		return err->code;
	if (json_array_size(json_object_get(c, "failed")) > 0)
		return ai_fail(err, AI_ENO, "'failed' lists steps: a failure never certifies");
	if (strcmp(started, finished) > 0)
		return ai_fail(err, AI_ENO, "finished %s, before it started at %s", finished, started);
	return check_verified(v, c, err);
}

int
ai_check_claims(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	const json_t *c = v->main.claims;
	if (ai_claims_fit(v, c, err) < 0)
		return err->code;
	ai_buf_printf(said, "the claims' root with %s and their plan with %s; nothing failed; started %s, finished %s; what they say of "
		"sources with the plan's sources", ai_json_str(c, "root"), ai_json_str(c, "plan"), ai_json_str(c, "started"), ai_json_str(c, "finished"));
	return CHECK_PASSED;
}

int
ai_check_nonce(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	const char *asked = v->options->policy ? ai_policy_nonce(v->options->policy) : NULL;
	const char *want = v->options->nonce ? v->options->nonce : asked, *got = ai_json_str(v->main.claims, "nonce");
	if (!want) {
		ai_buf_puts(said, "no nonce was asked for, so the proof may be of any age");
		return CHECK_SKIPPED;
	}
	if (!got)
		return ai_fail(err, AI_ENO, "the claims have no nonce: expected '%s'", want);
	if (strcmp(got, want) != 0)
		return ai_fail(err, AI_ENO, "got '%s', expected '%s'", got, want);
	ai_buf_printf(said, "the claims' nonce with '%s'", want);
	return CHECK_PASSED;
}

/* Every result of the run is executed or reused, and nothing else is. covered: {result id: true}, all of them. */
static int
check_covered(const struct ai_verify *v, const json_t *covered, struct ai_err *err)
{
	AI_JSON *by_id = NULL;
	size_t i;
	json_t *item;
	const char *id;
	if (ai_index_by(json_object_get(v->run, "results"), "id", &by_id, err) < 0)
		return err->code;
	json_array_foreach(json_object_get(v->run, "results"), i, item)
		if (!json_object_get(covered, ai_json_str(item, "id")))
			return ai_fail(err, AI_ENO, "result %s of step '%s' is neither executed nor reused", ai_json_str(item, "id"), ai_json_str(item, "name"));
	json_object_foreach((json_t *)covered, id, item)
		if (!json_object_get(by_id, id))
			return ai_fail(err, AI_ENO, "result %s is claimed and is none of the run's", id);
	return 0;
}

/* Every attestation that a reused result names is carried, and no other is; reused by the proof's own claims or by cosigned ones. */
static int
check_carried(const struct ai_verify *v, struct ai_err *err)
{
	const json_t *carried = json_object_get(v->proof, "attestations");
	AI_JSON *named = NULL;
	size_t i;
	const char *id;
	json_t *item;
	if (ai_index_by(json_object_get(v->main.claims, "reused"), "attestation", &named, err) < 0)
		return err->code;
	json_array_foreach(json_object_get(v->proof, "cosigned"), i, item) {
		/* Their shape is yet to be checked: what is none names nothing. */
		AI_JSON *theirs = NULL;
		if (ai_index_by(ai_json_arr(json_object_get(item, "claims"), "reused"), "attestation", &theirs, err) < 0)
			return err->code;
		if (json_object_update_missing(named, theirs) < 0)
			return ai_nomem(err);
	}
	json_object_foreach(named, id, item)
		if (!json_object_get(carried, id))
			return ai_fail(err, AI_ENO, "attestation %s of reused result %s is not carried", id, ai_json_str(item, "result"));
	json_object_foreach((json_t *)carried, id, item)
		if (!json_object_get(named, id))
			return ai_fail(err, AI_ENO, "attestation %s is of no reused result", id);
	return 0;
}

int
ai_claims_cover(const struct ai_verify *v, const json_t *claims, struct ai_err *err)
{
	AI_JSON *covered = NULL;
	size_t i;
	json_t *item;
	if (ai_index_set(json_object_get(claims, "executed"), &covered, err) < 0)
		return ai_in(err, "executed");
	json_array_foreach(json_object_get(claims, "reused"), i, item) {
		const char *id = ai_json_str(item, "result");
		if (json_object_get(covered, id))
			return ai_fail(err, AI_ENO, "result %s is claimed as executed and as reused", id);
		if (json_object_set_new(covered, id, json_true()) < 0)
			return ai_nomem(err);
	}
	return check_covered(v, covered, err);
}

int
ai_check_coverage(struct ai_verify *v, struct ai_buf *said, struct ai_err *err)
{
	const json_t *c = v->main.claims;
	if (ai_claims_cover(v, c, err) < 0 || check_carried(v, err) < 0)
		return err->code;
	ai_buf_printf(said, "%zu executed and %zu reused results, none in both, with the run's results; and the attestations that the reused "
		"ones name with the %zu carried", json_array_size(json_object_get(c, "executed")), json_array_size(json_object_get(c, "reused")),
		json_object_size(json_object_get(v->proof, "attestations")));
	return CHECK_PASSED;
}

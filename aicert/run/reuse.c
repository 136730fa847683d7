/* reuse.c -- may a result that the store knows stand for running the step again? (job.h)  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "model/node.h"
#include "proof/verify.h"
#include "run/job.h"
#include "run/observe/observe.h"

static int
hash_file(void *ctx, const char *path, struct ai_digest *out, struct ai_err *err)
{
	return ai_store_hash_file(ctx, AT_FDCWD, path, out, err);
}

static int
put_names(void *ctx, const char *bytes, size_t n, struct ai_digest *out, struct ai_err *err)
{
	return ai_store_put_bytes(ctx, bytes, n, out, err);
}

static int
known(void *ctx, const struct stat *st, struct ai_digest *out, struct ai_err *err)
{
	return ai_store_known_hash(ctx, st, out, err);
}

static int
learn(void *ctx, const char *path, const struct stat *st, const struct timespec *began, const struct ai_digest *names, struct ai_err *err)
{
	return ai_store_learn_names(ctx, path, st, began, names, err);
}

struct ai_used_io
ai_job_used_io(struct ai_job *job)
{
	return (struct ai_used_io){ .hash_file = hash_file, .put_names = put_names, .ctx = job->store, .known = known, .learn = learn };
}

static void
because(struct ai_job_step *s, char *text)
{
	free(s->why);
	s->why = text;
}

static bool
accepted(const struct ai_job *job, const json_t *attestation)
{
	const char *ak = ai_json_str(ai_json_obj(attestation, "claims"), "ak");
	size_t i;
	json_t *k;
	json_array_foreach(job->accepted, i, k)
		if (ak && strcmp(ak, json_string_value(k)) == 0)
			return true;
	return false;
}

static bool
lists_executed(const json_t *attestation, const struct ai_digest *result)
{
	const json_t *list = ai_json_arr(ai_json_obj(attestation, "claims"), "executed");
	char hex[AI_HEX];
	size_t from = 0, to = json_array_size(list);
	ai_hex(result, hex);
	/* Claims list them in the order of their digits. */
	while (from < to) {
		size_t at = from + (to - from) / 2;
		const char *id = json_string_value(json_array_get(list, at));
		int c = id ? strcmp(id, hex) : 0;
		if (!id || c == 0)
			return id != NULL;
		from = c < 0 ? at + 1 : from;
		to = c < 0 ? to : at;
	}
	return false;
}

/* An attestation that no verifier would take must not get into a proof: 1, 0. One that an earlier step of this run rests on is known good. */
static int
holds(struct ai_job *job, const struct ai_digest *claims, const json_t *attestation, struct ai_err *err)
{
	struct ai_err why = { 0 };
	if (ai_idset_get(&job->held, claims, NULL))
		return 1;
	if (ai_attestation_holds(attestation, &why) < 0)
		return 0;
	return ai_idset_put(&job->held, claims, 0, err) < 0 ? err->code : 1;
}

int
ai_job_outputs_there(struct ai_job *job, const json_t *result, struct ai_err *err)
{
	size_t i;
	json_t *o;
	json_array_foreach(ai_json_arr(result, "outputs"), i, o) {
		struct ai_ref ref;
		if (ai_ref_get(o, &ref, err) < 0)
			return err->code;
		int r = ai_store_has(job->store, &ref, err);
		if (r <= 0)
			return r;
	}
	return 1;
}

/* 1 when what the step saw of the host is still so (or it saw nothing of a host); 0 with s->why. */
static int
used_holds(struct ai_job *job, struct ai_job_step *s, const json_t *result, struct ai_err *err)
{
	struct ai_digest id;
	if (!ai_json_digest(result, "used", &id))
		return 1;
	AI_JSON *used = NULL;
	int r = ai_store_get_node(job->store, &id, &used, err);
	if (r < 0)
		return r;
	if (r == 0) {
		because(s, ai_strdup("the record of what its last run used is gone from the cache"));
		return 0;
	}
	struct ai_used_io io = ai_job_used_io(job);
	char *what = NULL;
	r = ai_used_holds(used, &io, &what, err);
	if (r == 0)
		because(s, what);
	return r;
}

static int
try_result(struct ai_job *job, struct ai_job_step *s, const struct ai_digest *id, struct ai_err *err)
{
	AI_JSON *result = NULL, *attestation = NULL;
	int r = ai_store_get_node(job->store, id, &result, err);
	if (r <= 0)
		return r;
	/* The row that led here is not bound by any hash: what it leads to must be of this very step. */
	struct ai_digest of;
	if (ai_node_kind(result) != AI_KIND_RESULT || !ai_json_digest(result, "step", &of) || !ai_digest_eq(&of, &s->id)) {
		because(s, ai_strdup("the cache names a result of another step for it"));
		return 0;
	}
	r = ai_job_outputs_there(job, result, err);
	if (r == 0)
		because(s, ai_strdup("an output of its last run is gone from the cache"));
	if (r <= 0)
		return r;
	struct ai_digest claims;
	r = ai_store_attestation_of(job->store, id, &claims, &attestation, err);
	if (r < 0)
		return r;
	if (r == 0 || !accepted(job, attestation)) {
		because(s, ai_strdup(r ? "its last result is attested by a key that is not accepted here" : "its last result was never attested"));
		return 0;
	}
	r = lists_executed(attestation, id) ? holds(job, &claims, attestation, err) : 0;
	if (r == 0)
		because(s, ai_strdup("the attestation of its last result is damaged"));
	if (r <= 0)
		return r;
	r = used_holds(job, s, result, err);
	if (r <= 0)
		return r;
	json_decref(s->result);
	s->result = json_incref(result);
	s->result_id = *id;
	s->attestation = claims;
	s->state = AI_STEP_REUSED;
	return 1;
}

int
ai_job_find_result(struct ai_job *job, struct ai_job_step *s, struct ai_err *err)
{
	AI_FREE struct ai_digest *ids = NULL;
	size_t n = 0;
	if (job->opt->fresh) {
		because(s, ai_strdup("asked to run afresh"));
		return 0;
	}
	if (ai_store_results(job->store, &s->id, &ids, &n, err) < 0)
		return err->code;
	if (n == 0)
		because(s, ai_strdup("no result is known for this key"));
	for (size_t i = 0; i < n; i++) {
		int r = try_result(job, s, &ids[i], err);
		if (r != 0)
			return r;
	}
	return 0;
}

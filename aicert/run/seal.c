/* seal.c -- run node, claims and quote of a job; durable before anything is shown (job.h).  SPDX-License-Identifier: Apache-2.0 */
#include "attest/tpm/seal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "run/job.h"
#include "run/stamp.h"

static json_t *
named_id(const char *name, const struct ai_digest *id)
{
	char hex[AI_HEX];
	ai_hex(id, hex);
	return json_pack("{s:s, s:s}", "name", name, "id", hex);
}

/* Text of an element: itself, or its field `key`. */
static const char *
element_text(const json_t *element, const char *key)
{
	return key ? ai_json_str(element, key) : json_string_value(element);
}

static int
by_text(const void *a, const void *b, void *key)
{
	return strcmp(element_text(*(json_t *const *)a, key), element_text(*(json_t *const *)b, key));
}

/* Sorts an array of texts, or of objects by their field `key`. */
static int
sort_array(json_t *array, const char *key)
{
	size_t n = json_array_size(array);
	AI_FREE json_t **items = ai_calloc(n, sizeof *items);
	if (!items)
		return -1;
	for (size_t i = 0; i < n; i++)
		items[i] = json_incref(json_array_get(array, i));
	qsort_r(items, n, sizeof *items, by_text, (void *)key);
	for (size_t i = 0; i < n; i++)
		json_array_set_new(array, i, items[i]);
	return 0;
}

static int
run_outputs(struct ai_job *job, json_t *out, struct ai_err *err)
{
	size_t i;
	json_t *spec;
	json_array_foreach(ai_json_arr(job->plan, "outputs"), i, spec) {
		const json_t *o;
		if (ai_job_output(job, ai_json_str(spec, "step"), ai_json_str(spec, "output"), &o, err) < 0)
			return err->code;
		json_t *entry = json_copy((json_t *)(uintptr_t)o);
		if (!entry || json_object_set_new(entry, "name", json_string(ai_json_str(spec, "name"))) < 0 || json_array_append_new(out, entry) < 0)
			return ai_nomem(err);
	}
	return 0;
}

/* The roots of the runs whose outputs were inputs, each once. */
static int
lineage_of(const struct ai_job *job, json_t *out, struct ai_err *err)
{
	for (size_t i = 0; i < job->n_sources; i++)
		if (strcmp(ai_json_str(job->sources[i].node, "type"), "proof") == 0 && json_array_append(out, json_object_get(job->sources[i].node, "revision")) < 0)
			return ai_nomem(err);
	if (sort_array(out, NULL) < 0)
		return ai_nomem(err);
	for (size_t i = json_array_size(out); i-- > 1;)
		if (json_equal(json_array_get(out, i), json_array_get(out, i - 1)))
			json_array_remove(out, i);
	return 0;
}

int
ai_job_run_node(struct ai_job *job, struct ai_err *err)
{
	AI_JSON *results = json_array();
	AI_JSON *outputs = json_array();
	AI_JSON *lineage = json_array();
	if (!results || !outputs || !lineage)
		return ai_nomem(err);
	if (lineage_of(job, lineage, err) < 0)
		return err->code;
	for (size_t i = 0; i < job->n_steps; i++)
		if (json_array_append_new(results, named_id(job->steps[i].name, &job->steps[i].result_id)) < 0)
			return ai_nomem(err);
	if (run_outputs(job, outputs, err) < 0)
		return err->code;
	char plan[AI_HEX];
	ai_hex(&job->plan_id, plan);
	json_decref(job->run_node);
	job->run_node = json_pack("{s:s, s:i, s:s, s:s, s:O, s:O, s:O}", "kind", "run", "format", 1, "name", job->manifest->name,
		"plan", plan, "results", results, "outputs", outputs, "lineage", lineage);
	if (!job->run_node)
		return ai_nomem(err);
	return ai_store_put_node(job->store, job->run_node, &job->root_id, err);
}

struct lists {
	json_t *executed, *reused, *failed, *verified;
	json_t *seen;   /* ids that are in a list already: keys of an object */
};

static void
lists_done(struct lists *l)
{
	json_decref(l->executed);
	json_decref(l->reused);
	json_decref(l->failed);
	json_decref(l->verified);
	json_decref(l->seen);
}

/* Appends (stealing entry) unless the id was there before. */
static int
append_once(struct lists *l, json_t *array, const char *id, json_t *entry)
{
	if (json_object_get(l->seen, id)) {
		json_decref(entry);
		return 0;
	}
	return json_object_set_new(l->seen, id, json_true()) < 0 ? -1 : json_array_append_new(array, entry);
}

static int
list_step(const struct ai_job_step *s, struct lists *l)
{
	char result[AI_HEX], attestation[AI_HEX];
	ai_hex(&s->result_id, result);
	ai_hex(&s->attestation, attestation);
	switch (s->state) {
	case AI_STEP_EXECUTED:
		return append_once(l, l->executed, result, json_string(result));
	case AI_STEP_REUSED:
		return append_once(l, l->reused, result, json_pack("{s:s, s:s}", "result", result, "attestation", attestation));
	case AI_STEP_FAILED:
		return json_array_append_new(l->failed, json_pack("{s:s, s:s}", "step", s->name, "how", s->failure ? s->failure : "not started"));
	case AI_STEP_WAITING:
		break;
	}
	return 0;
}

static int
make_lists(struct ai_job *job, struct lists *l, struct ai_err *err)
{
	*l = (struct lists){ json_array(), json_array(), json_array(), json_array(), json_object() };
	if (!l->executed || !l->reused || !l->failed || !l->verified || !l->seen)
		return ai_nomem(err);
	/* Two steps with one key have one result. Executed first: what this run executed it does not list as reused. */
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < job->n_steps; i++)
			if ((job->steps[i].state == AI_STEP_EXECUTED) == (pass == 0) && list_step(&job->steps[i], l) < 0)
				return ai_nomem(err);
	for (size_t i = 0; i < job->n_sources; i++) {
		char id[AI_HEX];
		ai_hex(&job->sources[i].id, id);
		if (append_once(l, l->verified, id, json_pack("{s:s, s:s}", "id", id, "how", job->sources[i].how)) < 0)
			return ai_nomem(err);
	}
	if (sort_array(l->executed, NULL) < 0 || sort_array(l->reused, "result") < 0 || sort_array(l->verified, "id") < 0)
		return ai_nomem(err);
	return 0;
}

static int
program_digest(struct ai_digest *out, struct ai_err *err)
{
	AI_FD fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "/proc/self/exe: cannot open");
	return ai_sha256_fd(fd, out, NULL, err);
}

/* The uuids of those GPUs that some step was given; *out stays NULL when none was. */
static int
used_gpus(const struct ai_job *job, json_t **out, struct ai_err *err)
{
	size_t n = 0;
	for (size_t i = 0; i < job->n_steps; i++) {
		size_t given = json_array_size(ai_json_arr(job->steps[i].environment, "gpus"));
		n = given > n ? given : n;
	}
	if (n == 0)
		return 0;
	AI_JSON *list = json_array();
	for (size_t i = 0; list && i < n && i < job->gpus.n; i++)
		if (json_array_append_new(list, json_string(job->gpus.list[i].uuid)) < 0)
			return ai_nomem(err);
	*out = json_incref(list);
	return list ? 0 : ai_nomem(err);
}

int
ai_job_seal(struct ai_job *job, bool failed, json_t **attestation, struct ai_err *err)
{
	if (!failed && ai_job_run_node(job, err) < 0)
		return err->code;
	char finished[24];
	ai_now(finished);
	struct ai_claims_in in = {
		.plan = job->plan_id, .root = failed ? NULL : &job->root_id, .nonce = job->opt->nonce,
		.started = job->started, .finished = finished, .program_version = AICERT_VERSION,
	};
	struct lists l;
	AI_JSON *made = NULL;
	AI_JSON *gpus = NULL;
	int r = make_lists(job, &l, err);
	if (r == 0)
		r = used_gpus(job, &gpus, err);
	if (r == 0)
		r = program_digest(&in.program, err);
	if (r == 0) {
		in.executed = l.executed;
		in.reused = l.reused;
		in.failed = l.failed;
		in.verified = l.verified;
		in.gpus = gpus;
		r = ai_seal(job->tpm, &in, &made, err);
	}
	/* Hours of work are not lost for want of somebody else's clock: what was attested is kept whatever the authority says. */
	if (r == 0 && job->opt->timestamp && !failed)
		(void)!ai_stamp_attestation(made, job->opt->timestamp, job->opt->talk, &job->unstamped);
	struct ai_digest id;
	if (r == 0)
		r = ai_store_put_attestation(job->store, made, &id, err);
	lists_done(&l);
	if (r == 0 && job->unstamped.code == AI_EINTR)
		return (*err = job->unstamped).code;
	if (r == 0)
		*attestation = json_incref(made);
	return r;
}

/* prepare.c -- the plan of a job made and stored, and the step nodes that follow from it (job.h).  SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "model/recipe.h"
#include "run/job.h"
#include "run/plan/apart.h"

static int
store_texts(struct ai_job *job, struct ai_err *err)
{
	struct ai_digest id;
	if (ai_store_put_bytes(job->store, job->text.data, job->text.len, &id, err) < 0 ||
		ai_store_put_bytes(job->store, job->lock_text.data, job->lock_text.len, &id, err) < 0)
		return err->code;
	for (size_t i = 0; i < job->n_rules; i++)
		if (ai_store_put_bytes(job->store, job->rules[i].text, job->rules[i].len, &id, err) < 0)
			return err->code;
	return 0;
}

static const struct ai_step_spec *
spec_of(const struct ai_job *job, const char *name)
{
	for (size_t i = 0; i < job->manifest->n_steps; i++)
		if (strcmp(job->manifest->steps[i].name, name) == 0)
			return &job->manifest->steps[i];
	return NULL;
}

/* The environment node that a recipe names. */
static const json_t *
environment_of(const struct ai_job *job, const json_t *recipe)
{
	struct ai_digest want, id;
	struct ai_err ignored = { 0 };
	size_t i;
	json_t *env;
	json_array_foreach(job->environments, i, env)
		if (ai_json_digest(recipe, "environment", &want) && ai_json_id(env, &id, &ignored) == 0 && ai_digest_eq(&want, &id))
			return env;
	return NULL;
}

static int
make_steps(struct ai_job *job, struct ai_err *err)
{
	const json_t *steps = ai_json_arr(job->plan, "steps");
	job->steps = ai_calloc(json_array_size(steps), sizeof *job->steps);
	if (!job->steps)
		return ai_nomem(err);
	size_t i;
	json_t *s;
	json_array_foreach(steps, i, s) {
		const char *name = ai_json_str(s, "name");
		job->steps[job->n_steps++] = (struct ai_job_step){ .name = name, .spec = spec_of(job, name), .recipe = ai_json_obj(s, "recipe") };
		job->steps[i].environment = environment_of(job, job->steps[i].recipe);
		if (!job->steps[i].environment)
			return ai_fail(err, AI_EUSAGE, "internal: step '%s' has no environment", name);
		if (!job->steps[i].spec)
			return ai_fail(err, AI_EUSAGE, "internal: the plan has a step '%s' that the Aicertfile has not", name);
	}
	return 0;
}

/* Looked for only when a step wants some: a machine without a driver, or with a broken one, runs everything else. */
static int
find_gpus(struct ai_job *job, json_t **nodes, struct ai_err *err)
{
	bool wanted = false;
	for (size_t i = 0; i < job->manifest->n_steps; i++)
		wanted = wanted || job->manifest->steps[i].limits.gpus > 0;
	if (!wanted)
		return 0;
	if (!job->gpus.root && ai_gpus_find(&job->gpus, err) < 0)
		return err->code;
	*nodes = ai_gpus_nodes(&job->gpus);
	return *nodes ? 0 : ai_nomem(err);
}

/* Said once per project, before its first run: what a host step used is recorded, but nobody else has this host. */
static void
speak_of_the_host(const struct ai_job *job)
{
	bool host = false;
	for (size_t i = 0; i < job->n_steps; i++)
		host = host || json_is_true(json_object_get(job->steps[i].environment, "host"));
	if (host && !job->previous && !job->manifest->host_said)
		ai_say(job->opt->talk, AI_TALK_NOTE, "this runs in the host environment; with an image ('image: python:3.11') others can get the same root; "
			"'environment: host' says that you mean the host");
}

int
ai_job_plan_make(struct ai_job *job, const struct ai_buf *lock, json_t **plan, json_t **environments, struct ai_err *err)
{
	AI_FREE struct ai_plan_source *sources = ai_calloc(job->n_sources, sizeof *sources);
	if (!sources)
		return ai_nomem(err);
	for (size_t i = 0; i < job->n_sources; i++)
		sources[i] = (struct ai_plan_source){ job->sources[i].name, job->sources[i].node };
	AI_JSON *gpus = NULL;
	if (find_gpus(job, &gpus, err) < 0)
		return err->code;
	struct ai_plan_in in = {
		.aicertfile = job->text.data, .aicertfile_len = job->text.len, .file = job->shown,
		.lock = lock->data, .lock_len = lock->len,
		.rules = job->rules, .n_rules = job->n_rules, .sources = sources, .n_sources = job->n_sources,
		.platform = AI_PLATFORM, .gpus = gpus,
	};
	return job->apart ? ai_plan_apart(&in, plan, environments, err) : ai_plan_make(&in, plan, environments, err);
}

int
ai_job_plan(struct ai_job *job, struct ai_err *err)
{
	if (ai_job_plan_make(job, &job->lock_text, &job->plan, &job->environments, err) < 0 || store_texts(job, err) < 0)
		return err->code;
	struct ai_digest id;
	size_t i;
	json_t *env;
	json_array_foreach(job->environments, i, env)
		if (ai_store_put_node(job->store, env, &id, err) < 0)
			return err->code;
	if (ai_store_put_node(job->store, job->plan, &job->plan_id, err) < 0)
		return err->code;
	if (make_steps(job, err) < 0)
		return err->code;
	speak_of_the_host(job);
	return 0;
}

static int
output_of(void *ctx, const char *step, const char *output, struct ai_ref *out, struct ai_err *err)
{
	struct ai_job *job = ctx;
	for (size_t i = 0; i < job->n_steps; i++) {
		if (strcmp(job->steps[i].name, step) != 0)
			continue;
		size_t k;
		json_t *o;
		json_array_foreach(ai_json_arr(job->steps[i].result, "outputs"), k, o)
			if (strcmp(ai_json_str(o, "name"), output) == 0)
				return ai_ref_get(o, out, err);
	}
	return ai_fail(err, AI_ESTEP, "step '%s' has no output '%s' yet", step, output);
}

int
ai_job_step_node(struct ai_job *job, struct ai_job_step *s, struct ai_err *err)
{
	json_decref(s->step);
	s->step = NULL;
	if (ai_recipe_step(s->recipe, output_of, job, &s->step, err) < 0)
		return err->code;
	return ai_store_put_node(job->store, s->step, &s->id, err);
}

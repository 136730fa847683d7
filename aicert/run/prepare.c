/* prepare.c -- the plan of a job made and stored, and the step nodes that follow from it (job.h).  SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "model/node.h"
#include "model/recipe.h"
#include "run/job.h"
#include "run/plan/apart.h"
#include "run/plan/plan_cache.h"

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

struct ai_job_step *
ai_job_step_named(const struct ai_job *job, const char *name)
{
	size_t i;
	return ai_names_find(&job->step_names, name, strlen(name), &i) ? &job->steps[i] : NULL;
}

/* The environments by the hex digits of their ids, which are kept in `hex`. */
static int
index_environments(const struct ai_job *job, char (*hex)[AI_HEX], struct ai_names *out, struct ai_err *err)
{
	size_t i;
	json_t *env;
	json_array_foreach(job->environments, i, env) {
		struct ai_digest id;
		if (ai_json_id(env, &id, err) < 0)
			return err->code;
		ai_hex(&id, hex[i]);
		if (ai_names_put(out, hex[i], strlen(hex[i]), i, err) < 0)
			return err->code;
	}
	return 0;
}

static int
make_step(struct ai_job *job, const json_t *planned, const struct ai_names *environments, struct ai_err *err)
{
	const char *name = ai_json_str(planned, "name");
	const json_t *recipe = ai_json_obj(planned, "recipe");
	const char *id = ai_json_str(recipe, "environment");
	struct ai_job_step *s = &job->steps[job->n_steps++];
	size_t at;
	*s = (struct ai_job_step){ .name = name, .spec = ai_manifest_step(job->manifest, name, strlen(name)), .recipe = recipe };
	if (!id || !ai_names_find(environments, id, strlen(id), &at))
		return ai_fail(err, AI_EUSAGE, "internal: step '%s' has no environment", name);
	s->environment = json_array_get(job->environments, at);
	if (!s->spec)
		return ai_fail(err, AI_EUSAGE, "internal: the plan has a step '%s' that the Aicertfile has not", name);
	return ai_names_put(&job->step_names, name, strlen(name), job->n_steps - 1, err) < 0 ? err->code : 0;
}

static int
make_steps(struct ai_job *job, struct ai_err *err)
{
	const json_t *steps = ai_json_arr(job->plan, "steps");
	AI_FREE char (*hex)[AI_HEX] = ai_calloc(json_array_size(job->environments), sizeof *hex);
	struct ai_names environments = { 0 };
	job->steps = ai_calloc(json_array_size(steps), sizeof *job->steps);
	if (!job->steps || !hex)
		return ai_nomem(err);
	int rc = index_environments(job, hex, &environments, err);
	for (size_t i = 0; rc == 0 && i < json_array_size(steps); i++)
		rc = make_step(job, json_array_get(steps, i), &environments, err);
	ai_names_done(&environments);
	return rc;
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

/* --- plans that were made before (plan_cache.h) ------------------------------------ */

enum { MAX_NOTES = 256 /* in a folder */ };

void
ai_sweep_notes(const char *folder)
{
	DIR *d = opendir(folder);
	size_t n = 0;
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	if (n > MAX_NOTES)
		ai_discard_tree(folder);
}

static char *
record_of(const struct ai_job *job, const struct ai_digest *key)
{
	char hex[AI_HEX];
	ai_hex(key, hex);
	return ai_format("%s/plans/%s", job->home.data, hex);
}

/* The environments that a plan's steps name: 1, or 0 when one is gone. */
static int
environments_of(struct ai_job *job, const json_t *plan, json_t *out, struct ai_err *err)
{
	struct ai_idset known = { 0 };
	size_t i;
	json_t *s;
	int r = 1;
	json_array_foreach(ai_json_arr(plan, "steps"), i, s) {
		AI_JSON *node = NULL;
		struct ai_digest id;
		if (!ai_json_digest(ai_json_obj(s, "recipe"), "environment", &id))
			r = 0;
		if (r <= 0 || ai_idset_get(&known, &id, NULL))
			continue;
		r = ai_store_get_node(job->store, &id, &node, err);
		if (r == 1 && ai_node_kind(node) != AI_KIND_ENVIRONMENT)
			r = 0;
		if (r == 1 && (ai_idset_put(&known, &id, 0, err) < 0 || json_array_append(out, node) < 0))
			r = err->code ? err->code : ai_nomem(err);
	}
	ai_idset_done(&known);
	return r;
}

/* 1 and the plan of this key, 0 none is known. Whatever is the matter with what is kept: it is made again. */
static int
known_plan(struct ai_job *job, const struct ai_plan_in *in, const struct ai_digest *key, json_t **plan, json_t **environments, struct ai_err *err)
{
	struct ai_err quiet = { 0 };
	struct ai_digest id;
	AI_BUF_AUTO text = AI_BUF(AI_HEX);
	AI_JSON *found = NULL;
	AI_JSON *list = json_array();
	AI_FREE char *record = record_of(job, key);
	if (!list || !record)
		return ai_nomem(err);
	if (ai_read_file_if(AT_FDCWD, record, &text, &quiet) <= 0 || text.len != AI_HEX - 1 || !ai_unhex(text.data, &id) ||
		ai_store_get_node(job->store, &id, &found, &quiet) <= 0 || !ai_plan_is_of(found, in) || environments_of(job, found, list, &quiet) <= 0)
		return 0;
	*plan = json_incref(found);
	*environments = json_incref(list);
	return 1;
}

/* Nothing hangs on its being kept. */
static void
keep_plan(struct ai_job *job, const struct ai_digest *key, const struct ai_digest *plan)
{
	struct ai_err quiet = { 0 };
	char hex[AI_HEX];
	AI_FREE char *record = record_of(job, key), *folder = ai_format("%s/plans", job->home.data);
	if (!record || !folder || job->opt->look)
		return;
	ai_hex(plan, hex);
	ai_sweep_notes(folder);
	if (ai_mkdirs(folder, 0700, &quiet) < 0 || ai_write_file(AT_FDCWD, record, hex, AI_HEX - 1, 0600, &quiet) < 0)
		ai_say(job->opt->talk, AI_TALK_DETAIL, "the plan is not kept: %s", quiet.text);
}

/* --- the plan ----------------------------------------------------------------------- */

/* What a plan is made of; what is in it lives as long as this. */
struct making {
	struct ai_plan_source *sources;
	json_t *gpus;
	struct ai_plan_in in;
};

static void
making_done(struct making *m)
{
	free(m->sources);
	json_decref(m->gpus);
}

static int
making_of(struct ai_job *job, const struct ai_buf *lock, struct making *out, struct ai_err *err)
{
	*out = (struct making){ .sources = ai_calloc(job->n_sources, sizeof *out->sources) };
	if (!out->sources)
		return ai_nomem(err);
	if (find_gpus(job, &out->gpus, err) < 0) {
		making_done(out);
		return err->code;
	}
	for (size_t i = 0; i < job->n_sources; i++)
		out->sources[i] = (struct ai_plan_source){ job->sources[i].name, job->sources[i].node };
	out->in = (struct ai_plan_in){
		.aicertfile = job->text.data, .aicertfile_len = job->text.len, .file = job->shown,
		.lock = lock->data, .lock_len = lock->len,
		.rules = job->rules, .n_rules = job->n_rules, .sources = out->sources, .n_sources = job->n_sources,
		.parameters = job->parameters, .platform = AI_PLATFORM, .gpus = out->gpus,
	};
	return 0;
}

static int
make_plan(const struct ai_job *job, const struct ai_plan_in *in, json_t **plan, json_t **environments, struct ai_err *err)
{
	return job->apart ? ai_plan_apart(in, plan, environments, err) : ai_plan_make(in, plan, environments, err);
}

int
ai_job_plan_make(struct ai_job *job, const struct ai_buf *lock, json_t **plan, json_t **environments, struct ai_err *err)
{
	struct making m;
	if (making_of(job, lock, &m, err) < 0)
		return err->code;
	int r = make_plan(job, &m.in, plan, environments, err);
	making_done(&m);
	return r;
}

/* Who plans for another (job->apart) plans. is_new: a plan that no record leads to yet. */
static int
find_or_make(struct ai_job *job, struct ai_digest *key, bool *is_new, struct ai_err *err)
{
	struct making m;
	if (making_of(job, &job->lock_text, &m, err) < 0)
		return err->code;
	int r = job->apart ? 0 : ai_plan_key(&m.in, key, err);
	*is_new = r == 1;
	if (r == 1)
		r = known_plan(job, &m.in, key, &job->plan, &job->environments, err);
	*is_new = *is_new && r == 0;
	if (r == 0)
		r = make_plan(job, &m.in, &job->plan, &job->environments, err);
	making_done(&m);
	return r < 0 ? r : 0;
}

int
ai_job_plan(struct ai_job *job, struct ai_err *err)
{
	struct ai_digest key;
	bool is_new = false;
	if (find_or_make(job, &key, &is_new, err) < 0 || store_texts(job, err) < 0)
		return err->code;
	struct ai_digest id;
	size_t i;
	json_t *env;
	json_array_foreach(job->environments, i, env)
		if (ai_store_put_node(job->store, env, &id, err) < 0)
			return err->code;
	if (ai_store_put_node(job->store, job->plan, &job->plan_id, err) < 0)
		return err->code;
	if (is_new)
		keep_plan(job, &key, &job->plan_id);
	if (make_steps(job, err) < 0)
		return err->code;
	speak_of_the_host(job);
	return 0;
}

/* A step may have many outputs, and another may take them all. */
static int
index_names(struct ai_names *index, const json_t *list, struct ai_err *err)
{
	size_t k;
	json_t *o;
	ai_names_done(index);
	json_array_foreach(list, k, o)
		if (ai_names_put(index, ai_json_str(o, "name"), strlen(ai_json_str(o, "name")), k, err) < 0)
			return err->code;
	return 0;
}

int
ai_job_output_spec(struct ai_job *job, const char *step, const char *output, const json_t **out, struct ai_err *err)
{
	struct ai_job_step *s = ai_job_step_named(job, step);
	const json_t *list = s ? ai_json_arr(s->recipe, "outputs") : NULL;
	size_t k;
	if (s && !s->specs.n && index_names(&s->specs, list, err) < 0)
		return err->code;
	if (!s || !ai_names_find(&s->specs, output, strlen(output), &k))
		return ai_fail(err, AI_EUSAGE, "internal: step '%s' declares no output '%s'", step, output);
	*out = json_array_get(list, k);
	return 0;
}

int
ai_job_output(struct ai_job *job, const char *step, const char *output, const json_t **out, struct ai_err *err)
{
	struct ai_job_step *s = ai_job_step_named(job, step);
	const json_t *list = s ? ai_json_arr(s->result, "outputs") : NULL;
	size_t k;
	if (s && s->outputs_of != s->result && index_names(&s->outputs, list, err) < 0)
		return err->code;
	if (s && s->outputs_of != s->result) {
		json_decref(s->outputs_of);
		s->outputs_of = json_incref(s->result);
	}
	if (!list || !ai_names_find(&s->outputs, output, strlen(output), &k))
		return ai_fail(err, AI_ESTEP, "step '%s' has no output '%s' yet", step, output);
	*out = json_array_get(list, k);
	return 0;
}

static int
output_of(void *ctx, const char *step, const char *output, struct ai_ref *out, struct ai_err *err)
{
	const json_t *o;
	return ai_job_output(ctx, step, output, &o, err) < 0 ? err->code : ai_ref_get(o, out, err);
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

/*
 * plan_environment.c -- what each step runs in: an environment node of an image's source, or of the host (plan_parts.h).
 *
 * The node names manifest and content, which are the image source's; GPUs are a fact about the machine that ran, like the platform.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "model/lock.h"
#include "run/plan/plan_parts.h"

/* The first n of the machine's GPUs. */
static json_t *
first_gpus(const struct plan *p, unsigned n)
{
	AI_JSON *list = json_array();
	for (unsigned i = 0; list && i < n; i++)
		if (json_array_append(list, json_array_get(p->in->gpus, i)) < 0)
			return NULL;
	return json_incref(list);
}

static int
check_gpus(const struct plan *p, const struct ai_step_spec *spec)
{
	size_t have = json_array_size(p->in->gpus);
	if (spec->limits.gpus <= have)
		return 0;
	ai_fail(p->err, AI_EENV, "%s:%d:%d: step '%s': limits: gpus: got %u, expected at most %zu: this machine has %s", p->in->file, spec->line,
		spec->column, spec->name, spec->limits.gpus, have, have ? "no more" : "no NVIDIA GPU that its driver shows");
	return ai_hint(p->err, "leave 'gpus' out to run on the CPU, or run it where the GPUs are");
}

/* New reference; NULL when memory is out. */
static json_t *
environment_of(const struct plan *p, const struct ai_step_spec *spec)
{
	AI_JSON *env = json_pack("{s:s,s:s}", "kind", "environment", "platform", p->in->platform);
	if (!env)
		return NULL;
	if (spec->image) {
		const json_t *source = ai_plan_source(p, spec->image->text);
		json_t *image = json_pack("{s:s,s:s}", "manifest", ai_json_str(source, "revision"), "content",
			ai_json_str(ai_json_obj(source, "content"), "tree"));
		if (json_object_set_new(env, "image", image) < 0)
			return NULL;
	} else if (json_object_set_new(env, "host", json_true()) < 0) {
		return NULL;
	}
	if (spec->limits.gpus && json_object_set_new(env, "gpus", first_gpus(p, spec->limits.gpus)) < 0)
		return NULL;
	return json_incref(env);
}

/* The environment of a step's image and GPUs, made once: what it follows from is its name in the index. */
static int
give(struct plan *p, struct planned *s, struct ai_names *known)
{
	size_t at;
	s->place.image = (uintptr_t)s->spec->image;
	s->place.gpus = s->spec->limits.gpus;
	if (ai_names_find(known, (const char *)&s->place, sizeof s->place, &at)) {
		s->environment = p->steps[at].environment;
		s->image_config = p->steps[at].image_config;
		return 0;
	}
	AI_JSON *env = environment_of(p, s->spec);
	s->environment = env;
	if (json_array_append(p->environments, env) < 0)
		return ai_nomem(p->err);
	if (s->spec->image)
		s->image_config = ai_json_obj(ai_lock_image(p->lock, s->spec->image, p->in->platform), "config");
	return ai_names_put(known, (const char *)&s->place, sizeof s->place, (size_t)(s - p->steps), p->err) < 0 ? p->err->code : 0;
}

int
ai_plan_environments(struct plan *p)
{
	struct ai_names known = { 0 };
	int rc = 0;
	p->environments = json_array();
	for (size_t i = 0; rc == 0 && i < p->m->n_steps; i++)
		rc = check_gpus(p, p->steps[i].spec) < 0 ? p->err->code : give(p, &p->steps[i], &known);
	ai_names_done(&known);
	return rc;
}

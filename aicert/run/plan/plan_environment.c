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

/* The same node as one that is there, or the new one added: borrowed. */
static json_t *
kept(struct plan *p, json_t *env)
{
	for (size_t i = 0; i < json_array_size(p->environments); i++)
		if (json_equal(json_array_get(p->environments, i), env))
			return json_array_get(p->environments, i);
	return json_array_append(p->environments, env) < 0 ? NULL : env;
}

int
ai_plan_environments(struct plan *p)
{
	p->environments = json_array();
	for (size_t i = 0; i < p->m->n_steps; i++) {
		struct planned *s = &p->steps[i];
		if (check_gpus(p, s->spec) < 0)
			return p->err->code;
		AI_JSON *env = environment_of(p, s->spec);
		s->environment = env ? kept(p, env) : NULL;
		if (!s->environment)
			return ai_nomem(p->err);
		if (s->spec->image)
			s->image_env = ai_json_arr(ai_json_obj(ai_lock_image(p->lock, s->spec->image, p->in->platform), "config"), "env");
	}
	return 0;
}

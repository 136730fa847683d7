/*
 * plan_outputs.c -- the outputs of a run: those that the Aicertfile names, else every output that no step takes (plan_parts.h).
 *
 * A run of chosen steps gives what these give: by the Aicertfile's names, and of those that it does not name every output.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/buf.h"
#include "run/plan/plan_parts.h"

struct outputs {
	struct plan *p;
	json_t *list;
	json_t *taken;                 /* "step.output" that some step takes: its keys */
	json_t *bearers;               /* name -> is it borne by more than one? */
};

static int
add(struct outputs *o, const char *name, const char *step, const char *output)
{
	return json_array_append_new(o->list, json_pack("{s:s,s:s,s:s}", "name", name, "step", step, "output", output)) < 0 ? ai_nomem(o->p->err) : 0;
}

/* "step.output" in fresh memory, or NULL. */
static char *
full_name(const char *step, const char *output)
{
	return ai_format("%s.%s", step, output);
}

static int
count_name(struct outputs *o, const char *step, const char *name)
{
	(void)step;
	return json_object_set_new(o->bearers, name, json_boolean(json_object_get(o->bearers, name) != NULL)) < 0 ? ai_nomem(o->p->err) : 0;
}

static int
written(struct outputs *o)
{
	struct plan *p = o->p;
	for (size_t i = 0; i < p->m->n_outputs; i++) {
		const struct ai_output_spec *w = &p->m->outputs[i];
		struct planned *s = ai_plan_step(p, w->step, strlen(w->step));
		AI_FREE char *full = full_name(w->step, w->output);
		if (!full)
			return ai_nomem(p->err);
		if (!s || !ai_plan_output(p, s, w->output)) {
			const char *near = ai_plan_nearest(p, full);
			return ai_fail(p->err, AI_EUSAGE, "%s:%d:%d: output '%s': step '%s' has no output '%s'%s%s%s", p->in->file, w->line, w->column, w->name,
				w->step, w->output, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
		}
		if (add(o, w->name, w->step, w->output) < 0 || count_name(o, NULL, w->name) < 0)
			return p->err->code;
	}
	return 0;
}

static int
collect_taken(struct outputs *o)
{
	const struct plan *p = o->p;
	for (size_t i = 0; i < p->m->n_steps; i++) {
		const json_t *in;
		size_t k;
		json_array_foreach(ai_json_arr(p->steps[i].recipe, "inputs"), k, in) {
			if (!ai_json_str(in, "step"))
				continue;
			AI_FREE char *full = full_name(ai_json_str(in, "step"), ai_json_str(in, "output"));
			if (!full || json_object_set_new(o->taken, full, json_true()) < 0)
				return ai_nomem(p->err);
		}
	}
	return 0;
}

/* Calls each() for the outputs that a step gives to the run by themselves: if it was chosen all, else those that no step takes. */
static int
each_loose(struct outputs *o, const struct planned *s, int (*each)(struct outputs *o, const char *step, const char *name))
{
	const char *step = s->spec->name;
	const json_t *out;
	size_t k;
	json_array_foreach(ai_json_arr(s->recipe, "outputs"), k, out) {
		AI_FREE char *full = full_name(step, ai_json_str(out, "name"));
		if (!full)
			return ai_nomem(o->p->err);
		if (!json_object_get(o->taken, full) && each(o, step, ai_json_str(out, "name")) < 0)
			return o->p->err->code;
	}
	return 0;
}

/* Two of one name are both told by their step. */
static int
add_loose(struct outputs *o, const char *step, const char *name)
{
	AI_FREE char *full = full_name(step, name);
	if (!full)
		return ai_nomem(o->p->err);
	return add(o, json_is_true(json_object_get(o->bearers, name)) ? full : name, step, name);
}

/* Every output that no step takes, and every output of chosen steps of which the Aicertfile names none. */
static int
loose(struct outputs *o)
{
	struct plan *p = o->p;
	AI_JSON *named = json_object();
	for (size_t i = 0; named && i < p->m->n_outputs; i++)
		if (json_object_set_new(named, p->m->outputs[i].step, json_true()) < 0)
			return ai_nomem(p->err);
	if (!named || (!p->m->selected.n && collect_taken(o) < 0))
		return ai_nomem(p->err);
	for (int adding = 0; adding <= 1; adding++)
		for (size_t i = 0; i < p->m->n_steps; i++) {
			const struct planned *s = &p->steps[i];
			bool gives = !p->m->selected.n || (ai_manifest_is_selected(p->m, s->spec) && !json_object_get(named, s->spec->name));
			if (gives && each_loose(o, s, adding ? add_loose : count_name) < 0)
				return p->err->code;
		}
	return 0;
}

json_t *
ai_plan_outputs_part(struct plan *p)
{
	AI_JSON *list = json_array();
	AI_JSON *taken = json_object();
	AI_JSON *bearers = json_object();
	struct outputs o = { p, list, taken, bearers };
	if (!list || !taken || !bearers || written(&o) < 0)
		return NULL;
	if ((!p->m->n_outputs || p->m->selected.n) && loose(&o) < 0)
		return NULL;
	return ai_plan_sorted(list);
}

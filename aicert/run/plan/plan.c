/*
 * plan.c -- see plan.h.
 *
 * A verifier plans from what a stranger's proof carries: the number of steps (manifest.h), the work per step (rule/state.h) and the
 * time of the whole have ceilings, and nothing of the planner grows faster than what it reads.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "run/plan/plan.h"

#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "model/lock.h"
#include "model/node.h"
#include "run/plan/plan_parts.h"
#include "run/plan/plan_select.h"
#include "run/plan/plan_wheels.h"

enum { MAX_SECONDS = 60 /* of this thread's processor time: can refuse a plan, never change it */ };

static time_t
cpu_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec;
}

int
ai_plan_check_time(const struct plan *p)
{
	return cpu_seconds() <= p->cpu_end ? 0
		: ai_fail(p->err, AI_EUSAGE, "%s: planning takes too long: got more than %d s", p->in->file, MAX_SECONDS);
}

int
ai_plan_begin(struct plan *p)
{
	p->cpu_end = cpu_seconds() + MAX_SECONDS;
	p->n_steps = p->m->n_steps;
	p->steps = ai_calloc(p->m->n_steps, sizeof *p->steps);
	p->order = ai_calloc(p->m->n_steps, sizeof *p->order);
	p->rule_used = ai_calloc(p->in->n_rules, sizeof *p->rule_used);
	if (!p->steps || !p->order || !p->rule_used)
		return ai_nomem(p->err);
	for (size_t i = 0; i < p->m->n_steps; i++)
		p->steps[i].spec = &p->m->steps[i];
	for (size_t i = 0; i < p->in->n_rules; i++)
		if (ai_names_put(&p->rule_names, p->in->rules[i].name, strlen(p->in->rules[i].name), i, p->err) < 0)
			return p->err->code;
	for (size_t i = 0; i < p->in->n_sources; i++)
		if (ai_names_put(&p->source_names, p->in->sources[i].name, strlen(p->in->sources[i].name), i, p->err) < 0)
			return p->err->code;
	return 0;
}

void
ai_plan_end(struct plan *p)
{
	for (size_t i = 0; p->steps && i < p->n_steps; i++) {
		free(p->steps[i].needs);
		ai_names_done(&p->steps[i].outputs);
		json_decref(p->steps[i].recipe);
	}
	free(p->steps);
	free(p->order);
	free(p->rule_used);
	free(p->name_buf);
	ai_names_done(&p->rule_names);
	ai_names_done(&p->source_names);
}

/* --- the parts of the plan --------------------------------------------------- */

static int
by_name(const void *a, const void *b)
{
	return strcmp(ai_json_str(*(json_t *const *)a, "name"), ai_json_str(*(json_t *const *)b, "name"));
}

json_t *
ai_plan_sorted(json_t *array)
{
	size_t n = json_array_size(array);
	AI_FREE json_t **items = ai_calloc(n, sizeof(json_t *));
	json_t *out = json_array();
	for (size_t i = 0; items && i < n; i++)
		items[i] = json_array_get(array, i);
	if (items && n)
		qsort(items, n, sizeof *items, by_name);
	for (size_t i = 0; items && out && i < n; i++)
		if (json_array_append(out, items[i]) < 0)
			return NULL;
	return items ? out : NULL;
}

static json_t *
bytes_id(const char *p, size_t n)
{
	struct ai_digest d;
	ai_sha256(p, n, &d);
	return ai_json_hex(&d);
}

static json_t *
rules_part(const struct plan *p)
{
	AI_JSON *list = json_array();
	for (size_t i = 0; list && i < p->in->n_rules; i++) {
		const struct ai_rule_text *r = &p->in->rules[i];
		if (p->rule_used[i] && json_array_append_new(list, json_pack("{s:s,s:o}", "name", r->name, "blob", bytes_id(r->text, r->len))) < 0)
			return NULL;
	}
	return ai_plan_sorted(list);
}

static json_t *
steps_part(const struct plan *p)
{
	AI_JSON *list = json_array();
	for (size_t i = 0; i < p->m->n_steps; i++) {
		const struct planned *s = &p->steps[p->order[i]];
		if (json_array_append_new(list, json_pack("{s:s,s:O}", "name", s->spec->name, "recipe", s->recipe)) < 0)
			return NULL;
	}
	return json_incref(list);
}

static int
assemble(struct plan *p, json_t **out)
{
	const char *lock = p->in->lock ? p->in->lock : "";
	json_t *outputs = ai_plan_outputs_part(p);
	if (!outputs && p->err->code)
		return p->err->code;
	AI_JSON *plan = json_pack("{s:s,s:o,s:o,s:o,s:O,s:o,s:o,s:o}", "kind", "plan",
		"aicertfile", bytes_id(p->in->aicertfile, p->in->aicertfile_len), "lock", bytes_id(lock, p->in->lock ? p->in->lock_len : 0),
		"rules", rules_part(p), "parameters", p->m->parameters, "sources", ai_plan_sources_part(p), "steps", steps_part(p), "outputs", outputs);
	if (!plan)
		return p->err->code ? p->err->code : ai_nomem(p->err);
	if (ai_node_check(plan, p->err) < 0) {
		p->err->code = AI_EUSAGE;
		return ai_in(p->err, "%s: the plan", p->in->file);
	}
	*out = json_incref(plan);
	return 0;
}

/* The manifest is complete before the steps are counted: chosen steps leave some out, wheels may add some. */
static int
make(struct plan *p, json_t **out)
{
	const struct ai_plan_in *in = p->in;
	if (ai_lock_parse(in->lock, in->lock_len, &p->lock, p->err) < 0 || ai_plan_select(p->m, in->rules, in->n_rules, p->err) < 0 ||
		ai_manifest_add_wheels(p->m, p->lock, p->err) < 0)
		return p->err->code;
	if (in->n_steps && in->n_steps != p->m->n_steps)
		return ai_fail(p->err, AI_EUSAGE, "%s: it means %zu steps, expected %zu, as the plan has", in->file, p->m->n_steps, in->n_steps);
	if (ai_plan_begin(p) < 0 || ai_plan_check_sources(p) < 0 || ai_plan_environments(p) < 0 || ai_plan_steps(p) < 0)
		return p->err->code;
	return assemble(p, out);
}

int
ai_plan_make(const struct ai_plan_in *in, json_t **plan, json_t **environments, struct ai_err *err)
{
	struct plan p = { .in = in, .err = err };
	int rc = ai_manifest_parse(in->aicertfile, in->aicertfile_len, in->file, in->parameters, &p.m, err);
	if (rc == 0 && in->name && strcmp(in->name, p.m->name) != 0)
		rc = ai_fail(err, AI_EUSAGE, "%s: its run is called '%s', expected '%s', as the run says", in->file, p.m->name, in->name);
	if (rc == 0)
		rc = make(&p, plan);
	ai_plan_end(&p);
	ai_manifest_free(p.m);
	json_decref(p.lock);
	if (rc == 0 && environments)
		*environments = json_incref(p.environments);
	json_decref(p.environments);
	return rc;
}

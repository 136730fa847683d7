/*
 * plan.c -- see plan.h.
 *
 * Steps are planned in an order in which each comes after what it needs: only then is it known whether
 * the output that a step takes is a file or a folder, and so where it stands.
 *
 * A verifier plans from what a stranger's proof carries: the number of steps (manifest.h), the work per step (rule/state.h) and the
 * time of the whole have ceilings, and nothing below grows faster than steps times steps.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "run/plan/plan.h"

#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/lock.h"
#include "model/node.h"
#include "run/plan/plan_parts.h"
#include "run/plan/plan_wheels.h"

enum { MAX_SECONDS = 60 /* of this thread's processor time: can refuse a plan, never change it */ };

static struct planned *
step_named(const struct plan *p, const char *name, size_t n)
{
	for (size_t i = 0; i < p->m->n_steps; i++)
		if (strlen(p->m->steps[i].name) == n && strncmp(p->m->steps[i].name, name, n) == 0)
			return &p->steps[i];
	return NULL;
}

/* The output of that name in a planned step, or NULL. */
static const json_t *
output_named(const struct planned *s, const char *name)
{
	const json_t *o;
	size_t i;
	json_array_foreach(ai_json_arr(s->recipe, "outputs"), i, o)
		if (strcmp(ai_json_str(o, "name"), name) == 0)
			return o;
	return NULL;
}

/* --- what a name stands for ------------------------------------------------ */

/* The nearest of all inputs and step outputs; kept in name_buf. */
static const char *
nearest(struct plan *p, const char *name)
{
	const char *near = NULL;
	AI_FREE const char **names = ai_calloc(p->m->n_inputs + p->m->n_steps, sizeof *names);
	const char *dot = strchr(name, '.');
	size_t n = 0;
	free(p->name_buf);
	p->name_buf = NULL;
	if (!names)
		return NULL;
	for (size_t i = 0; !dot && i < p->m->n_inputs; i++)
		names[n++] = p->m->inputs[i].name;
	if (!dot)
		return ai_near(name, names, n);
	struct planned *s = step_named(p, name, (size_t)(dot - name));
	const json_t *o;
	size_t i;
	if (s) {
		AI_FREE const char **outs = ai_calloc(json_array_size(ai_json_arr(s->recipe, "outputs")), sizeof *outs);
		json_array_foreach(outs ? ai_json_arr(s->recipe, "outputs") : NULL, i, o)
			outs[n++] = ai_json_str(o, "name");
		near = outs ? ai_near(dot + 1, outs, n) : NULL;
		p->name_buf = near ? ai_format("%s.%s", s->spec->name, near) : NULL;
		return p->name_buf;
	}
	AI_FREE char *step = ai_strndup(name, (size_t)(dot - name));
	for (i = 0; i < p->m->n_steps; i++)
		names[n++] = p->m->steps[i].name;
	near = step ? ai_near(step, names, n) : NULL;
	p->name_buf = near ? ai_format("%s%s", near, dot) : NULL;
	return p->name_buf;
}

/* The file name that the last part of a URL or path gives, or NULL when it gives none. */
static char *
base_name(const char *where)
{
	struct ai_err quiet;
	size_t n = strstr(where, "://") ? strcspn(where, "?#") : strlen(where);
	const char *from = memrchr(where, '/', n);
	from = from ? from + 1 : where;
	char *s = ai_strndup(from, n - (size_t)(from - where));
	if (s && ai_name_check(s, &quiet) == 0)
		return s;
	free(s);
	return NULL;
}

static int
find_input(struct plan *p, const struct ai_input *in, struct ai_artifact *out)
{
	struct ai_err quiet;
	const json_t *content = ai_json_obj(ai_plan_source(p, in->name), "content");
	out->name = out->base = in->name;
	out->to = in->to;
	if (ai_ref_get(content, &out->ref, &quiet) < 0)
		return 0;
	out->is_dir = out->ref.type == AI_REF_TREE;
	if (!out->is_dir && (p->name_buf = base_name(in->where)))
		out->base = p->name_buf;
	return 1;
}

/* "<step>/wheels": a folder of packages that the lock pins for a step. */
static int
find_wheels(const struct plan *p, const char *name, struct ai_artifact *out)
{
	struct ai_err quiet = { 0 };
	const char *slash = strchr(name, '/');
	if (!slash || ai_ref_get(ai_json_obj(ai_plan_source(p, name), "content"), &out->ref, &quiet) < 0)
		return 0;
	out->base = slash + 1;
	out->is_dir = true;
	return 1;
}

static int
find_output(struct plan *p, struct planned *s, const char *name, struct ai_artifact *out)
{
	const json_t *o = output_named(s, name);
	if (p->shapes_known && !o)
		return 0;
	const char *path = ai_json_str(o, "path"), *type = ai_json_str(o, "type");
	out->step = s->spec->name;
	out->is_dir = type && strcmp(type, "dir") == 0;
	p->name_buf = ai_strdup(name);
	out->output = p->name_buf;
	out->base = path && !out->is_dir ? ai_basename(path) : p->name_buf;
	return p->name_buf != NULL;
}

static int
find(void *ctx, const char *name, struct ai_artifact *out)
{
	struct plan *p = ctx;
	const struct ai_input *in = ai_manifest_input(p->m, name);
	const char *dot = strchr(name, '.');
	struct planned *s = dot && dot[1] ? step_named(p, name, (size_t)(dot - name)) : NULL;
	free(p->name_buf);
	p->name_buf = NULL;
	*out = (struct ai_artifact){ .name = name };
	if (in ? find_input(p, in, out) : s ? find_output(p, s, dot + 1, out) : find_wheels(p, name, out))
		return 1;
	*out = (struct ai_artifact){ .name = nearest(p, name) };
	return 0;
}

/* --- order ------------------------------------------------------------------ */

static time_t
cpu_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec;
}

static int
check_time(const struct plan *p)
{
	return cpu_seconds() <= p->cpu_end ? 0
		: ai_fail(p->err, AI_EUSAGE, "%s: planning takes too long: got more than %d s", p->in->file, MAX_SECONDS);
}

struct need_ctx { struct plan *p; struct planned *s; };

static int
need(void *ctx, const char *name)
{
	struct need_ctx *c = ctx;
	if (ai_grow(&c->s->needs, &c->s->cap_needs, c->s->n_needs, sizeof *c->s->needs, c->p->err) < 0)
		return c->p->err->code;
	c->s->needs[c->s->n_needs++] = step_named(c->p, name, strlen(name));
	return 0;
}

static int
rule_of(struct plan *p, struct planned *s)
{
	AI_FREE const char **names = ai_calloc(p->in->n_rules, sizeof *names);
	if (!names)
		return ai_nomem(p->err);
	for (size_t i = 0; i < p->in->n_rules; i++) {
		names[i] = p->in->rules[i].name;
		if (strcmp(names[i], s->spec->use) == 0) {
			s->rule = &p->in->rules[i];
			return 0;
		}
	}
	const char *near = ai_near(s->spec->use, names, p->in->n_rules);
	ai_fail(p->err, AI_EUSAGE, "%s:%d:%d: step '%s': there is no rule '%s'%s%s%s", p->in->file, s->spec->line, s->spec->column, s->spec->name,
		s->spec->use, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
	return ai_hint(p->err, "rules of your own are files in the project's rules/ folder");
}

static bool
is_ready(const struct planned *s)
{
	for (size_t i = 0; i < s->n_needs; i++)
		if (!s->needs[i]->ordered)
			return false;
	return true;
}

/* A step that this one needs and that has no place in the order yet. */
static struct planned *
unordered_need(const struct planned *s)
{
	size_t k = 0;
	while (s->needs[k]->ordered)
		k++;
	return s->needs[k];
}

/* Steps remain, and each needs one that remains: going on from need to need must come round. */
static int
name_cycle(struct plan *p)
{
	struct planned *s = NULL;
	for (size_t i = 0; i < p->m->n_steps && !s; i++)
		s = p->steps[i].ordered ? NULL : &p->steps[i];
	/* After as many hops as there are steps it is on the cycle, whatever led there. */
	for (size_t hops = 0; hops < p->m->n_steps; hops++)
		s = unordered_need(s);
	const struct planned *first = s;
	AI_BUF_AUTO b = AI_BUF(700);
	do {
		s = unordered_need(s);
		ai_buf_printf(&b, " needs '%s'", s->spec->name);
	} while (s != first && b.state == AI_BUF_GOOD);
	return ai_fail(p->err, AI_EUSAGE, "%s:%d:%d: steps need each other: '%s'%s%s", p->in->file, first->spec->line, first->spec->column,
		first->spec->name, b.data ? b.data : "", s == first ? "" : " …");
}

static int
order_steps(struct plan *p)
{
	for (size_t i = 0; i < p->m->n_steps; i++) {
		struct need_ctx c = { p, &p->steps[i] };
		if (rule_of(p, &p->steps[i]) < 0 || check_time(p) < 0
			|| ai_rule_needs(p->steps[i].rule, p->in->file, p->steps[i].spec, find, p, need, &c, p->err) < 0)
			return p->err->code;
	}
	while (p->n_ordered < p->m->n_steps) {
		struct planned *best = NULL;
		for (size_t i = 0; i < p->m->n_steps; i++) {
			struct planned *s = &p->steps[i];
			if (!s->ordered && is_ready(s) && (!best || strcmp(s->spec->name, best->spec->name) < 0))
				best = s;
		}
		if (!best)
			return name_cycle(p);
		best->ordered = true;
		p->order[p->n_ordered++] = (size_t)(best - p->steps);
	}
	p->shapes_known = true;
	return 0;
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
		bool used = false;
		for (size_t k = 0; k < p->m->n_steps && !used; k++)
			used = p->steps[k].rule == r;
		if (used && json_array_append_new(list, json_pack("{s:s,s:o}", "name", r->name, "blob", bytes_id(r->text, r->len))) < 0)
			return NULL;
	}
	return ai_plan_sorted(list);
}

static json_t *
steps_part(const struct plan *p)
{
	AI_JSON *list = json_array();
	for (size_t i = 0; i < p->n_ordered; i++) {
		const struct planned *s = &p->steps[p->order[i]];
		if (json_array_append_new(list, json_pack("{s:s,s:O}", "name", s->spec->name, "recipe", s->recipe)) < 0)
			return NULL;
	}
	return json_incref(list);
}

static int
add_output(struct plan *p, json_t *list, const char *name, const char *step, const char *output)
{
	return json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "name", name, "step", step, "output", output)) < 0 ? ai_nomem(p->err) : 0;
}

/* "step.output" in fresh memory, or NULL. */
static char *
full_name(const char *step, const char *output)
{
	return ai_format("%s.%s", step, output);
}

static int
written_outputs(struct plan *p, json_t *list)
{
	for (size_t i = 0; i < p->m->n_outputs; i++) {
		const struct ai_output_spec *o = &p->m->outputs[i];
		const struct planned *s = step_named(p, o->step, strlen(o->step));
		AI_FREE char *full = full_name(o->step, o->output);
		if (!full)
			return ai_nomem(p->err);
		if (!s || !output_named(s, o->output)) {
			const char *near = nearest(p, full);
			return ai_fail(p->err, AI_EUSAGE, "%s:%d:%d: output '%s': step '%s' has no output '%s'%s%s%s", p->in->file, o->line, o->column, o->name,
				o->step, o->output, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
		}
		if (add_output(p, list, o->name, o->step, o->output) < 0)
			return p->err->code;
	}
	return 0;
}

/* The names "step.output" that some step takes, as the keys of taken. */
static int
collect_taken(const struct plan *p, json_t *taken)
{
	for (size_t i = 0; i < p->m->n_steps; i++) {
		const json_t *in;
		size_t k;
		json_array_foreach(ai_json_arr(p->steps[i].recipe, "inputs"), k, in) {
			if (!ai_json_str(in, "step"))
				continue;
			AI_FREE char *full = full_name(ai_json_str(in, "step"), ai_json_str(in, "output"));
			if (!full || json_object_set_new(taken, full, json_true()) < 0)
				return ai_nomem(p->err);
		}
	}
	return 0;
}

/* Calls each() for every output that no step takes. */
static int
each_loose(struct plan *p, const json_t *taken, int (*each)(struct plan *p, json_t *ctx, json_t *list, const char *step, const char *name),
	json_t *ctx, json_t *list)
{
	for (size_t i = 0; i < p->m->n_steps; i++) {
		const char *step = p->steps[i].spec->name;
		const json_t *o;
		size_t k;
		json_array_foreach(ai_json_arr(p->steps[i].recipe, "outputs"), k, o) {
			AI_FREE char *full = full_name(step, ai_json_str(o, "name"));
			if (!full)
				return ai_nomem(p->err);
			if (!json_object_get(taken, full) && each(p, ctx, list, step, ai_json_str(o, "name")) < 0)
				return p->err->code;
		}
	}
	return 0;
}

/* bearers: name -> is it borne by more than one? */
static int
count_name(struct plan *p, json_t *bearers, json_t *list, const char *step, const char *name)
{
	(void)list, (void)step;
	return json_object_set_new(bearers, name, json_boolean(json_object_get(bearers, name) != NULL)) < 0 ? ai_nomem(p->err) : 0;
}

static int
add_loose(struct plan *p, json_t *bearers, json_t *list, const char *step, const char *name)
{
	AI_FREE char *full = full_name(step, name);
	if (!full)
		return ai_nomem(p->err);
	return add_output(p, list, json_is_true(json_object_get(bearers, name)) ? full : name, step, name);
}

/* Every output that no step takes; two of the same name are both told by their step. */
static int
loose_outputs(struct plan *p, json_t *list)
{
	AI_JSON *taken = json_object();
	AI_JSON *bearers = json_object();
	if (!taken || !bearers)
		return ai_nomem(p->err);
	if (collect_taken(p, taken) < 0 || each_loose(p, taken, count_name, bearers, list) < 0)
		return p->err->code;
	return each_loose(p, taken, add_loose, bearers, list);
}

static json_t *
outputs_part(struct plan *p)
{
	AI_JSON *list = json_array();
	if (!list || (p->m->n_outputs ? written_outputs(p, list) : loose_outputs(p, list)) < 0)
		return NULL;
	return ai_plan_sorted(list);
}

static int
assemble(struct plan *p, json_t **out)
{
	const char *lock = p->in->lock ? p->in->lock : "";
	json_t *outputs = outputs_part(p);
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

static int
make(struct plan *p, json_t **out)
{
	p->cpu_end = cpu_seconds() + MAX_SECONDS;
	/* First, for it may add steps. */
	if (ai_lock_parse(p->in->lock, p->in->lock_len, &p->lock, p->err) < 0 || ai_manifest_add_wheels(p->m, p->lock, p->err) < 0)
		return p->err->code;
	p->steps = ai_calloc(p->m->n_steps, sizeof *p->steps);
	p->order = ai_calloc(p->m->n_steps, sizeof *p->order);
	if (!p->steps || !p->order)
		return ai_nomem(p->err);
	for (size_t i = 0; i < p->m->n_steps; i++)
		p->steps[i].spec = &p->m->steps[i];
	if (ai_plan_check_sources(p) < 0 || ai_plan_environments(p) < 0 ||
		order_steps(p) < 0)
		return p->err->code;
	for (size_t i = 0; i < p->n_ordered; i++) {
		struct planned *s = &p->steps[p->order[i]];
		const struct ai_rule_environment env = { s->environment, s->image_env };
		if (check_time(p) < 0 || ai_rule_recipe(s->rule, p->in->file, s->spec, &env, find, p, &s->recipe, p->err) < 0)
			return p->err->code;
	}
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
	for (size_t i = 0; p.steps && i < p.m->n_steps; i++) {
		free(p.steps[i].needs);
		json_decref(p.steps[i].recipe);
	}
	free(p.steps);
	free(p.order);
	free(p.name_buf);
	ai_manifest_free(p.m);
	json_decref(p.lock);
	if (rc == 0 && environments)
		*environments = json_incref(p.environments);
	json_decref(p.environments);
	return rc;
}

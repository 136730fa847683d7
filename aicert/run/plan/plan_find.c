/*
 * plan_find.c -- what a name in a step's attributes stands for: an input, a step's output, wheels (plan_parts.h).
 *
 * Whether an output is a file or a folder is known once its step is planned. One that is asked for before is taken for a file, and noted as
 * missing: the evaluation that asked counts for nothing then, and is done again (plan_order.c).
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/lock.h"
#include "run/plan/plan_parts.h"

struct planned *
ai_plan_step(const struct plan *p, const char *name, size_t n)
{
	const struct ai_step_spec *s = ai_manifest_step(p->m, name, n);
	return s ? &p->steps[s - p->m->steps] : NULL;
}

const json_t *
ai_plan_output(struct plan *p, struct planned *s, const char *name)
{
	const json_t *list = ai_json_arr(s->recipe, "outputs"), *o;
	size_t i;
	if (!s->outputs.n)
		json_array_foreach(list, i, o)
			if (ai_names_put(&s->outputs, ai_json_str(o, "name"), strlen(ai_json_str(o, "name")), i, p->err) < 0)
				p->no_memory = true;
	return ai_names_find(&s->outputs, name, strlen(name), &i) ? json_array_get(list, i) : NULL;
}

static const char *
nearest_output(struct plan *p, const struct planned *s, const char *name)
{
	const json_t *o;
	size_t i, n = 0;
	AI_FREE const char **outs = ai_calloc(json_array_size(ai_json_arr(s->recipe, "outputs")), sizeof *outs);
	json_array_foreach(outs ? ai_json_arr(s->recipe, "outputs") : NULL, i, o)
		outs[n++] = ai_json_str(o, "name");
	const char *near = outs ? ai_near(name, outs, n) : NULL;
	p->name_buf = near ? ai_format("%s.%s", s->spec->name, near) : NULL;
	return p->name_buf;
}

const char *
ai_plan_nearest(struct plan *p, const char *name)
{
	const struct ai_manifest *m = p->m;
	AI_FREE const char **names = ai_calloc(m->n_inputs + m->n_steps + m->n_matrices, sizeof *names);
	const char *dot = strchr(name, '.');
	size_t n = 0;
	free(p->name_buf);
	p->name_buf = NULL;
	if (!names)
		return NULL;
	for (size_t i = 0; !dot && i < m->n_inputs; i++)
		names[n++] = m->inputs[i].name;
	if (!dot)
		return ai_near(name, names, n);
	const struct planned *s = ai_plan_step(p, name, (size_t)(dot - name));
	if (s)
		return nearest_output(p, s, dot + 1);
	AI_FREE char *step = ai_strndup(name, (size_t)(dot - name));
	for (size_t i = 0; i < m->n_steps; i++)
		names[n++] = m->steps[i].name;
	for (size_t i = 0; i < m->n_matrices; i++)
		names[n++] = m->matrices[i].name;
	const char *near = step ? ai_near(step, names, n) : NULL;
	p->name_buf = near ? ai_format("%s%s", near, dot) : NULL;
	return p->name_buf;
}

/* What an input that is one file is called: by its URL or path; of a source rule as the pin has it. */
static char *
file_name(const struct plan *p, const struct ai_input *in)
{
	const json_t *pin = in->type == AI_INPUT_RULE ? ai_lock_pin(p->lock, in) : NULL;
	const char *path = ai_json_str(json_array_get(ai_json_arr(pin, "files"), 0), "path");
	return ai_url_file_name(path ? path : in->where);
}

static int
find_input(struct plan *p, const struct ai_input *in, struct ai_artifact *out)
{
	struct ai_err quiet;
	out->name = out->base = in->name;
	out->to = in->to;
	if (p->input_used) {
		p->input_used[in - p->m->inputs] = true;
		return 1;
	}
	if (ai_ref_get(ai_json_obj(ai_plan_source(p, in->name), "content"), &out->ref, &quiet) < 0)
		return 0;
	out->is_dir = out->ref.type == AI_REF_TREE;
	/* The place of a proof is not that of what it proves. */
	if (!out->is_dir && in->type != AI_INPUT_PROOF && (p->name_buf = file_name(p, in)))
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

/* The step that asks needs s. */
static void
note_need(struct plan *p, struct planned *s)
{
	struct planned *at = p->at;
	if (s->seen == p->evaluations)
		return;
	s->seen = p->evaluations;
	if (ai_grow(&at->needs, &at->cap_needs, at->n_needs, sizeof *at->needs, p->err) < 0) {
		p->no_memory = true;
		return;
	}
	at->needs[at->n_needs++] = (size_t)(s - p->steps);
	at->missing += s->recipe == NULL;
}

static int
find_output(struct plan *p, struct planned *s, const char *name, struct ai_artifact *out)
{
	note_need(p, s);
	const json_t *o = ai_plan_output(p, s, name);
	if (s->recipe && !o)
		return 0;
	const char *path = ai_json_str(o, "path"), *type = ai_json_str(o, "type");
	out->step = s->spec->name;
	out->is_dir = type && strcmp(type, "dir") == 0;
	out->output = name;
	out->base = path && !out->is_dir ? ai_basename(path) : name;
	/* Steps of one matrix have outputs of the same names: each stands in a folder of its step's name. */
	if (s->spec->matrix) {
		p->name_buf = ai_format("%s/%s", s->spec->name, out->base);
		p->no_memory = p->no_memory || !p->name_buf;
		out->base = p->name_buf;
	}
	return 1;
}

int
ai_plan_find(void *ctx, const char *name, struct ai_artifact *out)
{
	struct plan *p = ctx;
	const char *dot = strchr(name, '.');
	size_t n = dot && dot[1] ? (size_t)(dot - name) : 0;
	const struct ai_input *in = ai_manifest_input(p->m, name);
	struct planned *s = n ? ai_plan_step(p, name, n) : NULL;
	const struct ai_matrix *x = n && !s ? ai_manifest_matrix(p->m, name, n) : NULL;
	free(p->name_buf);
	p->name_buf = NULL;
	*out = (struct ai_artifact){ .name = name };
	if (x && x->n) {
		*out = (struct ai_artifact){ .name = name, .all = &p->m->steps[x->first], .n_all = x->n, .output = dot + 1 };
		return 1;
	}
	if (in ? find_input(p, in, out) : s ? find_output(p, s, dot + 1, out) : find_wheels(p, name, out))
		return 1;
	*out = (struct ai_artifact){ .name = ai_plan_nearest(p, name) };
	return 0;
}

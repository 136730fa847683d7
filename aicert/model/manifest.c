/* manifest.c -- see manifest.h: the long form, and which form it is.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/manifest_read.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static int
need_map(struct reader *r, const struct ai_yaml *y, const char *what)
{
	return y->type == AI_YAML_MAP ? 0 : ai_at(r, y, "%s: expected a map", what);
}

static int
read_inputs(struct reader *r, const struct ai_yaml *map)
{
	if (need_map(r, map, "inputs") < 0)
		return r->err->code;
	for (size_t i = 0; i < map->n; i++) {
		char *name = NULL;
		if (ai_take_name(r, map->pairs[i].key, "input", &name) < 0 || ai_read_input(r, name, map->pairs[i].key, map->pairs[i].value) < 0)
			return r->err->code;
	}
	return 0;
}

/* How many outputs the texts in the lists below y stand for, beyond what they are themselves. */
static size_t
stands_for(const struct ai_manifest *m, const struct ai_yaml *y, bool in_list)
{
	size_t sum = 0;
	const char *dot = y->type == AI_YAML_SCALAR && in_list ? strchr(y->text, '.') : NULL;
	const struct ai_matrix *x = dot ? ai_manifest_matrix(m, y->text, (size_t)(dot - y->text)) : NULL;
	for (size_t i = 0; i < y->n; i++)
		sum += stands_for(m, y->type == AI_YAML_LIST ? y->items[i] : y->pairs[i].value, y->type == AI_YAML_LIST);
	return x ? x->n : sum;
}

/* A rule that is given a matrix's output gets it of every step: a short text can ask for much. */
static int
count_outputs(struct reader *r)
{
	struct ai_manifest *m = r->m;
	size_t sum = 0;
	for (size_t i = 0; i < m->n_steps && m->n_matrices; i++) {
		struct ai_step_spec *s = &m->steps[i];
		sum += s->stands_for = stands_for(m, s->attrs, false);
		if (sum > AI_MAX_STOOD_FOR)
			return ai_fail(r->err, AI_EUSAGE, "%s:%d:%d: step '%s': with what the names of matrices' outputs stand for, steps take more than %d outputs",
				r->file, s->line, s->column, s->name, AI_MAX_STOOD_FOR);
	}
	return 0;
}

/* Which steps are of which matrix; and no step is called as a matrix is, or its name would stand for two things. */
static int
mark_matrices(struct reader *r)
{
	struct ai_manifest *m = r->m;
	for (size_t i = 0; i < m->n_matrices; i++) {
		const struct ai_matrix *x = &m->matrices[i];
		const struct ai_step_spec *same = ai_manifest_step(m, x->name, strlen(x->name));
		if (same)
			return ai_fail(r->err, AI_EUSAGE, "%s:%d:%d: a step of a matrix is called '%s', as another step: choose another name", r->file, same->line,
				same->column, x->name);
		if (ai_check_step_name(r, x->name, m->steps[x->first].line, m->steps[x->first].column) < 0)
			return r->err->code;
		for (size_t k = 0; k < x->n; k++)
			m->steps[x->first + k].matrix = x->name;
	}
	return count_outputs(r);
}

static int
read_steps(struct reader *r, struct ai_yaml *map)
{
	if (need_map(r, map, "steps") < 0)
		return r->err->code;
	if (map->n == 0 || map->n > AI_MAX_STEPS)
		return ai_at(r, map, "steps: got %zu, expected 1 to %d", map->n, AI_MAX_STEPS);
	if (ai_expand_steps(r, map) < 0)
		return r->err->code;
	for (size_t i = 0; i < map->n; i++) {
		const struct ai_yaml *key = map->pairs[i].key;
		char *name = NULL;
		if (ai_take_name(r, key, "step", &name) < 0)
			return r->err->code;
		if (map->pairs[i].value->type != AI_YAML_MAP) {
			free(name);
			return ai_at(r, map->pairs[i].value, "step '%s': expected a map with 'use'", key->text);
		}
		if (ai_read_step(r, name, "use", key, map->pairs[i].value, false) < 0)
			return r->err->code;
	}
	return mark_matrices(r);
}

/* The step or matrix whose name is nearest, or NULL. */
static const char *
near_step(const struct ai_manifest *m, const char *name)
{
	size_t n = 0;
	AI_FREE const char **names = ai_calloc(m->n_steps + m->n_matrices, sizeof *names);
	for (size_t i = 0; names && i < m->n_steps; i++)
		names[n++] = m->steps[i].name;
	for (size_t i = 0; names && i < m->n_matrices; i++)
		names[n++] = m->matrices[i].name;
	return names ? ai_near(name, names, n) : NULL;
}

static int
no_such_step(struct reader *r, const struct ai_yaml *y, const struct ai_output_spec *o)
{
	const char *near = near_step(r->m, o->step);
	return ai_at(r, y, "output '%s': there is no step '%s'%s%s%s", o->name, o->step, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

/* The step of "step.output" must exist; whether it has that output, its rule says later. */
static int
output_of(struct reader *r, const struct ai_yaml *y, struct ai_output_spec *o)
{
	char *dot = o->step ? strchr(o->step, '.') : NULL;
	if (!dot || dot == o->step || !dot[1] || strchr(dot + 1, '.'))
		return ai_at(r, y, "output '%s': got '%s', expected step.output", o->name, y->text);
	*dot = '\0';
	o->output = ai_strdup(dot + 1);
	return o->output ? 0 : ai_nomem(r->err);
}

/* Takes the members of o over. */
static int
add_output(struct reader *r, const struct ai_yaml *key, struct ai_names *names, struct ai_output_spec *o)
{
	struct ai_manifest *m = r->m;
	if (!o->name || !o->step || !o->output)
		return ai_nomem(r->err);
	if (m->n_outputs >= AI_MAX_STEPS)
		return ai_at(r, key, "outputs: got more than %d", AI_MAX_STEPS);
	if (strlen(o->name) > 100)
		return ai_at(r, key, "output '%.40s…': got %zu letters, expected at most 100", o->name, strlen(o->name));
	if (ai_grow(&m->outputs, &r->cap_outputs, m->n_outputs, sizeof *m->outputs, r->err) < 0)
		return r->err->code;
	int put = ai_names_put(names, o->name, strlen(o->name), m->n_outputs, r->err);
	if (put <= 0)
		return put < 0 ? put : ai_at(r, key, "two outputs are called '%s'", o->name);
	m->outputs[m->n_outputs++] = *o;
	*o = (struct ai_output_spec){ 0 };
	return 0;
}

static void
output_done(struct ai_output_spec *o)
{
	free(o->name);
	free(o->step);
	free(o->output);
}

/* The output of every step of a matrix: "model" of train-1-a is called model-1-a. */
static int
add_outputs_of(struct reader *r, const struct ai_yaml *key, const struct ai_matrix *x, struct ai_names *names, const struct ai_output_spec *all)
{
	for (size_t i = 0; i < x->n; i++) {
		const char *step = r->m->steps[x->first + i].name;
		struct ai_output_spec o = { .line = all->line, .column = all->column, .step = ai_strdup(step), .output = ai_strdup(all->output) };
		o.name = ai_format("%s%s", all->name, step + strlen(x->name));
		int rc = add_output(r, key, names, &o);
		output_done(&o);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int
read_output(struct reader *r, const struct ai_yaml_pair *p, struct ai_names *names)
{
	struct ai_output_spec o = { .line = p->value->line, .column = p->value->column };
	const struct ai_matrix *x = NULL;
	int rc = 0;
	if (ai_take_name(r, p->key, "output", &o.name) < 0 || ai_take_text(r, p->value, "output", &o.step) < 0 || output_of(r, p->value, &o) < 0)
		rc = r->err->code;
	else if ((x = ai_manifest_matrix(r->m, o.step, strlen(o.step))))
		rc = add_outputs_of(r, p->key, x, names, &o);
	else
		rc = ai_manifest_step(r->m, o.step, strlen(o.step)) ? add_output(r, p->key, names, &o) : no_such_step(r, p->value, &o);
	output_done(&o);
	return rc;
}

static int
read_outputs(struct reader *r, const struct ai_yaml *map)
{
	struct ai_names names = { 0 };
	int rc = need_map(r, map, "outputs");
	for (size_t i = 0; i < map->n && rc == 0; i++)
		rc = read_output(r, &map->pairs[i], &names);
	ai_names_done(&names);
	return rc;
}

static int
no_step_chosen(struct reader *r, const char *name, size_t n)
{
	AI_FREE char *word = ai_strndup(name, n);
	const char *near = word ? near_step(r->m, word) : NULL;
	return ai_fail(r->err, AI_EUSAGE, "%s: there is no step '%s'%s%s%s", r->file, word ? word : "?", near ? " (did you mean '" : "", near ? near : "",
		near ? "'?)" : "");
}

static int
by_bytes(const char *a, size_t n, const char *b, size_t m)
{
	int c = memcmp(a, b, n < m ? n : m);
	return c ? c : (n > m) - (n < m);
}

/* Every name of AI_PARAM_STEPS is a step or a matrix; they are as ai_manifest_parameters joins them. */
static int
read_selected(struct reader *r)
{
	struct ai_manifest *m = r->m;
	const char *list = NULL;
	size_t i;
	json_t *p;
	json_array_foreach(m->parameters, i, p)
		if (strcmp(ai_json_str(p, "name"), AI_PARAM_STEPS) == 0)
			list = ai_json_str(p, "value");
	const char *before = "";
	for (const char *at = list; at; at = *at ? at + 1 : NULL) {
		size_t n = strcspn(at, ",");
		/* One choice has one writing, and so one root. */
		bool sorted = n && by_bytes(before, strcspn(before, ","), at, n) < 0;
		int put = sorted ? ai_names_put(&m->selected, at, n, 0, r->err) : 0;
		if (put <= 0)
			return put < 0 ? put : ai_fail(r->err, AI_EUSAGE, "%s: the chosen steps: got '%s', expected names in order, joined by ','", r->file, list);
		before = at;
		if (!ai_manifest_step(m, at, n) && !ai_manifest_matrix(m, at, n))
			return no_step_chosen(r, at, n);
		at += n;
	}
	return 0;
}

/* An image in which nothing runs would be pulled, and shown as an input, for nothing. */
static bool
runs_in(const struct ai_manifest *m, const struct ai_image_ref *image)
{
	for (size_t i = 0; i < m->n_steps; i++)
		if (m->steps[i].image == image)
			return true;
	return false;
}

static const char *const long_keys[] = { "aicert", "name", "parameters", "environment", "inputs", "steps", "outputs" };

static int
read_long(struct reader *r, const struct ai_yaml *map, const json_t *parameters)
{
	if (ai_known_keys(r, map, "an Aicertfile", long_keys, COUNT(long_keys)) < 0)
		return r->err->code;
	const struct ai_yaml *format = ai_yaml_get(map, "aicert");
	struct ai_yaml *steps = ai_yaml_get(map, "steps"), *inputs = ai_yaml_get(map, "inputs");
	struct ai_yaml *outputs = ai_yaml_get(map, "outputs"), *env = ai_yaml_get(map, "environment");
	if (!format)
		return ai_at(r, map, "'aicert: 1' is missing: it says which form of Aicertfile this is");
	if (format->type != AI_YAML_SCALAR || strcmp(format->text, "1") != 0)
		return ai_at(r, format, "aicert: got '%s', expected 1", format->type == AI_YAML_SCALAR ? format->text : "a list or map");
	if (!steps)
		return ai_at(r, map, "'steps' is missing");
	if (ai_read_parameters(r, ai_yaml_get(map, "parameters"), parameters) < 0 || (env && ai_fill_in(r, env, NULL, 0) < 0) ||
		(inputs && ai_fill_in(r, inputs, NULL, 0) < 0) || (outputs && ai_fill_in(r, outputs, NULL, 0) < 0))
		return r->err->code;
	if ((env && ai_read_environment(r, env, &r->image) < 0) || (inputs && read_inputs(r, inputs) < 0) || read_steps(r, steps) < 0)
		return r->err->code;
	if (r->image && !runs_in(r->m, r->image))
		return ai_at(r, env, "environment: no step runs in image '%s': each says otherwise", r->image->text);
	if (outputs && read_outputs(r, outputs) < 0)
		return r->err->code;
	return read_selected(r);
}

static int
read_form(struct reader *r, struct ai_yaml *map, const json_t *parameters)
{
	static const char *const starts[] = { "kind", "aicert", "steps" };
	if (map->type != AI_YAML_MAP)
		return ai_at(r, map, "expected a map that starts with 'kind:' or 'aicert: 1'");
	const struct ai_yaml *name = ai_yaml_get(map, "name");
	if (name && ai_take_text(r, name, "name", &r->m->name) < 0)
		return r->err->code;
	if (!name && !(r->m->name = ai_strdup("aicert")))
		return ai_nomem(r->err);
	if (ai_yaml_get(map, "kind") && ai_yaml_get(map, "aicert"))
		return ai_at(r, map, "'kind' and 'aicert' are the short and the long form: write one of them");
	if (ai_yaml_get(map, "kind"))
		return ai_read_parameters(r, NULL, parameters) < 0 || ai_read_short(r, map) < 0 ? r->err->code : read_selected(r);
	if (ai_yaml_get(map, "aicert") || ai_yaml_get(map, "steps"))
		return read_long(r, map, parameters);
	for (size_t i = 0; i < map->n; i++) {
		const char *near = ai_near(map->pairs[i].key->text, starts, COUNT(starts));
		if (near)
			return ai_at(r, map->pairs[i].key, "an Aicertfile has no key '%s' (did you mean '%s'?)", map->pairs[i].key->text, near);
	}
	return ai_at(r, map, "neither 'kind:' (one step) nor 'aicert: 1' (several) is there");
}

int
ai_manifest_of(struct ai_yaml *yaml, const char *file, const json_t *parameters, struct ai_manifest **out, struct ai_err *err)
{
	struct ai_manifest *m = ai_calloc(1, sizeof *m);
	if (!m || !(m->file = ai_strdup(file))) {
		free(m);
		ai_yaml_free(yaml);
		return ai_nomem(err);
	}
	m->yaml = yaml;
	struct reader r = { .file = m->file, .m = m, .room = 4 * (size_t)AI_MAX_AICERTFILE, .err = err };
	int rc = read_form(&r, m->yaml, parameters);
	ai_names_done(&r.image_names);
	ai_names_done(&r.values);
	if (rc < 0)
		ai_manifest_free(m);
	else
		*out = m;
	return rc;
}

int
ai_manifest_parse(const char *text, size_t len, const char *file, const json_t *parameters, struct ai_manifest **out, struct ai_err *err)
{
	struct ai_yaml *yaml = NULL;
	return ai_yaml_parse(text, len, file, &yaml, err) < 0 ? err->code : ai_manifest_of(yaml, file, parameters, out, err);
}

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

static int
read_steps(struct reader *r, const struct ai_yaml *map)
{
	if (need_map(r, map, "steps") < 0)
		return r->err->code;
	if (map->n == 0 || map->n > AI_MAX_STEPS)
		return ai_at(r, map, "steps: got %zu, expected 1 to %d", map->n, AI_MAX_STEPS);
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
	return 0;
}

/* The step of "step.output" must exist; whether it has that output, its rule says later. */
static int
output_of(struct reader *r, const struct ai_yaml *y, struct ai_output_spec *o)
{
	const struct ai_manifest *m = r->m;
	char *dot = o->step ? strchr(o->step, '.') : NULL;
	if (!dot || dot == o->step || !dot[1] || strchr(dot + 1, '.'))
		return ai_at(r, y, "output '%s': got '%s', expected step.output", o->name, y->text);
	*dot = '\0';
	if (!(o->output = ai_strdup(dot + 1)))
		return ai_nomem(r->err);
	AI_FREE const char **names = ai_calloc(m->n_steps, sizeof *names);
	if (!names)
		return ai_nomem(r->err);
	for (size_t i = 0; i < m->n_steps; i++) {
		if (strcmp(m->steps[i].name, o->step) == 0)
			return 0;
		names[i] = m->steps[i].name;
	}
	const char *near = ai_near(o->step, names, m->n_steps);
	return ai_at(r, y, "output '%s': there is no step '%s'%s%s%s", o->name, o->step, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

static int
read_outputs(struct reader *r, const struct ai_yaml *map)
{
	struct ai_manifest *m = r->m;
	if (need_map(r, map, "outputs") < 0)
		return r->err->code;
	for (size_t i = 0; i < map->n; i++) {
		const struct ai_yaml *key = map->pairs[i].key, *y = map->pairs[i].value;
		if (ai_grow(&m->outputs, &r->cap_outputs, m->n_outputs, sizeof *m->outputs, r->err) < 0)
			return r->err->code;
		struct ai_output_spec *o = &m->outputs[m->n_outputs++];
		*o = (struct ai_output_spec){ .line = y->line, .column = y->column };
		if (ai_take_name(r, key, "output", &o->name) < 0 || ai_take_text(r, y, "output", &o->step) < 0 || output_of(r, y, o) < 0)
			return r->err->code;
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

static const char *const long_keys[] = { "aicert", "name", "environment", "inputs", "steps", "outputs" };

static int
read_long(struct reader *r, const struct ai_yaml *map)
{
	if (ai_known_keys(r, map, "an Aicertfile", long_keys, COUNT(long_keys)) < 0)
		return r->err->code;
	const struct ai_yaml *format = ai_yaml_get(map, "aicert"), *steps = ai_yaml_get(map, "steps");
	const struct ai_yaml *inputs = ai_yaml_get(map, "inputs"), *outputs = ai_yaml_get(map, "outputs"), *env = ai_yaml_get(map, "environment");
	if (!format)
		return ai_at(r, map, "'aicert: 1' is missing: it says which form of Aicertfile this is");
	if (format->type != AI_YAML_SCALAR || strcmp(format->text, "1") != 0)
		return ai_at(r, format, "aicert: got '%s', expected 1", format->type == AI_YAML_SCALAR ? format->text : "a list or map");
	if (!steps)
		return ai_at(r, map, "'steps' is missing");
	if ((env && ai_read_environment(r, env, &r->image) < 0) || (inputs && read_inputs(r, inputs) < 0) || read_steps(r, steps) < 0)
		return r->err->code;
	if (r->image && !runs_in(r->m, r->image))
		return ai_at(r, env, "environment: no step runs in image '%s': each says otherwise", r->image->text);
	return outputs ? read_outputs(r, outputs) : 0;
}

static int
read_form(struct reader *r, struct ai_yaml *map)
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
		return ai_read_short(r, map);
	if (ai_yaml_get(map, "aicert") || ai_yaml_get(map, "steps"))
		return read_long(r, map);
	for (size_t i = 0; i < map->n; i++) {
		const char *near = ai_near(map->pairs[i].key->text, starts, COUNT(starts));
		if (near)
			return ai_at(r, map->pairs[i].key, "an Aicertfile has no key '%s' (did you mean '%s'?)", map->pairs[i].key->text, near);
	}
	return ai_at(r, map, "neither 'kind:' (one step) nor 'aicert: 1' (several) is there");
}

int
ai_manifest_of(struct ai_yaml *yaml, const char *file, struct ai_manifest **out, struct ai_err *err)
{
	struct ai_manifest *m = ai_calloc(1, sizeof *m);
	if (!m || !(m->file = ai_strdup(file))) {
		free(m);
		ai_yaml_free(yaml);
		return ai_nomem(err);
	}
	m->yaml = yaml;
	struct reader r = { .file = m->file, .m = m, .err = err };
	int rc = read_form(&r, m->yaml);
	if (rc < 0)
		ai_manifest_free(m);
	else
		*out = m;
	return rc;
}

int
ai_manifest_parse(const char *text, size_t len, const char *file, struct ai_manifest **out, struct ai_err *err)
{
	struct ai_yaml *yaml = NULL;
	return ai_yaml_parse(text, len, file, &yaml, err) < 0 ? err->code : ai_manifest_of(yaml, file, out, err);
}

void
ai_manifest_free(struct ai_manifest *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_inputs; i++) {
		struct ai_input *in = &m->inputs[i];
		for (size_t j = 0; j < in->n_exclude; j++)
			free(in->exclude[j]);
		free(in->exclude);
		free(in->name);
		free(in->where);
		free(in->ref);
		free(in->sha256);
		free(in->to);
	}
	for (size_t i = 0; i < m->n_steps; i++) {
		free(m->steps[i].name);
		free(m->steps[i].use);
	}
	for (size_t i = 0; i < m->n_outputs; i++) {
		free(m->outputs[i].name);
		free(m->outputs[i].step);
		free(m->outputs[i].output);
	}
	for (size_t i = 0; i < m->n_images; i++) {
		ai_image_ref_done(m->images[i]);
		free(m->images[i]);
	}
	free(m->images);
	free(m->inputs);
	free(m->steps);
	free(m->outputs);
	free(m->file);
	free(m->name);
	ai_yaml_free(m->yaml);
	free(m);
}

const struct ai_input *
ai_manifest_input(const struct ai_manifest *m, const char *name)
{
	for (size_t i = 0; i < m->n_inputs; i++)
		if (strcmp(m->inputs[i].name, name) == 0)
			return &m->inputs[i];
	return NULL;
}

/* plan_wheels.c -- see plan_wheels.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/plan/plan_wheels.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "model/lock_wheels.h"

/* Does the step's attribute say exactly this name? */
static bool
says(const struct ai_step_spec *s, const char *attribute, const char *name)
{
	const struct ai_yaml *y = ai_yaml_get(s->attrs, attribute);
	return y && y->type == AI_YAML_SCALAR && strcmp(y->text, name) == 0;
}

static int
set_attribute(struct ai_step_spec *s, const char *attribute, const char *value, struct ai_err *err)
{
	struct ai_yaml *map = (struct ai_yaml *)(uintptr_t)s->attrs;
	struct ai_yaml *key = ai_yaml_new(AI_YAML_SCALAR, attribute, map), *text = ai_yaml_new(AI_YAML_SCALAR, value, map);
	if (!key || !text) {
		ai_yaml_free(key);
		ai_yaml_free(text);
		return ai_nomem(err);
	}
	return ai_yaml_set(map, key, text, err);
}

/* The short form's document is its step's attributes: it becomes a part of one that can hold more than those. */
static int
part_document(struct ai_manifest *m, struct ai_err *err)
{
	bool whole = false;
	for (size_t i = 0; i < m->n_steps; i++)
		whole = whole || m->steps[i].attrs == m->yaml;
	if (!whole)
		return 0;
	struct ai_yaml *top = ai_yaml_new(AI_YAML_MAP, NULL, m->yaml), *key = ai_yaml_new(AI_YAML_SCALAR, "kind", m->yaml), *was = m->yaml;
	if (!top || !key) {
		ai_yaml_free(top);
		ai_yaml_free(key);
		return ai_nomem(err);
	}
	m->yaml = top;
	return ai_yaml_set(top, key, was, err);
}

/* "train-wheels": the step that builds what train may have built. Its attributes are kept in the document, as those of all steps. */
static int
add_build_step(struct ai_manifest *m, size_t i, const char *name, const char *sdists, struct ai_err *err)
{
	static const char *const versions[] = { "version", "pythonVersion" };
	const struct ai_step_spec *same = ai_manifest_step(m, name, strlen(name));
	if (same)
		return ai_fail(err, AI_EUSAGE, "%s:%d:%d: step '%s': the step that builds the packages of '%s' is called so: choose another name", m->file,
			same->line, same->column, name, m->steps[i].name);
	if (part_document(m, err) < 0)
		return err->code;
	struct ai_yaml *at = (struct ai_yaml *)(uintptr_t)m->steps[i].attrs;
	struct ai_yaml *map = ai_yaml_new(AI_YAML_MAP, NULL, at), *key = ai_yaml_new(AI_YAML_SCALAR, name, at);
	if (!map || !key) {
		ai_yaml_free(map);
		ai_yaml_free(key);
		return ai_nomem(err);
	}
	struct ai_step_spec s = { .attrs = map, .image = m->steps[i].image, .line = m->steps[i].line, .column = m->steps[i].column };
	if (ai_yaml_set(m->yaml, key, map, err) < 0 || set_attribute(&s, "sdists", sdists, err) < 0)
		return err->code;
	for (size_t k = 0; k < 2; k++) {
		const struct ai_yaml *v = ai_yaml_get(at, versions[k]);
		if (v && v->type == AI_YAML_SCALAR && set_attribute(&s, "version", v->text, err) < 0)
			return err->code;
	}
	s.name = ai_strdup(name);
	s.use = ai_strdup("wheels");
	if (s.name && s.use)
		return ai_manifest_add_step(m, &s, err);
	free(s.name);
	free(s.use);
	return ai_nomem(err);
}

static int
add_built(struct ai_manifest *m, size_t i, struct ai_err *err)
{
	AI_FREE char *step = ai_format("%s-wheels", m->steps[i].name);
	AI_FREE char *output = ai_format("%s-wheels.wheels", m->steps[i].name);
	AI_FREE char *sdists = ai_wheels_name(m->steps[i].name, AI_SDISTS);
	if (!step || !output || !sdists)
		return ai_nomem(err);
	return set_attribute(&m->steps[i], "built", output, err) < 0 ? err->code : add_build_step(m, i, step, sdists, err);
}

int
ai_manifest_add_wheels(struct ai_manifest *m, const json_t *lock, struct ai_err *err)
{
	for (size_t i = 0, n = m->n_steps; i < n; i++) {
		const struct ai_step_spec *s = &m->steps[i];
		const json_t *pin = ai_lock_wheels(lock, s->name);
		if (ai_yaml_get(s->attrs, "wheels") || ai_yaml_get(s->attrs, "built"))
			continue;
		if (ai_wheels_has(pin, AI_WHEELS)) {
			AI_FREE char *name = ai_wheels_name(s->name, AI_WHEELS);
			if (!name)
				return ai_nomem(err);
			if (set_attribute(&m->steps[i], "wheels", name, err) < 0)
				return err->code;
		}
		if (ai_wheels_has(pin, AI_SDISTS) && add_built(m, i, err) < 0)
			return err->code;
	}
	return 0;
}

/* Every text that a step which builds packages says as its source: as keys. The texts are borrowed from the manifest. */
static int
built_from(const struct ai_manifest *m, struct ai_names *out, struct ai_err *err)
{
	for (size_t i = 0; i < m->n_steps; i++) {
		const struct ai_yaml *y = strcmp(m->steps[i].use, "wheels") == 0 ? ai_yaml_get(m->steps[i].attrs, "sdists") : NULL;
		if (y && y->type == AI_YAML_SCALAR && ai_names_put(out, y->text, strlen(y->text), i, err) < 0)
			return err->code;
	}
	return 0;
}

/* One part of a step's pin, if the step takes it. */
static int
call(const struct ai_step_spec *s, const json_t *pin, ai_wheels_part part, const struct ai_names *built,
	int (*each)(void *ctx, const char *name, const json_t *node, struct ai_err *err), void *ctx, struct ai_err *err)
{
	AI_FREE char *name = ai_wheels_has(pin, part) ? ai_wheels_name(s->name, part) : NULL;
	AI_JSON *node = NULL;
	if (!name)
		return ai_wheels_has(pin, part) ? ai_nomem(err) : 0;
	if (part == AI_WHEELS ? !says(s, "wheels", name) : !ai_names_find(built, name, strlen(name), NULL))
		return 0;
	return ai_wheels_source(pin, part, &node, err) < 0 ? err->code : each(ctx, name, node, err);
}

int
ai_wheels_each(const struct ai_manifest *m, const json_t *lock, int (*each)(void *ctx, const char *name, const json_t *node, struct ai_err *err),
	void *ctx, struct ai_err *err)
{
	struct ai_names built = { 0 };
	int rc = built_from(m, &built, err);
	for (size_t i = 0; i < m->n_steps && rc == 0; i++) {
		const json_t *pin = ai_lock_wheels(lock, m->steps[i].name);
		if (call(&m->steps[i], pin, AI_WHEELS, &built, each, ctx, err) < 0 || call(&m->steps[i], pin, AI_SDISTS, &built, each, ctx, err) < 0)
			rc = err->code;
	}
	ai_names_done(&built);
	return rc;
}

/* plan_wheels.c -- see plan_wheels.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/plan_wheels.h"

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

int
ai_manifest_add_wheels(struct ai_manifest *m, const json_t *lock, struct ai_err *err)
{
	for (size_t i = 0; i < m->n_steps; i++) {
		struct ai_step_spec *s = &m->steps[i];
		const json_t *pin = ai_lock_wheels(lock, s->name);
		if (!ai_wheels_has(pin, AI_WHEELS) || ai_yaml_get(s->attrs, "wheels"))
			continue;
		AI_FREE char *name = ai_wheels_name(s->name, AI_WHEELS);
		if (!name)
			return ai_nomem(err);
		if (set_attribute(s, "wheels", name, err) < 0)
			return err->code;
	}
	return 0;
}

/* The name of a step's source when the step takes it: fresh; NULL (err->code 0) when there is none. */
static char *
name_of(const struct ai_step_spec *s, const json_t *pin, struct ai_err *err)
{
	if (!ai_wheels_has(pin, AI_WHEELS))
		return NULL;
	char *name = ai_wheels_name(s->name, AI_WHEELS);
	if (!name)
		(void)ai_nomem(err);
	else if (says(s, "wheels", name))
		return name;
	free(name);
	return NULL;
}

int
ai_wheels_expected(const struct ai_manifest *m, const json_t *lock, const char *name, json_t **node, struct ai_err *err)
{
	for (size_t i = 0; i < m->n_steps; i++) {
		const json_t *pin = ai_lock_wheels(lock, m->steps[i].name);
		AI_FREE char *is = name_of(&m->steps[i], pin, err);
		if (err->code)
			return err->code;
		if (is && strcmp(is, name) == 0)
			return ai_wheels_source(pin, AI_WHEELS, node, err) < 0 ? err->code : 1;
	}
	return 0;
}

int
ai_wheels_each(const struct ai_manifest *m, const json_t *lock, int (*each)(void *ctx, const char *name, struct ai_err *err), void *ctx,
	struct ai_err *err)
{
	for (size_t i = 0; i < m->n_steps; i++) {
		AI_FREE char *is = name_of(&m->steps[i], ai_lock_wheels(lock, m->steps[i].name), err);
		if (err->code || (is && each(ctx, is, err) < 0))
			return err->code;
	}
	return 0;
}

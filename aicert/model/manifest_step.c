/* manifest_step.c -- a step of either form: its rule, limits and environment, and the attributes that are the rule's.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buf.h"
#include "model/manifest_read.h"

int
ai_read_environment(struct reader *r, const struct ai_yaml *y)
{
	static const char leave_out[] = "leave 'image' out: the step then runs in the host environment";
	if (y->type == AI_YAML_SCALAR && strcmp(y->text, "host") == 0) {
		r->m->host_said = true;
		return 0;
	}
	if (y->type == AI_YAML_MAP && ai_yaml_get(y, "image"))
		return ai_unsupported(r, ai_yaml_get(y, "image"), "container images", leave_out);
	return ai_at(r, y, "environment: got %s%s%s, expected 'host' or {image: …}", y->type == AI_YAML_SCALAR ? "'" : "",
		y->type == AI_YAML_SCALAR ? y->text : y->type == AI_YAML_LIST ? "a list" : "a map without 'image'", y->type == AI_YAML_SCALAR ? "'" : "");
}

/* What stands in a step beside its rule's attributes. */
static int
step_frame(struct reader *r, struct ai_step_spec *s, const char *use_key, const struct ai_yaml *at, struct ai_yaml *map)
{
	struct ai_yaml *use = ai_yaml_take(map, use_key), *limits = ai_yaml_take(map, "limits"), *env = ai_yaml_take(map, "environment");
	int rc = use ? ai_take_name(r, use, use_key, &s->use)
		: ai_at(r, at, "step '%s': 'use' is missing: expected the name of a rule, like python or shell", s->name);
	if (rc == 0 && limits)
		rc = ai_read_limits(r, limits, &s->limits);
	if (rc == 0 && env)
		rc = ai_read_environment(r, env);
	ai_yaml_free(use);
	ai_yaml_free(limits);
	ai_yaml_free(env);
	return rc;
}

int
ai_read_step(struct reader *r, char *name, const char *use_key, const struct ai_yaml *at, struct ai_yaml *map, bool short_form)
{
	struct ai_manifest *m = r->m;
	if (ai_grow(&m->steps, &r->cap_steps, m->n_steps, sizeof *m->steps, r->err) < 0) {
		free(name);
		return r->err->code;
	}
	struct ai_step_spec *s = &m->steps[m->n_steps++];
	*s = (struct ai_step_spec){ .name = name, .attrs = map, .short_form = short_form, .line = at->line, .column = at->column };
	return step_frame(r, s, use_key, at, map);
}

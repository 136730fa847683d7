/* manifest_step.c -- a step of either form: its rule, limits and environment, and the attributes that are the rule's.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buf.h"
#include "model/manifest_read.h"

int
ai_read_image(struct reader *r, const struct ai_yaml *y, const struct ai_image_ref **out)
{
	struct ai_manifest *m = r->m;
	AI_FREE char *text = NULL;
	if (ai_take_text(r, y, "image", &text) < 0)
		return r->err->code;
	struct ai_image_ref *ref = ai_calloc(1, sizeof *ref);
	if (!ref)
		return ai_nomem(r->err);
	if (ai_image_ref_parse(text, ref, r->err) < 0) {
		free(ref);
		return ai_in(r->err, "%s:%d:%d", r->file, y->line, y->column);
	}
	for (size_t i = 0; i < m->n_images; i++)
		if (strcmp(m->images[i]->text, ref->text) == 0) {
			ai_image_ref_done(ref);
			free(ref);
			*out = m->images[i];
			return 0;
		}
	if (ai_grow(&m->images, &r->cap_images, m->n_images, sizeof *m->images, r->err) < 0) {
		ai_image_ref_done(ref);
		free(ref);
		return r->err->code;
	}
	*out = m->images[m->n_images++] = ref;
	return 0;
}

int
ai_read_environment(struct reader *r, const struct ai_yaml *y, const struct ai_image_ref **out)
{
	static const char *const known[] = { "image" };
	if (y->type == AI_YAML_SCALAR && strcmp(y->text, "host") == 0) {
		r->m->host_said = true;
		*out = NULL;
		return 0;
	}
	const struct ai_yaml *image = y->type == AI_YAML_MAP ? ai_yaml_get(y, "image") : NULL;
	if (image)
		return ai_known_keys(r, y, "environment", known, 1) < 0 ? r->err->code : ai_read_image(r, image, out);
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
	s->image = r->image;
	if (rc == 0 && env)
		rc = ai_read_environment(r, env, &s->image);
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

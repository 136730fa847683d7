/* manifest_step.c -- a step of either form: its rule, limits and environment, and the attributes that are the rule's.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
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
	size_t at;
	if (ai_names_find(&r->image_names, ref->text, strlen(ref->text), &at)) {
		ai_image_ref_done(ref);
		free(ref);
		*out = m->images[at];
		return 0;
	}
	if (ai_grow(&m->images, &r->cap_images, m->n_images, sizeof *m->images, r->err) < 0 ||
		ai_names_put(&r->image_names, ref->text, strlen(ref->text), m->n_images, r->err) < 0) {
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

/* Below /workspace, and not where sources, inputs and results lie or over all of it. */
static int
read_checkpoint(struct reader *r, const struct ai_yaml *y, struct ai_step_spec *s)
{
	static const char *const taken[] = { "resources", "outputs", "workspace", "wheels", "built" };
	char *text = NULL;
	struct ai_err why = { 0 };
	if (ai_take_text(r, y, "checkpoint", &text) < 0)
		return ai_in(r->err, "step '%s'", s->name);
	s->checkpoint = text;
	size_t n = strlen(text);
	while (n > 1 && text[n - 1] == '/')
		text[--n] = '\0';
	if (strncmp(text, "/workspace/", 11) == 0)
		memmove(text, text + 11, n - 10);
	if (ai_relpath_check(text, &why) < 0)
		return ai_at(r, y, "step '%s': checkpoint: %s: expected a folder below /workspace", s->name, why.text);
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
		if (strncmp(text, taken[i], strlen(taken[i])) == 0 && strchr("/", text[strlen(taken[i])]))
			return ai_at(r, y, "step '%s': checkpoint: '%s' is not the step's own: expected another folder, like 'checkpoints'", s->name, text);
	return 0;
}

/* What stands in a step beside its rule's attributes. */
static int
step_frame(struct reader *r, struct ai_step_spec *s, const char *use_key, const struct ai_yaml *at, struct ai_yaml *map)
{
	struct ai_yaml *use = ai_yaml_take(map, use_key), *limits = ai_yaml_take(map, "limits"), *env = ai_yaml_take(map, "environment");
	struct ai_yaml *checkpoint = ai_yaml_take(map, "checkpoint"), *matrix = ai_yaml_take(map, "matrix");
	int rc = use ? ai_take_name(r, use, use_key, &s->use)
		: ai_at(r, at, "step '%s': 'use' is missing: expected the name of a rule, like python or shell", s->name);
	if (rc == 0 && limits)
		rc = ai_read_limits(r, limits, &s->limits);
	s->image = r->image;
	if (rc == 0 && env)
		rc = ai_read_environment(r, env, &s->image);
	if (rc == 0 && checkpoint)
		rc = read_checkpoint(r, checkpoint, s);
	/* Of the long form: expanded before. */
	if (rc == 0 && matrix)
		rc = ai_at(r, matrix, "'matrix' is for the long form, where steps have names: 'aicert: 1'");
	ai_yaml_free(checkpoint);
	ai_yaml_free(matrix);
	ai_yaml_free(use);
	ai_yaml_free(limits);
	ai_yaml_free(env);
	return rc;
}

int
ai_check_step_name(struct reader *r, const char *name, int line, int column)
{
	static const char *const taken[] = { "matrix", "out", "param" };
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
		if (strcmp(name, taken[i]) == 0)
			return ai_fail(r->err, AI_EUSAGE, "%s:%d:%d: no step can be called '%s': '${%s.…}' is something else: choose another name", r->file, line, column,
				name, name);
	return 0;
}

int
ai_read_step(struct reader *r, char *name, const char *use_key, const struct ai_yaml *at, struct ai_yaml *map, bool short_form)
{
	struct ai_step_spec s = { .name = name, .attrs = map, .short_form = short_form, .line = at->line, .column = at->column };
	if (ai_manifest_add_step(r->m, &s, r->err) < 0 || ai_check_step_name(r, s.name, at->line, at->column) < 0)
		return r->err->code;
	return step_frame(r, &r->m->steps[r->m->n_steps - 1], use_key, at, map);
}

/* manifest_model.c -- a manifest that was read: what is found in it, added to it, and given back (manifest.h).  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buf.h"
#include "model/manifest.h"

static void
input_done(struct ai_input *in)
{
	for (size_t j = 0; j < in->n_exclude; j++)
		free(in->exclude[j]);
	for (size_t j = 0; j < in->n_urls; j++) {
		free(in->urls[j]);
		free(in->sha256s[j]);
	}
	free(in->exclude);
	free(in->urls);
	free(in->sha256s);
	free(in->name);
	free(in->where);
	free(in->ref);
	free(in->sha256);
	free(in->to);
	free(in->output);
	free(in->level);
	free(in->content);
	free(in->use);
	ai_yaml_free(in->attrs);
}

static void
step_done(struct ai_step_spec *s)
{
	free(s->name);
	free(s->use);
	free(s->checkpoint);
}

static void
output_done(struct ai_output_spec *o)
{
	free(o->name);
	free(o->step);
	free(o->output);
}

static void
image_done(struct ai_image_ref *image)
{
	ai_image_ref_done(image);
	free(image);
}

void
ai_manifest_free(struct ai_manifest *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_inputs; i++)
		input_done(&m->inputs[i]);
	for (size_t i = 0; i < m->n_steps; i++)
		step_done(&m->steps[i]);
	for (size_t i = 0; i < m->n_matrices; i++)
		free(m->matrices[i].name);
	for (size_t i = 0; i < m->n_outputs; i++)
		output_done(&m->outputs[i]);
	for (size_t i = 0; i < m->n_images; i++)
		image_done(m->images[i]);
	ai_names_done(&m->input_names);
	ai_names_done(&m->step_names);
	ai_names_done(&m->matrix_names);
	ai_names_done(&m->selected);
	json_decref(m->parameters);
	free(m->images);
	free(m->inputs);
	free(m->steps);
	free(m->matrices);
	free(m->outputs);
	free(m->file);
	free(m->name);
	ai_yaml_free(m->yaml);
	free(m);
}

const char *
ai_input_word(const struct ai_input *in)
{
	static const char *const words[] = { [AI_INPUT_GIT] = "git", [AI_INPUT_URL] = "url", [AI_INPUT_PATH] = "path", [AI_INPUT_PROOF] = "proof" };
	return in->type == AI_INPUT_RULE ? in->use : words[in->type];
}

const struct ai_input *
ai_manifest_input(const struct ai_manifest *m, const char *name)
{
	size_t i;
	return ai_names_find(&m->input_names, name, strlen(name), &i) ? &m->inputs[i] : NULL;
}

struct ai_step_spec *
ai_manifest_step(const struct ai_manifest *m, const char *name, size_t n)
{
	size_t i;
	return ai_names_find(&m->step_names, name, n, &i) ? &m->steps[i] : NULL;
}

const struct ai_matrix *
ai_manifest_matrix(const struct ai_manifest *m, const char *name, size_t n)
{
	size_t i;
	return ai_names_find(&m->matrix_names, name, n, &i) ? &m->matrices[i] : NULL;
}

int
ai_manifest_add_step(struct ai_manifest *m, const struct ai_step_spec *step, struct ai_err *err)
{
	int put = ai_grow(&m->steps, &m->cap_steps, m->n_steps, sizeof *m->steps, err) < 0 ? err->code
		: ai_names_put(&m->step_names, step->name, strlen(step->name), m->n_steps, err);
	if (put == 1) {
		m->steps[m->n_steps++] = *step;
		return 0;
	}
	if (put == 0)
		put = ai_fail(err, AI_EUSAGE, "%s:%d:%d: two steps are called '%s'", m->file, step->line, step->column, step->name);
	struct ai_step_spec lost = *step;
	step_done(&lost);
	return put;
}

/* --- some of it ---------------------------------------------------------------- */

bool
ai_manifest_is_selected(const struct ai_manifest *m, const struct ai_step_spec *s)
{
	return ai_names_find(&m->selected, s->name, strlen(s->name), NULL) || (s->matrix && ai_names_find(&m->selected, s->matrix, strlen(s->matrix), NULL));
}

static void
keep_steps(struct ai_manifest *m, const bool *keep)
{
	size_t n = 0, i = 0;
	for (size_t k = 0; k < m->n_matrices; k++) {
		struct ai_matrix *x = &m->matrices[k];
		size_t end = x->first + x->n;
		/* Matrices stand in the order of their steps. */
		for (; i < x->first; i++)
			n += keep[i];
		x->first = n;
		for (; i < end; i++)
			n += keep[i];
		x->n = n - x->first;
	}
	n = 0;
	for (i = 0; i < m->n_steps; i++) {
		if (keep[i])
			m->steps[n++] = m->steps[i];
		else
			step_done(&m->steps[i]);
	}
	m->n_steps = n;
}

static void
keep_inputs(struct ai_manifest *m, const bool *keep)
{
	size_t n = 0;
	for (size_t i = 0; i < m->n_inputs; i++) {
		if (keep[i])
			m->inputs[n++] = m->inputs[i];
		else
			input_done(&m->inputs[i]);
	}
	m->n_inputs = n;
}

/* After the steps. */
static int
keep_images(struct ai_manifest *m, struct ai_err *err)
{
	struct ai_names used = { 0 };
	size_t n = 0;
	int rc = 0;
	for (size_t i = 0; i < m->n_steps && rc >= 0; i++)
		if (m->steps[i].image)
			rc = ai_names_put(&used, m->steps[i].image->text, strlen(m->steps[i].image->text), i, err);
	for (size_t i = 0; i < m->n_images && rc >= 0; i++) {
		if (ai_names_find(&used, m->images[i]->text, strlen(m->images[i]->text), NULL))
			m->images[n++] = m->images[i];
		else
			image_done(m->images[i]);
	}
	ai_names_done(&used);
	if (rc < 0)
		return rc;
	m->n_images = n;
	return 0;
}

static void
keep_outputs(struct ai_manifest *m)
{
	size_t n = 0;
	for (size_t i = 0; i < m->n_outputs; i++) {
		const struct ai_step_spec *s = ai_manifest_step(m, m->outputs[i].step, strlen(m->outputs[i].step));
		if (s && ai_manifest_is_selected(m, s))
			m->outputs[n++] = m->outputs[i];
		else
			output_done(&m->outputs[i]);
	}
	m->n_outputs = n;
}

int
ai_manifest_keep(struct ai_manifest *m, const bool *steps, const bool *inputs, struct ai_err *err)
{
	ai_names_done(&m->step_names);
	ai_names_done(&m->input_names);
	keep_steps(m, steps);
	keep_inputs(m, inputs);
	if (keep_images(m, err) < 0)
		return err->code;
	for (size_t i = 0; i < m->n_steps; i++)
		if (ai_names_put(&m->step_names, m->steps[i].name, strlen(m->steps[i].name), i, err) < 0)
			return err->code;
	for (size_t i = 0; i < m->n_inputs; i++)
		if (ai_names_put(&m->input_names, m->inputs[i].name, strlen(m->inputs[i].name), i, err) < 0)
			return err->code;
	keep_outputs(m);
	return 0;
}

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

void
ai_manifest_free(struct ai_manifest *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_inputs; i++)
		input_done(&m->inputs[i]);
	for (size_t i = 0; i < m->n_steps; i++) {
		free(m->steps[i].name);
		free(m->steps[i].use);
		free(m->steps[i].checkpoint);
	}
	for (size_t i = 0; i < m->n_matrices; i++)
		free(m->matrices[i].name);
	for (size_t i = 0; i < m->n_outputs; i++) {
		free(m->outputs[i].name);
		free(m->outputs[i].step);
		free(m->outputs[i].output);
	}
	for (size_t i = 0; i < m->n_images; i++) {
		ai_image_ref_done(m->images[i]);
		free(m->images[i]);
	}
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
	free(step->name);
	free(step->use);
	return put;
}

/*
 * fuzz_manifest.c -- any bytes as an Aicertfile: a manifest whose names are names, or an error with its text. What stands behind a line "%%" is given
 * to it: definitions of parameters and, on lines that begin with '@', chosen steps.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/lock.h"
#include "model/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_GIVEN = 32 };

struct given { const char *define[MAX_GIVEN], *steps[MAX_GIVEN]; size_t n_define, n_steps; };

static void
take_lines(char *text, struct given *out)
{
	for (char *line = text, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (*line == '@' && out->n_steps < MAX_GIVEN)
			out->steps[out->n_steps++] = line + 1;
		else if (out->n_define < MAX_GIVEN)
			out->define[out->n_define++] = line;
	}
}

static void
check_inputs(const struct ai_manifest *m)
{
	struct ai_err err = { 0 };
	for (size_t i = 0; i < m->n_inputs; i++) {
		const struct ai_input *in = &m->inputs[i];
		char *uri = ai_source_uri(in);
		if (ai_name_check(in->name, &err) < 0 || (in->to && ai_relpath_check(in->to, &err) < 0) || !uri || uri[0] == '/' || !*ai_input_word(in))
			abort();
		if ((in->type == AI_INPUT_RULE) != (in->attrs != NULL) || ai_manifest_input(m, in->name) != in)
			abort();
		free(uri);
	}
}

static void
check_steps(const struct ai_manifest *m)
{
	struct ai_err err = { 0 };
	size_t of_matrices = 0;
	for (size_t i = 0; i < m->n_steps; i++) {
		const struct ai_step_spec *s = &m->steps[i];
		if (!s->use || s->attrs->type != AI_YAML_MAP || ai_manifest_step(m, s->name, strlen(s->name)) != s)
			abort();
		if (ai_yaml_get(s->attrs, "matrix") || (s->checkpoint && ai_relpath_check(s->checkpoint, &err) < 0))
			abort();
		of_matrices += s->matrix != NULL;
	}
	for (size_t i = 0; i < m->n_matrices; i++) {
		const struct ai_matrix *x = &m->matrices[i];
		if (x->first + x->n > m->n_steps || ai_manifest_matrix(m, x->name, strlen(x->name)) != x || ai_manifest_step(m, x->name, strlen(x->name)))
			abort();
		of_matrices -= x->n;
	}
	if (of_matrices)
		abort();
}

/* The parameters that a manifest came to have give that manifest: what a verifier does. */
static void
check_again(const char *text, size_t size, const struct ai_manifest *m)
{
	struct ai_err err = { 0 };
	struct ai_manifest *again = NULL;
	if (ai_manifest_parse(text, size, "fuzz", m->parameters, &again, &err) < 0 || !json_equal(again->parameters, m->parameters) ||
		again->n_steps != m->n_steps || again->n_outputs != m->n_outputs)
		abort();
	for (size_t i = 0; i < m->n_steps; i++)
		if (strcmp(m->steps[i].name, again->steps[i].name) != 0)
			abort();
	ai_manifest_free(again);
}

/* Without its second half, and whole names still found. */
static void
check_kept(struct ai_manifest *m)
{
	struct ai_err err = { 0 };
	bool *steps = ai_calloc(m->n_steps, sizeof *steps), *inputs = ai_calloc(m->n_inputs, sizeof *inputs);
	for (size_t i = 0; i < m->n_steps; i++)
		steps[i] = i % 2 == 0;
	for (size_t i = 0; i < m->n_inputs; i++)
		inputs[i] = i % 3 == 0;
	if (!steps || !inputs || ai_manifest_keep(m, steps, inputs, &err) < 0)
		abort();
	free(steps);
	free(inputs);
	for (size_t i = 0; i < m->n_steps; i++)
		if (ai_manifest_step(m, m->steps[i].name, strlen(m->steps[i].name)) != &m->steps[i])
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ai_err err = { 0 };
	struct ai_manifest *m = NULL;
	struct given given = { 0 };
	const uint8_t *cut = memmem(data, size, "\n%%\n", 4);
	size_t n = cut ? (size_t)(cut - data) + 1 : size;
	char *lines = ai_strndup(cut ? (const char *)cut + 4 : "", cut ? size - n - 3 : 0);
	json_t *parameters = NULL;
	if (!lines)
		abort();
	take_lines(lines, &given);
	int r = ai_manifest_parameters(given.define, given.n_define, given.steps, given.n_steps, &parameters, &err);
	if (r == 0)
		r = ai_manifest_parse((const char *)data, n, "fuzz", parameters, &m, &err);
	if ((r == 0) != (m != NULL) || (r < 0) != (err.text[0] != '\0') || (r < 0 && r != AI_EUSAGE && r != AI_EENV))
		abort();
	if (m) {
		check_inputs(m);
		check_steps(m);
		check_again((const char *)data, n, m);
		check_kept(m);
	}
	ai_manifest_free(m);
	json_decref(parameters);
	free(lines);
	return 0;
}

/*
 * manifest_matrix.c -- a step with `matrix: { seed: [1, 2], lr: [a, b] }` becomes the steps that it means: NAME-1-a, NAME-1-b, NAME-2-a, NAME-2-b.
 *
 * The document's map of steps is rewritten, so that all that is behind reads steps as if they had been written out. A stranger's matrix can mean
 * more than memory holds: the number of steps and what their texts grow by have ceilings.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/buf.h"
#include "model/manifest_read.h"

enum { MAX_AXES = 16 };

/* What a copy of a node costs in memory, in steps of its parts. */
static size_t
weight(const struct ai_yaml *y)
{
	size_t sum = sizeof *y + (y->text ? strlen(y->text) : 0);
	for (size_t i = 0; i < y->n; i++)
		sum += y->type == AI_YAML_LIST ? weight(y->items[i]) + sizeof *y->items
			: weight(y->pairs[i].key) + weight(y->pairs[i].value) + sizeof *y->pairs;
	return sum;
}

static int
read_axis(struct reader *r, const struct ai_yaml_pair *p, struct axis *axis)
{
	AI_FREE char *name = NULL;
	if (ai_take_name(r, p->key, "matrix", &name) < 0)
		return r->err->code;
	if (p->value->type != AI_YAML_LIST || p->value->n == 0)
		return ai_at(r, p->value, "matrix: '%s': expected a list of values, like [1, 2, 3]", name);
	for (size_t i = 0; i < p->value->n; i++) {
		const struct ai_yaml *item = p->value->items[i];
		if (item->type != AI_YAML_SCALAR || !item->text[0])
			return ai_at(r, item, "matrix: '%s': expected a text, and not an empty one", name);
	}
	*axis = (struct axis){ .name = p->key->text, .list = p->value };
	return 0;
}

/* The axes of a matrix and how many steps they mean. */
static int
read_axes(struct reader *r, struct ai_yaml *matrix, struct axis *axes, size_t *count)
{
	*count = 1;
	if (matrix->type != AI_YAML_MAP || matrix->n == 0 || matrix->n > MAX_AXES)
		return ai_at(r, matrix, "matrix: expected a map of 1 to %d lists, like {seed: [1, 2, 3]}", MAX_AXES);
	if (ai_fill_in(r, matrix, NULL, 0) < 0)
		return r->err->code;
	for (size_t i = 0; i < matrix->n; i++) {
		if (read_axis(r, &matrix->pairs[i], &axes[i]) < 0)
			return r->err->code;
		if (__builtin_mul_overflow(*count, axes[i].list->n, count) || *count > AI_MAX_STEPS)
			return ai_at(r, matrix, "matrix: it means more than %d steps", AI_MAX_STEPS);
	}
	return 0;
}

/* "train-1-a": the values as they may stand in a name. */
static int
name_of(struct reader *r, const struct ai_yaml *at, const struct axis *axes, size_t n, struct ai_buf *out)
{
	ai_buf_clear(out);
	ai_buf_puts(out, at->text);
	for (size_t i = 0; i < n; i++) {
		ai_buf_putc(out, '-');
		for (size_t k = 0; k < axes[i].len; k++) {
			char c = axes[i].value[k];
			bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
			ai_buf_putc(out, fine ? c : '_');
		}
	}
	if (out->state == AI_BUF_GOOD && out->len <= 100)
		return 0;
	return ai_at(r, at, "matrix: a step would be called '%.40s…': expected at most 100 letters", out->data ? out->data : "");
}

/* The next combination, the last axis moving fastest. */
static void
turn(struct axis *axes, size_t n)
{
	while (n-- > 0) {
		if (++axes[n].at < axes[n].list->n)
			return;
		axes[n].at = 0;
	}
}

/* One of the steps that a matrix means, appended to `out`. */
static int
add_one(struct reader *r, const struct ai_yaml_pair *step, struct axis *axes, size_t n, struct ai_buf *name, struct ai_yaml *out)
{
	for (size_t i = 0; i < n; i++) {
		axes[i].value = axes[i].list->items[axes[i].at]->text;
		axes[i].len = strlen(axes[i].value);
	}
	if (name_of(r, step->key, axes, n, name) < 0)
		return r->err->code;
	size_t cost = weight(step->value);
	if (cost > r->room)
		return ai_at(r, step->key, "matrix: the steps that it means take too much memory");
	r->room -= cost;
	struct ai_yaml *key = ai_yaml_new(AI_YAML_SCALAR, name->data, step->key), *copy = ai_yaml_copy(step->value);
	if (ai_yaml_set(out, key, copy, r->err) < 0)
		return r->err->code;
	return ai_fill_in(r, copy, axes, n);
}

static int
add_matrix(struct reader *r, const struct ai_yaml_pair *step, struct ai_yaml *matrix, struct ai_yaml *out)
{
	struct ai_manifest *m = r->m;
	struct axis axes[MAX_AXES];
	size_t count;
	AI_BUF_AUTO name = AI_BUF(128);
	if (read_axes(r, matrix, axes, &count) < 0)
		return ai_in(r->err, "step '%s'", step->key->text);
	if (out->n + count > AI_MAX_STEPS)
		return ai_at(r, matrix, "matrix: with it there are more than %d steps", AI_MAX_STEPS);
	char *own = ai_strdup(step->key->text);
	if (!own || ai_grow(&m->matrices, &r->cap_matrices, m->n_matrices, sizeof *m->matrices, r->err) < 0) {
		free(own);
		return ai_nomem(r->err);
	}
	m->matrices[m->n_matrices] = (struct ai_matrix){ own, out->n, count };
	if (ai_names_put(&m->matrix_names, own, strlen(own), m->n_matrices++, r->err) < 0)
		return r->err->code;
	for (size_t i = 0; i < count; i++, turn(axes, matrix->n))
		if (add_one(r, step, axes, matrix->n, &name, out) < 0)
			return r->err->code;
	return 0;
}

static int
expand(struct reader *r, struct ai_yaml_pair *step, struct ai_yaml *out)
{
	struct ai_yaml *matrix = ai_yaml_take(step->value, "matrix");
	int rc;
	if (matrix) {
		rc = add_matrix(r, step, matrix, out);
		ai_yaml_free(matrix);
		return rc;
	}
	if (out->n >= AI_MAX_STEPS)
		return ai_at(r, step->key, "steps: got more than %d", AI_MAX_STEPS);
	rc = ai_fill_in(r, step->value, NULL, 0);
	struct ai_yaml *key = step->key, *value = step->value;
	*step = (struct ai_yaml_pair){ NULL, NULL };
	return ai_yaml_set(out, key, value, r->err) < 0 ? r->err->code : rc;
}

int
ai_expand_steps(struct reader *r, struct ai_yaml *steps)
{
	struct ai_yaml *out = ai_yaml_new(AI_YAML_MAP, NULL, steps);
	int rc = out ? 0 : ai_nomem(r->err);
	for (size_t i = 0; i < steps->n && rc == 0; i++)
		rc = expand(r, &steps->pairs[i], out);
	if (out) {
		/* What was not moved goes with the old pairs. */
		struct ai_yaml was = *steps;
		steps->pairs = out->pairs;
		steps->n = out->n;
		out->pairs = was.pairs;
		out->n = was.n;
		ai_yaml_free(out);
	}
	return rc;
}

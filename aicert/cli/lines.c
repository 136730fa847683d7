/* lines.c -- see lines.h.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/lines.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* As many as there are steps that run and print: few. */
static struct ai_open_line *
find(const struct ai_lines *l, const char *step)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->open[i].step, step) == 0)
			return &l->open[i];
	return NULL;
}

static struct ai_open_line *
begin(struct ai_lines *l, const char *step)
{
	struct ai_err ignored = { 0 };
	if (ai_grow(&l->open, &l->cap, l->n, sizeof *l->open, &ignored) < 0)
		return NULL;
	struct ai_open_line o = { .step = ai_strdup(step), .text = ai_calloc(1, AI_LINE) };
	if (!o.step || !o.text) {
		free(o.step);
		free(o.text);
		return NULL;
	}
	l->open[l->n++] = o;
	return &l->open[l->n - 1];
}

static void
put_line(struct ai_lines *l, struct ai_open_line *o, bool over)
{
	l->line(l->ctx, o->step, o->text, o->n, over);
	o->n = 0;
	o->cr = false;
}

static void
put_byte(struct ai_lines *l, struct ai_open_line *o, char c)
{
	if (c == '\n') {
		put_line(l, o, false);
		return;
	}
	if (o->cr && c == '\r')
		return;
	/* Nothing stood before it: the next line is written over nothing. */
	if (o->cr && o->n == 0)
		o->cr = false;
	if (o->cr)
		put_line(l, o, true);
	if (c == '\r') {
		o->cr = true;
		return;
	}
	if (o->n == AI_LINE)
		put_line(l, o, false);
	o->text[o->n++] = c;
}

void
ai_lines_put(struct ai_lines *l, const char *step, const char *bytes, size_t n)
{
	struct ai_open_line *o = find(l, step);
	if (!o)
		o = begin(l, step);
	if (!o)
		l->line(l->ctx, step, bytes, n, false);
	for (size_t i = 0; o && i < n; i++)
		put_byte(l, o, bytes[i]);
}

const struct ai_open_line *
ai_lines_open(const struct ai_lines *l, const char *step)
{
	const struct ai_open_line *o = find(l, step);
	return o && o->n ? o : NULL;
}

static void
end(struct ai_lines *l, size_t i)
{
	if (l->open[i].n)
		put_line(l, &l->open[i], false);
	free(l->open[i].step);
	free(l->open[i].text);
	l->open[i] = l->open[--l->n];
}

void
ai_lines_end(struct ai_lines *l, const char *step)
{
	struct ai_open_line *o = step ? find(l, step) : NULL;
	if (o)
		end(l, (size_t)(o - l->open));
	while (!step && l->n)
		end(l, l->n - 1);
	if (!step) {
		free(l->open);
		l->open = NULL;
		l->cap = 0;
	}
}

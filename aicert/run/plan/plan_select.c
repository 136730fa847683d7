/* plan_select.c -- see plan_select.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/plan/plan_select.h"

#include <string.h>

#include "run/plan/plan_parts.h"

struct choice {
	struct plan p;
	bool *wanted;                  /* as the manifest's steps */
	size_t *queue, n_queue;        /* every wanted step, in the order in which it was found to be one */
};

static void
want(struct choice *c, size_t step)
{
	if (c->wanted[step])
		return;
	c->wanted[step] = true;
	c->queue[c->n_queue++] = step;
}

/* What a step names is noted by ai_plan_find, whatever ai_rule_needs says of it. */
static int
heard(void *ctx, const char *name)
{
	(void)ctx, (void)name;
	return 0;
}

static int
follow(struct choice *c)
{
	struct plan *p = &c->p;
	for (size_t i = 0; i < p->m->n_steps; i++)
		if (ai_manifest_is_selected(p->m, &p->m->steps[i]))
			want(c, i);
	for (size_t at = 0; at < c->n_queue; at++) {
		struct planned *s = p->at = &p->steps[c->queue[at]];
		p->evaluations++;
		if (ai_plan_check_time(p) < 0 || ai_plan_rule(p, s) < 0 ||
			ai_rule_needs(s->rule, p->in->file, s->spec, ai_plan_find, p, heard, NULL, p->err) < 0)
			return p->err->code;
		if (p->no_memory)
			return ai_nomem(p->err);
		for (size_t k = 0; k < s->n_needs; k++)
			want(c, s->needs[k]);
	}
	return 0;
}

static int
mark(const struct ai_manifest *m, const struct choice *c, struct ai_buf *marks, struct ai_err *err)
{
	for (size_t i = 0; i < m->n_steps; i++)
		ai_buf_puts(marks, c->wanted[i] ? "1" : "0");
	for (size_t i = 0; i < m->n_inputs; i++)
		ai_buf_puts(marks, c->p.input_used[i] ? "1" : "0");
	return ai_buf_ok(marks, "the chosen steps", err);
}

int
ai_plan_choose(struct ai_manifest *m, const struct ai_rule_text *rules, size_t n_rules, struct ai_buf *marks, struct ai_err *err)
{
	const struct ai_plan_in in = { .file = m->file, .rules = rules, .n_rules = n_rules };
	struct choice c = { .p = { .in = &in, .m = m, .err = err } };
	int rc = ai_plan_begin(&c.p);
	c.wanted = ai_calloc(m->n_steps, sizeof *c.wanted);
	c.queue = ai_calloc(m->n_steps, sizeof *c.queue);
	c.p.input_used = ai_calloc(m->n_inputs, sizeof *c.p.input_used);
	if (rc == 0 && (!c.wanted || !c.queue || !c.p.input_used))
		rc = ai_nomem(err);
	if (rc == 0)
		rc = follow(&c);
	if (rc == 0)
		rc = mark(m, &c, marks, err);
	free(c.wanted);
	free(c.queue);
	free(c.p.input_used);
	ai_plan_end(&c.p);
	return rc;
}

int
ai_plan_keep(struct ai_manifest *m, const char *marks, size_t n, struct ai_err *err)
{
	if (n != m->n_steps + m->n_inputs || strspn(marks, "01") != n)
		return ai_fail(err, AI_EINPUT, "the chosen steps: got marks of %zu bytes, expected a 0 or 1 for each of %zu steps and %zu inputs", n, m->n_steps,
			m->n_inputs);
	bool *keep = ai_calloc(n + 1, sizeof *keep);
	if (!keep)
		return ai_nomem(err);
	for (size_t i = 0; i < n; i++)
		keep[i] = marks[i] == '1' || (i < m->n_steps && ai_manifest_is_selected(m, &m->steps[i]));
	int rc = ai_manifest_keep(m, keep, keep + m->n_steps, err);
	free(keep);
	return rc;
}

int
ai_plan_select(struct ai_manifest *m, const struct ai_rule_text *rules, size_t n_rules, struct ai_err *err)
{
	if (!m->selected.n)
		return 0;
	AI_BUF_AUTO marks = AI_BUF(m->n_steps + m->n_inputs + 1);
	return ai_plan_choose(m, rules, n_rules, &marks, err) < 0 ? err->code : ai_plan_keep(m, marks.data, marks.len, err);
}

/*
 * plan_order.c -- the steps' recipes, and the order in which each comes after what it needs, ties by name (plan_parts.h).
 *
 * Steps are evaluated as they stand in the file. One that names the output of a step that is not planned yet is evaluated again when all that it
 * named is: in a file whose steps stand in their order every rule runs once for its step, in any other twice.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "run/plan/plan_parts.h"

int
ai_plan_rule(struct plan *p, struct planned *s)
{
	size_t i;
	if (ai_names_find(&p->rule_names, s->spec->use, strlen(s->spec->use), &i)) {
		s->rule = &p->in->rules[i];
		p->rule_used[i] = true;
		return 0;
	}
	AI_FREE const char **names = ai_calloc(p->in->n_rules, sizeof *names);
	if (!names)
		return ai_nomem(p->err);
	for (i = 0; i < p->in->n_rules; i++)
		names[i] = p->in->rules[i].name;
	const char *near = ai_near(s->spec->use, names, p->in->n_rules);
	ai_fail(p->err, AI_EUSAGE, "%s:%d:%d: step '%s': there is no rule '%s'%s%s%s", p->in->file, s->spec->line, s->spec->column, s->spec->name,
		s->spec->use, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
	return ai_hint(p->err, "rules of your own are files in the project's rules/ folder");
}

/* --- recipes --------------------------------------------------------------------- */

/* Who waits for a step: a list for each, all in one array. */
struct waiting {
	size_t *first;                                  /* of each step: index + 1 of its list in links; 0: none */
	struct link { size_t step, next; } *links;
	size_t n, cap;
	size_t *ready, n_ready;                         /* steps to be evaluated, a stack */
};

/* Evaluates a step: 1 it is planned, 0 it must wait for some of its needs. */
static int
evaluate(struct plan *p, struct planned *s)
{
	struct ai_err first = { 0 };
	const struct ai_rule_environment env = { s->environment, s->image_config };
	p->at = s;
	p->evaluations++;
	s->n_needs = s->missing = 0;
	if (ai_plan_check_time(p) < 0 || ai_plan_rule(p, s) < 0)
		return p->err->code;
	int rc = ai_rule_recipe(s->rule, p->in->file, s->spec, &env, ai_plan_find, p, &s->recipe, &first);
	if (p->no_memory)
		return ai_nomem(p->err);
	/* What it said was said of outputs that nobody knew yet. */
	if (s->missing) {
		json_decref(s->recipe);
		s->recipe = NULL;
		return 0;
	}
	if (rc < 0)
		*p->err = first;
	return rc < 0 ? rc : 1;
}

static int
wait_for(struct plan *p, struct waiting *w, size_t step, size_t need)
{
	if (ai_grow(&w->links, &w->cap, w->n, sizeof *w->links, p->err) < 0)
		return p->err->code;
	w->links[w->n] = (struct link){ step, w->first[need] };
	w->first[need] = ++w->n;
	return 0;
}

/* One step, and whatever can be planned once it is. */
static int
plan_from(struct plan *p, struct waiting *w, size_t i)
{
	w->ready[w->n_ready++] = i;
	while (w->n_ready) {
		size_t k = w->ready[--w->n_ready];
		struct planned *s = &p->steps[k];
		int rc = evaluate(p, s);
		if (rc < 0)
			return rc;
		for (size_t j = 0; rc == 0 && j < s->n_needs; j++)
			if (!p->steps[s->needs[j]].recipe && wait_for(p, w, k, s->needs[j]) < 0)
				return p->err->code;
		for (size_t j = rc ? w->first[k] : 0; j; j = w->links[j - 1].next)
			if (--p->steps[w->links[j - 1].step].missing == 0)
				w->ready[w->n_ready++] = w->links[j - 1].step;
	}
	return 0;
}

/* A step without a recipe needs one without a recipe: going on from need to need must come round. */
static int
name_cycle(struct plan *p, const struct planned *s)
{
	const struct planned *next = NULL, *first;
	AI_BUF_AUTO b = AI_BUF(700);
	/* After as many hops as there are steps it is on the cycle, whatever led there. */
	for (size_t hops = 0; hops < p->m->n_steps; hops++, s = next)
		for (size_t k = 0; k < s->n_needs; k++)
			if (!(next = &p->steps[s->needs[k]])->recipe)
				break;
	first = s;
	do {
		for (size_t k = 0; k < s->n_needs; k++)
			if (!(next = &p->steps[s->needs[k]])->recipe)
				break;
		s = next;
		ai_buf_printf(&b, " needs '%s'", s->spec->name);
	} while (s != first && b.state == AI_BUF_GOOD);
	return ai_fail(p->err, AI_EUSAGE, "%s:%d:%d: steps need each other: '%s'%s%s", p->in->file, first->spec->line, first->spec->column,
		first->spec->name, b.data ? b.data : "", s == first ? "" : " …");
}

static int
make_recipes(struct plan *p)
{
	size_t n = p->m->n_steps;
	struct waiting w = { .first = ai_calloc(n, sizeof *w.first), .ready = ai_calloc(n, sizeof *w.ready) };
	int rc = w.first && w.ready ? 0 : ai_nomem(p->err);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = plan_from(p, &w, i);
	free(w.first);
	free(w.ready);
	free(w.links);
	for (size_t i = 0; rc == 0 && i < n; i++)
		if (!p->steps[i].recipe)
			rc = name_cycle(p, &p->steps[i]);
	return rc;
}

/* --- order ----------------------------------------------------------------------- */

/* Steps that could come next, the one that is first by name on top: a binary heap of ranks. */
struct heap { size_t *ranks, n; };

static void
push(struct heap *h, size_t rank)
{
	size_t i = h->n++;
	for (; i && h->ranks[(i - 1) / 2] > rank; i = (i - 1) / 2)
		h->ranks[i] = h->ranks[(i - 1) / 2];
	h->ranks[i] = rank;
}

static size_t
pop(struct heap *h)
{
	size_t top = h->ranks[0], last = h->ranks[--h->n], i = 0;
	for (size_t c; (c = 2 * i + 1) < h->n; i = c) {
		c += c + 1 < h->n && h->ranks[c + 1] < h->ranks[c];
		if (h->ranks[c] >= last)
			break;
		h->ranks[i] = h->ranks[c];
	}
	h->ranks[i] = last;
	return top;
}

struct named { const char *name; size_t step; };

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

struct sorting {
	struct named *names;           /* by rank */
	size_t *rank;                  /* of each step */
	size_t *from, *users, *left;   /* users[from[i]] up to users[from[i + 1]] need step i; needs of a step that have no place yet */
	struct heap heap;
};

/* Turns the needs round: who needs each step. */
static void
fill_users(const struct plan *p, struct sorting *t)
{
	size_t n = p->m->n_steps;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < p->steps[i].n_needs; k++)
			t->from[p->steps[i].needs[k] + 1]++;
	for (size_t i = 0; i < n; i++)
		t->from[i + 1] += t->from[i];
	/* Filled from the end of each part, which so comes to be its beginning. */
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < p->steps[i].n_needs; k++)
			t->users[--t->from[p->steps[i].needs[k] + 1]] = i;
	for (size_t i = 0; i < n; i++)
		t->from[i] = t->from[i + 1];
}

static void
sort_steps(struct plan *p, struct sorting *t, size_t edges)
{
	size_t n = p->m->n_steps, placed = 0;
	fill_users(p, t);
	t->from[n] = edges;
	for (size_t i = 0; i < n; i++)
		t->names[i] = (struct named){ p->steps[i].spec->name, i };
	qsort(t->names, n, sizeof *t->names, by_name);
	for (size_t i = 0; i < n; i++)
		t->rank[t->names[i].step] = i;
	for (size_t i = 0; i < n; i++)
		if ((t->left[i] = p->steps[i].n_needs) == 0)
			push(&t->heap, t->rank[i]);
	while (t->heap.n) {
		size_t i = t->names[pop(&t->heap)].step;
		p->order[placed++] = i;
		for (size_t k = t->from[i]; k < t->from[i + 1]; k++)
			if (--t->left[t->users[k]] == 0)
				push(&t->heap, t->rank[t->users[k]]);
	}
}

static int
order_steps(struct plan *p)
{
	size_t n = p->m->n_steps, edges = 0;
	for (size_t i = 0; i < n; i++)
		edges += p->steps[i].n_needs;
	struct sorting t = { .names = ai_calloc(n, sizeof *t.names), .rank = ai_calloc(n, sizeof *t.rank), .from = ai_calloc(n + 1, sizeof *t.from),
		.users = ai_calloc(edges, sizeof *t.users), .left = ai_calloc(n, sizeof *t.left), .heap = { ai_calloc(n, sizeof *t.heap.ranks), 0 } };
	bool good = t.names && t.rank && t.from && t.users && t.left && t.heap.ranks;
	if (good)
		sort_steps(p, &t, edges);
	free(t.names);
	free(t.rank);
	free(t.from);
	free(t.users);
	free(t.left);
	free(t.heap.ranks);
	return good ? 0 : ai_nomem(p->err);
}

int
ai_plan_steps(struct plan *p)
{
	return make_recipes(p) < 0 ? p->err->code : order_steps(p);
}

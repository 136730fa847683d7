/* schedule.c -- see schedule.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/schedule.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* A heap of numbers, the least first. It never holds more than there are steps. */
struct heap {
	size_t *at, n;
};

struct need { size_t step, next; /* of the same needed one; AI_NO_STEP ends */ };

struct ai_schedule {
	size_t n, left;
	size_t *waits;          /* per step: needs that are not done yet */
	size_t *first;          /* per step: the first of needs[] that names who needs it */
	bool *over;             /* failed or skipped */
	struct need *needs; size_t n_needs, cap_needs;
	struct heap ready;
	size_t *held; size_t n_held;
	bool begun;
};

static void
push(struct heap *h, size_t v)
{
	size_t i = h->n++;
	for (; i > 0 && h->at[(i - 1) / 2] > v; i = (i - 1) / 2)
		h->at[i] = h->at[(i - 1) / 2];
	h->at[i] = v;
}

static size_t
pop(struct heap *h)
{
	size_t least = h->at[0], last = h->at[--h->n], i = 0;
	for (size_t k; (k = 2 * i + 1) < h->n; i = k) {
		if (k + 1 < h->n && h->at[k + 1] < h->at[k])
			k++;
		if (h->at[k] >= last)
			break;
		h->at[i] = h->at[k];
	}
	h->at[i] = last;
	return least;
}

int
ai_schedule_new(size_t n, struct ai_schedule **out, struct ai_err *err)
{
	struct ai_schedule *s = ai_calloc(1, sizeof *s);
	if (!s)
		return ai_nomem(err);
	s->n = s->left = n;
	s->waits = ai_calloc(n + 1, sizeof *s->waits);
	s->first = ai_calloc(n + 1, sizeof *s->first);
	s->over = ai_calloc(n + 1, sizeof *s->over);
	s->ready.at = ai_calloc(n + 1, sizeof *s->ready.at);
	s->held = ai_calloc(n + 1, sizeof *s->held);
	if (!s->waits || !s->first || !s->over || !s->ready.at || !s->held) {
		ai_schedule_free(s);
		return ai_nomem(err);
	}
	for (size_t i = 0; i < n; i++)
		s->first[i] = AI_NO_STEP;
	*out = s;
	return 0;
}

void
ai_schedule_free(struct ai_schedule *s)
{
	if (!s)
		return;
	free(s->waits);
	free(s->first);
	free(s->over);
	free(s->needs);
	free(s->ready.at);
	free(s->held);
	free(s);
}

int
ai_schedule_need(struct ai_schedule *s, size_t step, size_t needs, struct ai_err *err)
{
	if (step >= s->n || needs >= s->n || s->begun)
		return ai_fail(err, AI_EUSAGE, "internal: schedule: step %zu cannot need %zu", step, needs);
	if (ai_grow(&s->needs, &s->cap_needs, s->n_needs, sizeof *s->needs, err) < 0)
		return err->code;
	s->needs[s->n_needs] = (struct need){ step, s->first[needs] };
	s->first[needs] = s->n_needs++;
	s->waits[step]++;
	return 0;
}

size_t
ai_schedule_next(struct ai_schedule *s)
{
	for (size_t i = 0; !s->begun && i < s->n; i++)
		if (s->waits[i] == 0)
			push(&s->ready, i);
	s->begun = true;
	return s->ready.n ? pop(&s->ready) : AI_NO_STEP;
}

void
ai_schedule_hold(struct ai_schedule *s, size_t step)
{
	s->held[s->n_held++] = step;
}

void
ai_schedule_again(struct ai_schedule *s)
{
	while (s->n_held > 0)
		push(&s->ready, s->held[--s->n_held]);
}

void
ai_schedule_done(struct ai_schedule *s, size_t step)
{
	s->left--;
	for (size_t k = s->first[step]; k != AI_NO_STEP; k = s->needs[k].next)
		if (--s->waits[s->needs[k].step] == 0 && !s->over[s->needs[k].step])
			push(&s->ready, s->needs[k].step);
}

int
ai_schedule_failed(struct ai_schedule *s, size_t step, void (*skipped)(void *ctx, size_t step), void *ctx, struct ai_err *err)
{
	AI_FREE size_t *list = ai_calloc(s->n + 1, sizeof *list);
	struct heap h = { list, 0 };
	if (!list)
		return ai_nomem(err);
	s->over[step] = true;
	s->left--;
	/* What is needed stands before who needs it, so the least of the heap has been reached from all that it needs. */
	push(&h, step);
	while (h.n > 0) {
		size_t i = pop(&h);
		for (size_t k = s->first[i]; k != AI_NO_STEP; k = s->needs[k].next) {
			size_t who = s->needs[k].step;
			if (s->over[who])
				continue;
			s->over[who] = true;
			s->left--;
			push(&h, who);
		}
		if (i != step && skipped)
			skipped(ctx, i);
	}
	return 0;
}

size_t
ai_schedule_left(const struct ai_schedule *s)
{
	return s->left;
}

/* progress_view.c -- see progress_view.h: what was heard.  SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress_view.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/talk.h"
#include "cli/print.h"

/* Steps that are so few are told one by one, and those that took so long. */
#define FEW_STEPS 50
#define LONG_S 1.0

size_t
ai_view_cut(struct ai_buf *out, const char *text, size_t n, size_t width)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t at = 0;
	while (n) {
		bool draws;
		size_t len = ai_next_character(p, n, &draws);
		wchar_t c = L'?';
		mbstate_t none = { 0 };
		if (len == 0 || !draws || mbrtowc(&c, (const char *)p, len, &none) != len)
			c = L'?';
		int columns = *p == '\t' ? 1 : c == L'?' ? 1 : wcwidth(c);
		size_t takes = columns < 0 ? 1 : (size_t)columns;
		if (at + takes > width)
			break;
		if (*p == '\t')
			ai_buf_putc(out, ' ');
		else if (c == L'?' || columns < 0)
			ai_buf_putc(out, '?');
		else
			ai_buf_put(out, p, len);
		at += takes;
		len = len ? len : n;
		p += len;
		n -= len;
	}
	return at;
}

static void
keep_text(struct ai_view_text *t, const char *text, size_t n)
{
	t->n = n < sizeof t->bytes ? n : sizeof t->bytes;
	memcpy(t->bytes, text, t->n);
}

static const char *
colour(const struct ai_view *v, const char *sequence)
{
	return v->coloured ? sequence : "";
}

/* --- what stands above for good ------------------------------------------------- */

static void
put_above(struct ai_view *v, const char *before, const char *text, size_t n)
{
	ai_buf_puts(&v->above, before);
	(void)ai_view_cut(&v->above, text, n, SIZE_MAX);
	ai_buf_putc(&v->above, '\n');
}

/* "done    train  (12.3 s)" */
static void
put_step(struct ai_view *v, const char *word, const char *sequence, const aicert_step_event *e)
{
	ai_buf_puts(&v->above, colour(v, sequence));
	ai_buf_printf(&v->above, "%-8s", word);
	ai_buf_puts(&v->above, colour(v, "\033[0m"));
	(void)ai_view_cut(&v->above, e->step, strlen(e->step), SIZE_MAX);
	if (e->why && e->why[0]) {
		ai_buf_puts(&v->above, "  (");
		(void)ai_view_cut(&v->above, e->why, strlen(e->why), SIZE_MAX);
		ai_buf_putc(&v->above, ')');
	}
	if (e->kind == AICERT_STEP_IS_DONE)
		ai_buf_printf(&v->above, "  (%.1f s)", e->seconds);
	ai_buf_putc(&v->above, '\n');
}

/* --- steps ----------------------------------------------------------------------- */

static bool
streams(const struct ai_view *v)
{
	return v->verbose || v->total <= 1;
}

static struct ai_view_step *
find(const struct ai_view *v, const char *name)
{
	for (size_t i = 0; i < v->n_running; i++)
		if (strcmp(v->running[i]->name, name) == 0)
			return v->running[i];
	return NULL;
}

static void
heard_line(void *ctx, const char *step, const char *text, size_t n, bool over)
{
	struct ai_view *v = ctx;
	struct ai_view_step *s = find(v, step);
	/* A bar is written over itself: its last state is the one to keep. */
	if (s && !over)
		keep_text(&s->tail[s->n_lines++ % AI_VIEW_TAIL], text, n);
	if (over || !streams(v))
		return;
	if (v->total > 1) {
		(void)ai_view_cut(&v->above, step, strlen(step), SIZE_MAX);
		ai_buf_puts(&v->above, ": ");
	}
	put_above(v, "", text, n);
}

static void
begins(struct ai_view *v, const aicert_step_event *e)
{
	struct ai_err ignored = { 0 };
	struct ai_view_step *s = ai_calloc(1, sizeof *s);
	if (streams(v))
		put_step(v, "run", "", e);
	if (!s || !(s->name = ai_strdup(e->step)) || ai_grow(&v->running, &v->cap_running, v->n_running, sizeof *v->running, &ignored) < 0) {
		if (s)
			free(s->name);
		free(s);
		return;
	}
	s->began = v->now;
	v->running[v->n_running++] = s;
}

static void
forget(struct ai_view *v, const char *name)
{
	for (size_t i = 0; i < v->n_running; i++) {
		if (strcmp(v->running[i]->name, name) != 0)
			continue;
		free(v->running[i]->name);
		free(v->running[i]);
		memmove(&v->running[i], &v->running[i + 1], (--v->n_running - i) * sizeof *v->running);
		return;
	}
}

static void
fails(struct ai_view *v, const aicert_step_event *e)
{
	const struct ai_view_step *s = find(v, e->step);
	size_t n = s ? s->n_lines : 0, first = n > AI_VIEW_TAIL ? n - AI_VIEW_TAIL : 0;
	/* Who asked for the end does not look for its cause. */
	if (e->why && strcmp(e->why, "interrupted") == 0) {
		put_step(v, "stopped", "", e);
		return;
	}
	put_step(v, "failed", "\033[31m", e);
	for (size_t i = first; i < n && !streams(v); i++) {
		const struct ai_view_text *t = &s->tail[i % AI_VIEW_TAIL];
		put_above(v, "  | ", t->bytes, t->n);
	}
}

void
ai_view_step(struct ai_view *v, const aicert_step_event *e)
{
	v->total = e->total;
	v->n_fetches = 0;
	if (e->kind != AICERT_STEP_LOGS)
		ai_lines_end(&v->lines, e->step);
	switch (e->kind) {
	case AICERT_STEP_BEGINS:
		begins(v, e);
		return;
	case AICERT_STEP_LOGS:
		ai_lines_put(&v->lines, e->step, e->bytes, e->n);
		return;
	case AICERT_STEP_IS_REUSED:
		v->reused++;
		if (v->total <= FEW_STEPS || v->verbose)
			put_step(v, "reuse", "", &(aicert_step_event){ .kind = e->kind, .step = e->step });
		break;
	case AICERT_STEP_IS_DONE:
		v->done++;
		if (v->total <= FEW_STEPS || v->verbose || e->seconds >= LONG_S)
			put_step(v, "done", "\033[32m", e);
		break;
	case AICERT_STEP_FAILS:
		v->failed++;
		fails(v, e);
		break;
	default:
		v->skipped++;
		if (v->total <= FEW_STEPS || v->verbose)
			put_step(v, "skipped", "", e);
	}
	forget(v, e->step);
}

/* --- the rest ------------------------------------------------------------------- */

/* The fetch of that name; the oldest makes room. */
static struct ai_view_fetch *
fetch_of(struct ai_view *v, const char *what)
{
	struct ai_view_text t;
	keep_text(&t, what, strlen(what));
	size_t oldest = 0;
	for (size_t i = 0; i < v->n_fetches; i++) {
		struct ai_view_fetch *f = &v->fetches[i];
		if (f->what.n == t.n && memcmp(f->what.bytes, t.bytes, t.n) == 0)
			return f;
		if (f->at < v->fetches[oldest].at)
			oldest = i;
	}
	struct ai_view_fetch *f = &v->fetches[v->n_fetches < AI_VIEW_FETCHES ? v->n_fetches++ : oldest];
	*f = (struct ai_view_fetch){ .what = t, .from_at = v->now };
	return f;
}

static void
heard_progress(struct ai_view *v, const char *what, uint64_t done, uint64_t total)
{
	struct ai_view_fetch *f = fetch_of(v, what);
	/* What went on from a part that was there was not fetched in no time; and a count that falls is another file's. */
	if (f->at <= 0 || done < f->done)
		*f = (struct ai_view_fetch){ .what = f->what, .from_at = v->now, .from = done };
	f->done = done;
	f->total = total;
	f->at = v->now;
	if (v->now - f->from_at < 1)
		return;
	double rate = (double)(done - f->from) / (v->now - f->from_at);
	f->rate = f->rate > 0 ? 0.6 * f->rate + 0.4 * rate : rate;
	f->from = done;
	f->from_at = v->now;
}

void
ai_view_say(struct ai_view *v, int kind, const char *text, uint64_t done, uint64_t total)
{
	if (kind == AI_TALK_PROGRESS) {
		heard_progress(v, text, done, total);
	} else if (kind == AI_TALK_LOG) {
		v->total = v->total ? v->total : 1;
		ai_lines_put(&v->lines, "", text, done);
	} else if (kind != AI_TALK_DETAIL || v->verbose) {
		if (kind == AI_TALK_STAGE)
			v->n_fetches = 0;
		ai_lines_end(&v->lines, "");
		put_above(v, kind == AI_TALK_NOTE ? "note: " : "", text, strlen(text));
	}
}

void
ai_view_init(struct ai_view *v, bool verbose, bool coloured, double now)
{
	*v = (struct ai_view){ .verbose = verbose, .coloured = coloured, .now = now, .began = now, .above = AI_BUF(AI_MAX_TEXT) };
	v->lines.line = heard_line;
	v->lines.ctx = v;
}

void
ai_view_done(struct ai_view *v)
{
	while (v->n_running)
		forget(v, v->running[v->n_running - 1]->name);
	free(v->running);
	ai_lines_end(&v->lines, NULL);
	ai_buf_done(&v->above);
}

/* progress_draw.c -- see progress_view.h: the lines of the view.  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "cli/print.h"
#include "cli/progress_view.h"

/* One line on its way into the view: what does not fit is cut. */
struct row {
	struct ai_view *v;
	struct ai_buf *out;
	size_t width, at;
};

static void
put(struct row *r, const char *text, size_t n)
{
	r->at += ai_view_cut(r->out, text, n, r->width - r->at);
}

static void
puts_row(struct row *r, const char *text)
{
	put(r, text, strlen(text));
}

static void
put_colour(struct row *r, const char *sequence)
{
	if (r->v->coloured)
		ai_buf_puts(r->out, sequence);
}

static void
put_time(struct row *r, double seconds)
{
	char text[32];
	unsigned long s = seconds < 0 ? 0 : seconds > 1e9 ? 1000000000 : (unsigned long)seconds;
	if (s >= 3600)
		snprintf(text, sizeof text, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(text, sizeof text, "%lu:%02lu", s / 60, s % 60);
	puts_row(r, text);
}

static void
put_count(struct row *r, const char *before, size_t n, const char *after)
{
	char text[64];
	snprintf(text, sizeof text, "%s%zu%s", before, n, after);
	if (n)
		puts_row(r, text);
}

/* "12 of 40 steps, 3 reused, 2 running  1:23" */
static void
put_counts(struct row *r)
{
	struct ai_view *v = r->v;
	char text[80];
	snprintf(text, sizeof text, "%zu of %zu step%s", v->done + v->reused + v->failed + v->skipped, v->total, v->total == 1 ? "" : "s");
	put_colour(r, "\033[1m");
	puts_row(r, text);
	put_colour(r, "\033[0m");
	put_count(r, ", ", v->reused, " reused");
	put_colour(r, v->failed ? "\033[31m" : "");
	put_count(r, ", ", v->failed, " failed");
	put_colour(r, v->failed ? "\033[0m" : "");
	put_count(r, ", ", v->skipped, " skipped");
	put_count(r, ", ", v->n_running, " running");
	puts_row(r, "  ");
	put_time(r, v->now - v->began);
}

/* In the unit that suits the larger of two sizes. */
static void
put_size(struct row *r, double bytes, double largest, bool unit)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	char text[64];
	size_t i = 0;
	for (; largest >= 1024 && i < 4; i++) {
		largest /= 1024;
		bytes /= 1024;
	}
	snprintf(text, sizeof text, i ? "%.1f%s%s" : "%.0f%s%s", bytes, unit ? " " : "", unit ? units[i] : "");
	puts_row(r, text);
}

/* "  https://…  1.2 of 14.0 GiB  8 %  93.1 MiB/s  2:10 left" */
static void
put_fetch(struct row *r, const struct ai_view_fetch *f)
{
	char percent[32];
	size_t room = r->width > 50 ? r->width - 50 : r->width / 3;
	puts_row(r, "  ");
	r->at += ai_view_cut(r->out, f->what.bytes, f->what.n, room);
	puts_row(r, "  ");
	put_size(r, (double)f->done, (double)(f->total ? f->total : f->done), !f->total);
	if (f->total) {
		puts_row(r, " of ");
		put_size(r, (double)f->total, (double)f->total, true);
		snprintf(percent, sizeof percent, "  %.0f %%", f->done < f->total ? 100.0 * (double)f->done / (double)f->total : 100.0);
		puts_row(r, percent);
	}
	if (f->rate <= 0)
		return;
	puts_row(r, "  ");
	put_size(r, f->rate, f->rate, true);
	puts_row(r, "/s");
	if (f->total > f->done) {
		puts_row(r, "  ");
		put_time(r, (double)(f->total - f->done) / f->rate);
		puts_row(r, " left");
	}
}

static void
put_spaces(struct row *r, size_t to)
{
	while (r->at < to && r->at < r->width)
		puts_row(r, " ");
}

static void
put_running(struct row *r, const struct ai_view_step *s, size_t column)
{
	const struct ai_open_line *open = ai_lines_open(&r->v->lines, s->name);
	puts_row(r, "  ");
	r->at += ai_view_cut(r->out, s->name, strlen(s->name), column);
	put_spaces(r, 2 + column + 2);
	put_time(r, r->v->now - s->began);
	put_spaces(r, 2 + column + 2 + 6);
	put_colour(r, "\033[2m");
	if (open)
		put(r, open->text, open->n);
	else if (s->n_lines)
		put(r, s->tail[(s->n_lines - 1) % AI_VIEW_TAIL].bytes, s->tail[(s->n_lines - 1) % AI_VIEW_TAIL].n);
	put_colour(r, "\033[0m");
}

static size_t
name_column(const struct ai_view *v, size_t width)
{
	size_t most = 0;
	for (size_t i = 0; i < v->n_running; i++) {
		size_t n = ai_columns(v->running[i]->name);
		most = n > most ? n : most;
	}
	return most < width / 3 ? most : width / 3;
}

size_t
ai_view_draw(struct ai_view *v, size_t width, size_t height, struct ai_buf *out, size_t *columns)
{
	size_t n = 0, all = (v->total > 0) + v->n_fetches + v->n_running, column = name_column(v, width);
	/* The last line says how many there are for which there is no room. */
	size_t room = all > height && height > 1 ? height - 1 : height;
	for (size_t i = 0; i < all && n < room; i++) {
		struct row r = { .v = v, .out = out, .width = width };
		size_t at = i - (v->total > 0);
		if (n)
			ai_buf_putc(out, '\n');
		if (i == 0 && v->total > 0)
			put_counts(&r);
		else if (at < v->n_fetches)
			put_fetch(&r, &v->fetches[at]);
		else
			put_running(&r, v->running[at - v->n_fetches], column);
		columns[n++] = r.at;
	}
	if (n < all && n < height) {
		struct row r = { .v = v, .out = out, .width = width };
		ai_buf_putc(out, '\n');
		put_count(&r, "  and ", all - n, " more");
		columns[n++] = r.at;
	}
	return n;
}

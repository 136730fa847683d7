/*
 * test_cli.c -- what a person sees: lines of steps that run beside each other, the live view, the layout of a graph; foreign bytes at random.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "unit.h"

#include <locale.h>
#include <wchar.h>

#include "base/talk.h"
#include "cli/graph_layout.h"
#include "cli/lines.h"
#include "cli/progress_view.h"

/* The same numbers on every machine. */
static uint32_t
number(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % below;
}

static void
random_text(uint32_t *seed, char *out, size_t n)
{
	static const char *const parts[] = { "a", "\n", "\r", "\r\n", "\033[31m", "\xe6\x97\xa5", "\xff", "\xc2\x9b", "\t", "\xe2\x80\xae", "epoch 3 ", "\xf0\x9f\x98\x80", "\xc3", "\x07" };
	size_t at = 0;
	while (at < n) {
		const char *p = parts[number(seed, sizeof parts / sizeof *parts)];
		for (; *p && at < n; p++)
			out[at++] = *p;
	}
}

struct heard { struct ai_buf text; size_t lines, over; };

static void
hear(void *ctx, const char *step, const char *text, size_t n, bool over)
{
	struct heard *h = ctx;
	(void)step;
	ai_buf_put(&h->text, text, n);
	ai_buf_putc(&h->text, over ? '\r' : '\n');
	h->lines++;
	h->over += over;
}

static void
test_lines(void **state)
{
	(void)state;
	static const struct { const char *in, *out; } cases[] = {
		{ "a\nb\n", "a\nb\n" }, { "a\r\nb", "a\nb\n" }, { "1%\r2%\r3%\ndone", "1%\r2%\r3%\ndone\n" }, { "\r1%\r2%", "1%\r2%\n" }, { "\n\n", "\n\n" },
		{ "a\r\r\nb", "a\nb\n" }, { "\r\n", "\n" }, { "", "" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		/* However it is cut. */
		for (size_t piece = 1; piece <= strlen(cases[i].in) + 1; piece++) {
			struct heard h = { .text = AI_BUF(AI_MAX_TEXT) };
			struct ai_lines l = { .line = hear, .ctx = &h };
			for (size_t at = 0; at < strlen(cases[i].in); at += piece)
				ai_lines_put(&l, "s", cases[i].in + at, strlen(cases[i].in + at) < piece ? strlen(cases[i].in + at) : piece);
			ai_lines_end(&l, "s");
			ai_buf_putc(&h.text, '\0');
			assert_string_equal(h.text.data, cases[i].out);
			ai_lines_end(&l, NULL);
			ai_buf_done(&h.text);
		}
	}
}

static void
test_long_lines_come_in_parts(void **state)
{
	(void)state;
	struct heard h = { .text = AI_BUF(AI_MAX_TEXT) };
	struct ai_lines l = { .line = hear, .ctx = &h };
	char long_line[3 * AI_LINE];
	memset(long_line, 'x', sizeof long_line);
	ai_lines_put(&l, "s", long_line, sizeof long_line);
	assert_int_equal(h.lines, 2);
	ai_lines_put(&l, "t", "y", 1);
	ai_lines_end(&l, NULL);
	assert_int_equal(h.lines, 4);
	assert_int_equal(h.text.len, sizeof long_line + 3 + 2);
	ai_buf_done(&h.text);
}

/* No control character but the line ends of the view and, with colours, the sequences that set one. Returns the widest line. */
static size_t
widest(const char *p, size_t n, bool coloured)
{
	size_t most = 0, at = 0;
	while (n) {
		wchar_t c;
		mbstate_t none = { 0 };
		if (*p == '\033') {
			assert_true(coloured);
			size_t len = 2 + strspn(p + 2, "0123456789;") + 1;
			assert_true(len <= n && p[1] == '[' && p[len - 1] == 'm');
			p += len;
			n -= len;
			continue;
		}
		size_t len = mbrtowc(&c, p, n, &none);
		assert_true(len > 0 && len <= n);
		if (*p == '\n') {
			at = 0;
		} else {
			assert_true(wcwidth(c) >= 0);
			at += (size_t)wcwidth(c);
		}
		most = at > most ? at : most;
		p += len;
		n -= len;
	}
	return most;
}

static void
some_event(struct ai_view *v, uint32_t *seed)
{
	static const char *const names[] = { "a", "\xe6\x97\xa5\xe6\x9c\xac-train", "a-name-that-is-longer-than-any-terminal-would-like-it-to-be-in-a-column", "\033[2Jx" };
	char text[200];
	random_text(seed, text, sizeof text);
	text[number(seed, sizeof text)] = '\0';
	v->now += number(seed, 1000) / 100.0;
	if (number(seed, 3) == 0) {
		/* Bytes of a step, a stage, a note, or how far a fetch is. */
		static const int kinds[] = { AI_TALK_STAGE, AI_TALK_NOTE, AI_TALK_DETAIL, AI_TALK_PROGRESS, AI_TALK_LOG };
		int kind = kinds[number(seed, 5)];
		ai_view_say(v, kind, text, kind == AI_TALK_LOG ? strlen(text) : number(seed, 1u << 24), number(seed, 2) ? number(seed, 1u << 24) : 0);
		return;
	}
	aicert_step_event e = { .kind = (int)number(seed, 6), .step = names[number(seed, 4)], .why = number(seed, 2) ? text : NULL, .total = number(seed, 60),
		.seconds = number(seed, 100), .bytes = text, .n = strlen(text) };
	ai_view_step(v, &e);
}

static void
test_the_view_stays_in_its_place(void **state)
{
	(void)state;
	uint32_t seed = 6;
	for (int turn = 0; turn < 60; turn++) {
		struct ai_view v;
		bool coloured = turn % 2;
		ai_view_init(&v, turn % 3 == 0, coloured, 0);
		for (int i = 0; i < 60; i++) {
			AI_BUF_AUTO out = AI_BUF(AI_MAX_TEXT);
			size_t columns[64], width = 2 + number(&seed, 120), height = 1 + number(&seed, 20);
			some_event(&v, &seed);
			size_t n = ai_view_draw(&v, width, height, &out, columns), ends = 0;
			assert_true(n <= height);
			for (size_t k = 0; k < out.len; k++)
				ends += out.data[k] == '\n';
			assert_int_equal(n ? ends + 1 : ends, n);
			for (size_t k = 0; k < n; k++)
				assert_true(columns[k] <= width);
			assert_true(widest(out.data, out.len, coloured) <= width);
			(void)widest(v.above.data, v.above.len, coloured);
			if (i % 7 == 0)
				ai_buf_clear(&v.above);
		}
		ai_view_done(&v);
	}
}

static void
test_counts(void **state)
{
	(void)state;
	struct ai_view v;
	AI_BUF_AUTO out = AI_BUF(AI_MAX_TEXT);
	size_t columns[10];
	ai_view_init(&v, false, false, 100);
	v.now = 105;
	ai_view_step(&v, &(aicert_step_event){ .kind = AICERT_STEP_IS_REUSED, .step = "r", .total = 4 });
	ai_view_step(&v, &(aicert_step_event){ .kind = AICERT_STEP_BEGINS, .step = "a", .total = 4 });
	ai_view_step(&v, &(aicert_step_event){ .kind = AICERT_STEP_LOGS, .step = "a", .total = 4, .bytes = "one\ntwo", .n = 7 });
	v.now = 175;
	assert_int_equal(ai_view_draw(&v, 80, 10, &out, columns), 2);
	ai_buf_putc(&out, '\0');
	assert_string_equal(out.data, "1 of 4 steps, 1 reused, 1 running  1:15\n  a  1:10  two");
	ai_view_step(&v, &(aicert_step_event){ .kind = AICERT_STEP_FAILS, .step = "a", .total = 4, .why = "exit 3" });
	ai_buf_putc(&v.above, '\0');
	assert_string_equal(v.above.data, "reuse   r\nfailed  a  (exit 3)\n  | one\n  | two\n");
	ai_view_done(&v);
}

static void
test_rate(void **state)
{
	(void)state;
	struct ai_view v;
	AI_BUF_AUTO out = AI_BUF(AI_MAX_TEXT);
	size_t columns[10];
	ai_view_init(&v, false, false, 0);
	/* It goes on from a part of 512 MiB: that was not fetched now. */
	for (uint64_t i = 0; i <= 4; i++) {
		v.now = 1 + (double)i;
		ai_view_say(&v, AI_TALK_PROGRESS, "file", (512 + 64 * i) << 20, 1024u << 20);
	}
	assert_int_equal(ai_view_draw(&v, 100, 10, &out, columns), 1);
	ai_buf_putc(&out, '\0');
	assert_string_equal(out.data, "  file  0.8 of 1.0 GiB  75 %  64.0 MiB/s  0:04 left");
	ai_view_done(&v);
}

static void
test_layout_of_random_graphs(void **state)
{
	(void)state;
	uint32_t seed = 1;
	for (int turn = 0; turn < 80; turn++) {
		struct ai_layout_node nodes[40];
		struct ai_layout_edge edges[90];
		size_t n = 1 + number(&seed, 40), m = n > 1 ? number(&seed, 90) : 0;
		for (size_t i = 0; i < n; i++)
			nodes[i] = (struct ai_layout_node){ .width = 20 + number(&seed, 200), .height = 26 + number(&seed, 20) };
		for (size_t i = 0; i < m; i++) {
			size_t from = number(&seed, (uint32_t)n - 1);
			edges[i] = (struct ai_layout_edge){ from, from + 1 + number(&seed, (uint32_t)(n - from - 1)) };
		}
		struct ai_layout l = { .nodes = nodes, .n_nodes = n, .edges = edges, .n_edges = m, .between_layers = 60, .between_nodes = 14 };
		ok(ai_layout_make(&l, &err));
		for (size_t i = 0; i < n; i++) {
			assert_true(nodes[i].x - nodes[i].width / 2 >= -0.01 && nodes[i].x + nodes[i].width / 2 <= l.width + 0.01);
			assert_true(nodes[i].y - nodes[i].height / 2 >= -0.01 && nodes[i].y + nodes[i].height / 2 <= l.height + 0.01);
			for (size_t k = i + 1; k < n; k++) {
				double dx = nodes[i].x - nodes[k].x, dy = nodes[i].y - nodes[k].y;
				assert_true((dx < 0 ? -dx : dx) >= (nodes[i].width + nodes[k].width) / 2 - 0.01 ||
					(dy < 0 ? -dy : dy) >= (nodes[i].height + nodes[k].height) / 2 + 13.9);
			}
		}
		for (size_t i = 0; i < m; i++)
			assert_true(nodes[edges[i].from].x + nodes[edges[i].from].width / 2 < nodes[edges[i].to].x - nodes[edges[i].to].width / 2);
		ai_layout_done(&l);
	}
}

static void
test_a_circle_is_refused(void **state)
{
	(void)state;
	struct ai_layout_node nodes[2] = { { .width = 1, .height = 1 }, { .width = 1, .height = 1 } };
	const struct ai_layout_edge edges[] = { { 0, 1 }, { 1, 0 } };
	struct ai_layout l = { .nodes = nodes, .n_nodes = 2, .edges = edges, .n_edges = 2 };
	refused(AI_EUSAGE, "circle", ai_layout_make(&l, &err));
	ai_layout_done(&l);
}

int
main(void)
{
	/* As main.c does. */
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines), cmocka_unit_test(test_long_lines_come_in_parts), cmocka_unit_test(test_the_view_stays_in_its_place),
		cmocka_unit_test(test_counts), cmocka_unit_test(test_rate), cmocka_unit_test(test_layout_of_random_graphs), cmocka_unit_test(test_a_circle_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_schedule.c -- which step may start next: order, failures, and many of them.  SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <time.h>

#include "run/schedule.h"

enum { MOST = 64 };

static struct ai_schedule *
made(size_t n)
{
	struct ai_schedule *s;
	ok(ai_schedule_new(n, &s, &err));
	return s;
}

static void
in_the_plan_s_order(void **state)
{
	(void)state;
	struct ai_schedule *s = made(5);
	ok(ai_schedule_need(s, 1, 0, &err));
	ok(ai_schedule_need(s, 3, 1, &err));
	ok(ai_schedule_need(s, 3, 2, &err));
	ok(ai_schedule_need(s, 3, 2, &err));
	assert_int_equal(ai_schedule_next(s), 0);
	assert_int_equal(ai_schedule_next(s), 2);
	assert_int_equal(ai_schedule_next(s), 4);
	assert_int_equal(ai_schedule_next(s), AI_NO_STEP);
	ai_schedule_done(s, 2);
	assert_int_equal(ai_schedule_next(s), AI_NO_STEP);
	ai_schedule_done(s, 0);
	assert_int_equal(ai_schedule_next(s), 1);
	ai_schedule_done(s, 4);
	ai_schedule_done(s, 1);
	assert_int_equal(ai_schedule_next(s), 3);
	assert_int_equal(ai_schedule_left(s), 1);
	ai_schedule_done(s, 3);
	assert_int_equal(ai_schedule_left(s), 0);
	refused(AI_EUSAGE, "cannot need", ai_schedule_need(s, 1, 0, &err));
	ai_schedule_free(s);
	s = made(2);
	refused(AI_EUSAGE, "cannot need", ai_schedule_need(s, 2, 0, &err));
	refused(AI_EUSAGE, "cannot need", ai_schedule_need(s, 0, 2, &err));
	ai_schedule_free(s);
	ai_schedule_free(NULL);
}

static size_t heard[MOST], n_heard;

static void
hear(void *ctx, size_t step)
{
	(void)ctx;
	assert_true(n_heard < MOST);
	heard[n_heard++] = step;
}

static void
who_needs_a_failed_one_is_skipped_once(void **state)
{
	(void)state;
	static const size_t ready[] = { 0, 1, 3, 5 }, lost[] = { 2, 4, 6 };
	struct ai_schedule *s = made(7);
	/* 0 -> 2 -> 4 -> 6, 1 -> 4, 3 -> 6; 5 alone. */
	ok(ai_schedule_need(s, 2, 0, &err));
	ok(ai_schedule_need(s, 4, 2, &err));
	ok(ai_schedule_need(s, 4, 1, &err));
	ok(ai_schedule_need(s, 6, 4, &err));
	ok(ai_schedule_need(s, 6, 3, &err));
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(ai_schedule_next(s), ready[i]);
	n_heard = 0;
	ok(ai_schedule_failed(s, 0, hear, NULL, &err));
	assert_int_equal(n_heard, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(heard[i], lost[i]);
	ai_schedule_done(s, 1);
	ok(ai_schedule_failed(s, 3, hear, NULL, &err));
	assert_int_equal(n_heard, 3);
	assert_int_equal(ai_schedule_next(s), AI_NO_STEP);
	assert_int_equal(ai_schedule_left(s), 1);
	ai_schedule_done(s, 5);
	assert_int_equal(ai_schedule_left(s), 0);
	ai_schedule_free(s);
}

static void
what_is_held_comes_again_in_its_place(void **state)
{
	(void)state;
	struct ai_schedule *s = made(4);
	assert_int_equal(ai_schedule_next(s), 0);
	ai_schedule_hold(s, 0);
	assert_int_equal(ai_schedule_next(s), 1);
	ai_schedule_hold(s, 1);
	assert_int_equal(ai_schedule_next(s), 2);
	ai_schedule_again(s);
	assert_int_equal(ai_schedule_next(s), 0);
	assert_int_equal(ai_schedule_next(s), 1);
	assert_int_equal(ai_schedule_next(s), 3);
	assert_int_equal(ai_schedule_next(s), AI_NO_STEP);
	ai_schedule_free(s);
}

static unsigned long long seed;

static size_t
some(size_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (size_t)(seed >> 33) % n;
}

/* A graph by chance, run in an order by chance, against one that looks at everything each time. */
static void
by_chance(void **state)
{
	(void)state;
	for (int round = 0; round < 2000; round++) {
		bool need[MOST][MOST] = { 0 };
		enum { WAITS, RUNS, DONE, FAILED, SKIPPED } is[MOST] = { 0 };
		size_t n = 1 + some(MOST - 1), running[MOST], n_running = 0;
		struct ai_schedule *s = made(n);
		for (size_t k = some(2 * n + 1); n > 1 && k-- > 0;) {
			size_t b = 1 + some(n - 1), a = some(b);
			need[b][a] = true;
			ok(ai_schedule_need(s, b, a, &err));
		}
		for (;;) {
			size_t next = ai_schedule_next(s), want = AI_NO_STEP;
			for (size_t i = 0; want == AI_NO_STEP && i < n; i++) {
				bool ready = is[i] == WAITS;
				for (size_t k = 0; k < i; k++)
					ready = ready && (!need[i][k] || is[k] == DONE);
				want = ready ? i : want;
			}
			assert_int_equal(next, want);
			if (next != AI_NO_STEP) {
				is[next] = RUNS;
				running[n_running++] = next;
			}
			if (n_running == 0)
				break;
			if (next != AI_NO_STEP && some(3) != 0)
				continue;
			size_t at = some(n_running), ended = running[at];
			running[at] = running[--n_running];
			if (some(10) != 0) {
				is[ended] = DONE;
				ai_schedule_done(s, ended);
				continue;
			}
			is[ended] = FAILED;
			n_heard = 0;
			ok(ai_schedule_failed(s, ended, hear, NULL, &err));
			size_t told = 0;
			for (size_t i = 0; i < n; i++) {
				bool lost = false;
				for (size_t k = 0; k < i; k++)
					lost = lost || (need[i][k] && (is[k] == FAILED || is[k] == SKIPPED));
				if (is[i] != WAITS || !lost)
					continue;
				is[i] = SKIPPED;
				assert_int_equal(heard[told++], i);
			}
			assert_int_equal(told, n_heard);
		}
		assert_int_equal(ai_schedule_left(s), 0);
		for (size_t i = 0; i < n; i++)
			assert_true(is[i] >= DONE);
		ai_schedule_free(s);
	}
}

/* 200,000 steps: each alone, in one chain, all into one, and all skipped at once. */
static void
many(void **state)
{
	(void)state;
	enum { N = 200000 };
	for (int shape = 0; shape < 4; shape++) {
		struct timespec began, now;
		clock_gettime(CLOCK_MONOTONIC, &began);
		struct ai_schedule *s = made(N);
		for (size_t i = 1; i < N && shape > 0; i++)
			ok(shape == 1 ? ai_schedule_need(s, i, i - 1, &err) : shape == 2 ? ai_schedule_need(s, N - 1, i - 1, &err) : ai_schedule_need(s, i, 0, &err));
		size_t done = 0, i;
		while ((i = ai_schedule_next(s)) != AI_NO_STEP) {
			if (shape == 3)
				ok(ai_schedule_failed(s, i, NULL, NULL, &err));
			else
				ai_schedule_done(s, i);
			done++;
		}
		assert_int_equal(done, shape == 3 ? 1 : N);
		assert_int_equal(ai_schedule_left(s), 0);
		ai_schedule_free(s);
		clock_gettime(CLOCK_MONOTONIC, &now);
		assert_true(now.tv_sec - began.tv_sec < 20);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_the_plan_s_order), cmocka_unit_test(who_needs_a_failed_one_is_skipped_once),
		cmocka_unit_test(what_is_held_comes_again_in_its_place), cmocka_unit_test(by_chance), cmocka_unit_test(many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Limits: what a step is held to, and how the breach is called.  SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>

#include "sandbox_unit.h"

#include "run/box/limits.h"

static const struct ai_cgroup_want some = { .memory = 100u << 20, .pids = 7, .cpus = 2 };

static char *
slurp(const char *dir, const char *name)
{
	struct ai_err err = { 0 };
	struct ai_buf b = AI_BUF(1 << 20);
	char *path = ai_join(dir, name);
	ai_buf_puts(&b, "");
	if (ai_read_file_if(AT_FDCWD, path, &b, &err) < 0)
		fail_msg("%s", err.text);
	free(path);
	return ai_buf_take(&b);
}

static void
expect_text(const char *dir, const char *name, const char *want)
{
	char *got = slurp(dir, name);
	assert_string_equal(got, want);
	free(got);
}

/* --- a step that is held to them ----------------------------------------------------------------- */

static void
expect_end(struct trial *t, const char *program, const char *text, ai_end_kind kind)
{
	trial_run(t, (const char *const[]){ program, "-c", text, NULL });
	if (t->code < 0)
		fail_msg("%s: %s", text, t->err.text);
	if (t->end.kind != kind)
		fail_msg("%s: ended %d with %d, expected %d; it said: %s", text, (int)t->end.kind, t->end.value, (int)kind, t->log);
}

static double
seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
one_hog(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	t.s.memory = 200u << 20;
	expect_end(&t, PYTHON, "b = [bytearray(b'x') * (1 << 20) for i in range(4000)]", AI_END_MEMORY);
	expect_end(&t, PYTHON, "b = bytearray(b'x') * (900 << 20); import time; time.sleep(9)", AI_END_MEMORY);
	trial_expect(&t, PYTHON, "b = bytearray(b'x') * (150 << 20)", 0);
	trial_end(&t);
}

static void
many_children_that_allocate(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	t.s.memory = 200u << 20;
	double t0 = seconds();
	expect_end(&t, PYTHON, "import os, time\nfor i in range(12):\n if os.fork() == 0: b = bytearray(b'x') * (30 << 20); time.sleep(60); os._exit(0)\n"
		"for i in range(12): os.wait()", AI_END_MEMORY);
	assert_true(seconds() - t0 < 50);
	trial_end(&t);
}

/* Workers that share what their parent loaded do not hold it once each. */
static void
shared_pages_count_once(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	t.s.memory = 300u << 20;
	trial_expect(&t, PYTHON, "import os, time, gc\ngc.disable()\nb = bytearray(b'x') * (150 << 20)\nfor i in range(8):\n if os.fork() == 0: time.sleep(0.7); os._exit(0)\n"
		"for i in range(8): os.wait()", 0);
	trial_end(&t);
}

static void
shared_memory_counts(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	t.s.memory = 200u << 20;
	expect_end(&t, PYTHON, "import time\nf = open('/dev/shm/x', 'wb')\nfor i in range(150): f.write(bytes(1 << 20))\nf.flush()\n"
		"b = bytearray(b'x') * (100 << 20)\ntime.sleep(60)", AI_END_MEMORY);
	trial_expect(&t, PYTHON, "import time, mmap\nf = open('/dev/shm/x', 'wb+')\nf.truncate(120 << 20)\nm = mmap.mmap(f.fileno(), 0)\n"
		"for i in range(0, 120 << 20, 4096): m[i] = 1\ntime.sleep(0.5)", 0);
	expect_end(&t, PYTHON, "import time, mmap\nm = mmap.mmap(-1, 400 << 20)\nfor i in range(0, 400 << 20, 4096): m[i] = 1\ntime.sleep(60)", AI_END_MEMORY);
	trial_end(&t);
}

/* A trainer that waits for a worker that was killed would wait for ever; one that does not look would succeed with half of its work. */
static void
nobody_outlives_a_breach(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	t.s.memory = 200u << 20;
	double t0 = seconds();
	expect_end(&t, "sh", PYTHON " -c 'b = bytearray(b\"x\") * (600 << 20); import time; time.sleep(5)' & sleep 60", AI_END_MEMORY);
	assert_true(seconds() - t0 < 50);
	expect_end(&t, "sh", PYTHON " -c 'b = bytearray(b\"x\") * (600 << 20); import time; time.sleep(5)'; exit 0", AI_END_MEMORY);
	trial_end(&t);
}

#define CHILDREN "import os, time, sys\nn = 0\ntry:\n while n < 500:\n  if os.fork() == 0: time.sleep(60); os._exit(0)\n  n += 1\nexcept BlockingIOError: pass\n"

static void
number_of_processes(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	t.s.pids = 50;
	t.s.time_s = 30;
	/* Whoever copes with it may. */
	trial_expect(&t, PYTHON, CHILDREN "assert n == 49, n", 0);
	expect_end(&t, PYTHON, CHILDREN "sys.exit(1)", AI_END_PIDS);
	expect_end(&t, PYTHON, "import threading, time\nfor i in range(500): threading.Thread(target=time.sleep, args=(2,)).start()", AI_END_PIDS);
	/* At once, so that nobody can have counted meanwhile; and below a shell, which leaves with it. */
	expect_end(&t, "sh", "for i in $(seq 100); do sleep 60 & done; exit 1", AI_END_PIDS);
	expect_end(&t, "sh", "sh -c 'for i in $(seq 100); do sleep 60 & done' || exit 1", AI_END_PIDS);
	/* A failure far from the limit is not its doing. */
	trial_expect(&t, "sh", "for i in $(seq 30); do sleep 60 & done; exit 3", 3);
	trial_expect(&t, "sh", "sleep 0.2 & sleep 0.2 & wait; exit 3", 3);
	trial_end(&t);
}

static void
fork_bomb(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	t.s.pids = 100;
	t.s.time_s = 3;
	double t0 = seconds();
	trial_run(&t, (const char *const[]){ "sh", "-c", "b() { b | b & }; b; while :; do sleep 1 || exit 1; done", NULL });
	if (t.code < 0)
		fail_msg("%s", t.err.text);
	/* Where no group counts, the bomb may have died of what it was refused before anybody looked: its shell says so. */
	bool refused = t.end.kind == AI_END_EXIT && t.end.value != 0 && strstr(t.log, "Cannot fork");
	if (!refused && t.end.kind != AI_END_PIDS && t.end.kind != AI_END_TIME)
		fail_msg("ended %d with %d; it said: %s", (int)t.end.kind, t.end.value, t.log);
	if (seconds() - t0 > 50)
		fail_msg("took %.1f s", seconds() - t0);
	/* Nothing of it is left, and the next step starts. */
	trial_expect(&t, "true", "", 0);
	trial_end(&t);
}

#define BURN "import os, time\ntry: os.sched_setaffinity(0, range(1024))\nexcept OSError: pass\n" \
	"for i in range(3): os.fork()\nend = time.monotonic() + 2\nwhile time.monotonic() < end: pass\n" \
	"while True:\n try: os.wait()\n except ChildProcessError: break\n" \
	"t = os.times()\nprint('cpu', t.user + t.system + t.children_user + t.children_system)\n"

/* Affinity is only where threads begin: a step that widens its own gains no time. */
static void
processors(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	t.s.cpus = 1;
	trial_expect(&t, "sh", "nproc", 0);
	assert_string_equal(t.log, "1\n");
	struct ai_keeper k;
	struct ai_rlimits r;
	ai_keeper_start(&t.s, &k, &r);
	bool held = k.group.holds & AI_HOLDS_CPUS;
	/* Whoever can have a group at all has one for this, if there are more processors to be had. */
	struct ai_cgroup any;
	ai_cgroup_make(&some, &any);
	if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
		assert_true(held == ((any.holds & AI_HOLDS_CPUS) != 0));
	for (size_t i = 0; i < k.group.n; i++)
		if (k.group.at[i].holds & AI_HOLDS_CPUS)
			expect_text(k.group.at[i].path, k.group.at[i].v2 ? "cpu.max" : "cpu.cfs_quota_us", k.group.at[i].v2 ? "100000 100000\n" : "100000\n");
	ai_cgroup_done(&any);
	ai_keeper_done(&k);
	if (held) {
		trial_expect(&t, PYTHON, BURN, 0);
		char *at = strstr(t.log, "cpu ");
		for (char *next; at && (next = strstr(at + 1, "cpu "));)
			at = next;
		assert_non_null(at);
		/* Two seconds of wall time: unlimited, eight processes would have used those of every processor. */
		if (strtod(at + 4, NULL) > 2.9)
			fail_msg("used %s", at);
	}
	trial_end(&t);
}

static void
sleeps_too_long(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	t.s.time_s = 0.5;
	expect_end(&t, "sh", "sleep 60", AI_END_TIME);
	double t0 = seconds();
	expect_end(&t, PYTHON, "import signal, os, time\nfor s in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(s, signal.SIG_IGN)\n"
		"os.fork(); os.setsid()\nwhile True: time.sleep(1)", AI_END_TIME);
	assert_true(seconds() - t0 < 50);
	trial_end(&t);
}

/* Root's steps leave no group behind. */
static void
no_group_is_left(void **state)
{
	(void)state;
	struct ai_cgroup g;
	ai_cgroup_make(&some, &g);
	char *paths[3] = { NULL };
	size_t n = g.n;
	if (geteuid() != 0)
		assert_true(n == 0 || g.holds);
	for (size_t i = 0; i < n; i++) {
		paths[i] = ai_strdup(g.at[i].path);
		assert_true(ai_exists(paths[i]));
	}
	ai_cgroup_done(&g);
	for (size_t i = 0; i < n; i++) {
		assert_false(ai_exists(paths[i]));
		free(paths[i]);
	}
}

static void
words(void **state)
{
	(void)state;
	static const struct { ai_end_kind kind; struct ai_sandbox s; const char *want; } all[] = {
		{ AI_END_MEMORY, { .memory = 512ull << 20 }, "memory limit (512M)" }, { AI_END_MEMORY, { .memory = 32ull << 30 }, "memory limit (32G)" },
		{ AI_END_MEMORY, { .memory = 1000 }, "memory limit (1000)" }, { AI_END_MEMORY, { .memory = 3ull << 40 }, "memory limit (3T)" },
		{ AI_END_MEMORY, { .memory = 2048ull << 40 }, "memory limit (2048T)" },
		{ AI_END_TIME, { .time_s = 10 }, "time limit (10s)" }, { AI_END_TIME, { .time_s = 5400 }, "time limit (1h30m)" },
		{ AI_END_TIME, { .time_s = 12 * 3600 }, "time limit (12h)" }, { AI_END_TIME, { .time_s = 90061 }, "time limit (1d1h1m1s)" },
		{ AI_END_PIDS, { .pids = 100 }, "process limit (100)" },
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		char *got = ai_limits_words(all[i].kind, &all[i].s);
		assert_non_null(got);
		assert_string_equal(got, all[i].want);
		free(got);
		assert_true(strlen(ai_limits_hint(all[i].kind)) > 0);
	}
	assert_null(ai_limits_words(AI_END_EXIT, &all[0].s));
	assert_string_equal(ai_limits_hint(AI_END_SIGNAL), "");
}

static int
tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(one_hog), cmocka_unit_test(many_children_that_allocate), cmocka_unit_test(shared_pages_count_once),
		cmocka_unit_test(shared_memory_counts), cmocka_unit_test(nobody_outlives_a_breach), cmocka_unit_test(number_of_processes),
		cmocka_unit_test(fork_bomb), cmocka_unit_test(processors), cmocka_unit_test(sleeps_too_long), cmocka_unit_test(no_group_is_left),
		cmocka_unit_test(words),
	};
	return cmocka_run_group_tests_name("limits", all, NULL, NULL);
}

int
main(void)
{
	return as_root_and_user(tests);
}

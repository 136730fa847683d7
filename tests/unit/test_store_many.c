/* test_store_many.c -- many processes at once, and processes that are killed at any moment.  SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/path.h"
#include "cache/check.h"
#include "cache/store.h"

enum { PROCESSES = 8, FILES = 40 };

struct fix {
	char *dir;
	struct ai_home home;
};

static int
setup(void **state)
{
	struct fix *f = calloc(1, sizeof *f);
	const char *tmp = getenv("TMPDIR");
	AI_FREE char *prefix = ai_format("%s/aicert-store", tmp ? tmp : "/tmp");
	ok(ai_mkdtemp(prefix, &f->dir, &err));
	AI_FREE char *root = ai_join(f->dir, "home");
	ok(ai_home_find(root, &f->home, &err));
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fix *f = *state;
	ok(ai_remove_tree(AT_FDCWD, f->dir, &err));
	ai_home_done(&f->home);
	free(f->dir);
	free(f);
	return 0;
}

static void
give_up(const char *what, const struct ai_err *err)
{
	fprintf(stderr, "%ld: %s: %s\n", (long)getpid(), what, err->text);
	_exit(1);
}

/* A folder of FILES files: half the same in every process, half this process's own; some too large for memory. */
static void
import(struct ai_store *s, int who, int round, struct ai_ref *out)
{
	const struct ai_sink *k = ai_store_sink(s);
	struct ai_err err = { 0 };
	struct ai_entry e[FILES];
	static char names[FILES][16];
	for (int i = 0; i < FILES; i++) {
		void *o;
		snprintf(names[i], sizeof names[i], "f%d", i);
		AI_FREE char *text = ai_format("%d %d %d", i, round, i % 2 ? who : -1);
		if (!text || k->begin(k->ctx, &o, &err) < 0)
			give_up("begin", &err);
		for (int n = 0; n < (i % 10 == 0 ? 200000 : 20); n++)
			if (k->write(o, text, strlen(text), &err) < 0)
				give_up("write", &err);
		e[i] = (struct ai_entry){ names[i], i % 7 ? AI_ENTRY_FILE : AI_ENTRY_EXEC, { { 0 } }, NULL };
		if (k->commit(o, &e[i].id, NULL, &err) < 0)
			give_up("commit", &err);
	}
	out->type = AI_REF_TREE;
	if (k->tree(k->ctx, e, FILES, &out->id, &err) < 0)
		give_up("tree", &err);
}

static void
one_of_many(const struct fix *f, int who)
{
	struct ai_err err = { 0 };
	struct ai_store *s;
	struct ai_ref mine, shared;
	AI_FREE char *path = NULL;
	AI_FREE char *key = ai_format("pin %d", who);
	AI_FREE char *dest = ai_format("%s/dest", f->dir);
	if (ai_store_open(&f->home, &s, &err) < 0)
		give_up("open", &err);
	import(s, who, 0, &mine);
	if (ai_store_put_pin(s, key, &mine, "none", &err) < 0)
		give_up("pin", &err);
	import(s, 1000, 1, &shared);
	if (ai_store_has(s, &shared, &err) != 1 || ai_store_has(s, &mine, &err) != 1)
		give_up("has", &err);
	if (ai_store_checked_out(s, &shared.id, &path, &err) < 0 || ai_store_checkout(s, &shared, dest, &err) < 0)
		give_up("checkout", &err);
	ai_store_close(s);
	_exit(0);
}

static void
check_all(const struct fix *f, struct ai_store_count *n)
{
	struct ai_store *s;
	ok(ai_store_open(&f->home, &s, &err));
	ok(ai_store_check(s, n, &err));
	ai_store_close(s);
}

static void
eight_at_once(void **state)
{
	struct fix *f = *state;
	pid_t pid[PROCESSES];
	fflush(NULL);
	for (int i = 0; i < PROCESSES; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] == 0)
			one_of_many(f, i);
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status;
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	struct ai_store_count n;
	check_all(f, &n);
	/* Shared: FILES of the common tree and the even half of the others; own: the odd half of each. */
	assert_int_equal(n.objects, FILES + FILES / 2 + PROCESSES * (FILES / 2));
	assert_int_equal(n.nodes, PROCESSES + 1);
	struct ai_store *s;
	ok(ai_store_open(&f->home, &s, &err));
	for (int i = 0; i < PROCESSES; i++) {
		AI_FREE char *key = ai_format("pin %d", i);
		struct ai_ref ref;
		char how[16];
		struct ai_err err = { 0 };
		assert_int_equal(ai_store_get_pin(s, key, &ref, how, &err), 1);
	}
	ai_store_close(s);
}

/* Imports without end; tells the parent of each pin after it was acknowledged. */
static void
until_killed(const struct fix *f, int who, int first, int tell)
{
	struct ai_err err = { 0 };
	struct ai_store *s;
	if (ai_store_open(&f->home, &s, &err) < 0)
		give_up("open", &err);
	for (int round = first;; round++) {
		struct ai_ref ref;
		char key[32];
		AI_FREE char *path = NULL;
		import(s, who, round, &ref);
		snprintf(key, sizeof key, "%d %d", who, round);
		if (ai_store_put_pin(s, key, &ref, "none", &err) < 0)
			give_up("pin", &err);
		if (write(tell, &(int[2]){ who, round }, 2 * sizeof(int)) != 2 * sizeof(int))
			_exit(2);
		if (ai_store_checked_out(s, &ref.id, &path, &err) < 0)
			give_up("checked out", &err);
	}
}

static void
acknowledged_pins_hold(const struct fix *f, int from, const int *old_rounds, int *rounds)
{
	struct ai_store *s;
	int ack[2];
	while (read(from, ack, sizeof ack) == sizeof ack)
		rounds[ack[0]] = ack[1] + 1;
	ok(ai_store_open(&f->home, &s, &err));
	for (int who = 0; who < 2; who++) {
		for (int r = old_rounds[who]; r < rounds[who]; r++) {
			char key[32], how[16];
			struct ai_ref ref;
			struct ai_err err = { 0 };
			snprintf(key, sizeof key, "%d %d", who, r);
			assert_int_equal(ai_store_get_pin(s, key, &ref, how, &err), 1);
		}
	}
	ai_store_close(s);
}

static void
killed_at_any_moment(void **state)
{
	struct fix *f = *state;
	const char *env = getenv("AICERT_LONG");
	int turns = env && strcmp(env, "1") == 0 ? 200 : 12;
	int rounds[2] = { 0, 0 };
	unsigned seed = 12345;
	for (int t = 0; t < turns; t++) {
		pid_t pid[2];
		int ends[2], old[2] = { rounds[0], rounds[1] };
		assert_int_equal(pipe(ends), 0);
		fflush(NULL);
		for (int i = 0; i < 2; i++) {
			pid[i] = fork();
			assert_true(pid[i] >= 0);
			if (pid[i] == 0)
				until_killed(f, i, rounds[i], ends[1]);
		}
		close(ends[1]);
		seed = seed * 1103515245u + 12345u;
		const struct timespec t1 = { .tv_nsec = (long)(seed >> 8) % 250 * 1000000 };
		nanosleep(&t1, NULL);
		for (int i = 0; i < 2; i++) {
			int status;
			kill(pid[i], SIGKILL);
			assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
			assert_true(WIFSIGNALED(status));
		}
		acknowledged_pins_hold(f, ends[0], old, rounds);
		close(ends[0]);
		struct ai_store_count n;
		check_all(f, &n);
	}
	/* The dead have left nothing behind. */
	AI_FREE char *tmp = ai_join(f->home.cache, "tmp");
	assert_int_equal(rmdir(tmp), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(eight_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_at_any_moment, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

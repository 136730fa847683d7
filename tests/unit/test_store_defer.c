/* test_store_defer.c -- promises kept later, and by another: what is there when, what a crash leaves, what is handed over.  SPDX-License-Identifier: Apache-2.0 */
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
#include "cache/objects.h"
#include "cache/store.h"

#define gives(want, call) do { struct ai_err err = { 0 }; int got = (call); \
	if (got != (want)) fail_msg("%s: got %d '%s', expected %d", #call, got, err.text, (want)); } while (0)

static struct ai_home home;
static char *dir;

static struct ai_store *
open_one(bool defer)
{
	struct ai_store *s;
	ok(ai_store_open(&home, &s, &err));
	if (defer)
		ai_store_defer(s);
	return s;
}

static int
setup(void **state)
{
	(void)state;
	const char *tmp = getenv("TMPDIR");
	AI_FREE char *prefix = ai_format("%s/aicert-defer", tmp ? tmp : "/tmp");
	ok(ai_mkdtemp(prefix, &dir, &err));
	AI_FREE char *root = ai_join(dir, "home");
	ok(ai_home_find(root, &home, &err));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	ok(ai_remove_tree(AT_FDCWD, dir, &err));
	ai_home_done(&home);
	free(dir);
	return 0;
}

static struct ai_ref
blob(struct ai_store *s, const char *text)
{
	struct ai_ref ref = { .type = AI_REF_BLOB };
	ok(ai_store_put_bytes(s, text, strlen(text), &ref.id, &err));
	return ref;
}

static struct ai_ref
tree(struct ai_store *s, const char *text)
{
	const struct ai_sink *k = ai_store_sink(s);
	const struct ai_ref in = blob(s, text);
	struct ai_entry e[] = { { (char *)"a", AI_ENTRY_FILE, in.id, NULL } };
	struct ai_ref ref = { .type = AI_REF_TREE };
	ok(k->tree(k->ctx, e, 1, &ref.id, &err));
	return ref;
}

static bool
named(struct ai_store *s, const struct ai_ref *ref)
{
	AI_FREE char *path = ai_store_object_path(s, &ref->id);
	return ai_exists(path);
}

static void
there_at_once_and_durable_later(void **state)
{
	(void)state;
	struct ai_store *s = open_one(true), *other = open_one(false);
	struct ai_ref a = blob(s, "one"), t = tree(s, "two");
	assert_true(named(s, &a));
	assert_true(ai_store_waits(s));
	assert_true(ai_store_tree_waits(s, &t.id));
	gives(1, ai_store_has(s, &a, &err));
	assert_true(ai_store_waits(s));
	gives(0, ai_store_has(other, &a, &err));
	gives(0, ai_store_has(other, &t, &err));
	ok(ai_store_flush(s, &err));
	assert_false(ai_store_waits(s));
	gives(1, ai_store_has(other, &a, &err));
	gives(1, ai_store_has(other, &t, &err));
	/* What is asked for by its row settles by itself: so does the closing. */
	t = tree(s, "three");
	gives(1, ai_store_has(s, &t, &err));
	gives(1, ai_store_has(other, &t, &err));
	a = blob(s, "four");
	AI_BUF_AUTO b = AI_BUF(100);
	ok(ai_store_get_bytes(s, &a.id, &b, &err));
	assert_string_equal(b.data, "four");
	a = blob(s, "five");
	ai_store_close(s);
	gives(1, ai_store_has(other, &a, &err));
	ai_store_close(other);
}

static struct ai_digest
node(struct ai_store *s, const char *text)
{
	struct ai_digest id;
	AI_JSON *j = NULL;
	ok(ai_json_parse(text, strlen(text), "node", &j, &err));
	ok(ai_store_put_node(s, j, &id, &err));
	return id;
}

#define HEX "1111111111111111111111111111111111111111111111111111111111111111"
static const char environment[] = "{\"kind\":\"environment\",\"host\":true,\"platform\":\"linux/amd64\"}";
static const char result[] = "{\"kind\":\"result\",\"step\":\"" HEX "\",\"outputs\":[{\"name\":\"m\",\"blob\":\"" HEX "\"}]}";

static size_t
n_results(struct ai_store *s, const struct ai_digest *step)
{
	AI_FREE struct ai_digest *ids = NULL;
	size_t n = 0;
	ok(ai_store_results(s, step, &ids, &n, &err));
	return n;
}

static void
results_are_found_when_they_are_durable(void **state)
{
	(void)state;
	struct ai_store *s = open_one(true);
	struct ai_digest step, id, none = { { 0 } };
	assert_true(ai_unhex(HEX, &step));
	refused(AI_EENV, "before its node", ai_store_add_result(s, &step, &none, &err));
	id = node(s, result);
	ok(ai_store_add_result(s, &step, &id, &err));
	assert_int_equal(n_results(s, &step), 0);
	/* An attestation that names it comes after it. */
	struct ai_digest claims;
	char hex[AI_HEX];
	ai_hex(&id, hex);
	AI_JSON *attestation = json_pack("{s:{s:[s]}}", "claims", "executed", hex);
	ok(ai_store_put_attestation(s, attestation, &claims, &err));
	assert_int_equal(n_results(s, &step), 1);
	assert_false(ai_store_waits(s));
	AI_JSON *back = NULL;
	gives(1, ai_store_get_node(s, &id, &back, &err));
	ai_store_close(s);
}

/* A name without a row, with the looks of an object and other bytes: a power cut between name and sync. */
static void
what_a_power_cut_left_is_replaced(void **state)
{
	(void)state;
	for (int defer = 0; defer < 2; defer++) {
		static const char *const texts[] = { "these very bytes", "those very bytes" };
		struct ai_store *s = open_one(false);
		struct ai_ref ref = { .type = AI_REF_BLOB };
		ai_sha256(texts[defer], strlen(texts[defer]), &ref.id);
		AI_FREE char *path = ai_store_object_path(s, &ref.id);
		AI_FREE char *above = ai_strndup(path, (size_t)(strrchr(path, '/') - path));
		ok(ai_mkdirs(above, 0755, &err));
		ok(ai_write_file(AT_FDCWD, path, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, 0444, &err));
		assert_int_equal(utimensat(AT_FDCWD, path, ai_object_times, 0), 0);
		gives(0, ai_store_has(s, &ref, &err));
		if (defer)
			ai_store_defer(s);
		struct ai_ref put = blob(s, texts[defer]);
		assert_true(ai_digest_eq(&put.id, &ref.id));
		AI_BUF_AUTO b = AI_BUF(100);
		ok(ai_store_get_bytes(s, &ref.id, &b, &err));
		assert_string_equal(b.data, texts[defer]);
		ai_store_close(s);
	}
}

/* The first one's file stays when it is good: checkouts may be links to it. */
static void
what_another_has_just_put_there_stays(void **state)
{
	(void)state;
	struct ai_store *a = open_one(true), *b = open_one(true);
	struct ai_ref ref = blob(a, "the same");
	struct stat first, second;
	AI_FREE char *path = ai_store_object_path(a, &ref.id);
	assert_int_equal(stat(path, &first), 0);
	blob(b, "the same");
	assert_int_equal(stat(path, &second), 0);
	assert_int_equal(first.st_ino, second.st_ino);
	ai_store_close(b);
	ai_store_close(a);
}

static void
handed_over(void **state)
{
	(void)state;
	struct ai_store *a = open_one(true), *b = open_one(true), *reader = open_one(false);
	AI_BUF_AUTO bytes = AI_BUF(1 << 20);
	struct ai_ref one = blob(a, "one"), t = tree(a, "two");
	struct ai_digest env = node(a, environment);
	ok(ai_store_hand_over(a, &bytes, &err));
	assert_false(ai_store_waits(a));
	assert_true(bytes.len > 0);
	gives(1, ai_store_has(a, &one, &err));
	for (size_t n = 1; n < bytes.len; n++) {
		struct ai_store *cut = open_one(true);
		/* Of its own memory only: beyond it a sanitizer would speak. */
		AI_FREE char *part = malloc(n);
		memcpy(part, bytes.data, n);
		refused(AI_EENV, "cut short", ai_store_take_over(cut, part, n, &err));
		/* It never gets to keep what it took. */
		AI_BUF_AUTO away = AI_BUF(1 << 20);
		ok(ai_store_hand_over(cut, &away, &err));
		ai_store_close(cut);
		if (n > 200)
			n += 50;
	}
	gives(0, ai_store_has(reader, &one, &err));
	ok(ai_store_take_over(b, bytes.data, bytes.len, &err));
	ok(ai_store_take_over(b, bytes.data, bytes.len, &err));
	ok(ai_store_flush(b, &err));
	gives(1, ai_store_has(reader, &one, &err));
	gives(1, ai_store_has(reader, &t, &err));
	AI_JSON *back = NULL;
	gives(1, ai_store_get_node(reader, &env, &back, &err));
	ok(ai_store_take_over(b, "", 0, &err));
	ai_store_close(a);
	ai_store_close(b);
	struct ai_store_count count;
	ok(ai_store_check(reader, &count, &err));
	assert_int_equal(count.objects, 2);
	ai_store_close(reader);
}

/* Much is made durable where it is. */
static void
too_much_to_hand_over(void **state)
{
	(void)state;
	enum { N = 4000 };
	struct ai_store *a = open_one(true), *reader = open_one(false);
	const struct ai_sink *k = ai_store_sink(a);
	struct ai_ref file = blob(a, "x"), last = { .type = AI_REF_TREE };
	AI_FREE struct ai_entry *e = ai_calloc(N, sizeof *e);
	for (int turn = 0; turn < 12; turn++) {
		for (size_t i = 0; i < N; i++)
			e[i] = (struct ai_entry){ ai_format("f%d-%06zu", turn, i), AI_ENTRY_FILE, file.id, NULL };
		ok(k->tree(k->ctx, e, N, &last.id, &err));
		for (size_t i = 0; i < N; i++)
			free(e[i].name);
	}
	AI_BUF_AUTO bytes = AI_BUF(1 << 30);
	ok(ai_store_hand_over(a, &bytes, &err));
	assert_int_equal(bytes.len, 0);
	gives(1, ai_store_has(reader, &last, &err));
	ai_store_close(a);
	ai_store_close(reader);
}

/* Three processes put the same things at the same time, one is killed again and again; what is left is whole. */
static void
at_once_and_killed(void **state)
{
	(void)state;
	pid_t pids[3];
	for (size_t i = 0; i < 3; i++) {
		fflush(NULL);
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i])
			continue;
		for (int k = 0; k < 60; k++) {
			char text[64];
			struct ai_store *s = open_one(true);
			for (int n = 0; n < 5; n++) {
				snprintf(text, sizeof text, "object %d", k * 5 + n);
				blob(s, text);
			}
			snprintf(text, sizeof text, "tree %d", k);
			tree(s, text);
			ai_store_close(s);
		}
		_exit(0);
	}
	nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
	kill(pids[0], SIGKILL);
	for (size_t i = 0; i < 3; i++) {
		int status;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, i == 0 && WIFSIGNALED(status) ? SIGKILL : 0);
	}
	struct ai_store *s = open_one(false);
	struct ai_store_count count;
	ok(ai_store_check(s, &count, &err));
	assert_int_equal(count.objects, 360);
	ai_store_close(s);
}

int
main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(there_at_once_and_durable_later), T(results_are_found_when_they_are_durable), T(what_a_power_cut_left_is_replaced),
		T(what_another_has_just_put_there_stays), T(handed_over), T(too_much_to_hand_over), T(at_once_and_killed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

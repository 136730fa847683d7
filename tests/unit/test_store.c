/* test_store.c -- the store: round trips, damage, formats, folders.  SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/path.h"
#include "cache/check.h"
#include "cache/objects.h"
#include "cache/store.h"

/* The answer of a predicate that can fail. */
#define gives(want, call) do { struct ai_err err = { 0 }; int got = (call); \
	if (got != (want)) fail_msg("%s: got %d '%s', expected %d", #call, got, err.text, (want)); } while (0)

struct fix {
	char *dir;
	struct ai_home home;
	struct ai_store *s;
};

static void
open_store(struct fix *f)
{
	ok(ai_store_open(&f->home, &f->s, &err));
}

static void
reopen(struct fix *f)
{
	ai_store_close(f->s);
	open_store(f);
}

static int
setup(void **state)
{
	struct fix *f = calloc(1, sizeof *f);
	const char *tmp = getenv("TMPDIR");
	char *prefix = ai_format("%s/aicert-store", tmp ? tmp : "/tmp"), *root;
	ok(ai_mkdtemp(prefix, &f->dir, &err));
	free(prefix);
	root = ai_join(f->dir, "home");
	ok(ai_home_find(root, &f->home, &err));
	free(root);
	open_store(f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fix *f = *state;
	ai_store_close(f->s);
	ok(ai_remove_tree(AT_FDCWD, f->dir, &err));
	ai_home_done(&f->home);
	free(f->dir);
	free(f);
	return 0;
}

static char *
path_in(const struct fix *f, const char *name)
{
	return ai_join(f->dir, name);
}

/* Names in a folder; its link count does not tell on every file system. */
static size_t
names_in(const char *dir)
{
	size_t n = 0;
	DIR *d = opendir(dir);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void
write_text(const struct fix *f, const char *name, const char *text)
{
	AI_FREE char *p = path_in(f, name);
	ok(ai_write_file(AT_FDCWD, p, text, strlen(text), 0644, &err));
}

/* Writes into an object as its owner could, leaving size alone; the mtime is put back when asked, so that stat shows nothing. */
static void
spoil(struct fix *f, const struct ai_digest *id, bool quietly)
{
	AI_FREE char *p = ai_store_object_path(f->s, id);
	assert_int_equal(chmod(p, 0644), 0);
	int fd = open(p, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "X", 1, 0), 1);
	if (quietly) {
		assert_int_equal(futimens(fd, ai_object_times), 0);
		assert_int_equal(fchmod(fd, 0444), 0);
	}
	close(fd);
}

/* A tree with every type of entry: file, exec, dir with a file, link. */
static void
put_tree(struct fix *f, struct ai_ref *out)
{
	const struct ai_sink *k = ai_store_sink(f->s);
	struct ai_digest hello, run, inner;
	void *o;
	ok(k->begin(k->ctx, &o, &err));
	ok(k->write(o, "hel", 3, &err));
	ok(k->write(o, "lo\n", 3, &err));
	uint64_t size;
	ok(k->commit(o, &hello, &size, &err));
	assert_int_equal(size, 6);
	write_text(f, "run.sh", "#!/bin/sh\n");
	AI_FREE char *p = path_in(f, "run.sh");
	ok(k->file(k->ctx, AT_FDCWD, p, &run, &size, &err));
	assert_int_equal(size, 10);
	char n1[] = "hello.txt", n2[] = "run.sh", n3[] = "dir", n4[] = "link", t4[] = "dir/hello.txt", n5[] = "empty";
	struct ai_digest nothing;
	ok(k->tree(k->ctx, NULL, 0, &nothing, &err));
	struct ai_entry in[] = { { n1, AI_ENTRY_FILE, hello, NULL } };
	ok(k->tree(k->ctx, in, 1, &inner, &err));
	struct ai_entry top[] = { { n2, AI_ENTRY_EXEC, run, NULL }, { n3, AI_ENTRY_DIR, inner, NULL }, { n4, AI_ENTRY_LINK, { { 0 } }, t4 },
		{ n1, AI_ENTRY_FILE, hello, NULL }, { n5, AI_ENTRY_DIR, nothing, NULL } };
	out->type = AI_REF_TREE;
	ok(k->tree(k->ctx, top, 5, &out->id, &err));
}

static void
read_text(const char *dir, const char *name, const char *want)
{
	AI_BUF_AUTO b = AI_BUF(1 << 20);
	AI_FREE char *p = ai_join(dir, name);
	ok(ai_read_file(AT_FDCWD, p, &b, &err));
	assert_string_equal(b.data, want);
}

static struct stat
stat_of(const char *dir, const char *name)
{
	struct stat st;
	AI_FREE char *p = ai_join(dir, name);
	assert_int_equal(lstat(p, &st), 0);
	return st;
}

static void
bytes_round_trip(void **state)
{
	struct fix *f = *state;
	struct ai_digest id, want;
	ok(ai_store_put_bytes(f->s, "abc", 3, &id, &err));
	ai_sha256("abc", 3, &want);
	assert_true(ai_digest_eq(&id, &want));
	ok(ai_store_put_bytes(f->s, "abc", 3, &id, &err));
	reopen(f);
	AI_BUF_AUTO b = AI_BUF(16);
	ok(ai_store_get_bytes(f->s, &id, &b, &err));
	assert_string_equal(b.data, "abc");
	/* The ceiling is the caller's, and a failure leaves the buffer as it was. */
	AI_BUF_AUTO small = AI_BUF(2);
	refused(AI_EINPUT, "too large", ai_store_get_bytes(f->s, &id, &small, &err));
	assert_int_equal(small.len, 0);
	/* Nothing at all is content as well. */
	ok(ai_store_put_bytes(f->s, "", 0, &id, &err));
	ai_buf_clear(&b);
	ok(ai_store_get_bytes(f->s, &id, &b, &err));
	assert_int_equal(b.len, 0);
	ai_sha256("absent", 6, &id);
	refused(AI_EINPUT, "not in the store", ai_store_get_bytes(f->s, &id, &b, &err));
}

static void
object_has_fixed_mode_and_time(void **state)
{
	struct fix *f = *state;
	struct ai_digest id;
	ok(ai_store_put_bytes(f->s, "abc", 3, &id, &err));
	AI_FREE char *p = ai_store_object_path(f->s, &id);
	struct stat st;
	assert_int_equal(stat(p, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0444);
	assert_int_equal(st.st_mtime, 315532800);
	assert_non_null(strstr(p, "/objects/ba/7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
}

static void
quiet_damage_is_found_by_hash(void **state)
{
	struct fix *f = *state;
	struct ai_digest id;
	struct ai_ref ref = { AI_REF_BLOB, { { 0 } } };
	ok(ai_store_put_bytes(f->s, "precious", 8, &id, &err));
	spoil(f, &id, true);
	AI_BUF_AUTO b = AI_BUF(64);
	struct ai_err e = { 0 };
	assert_int_equal(ai_store_get_bytes(f->s, &id, &b, &e), AI_EINPUT);
	char hex[AI_HEX];
	ai_hex(&id, hex);
	AI_FREE char *want = ai_format("cache: object %.12s…: content hashes to ", hex);
	assert_memory_equal(e.text, want, strlen(want));
	assert_non_null(strstr(e.text, ": removed"));
	assert_true(e.hint[0] != '\0');
	assert_int_equal(b.len, 0);
	AI_FREE char *p = ai_store_object_path(f->s, &id);
	assert_false(ai_exists(p));
	ref.id = id;
	ok(ai_store_has(f->s, &ref, &err));
	gives(0, ai_store_has(f->s, &ref, &err));
	/* Brought again, it is whole again. */
	ok(ai_store_put_bytes(f->s, "precious", 8, &id, &err));
	ok(ai_store_get_bytes(f->s, &id, &b, &err));
}

static void
loud_damage_is_found_by_stat(void **state)
{
	struct fix *f = *state;
	struct ai_ref ref = { AI_REF_BLOB, { { 0 } } };
	ok(ai_store_put_bytes(f->s, "written through", 15, &ref.id, &err));
	reopen(f);
	spoil(f, &ref.id, false);
	gives(0, ai_store_has(f->s, &ref, &err));
	/* Another size. */
	ok(ai_store_put_bytes(f->s, "cut short", 9, &ref.id, &err));
	reopen(f);
	AI_FREE char *p = ai_store_object_path(f->s, &ref.id);
	assert_int_equal(chmod(p, 0644), 0);
	assert_int_equal(truncate(p, 4), 0);
	AI_FREE char *dest = path_in(f, "out");
	refused(AI_EINPUT, "got 4 bytes, expected 9: removed", ai_store_checkout(f->s, &ref, dest, &err));
	assert_false(ai_exists(dest));
	/* Touched but whole: mended. */
	ok(ai_store_put_bytes(f->s, "touched", 7, &ref.id, &err));
	reopen(f);
	AI_FREE char *q = ai_store_object_path(f->s, &ref.id);
	assert_int_equal(chmod(q, 0600), 0);
	assert_int_equal(utimensat(AT_FDCWD, q, NULL, 0), 0);
	gives(1, ai_store_has(f->s, &ref, &err));
	struct stat st;
	assert_int_equal(stat(q, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0444);
	assert_int_equal(st.st_mtime, 315532800);
}

static void
tree_checks_out_and_exports(void **state)
{
	struct fix *f = *state;
	struct ai_ref tree;
	put_tree(f, &tree);
	reopen(f);
	gives(1, ai_store_has(f->s, &tree, &err));
	AI_FREE char *dest = path_in(f, "checkout");
	ok(ai_store_checkout(f->s, &tree, dest, &err));
	read_text(dest, "dir/hello.txt", "hello\n");
	read_text(dest, "link", "hello\n");
	assert_int_equal(stat_of(dest, "").st_mode & 07777, 0755);
	assert_int_equal(stat_of(dest, "run.sh").st_mode & 07777, 0555);
	assert_int_equal(stat_of(dest, "hello.txt").st_mode & 07777, 0444);
	assert_true(stat_of(dest, "hello.txt").st_nlink >= 3);
	assert_int_equal(stat_of(dest, "run.sh").st_nlink, 1);
	const char *const all[] = { "", "run.sh", "hello.txt", "dir", "dir/hello.txt", "link", "empty" };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		assert_int_equal(stat_of(dest, all[i]).st_mtime, 315532800);
	/* The same again is fine (another process was first); something else in its place is not. */
	ok(ai_store_checkout(f->s, &tree, dest, &err));
	AI_FREE char *extra = ai_join(dest, "extra");
	ok(ai_write_file(AT_FDCWD, extra, "", 0, 0444, &err));
	refused(AI_EINPUT, "is already there", ai_store_checkout(f->s, &tree, dest, &err));

	AI_FREE char *out = path_in(f, "export");
	umask(077);
	ok(ai_store_export(f->s, &tree, out, &err));
	umask(022);
	read_text(out, "dir/hello.txt", "hello\n");
	assert_int_equal(stat_of(out, "").st_mode & 07777, 0755);
	assert_int_equal(stat_of(out, "dir").st_mode & 07777, 0755);
	assert_int_equal(stat_of(out, "run.sh").st_mode & 07777, 0755);
	assert_int_equal(stat_of(out, "hello.txt").st_mode & 07777, 0644);
	assert_int_equal(stat_of(out, "hello.txt").st_nlink, 1);
	refused(AI_EINPUT, "is already there", ai_store_export(f->s, &tree, out, &err));
}

static void
export_finds_what_stat_cannot(void **state)
{
	struct fix *f = *state;
	struct ai_ref ref = { AI_REF_BLOB, { { 0 } } };
	ok(ai_store_put_bytes(f->s, "model weights", 13, &ref.id, &err));
	AI_FREE char *out = path_in(f, "model");
	ok(ai_store_export(f->s, &ref, out, &err));
	read_text(f->dir, "model", "model weights");
	assert_int_equal(unlink(out), 0);
	spoil(f, &ref.id, true);
	refused(AI_EINPUT, "content hashes to", ai_store_export(f->s, &ref, out, &err));
	assert_false(ai_exists(out));
}

static void
kept_checkout_is_made_once_and_mended(void **state)
{
	struct fix *f = *state;
	struct ai_ref tree;
	AI_FREE char *a = NULL;
	AI_FREE char *b = NULL;
	put_tree(f, &tree);
	ok(ai_store_checked_out(f->s, &tree.id, &a, &err));
	ino_t before = stat_of(a, "").st_ino;
	reopen(f);
	ok(ai_store_checked_out(f->s, &tree.id, &b, &err));
	assert_string_equal(a, b);
	assert_int_equal(stat_of(b, "").st_ino, before);
	/* Somebody edits the executable copy in place, keeping its size. */
	AI_FREE char *run = ai_join(a, "run.sh");
	assert_int_equal(chmod(run, 0755), 0);
	int fd = open(run, O_WRONLY);
	assert_int_equal(pwrite(fd, "X", 1, 0), 1);
	close(fd);
	assert_int_equal(chmod(run, 0555), 0);
	reopen(f);
	AI_FREE char *c = NULL;
	ok(ai_store_checked_out(f->s, &tree.id, &c, &err));
	read_text(c, "run.sh", "#!/bin/sh\n");
	/* Somebody adds a file. */
	AI_FREE char *extra = ai_join(c, "dir/sitecustomize.py");
	ok(ai_write_file(AT_FDCWD, extra, "evil", 4, 0444, &err));
	reopen(f);
	AI_FREE char *d = NULL;
	ok(ai_store_checked_out(f->s, &tree.id, &d, &err));
	assert_false(ai_exists(extra));
}

static void
tree_with_a_hole_is_absent(void **state)
{
	struct fix *f = *state;
	struct ai_ref tree;
	struct ai_digest hello;
	put_tree(f, &tree);
	reopen(f);
	ai_sha256("hello\n", 6, &hello);
	AI_FREE char *p = ai_store_object_path(f->s, &hello);
	assert_int_equal(unlink(p), 0);
	gives(0, ai_store_has(f->s, &tree, &err));
	AI_FREE char *dest = path_in(f, "checkout");
	refused(AI_EINPUT, "not in the store", ai_store_checkout(f->s, &tree, dest, &err));
	assert_false(ai_exists(dest));
	struct ai_store_count n;
	refused(AI_EINPUT, "not in the store", ai_store_check(f->s, &n, &err));
}

static void
blob_of_a_trees_bytes_is_no_tree(void **state)
{
	struct fix *f = *state;
	static const char bytes[] = "{\"entries\":[],\"kind\":\"tree\"}";
	struct ai_ref ref = { AI_REF_BLOB, { { 0 } } };
	ok(ai_store_put_bytes(f->s, bytes, sizeof bytes - 1, &ref.id, &err));
	gives(1, ai_store_has(f->s, &ref, &err));
	ref.type = AI_REF_TREE;
	gives(0, ai_store_has(f->s, &ref, &err));
	const struct ai_sink *k = ai_store_sink(f->s);
	struct ai_digest id;
	ok(k->tree(k->ctx, NULL, 0, &id, &err));
	assert_true(ai_digest_eq(&id, &ref.id));
	gives(1, ai_store_has(f->s, &ref, &err));
}

static void
objects_large_small_and_aborted(void **state)
{
	struct fix *f = *state;
	const struct ai_sink *k = ai_store_sink(f->s);
	enum { BIG = 5 << 20 };
	char *big = malloc(BIG);
	assert_non_null(big);
	for (size_t i = 0; i < BIG; i++)
		big[i] = (char)(i * 31 + i / 4096);
	struct ai_digest want, got, by_file;
	ai_sha256(big, BIG, &want);
	void *o, *half;
	ok(k->begin(k->ctx, &half, &err));
	ok(k->write(half, big, 3 << 20, &err));
	ok(k->begin(k->ctx, &o, &err));
	for (size_t at = 0; at < BIG; at += 4099)
		ok(k->write(o, big + at, at + 4099 < BIG ? 4099 : BIG - at, &err));
	ok(k->commit(o, &got, NULL, &err));
	assert_true(ai_digest_eq(&want, &got));
	k->abort(half);
	AI_FREE char *p = path_in(f, "big");
	ok(ai_write_file(AT_FDCWD, p, big, BIG, 0600, &err));
	ok(k->file(k->ctx, AT_FDCWD, p, &by_file, NULL, &err));
	assert_true(ai_digest_eq(&want, &by_file));
	AI_BUF_AUTO b = AI_BUF(BIG);
	ok(ai_store_get_bytes(f->s, &got, &b, &err));
	assert_memory_equal(b.data, big, BIG);
	/* Left open on purpose: closing the store ends it. */
	ok(k->begin(k->ctx, &half, &err));
	ok(k->write(half, big, 3 << 20, &err));
	free(big);
	reopen(f);
	struct ai_store_count n;
	ok(ai_store_check(f->s, &n, &err));
	assert_int_equal(n.objects, 1);
}

static void
what_is_no_file_is_refused(void **state)
{
	struct fix *f = *state;
	const struct ai_sink *k = ai_store_sink(f->s);
	struct ai_digest id;
	AI_FREE char *fifo = path_in(f, "fifo");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	refused(AI_EINPUT, "not a plain file", k->file(k->ctx, AT_FDCWD, fifo, &id, NULL, &err));
	refused(AI_EINPUT, "not a plain file", k->file(k->ctx, AT_FDCWD, f->dir, &id, NULL, &err));
	refused(AI_EINPUT, "not a plain file", ai_store_hash_file(f->s, AT_FDCWD, "/dev/zero", &id, &err));
	refused(AI_EINPUT, "cannot open", ai_store_hash_file(f->s, AT_FDCWD, "/nonexistent", &id, &err));
}

static void
newer_format_is_refused_untouched(void **state)
{
	struct fix *f = *state;
	struct ai_digest id;
	ok(ai_store_put_bytes(f->s, "abc", 3, &id, &err));
	ai_store_close(f->s);
	f->s = NULL;
	AI_FREE char *db = ai_join(f->home.cache, "store.db");
	/* user_version stands at bytes 60 to 63 of the file, most significant first (SQLite file format, 1.3). */
	int fd = open(db, O_RDWR);
	assert_int_equal(pwrite(fd, "\0\0\0\x63", 4, 60), 4);
	close(fd);
	AI_BUF_AUTO before = AI_BUF(1 << 24);
	AI_BUF_AUTO after = AI_BUF(1 << 24);
	ok(ai_read_file(AT_FDCWD, db, &before, &err));
	struct ai_store *s = (void *)0xaa;
	refused(AI_EENV, "newer aicert: got format 99, expected at most 1", ai_store_open(&f->home, &s, &err));
	assert_ptr_equal(s, (void *)0xaa);
	ok(ai_read_file(AT_FDCWD, db, &after, &err));
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.data, after.data, before.len);
	fd = open(db, O_RDWR);
	assert_int_equal(pwrite(fd, "\0\0\0\x01", 4, 60), 4);
	close(fd);
	open_store(f);
}

static void
garbage_for_a_database_is_refused(void **state)
{
	struct fix *f = *state;
	ai_store_close(f->s);
	f->s = NULL;
	AI_FREE char *db = ai_join(f->home.cache, "store.db");
	ok(ai_write_file(AT_FDCWD, db, "this is no database, only text that is long enough to look like one: "
		"this is no database, only text that is long enough", 119, 0644, &err));
	struct ai_err e = { 0 };
	struct ai_store *s;
	assert_int_equal(ai_store_open(&f->home, &s, &e), AI_EENV);
	assert_non_null(strstr(e.text, "cache: store.db: "));
	assert_non_null(strstr(e.hint, "remove the cache folder"));
	assert_int_equal(unlink(db), 0);
}

/* In a child, as a user who may not write there. */
static void
unwritable_home_is_an_error_of_the_machine(void **state)
{
	struct fix *f = *state;
	if (geteuid() != 0) {
		skip();
	}
	ai_store_close(f->s);
	f->s = NULL;
	assert_int_equal(chmod(f->dir, 0755), 0);
	assert_int_equal(chmod(f->home.data, 0755), 0);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		struct ai_err err = { 0 };
		struct ai_store *s;
		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(9);
		_exit(ai_store_open(&f->home, &s, &err) == AI_EENV && err.text[0] ? 0 : 1);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
nothing_is_written_outside_the_home(void **state)
{
	struct fix *f = *state;
	struct ai_ref tree;
	AI_FREE char *p = NULL;
	put_tree(f, &tree);
	ok(ai_store_checked_out(f->s, &tree.id, &p, &err));
	reopen(f);
	AI_FREE char *cmd = path_in(f, "run.sh");
	assert_int_equal(unlink(cmd), 0);
	/* Besides what the test wrote there is only the home. */
	AI_FREE char *home = path_in(f, "home");
	assert_int_equal(names_in(f->dir), 1);
	assert_true(ai_exists(home));
}

static void
sessions_of_the_dead_are_swept(void **state)
{
	struct fix *f = *state;
	AI_FREE char *tmp = ai_join(f->home.cache, "tmp");
	fflush(NULL);
	int ready[2];
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct ai_err err = { 0 };
		struct ai_store *s;
		void *o;
		char *big = calloc(1, 3 << 20);
		if (ai_store_open(&f->home, &s, &err) < 0)
			_exit(1);
		const struct ai_sink *k = ai_store_sink(s);
		if (!big || k->begin(k->ctx, &o, &err) < 0 || k->write(o, big, 3 << 20, &err) < 0)
			_exit(2);
		(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	char c;
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	reopen(f);
	assert_int_equal(names_in(tmp), 1); /* the living one stays */
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	reopen(f);
	assert_int_equal(names_in(tmp), 0);
}

int
main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(bytes_round_trip), T(object_has_fixed_mode_and_time), T(quiet_damage_is_found_by_hash), T(loud_damage_is_found_by_stat),
		T(tree_checks_out_and_exports), T(export_finds_what_stat_cannot), T(kept_checkout_is_made_once_and_mended),
		T(tree_with_a_hole_is_absent), T(blob_of_a_trees_bytes_is_no_tree), T(objects_large_small_and_aborted),
		T(what_is_no_file_is_refused), T(newer_format_is_refused_untouched), T(garbage_for_a_database_is_refused),
		T(unwritable_home_is_an_error_of_the_machine), T(nothing_is_written_outside_the_home), T(sessions_of_the_dead_are_swept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_base_fs.c -- files, folders, copies, absolute paths, the home.  SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/home.h"

static char *dir;

static int
enter(void **state)
{
	(void)state;
	struct ai_err err = { 0 };
	const char *tmp = getenv("TMPDIR");
	AI_FREE char *prefix = ai_format("%s/aicert-fs", tmp && *tmp ? tmp : "/tmp");
	return ai_mkdtemp(prefix, &dir, &err) < 0 || chdir(dir) < 0;
}

static int
leave(void **state)
{
	(void)state;
	struct ai_err err = { 0 };
	int r = chdir("/") < 0 || ai_remove_tree(AT_FDCWD, dir, &err) < 0;
	free(dir);
	return r;
}

static size_t
n_entries(const char *path)
{
	size_t n = 0;
	DIR *d = opendir(path);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	return n;
}

static void
assert_file(const char *path, const char *want, size_t n)
{
	AI_BUF_AUTO b = AI_BUF(1 << 24);
	ok(ai_read_file(AT_FDCWD, path, &b, &err));
	assert_int_equal(b.len, n);
	assert_memory_equal(b.data, want, n);
}

static void
test_write_replaces_whole(void **state)
{
	(void)state;
	assert_int_equal(mkdir("w", 0755), 0);
	ok(ai_write_file(AT_FDCWD, "w/f", "first, longer", 13, 0600, &err));
	ok(ai_write_file(AT_FDCWD, "w/f", "second", 6, 0644, &err));
	assert_file("w/f", "second", 6);
	ok(ai_write_file(AT_FDCWD, "w/empty", "", 0, 0644, &err));
	assert_file("w/empty", "", 0);
	struct stat st;
	assert_int_equal(stat("w/f", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(n_entries("w"), 2);
	ok(ai_write_file(AT_FDCWD, "top", "x", 1, 0644, &err));
}

static void
test_write_replaces_a_link_and_not_its_target(void **state)
{
	(void)state;
	ok(ai_write_file(AT_FDCWD, "target", "kept", 4, 0644, &err));
	assert_int_equal(symlink("target", "link"), 0);
	ok(ai_write_file(AT_FDCWD, "link", "new", 3, 0644, &err));
	assert_file("target", "kept", 4);
	assert_file("link", "new", 3);
}

static void
test_write_that_fails_leaves_nothing(void **state)
{
	(void)state;
	assert_int_equal(mkdir("busy", 0755), 0);
	assert_int_equal(mkdir("busy/d", 0755), 0);
	refused(AI_EENV, "busy/d", ai_write_file(AT_FDCWD, "busy/d", "x", 1, 0644, &err));
	assert_int_equal(n_entries("busy"), 1);
	refused(AI_EENV, "none/f", ai_write_file(AT_FDCWD, "none/f", "x", 1, 0644, &err));
}

static void
test_reads(void **state)
{
	(void)state;
	AI_BUF_AUTO b = AI_BUF(4);
	refused(AI_EINPUT, "absent: no such file", ai_read_file(AT_FDCWD, "absent", &b, &err));
	struct ai_err none = { 0 };
	assert_int_equal(ai_read_file_if(AT_FDCWD, "absent", &b, &none), 0);
	ok(ai_write_file(AT_FDCWD, "five", "12345", 5, 0644, &err));
	assert_int_equal(ai_read_file_if(AT_FDCWD, "five/below", &b, &none), 0);
	refused(AI_EINPUT, "five: too large: got more than 4", ai_read_file(AT_FDCWD, "five", &b, &err));
	refused(AI_EINPUT, "cannot read", ai_read_file(AT_FDCWD, ".", &(struct ai_buf){ .max = 9 }, &err));
	AI_BUF_AUTO empty = AI_BUF(4);
	ok(ai_write_file(AT_FDCWD, "nothing", "", 0, 0644, &err));
	assert_int_equal(ai_read_file_if(AT_FDCWD, "nothing", &empty, &none), 1);
	assert_string_equal(empty.data, "");
}

static void
test_mkdirs(void **state)
{
	(void)state;
	ok(ai_mkdirs("m/a/b", 0700, &err));
	ok(ai_mkdirs("m/a/b", 0755, &err));
	ok(ai_mkdirs("m//a/c/", 0755, &err));
	ok(ai_mkdirs("/", 0755, &err));
	struct stat st;
	assert_int_equal(stat("m/a/b", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	ok(ai_write_file(AT_FDCWD, "m/file", "", 0, 0644, &err));
	refused(AI_EENV, "not a folder", ai_mkdirs("m/file", 0755, &err));
	refused(AI_EENV, "m/file/x", ai_mkdirs("m/file/x", 0755, &err));
	refused(AI_EENV, "empty", ai_mkdirs("", 0755, &err));
}

static void
test_remove_follows_no_link(void **state)
{
	(void)state;
	ok(ai_mkdirs("keep", 0755, &err));
	ok(ai_write_file(AT_FDCWD, "keep/f", "x", 1, 0644, &err));
	ok(ai_mkdirs("gone/sub/locked", 0755, &err));
	ok(ai_write_file(AT_FDCWD, "gone/sub/locked/f", "x", 1, 0400, &err));
	assert_int_equal(symlink("../keep", "gone/link"), 0);
	assert_int_equal(symlink("nowhere", "gone/dangling"), 0);
	assert_int_equal(mkfifo("gone/fifo", 0600), 0);
	assert_int_equal(chmod("gone/sub/locked", 0), 0);
	assert_int_equal(chmod("gone/sub", 0500), 0);
	ok(ai_remove_tree(AT_FDCWD, "gone", &err));
	assert_false(ai_exists("gone"));
	assert_true(ai_exists("keep/f"));
	ok(ai_remove_tree(AT_FDCWD, "gone", &err));
	assert_int_equal(symlink("keep", "alias"), 0);
	ok(ai_remove_tree(AT_FDCWD, "alias", &err));
	assert_true(ai_exists("keep/f"));
	assert_false(ai_exists("alias"));
}

/* The same without root's rights, for which no mode is an obstacle. */
static void
test_remove_as_a_user(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	ok(ai_mkdirs("user", 0755, &err));
	assert_int_equal(chown("user", 65534, 65534), 0);
	assert_int_equal(chmod(".", 0755), 0);
	assert_int_equal(seteuid(65534), 0);
	struct ai_err made = { 0 }, removed = { 0 }, forbidden = { 0 };
	int r = ai_mkdirs("user/d/locked", 0755, &made);
	r |= ai_write_file(AT_FDCWD, "user/d/locked/f", "x", 1, 0400, &made);
	r |= chmod("user/d/locked", 0) | chmod("user/d", 0500);
	r |= ai_remove_tree(AT_FDCWD, "user/d", &removed);
	int not_mine = ai_remove_tree(AT_FDCWD, "keep/f", &forbidden);
	assert_int_equal(seteuid(0), 0);
	if (r)
		fail_msg("%s%s", made.text, removed.text);
	assert_int_equal(not_mine, AI_EENV);
	assert_non_null(strstr(forbidden.text, "Permission denied"));
}

static void
test_deep_folders(void **state)
{
	(void)state;
	int at = open(".", O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 900; i++) {
		assert_int_equal(mkdirat(at, "deep", 0755), 0);
		int below = openat(at, "deep", O_RDONLY | O_DIRECTORY);
		assert_true(below >= 0);
		close(at);
		at = below;
	}
	close(at);
	ok(ai_remove_tree(AT_FDCWD, "deep", &err));
	assert_false(ai_exists("deep"));
}

static void
test_copy_is_of_the_rest(void **state)
{
	(void)state;
	enum { N = 300000 };
	char *data = malloc(N);
	assert_non_null(data);
	for (size_t i = 0; i < N; i++)
		data[i] = (char)(i * 31 >> 3);
	ok(ai_write_file(AT_FDCWD, "c", data, N, 0644, &err));
	int in = open("c", O_RDONLY), out = open("d", O_RDWR | O_CREAT, 0644);
	ok(ai_copy_fd(in, out, "c", &err));
	assert_file("d", data, N);
	assert_int_equal(lseek(in, 1000, SEEK_SET), 1000);
	assert_int_equal(ftruncate(out, 0) | (int)lseek(out, 0, SEEK_SET), 0);
	ok(ai_copy_fd(in, out, "c", &err));
	assert_file("d", data + 1000, N - 1000);
	close(in);
	/* A pipe, and a file of /proc, which says that it has no bytes. */
	int p[2];
	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "through a pipe", 14), 14);
	close(p[1]);
	assert_int_equal(ftruncate(out, 0) | (int)lseek(out, 0, SEEK_SET), 0);
	ok(ai_copy_fd(p[0], out, "pipe", &err));
	assert_file("d", "through a pipe", 14);
	close(p[0]);
	in = open("/proc/version", O_RDONLY);
	assert_int_equal(ftruncate(out, 0) | (int)lseek(out, 0, SEEK_SET), 0);
	ok(ai_copy_fd(in, out, "/proc/version", &err));
	assert_true(lseek(out, 0, SEEK_END) > 10);
	close(in);
	close(out);
	refused(AI_EENV, "x: cannot copy", ai_copy_fd(-1, -1, "x", &err));
	free(data);
}

static void
test_full_disk(void **state)
{
	(void)state;
	AI_FD full = open("/dev/full", O_WRONLY);
	if (full < 0)
		skip();
	refused(AI_EENV, "thing: cannot write: No space", ai_write_all(full, "x", 1, "thing", &err));
}

static void
test_absolute_paths(void **state)
{
	(void)state;
	static const char *const cases[][2] = { { "/", "/" }, { "/a/b", "/a/b" }, { "//a///b/", "/a/b" }, { "/a/./b/.", "/a/b" }, { "/a/../b", "/b" }, { "/a/b/../../..", "/" }, { "/../x", "/x" },
		{ "/a/...", "/a/..." }, { "/..a/b..", "/..a/b.." } };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		AI_FREE char *abs = ai_abspath(cases[i][0]);
		assert_string_equal(abs, cases[i][1]);
	}
	AI_FREE char *cwd = getcwd(NULL, 0), *want = ai_format("%s/x", cwd);
	AI_FREE char *a = ai_abspath("x"), *b = ai_abspath("./y/../x"), *here = ai_abspath(".");
	assert_string_equal(a, want);
	assert_string_equal(b, want);
	assert_string_equal(here, cwd);
}

static void
test_home(void **state)
{
	(void)state;
	struct ai_home h;
	ok(ai_home_find("/x/y", &h, &err));
	assert_string_equal(h.cache, "/x/y/cache");
	assert_string_equal(h.data, "/x/y/data");
	ai_home_done(&h);
	unsetenv("AICERT_HOME");
	setenv("HOME", "/home/u", 1);
	setenv("XDG_CACHE_HOME", "relative/is/ignored", 1);
	setenv("XDG_DATA_HOME", "/data", 1);
	ok(ai_home_find(NULL, &h, &err));
	assert_string_equal(h.cache, "/home/u/.cache/aicert");
	assert_string_equal(h.data, "/data/aicert");
	ai_home_done(&h);
	setenv("AICERT_HOME", "own", 1);
	ok(ai_home_find(NULL, &h, &err));
	assert_true(h.cache[0] == '/');
	ok(ai_home_make(&h, &err));
	struct stat st;
	assert_int_equal(stat("own/data", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	ai_home_done(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_write_replaces_whole),
		cmocka_unit_test(test_write_replaces_a_link_and_not_its_target),
		cmocka_unit_test(test_write_that_fails_leaves_nothing),
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_mkdirs),
		cmocka_unit_test(test_remove_follows_no_link),
		cmocka_unit_test(test_remove_as_a_user),
		cmocka_unit_test(test_deep_folders),
		cmocka_unit_test(test_copy_is_of_the_rest),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_absolute_paths),
		cmocka_unit_test(test_home),
	};
	return cmocka_run_group_tests(tests, enter, leave);
}

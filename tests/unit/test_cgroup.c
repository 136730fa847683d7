/* Control groups: where they are looked for and made, on a kernel that is made of plain files.  SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>

#include "sandbox_unit.h"

#include "run/box/cgroup.h"

/* --- a kernel with control groups v2, made of plain files below this folder ------------------ */

static char *tree;

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
spill(const char *dir, const char *name, const char *text)
{
	char *path = ai_join(dir, name);
	put_file(path, text, 0644);
	free(path);
}

static bool
in_tree(const char *path)
{
	return tree && strncmp(path, tree, strlen(tree)) == 0;
}

static const struct { const char *controller, *file; } files[] = {
	{ "memory", "memory.max" }, { "memory", "memory.swap.max" }, { "memory", "memory.oom.group" }, { "memory", "memory.events" },
	{ "pids", "pids.max" }, { "pids", "pids.events" }, { "cpu", "cpu.max" },
	{ "", "cgroup.procs" }, { "", "cgroup.controllers" }, { "", "cgroup.subtree_control" },
};
#define N_FILES (sizeof files / sizeof *files)

int
mkdir(const char *path, mode_t mode)
{
	int r = (int)syscall(SYS_mkdir, path, mode);
	if (r < 0 || !in_tree(path))
		return r;
	char *up = ai_strndup(path, (size_t)(strrchr(path, '/') - path)), *given = slurp(up, "cgroup.subtree_control");
	for (size_t i = 0; i < N_FILES; i++)
		if (strstr(given, files[i].controller))
			spill(path, files[i].file, strcmp(files[i].file, "cgroup.controllers") == 0 ? given : "");
	free(given);
	free(up);
	return 0;
}

int
rmdir(const char *path)
{
	for (size_t i = 0; in_tree(path) && i < N_FILES; i++) {
		char *file = ai_join(path, files[i].file);
		unlink(file);
		free(file);
	}
	return (int)syscall(SYS_rmdir, path);
}

/* Whoever is moved leaves where it was. */
static void
leave(const char *to, const char *pid)
{
	char *a = ai_join(tree, "a/cgroup.procs"), *procs = slurp(tree, "a/cgroup.procs"), *at = strstr(procs, pid);
	if (strcmp(a, to) != 0 && *pid && at) {
		memmove(at, at + strlen(pid), strlen(at + strlen(pid)) + 1);
		put_file(a, procs, 0644);
	}
	free(procs);
	free(a);
}

/* What the kernel does on a write to the two files that are more than numbers. */
ssize_t
write(int fd, const void *p, size_t n)
{
	char link[64], path[4096];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t len = tree ? readlink(link, path, sizeof path - 1) : -1;
	path[len > 0 ? len : 0] = '\0';
	if (in_tree(path) && strcmp(ai_basename(path), "cgroup.procs") == 0) {
		char *pid = ai_strndup(p, n);
		leave(path, pid);
		free(pid);
	}
	if (!in_tree(path) || strcmp(ai_basename(path), "cgroup.subtree_control") != 0 || n < 2 || *(const char *)p != '+')
		return syscall(SYS_write, fd, p, n);
	*strrchr(path, '/') = '\0';
	char *procs = slurp(path, "cgroup.procs"), *has = slurp(path, "cgroup.controllers"), *old = slurp(path, "cgroup.subtree_control");
	char *name = ai_strndup((const char *)p + 1, n - 2), *now = ai_format("%s%s ", old, name);
	bool busy = *procs && strcmp(path, tree) != 0, absent = !strstr(has, name);
	if (!busy && !absent)
		spill(path, "cgroup.subtree_control", now);
	free(procs);
	free(has);
	free(old);
	free(name);
	free(now);
	errno = busy ? EBUSY : ENOENT;
	return busy || absent ? -1 : (ssize_t)n;
}

/* A tree whose root has the controllers, and below it the groups /a and /a/b; own is which of them we are in. */
static void
plant(const char *controllers, const char *own, const char *procs)
{
	tree = in_place("tree");
	assert_int_equal(syscall(SYS_mkdir, tree, 0755), 0);
	spill(tree, "cgroup.controllers", controllers);
	spill(tree, "cgroup.procs", "");
	spill(tree, "cgroup.subtree_control", controllers);
	char *a = ai_join(tree, "a"), *b = ai_join(tree, "a/b"), *in = ai_join(tree, own);
	assert_int_equal(mkdir(a, 0755), 0);
	assert_int_equal(mkdir(b, 0755), 0);
	spill(in, "cgroup.procs", procs);
	free(a);
	free(b);
	free(in);
}

static void
fell(void)
{
	struct ai_err err = { 0 };
	if (ai_remove_tree(AT_FDCWD, tree, &err) < 0)
		fail_msg("%s", err.text);
	free(tree);
	tree = NULL;
}

static void
look_for(const char *own, const char *root, const struct ai_cgroup_want *want, struct ai_cgroup *out)
{
	char *mounts = ai_format("21 1 0:2 / /proc rw - proc proc rw\n31 23 0:41 %s %s rw,nosuid shared:9 - cgroup2 cgroup rw,nsdelegate\n", root, tree);
	char *cgroup = ai_format("0::%s\n", own);
	ai_cgroup_make_by(cgroup, mounts, want, out);
	free(mounts);
	free(cgroup);
}

static const struct ai_cgroup_want some = { .memory = 100u << 20, .pids = 7, .cpus = 2 };

#define ALL (AI_HOLDS_MEMORY | AI_HOLDS_PIDS | AI_HOLDS_CPUS)

static void
expect_text(const char *dir, const char *name, const char *want)
{
	char *got = slurp(dir, name);
	assert_string_equal(got, want);
	free(got);
}

/* --- where groups are looked for -------------------------------------------------------------- */

static void
v2_below_our_own(void **state)
{
	(void)state;
	struct ai_cgroup g;
	struct ai_err err = { 0 };
	plant("memory pids cpu ", "a/b", "77\n");
	char *a = ai_join(tree, "a");
	look_for("/a/b", "/", &some, &g);
	assert_int_equal(g.holds, ALL);
	assert_int_equal(g.n, 1);
	assert_true(g.at[0].v2);
	/* b has no controllers; a hands down what it has, for no process is in it. */
	assert_memory_equal(g.at[0].path, a, strlen(a));
	assert_memory_equal(g.at[0].path + strlen(a), "/aicert-", 8);
	expect_text(g.at[0].path, "memory.max", "104857600\n");
	expect_text(g.at[0].path, "memory.swap.max", "0\n");
	expect_text(g.at[0].path, "memory.oom.group", "1\n");
	expect_text(g.at[0].path, "pids.max", "7\n");
	expect_text(g.at[0].path, "cpu.max", "200000 100000\n");
	assert_int_equal(ai_cgroup_put(&g, 1234, &err), 0);
	expect_text(g.at[0].path, "cgroup.procs", "1234\n");
	char *made = ai_strdup(g.at[0].path);
	ai_cgroup_done(&g);
	assert_false(ai_exists(made));
	free(made);
	free(a);
	fell();
}

static void
v2_not_beside_others(void **state)
{
	(void)state;
	struct ai_cgroup g;
	char *procs = ai_format("%ld\n77\n", (long)getpid());
	plant("memory pids cpu ", "a", procs);
	look_for("/a", "/", &some, &g);
	assert_int_equal(g.holds, ALL);
	assert_memory_equal(g.at[0].path, tree, strlen(tree));
	assert_memory_equal(g.at[0].path + strlen(tree), "/aicert-", 8);
	char *a = ai_join(tree, "a");
	expect_text(a, "cgroup.procs", procs);
	expect_text(a, "cgroup.subtree_control", "");
	ai_cgroup_done(&g);
	free(a);
	free(procs);
	fell();
}

/*
 * A scope that was delegated to us alone: nothing may be in a group that has limited children, so we go into one ourselves, and with us our
 * workers, one of whom asks for it. Who asks next finds all there, and goes no deeper.
 */
static void
v2_steps_aside(void **state)
{
	(void)state;
	struct ai_cgroup g, more;
	pid_t child = fork();
	if (child == 0) {
		alarm(60);
		pause();
		_exit(0);
	}
	char *both = ai_format("%ld\n%ld\n", (long)child, (long)getpid()), *own = ai_format("%ld\n", (long)getpid());
	plant("memory pids ", "a", both);
	char *a = ai_join(tree, "a"), *name = ai_format("/a/aicert-%ld", (long)getpid()), *leaf = ai_join(tree, name + 1);
	look_for("/a", "/", &some, &g);
	assert_int_equal(g.holds, AI_HOLDS_MEMORY | AI_HOLDS_PIDS);
	assert_memory_equal(g.at[0].path, a, strlen(a));
	expect_text(leaf, "cgroup.procs", own);
	expect_text(a, "cgroup.procs", "");
	expect_text(a, "cgroup.subtree_control", "memory pids ");
	look_for(name, "/", &some, &more);
	assert_memory_equal(more.at[0].path, a, strlen(a));
	assert_null(strchr(more.at[0].path + strlen(a) + 1, '/'));
	ai_cgroup_done(&more);
	ai_cgroup_done(&g);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	rmdir(leaf);
	free(leaf);
	free(name);
	free(a);
	free(own);
	free(both);
	fell();
}

/* In a container the mount shows a part of the tree only, and paths are the whole's or the part's. */
static void
v2_in_a_container(void **state)
{
	(void)state;
	struct ai_cgroup g;
	plant("memory pids cpu ", "a", "");
	look_for("/docker/x", "/docker/x", &some, &g);
	assert_int_equal(g.holds, ALL);
	assert_memory_equal(g.at[0].path, tree, strlen(tree));
	ai_cgroup_done(&g);
	look_for("/elsewhere", "/docker/x", &some, &g);
	assert_int_equal(g.holds, 0);
	look_for("/../../a", "/", &some, &g);
	assert_int_equal(g.holds, 0);
	look_for("/docker/xy", "/docker/x", &some, &g);
	assert_int_equal(g.holds, 0);
	ai_cgroup_done(&g);
	fell();
}

static void
v2_takes_what_it_gets(void **state)
{
	(void)state;
	struct ai_cgroup g;
	plant("pids ", "a", "");
	look_for("/", "/", &some, &g);
	assert_int_equal(g.holds, AI_HOLDS_PIDS);
	ai_cgroup_done(&g);
	look_for("/", "/", &(struct ai_cgroup_want){ .memory = 4096 }, &g);
	assert_int_equal(g.holds, 0);
	ai_cgroup_done(&g);
	fell();
}

static void
malformed_views(void **state)
{
	(void)state;
	static const char *const cgroups[] = { "", "\n", "0", "0:", "0::", "0:::", "0::/\n", "9:memory:/\n", "9:memory", ":memory:\n" };
	static const char *const mounts[] = { "", "\n", "1 2 3", "1 2 3 / / rw - cgroup2", "1 2 3 / / rw - cgroup2 x", " - cgroup2 x rw",
		"1 2 3 / /nonexistent\\04 rw - cgroup2 x rw", "1 2 3 / /nonexistent\\040x rw - cgroup x rw,memory,pids\n" };
	for (size_t i = 0; i < sizeof cgroups / sizeof *cgroups; i++)
		for (size_t k = 0; k < sizeof mounts / sizeof *mounts; k++) {
			struct ai_cgroup g;
			ai_cgroup_make_by(cgroups[i], mounts[k], &some, &g);
			assert_int_equal(g.holds, 0);
			ai_cgroup_done(&g);
		}
}

static void
left_behind(void **state)
{
	(void)state;
	struct ai_cgroup g;
	plant("memory ", "a", "");
	/* A process id that no Linux gives out. */
	char *old = ai_join(tree, "aicert-2000000000-1"), *young = ai_join(tree, "aicert-2000000000-2"), *ours = ai_format("%s/aicert-%ld-99", tree, (long)getpid());
	const struct timespec past[2] = { { .tv_sec = time(NULL) - 3600 }, { .tv_sec = time(NULL) - 3600 } };
	syscall(SYS_mkdir, old, 0755);
	syscall(SYS_mkdir, young, 0755);
	syscall(SYS_mkdir, ours, 0755);
	assert_int_equal(utimensat(AT_FDCWD, old, past, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, ours, past, 0), 0);
	look_for("/", "/", &(struct ai_cgroup_want){ .memory = 4096 }, &g);
	assert_int_equal(g.holds, AI_HOLDS_MEMORY);
	assert_false(ai_exists(old));
	assert_true(ai_exists(young) && ai_exists(ours));
	ai_cgroup_done(&g);
	free(old);
	free(young);
	free(ours);
	fell();
}

static void
v2_events(void **state)
{
	(void)state;
	struct ai_cgroup g;
	plant("memory pids cpu ", "a", "");
	look_for("/", "/", &some, &g);
	assert_int_equal(g.holds, ALL);
	const char *dir = g.at[0].path;
	assert_int_equal(ai_cgroup_breach(&g), AI_BREACH_NONE);
	spill(dir, "memory.events", "low 0\nhigh 0\nmax 900\noom 0\noom_kill 0\noom_group_kill 0\n");
	spill(dir, "pids.events", "max 0\n");
	assert_int_equal(ai_cgroup_breach(&g), AI_BREACH_NONE);
	/* The machine ran out of memory, the step was the victim: not its limit. */
	spill(dir, "memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 3\noom_group_kill 0\n");
	assert_int_equal(ai_cgroup_breach(&g), AI_BREACH_NONE);
	spill(dir, "pids.events", "max 12\n");
	assert_int_equal(ai_cgroup_breach(&g), AI_BREACH_PIDS);
	spill(dir, "memory.events", "low 0\nhigh 0\nmax 7\noom 1\noom_kill 3\noom_group_kill 1\n");
	assert_int_equal(ai_cgroup_breach(&g), AI_BREACH_MEMORY);
	ai_cgroup_done(&g);
	fell();
}

static int
tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(v2_below_our_own), cmocka_unit_test(v2_not_beside_others), cmocka_unit_test(v2_steps_aside),
		cmocka_unit_test(v2_in_a_container), cmocka_unit_test(v2_takes_what_it_gets), cmocka_unit_test(malformed_views),
		cmocka_unit_test(left_behind), cmocka_unit_test(v2_events),
	};
	return cmocka_run_group_tests_name("cgroup", all, NULL, NULL);
}

int
main(void)
{
	return as_root_and_user(tests);
}

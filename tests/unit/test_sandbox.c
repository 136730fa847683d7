/* The sandbox: what it lets through, what it throws away, and how it ends.  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <time.h>

#include "sandbox_unit.h"

static double
seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- what it lets through ---------------------------------------------------- */

static void
exit_status_and_signal(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	trial_expect(&t, "sh", "exit 7", 7);
	trial_expect(&t, "sh", "true", 0);
	trial_run(&t, (const char *const[]){ "sh", "-c", "kill -SEGV $$", NULL });
	assert_int_equal(t.code, 0);
	assert_int_equal(t.end.kind, AI_END_SIGNAL);
	assert_int_equal(t.end.value, SIGSEGV);
	trial_run(&t, (const char *const[]){ "no-such-program", NULL });
	assert_int_equal(t.end.value, 127);
	assert_non_null(strstr(t.log, "no-such-program"));
	trial_end(&t);
}

static void
who_and_where(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	trial_expect(&t, "sh", "id; pwd; hostname; umask; echo ~; cat /workspace/workspace/../proc/self/cgroup; getent passwd aicert; date +%Z; "
		"cat; echo $PATH; env | wc -l; tty; ls /proc | grep -c '^[0-9]'", 0);
	assert_non_null(strstr(t.log, "uid=1000(aicert) gid=1000(aicert) groups=1000(aicert)"));
	assert_non_null(strstr(t.log, "\n/workspace\naicert\n0022\n/home/aicert\n"));
	assert_non_null(strstr(t.log, "/home/aicert:/bin/sh\nUTC\n"));
	assert_non_null(strstr(t.log, "not a tty"));
	trial_end(&t);
}

static void
writable_places(void **state)
{
	(void)state;
	struct trial t;
	struct ai_err err = { 0 };
	struct ai_buf b = AI_BUF(100);
	trial_start(&t);
	trial_expect(&t, "sh", "set -e; for d in /workspace /tmp ~ /dev/shm /workspace/outputs; do mkdir $d/d; echo x > $d/d/f; mv $d/d/f $d/g; "
		"ln -s g $d/l; done; mv /workspace/g /workspace/outputs/h; echo > /dev/null; echo result > /workspace/workspace/outputs/o", 0);
	char *o = ai_join(t.scratch, "workspace/outputs/o");
	if (ai_read_file(AT_FDCWD, o, &b, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(b.data, "result\n");
	ai_buf_done(&b);
	free(o);
	trial_end(&t);
}

static void
whole_log(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	trial_expect(&t, PYTHON, "import sys\nfor i in range(20000): print('%060d' % i); sys.stderr.write('e' * 9 + '\\n')", 0);
	assert_int_equal(t.log_len, 20000 * (61 + 10));
	trial_end(&t);
}

static void
large_arguments(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	char *big = malloc(100001);
	memset(big, 'a', 100000);
	big[100000] = '\0';
	char *var = ai_format("BIG=%s", big);
	t.s.env = (const char *const[]){ var, "PATH=/usr/bin:/bin", NULL };
	trial_run(&t, (const char *const[]){ "sh", "-c", "echo ${#1} ${#BIG}", "sh", big, NULL });
	assert_string_equal(t.log, "100000 100000\n");
	free(big);
	free(var);
	trial_end(&t);
}

static void
loopback_works(void **state)
{
	(void)state;
	attempt(PYTHON, "import socket, multiprocessing as m\n"
		"for f, a in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1')):\n"
		" s = socket.socket(f); s.bind((a, 0)); s.listen(); c = socket.create_connection(s.getsockname()[:2]); s.accept()[0].send(b'x')\n"
		" assert c.recv(1) == b'x'\n"
		"assert [n for i, n in socket.if_nameindex()] == ['lo']\n"
		"with m.Pool(4) as p: assert p.map(abs, range(-9, 0)) == list(range(9, 0, -1))", 0);
}

/* --- inputs ------------------------------------------------------------------ */

static void
make_input(char **dir)
{
	*dir = in_place("input");
	mkdir(*dir, 0755);
	char *sub = ai_join(*dir, "sub"), *f = ai_join(*dir, "sub/f"), *x = ai_join(*dir, "x");
	mkdir(sub, 0755);
	put_file(f, "one\n", 0444);
	put_file(x, "#!/bin/sh\necho ran\n", 0755);
	free(sub);
	free(f);
	free(x);
}

static void
inputs_cannot_be_written(void **state)
{
	(void)state;
	struct trial t;
	char *dir;
	make_input(&dir);
	char *file = ai_join(dir, "sub/f");
	struct ai_mount m[] = { { dir, "/workspace/resources/a/b", AI_MOUNT_READ_ONLY }, { file, "/workspace/resources/f", AI_MOUNT_READ_ONLY } };
	trial_start(&t);
	t.s.mounts = m;
	t.s.n_mounts = 2;
	trial_expect(&t, "sh", "cd resources; cat f a/b/sub/f; ! chmod +w f; ! sh -c 'echo x > f'; ! rm f; ! touch a/b/new; ! mv a/b/sub a/b/s; "
		"! chmod 777 a/b; ! ln -f a/b/x /workspace/hard; a/b/x && echo more > a/new", 0);
	assert_non_null(strstr(t.log, "one\none\n"));
	assert_non_null(strstr(t.log, "ran\n"));
	trial_end(&t);
	free(file);
	free(dir);
}

static void
scratch_is_thrown_away(void **state)
{
	(void)state;
	struct trial t;
	char *dir;
	make_input(&dir);
	char *file = ai_join(dir, "sub/f"), *fresh = ai_join(dir, "sub/new");
	struct ai_mount m[] = { { dir, "/workspace/src", AI_MOUNT_SCRATCH }, { file, "/workspace/one", AI_MOUNT_SCRATCH } };
	trial_start(&t);
	t.s.mounts = m;
	t.s.n_mounts = 2;
	trial_expect(&t, "sh", "set -e; echo own >> one; grep -q own one; cd src; echo two >> sub/f; touch sub/new; rm x; mv sub renamed; cat renamed/f", 0);
	assert_string_equal(t.log, "one\ntwo\n");
	struct stat st;
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_size, 4);
	assert_true(stat(fresh, &st) < 0);
	trial_end(&t);
	free(file);
	free(fresh);
	free(dir);
}

/* A large input is overlaid and not copied (the file is sparse). */
static void
large_scratch(void **state)
{
	(void)state;
	struct trial t;
	char *dir;
	make_input(&dir);
	char *big = ai_join(dir, "big");
	put_file(big, "", 0644);
	assert_int_equal(truncate(big, 300 << 20), 0);
	struct ai_mount m = { dir, "/workspace/src", AI_MOUNT_SCRATCH };
	trial_start(&t);
	t.s.mounts = &m;
	t.s.n_mounts = 1;
	trial_expect(&t, "sh", "set -e; cd src; stat -f -c %T . ; stat -c %U:%s big sub/f; echo x > new; echo y > sub/n; rm x; echo z > sub/f2; "
		"mv sub/f2 sub/f; cat sub/f", 0);
	assert_non_null(strstr(t.log, "aicert:314572800\naicert:4\nz\n"));
	struct stat st;
	char *f = ai_join(dir, "sub/f");
	assert_int_equal(stat(f, &st), 0);
	assert_int_equal(st.st_size, 4);
	trial_end(&t);
	unlink(big);
	free(big);
	free(f);
	free(dir);
}

/* On a file system that cannot be given to the step's user it is copied. Here that is ramfs; in the measured machine, whose kernel is older, tmpfs. */
static void
large_scratch_that_cannot_be_given(void **state)
{
	/* A user's files are the step's already, and only root may mount one here. */
	if (geteuid() != 0)
		return;
	pid_t pid = fork();
	if (pid == 0) {
		char *at = in_place("input");
		if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || (mkdir(at, 0755) < 0 && errno != EEXIST) ||
			mount("ramfs", at, "ramfs", 0, "mode=0755") < 0)
			_exit(77);
		large_scratch(state);
		_exit(0);
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* A link in an input must not lead a mount point, made by root, elsewhere. */
static void
mount_points_follow_no_link(void **state)
{
	(void)state;
	struct trial t;
	char *dir = in_place("linked"), *link = in_place("linked/out");
	mkdir(dir, 0755);
	assert_int_equal(symlink(place, link), 0);
	struct ai_mount m[] = { { dir, "/workspace/src", AI_MOUNT_SCRATCH }, { dir, "/workspace/src/out/made", AI_MOUNT_READ_ONLY } };
	trial_start(&t);
	t.s.mounts = m;
	t.s.n_mounts = 2;
	trial_run(&t, (const char *const[]){ "true", NULL });
	assert_int_equal(t.code, AI_EINPUT);
	assert_non_null(strstr(t.err.text, "in the way"));
	char *made = in_place("made");
	assert_false(ai_exists(made));
	m[1].to = "/etc/passwd";
	trial_run(&t, (const char *const[]){ "true", NULL });
	assert_int_equal(t.code, AI_EUSAGE);
	m[1].to = "/workspace/../etc";
	trial_run(&t, (const char *const[]){ "true", NULL });
	assert_int_equal(t.code, AI_EUSAGE);
	unlink(link);
	free(made);
	free(link);
	free(dir);
	trial_end(&t);
}

/* --- the end ------------------------------------------------------------------- */

static void
time_limit(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	t.s.time_s = 0.3;
	double t0 = seconds();
	trial_run(&t, (const char *const[]){ "sleep", "60", NULL });
	assert_int_equal(t.code, 0);
	assert_int_equal(t.end.kind, AI_END_TIME);
	assert_true(seconds() - t0 < 2);
	t0 = seconds();
	trial_run(&t, (const char *const[]){ "sh", "-c", "trap '' TERM; while :; do sleep 1; done", NULL });
	assert_int_equal(t.end.kind, AI_END_TIME);
	assert_true(seconds() - t0 > 2 && seconds() - t0 < 5);
	trial_end(&t);
}

static void
memory_limit(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	t.s.memory = 200u << 20;
	trial_run(&t, (const char *const[]){ PYTHON, "-c", "b = [bytearray(1 << 20) for i in range(2000)]", NULL });
	assert_int_equal(t.code, 0);
	assert_true(t.end.kind == AI_END_MEMORY || (t.end.kind == AI_END_EXIT && t.end.value == 1 && strstr(t.log, "MemoryError")));
	trial_expect(&t, PYTHON, "b = bytearray(50 << 20)", 0);
	trial_end(&t);
}

static void
fork_bomb(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	t.s.pids = 50;
	t.s.time_s = 20;
	trial_expect(&t, PYTHON, "import os, time\nn = 0\ntry:\n while n < 500:\n  if os.fork() == 0: time.sleep(60)\n  n += 1\nexcept BlockingIOError: pass\n"
		"assert 20 < n < 60, n", 0);
	trial_end(&t);
}

static volatile sig_atomic_t dummy;

static void
on_alarm(int sig)
{
	dummy = sig;
	ai_interrupted = 1;
}

static void
interrupt(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	signal(SIGALRM, on_alarm);
	ualarm(300000, 0);
	double t0 = seconds();
	trial_run(&t, (const char *const[]){ "sleep", "60", NULL });
	ai_interrupted = 0;
	signal(SIGALRM, SIG_DFL);
	assert_int_equal(t.code, AI_EINTR);
	assert_true(seconds() - t0 < 2);
	trial_end(&t);
}

/* Does the process that wrote its beats into this file still live? */
static bool
beats(const char *file)
{
	struct stat a = { 0 }, b = { 0 };
	stat(file, &a);
	nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
	stat(file, &b);
	assert_true(a.st_size > 0);
	return a.st_size != b.st_size;
}

#define BEAT "while :; do echo >> /workspace/beat; sleep 0.02; done"

static void
daemon_left_behind(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	trial_expect(&t, "sh", "setsid sh -c 'trap \"\" TERM HUP; " BEAT "' & sleep 0.2", 0);
	char *beat = ai_join(t.scratch, "workspace/beat");
	assert_false(beats(beat));
	free(beat);
	trial_end(&t);
}

static void
dies_with_aicert(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	char *beat = ai_join(t.scratch, "workspace/beat");
	pid_t pid = fork();
	if (pid == 0) {
		trial_run(&t, (const char *const[]){ "sh", "-c", BEAT, NULL });
		_exit(0);
	}
	for (int i = 0; i < 100 && !ai_exists(beat); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	assert_true(ai_exists(beat));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	assert_false(beats(beat));
	free(beat);
	trial_end(&t);
}

/* --- set-up --------------------------------------------------------------------- */

/* Root's store lies in a folder that nobody else may enter: its content must come in all the same, and it alone. */
static void
closed_parents(void **state)
{
	(void)state;
	struct trial t;
	char *closed = in_place("closed"), *data = in_place("closed/data"), *f = in_place("closed/data/f");
	mkdir(closed, 0700);
	mkdir(data, 0755);
	put_file(f, "in\n", 0444);
	struct ai_mount m = { data, "/workspace/resources/data", AI_MOUNT_READ_ONLY };
	trial_start(&t);
	t.s.mounts = &m;
	t.s.n_mounts = 1;
	trial_expect(&t, "sh", "cat resources/data/f && ! ls resources/data/../../closed", 0);
	trial_end(&t);
	free(closed);
	free(data);
	free(f);
}

static void
bad_set_up_is_told(void **state)
{
	(void)state;
	struct trial t;
	trial_start(&t);
	t.s.cwd = "/workspace/absent";
	trial_run(&t, (const char *const[]){ "true", NULL });
	assert_int_equal(t.code, AI_EENV);
	assert_non_null(strstr(t.err.text, "/workspace/absent"));
	t.s.cwd = "/workspace";
	struct ai_mount m = { "/no/such/folder", "/workspace/x", AI_MOUNT_READ_ONLY };
	t.s.mounts = &m;
	t.s.n_mounts = 1;
	trial_run(&t, (const char *const[]){ "true", NULL });
	assert_int_equal(t.code, AI_EENV);
	assert_non_null(strstr(t.err.text, "/no/such/folder"));
	trial_end(&t);
}

static int
tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(exit_status_and_signal), cmocka_unit_test(who_and_where), cmocka_unit_test(writable_places),
		cmocka_unit_test(whole_log), cmocka_unit_test(large_arguments), cmocka_unit_test(loopback_works),
		cmocka_unit_test(inputs_cannot_be_written), cmocka_unit_test(scratch_is_thrown_away), cmocka_unit_test(large_scratch), cmocka_unit_test(large_scratch_that_cannot_be_given),
		cmocka_unit_test(mount_points_follow_no_link), cmocka_unit_test(time_limit), cmocka_unit_test(memory_limit),
		cmocka_unit_test(fork_bomb), cmocka_unit_test(interrupt), cmocka_unit_test(daemon_left_behind),
		cmocka_unit_test(dies_with_aicert), cmocka_unit_test(closed_parents), cmocka_unit_test(bad_set_up_is_told),
	};
	return cmocka_run_group_tests_name("sandbox", all, NULL, NULL);
}

int
main(void)
{
	return as_root_and_user(tests);
}

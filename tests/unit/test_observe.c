/* The observer: what a step used of the machine, the same for root and user, and whether it still holds.  SPDX-License-Identifier: Apache-2.0 */
#include "sandbox_unit.h"

#include "base/hash.h"
#include "run/observe/observe.h"

static unsigned names_put;

static int
hash_file(void *ctx, const char *path, struct ai_digest *out, struct ai_err *err)
{
	(void)ctx;
	AI_FD fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? ai_fail_errno(err, AI_EINPUT, "%s", path) : ai_sha256_fd(fd, out, NULL, err);
}

static int
put_names(void *ctx, const char *bytes, size_t n, struct ai_digest *out, struct ai_err *err)
{
	(void)ctx;
	(void)err;
	names_put++;
	ai_sha256(bytes, n, out);
	return 0;
}

static const struct ai_used_io io = { .hash_file = hash_file, .put_names = put_names };

/* What a program used; extra is a folder of this test that counts as the machine's, may be NULL. */
static json_t *
observe(const char *const *argv, const char *extra, const struct ai_mount *m, int status)
{
	struct trial t;
	const char *const extras[] = { extra, NULL };
	json_t *used = NULL;
	trial_start(&t);
	struct ai_observer *o = ai_observer_new();
	t.s.observer = o;
	t.s.extra_host = extras;
	t.s.mounts = m;
	t.s.n_mounts = m ? 1 : 0;
	trial_run(&t, argv);
	if (t.code < 0 || t.end.kind != AI_END_EXIT || t.end.value != status)
		fail_msg("%s: %d %s; ended %d; it said: %s", argv[0], t.code, t.err.text, t.end.value, t.log);
	ok(ai_observer_used(o, &io, &used, &err));
	ai_observer_free(o);
	trial_end(&t);
	return used;
}

/* "file", "exec", "dir", "link", "absent", "listed", or NULL when the path is not in the record. */
static const char *
what_of(const json_t *used, const char *path)
{
	size_t i;
	json_t *v;
	const char *found = NULL;
	json_array_foreach(ai_json_arr(used, "files"), i, v)
		if (strcmp(ai_json_str(v, "path"), path) == 0)
			found = ai_json_str(v, "type");
	json_array_foreach(ai_json_arr(used, "absent"), i, v)
		if (strcmp(json_string_value(v), path) == 0)
			found = "absent";
	json_array_foreach(ai_json_arr(used, "listed"), i, v)
		if (strcmp(ai_json_str(v, "path"), path) == 0)
			found = "listed";
	return found;
}

static void
expect(const json_t *used, const char *dir, const char *name, const char *what)
{
	char *path = ai_join(dir, name);
	const char *got = what_of(used, path);
	if (what ? !got || strcmp(got, what) != 0 : got != NULL)
		fail_msg("%s: got %s, expected %s", path, got ? got : "nothing", what ? what : "nothing");
	free(path);
}

static void
sorted(const json_t *used)
{
	static const char *const arrays[] = { "files", "absent", "listed" };
	for (int a = 0; a < 3; a++) {
		size_t i;
		json_t *v;
		const char *last = "";
		json_array_foreach(ai_json_arr(used, arrays[a]), i, v) {
			const char *path = json_is_string(v) ? json_string_value(v) : ai_json_str(v, "path");
			assert_true(strcmp(last, path) < 0);
			last = path;
		}
	}
}

/* --- what is seen --------------------------------------------------------------- */

static char *
make_machine(void)
{
	char *dir = in_place("machine");
	static const char *const files[][2] = { { "read", "1" }, { "stat", "2" }, { "never", "3" }, { "target", "4" }, { "unreadable", "5" },
		{ "sub/inner", "6" }, { "sub/other", "7" } };
	char *sub = ai_join(dir, "sub");
	/* Root looks as others do, so they must get here. */
	assert_int_equal(chmod(place, 0711), 0);
	mkdir(dir, 0755);
	mkdir(sub, 0755);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		char *f = ai_join(dir, files[i][0]);
		put_file(f, files[i][1], strcmp(files[i][0], "unreadable") == 0 ? 0200 : 0644);
		free(f);
	}
	char *link = ai_join(dir, "link"), *up = ai_join(dir, "up"), *script = ai_join(dir, "script"), *program = ai_join(dir, "program");
	(void)unlink(link);
	(void)unlink(up);
	assert_int_equal(symlink("sub/../target", link), 0);
	assert_int_equal(symlink(sub, up), 0);
	char *line = ai_format("#! %s/interpreter x\n", dir), *interpreter = ai_join(dir, "interpreter");
	put_file(script, line, 0755);
	put_file(interpreter, "#!/bin/sh\n", 0755);
	free(sub);
	free(link);
	free(up);
	free(script);
	free(program);
	free(line);
	free(interpreter);
	return dir;
}

static void
every_way_of_looking(void **state)
{
	(void)state;
	char *dir = make_machine();
	char *program = ai_format("import os, subprocess\nd = '%s/'\n"
		"open(d + 'read').read(); os.stat(d + 'stat'); open(d + 'link').read(); os.path.exists(d + 'missing/deep')\n"
		"os.listdir(d + 'sub'); os.chdir(d + 'up'); open('other').read(); open('../sub/inner').read(); os.path.exists('gone')\n"
		"f = os.open(d, os.O_PATH); os.path.exists(d + 'read/below'); os.access('at-fd', os.F_OK, dir_fd=f); os.readlink('link', dir_fd=f)\n"
		"try: open(d + 'unreadable')\nexcept OSError: pass\n"
		"subprocess.call([d + 'script'])\n"
		"os.symlink(d + 'target', '/tmp/out'); os.symlink(d + 'through', '/workspace/t'); os.path.exists('/workspace/t')\n"
		"open('/workspace/x', 'w'); open('/proc/self/stat').read(); open('/etc/passwd').read()\n", dir);
	AI_JSON *used = observe((const char *const[]){ PYTHON, "-S", "-c", program, NULL }, dir, NULL, 0);
	sorted(used);
	expect(used, dir, "read", "file");
	expect(used, dir, "stat", "file");
	expect(used, dir, "never", NULL);
	expect(used, dir, "link", "link");
	expect(used, dir, "target", "file");
	expect(used, dir, "missing", "absent");
	expect(used, dir, "missing/deep", NULL);
	expect(used, dir, "sub", "listed");
	expect(used, dir, "up", "link");
	expect(used, dir, "sub/other", "file");
	expect(used, dir, "sub/inner", "file");
	expect(used, dir, "sub/gone", "absent");
	expect(used, dir, "at-fd", "absent");
	expect(used, dir, "unreadable", "absent");
	expect(used, dir, "script", "exec");
	expect(used, dir, "interpreter", "exec");
	expect(used, dir, "through", "absent");
	expect(used, "/", "etc/ld.so.cache", "file");
	expect(used, "/", "lib64", "link");
	expect(used, "/", "workspace/x", NULL);
	expect(used, "/", "etc/passwd", NULL);
	expect(used, "/", "proc/self/stat", NULL);
	free(program);
	free(dir);
}

/* Ways that a look-up by the text of the path alone would miss. */
static void
ways_round_the_text(void **state)
{
	(void)state;
	char *dir = make_machine();
	char *program = ai_format("import os, ctypes, mmap, socket, array, threading\nd = '%s/'\nlibc = ctypes.CDLL(None, use_errno=True)\n"
		/* A script whose interpreter is relative; a program that has no path; one by descriptor. */
		"os.chdir(d); open('/workspace/s', 'w').write('#!interpreter\\n'); os.chmod('/workspace/s', 0o755)\n"
		"pid = os.fork()\nif pid == 0:\n  try: os.execv('/workspace/s', ['s'])\n  except OSError: os._exit(0)\nos.waitpid(pid, 0)\n"
		"m = os.memfd_create('x', 0); os.write(m, ('#!' + d + 'target\\n').encode())\n"
		"pid = os.fork()\nif pid == 0:\n  try: os.execve(m, ['x'], {})\n  except OSError: os._exit(0)\nos.waitpid(pid, 0)\n"
		/* Through /proc/self, and a root of the look-up's own. */
		"os.stat('/proc/self/cwd/stat'); f = os.open(d + 'sub', os.O_PATH); os.path.exists('/proc/self/fd/%%d/gone' %% f)\n"
		"class how(ctypes.Structure): _fields_ = [('flags', ctypes.c_uint64), ('mode', ctypes.c_uint64), ('resolve', ctypes.c_uint64)]\n"
		"r = os.open(d, os.O_PATH); h = how(0, 0, 0x10); libc.syscall(437, r, b'/../sub/other', ctypes.byref(h), 24)\n"
		/* A path that ends where the memory ends; one that is no text; a very long one. */
		"p = mmap.mmap(-1, 8192); a = ctypes.addressof(ctypes.c_char.from_buffer(p)); libc.mprotect(ctypes.c_void_p(a + 4096), 4096, 0)\n"
		"t = (d + 'edge').encode() + b'\\0'; ctypes.memmove(a + 4096 - len(t), t, len(t)); libc.access(ctypes.c_void_p(a + 4096 - len(t)), 0)\n"
		"os.path.exists(d.encode() + b'\\xff'); os.path.exists(d + './' * 1900 + 'far')\n"
		/* AT_EMPTY_PATH does not mean that the path is empty. */
		"b = ctypes.create_string_buffer(256); libc.syscall(262, r, b'read', b, 0x1000)\n"
		/* A descriptor that came over a socket, and a thread. */
		"x, y = socket.socketpair(); socket.send_fds(x, [b'f'], [f]); g = socket.recv_fds(y, 1, 1)[1][0]; os.stat('inner', dir_fd=g)\n"
		"w = threading.Thread(target=lambda: os.path.exists(d + 'thread')); w.start(); w.join()\n"
		"try: os.mkdir(d + 'made')\nexcept OSError: pass\n", dir);
	AI_JSON *used = observe((const char *const[]){ PYTHON, "-S", "-c", program, NULL }, dir, NULL, 0);
	sorted(used);
	expect(used, dir, "interpreter", "exec");
	expect(used, dir, "target", "file");
	expect(used, dir, "stat", "file");
	expect(used, dir, "sub/gone", "absent");
	expect(used, dir, "sub/other", "file");
	expect(used, dir, "edge", "absent");
	expect(used, dir, "far", "absent");
	expect(used, dir, "read", "file");
	expect(used, dir, "sub/inner", "file");
	expect(used, dir, "thread", "absent");
	expect(used, dir, "made", NULL);
	expect(used, dir, "never", NULL);
	free(program);
	free(dir);
}

/* The program interpreter is opened by the kernel, without a call; so is what a link in the workspace leads to. */
static void
programs_and_their_interpreters(void **state)
{
	(void)state;
	char *tree = in_place("venv"), *link = in_place("venv/python");
	mkdir(tree, 0755);
	(void)unlink(link);
	assert_int_equal(symlink(PYTHON, link), 0);
	struct ai_mount m = { tree, "/workspace/venv", AI_MOUNT_READ_ONLY };
	AI_JSON *used = observe((const char *const[]){ "/workspace/venv/python", "-c", "pass", NULL }, NULL, &m, 0);
	char real[4096];
	assert_non_null(realpath(PYTHON, real));
	assert_string_equal(what_of(used, real), "exec");
	assert_string_equal(what_of(used, PYTHON), strcmp(real, PYTHON) ? "link" : "exec");
	assert_string_equal(what_of(used, "/lib64"), "link");
	assert_non_null(realpath("/lib64/ld-linux-x86-64.so.2", real));
	assert_string_equal(what_of(used, real), "exec");
	free(tree);
	free(link);
}

static void
failed_look_ups_of_a_shell(void **state)
{
	(void)state;
	AI_JSON *used = observe((const char *const[]){ "sh", "-c", "no-such-thing", NULL }, NULL, NULL, 127);
	assert_string_equal(what_of(used, "/usr/local/bin/sh"), "absent");
	assert_string_equal(what_of(used, "/usr/bin/no-such-thing"), "absent");
}

/* --- does it hold? ---------------------------------------------------------------- */

static void
holds(const json_t *used, const char *path, const char *how)
{
	struct ai_err err = { 0 };
	char *what = NULL;
	int r = ai_used_holds(used, &io, &what, &err);
	if (r != (how ? 0 : 1))
		fail_msg("holds: got %d %s %s, expected %s", r, what ? what : "", err.text, how ? how : "that it holds");
	if (how && (!strstr(what, path) || !strstr(what, how)))
		fail_msg("holds: got '%s', expected '%s: %s'", what, path, how);
	free(what);
}

static void
flips(void **state)
{
	(void)state;
	char *dir = make_machine();
	char *read_ = ai_join(dir, "read"), *gone = ai_join(dir, "missing"), *inner = ai_join(dir, "sub/new"), *link = ai_join(dir, "link");
	char *program = ai_format("cat %s %s; cat %s; ls %s/sub", read_, link, gone, dir);
	AI_JSON *used = observe((const char *const[]){ "sh", "-c", program, NULL }, dir, NULL, 0);
	holds(used, NULL, NULL);
	put_file(read_, "changed", 0644);
	holds(used, read_, "content differs");
	put_file(read_, "1", 0755);
	holds(used, read_, "is a exec, was a file");
	unlink(read_);
	holds(used, read_, "is gone");
	put_file(read_, "1", 0644);
	holds(used, NULL, NULL);
	put_file(gone, "", 0644);
	holds(used, gone, "is there now");
	unlink(gone);
	put_file(inner, "", 0644);
	holds(used, "/sub", "holds other names");
	unlink(inner);
	unlink(link);
	assert_int_equal(symlink("read", link), 0);
	holds(used, link, "links elsewhere");
	unlink(link);
	assert_int_equal(symlink("sub/../target", link), 0);
	holds(used, NULL, NULL);
	/* What was not used may change. */
	char *never = ai_join(dir, "never");
	put_file(never, "changed", 0644);
	holds(used, NULL, NULL);
	free(never);
	free(program);
	free(link);
	free(inner);
	free(gone);
	free(read_);
	free(dir);
}

/* The record is of what was there when the step looked; a file that is another by then cannot be hashed any more. */
static void
changed_meanwhile(void **state)
{
	(void)state;
	for (int file = 0; file < 2; file++) {
		char *dir = make_machine(), *gone = ai_join(dir, "missing"), *read_ = ai_join(dir, "read");
		char *program = ai_format("cat %s %s; ls %s/sub", read_, gone, dir), *fresh = ai_join(dir, "sub/fresh");
		const char *const extras[] = { dir, NULL };
		struct trial t;
		struct ai_err why = { 0 };
		json_t *used = NULL;
		(void)unlink(gone);
		(void)unlink(fresh);
		trial_start(&t);
		t.s.observer = ai_observer_new();
		t.s.extra_host = extras;
		trial_run(&t, (const char *const[]){ "sh", "-c", program, NULL });
		assert_int_equal(t.code, 0);
		put_file(gone, "", 0644);
		put_file(fresh, "", 0644);
		if (file)
			put_file(read_, "another", 0644);
		int r = ai_observer_used(t.s.observer, &io, &used, &why);
		if (file) {
			assert_int_equal(r, AI_EINPUT);
			assert_non_null(strstr(why.text, "changed while the step ran"));
			assert_null(used);
		} else {
			assert_int_equal(r, 0);
			expect(used, dir, "missing", "absent");
			holds(used, gone, "is there now");
			(void)unlink(gone);
			holds(used, "/sub", "holds other names");
			json_decref(used);
		}
		ai_observer_free(t.s.observer);
		trial_end(&t);
		free(fresh);
		free(program);
		free(read_);
		free(gone);
		free(dir);
	}
}

/* --- a real start, and the same for root and user ----------------------------------- */

static bool
has_numpy(void)
{
	return ai_exists("/usr/lib/python3/dist-packages/numpy/__init__.py");
}

static json_t *
numpy_start(void)
{
	return observe((const char *const[]){ PYTHON, "-c", "import numpy; numpy.dot([1.0], [2.0])", NULL }, NULL, NULL, 0);
}

static void
python_with_numpy(void **state)
{
	(void)state;
	if (!has_numpy())
		skip();
	AI_JSON *used = numpy_start();
	AI_JSON *again = numpy_start();
	sorted(used);
	assert_string_equal(what_of(used, "/usr/lib/python3/dist-packages/numpy/__init__.py"), "file");
	assert_string_equal(what_of(used, "/usr/lib/python3/dist-packages"), "listed");
	assert_true(json_array_size(ai_json_arr(used, "files")) > 200);
	assert_true(json_equal(used, again));
	holds(used, NULL, NULL);
}

static void
same_for_root_and_user(void **state)
{
	(void)state;
	if (!has_numpy())
		skip();
	AI_JSON *mine = numpy_start();
	struct ai_digest id, theirs;
	ok(ai_json_id(mine, &id, &err));
	char *home = in_place("user");
	int out[2];
	assert_int_equal(mkdir(home, 0777), 0);
	assert_int_equal(chmod(home, 0777), 0);
	assert_int_equal(chmod(place, 0711), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
			_exit(1);
		prctl(PR_SET_DUMPABLE, 1);
		place = home;
		AI_JSON *used = numpy_start();
		ok(ai_json_id(used, &theirs, &err));
		_exit(write(out[1], &theirs, sizeof theirs) != sizeof theirs);
	}
	close(out[1]);
	assert_int_equal(read(out[0], &theirs, sizeof theirs), sizeof theirs);
	waitpid(pid, NULL, 0);
	assert_true(ai_digest_eq(&id, &theirs));
	close(out[0]);
	free(home);
}

#define EITHER cmocka_unit_test(every_way_of_looking), cmocka_unit_test(ways_round_the_text), cmocka_unit_test(programs_and_their_interpreters), \
	cmocka_unit_test(failed_look_ups_of_a_shell), cmocka_unit_test(flips), cmocka_unit_test(changed_meanwhile), cmocka_unit_test(python_with_numpy)

/* The comparison of root with user is root's: it becomes the user by itself. */
static int
tests(void)
{
	const struct CMUnitTest user[] = { EITHER };
	const struct CMUnitTest root[] = { EITHER, cmocka_unit_test(same_for_root_and_user) };
	return geteuid() ? cmocka_run_group_tests_name("observe", user, NULL, NULL) : cmocka_run_group_tests_name("observe", root, NULL, NULL);
}

int
main(void)
{
	return as_root_and_user(tests);
}

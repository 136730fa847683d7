/* The sandbox with an image as its root: what it shows, what it hides, what is put in.  SPDX-License-Identifier: Apache-2.0 */
#include "sandbox_unit.h"

#include "image_unit.h"

#define BUSYBOX "/usr/bin/busybox"
#define LOADER "/lib64/ld-linux-x86-64.so.2"
#define LIBC "/lib/x86_64-linux-gnu/libc.so.6"

/* `! command` does not end a shell that has -e. */
#define NO "set -e; no() { if \"$@\" 2>/dev/null; then echo \"allowed: $*\"; exit 1; fi; }; "

static const char *const image_env[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/home/aicert", NULL };

/* One static program and nothing else, not even a folder. */
static const struct in_image scratch[] = { { "/busybox", PROGRAM_, BUSYBOX } };

static const struct in_image busybox[] = {
	{ "/bin", DIR_, NULL }, { "/bin/busybox", PROGRAM_, BUSYBOX }, { "/bin/sh", LINK_, "busybox" }, { "/usr", DIR_, NULL },
	{ "/usr/bin", DIR_, NULL }, { "/usr/bin/hello", PROGRAM_, "hello" }, { "/usr/lib", DIR_, NULL }, { "/usr/lib64", LINK_, "/lib64" },
	{ "/lib64", LINK_, "usr/lib" }, { "/usr/lib/own.so", TEXT_, "own\n" }, { "/usr/host", LINK_, "/etc" }, { "/etc", DIR_, NULL },
	{ "/etc/shadow", TEXT_, "image's own\n" },
};

static char *
lay(const struct in_image *list, size_t n)
{
	char *path = NULL;
	struct ai_digest tree = image_tree(list, n, "");
	ok(ai_image_root(image_store, &tree, &path, &err));
	return path;
}

/* The busybox image, its script written to the disk first. */
static char *
lay_busybox(void)
{
	struct in_image list[sizeof busybox / sizeof *busybox];
	char *script = in_place("hello");
	put_file(script, "#!/bin/sh\necho hello from $0 $1\n", 0755);
	memcpy(list, busybox, sizeof busybox);
	for (size_t i = 0; i < sizeof list / sizeof *list; i++)
		if (list[i].type == PROGRAM_ && strcmp(list[i].text, "hello") == 0)
			list[i].text = script;
	char *path = lay(list, sizeof list / sizeof *list);
	free(script);
	return path;
}

static void
in_root(struct trial *t, const char *root)
{
	trial_start(t);
	t->s.host = false;
	t->s.root = root;
	t->s.env = image_env;
}

static void
one_static_program(void **state)
{
	(void)state;
	struct trial t;
	char *root = lay(scratch, 1);
	in_root(&t, root);
	trial_run(&t, (const char *const[]){ "/busybox", "ls", "/", NULL });
	assert_int_equal(t.code, 0);
	assert_string_equal(t.log, "busybox\ndev\netc\nhome\nproc\nroot\nrun\nsys\ntmp\nvar\nworkspace\n");
	trial_run(&t, (const char *const[]){ "/busybox", "id", NULL });
	assert_non_null(strstr(t.log, "uid=1000(aicert) gid=1000(aicert)"));
	trial_run(&t, (const char *const[]){ "/busybox", "sh", "-c", "/busybox find /sys /run /root /home /var /etc | /busybox sort | /busybox xargs", NULL });
	assert_string_equal(t.log, "/etc /etc/group /etc/host.conf /etc/hostname /etc/hosts /etc/mtab /etc/nsswitch.conf /etc/passwd /etc/resolv.conf /home "
		"/home/aicert /root /run /sys /var /var/tmp\n");
	trial_run(&t, (const char *const[]){ "busybox", "true", NULL });
	assert_int_equal(t.end.value, 127);
	trial_end(&t);
	free(root);
}

static void
nothing_of_the_machine(void **state)
{
	(void)state;
	struct trial t;
	char *root = lay_busybox(), *secret = in_place("secret");
	put_file(secret, "secret", 0644);
	char *program = ai_format(NO "test \"$(id -un):$(hostname):$(pwd):$(umask):$HOME\" = aicert:aicert:/workspace:0022:/home/aicert; "
		"no cat %s; no ls %s; no ls %s; no ls /usr/share; no ls /lib; no ls /etc/ld.so.cache; test -z \"$(ls /sys)\"; cat /etc/shadow; hello you; "
		"test \"$(ls /dev | tr '\\n' ' ')\" = 'fd full null random shm stderr stdin stdout urandom zero '; head -c 8 /dev/urandom | wc -c; "
		"test \"$(ls -d /proc/[0-9]* | wc -l)\" -le 4; grep -q lo: /proc/net/dev; test \"$(grep -c : /proc/net/dev)\" = 1; cat /usr/lib64/own.so",
		secret, place, root);
	in_root(&t, root);
	trial_expect(&t, "sh", program, 0);
	assert_non_null(strstr(t.log, "image's own\nhello from /usr/bin/hello you\n8\nown\n"));
	trial_end(&t);
	free(program);
	free(secret);
	free(root);
}

static void
writable_places(void **state)
{
	(void)state;
	struct trial t;
	char *root = lay_busybox();
	in_root(&t, root);
	trial_expect(&t, "sh", NO "for d in /workspace /tmp /var/tmp ~ /dev/shm outputs; do echo x > $d/f; mv $d/f $d/g; done; echo r > /workspace/workspace/outputs/o; "
		"for p in /new /etc/new /etc/passwd /usr/lib/own.so /bin/busybox /dev/new /proc/new /proc/self/comm /proc/sys/kernel/hostname /sys/new /run/new /home/new "
		"/root/new; do no sh -c \"echo x > $p\"; done; no chmod 777 /bin/busybox; no chmod 777 /; no rm /etc/shadow; "
		"no mv /usr /usr2; no ln /bin/busybox /tmp/hard; no mknod /tmp/d c 1 3; cp /bin/busybox /tmp; chmod 4755 /tmp/busybox; test $(/tmp/busybox id -u) = 1000", 0);
	char *out = ai_join(t.scratch, "workspace/outputs/o");
	assert_true(ai_exists(out));
	free(out);
	trial_end(&t);
	free(root);
}

/* A loader and a C library at the places of a merged and of an unmerged /usr; the program is found by PATH. */
static void
dynamic_programs(void **state)
{
	(void)state;
	static const struct in_image merged[] = {
		{ "/bin", LINK_, "usr/bin" }, { "/lib", LINK_, "usr/lib" }, { "/lib64", LINK_, "usr/lib64" }, { "/usr", DIR_, NULL }, { "/usr/bin", DIR_, NULL },
		{ "/usr/bin/sh", PROGRAM_, "/bin/dash" }, { "/usr/lib64", DIR_, NULL }, { "/usr/lib64/ld-linux-x86-64.so.2", PROGRAM_, LOADER },
		{ "/usr/lib", DIR_, NULL }, { "/usr/lib/x86_64-linux-gnu", DIR_, NULL }, { "/usr/lib/x86_64-linux-gnu/libc.so.6", LIBRARY_, LIBC },
	}, unmerged[] = {
		{ "/bin", DIR_, NULL }, { "/bin/sh", PROGRAM_, "/bin/dash" }, { "/lib64", DIR_, NULL }, { "/lib64/ld-linux-x86-64.so.2", PROGRAM_, LOADER },
		{ "/lib", DIR_, NULL }, { "/lib/x86_64-linux-gnu", DIR_, NULL }, { "/lib/x86_64-linux-gnu/libc.so.6", LIBRARY_, LIBC },
	};
	for (int i = 0; i < 2; i++) {
		struct trial t;
		char *root = i ? lay(unmerged, sizeof unmerged / sizeof *unmerged) : lay(merged, sizeof merged / sizeof *merged);
		in_root(&t, root);
		trial_expect(&t, "sh", "test -x /bin/sh && cd /tmp && test ! -e /usr/share && exit 3", 3);
		trial_end(&t);
		free(root);
	}
}

static void
inputs(void **state)
{
	(void)state;
	struct trial t;
	char *root = lay_busybox(), *dir = in_place("input"), *file = in_place("input/f");
	mkdir(dir, 0755);
	put_file(file, "one\n", 0444);
	struct ai_mount m[] = { { dir, "/workspace/resources/d", AI_MOUNT_READ_ONLY }, { file, "/workspace/resources/f", AI_MOUNT_READ_ONLY },
		{ dir, "/workspace/src", AI_MOUNT_SCRATCH } };
	in_root(&t, root);
	t.s.mounts = m;
	t.s.n_mounts = 3;
	t.s.folders = (const char *const[]){ "/workspace/deep/er", NULL };
	t.s.memory = 1u << 30;
	t.s.pids = 100;
	trial_expect(&t, "sh", NO "cat resources/f resources/d/f; echo two >> src/f; cat src/f; touch deep/er/x; no sh -c 'echo x > resources/f'; "
		"no touch resources/d/g", 0);
	assert_non_null(strstr(t.log, "one\none\none\ntwo\n"));
	trial_end(&t);
	free(root);
	free(dir);
	free(file);
}

/* --- things of the machine inside an image -------------------------------------------- */

static void
binds(void **state)
{
	(void)state;
	struct trial t;
	char *root = lay_busybox(), *lib = in_place("libcuda.so.1"), *dir = in_place("driver"), *inner = in_place("driver/x");
	put_file(lib, "driver\n", 0644);
	mkdir(dir, 0755);
	put_file(inner, "inner\n", 0644);
	struct ai_bind b[] = {
		{ lib, (char *)"/usr/local/nvidia/lib64/libcuda.so.1", false }, { dir, (char *)"/usr/share/driver", false },
		{ lib, (char *)"/usr/lib64/new.so", false } /* through two links of the image */, { lib, (char *)"/usr/lib/own.so", false } /* over its own */,
		{ (char *)"/dev/zero", (char *)"/dev/nvidia0", true }, { (char *)"/dev/null", (char *)"/dev/nvidia-caps/cap1", true },
	};
	in_root(&t, root);
	t.s.binds = b;
	t.s.n_binds = sizeof b / sizeof *b;
	trial_expect(&t, "sh", NO "cat /usr/local/nvidia/lib64/libcuda.so.1 /usr/share/driver/x /usr/lib/new.so /usr/lib/own.so; hello still; test -L /usr/lib64; "
		"head -c 3 /dev/nvidia0 | wc -c; echo x > /dev/nvidia-caps/cap1; echo x > /dev/nvidia0; no sh -c 'echo x > /usr/share/driver/x'; "
		"no sh -c 'echo x > /usr/lib/new.so'; no touch /usr/local/nvidia/n; no touch /usr/share/n; no touch /dev/new; no rm /dev/nvidia0", 0);
	assert_non_null(strstr(t.log, "driver\ninner\ndriver\ndriver\nhello from /usr/bin/hello still\n3\n"));
	trial_end(&t);
	/* The layout that all steps share has none of it. */
	char *made = ai_join(root, "usr/local");
	assert_false(ai_exists(made));
	free(made);
	free(root);
	free(lib);
	free(dir);
	free(inner);
}

static void
devices_of_the_host(void **state)
{
	(void)state;
	struct trial t;
	struct ai_bind b = { (char *)"/dev/zero", (char *)"/dev/nvidia0", true };
	trial_start(&t);
	t.s.binds = &b;
	t.s.n_binds = 1;
	trial_expect(&t, "sh", "head -c 3 /dev/nvidia0 | wc -c && echo x > /dev/nvidia0 && ! rm /dev/nvidia0", 0);
	trial_end(&t);
}

/* An image's link must not lead a bind out of it, nor a bind be asked for where it would cover the step's own. */
static void
binds_stay_inside(void **state)
{
	(void)state;
	struct trial t;
	char *victim = in_place("victim"), *lib = in_place("lib");
	mkdir(victim, 0755);
	put_file(lib, "lib\n", 0644);
	const struct in_image image[] = { { "/busybox", PROGRAM_, BUSYBOX }, { "/usr", DIR_, NULL }, { "/usr/lib", LINK_, victim }, { "/usr/up", LINK_, "../../../.." } };
	char *root = lay(image, sizeof image / sizeof *image);
	struct ai_bind b[] = { { lib, (char *)"/usr/lib/made", false }, { lib, (char *)"/usr/up/opt/made", false } };
	in_root(&t, root);
	t.s.binds = b;
	t.s.n_binds = 2;
	trial_run(&t, (const char *const[]){ "/busybox", "cat", "/usr/lib/made", "/opt/made", NULL });
	if (t.code < 0)
		fail_msg("%s", t.err.text);
	assert_string_equal(t.log, "lib\nlib\n");
	assert_int_equal(rmdir(victim), 0);
	b[1].to = (char *)"/usr/up/tmp/made"; /* the step's own */
	trial_run(&t, (const char *const[]){ "/busybox", "true", NULL });
	assert_int_equal(t.code, AI_EENV);
	assert_non_null(strstr(t.err.text, "/usr/up/tmp/made: no place"));
	static const struct ai_bind bad[] = { { (char *)"/dev/null", (char *)"/workspace/x", false }, { (char *)"/dev/null", (char *)"/usr/../etc/passwd", false },
		{ (char *)"/dev/null", (char *)"relative", false }, { (char *)"/dev/null", (char *)"/usr/null", true }, { (char *)"/etc/passwd", (char *)"/dev/x", false } };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		t.s.binds = &bad[i];
		t.s.n_binds = 1;
		trial_run(&t, (const char *const[]){ "/busybox", "true", NULL });
		assert_int_equal(t.code, AI_EUSAGE);
	}
	trial_end(&t);
	free(root);
	free(victim);
	free(lib);
}

/* A folder that ai_image_root did not make. */
static void
bad_roots(void **state)
{
	(void)state;
	struct trial t;
	char *root = in_place("root");
	mkdir(root, 0755);
	in_root(&t, root);
	trial_run(&t, (const char *const[]){ "/busybox", "true", NULL });
	assert_int_equal(t.code, AI_EINPUT);
	assert_non_null(strstr(t.err.text, "'/dev': expected a folder"));
	static const char *const needed[] = { "dev", "proc", "workspace", "home", "home/aicert" };
	for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
		char *p = ai_join(root, needed[i]);
		assert_int_equal(mkdir(p, 0755), 0);
		free(p);
	}
	char *tmp = ai_join(root, "tmp");
	assert_int_equal(symlink("/etc", tmp), 0);
	trial_run(&t, (const char *const[]){ "/busybox", "true", NULL });
	assert_int_equal(t.code, AI_EINPUT);
	assert_non_null(strstr(t.err.text, "'/tmp': expected a folder"));
	t.s.root = "/no/such/root";
	trial_run(&t, (const char *const[]){ "/busybox", "true", NULL });
	assert_int_equal(t.code, AI_EENV);
	t.s.host = true;
	trial_run(&t, (const char *const[]){ "/busybox", "true", NULL });
	assert_int_equal(t.code, AI_EUSAGE);
	t.s.host = false;
	t.s.root = NULL;
	trial_run(&t, (const char *const[]){ "/busybox", "true", NULL });
	assert_int_equal(t.code, AI_EUSAGE);
	trial_end(&t);
	free(tmp);
	free(root);
}

static int
tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(one_static_program), cmocka_unit_test(nothing_of_the_machine), cmocka_unit_test(writable_places),
		cmocka_unit_test(dynamic_programs), cmocka_unit_test(inputs), cmocka_unit_test(binds), cmocka_unit_test(devices_of_the_host),
		cmocka_unit_test(binds_stay_inside), cmocka_unit_test(bad_roots),
	};
	image_store_open(place);
	int failed = cmocka_run_group_tests_name("sandbox in an image", all, NULL, NULL);
	image_store_close();
	return failed;
}

int
main(void)
{
	return as_root_and_user(tests);
}

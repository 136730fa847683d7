/*
 * test_vm_host.c -- how large a measured run's machine is, what its console becomes, and programs that are surely ended.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fs.h"
#include "unit.h"
#include "vm/host/machine.h"
#include "vm/host/run_vm_parts.h"
#include "vm/host/scratch.h"
#include "vm/host/swtpm.h"

static const char two_steps[] =
	"aicert: 1\n"
	"name: n\n"
	"steps:\n"
	"  a: { use: shell, script: x, outputs: { o: o }, %s }\n"
	"  b: { use: shell, script: x, outputs: { o: o }, environment: { image: 'python:3.11' }, limits: { memory: 2G, time: 1h, cpus: 3 } }\n";

static struct ai_manifest *
manifest(const char *of_a)
{
	struct ai_manifest *m = NULL;
	char text[1024];
	int n = snprintf(text, sizeof text, two_steps, of_a);
	ok(ai_manifest_parse(text, (size_t)n, "Aicertfile", NULL, &m, &err));
	return m;
}

#define IMAGE "environment: { image: 'python:3.11' }"

static void
only_what_the_machine_has(void **state)
{
	(void)state;
	struct ai_manifest *m = manifest(IMAGE);
	ok(ai_vm_check_steps(m, "Aicertfile", &err));
	ai_manifest_free(m);
	m = manifest("environment: host");
	refused(AI_EUSAGE, "Aicertfile:4:3: step 'a': runs in the host environment", ai_vm_check_steps(m, "Aicertfile", &err));
	ai_manifest_free(m);
	m = manifest(IMAGE ", limits: { gpus: 1 }");
	refused(AI_EENV, "gpus: got 1", ai_vm_check_steps(m, "Aicertfile", &err));
	ai_manifest_free(m);
}

static void
as_large_as_the_job(void **state)
{
	(void)state;
	const uint64_t mib = 1 << 20, gib = 1 << 30;
	struct ai_manifest *m = manifest(IMAGE);
	assert_int_equal(ai_vm_memory(m, 100 * mib), 200 * mib + 512 * mib + 2 * gib);
	assert_true(ai_vm_memory(m, UINT64_MAX) > UINT64_MAX / 4);
	assert_int_equal(ai_vm_room(m, ai_vm_memory(m, 100 * mib)), 100 * mib);
	/* Not even the step fits: everything that can stays on the disk. */
	assert_int_equal(ai_vm_room(m, 2 * gib), 1);
	assert_int_equal(ai_vm_room(m, 0), 1);
	assert_int_equal(ai_vm_cpus(m), 3);
	assert_int_equal(ai_vm_time(m), 24 * 3600 + 3600 + 1800);
	m->steps[1].limits = m->steps[0].limits = (struct ai_limits){ .time_s = 60 };
	assert_int_equal(ai_vm_memory(m, 0), gib);
	assert_int_equal(ai_vm_cpus(m), 1);
	assert_int_equal(ai_vm_time(m), 120 + 1800);
	m->steps[0].limits.time_s = 1e15;
	assert_int_equal(ai_vm_time(m), 365u * 24 * 3600);
	ai_manifest_free(m);
}

/* By what was asked for, else by what this host has, which must then be enough; of a cloud's machine nobody knows. */
static void
room_for_content(void **state)
{
	(void)state;
	static const char host[] = "MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:   10000000 kB\n";
	const uint64_t gib = 1 << 30, mib = 1 << 20;
	struct ai_manifest *m = manifest(IMAGE);
	uint64_t room = ai_vm_room_on(m, host, false, 0), memory = ai_vm_memory(m, room);
	unsigned cpus = 1;
	bool known;
	assert_true(room > 3 * gib);
	ok(ai_vm_shape(host, &memory, &cpus, &known, &err));
	assert_int_equal(ai_vm_room_on(m, host, false, 4 * gib), gib - 256 * mib);
	assert_int_equal(ai_vm_room_on(m, host, true, 4 * gib), gib - 256 * mib);
	assert_int_equal(ai_vm_room_on(m, host, true, 0), gib);
	assert_int_equal(ai_vm_room_on(m, "", false, 0), 0);
	ai_manifest_free(m);
}

static void
of_a_known_shape(void **state)
{
	(void)state;
	static const char host[] = "MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:   10000000 kB\n";
	static const char small[] = "MemTotal:       1800000 kB\nMemAvailable:   1700000 kB\n";
	const uint64_t gib = 1 << 30;
	uint64_t memory = gib + gib / 2;
	unsigned cpus = 3;
	bool known = false;
	ok(ai_vm_shape(host, &memory, &cpus, &known, &err));
	assert_true(known);
	assert_int_equal(memory, 2 * gib);
	assert_int_equal(cpus, 4);
	/* More than the host has cannot be lent, so then it is what it must be. */
	memory = gib + gib / 2;
	ok(ai_vm_shape(small, &memory, &cpus, &known, &err));
	assert_false(known);
	assert_int_equal(memory, gib + gib / 2);
	memory = 10 * gib;
	refused(AI_EENV, "needs 10240 MiB of memory: this host has 9765 MiB", ai_vm_shape(host, &memory, &cpus, &known, &err));
	/* A kernel that does not say is not held against anybody. */
	ok(ai_vm_shape("", &memory, &cpus, &known, &err));
	assert_int_equal(memory, 10 * gib);
}

/* --- the console ------------------------------------------------------------------------------ */

struct heard { char text[4096]; };

static void
hear(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total)
{
	struct heard *h = ctx;
	(void)total;
	size_t n = strlen(h->text);
	if (kind == AI_TALK_LOG)
		snprintf(h->text + n, sizeof h->text - n, "log<%.*s>", (int)done, text);
	else
		snprintf(h->text + n, sizeof h->text - n, "%s<%s>", kind == AI_TALK_STAGE ? "stage" : kind == AI_TALK_DETAIL ? "detail" : "other", text);
}

static void
line(struct ai_vm_console *c, const char *text)
{
	ai_vm_console_line(c, text, strlen(text));
}

static void
its_lines_are_told(void **state)
{
	(void)state;
	struct heard h = { "" };
	const struct ai_talk talk = { .say = hear, .ctx = &h };
	AI_FREE char *dir = NULL;
	ok(ai_mkdtemp("/tmp/aicert-console", &dir, &err));
	AI_FREE char *path = ai_format("%s/log", dir);
	struct ai_vm_console c = { .talk = &talk, .log = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) };
	assert_true(c.log >= 0);
	line(&c, "\033[2J\033[01;01H\033[=3h\033[2Jaicert: boot");
	line(&c, "");
	line(&c, "| aicert: not ours");
	line(&c, "|");
	line(&c, "[    1.0] kernel");
	ai_vm_console_line(&c, "nul\0inside\033[", 12);
	assert_string_equal(h.text, "stage<boot>log<aicert: not ours\n>detail<machine |>detail<machine [    1.0] kernel>detail<machine nul?inside>");
	AI_BUF_AUTO last = AI_BUF(4096);
	AI_BUF_AUTO log = AI_BUF(4096);
	ai_vm_console_last(&c, &last);
	assert_string_equal(last.data, "aicert: boot / | aicert: not ours / | / [    1.0] kernel / nul?inside");
	ok(ai_read_file(AT_FDCWD, path, &log, &err));
	assert_string_equal(log.data, "aicert: boot\n\n| aicert: not ours\n|\n[    1.0] kernel\nnul?inside\n");
	/* The last ones alone are kept, and no line without end. */
	AI_FREE char *vast = ai_calloc(1 << 16, 1);
	memset(vast, 'x', (1 << 16) - 1);
	for (int i = 0; i < 7; i++)
		line(&c, vast);
	ai_buf_clear(&last);
	ai_vm_console_last(&c, &last);
	assert_int_equal(last.len, AI_VM_LAST_LINES * (AI_VM_SHOWN_LINE - 1) + (AI_VM_LAST_LINES - 1) * 3);
	close(c.log);
	ai_discard_tree(dir);
}

/* --- programs ------------------------------------------------------------------------------------ */

struct started { char *dir, *errors; struct ai_argv argv; };

static void
command(struct started *s, const char *script)
{
	*s = (struct started){ 0 };
	ok(ai_mkdtemp("/tmp/aicert-child", &s->dir, &err));
	s->errors = ai_format("%s/err", s->dir);
	ai_argv_add(&s->argv, "sh");
	ai_argv_add(&s->argv, "-c");
	ai_argv_add(&s->argv, "%s", script);
}

static void
command_done(struct started *s)
{
	ai_discard_tree(s->dir);
	free(s->dir);
	free(s->errors);
	ai_argv_done(&s->argv);
}

static void
a_program_says_why_it_failed(void **state)
{
	(void)state;
	struct started s;
	command(&s, "echo first >&2; echo 'the cause' >&2; exit 3");
	refused(AI_EENV, "sh: failed: the cause", ai_child_run(&s.argv, "dash", s.errors, 10, &err));
	command_done(&s);
	command(&s, "sleep 60");
	refused(AI_EENV, "was not done after 1 seconds", ai_child_run(&s.argv, "dash", s.errors, 1, &err));
	ai_interrupted = 1;
	refused(AI_EINTR, "interrupted", ai_child_run(&s.argv, "dash", s.errors, 10, &err));
	ai_interrupted = 0;
	command_done(&s);
	command(&s, "");
	free(s.argv.v[0]);
	s.argv.v[0] = ai_strdup("aicert-no-such-program");
	struct ai_err err = { 0 };
	assert_int_equal(ai_child_run(&s.argv, "some-package", s.errors, 10, &err), AI_EENV);
	assert_non_null(strstr(err.text, "cannot be started"));
	assert_non_null(strstr(err.hint, "some-package"));
	command_done(&s);
}

/* One that does not want to end is made to, and nothing of it stays. */
static void
a_program_is_surely_ended(void **state)
{
	(void)state;
	struct started s;
	command(&s, "trap '' TERM; echo ready; while :; do sleep 1; done");
	AI_FD out = -1;
	pid_t pid = 0;
	const struct ai_child_io io = { .errors = s.errors, .out = &out };
	char ready[8];
	ok(ai_child_start(&s.argv, "dash", &io, &pid, &err));
	assert_int_equal(read(out, ready, sizeof ready), 6);
	/* A session of its own: what a terminal sends to us does not reach it. */
	assert_int_equal(getsid(pid), pid);
	pid_t was = pid;
	ai_child_end(&pid);
	assert_int_equal(pid, 0);
	assert_int_equal(kill(was, 0), -1);
	assert_int_equal(errno, ESRCH);
	command_done(&s);
}

/* Nor of what it started, which swtpm_setup would leave behind; and its temporary files lie where ours do. */
static void
what_a_program_started_ends_with_it(void **state)
{
	(void)state;
	struct started s;
	command(&s, "sleep 600 & echo $! $TMPDIR; wait");
	AI_FD out = -1;
	pid_t pid = 0;
	const struct ai_child_io io = { .errors = s.errors, .out = &out };
	char said[200] = "", *end;
	ok(ai_child_start(&s.argv, "dash", &io, &pid, &err));
	assert_true(read(out, said, sizeof said - 1) > 0);
	pid_t grandchild = (pid_t)strtoull(said, &end, 10);
	assert_true(grandchild > 1);
	assert_int_equal(strncmp(end + 1, s.dir, strlen(s.dir)), 0);
	assert_string_equal(end + 1 + strlen(s.dir), "\n");
	ai_child_end(&pid);
	/* Its pipe has an end when nobody holds it any more. */
	struct pollfd p = { .fd = out, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(read(out, said, 1), 0);
	command_done(&s);
}

static void
what_is_absent_is_named(void **state)
{
	(void)state;
	struct ai_err err = { 0 };
	struct ai_provider *shape = NULL;
	assert_int_equal(ai_provider_open("qemu", NULL, 0, NULL, &shape, &err), 0);
	assert_int_equal(ai_machine_check(shape, "/nowhere/aicert.efi", &err), AI_EENV);
	assert_non_null(strstr(err.text, "/nowhere/aicert.efi"));
	assert_non_null(strstr(err.hint, "aicert vm build"));
	ai_provider_close(shape);
}

static void
a_socket_has_a_short_path(void **state)
{
	(void)state;
	struct ai_swtpm s = AI_SWTPM_NONE;
	AI_FREE char *dir = NULL;
	ok(ai_mkdtemp("/tmp/aicert-socket", &dir, &err));
	AI_FREE char *deep = ai_format("%s/%0100d", dir, 0);
	AI_FREE char *tpm = ai_format("%s/tpm", dir);
	ok(ai_mkdirs(deep, 0700, &err));
	refused(AI_EENV, "too long for a socket", ai_swtpm_start(tpm, deep, NULL, &s, &err));
	ai_swtpm_stop(&s);
	struct ai_vm_scratch scratch = AI_VM_SCRATCH_NONE;
	struct stat st;
	ok(ai_vm_scratch_make(&scratch, &err));
	assert_true(strlen(scratch.path) < 90);
	assert_int_equal(stat(scratch.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	ai_vm_scratch_done(&scratch);
	ai_discard_tree(dir);
}

/* The folder of a process that makes one and is killed. */
static char *
left_by_the_dead(void)
{
	int p[2];
	char path[256] = "";
	assert_int_equal(pipe(p), 0);
	pid_t child = fork();
	if (child == 0) {
		struct ai_vm_scratch s = AI_VM_SCRATCH_NONE;
		struct ai_err err = { 0 };
		if (ai_vm_scratch_make(&s, &err) == 0 && write(p[1], s.path, strlen(s.path)) > 0)
			kill(getpid(), SIGKILL);
		_exit(1);
	}
	close(p[1]);
	assert_true(read(p[0], path, sizeof path - 1) > 0);
	close(p[0]);
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	return ai_strdup(path);
}

/* Nobody comes to remove it but the next one: which leaves alone what lives, what is another's, and what only looks like one. */
static void
what_the_dead_left_is_removed(void **state)
{
	(void)state;
	struct ai_vm_scratch lives = AI_VM_SCRATCH_NONE, next = AI_VM_SCRATCH_NONE;
	AI_FREE char *dir = NULL;
	const char *was = getenv("XDG_RUNTIME_DIR");
	AI_FREE char *old = was ? ai_strdup(was) : NULL;
	ok(ai_mkdtemp("/tmp/aicert-sweep", &dir, &err));
	setenv("XDG_RUNTIME_DIR", dir, 1);
	AI_FREE char *dead = left_by_the_dead();
	AI_FREE char *inside = ai_format("%s/vars.fd", dead);
	assert_int_equal(strncmp(dead, dir, strlen(dir)), 0);
	ok(ai_write_file(AT_FDCWD, inside, "x", 1, 0600, &err));
	AI_FREE char *link = ai_format("%s/aicert-machine.linked", dir);
	AI_FREE char *other = ai_format("%s/aicert-machine.others", dir);
	AI_FREE char *kept = ai_format("%s/kept", dir);
	AI_FREE char *longer = ai_format("%s/aicert-machine.abcdef.d", dir);
	ok(ai_mkdirs(kept, 0700, &err));
	ok(ai_mkdirs(longer, 0700, &err));
	ok(ai_mkdirs(other, 0700, &err));
	assert_int_equal(symlink(kept, link), 0);
	bool can_give = chown(other, 12345, (gid_t)-1) == 0;
	ok(ai_vm_scratch_make(&lives, &err));
	assert_false(ai_exists(dead));
	ok(ai_vm_scratch_make(&next, &err));
	assert_true(ai_exists(lives.path));
	assert_true(ai_exists(kept) && ai_exists(link) && ai_exists(longer));
	assert_true(!can_give || ai_exists(other));
	ai_vm_scratch_done(&next);
	ai_vm_scratch_done(&lives);
	if (old)
		setenv("XDG_RUNTIME_DIR", old, 1);
	else
		unsetenv("XDG_RUNTIME_DIR");
	ai_discard_tree(dir);
}

/* Four processes that make and remove: nobody's folder is taken away by another's sweep. */
static void
sweeps_take_nothing_that_lives(void **state)
{
	(void)state;
	pid_t child[4];
	for (size_t i = 0; i < 4; i++) {
		child[i] = fork();
		for (int n = 0; child[i] == 0 && n < 200; n++) {
			struct ai_vm_scratch s = AI_VM_SCRATCH_NONE;
			struct ai_err err = { 0 };
			if (ai_vm_scratch_make(&s, &err) < 0 || !ai_exists(s.path))
				_exit(1);
			ai_vm_scratch_done(&s);
		}
		if (child[i] == 0)
			_exit(0);
	}
	for (size_t i = 0; i < 4; i++) {
		int status = 1;
		assert_int_equal(waitpid(child[i], &status, 0), child[i]);
		assert_int_equal(status, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_the_machine_has), cmocka_unit_test(as_large_as_the_job), cmocka_unit_test(room_for_content), cmocka_unit_test(of_a_known_shape),
		cmocka_unit_test(its_lines_are_told), cmocka_unit_test(a_program_says_why_it_failed), cmocka_unit_test(a_program_is_surely_ended), cmocka_unit_test(what_a_program_started_ends_with_it),
		cmocka_unit_test(what_is_absent_is_named), cmocka_unit_test(a_socket_has_a_short_path),
		cmocka_unit_test(what_the_dead_left_is_removed), cmocka_unit_test(sweeps_take_nothing_that_lives),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

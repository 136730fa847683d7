/* test_confined.c -- a function in a confined child: what it may do, and what each attempt at more comes to.  SPDX-License-Identifier: Apache-2.0 */
#include "confined_help.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"

/* --- what passes ------------------------------------------------------------- */

static void
test_bytes_come_back(void **state)
{
	(void)state;
	AI_BUF_AUTO out = AI_BUF(100);
	ai_buf_puts(&out, "a");
	ok(ai_confined(fn_echo, "bc", &limits, &out, &err));
	assert_string_equal(out.data, "abc");
	AI_BUF_AUTO none = AI_BUF(100);
	ok(ai_confined(fn_echo, "", &limits, &none, &err));
	assert_int_equal(none.len, 0);
	no_child_left();
}

static int
fn_fill(void *ctx, struct ai_buf *out, struct ai_err *err)
{
	(void)err;
	for (size_t i = 0; i < *(size_t *)ctx; i++)
		ai_buf_putc(out, (char)('a' + i % 26));
	return 0;
}

static void
test_the_ceiling_itself_passes(void **state)
{
	(void)state;
	size_t n = limits.max_bytes;
	AI_BUF_AUTO out = AI_BUF(n);
	ok(ai_confined(fn_fill, &n, &limits, &out, &err));
	assert_int_equal(out.len, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(out.data[i], 'a' + (char)(i % 26));
}

static void
test_ordinary_work(void **state)
{
	(void)state;
	AI_BUF_AUTO out = AI_BUF(100);
	ok(ai_confined(fn_work, NULL, &limits, &out, &err));
	assert_string_equal(out.data, "1 1");
}

static int
fn_error(void *ctx, struct ai_buf *out, struct ai_err *err)
{
	ai_buf_puts(out, "half an answer");
	ai_fail(err, *(int *)ctx, "Aicertfile:3:1: \xc3\xa9 is wrong");
	return ai_hint(err, "mend it");
}

static void
test_errors_come_back(void **state)
{
	(void)state;
	for (int code = AI_ENO; code > AI_EENV; code--) {
		AI_BUF_AUTO out = AI_BUF(100);
		struct ai_err err = { 0 };
		assert_int_equal(ai_confined(fn_error, &code, &limits, &out, &err), code);
		assert_int_equal(err.code, code);
		assert_string_equal(err.text, "Aicertfile:3:1: \xc3\xa9 is wrong");
		assert_string_equal(err.hint, "mend it");
		assert_int_equal(out.len, 0);
	}
	/* What lacks in there lacks by the limits; and nobody interrupts a child alone. */
	int code = AI_EENV;
	fails(AI_ENO, "is wrong", fn_error, &code, &limits);
	code = AI_EINTR;
	fails(AI_ENO, "an answer that is none", fn_error, &code, &limits);
}

static void
test_many_times(void **state)
{
	(void)state;
	size_t before = open_descriptors();
	for (int i = 0; i < 300; i++) {
		AI_BUF_AUTO out = AI_BUF(100);
		ok(ai_confined(fn_echo, "again", &limits, &out, &err));
		assert_string_equal(out.data, "again");
	}
	assert_int_equal(open_descriptors(), before);
	no_child_left();
}

/* --- what kills -------------------------------------------------------------- */

static char target[] = "/tmp/aicert-confined-XXXXXX";
static const char asked[] = "asked the kernel for something";

enum attempt { READ_FILE, WRITE_FILE, MAKE_FILE, SOCKET, SOCKETPAIR, FORK, RAW_CLONE, VFORK_EXEC, EXEC, MAP_CODE, MAKE_CODE, TRACE, KILL_PARENT, SIGNAL_GROUP,
	MAKE_PIPE, UNLINK, READ_OTHER, PRCTL, IO_URING, N_ATTEMPTS };

static void
attempt_file(enum attempt a)
{
	switch (a) {
	case READ_FILE: (void)!open("/etc/passwd", O_RDONLY); break;
	case WRITE_FILE: (void)!open(target, O_WRONLY | O_TRUNC); break;
	case MAKE_FILE: (void)!open("/tmp", O_TMPFILE | O_RDWR, 0600); break;
	case UNLINK: (void)!unlink(target); break;
	default: break;
	}
}

static int
fn_attempt(void *ctx, struct ai_buf *out, struct ai_err *err)
{
	(void)err;
	static char page[8192];
	int ends[2];
	char *const argv[] = { "true", NULL };
	enum attempt a = *(enum attempt *)ctx;
	attempt_file(a);
	switch (a) {
	case SOCKET: (void)!socket(AF_INET, SOCK_STREAM, 0); break;
	case SOCKETPAIR: (void)!socketpair(AF_UNIX, SOCK_STREAM, 0, ends); break;
	case FORK: if (fork() == 0) _exit(0); break;
	case RAW_CLONE: if (syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) == 0) _exit(0); break;
	case VFORK_EXEC: if (vfork() == 0) _exit(0); break;
	case EXEC: execv("/bin/true", argv); break;
	case MAP_CODE: (void)!mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); break;
	case MAKE_CODE: (void)!mprotect((void *)(((uintptr_t)page + 4095) & ~(uintptr_t)4095), 4096, PROT_READ | PROT_WRITE | PROT_EXEC); break;
	case TRACE: syscall(SYS_ptrace, 0, 0, 0, 0); break;
	case KILL_PARENT: (void)!kill(getppid(), SIGTERM); break;
	case SIGNAL_GROUP: (void)!kill(0, SIGCONT); break;
	case MAKE_PIPE: (void)!pipe(ends); break;
	case READ_OTHER: syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0); break;
	case PRCTL: (void)!prctl(PR_SET_DUMPABLE, 1); break;
	case IO_URING: syscall(SYS_io_uring_setup, 1, page); break;
	default: break;
	}
	ai_buf_puts(out, "VERIFIED");
	return 0;
}

/* Under a sanitizer the filter is a list of what is refused, and these are not on it. */
static bool
is_refused(enum attempt a)
{
	return !SANITIZED || a == WRITE_FILE || a == MAKE_FILE || (a >= SOCKET && a <= TRACE);
}

static void
test_attempts(void **state)
{
	(void)state;
	int fd = mkstemp(target);
	struct stat st;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "here", 4), 4);
	for (enum attempt a = 0; a < N_ATTEMPTS; a++)
		if (is_refused(a))
			fails(AI_ENO, asked, fn_attempt, &a, &limits);
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_size, 4);
	close(fd);
	unlink(target);
}

/* i386's calls, by int $0x80, and x32's have numbers of their own. */
#if defined __x86_64__ && !SANITIZED
static int
fn_old_calls(void *ctx, struct ai_buf *out, struct ai_err *err)
{
	(void)err;
	long r, number = *(long *)ctx;
	if (number & 0x40000000)
		r = syscall(number, 1, "", 0); /* x32 */
	else
		__asm__ volatile("int $0x80" : "=a"(r) : "a"(number), "b"(1), "c"(0), "d"(0) : "memory");
	ai_buf_printf(out, "%ld", r);
	return 0;
}

static void
test_other_machines_calls(void **state)
{
	(void)state;
	static const long numbers[] = { 4 /* i386: write */, 1 /* i386: exit, x86_64: write */, 0x40000001 /* x32: write */ };
	for (size_t i = 0; i < 3; i++)
		fails(AI_ENO, "died", fn_old_calls, (void *)&numbers[i], &limits);
}
#endif

static int
fn_descriptors(void *ctx, struct ai_buf *out, struct ai_err *err)
{
	(void)err;
	for (int fd = 0; fd < 64; fd++)
		if (write(fd, "", 0) == 0)
			ai_buf_printf(out, "%d ", fd);
	ai_buf_printf(out, "%s", write(*(int *)ctx, "VERIFIED\n", 9) < 0 ? "refused" : "written");
	return 0;
}

static void
test_one_descriptor(void **state)
{
	(void)state;
	int ends[2];
	AI_BUF_AUTO out = AI_BUF(1000);
	assert_int_equal(pipe(ends), 0);
	ok(ai_confined(fn_descriptors, &ends[1], &limits, &out, &err));
	assert_string_equal(out.data, SANITIZED ? "2 3 refused" : "3 refused");
	close(ends[1]);
	char c;
	assert_int_equal(read(ends[0], &c, 1), 0);
	close(ends[0]);
}

static int
fn_write_there(void *ctx, struct ai_buf *out, struct ai_err *err)
{
	(void)err;
	*(volatile int *)ctx = 7;
	ai_buf_puts(out, "written");
	return 0;
}

static void
test_no_shared_memory(void **state)
{
	(void)state;
	int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), own = 1;
	AI_BUF_AUTO out = AI_BUF(1000);
	assert_true(shared != MAP_FAILED);
	fails(AI_ENO, "died", fn_write_there, shared, &limits);
	assert_int_equal(*shared, 0);
	ok(ai_confined(fn_write_there, &own, &limits, &out, &err));
	assert_int_equal(own, 1);
	munmap(shared, 4096);
}

/* --- what is too much -------------------------------------------------------- */

static void
test_a_loop_is_ended(void **state)
{
	(void)state;
	struct ai_confined_limits l = limits;
	l.cpu_seconds = 1;
	fails(AI_ENO, "processor time", fn_loop, NULL, &l);
	l = limits;
	l.seconds = 1;
	fails(AI_ENO, "takes too long: got more than 1 s", fn_loop, NULL, &l);
}

static int
fn_flood(void *ctx, struct ai_buf *out, struct ai_err *err)
{
	(void)out, (void)err;
	static char junk[1 << 16];
	memset(junk, *(int *)ctx, sizeof junk);
	while (write(3, junk, sizeof junk) > 0)
		;
	return 0;
}

/* A taken-over child writes what it likes: without end, or in the words of an answer. */
static void
test_a_flood_is_cut(void **state)
{
	(void)state;
	int with = 0xff;
	fails(AI_ENO, "said too much: got more than 1048576 bytes", fn_flood, &with, &limits);
	with = 0;
	fails(AI_ENO, "an answer that is none", fn_flood, &with, &limits);
}

static int
fn_say(void *ctx, struct ai_buf *out, struct ai_err *err)
{
	(void)out, (void)err;
	const struct ai_buf *b = ctx;
	(void)!write(3, b->data, b->len);
	_exit(0);
}

static void
test_garbage_is_no_answer(void **state)
{
	(void)state;
	static const struct { uint32_t kind, len; size_t follows; const char *words; } cases[] = {
		{ 1, 4, 0, "died before it answered" }, { 1, 4, 3, "died before it answered" }, { 1, 4, 5, "none" }, { 0, 4, 4, "none" },
		{ 4, 4, 4, "none" }, { 2, 4, 4, "none" }, { 1, UINT32_MAX, 100, "died before it answered" }, { 2, sizeof(struct ai_err), sizeof(struct ai_err), "none" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		AI_BUF_AUTO b = AI_BUF(1 << 16);
		ai_buf_put(&b, &cases[i].kind, 4);
		ai_buf_put(&b, &cases[i].len, 4);
		for (size_t k = 0; k < cases[i].follows; k++)
			ai_buf_putc(&b, 'x');
		fails(AI_ENO, cases[i].words, fn_say, &b, &limits);
	}
	AI_BUF_AUTO nothing = AI_BUF(1);
	fails(AI_ENO, "died before it answered", fn_say, &nothing, &limits);
}

/* Text without an end, with what drives a terminal in it. */
static void
test_error_text_is_foreign(void **state)
{
	(void)state;
	AI_BUF_AUTO b = AI_BUF(1 << 16);
	AI_BUF_AUTO out = AI_BUF(100);
	struct ai_err e, err = { 0 };
	uint32_t head[2] = { 2, sizeof e };
	memset(&e, 0x1b, sizeof e);
	e.code = AI_EUSAGE;
	ai_buf_put(&b, head, sizeof head);
	ai_buf_put(&b, &e, sizeof e);
	assert_int_equal(ai_confined(fn_say, &b, &limits, &out, &err), AI_EUSAGE);
	assert_int_equal(strlen(err.text), sizeof err.text - 1);
	assert_null(strchr(err.text, 0x1b));
	assert_null(strchr(err.hint, 0x1b));
}

static int
fn_hold(void *ctx, struct ai_buf *out, struct ai_err *err)
{
	(void)ctx;
	/* The ceiling is counted from what the parent had. */
	for (size_t i = 0; i < 1000; i++)
		if (!malloc(1 << 20)) {
			if (i < 40)
				return ai_fail(err, AI_EUSAGE, "only %zu", i);
			return ai_nomem(err);
		}
	ai_buf_puts(out, "1000 MiB");
	return 0;
}

static void
test_memory_has_a_ceiling(void **state)
{
	(void)state;
	if (SANITIZED)
		skip();
	fails(AI_ENO, "memory", fn_hold, NULL, &limits);
	void *much = mmap(NULL, (size_t)4 << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(much != MAP_FAILED);
	fails(AI_ENO, "memory", fn_hold, NULL, &limits);
	munmap(much, (size_t)4 << 30);
}

/* The lowest page is for whoever has CAP_SYS_RAWIO. */
static int
fn_lowest_page(void *ctx, struct ai_buf *out, struct ai_err *err)
{
	(void)ctx, (void)err;
	void *at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	ai_buf_puts(out, at == MAP_FAILED && errno == EPERM ? "refused" : "mapped");
	return 0;
}

static void
test_root_is_nobody_inside(void **state)
{
	(void)state;
	AI_BUF_AUTO out = AI_BUF(100);
	AI_BUF_AUTO least = AI_BUF(100);
	ok(ai_read_file(AT_FDCWD, "/proc/sys/vm/mmap_min_addr", &least, &err));
	if (geteuid() != 0 || strcmp(least.data, "0\n") == 0)
		skip();
	ok(ai_confined(fn_lowest_page, NULL, &limits, &out, &err));
	assert_string_equal(out.data, "refused");
}

static int
fn_abort(void *ctx, struct ai_buf *out, struct ai_err *err)
{
	(void)ctx, (void)out, (void)err;
	abort();
}

static void
test_a_crash_is_a_death(void **state)
{
	(void)state;
	fails(AI_ENO, "died", fn_abort, NULL, &limits);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_come_back),
		cmocka_unit_test(test_the_ceiling_itself_passes),
		cmocka_unit_test(test_ordinary_work),
		cmocka_unit_test(test_errors_come_back),
		cmocka_unit_test(test_many_times),
		cmocka_unit_test(test_attempts),
#if defined __x86_64__ && !SANITIZED
		cmocka_unit_test(test_other_machines_calls),
#endif
		cmocka_unit_test(test_one_descriptor),
		cmocka_unit_test(test_no_shared_memory),
		cmocka_unit_test(test_a_loop_is_ended),
		cmocka_unit_test(test_a_flood_is_cut),
		cmocka_unit_test(test_garbage_is_no_answer),
		cmocka_unit_test(test_error_text_is_foreign),
		cmocka_unit_test(test_memory_has_a_ceiling),
		cmocka_unit_test(test_a_crash_is_a_death),
		cmocka_unit_test(test_root_is_nobody_inside),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

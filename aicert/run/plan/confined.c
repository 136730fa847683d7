/* confined.c -- see confined.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/plan/confined.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/talk.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { TO = 3 /* where the child answers */, TICK_MS = 100 /* between two looks at the user's wish to stop */, CHUNK = 1 << 16, SHARED_TABLE = 1 << 20 };

/* What the child sends: this, then len bytes: the answer, a part of it, or a struct ai_err. */
struct head {
	uint32_t kind;
	uint32_t len;
};
enum { ANSWER = 1, ERROR, UNCONFINED, PART };

/* What a child is for: fn, or stream with files. */
struct task {
	ai_confined_fn *fn;
	ai_confined_stream_fn *stream;
	void *ctx;
	const struct ai_confined_limits *l;
	const int *files; size_t n_files;
};

/* --- the filter -------------------------------------------------------------- */

#if defined __x86_64__
#define MACHINE AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define MACHINE AUDIT_ARCH_AARCH64
#else
#error "the filter is written for x86_64 and aarch64: name this machine's AUDIT_ARCH and look through its calls"
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_##what)
#define ON(call, what) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, 1), RETURN(what)
/* Decides on the low half (both machines are little-endian) of the third argument, where all flags asked for here stand. */
#define KILL_IF_FLAGS(call, flags) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, 4), LOAD(args[2]), \
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (flags), 0, 1), RETURN(KILL_PROCESS), RETURN(ALLOW)

#define ERRNO(call, e) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (e))

/* The numbers of x86_64's x32 calls have a bit that none of these has. */
#define BEGIN LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0), RETURN(KILL_PROCESS), LOAD(nr)

#if SANITIZED
#ifdef __NR_open
#define OLD_CALLS ON(fork, KILL_PROCESS), ON(vfork, KILL_PROCESS), ON(open, KILL_PROCESS), ON(creat, KILL_PROCESS),
#else
#define OLD_CALLS
#endif
#define WORK ON(execve, KILL_PROCESS), ON(execveat, KILL_PROCESS), \
	ON(socket, KILL_PROCESS), ON(socketpair, KILL_PROCESS), ON(ptrace, KILL_PROCESS), ON(pkey_mprotect, KILL_PROCESS), OLD_CALLS \
	KILL_IF_FLAGS(openat, O_WRONLY | O_RDWR | O_CREAT), KILL_IF_FLAGS(mmap, PROT_EXEC), KILL_IF_FLAGS(mprotect, PROT_EXEC)

static const struct sock_filter filter[] = { BEGIN, WORK, ON(clone, KILL_PROCESS), ON(clone3, KILL_PROCESS), RETURN(ALLOW) };
static const struct sock_filter filter_stream[] = { BEGIN, WORK, RETURN(ALLOW) };
#else
#ifdef __NR_time
#define TIME_CALL ON(time, ALLOW),
#else
#define TIME_CALL
#endif
/*
 * Memory: malloc's calls, and what it waits with; how much there is: qsort asks before it takes some. The quotas of time, and the wall clock, with
 * which Lua seeds its hashes: calls only where there is no vDSO. The answer, to the one descriptor that can be written; the end.
 */
#define WORK ON(brk, ALLOW), ON(munmap, ALLOW), ON(mremap, ALLOW), ON(madvise, ALLOW), ON(futex, ALLOW), \
	KILL_IF_FLAGS(mmap, PROT_EXEC), KILL_IF_FLAGS(mprotect, PROT_EXEC), ON(sysinfo, ALLOW), \
	ON(clock_gettime, ALLOW), ON(gettimeofday, ALLOW), TIME_CALL \
	ON(write, ALLOW), ON(exit_group, ALLOW), ON(exit, ALLOW)

static const struct sock_filter filter[] = { BEGIN, WORK, RETURN(KILL_PROCESS) };

/*
 * Besides: its files, by offset, and how large they are; a thread (a process of its own is none; clone3's flags cannot be looked at); to any name the
 * answer that there is no such file, for the character sets that iconv looks up; who it is and random bytes, which OpenSSL asks for before it
 * judges a signature.
 */
static const struct sock_filter filter_stream[] = {
	BEGIN, WORK,
	ON(pread64, ALLOW), ON(fstat, ALLOW), ON(newfstatat, ALLOW), ON(getpid, ALLOW), ON(getrandom, ALLOW),
	ON(rt_sigprocmask, ALLOW), ON(rt_sigaction, ALLOW), ON(set_robust_list, ALLOW), ON(rseq, ALLOW), ERRNO(clone3, ENOSYS), ERRNO(openat, ENOENT),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clone, 0, 3), LOAD(args[0]),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 0, 1), RETURN(ALLOW),
	RETURN(KILL_PROCESS),
};
#endif

static int
cannot(struct ai_err *err, const char *what)
{
	ai_fail_errno(err, AI_EENV, "this machine cannot confine a process: %s", what);
	return ai_hint(err, "what comes from a proof is not run unconfined; libaicert-verify, and the Python package, verify without it");
}

static int
install_filter(bool stream, struct ai_err *err)
{
	const struct sock_fprog one = { .len = sizeof filter / sizeof *filter, .filter = (struct sock_filter *)filter };
	const struct sock_fprog many = { .len = sizeof filter_stream / sizeof *filter_stream, .filter = (struct sock_filter *)filter_stream };
	const struct sock_fprog program = stream ? many : one;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return cannot(err, "no new privileges");
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? cannot(err, "seccomp") : 0;
}

/* --- the child --------------------------------------------------------------- */

/* A private copy in the place of a small mapping that is shared and only read: the C library keeps its table of character sets in one. */
static int
make_private(void *at, size_t n)
{
	if (n > SHARED_TABLE)
		return munmap(at, n);
	void *copy = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (copy == MAP_FAILED)
		return -1;
	memcpy(copy, at, n);
	return mremap(copy, n, n, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at ? 0 : -1;
}

/*
 * Unmaps what is mapped shared (a host's shared memory, its rings of io_uring, the database's index: the ways past a filter of calls).
 * *held_out is the size of all that stays.
 */
static int
leave_shared_memory(size_t *held_out, struct ai_err *err)
{
	AI_BUF_AUTO maps = AI_BUF(AI_MAX_TEXT);
	size_t held = 0;
	if (ai_read_file(AT_FDCWD, "/proc/self/maps", &maps, err) < 0)
		return cannot(err, "/proc/self/maps");
	for (char *line = maps.data; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		char *end;
		uintptr_t from = strtoull(line, &end, 16);
		uintptr_t to = *end == '-' ? strtoull(end + 1, &end, 16) : 0;
		if (to <= from || strcspn(end, "\n") < 5) {
			errno = EINVAL;
			return cannot(err, "/proc/self/maps");
		}
		/* " rwxp" or " rwxs" */
		void *at = (void *)from; /* NOLINT: an address from the kernel */
		if (end[4] == 'p')
			held += to - from;
		else if (strncmp(end, " r--s", 5) == 0 ? make_private(at, to - from) < 0 : munmap(at, to - from) < 0)
			return cannot(err, "shared memory");
	}
	*held_out = held;
	return 0;
}

static int
limit(__rlimit_resource_t what, size_t value, struct ai_err *err)
{
	struct rlimit r;
	if (getrlimit(what, &r) < 0)
		return cannot(err, "limits");
	if (r.rlim_max == RLIM_INFINITY || r.rlim_max > value)
		r.rlim_max = value;
	r.rlim_cur = r.rlim_max;
	return setrlimit(what, &r) < 0 ? cannot(err, "limits") : 0;
}

static int
close_range_of(unsigned from, unsigned to)
{
#ifdef __NR_close_range
	if (syscall(__NR_close_range, from, to, 0) == 0)
		return 0;
#endif
	/* Linux before 5.9. */
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return -1;
	for (unsigned fd = from; fd <= to && fd < r.rlim_max; fd++)
		(void)close((int)fd);
	return 0;
}

/* Away first, all of them: none may be overwritten before it was moved. A sanitizer reports to standard error. */
static int
close_all_but(int to, const struct task *t, struct ai_err *err)
{
	int n = (int)t->n_files, beyond = TO + 1 + n, away[AI_CONFINED_FILES + 1];
	for (int i = 0; i <= n; i++) {
		away[i] = fcntl(i == 0 ? to : t->files[i - 1], F_DUPFD, beyond);
		if (away[i] < 0)
			return cannot(err, "descriptors");
	}
	for (int i = 0; i <= n; i++)
		if (dup2(away[i], TO + i) < 0)
			return cannot(err, "descriptors");
	if (close_range_of((unsigned)beyond, UINT_MAX) < 0 || close_range_of(0, SANITIZED ? 1 : 2) < 0)
		return cannot(err, "descriptors");
	return 0;
}

/* The agent is root: calls for memory alone would let root's child declare pages broken (MADV_HWPOISON) that it shares with its parent. */
static int
drop_capabilities(struct ai_err *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };
	return syscall(__NR_capset, &head, none) < 0 ? cannot(err, "capabilities") : 0;
}

static int
confine(const struct task *t, struct ai_err *err)
{
	size_t held = 0;
	/* Before dumpable: after it, /proc/self belongs to root. */
	if (leave_shared_memory(&held, err) < 0)
		return err->code;
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return cannot(err, "core files");
	if (drop_capabilities(err) < 0)
		return err->code;
	if (limit(RLIMIT_CORE, 0, err) < 0 || limit(RLIMIT_CPU, t->l->cpu_seconds, err) < 0)
		return err->code;
	if (!SANITIZED && limit(RLIMIT_AS, held + t->l->memory, err) < 0)
		return err->code;
	return install_filter(t->stream, err);
}

/* A parent that is gone, or has heard enough, is told nothing. */
static int
send(uint32_t kind, const void *p, size_t n, const char *who, struct ai_err *err)
{
	const struct head h = { kind, (uint32_t)n };
	AI_BUF_AUTO whole = AI_BUF(sizeof h + n);
	/* One write, one switch to the parent. */
	ai_buf_put(&whole, &h, sizeof h);
	ai_buf_put(&whole, p, n);
	return ai_buf_ok(&whole, who, err) < 0 ? err->code : ai_write_all(TO, whole.data, whole.len, who, err);
}

int
ai_confined_say(const void *p, size_t n, struct ai_err *err)
{
	return n > AI_CONFINED_PART ? ai_fail(err, AI_EUSAGE, "internal: a part of %zu bytes", n) : send(PART, p, n, "answer", err);
}

static void
run(const struct task *t)
{
	struct ai_err err = { 0 }, quiet;
	struct ai_buf said = AI_BUF(t->l->max_bytes);
	uint32_t kind = ANSWER;
	if (confine(t, &err) < 0)
		kind = UNCONFINED;
	else if ((t->stream ? t->stream(t->ctx, &err) : t->fn(t->ctx, &said, &err)) < 0 || ai_buf_ok(&said, t->l->who, &err) < 0)
		kind = ERROR;
	(void)!send(kind, kind == ANSWER ? said.data : (const char *)&err, kind == ANSWER ? said.len : sizeof err, t->l->who, &quiet);
}

static _Noreturn void
child(const struct task *t, int to, pid_t parent)
{
	struct ai_err err;
	/* Signals stay blocked: a handler of the host's has no business here, and what the terminal sends is for the parent. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent && close_all_but(to, t, &err) == 0)
		run(t);
	_exit(0);
}

/* --- the parent -------------------------------------------------------------- */

#if SANITIZED
/* Does every thread but this one wait for something? One that cannot be read has ended. */
static bool
others_wait(void)
{
	bool wait = true;
	DIR *tasks = opendir("/proc/self/task");
	for (struct dirent *e; tasks && (e = readdir(tasks));) {
		char path[64];
		AI_BUF_AUTO text = AI_BUF(4096);
		struct ai_err ignored = { 0 };
		if (*e->d_name == '.' || (pid_t)strtoll(e->d_name, NULL, 10) == getpid())
			continue;
		snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", e->d_name);
		const char *state = ai_read_file_if(AT_FDCWD, path, &text, &ignored) == 1 ? strrchr(text.data, ')') : NULL;
		wait = wait && (!state || state[2] == 'S');
	}
	if (tasks)
		closedir(tasks);
	return wait;
}

/* gcc 12's ASan keeps its allocator locked in a child that was made while another thread was in it (confined.h); malloc itself does not. */
static void
let_others_rest(void)
{
	for (int i = 0; i < 400; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
		if (others_wait())
			return;
	}
}
#else
#define let_others_rest() ((void)0)
#endif

/* All signals are blocked meanwhile, so that no handler of the host's ever runs in the child. */
static pid_t
start(const struct task *t, int to, struct ai_err *err)
{
	sigset_t all, before;
	pid_t self = getpid();
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	let_others_rest();
	pid_t pid = fork();
	if (pid == 0)
		child(t, to, self);
	int e = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = e;
	return pid < 0 ? (pid_t)ai_fail_errno(err, AI_EENV, "%s: cannot start a process", t->l->who) : pid;
}

static int64_t
now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool
is_whole(const struct ai_buf *raw)
{
	struct head h;
	if (raw->len < sizeof h)
		return false;
	memcpy(&h, raw->data, sizeof h);
	return raw->len - sizeof h >= h.len;
}

/* Until there is a whole answer or part, the end of the pipe, more than fits, or no time left. */
static int
hear(int from, const struct ai_confined_limits *l, int64_t end, struct ai_buf *raw, struct ai_err *err)
{
	char chunk[CHUNK];
	while (raw->state == AI_BUF_GOOD && !is_whole(raw)) {
		struct pollfd p = { .fd = from, .events = POLLIN };
		if (ai_check_interrupt(err) < 0)
			return err->code;
		if (now_ms() > end)
			return ai_fail(err, AI_ENO, "%s takes too long: got more than %u s", l->who, l->seconds);
		if (poll(&p, 1, TICK_MS) <= 0)
			continue;
		ssize_t n = read(from, chunk, sizeof chunk);
		if (n < 0 && errno != EINTR)
			return ai_fail_errno(err, AI_EENV, "%s: cannot read its answer", l->who);
		if (n == 0)
			return 0;
		ai_buf_put(raw, chunk, n > 0 ? (size_t)n : 0);
	}
	return 0;
}

struct taker { int (*take)(void *ctx, const void *p, size_t n, struct ai_err *err); void *ctx; };

/* Every part to whoever takes them, until something else comes. */
static int
hear_parts(int from, const struct ai_confined_limits *l, int64_t end, const struct taker *t, struct ai_buf *raw, struct ai_err *err)
{
	struct head h;
	for (;;) {
		if (hear(from, l, end, raw, err) < 0)
			return err->code;
		if (!is_whole(raw))
			return 0;
		memcpy(&h, raw->data, sizeof h);
		if (!t || h.kind != PART || h.len > AI_CONFINED_PART)
			return 0;
		if (t->take(t->ctx, raw->data + sizeof h, h.len, err) < 0)
			return err->code;
		size_t whole = sizeof h + h.len;
		raw->len -= whole;
		memmove(raw->data, raw->data + whole, raw->len);
	}
}

/* How the child ended, as waitpid gives it; -1 when somebody else has reaped it. It is killed if it has not ended. */
static int
reap(pid_t pid)
{
	int status;
	pid_t r = waitpid(pid, &status, WNOHANG);
	if (r == 0) {
		/* Not reaped, so the number is still this child's. */
		(void)kill(pid, SIGKILL);
		do
			r = waitpid(pid, &status, 0);
		while (r < 0 && errno == EINTR);
	}
	return r == pid ? status : -1;
}

static int
died(int status, const struct ai_confined_limits *l, struct ai_err *err)
{
	if (status == -1 || !WIFSIGNALED(status))
		return ai_fail(err, AI_ENO, "%s died before it answered", l->who);
	if (WTERMSIG(status) == SIGSYS)
		return ai_fail(err, AI_ENO, "%s died: it asked the kernel for something that its work does not need, and was killed", l->who);
	if (WTERMSIG(status) == SIGKILL)
		return ai_fail(err, AI_ENO, "%s died: killed by somebody, or for more than %u s of processor time", l->who, l->cpu_seconds);
	return ai_fail(err, AI_ENO, "%s died of signal %d", l->who, WTERMSIG(status));
}

/* A child's error is foreign text: ai_fail makes it harmless. */
static int
pass_on(uint32_t kind, const char *p, const struct ai_confined_limits *l, struct ai_err *err)
{
	struct ai_err e;
	memcpy(&e, p, sizeof e);
	if (e.code > AI_ENO || e.code < AI_EENV)
		return ai_fail(err, AI_ENO, "%s gave an answer that is none", l->who);
	int code = kind == ERROR && e.code == AI_EENV ? AI_ENO : e.code;
	ai_fail(err, code, "%.*s", (int)strnlen(e.text, sizeof e.text), e.text);
	size_t n = strnlen(e.hint, sizeof e.hint);
	return n ? ai_hint(err, "%.*s", (int)n, e.hint) : code;
}

static int
judge(const struct ai_buf *raw, int status, const struct ai_confined_limits *l, struct ai_buf *out, struct ai_err *err)
{
	struct head h;
	if (raw->state == AI_BUF_FULL)
		return ai_fail(err, AI_ENO, "%s said too much: got more than %zu bytes", l->who, l->max_bytes);
	if (ai_buf_ok(raw, l->who, err) < 0)
		return err->code;
	if (!is_whole(raw))
		return died(status, l, err);
	memcpy(&h, raw->data, sizeof h);
	const char *body = raw->data + sizeof h;
	if (raw->len - sizeof h != h.len)
		return ai_fail(err, AI_ENO, "%s gave an answer that is none", l->who);
	if ((h.kind == ERROR || h.kind == UNCONFINED) && h.len == sizeof(struct ai_err))
		return pass_on(h.kind, body, l, err);
	if (h.kind != ANSWER || h.len > l->max_bytes)
		return ai_fail(err, AI_ENO, "%s gave an answer that is none", l->who);
	ai_buf_put(out, body, h.len);
	return ai_buf_ok(out, l->who, err);
}

static int
confined(const struct task *t, const struct taker *taker, size_t room, struct ai_buf *out, struct ai_err *err)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot make a pipe", t->l->who);
	AI_FD from = ends[0];
	pid_t pid = start(t, ends[1], err);
	close(ends[1]);
	if (pid < 0)
		return err->code;
	AI_BUF_AUTO raw = AI_BUF(sizeof(struct head) + (room > sizeof(struct ai_err) ? room : sizeof(struct ai_err)));
	int r = hear_parts(from, t->l, now_ms() + (int64_t)t->l->seconds * 1000, taker, &raw, err);
	int status = reap(pid);
	/* Ctrl-C, or a shutdown, may have reached the child first. */
	if (r < 0 || ai_check_interrupt(err) < 0)
		return err->code;
	return judge(&raw, status, t->l, out, err);
}

int
ai_confined(ai_confined_fn *fn, void *ctx, const struct ai_confined_limits *l, struct ai_buf *out, struct ai_err *err)
{
	const struct task t = { .fn = fn, .ctx = ctx, .l = l };
	return confined(&t, NULL, l->max_bytes, out, err);
}

int
ai_confined_stream(ai_confined_stream_fn *fn, void *ctx, const struct ai_confined_limits *l, const int *files, size_t n,
	int (*take)(void *ctx, const void *p, size_t n, struct ai_err *err), void *take_ctx, struct ai_err *err)
{
	const struct ai_confined_limits limits = { .who = l->who, .memory = l->memory, .cpu_seconds = l->cpu_seconds, .seconds = l->seconds };
	const struct task t = { .stream = fn, .ctx = ctx, .l = &limits, .files = files, .n_files = n };
	const struct taker taker = { take, take_ctx };
	AI_BUF_AUTO none = AI_BUF(0);
	if (n > AI_CONFINED_FILES)
		return ai_fail(err, AI_EINPUT, "%s: got %zu files, expected at most %d", l->who, n, AI_CONFINED_FILES);
	return confined(&t, &taker, AI_CONFINED_PART + CHUNK, &none, err);
}

/*
 * sandbox_unit.h -- a sandbox with a scratch of its own and its log kept, for the tests of the sandbox and of the observer.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_SANDBOX_UNIT_H
#define AI_SANDBOX_UNIT_H

#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "base/fs.h"
#include "base/path.h"
#include "base/talk.h"
#include "run/box/sandbox.h"

#define PYTHON "/usr/bin/python3"

static char *place;    /* this test program's folder */

struct trial {
	char *scratch;
	struct ai_sandbox s;
	struct ai_end end;
	struct ai_err err;
	int code;
	char *log;             /* all that was printed */
	size_t log_len;
};

static const char *const trial_env[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/home/aicert", "LANG=C.UTF-8", "PYTHONHASHSEED=0", NULL };

static inline void
trial_start(struct trial *t)
{
	struct ai_err err = { 0 };
	*t = (struct trial){ 0 };
	char *prefix = ai_format("%s/scratch", place);
	if (!prefix || ai_mkdtemp(prefix, &t->scratch, &err) < 0)
		fail_msg("scratch: %s", err.text);
	free(prefix);
	t->s = (struct ai_sandbox){ .scratch = t->scratch, .host = true, .env = trial_env, .cwd = "/workspace", .outputs = "/workspace/outputs",
		.log_fd = -1 };
}

static inline void
trial_run(struct trial *t, const char *const *argv)
{
	struct ai_err err = { 0 };
	struct ai_buf log = AI_BUF(64u << 20);
	char *name = ai_format("%s.log", t->scratch);
	int fd = name ? open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
	assert_true(fd >= 0);
	t->s.argv = argv;
	t->s.log_fd = fd;
	t->err = (struct ai_err){ 0 };
	memset(&t->end, 0xaa, sizeof t->end);
	t->code = ai_sandbox_run(&t->s, &t->end, &t->err);
	assert_true((t->code < 0) == (t->err.text[0] != '\0'));
	lseek(fd, 0, SEEK_SET);
	if (ai_read_fd(fd, "log", &log, &err) < 0)
		fail_msg("log: %s", err.text);
	close(fd);
	unlink(name);
	free(name);
	free(t->log);
	t->log_len = log.len;
	t->log = ai_buf_take(&log);
}

static inline void
trial_end(struct trial *t)
{
	struct ai_err err = { 0 };
	if (t->scratch && ai_remove_tree(AT_FDCWD, t->scratch, &err) < 0)
		fail_msg("scratch: %s", err.text);
	free(t->scratch);
	free(t->log);
	*t = (struct trial){ 0 };
}

/* Runs a program of the shell or of Python, which must end with this status; the log is shown when it does not. */
static inline void
trial_expect(struct trial *t, const char *program, const char *text, int status)
{
	trial_run(t, (const char *const[]){ program, "-c", text, NULL });
	if (t->code < 0)
		fail_msg("%s: %s", text, t->err.text);
	if (t->end.kind != AI_END_EXIT || t->end.value != status)
		fail_msg("%s: ended %d with %d, expected exit %d; it said: %s", text, (int)t->end.kind, t->end.value, status, t->log);
}

static inline void
attempt(const char *program, const char *text, int status)
{
	struct trial t;
	trial_start(&t);
	trial_expect(&t, program, text, status);
	trial_end(&t);
}

static inline void
put_file(const char *path, const char *text, mode_t mode)
{
	(void)unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static inline char *
in_place(const char *name)
{
	char *p = ai_join(place, name);
	assert_non_null(p);
	return p;
}

/* A folder of its own for one pass of the tests. */
static inline int
with_place(const char *who, int (*tests)(void))
{
	struct ai_err err = { 0 };
	const char *tmp = getenv("TMPDIR");
	char *prefix = ai_format("%s/aicert-%s", tmp && *tmp ? tmp : "/tmp", who);
	if (!prefix || ai_mkdtemp(prefix, &place, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	int failed = tests();
	if (ai_remove_tree(AT_FDCWD, place, &err) < 0)
		fprintf(stderr, "%s\n", err.text);
	free(place);
	free(prefix);
	return failed;
}

/* The tests as whoever we are, and, when that is root, once more as a plain user. */
static inline int
as_root_and_user(int (*tests)(void))
{
	int failed = with_place(geteuid() ? "user" : "root", tests);
	if (geteuid() != 0)
		return failed;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
			_exit(1);
		/* Changing ids made us undumpable, our /proc files root's; an ordinary user's process is neither. */
		prctl(PR_SET_DUMPABLE, 1);
		int n = with_place("user", tests);
		fflush(NULL);
		_exit(n ? 1 : 0);
	}
	int status = 0;
	waitpid(pid, &status, 0);
	return failed || status != 0;
}

#endif

/* child.c -- see child.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/host/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/talk.h"

enum { MAX_ERRORS = 1 << 20, TICK_MS = 20, PATIENCE_MS = 3000 };

void
ai_argv_add(struct ai_argv *a, const char *fmt, ...)
{
	struct ai_err ignored = { 0 };
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (!text || ai_grow(&a->v, &a->cap, a->n + 1, sizeof *a->v, &ignored) < 0) {
		free(text);
		a->failed = true;
		return;
	}
	a->v[a->n++] = text;
	a->v[a->n] = NULL;
}

int
ai_argv_ok(const struct ai_argv *a, struct ai_err *err)
{
	return a->failed ? ai_nomem(err) : 0;
}

void
ai_argv_done(struct ai_argv *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->v[i]);
	free(a->v);
	*a = (struct ai_argv){ 0 };
}

/* --- in the child: until exec nothing but system calls ------------------------ */

static _Noreturn void
become(const struct ai_argv *argv, char **env, const struct ai_child_io *io, const int std[3], int report, pid_t parent)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* A session of its own: Ctrl-C is for us, who end the child in order. */
	setsid();
	bool good = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
	for (int i = 0; good && i < 3; i++)
		good = dup2(std[i], i) == i;
	for (size_t i = 0; good && i < io->n_keep; i++)
		good = fcntl(io->keep[i], F_SETFD, 0) == 0;
	if (good)
		execvpe(argv->v[0], argv->v, env);
	int cause = errno;
	ssize_t ignored = write(report, &cause, sizeof cause);
	(void)ignored;
	_exit(127);
}

/* --- in the parent ------------------------------------------------------------ */

/* Ours, but that what it keeps for a while goes beside its errors, in a folder that is removed with all that is in it. */
static char **
environment(const char *errors, char **temporary)
{
	const char *end = strrchr(errors, '/');
	size_t n = 0, k = 0;
	while (environ[n])
		n++;
	*temporary = ai_format("TMPDIR=%.*s", end ? (int)(end - errors) : 1, end ? errors : ".");
	char **env = *temporary ? ai_calloc(n + 2, sizeof *env) : NULL;
	if (!env)
		return NULL;
	env[k++] = *temporary;
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], "TMPDIR=", 7) != 0)
			env[k++] = environ[i];
	return env;
}

static int
start(const struct ai_argv *argv, const char *package, const struct ai_child_io *io, const int std[3], pid_t *pid, struct ai_err *err)
{
	int report[2], cause = 0;
	AI_FREE char *temporary = NULL;
	AI_FREE char **env = environment(io->errors, &temporary);
	if (!env)
		return ai_nomem(err);
	if (pipe2(report, O_CLOEXEC) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot be started", argv->v[0]);
	pid_t parent = getpid(), child = fork();
	if (child == 0)
		become(argv, env, io, std, report[1], parent);
	close(report[1]);
	if (child < 0) {
		close(report[0]);
		return ai_fail_errno(err, AI_EENV, "%s: cannot be started", argv->v[0]);
	}
	ssize_t n;
	do
		n = read(report[0], &cause, sizeof cause);
	while (n < 0 && errno == EINTR);
	close(report[0]);
	if (n == 0) {
		*pid = child;
		return 0;
	}
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	errno = cause;
	ai_fail_errno(err, AI_EENV, "%s: cannot be started", argv->v[0]);
	return cause == ENOENT ? ai_hint(err, "install it: apt-get install %s", package) : err->code;
}

int
ai_child_start(const struct ai_argv *argv, const char *package, const struct ai_child_io *io, pid_t *pid, struct ai_err *err)
{
	int out[2] = { -1, -1 };
	if (ai_argv_ok(argv, err) < 0)
		return err->code;
	AI_FD null = open("/dev/null", O_RDWR | O_CLOEXEC);
	AI_FD errors = open(io->errors, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (null < 0 || errors < 0)
		return ai_fail_errno(err, AI_EENV, "%s", null < 0 ? "/dev/null" : io->errors);
	if (io->out && pipe2(out, O_CLOEXEC) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot be started", argv->v[0]);
	AI_FD reader = out[0];
	AI_FD writer = out[1];
	const int std[3] = { null, io->out ? writer : errors, errors };
	if (start(argv, package, io, std, pid, err) < 0)
		return err->code;
	if (io->out) {
		*io->out = reader;
		reader = -1;
	}
	return 0;
}

int
ai_child_wait(pid_t *pid, unsigned ms, int *status)
{
	for (unsigned waited = 0;; waited += TICK_MS) {
		pid_t r = *pid > 0 ? waitpid(*pid, status, WNOHANG) : -1;
		if (r == *pid || (r < 0 && errno != EINTR)) {
			*pid = 0;
			return 1;
		}
		if (waited >= ms)
			return 0;
		nanosleep(&(struct timespec){ .tv_nsec = TICK_MS * 1000000L }, NULL);
	}
}

void
ai_child_end(pid_t *pid)
{
	int status;
	if (*pid <= 0)
		return;
	/* It leads a session: what it started goes with it (swtpm_setup has an swtpm of its own, and does not end it). */
	kill(-*pid, SIGTERM);
	if (ai_child_wait(pid, PATIENCE_MS, &status))
		return;
	kill(-*pid, SIGKILL);
	while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
		;
	*pid = 0;
}

void
ai_child_last_words(const char *errors, char *out, size_t n)
{
	struct ai_err ignored = { 0 };
	AI_BUF_AUTO text = AI_BUF(MAX_ERRORS);
	size_t len = 0;
	const char *last = "";
	if (ai_read_file(AT_FDCWD, errors, &text, &ignored) == 0 && text.data) {
		while (text.len && strchr(" \t\r\n", text.data[text.len - 1]))
			text.data[--text.len] = '\0';
		last = strrchr(text.data, '\n');
		last = last ? last + 1 : text.data;
		len = strlen(last);
	}
	len = len < n ? len : n - 1;
	memcpy(out, last, len);
	out[len] = '\0';
}

int
ai_child_run(const struct ai_argv *argv, const char *package, const char *errors, unsigned s, struct ai_err *err)
{
	const struct ai_child_io io = { .errors = errors };
	pid_t pid = 0;
	int status = 0, ended = 0;
	char words[300];
	if (ai_child_start(argv, package, &io, &pid, err) < 0)
		return err->code;
	for (unsigned ms = 0; !ended && !ai_interrupted && ms < s * 1000; ms += 100)
		ended = ai_child_wait(&pid, 100, &status);
	ai_child_end(&pid);
	if (!ended && ai_check_interrupt(err) < 0)
		return err->code;
	if (!ended)
		return ai_fail(err, AI_EENV, "%s: was not done after %u seconds", argv->v[0], s);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	ai_child_last_words(errors, words, sizeof words);
	return ai_fail(err, AI_EENV, "%s: failed: %s", argv->v[0], *words ? words : "it said nothing");
}

/*
 * call.c -- one command of a provider: started, heard, and ended when it takes too long (provider_parts.h).
 *
 * It runs in a process group of its own, so that a Ctrl-C at the terminal reaches us alone and we decide what is ended when.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vm/cloud/provider.h"
#include "vm/cloud/provider_parts.h"

extern char **environ;

enum { SAID = 1 << 20, LINE = 4096, GRACE_MS = 10000, TICK_MS = 100 };

struct child {
	pid_t pid;
	int out, heard;               /* its standard output and error */
	char said[SAID];
	size_t n_said;
	bool too_much;
	char line[LINE], last[LINE];  /* of standard error: the one that comes, the last whole one with something in it */
	size_t n_line;
};

static long long
now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- start ------------------------------------------------------------------ */

static bool
is_set_by(const json_t *env, const char *variable)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)env, key, value)
		if (strncmp(variable, key, strlen(key)) == 0 && variable[strlen(key)] == '=')
			return true;
	return false;
}

static void
free_list(char **list, size_t from)
{
	for (size_t i = from; list && list[i]; i++) {
		explicit_bzero(list[i], strlen(list[i]));
		free(list[i]);
	}
	free(list);
}

/* The user's own variables (the tools' logins are found by them), and those of the call; *own: index of the first that is ours to free. */
static char **
environment(const json_t *env, size_t *own)
{
	size_t n = 0, k = 0;
	const char *key;
	json_t *value;
	while (environ[n])
		n++;
	char **list = ai_calloc(n + json_object_size(env) + 1, sizeof *list);
	for (size_t i = 0; list && i < n; i++)
		if (!is_set_by(env, environ[i]))
			list[k++] = environ[i];
	*own = k;
	json_object_foreach((json_t *)(uintptr_t)env, key, value) {
		if (!list || json_string_length(value) == 0)
			continue;
		if (!(list[k++] = ai_format("%s=%s", key, json_string_value(value)))) {
			free_list(list, *own);
			return NULL;
		}
	}
	return list;
}

static char **
arguments(const json_t *argv)
{
	size_t i;
	json_t *word;
	char **list = ai_calloc(json_array_size(argv) + 1, sizeof *list);
	json_array_foreach(argv, i, word)
		if (list)
			list[i] = (char *)(uintptr_t)json_string_value(word);
	return list;
}

static int
spawn(const struct ai_call *call, int out, int heard, pid_t *pid)
{
	size_t own = 0;
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	sigset_t none;
	AI_FREE char **argv = arguments(json_object_get(call->what, "argv"));
	char **env = environment(json_object_get(call->what, "env"), &own);
	if (!argv || !env || posix_spawn_file_actions_init(&fa) != 0) {
		free_list(env, own);
		return ENOMEM;
	}
	posix_spawnattr_init(&attr);
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
	posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&fa, out, 1);
	posix_spawn_file_actions_adddup2(&fa, heard, 2);
	int r = posix_spawnp(pid, argv[0], &fa, &attr, argv, env);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
	free_list(env, own);
	return r;
}

static int
start(const struct ai_call *call, struct child *c, struct ai_err *err)
{
	int out[2], heard[2];
	const char *program = json_string_value(json_array_get(json_object_get(call->what, "argv"), 0));
	if (pipe2(out, O_CLOEXEC) < 0)
		return ai_fail_errno(err, AI_EENV, "pipe");
	AI_FD out_write = out[1];
	c->out = out[0];
	if (pipe2(heard, O_CLOEXEC) < 0)
		return ai_fail_errno(err, AI_EENV, "pipe");
	AI_FD heard_write = heard[1];
	c->heard = heard[0];
	int r = spawn(call, out_write, heard_write, &c->pid);
	if (r == 0) {
		if (call->began)
			*call->began = true;
		return 0;
	}
	errno = r;
	ai_fail_errno(err, AI_EENV, "cannot start '%s'", program);
	return r == ENOENT ? ai_hint(err, "install the cloud's command-line tool '%s', and log in with it", program) : err->code;
}

/* --- hear ------------------------------------------------------------------- */

static void
tell_line(const struct ai_call *call, struct child *c)
{
	c->line[c->n_line] = '\0';
	if (c->line[strspn(c->line, " \t\r")]) {
		memcpy(c->last, c->line, c->n_line + 1);
		/* What makes a secret may say it before we know it. */
		AI_FREE char *clean = json_object_get(call->what, "secret") ? NULL : ai_secrets_hide(call->secrets, c->line, c->n_line);
		if (clean)
			ai_say(call->talk, AI_TALK_DETAIL, "%s", clean);
	}
	c->n_line = 0;
}

static void
take_heard(const struct ai_call *call, struct child *c, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n')
			tell_line(call, c);
		else if (c->n_line < LINE - 1)
			c->line[c->n_line++] = p[i];
	}
}

static void
take_said(struct child *c, const char *p, size_t n)
{
	c->too_much |= n > SAID - 1 - c->n_said;
	if (c->too_much)
		return;
	memcpy(c->said + c->n_said, p, n);
	c->n_said += n;
}

/* What came from fd; closes it at its end. */
static void
take(const struct ai_call *call, struct child *c, int *fd)
{
	char chunk[8192];
	ssize_t n = read(*fd, chunk, sizeof chunk);
	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		close(*fd);
		*fd = -1;
	} else if (fd == &c->out) {
		take_said(c, chunk, (size_t)n);
	} else {
		take_heard(call, c, chunk, (size_t)n);
	}
}

static bool
ended(pid_t pid)
{
	siginfo_t info = { 0 };
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == pid;
}

/* Until the child has ended and nothing more comes, or the time is up, or the user has had enough: then 0, ETIME, or EINTR. */
static int
hear(const struct ai_call *call, struct child *c)
{
	const long long end = now_ms() + (long long)call->time_s * 1000;
	for (;;) {
		struct pollfd p[2] = { { .fd = c->out, .events = POLLIN }, { .fd = c->heard, .events = POLLIN } };
		if (ai_interrupted && !call->deaf)
			return EINTR;
		if (call->time_s && now_ms() > end)
			return ETIME;
		/* Looked at before the pipes: what it wrote before its end is in them by then. What it left running may hold them open. */
		bool gone = ended(c->pid);
		int n = poll(p, 2, gone ? 0 : TICK_MS);
		if (n > 0 && p[0].revents)
			take(call, c, &c->out);
		if (n > 0 && p[1].revents)
			take(call, c, &c->heard);
		if (gone && n <= 0)
			return 0;
		if (c->out < 0 && c->heard < 0 && !gone)
			(void)!poll(NULL, 0, TICK_MS / 10);
	}
}

/* --- end -------------------------------------------------------------------- */

/* The whole group: asked first, made to after a while. */
static void
stop(struct child *c)
{
	const long long end = now_ms() + GRACE_MS;
	kill(-c->pid, SIGTERM);
	while (!ended(c->pid) && now_ms() < end)
		(void)!poll(NULL, 0, TICK_MS);
	kill(-c->pid, SIGKILL);
}

static int
judge(const struct ai_call *call, struct child *c, int why, int status, struct ai_err *err)
{
	AI_BUF_AUTO words = AI_BUF(AI_MAX_HEADER);
	if (c->n_line)
		tell_line(call, c);
	AI_FREE char *last = ai_secrets_hide(call->secrets, c->last, strlen(c->last));
	ai_provider_words(json_object_get(call->what, "argv"), &words);
	const char *line = words.data ? words.data : "";
	if (why == EINTR)
		return ai_fail(err, AI_EINTR, "interrupted");
	if (why == ETIME)
		return ai_fail(err, AI_EENV, "%.300s: took longer than %u s", line, call->time_s);
	if (WIFSIGNALED(status))
		return ai_fail(err, AI_EENV, "%.300s: ended by signal %d", line, WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return ai_fail(err, AI_EENV, "%.300s: exit code %d%s%.400s", line, WEXITSTATUS(status), last && *last ? ": " : "", last ? last : "");
	return 0;
}

int
ai_call_run(const struct ai_call *call, char **said, struct ai_err *err)
{
	int status = 0;
	AI_FREE struct child *c = ai_calloc(1, sizeof *c);
	if (!c)
		return ai_nomem(err);
	c->out = c->heard = -1;
	int r = start(call, c, err);
	if (r == 0) {
		int why = hear(call, c);
		if (why)
			stop(c);
		while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
			;
		r = judge(call, c, why, status, err);
	}
	if (c->out >= 0)
		close(c->out);
	if (c->heard >= 0)
		close(c->heard);
	if (r == 0) {
		while (c->n_said && strchr(" \t\r\n", c->said[c->n_said - 1]))
			c->n_said--;
		if (!(*said = ai_strndup(c->said, c->too_much ? 0 : c->n_said)))
			r = ai_nomem(err);
	}
	explicit_bzero(c, sizeof *c);
	return r;
}

void
ai_provider_words(const json_t *argv, struct ai_buf *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=,@%+";
	size_t i;
	json_t *word;
	json_array_foreach(argv, i, word) {
		const char *s = json_string_value(word);
		if (i)
			ai_buf_putc(out, ' ');
		if (*s && s[strspn(s, plain)] == '\0') {
			ai_buf_puts(out, s);
			continue;
		}
		ai_buf_putc(out, '\'');
		for (; *s; s++)
			if (*s == '\'')
				ai_buf_puts(out, "'\\''");
			else
				ai_buf_putc(out, *s);
		ai_buf_putc(out, '\'');
	}
}

/* swtpm.c -- see swtpm.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/host/swtpm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "base/buf.h"
#include "base/fs.h"

int
ai_swtpm_lock(const char *state, const struct ai_talk *talk, int *fd_out, struct ai_err *err)
{
	AI_FREE char *path = ai_format("%s.lock", state);
	bool said = false;
	if (!path)
		return ai_nomem(err);
	AI_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "%s", path);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return ai_fail_errno(err, AI_EENV, "%s: cannot lock", path);
		if (!said)
			ai_say(talk, AI_TALK_NOTE, "another machine of this host uses its vTPM: waiting for it to end");
		said = true;
		if (ai_check_interrupt(err) < 0)
			return err->code;
		nanosleep(&(struct timespec){ .tv_nsec = 100000000L }, NULL);
	}
	*fd_out = fd;
	fd = -1;
	return 0;
}

/* We listen and hand the socket over, so there is no instant at which nobody would answer. */
static int
listen_at(const char *path, int *out, struct ai_err *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof a.sun_path)
		return ai_fail(err, AI_EENV, "%s: too long for a socket: got %zu bytes, expected at most %zu", path, strlen(path), sizeof a.sun_path - 1);
	memcpy(a.sun_path, path, strlen(path));
	AI_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || chmod(path, 0600) < 0 || listen(fd, 4) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot listen", path);
	*out = fd;
	fd = -1;
	return 0;
}

int
ai_swtpm_listen(const char *state, const char *scratch, const struct ai_talk *talk, struct ai_swtpm *out, struct ai_err *err)
{
	*out = AI_SWTPM_NONE;
	out->control = ai_format("%s/sock.ctrl", scratch);
	out->errors = ai_format("%s/swtpm.err", scratch);
	if (!out->control || !out->errors)
		return ai_nomem(err);
	return ai_swtpm_lock(state, talk, &out->lock, err) < 0 ? err->code : listen_at(out->control, &out->listen, err);
}

/* server: a second socket that it gets; -1: none. */
static int
launch(struct ai_swtpm *s, const struct ai_argv *argv, const char *package, int server, struct ai_err *err)
{
	const int keep[] = { s->listen, server };
	const struct ai_child_io io = { .errors = s->errors, .keep = keep, .n_keep = server < 0 ? 1 : 2 };
	int r = ai_child_start(argv, package, &io, &s->pid, err);
	close(s->listen);
	s->listen = -1;
	return r;
}

int
ai_swtpm_launch(struct ai_swtpm *s, const struct ai_argv *argv, const char *package, struct ai_err *err)
{
	return launch(s, argv, package, -1, err);
}

int
ai_swtpm_start(const char *state, const char *scratch, const struct ai_talk *talk, struct ai_swtpm *out, struct ai_err *err)
{
	AI_FREE char *path = ai_format("%s/sock", scratch);
	AI_FD server = -1;
	struct ai_argv a = { 0 };
	if (ai_swtpm_listen(state, scratch, talk, out, err) < 0)
		return err->code;
	if (!path || !(out->tcti = ai_format("swtpm:path=%s", path)))
		return ai_nomem(err);
	if (listen_at(path, &server, err) < 0)
		return err->code;
	ai_argv_add(&a, "swtpm");
	ai_argv_add(&a, "socket");
	ai_argv_add(&a, "--tpm2");
	ai_argv_add(&a, "--tpmstate");
	ai_argv_add(&a, "dir=%s", state);
	ai_argv_add(&a, "--ctrl");
	ai_argv_add(&a, "type=unixio,fd=%d", out->listen);
	ai_argv_add(&a, "--server");
	ai_argv_add(&a, "type=unixio,fd=%d", server);
	ai_argv_add(&a, "--flags");
	ai_argv_add(&a, "not-need-init,startup-clear");
	int r = launch(out, &a, "swtpm", server, err);
	ai_argv_done(&a);
	return r;
}

void
ai_swtpm_stop(struct ai_swtpm *s)
{
	AI_FREE char *server = s->tcti ? ai_strdup(strchr(s->tcti, '=') + 1) : NULL;
	ai_child_end(&s->pid);
	if (s->control)
		unlink(s->control);
	if (server)
		unlink(server);
	if (s->listen >= 0)
		close(s->listen);
	if (s->lock >= 0)
		close(s->lock);
	free(s->control);
	free(s->tcti);
	free(s->errors);
	*s = AI_SWTPM_NONE;
}

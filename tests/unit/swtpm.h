/*
 * swtpm.h -- a real TPM 2.0 over TCP on loopback, for tests; started and ended by its pid.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_SWTPM_H
#define AI_SWTPM_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fs.h"
#include "unit.h"

struct swtpm {
	pid_t pid;
	int port;          /* of commands; port + 1 is its control */
	char *dir, *tcti;
};

static inline bool
port_answers(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	AI_FD s = socket(AF_INET, SOCK_STREAM, 0);
	return connect(s, (struct sockaddr *)&a, sizeof a) == 0;
}

/* Two neighbouring ports that nobody listens on. */
static inline int
free_ports(void)
{
	for (int tries = 0; tries < 100; tries++) {
		struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } }, b;
		socklen_t n = sizeof a;
		AI_FD s = socket(AF_INET, SOCK_STREAM, 0);
		AI_FD t = socket(AF_INET, SOCK_STREAM, 0);
		if (bind(s, (struct sockaddr *)&a, sizeof a) < 0 || getsockname(s, (struct sockaddr *)&a, &n) < 0)
			continue;
		b = a;
		b.sin_port = htons((uint16_t)(ntohs(a.sin_port) + 1));
		if (bind(t, (struct sockaddr *)&b, sizeof b) == 0)
			return ntohs(a.sin_port);
	}
	fail_msg("no free ports");
	return 0;
}

static inline void
swtpm_power_on(struct swtpm *s)
{
	AI_FREE char *server = ai_format("type=tcp,port=%d,bindaddr=127.0.0.1", s->port);
	AI_FREE char *ctrl = ai_format("type=tcp,port=%d,bindaddr=127.0.0.1", s->port + 1);
	AI_FREE char *state = ai_format("dir=%s", s->dir);
	s->pid = fork();
	if (s->pid == 0) {
		int null = open("/dev/null", O_RDWR);
		dup2(null, 1);
		dup2(null, 2);
		execlp("swtpm", "swtpm", "socket", "--tpm2", "--server", server, "--ctrl", ctrl, "--flags", "not-need-init,startup-clear",
			"--tpmstate", state, (char *)NULL);
		_exit(127);
	}
	/* The control port is opened last, and a connection to it is harmless. */
	for (int i = 0; i < 500 && !port_answers(s->port + 1); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

static inline void
swtpm_power_off(struct swtpm *s)
{
	if (s->pid > 0) {
		kill(s->pid, SIGTERM);
		waitpid(s->pid, NULL, 0);
	}
	s->pid = 0;
}

static inline bool
have_swtpm(void)
{
	static const char *const places[] = { "/usr/bin/swtpm", "/usr/local/bin/swtpm" };
	return ai_exists(places[0]) || ai_exists(places[1]);
}

static inline void
swtpm_start(struct swtpm *s)
{
	ok(ai_mkdtemp("/tmp/aicert-swtpm", &s->dir, &err));
	s->port = free_ports();
	s->tcti = ai_format("swtpm:host=127.0.0.1,port=%d", s->port);
	swtpm_power_on(s);
}

static inline void
swtpm_end(struct swtpm *s)
{
	swtpm_power_off(s);
	ok(ai_remove_tree(AT_FDCWD, s->dir, &err));
	free(s->dir);
	free(s->tcti);
}

#endif

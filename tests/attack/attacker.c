/*
 * attacker.c -- the malicious step: makes every attack of attacks.h and says of each how it ended.
 *
 *     attacker NAME=VALUE… [ATTACK…]
 *     attacker do DEED ARGUMENT…
 *
 * One line per attack on standard output: `NAME: WHAT: refused (EPERM)`, `… : without effect (…)`,
 * `… : HARMED (…)`, or `… : UNCLEAR (…)` when it ended in no such way. Exit code 0 if none is HARMED or UNCLEAR.
 * Refuses to run as root: outside a sandbox its attacks would succeed.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "attacker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attacks.h"

#define SECONDS 10
#define SAY 64 /* the descriptor on which an attack reports */

struct target target = { .victim = -1, .shm = -1 };

ATTACKS(ATTACK_DECLARE)

static const struct attack {
	const char *name, *what;
	void (*run)(void);
} attacks[] = {
#define ROW(name, what) { #name, what, name },
	ATTACKS(ROW)
};

/* --- how an attack ends --------------------------------------------------- */

static _Noreturn void
say(const char *how, const char *fmt, va_list args)
{
	char detail[300];
	vsnprintf(detail, sizeof detail, fmt, args);
	dprintf(SAY, "%s (%s)", how, detail);
	_exit(0);
}

void
refused_as(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	say("refused", fmt, args);
}

void
no_effect(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	say("without effect", fmt, args);
}

void
harmed(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	say("HARMED", fmt, args);
}

void
refused(void)
{
	static const int refusals[] = { EPERM, EACCES, EROFS, ENOENT, ENOSYS, ESRCH, ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL,
		EAFNOSUPPORT, EPROTONOSUPPORT, ESOCKTNOSUPPORT, EXDEV, EBUSY, ENODEV, ENXIO, EOPNOTSUPP, ETXTBSY, ENOTDIR, ENOTTY };
	int e = errno;
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
		if (refusals[i] == e)
			refused_as("%s", strerrorname_np(e));
	dprintf(SAY, "UNCLEAR (%s)", strerrorname_np(e));
	_exit(0);
}

void
must_fail(long result, const char *what)
{
	if (result >= 0)
		harmed("%s succeeded", what);
}

void
open_each(const char *const *paths, int flags)
{
	for (; *paths; paths++) {
		int fd = open(*paths, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
		if (fd >= 0)
			harmed("opened %s", *paths);
	}
}

void
write_each(const char *const *paths, const char *text)
{
	for (; *paths; paths++) {
		int fd = open(*paths, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (write(fd, text, strlen(text)) > 0)
			harmed("wrote to %s", *paths);
		close(fd);
	}
}

void
steal(const char *path)
{
	char text[256];
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return;
	ssize_t n = read(fd, text, sizeof text - 1);
	int e = errno;
	close(fd);
	errno = e;
	if (n > 0 && memmem(text, (size_t)n, SECRET, strlen(SECRET)))
		harmed("read %s", path);
	if (n >= 0)
		errno = ENOENT;
}

long long
number(const char *text)
{
	char *end;
	errno = 0;
	long long n = strtoll(text, &end, 10);
	return errno || end == text || *end ? -1 : n;
}

/* --- one attack ----------------------------------------------------------- */

/* What the attack said, or how it died; in `line`. */
static void
listen_to(int fd, pid_t pid, char *line, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int ready, status = 0;
	while ((ready = poll(&p, 1, SECONDS * 1000)) < 0 && errno == EINTR)
		;
	ssize_t n = ready > 0 ? read(fd, line, size - 1) : 0;
	line[n > 0 ? n : 0] = '\0';
	if (ready <= 0)
		kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) < 0)
		status = 0;
	if (line[0])
		return;
	if (ready <= 0)
		snprintf(line, size, "UNCLEAR (no end after %d s)", SECONDS);
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		snprintf(line, size, "refused (killed by SIGSYS)");
	else
		snprintf(line, size, "UNCLEAR (ended without a word, status %d)", status);
}

static bool
attempt(const struct attack *a)
{
	char line[400] = "UNCLEAR (no process)";
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		if (dup3(ends[1], SAY, O_CLOEXEC) < 0)
			_exit(1);
		close(ends[0]);
		close(ends[1]);
		a->run();
		dprintf(SAY, "UNCLEAR (came to no end)");
		_exit(0);
	}
	close(ends[1]);
	if (pid > 0)
		listen_to(ends[0], pid, line, sizeof line);
	close(ends[0]);
	printf("%s: %s: %s\n", a->name, a->what, line);
	fflush(stdout);
	return line[0] == 'r' || line[0] == 'w';
}

static bool
set_target(char *word)
{
	const struct { const char *name; const char **text; int *number; } known[] = {
		{ "secret", &target.secret, NULL }, { "folder", &target.folder, NULL }, { "home", &target.home, NULL },
		{ "unix", &target.unix_path, NULL }, { "abstract", &target.abstract, NULL }, { "input", &target.input, NULL },
		{ "outputs", &target.outputs, NULL }, { "victim", NULL, &target.victim }, { "port", NULL, &target.port },
		{ "udp", NULL, &target.udp }, { "shm", NULL, &target.shm },
	};
	char *value = strchr(word, '=');
	for (size_t i = 0; value && i < sizeof known / sizeof *known; i++) {
		if (strncmp(word, known[i].name, (size_t)(value - word)) != 0 || known[i].name[value - word])
			continue;
		if (known[i].text)
			*known[i].text = value + 1;
		else
			*known[i].number = (int)number(value + 1);
		return true;
	}
	return false;
}

int
main(int argc, char **argv)
{
	bool good = true, some = false;
	if (geteuid() == 0) {
		/* file_setuid_bit starts us so. */
		fprintf(stderr, "attacker: not as root: these attacks are meant\n");
		return 77;
	}
	if (argc == 2 && strcmp(argv[1], "whoami") == 0)
		return 7;
	if (argc > 2 && strcmp(argv[1], "do") == 0)
		return do_deed(argv[2], argv + 3);
	for (int i = 1; i < argc; i++)
		some |= !set_target(argv[i]);
	if (!target.secret || !target.folder || !target.home || !target.input || !target.outputs || !target.unix_path || !target.abstract) {
		fprintf(stderr, "attacker: targets are missing\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
		bool wanted = !some;
		for (int k = 1; k < argc; k++)
			wanted |= strcmp(argv[k], attacks[i].name) == 0;
		if (wanted && !attempt(&attacks[i]))
			good = false;
	}
	return good ? 0 : 1;
}

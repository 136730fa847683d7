/*
 * deeds.c -- what a malicious step leaves behind or uses up: `attacker do DEED ARGUMENT…`. Whether it harmed is seen from outside.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attacker.h"

/* A socket as an output. */
static int
leave_socket(char **a)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	snprintf(at.sun_path, sizeof at.sun_path, "%s", a[0]);
	return bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&at, sizeof at);
}

/* A file that claims TIB tebibytes and holds none. */
static int
leave_sparse(char **a)
{
	int fd = open(a[0], O_WRONLY | O_CREAT, 0644);
	return ftruncate(fd, (off_t)number(a[1]) << 40);
}

/* N folders one in the other. */
static int
leave_deep(char **a)
{
	if (chdir(a[0]) < 0)
		return -1;
	for (long long n = number(a[1]); n > 0; n--)
		if (mkdir("d", n % 100 ? 0755 : 0700) < 0 || chdir("d") < 0)
			return -1;
	return 0;
}

/* N small files, all different. */
static int
leave_many(char **a)
{
	if (chdir(a[0]) < 0)
		return -1;
	for (long long n = number(a[1]); n > 0; n--) {
		char name[64];
		if (n % 1000 == 0) {
			snprintf(name, sizeof name, "%s%lld", n == number(a[1]) ? "" : "../", n);
			if (mkdir(name, 0755) < 0 || chdir(name) < 0)
				return -1;
		}
		int len = snprintf(name, sizeof name, "%lld", n);
		int fd = open(name, O_WRONLY | O_CREAT, 0644);
		if (write(fd, name, (size_t)len) != len || close(fd) < 0)
			return -1;
	}
	return 0;
}

/* A file of that name, its bytes written in hexadecimal. */
static int
leave_name(char **a)
{
	char name[300] = "";
	unsigned byte;
	for (size_t i = 0; sscanf(a[1] + 2 * i, "%2x", &byte) == 1 && i + 1 < sizeof name; i++)
		name[i] = (char)byte;
	if (chdir(a[0]) < 0)
		return -1;
	int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
	return fd < 0 || write(fd, "x", 1) != 1 ? -1 : 0;
}

/* A daemon of a given name that ignores signals, keeps every descriptor and swaps an output for a link to the secret, over and over. */
static int
leave_daemon(char **a)
{
	if (fork() != 0)
		return 0;
	setsid();
	if (fork() != 0)
		_exit(0);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_IGN);
	prctl(PR_SET_NAME, a[0]);
	char other[1000];
	snprintf(other, sizeof other, "%s.other", a[1]);
	(void)symlink(a[2], other);
	for (;;) {
		(void)renameat2(AT_FDCWD, other, AT_FDCWD, a[1], RENAME_EXCHANGE);
		if (write(1, "", 0) < 0)
			usleep(1);
	}
}

/* Processes until there are no more, each of which does the same. */
static int
bomb(char **a)
{
	prctl(PR_SET_NAME, a[0]);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_IGN);
	for (int failures = 0; failures < 100;)
		if (fork() < 0)
			failures++;
	return 0;
}

static int
hog_memory(char **a)
{
	for (long long mib = number(a[0]); mib > 0; mib--) {
		char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return -1;
		memset(p, 1, 1 << 20);
	}
	return 0;
}

/* Writes a file until it has MIB mebibytes or there is no room. */
static int
hog_file(char **a)
{
	static char chunk[1 << 20];
	int fd = open(a[0], O_WRONLY | O_CREAT, 0644);
	memset(chunk, 1, sizeof chunk);
	for (long long mib = number(a[1]); mib > 0; mib--)
		if (write(fd, chunk, sizeof chunk) != sizeof chunk)
			return -1;
	return 0;
}

static int
flood_log(char **a)
{
	static char chunk[1 << 16];
	memset(chunk, 'y', sizeof chunk);
	chunk[sizeof chunk - 1] = '\n';
	for (long long n = number(a[0]) * 16; n > 0; n--)
		for (size_t at = 0; at < sizeof chunk;) {
			ssize_t w = write(1, chunk + at, sizeof chunk - at);
			if (w < 0)
				return -1;
			at += (size_t)w;
		}
	return 0;
}

/* Ignores what it can, and hangs. */
static int
hang(char **a)
{
	prctl(PR_SET_NAME, a[0]);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_IGN);
	if (fork() == 0)
		raise(SIGSTOP);
	while (pause() < 0)
		;
	return 0;
}

/* N paths that are not there, each as long as may be, and names that no record can hold. */
static int
look(char **a)
{
	static const char *const odd[] = { "/usr/a\nb", "/usr/\x1b[2J", "/usr/\xff\xfe", "/usr/\x7f", "/usr//./../usr/\xc3", "/etc/\xe2\x80\xae", "", "/",
		"/proc/self/fd/1", "/proc/self/root/usr/x", "/dev/zero", "/proc/1/root/usr", "/usr/bin/../../proc/self/exe" };
	struct stat st;
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		(void)stat(odd[i], &st);
		int fd = open(odd[i], O_RDONLY | O_NONBLOCK);
		if (fd >= 0)
			close(fd);
	}
	for (long long n = number(a[0]); n > 0; n--) {
		char path[3000] = "/usr/lib/";
		for (size_t at = strlen(path); at < 2900; at += 100)
			snprintf(path + at, sizeof path - at, "%099d/", (int)n);
		(void)stat(path, &st);
	}
	return 0;
}

int
do_deed(const char *deed, char **args)
{
	static const struct { const char *name; int (*run)(char **); } deeds[] = {
		{ "socket", leave_socket }, { "sparse", leave_sparse }, { "deep", leave_deep }, { "many", leave_many }, { "name", leave_name },
		{ "daemon", leave_daemon }, { "bomb", bomb }, { "memory", hog_memory }, { "file", hog_file }, { "flood", flood_log }, { "hang", hang },
		{ "look", look },
	};
	for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
		if (strcmp(deeds[i].name, deed) != 0)
			continue;
		int r = deeds[i].run(args);
		if (r < 0)
			fprintf(stderr, "attacker: %s: %s\n", deed, strerror(errno));
		return r < 0;
	}
	return 2;
}

/*
 * sandbox_bench -- milliseconds of one command in the sandbox, against the same command bare and under another program.
 *
 *     sandbox_bench SCRATCH RUNS ROOT|- PEER-ARGV…
 *
 * Each round runs `true` bare (fork and exec), in our sandbox (host environment; and with the image laid out at ROOT), and as
 * PEER-ARGV; prints the least time of each, in ms: bare host image peer. The scratch folder is made and removed within the time.  SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "run/box/sandbox.h"

enum { BARE, HOST, IMAGE, PEER, SIDES };

static const char *const env[] = { "PATH=/usr/bin:/bin", "LANG=C.UTF-8", NULL };
static const char *const command[] = { "true", NULL };

static double
now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int
spawn(const char *const *argv, struct ai_err *err)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return ai_fail_errno(err, AI_EENV, "%s", argv[0]);
	return status == 0 ? 0 : ai_fail(err, AI_EENV, "%s: wait status %d", argv[0], status);
}

/* A step's scratch is fresh; making and removing it is part of what a step costs. */
static int
sandboxed(const char *prefix, const char *root, struct ai_err *err)
{
	AI_FREE char *scratch = NULL;
	struct ai_end end;
	if (ai_mkdtemp(prefix, &scratch, err) < 0)
		return err->code;
	struct ai_sandbox s = { .scratch = scratch, .host = !root, .root = root, .argv = command, .env = env, .cwd = "/workspace",
		.outputs = "/workspace/outputs", .log_fd = -1 };
	int r = ai_sandbox_run(&s, &end, err);
	ai_discard_tree(scratch);
	if (r < 0)
		return r;
	return end.kind == AI_END_EXIT && end.value == 0 ? 0 : ai_fail(err, AI_EENV, "sandbox: ended %d with %d", (int)end.kind, end.value);
}

int
main(int argc, char **argv)
{
	if (argc < 5)
		return 2;
	const char *root = strcmp(argv[3], "-") == 0 ? NULL : argv[3];
	struct ai_err err = { 0 };
	double least[SIDES] = { 1e9, 1e9, 1e9, 1e9 };
	for (long long i = strtoll(argv[2], NULL, 10); i > 0; i--)
		for (int side = 0; side < SIDES; side++) {
			double t = now_ms();
			int r = side == BARE ? spawn(command, &err) : side == PEER ? spawn((const char *const *)argv + 4, &err) :
				side == IMAGE && !root ? 0 : sandboxed(argv[1], side == IMAGE ? root : NULL, &err);
			t = now_ms() - t;
			if (r < 0) {
				fprintf(stderr, "%s\n", err.text);
				return 1;
			}
			least[side] = t < least[side] ? t : least[side];
		}
	printf("%.3f %.3f %.3f %.3f\n", least[BARE], least[HOST], root ? least[IMAGE] : 0, least[PEER]);
	return 0;
}

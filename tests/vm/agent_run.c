/* agent_run.c -- the agent on two files instead of a machine's disks: agent_run JOB RESULT HOME TCTI.  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "vm/agent/agent.h"

static void
say(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total)
{
	(void)ctx;
	(void)total;
	if (kind == AI_TALK_STAGE || kind == AI_TALK_NOTE)
		printf("aicert: %s\n", text);
	else if (kind == AI_TALK_LOG)
		fwrite(text, 1, (size_t)done, stdout);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	const struct ai_talk talk = { .say = say };
	struct ai_err err = { 0 };
	struct stat job, result;
	if (argc != 5)
		return 2;
	struct ai_agent a = { .job = open(argv[1], O_RDONLY | O_CLOEXEC), .result = open(argv[2], O_RDWR | O_CLOEXEC), .home = argv[3], .tpm = argv[4], .talk = &talk };
	if (a.job < 0 || a.result < 0 || fstat(a.job, &job) < 0 || fstat(a.result, &result) < 0)
		return 2;
	a.job_size = (uint64_t)job.st_size;
	a.result_size = (uint64_t)result.st_size;
	int r = ai_agent_job(&a, &err);
	if (r < 0)
		printf("aicert: failed: %s\n", err.text);
	return -r;
}

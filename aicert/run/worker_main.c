/*
 * worker_main.c -- aicert-worker: the nursery and its workers as a small program of their own, for each sandbox is a fork of it (worker.h).
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <string.h>

#include "run/worker_parts.h"

int
main(int argc, char **argv)
{
	char tag[128];
	ai_nursery_tag(tag);
	if (argc != 2 || strcmp(argv[1], tag) != 0) {
		fputs("aicert-worker: a part of aicert, which starts it; this one is of another build\n", stderr);
		return 2;
	}
	ai_nurse(AI_NURSERY_FD);
}

/*
 * worker_main.c -- aicert-worker: the nursery and its workers as a small program of their own, for each sandbox is a fork of it (worker.h).
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "run/worker_parts.h"

/* Libraries that a sandbox's first process has no use for: neither their code nor the hundreds of pages that were relocated. */
static const char *const ours_alone[] = { "/libcrypto.so", "/libsqlite3.so", "/libjansson.so", "/libnss_" };

/* What of these is in our memory is not in that of our children: it need not be copied, and nothing there can look at it. */
static void
keep_to_ourselves(void)
{
	char line[4200];
	FILE *maps = fopen("/proc/self/maps", "re");
	while (maps && fgets(line, sizeof line, maps)) {
		uintptr_t from, to;
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &from, &to) != 2)
			continue;
		for (size_t i = 0; i < sizeof ours_alone / sizeof *ours_alone; i++)
			if (strstr(line, ours_alone[i]))
				(void)madvise((void *)from, to - from, MADV_DONTFORK);
	}
	if (maps)
		fclose(maps);
}

int
main(int argc, char **argv)
{
	char tag[128];
	ai_nursery_tag(tag);
	if (argc != 2 || strcmp(argv[1], tag) != 0) {
		fputs("aicert-worker: a part of aicert, which starts it; this one is of another build\n", stderr);
		return 2;
	}
	ai_nurse(AI_NURSERY_FD, keep_to_ourselves);
}

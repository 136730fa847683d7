/*
 * fuzz_parting.c -- any two byte strings as two files that part: the place, the lines and the cause that are found of them.
 *
 * The input is cut in two at its middle. The cut-out lines must be text, whatever the bytes are.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/path.h"
#include "run/again/parting.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
file_of(const uint8_t *data, size_t n)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, n) != (ssize_t)n)
		abort();
	return fd;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t half = size / 2;
	struct ai_err err = { 0 };
	struct ai_parting p;
	AI_FD a = file_of(data, half);
	AI_FD b = file_of(data + half, size - half);
	bool same = half == size - half && memcmp(data, data + half, half) == 0;
	int r = ai_parting_find(a, b, &p, &err);
	if ((r < 0) != same || (r < 0 && (r != AI_EINPUT || !err.text[0])))
		abort();
	if (same)
		return 0;
	if (p.offset > half || p.sizes[0] != half || p.sizes[1] != size - half || (p.offset < half && data[p.offset] == data[half + p.offset]) ||
		memcmp(data, data + half, p.offset) != 0)
		abort();
	for (int k = 0; k < 2; k++) {
		const char *s = p.lines[k];
		if (p.line && (strlen(s) >= AI_PARTING_LINE || !ai_utf8_valid(s, strlen(s)) || strpbrk(s, "\n\r\033\177")))
			abort();
	}
	return 0;
}

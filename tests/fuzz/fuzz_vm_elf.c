/* fuzz_vm_elf.c -- an ELF file: what it needs are texts that end inside the file.  SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vm/uki/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
inside(const uint8_t *data, size_t size, const char *s)
{
	if (s && ((const uint8_t *)s < data || (const uint8_t *)s >= data + size || !memchr(s, 0, (size_t)(data + size - (const uint8_t *)s)) || !*s))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ai_err err = { 0 };
	struct ai_elf e;
	if (ai_elf_parse(data, size, &e, &err) < 0)
		return err.text[0] ? 0 : -1;
	if (!ai_elf_is(data, size))
		abort();
	inside(data, size, e.interpreter);
	inside(data, size, e.soname);
	for (size_t i = 0; i < e.n_needed; i++)
		inside(data, size, e.needed[i]);
	return 0;
}

/* elf.c -- see elf.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/uki/elf.h"

#include <stdint.h>
#include <string.h>

/* ELF-64: offsets in Elf64_Ehdr, Elf64_Phdr and Elf64_Dyn, and the numbers that are looked for. */
enum { EHDR = 64, PHDR = 56, DYN = 16 };
enum { ET_EXEC = 2, ET_DYN = 3, EM_X86_64 = 62, PT_LOAD = 1, PT_DYNAMIC = 2, PT_INTERP = 3 };
enum { DT_NULL = 0, DT_NEEDED = 1, DT_STRTAB = 5, DT_STRSZ = 10, DT_SONAME = 14, DT_RPATH = 15, DT_RUNPATH = 29 };

struct segment { uint32_t type; uint64_t offset, address, size; };

struct elf {
	const unsigned char *p;
	size_t n;
	uint64_t headers;       /* offset of the program headers */
	size_t n_segments;
	struct ai_err *err;
};

static uint64_t
number(const unsigned char *p, size_t bytes)
{
	uint64_t v = 0;
	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

static bool
within(const struct elf *e, uint64_t offset, uint64_t size)
{
	return offset <= e->n && size <= e->n - offset;
}

bool
ai_elf_is(const void *bytes, size_t n)
{
	return n >= 4 && memcmp(bytes, "\x7f" "ELF", 4) == 0;
}

static int
open_elf(struct elf *e)
{
	if (!ai_elf_is(e->p, e->n) || e->n < EHDR)
		return ai_fail(e->err, AI_EINPUT, "ELF: got %zu bytes that do not begin as an ELF file does", e->n);
	uint64_t type = number(e->p + 16, 2), machine = number(e->p + 18, 2), entry = number(e->p + 54, 2);
	if (e->p[4] != 2 || e->p[5] != 1 || machine != EM_X86_64)
		return ai_fail(e->err, AI_EINPUT, "ELF: got class %d, byte order %d, machine %d, expected a file for 64-bit x86 (2, 1, %d)", e->p[4], e->p[5],
			(int)machine, EM_X86_64);
	if (type != ET_EXEC && type != ET_DYN)
		return ai_fail(e->err, AI_EINPUT, "ELF: got type %d, expected a program (%d) or a shared library (%d)", (int)type, ET_EXEC, ET_DYN);
	e->headers = number(e->p + 32, 8);
	e->n_segments = number(e->p + 56, 2);
	if (entry != PHDR || !within(e, e->headers, (uint64_t)e->n_segments * PHDR))
		return ai_fail(e->err, AI_EINPUT, "ELF: the program headers are outside of the file's %zu bytes", e->n);
	return 0;
}

static struct segment
segment(const struct elf *e, size_t i)
{
	const unsigned char *h = e->p + e->headers + i * PHDR;
	return (struct segment){ (uint32_t)number(h, 4), number(h + 8, 8), number(h + 16, 8), number(h + 32, 8) };
}

/* The only segment of a type: 1 found, 0 none. */
static int
find_segment(const struct elf *e, uint32_t type, struct segment *out)
{
	int found = 0;
	for (size_t i = 0; i < e->n_segments; i++) {
		struct segment s = segment(e, i);
		if (s.type != type)
			continue;
		if (found)
			return ai_fail(e->err, AI_EINPUT, "ELF: got two segments of type %u, expected one", (unsigned)type);
		if (!within(e, s.offset, s.size))
			return ai_fail(e->err, AI_EINPUT, "ELF: a segment of type %u is outside of the file's %zu bytes", (unsigned)type, e->n);
		*out = s;
		found = 1;
	}
	return found;
}

/* The text at an offset of a table, which ends inside it. */
static int
text_at(const struct elf *e, uint64_t table, uint64_t size, uint64_t at, const char *what, const char **out)
{
	const char *s = at < size ? (const char *)e->p + table + at : NULL;
	if (!s || !memchr(s, 0, size - at) || !*s)
		return ai_fail(e->err, AI_EINPUT, "ELF: %s: got no text at %llu of a table of %llu bytes", what, (unsigned long long)at, (unsigned long long)size);
	*out = s;
	return 0;
}

/* Where in the file an address is that the loader would map. */
static int
offset_of(const struct elf *e, uint64_t address, uint64_t size, uint64_t *out)
{
	for (size_t i = 0; i < e->n_segments; i++) {
		struct segment s = segment(e, i);
		if (s.type != PT_LOAD || address < s.address || address - s.address > s.size || size > s.size - (address - s.address))
			continue;
		if (!within(e, s.offset, s.size))
			break;
		*out = s.offset + (address - s.address);
		return 0;
	}
	return ai_fail(e->err, AI_EINPUT, "ELF: the table of texts is in no segment of the file");
}

/* The value of an entry of the dynamic section; 0 when it has none. */
static uint64_t
dynamic_value(const struct elf *e, const struct segment *d, uint64_t tag)
{
	for (uint64_t at = d->offset; at + DYN <= d->offset + d->size; at += DYN) {
		uint64_t t = number(e->p + at, 8);
		if (t == tag)
			return number(e->p + at + 8, 8);
		if (t == DT_NULL)
			break;
	}
	return 0;
}

static int
read_dynamic(const struct elf *e, const struct segment *d, struct ai_elf *out)
{
	uint64_t size = dynamic_value(e, d, DT_STRSZ), table = 0;
	if (offset_of(e, dynamic_value(e, d, DT_STRTAB), size, &table) < 0)
		return e->err->code;
	for (uint64_t at = d->offset; at + DYN <= d->offset + d->size; at += DYN) {
		uint64_t tag = number(e->p + at, 8), value = number(e->p + at + 8, 8);
		if (tag == DT_NULL)
			break;
		if (tag == DT_RPATH || tag == DT_RUNPATH)
			out->runpath = true;
		if (tag == DT_SONAME && text_at(e, table, size, value, "its own name", &out->soname) < 0)
			return e->err->code;
		if (tag != DT_NEEDED)
			continue;
		if (out->n_needed == AI_ELF_NEEDED)
			return ai_fail(e->err, AI_EINPUT, "ELF: needs more than %d libraries", AI_ELF_NEEDED);
		if (text_at(e, table, size, value, "a library that is needed", &out->needed[out->n_needed]) < 0)
			return e->err->code;
		out->n_needed++;
	}
	return 0;
}

int
ai_elf_parse(const void *bytes, size_t n, struct ai_elf *out, struct ai_err *err)
{
	struct elf e = { .p = bytes, .n = n, .err = err };
	struct segment s = { 0 };
	struct ai_elf made = { 0 };
	if (open_elf(&e) < 0)
		return err->code;
	int found = find_segment(&e, PT_INTERP, &s);
	if (found < 0 || (found && text_at(&e, s.offset, s.size, 0, "interpreter", &made.interpreter) < 0))
		return err->code;
	found = find_segment(&e, PT_DYNAMIC, &s);
	if (found < 0 || (found && read_dynamic(&e, &s, &made) < 0))
		return err->code;
	*out = made;
	return 0;
}

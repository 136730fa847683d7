/*
 * pe_bytes.h -- PE images made by hand, and a UKI's parts made of them.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PE_BYTES_H
#define PE_BYTES_H

#include "unit.h"

#include "base/hash.h"
#include "vm/uki/pe.h"
#include "vm/uki/uki.h"

enum { PE_AT = 0x80, PE_OPT = PE_AT + 24, PE_SECTIONS_AT = PE_OPT + 240, PE_HEADERS = 0x400, PE_ALIGN = 0x200 };

static inline void
pe_set(struct ai_buf *b, size_t at, uint64_t v, size_t n)
{
	assert_true(at + n <= b->len);
	for (size_t i = 0; i < n; i++, v >>= 8)
		b->data[at + i] = (char)(v & 0xff);
}

static inline uint32_t
pe_get(const struct ai_buf *b, size_t at)
{
	const unsigned char *p = (const unsigned char *)b->data + at;
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline void
pe_zeros(struct ai_buf *b, size_t to)
{
	while (b->len < to)
		ai_buf_putc(b, 0);
}

/* One more section, behind all others, of these bytes. */
static inline void
pe_add(struct ai_buf *b, const char *name, const void *data, size_t n)
{
	size_t count = (unsigned char)b->data[PE_AT + 6], at = PE_SECTIONS_AT + 40 * count, offset = b->len, address = 0x1000 * (count + 1);
	ai_buf_put(b, data, n);
	pe_zeros(b, (b->len + PE_ALIGN - 1) / PE_ALIGN * PE_ALIGN);
	memcpy(b->data + at, name, strlen(name));
	pe_set(b, at + 8, n, 4);
	pe_set(b, at + 12, address, 4);
	pe_set(b, at + 16, b->len - offset, 4);
	pe_set(b, at + 20, offset, 4);
	pe_set(b, PE_AT + 6, count + 1, 2);
	pe_set(b, PE_OPT + 56, address + 0x1000, 4);
}

/* An EFI application for x86-64: headers and a section of code. */
static inline void
pe_make(struct ai_buf *b, const char *code)
{
	pe_zeros(b, PE_HEADERS);
	memcpy(b->data, "MZ", 2);
	pe_set(b, 60, PE_AT, 4);
	memcpy(b->data + PE_AT, "PE\0\0", 4);
	pe_set(b, PE_AT + 4, 0x8664, 2);
	pe_set(b, PE_AT + 8, 0x5f000000, 4);
	pe_set(b, PE_AT + 20, 240, 2);
	pe_set(b, PE_OPT, 0x20b, 2);
	pe_set(b, PE_OPT + 32, PE_ALIGN, 4);
	pe_set(b, PE_OPT + 36, PE_ALIGN, 4);
	pe_set(b, PE_OPT + 60, PE_HEADERS, 4);
	pe_set(b, PE_OPT + 64, 0x12345678, 4);
	pe_set(b, PE_OPT + 68, 10, 2);
	pe_set(b, PE_OPT + 108, 16, 4);
	pe_add(b, ".text", code, strlen(code));
}

/* What stands for systemd's stub. */
static inline void
pe_stub(struct ai_buf *b)
{
	static const char magic[] = "#### LoaderInfo: systemd-stub 252.39-1~deb12u2 ####";
	pe_make(b, "the stub's code");
	pe_add(b, ".sdmagic", magic, sizeof magic);
}

static inline void
pe_uki(struct ai_buf *out, const char *command_line, const char *initrd)
{
	AI_BUF_AUTO stub = AI_BUF(1 << 20);
	AI_BUF_AUTO kernel = AI_BUF(1 << 20);
	pe_stub(&stub);
	pe_make(&kernel, "the kernel's code");
	ok(ai_uki_make(&(struct ai_uki_parts){ stub.data, stub.len, kernel.data, kernel.len, initrd, strlen(initrd), command_line, "ID=test\n", "6.1.0" }, out, &err));
}

#endif

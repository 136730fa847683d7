/*
 * fuzz_vm_pe.c -- a PE image: read, hashed, given a section, and taken for a UKI. What is read stays inside the file; the checksum is not in the
 * hash, the bytes of a section are; what was appended to is an image again.  SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "vm/uki/pe.h"
#include "vm/uki/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
append(const struct ai_pe *pe)
{
	struct ai_err err = { 0 };
	const struct ai_pe_add add = { ".fuzz", "content", 7 };
	struct ai_pe got;
	struct ai_digest d;
	AI_BUF_AUTO out = AI_BUF(64u << 20);
	if (ai_pe_append(pe, &add, 1, &out, &err) < 0) {
		if (out.len)
			abort();
		return;
	}
	const struct ai_pe_section *s;
	if (ai_pe_parse(out.data, out.len, &got, &err) < 0 || !(s = ai_pe_find(&got, ".fuzz")) || s->virtual_size != 7
		|| memcmp(out.data + s->offset, "content", 7) != 0)
		abort();
	(void)!ai_pe_authenticode(&got, &d, &err);
}

/* Another checksum is another file with the same hash; another last byte is not. */
static void
hash(const struct ai_pe *pe)
{
	struct ai_err err = { 0 };
	struct ai_pe other;
	struct ai_digest a, b;
	if (ai_pe_authenticode(pe, &a, &err) < 0)
		return;
	AI_BUF_AUTO copy = AI_BUF(64u << 20);
	ai_buf_put(&copy, pe->bytes, pe->n);
	if (ai_buf_ok(&copy, "copy", &err) < 0)
		return;
	copy.data[pe->checksum_at] ^= 1;
	if (ai_pe_parse(copy.data, copy.len, &other, &err) < 0 || ai_pe_authenticode(&other, &b, &err) < 0 || !ai_digest_eq(&a, &b))
		abort();
	size_t last = pe->n - pe->certificates_size - 1;
	if (last < pe->sections_at + 40 * pe->n_sections)
		return;
	copy.data[last] ^= 1;
	if (ai_pe_parse(copy.data, copy.len, &other, &err) < 0 || ai_pe_authenticode(&other, &b, &err) < 0 || ai_digest_eq(&a, &b))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ai_err err = { 0 };
	struct ai_pe pe;
	struct ai_reference r;
	if (ai_pe_parse(data, size, &pe, &err) < 0)
		return err.text[0] ? 0 : -1;
	hash(&pe);
	append(&pe);
	if (ai_reference_compute(data, size, &r, &err) == 0) {
		AI_JSON *j = NULL;
		AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
		if (ai_reference_json(&r, &j, &err) < 0 || ai_canon(j, &text, &err) < 0)
			abort();
		ai_reference_done(&r);
	}
	return 0;
}

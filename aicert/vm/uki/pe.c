/* pe.c -- see pe.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/uki/pe.h"

#include <stdlib.h>
#include <string.h>

/* Microsoft PE format: sizes, and offsets in the COFF file header, the optional header and a section header. */
enum { COFF = 20, SECTION = 40, DIRECTORY = 8, N_DIRECTORIES = 16, DIRECTORY_SECURITY = 4 };
enum { PE32 = 0x10b, PE32_PLUS = 0x20b };
enum { COFF_TIME = 4, COFF_SYMBOLS = 8, COFF_N_SYMBOLS = 12, COFF_OPTIONAL = 16 };
enum { OPT_DATA_SIZE = 8, OPT_SECTION_ALIGNMENT = 32, OPT_FILE_ALIGNMENT = 36, OPT_IMAGE = 56, OPT_HEADERS = 60, OPT_CHECKSUM = 64 };
#define SECTION_READ_DATA 0x40000040u /* IMAGE_SCN_CNT_INITIALIZED_DATA, IMAGE_SCN_MEM_READ */

static uint32_t
le16(const unsigned char *p)
{
	return (uint32_t)(p[0] | p[1] << 8);
}

static uint32_t
le32(const unsigned char *p)
{
	return le16(p) | le16(p + 2) << 16;
}

static void
put_le(unsigned char *p, uint32_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++, v >>= 8)
		p[i] = (unsigned char)v;
}

/* --- reading -------------------------------------------------------------------- */

/* Everything up to the section headers; *coff: offset of the COFF file header. */
static int
read_headers(struct ai_pe *pe, size_t *coff, struct ai_err *err)
{
	const unsigned char *p = pe->bytes;
	uint32_t at = pe->n >= 64 && memcmp(p, "MZ", 2) == 0 ? le32(p + 60) : 0;
	if (at < 4 || at > pe->n || pe->n - at < 4 + COFF || memcmp(p + at, "PE\0\0", 4) != 0)
		return ai_fail(err, AI_EINPUT, "PE: got %zu bytes that do not begin as an image does", pe->n);
	at += 4;
	uint32_t size = le16(p + at + COFF_OPTIONAL), opt = at + COFF;
	pe->n_sections = le16(p + at + 2);
	pe->opt_magic = size >= 2 && pe->n - opt >= size ? le16(p + opt) : 0;
	if (pe->opt_magic != PE32 && pe->opt_magic != PE32_PLUS)
		return ai_fail(err, AI_EINPUT, "PE: got an optional header of kind 0x%x, expected PE32 or PE32+", pe->opt_magic);
	uint32_t directories = pe->opt_magic == PE32 ? 96 : 112, n = size >= directories ? le32(p + opt + directories - 4) : N_DIRECTORIES + 1;
	/* Firmware takes no header that says it has other directories than fit. */
	if (n > N_DIRECTORIES || size != directories + n * DIRECTORY)
		return ai_fail(err, AI_EINPUT, "PE: an optional header of %u bytes does not hold its %u directories", size, n);
	pe->section_alignment = le32(p + opt + OPT_SECTION_ALIGNMENT);
	pe->file_alignment = le32(p + opt + OPT_FILE_ALIGNMENT);
	pe->image = le32(p + opt + OPT_IMAGE);
	pe->headers = le32(p + opt + OPT_HEADERS);
	pe->checksum_at = opt + OPT_CHECKSUM;
	pe->security_at = n > DIRECTORY_SECURITY ? opt + directories + DIRECTORY_SECURITY * DIRECTORY : 0;
	pe->sections_at = opt + size;
	if (pe->security_at) {
		pe->certificates = le32(p + pe->security_at);
		pe->certificates_size = le32(p + pe->security_at + 4);
	}
	*coff = at;
	return 0;
}

/* What a section takes of the image in memory: firmware copies no more than it says there. */
static uint32_t
in_memory(const struct ai_pe_section *s)
{
	return s->virtual_size ? s->virtual_size : s->raw_size;
}

static struct ai_pe_section
read_section(const unsigned char *p)
{
	struct ai_pe_section s = { .virtual_size = le32(p + 8), .virtual_address = le32(p + 12), .raw_size = le32(p + 16), .offset = le32(p + 20) };
	memcpy(s.name, p, 8);
	return s;
}

static int
check_section(const struct ai_pe *pe, size_t i, struct ai_err *err)
{
	const struct ai_pe_section *s = &pe->sections[i];
	if (s->raw_size && (s->offset < pe->headers || s->offset > pe->n || s->raw_size > pe->n - s->offset))
		return ai_fail(err, AI_EINPUT, "PE: section %zu: %u bytes at %u are not between the headers and the end of the file at %zu", i, s->raw_size, s->offset, pe->n);
	if (s->virtual_address < pe->headers || s->virtual_address > pe->image || in_memory(s) > pe->image - s->virtual_address)
		return ai_fail(err, AI_EINPUT, "PE: section %zu: %u bytes at address %u are not between the headers and the end of the image at %u", i, in_memory(s),
			s->virtual_address, pe->image);
	for (size_t k = 0; k < i; k++) {
		const struct ai_pe_section *o = &pe->sections[k];
		if (s->raw_size && o->raw_size && s->offset < o->offset + o->raw_size && o->offset < s->offset + s->raw_size)
			return ai_fail(err, AI_EINPUT, "PE: sections %zu and %zu are at the same bytes of the file", k, i);
		if (in_memory(s) && in_memory(o) && s->virtual_address < o->virtual_address + in_memory(o) && o->virtual_address < s->virtual_address + in_memory(s))
			return ai_fail(err, AI_EINPUT, "PE: sections %zu and %zu are at the same addresses", k, i);
	}
	return 0;
}

/* Where the last section ends in the file. */
static uint32_t
end_of_sections(const struct ai_pe *pe)
{
	uint32_t end = pe->headers;
	for (size_t i = 0; i < pe->n_sections; i++)
		if (pe->sections[i].raw_size && pe->sections[i].offset + pe->sections[i].raw_size > end)
			end = pe->sections[i].offset + pe->sections[i].raw_size;
	return end;
}

int
ai_pe_parse(const void *bytes, size_t n, struct ai_pe *out, struct ai_err *err)
{
	struct ai_pe pe = { .bytes = bytes, .n = n };
	size_t coff;
	if (n > UINT32_MAX)
		return ai_fail(err, AI_EINPUT, "PE: got %zu bytes, expected at most %u", n, UINT32_MAX);
	if (read_headers(&pe, &coff, err) < 0)
		return err->code;
	if (pe.n_sections > AI_PE_SECTIONS)
		return ai_fail(err, AI_EINPUT, "PE: got %zu sections, expected at most %d", pe.n_sections, AI_PE_SECTIONS);
	if (pe.headers > n || pe.sections_at + pe.n_sections * SECTION > pe.headers)
		return ai_fail(err, AI_EINPUT, "PE: headers of %u bytes in a file of %zu do not hold those of %zu sections", pe.headers, n, pe.n_sections);
	for (size_t i = 0; i < pe.n_sections; i++) {
		pe.sections[i] = read_section(pe.bytes + pe.sections_at + i * SECTION);
		if (check_section(&pe, i, err) < 0)
			return err->code;
	}
	if (pe.certificates_size == 0)
		pe.certificates = 0;
	else if (pe.certificates < end_of_sections(&pe) || pe.certificates > n || pe.certificates_size > n - pe.certificates)
		return ai_fail(err, AI_EINPUT, "PE: %u bytes of certificates at %u are not between the sections and the end of the file at %zu", pe.certificates_size,
			pe.certificates, n);
	*out = pe;
	return 0;
}

const struct ai_pe_section *
ai_pe_find(const struct ai_pe *pe, const char *name)
{
	for (size_t i = 0; i < pe->n_sections; i++)
		if (strcmp(pe->sections[i].name, name) == 0)
			return &pe->sections[i];
	return NULL;
}

/* --- hashing -------------------------------------------------------------------- */

static int
by_offset(const void *a, const void *b)
{
	uint32_t x = ((const struct ai_pe_section *)a)->offset, y = ((const struct ai_pe_section *)b)->offset;
	return x < y ? -1 : x > y;
}

/*
 * The certificates must be last, and the sections without gaps: where firmware differs from tools (it counts the bytes that it has hashed and goes
 * on from there), one image would have two hashes.
 */
static int
check_gaps(const struct ai_pe *pe, const struct ai_pe_section *sorted, struct ai_err *err)
{
	uint32_t at = pe->headers;
	for (size_t i = 0; i < pe->n_sections; i++) {
		if (sorted[i].raw_size == 0)
			continue;
		if (sorted[i].offset != at)
			return ai_fail(err, AI_EINPUT, "PE: section '%s' begins at %u, expected %u: bytes between sections have no one hash", sorted[i].name, sorted[i].offset, at);
		at += sorted[i].raw_size;
	}
	if (pe->certificates_size && pe->n - pe->certificates != pe->certificates_size)
		return ai_fail(err, AI_EINPUT, "PE: %zu bytes follow the certificates, expected none", pe->n - pe->certificates - pe->certificates_size);
	return 0;
}

int
ai_pe_authenticode(const struct ai_pe *pe, struct ai_digest *out, struct ai_err *err)
{
	struct ai_pe_section sorted[AI_PE_SECTIONS];
	struct ai_sha sha = { 0 };
	memcpy(sorted, pe->sections, sizeof sorted);
	qsort(sorted, pe->n_sections, sizeof *sorted, by_offset);
	if (check_gaps(pe, sorted, err) < 0 || ai_sha_init(&sha, err) < 0)
		return err->code;
	/* Without gaps: all of the file but the checksum, the certificates' directory entry, and the certificates. */
	size_t from = pe->checksum_at + 4, end = pe->n - pe->certificates_size;
	ai_sha_add(&sha, pe->bytes, pe->checksum_at);
	if (pe->security_at) {
		ai_sha_add(&sha, pe->bytes + from, pe->security_at - from);
		from = pe->security_at + DIRECTORY;
	}
	ai_sha_add(&sha, pe->bytes + from, end - from);
	ai_sha_end(&sha, out);
	return 0;
}

/* --- adding sections --------------------------------------------------------------- */

/* A multiple of `to` (a power of two); 0 when there is none in 32 bits. */
static uint32_t
align(uint64_t v, uint32_t to)
{
	uint64_t up = (v + to - 1) & ~((uint64_t)to - 1);
	return up > UINT32_MAX ? 0 : (uint32_t)up;
}

static bool
is_alignment(uint32_t v)
{
	return v >= 16 && v <= 1u << 24 && (v & (v - 1)) == 0;
}

static int
check_append(const struct ai_pe *pe, const struct ai_pe_add *add, size_t n, struct ai_err *err)
{
	static const unsigned char zeros[AI_PE_SECTIONS * SECTION];
	size_t used = pe->sections_at + pe->n_sections * SECTION;
	if (!is_alignment(pe->file_alignment) || !is_alignment(pe->section_alignment))
		return ai_fail(err, AI_EINPUT, "PE: got alignments %u and %u, expected powers of two", pe->file_alignment, pe->section_alignment);
	if (n > AI_PE_SECTIONS - pe->n_sections || n * SECTION > pe->headers - used || memcmp(pe->bytes + used, zeros, n * SECTION) != 0)
		return ai_fail(err, AI_EINPUT, "PE: the headers have no room for %zu more sections", n);
	for (size_t i = 0; i < pe->n_sections; i++)
		if (pe->sections[i].name[0] == '/')
			return ai_fail(err, AI_EINPUT, "PE: section '%s' has its name in a table that would be left out", pe->sections[i].name);
	for (size_t i = 0; i < n; i++) {
		if (strlen(add[i].name) > 8 || add[i].n == 0 || add[i].n > UINT32_MAX)
			return ai_fail(err, AI_EINPUT, "PE: section '%s' of %zu bytes: expected a name of at most 8 characters, and content", add[i].name, add[i].n);
		for (size_t k = 0; k < i; k++)
			if (strcmp(add[k].name, add[i].name) == 0)
				return ai_fail(err, AI_EINPUT, "PE: section '%s' is given twice", add[i].name);
		if (ai_pe_find(pe, add[i].name))
			return ai_fail(err, AI_EINPUT, "PE: the image has a section '%s' already", add[i].name);
	}
	return 0;
}

static void
pad_to(struct ai_buf *b, size_t to)
{
	static const char zeros[4096];
	while (b->len < to && b->state == AI_BUF_GOOD)
		ai_buf_put(b, zeros, to - b->len < sizeof zeros ? to - b->len : sizeof zeros);
}

/* The section's header, at its place, and its bytes behind what is there. *address: the first free one, moved on. */
static int
append_one(const struct ai_pe *pe, const struct ai_pe_add *add, size_t place, struct ai_buf *b, uint32_t *address, struct ai_err *err)
{
	uint32_t raw = align(add->n, pe->file_alignment), at = *address, next = align((uint64_t)at + add->n, pe->section_alignment);
	if (!raw || !next || (uint64_t)b->len + raw > UINT32_MAX)
		return ai_fail(err, AI_EINPUT, "PE: section '%s': an image of more than 4 GiB", add->name);
	size_t offset = b->len;
	ai_buf_put(b, add->data, add->n);
	pad_to(b, offset + raw);
	if (ai_buf_ok(b, "PE", err) < 0)
		return err->code;
	unsigned char *h = (unsigned char *)b->data + pe->sections_at + place * SECTION;
	memset(h, 0, SECTION);
	memcpy(h, add->name, strlen(add->name));
	put_le(h + 8, (uint32_t)add->n, 4);
	put_le(h + 12, at, 4);
	put_le(h + 16, raw, 4);
	put_le(h + 20, (uint32_t)offset, 4);
	put_le(h + 36, SECTION_READ_DATA, 4);
	*address = next;
	return 0;
}

/* The first address behind all sections. */
static uint32_t
free_address(const struct ai_pe *pe)
{
	uint64_t end = pe->headers;
	for (size_t i = 0; i < pe->n_sections; i++) {
		const struct ai_pe_section *s = &pe->sections[i];
		uint32_t size = s->virtual_size > s->raw_size ? s->virtual_size : s->raw_size;
		if ((uint64_t)s->virtual_address + size > end)
			end = (uint64_t)s->virtual_address + size;
	}
	return align(end, pe->section_alignment);
}

/* What says when and by whom, or points to what is left out (symbols, certificates), is zero. */
static void
finish_headers(const struct ai_pe *pe, size_t n_sections, uint32_t image, uint32_t added, unsigned char *p)
{
	size_t at = pe->checksum_at - OPT_CHECKSUM;
	unsigned char *opt = p + at, *coff = p + (at - COFF);
	put_le(coff + 2, (uint32_t)n_sections, 2);
	memset(coff + COFF_TIME, 0, 4);
	memset(coff + COFF_SYMBOLS, 0, 4);
	memset(coff + COFF_N_SYMBOLS, 0, 4);
	put_le(opt + OPT_DATA_SIZE, le32(opt + OPT_DATA_SIZE) + added, 4);
	put_le(opt + OPT_IMAGE, image, 4);
	memset(p + pe->checksum_at, 0, 4);
	if (pe->security_at)
		memset(p + pe->security_at, 0, DIRECTORY);
}

int
ai_pe_append(const struct ai_pe *pe, const struct ai_pe_add *add, size_t n, struct ai_buf *out, struct ai_err *err)
{
	AI_BUF_AUTO made = AI_BUF(out->max);
	if (check_append(pe, add, n, err) < 0)
		return err->code;
	uint32_t end = end_of_sections(pe), address = free_address(pe), start = align(end, pe->file_alignment);
	if (!address || !start)
		return ai_fail(err, AI_EINPUT, "PE: an image of more than 4 GiB");
	ai_buf_put(&made, pe->bytes, end);
	pad_to(&made, start);
	for (size_t i = 0; i < n; i++)
		if (append_one(pe, &add[i], pe->n_sections + i, &made, &address, err) < 0)
			return err->code;
	if (ai_buf_ok(&made, "PE", err) < 0)
		return err->code;
	finish_headers(pe, pe->n_sections + n, address > pe->image ? address : pe->image, (uint32_t)(made.len - start), (unsigned char *)made.data);
	ai_buf_put(out, made.data, made.len);
	return ai_buf_ok(out, "PE", err);
}

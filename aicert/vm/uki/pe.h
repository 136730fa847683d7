/*
 * pe.h -- PE/COFF images: read, given further sections, and hashed as firmware does (Authenticode).
 *
 * Pure and bounded: foreign bytes.
 *
 * Depends on: base.  Threads: pure.  Source: Microsoft PE format; Windows Authenticode Portable Executable Signature Format; UEFI Specification 2.10, 32.2.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_PE_H
#define AI_VM_PE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/hash.h"

enum { AI_PE_SECTIONS = 96 };

struct ai_pe_section { char name[9]; uint32_t virtual_address, virtual_size, offset, raw_size; };
struct ai_pe {
	const unsigned char *bytes; size_t n;
	struct ai_pe_section sections[AI_PE_SECTIONS]; size_t n_sections;
	uint32_t checksum_at, security_at;     /* file offsets of CheckSum and of the certificate table's directory entry (0: none) */
	uint32_t headers, image, file_alignment, section_alignment, sections_at, opt_magic;
	uint32_t certificates, certificates_size; /* file offset and size of the attribute certificate table; 0: unsigned */
};

/* Borrows bytes. AI_EINPUT when it is no PE32 or PE32+ image, or points outside itself or at the same bytes twice. */
int ai_pe_parse(const void *bytes, size_t n, struct ai_pe *out, struct ai_err *err) AI_CHECKED;
const struct ai_pe_section *ai_pe_find(const struct ai_pe *pe, const char *name);
/* The SHA-256 that firmware extends into PCR 4 and Secure Boot looks up. */
int ai_pe_authenticode(const struct ai_pe *pe, struct ai_digest *out, struct ai_err *err) AI_CHECKED;

struct ai_pe_add { const char *name; const void *data; size_t n; };
/* The image with sections appended behind its last one, zero timestamps and checksum; without certificates. Same input, same bytes. */
int ai_pe_append(const struct ai_pe *pe, const struct ai_pe_add *add, size_t n, struct ai_buf *out, struct ai_err *err) AI_CHECKED;

#endif

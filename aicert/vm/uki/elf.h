/*
 * elf.h -- what a program or shared library asks for when it is started: its interpreter, the libraries it needs, its own name.
 *
 * Of ELF files for 64-bit x86, executable or shared. Pure and bounded: foreign bytes. No path is looked up here.
 *
 * Depends on: base.  Threads: pure.  Source: System V ABI, chapters 4 and 5 (ELF-64).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_ELF_H
#define AI_VM_ELF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { AI_ELF_NEEDED = 256 };

/* Texts point into the bytes that were parsed. */
struct ai_elf {
	const char *interpreter;               /* PT_INTERP; NULL: none (a library, or a static program) */
	const char *soname;                    /* DT_SONAME; NULL: none */
	const char *needed[AI_ELF_NEEDED];     /* DT_NEEDED, in order */
	size_t n_needed;
	bool runpath;                          /* has DT_RPATH or DT_RUNPATH: it would look elsewhere than in the system's folders first */
};

/* Does it begin as an ELF file does? */
bool ai_elf_is(const void *bytes, size_t n);
/* Borrows bytes, which texts of out point into. AI_EINPUT when it is no such file, or points outside itself. */
int ai_elf_parse(const void *bytes, size_t n, struct ai_elf *out, struct ai_err *err) AI_CHECKED;

#endif

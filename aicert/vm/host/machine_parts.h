/*
 * machine_parts.h -- between machine.c (one boot) and machine_shape.c (its command lines, which a provider's file gives). Nobody else includes it.
 *
 * Depends on: child, cloud (provider), base.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_MACHINE_PARTS_H
#define AI_VM_MACHINE_PARTS_H

#include "base/json.h"
#include "vm/host/child.h"
#include "vm/host/machine.h"

#define AI_OVMF "/usr/share/OVMF/"

/* What the file is given (rules/providers/qemu.lua says what each is), and its settings as they were decided. */
struct ai_machine_facts {
	const char *uki, *job, *result, *variables, *tpm, *control, *listen;
	const char *accelerator;
	uint64_t memory;   /* bytes */
	unsigned cpus;
};

/* A program and its arguments. */
struct ai_machine_program { json_t *made; struct ai_argv argv; const char *package; };

/* The program of a stage, "tpm" or "machine"; ai_machine_program_done also after an error. AI_EUSAGE when the file is wrong; AI_EENV for paths that cannot be told. */
int ai_machine_program(struct ai_provider *shape, const char *stage, const struct ai_machine_facts *f, struct ai_machine_program *out, struct ai_err *err) AI_CHECKED;
void ai_machine_program_done(struct ai_machine_program *p);

#endif

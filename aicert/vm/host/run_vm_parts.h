/*
 * run_vm_parts.h -- what the files of a measured run tell each other, and their tests. Nobody else includes it.
 *
 * run_vm.c is the run in its stages; run_vm_needs.c says how large a machine it takes; run_vm_console.c turns the machine's console into talk;
 * run_vm_cloud.c has a cloud do what QEMU does here, and knows which it is to be.
 *
 * Depends on: run, machine.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_RUN_VM_PARTS_H
#define AI_RUN_VM_PARTS_H

#include "base/buf.h"
#include "run/job.h"
#include "vm/cloud/provider.h"
#include "vm/host/run_vm.h"

/* --- run_vm_needs.c ----------------------------------------------------------- */

/* Every step must run in an image and without GPUs: AI_EUSAGE, AI_EENV name the first that does not. */
int ai_vm_check_steps(const struct ai_manifest *m, const char *file, struct ai_err *err) AI_CHECKED;
/* Is it a runner of which it is known what it measures? AI_EINPUT: nobody boots anything else here, for no policy could take its proof. */
int ai_vm_check_uki(const char *path, struct ai_err *err) AI_CHECKED;
/* The memory that a job takes whose content has so many bytes, unpacked. */
uint64_t ai_vm_memory(const struct ai_manifest *m, uint64_t content);
/* The other way round: for how much content so much memory has room; never 0. */
uint64_t ai_vm_room(const struct ai_manifest *m, uint64_t memory);
/* The same of a machine of so much memory, or (0) of what this host has to give, or of a cloud's; 0: nothing is known. What is beyond stays on the disk. */
uint64_t ai_vm_room_on(const struct ai_manifest *m, const char *meminfo, bool cloud, uint64_t memory);
/*
 * The shape of the machine, by what it must have: rounded up to one whose firmware's measurements are known (vm/uki/reference.h), where this host
 * has so much memory at all; *known says whether it is such a shape. meminfo: text of /proc/meminfo. AI_EENV when the host has not got what it must have.
 */
int ai_vm_shape(const char *meminfo, uint64_t *memory, unsigned *cpus, bool *known, struct ai_err *err) AI_CHECKED;
unsigned ai_vm_cpus(const struct ai_manifest *m);
/* Seconds: half an hour and what the steps may take, a day for one that has no limit. */
unsigned ai_vm_time(const struct ai_manifest *m);

/* --- run_vm_cloud.c ------------------------------------------------------------- */

/* The one that was asked for, else QEMU on this host. AI_EUSAGE for settings, and for what is said twice or not this way. */
int ai_vm_provider_open(const struct ai_vm_options *vm, struct ai_provider **out, struct ai_err *err) AI_CHECKED;
/*
 * The machine's whole life there; the result disk comes to the path result. A result that came although something may be left behind is
 * taken: then 0, and why is in *left, to be said when the proof is written.
 */
int ai_vm_cloud_run(struct ai_provider *p, const struct ai_provider_run *run, struct ai_err *left, struct ai_err *err) AI_CHECKED;

/* --- run_vm_console.c ----------------------------------------------------------- */

enum { AI_VM_LAST_LINES = 5, AI_VM_SHOWN_LINE = 200 };

/* Lines of the machine's console as they come: told, written to a file, and the last ones kept. */
struct ai_vm_console {
	const struct ai_talk *talk;
	int log;                        /* -1: none */
	uint64_t logged;
	char last[AI_VM_LAST_LINES][AI_VM_SHOWN_LINE];
	unsigned n;                     /* lines that said anything, so far */
};
/* ctx: a struct ai_vm_console. As ai_machine.line. */
void ai_vm_console_line(void *ctx, const char *text, size_t n);
/* The last lines, oldest first, joined by " / "; appended. */
void ai_vm_console_last(const struct ai_vm_console *c, struct ai_buf *out);

#endif

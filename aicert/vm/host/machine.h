/*
 * machine.h -- one boot of the runner in QEMU with a software vTPM; started, watched, ended.
 *
 * Both command lines are data: rules/providers/qemu.lua, or a file of its kind that somebody else wrote, says them from the paths of this boot.
 * KVM where the processor has it and it proves to run (a probe under a time limit: a /dev/kvm that opens may still not work), else TCG.
 * Whatever happens (error, interrupt, time limit), both processes are gone and waited for when it returns.
 *
 * Depends on: cloud (provider), base.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_MACHINE_H
#define AI_VM_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/talk.h"

struct ai_provider;

struct ai_machine {
	struct ai_provider *shape;    /* one of this host (vm/cloud/provider.h) */
	const char *accelerator;      /* of ai_machine_choose */
	const char *uki;              /* aicert.efi */
	const char *job, *result;     /* disk files; job is given read-only */
	const char *tpm_state;        /* folder of the vTPM's state (0700) */
	const char *scratch;          /* folder for sockets and the firmware's variables: short path, 0700 */
	uint64_t memory;              /* bytes */
	unsigned cpus;
	unsigned time_s;              /* of the whole boot; 0: none */
	/* Each line of the serial console, without its end, as it comes (foreign bytes). */
	void (*line)(void *ctx, const char *text, size_t n);
	void *ctx;
	const struct ai_talk *talk;
};
/* 0 when the machine powered itself off; AI_EENV no QEMU, no firmware, no swtpm, it died, or the time was up (hints say which package); AI_EINTR. */
int ai_machine_run(const struct ai_machine *m, struct ai_err *err) AI_CHECKED;
/* Is there what a machine of this UKI needs, as far as can be seen before it is started? AI_EENV says what to install or to build. */
int ai_machine_check(struct ai_provider *shape, const char *uki, struct ai_err *err) AI_CHECKED;

/* What the settings of the shape ask for, in bytes; 0: nothing. */
uint64_t ai_machine_memory(const struct ai_provider *shape);
unsigned ai_machine_cpus(const struct ai_provider *shape);
/* "kvm" or "tcg", as the settings say, else as this host can. AI_EENV when it cannot. */
int ai_machine_choose(const struct ai_provider *shape, const char **accelerator, struct ai_err *err) AI_CHECKED;
/* "kvm" or "tcg": what this host can; found once per process. */
const char *ai_machine_accelerator(void);

/* {stage: [call]} as ai_provider_plan has it, with words for the paths of a boot; the stages are those of ai_machine_stages, which ends with NULL. */
extern const char *const ai_machine_stages[];
int ai_machine_plan(struct ai_provider *shape, json_t **plan, struct ai_err *err) AI_CHECKED;

#endif

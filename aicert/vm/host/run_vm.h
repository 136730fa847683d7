/*
 * run_vm.h -- `aicert run --in vm`: everything that needs a network outside, everything that is proven inside.
 *
 * Depends on: run, disk, machine, vtpm, cloud.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_RUN_VM_H
#define AI_VM_RUN_VM_H

#include <stdint.h>

#include "run/run.h"

struct ai_vm_options {
	const char *uki;          /* NULL: <cache>/vm/aicert.efi, where `aicert vm build` puts it */
	uint64_t memory;          /* 0: by the job's size and its steps' limits, at least 1 GiB */
	uint64_t result_size;     /* 0: 16 GiB (sparse) */
	unsigned cpus;            /* 0: what the steps ask for, at least 1 */
	const char *provider;     /* NULL, or the cloud it runs in: a provider's name, or a file of one (vm/cloud/provider.h) */
	const char *const *set;   /* its settings, "NAME=VALUE" each */
	size_t n_set;
	unsigned time_s;          /* 0: the sum of the steps' limits (a day for a step that has none) and 30 minutes */
};
/* As ai_run. */
int ai_run_in_vm(const struct ai_run_options *options, const struct ai_vm_options *vm, struct ai_run_report *report, struct ai_err *err) AI_CHECKED;

#endif

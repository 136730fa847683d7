/*
 * vm.h -- the commands of `aicert vm`: one function and one file each.
 *
 * Depends on: commands, base.  Threads: main only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CLI_VM_H
#define AI_CLI_VM_H

#include "base/err.h"

int ai_vm_build_main(int argc, char **argv);
int ai_vm_reference_main(int argc, char **argv);
int ai_vm_image_main(int argc, char **argv);
int ai_vm_provider_main(int argc, char **argv);
int ai_vm_enroll_main(int argc, char **argv);

/* The runner that `aicert vm build` put into aicert's cache: its path, the caller's. AI_EINPUT when there is none yet. */
int ai_vm_default_uki(char **path, struct ai_err *err) AI_CHECKED;

#endif

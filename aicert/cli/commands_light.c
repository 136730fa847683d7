/* commands_light.c -- the table of `aicert` (commands.h).  SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"
#include "cli/tpm.h"

#define AI_LIGHT_0(f) (int (*)(int, char **))0
#define AI_LIGHT_1(f) ai_cmd_##f
#define AI_ROW(name, f, light, line) { name, AI_LIGHT_##light(f), line },

const struct ai_command ai_commands[] = { AI_COMMANDS(AI_ROW) { 0 } };
const struct ai_command ai_tpm_commands[] = { AI_TPM_COMMANDS(AI_ROW) { 0 } };

/* commands_full.c -- the table of aicert-engine (commands.h).  SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"
#include "cli/tpm.h"

#define AI_ROW(name, f, light, line) { name, ai_cmd_##f, line },

const struct ai_command ai_commands[] = { AI_COMMANDS(AI_ROW) { 0 } };
const struct ai_command ai_tpm_commands[] = { AI_TPM_COMMANDS(AI_ROW) { 0 } };

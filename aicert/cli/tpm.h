/*
 * tpm.h -- the commands of `aicert tpm`: one function and one file each.
 *
 * As in commands.h there are two tables: those that work on files alone are in `aicert`, those that reach a TPM are
 * handed to aicert-engine.
 *
 * Depends on: commands.  Threads: main only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CLI_TPM_H
#define AI_CLI_TPM_H

#include <stdbool.h>

#include "cli/commands.h"

/* As ai_commands; ends with a NULL name. */
extern const struct ai_command ai_tpm_commands[];

int ai_cmd_tpm_status(int argc, char **argv);
int ai_cmd_tpm_quote(int argc, char **argv);
int ai_cmd_tpm_check(int argc, char **argv);
int ai_cmd_tpm_eventlog(int argc, char **argv);

/* X(name, function suffix, light, line) */
#define AI_TPM_COMMANDS(X) \
	X("status", tpm_status, 0, "show the TPM that a run would use: banks, keys, certificates, PCR 15, boot log") \
	X("quote", tpm_quote, 0, "quote PCRs of any bank into raw files") \
	X("check", tpm_check, 1, "judge a quote from files: signature, extra data, PCRs, event log, certificates") \
	X("eventlog", tpm_eventlog, 1, "say what a boot log tells, event by event, and what its PCRs replay to")

/* Is this word a command that only aicert-engine has? */
bool ai_tpm_wants_engine(const char *word);

#endif

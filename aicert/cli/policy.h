/*
 * policy.h -- the commands of the `aicert policy` family.
 *
 * Depends on: api, proof.  Threads: main only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CLI_POLICY_H
#define AI_CLI_POLICY_H

int ai_policy_cmd_init(int argc, char **argv);
int ai_policy_cmd_check(int argc, char **argv);

#endif

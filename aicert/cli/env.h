/*
 * env.h -- `aicert env …`: one file per command.
 *
 * Depends on: commands.  Threads: main only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_ENV_H
#define AI_ENV_H

int ai_env_freeze(int argc, char **argv);

#endif

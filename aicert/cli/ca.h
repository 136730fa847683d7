/*
 * ca.h -- `aicert ca …`: one file per command. The folder itself: attest/enrol/ca_dir.h.
 *
 * Depends on: attest.  Threads: main only; processes take DIR/lock.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CA_H
#define AI_CA_H

#include "attest/enrol/ca_dir.h"

int ai_ca_init(int argc, char **argv);
int ai_ca_challenge(int argc, char **argv);
int ai_ca_issue(int argc, char **argv);
int ai_ca_list(int argc, char **argv);

/* A whole number of days in the range. */
int ai_ca_days(const char *text, int *out, struct ai_err *err) AI_CHECKED;

#endif

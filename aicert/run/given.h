/*
 * given.h -- a job that was planned elsewhere: all that its plan names is in the store, and nothing is fetched.
 *
 * What ai_job_open, lock and fetch do for a project's folder, done for a plan: Aicertfile, lock and rules are the blobs that it names, its
 * sources those that are given. The caller then calls ai_job_plan, which plans anew, and compares the id with the plan's. Whoever planned it is a
 * stranger: his Aicertfile and his rules are read in a confined child (plan/apart.h).
 *
 * Depends on: all below.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_GIVEN_H
#define AI_GIVEN_H

#include "run/job.h"

/* In the order of the plan's `sources`; node: kind source, with the id that the plan names; how: "git", "oci", "sha256" or "none". */
struct ai_given_source { const char *name; json_t *node; const char *how; };

/*
 * options->home is where the store is; file, proof and output_dir are not used. Names and nodes are copied or referenced. AI_EINPUT when the plan names what
 * is not in the store, or does not parse. ai_job_done frees, also after an error.
 */
int ai_job_open_given(const struct ai_run_options *options, const json_t *plan, const struct ai_given_source *sources, size_t n,
	struct ai_job *job, struct ai_err *err) AI_CHECKED;

#endif

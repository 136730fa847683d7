/*
 * checkpoint.h -- a step's folder that outlives a crash.
 *
 * <cache>/checkpoints/<step id>/data is mounted writable where the step says. It is kept when the
 * step fails or everything dies, and is found again by the next run of the same key: what
 * it then holds is taken into the store before the step sees it, and its id goes
 * into the result. A step that ends well takes its folder with it.
 *
 * One run at a time has it (flock); another of the same key works without. What no run has had for thirty days, for
 * the step was changed or given up, is removed by the next step that has a checkpoint.
 *
 * Depends on: job.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_CHECKPOINT_H
#define AI_CHECKPOINT_H

#include "run/job.h"

struct ai_checkpoint {
	char *folder;             /* the step's own below checkpoints */
	char *data;               /* what is mounted; NULL: there is none */
	char *at;                 /* its place inside, absolute */
	int lock, above;          /* above: the folder of the workspace that it was moved to, else -1 */
	bool resumed;
	struct ai_digest id;      /* RESUMED: the tree that it goes on from */
};

/* For a step that asks for none, or that is run again to be compared, out->data is NULL (out->at is set where the step names a folder). */
int ai_checkpoint_open(struct ai_job *job, const struct ai_job_step *s, struct ai_checkpoint *out, struct ai_err *err) AI_CHECKED;
/* The command has ended well: where an output lies in the folder, it is moved to its place in the workspace, to be collected from there. */
void ai_checkpoint_show(struct ai_checkpoint *c, const char *scratch, const json_t *outputs);
/* The step has ended well, and nothing is kept; or it has not, and everything is. */
void ai_checkpoint_end(struct ai_checkpoint *c, bool well);
void ai_checkpoint_done(struct ai_checkpoint *c);

#endif

/*
 * reproduce_parts.h -- what the files of `aicert reproduce` share; of no interest elsewhere.
 *
 * reproduce.c reads the proof, makes a job of what it carries, and writes the report; reproduce_inputs.c brings the inputs;
 * reproduce_steps.c runs and compares.
 *
 * Depends on: job, reproduce, proof.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_REPRODUCE_PARTS_H
#define AI_REPRODUCE_PARTS_H

#include "proof/dag.h"
#include "run/job.h"
#include "run/again/reproduce.h"

struct reproduction {
	const struct ai_reproduce_options *o;
	struct ai_run_options run;
	struct ai_job job;
	json_t *proof;
	struct ai_dag *dag;
	const json_t *run_node, *plan;   /* the proof's; borrowed from dag */
	char *project;                   /* absolute */
	char *output_dir;                /* where the project's outputs would be: never taken in */
	char *folder;                    /* Aicertfile, lock and rules of the proof, for as long as this runs */
	int folder_lock;
	json_t *inputs, *steps, *notes;  /* of the report */
};

/* Appends a sentence to an array of notes. */
int ai_reproduce_note(json_t *notes, struct ai_err *err, const char *fmt, ...) AI_PRINTF(3, 4);

/* Every source of the plan into the store, each with the content that the proof's has. */
int ai_reproduce_inputs(struct reproduction *p, struct ai_err *err) AI_CHECKED;
/* Is there a step of the name that was asked for, and may the folder be made that keeps what is produced? Before anything is fetched. */
int ai_reproduce_check_asked(struct reproduction *p, struct ai_err *err) AI_CHECKED;
/* Runs and compares; fills in p->steps. */
int ai_reproduce_steps(struct reproduction *p, struct ai_err *err) AI_CHECKED;

#endif

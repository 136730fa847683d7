/*
 * worker.h -- processes that run steps for a job, each one at a time.
 *
 * A worker has a store of its own open on the same folders, which defers (cache/store.h):
 * what a step left waits there until it is handed over with the answer. So there is one
 * that writes rows, extends the TPM and speaks: the job's process. A worker ends with that process, even
 * by SIGKILL, and every process of the step that it runs ends with it.
 *
 * Workers are forked from a nursery, a process forked in turn before anything was opened or
 * planned: SQLite must not be open across a fork, and each step's sandbox is a fork of its worker,
 * which costs by how much memory that has. So a worker knows nothing of the job but what it is told.
 *
 * Frames on a stream socket, each a struct of this program's own memory and its bytes.
 * To a worker: where everything is, then a step, its node and its environment. From it: what the step prints, what is
 * said, and last the answer.
 *
 * Depends on: job.  Threads: one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_WORKER_H
#define AI_WORKER_H

#include "run/job.h"

struct ai_workers;
struct ai_nursery;

struct ai_answer {
	size_t step;
	double seconds;
	int code;               /* 0, or why the step failed: in err */
	struct ai_err err;
	json_t *result;         /* its result node when code is 0 */
	char *failure, *log;    /* as in struct ai_job_step; may be NULL */
	struct ai_buf waits;    /* for ai_store_take_over; empty when the worker has settled it */
};
void ai_answer_done(struct ai_answer *a);

/* Forks the nursery: to be called while this process has no store open and as little memory as it will ever have. */
int ai_nursery_open(struct ai_nursery **out, struct ai_err *err) AI_CHECKED;
/* It ends, and with it what is left of its workers. NULL is fine. */
void ai_nursery_close(struct ai_nursery *n);

/* n workers from job->nursery. */
int ai_workers_start(struct ai_job *job, unsigned n, struct ai_workers **out, struct ai_err *err) AI_CHECKED;
/* Ends them, and the steps that still run with them; NULL is fine. */
void ai_workers_stop(struct ai_workers *w);

/* How many could be given a step now; how many are alive. */
unsigned ai_workers_idle(const struct ai_workers *w);
unsigned ai_workers_alive(const struct ai_workers *w);
/* Gives job->steps[step], whose node is known, to an idle worker. */
int ai_workers_give(struct ai_workers *w, size_t step, struct ai_err *err) AI_CHECKED;
/*
 * ai_workers_wait -- hands on what is printed and said until a step has ended: 1 and *out is its answer, the caller's to release; 0 when none
 * has by until_s (CLOCK_MONOTONIC; 0 = wait as long as it takes). Once the user wants to stop, the workers are told so, and their steps end as
 * interrupted. A worker that died is an answer too.
 */
int ai_workers_wait(struct ai_workers *w, double until_s, struct ai_answer *out, struct ai_err *err) AI_CHECKED;

#endif

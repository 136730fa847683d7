/* execute.c -- every step run or reused, in the plan's order; events extended as they happen (job.h).  SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "run/job.h"
#include "run/again/repeat.h"
#include "run/why.h"

static int
extend_result(struct ai_job *job, const struct ai_job_step *s, struct ai_err *err)
{
	AI_JSON *event = ai_event_results(&s->result_id, 1);
	return event ? ai_tpm_event(job->tpm, event, err) : ai_nomem(err);
}

static int
run_step(struct ai_job *job, struct ai_job_step *s, struct ai_err *err)
{
	AI_FREE char *why = NULL;
	if (ai_why_step(job, s, &why, err) < 0)
		return err->code;
	ai_say_step(job->opt->talk, &(struct ai_step_event){ .kind = AI_STEP_BEGINS, .step = s->name, .why = why,
		.index = (size_t)(s - job->steps), .total = job->n_steps });
	int r = ai_exec_step(job, s, err);
	if (r < 0) {
		s->state = AI_STEP_FAILED;
		return r;
	}
	if (ai_store_put_node(job->store, s->result, &s->result_id, err) < 0 ||
		ai_store_add_result(job->store, &s->id, &s->result_id, err) < 0)
		return err->code;
	s->state = AI_STEP_EXECUTED;
	return extend_result(job, s, err);
}

int
ai_job_execute(struct ai_job *job, struct ai_err *err)
{
	AI_JSON *event = ai_event_plan(&job->plan_id);
	if (!event)
		return ai_nomem(err);
	if (ai_tpm_event(job->tpm, event, err) < 0)
		return err->code;
	for (size_t i = 0; i < job->n_steps; i++) {
		struct ai_job_step *s = &job->steps[i];
		if (ai_check_interrupt(err) < 0 || ai_job_step_node(job, s, err) < 0)
			return err->code;
		int r = ai_job_find_result(job, s, err);
		if (r < 0)
			return r;
		if (r == 1)
			ai_say_step(job->opt->talk, &(struct ai_step_event){ .kind = AI_STEP_IS_REUSED, .step = s->name, .index = i, .total = job->n_steps });
		else if (run_step(job, s, err) < 0)
			return err->code;
		if (ai_check_asked(job, s->name) && ai_check_step(job, s, err) < 0)
			return err->code;
	}
	return 0;
}

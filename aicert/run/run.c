/* run.c -- see run.h: the stages in their order, and what is kept when one fails.  SPDX-License-Identifier: Apache-2.0 */
#include "run/run.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "run/job.h"

static const char *
state_word(ai_step_state state)
{
	static const char *const words[] = { "waiting", "executed", "reused", "failed" };
	return words[state];
}

static json_t *
step_record(const struct ai_job_step *s)
{
	char step[AI_HEX], result[AI_HEX];
	ai_hex(&s->id, step);
	ai_hex(&s->result_id, result);
	json_t *r = json_pack("{s:s, s:s}", "name", s->name, "state", state_word(s->state));
	if (r && s->step)
		json_object_set_new(r, "step", json_string(step));
	if (r && (s->state == AI_STEP_EXECUTED || s->state == AI_STEP_REUSED))
		json_object_set_new(r, "result", json_string(result));
	if (r && s->log)
		json_object_set_new(r, "log", json_string(s->log));
	return r;
}

int
ai_job_record(struct ai_job *job, const json_t *written, struct ai_err *err)
{
	char plan[AI_HEX];
	ai_hex(&job->plan_id, plan);
	AI_JSON *steps = json_array();
	/* A failed run wrote nothing: what the one before it wrote is still ours to replace. */
	AI_JSON *list = written ? json_incref((json_t *)written) : json_incref(ai_json_arr(job->previous, "written"));
	if (!list)
		list = json_array();
	for (size_t i = 0; i < job->n_steps; i++)
		if (json_array_append_new(steps, step_record(&job->steps[i])) < 0)
			return ai_nomem(err);
	AI_JSON *record = json_pack("{s:s, s:s, s:s, s:O, s:O}", "plan", plan, "started", job->started,
		"state", written ? "done" : "failed", "steps", steps, "written", list);
	return record ? ai_store_put_run(job->store, job->project, record, err) : ai_nomem(err);
}

static int
open_tpm(struct ai_job *job, struct ai_err *err)
{
	struct ai_tpm_options o = { .tcti = job->opt->tpm, .state = job->home.data, .ak = job->opt->ak };
	return ai_tpm_open(&o, &job->tpm, err);
}

/*
 * A run that failed is attested too (without a root), and its error stays the one that is reported. What it had executed by then
 * is so kept for the next run; that holds for an interrupted run as well, so the request to stop is taken as heard.
 */
static int
keep_failure(struct ai_job *job, struct ai_err *err)
{
	struct ai_err second = { 0 };
	AI_JSON *attestation = NULL;
	ai_interrupted = 0;
	if (ai_job_seal(job, true, &attestation, &second) < 0 || ai_job_record(job, NULL, &second) < 0)
		ai_say(job->opt->talk, AI_TALK_NOTE, "the failure could not be attested: %s", second.text);
	return err->code;
}

static int
run_job(struct ai_job *job, struct ai_err *err)
{
	if (ai_job_fetch(job, err) < 0 || ai_job_plan(job, err) < 0 || ai_job_emit_check(job, err) < 0 || open_tpm(job, err) < 0)
		return err->code;
	if (ai_job_execute(job, err) < 0)
		return keep_failure(job, err);
	ai_say(job->opt->talk, AI_TALK_STAGE, "attest  %s", ai_tpm_name(job->tpm));
	AI_JSON *attestation = NULL;
	if (ai_job_seal(job, false, &attestation, err) < 0)
		return err->code;
	return ai_job_emit(job, attestation, err);
}

static int
report_job(const struct ai_job *job, struct ai_run_report *report, struct ai_err *err)
{
	*report = (struct ai_run_report){ .proof = ai_strdup(job->proof), .output_dir = ai_strdup(job->output_dir), .fetched = job->fetched };
	ai_hex(&job->root_id, report->root);
	for (size_t i = 0; i < job->n_steps; i++) {
		report->executed += job->steps[i].state == AI_STEP_EXECUTED;
		report->reused += job->steps[i].state == AI_STEP_REUSED;
	}
	return report->proof && report->output_dir ? 0 : ai_nomem(err);
}

int
ai_run(const struct ai_run_options *options, struct ai_run_report *report, struct ai_err *err)
{
	struct ai_job job;
	int r = ai_job_open(options, &job, err);
	if (r == 0)
		r = run_job(&job, err);
	if (r == 0 && report)
		r = report_job(&job, report, err);
	ai_job_done(&job);
	return r;
}

void
ai_run_report_done(struct ai_run_report *r)
{
	free(r->proof);
	free(r->output_dir);
	*r = (struct ai_run_report){ 0 };
}

int
ai_lock(const struct ai_run_options *options, const char *name, bool update, struct ai_err *err)
{
	struct ai_job job;
	int r = ai_job_open(options, &job, err);
	if (r == 0)
		r = update ? ai_job_update_lock(&job, name, err) : ai_job_fetch(&job, err);
	ai_job_done(&job);
	return r;
}

/* The log of the run that executed the step: this project's last one, or, of a reused result, whichever of this home did. */
static int
step_log(const struct ai_job *job, const json_t *step, char **found, struct ai_err *err)
{
	const char *log = ai_json_str(step, "log"), *id = ai_json_str(step, "step");
	AI_FREE char *kept = id ? ai_format("%s/logs/%s.log", job->home.cache, id) : NULL;
	if (!log && id && !kept)
		return ai_nomem(err);
	if (!log && (!kept || !ai_exists(kept)))
		return 0;
	free(*found);
	*found = ai_strdup(log ? log : kept);
	return *found ? 0 : ai_nomem(err);
}

int
ai_last_log(const struct ai_run_options *options, const char *step, char **path, struct ai_err *err)
{
	struct ai_job job;
	int r = ai_job_open(options, &job, err);
	char *found = NULL;
	size_t i;
	json_t *s;
	json_array_foreach(ai_json_arr(job.previous, "steps"), i, s)
		if (r == 0 && (!step || strcmp(step, ai_json_str(s, "name")) == 0))
			r = step_log(&job, s, &found, err);
	ai_job_done(&job);
	if (r == 0 && !found)
		return ai_fail(err, AI_EUSAGE, "log: no log is kept%s%s%s", step ? " for step '" : "", step ? step : "", step ? "'" : "");
	if (r == 0)
		*path = found;
	else
		free(found);
	return r;
}

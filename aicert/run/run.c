/* run.c -- see run.h: the stages in their order, and what is kept when one fails.  SPDX-License-Identifier: Apache-2.0 */
#include "run/run.h"

#include <stdlib.h>
#include <time.h>

#include "run/issuers.h"
#include "run/job.h"
#include "run/again/repeat.h"
#include "run/stamp.h"
#include "run/standing.h"
#include "run/worker.h"

static int
open_tpm(struct ai_job *job, struct ai_err *err)
{
	struct ai_tpm_options o = { .tcti = job->opt->tpm, .state = job->home.data, .ak = job->opt->ak, .issuer = ai_issuer_ask };
	if (ai_tpm_open(&o, &job->tpm, err) < 0)
		return err->code;
	const char *const notes[] = { ai_tpm_certificates_note(job->tpm), ai_tpm_boot_log_note(job->tpm) };
	for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
		if (*notes[i])
			ai_say(job->opt->talk, AI_TALK_NOTE, "tpm: %s", notes[i]);
	return 0;
}

/*
 * A run that failed, or that --check found to differ, is attested too (without a root), and its error stays the one that is reported.
 * What it had executed by then is so kept for the next run; that holds for an interrupted run as well, so the request to stop is
 * taken as heard.
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
	/* Thousands of inputs, each synced by itself, would take longer than many a step. What must last is synced before others hear of it. */
	ai_store_defer(job->store);
	if (ai_job_fetch(job, err) < 0 || ai_job_plan(job, err) < 0 || ai_store_flush(job->store, err) < 0 || ai_job_emit_check(job, err) < 0 ||
		open_tpm(job, err) < 0)
		return err->code;
	if (ai_job_execute(job, err) < 0 || ai_check_verdict(job, err) < 0)
		return keep_failure(job, err);
	ai_say(job->opt->talk, AI_TALK_STAGE, "attest  %s", ai_tpm_name(job->tpm));
	AI_JSON *attestation = NULL;
	if (ai_job_seal(job, false, &attestation, err) < 0)
		return err->code;
	return ai_job_emit(job, attestation, err);
}

int
ai_job_unstamped(const struct ai_job *job, struct ai_err *err)
{
	ai_fail(err, AI_EENV, "%s: is written, without a timestamp: %s", job->proof, job->unstamped.text);
	return ai_hint(err, "add one later: aicert timestamp %s --url URL", job->proof);
}

int
ai_job_report(const struct ai_job *job, struct ai_run_report *report, struct ai_err *err)
{
	*report = (struct ai_run_report){ .proof = ai_strdup(job->proof), .output_dir = ai_strdup(job->output_dir), .fetched = job->fetched };
	ai_hex(&job->root_id, report->root);
	for (size_t i = 0; i < job->n_steps; i++) {
		report->executed += job->steps[i].state == AI_STEP_EXECUTED;
		report->reused += job->steps[i].state == AI_STEP_REUSED;
	}
	return report->proof && report->output_dir ? 0 : ai_nomem(err);
}

/* A note that cannot be kept costs the next run its time, and this one nothing. */
static void
keep_standing(struct ai_job *job, const struct timespec *began)
{
	struct ai_err why = { 0 };
	if (ai_standing_keep(job, began, &why) < 0)
		ai_say(job->opt->talk, AI_TALK_DETAIL, "no note is kept of what stands: %s", why.text);
}

static int
run(const struct ai_run_options *options, struct ai_run_report *report, struct ai_err *err)
{
	struct ai_job job;
	struct ai_nursery *nursery = NULL;
	struct timespec began;
	clock_gettime(CLOCK_REALTIME_COARSE, &began);
	if (options->jobs != 1 && ai_nursery_open(&nursery, err) < 0)
		return err->code;
	int r = ai_job_open(options, &job, err);
	job.nursery = nursery;
	if (r == 0)
		r = ai_check_names(&job, err);
	if (r == 0)
		r = run_job(&job, err);
	if (r == 0 && report)
		r = ai_job_report(&job, report, err);
	if (r == AI_ENO && report)
		*report = (struct ai_run_report){ 0 };
	if ((r == 0 || r == AI_ENO) && report)
		report->checks = json_incref(job.checks);
	if (r == 0 && job.unstamped.code)
		r = ai_job_unstamped(&job, err);
	if (r == 0)
		keep_standing(&job, &began);
	json_decref(job.checks);
	ai_job_done(&job);
	ai_nursery_close(nursery);
	return r;
}

int
ai_run(const struct ai_run_options *options, struct ai_run_report *report, struct ai_err *err)
{
	struct ai_run_report stands = { 0 };
	if (options->timestamp && ai_stamp_check_url(options->timestamp, err) < 0)
		return err->code;
	int r = ai_standing_look(options, &stands, err);
	if (r <= 0)
		return r < 0 ? r : run(options, report, err);
	if (report)
		*report = stands;
	else
		ai_run_report_done(&stands);
	return 0;
}

void
ai_run_report_done(struct ai_run_report *r)
{
	free(r->proof);
	free(r->output_dir);
	json_decref(r->checks);
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

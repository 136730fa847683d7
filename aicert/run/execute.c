/* execute.c -- every step run or reused, several at once; events extended as they happen (job.h).  SPDX-License-Identifier: Apache-2.0 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/names.h"
#include "cache/idset.h"
#include "run/again/repeat.h"
#include "run/job.h"
#include "run/schedule.h"
#include "run/why.h"
#include "run/worker.h"

/* Results wait to be made durable and extended for so long, or for so many times what the last time took. */
#define SETTLE_S 0.5
#define SETTLE_TIMES 20
#define MAX_JOBS 1024

/* What has failed: told together at the end. */
struct failure { size_t step; struct ai_err err; };

struct runner {
	struct ai_job *job;
	struct ai_schedule *schedule;
	struct ai_workers *workers;     /* NULL: not started, or steps run in this process */
	unsigned jobs, running;
	struct ai_idset keys;           /* step id -> the first step of that key, once it has begun */
	size_t *same;                   /* per step: the next one that waits for the result of the same key */
	struct ai_digest *ids; size_t n_ids, cap_ids; /* of results: yet to be extended */
	struct failure *failures; size_t n_failures, cap_failures;
	unsigned long long memory, memory_all;  /* declared by what runs; the machine's */
	bool gpus;                      /* a step that has them runs */
	bool stopping;                  /* nothing more is started */
	double settled_at, settling_s;
};

static double
now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
tell(const struct runner *r, size_t i, ai_step_event_kind kind, const char *why, double seconds)
{
	ai_say_step(r->job->opt->talk, &(struct ai_step_event){ .kind = kind, .step = r->job->steps[i].name, .why = why, .index = i,
		.total = r->job->n_steps, .seconds = seconds });
}

/* --- results: durable, and in the log of events --------------------------------------- */

/* Both wait together: an event for each of ten thousand steps, and a sync, would be most of the work. */
static int
settle(struct runner *r, struct ai_err *err)
{
	double began = now_s();
	if (ai_store_flush(r->job->store, err) < 0)
		return err->code;
	if (r->n_ids > 0) {
		AI_JSON *event = ai_event_results(r->ids, r->n_ids);
		if (!event)
			return ai_nomem(err);
		if (ai_tpm_event(r->job->tpm, event, err) < 0)
			return err->code;
		r->n_ids = 0;
	}
	r->settled_at = now_s();
	r->settling_s = r->settled_at - began;
	return 0;
}

/* When what waits is to be settled, whatever else is going on; 0: nothing waits. */
static double
settle_by(const struct runner *r)
{
	double wait = SETTLE_TIMES * r->settling_s;
	return r->n_ids == 0 ? 0 : r->settled_at + (wait > SETTLE_S ? wait : SETTLE_S);
}

static int
settle_in_time(struct runner *r, struct ai_err *err)
{
	double by = settle_by(r);
	return by == 0 || now_s() < by ? 0 : settle(r, err);
}

/* --- failures ---------------------------------------------------------------------------- */

static void
skipped(void *ctx, size_t i)
{
	const struct runner *r = ctx;
	AI_FREE char *why = ai_format("it needs '%s'", r->job->steps[r->failures[r->n_failures - 1].step].name);
	tell(r, i, AI_STEP_IS_SKIPPED, why, 0);
}

/* Something else than the step's own command: no other step would fare better. */
static bool
is_ours(int code)
{
	return code != AI_ESTEP && code != AI_EINPUT;
}

static int
fail(struct runner *r, size_t i, const struct ai_err *why, double seconds, struct ai_err *err)
{
	struct ai_job_step *s = &r->job->steps[i];
	s->state = AI_STEP_FAILED;
	if (!s->failure)
		s->failure = ai_strdup(why->code == AI_EINTR ? "interrupted" : "not run");
	tell(r, i, AI_STEP_FAILS, s->failure, seconds);
	if (ai_grow(&r->failures, &r->cap_failures, r->n_failures, sizeof *r->failures, err) < 0)
		return err->code;
	r->failures[r->n_failures++] = (struct failure){ i, *why };
	r->stopping = r->stopping || !r->job->opt->keep_going || is_ours(why->code);
	return ai_schedule_failed(r->schedule, i, skipped, r, err);
}

static int
by_step(const void *a, const void *b)
{
	const struct failure *x = a, *y = b;
	return x->step < y->step ? -1 : x->step > y->step;
}

/* One failure is told as it is, and so is the first that is none of a step's own: it stopped the run. Of several others each in few words. */
static int
report(struct runner *r, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_HEADER);
	const struct failure *told = r->n_failures == 1 ? &r->failures[0] : NULL;
	if (r->n_failures == 0)
		return ai_check_interrupt(err);
	qsort(r->failures, r->n_failures, sizeof *r->failures, by_step);
	for (size_t i = 0; i < r->n_failures; i++)
		if (is_ours(r->failures[i].err.code) && (!told || r->failures[i].err.code == AI_EINTR))
			told = &r->failures[i];
	if (told) {
		*err = told->err;
		return err->code == AI_EINTR ? ai_fail(err, AI_EINTR, "interrupted") : err->code;
	}
	ai_buf_printf(&text, "%zu steps failed", r->n_failures);
	for (size_t i = 0; i < r->n_failures && text.len < sizeof err->text; i++) {
		const struct ai_job_step *s = &r->job->steps[r->failures[i].step];
		ai_buf_printf(&text, "%s '%s': %s", i ? ";" : ":", s->name, s->failure ? s->failure : "?");
	}
	ai_fail(err, AI_ESTEP, "%s", text.data ? text.data : "steps failed");
	return ai_hint(err, "aicert log %s shows what the first of them printed", r->job->steps[r->failures[0].step].name);
}

/* --- one step ------------------------------------------------------------------------------ */

static bool
wants_gpus(const struct ai_job_step *s)
{
	return json_array_size(ai_json_arr(s->environment, "gpus")) > 0;
}

/* Those that run beside each other must fit: in memory, as far as they say how much they take; and of GPUs each takes the first ones. */
static bool
fits(const struct runner *r, size_t i)
{
	const struct ai_job_step *s = &r->job->steps[i];
	unsigned long long memory = s->spec->limits.memory;
	return r->running == 0 || (!(r->gpus && wants_gpus(s)) && (!memory || r->memory + memory <= r->memory_all));
}

static void
take_place(struct runner *r, size_t i)
{
	r->running++;
	r->memory += r->job->steps[i].spec->limits.memory;
	r->gpus = r->gpus || wants_gpus(&r->job->steps[i]);
}

static void
leave_place(struct runner *r, size_t i)
{
	r->running--;
	r->memory -= r->job->steps[i].spec->limits.memory;
	r->gpus = r->gpus && !wants_gpus(&r->job->steps[i]);
	ai_schedule_again(r->schedule);
}

/* Steps with the key of one that has just ended well have its result. */
static void
share(struct runner *r, size_t i)
{
	struct ai_job_step *s = &r->job->steps[i];
	for (size_t k = r->same[i]; k != AI_NO_STEP; k = r->same[k]) {
		struct ai_job_step *other = &r->job->steps[k];
		other->result = json_incref(s->result);
		other->result_id = s->result_id;
		other->attestation = s->attestation;
		other->state = s->state;
		tell(r, k, AI_STEP_IS_REUSED, s->name, 0);
		ai_schedule_done(r->schedule, k);
	}
	r->same[i] = AI_NO_STEP;
}

static int
share_failure(struct runner *r, size_t i, const struct ai_err *why, struct ai_err *err)
{
	for (size_t k = r->same[i]; k != AI_NO_STEP; k = r->same[k]) {
		r->job->steps[k].failure = ai_strdup(r->job->steps[i].failure ? r->job->steps[i].failure : "not run");
		if (fail(r, k, why, 0, err) < 0)
			return err->code;
	}
	return 0;
}

static int
take_result(struct runner *r, struct ai_answer *a, struct ai_err *err)
{
	struct ai_job_step *s = &r->job->steps[a->step];
	struct ai_store *store = r->job->store;
	json_decref(s->result);
	s->result = a->result;
	a->result = NULL;
	if (ai_store_take_over(store, a->waits.data, a->waits.len, err) < 0 || ai_store_put_node(store, s->result, &s->result_id, err) < 0 ||
		ai_store_add_result(store, &s->id, &s->result_id, err) < 0)
		return err->code;
	if (ai_grow(&r->ids, &r->cap_ids, r->n_ids, sizeof *r->ids, err) < 0)
		return err->code;
	r->ids[r->n_ids++] = s->result_id;
	s->state = AI_STEP_EXECUTED;
	return settle_in_time(r, err);
}

/* The answer of a step that ran: from a worker, or from here. */
static int
end_step(struct runner *r, struct ai_answer *a, struct ai_err *err)
{
	struct ai_job_step *s = &r->job->steps[a->step];
	leave_place(r, a->step);
	if (a->log) {
		free(s->log);
		s->log = a->log;
		a->log = NULL;
	}
	if (a->code < 0) {
		free(s->failure);
		s->failure = a->failure;
		a->failure = NULL;
		return fail(r, a->step, &a->err, a->seconds, err) < 0 ? err->code : share_failure(r, a->step, &a->err, err);
	}
	if (take_result(r, a, err) < 0)
		return ai_in(err, "step '%s'", s->name);
	tell(r, a->step, AI_STEP_IS_DONE, NULL, a->seconds);
	ai_schedule_done(r->schedule, a->step);
	share(r, a->step);
	return 0;
}

int
ai_exec_step(struct ai_job *job, struct ai_job_step *s, struct ai_err *err)
{
	return ai_check_requirements(job, s, err) < 0 ? err->code : ai_run_actions(job, s, err);
}

/* In this process; with one job, or one step, nothing is gained by another. */
static int
run_here(struct runner *r, size_t i, struct ai_err *err)
{
	struct ai_job_step *s = &r->job->steps[i];
	struct ai_answer a = { .step = i, .waits = AI_BUF(1) };
	double began = now_s();
	a.code = ai_exec_step(r->job, s, &a.err);
	a.seconds = now_s() - began;
	a.result = a.code == 0 ? json_incref(s->result) : NULL;
	a.failure = s->failure;
	s->failure = NULL;
	int rc = end_step(r, &a, err);
	ai_answer_done(&a);
	return rc;
}

/* A worker reads what has a row: a tree that waits for its own is settled before it is an input. Names of objects are there at once. */
static int
settle_inputs(struct runner *r, const struct ai_job_step *s, struct ai_err *err)
{
	size_t i;
	json_t *in;
	json_array_foreach(ai_json_arr(s->step, "inputs"), i, in) {
		struct ai_ref ref;
		if (ai_ref_get(in, &ref, err) < 0)
			return err->code;
		if (ref.type == AI_REF_TREE && ai_store_tree_waits(r->job->store, &ref.id))
			return ai_store_flush(r->job->store, err);
	}
	return 0;
}

static int
need_workers(struct runner *r, struct ai_err *err)
{
	if (r->workers && ai_workers_alive(r->workers) > 0)
		return 0;
	ai_workers_stop(r->workers);
	r->workers = NULL;
	return ai_workers_start(r->job, r->jobs, &r->workers, err);
}

static int
run_step(struct runner *r, size_t i, struct ai_err *err)
{
	struct ai_job *job = r->job;
	struct ai_job_step *s = &job->steps[i];
	AI_FREE char *why = NULL;
	if (ai_why_step(job, s, &why, err) < 0)
		return err->code;
	tell(r, i, AI_STEP_BEGINS, why, 0);
	take_place(r, i);
	if (r->jobs == 1)
		return run_here(r, i, err);
	if (need_workers(r, err) < 0 || settle_inputs(r, s, err) < 0)
		return err->code;
	struct ai_answer no = { .step = i };
	no.code = ai_check_requirements(job, s, &no.err);
	return no.code < 0 ? end_step(r, &no, err) : ai_workers_give(r->workers, i, err);
}

/* Has another step of this run the same key? 1: it has begun, and s gets what it gives. */
static int
join_same(struct runner *r, size_t i, struct ai_err *err)
{
	struct ai_job_step *s = &r->job->steps[i];
	uint64_t first;
	if (!ai_idset_get(&r->keys, &s->id, &first))
		return ai_idset_put(&r->keys, &s->id, i, err);
	r->same[i] = r->same[first];
	r->same[first] = i;
	if (r->job->steps[first].state == AI_STEP_WAITING)
		return 1;
	if (r->job->steps[first].state != AI_STEP_FAILED) {
		share(r, (size_t)first);
		return 1;
	}
	struct ai_err why = { 0 };
	ai_fail(&why, AI_ESTEP, "step '%s': failed: as step '%s', which is the same", s->name, r->job->steps[first].name);
	s->failure = ai_strdup(r->job->steps[first].failure ? r->job->steps[first].failure : "not run");
	r->same[first] = r->same[i];
	return fail(r, i, &why, 0, err) < 0 ? err->code : 1;
}

static int
start_step(struct runner *r, size_t i, struct ai_err *err)
{
	struct ai_job *job = r->job;
	struct ai_job_step *s = &job->steps[i];
	if (ai_job_step_node(job, s, err) < 0)
		return err->code;
	int same = join_same(r, i, err);
	if (same != 0)
		return same < 0 ? same : 0;
	int found = ai_job_find_result(job, s, err);
	if (found < 0)
		return found;
	if (found == 0)
		return run_step(r, i, err);
	tell(r, i, AI_STEP_IS_REUSED, NULL, 0);
	ai_schedule_done(r->schedule, i);
	share(r, i);
	return 0;
}

/* --- all of them ------------------------------------------------------------------------------ */

/* How many may be begun beside those that run. */
static bool
has_room(const struct runner *r)
{
	return !r->stopping && !ai_interrupted && r->running < r->jobs &&
		(r->jobs == 1 || !r->workers || ai_workers_idle(r->workers) > 0 || ai_workers_alive(r->workers) == 0);
}

static int
start_what_fits(struct runner *r, struct ai_err *err)
{
	size_t i;
	while (has_room(r) && (i = ai_schedule_next(r->schedule)) != AI_NO_STEP) {
		if (!fits(r, i))
			ai_schedule_hold(r->schedule, i);
		else if (start_step(r, i, err) < 0)
			return err->code;
	}
	return 0;
}

static int
run_all(struct runner *r, struct ai_err *err)
{
	for (;;) {
		struct ai_answer a = { 0 };
		if (start_what_fits(r, err) < 0)
			return err->code;
		if (r->running == 0)
			return 0;
		int rc = ai_workers_wait(r->workers, settle_by(r), &a, err);
		if (rc >= 0)
			rc = rc ? end_step(r, &a, err) : settle(r, err);
		ai_answer_done(&a);
		if (rc < 0)
			return rc;
	}
}

/* Who takes an output from whom. */
static int
find_needs(struct runner *r, struct ai_err *err)
{
	const struct ai_job *job = r->job;
	for (size_t i = 0; i < job->n_steps; i++) {
		size_t k, needs;
		json_t *in;
		json_array_foreach(ai_json_arr(job->steps[i].recipe, "inputs"), k, in) {
			const char *from = ai_json_str(in, "step");
			if (from && ai_names_find(&job->step_names, from, strlen(from), &needs) && ai_schedule_need(r->schedule, i, needs, err) < 0)
				return err->code;
		}
	}
	return 0;
}

static unsigned
how_many(const struct ai_job *job)
{
	cpu_set_t ours;
	unsigned n = job->opt->jobs;
	CPU_ZERO(&ours);
	if (n == 0)
		n = sched_getaffinity(0, sizeof ours, &ours) == 0 ? (unsigned)CPU_COUNT(&ours) : 1;
	n = !job->nursery ? 1 : n > MAX_JOBS ? MAX_JOBS : n;
	return job->n_steps < n ? (unsigned)job->n_steps : n;
}

static int
prepare(struct runner *r, struct ai_err *err)
{
	struct ai_job *job = r->job;
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
	r->jobs = how_many(job);
	r->memory_all = pages > 0 && size > 0 ? (unsigned long long)pages * (unsigned long long)size : ~0ull;
	r->settled_at = now_s();
	r->same = ai_calloc(job->n_steps, sizeof *r->same);
	if (!r->same)
		return ai_nomem(err);
	for (size_t i = 0; i < job->n_steps; i++)
		r->same[i] = AI_NO_STEP;
	if (ai_schedule_new(job->n_steps, &r->schedule, err) < 0 || find_needs(r, err) < 0)
		return err->code;
	AI_JSON *event = ai_event_plan(&job->plan_id);
	if (!event)
		return ai_nomem(err);
	ai_store_defer(job->store);
	return ai_tpm_event(job->tpm, event, err);
}

/* What a run has executed is kept and attested also when it fails, for the next one. */
static int
finish(struct runner *r, int rc, struct ai_err *err)
{
	struct ai_err second = { 0 };
	ai_workers_stop(r->workers);
	r->workers = NULL;
	int settled = settle(r, rc < 0 ? &second : err);
	return rc < 0 ? rc : settled;
}

/* --check: once all have ended, each in its turn. */
static int
check_steps(struct ai_job *job, struct ai_err *err)
{
	for (size_t i = 0; i < job->n_steps && job->opt->n_check > 0; i++)
		if (ai_check_asked(job, job->steps[i].name) && (ai_check_interrupt(err) < 0 || ai_check_step(job, &job->steps[i], err) < 0))
			return err->code;
	return 0;
}

int
ai_job_execute(struct ai_job *job, struct ai_err *err)
{
	struct runner r = { .job = job };
	int rc = prepare(&r, err);
	if (rc == 0)
		rc = run_all(&r, err);
	if (rc == 0)
		rc = report(&r, err);
	rc = finish(&r, rc, err);
	ai_schedule_free(r.schedule);
	ai_idset_done(&r.keys);
	free(r.same);
	free(r.ids);
	free(r.failures);
	return rc < 0 ? rc : check_steps(job, err);
}

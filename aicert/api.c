/* api.c -- the running half of aicert.h.  SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "aicert.h"
#include "api_hooks.h"
#include "base/buf.h"
#include "fetch/fetch.h"
#include "run/again/reproduce.h"
#include "run/foresee.h"
#include "run/run.h"
#include "run/why.h"
#include "vm/host/run_vm.h"

struct listener {
	void (*say)(void *ctx, int kind, const char *text, unsigned long long done, unsigned long long total);
	void *ctx;
	void (*step)(void *ctx, const aicert_step_event *event);
};

static void
pass_on(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total)
{
	const struct listener *l = ctx;
	l->say(l->ctx, (int)kind, text, done, total);
}

static void
pass_step(void *ctx, const struct ai_step_event *e)
{
	const struct listener *l = ctx;
	l->step(l->ctx, &(aicert_step_event){ .kind = (int)e->kind, .step = e->step, .why = e->why, .index = e->index, .total = e->total,
		.seconds = e->seconds, .bytes = e->bytes, .n = e->n });
}

/* What of the public options the engine needs, with the listener that they name. */
struct engine {
	struct listener listener;
	struct ai_talk talk;
	struct ai_run_options run;
	struct ai_vm_options vm;
	bool in_vm;
};

static int
take_options(const aicert_run_options *in, struct engine *e, struct ai_err *err)
{
	aicert_run_options o = { .size = sizeof o };
	if (in && (in->size < sizeof in->size || in->size > sizeof o))
		return ai_fail(err, AI_EUSAGE, "aicert_run_options: got size %zu, expected at most %zu", in->size, sizeof o);
	if (in)
		memcpy(&o, in, in->size);
	e->listener = (struct listener){ o.say, o.ctx, o.step };
	e->talk = (struct ai_talk){ .say = pass_on, .ctx = &e->listener, .step = o.step ? pass_step : NULL };
	e->run = (struct ai_run_options){
		.file = o.file, .proof = o.proof, .output_dir = o.output_dir, .tpm = o.tpm, .ak = o.ak, .nonce = o.nonce,
		.home = o.home, .locked = o.locked != 0, .force = o.force != 0, .with_trees = o.with_trees != 0,
		.define = o.define, .n_define = o.n_define, .steps = o.steps, .n_steps = o.n_steps,
		.jobs = o.jobs, .keep_going = o.keep_going != 0,
		.check = o.check, .n_check = o.n_check, .timestamp = o.timestamp, .fresh = o.fresh != 0,
		.policy = o.policy, .replan = ai_api_hooks.replan, .talk = o.say ? &e->talk : NULL,
	};
	e->vm = (struct ai_vm_options){ .uki = o.vm_image, .memory = o.vm_memory, .cpus = o.vm_cpus, .time_s = o.vm_time,
		.provider = o.vm_provider, .set = o.vm_set, .n_set = o.n_vm_set };
	e->in_vm = o.in != NULL;
	if (o.in && strcmp(o.in, "vm") != 0)
		return ai_fail(err, AI_EUSAGE, "where to run: got '%s', expected 'vm'", o.in);
	if (!o.in && (o.vm_image || o.vm_memory || o.vm_cpus || o.vm_time || o.vm_provider || o.n_vm_set))
		return ai_fail(err, AI_EUSAGE, "what the measured machine is given is of use only where it runs: expected 'vm' as the place");
	return 0;
}

static json_t *
run_report(const struct ai_run_report *done)
{
	json_t *j = done->proof ? json_pack("{s:s, s:s, s:s, s:i, s:i, s:i}", "proof", done->proof, "outputs", done->output_dir, "root", done->root,
		"executed", (int)done->executed, "reused", (int)done->reused, "fetched", (int)done->fetched) : json_object();
	if (j && done->checks && json_object_set(j, "checks", done->checks) < 0) {
		json_decref(j);
		return NULL;
	}
	return j;
}

static int
run(const aicert_run_options *options, char **report, struct ai_err *err)
{
	struct engine e;
	struct ai_run_report done = { 0 };
	struct ai_err second = { 0 };
	if (take_options(options, &e, err) < 0)
		return err->code;
	int r = e.in_vm ? ai_run_in_vm(&e.run, &e.vm, &done, err) : ai_run(&e.run, &done, err);
	bool there = done.proof || done.checks, due = report && there;
	AI_JSON *j = there ? run_report(&done) : NULL;
	ai_run_report_done(&done);
	if (due && !j)
		return ai_nomem(err);
	if (due && ai_api_text(j, report, &second) < 0)
		return (*err = second).code;
	return r;
}

int
aicert_run(const aicert_run_options *options, char **report, aicert_error *error)
{
	struct ai_err err = { 0 };
	return ai_api_error(&err, run(options, report, &err), error);
}

/* What is to be known of a project, as JSON. */
static int
known(const aicert_run_options *options, int (*ask)(const struct ai_run_options *o, json_t **out, struct ai_err *err), char **report, aicert_error *error)
{
	struct ai_err err = { 0 };
	struct engine e;
	AI_JSON *found = NULL;
	int r = take_options(options, &e, &err);
	if (r == 0)
		r = ask(&e.run, &found, &err);
	if (r == 0)
		r = ai_api_text(found, report, &err);
	return ai_api_error(&err, r, error);
}

int
aicert_plan(const aicert_run_options *options, char **report, aicert_error *error)
{
	return known(options, ai_foresee, report, error);
}

int
aicert_graph(const aicert_run_options *options, char **report, aicert_error *error)
{
	return known(options, ai_graph, report, error);
}

int
aicert_why(const aicert_run_options *options, const char *step, char **report, aicert_error *error)
{
	struct ai_err err = { 0 };
	struct engine e;
	AI_JSON *lines = NULL;
	int r = take_options(options, &e, &err);
	if (r == 0)
		r = ai_why(&e.run, step, &lines, &err);
	if (r == 0)
		r = ai_api_text(lines, report, &err);
	return ai_api_error(&err, r, error);
}

int
aicert_lock(const aicert_run_options *options, const char *name, int update, aicert_error *error)
{
	struct ai_err err = { 0 };
	struct engine e;
	int r = take_options(options, &e, &err);
	if (r == 0)
		r = ai_lock(&e.run, name, update != 0, &err);
	return ai_api_error(&err, r, error);
}

int
aicert_log(const aicert_run_options *options, const char *step, char **path, aicert_error *error)
{
	struct ai_err err = { 0 };
	struct engine e;
	int r = take_options(options, &e, &err);
	if (r == 0)
		r = ai_last_log(&e.run, step, path, &err);
	return ai_api_error(&err, r, error);
}

_Static_assert(sizeof(aicert_named_path) == sizeof(struct ai_named_ref), "the public pair is the internal one");

static int
reproduce(const char *proof, const aicert_reproduce_options *in, char **report, struct ai_err *err)
{
	aicert_reproduce_options o = { .size = sizeof o };
	struct ai_err second = { 0 };
	AI_JSON *made = NULL;
	if (in && (in->size < sizeof in->size || in->size > sizeof o))
		return ai_fail(err, AI_EUSAGE, "aicert_reproduce_options: got size %zu, expected at most %zu", in->size, sizeof o);
	if (in)
		memcpy(&o, in, in->size);
	struct listener listener = { o.say, o.ctx, NULL };
	struct ai_talk talk = { .say = pass_on, .ctx = &listener };
	struct ai_reproduce_options run = {
		.proof = proof, .project = o.project, .step = o.step, .keep = o.keep, .home = o.home,
		.inputs = (const struct ai_named_ref *)o.inputs, .n_inputs = o.n_inputs, .replan = ai_api_hooks.replan,
		.talk = o.say ? &talk : NULL,
	};
	int r = ai_reproduce(&run, &made, err);
	if (made && report && ai_api_text(made, report, &second) < 0)
		return (*err = second).code;
	return r;
}

int
aicert_reproduce(const char *proof, const aicert_reproduce_options *options, char **report, aicert_error *error)
{
	struct ai_err err = { 0 };
	return ai_api_error(&err, reproduce(proof, options, report, &err), error);
}

void
aicert_interrupt(void)
{
	ai_interrupted = 1;
}

int
aicert_hash_commit(const char *clone, const char *commit, char **id, aicert_error *error)
{
	struct ai_err err = { 0 };
	struct ai_digest tree;
	int r = ai_fetch_init(&err);
	if (r == 0)
		r = ai_git_commit_tree(clone, commit, &tree, &err);
	if (r == 0) {
		char hex[AI_HEX];
		ai_hex(&tree, hex);
		*id = ai_strdup(hex);
		r = *id ? 0 : ai_nomem(&err);
	}
	return ai_api_error(&err, r, error);
}

/* reproduce_steps.c -- a proof's steps run again, each held against the proof's result (reproduce_parts.h).  SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/path.h"
#include "run/again/repeat.h"
#include "run/again/reproduce_parts.h"

/* What is known of a step while the steps run. */
struct fate {
	bool needed;             /* it is run */
	bool other_inputs;       /* a step that it takes from gave something else, which is what it got */
	const json_t *proven;    /* the proof's result; borrowed */
};

static int
find_step(const struct ai_job *job, const char *name)
{
	for (size_t i = 0; i < job->n_steps; i++)
		if (strcmp(job->steps[i].name, name) == 0)
			return (int)i;
	return -1;
}

static int
check_step_name(const struct reproduction *p, struct ai_err *err)
{
	const json_t *steps = ai_json_arr(p->plan, "steps");
	AI_FREE const char **names = ai_calloc(json_array_size(steps) + 1, sizeof *names);
	size_t i;
	json_t *s;
	if (!names)
		return ai_nomem(err);
	json_array_foreach(steps, i, s) {
		names[i] = ai_json_str(s, "name");
		if (strcmp(names[i], p->o->step) == 0)
			return 0;
	}
	const char *near = ai_near(p->o->step, names, i);
	ai_fail(err, AI_EUSAGE, "--step: the proof has no step '%s'%s%s%s", p->o->step, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
	return ai_hint(err, "aicert show %s lists them", p->o->proof);
}

/* Absent, or an empty folder. */
static int
check_keep(const char *keep, struct ai_err *err)
{
	DIR *d = opendir(keep);
	size_t n = 0;
	if (!d)
		return errno == ENOENT ? 0 : ai_fail_errno(err, AI_EUSAGE, "--keep: %s", keep);
	while (n <= 2 && readdir(d))
		n++;
	closedir(d);
	if (n <= 2)
		return 0;
	ai_fail(err, AI_EUSAGE, "--keep: %s: is there and not empty", keep);
	return ai_hint(err, "name a folder that is yet to be made: nothing is overwritten");
}

int
ai_reproduce_check_asked(struct reproduction *p, struct ai_err *err)
{
	if (p->o->step && check_step_name(p, err) < 0)
		return err->code;
	return p->o->keep ? check_keep(p->o->keep, err) : 0;
}

/* The proof's result of a step. */
static const json_t *
proven_result(const struct reproduction *p, const char *step)
{
	size_t i;
	json_t *r;
	json_array_foreach(ai_json_arr(p->run_node, "results"), i, r) {
		struct ai_digest id;
		if (strcmp(ai_json_str(r, "name"), step) == 0 && ai_json_digest(r, "id", &id))
			return ai_dag_node(p->dag, AI_KIND_RESULT, &id);
	}
	return NULL;
}

/* Calls each step that one takes an output from; stops at a negative return. */
static int
each_need(struct reproduction *p, const struct ai_job_step *s, int (*need)(struct reproduction *, struct fate *, struct fate *, struct ai_err *),
	struct fate *fates, struct fate *own, struct ai_err *err)
{
	size_t i;
	json_t *in;
	json_array_foreach(ai_json_arr(s->recipe, "inputs"), i, in) {
		const char *from = ai_json_str(in, "step");
		int k = from ? find_step(&p->job, from) : -1;
		if (k >= 0 && need(p, &fates[k], own, err) < 0)
			return err->code;
	}
	return 0;
}

/* What is in the store need not be produced again to run what takes it. */
static int
need_step(struct reproduction *p, struct fate *f, struct fate *own, struct ai_err *err)
{
	(void)own;
	int r = f->needed ? 1 : ai_job_outputs_there(&p->job, f->proven, err);
	if (r == 0)
		f->needed = true;
	return r < 0 ? r : 0;
}

static int
choose(struct reproduction *p, struct fate *fates, struct ai_err *err)
{
	struct ai_job *job = &p->job;
	for (size_t i = 0; i < job->n_steps; i++) {
		fates[i].proven = proven_result(p, job->steps[i].name);
		fates[i].needed = !p->o->step || strcmp(p->o->step, job->steps[i].name) == 0;
		if (!fates[i].proven)
			return ai_fail(err, AI_ENO, "step '%s': the proof has no result of it", job->steps[i].name);
	}
	/* In the plan's order each step comes after what it needs, so backwards every need is known in time. */
	for (size_t i = job->n_steps; p->o->step && i-- > 0;)
		if (fates[i].needed && each_need(p, &job->steps[i], need_step, fates, NULL, err) < 0)
			return err->code;
	return 0;
}

static int
inherit(struct reproduction *p, struct fate *f, struct fate *own, struct ai_err *err)
{
	(void)p, (void)err;
	own->other_inputs = own->other_inputs || f->other_inputs;
	return 0;
}

/* Trees that the proof carries, else what the store has. */
static int
carried_tree(void *ctx, const struct ai_digest *id, json_t **node, struct ai_err *err)
{
	struct reproduction *p = ctx;
	const json_t *tree = ai_dag_node(p->dag, AI_KIND_TREE, id);
	if (!tree)
		return ai_store_get_node(p->job.store, id, node, err);
	*node = json_incref((json_t *)tree);
	return 1;
}

static int
stored_blob(void *ctx, const struct ai_digest *id, int *fd, struct ai_err *err)
{
	struct reproduction *p = ctx;
	struct ai_compare_io io = ai_job_compare_io(&p->job);
	return io.blob(io.ctx, id, fd, err);
}

/* What in this machine is other than what the proof's machine had, when that was observed. */
static int
note_host(struct reproduction *p, const json_t *proven, json_t *notes, struct ai_err *err)
{
	struct ai_digest id;
	const json_t *used = ai_json_digest(proven, "used", &id) ? ai_dag_node(p->dag, AI_KIND_USED, &id) : NULL;
	if (!used)
		return 0;
	struct ai_used_io io = ai_job_used_io(&p->job);
	char *found = NULL;
	int r = ai_used_holds(used, &io, &found, err);
	AI_FREE char *what = found;
	if (r < 0)
		return r;
	if (r == 0)
		return ai_reproduce_note(notes, err, "this host is other than the proof's: %s", what ? what : "a file differs");
	return ai_reproduce_note(notes, err, "of the files of the host that the step used, all are as they were");
}

static int
note_step(struct reproduction *p, const struct ai_job_step *s, const struct fate *f, bool same, json_t *notes, struct ai_err *err)
{
	struct ai_digest id;
	const json_t *environment = ai_json_digest(ai_json_obj(json_array_get(ai_json_arr(p->plan, "steps"), (size_t)(s - p->job.steps)), "recipe"),
		"environment", &id) ? ai_dag_node(p->dag, AI_KIND_ENVIRONMENT, &id) : NULL;
	if (f->other_inputs && ai_reproduce_note(notes, err, "its inputs are other than the proof's: an earlier step differs") < 0)
		return err->code;
	if (json_array_size(ai_json_arr(f->proven, "resumed")) > 0 &&
		ai_reproduce_note(notes, err, "the proof's result was resumed from a checkpoint; this run began anew, and may so differ") < 0)
		return err->code;
	if (json_array_size(ai_json_arr(environment, "gpus")) > 0 &&
		ai_reproduce_note(notes, err, "it ran on GPUs, whose kernels need not give the same bits twice") < 0)
		return err->code;
	return same ? 0 : note_host(p, f->proven, notes, err);
}

/* What would let the comparison say more. */
static int
note_unknown(const json_t *report, json_t *notes, struct ai_err *err)
{
	size_t i;
	json_t *d;
	bool folder = false;
	json_array_foreach(ai_json_arr(report, "differences"), i, d) {
		const char *type = ai_json_str(ai_json_obj(d, "first"), "type");
		folder = folder || (type && strcmp(type, "dir") == 0 && strcmp(ai_json_str(d, "kind"), "content") == 0);
	}
	return ai_reproduce_note(notes, err, "the proof's own bytes are not in this cache: --keep keeps what was produced here, to be held beside the builder's%s",
		folder ? "; a proof made with --with-trees lets the files be named" : "");
}

static int
keep_outputs(struct reproduction *p, const struct ai_job_step *s, const json_t *result, struct ai_err *err)
{
	AI_FREE char *dir = ai_join(p->o->keep, s->name);
	size_t i;
	json_t *o;
	if (!dir)
		return ai_nomem(err);
	if (ai_name_check(s->name, err) < 0 || ai_mkdirs(dir, 0755, err) < 0)
		return err->code;
	json_array_foreach(ai_json_arr(result, "outputs"), i, o) {
		const char *name = ai_json_str(o, "name");
		AI_FREE char *to = ai_join(dir, name);
		struct ai_ref ref;
		if (!to)
			return ai_nomem(err);
		if (ai_name_check(name, err) < 0 || ai_ref_get(o, &ref, err) < 0 || ai_store_export(p->job.store, &ref, to, err) < 0)
			return err->code;
	}
	return 0;
}

static int
report_step(struct reproduction *p, const struct ai_job_step *s, const struct fate *f, const json_t *result, bool *same, struct ai_err *err)
{
	const struct ai_compare_io io = { carried_tree, stored_blob, p };
	AI_JSON *report = NULL;
	AI_JSON *notes = json_array();
	if (!notes)
		return ai_nomem(err);
	if (ai_compare_outputs(&io, ai_json_arr(f->proven, "outputs"), ai_json_arr(result, "outputs"), &report, err) < 0)
		return ai_in(err, "step '%s'", s->name);
	*same = json_is_true(json_object_get(report, "same"));
	if (note_step(p, s, f, *same, notes, err) < 0)
		return err->code;
	if (json_is_true(json_object_get(report, "by_id_only")) && note_unknown(report, notes, err) < 0)
		return err->code;
	if (json_object_set_new(report, "step", json_string(s->name)) < 0 || json_object_set(report, "notes", notes) < 0 ||
		json_array_append(p->steps, report) < 0)
		return ai_nomem(err);
	ai_say(p->job.opt->talk, AI_TALK_STAGE, *same ? "same    %s" : "DIFFERS %s", s->name);
	return 0;
}

/*
 * What takes from a step that differed gets the proof's outputs where the store has them, so that it is judged by itself;
 * where not, it gets what was produced, and its report says so.
 */
static int
hand_on(struct reproduction *p, struct ai_job_step *s, struct fate *f, json_t *result, bool same, struct ai_err *err)
{
	int r = same ? 1 : ai_job_outputs_there(&p->job, f->proven, err);
	if (r < 0)
		return r;
	f->other_inputs = r == 0;
	json_decref(s->result);
	s->result = json_incref(r == 1 ? (json_t *)f->proven : result);
	return 0;
}

static int
run_step(struct reproduction *p, struct ai_job_step *s, struct fate *fates, struct fate *f, struct ai_err *err)
{
	AI_JSON *result = NULL;
	bool same = false;
	if (ai_check_interrupt(err) < 0 || each_need(p, s, inherit, fates, f, err) < 0 || ai_job_step_node(&p->job, s, err) < 0)
		return err->code;
	ai_say(p->job.opt->talk, AI_TALK_STAGE, "run     %s", s->name);
	if (ai_execute_again(&p->job, s, "logs/reproduce", &result, err) < 0)
		return err->code;
	if (p->o->keep && keep_outputs(p, s, result, err) < 0)
		return ai_in(err, "--keep");
	return report_step(p, s, f, result, &same, err) < 0 ? err->code : hand_on(p, s, f, result, same, err);
}

int
ai_reproduce_steps(struct reproduction *p, struct ai_err *err)
{
	struct ai_job *job = &p->job;
	AI_FREE struct fate *fates = ai_calloc(job->n_steps, sizeof *fates);
	if (!fates)
		return ai_nomem(err);
	if (choose(p, fates, err) < 0)
		return err->code;
	for (size_t i = 0; i < job->n_steps; i++) {
		struct ai_job_step *s = &job->steps[i];
		if (fates[i].needed && run_step(p, s, fates, &fates[i], err) < 0)
			return err->code;
		if (!fates[i].needed)
			s->result = json_incref((json_t *)fates[i].proven);
	}
	return 0;
}

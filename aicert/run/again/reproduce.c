/* reproduce.c -- see reproduce.h: the proof read and judged, a job made of what it carries, the report.  SPDX-License-Identifier: Apache-2.0 */
#include "run/again/reproduce.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/path.h"
#include "cache/session.h"
#include "run/again/reproduce_parts.h"

int
ai_reproduce_note(json_t *notes, struct ai_err *err, const char *fmt, ...)
{
	va_list ap;
	char *text = NULL;
	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	AI_FREE char *owned = n < 0 ? NULL : text;
	return !owned || json_array_append_new(notes, json_string(owned)) < 0 ? ai_nomem(err) : 0;
}

/* A proof that does not hold says nothing that could be reproduced. */
static int
judge(const struct reproduction *p, const struct ai_buf *text, struct ai_err *err)
{
	const struct ai_verify_options o = { .require = AI_LEVEL_UNSIGNED, .replan = p->o->replan };
	AI_JSON *report = NULL;
	size_t i;
	json_t *c;
	int r = ai_verify(text->data, text->len, p->o->proof, &o, &report, err);
	if (r < 0)
		return r == AI_ENO ? ai_hint(err, "a proof must hold before it is worth reproducing: aicert verify %s --require unsigned", p->o->proof) : r;
	/* The steps are run as they were planned: that they follow from the Aicertfile and rules must have been seen. */
	json_array_foreach(ai_json_arr(report, "checks"), i, c)
		if (strcmp(ai_json_str(c, "name"), "planned again") == 0 && strcmp(ai_json_str(c, "status"), "passed") == 0)
			return 0;
	return ai_fail(err, AI_ENO, "%s: its plan could not be made again", p->o->proof);
}

static int
read_proof(struct reproduction *p, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_PROOF);
	struct ai_digest root, plan;
	if (ai_read_file(AT_FDCWD, p->o->proof, &text, err) < 0 || judge(p, &text, err) < 0)
		return err->code;
	if (ai_json_parse(text.data, text.len, p->o->proof, &p->proof, err) < 0 ||
		ai_dag_load(ai_json_obj(p->proof, "nodes"), ai_json_obj(p->proof, "blobs"), &p->dag, err) < 0)
		return err->code;
	p->run_node = ai_json_digest(p->proof, "root", &root) ? ai_dag_node(p->dag, AI_KIND_RUN, &root) : NULL;
	p->plan = ai_json_digest(p->run_node, "plan", &plan) ? ai_dag_node(p->dag, AI_KIND_PLAN, &plan) : NULL;
	return p->plan ? 0 : ai_fail(err, AI_ENO, "%s: has no plan", p->o->proof);
}

static int
check_platform(const struct reproduction *p, struct ai_err *err)
{
	size_t i;
	json_t *s;
	json_array_foreach(ai_json_arr(p->plan, "steps"), i, s) {
		struct ai_digest id;
		const json_t *environment = ai_json_digest(ai_json_obj(s, "recipe"), "environment", &id)
			? ai_dag_node(p->dag, AI_KIND_ENVIRONMENT, &id) : NULL;
		const char *platform = ai_json_str(environment, "platform");
		if (!platform)
			return ai_fail(err, AI_ENO, "step '%s': the proof does not show its environment", ai_json_str(s, "name"));
		if (strcmp(platform, AI_PLATFORM) != 0)
			return ai_fail(err, AI_EENV, "step '%s': ran on %s, and this machine is %s", ai_json_str(s, "name"), platform, AI_PLATFORM);
	}
	return 0;
}

static int
carried(const struct reproduction *p, const json_t *where, const char *key, const struct ai_buf **out, struct ai_err *err)
{
	struct ai_digest id;
	*out = ai_json_digest(where, key, &id) ? ai_dag_blob(p->dag, &id) : NULL;
	return *out ? 0 : ai_fail(err, AI_ENO, "%s: does not carry its %s", p->o->proof, key);
}

static int
write_text(const struct reproduction *p, const char *name, const struct ai_buf *text, struct ai_err *err)
{
	AI_FREE char *path = ai_join(p->folder, name);
	return path ? ai_write_file(AT_FDCWD, path, text->data, text->len, 0600, err) : ai_nomem(err);
}

/* Aicertfile, lock and rules as the proof carries them, in a folder that nobody else has. */
static int
write_folder(struct reproduction *p, const char *cache, struct ai_err *err)
{
	const struct ai_buf *text;
	size_t i;
	json_t *rule;
	if (ai_scratch_make(cache, "reproduce", &p->folder, &p->folder_lock, err) < 0)
		return err->code;
	if (carried(p, p->plan, "aicertfile", &text, err) < 0 || write_text(p, "Aicertfile", text, err) < 0 ||
		carried(p, p->plan, "lock", &text, err) < 0 || write_text(p, "aicert.lock", text, err) < 0)
		return err->code;
	AI_FREE char *rules = ai_join(p->folder, "rules");
	if (!rules)
		return ai_nomem(err);
	if (ai_mkdirs(rules, 0700, err) < 0)
		return err->code;
	json_array_foreach(ai_json_arr(p->plan, "rules"), i, rule) {
		const char *name = ai_json_str(rule, "name");
		AI_FREE char *file = ai_format("rules/%s.lua", name);
		if (!file)
			return ai_nomem(err);
		if (ai_name_check(name, err) < 0 || carried(p, rule, "blob", &text, err) < 0 || write_text(p, file, text, err) < 0)
			return err->code;
	}
	return 0;
}

/* The folder of the project: what was said, else the proof's. */
static int
find_project(struct reproduction *p, struct ai_err *err)
{
	AI_FREE char *proof = ai_abspath(p->o->proof);
	size_t n = proof ? (size_t)(ai_basename(proof) - proof) : 0;
	p->project = p->o->project ? ai_abspath(p->o->project) : proof ? ai_strndup(proof, n > 1 ? n - 1 : 1) : NULL;
	p->output_dir = p->project ? ai_join(p->project, "outputs") : NULL;
	if (!p->output_dir)
		return ai_nomem(err);
	struct stat st;
	if (stat(p->project, &st) < 0 || !S_ISDIR(st.st_mode))
		return ai_fail(err, AI_EUSAGE, "--project: %s: is not a folder", p->project);
	return 0;
}

/* The job reads the proof's own texts, and looks for paths in the project; --locked, so that nothing is pinned or written. */
static int
open_job(struct reproduction *p, struct ai_err *err)
{
	AI_FREE char *file = ai_join(p->folder, "Aicertfile");
	char *project = ai_strdup(p->project), *lock = ai_join(p->project, "aicert.lock");
	int r = file && project && lock ? 0 : ai_nomem(err);
	p->run = (struct ai_run_options){ .file = file, .proof = p->o->proof, .output_dir = p->output_dir, .home = p->o->home, .locked = true,
		.parameters = ai_json_arr(p->plan, "parameters"), .talk = p->o->talk };
	if (r == 0)
		r = ai_job_open(&p->run, &p->job, err);
	if (r < 0) {
		free(project);
		free(lock);
		return r;
	}
	p->run.file = NULL;
	/* The advice to use an image is for who writes an Aicertfile. */
	p->job.manifest->host_said = true;
	free(p->job.project);
	free(p->job.lock_file);
	p->job.project = project;
	p->job.lock_file = lock;
	return 0;
}

/* The lock as the plan names it, whatever a clone that was given did to its places. */
static int
restore_lock(struct reproduction *p, struct ai_err *err)
{
	const struct ai_buf *lock;
	if (carried(p, p->plan, "lock", &lock, err) < 0)
		return err->code;
	ai_buf_clear(&p->job.lock_text);
	ai_buf_put(&p->job.lock_text, lock->data, lock->len);
	return ai_buf_ok(&p->job.lock_text, "aicert.lock", err);
}

/* A plan without what its steps run in: fresh. */
static json_t *
without_environments(const json_t *plan)
{
	json_t *copy = json_deep_copy(plan), *s;
	size_t i;
	json_array_foreach(ai_json_arr(copy, "steps"), i, s)
		json_object_del(ai_json_obj(s, "recipe"), "environment");
	return copy;
}

/* The plan made here must be the proof's. Only the GPUs of another machine may make it another. */
static int
check_plan(struct reproduction *p, struct ai_err *err)
{
	if (json_equal(p->job.plan, p->plan))
		return 0;
	AI_JSON *here = without_environments(p->job.plan);
	AI_JSON *there = without_environments(p->plan);
	if (!here || !there)
		return ai_nomem(err);
	if (!json_equal(here, there))
		return ai_fail(err, AI_EENV, "%s: this version of aicert plans its Aicertfile otherwise", p->o->proof);
	return ai_reproduce_note(p->notes, err, "the environment here is other than the proof's: its GPUs or their driver are");
}

static bool
ran_here(const struct reproduction *p, const char *name)
{
	size_t i;
	json_t *s;
	json_array_foreach(p->steps, i, s)
		if (strcmp(ai_json_str(s, "step"), name) == 0)
			return true;
	return false;
}

static int
note_host(struct reproduction *p, struct ai_err *err)
{
	size_t i;
	json_t *s;
	json_array_foreach(ai_json_arr(p->plan, "steps"), i, s) {
		struct ai_digest id;
		const json_t *environment = ai_json_digest(ai_json_obj(s, "recipe"), "environment", &id)
			? ai_dag_node(p->dag, AI_KIND_ENVIRONMENT, &id) : NULL;
		if (json_is_true(json_object_get(environment, "host")) && ran_here(p, ai_json_str(s, "name")))
			return ai_reproduce_note(p->notes, err, "steps in the host environment ran with this machine's programs, which may be others than the builder had");
	}
	return 0;
}

static int
reproduce(struct reproduction *p, struct ai_err *err)
{
	struct ai_home home = { 0 };
	if (read_proof(p, err) < 0 || check_platform(p, err) < 0 || ai_reproduce_check_asked(p, err) < 0 || find_project(p, err) < 0)
		return err->code;
	int r = ai_home_find(p->o->home, &home, err);
	if (r == 0)
		r = ai_home_make(&home, err);
	if (r == 0)
		r = write_folder(p, home.cache, err);
	ai_home_done(&home);
	if (r < 0 || open_job(p, err) < 0)
		return err->code;
	if (ai_reproduce_inputs(p, err) < 0 || restore_lock(p, err) < 0 || ai_job_plan(&p->job, err) < 0 || check_plan(p, err) < 0)
		return err->code;
	return ai_reproduce_steps(p, err) < 0 ? err->code : note_host(p, err);
}

static int
make_report(const struct reproduction *p, json_t **report, struct ai_err *err)
{
	size_t i, n = 0;
	json_t *s;
	const char *first = NULL;
	json_array_foreach(p->steps, i, s) {
		if (json_is_true(json_object_get(s, "same")))
			continue;
		first = first ? first : ai_json_str(s, "step");
		n++;
	}
	*report = json_pack("{s:s, s:s, s:b, s:O, s:O, s:O}", "proof", p->o->proof, "root", ai_json_str(p->proof, "root"), "same", n == 0,
		"notes", p->notes, "inputs", p->inputs, "steps", p->steps);
	if (!*report)
		return ai_nomem(err);
	if (n == 0)
		return 0;
	if (n == 1)
		return ai_fail(err, AI_ENO, "%s: step '%s' gave other outputs here", p->o->proof, first);
	return ai_fail(err, AI_ENO, "%s: %zu steps, the first is '%s', gave other outputs here", p->o->proof, n, first);
}

int
ai_reproduce(const struct ai_reproduce_options *options, json_t **report, struct ai_err *err)
{
	struct reproduction p = { .o = options, .inputs = json_array(), .steps = json_array(), .notes = json_array(), .folder_lock = -1 };
	int r = p.inputs && p.steps && p.notes ? reproduce(&p, err) : ai_nomem(err);
	if (r == 0)
		r = make_report(&p, report, err);
	ai_job_done(&p.job);
	if (p.folder)
		ai_discard_tree(p.folder);
	if (p.folder_lock >= 0)
		close(p.folder_lock);
	free(p.folder);
	free(p.project);
	free(p.output_dir);
	json_decref(p.inputs);
	json_decref(p.steps);
	json_decref(p.notes);
	ai_dag_free(p.dag);
	json_decref(p.proof);
	return r;
}

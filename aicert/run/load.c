/* load.c -- the first stage: files found and read, the store opened (job.h).  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "attest/ownkeys.h"
#include "base/fs.h"
#include "base/path.h"
#include "base/when.h"
#include "model/lock.h"
#include "proof/trust.h"
#include "run/job.h"
#include "run/plan/plan_select.h"
#include "run/public_text.h"

void
ai_now(char out[AI_WHEN_TEXT])
{
	ai_when_text(time(NULL), out);
}

static int
find_file(struct ai_job *job, struct ai_err *err)
{
	static const char *const names[] = { "Aicertfile", "aicert.yaml", "aicert.yml" };
	const char *file = job->opt->file;
	for (size_t i = 0; !file && i < sizeof names / sizeof *names; i++)
		if (ai_exists(names[i]))
			file = names[i];
	if (!file) {
		ai_fail(err, AI_EUSAGE, "Aicertfile: none here: looked for 'Aicertfile' and 'aicert.yaml'");
		return ai_hint(err, "name one with -f FILE, or have 'aicert init' write a first one");
	}
	job->file = ai_abspath(file);
	if (!job->file)
		return ai_nomem(err);
	job->shown = ai_basename(job->file);
	size_t dir = (size_t)(job->shown - job->file);
	job->project = ai_strndup(job->file, dir > 1 ? dir - 1 : 1);
	job->lock_file = job->project ? ai_join(job->project, "aicert.lock") : NULL;
	job->proof = ai_abspath(job->opt->proof ? job->opt->proof : "proof.json");
	job->output_dir = ai_abspath(job->opt->output_dir ? job->opt->output_dir : "outputs");
	if (!job->lock_file || !job->proof || !job->output_dir)
		return ai_nomem(err);
	return 0;
}

/* What comes with a project, which may be somebody else's: a FIFO there would hold us for ever. Absent is plain. */
static int
is_plain(const char *path, struct ai_err *err)
{
	struct stat st;
	if (stat(path, &st) < 0 || S_ISREG(st.st_mode))
		return 0;
	return ai_fail(err, AI_EUSAGE, "%s: is not a file", path);
}

static int
read_lock(struct ai_job *job, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_LOCK);
	int r = is_plain(job->lock_file, err);
	if (r == 0)
		r = ai_read_file_if(AT_FDCWD, job->lock_file, &text, err);
	if (r < 0)
		return r;
	job->lock_there = r == 1;
	if (ai_lock_parse(r ? text.data : NULL, text.len, &job->lock, err) < 0)
		return ai_hint(err, "restore it from version control, or remove it to pin everything anew");
	return 0;
}

/* A project's own rule of a name goes before ours: its text is in the plan, so a verifier sees which one it was. */
static int
read_rule(struct ai_job *job, const char *name, struct ai_rule_text *out, struct ai_err *err)
{
	AI_FREE char *path = ai_format("%s/rules/%s.lua", job->project, name);
	if (!path)
		return ai_nomem(err);
	AI_BUF_AUTO text = AI_BUF(AI_MAX_RULE);
	int r = is_plain(path, err);
	if (r == 0)
		r = ai_name_check(name, err) < 0 ? 0 : ai_read_file_if(AT_FDCWD, path, &text, err);
	if (r < 0)
		return r;
	const struct ai_rule_text *builtin = r ? NULL : ai_rule_builtin(name);
	if (!r && !builtin)
		return 0;
	if (builtin)
		ai_buf_put(&text, builtin->text, builtin->len);
	if (ai_buf_ok(&text, path, err) < 0)
		return err->code;
	size_t len = text.len;
	*out = (struct ai_rule_text){ .name = ai_strdup(name), .text = ai_buf_take(&text), .len = len };
	return out->name && out->text ? 1 : ai_nomem(err);
}

/* The rule of that name among the job's, for a step or an input that stands there. */
static int
need_rule(struct ai_job *job, struct ai_names *known, const char *use, const char *what, const char *name, int line, int column, struct ai_err *err)
{
	int r = ai_names_put(known, use, strlen(use), 0, err);
	if (r <= 0)
		return r;
	r = read_rule(job, use, &job->rules[job->n_rules], err);
	job->n_rules += r == 1;
	if (r != 0)
		return r < 0 ? r : 0;
	size_t n;
	const char *const *names = ai_rule_builtin_names(&n);
	const char *near = ai_near(use, names, n);
	ai_fail(err, AI_EUSAGE, "%s:%d:%d: %s '%s': no rule '%s'%s%s%s", job->shown, line, column, what, name, use, near ? " (did you mean '" : "",
		near ? near : "", near ? "'?)" : "");
	return ai_hint(err, "a rule of your own is a file rules/%s.lua beside the Aicertfile", use);
}

static int
read_rules(struct ai_job *job, struct ai_err *err)
{
	const struct ai_manifest *m = job->manifest;
	job->rules = ai_calloc(m->n_steps + m->n_inputs, sizeof *job->rules);
	if (!job->rules)
		return ai_nomem(err);
	struct ai_names known = { 0 };
	int rc = 0;
	for (size_t i = 0; i < m->n_steps && rc == 0; i++)
		rc = need_rule(job, &known, m->steps[i].use, "step", m->steps[i].name, m->steps[i].line, m->steps[i].column, err);
	for (size_t i = 0; i < m->n_inputs && rc == 0; i++)
		if (m->inputs[i].type == AI_INPUT_RULE)
			rc = need_rule(job, &known, m->inputs[i].use, "input", m->inputs[i].name, m->inputs[i].line, m->inputs[i].column, err);
	ai_names_done(&known);
	return rc;
}

/* Keys whose attestations a cached result may rest on: this machine's own and those of `aicert trust`. */
static int
read_accepted(struct ai_job *job, struct ai_err *err)
{
	AI_JSON *trusted = NULL;
	if (ai_ownkeys_read(job->home.data, &job->accepted, err) < 0 || ai_trust_read(job->home.data, &trusted, err) < 0)
		return err->code;
	size_t i;
	json_t *k;
	json_array_foreach(trusted, i, k)
		if (json_array_append(job->accepted, json_object_get(k, "fingerprint")) < 0)
			return ai_nomem(err);
	return 0;
}

/* Who only looks makes no home where there is none. */
static int
open_store(struct ai_job *job, struct ai_err *err)
{
	if (ai_home_find(job->opt->home, &job->home, err) < 0)
		return err->code;
	if (job->opt->look && !ai_exists(job->home.cache)) {
		const char *tmp = getenv("TMPDIR");
		AI_FREE char *prefix = ai_join(tmp && *tmp ? tmp : "/tmp", "aicert-look");
		if (!prefix)
			return ai_nomem(err);
		if (ai_mkdtemp(prefix, &job->aside, err) < 0)
			return err->code;
		ai_home_done(&job->home);
		if (ai_home_find(job->aside, &job->home, err) < 0)
			return err->code;
	}
	if (ai_home_make(&job->home, err) < 0 || ai_store_open(&job->home, &job->store, err) < 0)
		return err->code;
	return job->opt->look ? ai_store_look(job->store, err) : 0;
}

int
ai_job_find(const struct ai_run_options *options, struct ai_job *job, struct ai_err *err)
{
	*job = (struct ai_job){ .opt = options, .text = AI_BUF(AI_MAX_AICERTFILE), .lock_text = AI_BUF(AI_MAX_LOCK) };
	ai_now(job->started);
	return find_file(job, err);
}

int
ai_job_open_past(const struct ai_run_options *options, struct ai_job *job, struct ai_err *err)
{
	if (ai_job_find(options, job, err) < 0 || open_store(job, err) < 0)
		return err->code;
	int r = ai_store_last_run(job->store, job->project, &job->previous, err);
	return r < 0 ? r : 0;
}

int
ai_job_open(const struct ai_run_options *options, struct ai_job *job, struct ai_err *err)
{
	if (ai_job_find(options, job, err) < 0)
		return err->code;
	/* What the user names may be a pipe of theirs. */
	if (!options->file && is_plain(job->file, err) < 0)
		return err->code;
	int r = ai_read_file(AT_FDCWD, job->file, &job->text, err);
	if (r < 0) {
		/* The user named a file that is not there, or handed us one that is too large: a usage error. */
		if (r == AI_EINPUT)
			err->code = AI_EUSAGE;
		return err->code;
	}
	if (options->parameters)
		job->parameters = json_incref((json_t *)(uintptr_t)options->parameters);
	else if (ai_manifest_parameters(options->define, options->n_define, options->steps, options->n_steps, &job->parameters, err) < 0)
		return err->code;
	if (ai_manifest_parse(job->text.data, job->text.len, job->shown, job->parameters, &job->manifest, err) < 0)
		return err->code;
	if (ai_public_text(job->manifest, job->shown, job->parameters, &job->text, err) < 0)
		return err->code;
	if (read_lock(job, err) < 0 || read_rules(job, err) < 0 || ai_plan_select(job->manifest, job->rules, job->n_rules, err) < 0)
		return err->code;
	if (open_store(job, err) < 0)
		return err->code;
	r = ai_store_last_run(job->store, job->project, &job->previous, err);
	return r < 0 ? r : read_accepted(job, err);
}

static void
step_done(struct ai_job_step *s)
{
	json_decref(s->step);
	json_decref(s->result);
	free(s->why);
	free(s->log);
	free(s->failure);
	ai_names_done(&s->outputs);
	ai_names_done(&s->specs);
	json_decref(s->outputs_of);
}

void
ai_job_done(struct ai_job *job)
{
	for (size_t i = 0; i < job->n_steps; i++)
		step_done(&job->steps[i]);
	for (size_t i = 0; i < job->n_sources; i++) {
		json_decref(job->sources[i].node);
		free(job->sources[i].owned);
	}
	for (size_t i = 0; i < job->n_rules; i++) {
		free(job->rules[i].name);
		free(job->rules[i].text);
	}
	ai_names_done(&job->step_names);
	free(job->steps);
	free(job->sources);
	free(job->rules);
	ai_tpm_close(job->tpm);
	ai_store_close(job->store);
	json_decref(job->plan);
	json_decref(job->environments);
	ai_gpus_done(&job->gpus);
	json_decref(job->run_node);
	ai_names_done(&job->previous_names);
	ai_names_done(&job->written_paths);
	json_decref(job->previous);
	json_decref(job->written);
	ai_idset_done(&job->held);
	json_decref(job->accepted);
	json_decref(job->kin);
	json_decref(job->judged);
	json_decref(job->lock);
	json_decref(job->parameters);
	ai_manifest_free(job->manifest);
	ai_buf_done(&job->text);
	ai_buf_done(&job->lock_text);
	free(job->file);
	free(job->project);
	free(job->proof);
	free(job->output_dir);
	free(job->lock_file);
	ai_home_done(&job->home);
	if (job->aside)
		ai_discard_tree(job->aside);
	free(job->aside);
	*job = (struct ai_job){ 0 };
}

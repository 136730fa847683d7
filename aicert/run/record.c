/* record.c -- what is remembered of a project's last run, for `why`, `log` and the next emit (job.h, run.h).  SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/path.h"
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

/*
 * What this project's runs have written where: now, and elsewhere before, by another Aicertfile of this folder or into another
 * --output-dir. All of it is ours to replace as long as it is as we left it. A few last places are kept, the newest first.
 */
static int
places(const json_t *before, const json_t *now, json_t **out, struct ai_err *err)
{
	enum { kept = 64 };
	size_t most = json_array_size(now) ? json_array_size(now) + kept : SIZE_MAX; /* who wrote nothing replaces nothing */
	AI_JSON *all = json_deep_copy(now);
	struct ai_names known = { 0 };
	json_t *v;
	size_t i;
	int r = all ? 0 : ai_nomem(err);
	json_array_foreach(now, i, v)
		if (r >= 0 && ai_json_str(v, "path"))
			r = ai_names_put(&known, ai_json_str(v, "path"), strlen(ai_json_str(v, "path")), i, err);
	json_array_foreach(before, i, v) {
		const char *path = ai_json_str(v, "path");
		if (r < 0 || json_array_size(all) >= most)
			break;
		if (path && !ai_names_find(&known, path, strlen(path), NULL) && json_array_append(all, v) < 0)
			r = ai_nomem(err);
	}
	ai_names_done(&known);
	if (r >= 0)
		*out = json_incref(all);
	return r < 0 ? r : 0;
}

/* Appends those of list that got a key then and have none in this run, by names once each. */
static int
keep_earlier(const struct ai_job *job, const json_t *list, struct ai_names *kept, json_t *out, struct ai_err *err)
{
	size_t i;
	json_t *s;
	json_array_foreach(list, i, s) {
		const char *name = ai_json_str(s, "name");
		const struct ai_job_step *now = name ? ai_job_step_named(job, name) : NULL;
		if (!name || !ai_json_str(s, "step") || (now && now->step) || (!now && !job->manifest->selected.n))
			continue;
		int r = ai_names_put(kept, name, strlen(name), 0, err);
		if (r < 0 || (r == 1 && json_array_append(out, s) < 0))
			return r < 0 ? r : ai_nomem(err);
	}
	return 0;
}

/* Steps that this run left out, or did not come to: what earlier runs know of them is still what `why` and `log` go by. */
static int
earlier_steps(const struct ai_job *job, json_t *out, struct ai_err *err)
{
	struct ai_names kept = { 0 };
	int r = keep_earlier(job, ai_json_arr(job->previous, "steps"), &kept, out, err);
	if (r == 0)
		r = keep_earlier(job, ai_json_arr(job->previous, "earlier"), &kept, out, err);
	ai_names_done(&kept);
	return r;
}

int
ai_job_record(struct ai_job *job, const json_t *written, struct ai_err *err)
{
	char plan[AI_HEX];
	ai_hex(&job->plan_id, plan);
	AI_JSON *steps = json_array();
	/* A failed run wrote nothing: what those before it wrote is still ours to replace. */
	AI_JSON *none = json_array();
	AI_JSON *list = NULL;
	AI_JSON *earlier = json_array();
	if (!steps || !none || !earlier)
		return ai_nomem(err);
	if (places(ai_json_arr(job->previous, "written"), written ? written : none, &list, err) < 0 || earlier_steps(job, earlier, err) < 0)
		return err->code;
	for (size_t i = 0; i < job->n_steps; i++)
		if (json_array_append_new(steps, step_record(&job->steps[i])) < 0)
			return ai_nomem(err);
	AI_JSON *record = json_pack("{s:s, s:s, s:s, s:O, s:O, s:O}", "plan", plan, "started", job->started,
		"state", written ? "done" : "failed", "steps", steps, "earlier", earlier, "written", list);
	/* `why` tells an edited rule from an edited step. */
	const json_t *rules = ai_json_arr(job->plan, "rules");
	if (!record || (rules && json_object_set(record, "rules", (json_t *)(uintptr_t)rules) < 0))
		return ai_nomem(err);
	return ai_store_put_run(job->store, job->project, record, err);
}

/* The log of the run that executed the step: this project's last one, or, of a reused result, whichever of this home did. */
static int
step_log(const struct ai_job *job, const json_t *step, char **found, struct ai_err *err)
{
	const char *log = ai_json_str(step, "log"), *id = ai_json_str(step, "step");
	AI_FREE char *kept = id ? ai_format("%s/logs/%s.log", job->home.cache, id) : NULL;
	if (!log && id && !kept)
		return ai_nomem(err);
	/* The cache may have been swept meanwhile. */
	if (log && !ai_exists(log))
		log = NULL;
	if (!log && (!kept || !ai_exists(kept)))
		return 0;
	free(*found);
	*found = ai_strdup(log ? log : kept);
	return *found ? 0 : ai_nomem(err);
}

/* The step of a run that has that name; the run's own steps go before those that it kept of earlier runs. */
static const json_t *
recorded(const json_t *run, const char *name)
{
	static const char *const lists[] = { "steps", "earlier" };
	const json_t *found = NULL;
	for (size_t k = 0; k < 2; k++) {
		size_t i;
		json_t *s;
		json_array_foreach(ai_json_arr(run, lists[k]), i, s)
			if (strcmp(name, ai_json_str(s, "name")) == 0 && (!found || !ai_json_str(found, "step")))
				found = s;
	}
	return found;
}

/* The steps that a matrix of that name made, for a hint: "'train-1', 'train-2'". */
static int
put_matrix(const json_t *steps, const char *name, struct ai_buf *out)
{
	enum { few = 4 };
	size_t i, n = 0, len = strlen(name);
	json_t *s;
	json_array_foreach(steps, i, s) {
		const char *is = ai_json_str(s, "name");
		if (strncmp(is, name, len) != 0 || is[len] != '-')
			continue;
		if (n < few)
			ai_buf_printf(out, "%s'%s'", n ? ", " : "", is);
		n++;
	}
	if (n > few)
		ai_buf_puts(out, ", …");
	return out->state == AI_BUF_GOOD && n > 0;
}

/* Why there is no log to show. */
static int
no_log(const struct ai_job *job, const char *step, struct ai_err *err)
{
	const json_t *steps = ai_json_arr(job->previous, "steps");
	size_t n = 0, i;
	json_t *s;
	AI_FREE const char **names = ai_calloc(json_array_size(steps), sizeof *names);
	AI_BUF_AUTO matrix = AI_BUF(AI_MAX_TEXT);
	const char *state = step ? ai_json_str(recorded(job->previous, step), "state") : NULL;
	if (!names)
		return ai_nomem(err);
	json_array_foreach(steps, i, s)
		names[n++] = ai_json_str(s, "name");
	if (n == 0)
		return ai_fail(err, AI_EUSAGE, "log: nothing ran here yet");
	if (!step)
		return ai_fail(err, AI_EUSAGE, "log: no log is kept of the last run");
	if (state && strcmp(state, "waiting") == 0)
		return ai_fail(err, AI_EUSAGE, "log: the last run did not come to step '%s', and no earlier one is known", step);
	if (state)
		return ai_fail(err, AI_EUSAGE, "log: no log is kept for step '%s', which the last run has as %s", step, state);
	if (put_matrix(steps, step, &matrix))
		return ai_fail(err, AI_EUSAGE, "log: '%s' is several steps: %s", step, matrix.data);
	const char *near = ai_near(step, names, n);
	return ai_fail(err, AI_EUSAGE, "log: the last run had no step '%s'%s%s%s", step, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

int
ai_last_log(const struct ai_run_options *options, const char *step, char **path, struct ai_err *err)
{
	struct ai_run_options look = *options;
	look.look = true;
	struct ai_job job;
	int r = ai_job_open_past(&look, &job, err);
	char *found = NULL;
	size_t i;
	json_t *s;
	const json_t *one = r == 0 && step ? recorded(job.previous, step) : NULL;
	if (one)
		r = step_log(&job, one, &found, err);
	json_array_foreach(ai_json_arr(job.previous, "steps"), i, s)
		if (r == 0 && !step)
			r = step_log(&job, s, &found, err);
	if (r == 0 && !found)
		r = no_log(&job, step, err);
	ai_job_done(&job);
	if (r == 0)
		*path = found;
	else
		free(found);
	return r;
}

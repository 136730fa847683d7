/* repeat.c -- see repeat.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/again/repeat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/path.h"

static const char all[] = "all";

int
ai_check_names(const struct ai_job *job, struct ai_err *err)
{
	size_t n = job->manifest->n_steps;
	AI_FREE const char **names = ai_calloc(n + 1, sizeof *names);
	if (!names)
		return ai_nomem(err);
	for (size_t i = 0; i < n; i++)
		names[i] = job->manifest->steps[i].name;
	names[n] = all;
	for (size_t k = 0; k < job->opt->n_check; k++) {
		const char *word = job->opt->check[k];
		bool known = false;
		for (size_t i = 0; i <= n; i++)
			known = known || strcmp(names[i], word) == 0;
		if (known)
			continue;
		const char *close = ai_near(word, names, n + 1);
		ai_fail(err, AI_EUSAGE, "--check: %s: no step '%s'%s%s%s", job->shown, word, close ? " (did you mean '" : "", close ? close : "",
			close ? "'?)" : "");
		return ai_hint(err, "name a step of the Aicertfile, such as '%s', or 'all'", names[0]);
	}
	return 0;
}

bool
ai_check_asked(const struct ai_job *job, const char *step)
{
	for (size_t k = 0; k < job->opt->n_check; k++)
		if (strcmp(job->opt->check[k], all) == 0 || strcmp(job->opt->check[k], step) == 0)
			return true;
	return false;
}

/*
 * Two quick runs would write the same time into their files, and pass for deterministic until the next day. The coarsest clock that
 * formats write in less than minutes is zip's, of two seconds: so long after the log of the run before was last written.
 */
static int
wait_for_the_clock(const struct ai_job *job, const struct ai_job_step *s, struct ai_err *err)
{
	enum { APART_MS = 2200, NAP_MS = 50 };
	char hex[AI_HEX];
	struct stat st;
	ai_hex(&s->id, hex);
	AI_FREE char *log = ai_format("%s/logs/%s.log", job->home.cache, hex);
	if (!log)
		return ai_nomem(err);
	if (stat(log, &st) < 0)
		return 0;
	for (int naps = 0; naps < APART_MS / NAP_MS; naps++) {
		struct timespec now, nap = { .tv_nsec = NAP_MS * 1000000L };
		clock_gettime(CLOCK_REALTIME, &now);
		if ((now.tv_sec - st.st_mtim.tv_sec) * 1000 + (now.tv_nsec - st.st_mtim.tv_nsec) / 1000000 >= APART_MS)
			break;
		nanosleep(&nap, NULL);
		if (ai_check_interrupt(err) < 0)
			return err->code;
	}
	return 0;
}

int
ai_execute_again(struct ai_job *job, const struct ai_job_step *s, const char *logs, json_t **result, struct ai_err *err)
{
	struct ai_job_step again = *s;
	again.result = NULL;
	again.why = again.log = again.failure = NULL;
	job->logs = logs;
	int r = ai_exec_step(job, &again, err);
	job->logs = NULL;
	if (r == 0)
		*result = json_incref(again.result);
	json_decref(again.result);
	free(again.why);
	free(again.log);
	free(again.failure);
	return r;
}

static int
find_tree(void *ctx, const struct ai_digest *id, json_t **node, struct ai_err *err)
{
	struct ai_job *job = ctx;
	return ai_store_get_node(job->store, id, node, err);
}

static int
find_blob(void *ctx, const struct ai_digest *id, int *fd, struct ai_err *err)
{
	struct ai_job *job = ctx;
	AI_FREE char *path = ai_store_object_path(job->store, id);
	if (!path)
		return ai_nomem(err);
	int opened = open(path, O_RDONLY | O_CLOEXEC);
	if (opened < 0)
		return errno == ENOENT ? 0 : ai_fail_errno(err, AI_EENV, "%s: cannot open", path);
	*fd = opened;
	return 1;
}

struct ai_compare_io
ai_job_compare_io(struct ai_job *job)
{
	return (struct ai_compare_io){ find_tree, find_blob, job };
}

int
ai_check_step(struct ai_job *job, const struct ai_job_step *s, struct ai_err *err)
{
	const char *against = s->state == AI_STEP_REUSED ? "the known result" : "a second run";
	AI_JSON *result = NULL;
	AI_JSON *report = NULL;
	struct ai_compare_io io = ai_job_compare_io(job);
	if (!job->checks && !(job->checks = json_array()))
		return ai_nomem(err);
	ai_say(job->opt->talk, AI_TALK_STAGE, "check   %s  (runs %s)", s->name, s->state == AI_STEP_REUSED ? "once, against the result that is known" : "again");
	if (wait_for_the_clock(job, s, err) < 0)
		return err->code;
	if (ai_execute_again(job, s, "logs/again", &result, err) < 0)
		return ai_in(err, "--check");
	if (ai_compare_outputs(&io, ai_json_arr(s->result, "outputs"), ai_json_arr(result, "outputs"), &report, err) < 0)
		return ai_in(err, "--check: step '%s'", s->name);
	if (json_object_set_new(report, "step", json_string(s->name)) < 0 || json_object_set_new(report, "against", json_string(against)) < 0 ||
		json_array_append(job->checks, report) < 0)
		return ai_nomem(err);
	return 0;
}

int
ai_check_verdict(const struct ai_job *job, struct ai_err *err)
{
	const char *first = NULL;
	size_t i, n = 0;
	json_t *c;
	json_array_foreach(job->checks, i, c) {
		if (json_is_true(json_object_get(c, "same")))
			continue;
		first = first ? first : ai_json_str(c, "step");
		n++;
	}
	if (n == 0)
		return 0;
	if (n == 1)
		ai_fail(err, AI_ENO, "--check: step '%s' gave other outputs when it was run again: no proof was written", first);
	else
		ai_fail(err, AI_ENO, "--check: %zu steps, the first is '%s', gave other outputs when they were run again: no proof was written", n, first);
	return ai_hint(err, "without --check the result of the first run would be kept and proven");
}

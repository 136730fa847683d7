/* result_logs.c -- see result_logs.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/disk/result_logs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "model/node.h"
#include "proof/verify.h"
#include "vm/disk/intake.h"
#include "vm/disk/result_parts.h"

/* --- logs ------------------------------------------------------------------------------------------- */

static int
step_of(const struct ai_job *job, const char *name, size_t *out, struct ai_err *err)
{
	for (size_t i = 0; i < job->n_steps; i++)
		if (strcmp(job->steps[i].name, name) == 0 && job->steps[i].step) {
			*out = i;
			return 0;
		}
	return ai_fail(err, AI_EINPUT, "log '%s': no step of this name ran", name);
}

static int
read_log(struct ai_disk *d, size_t i, const struct ai_job *job, const char *dir, struct ai_result_log *out, struct ai_err *err)
{
	char hex[AI_HEX];
	AI_BUF_AUTO b = AI_BUF(AI_RESULT_MAX_LOG);
	if (step_of(job, ai_disk_object(d, i)->name, &out->step, err) < 0 || ai_intake_bytes(d, i, &b, err) < 0)
		return err->code;
	ai_hex(&job->steps[out->step].id, hex);
	out->path = ai_format("%s/%s.log", dir, hex);
	/* Two steps of one key have one log in the end, but each waits for itself. */
	out->waiting = ai_format("%s/%s.%zu.%ld.new", dir, hex, out->step, (long)getpid());
	if (!out->path || !out->waiting)
		return ai_nomem(err);
	return ai_write_file(AT_FDCWD, out->waiting, b.data, b.len, 0600, err);
}

int
ai_result_logs_read(struct ai_result_logs *l, struct ai_disk *d, const struct ai_job *job, bool *used, struct ai_err *err)
{
	AI_FREE char *dir = ai_join(job->home.cache, job->logs ? job->logs : "logs");
	l->list = ai_calloc(ai_disk_count(d), sizeof *l->list);
	if (!dir || !l->list)
		return ai_nomem(err);
	if (ai_mkdirs(dir, 0700, err) < 0)
		return err->code;
	for (size_t i = 0; i < ai_disk_count(d); i++) {
		if (strcmp(ai_disk_object(d, i)->type, "log") != 0)
			continue;
		used[i] = true;
		if (read_log(d, i, job, dir, &l->list[l->n++], err) < 0)
			return err->code;
	}
	return 0;
}

int
ai_result_logs_keep(struct ai_result_logs *l, struct ai_job *job, struct ai_err *err)
{
	for (size_t i = 0; i < l->n; i++) {
		struct ai_job_step *s = &job->steps[l->list[i].step];
		if (rename(l->list[i].waiting, l->list[i].path) < 0)
			return ai_fail_errno(err, AI_EENV, "%s: cannot keep log", l->list[i].path);
		free(s->log);
		s->log = l->list[i].path;
		l->list[i].path = NULL;
	}
	return 0;
}

void
ai_result_logs_done(struct ai_result_logs *l)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->list[i].waiting)
			(void)unlink(l->list[i].waiting);
		free(l->list[i].waiting);
		free(l->list[i].path);
	}
	free(l->list);
	*l = (struct ai_result_logs){ 0 };
}

/* --- claims ------------------------------------------------------------------------------------------- */

static bool
same_id(const json_t *claims, const char *key, const struct ai_digest *want)
{
	struct ai_digest got;
	return ai_json_digest(claims, key, &got) && ai_digest_eq(&got, want);
}

static bool
lists(const json_t *array, const struct ai_digest *id)
{
	char hex[AI_HEX];
	size_t i;
	json_t *v;
	ai_hex(id, hex);
	json_array_foreach(array, i, v)
		if (strcmp(json_string_value(v), hex) == 0)
			return true;
	return false;
}

/* Exactly the results of this run, each as executed: two steps of one key have one result. */
static int
check_executed(const json_t *claims, const struct ai_job *job, struct ai_err *err)
{
	const json_t *executed = ai_json_arr(claims, "executed");
	size_t distinct = 0;
	for (size_t i = 0; i < job->n_steps; i++) {
		bool again = false;
		if (job->steps[i].state != AI_STEP_EXECUTED)
			continue;
		if (!lists(executed, &job->steps[i].result_id))
			return ai_fail(err, AI_EINPUT, "attestation: does not list the result of step '%s' as executed", job->steps[i].name);
		for (size_t k = 0; k < i; k++)
			again = again || (job->steps[k].state == AI_STEP_EXECUTED && ai_digest_eq(&job->steps[k].result_id, &job->steps[i].result_id));
		distinct += !again;
	}
	return json_array_size(executed) == distinct && json_array_size(ai_json_arr(claims, "reused")) == 0 ? 0
		: ai_fail(err, AI_EINPUT, "attestation: lists results that the run has not");
}

int
ai_result_claims_fit(const json_t *attestation, const struct ai_job *job, bool done, struct ai_err *err)
{
	const json_t *claims = ai_json_obj(attestation, "claims");
	const char *nonce = ai_json_str(claims, "nonce");
	if (!attestation)
		return done ? ai_fail(err, AI_EINPUT, "has a root, and no attestation of it") : 0;
	if (!claims || ai_node_kind(claims) != AI_KIND_CLAIMS || ai_node_check(claims, err) < 0)
		return err->code ? ai_in(err, "attestation") : ai_fail(err, AI_EINPUT, "attestation: has no claims");
	if (!same_id(claims, "plan", &job->plan_id))
		return ai_fail(err, AI_EINPUT, "attestation: is of another plan");
	if (done ? !same_id(claims, "root", &job->root_id) : json_object_get(claims, "root") != NULL)
		return ai_fail(err, AI_EINPUT, done ? "attestation: is of another root" : "attestation: claims a root of a run that failed");
	if (job->opt->nonce && (!nonce || strcmp(nonce, job->opt->nonce) != 0))
		return ai_fail(err, AI_EINPUT, "attestation: nonce: got '%s', expected '%s'", nonce ? nonce : "none", job->opt->nonce);
	if (check_executed(claims, job, err) < 0)
		return err->code;
	if (ai_attestation_holds(attestation, err) < 0) {
		err->code = err->code == AI_ENO ? AI_EINPUT : err->code;
		return ai_in(err, "attestation");
	}
	return 0;
}

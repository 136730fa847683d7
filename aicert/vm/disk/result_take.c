/* result_take.c -- a result disk taken in, nothing of it believed (result_disk.h).  SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/talk.h"
#include "model/node.h"
#include "vm/disk/closure.h"
#include "vm/disk/intake.h"
#include "vm/disk/result_disk.h"
#include "vm/disk/result_logs.h"
#include "vm/disk/result_parts.h"

struct take {
	struct ai_disk *d;
	struct ai_job *job;
	struct ai_result_about about;
	struct ai_closure content;
	struct ai_result_logs logs;
	bool *used;                     /* of each object */
	json_t *attestation;
};

/* --- reading ---------------------------------------------------------------------------------------- */

static int
read_attestation(struct take *t, size_t i, struct ai_err *err)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	if (ai_intake_bytes(t->d, i, &b, err) < 0)
		return err->code;
	t->used[i] = true;
	return ai_json_parse(b.data, b.len, "attestation", &t->attestation, err);
}

/* What says what there is: small, and enough to refuse a disk before its content is taken in. Logs are read when it is known where each belongs. */
static int
read_words(struct take *t, struct ai_err *err)
{
	for (size_t i = 0; i < ai_disk_count(t->d); i++) {
		const struct ai_disk_object *o = ai_disk_object(t->d, i);
		int r = 0;
		if (strcmp(o->type, "node") == 0)
			r = ai_intake_node(t->d, i, t->job->store, err);
		else if (strcmp(o->type, "attestation") == 0)
			r = read_attestation(t, i, err);
		else if (strcmp(o->type, "log") != 0 && strcmp(o->type, "blob") != 0)
			r = ai_fail(err, AI_EINPUT, "%s '%s': a result has no such object", o->type, o->name);
		if (r < 0)
			return r;
	}
	return 0;
}

static int
read_blobs(struct take *t, struct ai_err *err)
{
	uint64_t total = 0, done = 0;
	for (size_t i = 0; i < ai_disk_count(t->d); i++)
		total += ai_disk_object(t->d, i)->size;
	for (size_t i = 0; i < ai_disk_count(t->d); i++) {
		const struct ai_disk_object *o = ai_disk_object(t->d, i);
		if (strcmp(o->type, "blob") == 0 && ai_intake_blob(t->d, i, t->job->store, err) < 0)
			return err->code;
		done += o->size;
		ai_say_progress(t->job->opt->talk, "result disk", done, total);
	}
	return 0;
}

/* --- steps -------------------------------------------------------------------------------------------- */

/* On the disk, or, of content, here already: what went into a step may come out of it. */
static int
need(void *ctx, const char *type, const struct ai_digest *id, const json_t *node, struct ai_err *err)
{
	struct take *t = ctx;
	struct ai_ref ref = { .type = AI_REF_BLOB, .id = *id };
	char hex[AI_HEX];
	size_t i;
	ai_hex(id, hex);
	if (ai_disk_find(t->d, type, hex, &i)) {
		t->used[i] = true;
		return 0;
	}
	int r = node ? ai_node_kind(node) == AI_KIND_TREE : ai_store_has(t->job->store, &ref, err);
	return r == 1 ? 0 : r < 0 ? r : ai_fail(err, AI_EINPUT, "%s %s is missing", type, hex);
}

static int
check_output(struct take *t, const json_t *declared, const json_t *made, struct ai_err *err)
{
	struct ai_ref ref;
	const char *name = ai_json_str(declared, "name"), *got = ai_json_str(made, "name"), *type = ai_json_str(declared, "type");
	if (!got || strcmp(got, name) != 0 || ai_ref_get(made, &ref, err) < 0)
		return err->code ? err->code : ai_fail(err, AI_EINPUT, "output '%s': got '%s'", name, got ? got : "none");
	if ((ref.type == AI_REF_TREE) != (strcmp(type, "dir") == 0))
		return ai_fail(err, AI_EINPUT, "output '%s': got a %s, expected a %s", name, ref.type == AI_REF_TREE ? "dir" : "file", type);
	/* The content of a run that failed stays in the machine. */
	return t->about.done && ai_closure_content(&t->content, &ref, err) < 0 ? ai_in(err, "output '%s'", name) : 0;
}

/* Outputs stand in the order in which the step declares them: collecting goes by it. */
static int
check_outputs(struct take *t, const struct ai_job_step *s, const json_t *result, struct ai_err *err)
{
	const json_t *declared = ai_json_arr(s->step, "outputs"), *made = ai_json_arr(result, "outputs");
	if (json_array_size(declared) != json_array_size(made))
		return ai_fail(err, AI_EINPUT, "outputs: got %zu, expected %zu", json_array_size(made), json_array_size(declared));
	for (size_t i = 0; i < json_array_size(declared); i++)
		if (check_output(t, json_array_get(declared, i), json_array_get(made, i), err) < 0)
			return err->code;
	return 0;
}

static int
take_result(struct take *t, struct ai_job_step *s, const struct ai_digest *id, struct ai_err *err)
{
	AI_JSON *result = NULL;
	AI_JSON *used_node = NULL;
	struct ai_digest of, used;
	char is[AI_HEX], want[AI_HEX];
	if (ai_closure_node(&t->content, "result", id, &result, err) < 0)
		return err->code;
	if (!ai_json_digest(result, "step", &of) || !ai_digest_eq(&of, &s->id)) {
		ai_hex(&of, is);
		ai_hex(&s->id, want);
		return ai_fail(err, AI_EINPUT, "its result is of another step: got %s, expected %s", is, want);
	}
	if (ai_json_digest(result, "used", &used) && ai_closure_node(&t->content, "used", &used, &used_node, err) < 0)
		return err->code;
	if (check_outputs(t, s, result, err) < 0)
		return err->code;
	json_decref(s->result);
	s->result = json_incref(result);
	s->result_id = *id;
	return 0;
}

static int
take_step(struct take *t, struct ai_job_step *s, const struct ai_result_step *said, struct ai_err *err)
{
	char is[AI_HEX], want[AI_HEX];
	if (strcmp(s->name, said->name) != 0)
		return ai_fail(err, AI_EINPUT, "got '%s', expected '%s', as the plan has it", said->name, s->name);
	if (said->has_step && ai_job_step_node(t->job, s, err) < 0)
		return err->code;
	if (said->has_step && !ai_digest_eq(&s->id, &said->step)) {
		ai_hex(&said->step, is);
		ai_hex(&s->id, want);
		return ai_fail(err, AI_EINPUT, "is another than the plan gives: got %s, expected %s", is, want);
	}
	if (said->state == AI_STEP_EXECUTED && take_result(t, s, &said->result, err) < 0)
		return err->code;
	if (said->failure) {
		free(s->failure);
		s->failure = ai_strdup(said->failure);
		if (!s->failure)
			return ai_nomem(err);
	}
	s->state = said->state;
	return 0;
}

static int
take_steps(struct take *t, struct ai_err *err)
{
	struct ai_job *job = t->job;
	if (t->about.n_steps != job->n_steps)
		return ai_fail(err, AI_EINPUT, "steps: got %zu, the plan has %zu", t->about.n_steps, job->n_steps);
	for (size_t i = 0; i < job->n_steps; i++)
		if (take_step(t, &job->steps[i], &t->about.steps[i], err) < 0) {
			/* What stands for a recipe whose inputs never came is the disk's fault, not a step's. */
			err->code = err->code == AI_ESTEP ? AI_EINPUT : err->code;
			return ai_in(err, "step '%s'", job->steps[i].name);
		}
	return 0;
}

/* The root of these results, computed here. */
static int
take_root(struct take *t, struct ai_err *err)
{
	char is[AI_HEX], want[AI_HEX];
	if (!t->about.done)
		return 0;
	if (ai_job_run_node(t->job, err) < 0)
		return err->code;
	if (ai_digest_eq(&t->job->root_id, &t->about.root))
		return 0;
	ai_hex(&t->about.root, is);
	ai_hex(&t->job->root_id, want);
	return ai_fail(err, AI_EINPUT, "root: got %s, these results give %s", is, want);
}

/* --- the whole ------------------------------------------------------------------------------------------ */

static int
check_all_used(const struct take *t, struct ai_err *err)
{
	for (size_t i = 0; i < ai_disk_count(t->d); i++)
		if (!t->used[i]) {
			const struct ai_disk_object *o = ai_disk_object(t->d, i);
			return ai_fail(err, AI_EINPUT, "%s '%s': belongs to no result", o->type, o->name);
		}
	return 0;
}

static int
check_plan(const struct take *t, struct ai_err *err)
{
	char is[AI_HEX], want[AI_HEX];
	if (!t->about.planned)
		return ai_disk_count(t->d) == 0 ? 0 : ai_fail(err, AI_EINPUT, "objects of a run that had no plan");
	if (ai_digest_eq(&t->about.plan, &t->job->plan_id))
		return 0;
	ai_hex(&t->about.plan, is);
	ai_hex(&t->job->plan_id, want);
	ai_fail(err, AI_EINPUT, "is of another plan: got %s, expected %s", is, want);
	/* A runner of another version plans otherwise, and then it says so itself. */
	return t->about.text ? ai_hint(err, "the machine says: %s", t->about.text) : err->code;
}

/* Only now is it known that all of it is good: from here on it counts. */
static int
keep(struct take *t, struct ai_err *err)
{
	struct ai_job *job = t->job;
	struct ai_digest id;
	for (size_t i = 0; t->about.done && i < job->n_steps; i++)
		if (ai_store_add_result(job->store, &job->steps[i].id, &job->steps[i].result_id, err) < 0)
			return err->code;
	if (t->attestation && ai_store_put_attestation(job->store, t->attestation, &id, err) < 0)
		return err->code;
	return ai_result_logs_keep(&t->logs, job, err);
}

static int
take(struct take *t, struct ai_err *err)
{
	t->used = ai_calloc(ai_disk_count(t->d), sizeof *t->used);
	if (!t->used)
		return ai_nomem(err);
	if (ai_result_about_parse(ai_disk_about(t->d), &t->about, err) < 0 || check_plan(t, err) < 0)
		return err->code;
	if (!t->about.planned)
		return 0;
	if (read_words(t, err) < 0 || take_steps(t, err) < 0 || take_root(t, err) < 0 ||
		ai_result_claims_fit(t->attestation, t->job, t->about.done, err) < 0)
		return err->code;
	if (ai_result_logs_read(&t->logs, t->d, t->job, t->used, err) < 0 || check_all_used(t, err) < 0)
		return err->code;
	return read_blobs(t, err);
}

/* As if the disk had never been looked at. */
static void
forget(struct ai_job *job)
{
	for (size_t i = 0; i < job->n_steps; i++) {
		struct ai_job_step *s = &job->steps[i];
		json_decref(s->step);
		json_decref(s->result);
		free(s->failure);
		s->step = s->result = NULL;
		s->failure = NULL;
		s->state = AI_STEP_WAITING;
	}
	json_decref(job->run_node);
	job->run_node = NULL;
}

/* The machine's own word on what went wrong; ai_fail makes foreign text harmless. */
static int
machine_error(const struct ai_result_about *a, struct ai_err *err)
{
	ai_fail(err, a->code, "in the machine: %s", a->text);
	return a->hint ? ai_hint(err, "%s", a->hint) : err->code;
}

int
ai_result_take(int fd, uint64_t size, struct ai_job *job, json_t **attestation, struct ai_err *err)
{
	struct take t = { .job = job };
	t.content = (struct ai_closure){ .store = job->store, .need = need, .ctx = &t };
	int r = ai_disk_open(fd, size, "result", NULL, NULL, &t.d, err);
	if (r == AI_ENO) {
		ai_fail(err, AI_EENV, "result disk: the machine ended without writing to it");
		return ai_hint(err, "its console says how far it came; a machine with more memory may come further");
	}
	if (r < 0)
		return r;
	if (take(&t, err) < 0)
		r = ai_in(err, "result disk");
	if (r == 0)
		r = keep(&t, err);
	if (r < 0)
		forget(job);
	else
		*attestation = json_incref(t.attestation);
	if (r == 0 && !t.about.done)
		r = machine_error(&t.about, err);
	ai_result_logs_done(&t.logs);
	ai_result_about_done(&t.about);
	ai_closure_done(&t.content);
	json_decref(t.attestation);
	ai_disk_close(t.d);
	free(t.used);
	return r;
}

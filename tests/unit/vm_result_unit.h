/*
 * vm_result_unit.h -- a machine's side of a run with the disks that it leaves, and the same project outside, where nobody knows of it.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_VM_RESULT_UNIT_H
#define AI_VM_RESULT_UNIT_H

#include "attest/tpm/seal.h"
#include "vm_job_unit.h"

/* The machine's side of a run, and the disks that it leaves: of a run that went well, and of one whose second step failed. */
static struct project inside;
static int done_fd, failed_fd;
static json_t *sealed, *sealed_failed;
static char *tpm_state;

/* --- the machine's side --------------------------------------------------------------------- */

static inline void
event(struct ai_job *job, json_t *e)
{
	ok(ai_tpm_event(job->tpm, e, &err));
	json_decref(e);
}

static inline void
write_log(struct ai_job *job, struct ai_job_step *s, const char *text)
{
	char hex[AI_HEX], *dir = ai_join(job->home.cache, "logs");
	ai_hex(&s->id, hex);
	ok(ai_mkdirs(dir, 0700, &err));
	free(s->log);
	s->log = ai_format("%s/%s.log", dir, hex);
	ok(ai_write_file(AT_FDCWD, s->log, text, strlen(text), 0600, &err));
	free(dir);
}

/* As if the step had run: this output, this log. */
static inline void
execute(struct ai_job *job, size_t i, const struct ai_ref *output, const char *log)
{
	struct ai_job_step *s = &job->steps[i];
	char hex[AI_HEX];
	ok(ai_job_step_node(job, s, &err));
	const char *name = ai_json_str(json_array_get(ai_json_arr(s->step, "outputs"), 0), "name");
	json_t *o = json_pack("{s:s}", "name", name);
	ok(ai_ref_set(o, output, &err));
	ai_hex(&s->id, hex);
	json_decref(s->result);
	s->result = json_pack("{s:s, s:s, s:[o]}", "kind", "result", "step", hex, "outputs", o);
	ok(ai_store_put_node(job->store, s->result, &s->result_id, &err));
	s->state = AI_STEP_EXECUTED;
	write_log(job, s, log);
	event(job, ai_event_results(&s->result_id, 1));
}

static inline void
begin(struct ai_job *job)
{
	struct ai_tpm_options o = { .tcti = "embedded", .state = tpm_state };
	ai_tpm_close(job->tpm);
	job->tpm = NULL;
	ok(ai_tpm_open(&o, &job->tpm, &err));
	event(job, ai_event_plan(&job->plan_id));
}

/* A folder with a program, a link, and a folder with a file. */
static inline struct ai_ref
a_folder(struct ai_store *store)
{
	const struct ai_sink *sink = ai_store_sink(store);
	struct ai_ref ref = { .type = AI_REF_TREE };
	char run[] = "run", link[] = "link", inner[] = "inner", file[] = "file";
	struct ai_entry below = { .name = file, .type = AI_ENTRY_FILE };
	struct ai_entry top[3] = { { .name = run, .type = AI_ENTRY_EXEC }, { .name = link, .type = AI_ENTRY_LINK, .target = run }, { .name = inner, .type = AI_ENTRY_DIR } };
	ok(ai_store_put_bytes(store, "made inside\n", 12, &below.id, &err));
	ok(ai_store_put_bytes(store, "#!/bin/sh\n", 10, &top[0].id, &err));
	ok(sink->tree(sink->ctx, &below, 1, &top[2].id, &err));
	ok(sink->tree(sink->ctx, top, 3, &ref.id, &err));
	return ref;
}

static inline struct ai_ref
a_file(struct ai_store *store, const char *text)
{
	struct ai_ref ref = { .type = AI_REF_BLOB };
	ok(ai_store_put_bytes(store, text, strlen(text), &ref.id, &err));
	return ref;
}

/* The whole run: what it sealed. */
static inline json_t *
run_inside(const char *nonce, const char *made)
{
	struct ai_job *job = &inside.job;
	json_t *attestation = NULL;
	struct ai_ref folder = a_folder(job->store), file = a_file(job->store, made);
	begin(job);
	execute(job, 0, &folder, "log of one\n");
	execute(job, 1, &file, "log of \033[31mtwo\n");
	inside.options.nonce = nonce;
	ok(ai_job_seal(job, false, &attestation, &err));
	inside.options.nonce = NULL;
	return attestation;
}

static inline int
result_setup(void **state)
{
	(void)state;
	struct ai_err failure = { 0 };
	make_project(&inside);
	plan_project(&inside, NULL);
	tpm_state = ai_join(inside.dir, "tpm");
	/* First the run that fails in its second step. */
	begin(&inside.job);
	struct ai_ref folder = a_folder(inside.job.store);
	execute(&inside.job, 0, &folder, "log of one\n");
	struct ai_job_step *two = &inside.job.steps[1];
	ok(ai_job_step_node(&inside.job, two, &err));
	write_log(&inside.job, two, "cat: no such file\n");
	two->state = AI_STEP_FAILED;
	two->failure = strdup("exit status 1");
	ok(ai_job_seal(&inside.job, true, &sealed_failed, &err));
	ai_fail(&failure, AI_ESTEP, "step 'two': failed: exit status 1");
	ai_hint(&failure, "its log is somewhere");
	failed_fd = scratch_file();
	ok(ai_result_pack(&inside.job, sealed_failed, &failure, failed_fd, 64u << 20, &err));
	free(two->failure);
	two->failure = NULL;
	sealed = run_inside("a nonce", "all of it\n");
	done_fd = scratch_file();
	ok(ai_result_pack(&inside.job, sealed, NULL, done_fd, 64u << 20, &err));
	return 0;
}

static inline int
result_teardown(void **state)
{
	(void)state;
	close(done_fd);
	close(failed_fd);
	json_decref(sealed);
	json_decref(sealed_failed);
	free(tpm_state);
	remove_project(&inside);
	return 0;
}

/* --- outside ------------------------------------------------------------------------------------ */

/* The same project, planned anew in a home of its own: nobody knows of what went on inside. */
struct outside { char *home; struct ai_run_options options; struct ai_job job; };

static inline void
go_outside(struct outside *o)
{
	*o = (struct outside){ 0 };
	ok(ai_mkdtemp("/tmp/aicert-outside", &o->home, &err));
	o->options = (struct ai_run_options){ .file = inside.aicertfile, .home = o->home, .nonce = "a nonce" };
	ok(ai_job_open(&o->options, &o->job, &err));
	ok(ai_job_fetch(&o->job, &err));
	ok(ai_job_plan(&o->job, &err));
}

static inline void
outside_done(struct outside *o)
{
	ai_job_done(&o->job);
	ok(ai_remove_tree(AT_FDCWD, o->home, &err));
	free(o->home);
}

static inline size_t
files_in(const char *a, const char *b)
{
	char *dir = ai_join(a, b), *line = ai_format("[ -d '%s' ] || exit 0; exit $(ls -A '%s' | wc -l)", dir, dir);
	int status = system(line);
	free(dir);
	free(line);
	return (size_t)(status >> 8);
}

/* Nothing of a disk that was refused counts. */
static inline void
knows_nothing(struct outside *o)
{
	for (size_t i = 0; i < inside.job.n_steps; i++) {
		struct ai_digest *ids = NULL;
		size_t n = 9;
		ok(ai_store_results(o->job.store, &inside.job.steps[i].id, &ids, &n, &err));
		assert_int_equal(n, 0);
		free(ids);
		assert_int_equal(o->job.steps[i].state, AI_STEP_WAITING);
		assert_null(o->job.steps[i].result);
		assert_null(o->job.steps[i].log);
		assert_null(o->job.steps[i].failure);
		struct ai_digest id;
		json_t *found = NULL;
		struct ai_err e = { 0 };
		assert_int_equal(ai_store_attestation_of(o->job.store, &inside.job.steps[i].result_id, &id, &found, &e), 0);
	}
	assert_null(o->job.run_node);
	assert_int_equal(files_in(o->job.home.cache, "logs"), 0);
}

static inline int
try(const struct parts *p, struct ai_err *err)
{
	struct outside o;
	json_t *attestation = NULL;
	int fd = put_together(p, "result", SIZE_MAX);
	go_outside(&o);
	int r = ai_result_take(fd, size_of(fd), &o.job, &attestation, err);
	if (r == AI_EINPUT) {
		assert_null(attestation);
		knows_nothing(&o);
		/* Content is taken in last, so a liar does not even fill the disk. */
		for (size_t i = 0; i < p->n; i++) {
			struct ai_ref ref = { .type = AI_REF_BLOB };
			struct ai_err e = { 0 };
			ai_sha256(p->list[i].bytes.data ? p->list[i].bytes.data : "", p->list[i].bytes.len, &ref.id);
			if (strcmp(p->list[i].type, "blob") == 0)
				assert_int_equal(ai_store_has(o.job.store, &ref, &e), 0);
		}
	}
	json_decref(attestation);
	outside_done(&o);
	close(fd);
	return r;
}

#endif

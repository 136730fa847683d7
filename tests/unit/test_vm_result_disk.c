/* test_vm_result_disk.c -- what a machine gives back, of a run that went well and of one that did not.  SPDX-License-Identifier: Apache-2.0 */
#include "vm_result_unit.h"

static void
log_is(const struct ai_job_step *s, const char *home, const char *text)
{
	struct ai_buf b = AI_BUF(1u << 20);
	char hex[AI_HEX], *path;
	struct stat st;
	ai_hex(&s->id, hex);
	path = ai_format("%s/logs/%s.log", home, hex);
	assert_string_equal(s->log, path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	ok(ai_read_file(AT_FDCWD, path, &b, &err));
	assert_string_equal(b.data, text);
	ai_buf_done(&b);
	free(path);
}

static void
is_taken(struct outside *o, const json_t *attestation)
{
	assert_true(json_equal(attestation, sealed));
	assert_true(ai_digest_eq(&o->job.root_id, &inside.job.root_id));
	assert_true(json_equal(o->job.run_node, inside.job.run_node));
	for (size_t i = 0; i < 2; i++) {
		struct ai_job_step *s = &o->job.steps[i];
		struct ai_digest *ids = NULL, id;
		size_t n = 0;
		json_t *found = NULL;
		struct ai_err e = { 0 };
		assert_int_equal(s->state, AI_STEP_EXECUTED);
		assert_true(ai_digest_eq(&s->id, &inside.job.steps[i].id));
		assert_true(ai_digest_eq(&s->result_id, &inside.job.steps[i].result_id));
		assert_true(json_equal(s->result, inside.job.steps[i].result));
		assert_int_equal(ai_job_outputs_there(&o->job, s->result, &e), 1);
		ok(ai_store_results(o->job.store, &s->id, &ids, &n, &err));
		assert_int_equal(n, 1);
		free(ids);
		assert_int_equal(ai_store_attestation_of(o->job.store, &s->result_id, &id, &found, &e), 1);
		json_decref(found);
	}
	log_is(&o->job.steps[0], o->job.home.cache, "log of one\n");
	log_is(&o->job.steps[1], o->job.home.cache, "log of \033[31mtwo\n");
	assert_int_equal(files_in(o->job.home.cache, "logs"), 2);
}

static void
test_round_trip(void **state)
{
	(void)state;
	struct outside o;
	json_t *attestation = NULL;
	go_outside(&o);
	watch(done_fd, size_of(done_fd));
	ok(ai_result_take(done_fd, size_of(done_fd), &o.job, &attestation, &err));
	watch_ends();
	is_taken(&o, attestation);
	json_decref(attestation);
	outside_done(&o);
}

static void
spoil(int fd, off_t at, size_t n)
{
	char *junk = malloc(n);
	memset(junk, 0x5a, n);
	put(fd, at, junk, n);
	free(junk);
}

static void
test_disk_changes_behind_the_reader(void **state)
{
	(void)state;
	struct outside o;
	json_t *attestation = NULL;
	struct parts p = take_apart(done_fd, "result");
	int fd = put_together(&p, "result", SIZE_MAX);
	go_outside(&o);
	watch(fd, size_of(fd));
	after_read = spoil;
	ok(ai_result_take(fd, size_of(fd), &o.job, &attestation, &err));
	watch_ends();
	is_taken(&o, attestation);
	json_decref(attestation);
	outside_done(&o);
	parts_free(&p);
	close(fd);
}

/* --- runs that failed ------------------------------------------------------------------------------- */

static void
test_failed_run(void **state)
{
	(void)state;
	struct outside o;
	struct ai_err e = { 0 };
	json_t *attestation = NULL;
	go_outside(&o);
	o.options.nonce = NULL;
	assert_int_equal(ai_result_take(failed_fd, size_of(failed_fd), &o.job, &attestation, &e), AI_ESTEP);
	assert_string_equal(e.text, "in the machine: step 'two': failed: exit status 1");
	assert_string_equal(e.hint, "its log is somewhere");
	assert_true(json_equal(attestation, sealed_failed));
	assert_int_equal(o.job.steps[0].state, AI_STEP_EXECUTED);
	assert_int_equal(o.job.steps[1].state, AI_STEP_FAILED);
	assert_string_equal(o.job.steps[1].failure, "exit status 1");
	log_is(&o.job.steps[1], o.job.home.cache, "cat: no such file\n");
	assert_null(o.job.run_node);
	/* Its first step's content stayed inside, so its result is none that anybody could use. */
	struct ai_digest *ids = NULL;
	size_t n = 9;
	ok(ai_store_results(o.job.store, &o.job.steps[0].id, &ids, &n, &err));
	assert_int_equal(n, 0);
	free(ids);
	json_decref(attestation);
	outside_done(&o);
}

static void
test_failed_before_it_had_a_plan(void **state)
{
	(void)state;
	struct outside o;
	struct ai_job none = { 0 };
	struct ai_err failure = { 0 }, e = { 0 };
	json_t *attestation = NULL;
	int fd = scratch_file();
	ai_fail(&failure, AI_EINPUT, "job disk: header: is no aicert disk of format 1");
	ok(ai_result_pack(&none, NULL, &failure, fd, 1u << 20, &err));
	go_outside(&o);
	assert_int_equal(ai_result_take(fd, size_of(fd), &o.job, &attestation, &e), AI_EINPUT);
	assert_string_equal(e.text, "in the machine: job disk: header: is no aicert disk of format 1");
	assert_string_equal(e.hint, "");
	assert_null(attestation);
	knows_nothing(&o);
	outside_done(&o);
	close(fd);
}

static void
test_nothing_written(void **state)
{
	(void)state;
	struct outside o;
	json_t *attestation = NULL;
	int fd = scratch_file();
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	go_outside(&o);
	refused(AI_EENV, "ended without writing", ai_result_take(fd, 1 << 20, &o.job, &attestation, &err));
	/* Nor is a job's disk a result. */
	struct ai_disk_writer *w = NULL;
	AI_JSON *about = json_object();
	ok(ai_disk_begin(fd, "job", 1 << 20, &w, &err));
	ok(ai_disk_finish(w, about, NULL, &err));
	refused(AI_EINPUT, "is of kind 'job'", ai_result_take(fd, 1 << 20, &o.job, &attestation, &err));
	knows_nothing(&o);
	outside_done(&o);
	close(fd);
}

/* A disk that is too small for the content still takes the word that it is. */
static void
test_full_disk(void **state)
{
	(void)state;
	struct outside o;
	struct ai_err full = { 0 }, e = { 0 };
	json_t *attestation = NULL;
	int fd = scratch_file();
	assert_int_equal(ai_result_pack(&inside.job, sealed, NULL, fd, 8 * AI_DISK_BLOCK, &full), AI_EENV);
	assert_non_null(strstr(full.text, "is full"));
	ok(ai_result_pack(&inside.job, sealed_failed, &full, fd, 10 * AI_DISK_BLOCK, &err));
	go_outside(&o);
	o.options.nonce = NULL;
	/* That attestation lists one result, this run has two. */
	assert_int_equal(ai_result_take(fd, size_of(fd), &o.job, &attestation, &e), AI_EINPUT);
	ok(ai_result_pack(&inside.job, NULL, &full, fd, 8 * AI_DISK_BLOCK, &err));
	e = (struct ai_err){ 0 };
	assert_int_equal(ai_result_take(fd, size_of(fd), &o.job, &attestation, &e), AI_EENV);
	assert_string_equal(e.text, "in the machine: step 'two': output 'all': result disk: is full: it holds 32768 bytes");
	outside_done(&o);
	close(fd);
}

/* --- logs ------------------------------------------------------------------------------------------------ */

static void
test_long_log(void **state)
{
	(void)state;
	enum { LONG = (16 << 20) + 1 };
	struct ai_job_step *s = &inside.job.steps[0];
	int fd = scratch_file();
	char *text = malloc(LONG);
	memset(text, '.', LONG);
	memcpy(text, "first", 5);
	memcpy(text + LONG - 4, "last", 4);
	ok(ai_write_file(AT_FDCWD, s->log, text, LONG, 0600, &err));
	ok(ai_result_pack(&inside.job, sealed, NULL, fd, 64u << 20, &err));
	struct parts p = take_apart(fd, "result");
	struct part *x = part_named(&p, "log", "one");
	assert_true(x->bytes.len < 16 << 20 && x->bytes.len > (16 << 20) - 1024);
	assert_memory_equal(x->bytes.data, "first", 5);
	assert_memory_equal(x->bytes.data + x->bytes.len - 4, "last", 4);
	assert_non_null(memmem(x->bytes.data, x->bytes.len, " bytes left out", 15));
	ok(try(&p, &err));
	parts_free(&p);
	/* One that a machine did not shorten is refused. */
	p = take_apart(done_fd, "result");
	x = part_named(&p, "log", "one");
	ai_buf_clear(&x->bytes);
	ai_buf_put(&x->bytes, text, LONG);
	refused(AI_EINPUT, "log 'one'", try(&p, &err));
	parts_free(&p);
	write_log(&inside.job, s, "log of one\n");
	free(text);
	close(fd);
}

static void
test_log_of_nobody(void **state)
{
	(void)state;
	struct parts p = take_apart(done_fd, "result");
	part_add(&p, "log", "three", "x", 1);
	refused(AI_EINPUT, "log 'three': no step", try(&p, &err));
	parts_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_disk_changes_behind_the_reader),
		cmocka_unit_test(test_failed_run),
		cmocka_unit_test(test_failed_before_it_had_a_plan),
		cmocka_unit_test(test_nothing_written),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_long_log),
		cmocka_unit_test(test_log_of_nobody),
	};
	return cmocka_run_group_tests(tests, result_setup, result_teardown);
}

/* result_pack.c -- what a job made, or why it made nothing, onto the result disk (result_disk.h).  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "vm/disk/closure.h"
#include "vm/disk/result_disk.h"
#include "vm/disk/result_parts.h"

struct pack {
	struct ai_job *job;
	const struct ai_err *error;
	struct ai_disk_writer *w;
	struct ai_closure content;
};

/* --- objects -------------------------------------------------------------------------------------- */

static int
add_json(struct pack *p, const char *type, const char *name, const json_t *j, struct ai_err *err)
{
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	if (ai_canon(j, &b, err) < 0 || ai_buf_ok(&b, type, err) < 0)
		return err->code;
	return ai_disk_add(p->w, type, name, b.data, b.len, err);
}

static int
carry(void *ctx, const char *type, const struct ai_digest *id, const json_t *node, struct ai_err *err)
{
	struct pack *p = ctx;
	char hex[AI_HEX];
	ai_hex(id, hex);
	if (node)
		return add_json(p, type, hex, node, err);
	AI_FREE char *path = ai_store_object_path(p->job->store, id);
	if (!path)
		return ai_nomem(err);
	AI_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? ai_fail_errno(err, AI_EENV, "blob %s: cannot open", hex) : ai_disk_add_fd(p->w, type, hex, fd, err);
}

/* A whole log, or its two ends. */
static int
read_log(const char *path, struct ai_buf *b, struct ai_err *err)
{
	enum { KEPT = AI_RESULT_MAX_LOG / 2 - 128 };
	struct stat st;
	AI_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot open", path);
	if (st.st_size <= AI_RESULT_MAX_LOG)
		return ai_read_fd(fd, path, b, err);
	AI_FREE char *chunk = malloc(KEPT);
	if (!chunk)
		return ai_nomem(err);
	for (int end = 0; end < 2; end++) {
		/* Nothing writes to it any more: a short read is a failing disk. */
		if (pread(fd, chunk, KEPT, end ? st.st_size - KEPT : 0) != KEPT)
			return ai_fail_errno(err, AI_EENV, "%s: cannot read", path);
		ai_buf_put(b, chunk, KEPT);
		if (!end)
			ai_buf_printf(b, "\n[… %lld bytes left out …]\n", (long long)st.st_size - 2 * KEPT);
	}
	return ai_buf_ok(b, path, err);
}

static int
add_log(struct pack *p, const struct ai_job_step *s, struct ai_err *err)
{
	AI_BUF_AUTO b = AI_BUF(AI_RESULT_MAX_LOG);
	if (!s->log || s->state == AI_STEP_WAITING || !ai_exists(s->log))
		return 0;
	return read_log(s->log, &b, err) < 0 ? err->code : ai_disk_add(p->w, "log", s->name, b.data ? b.data : "", b.len, err);
}

static int
add_outputs(struct pack *p, const struct ai_job_step *s, struct ai_err *err)
{
	size_t i;
	json_t *o;
	json_array_foreach(ai_json_arr(s->result, "outputs"), i, o) {
		struct ai_ref ref;
		if (ai_ref_get(o, &ref, err) < 0 || ai_closure_content(&p->content, &ref, err) < 0)
			return ai_in(err, "step '%s': output '%s'", s->name, ai_json_str(o, "name"));
	}
	return 0;
}

/* The result node always; content only when all went well: a failed run must fit on a disk that its outputs filled. */
static int
add_result(struct pack *p, const struct ai_job_step *s, struct ai_err *err)
{
	struct ai_digest used;
	AI_JSON *node = NULL;
	AI_JSON *used_node = NULL;
	if (s->state != AI_STEP_EXECUTED)
		return 0;
	if (ai_closure_node(&p->content, "result", &s->result_id, &node, err) < 0)
		return ai_in(err, "step '%s'", s->name);
	if (ai_json_digest(s->result, "used", &used) && ai_closure_node(&p->content, "used", &used, &used_node, err) < 0)
		return ai_in(err, "step '%s'", s->name);
	return p->error ? 0 : add_outputs(p, s, err);
}

/* --- about ------------------------------------------------------------------------------------------ */

static json_t *
about_step(const struct ai_job_step *s)
{
	json_t *j = json_pack("{s:s, s:s}", "name", s->name, "state", ai_result_state_word(s->state));
	bool executed = s->state == AI_STEP_EXECUTED, failed = s->state == AI_STEP_FAILED;
	if (j && s->step && (executed || failed))
		(void)json_object_set_new(j, "step", ai_json_hex(&s->id));
	if (j && executed)
		(void)json_object_set_new(j, "result", ai_json_hex(&s->result_id));
	if (j && failed && s->failure && *s->failure)
		(void)json_object_set_new(j, "failure", json_string(s->failure));
	return j;
}

static int
about_error(json_t *about, const struct ai_err *error)
{
	json_t *e = json_pack("{s:i, s:s}", "code", error->code, "text", error->text[0] ? error->text : "failed, and did not say how");
	if (e && error->hint[0])
		(void)json_object_set_new(e, "hint", json_string(error->hint));
	return json_object_set_new(about, "error", e);
}

static int
make_about(const struct pack *p, json_t **out, struct ai_err *err)
{
	AI_JSON *about = json_pack("{s:[]}", "steps");
	json_t *steps = about ? ai_json_arr(about, "steps") : NULL;
	if (!steps || (p->job->plan && json_object_set_new(about, "plan", ai_json_hex(&p->job->plan_id)) < 0))
		return ai_nomem(err);
	/* Without a plan that was kept there are no steps to speak of. */
	for (size_t i = 0; p->job->plan && i < p->job->n_steps; i++)
		if (json_array_append_new(steps, about_step(&p->job->steps[i])) < 0)
			return ai_nomem(err);
	if ((p->error ? about_error(about, p->error) : json_object_set_new(about, "root", ai_json_hex(&p->job->root_id))) < 0)
		return ai_nomem(err);
	struct ai_result_about checked;
	if (ai_result_about_parse(about, &checked, err) < 0)
		return err->code;
	ai_result_about_done(&checked);
	*out = json_incref(about);
	return 0;
}

static int
pack(struct pack *p, const json_t *attestation, struct ai_err *err)
{
	AI_JSON *about = NULL;
	if (make_about(p, &about, err) < 0)
		return err->code;
	for (size_t i = 0; p->job->plan && i < p->job->n_steps; i++)
		if (add_result(p, &p->job->steps[i], err) < 0 || add_log(p, &p->job->steps[i], err) < 0)
			return err->code;
	if (attestation && add_json(p, "attestation", "", attestation, err) < 0)
		return err->code;
	int r = ai_disk_finish(p->w, about, NULL, err);
	p->w = NULL;
	return r;
}

int
ai_result_pack(struct ai_job *job, const json_t *attestation, const struct ai_err *error, int fd, uint64_t limit, struct ai_err *err)
{
	struct pack p = { .job = job, .error = error };
	p.content = (struct ai_closure){ .store = job->store, .need = carry, .ctx = &p };
	int r = ai_disk_begin(fd, "result", limit, &p.w, err);
	if (r == 0)
		r = pack(&p, attestation, err);
	ai_disk_abort(p.w);
	ai_closure_done(&p.content);
	return r;
}

/* freeze.c -- see freeze.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/freeze.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/home.h"
#include "base/path.h"
#include "base/talk.h"
#include "fetch/image_write.h"
#include "run/freeze_take.h"
#include "run/job.h"

/*
 * What the sandbox itself gives a step in the host environment and an image must bring: UTC. The rest of what it makes (/etc/passwd and
 * the like) it makes in an image too.
 */
static const struct { const char *path, *text, *target; } made[] = {
	{ "/etc/localtime", NULL, "/usr/share/zoneinfo/Etc/UTC" },
	{ "/etc/timezone", "Etc/UTC\n", NULL },
};

#define EACH(i, array) (size_t i = 0; i < sizeof (array) / sizeof *(array); i++)

/* --- what goes in ------------------------------------------------------------- */

/* What one step of the last run used: 1, 0 it ran in no host environment. */
static int
take_step(struct ai_job *job, const json_t *record, struct ai_taking *t, struct ai_err *err)
{
	AI_JSON *result = NULL;
	AI_JSON *used = NULL;
	struct ai_digest id;
	if (!ai_json_digest(record, "result", &id))
		return 0;
	int r = ai_store_get_node(job->store, &id, &result, err);
	if (r == 1 && !ai_json_digest(result, "used", &id))
		return 0;
	if (r == 1)
		r = ai_store_get_node(job->store, &id, &used, err);
	if (r == 0) {
		ai_fail(err, AI_EUSAGE, "the record of what the last run used is gone from the cache");
		return ai_hint(err, "run it again, then freeze");
	}
	return r < 0 || ai_taking_used(t, used, err) < 0 ? err->code : 1;
}

static int
take_run(struct ai_job *job, struct ai_taking *t, struct ai_err *err)
{
	const char *state = ai_json_str(job->previous, "state");
	bool host = false;
	size_t i;
	json_t *s;
	if (!state || strcmp(state, "done") != 0) {
		ai_fail(err, AI_EUSAGE, state ? "the last run of this project failed, so what its steps need is not known" : "this project was never run here");
		return ai_hint(err, "run it in the host environment first (environment: host); --no-run takes the named paths alone");
	}
	json_array_foreach(ai_json_arr(job->previous, "steps"), i, s) {
		int r = take_step(job, s, t, err);
		if (r < 0)
			return r;
		host = host || r == 1;
	}
	if (host)
		return 0;
	ai_fail(err, AI_EUSAGE, "no step of the last run ran in the host environment");
	return ai_hint(err, "run it with 'environment: host' and without an image first; --no-run takes the named paths alone");
}

/* --- into the image --------------------------------------------------------------- */

static int
put_file(struct ai_image_writer *w, const struct ai_taken *e, struct ai_err *err)
{
	struct ai_digest id;
	AI_GUISE g = { .on = false };
	if (ai_guise_on(&g, err) < 0)
		return err->code;
	AI_FD fd = open(e->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return ai_fail_errno(err, AI_EINPUT, "'%s': cannot open", e->path);
	ai_guise_off(&g);
	if (ai_image_write_file(w, e->path + 1, e->look == AI_LOOK_EXEC, fd, &id, err) < 0)
		return err->code;
	if (!e->known || ai_digest_eq(&id, &e->id))
		return 0;
	ai_fail(err, AI_EINPUT, "%s: is no longer what the last run used: content differs", e->path);
	return ai_hint(err, "run again (aicert run --fresh), then freeze");
}

struct counts { size_t files, folders, links; };

static int
put(struct ai_image_writer *w, const struct ai_taken *e, struct counts *n, struct ai_err *err)
{
	n->files += e->look == AI_LOOK_FILE || e->look == AI_LOOK_EXEC;
	n->folders += e->look == AI_LOOK_DIR;
	n->links += e->look == AI_LOOK_LINK;
	if (e->look == AI_LOOK_DIR)
		return ai_image_write_folder(w, e->path + 1, err);
	if (e->text)
		return ai_image_write_text(w, e->path + 1, e->text, err);
	return e->look == AI_LOOK_LINK ? ai_image_write_link(w, e->path + 1, e->target, err) : put_file(w, e, err);
}

static int
put_all(struct ai_image_writer *w, struct ai_taken *const *all, size_t n, const struct ai_talk *talk, struct counts *counts, struct ai_err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (put(w, all[i], counts, err) < 0)
			return err->code;
		if (i % 256 == 0)
			ai_say_progress(talk, "freezing", i, n);
	}
	return 0;
}

static int
write_image(const struct ai_freeze *in, const struct ai_taking *t, struct ai_taken *const *all, size_t n, const struct ai_talk *talk, json_t **report,
	struct ai_err *err)
{
	struct ai_image_writer *w;
	struct ai_image_written done = { 0 };
	struct counts counts = { 0 };
	char manifest[AI_HEX], layer[AI_HEX];
	if (ai_image_write_begin(in->out, in->force, &w, err) < 0)
		return err->code;
	if (put_all(w, all, n, talk, &counts, err) < 0) {
		ai_image_write_abort(w);
		return err->code;
	}
	if (ai_image_write_finish(w, AI_PLATFORM, &done, err) < 0)
		return err->code;
	ai_hex(&done.manifest, manifest);
	ai_hex(&done.layer, layer);
	*report = json_pack("{s:s, s:s+, s:s+, s:I, s:I, s:I, s:I, s:O}", "image", in->out, "manifest", "sha256:", manifest, "layer", "sha256:", layer,
		"bytes", (json_int_t)done.bytes, "files", (json_int_t)counts.files, "folders", (json_int_t)counts.folders, "links", (json_int_t)counts.links,
		"left_out", t->left_out);
	return *report ? 0 : ai_nomem(err);
}

/* --- the whole ------------------------------------------------------------------------ */

static void
paths_free(char **paths, size_t n)
{
	for (size_t i = 0; paths && i < n; i++)
		free(paths[i]);
	free(paths);
}

/* The named paths, absolute and without "..": fresh. */
static int
tidy_paths(const struct ai_freeze *in, char ***out, struct ai_err *err)
{
	if (in->no_run && in->n_paths == 0)
		return ai_fail(err, AI_EUSAGE, "usage: --no-run without a path leaves nothing to freeze");
	char **paths = ai_calloc(in->n_paths + 1, sizeof *paths);
	for (size_t i = 0; paths && i < in->n_paths; i++) {
		if ((paths[i] = ai_abspath(in->paths[i])))
			continue;
		paths_free(paths, i);
		return ai_nomem(err);
	}
	*out = paths;
	return paths ? 0 : ai_nomem(err);
}

static int
take_all(char *const *paths, size_t n, struct ai_job *job, struct ai_taking *t, struct ai_err *err)
{
	for EACH(i, made)
		if (ai_taking_made(t, made[i].path, made[i].target, made[i].text, err) < 0)
			return err->code;
	if (job && take_run(job, t, err) < 0)
		return err->code;
	for (size_t i = 0; i < n; i++)
		if (ai_taking_path(t, paths[i], err) < 0)
			return err->code;
	return 0;
}

static int
freeze(const struct ai_freeze *in, const struct ai_home *home, struct ai_job *job, const struct ai_talk *talk, json_t **report, struct ai_err *err)
{
	struct ai_taking t;
	char **paths = NULL;
	AI_FREE struct ai_taken **all = NULL;
	AI_FREE char *user = getenv("HOME") ? ai_abspath(getenv("HOME")) : NULL;
	size_t n = 0;
	if (tidy_paths(in, &paths, err) < 0)
		return err->code;
	int r = ai_taking_begin(&t, (const char *const *)paths, in->n_paths, user, home->cache, home->data, err);
	r = r < 0 ? r : take_all(paths, in->n_paths, job, &t, err);
	r = r < 0 ? r : ai_taking_list(&t, &all, &n, err);
	r = r < 0 ? r : write_image(in, &t, all, n, talk, report, err);
	ai_taking_done(&t);
	paths_free(paths, in->n_paths);
	return r;
}

int
ai_freeze(const struct ai_run_options *run, const struct ai_freeze *in, json_t **report, struct ai_err *err)
{
	struct ai_job job;
	struct ai_home home = { 0 };
	if (in->no_run) {
		int r = ai_home_find(run->home, &home, err);
		r = r < 0 ? r : freeze(in, &home, NULL, run->talk, report, err);
		ai_home_done(&home);
		return r;
	}
	int r = ai_job_open(run, &job, err);
	r = r < 0 ? r : freeze(in, &job.home, &job, run->talk, report, err);
	ai_job_done(&job);
	return r;
}

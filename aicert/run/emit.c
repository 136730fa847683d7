/*
 * emit.c -- proof and outputs put where the user wants them, over nothing that is not ours (job.h).
 *
 * Ours is what is absent, what already holds the very bytes, and what the last run of this project wrote and nobody changed since;
 * the record of that run says what it wrote. Everything else is kept unless --force was said.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/path.h"
#include "fetch/fetch.h"
#include "proof/proof.h"
#include "run/job.h"
#include "run/lineage.h"

/* One output of the run and its place under the output folder. */
struct target {
	const char *name;       /* of the run's output */
	char *path;             /* absolute */
	struct ai_ref content;  /* valid once the step has a result */
	bool folder;            /* its content goes into the output folder itself, among other things */
	bool fresh;             /* it has just been put there, and is not synced */
};

static void
targets_free(struct target *t, size_t n)
{
	for (size_t i = 0; t && i < n; i++)
		free(t[i].path);
	free(t);
}

/* How many steps were written? Those that build packages (plan_wheels.h) are the planner's, and move no outputs. */
static size_t
written_steps(const struct ai_job *job)
{
	size_t n = 0;
	for (size_t i = 0; i < job->manifest->n_steps; i++)
		n += strcmp(job->manifest->steps[i].use, "wheels") != 0;
	return n;
}

/*
 * Where an output goes: as it lay under /workspace/outputs (the guide's users look for their file there), or by its name when it
 * lay elsewhere. With several steps, which may all write "model.bin", by name; also where one of several was chosen.
 */
static char *
place(const struct ai_job *job, const json_t *plan_output, const json_t *spec, bool several)
{
	static const char base[] = "/workspace/outputs";
	const char *path = ai_json_str(spec, "path"), *name = ai_json_str(plan_output, "name");
	bool inside = strncmp(path, base, sizeof base - 1) == 0 && (path[sizeof base - 1] == '/' || path[sizeof base - 1] == '\0');
	if (several || !inside)
		return ai_join(job->output_dir, name);
	return path[sizeof base - 1] ? ai_join(job->output_dir, path + sizeof base) : ai_strdup(job->output_dir);
}

static int
make_targets(struct ai_job *job, struct target **out, size_t *n_out, struct ai_err *err)
{
	const json_t *outputs = ai_json_arr(job->plan, "outputs");
	size_t n = json_array_size(outputs);
	struct target *t = ai_calloc(n, sizeof *t);
	bool several = written_steps(job) > 1 || job->manifest->selected.n;
	if (!t)
		return ai_nomem(err);
	for (size_t i = 0; i < n; i++) {
		const json_t *o = json_array_get(outputs, i);
		const json_t *spec = NULL;
		int r = ai_job_output_spec(job, ai_json_str(o, "step"), ai_json_str(o, "output"), &spec, err);
		t[i].name = ai_json_str(o, "name");
		t[i].path = r == 0 ? place(job, o, spec, several) : NULL;
		if (r < 0) {
			targets_free(t, n);
			return r;
		}
		if (!t[i].path) {
			targets_free(t, n);
			return ai_nomem(err);
		}
		t[i].folder = strcmp(t[i].path, job->output_dir) == 0;
	}
	*out = t;
	*n_out = n;
	return 0;
}

/* What the last run wrote at a path: *id is borrowed, or NULL. */
static int
written_before(struct ai_job *job, const char *path, const char **id, struct ai_err *err)
{
	const json_t *list = ai_json_arr(job->previous, "written");
	size_t i;
	json_t *w;
	if (!job->written_paths.n)
		json_array_foreach(list, i, w) {
			const char *p = ai_json_str(w, "path");
			if (p && ai_names_put(&job->written_paths, p, strlen(p), i, err) < 0)
				return err->code;
		}
	*id = ai_names_find(&job->written_paths, path, strlen(path), &i) ? ai_json_str(json_array_get(list, i), "id") : NULL;
	return 0;
}

/* Id of what lies at path now: 1, 0 absent. A folder's is its tree's. */
static int
present(struct ai_job *job, const char *path, struct ai_ref *out, struct ai_err *err)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return 0;
	*out = (struct ai_ref){ .type = AI_REF_BLOB };
	if (S_ISREG(st.st_mode))
		return ai_store_hash_file(job->store, AT_FDCWD, path, &out->id, err) < 0 ? err->code : 1;
	if (!S_ISDIR(st.st_mode))
		return ai_fail(err, AI_EUSAGE, "%s: is there and neither file nor folder", path);
	/* Into the store rather than only hashed: the store's stat cache makes the next look free. */
	struct ai_path_options none = { 0 };
	return ai_path_import(ai_store_sink(job->store), path, &none, out, err) < 0 ? err->code : 1;
}

static bool
folder_is_empty(const char *path)
{
	DIR *d = opendir(path);
	size_t n = 0;
	while (d && n <= 2 && readdir(d))
		n++;
	if (d)
		closedir(d);
	return d && n == 2;
}

/* May path be replaced? wanted may be NULL (not known yet). 1 yes, 2 it holds the very bytes, negative no. */
static int
may_replace(struct ai_job *job, const char *path, const struct ai_ref *wanted, struct ai_err *err)
{
	struct ai_ref now;
	if (job->opt->force && !wanted)
		return 1;
	int r = present(job, path, &now, err);
	if (r < 0)
		return job->opt->force ? 1 : r;
	if (r == 0)
		return 1;
	if (wanted && ai_ref_eq(&now, wanted))
		return 2;
	char hex[AI_HEX];
	ai_hex(&now.id, hex);
	const char *ours = NULL;
	if (written_before(job, path, &ours, err) < 0)
		return err->code;
	if (job->opt->force || (ours && strcmp(ours, hex) == 0) || (now.type == AI_REF_TREE && folder_is_empty(path)))
		return 1;
	ai_fail(err, AI_EUSAGE, "%s: is there, and not as the last run left it", path);
	return ai_hint(err, "move it away, choose another place with --output-dir or --output-bom, or say --force");
}

/* Is inner what lies at outer, or below it? Both absolute. */
static bool
holds(const char *outer, const char *inner)
{
	size_t n = strlen(outer);
	return strncmp(outer, inner, n) == 0 && (inner[n] == '\0' || inner[n] == '/' || n == 1);
}

/* What no run may take away, --force or not: the project, the folder we are in, and aicert's own. */
enum { N_OURS = 5 };
struct ours { char *real[N_OURS]; const char *shown[N_OURS]; };

static int
find_ours(const struct ai_job *job, struct ours *out, struct ai_err *err)
{
	AI_FREE char *here = ai_abspath(".");
	const char *const paths[N_OURS] = { job->file, job->lock_file, here, job->home.cache, job->home.data };
	for (size_t i = 0; i < N_OURS; i++) {
		out->real[i] = paths[i] ? realpath(paths[i], NULL) : NULL;
		out->shown[i] = i == 2 ? out->real[i] : paths[i];
	}
	return here ? 0 : ai_nomem(err);
}

static void
ours_done(struct ours *o)
{
	for (size_t i = 0; i < N_OURS; i++)
		free(o->real[i]);
}

/* Would replacing path take some of that away? */
static int
spares_ours(const struct ours *ours, const char *path, struct ai_err *err)
{
	static const char *const what[N_OURS] = { "it is the Aicertfile", "it is the lock", "it is the folder you are in", "aicert keeps things there",
		"aicert keeps its keys there" };
	AI_FREE char *real = realpath(path, NULL);
	for (size_t i = 0; i < N_OURS; i++) {
		if (real && ours->real[i] && holds(real, ours->real[i])) {
			if (strcmp(real, ours->real[i]) == 0)
				ai_fail(err, AI_EUSAGE, "%s: is not to be replaced by an output or a proof: %s", path, what[i]);
			else
				ai_fail(err, AI_EUSAGE, "%s: would be replaced whole, and '%s' is in it", path, ours->shown[i]);
			return ai_hint(err, "choose a place of its own with --output-dir or --output-bom");
		}
	}
	return 0;
}

/*
 * A project may be a stranger's, with a link where outputs will go ("outputs" that leads to ~/.ssh), and nothing is written through one.
 * What the user named with --output-dir is his word: then only what lies below counts.
 */
static int
leads_nowhere_else(const struct ai_job *job, const char *path, struct ai_err *err)
{
	size_t from = strlen(job->output_dir) + (job->opt->output_dir != NULL);
	const char *slash = strlen(path) > from ? strchr(path + from, '/') : NULL;
	for (; slash; slash = strchr(slash + 1, '/')) {
		struct stat st;
		AI_FREE char *folder = ai_strndup(path, (size_t)(slash - path));
		if (!folder)
			return ai_nomem(err);
		if (lstat(folder, &st) == 0 && S_ISLNK(st.st_mode)) {
			ai_fail(err, AI_EUSAGE, "%s: is a symbolic link, and no output is written through one", folder);
			return ai_hint(err, "remove it, or name the folder that it leads to with --output-dir");
		}
	}
	return 0;
}

/* A training of hours must not end at a folder that cannot be written: what is above path is looked at before anything runs. */
static int
can_be_made(const char *path, struct ai_err *err)
{
	AI_FREE char *up = ai_strdup(path);
	struct stat st;
	int r = -1;
	if (!up)
		return ai_nomem(err);
	do {
		char *slash = strrchr(up, '/');
		slash[slash == up] = '\0';
		r = stat(up, &st);
	} while (r < 0 && (errno == ENOENT || errno == ENOTDIR) && up[1]);
	if (r < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot be written", up);
	if (!S_ISDIR(st.st_mode))
		return ai_fail(err, AI_EUSAGE, "%s: cannot be made: '%s' is not a folder", path, up);
	return faccessat(AT_FDCWD, up, W_OK | X_OK, AT_EACCESS) < 0 ? ai_fail_errno(err, AI_EENV, "%s: cannot be written", up) : 0;
}

static int
check_proof_place(struct ai_job *job, const struct ours *ours, const struct target *t, size_t n, struct ai_err *err)
{
	const char *given = job->opt->proof;
	struct stat st;
	bool folder = (given && *given && given[strlen(given) - 1] == '/') || (stat(job->proof, &st) == 0 && S_ISDIR(st.st_mode));
	if (folder) {
		ai_fail(err, AI_EUSAGE, "%s: is a folder: expected the name of a file", job->proof);
		return ai_hint(err, "--output-bom %s/proof.json", job->proof);
	}
	for (size_t i = 0; i < n; i++)
		if (holds(t[i].path, job->proof)) {
			bool same = strcmp(t[i].path, job->proof) == 0;
			ai_fail(err, AI_EUSAGE, same ? "%s: both the proof and the output '%s' would go there"
				: "%s: the proof would lie in the output '%s', which is replaced whole", job->proof, t[i].name);
			return ai_hint(err, "choose another place with --output-bom or --output-dir");
		}
	if (spares_ours(ours, job->proof, err) < 0 || can_be_made(job->proof, err) < 0)
		return err->code;
	return may_replace(job, job->proof, NULL, err);
}

int
ai_job_emit_check(struct ai_job *job, struct ai_err *err)
{
	struct target *t = NULL;
	size_t n = 0;
	struct ours ours = { { NULL }, { NULL } };
	if (make_targets(job, &t, &n, err) < 0)
		return err->code;
	int r = find_ours(job, &ours, err);
	for (size_t i = 0; i < n && r == 0; i++)
		r = spares_ours(&ours, t[i].path, err);
	if (r == 0)
		r = check_proof_place(job, &ours, t, n, err);
	for (size_t i = 0; i < n && r > 0; i++) {
		r = can_be_made(t[i].path, err);
		if (r == 0)
			r = may_replace(job, t[i].path, NULL, err);
	}
	targets_free(t, n);
	ours_done(&ours);
	return r < 0 ? r : 0;
}

static int
note_written(json_t *written, const char *path, const struct ai_digest *id, struct ai_err *err)
{
	char hex[AI_HEX];
	ai_hex(id, hex);
	return json_array_append_new(written, json_pack("{s:s, s:s}", "path", path, "id", hex)) < 0 ? ai_nomem(err) : 0;
}

/* The folder that a path is in. */
static char *
up_from(const char *path)
{
	return ai_strndup(path, (size_t)(ai_basename(path) - path));
}

static int
export_target(struct ai_job *job, struct target *t, json_t *written, struct ai_err *err)
{
	int r = leads_nowhere_else(job, t->path, err);
	if (r == 0)
		r = may_replace(job, t->path, &t->content, err);
	if (r < 0)
		return r;
	if (r == 1) {
		AI_FREE char *up = up_from(t->path);
		if (!up)
			return ai_nomem(err);
		if (ai_mkdirs(up, 0755, err) < 0 || ai_remove_tree(AT_FDCWD, t->path, err) < 0 ||
			ai_store_export_soon(job->store, &t->content, t->path, err) < 0)
			return err->code;
		t->fresh = true;
	}
	return note_written(written, t->path, &t->content.id, err);
}

/* All are durable before the proof that speaks of them is written: synced together, for one by one they would take most of a run's time. */
static int
sync_targets(const struct target *t, size_t n, struct ai_err *err)
{
	uint64_t last = 0;
	for (size_t i = 0; i < n; i++) {
		AI_FREE char *up = t[i].fresh ? up_from(t[i].path) : NULL;
		if (t[i].fresh && !up)
			return ai_nomem(err);
		if (up && ai_store_sync_at(up, &last, err) < 0)
			return err->code;
	}
	return 0;
}

static int
export_outputs(struct ai_job *job, json_t *written, struct ai_err *err)
{
	struct target *t = NULL;
	size_t n = 0;
	if (make_targets(job, &t, &n, err) < 0)
		return err->code;
	int r = 0;
	for (size_t i = 0; i < n && r == 0; i++) {
		r = ai_ref_get(json_array_get(ai_json_arr(job->run_node, "outputs"), i), &t[i].content, err);
		if (r == 0)
			r = export_target(job, &t[i], written, err);
	}
	if (r >= 0)
		r = sync_targets(t, n, err);
	targets_free(t, n);
	return r;
}

/* Reused results were found by their attestation, so it is looked up by one of the results it executed. */
static int
source_attestation(void *ctx, const struct ai_digest *id, json_t **out, struct ai_err *err)
{
	struct ai_job *job = ctx;
	for (size_t i = 0; i < job->n_steps; i++) {
		struct ai_job_step *s = &job->steps[i];
		if (s->state != AI_STEP_REUSED || !ai_digest_eq(&s->attestation, id))
			continue;
		AI_JSON *found = NULL;
		struct ai_digest found_id;
		int r = ai_store_attestation_of(job->store, &s->result_id, &found_id, &found, err);
		if (r < 0)
			return r;
		if (r == 1 && ai_digest_eq(&found_id, id)) {
			*out = json_incref(found);
			return 0;
		}
	}
	return ai_fail(err, AI_EENV, "attestations: one that a reused result rests on is gone");
}

static int
source_node(void *ctx, const struct ai_digest *id, json_t **out, struct ai_err *err)
{
	struct ai_job *job = ctx;
	int r = ai_store_get_node(job->store, id, out, err);
	char hex[AI_HEX];
	ai_hex(id, hex);
	return r == 1 ? 0 : r < 0 ? r : ai_fail(err, AI_EENV, "cache: node %s is gone", hex);
}

static int
source_blob(void *ctx, const struct ai_digest *id, struct ai_buf *out, struct ai_err *err)
{
	struct ai_job *job = ctx;
	return ai_store_get_bytes(job->store, id, out, err);
}

static int
write_proof(struct ai_job *job, const json_t *attestation, json_t *written, struct ai_err *err)
{
	struct ai_proof_source src = { source_node, source_blob, source_attestation, job, job->opt->with_trees, ai_lineage_proof };
	AI_JSON *proof = NULL;
	AI_BUF_AUTO text = AI_BUF(AI_MAX_PROOF);
	if (ai_proof_make(&job->root_id, attestation, &src, &proof, err) < 0 || ai_json_pretty(proof, &text, err) < 0)
		return err->code;
	if (may_replace(job, job->proof, NULL, err) < 0)
		return err->code;
	AI_FREE char *up = ai_strndup(job->proof, (size_t)(ai_basename(job->proof) - job->proof));
	struct ai_digest id;
	if (!up)
		return ai_nomem(err);
	if (ai_mkdirs(up, 0755, err) < 0 || ai_write_file(AT_FDCWD, job->proof, text.data, text.len, 0644, err) < 0)
		return err->code;
	ai_sha256(text.data, text.len, &id);
	return note_written(written, job->proof, &id, err);
}

/*
 * Two runs of one project may end together, each with outputs and a proof for the same places: the second waits until the first has written,
 * and then finds what the first left, which is as much ours to replace as what the run before both left.
 */
static int
emit_alone(struct ai_job *job, int *turn, struct ai_err *err)
{
	AI_JSON *last = NULL;
	*turn = open(job->project, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* A file system without locks has no turns: then the later one writes last, and what is replaced is checked all the same. */
	while (*turn >= 0 && flock(*turn, LOCK_EX) < 0 && errno == EINTR)
		if (ai_interrupted)
			return ai_fail(err, AI_EINTR, "%s: interrupted", job->project);
	if (ai_store_last_run(job->store, job->project, &last, err) < 0)
		return err->code;
	ai_names_done(&job->previous_names);
	ai_names_done(&job->written_paths);
	json_decref(job->previous);
	job->previous = json_incref(last);
	return 0;
}

int
ai_job_emit(struct ai_job *job, const json_t *attestation, struct ai_err *err)
{
	AI_JSON *written = json_array();
	AI_FD turn = -1;
	if (!written)
		return ai_nomem(err);
	if (emit_alone(job, &turn, err) < 0 || export_outputs(job, written, err) < 0 || write_proof(job, attestation, written, err) < 0)
		return err->code;
	json_decref(job->written);
	job->written = json_incref(written);
	return ai_job_record(job, written, err);
}

/* step.c -- one step: its actions in the sandbox, its outputs into the store (job.h).  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/path.h"
#include "cache/session.h"
#include "run/checkpoint.h"
#include "run/collect.h"
#include "run/box/gpu.h"
#include "run/box/image_root.h"
#include "run/job.h"
#include "run/laid.h"
#include "run/box/limits.h"
#include "run/observe/observe.h"
#include "run/box/sandbox.h"
#include "run/box/workspace.h"

/* What one execution needs and leaves; freed by execution_done. */
struct execution {
	char *scratch;                 /* outside folder of this execution */
	struct ai_mount *mounts; size_t n_mounts, n_inputs; /* the inputs, and the checkpoint */
	char **folders;                /* NULL-terminated: where the step's outputs will lie */
	struct ai_observer *observer;  /* NULL unless the environment is the host */
	char *root;                    /* the image's root, NULL in the host environment */
	struct ai_gpu_mounts gpus;
	struct ai_checkpoint checkpoint;
	struct ai_laid laid;
	struct ai_step_event event;    /* what it prints is said with its name */
	const struct ai_talk *to;
	struct ai_talk talk;
	int log_fd, scratch_lock;
	bool busy;                     /* others run beside it */
};

static void
execution_done(struct execution *x)
{
	for (size_t i = 0; i < x->n_mounts; i++)
		free((char *)x->mounts[i].from);
	free(x->mounts);
	for (size_t i = 0; x->folders && x->folders[i]; i++)
		free(x->folders[i]);
	free(x->folders);
	ai_observer_free(x->observer);
	ai_gpus_mounts_done(&x->gpus);
	ai_checkpoint_done(&x->checkpoint);
	ai_laid_done(&x->laid);
	free(x->root);
	if (x->log_fd >= 0)
		close(x->log_fd);
	if (x->scratch)
		ai_discard_tree(x->scratch);
	if (x->scratch_lock >= 0)
		close(x->scratch_lock);
	free(x->scratch);
}

/* "/workspace/src" is the one input that a step may scribble on: the guide's examples write beside their code. */
static int
make_mounts(struct ai_job *job, const struct ai_job_step *s, struct execution *x, struct ai_err *err)
{
	const json_t *inputs = ai_json_arr(s->step, "inputs");
	x->mounts = ai_calloc(json_array_size(inputs) + 1, sizeof *x->mounts);
	if (!x->mounts)
		return ai_nomem(err);
	size_t i;
	json_t *in;
	json_array_foreach(inputs, i, in) {
		struct ai_ref ref;
		if (ai_ref_get(in, &ref, err) < 0)
			return err->code;
		char *from = NULL;
		if (ref.type == AI_REF_TREE) {
			if (ai_store_checked_out(job->store, &ref.id, &from, err) < 0)
				return err->code;
		} else if (!(from = ai_store_object_path(job->store, &ref.id))) {
			return ai_nomem(err);
		}
		const char *to = ai_json_str(in, "path");
		x->mounts[x->n_mounts++] = (struct ai_mount){ .from = from, .to = to,
			.how = ref.type == AI_REF_TREE && strcmp(to, "/workspace/src") == 0 ? AI_MOUNT_SCRATCH : AI_MOUNT_READ_ONLY };
	}
	if (ai_lay_files(job->home.cache, ai_json_arr(s->step, "outputs"), x->mounts, &x->n_mounts, &x->laid, err) < 0)
		return err->code;
	x->n_inputs = x->n_mounts;
	if (!x->checkpoint.data)
		return 0;
	char *from = ai_strdup(x->checkpoint.data);
	if (!from)
		return ai_nomem(err);
	x->mounts[x->n_mounts++] = (struct ai_mount){ .from = from, .to = x->checkpoint.at, .how = AI_MOUNT_WRITABLE };
	return 0;
}

/* `echo x > "$OUT_X"` works wherever the output lies: the folder above each declared output is there. */
static int
output_folders(const struct ai_job_step *s, struct execution *x, struct ai_err *err)
{
	static const char workspace[] = "/workspace/";
	const json_t *outputs = ai_json_arr(s->step, "outputs");
	size_t i, n = 0;
	json_t *o;
	x->folders = ai_calloc(json_array_size(outputs) + 2, sizeof *x->folders);
	if (!x->folders)
		return ai_nomem(err);
	if (x->checkpoint.at && !x->checkpoint.data && !(x->folders[n++] = ai_strdup(x->checkpoint.at)))
		return ai_nomem(err);
	json_array_foreach(outputs, i, o) {
		const char *path = ai_json_str(o, "path"), *slash = strrchr(path, '/');
		if (strncmp(path, workspace, sizeof workspace - 1) != 0 || slash < path + sizeof workspace - 1)
			continue;
		x->folders[n] = ai_strndup(path, (size_t)(slash - path));
		if (!x->folders[n++])
			return ai_nomem(err);
	}
	return 0;
}

static int
open_log(struct ai_job *job, struct ai_job_step *s, struct execution *x, struct ai_err *err)
{
	AI_FREE char *dir = ai_join(job->home.cache, job->logs ? job->logs : "logs");
	char hex[AI_HEX];
	ai_hex(&s->id, hex);
	free(s->log);
	s->log = dir ? ai_format("%s/%s.log", dir, hex) : NULL;
	if (!s->log)
		return ai_nomem(err);
	if (ai_mkdirs(dir, 0700, err) < 0)
		return err->code;
	x->log_fd = open(s->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	return x->log_fd < 0 ? ai_fail_errno(err, AI_EENV, "%s: cannot create log", s->log) : 0;
}

/* What its environment node says: the observed host or an image, and the first GPUs. */
static int
enter_environment(struct ai_job *job, const struct ai_job_step *s, struct execution *x, struct ai_err *err)
{
	const json_t *image = ai_json_obj(s->environment, "image");
	size_t gpus = json_array_size(ai_json_arr(s->environment, "gpus"));
	struct ai_digest content;
	if (image && (!ai_json_digest(image, "content", &content) || ai_image_root(job->store, &content, &x->root, err) < 0))
		return err->code ? err->code : ai_fail(err, AI_EUSAGE, "internal: step '%s': its image has no content", s->name);
	if (!image && !(x->observer = ai_observer_new()))
		return ai_nomem(err);
	return gpus ? ai_gpus_mounts(&job->gpus, gpus, image != NULL, &x->gpus, err) : 0;
}

/* What the sandbox says, and what comes out of it. */
static void
say_of_step(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total)
{
	struct execution *x = ctx;
	if (kind != AI_TALK_LOG) {
		if (x->to && x->to->say)
			x->to->say(x->to->ctx, kind, text, done, total);
		return;
	}
	x->event.bytes = text;
	x->event.n = (size_t)done;
	ai_say_step(x->to, &x->event);
}

static int
begin(struct ai_job *job, struct ai_job_step *s, struct execution *x, struct ai_err *err)
{
	bool known = s >= job->steps && s < job->steps + job->n_steps;
	*x = (struct execution){ .log_fd = -1, .scratch_lock = -1, .checkpoint = { .lock = -1, .above = -1 }, .laid.lock = -1, .to = job->opt->talk,
		.busy = job->opt->jobs > 1 };
	x->event = (struct ai_step_event){ .kind = AI_STEP_LOGS, .step = s->name, .index = known ? (size_t)(s - job->steps) : 0, .total = job->n_steps };
	x->talk = (struct ai_talk){ .say = say_of_step, .ctx = x };
	if (ai_scratch_make(job->opt->scratch ? job->opt->scratch : job->home.cache, "step", &x->scratch, &x->scratch_lock, err) < 0 || ai_checkpoint_open(job, s, &x->checkpoint, err) < 0 ||
		make_mounts(job, s, x, err) < 0 || output_folders(s, x, err) < 0 || open_log(job, s, x, err) < 0)
		return err->code;
	return enter_environment(job, s, x, err);
}

/* An image with GPUs finds the machine's driver libraries before its own, which are for another driver. */
static int
driver_first(char **env, size_t n, struct ai_err *err)
{
	static const char name[] = "LD_LIBRARY_PATH=";
	size_t i = 0;
	while (i < n && strncmp(env[i], name, sizeof name - 1) != 0)
		i++;
	const char *old = i < n ? env[i] + sizeof name - 1 : "";
	char *path = ai_format("%s" AI_GPU_LIBRARIES "%s%s", name, *old ? ":" : "", old);
	if (!path)
		return ai_nomem(err);
	free(env[i]);
	env[i] = path;
	return 0;
}

/* argv and env of a run action as the sandbox takes them; the arrays are the caller's, the strings borrowed or in *owned. */
static int
action_strings(const json_t *action, bool driver, const char ***argv, const char ***env, char ***owned, struct ai_err *err)
{
	const json_t *a = ai_json_arr(action, "argv"), *e = ai_json_arr(action, "env");
	*argv = ai_calloc(json_array_size(a) + 1, sizeof **argv);
	*env = ai_calloc(json_array_size(e) + 2, sizeof **env);
	*owned = ai_calloc(json_array_size(e) + 2, sizeof **owned);
	if (!*argv || !*env || !*owned)
		return ai_nomem(err);
	size_t i;
	json_t *v;
	json_array_foreach(a, i, v)
		(*argv)[i] = json_string_value(v);
	json_array_foreach(e, i, v) {
		(*owned)[i] = ai_format("%s=%s", ai_json_str(v, "name"), ai_json_str(v, "value"));
		if (!(*owned)[i])
			return ai_nomem(err);
	}
	if (driver && driver_first(*owned, json_array_size(e), err) < 0)
		return err->code;
	for (i = 0; (*owned)[i]; i++)
		(*env)[i] = (*owned)[i];
	return 0;
}

/* How a command ended, in the words of the claims ("exit 3", "signal 9", "memory limit (512M)"…); NULL for success. */
static char *
ending(const struct ai_end *end, const struct ai_sandbox *box)
{
	char *limit = ai_limits_words(end->kind, box);
	if (limit || (end->kind == AI_END_EXIT && end->value == 0))
		return limit;
	if (end->kind == AI_END_EXIT || end->kind == AI_END_SIGNAL)
		return ai_format("%s %d", end->kind == AI_END_EXIT ? "exit" : "signal", end->value);
	return ai_strdup("unknown");
}

/* A failed step: what the claims will say of it, and the error with what to do and the place of the log. */
static int
failed(struct ai_job_step *s, char *how, const char *advice, struct ai_err *err)
{
	free(s->failure);
	s->failure = how;
	ai_fail(err, AI_ESTEP, "step '%s': failed: %s", s->name, how ? how : "?");
	return ai_hint(err, "%s%sits log is %s", advice, *advice ? "; " : "", s->log);
}

static int
do_run(struct ai_job_step *s, struct execution *x, const json_t *action, struct ai_err *err)
{
	AI_FREE const char **argv = NULL;
	AI_FREE const char **env = NULL;
	char **owned = NULL;
	struct ai_end end = { 0 };
	struct ai_sandbox box = { 0 };
	int r = action_strings(action, x->root && x->gpus.n_binds > 0, &argv, &env, &owned, err);
	if (r == 0) {
		const struct ai_limits *l = &s->spec->limits;
		box = (struct ai_sandbox){
			.scratch = x->scratch, .host = x->root == NULL, .root = x->root, .mounts = x->mounts, .n_mounts = x->n_mounts,
			.argv = argv, .env = env, .cwd = ai_json_str(action, "cwd"), .outputs = "/workspace/outputs",
			.folders = (const char *const *)x->folders,
			.log_fd = x->log_fd, .talk = &x->talk, .time_s = l->time_s, .memory = l->memory, .pids = l->pids, .cpus = l->cpus,
			.observer = x->observer, .busy = x->busy, .binds = x->gpus.binds, .n_binds = x->gpus.n_binds,
		};
		r = ai_sandbox_run(&box, &end, err);
	}
	for (size_t i = 0; owned && owned[i]; i++)
		free(owned[i]);
	free(owned);
	if (r < 0) {
		free(s->failure);
		s->failure = ai_strdup(r == AI_EINTR ? "interrupted" : "not run");
		return ai_in(err, "step '%s'", s->name);
	}
	char *how = ending(&end, &box);
	bool not_found = x->root && end.kind == AI_END_EXIT && end.value == 127;
	return how ? failed(s, how, not_found ? "a command was not found, and the image may lack it" : ai_limits_hint(end.kind), err) : 0;
}

static int
do_action(struct ai_job_step *s, struct execution *x, const json_t *action, struct ai_err *err)
{
	const char *verb = ai_json_str(action, "do");
	if (strcmp(verb, "run") == 0)
		return do_run(s, x, action, err);
	int r = strcmp(verb, "write") == 0 ? ai_workspace_write(x->scratch, action, err)
		: ai_workspace_copy(x->scratch, x->mounts, x->n_inputs, action, err);
	if (r == AI_ESTEP) {
		char *how = ai_strdup(err->text);
		return failed(s, how, "", err);
	}
	return r;
}

static int
make_result(struct ai_job *job, struct ai_job_step *s, struct execution *x, struct ai_err *err)
{
	char step_hex[AI_HEX];
	ai_hex(&s->id, step_hex);
	AI_JSON *outputs = NULL;
	ai_checkpoint_show(&x->checkpoint, x->scratch, ai_json_arr(s->step, "outputs"));
	int r = ai_collect(ai_store_sink(job->store), x->scratch, s->step, &outputs, err);
	if (r == AI_ESTEP || r == AI_EINPUT) {
		char *how = ai_strdup(err->text);
		return failed(s, how, r == AI_ESTEP ? "what is to be kept is written to 'outputs', in /workspace, where a step starts" : "", err);
	}
	if (r < 0)
		return r;
	AI_JSON *result = json_pack("{s:s, s:s, s:O}", "kind", "result", "step", step_hex, "outputs", outputs);
	if (!result)
		return ai_nomem(err);
	if (x->checkpoint.resumed && json_object_set_new(result, "resumed", json_pack("[o]", ai_json_hex(&x->checkpoint.id))) < 0)
		return ai_nomem(err);
	if (x->observer) {
		AI_JSON *used = NULL;
		struct ai_digest id;
		struct ai_used_io io = ai_job_used_io(job);
		if (ai_observer_used(x->observer, &io, &used, err) < 0 || ai_store_put_node(job->store, used, &id, err) < 0)
			return err->code;
		if (json_object_set_new(result, "used", ai_json_hex(&id)) < 0)
			return ai_nomem(err);
	}
	json_decref(s->result);
	s->result = json_incref(result);
	return 0;
}

int
ai_run_actions(struct ai_job *job, struct ai_job_step *s, struct ai_err *err)
{
	struct execution x;
	int r = begin(job, s, &x, err);
	const json_t *actions = ai_json_arr(s->step, "actions");
	for (size_t i = 0; r == 0 && i < json_array_size(actions); i++)
		r = do_action(s, &x, json_array_get(actions, i), err);
	if (r == 0)
		r = make_result(job, s, &x, err);
	ai_checkpoint_end(&x.checkpoint, r == 0);
	execution_done(&x);
	return r;
}

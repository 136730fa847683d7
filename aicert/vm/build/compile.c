/*
 * compile.c -- the agent, from source, in a tree of pinned packages (build_parts.h).
 *
 * What the bytes could depend on beside source and compiler is the same everywhere: the sandbox has no network, one uid, one locale, one time zone; the
 * source lies at /workspace/src; and there is no debugging information.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/path.h"
#include "cache/session.h"
#include "fetch/fetch.h"
#include "run/box/image_root.h"
#include "run/box/limits.h"
#include "run/box/sandbox.h"
#include "run/box/workspace.h"
#include "vm/build/build_parts.h"

#define AGENT "/workspace/outputs/build/aicert-agent"

/* The parts of the source that the agent is made of, whatever else lies in the folder. */
static const char *const parts[] = { "Makefile", "aicert", "cache", "lua", "rules" };
static const char *const droppings[] = { "python", "__pycache__", ".*", "*~", "#*", "*.o", "*.d", "*.orig", "*.rej" };
enum { PARTS = sizeof parts / sizeof *parts };

static int
import(const char *source, const struct ai_sink *sink, const struct ai_talk *talk, struct ai_digest *out, struct ai_err *err)
{
	struct ai_path_options options = { .exclude = droppings, .n_exclude = sizeof droppings / sizeof *droppings, .talk = talk };
	struct ai_entry entries[PARTS];
	for (size_t i = 0; i < PARTS; i++) {
		AI_FREE char *path = ai_join(source, parts[i]);
		struct ai_ref ref;
		if (!path)
			return ai_nomem(err);
		if (ai_path_import(sink, path, &options, &ref, err) < 0) {
			ai_in(err, "aicert's source");
			return ai_hint(err, "--source FOLDER names the folder of aicert's source, as it was released");
		}
		entries[i] = (struct ai_entry){ .name = (char *)(uintptr_t)parts[i], .type = ref.type == AI_REF_TREE ? AI_ENTRY_DIR : AI_ENTRY_FILE, .id = ref.id };
	}
	return sink->tree(sink->ctx, entries, PARTS, out, err);
}

struct workshop { char *scratch, *root, *source, *log; int log_fd, lock; };

static void
workshop_done(struct workshop *w)
{
	if (w->log_fd >= 0)
		close(w->log_fd);
	if (w->scratch)
		ai_discard_tree(w->scratch);
	if (w->lock >= 0)
		close(w->lock);
	free(w->scratch);
	free(w->root);
	free(w->source);
	free(w->log);
}

static int
prepare(struct workshop *w, const char *cache, struct ai_store *store, const struct ai_digest *compiler, const struct ai_digest *source, struct ai_err *err)
{
	AI_FREE char *logs = ai_join(cache, "vm");
	w->log = logs ? ai_join(logs, "build.log") : NULL;
	if (!w->log)
		return ai_nomem(err);
	if (ai_mkdirs(logs, 0700, err) < 0 || ai_scratch_make(cache, "vm-build", &w->scratch, &w->lock, err) < 0 ||
		ai_image_root(store, compiler, &w->root, err) < 0 || ai_store_checked_out(store, source, &w->source, err) < 0)
		return err->code;
	w->log_fd = open(w->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	return w->log_fd < 0 ? ai_fail_errno(err, AI_EENV, "%s: cannot create log", w->log) : 0;
}

static int
compile(const struct workshop *w, const struct ai_talk *talk, struct ai_err *err)
{
	AI_FREE char *jobs = ai_format("-j%ld", sysconf(_SC_NPROCESSORS_ONLN) > 0 ? sysconf(_SC_NPROCESSORS_ONLN) : 1);
	const char *argv[] = { "make", jobs, "CC=gcc-12", "CFLAGS=-g0", "LDFLAGS=-s", "B=/workspace/outputs/build", AGENT, NULL };
	const char *env[] = { "PATH=/usr/bin:/bin", "HOME=/home/aicert", "LC_ALL=C", "TZ=UTC0", "SOURCE_DATE_EPOCH=0", "TMPDIR=/tmp", NULL };
	const struct ai_mount mount = { .from = w->source, .to = "/workspace/src", .how = AI_MOUNT_SCRATCH };
	const struct ai_sandbox box = {
		.scratch = w->scratch, .root = w->root, .mounts = &mount, .n_mounts = 1, .argv = argv, .env = env, .cwd = "/workspace/src",
		.outputs = "/workspace/outputs", .log_fd = w->log_fd, .talk = talk,
	};
	struct ai_end end = { 0 };
	if (!jobs)
		return ai_nomem(err);
	if (ai_sandbox_run(&box, &end, err) < 0)
		return ai_in(err, "compile the agent");
	if (end.kind == AI_END_EXIT && end.value == 0)
		return 0;
	ai_fail(err, AI_ESTEP, "compile the agent: make ended with %s %d", end.kind == AI_END_EXIT ? "exit" : "signal", end.value);
	return ai_hint(err, "its log is %s", w->log);
}

static int
take(const struct workshop *w, struct ai_buf *out, struct ai_err *err)
{
	AI_FD fd = ai_workspace_open(w->scratch, AGENT, O_RDONLY, err);
	return fd < 0 ? ai_in(err, "compile the agent") : ai_read_fd(fd, "aicert-agent", out, err);
}

int
ai_build_agent(const struct ai_vm_build *in, const char *cache, struct ai_store *store, const struct ai_digest *compiler, struct ai_buf *out,
	struct ai_digest *source_id, struct ai_err *err)
{
	struct workshop w = { .log_fd = -1, .lock = -1 };
	struct ai_digest source;
	if (import(in->source, ai_store_sink(store), in->talk, &source, err) < 0)
		return err->code;
	ai_say(in->talk, AI_TALK_STAGE, "compile the agent");
	int r = prepare(&w, cache, store, compiler, &source, err);
	r = r < 0 ? r : compile(&w, in->talk, err);
	r = r < 0 ? r : take(&w, out, err);
	workshop_done(&w);
	if (r == 0)
		*source_id = source;
	return r;
}

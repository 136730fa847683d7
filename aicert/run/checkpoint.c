/* checkpoint.c -- see checkpoint.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fs.h"
#include "base/path.h"
#include "fetch/fetch.h"
#include "run/box/workspace.h"

/* The folder, locked; 0 when somebody else has it. Who ends well removes it, so that a locked one may be one that no name leads to. */
static int
lock_folder(struct ai_checkpoint *c, struct ai_err *err)
{
	for (;;) {
		struct stat ours, named;
		if (ai_mkdirs(c->folder, 0700, err) < 0)
			return err->code;
		AI_FD fd = open(c->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return ai_fail_errno(err, AI_EENV, "%s: cannot open", c->folder);
		if (flock(fd, LOCK_EX | LOCK_NB) < 0)
			return 0;
		if (fstat(fd, &ours) < 0 || stat(c->folder, &named) < 0 || ours.st_ino != named.st_ino || ours.st_dev != named.st_dev)
			continue;
		c->lock = fd;
		fd = -1;
		return 1;
	}
}

/* What nobody has had for so long is of a step that is no more. */
#define KEPT_S (30ll * 24 * 3600)

static void
sweep(const char *checkpoints)
{
	DIR *d = opendir(checkpoints);
	struct ai_err ignored = { 0 };
	struct ai_digest id;
	struct stat st;
	for (struct dirent *e; d && (e = readdir(d));) {
		if (strlen(e->d_name) != AI_HEX - 1 || !ai_unhex(e->d_name, &id) || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || time(NULL) - st.st_mtime <= KEPT_S)
			continue;
		AI_FD fd = openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		/* One that cannot be removed is left to the next. */
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && ai_remove_tree(dirfd(d), e->d_name, &ignored) < 0)
			ignored = (struct ai_err){ 0 };
	}
	if (d)
		closedir(d);
}

/* Does the folder hold anything? */
static bool
is_filled(const char *folder)
{
	DIR *d = opendir(folder);
	bool filled = false;
	for (struct dirent *e; d && !filled && (e = readdir(d));)
		filled = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	if (d)
		closedir(d);
	return filled;
}

/* What a crash left is hashed as it is; what cannot be (a FIFO, a name that is none) is not gone on from. */
static int
take_in(struct ai_job *job, const struct ai_job_step *s, struct ai_checkpoint *c, struct ai_err *err)
{
	const struct ai_path_options all = { 0 };
	struct ai_ref ref;
	struct ai_err why = { 0 };
	int r = ai_path_import(ai_store_sink(job->store), c->data, &all, &ref, &why);
	if (r < 0 && r != AI_EINPUT) {
		*err = why;
		return ai_in(err, "step '%s': checkpoint", s->name);
	}
	if (r < 0) {
		ai_say(job->opt->talk, AI_TALK_NOTE, "step '%s': its checkpoint cannot be used, and it begins anew: %s", s->name, why.text);
		return ai_remove_tree(AT_FDCWD, c->data, err) < 0 || ai_mkdirs(c->data, 0755, err) < 0 ? err->code : 0;
	}
	c->resumed = true;
	c->id = ref.id;
	ai_say(job->opt->talk, AI_TALK_NOTE, "step '%s' goes on from its checkpoint", s->name);
	return 0;
}

int
ai_checkpoint_open(struct ai_job *job, const struct ai_job_step *s, struct ai_checkpoint *out, struct ai_err *err)
{
	char hex[AI_HEX];
	ai_hex(&s->id, hex);
	*out = (struct ai_checkpoint){ .lock = -1, .above = -1 };
	if (!s->spec->checkpoint)
		return 0;
	if (!(out->at = ai_join("/workspace", s->spec->checkpoint)))
		return ai_nomem(err);
	/* What is run again to be compared begins where everything begins. */
	if (job->logs)
		return 0;
	AI_FREE char *all = ai_join(job->home.cache, "checkpoints");
	out->folder = all ? ai_join(all, hex) : NULL;
	AI_FREE char *data = out->folder ? ai_join(out->folder, "data") : NULL;
	if (!data)
		return ai_nomem(err);
	int r = lock_folder(out, err);
	if (r < 0)
		return r;
	if (r == 0) {
		ai_say(job->opt->talk, AI_TALK_NOTE, "step '%s' runs elsewhere at the same time, and has its checkpoint: this run keeps none", s->name);
		return 0;
	}
	/* Its time says when it was last had. */
	(void)futimens(out->lock, NULL);
	sweep(all);
	if (job->opt->fresh && ai_remove_tree(AT_FDCWD, data, err) < 0)
		return err->code;
	if (ai_mkdirs(data, 0755, err) < 0)
		return err->code;
	out->data = data;
	data = NULL;
	return is_filled(out->data) ? take_in(job, s, out, err) : 0;
}

void
ai_checkpoint_show(struct ai_checkpoint *c, const char *scratch, const json_t *outputs)
{
	size_t i, n = c->at ? strlen(c->at) : 0;
	json_t *o;
	bool inside = false;
	struct ai_err ignored = { 0 };
	json_array_foreach(outputs, i, o) {
		const char *path = ai_json_str(o, "path");
		inside = inside || (strncmp(path, c->at ? c->at : "", n) == 0 && strchr("/", path[n]));
	}
	if (!c->data || !inside)
		return;
	char *slash = strrchr(c->at, '/');
	*slash = '\0';
	AI_FD above = ai_workspace_open(scratch, c->at, O_PATH | O_DIRECTORY, &ignored);
	*slash = '/';
	/* Where the step has put something else in the way, that is what is collected, or missed. */
	if (above < 0 || renameat(AT_FDCWD, c->data, above, slash + 1) < 0)
		return;
	c->above = above;
	above = -1;
}

void
ai_checkpoint_end(struct ai_checkpoint *c, bool well)
{
	if (!c->data)
		return;
	if (well)
		ai_discard_tree(c->folder);
	else if (c->above >= 0)
		(void)renameat(c->above, strrchr(c->at, '/') + 1, AT_FDCWD, c->data);
}

void
ai_checkpoint_done(struct ai_checkpoint *c)
{
	free(c->folder);
	free(c->data);
	free(c->at);
	ai_close_fd(&c->above);
	ai_close_fd(&c->lock);
}

/* collect.c -- see collect.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/collect.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "fetch/fetch.h"
#include "run/box/workspace.h"

static int
is_empty(int fd, bool *empty, struct ai_err *err)
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again < 0 ? NULL : fdopendir(again);
	if (!d) {
		if (again >= 0)
			close(again);
		return ai_fail_errno(err, AI_EENV, "cannot list an output folder");
	}
	*empty = true;
	for (struct dirent *e; *empty && (e = readdir(d));)
		*empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	closedir(d);
	return 0;
}

static int
check_type(int fd, const char *name, const char *path, bool dir, struct ai_err *err)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return ai_fail_errno(err, AI_EENV, "output '%s'", name);
	if (dir ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
		return ai_fail(err, AI_ESTEP, "output '%s': '%s' is not a %s", name, path, dir ? "folder" : "file");
	bool empty = false;
	if (dir && is_empty(fd, &empty, err) < 0)
		return err->code;
	return empty ? ai_fail(err, AI_ESTEP, "output '%s': the folder '%s' is empty", name, path) : 0;
}

/* What the proof will carry is to be read there, not to swell it. */
static int
check_carried(int fd, const char *name, struct ai_err *err)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return ai_fail_errno(err, AI_EENV, "output '%s'", name);
	if (st.st_size <= AI_MAX_CARRIED)
		return 0;
	return ai_fail(err, AI_ESTEP, "output '%s': the proof is to carry it: got %lld bytes, expected at most %u", name, (long long)st.st_size, AI_MAX_CARRIED);
}

static int
collect_one(const struct ai_sink *sink, const char *scratch, const json_t *spec, json_t *outputs, struct ai_err *err)
{
	const char *name = ai_json_str(spec, "name"), *path = ai_json_str(spec, "path");
	bool dir = strcmp(ai_json_str(spec, "type"), "dir") == 0;
	AI_FD fd = ai_workspace_open(scratch, path, O_RDONLY | O_NONBLOCK | (dir ? O_DIRECTORY : 0), err);
	if (fd < 0)
		return ai_in(err, "output '%s'", name);
	if (check_type(fd, name, path, dir, err) < 0 || (json_object_get(spec, "carried") && check_carried(fd, name, err) < 0))
		return err->code;
	const json_t *exclude = ai_json_arr(spec, "exclude");
	AI_FREE const char **globs = ai_calloc(json_array_size(exclude), sizeof *globs);
	AI_FREE char *outside = ai_format("%s%s", scratch, path);
	json_t *entry = json_pack("{s:s}", "name", name);
	if (!globs || !outside || json_array_append_new(outputs, entry) < 0)
		return ai_nomem(err);
	for (size_t i = 0; i < json_array_size(exclude); i++)
		globs[i] = json_string_value(json_array_get(exclude, i));
	/* By its path: it was just seen to hold no link, and every process that could put one there is dead. */
	struct ai_path_options options = { .exclude = globs, .n_exclude = json_array_size(exclude) };
	struct ai_ref ref;
	if (ai_path_import(sink, outside, &options, &ref, err) < 0)
		return ai_in(err, "output '%s' (%s)", name, path);
	return ai_ref_set(entry, &ref, err);
}

int
ai_collect(const struct ai_sink *sink, const char *scratch, const json_t *step, json_t **outputs, struct ai_err *err)
{
	AI_JSON *list = json_array();
	if (!list)
		return ai_nomem(err);
	const json_t *specs = ai_json_arr(step, "outputs");
	for (size_t i = 0; i < json_array_size(specs); i++)
		if (collect_one(sink, scratch, json_array_get(specs, i), list, err) < 0)
			return err->code;
	*outputs = json_incref(list);
	return 0;
}

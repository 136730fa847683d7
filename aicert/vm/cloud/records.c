/*
 * records.c -- which machines of clouds there may be: a file for each, from before the first command until destroy has succeeded.
 *
 * <folder>/<machine>.json: {"provider", "settings"}. Whoever runs the machine holds a lock on it, so that one without a lock is of a run
 * that was killed, or whose destroying failed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "vm/cloud/provider.h"
#include "vm/cloud/provider_parts.h"

static const char END[] = ".json";

int
ai_record_begin(const struct ai_provider *p, const char *folder, const char *machine, int *lock, struct ai_err *err)
{
	AI_FREE char *path = ai_format("%s/%s%s", folder, machine, END);
	AI_BUF_AUTO text = AI_BUF(AI_MAX_TEXT);
	AI_JSON *j = json_pack("{s:s, s:O}", "provider", p->name, "settings", p->settings);
	if (!path || !j)
		return ai_nomem(err);
	if (ai_json_pretty(j, &text, err) < 0 || ai_mkdirs(folder, 0700, err) < 0)
		return err->code;
	AI_FD fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 && errno == EEXIST) {
		ai_fail(err, AI_EUSAGE, "machine '%s': there may be one of this name already", machine);
		return ai_hint(err, "destroy it first: aicert vm provider %s --destroy %s", p->name, machine);
	}
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return ai_fail_errno(err, AI_EENV, "%s", path);
	int r = ai_write_all(fd, text.data, text.len, path, err);
	if (r == 0 && fsync(fd) < 0)
		r = ai_fail_errno(err, AI_EENV, "%s", path);
	if (r < 0 || (r = ai_fsync_dir(AT_FDCWD, folder, err)) < 0) {
		(void)unlink(path);
		return r;
	}
	*lock = fd;
	fd = -1;
	return 0;
}

void
ai_record_end(const char *folder, const char *machine)
{
	AI_FREE char *path = ai_format("%s/%s%s", folder, machine, END);
	if (path)
		(void)unlink(path);
}

/* One record as a line of the list; what is no record of ours is passed over. */
static int
take_record(const char *folder, const char *name, json_t *list, struct ai_err *err)
{
	size_t n = strlen(name);
	AI_FREE char *path = ai_format("%s/%s", folder, name);
	AI_FREE char *machine = ai_strndup(name, n - (sizeof END - 1));
	AI_BUF_AUTO text = AI_BUF(AI_MAX_HEADER);
	AI_JSON *j = NULL;
	struct ai_err none = { 0 };
	if (!path || !machine)
		return ai_nomem(err);
	AI_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || ai_read_fd(fd, path, &text, &none) < 0 || ai_json_parse(text.data, text.len, path, &j, &none) < 0
		|| !ai_json_str(j, "provider") || !ai_json_obj(j, "settings") || ai_machine_name(machine, &none) < 0)
		return 0;
	bool running = flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
	if (json_object_set_new(j, "machine", json_string(machine)) < 0 || json_object_set_new(j, "running", json_boolean(running)) < 0
		|| json_array_append(list, j) < 0)
		return ai_nomem(err);
	return 0;
}

int
ai_provider_left(const char *folder, json_t **out, struct ai_err *err)
{
	AI_JSON *list = json_array();
	struct dirent **names = NULL;
	int r = list ? 0 : ai_nomem(err);
	int n = r == 0 ? scandir(folder, &names, NULL, alphasort) : 0;
	if (n < 0 && errno != ENOENT)
		r = ai_fail_errno(err, AI_EENV, "%s", folder);
	for (int i = 0; i < n; i++) {
		size_t len = strlen(names[i]->d_name);
		if (r == 0 && len > sizeof END && strcmp(names[i]->d_name + len - (sizeof END - 1), END) == 0)
			r = take_record(folder, names[i]->d_name, list, err);
		free(names[i]);
	}
	free(names);
	if (r == 0)
		*out = json_incref(list);
	return r;
}

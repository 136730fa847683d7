/* modules.c -- drivers, in the order in which they were listed when the machine was built (agent_parts.h).  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "vm/agent/agent_parts.h"

/* The list's next line, cut out of it; NULL at the end. */
static char *
next_line(char **rest)
{
	char *line = *rest, *end = line ? strchr(line, '\n') : NULL;
	if (!line || !*line)
		return NULL;
	*rest = end ? end + 1 : NULL;
	if (end)
		*end = '\0';
	return line;
}

static int
check(const char *folder, const char *text, struct ai_err *err)
{
	AI_FREE char *copy = ai_strdup(text);
	if (!copy)
		return ai_nomem(err);
	char *rest = copy;
	unsigned n = 0;
	for (const char *line; (line = next_line(&rest)); ) {
		size_t len = strlen(line);
		n++;
		if (ai_relpath_check(line, err) < 0)
			return ai_in(err, "%s/order:%u", folder, n);
		if (len < 4 || strcmp(line + len - 3, ".ko") != 0)
			return ai_fail(err, AI_EINPUT, "%s/order:%u: got '%s', expected a module", folder, n, line);
	}
	return 0;
}

/* ENODEV: no such hardware; ENOENT of a module that is there: one that it builds on found none. */
static void
load(int dir, const char *path, const struct ai_talk *talk)
{
	AI_FD fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && (syscall(SYS_finit_module, fd, "", 0) == 0 || errno == EEXIST || errno == ENODEV || errno == ENOENT))
		return;
	ai_say(talk, AI_TALK_NOTE, "module %s: not loaded: %s", path, strerror(errno));
}

int
ai_agent_modules(const char *folder, const struct ai_talk *talk, struct ai_err *err)
{
	AI_BUF_AUTO text = AI_BUF(AI_MAX_HEADER);
	AI_FD dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* A kernel that has everything built in comes without. */
	if (dir < 0)
		return 0;
	int r = ai_read_file_if(dir, "order", &text, err);
	if (r <= 0)
		return r;
	if (text.len && strlen(text.data) != text.len)
		return ai_fail(err, AI_EINPUT, "%s/order: holds a NUL", folder);
	if (text.len == 0 || check(folder, text.data, err) < 0)
		return err->code;
	char *rest = text.data;
	for (const char *line; (line = next_line(&rest)); )
		load(dir, line, talk);
	return 0;
}

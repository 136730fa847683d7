/* files.c -- what goes into the runner's cpio (build_parts.h).  SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vm/build/build_parts.h"

bool
ai_cpio_has(const struct ai_cpio_files *f, const char *path)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->entries[i].path, path) == 0)
			return true;
	return false;
}

void
ai_cpio_files_done(struct ai_cpio_files *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free((char *)(uintptr_t)f->entries[i].path);
		free((void *)(uintptr_t)f->entries[i].data);
	}
	free(f->entries);
	*f = (struct ai_cpio_files){ 0 };
}

/* path and data become the list's, also on failure. */
static int
add(struct ai_cpio_files *f, char *path, unsigned mode, char *data, size_t n, struct ai_err *err)
{
	if (path && ai_grow(&f->entries, &f->cap, f->n, sizeof *f->entries, err) == 0) {
		f->entries[f->n++] = (struct ai_cpio_entry){ path, mode, data, n };
		return 0;
	}
	free(path);
	free(data);
	return err->code ? err->code : ai_nomem(err);
}

static int
add_parents(struct ai_cpio_files *f, const char *path, struct ai_err *err)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		char *parent = ai_strndup(path, (size_t)(slash - path));
		if (parent && ai_cpio_has(f, parent))
			free(parent);
		else if (add(f, parent, S_IFDIR | 0755, NULL, 0, err) < 0)
			return err->code;
	}
	return 0;
}

int
ai_cpio_file(struct ai_cpio_files *f, const char *path, unsigned mode, struct ai_buf *bytes, struct ai_err *err)
{
	if (ai_buf_ok(bytes, path, err) < 0 || add_parents(f, path, err) < 0)
		return err->code;
	size_t n = bytes->len;
	return add(f, ai_strdup(path), S_IFREG | mode, ai_buf_take(bytes), n, err);
}

int
ai_cpio_link(struct ai_cpio_files *f, const char *path, const char *target, struct ai_err *err)
{
	char *copy = ai_strdup(target);
	if (!copy)
		return ai_nomem(err);
	if (add_parents(f, path, err) < 0) {
		free(copy);
		return err->code;
	}
	return add(f, ai_strdup(path), S_IFLNK | 0777, copy, strlen(target), err);
}

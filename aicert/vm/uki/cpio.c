/* cpio.c -- see cpio.h.  SPDX-License-Identifier: Apache-2.0 */
#include "vm/uki/cpio.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"

/* cpio pads its archives to this, and its readers like to see it. */
enum { CPIO_BLOCK = 512, CPIO_MAX_PATH = 4095 };

static int
by_path(const void *a, const void *b)
{
	return strcmp(((const struct ai_cpio_entry *)a)->path, ((const struct ai_cpio_entry *)b)->path);
}

/* A folder of that path, among entries that are sorted. */
static bool
has_folder(const struct ai_cpio_entry *entries, size_t n, const char *path)
{
	struct ai_cpio_entry key = { .path = path };
	const struct ai_cpio_entry *found = bsearch(&key, entries, n, sizeof *entries, by_path);
	return found && S_ISDIR(found->mode);
}

static int
check_entry(const struct ai_cpio_entry *entries, size_t n, size_t i, struct ai_err *err)
{
	const struct ai_cpio_entry *e = &entries[i];
	const char *slash = strrchr(e->path, '/');
	if (ai_relpath_check(e->path, err) < 0)
		return ai_in(err, "cpio");
	if (strlen(e->path) > CPIO_MAX_PATH || strcmp(e->path, "TRAILER!!!") == 0)
		return ai_fail(err, AI_EINPUT, "cpio: '%.100s': an archive cannot hold an entry of this name", e->path);
	if (i && strcmp(entries[i - 1].path, e->path) == 0)
		return ai_fail(err, AI_EINPUT, "cpio: '%s' is given twice", e->path);
	if (slash) {
		AI_FREE char *parent = ai_strndup(e->path, (size_t)(slash - e->path));
		if (!parent)
			return ai_nomem(err);
		if (!has_folder(entries, n, parent))
			return ai_fail(err, AI_EINPUT, "cpio: '%s': its folder is not among the entries", e->path);
	}
	if (!S_ISREG(e->mode) && !S_ISDIR(e->mode) && !S_ISLNK(e->mode))
		return ai_fail(err, AI_EINPUT, "cpio: '%s': got mode %o, expected a file, folder or link", e->path, e->mode);
	if (S_ISDIR(e->mode) && e->n)
		return ai_fail(err, AI_EINPUT, "cpio: '%s': a folder with content", e->path);
	if (S_ISLNK(e->mode) && (e->n == 0 || e->n > CPIO_MAX_PATH || memchr(e->data, 0, e->n)))
		return ai_fail(err, AI_EINPUT, "cpio: '%s': a link whose target is no path", e->path);
	if (e->n > UINT32_MAX)
		return ai_fail(err, AI_EINPUT, "cpio: '%s': got %zu bytes, expected at most %u", e->path, e->n, UINT32_MAX);
	return 0;
}

static void
pad(struct ai_buf *out, size_t to)
{
	static const char zeros[CPIO_BLOCK];
	size_t over = out->len % to;
	ai_buf_put(out, zeros, over ? to - over : 0);
}

/* Owner, time and device numbers are zero; the inode is the entry's place, so that none looks like a hard link of another. */
static void
put_entry(struct ai_buf *out, size_t inode, unsigned mode, const char *path, const void *data, size_t n)
{
	ai_buf_printf(out, "070701%08zx%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", inode, mode, 0u, 0u, 1u, 0u, n, 0u, 0u, 0u, 0u, strlen(path) + 1, 0u);
	ai_buf_put(out, path, strlen(path) + 1);
	pad(out, 4);
	ai_buf_put(out, data, n);
	pad(out, 4);
}

int
ai_cpio_write(struct ai_cpio_entry *entries, size_t n, struct ai_buf *out, struct ai_err *err)
{
	AI_BUF_AUTO made = AI_BUF(out->max);
	if (n)
		qsort(entries, n, sizeof *entries, by_path);
	for (size_t i = 0; i < n; i++)
		if (check_entry(entries, n, i, err) < 0)
			return err->code;
	for (size_t i = 0; i < n; i++)
		put_entry(&made, i + 1, entries[i].mode, entries[i].path, entries[i].data, entries[i].n);
	put_entry(&made, 0, 0, "TRAILER!!!", NULL, 0);
	pad(&made, CPIO_BLOCK);
	if (ai_buf_ok(&made, "cpio", err) < 0)
		return err->code;
	ai_buf_put(out, made.data, made.len);
	return ai_buf_ok(out, "cpio", err);
}

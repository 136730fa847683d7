/* modules.c -- which kernel modules the runner has, and in which order they are loaded (build_parts.h).  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/path.h"
#include "vm/build/build_parts.h"

enum { MAX_DEPTH = 32 };

/* The kernel's own lists: paths below lib/modules/VERSION, a line each. */
struct modules {
	const struct ai_sysroot *s;
	const char *version;
	struct ai_buf all, builtin;
	struct ai_buf order;             /* file names, in load order */
	struct ai_cpio_files *out;
	unsigned depth;
	bool told;                       /* the error says already whose fault it is: only the innermost is worth a name */
};

/* A module's file "virtio-rng.ko" and its name "virtio_rng" are the same to the kernel. */
static bool
same(const char *file, const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((file[i] == '-' ? '_' : file[i]) != (name[i] == '-' ? '_' : name[i]))
			return false;
	return strncmp(file + n, ".ko\n", 4) == 0 || strcmp(file + n, ".ko") == 0;
}

/* The line of a list that is this module's, of *len bytes; NULL: none. */
static const char *
line_of(const struct ai_buf *list, const char *name, size_t n, size_t *len)
{
	for (const char *s = list->data; s && *s;) {
		size_t all = strcspn(s, "\n"), from = all;
		while (from > 0 && s[from - 1] != '/')
			from--;
		if (all - from == n + 3 && same(s + from, name, n)) {
			*len = all;
			return s;
		}
		s += all + (s[all] == '\n');
	}
	return NULL;
}

static int add(void *ctx, const char *name, size_t n, struct ai_err *err);

/* The module at a path of the list, behind what it depends on. */
static int
add_file(struct modules *m, const char *line, size_t len, struct ai_err *err)
{
	AI_BUF_AUTO bytes = AI_BUF(AI_BUILD_FILE);
	AI_FREE char *path = ai_format("lib/modules/%s/%.*s", m->version, (int)len, line);
	AI_FREE char *to = path ? ai_format("modules/%s", ai_basename(path)) : NULL;
	if (!to)
		return ai_nomem(err);
	if (ai_cpio_has(m->out, to))
		return 0;
	if (m->depth == MAX_DEPTH)
		return ai_fail(err, AI_EINPUT, "'%s': depends on itself, or on more than %d others in a row", path, MAX_DEPTH);
	if (ai_sysroot_need(m->s, path, &bytes, err) < 0)
		return err->code;
	m->depth++;
	int r = ai_modinfo_depends(bytes.data, bytes.len, add, m, err);
	m->depth--;
	if (r < 0 && !m->told)
		ai_in(err, "'%s'", path);
	m->told |= r < 0;
	if (r < 0)
		return r;
	ai_buf_printf(&m->order, "%s\n", ai_basename(path));
	return ai_cpio_file(m->out, to, 0644, &bytes, err);
}

static int
add(void *ctx, const char *name, size_t n, struct ai_err *err)
{
	struct modules *m = ctx;
	size_t len;
	const char *line = line_of(&m->all, name, n, &len);
	if (line)
		return add_file(m, line, len, err);
	if (line_of(&m->builtin, name, n, &len))
		return 0;
	return ai_fail(err, AI_EINPUT, "kernel %s: has no module '%.*s'", m->version, (int)n, name);
}

static int
add_all(struct modules *m, const char *const *names, size_t n, struct ai_err *err)
{
	AI_FREE char *all = ai_format("lib/modules/%s/modules.order", m->version);
	AI_FREE char *builtin = ai_format("lib/modules/%s/modules.builtin", m->version);
	if (!all || !builtin)
		return ai_nomem(err);
	if (ai_sysroot_need(m->s, all, &m->all, err) < 0 || ai_sysroot_need(m->s, builtin, &m->builtin, err) < 0)
		return err->code;
	for (size_t i = 0; i < n; i++)
		if (add(m, names[i], strlen(names[i]), err) < 0)
			return err->code;
	return ai_cpio_file(m->out, "modules/order", 0644, &m->order, err);
}

int
ai_build_modules(const struct ai_sysroot *s, const char *version, const char *const *names, size_t n, struct ai_cpio_files *out, struct ai_err *err)
{
	struct modules m = { .s = s, .version = version, .all = AI_BUF(AI_MAX_TEXT), .builtin = AI_BUF(AI_MAX_TEXT), .order = AI_BUF(AI_MAX_TEXT), .out = out };
	int r = add_all(&m, names, n, err);
	ai_buf_done(&m.all);
	ai_buf_done(&m.builtin);
	ai_buf_done(&m.order);
	return r;
}

/*
 * libraries.c -- the shared libraries of a program, found as its loader will find them (build_parts.h).
 *
 * There is no ld.so.cache in the runner, so the loader looks in the folders that are built into it; here they are links into /usr.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "base/path.h"
#include "vm/build/build_parts.h"
#include "vm/uki/elf.h"

enum { MAX_DEPTH = 64 };

/* Of Debian's loader for x86-64, in its order; the tree has /lib merged into /usr/lib. */
static const char *const places[] = { "usr/lib/x86_64-linux-gnu", "usr/lib", "usr/lib64" };

struct libraries {
	const struct ai_sysroot *s;
	struct ai_cpio_files *out;
	const char *interpreter;    /* its name: a library of that name is there already */
	unsigned depth;
	bool told;                  /* the error says already who needs it */
};

static int needs(struct libraries *l, const void *elf, size_t n, const char *whose, struct ai_err *err);

/* A library at the place where it was found, under the name that is asked for, whatever links led there. */
static int
add(struct libraries *l, const char *name, struct ai_err *err)
{
	if (ai_name_check(name, err) < 0)
		return ai_in(err, "library");
	if (l->interpreter && strcmp(name, l->interpreter) == 0)
		return 0;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		AI_BUF_AUTO bytes = AI_BUF(AI_BUILD_FILE);
		AI_FREE char *path = ai_join(places[i], name);
		if (!path)
			return ai_nomem(err);
		if (ai_cpio_has(l->out, path))
			return 0;
		int r = ai_sysroot_read(l->s, path, &bytes, err);
		if (r < 0)
			return r;
		if (r == 0)
			continue;
		if (ai_cpio_file(l->out, path, 0755, &bytes, err) < 0)
			return err->code;
		const struct ai_cpio_entry *e = &l->out->entries[l->out->n - 1];
		return needs(l, e->data, e->n, name, err);
	}
	ai_fail(err, AI_EINPUT, "library '%s': no package has it", name);
	return ai_hint(err, "the agent was built with libraries that the runner's packages do not have");
}

static int
needs(struct libraries *l, const void *elf, size_t n, const char *whose, struct ai_err *err)
{
	AI_FREE struct ai_elf *e = ai_calloc(1, sizeof *e);
	if (!e)
		return ai_nomem(err);
	if (ai_elf_parse(elf, n, e, err) < 0)
		return ai_in(err, "'%s'", whose);
	if (e->runpath)
		return ai_fail(err, AI_EINPUT, "'%s': has a run path, so it looks for libraries where the runner has none", whose);
	if (l->depth == MAX_DEPTH)
		return ai_fail(err, AI_EINPUT, "'%s': libraries need each other more than %d deep", whose, MAX_DEPTH);
	l->depth++;
	for (size_t i = 0; i < e->n_needed; i++)
		if (add(l, e->needed[i], err) < 0) {
			if (!l->told)
				ai_in(err, "'%s'", whose);
			l->told = true;
			return err->code;
		}
	l->depth--;
	return 0;
}

/* At its own path: the kernel follows no search. */
static int
add_interpreter(struct libraries *l, const char *path, struct ai_err *err)
{
	AI_BUF_AUTO bytes = AI_BUF(AI_BUILD_FILE);
	const char *below = path + strspn(path, "/");
	AI_FREE char *merged = strncmp(below, "lib", 3) == 0 ? ai_format("usr/%s", below) : ai_strdup(below);
	if (!merged)
		return ai_nomem(err);
	if (ai_relpath_check(below, err) < 0 || ai_sysroot_need(l->s, below, &bytes, err) < 0)
		return ai_in(err, "interpreter");
	return ai_cpio_file(l->out, merged, 0755, &bytes, err);
}

int
ai_build_libraries(const struct ai_sysroot *s, const void *program, size_t n, struct ai_cpio_files *out, struct ai_err *err)
{
	struct libraries l = { .s = s, .out = out };
	AI_FREE struct ai_elf *e = ai_calloc(1, sizeof *e);
	if (!e)
		return ai_nomem(err);
	if (ai_elf_parse(program, n, e, err) < 0)
		return ai_in(err, "the agent");
	if (ai_cpio_link(out, "lib", "usr/lib", err) < 0 || ai_cpio_link(out, "lib64", "usr/lib64", err) < 0)
		return err->code;
	if (!e->interpreter)
		return 0;
	l.interpreter = ai_basename(e->interpreter);
	if (add_interpreter(&l, e->interpreter, err) < 0)
		return err->code;
	return needs(&l, program, n, "the agent", err);
}

/* aside_git.c -- files of a folder aside, and the tree of a commit from them (aside.h).  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "fetch/git_sha1.h"
#include "fetch/git_walk.h"
#include "vm/disk/aside.h"

/* Submodules in submodules: as fetch/git.c has it. */
enum { MAX_NESTED = 16 };

/* --- files ------------------------------------------------------------------------------- */

int
ai_aside_open(const struct ai_aside *a, const char *type, const char *name, uint64_t *size, struct ai_err *err)
{
	const char *file = strncmp(name, "sha256:", 7) == 0 ? name + 7 : name;
	for (size_t i = 0; i < a->n; i++) {
		struct stat st;
		AI_FREE char *path = ai_format("%s/%s/%s", a->folders[i], type, file);
		if (!path)
			return ai_nomem(err);
		AI_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
			return ai_fail_errno(err, AI_EINPUT, "%s object %s: cannot read", type, name);
		if (a->used && a->used(a->ctx, type, name, fd, err) < 0)
			return err->code;
		int opened = fd;
		fd = -1;
		*size = (uint64_t)st.st_size;
		return opened;
	}
	ai_fail(err, AI_EINPUT, "%s object %s is missing", type, name);
	return ai_hint(err, "a measured run derives git and image sources from their objects: pack the job again, with all of them");
}

/* --- raw objects ----------------------------------------------------------------------------- */

int
ai_aside_git_parse(const char *bytes, size_t n, const char **kind_out, size_t *content_out, struct ai_err *err)
{
	static const char *const kinds[] = { "commit", "tree", "blob", "tag" };
	const char *end = memchr(bytes, '\0', n < 32 ? n : 32);
	for (size_t k = 0; end && k < sizeof kinds / sizeof *kinds; k++) {
		size_t word = strlen(kinds[k]), head = (size_t)(end - bytes) + 1;
		char want[64];
		if (head <= word || memcmp(bytes, kinds[k], word) != 0 || bytes[word] != ' ')
			continue;
		/* One spelling of a size: the one that git hashes. */
		int len = snprintf(want, sizeof want, "%s %zu", kinds[k], n - head);
		if ((size_t)len + 1 != head || memcmp(bytes, want, head) != 0)
			return ai_fail(err, AI_EINPUT, "its header is not that of a %s of %zu bytes", kinds[k], n - head);
		*kind_out = kinds[k];
		*content_out = head;
		return 0;
	}
	return ai_fail(err, AI_EINPUT, "has no header of a git object");
}

struct mapped { void *at; size_t n; };

static void
unmap(struct mapped *m)
{
	if (m->at)
		munmap(m->at, m->n);
	free(m);
}

static void
release(struct ai_git_object *o)
{
	unmap(o->hold);
}

static int
map_object(const struct ai_aside *a, const char *hex, struct mapped **out, struct ai_err *err)
{
	uint64_t size;
	AI_FD fd = ai_aside_open(a, "git", hex, &size, err);
	if (fd < 0)
		return err->code;
	struct mapped *m = ai_calloc(1, sizeof *m);
	if (!m)
		return ai_nomem(err);
	void *at = size > 0 && size < SIZE_MAX ? mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
	if (at == MAP_FAILED) {
		unmap(m);
		return size == 0 ? ai_fail(err, AI_EINPUT, "git object %s: is empty", hex) : ai_fail_errno(err, AI_EENV, "git object %s: cannot read", hex);
	}
	*m = (struct mapped){ at, (size_t)size };
	*out = m;
	return 0;
}

struct visit { const struct ai_aside *aside; const struct ai_sink *sink; const struct ai_talk *talk; bool submodules, lfs; int nested; };

static int
read_object(void *ctx, const struct ai_git_id *id, ai_git_kind kind, struct ai_git_object *out, struct ai_err *err)
{
	static const char *const words[] = { [AI_GIT_COMMIT] = "commit", [AI_GIT_TREE] = "tree", [AI_GIT_BLOB] = "blob" };
	struct visit *v = ctx;
	struct mapped *m = NULL;
	struct ai_git_id got;
	char hex[AI_GIT_HEX], is[AI_GIT_HEX];
	const char *word;
	size_t at;
	ai_git_id_hex(id, hex);
	if (map_object(v->aside, hex, &m, err) < 0)
		return err->code;
	if (ai_git_sha1(m->at, m->n, got.b, err) < 0) {
		ai_in(err, "git object %s", hex);
	} else if (!ai_git_id_eq(&got, id)) {
		ai_git_id_hex(&got, is);
		ai_fail(err, AI_EINPUT, "git object %s: its bytes hash to %s", hex, is);
	} else if (ai_aside_git_parse(m->at, m->n, &word, &at, err) < 0) {
		ai_in(err, "git object %s", hex);
	} else if (strcmp(word, words[kind]) != 0) {
		ai_fail(err, AI_EINPUT, "git object %s: got a %s, expected a %s", hex, word, words[kind]);
	} else {
		*out = (struct ai_git_object){ (const char *)m->at + at, m->n - at, m };
		return 0;
	}
	unmap(m);
	return err->code;
}

static int walk(struct visit *v, const char *prefix, const struct ai_git_id *commit, struct ai_digest *out, struct ai_err *err);

static int
visit_submodule(void *ctx, const struct ai_submodule *s, const struct ai_git_id *commit, const char *path, struct ai_digest *out, struct ai_err *err)
{
	const struct visit *outer = ctx;
	struct visit inner = *outer;
	AI_FREE char *prefix = ai_format("%s/", path);
	(void)s;
	if (!prefix)
		return ai_nomem(err);
	if (++inner.nested > MAX_NESTED)
		return ai_fail(err, AI_EINPUT, "submodules nested deeper than %d", MAX_NESTED);
	return walk(&inner, prefix, commit, out, err);
}

static int
on_lfs(void *ctx, const char *path, const struct ai_digest *oid, uint64_t size, struct ai_err *err)
{
	const struct visit *v = ctx;
	(void)size;
	return v->aside->lfs && v->aside->lfs(v->aside->ctx, oid, err) < 0 ? ai_in(err, "'%s'", path) : 0;
}

static int
walk(struct visit *v, const char *prefix, const struct ai_git_id *commit, struct ai_digest *out, struct ai_err *err)
{
	struct ai_git_walk w = {
		.ctx = v, .read = read_object, .release = release, .submodule = v->submodules ? visit_submodule : NULL,
		.lfs = v->lfs ? on_lfs : NULL, .sink = v->sink, .talk = v->talk, .prefix = prefix,
	};
	return ai_git_walk(&w, commit, out, err);
}

int
ai_aside_git_tree(const struct ai_aside *a, const char *revision, bool submodules, bool lfs, const struct ai_sink *sink, const struct ai_talk *talk,
	struct ai_digest *tree_out, struct ai_err *err)
{
	struct ai_git_id commit;
	struct visit v = { .aside = a, .sink = sink, .talk = talk, .submodules = submodules, .lfs = lfs };
	if (!ai_git_id_parse(revision, &commit))
		return ai_fail(err, AI_EINPUT, "commit '%.80s': expected 40 lower-case hex digits", revision);
	return walk(&v, "", &commit, tree_out, err);
}

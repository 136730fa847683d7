/* observe_seen.c -- see observe_seen.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/observe_seen.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/path.h"
#include "run/used.h"

#define MAX_SEEN 1000000u
#define MAX_LINKS 40        /* as the kernel */
#define MAX_INTERPRETERS 5  /* as the kernel */
#define MAX_WALK (256u << 10)

/* --- the table ------------------------------------------------------------- */

static uint64_t
hash_text(const char *s)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3u;
	return h ^ h >> 32;
}

static struct ai_seen_path **
slot(struct ai_seen_path **table, size_t cap, const char *path, uint64_t hash)
{
	size_t i = hash & (cap - 1);
	while (table[i] && (table[i]->hash != hash || strcmp(table[i]->path, path) != 0))
		i = (i + 1) & (cap - 1);
	return &table[i];
}

static int
make_room(struct ai_observer *o, struct ai_err *err)
{
	if (o->n * 2 < o->cap)
		return 0;
	size_t cap = o->cap ? o->cap * 2 : 4096;
	struct ai_seen_path **table = ai_calloc(cap, sizeof(struct ai_seen_path *));
	if (!table)
		return ai_nomem(err);
	for (size_t i = 0; i < o->cap; i++)
		if (o->table[i])
			*slot(table, cap, o->table[i]->path, o->table[i]->hash) = o->table[i];
	free(o->table);
	o->table = table;
	o->cap = cap;
	return 0;
}

static int
entry(struct ai_observer *o, const char *path, struct ai_seen_path **out, struct ai_err *err)
{
	if (make_room(o, err) < 0)
		return err->code;
	uint64_t hash = hash_text(path);
	struct ai_seen_path **at = slot(o->table, o->cap, path, hash);
	if (!*at) {
		if (o->n >= MAX_SEEN)
			return ai_fail(err, AI_EENV, "observer: the step looked at more than %u paths of the machine", MAX_SEEN);
		struct ai_seen_path *e = ai_calloc(1, sizeof *e);
		if (!e || !(e->path = ai_strdup(path))) {
			free(e);
			return ai_nomem(err);
		}
		e->hash = hash;
		*at = e;
		o->n++;
	}
	*out = *at;
	return 0;
}

/* --- the walk --------------------------------------------------------------- */

typedef enum area { AREA_HOST, AREA_ABOVE_HOST, AREA_STEP } area;

static area
area_of(const struct ai_observer *o, const char *path)
{
	size_t n = strlen(path);
	area found = AREA_STEP;
	for (size_t i = 0; i < o->n_host; i++) {
		size_t h = strlen(o->host[i]);
		if (strncmp(path, o->host[i], h < n ? h : n) != 0)
			continue;
		if (h == n || (h < n && path[h] == '/'))
			return AREA_HOST;
		if (h > n && o->host[i][n] == '/')
			found = AREA_ABOVE_HOST;
	}
	return found;
}

struct walk {
	struct ai_buf now;      /* the part that is resolved: "", "/usr", … */
	struct ai_buf rest;     /* the whole of what is being resolved, */
	size_t at;              /* and how far it is */
	unsigned links;
	bool outside;           /* passed through what the step can change: not to be remembered */
	bool arrived;           /* now names a file or folder that is there */
	struct ai_seen_path *last; /* if it is the machine's */
};

static void
walk_done(struct walk *w)
{
	ai_buf_done(&w->now);
	ai_buf_done(&w->rest);
}

/* A link on the way: its target, then what was left. */
static int
take_link(struct walk *w, const char *target, struct ai_err *err)
{
	struct ai_buf rest = AI_BUF(MAX_WALK);
	ai_buf_puts(&rest, target);
	ai_buf_puts(&rest, w->rest.data + w->at);
	if (ai_buf_ok(&rest, "observer: path", err) < 0) {
		ai_buf_done(&rest);
		return err->code;
	}
	ai_buf_done(&w->rest);
	w->rest = rest;
	w->at = 0;
	size_t keep = 0;
	if (*target != '/')
		for (size_t i = 0; i < w->now.len; i++)
			if (w->now.data[i] == '/')
				keep = i;
	w->now.len = keep;
	w->now.data[keep] = '\0';
	return ++w->links > MAX_LINKS ? 0 : 1;
}

/* The machine's own: looked at once, and noted as far as the step saw it. 1 go on, 0 the walk ends. */
static int
step_host(struct ai_observer *o, struct walk *w, bool last, bool follow, struct ai_err *err)
{
	struct ai_seen_path *e;
	if (entry(o, w->now.data, &e, err) < 0)
		return err->code;
	if (!e->known) {
		ai_look look;
		if (ai_look_at(e->path, &look, &e->target, err) < 0)
			return err->code;
		e->kind = (unsigned char)look;
		e->known = true;
	}
	if (e->kind == AI_LOOK_DIR && !last)
		return 1;
	e->looked = true;
	if (e->kind == AI_LOOK_LINK && (!last || follow))
		return take_link(w, e->target, err);
	if (e->kind == AI_LOOK_FILE || e->kind == AI_LOOK_EXEC || e->kind == AI_LOOK_DIR) {
		w->arrived = last;
		w->last = e;
	}
	return 0;
}

/* Below the sandbox's root and through no link, so that a step that swaps folders for links while we look leads us nowhere. */
static int
open_own(const struct ai_observer *o, const char *path, unsigned long long flags)
{
	struct open_how how = { .flags = flags | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS };
	return o->root < 0 ? -1 : (int)syscall(SYS_openat2, o->root, path, &how, sizeof how);
}

/* The step's own: nothing is noted, but a link may lead to the machine's. /proc and /dev lead nowhere of interest. */
static int
step_own(const struct ai_observer *o, struct walk *w, bool last, bool follow, struct ai_err *err)
{
	char target[4097];
	w->outside = true;
	if (strcmp(w->now.data, "/proc") == 0 || strcmp(w->now.data, "/dev") == 0)
		return 0;
	AI_FD fd = open_own(o, w->now.data, O_PATH);
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof target - 1);
	if (n < 0) {
		w->arrived = last && fd >= 0;
		return fd >= 0;
	}
	if (last && !follow)
		return 0;
	target[n] = '\0';
	return take_link(w, target, err);
}

static int
step(struct ai_observer *o, struct walk *w, bool follow, struct ai_err *err)
{
	const char *p = w->rest.data + w->at;
	p += strspn(p, "/");
	size_t n = strcspn(p, "/");
	if (n == 0)
		return 0;
	w->at = (size_t)(p - w->rest.data) + n;
	if (n == 1 && p[0] == '.')
		return 1;
	if (n == 2 && p[0] == '.' && p[1] == '.') {
		while (w->now.len > 0 && w->now.data[--w->now.len] != '/')
			;
		w->now.data[w->now.len] = '\0';
		return 1;
	}
	ai_buf_putc(&w->now, '/');
	ai_buf_put(&w->now, p, n);
	if (ai_buf_ok(&w->now, "observer: path", err) < 0)
		return err->code;
	const char *left = w->rest.data + w->at;
	bool last = left[strspn(left, "/")] == '\0';
	bool through = follow || *left; /* a slash at the end follows the link */
	switch (area_of(o, w->now.data)) {
	case AREA_HOST: return step_host(o, w, last, through, err);
	case AREA_STEP: return step_own(o, w, last, through, err);
	case AREA_ABOVE_HOST: break;
	}
	return 1;
}

/* --- what the kernel opens by itself for an exec ------------------------------ */

static char *
elf_interpreter(int fd, const char *head, size_t n)
{
	Elf64_Ehdr h;
	if (n < sizeof h)
		return NULL;
	memcpy(&h, head, sizeof h);
	if (h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_phentsize != sizeof(Elf64_Phdr))
		return NULL;
	for (unsigned i = 0; i < h.e_phnum && i < 64; i++) {
		Elf64_Phdr p;
		if (pread(fd, &p, sizeof p, (off_t)(h.e_phoff + i * sizeof p)) != (ssize_t)sizeof p)
			return NULL;
		if (p.p_type != PT_INTERP || p.p_filesz < 2 || p.p_filesz > 4096)
			continue;
		char *name = ai_calloc(1, p.p_filesz + 1);
		if (name && pread(fd, name, p.p_filesz, (off_t)p.p_offset) == (ssize_t)p.p_filesz)
			return name;
		free(name);
		return NULL;
	}
	return NULL;
}

/* The program that runs this one: of a `#!` line or of an ELF file; fresh, or NULL. */
static char *
interpreter(const struct ai_observer *o, const char *path)
{
	char head[256];
	struct stat st;
	AI_FD fd = open_own(o, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	ssize_t n = pread(fd, head, sizeof head - 1, 0);
	if (n < 4)
		return NULL;
	head[n] = '\0';
	if (memcmp(head, ELFMAG, SELFMAG) == 0)
		return elf_interpreter(fd, head, (size_t)n);
	if (head[0] != '#' || head[1] != '!')
		return NULL;
	const char *name = head + 2 + strspn(head + 2, " \t");
	return ai_strndup(name, strcspn(name, " \t\r\n"));
}

static int walk_one(struct ai_observer *o, const char *path, ai_use use, unsigned depth, struct ai_err *err);

static int
walk_interpreter(struct ai_observer *o, const struct walk *w, unsigned depth, struct ai_err *err)
{
	AI_FREE char *name = depth < MAX_INTERPRETERS ? interpreter(o, w->now.data) : NULL;
	return name && *name == '/' ? walk_one(o, name, AI_USE_EXEC, depth + 1, err) : 0;
}

static int
walk_one(struct ai_observer *o, const char *path, ai_use use, unsigned depth, struct ai_err *err)
{
	struct ai_seen_path *raw = NULL;
	bool remember = area_of(o, path) == AREA_HOST;
	if (remember && entry(o, path, &raw, err) < 0)
		return err->code;
	if (raw && (raw->done & use))
		return 0;
	struct walk w = { .now = AI_BUF(MAX_WALK), .rest = AI_BUF(MAX_WALK) };
	ai_buf_put(&w.now, "", 0);
	ai_buf_puts(&w.rest, path);
	int r = ai_buf_ok(&w.rest, "observer: path", err) < 0 || ai_buf_ok(&w.now, "observer: path", err) < 0 ? err->code : 1;
	while (r > 0)
		r = step(o, &w, use != AI_USE_NOFOLLOW, err);
	if (r == 0 && w.last && w.arrived && use == AI_USE_LIST && w.last->kind == AI_LOOK_DIR)
		w.last->listed = true;
	if (r == 0 && w.arrived && use == AI_USE_EXEC)
		r = walk_interpreter(o, &w, depth, err);
	if (r == 0 && raw && !w.outside)
		raw->done |= use;
	walk_done(&w);
	return r;
}

int
ai_seen_walk(struct ai_observer *o, const char *path, ai_use use, struct ai_err *err)
{
	return walk_one(o, path, use, 0, err);
}

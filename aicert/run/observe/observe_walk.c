/* observe_walk.c -- see observe_seen.h: what is looked at on the way to a path.  SPDX-License-Identifier: Apache-2.0 */
#include "run/observe/observe_seen.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/path.h"

#define MAX_LINKS 40        /* as the kernel */
#define MAX_INTERPRETERS 5  /* as the kernel */
#define MAX_WALK (256u << 10)

typedef enum area { AREA_STEP, AREA_ABOVE_HOST, AREA_HOST } area;

static area
area_of(const struct ai_observer *o, const char *path, size_t n)
{
	area found = AREA_STEP;
	for (size_t i = 0; i < o->n_host; i++) {
		const struct ai_seen_host *h = &o->host[i];
		if (memcmp(path, h->path, h->len < n ? h->len : n) != 0)
			continue;
		if (h->len == n || (h->len < n && path[h->len] == '/'))
			return AREA_HOST;
		if (h->len > n && h->path[n] == '/')
			found = AREA_ABOVE_HOST;
	}
	return found;
}

struct walk {
	struct ai_buf now;      /* the part that is resolved: "", "/usr", … */
	struct ai_buf rest;     /* the whole of what is being resolved, */
	size_t at;              /* and how far it is */
	size_t floor;           /* of now: what ".." and a link that begins with '/' do not leave */
	size_t host;            /* of now: what is known to be the machine's; 0 */
	unsigned links;
	bool follow;            /* the last link, too */
	bool closed;            /* now lies in a folder in which the step may not search */
	bool outside;           /* passed through what the step can change: not to be remembered */
	bool arrived;           /* now names a file or folder that is there */
	struct ai_seen_path *last; /* if it is the machine's */
	char magic[64];         /* the last link of /proc, which may lead to a file that has no path */
};

static void
walk_done(struct walk *w)
{
	ai_buf_done(&w->now);
	ai_buf_done(&w->rest);
}

static void
cut(struct walk *w, size_t len)
{
	w->now.len = len;
	w->now.data[len] = '\0';
	if (w->host > len)
		w->host = 0;
	/* Deeper than this was closed; what is above has been passed. */
	w->closed = false;
}

static void
go_up(struct walk *w)
{
	size_t n = w->now.len;
	while (n > w->floor && w->now.data[--n] != '/')
		;
	cut(w, n);
}

/* A link on the way: its target, then what was left. 1 go on, 0 too many. */
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
	if (*target == '/')
		cut(w, w->floor);
	else
		go_up(w);
	return ++w->links > MAX_LINKS ? 0 : 1;
}

/* The machine's own: looked at once, and noted as far as the step sees it. 1 go on, 0 the walk ends. */
static int
step_host(struct ai_observer *o, struct walk *w, bool last, bool follow, ai_use use, struct ai_err *err)
{
	struct ai_seen_path *e;
	if (ai_seen_host(o, w->now.data, w->closed, &e, err) < 0)
		return err->code;
	if (e->look == AI_LOOK_DIR && !last) {
		w->closed |= e->closed;
		return 1;
	}
	if (use != AI_USE_MAKE || e->look != AI_LOOK_ABSENT)
		e->noted = true;
	if (e->look == AI_LOOK_LINK && (!last || follow))
		return take_link(w, e->target, err);
	if (e->look != AI_LOOK_LINK && e->look != AI_LOOK_ABSENT) {
		w->arrived = last;
		w->last = e;
	}
	return 0;
}

/* Below the sandbox's root and through no link, so that a step that swaps folders for links while we look leads us nowhere. */
static int
open_own(const struct ai_observer *o, const char *path, unsigned long long flags)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS };
	return o->root < 0 ? -1 : (int)syscall(SYS_openat2, o->root, path, &how, sizeof how);
}

/* Of /proc, only what leads out of it matters: self, and the links to files behind it. */
static int
step_proc(const struct ai_observer *o, struct walk *w, bool *done, struct ai_err *err)
{
	char self[64];
	bool thread = strcmp(w->now.data, "/proc/thread-self") == 0;
	*done = thread || strcmp(w->now.data, "/proc/self") == 0;
	if (!*done)
		return 0;
	return ai_exec_proc_self(o->caller, thread, self) ? take_link(w, self, err) : 0;
}

/* The step's own: nothing is noted, but a link may lead to the machine's. */
static int
step_own(const struct ai_observer *o, struct walk *w, bool last, bool follow, struct ai_err *err)
{
	char target[4097];
	bool done;
	w->outside = true;
	if (last && !follow)
		return 0;
	int r = step_proc(o, w, &done, err);
	if (done || r < 0)
		return r;
	AI_FD fd = open_own(o, w->now.data, O_PATH | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof target - 1);
	if (n < 0) {
		w->arrived = last && fd >= 0;
		return fd >= 0;
	}
	target[n] = '\0';
	if (strncmp(w->now.data, "/proc/", 6) == 0) {
		w->magic[0] = '\0';
		if (last && w->now.len < sizeof w->magic)
			memcpy(w->magic, w->now.data, w->now.len + 1);
		/* "pipe:[7]" is no path. */
		if (target[0] != '/')
			return 0;
	}
	return take_link(w, target, err);
}

static int
step(struct ai_observer *o, struct walk *w, ai_use use, struct ai_err *err)
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
		go_up(w);
		return 1;
	}
	ai_buf_putc(&w->now, '/');
	ai_buf_put(&w->now, p, n);
	if (ai_buf_ok(&w->now, "observer: path", err) < 0)
		return err->code;
	const char *left = w->rest.data + w->at;
	bool last = left[strspn(left, "/")] == '\0';
	bool follow = w->follow || *left; /* a slash at the end follows the link */
	area a = w->host ? AREA_HOST : area_of(o, w->now.data, w->now.len);
	if (a == AREA_ABOVE_HOST)
		return 1;
	if (a == AREA_STEP)
		return step_own(o, w, last, follow, err);
	if (!w->host)
		w->host = w->now.len;
	return step_host(o, w, last, follow, use, err);
}

/* --- whole paths ---------------------------------------------------------------- */

/* Most paths of the workspace: no link on the way, so nothing of the machine's, whether it is there or not. */
static bool
plainly_own(const struct ai_observer *o, const char *path)
{
	if (strstr(path, "..") || area_of(o, path, strlen(path)) != AREA_STEP)
		return false;
	AI_FD fd = open_own(o, path, O_PATH);
	return fd >= 0 || errno == ENOENT || errno == ENOTDIR;
}

static int walk_one(struct ai_observer *o, const char *path, size_t floor, ai_use use, int opened, unsigned depth, struct ai_err *err);

/* What the kernel opens by itself for an exec. */
static int
walk_interpreter(struct ai_observer *o, const struct walk *w, int opened, unsigned depth, struct ai_err *err)
{
	const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	AI_FD own = -1;
	if (opened < 0 && w->arrived)
		own = open_own(o, w->now.data, flags);
	else if (opened < 0 && w->magic[0] && o->root >= 0)
		own = openat(o->root, w->magic + 1, flags);
	if (depth >= MAX_INTERPRETERS || (own < 0 && opened < 0))
		return 0;
	AI_FREE char *name = ai_exec_interpreter(opened < 0 ? own : opened);
	if (!name || !*name)
		return 0;
	if (*name == '/')
		return walk_one(o, name, 0, AI_USE_EXEC, -1, depth + 1, err);
	/* Of a relative name: where the caller is. */
	char link[64], cwd[4097];
	snprintf(link, sizeof link, "/proc/%d/cwd", o->caller);
	ssize_t n = readlink(link, cwd, sizeof cwd - 1);
	if (n <= 0 || cwd[0] != '/')
		return 0;
	cwd[n] = '\0';
	AI_FREE char *path = ai_join(cwd, name);
	return path ? walk_one(o, path, 0, AI_USE_EXEC, -1, depth + 1, err) : ai_nomem(err);
}

static int
walk_one(struct ai_observer *o, const char *path, size_t floor, ai_use use, int opened, unsigned depth, struct ai_err *err)
{
	struct ai_seen_path *raw = NULL;
	if (use != AI_USE_EXEC && plainly_own(o, path))
		return 0;
	bool remember = floor == 0 && area_of(o, path, strlen(path)) == AREA_HOST;
	if (remember && ai_seen_entry(o, path, &raw, err) < 0)
		return err->code;
	if (raw && (raw->done & use))
		return 0;
	struct walk w = { .now = AI_BUF(MAX_WALK), .rest = AI_BUF(MAX_WALK), .floor = floor,
		.follow = use & (AI_USE_FOLLOW | AI_USE_EXEC | AI_USE_READ) };
	ai_buf_put(&w.now, path, floor);
	ai_buf_puts(&w.rest, path + floor);
	int r = ai_buf_ok(&w.rest, "observer: path", err) < 0 || ai_buf_ok(&w.now, "observer: path", err) < 0 ? err->code : 1;
	while (r > 0)
		r = step(o, &w, use, err);
	if (r == 0 && w.last && w.arrived && (use & (AI_USE_READ | AI_USE_READ_NOFOLLOW)))
		r = ai_seen_list(w.last, err);
	if (r == 0 && use == AI_USE_EXEC)
		r = walk_interpreter(o, &w, opened, depth, err);
	if (r == 0 && raw && !w.outside)
		raw->done |= use;
	walk_done(&w);
	return r;
}

int
ai_seen_walk(struct ai_observer *o, const char *path, size_t floor, ai_use use, int opened, struct ai_err *err)
{
	return walk_one(o, path, floor, use, opened, 0, err);
}

/* intake.c -- see objects.h: writing.  SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "cache/inside.h"
#include "cache/objects.h"
#include "cache/pump.h"

enum { SMALL_MAX = 1 << 20 }; /* below this, content is hashed in memory before anything is written */

struct ai_new_object {
	struct ai_store *s;
	struct ai_new_object *next;   /* in s->open */
	struct ai_buf small;          /* the bytes while they are few */
	int fd;                       /* -1 while they are few */
	char tmp[AI_SESSION_NAME];
	struct ai_sha sha;
	uint64_t size;
};

int
ai_object_is_here(struct ai_store *s, const struct ai_digest *id, struct ai_err *err)
{
	if (ai_batch_has(s, id, AI_AS_BLOB) || ai_idset_has(&s->sound, id, AI_AS_BLOB))
		return 1;
	struct ai_err damage = { 0 };
	int r = ai_object_look(s, id, NULL, &damage);
	if (r < 0) {
		*err = damage;
		return r;
	}
	/* A damaged object was removed just now, and the caller is about to write it anew. */
	if (r != AI_OBJECT_SOUND)
		return 0;
	return ai_idset_mark(&s->sound, id, AI_AS_BLOB, err) < 0 ? err->code : 1;
}

static int
new_temp(struct ai_store *s, char name[AI_SESSION_NAME], struct ai_err *err)
{
	int dir = ai_session_dir(&s->session, err);
	if (dir < 0)
		return err->code;
	ai_session_name(&s->session, name);
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd >= 0 ? fd : ai_fail_errno(err, AI_EENV, "cache: tmp: cannot create");
}

static void
drop_temp(struct ai_store *s, const char *name)
{
	if (s->session.dir_fd >= 0)
		(void)unlinkat(s->session.dir_fd, name, 0);
}

/* A temporary file that holds all of object id joins the batch, or goes when the object is there already. */
static int
finish_temp(struct ai_store *s, int fd, const char *tmp, const struct ai_digest *id, uint64_t size, struct ai_err *err)
{
	int here = ai_object_is_here(s, id, err);
	if (here == 0 && (fchmod(fd, 0444) < 0 || futimens(fd, ai_object_times) < 0))
		here = ai_fail_errno(err, AI_EENV, "cache: tmp: cannot finish object");
	if (here != 0) {
		drop_temp(s, tmp);
		return here < 0 ? here : 0;
	}
	return ai_batch_object(s, id, size, tmp, err);
}

int
ai_object_put(struct ai_store *s, const void *p, size_t n, struct ai_digest *out, struct ai_err *err)
{
	struct ai_digest id;
	char tmp[AI_SESSION_NAME];
	ai_sha256(p, n, &id);
	int here = ai_object_is_here(s, &id, err);
	if (here < 0)
		return here;
	if (here == 0) {
		AI_FD fd = new_temp(s, tmp, err);
		if (fd < 0)
			return err->code;
		if (ai_write_all(fd, p, n, "cache: object", err) < 0) {
			drop_temp(s, tmp);
			return err->code;
		}
		if (finish_temp(s, fd, tmp, &id, n, err) < 0)
			return err->code;
	}
	*out = id;
	return 0;
}

int
ai_object_begin(struct ai_store *s, struct ai_new_object **out, struct ai_err *err)
{
	struct ai_new_object *o = ai_calloc(1, sizeof *o);
	if (!o)
		return ai_nomem(err);
	*o = (struct ai_new_object){ .s = s, .next = s->open, .small = AI_BUF(SMALL_MAX), .fd = -1 };
	s->open = o;
	*out = o;
	return 0;
}

/* The object has outgrown memory. */
static int
spill(struct ai_new_object *o, struct ai_err *err)
{
	int fd = new_temp(o->s, o->tmp, err);
	if (fd < 0)
		return err->code;
	o->fd = fd;
	if (ai_sha_init(&o->sha, err) < 0)
		return err->code;
	ai_sha_add(&o->sha, o->small.data ? o->small.data : "", o->small.len);
	return ai_write_all(o->fd, o->small.data ? o->small.data : "", o->small.len, "cache: object", err);
}

int
ai_object_write(struct ai_new_object *o, const void *p, size_t n, struct ai_err *err)
{
	o->size += n;
	if (o->fd < 0 && n <= SMALL_MAX - o->small.len) {
		ai_buf_put(&o->small, p, n);
		return ai_buf_ok(&o->small, "cache: object", err);
	}
	if (o->fd < 0 && spill(o, err) < 0)
		return err->code;
	ai_buf_done(&o->small);
	ai_sha_add(&o->sha, p, n);
	return ai_write_all(o->fd, p, n, "cache: object", err);
}

/* Unlinks o from the store's list and frees it; a temporary file that is still its own goes. */
void
ai_object_abort(struct ai_new_object *o)
{
	struct ai_new_object **at = &o->s->open;
	while (*at && *at != o)
		at = &(*at)->next;
	if (*at)
		*at = o->next;
	if (o->fd >= 0) {
		close(o->fd);
		drop_temp(o->s, o->tmp);
	}
	ai_sha_done(&o->sha);
	ai_buf_done(&o->small);
	free(o);
}

int
ai_object_commit(struct ai_new_object *o, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	struct ai_digest id;
	if (o->fd < 0) {
		if (ai_object_put(o->s, o->small.data ? o->small.data : "", o->small.len, &id, err) < 0)
			return err->code;
	} else {
		AI_FD fd = o->fd;
		o->fd = -1;
		ai_sha_end(&o->sha, &id);
		if (finish_temp(o->s, fd, o->tmp, &id, o->size, err) < 0)
			return err->code;
	}
	*out = id;
	if (size_out)
		*size_out = o->size;
	ai_object_abort(o);
	return 0;
}

/* As many bytes as the file has, at most SMALL_MAX, into the store's chunk; *n_out > SMALL_MAX means that it has more. */
static int
read_small(struct ai_store *s, int fd, const char *what, size_t *n_out, struct ai_err *err)
{
	if (!s->chunk && !(s->chunk = malloc(SMALL_MAX + 1)))
		return ai_nomem(err);
	size_t have = 0;
	while (have <= SMALL_MAX) {
		ssize_t n = read(fd, s->chunk + have, SMALL_MAX + 1 - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ai_fail_errno(err, AI_EINPUT, "%s: cannot read", what);
		if (n == 0)
			break;
		have += (size_t)n;
	}
	*n_out = have;
	return 0;
}

/* A file of holes claims terabytes and holds none: what the disk has no room for is not begun with, so that it neither fills up nor takes hours. */
static int
check_room(int to, const struct stat *st, const char *what, struct ai_err *err)
{
	struct statvfs disk;
	if (fstatvfs(to, &disk) < 0 || (uint64_t)st->st_size / disk.f_frsize < disk.f_bavail)
		return 0;
	ai_fail(err, AI_EENV, "%s: has %llu bytes, of which the cache keeps a copy: its disk has %llu free", what, (unsigned long long)st->st_size,
		(unsigned long long)disk.f_bavail * disk.f_frsize);
	return ai_hint(err, "free some space, or let AICERT_HOME name a folder on a larger disk");
}

static int
take_large(struct ai_store *s, int fd, const struct stat *st, const char *what, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	char tmp[AI_SESSION_NAME];
	struct ai_digest id;
	uint64_t size;
	AI_FD to = new_temp(s, tmp, err);
	if (to < 0)
		return err->code;
	if (check_room(to, st, what, err) < 0 || ai_pump(fd, to, what, &id, &size, err) < 0) {
		drop_temp(s, tmp);
		return err->code;
	}
	if (finish_temp(s, to, tmp, &id, size, err) < 0)
		return err->code;
	*out = id;
	*size_out = size;
	return 0;
}

int
ai_object_take_file(struct ai_store *s, int fd, const struct stat *st, const char *what, struct ai_digest *out, uint64_t *size_out,
	struct ai_err *err)
{
	size_t n = SMALL_MAX + 1;
	if (st->st_size <= SMALL_MAX && read_small(s, fd, what, &n, err) < 0)
		return err->code;
	if (n <= SMALL_MAX) {
		if (ai_object_put(s, s->chunk, n, out, err) < 0)
			return err->code;
		*size_out = n;
		return 0;
	}
	if (lseek(fd, 0, SEEK_SET) != 0)
		return ai_fail_errno(err, AI_EINPUT, "%s: cannot read from its start", what);
	return take_large(s, fd, st, what, out, size_out, err);
}

int
ai_store_adopt(struct ai_store *s, const struct ai_digest *id, struct ai_err *err)
{
	char name[AI_OBJECT_NAME], hex[AI_HEX];
	struct stat st;
	struct ai_digest got;
	uint64_t size;
	ai_object_name(id, name);
	AI_FD fd = openat(s->objects_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return ai_fail_errno(err, AI_EINPUT, "cache: objects/%s", name);
	if (!S_ISREG(st.st_mode) || (st.st_mode & 07777) != 0444 || st.st_mtim.tv_sec != AI_OBJECT_MTIME || st.st_mtim.tv_nsec != 0)
		return ai_fail(err, AI_EINPUT, "cache: objects/%s: is no object's file", name);
	if (ai_pump(fd, -1, name, &got, &size, err) < 0)
		return err->code;
	ai_hex(&got, hex);
	if (!ai_digest_eq(id, &got))
		return ai_fail(err, AI_EINPUT, "cache: objects/%s: content hashes to %s", name, hex);
	return ai_batch_row(s->db, id, size, err);
}

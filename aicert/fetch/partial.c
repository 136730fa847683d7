/* partial.c -- see partial.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/partial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/talk.h"

static int
wait_lock(int fd, const char *path, struct ai_err *err)
{
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return ai_fail_errno(err, AI_EENV, "%s: cannot lock", path);
		if (ai_check_interrupt(err) < 0)
			return err->code;
		(void)nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	}
	return 0;
}

/* The file, locked, and still the one that has this name: whoever had it before may have finished and removed it. */
static int
open_locked(const char *path, int *fd_out, struct stat *st, struct ai_err *err)
{
	for (;;) {
		AI_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return ai_fail_errno(err, AI_EENV, "%s: cannot open", path);
		if (wait_lock(fd, path, err) < 0)
			return err->code;
		if (fstat(fd, st) < 0)
			return ai_fail_errno(err, AI_EENV, "%s: cannot stat", path);
		if (st->st_nlink > 0) {
			*fd_out = fd;
			fd = -1;
			return 0;
		}
	}
}

/* The paths of that name; either may be NULL. */
static struct ai_partial
named(const char *dir, const char *name)
{
	struct ai_digest d;
	char hex[AI_HEX];
	ai_sha256(name, strlen(name), &d);
	ai_hex(&d, hex);
	return (struct ai_partial){ .fd = -1, .path = ai_format("%s/%s", dir, hex), .meta = ai_format("%s/%s.meta", dir, hex) };
}

int
ai_partial_open(const char *dir, const char *name, struct ai_partial *out, struct ai_err *err)
{
	struct stat st;
	struct ai_partial p = named(dir, name);
	AI_BUF_AUTO meta = AI_BUF(4096);
	if (!p.path || !p.meta) {
		(void)ai_nomem(err);
		goto fail;
	}
	if (ai_mkdirs(dir, 0700, err) < 0 || open_locked(p.path, &p.fd, &st, err) < 0)
		goto fail;
	p.have = (uint64_t)st.st_size;
	if (ai_read_file_if(AT_FDCWD, p.meta, &meta, err) == 1 && meta.len > 0 && !memchr(meta.data, '\n', meta.len))
		p.validator = ai_buf_take(&meta);
	*out = p;
	return 0;
fail:
	ai_partial_close(&p, false);
	return err->code;
}

int
ai_partial_restart(struct ai_partial *p, const char *validator, struct ai_err *err)
{
	if (ftruncate(p->fd, 0) < 0 || lseek(p->fd, 0, SEEK_SET) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot write", p->path);
	p->have = 0;
	free(p->validator);
	p->validator = validator ? ai_strdup(validator) : NULL;
	if (validator && !p->validator)
		return ai_nomem(err);
	if (!validator)
		return unlink(p->meta) < 0 && errno != ENOENT ? ai_fail_errno(err, AI_EENV, "%s: cannot remove", p->meta) : 0;
	return ai_write_file(AT_FDCWD, p->meta, validator, strlen(validator), 0600, err);
}

int
ai_partial_append(struct ai_partial *p, const void *bytes, size_t n, struct ai_err *err)
{
	if (lseek(p->fd, (off_t)p->have, SEEK_SET) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot write", p->path);
	if (ai_write_all(p->fd, bytes, n, p->path, err) < 0)
		return err->code;
	p->have += n;
	return 0;
}

/* The file's bytes into the sink's object and the hash. */
static int
pour(struct ai_partial *p, const struct ai_sink *sink, void *obj, struct ai_sha *sha, struct ai_err *err)
{
	enum { CHUNK = 1 << 18 };
	AI_FREE char *chunk = malloc(CHUNK);
	if (!chunk)
		return ai_nomem(err);
	for (uint64_t at = 0; at < p->have;) {
		ssize_t n = pread(p->fd, chunk, CHUNK, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ai_fail_errno(err, AI_EENV, "%s: cannot read", p->path);
		if (ai_check_interrupt(err) < 0 || sink->write(obj, chunk, (size_t)n, err) < 0)
			return err->code;
		ai_sha_add(sha, chunk, (size_t)n);
		at += (uint64_t)n;
	}
	return 0;
}

int
ai_partial_into(struct ai_partial *p, const struct ai_sink *sink, const struct ai_digest *want, struct ai_digest *out, struct ai_err *err)
{
	void *obj;
	struct ai_sha sha;
	struct ai_digest got;
	if (ai_sha_init(&sha, err) < 0)
		return err->code;
	if (sink->begin(sink->ctx, &obj, err) < 0) {
		ai_sha_done(&sha);
		return err->code;
	}
	int r = pour(p, sink, obj, &sha, err);
	ai_sha_end(&sha, &got);
	if (r == 0 && (!want || ai_digest_eq(want, &got)))
		r = sink->commit(obj, &got, NULL, err) < 0 ? err->code : 1;
	else
		sink->abort(obj);
	if (r >= 0)
		*out = got;
	return r;
}

void
ai_partial_close(struct ai_partial *p, bool finished)
{
	if (finished && p->path) {
		(void)unlink(p->meta);
		(void)unlink(p->path);
	}
	if (p->fd >= 0)
		close(p->fd);
	free(p->path);
	free(p->meta);
	free(p->validator);
	*p = (struct ai_partial){ .fd = -1 };
}

void
ai_partial_remove(const char *dir, const char *name)
{
	struct ai_partial p = named(dir, name);
	ai_partial_close(&p, p.path && p.meta);
}

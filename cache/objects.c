/* objects.c -- see objects.h: finding, judging and removing. Writing is in intake.c.  SPDX-License-Identifier: Apache-2.0 */
#include "cache/objects.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "cache/inside.h"
#include "cache/pump.h"

const struct timespec ai_object_times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = AI_OBJECT_MTIME } };

void
ai_short_id(const struct ai_digest *d, char out[AI_SHORT])
{
	ai_hex_bytes(d->b, 6, out);
	memcpy(out + 12, "\xe2\x80\xa6", 4); /* "…" */
}

void
ai_object_name(const struct ai_digest *id, char out[AI_OBJECT_NAME])
{
	char hex[AI_HEX];
	ai_hex(id, hex);
	snprintf(out, AI_OBJECT_NAME, "%.2s/%s", hex, hex + 2);
}

static int
again(struct ai_err *err)
{
	return ai_hint(err, "run the same command again: what is missing is then fetched or made anew");
}

/* The row goes first, so that no row ever names what is not there. */
static int
forget_row(struct ai_store *s, const struct ai_digest *id, struct ai_err *err)
{
	AI_STMT st = { 0 };
	if (ai_stmt_begin(&st, s->db, "DELETE FROM objects WHERE id=?", err) < 0)
		return err->code;
	ai_stmt_digest(&st, 1, id);
	return ai_stmt_step(&st, err) < 0 ? err->code : 0;
}

/*
 * Takes the file of a damaged object away; bad is the damaged file. Another process may
 * just have put a sound one in its place, so the file is first moved aside and put back if it is not the one.
 */
static int
remove_object(struct ai_store *s, const struct ai_digest *id, const struct stat *bad, struct ai_err *err)
{
	char name[AI_OBJECT_NAME], aside[AI_SESSION_NAME];
	struct stat st;
	ai_object_name(id, name);
	ai_idset_done(&s->sound);
	ai_idset_done(&s->laid);
	int dir = ai_session_dir(&s->session, err);
	if (dir < 0 || forget_row(s, id, err) < 0)
		return err->code;
	ai_session_name(&s->session, aside);
	if (renameat(s->objects_fd, name, dir, aside) < 0)
		return errno == ENOENT ? 0 : ai_fail_errno(err, AI_EENV, "cache: objects/%s: cannot remove", name);
	if (fstatat(dir, aside, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_ino != bad->st_ino || st.st_dev != bad->st_dev))
		(void)renameat(dir, aside, s->objects_fd, name);
	else
		(void)unlinkat(dir, aside, 0);
	return 0;
}

int
ai_object_damaged(struct ai_store *s, const struct ai_digest *id, const struct ai_digest *got, const struct stat *st, struct ai_err *err)
{
	char want[AI_SHORT], is[AI_SHORT];
	if (remove_object(s, id, st, err) < 0)
		return err->code;
	ai_short_id(id, want);
	ai_short_id(got, is);
	ai_fail(err, AI_EINPUT, "cache: object %s: content hashes to %s: removed", want, is);
	return again(err);
}

/* 1 and the size that the row says; 0 no row. */
static int
row_size(struct ai_store *s, const struct ai_digest *id, int64_t *size, struct ai_err *err)
{
	AI_STMT st = { 0 };
	if (ai_stmt_begin(&st, s->db, "SELECT size FROM objects WHERE id=?", err) < 0)
		return err->code;
	ai_stmt_digest(&st, 1, id);
	int r = ai_stmt_step(&st, err);
	if (r == 1)
		*size = ai_col_int(&st, 0);
	return r;
}

/* Somebody touched the file: its bytes decide. */
static int
look_closer(struct ai_store *s, const struct ai_digest *id, const char *name, struct stat *st, struct ai_err *err)
{
	struct ai_digest got;
	AI_FD fd = openat(s->objects_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	/* A root without capabilities, or the owner after chmod 0: a mode that does not let us read is mended first. */
	if (fd < 0 && errno == EACCES && fchmodat(s->objects_fd, name, 0444, 0) == 0)
		fd = openat(s->objects_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "cache: objects/%s: cannot read", name);
	if (ai_pump(fd, -1, name, &got, NULL, err) < 0)
		return err->code;
	if (!ai_digest_eq(id, &got))
		return ai_object_damaged(s, id, &got, st, err) == AI_EINPUT ? AI_OBJECT_DAMAGED : err->code;
	if (fchmod(fd, 0444) < 0 || futimens(fd, ai_object_times) < 0 || fstat(fd, st) < 0)
		return ai_fail_errno(err, AI_EENV, "cache: objects/%s: cannot mend", name);
	return AI_OBJECT_SOUND;
}

int
ai_object_look(struct ai_store *s, const struct ai_digest *id, struct stat *st_out, struct ai_err *err)
{
	char name[AI_OBJECT_NAME], text[AI_SHORT];
	struct stat st;
	int64_t size = 0;
	int r = row_size(s, id, &size, err);
	if (r <= 0)
		return r < 0 ? r : AI_OBJECT_ABSENT;
	ai_object_name(id, name);
	if (fstatat(s->objects_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? AI_OBJECT_ABSENT : ai_fail_errno(err, AI_EENV, "cache: objects/%s", name);
	if (!S_ISREG(st.st_mode) || st.st_size != size) {
		if (remove_object(s, id, &st, err) < 0)
			return err->code;
		ai_short_id(id, text);
		ai_fail(err, AI_EINPUT, "cache: object %s: got %lld bytes, expected %lld: removed", text, (long long)st.st_size, (long long)size);
		again(err);
		return AI_OBJECT_DAMAGED;
	}
	r = AI_OBJECT_SOUND;
	if ((st.st_mode & 07777) != 0444 || st.st_mtim.tv_sec != AI_OBJECT_MTIME || st.st_mtim.tv_nsec != 0)
		r = look_closer(s, id, name, &st, err);
	if (r == AI_OBJECT_SOUND && st_out)
		*st_out = st;
	return r;
}

int
ai_object_need(struct ai_store *s, const struct ai_digest *id, struct stat *st_out, struct ai_err *err)
{
	char text[AI_SHORT];
	int r = ai_object_look(s, id, st_out, err);
	if (r < 0 || r == AI_OBJECT_SOUND)
		return r < 0 ? r : 0;
	if (r == AI_OBJECT_DAMAGED)
		return err->code;
	ai_short_id(id, text);
	ai_fail(err, AI_EINPUT, "cache: object %s: not in the store", text);
	return again(err);
}

int
ai_object_open(struct ai_store *s, const struct ai_digest *id, struct stat *st_out, struct ai_err *err)
{
	char name[AI_OBJECT_NAME];
	if (ai_object_need(s, id, st_out, err) < 0)
		return err->code;
	ai_object_name(id, name);
	int fd = openat(s->objects_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd >= 0 ? fd : ai_fail_errno(err, AI_EENV, "cache: objects/%s: cannot open", name);
}

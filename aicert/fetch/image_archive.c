/* image_archive.c -- see image_archive.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/image_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/talk.h"
#include "fetch/image_unpack.h"

enum { MAX_MEMBERS = 100000, MAX_NAME = 4095, MAX_LINKS = 16, CHUNK = 1 << 16 };

/* What a packed archive may unpack to, beside so many times its own size: no small file fills a disk. */
static const int64_t free_bytes = (int64_t)1 << 34;
enum { RATIO = 1000 };

struct member {
	char *name;                  /* tidy: parts joined by one '/', without "." and ".." */
	char *target;                /* of a link, as tidy; else NULL */
	int64_t offset, size;
	size_t order;
};

struct ai_image_archive {
	int fd;
	off_t at, end;
	struct member *members;      /* by name, then order */
	size_t n, cap;
	char chunk[CHUNK];
};

static la_ssize_t
read_some(struct archive *tar, void *ctx, const void **bytes)
{
	struct ai_image_archive *a = ctx;
	ssize_t n;
	do
		n = pread(a->fd, a->chunk, sizeof a->chunk, a->at);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		archive_set_error(tar, errno, "%s", strerror(errno));
		return ARCHIVE_FATAL;
	}
	a->at += n;
	*bytes = a->chunk;
	return n;
}

static la_int64_t
skip_some(struct archive *tar, void *ctx, la_int64_t want)
{
	struct ai_image_archive *a = ctx;
	(void)tar;
	la_int64_t n = want < a->end - a->at ? want : a->end - a->at;
	n = n > 0 ? n : 0;
	a->at += n;
	return n;
}

/* path as seen from the folder that from is in (NULL: the archive's root), fresh; NULL when it leads out (or memory is out). */
static char *
tidy(const char *from, const char *path)
{
	const char *slash = from && path[0] != '/' ? strrchr(from, '/') : NULL;
	AI_FREE char *whole = ai_format("%.*s/%s", slash ? (int)(slash - from) : 0, from ? from : "", path);
	char *out = whole ? malloc(strlen(whole) + 1) : NULL;
	size_t n = 0;
	for (char *s = whole; out && *s;) {
		size_t m = strcspn(s, "/");
		if (m == 2 && memcmp(s, "..", 2) == 0) {
			if (n == 0) {
				free(out);
				return NULL;
			}
			while (n > 0 && out[--n] != '/')
				;
		} else if (m > 0 && !(m == 1 && *s == '.')) {
			if (n > 0)
				out[n++] = '/';
			memcpy(out + n, s, m);
			n += m;
		}
		s += m + (s[m] == '/');
	}
	if (out)
		out[n] = '\0';
	return out;
}

static int
add_member(struct ai_image_archive *a, struct archive *tar, struct archive_entry *e, struct ai_err *err)
{
	const char *name = archive_entry_pathname(e), *hard = archive_entry_hardlink(e);
	const char *soft = archive_entry_filetype(e) == AE_IFLNK ? archive_entry_symlink(e) : NULL;
	if (!name || (!hard && !soft && archive_entry_filetype(e) != AE_IFREG))
		return 0;
	if (strlen(name) > MAX_NAME || a->n == MAX_MEMBERS)
		return ai_fail(err, AI_EINPUT, "more than %d members, or a name of more than %d bytes", MAX_MEMBERS, MAX_NAME);
	if (archive_entry_sparse_reset(e) > 0)
		return ai_fail(err, AI_EINPUT, "a sparse member");
	if (ai_grow(&a->members, &a->cap, a->n, sizeof *a->members, err) < 0)
		return err->code;
	/* What leads out of the archive is in nobody's way: it is not found. */
	struct member m = { .name = tidy(NULL, name), .order = a->n, .offset = archive_filter_bytes(tar, 0), .size = archive_entry_size(e) };
	if (!m.name)
		return 0;
	if (hard || soft) {
		m.target = hard ? tidy(NULL, hard) : tidy(m.name, soft);
		if (!m.target) {
			free(m.name);
			return 0;
		}
	}
	a->members[a->n++] = m;
	return 0;
}

static int
by_name(const void *x, const void *y)
{
	const struct member *a = x, *b = y;
	int r = strcmp(a->name, b->name);
	return r ? r : (a->order > b->order) - (a->order < b->order);
}

static int
read_headers(struct ai_image_archive *a, struct archive *tar, struct ai_err *err)
{
	struct archive_entry *e;
	int r;
	if (archive_read_support_format_tar(tar) != ARCHIVE_OK || archive_read_open2(tar, a, NULL, read_some, skip_some, NULL) != ARCHIVE_OK)
		return ai_fail(err, AI_EINPUT, "no tar file: %s", archive_error_string(tar));
	while ((r = archive_read_next_header(tar, &e)) != ARCHIVE_EOF) {
		const char *why = archive_error_string(tar);
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return ai_fail(err, AI_EINPUT, "damaged tar file: %s", why ? why : "no reason");
		if (add_member(a, tar, e, err) < 0 || ai_check_interrupt(err) < 0)
			return err->code;
	}
	if (a->n > 1)
		qsort(a->members, a->n, sizeof *a->members, by_name);
	return 0;
}

int
ai_image_scratch(const char *folder, struct ai_err *err)
{
	if (ai_mkdirs(folder, 0700, err) < 0)
		return err->code;
	AI_FREE char *name = ai_format("%s/image.XXXXXX", folder);
	if (!name)
		return ai_nomem(err);
	int fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "'%s': cannot make a temporary file", folder);
	(void)unlink(name);
	return fd;
}

/* The file as it is when it was not packed: fd itself, or a scratch file in its place. */
static int
unpacked(int *fd, const char *scratch, struct ai_err *err)
{
	unsigned char magic[4] = { 0 };
	struct ai_unpack *u;
	struct stat st;
	const void *bytes;
	size_t n;
	if (pread(*fd, magic, sizeof magic, 0) < 0 || fstat(*fd, &st) < 0)
		return ai_fail_errno(err, AI_EINPUT, "cannot read");
	ai_oci_packing packing = ai_unpack_guess(magic);
	if (packing == AI_OCI_PLAIN)
		return 0;
	AI_FD plain = ai_image_scratch(scratch, err);
	if (plain < 0 || ai_unpack_new(*fd, packing, &u, err) < 0)
		return err->code;
	int64_t room = st.st_size > INT64_MAX / RATIO / 2 ? INT64_MAX : free_bytes + st.st_size * RATIO;
	while (ai_unpack_next(u, &bytes, &n, err) == 1) {
		room -= (int64_t)n;
		if (room < 0)
			(void)ai_fail(err, AI_EINPUT, "unpacks to more than %lld bytes and %d times its own size", (long long)free_bytes, RATIO);
		if (room < 0 || ai_write_all(plain, bytes, n, "temporary file", err) < 0)
			break;
	}
	ai_unpack_free(u);
	if (err->code)
		return err->code;
	close(*fd);
	*fd = plain;
	plain = -1;
	return 0;
}

static int
make_index(struct ai_image_archive *a, struct ai_err *err)
{
	struct stat st;
	if (fstat(a->fd, &st) < 0)
		return ai_fail_errno(err, AI_EINPUT, "cannot look at it");
	a->end = st.st_size;
	/* As image_layers.c: names as the bytes that they are. */
	locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!c)
		return ai_nomem(err);
	locale_t before = uselocale(c);
	struct archive *tar = archive_read_new();
	int r = tar ? read_headers(a, tar, err) : ai_nomem(err);
	archive_read_free(tar);
	uselocale(before);
	freelocale(c);
	return r;
}

int
ai_image_archive_open(int fd, const char *scratch, struct ai_image_archive **out, struct ai_err *err)
{
	AI_FD own = fd;
	if (unpacked(&own, scratch, err) < 0)
		return err->code;
	struct ai_image_archive *a = ai_calloc(1, sizeof *a);
	if (!a)
		return ai_nomem(err);
	a->fd = own;
	own = -1;
	if (make_index(a, err) < 0) {
		ai_image_archive_free(a);
		return err->code;
	}
	*out = a;
	return 0;
}

void
ai_image_archive_free(struct ai_image_archive *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n; i++) {
		free(a->members[i].name);
		free(a->members[i].target);
	}
	free(a->members);
	close(a->fd);
	free(a);
}

/* The last member of that name. */
static const struct member *
find(const struct ai_image_archive *a, const char *name)
{
	size_t lo = 0, hi = a->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (strcmp(a->members[mid].name, name) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 && strcmp(a->members[lo - 1].name, name) == 0 ? &a->members[lo - 1] : NULL;
}

int
ai_image_archive_find(const struct ai_image_archive *a, const char *name, int64_t *offset, int64_t *size)
{
	AI_FREE char *tidied = tidy(NULL, name);
	const struct member *m = tidied ? find(a, tidied) : NULL;
	for (int i = 0; m && m->target && i < MAX_LINKS; i++)
		m = find(a, m->target);
	if (!m || m->target)
		return 0;
	*offset = m->offset;
	*size = m->size;
	return 1;
}

int
ai_image_archive_fd(const struct ai_image_archive *a)
{
	return a->fd;
}

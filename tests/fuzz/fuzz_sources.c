/*
 * fuzz_sources.c -- what servers and repositories say to the fetchers of large files, buckets and archives, as any bytes.
 *
 * The first byte says as what: 0 a listing of a bucket, 1 a Git LFS pointer and a .lfsconfig, 2 an LFS server's answer, 3 a credentials file,
 * 4 a bucket's URI, 5 a path and .gitattributes, others an archive.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/path.h"
#include "fetch/archive.h"
#include "fetch/git_attr.h"
#include "fetch/git_lfs.h"
#include "fetch/s3.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
refused(int r, const struct ai_err *err)
{
	if (r < 0 && (r != err->code || !err->text[0]))
		abort();
}

static void
as_listing(const char *s, size_t n)
{
	struct ai_err err = { 0 };
	json_t *j = NULL;
	int r = ai_s3_listing(s, n, &j, &err);
	refused(r, &err);
	if (r < 0)
		return;
	size_t i;
	json_t *f;
	json_array_foreach(ai_json_arr(j, "files"), i, f)
		if (!ai_json_str(f, "key") || !json_is_integer(json_object_get(f, "size")))
			abort();
	json_decref(j);
}

static void
as_pointer(const char *s, size_t n)
{
	struct ai_err err = { 0 };
	struct ai_digest oid;
	uint64_t size;
	char *url = NULL;
	int r = ai_git_lfs_pointer(s, n, &oid, &size, &err);
	refused(r, &err);
	if (r == 1 && n >= 1024)
		abort();
	refused(ai_git_lfsconfig(s, n, &url, &err), &err);
	free(url);
}

static void
as_answer(const char *s, size_t n)
{
	struct ai_err err = { 0 };
	struct ai_lfs_object want[2] = { { .path = (char *)"a", .size = 1 }, { .path = (char *)"b", .size = 2 } };
	struct ai_lfs_action got[2] = { { NULL, NULL }, { NULL, NULL } };
	memset(want[1].oid.b, 0x11, sizeof want[1].oid.b);
	json_t *j = json_loadb(s, n, JSON_REJECT_DUPLICATES, NULL);
	int r = j ? ai_lfs_answer(j, want, 2, got, &err) : 0;
	refused(r, &err);
	if (j && r == 0 && (!got[0].href || !got[1].href))
		abort();
	json_decref(j);
}

static void
as_credentials(const char *s, size_t n)
{
	struct ai_err err = { 0 };
	struct ai_s3_keys k = { NULL, NULL, NULL };
	if (ai_s3_keys_read(s, n, "default", &k, &err) != 1)
		return;
	char out[AI_S3_AUTHORIZATION];
	const struct ai_s3_get get = { "h", "/", "", "r", 0 };
	if (ai_s3_sign(&get, &k, out, &err) == 0 && strpbrk(out, "\r\n"))
		abort();
	ai_s3_keys_done(&k);
}

static void
as_uri(const char *s, size_t n)
{
	struct ai_err err = { 0 };
	struct ai_place p;
	AI_FREE char *uri = ai_strndup(s, n);
	if (!uri || !ai_s3_is(uri))
		return;
	int r = ai_s3_place(uri, &p, &err);
	refused(r, &err);
	if (r < 0)
		return;
	/* Nothing of a URI ends a line of the request, or is a login. */
	for (const char *c = p.url; *c; c++)
		if ((unsigned char)*c <= 0x20 || (unsigned char)*c >= 0x7f)
			abort();
	if (strncmp(p.url, "http", 4) != 0 || memchr(p.url, '@', strcspn(p.url + 8, "/") + 8))
		abort();
	ai_place_done(&p);
}

/* The first line is the path; the rest are the files of the root and of the path's own folder. */
static void
as_attributes(const char *s, size_t n)
{
	struct ai_err err = { 0 };
	struct ai_git_attrs a = { .levels = NULL };
	AI_FREE char *text = ai_strndup(s, n);
	char *line = text ? strchr(text, '\n') : NULL;
	if (!line)
		return;
	*line++ = '\0';
	char *slash = strrchr(text, '/');
	AI_FREE char *dir = ai_strndup(text, slash ? (size_t)(slash - text) + 1 : 0);
	int r = dir ? ai_git_attrs_push(&a, "", line, strlen(line), &err) : 0;
	if (r == 0 && dir && *dir)
		r = ai_git_attrs_push(&a, dir, line, strlen(line), &err);
	if (r == 0)
		r = ai_git_attrs_lfs(&a, text, &err);
	refused(r, &err);
	ai_git_attrs_done(&a);
}

/* --- archives ------------------------------------------------------------------------------- */

static int open_objects;
static size_t written;

static int
begin(void *ctx, void **obj, struct ai_err *err)
{
	(void)ctx, (void)err;
	open_objects++;
	*obj = &open_objects;
	return 0;
}

static int
write_some(void *obj, const void *p, size_t n, struct ai_err *err)
{
	(void)obj, (void)p;
	/* A few bytes of a sparse file may stand for gigabytes: there is no use in waiting for them here. */
	written += n;
	return written < (64u << 20) ? 0 : ai_fail(err, AI_EENV, "enough");
}

static int
commit(void *obj, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	(void)obj, (void)size_out, (void)err;
	open_objects--;
	memset(out, 1, sizeof *out);
	return 0;
}

static void
give_up(void *obj)
{
	(void)obj;
	open_objects--;
}

/* Every name in a tree keeps its rules, and no link leads out by its own text. */
static int
tree(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err)
{
	(void)ctx;
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	if (ai_tree_bytes(entries, n, &b, err) < 0)
		abort();
	for (size_t i = 0; i < n; i++)
		if (entries[i].type == AI_ENTRY_LINK && entries[i].target[0] == '/')
			abort();
	ai_sha256(b.data, b.len, out);
	return 0;
}

static void
as_archive(const uint8_t *data, size_t n)
{
	static const struct ai_sink sink = { NULL, begin, write_some, commit, give_up, NULL, tree, NULL };
	struct ai_err err = { 0 };
	struct ai_digest id;
	AI_FD fd = memfd_create("archive", MFD_CLOEXEC);
	if (n == 0 || fd < 0 || write(fd, data + 1, n - 1) != (ssize_t)n - 1)
		return;
	written = 0;
	refused(ai_archive_tree(fd, data[0] % 3, &sink, NULL, &id, &err), &err);
	if (open_objects != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const as[])(const char *s, size_t n) = { as_listing, as_pointer, as_answer, as_credentials, as_uri, as_attributes };
	if (size == 0)
		return 0;
	if (data[0] < sizeof as / sizeof *as)
		as[data[0]]((const char *)data + 1, size - 1);
	else
		as_archive(data + 1, size - 1);
	return 0;
}

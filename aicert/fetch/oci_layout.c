/*
 * oci_layout.c -- oci:, oci-archive: and docker-archive: as a place of oci_parts.h.
 *
 * Every blob is hashed when it is handed out. What is small, or lies in an archive, is handed out as a copy, so nobody can change it
 * afterwards; a layer of a folder is the file itself, and its unpacked bytes are held against the config's diff_id while they are used.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fetch/oci_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/path.h"
#include "base/talk.h"
#include "fetch/oci_text.h"

enum { CHUNK = 1 << 16, MAX_LISTED = 20 };

struct layout {
	const struct ai_image_ref *ref;
	struct ai_oci_files files;
	bool docker;                    /* image is set: docker-archive without a layout inside */
	struct ai_docker_image image;
};

/* --- files ----------------------------------------------------------------------- */

static int
open_beneath(int dirfd, const char *name, int64_t *size, struct ai_err *err)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	struct stat st;
	AI_FD fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof how);
	if (fd < 0 && errno == EXDEV)
		return ai_fail(err, AI_EINPUT, "'%s': a link leads out of the layout", name);
	if (fd < 0)
		return errno == ENOENT ? AI_ENO : ai_fail_errno(err, AI_EINPUT, "'%s': cannot open", name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return ai_fail(err, AI_EINPUT, "'%s': not a plain file", name);
	*size = st.st_size;
	int opened = fd;
	fd = -1;
	return opened;
}

int
ai_oci_file_open(const struct ai_oci_files *f, const char *name, int *fd, int64_t *offset, int64_t *size, struct ai_err *err)
{
	*offset = 0;
	if (f->archive) {
		if (!ai_image_archive_find(f->archive, name, offset, size))
			return 0;
		*fd = fcntl(ai_image_archive_fd(f->archive), F_DUPFD_CLOEXEC, 3);
		return *fd < 0 ? ai_fail_errno(err, AI_EENV, "cannot open") : 1;
	}
	int got = open_beneath(f->dirfd, name, size, err);
	if (got < 0)
		return got == AI_ENO ? 0 : err->code;
	*fd = got;
	return 1;
}

int
ai_oci_copy(const struct ai_oci_files *f, int fd, int64_t offset, int64_t n, int out, struct ai_digest *digest, struct ai_err *err)
{
	struct ai_sha sha;
	char chunk[CHUNK];
	if (ai_sha_init(&sha, err) < 0)
		return err->code;
	while (n > 0 && ai_check_interrupt(err) == 0) {
		if (f->stopped) {
			ai_fail(err, AI_EINTR, "no longer wanted");
			break;
		}
		ssize_t got = pread(fd, chunk, n < CHUNK ? (size_t)n : CHUNK, offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			if (got < 0)
				ai_fail_errno(err, AI_EINPUT, "cannot read");
			else
				ai_fail(err, AI_EINPUT, "ends early");
			break;
		}
		ai_sha_add(&sha, chunk, (size_t)got);
		if (out >= 0 && ai_write_all(out, chunk, (size_t)got, "temporary file", err) < 0)
			break;
		offset += got;
		n -= got;
	}
	if (err->code)
		ai_sha_done(&sha);
	else
		ai_sha_end(&sha, digest);
	return err->code;
}

int
ai_oci_file_read(const struct ai_oci_files *f, const char *name, struct ai_buf *out, struct ai_err *err)
{
	AI_FD fd = -1;
	int64_t at, size;
	char chunk[CHUNK];
	int r = ai_oci_file_open(f, name, &fd, &at, &size, err);
	if (r <= 0)
		return r;
	if (size < 0 || (uint64_t)size > out->max)
		return ai_fail(err, AI_EINPUT, "'%s': %lld bytes, at most %zu", name, (long long)size, out->max);
	while (size > 0) {
		ssize_t got = pread(fd, chunk, size < CHUNK ? (size_t)size : CHUNK, at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return ai_fail(err, AI_EINPUT, "'%s': cannot read", name);
		ai_buf_put(out, chunk, (size_t)got);
		at += got;
		size -= got;
	}
	ai_buf_put(out, "", 0);
	return ai_buf_ok(out, name, err) < 0 ? err->code : 1;
}

/* --- blobs ------------------------------------------------------------------------- */

static char *
blob_name(const struct layout *l, const struct ai_digest *digest)
{
	char hex[AI_HEX];
	for (size_t i = 0; i < l->image.n; i++)
		if (ai_digest_eq(&l->image.blobs[i].digest, digest))
			return ai_strdup(l->image.blobs[i].name);
	ai_hex(digest, hex);
	return ai_format("blobs/sha256/%s", hex);
}

static int
take_blob(struct layout *l, const struct ai_oci_descriptor *d, int *fd_out, struct ai_err *err)
{
	AI_FD fd = -1;
	AI_FD copy = -1;
	int64_t at, size;
	struct ai_digest got;
	char is[AI_HEX];
	AI_FREE char *name = blob_name(l, &d->digest);
	if (!name)
		return ai_nomem(err);
	int r = ai_oci_file_open(&l->files, name, &fd, &at, &size, err);
	if (r < 0)
		return r;
	if (r == 0)
		return ai_fail(err, AI_EINPUT, "is not there");
	if (size != d->size)
		return ai_fail(err, AI_EINPUT, "got %lld bytes, expected %lld", (long long)size, (long long)d->size);
	if ((l->files.archive || size <= AI_OCI_MAX_CONFIG) && (copy = ai_image_scratch(l->files.scratch, err)) < 0)
		return err->code;
	if (ai_oci_copy(&l->files, fd, at, size, copy, &got, err) < 0)
		return err->code;
	if (!ai_digest_eq(&got, &d->digest)) {
		ai_hex(&got, is);
		return ai_fail(err, AI_EINPUT, "hashes to sha256:%s", is);
	}
	int *used = copy >= 0 ? &copy : &fd;
	if (lseek(*used, 0, SEEK_SET) < 0)
		return ai_fail_errno(err, AI_EENV, "cannot rewind");
	*fd_out = *used;
	*used = -1;
	return 0;
}

static int
layout_blob(void *ctx, const struct ai_oci_descriptor *d, int *fd, struct ai_err *err)
{
	struct layout *l = ctx;
	char hex[AI_HEX];
	ai_hex(&d->digest, hex);
	return take_blob(l, d, fd, err) < 0 ? ai_in(err, "'%s': blob sha256:%s", l->ref->path, hex) : 0;
}

/* --- which image ---------------------------------------------------------------------- */

static bool
parse_digest(const char *text, struct ai_digest *out)
{
	return text && strncmp(text, "sha256:", 7) == 0 && ai_unhex(text + 7, out);
}

static const char *
name_of(const json_t *descriptor)
{
	return ai_json_str(ai_json_obj(descriptor, "annotations"), "org.opencontainers.image.ref.name");
}

/* The names that the index gives, for people: "a, b, c". */
static void
list_names(const json_t *manifests, struct ai_buf *out)
{
	size_t said = 0;
	for (size_t i = 0; i < json_array_size(manifests) && said < MAX_LISTED; i++) {
		const char *name = name_of(json_array_get(manifests, i));
		if (name)
			ai_buf_printf(out, "%s%.128s", said++ ? ", " : "", name);
	}
	if (said == 0)
		ai_buf_puts(out, "none has a name");
}

/* Of the index's descriptors those of the tag; without one all, if they are of one image: *chosen is a fresh list. */
static int
choose(const json_t *manifests, const char *tag, json_t **chosen, struct ai_err *err)
{
	const char *first = NULL;
	bool mixed = false;
	AI_JSON *list = json_array();
	for (size_t i = 0; i < json_array_size(manifests); i++) {
		json_t *d = json_array_get(manifests, i);
		const char *name = name_of(d);
		mixed |= first && name && strcmp(first, name) != 0;
		first = first ? first : name;
		if ((!tag || (name && strcmp(name, tag) == 0)) && json_array_append(list, d) < 0)
			return ai_nomem(err);
	}
	AI_BUF_AUTO names = AI_BUF(AI_MAX_HEADER);
	list_names(manifests, &names);
	if (!names.data)
		return ai_nomem(err);
	if (json_array_size(list) == 0 && tag)
		return ai_fail(err, AI_EINPUT, "has no image named '%s': it has: %s", tag, names.data);
	if (json_array_size(list) == 0)
		return ai_fail(err, AI_EINPUT, "has no image");
	if (!tag && mixed) {
		ai_fail(err, AI_EINPUT, "has several images: %s", names.data);
		return ai_hint(err, "write which one behind the path: ':NAME'");
	}
	*chosen = list;
	list = NULL;
	return 0;
}

static int
read_manifest(const struct layout *l, const struct ai_digest *want, struct ai_buf *bytes, struct ai_err *err)
{
	char hex[AI_HEX];
	struct ai_digest got;
	ai_hex(want, hex);
	AI_BUF_AUTO b = AI_BUF(AI_OCI_MAX_MANIFEST);
	AI_FREE char *name = ai_format("blobs/sha256/%s", hex);
	if (!name)
		return ai_nomem(err);
	int r = ai_oci_file_read(&l->files, name, &b, err);
	if (r <= 0)
		return r < 0 ? r : ai_fail(err, AI_EINPUT, "manifest sha256:%s is not there", hex);
	ai_sha256(b.data, b.len, &got);
	if (!ai_digest_eq(&got, want)) {
		char is[AI_HEX];
		ai_hex(&got, is);
		return ai_fail(err, AI_EINPUT, "manifest sha256:%s hashes to sha256:%s", hex, is);
	}
	ai_buf_put(bytes, b.data, b.len);
	return ai_buf_ok(bytes, "manifest", err);
}

/* Several manifests of one name are those of several platforms: an index of them, made here. */
static int
make_index(json_t *list, struct ai_buf *bytes, struct ai_err *err)
{
	static const char *const keys[] = { "mediaType", "digest", "size", "platform" };
	AI_JSON *index = json_pack("{s:i, s:s, s:[]}", "schemaVersion", 2, "mediaType", "application/vnd.oci.image.index.v1+json", "manifests");
	json_t *manifests = index ? ai_json_arr(index, "manifests") : NULL;
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *from = json_array_get(list, i), *to = json_object();
		if (!manifests || !to || json_array_append_new(manifests, to) < 0)
			return ai_nomem(err);
		for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
			json_t *v = json_object_get(from, keys[k]);
			if (v && json_object_set(to, keys[k], v) < 0)
				return ai_nomem(err);
		}
	}
	return index ? ai_canon(index, bytes, err) : ai_nomem(err);
}

static int
named_manifest(const struct layout *l, struct ai_buf *bytes, struct ai_err *err)
{
	AI_BUF_AUTO b = AI_BUF(AI_OCI_MAX_MANIFEST);
	AI_JSON *index = NULL;
	AI_JSON *list = NULL;
	struct ai_digest digest;
	int r = ai_oci_file_read(&l->files, "index.json", &b, err);
	if (r <= 0)
		return r < 0 ? r : ai_fail(err, AI_EINPUT, "has no index.json: it is no OCI image layout");
	if (ai_oci_json(b.data, b.len, "index.json", &index, err) < 0)
		return err->code;
	/* In a docker archive the tag is a whole name; its layout calls it by the tag alone. */
	const char *tag = l->ref->tag, *colon = tag && l->ref->kind == AI_IMAGE_DOCKER_ARCHIVE ? strrchr(tag, ':') : NULL;
	if (choose(ai_json_arr(index, "manifests"), colon ? colon + 1 : tag, &list, err) < 0)
		return err->code;
	if (json_array_size(list) > 1)
		return make_index(list, bytes, err);
	if (!parse_digest(ai_json_str(json_array_get(list, 0), "digest"), &digest))
		return ai_fail(err, AI_EINPUT, "index.json: an image without a sha256 digest");
	return read_manifest(l, &digest, bytes, err);
}

static int
find_manifest(const struct layout *l, const char *digest, struct ai_buf *bytes, struct ai_err *err)
{
	struct ai_digest want, made;
	if (!digest && !l->docker)
		return named_manifest(l, bytes, err);
	if (digest && !parse_digest(digest, &want))
		return ai_fail(err, AI_EINPUT, "digest '%s': expected sha256", digest);
	if (!l->docker)
		return read_manifest(l, &want, bytes, err);
	ai_sha256(l->image.manifest.data, l->image.manifest.len, &made);
	if (digest && !ai_digest_eq(&made, &want)) {
		char hex[AI_HEX];
		ai_hex(&made, hex);
		return ai_fail(err, AI_EINPUT, "its image has the digest sha256:%s, expected %s", hex, digest);
	}
	ai_buf_put(bytes, l->image.manifest.data, l->image.manifest.len);
	return ai_buf_ok(bytes, "manifest", err);
}

static int
layout_manifest(void *ctx, const char *digest, struct ai_buf *bytes, struct ai_digest *digest_out, struct ai_err *err)
{
	struct layout *l = ctx;
	AI_BUF_AUTO b = AI_BUF(AI_OCI_MAX_MANIFEST);
	if (find_manifest(l, digest ? digest : l->ref->digest, &b, err) < 0)
		return ai_in(err, "'%s'", l->ref->path);
	ai_sha256(b.data, b.len, digest_out);
	ai_buf_put(bytes, b.data, b.len);
	return ai_buf_ok(bytes, "manifest", err);
}

/* --- opening ------------------------------------------------------------------------------ */

static void
layout_done(void *ctx, bool finished)
{
	struct layout *l = ctx;
	(void)finished;
	if (!l)
		return;
	ai_close_fd(&l->files.dirfd);
	ai_image_archive_free(l->files.archive);
	free(l->files.scratch);
	ai_docker_image_done(&l->image);
	free(l);
}

static void
layout_stop(void *ctx)
{
	struct layout *l = ctx;
	l->files.stopped = true;
}

/* The folder or file that the reference names; relative paths start at the project. */
static int
open_place(struct layout *l, const char *project, struct ai_err *err)
{
	const char *path = l->ref->path;
	struct stat st;
	bool folder = l->ref->kind == AI_IMAGE_OCI_DIR;
	AI_FREE char *whole = path[0] == '/' ? ai_strdup(path) : ai_join(project, path);
	if (!whole)
		return ai_nomem(err);
	AI_FD fd = open(whole, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return ai_fail_errno(err, AI_EINPUT, "cannot open");
	if (folder ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
		return ai_fail(err, AI_EINPUT, "is no %s", folder ? "folder" : "plain file");
	int opened = fd;
	fd = -1;
	if (!folder)
		return ai_image_archive_open(opened, l->files.scratch, &l->files.archive, err);
	l->files.dirfd = opened;
	return 0;
}

static int
open_layout(struct layout *l, const struct ai_fetch *f, struct ai_err *err)
{
	l->files.scratch = ai_join(f->cache, "tmp-images");
	if (!l->files.scratch)
		return ai_nomem(err);
	if (open_place(l, f->project, err) < 0)
		return err->code;
	if (l->ref->kind != AI_IMAGE_DOCKER_ARCHIVE)
		return 0;
	int r = ai_docker_image_find(&l->files, l->ref->tag, &l->image, err);
	l->docker = r == 1;
	return r < 0 ? r : 0;
}

int
ai_oci_layout(const struct ai_fetch *f, const struct ai_image_ref *ref, struct ai_oci_place *out, struct ai_err *err)
{
	struct layout *l = ai_calloc(1, sizeof *l);
	if (!l)
		return ai_nomem(err);
	l->ref = ref;
	l->files.dirfd = -1;
	if (open_layout(l, f, err) < 0) {
		layout_done(l, false);
		return ai_in(err, "'%s'", ref->path);
	}
	*out = (struct ai_oci_place){ .ctx = l, .manifest = layout_manifest, .blob = layout_blob, .done = layout_done, .stop = layout_stop };
	return 0;
}

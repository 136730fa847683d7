/* image_write.c -- see image_write.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/image_write.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/path.h"
#include "base/talk.h"

enum { BLOCK = 512, CHUNK = 1 << 17, MAX_FIELD = 100 };

/* What eleven octal digits say: a larger file would need a size in a pax header, which not every reader believes. */
static const int64_t max_size = 077777777777;

static const char layout_text[] = "{\"imageLayoutVersion\":\"1.0.0\"}";

struct ai_image_writer {
	char *dir, *tmp;            /* where it shall stand; the folder beside it */
	bool replace;
	int layer;                  /* tmp/layer */
	struct ai_sha sha;
	bool hashing;
	uint64_t n;
	char *last;                 /* the path before */
	char chunk[CHUNK];
};

/* ORDER HEADER: POSIX.1-2017, pax, ustar Interchange Format. */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, linkname[100], magic[6], version[2], uname[32], gname[32],
		major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a tar header is one block");

/* --- the stream ------------------------------------------------------------- */

static int
put(struct ai_image_writer *w, const void *p, size_t n, struct ai_err *err)
{
	if (ai_write_all(w->layer, p, n, w->dir, err) < 0)
		return err->code;
	ai_sha_add(&w->sha, p, n);
	w->n += n;
	return 0;
}

static int
pad(struct ai_image_writer *w, struct ai_err *err)
{
	static const char zeros[BLOCK];
	return w->n % BLOCK ? put(w, zeros, BLOCK - (size_t)(w->n % BLOCK), err) : 0;
}

/* A NUL that does not fit is left out, as the format allows for name and linkname. */
static void
field(char *to, size_t size, const char *text)
{
	size_t n = strlen(text);
	memcpy(to, text, n < size ? n : size);
}

static int
put_header(struct ai_image_writer *w, char type, const char *name, const char *target, int64_t size, bool exec, struct ai_err *err)
{
	struct header h = { .type = type, .magic = "ustar", .version = { '0', '0' } };
	unsigned sum = 0;
	field(h.name, sizeof h.name, name);
	field(h.linkname, sizeof h.linkname, target);
	memcpy(h.mode, exec ? "0000755" : "0000644", sizeof h.mode);
	memcpy(h.uid, "0000000", sizeof h.uid);
	memcpy(h.gid, "0000000", sizeof h.gid);
	snprintf(h.size, sizeof h.size, "%011llo", (unsigned long long)size);
	memcpy(h.mtime, "00000000000", sizeof h.mtime);
	memset(h.sum, ' ', sizeof h.sum);
	for (size_t i = 0; i < sizeof h; i++)
		sum += ((const unsigned char *)&h)[i];
	snprintf(h.sum, sizeof h.sum, "%06o", sum & 0777777u);
	return put(w, &h, sizeof h, err);
}

/* "27 path=some/long/name\n": the number counts itself. */
static void
record(struct ai_buf *out, const char *key, const char *value)
{
	size_t rest = strlen(key) + strlen(value) + 3, n = rest + 1;
	char digits[24];
	while (n != rest + (size_t)snprintf(digits, sizeof digits, "%zu", n))
		n = rest + strlen(digits);
	ai_buf_printf(out, "%zu %s=%s\n", n, key, value);
}

static bool
fits(const char *s)
{
	size_t n = strlen(s);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] >= 0x80)
			return false;
	return n <= MAX_FIELD;
}

static int
put_pax(struct ai_image_writer *w, const char *name, const char *target, struct ai_err *err)
{
	AI_BUF_AUTO records = AI_BUF(AI_MAX_HEADER);
	if (fits(name) && fits(target))
		return 0;
	if (!fits(name))
		record(&records, "path", name);
	if (!fits(target))
		record(&records, "linkpath", target);
	if (ai_buf_ok(&records, name, err) < 0 || put_header(w, 'x', "././@PaxHeader", "", (int64_t)records.len, false, err) < 0 ||
		put(w, records.data, records.len, err) < 0)
		return err->code;
	return pad(w, err);
}

/* --- entries ------------------------------------------------------------------ */

static int
begin_entry(struct ai_image_writer *w, char type, const char *path, const char *target, int64_t size, bool exec, struct ai_err *err)
{
	AI_FREE char *folder = type == '5' ? ai_format("%s/", path) : NULL;
	if (type == '5' && !folder)
		return ai_nomem(err);
	if (ai_relpath_check(path, err) < 0 || ai_check_interrupt(err) < 0)
		return err->code;
	if (w->last && strcmp(w->last, path) >= 0)
		return ai_fail(err, AI_EUSAGE, "internal: '%s' after '%s' in an image", path, w->last);
	free(w->last);
	if (!(w->last = ai_strdup(path)))
		return ai_nomem(err);
	const char *name = folder ? folder : path;
	return put_pax(w, name, target, err) < 0 ? err->code : put_header(w, type, name, target, size, exec, err);
}

int
ai_image_write_folder(struct ai_image_writer *w, const char *path, struct ai_err *err)
{
	return begin_entry(w, '5', path, "", 0, true, err);
}

int
ai_image_write_link(struct ai_image_writer *w, const char *path, const char *target, struct ai_err *err)
{
	return begin_entry(w, '2', path, target, 0, true, err);
}

int
ai_image_write_text(struct ai_image_writer *w, const char *path, const char *text, struct ai_err *err)
{
	if (begin_entry(w, '0', path, "", (int64_t)strlen(text), false, err) < 0 || put(w, text, strlen(text), err) < 0)
		return err->code;
	return pad(w, err);
}

static int
copy(struct ai_image_writer *w, int fd, int64_t left, struct ai_sha *sha, struct ai_err *err)
{
	for (;;) {
		ssize_t n = read(fd, w->chunk, sizeof w->chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ai_fail_errno(err, AI_EINPUT, "cannot read");
		/* Also when it grew. */
		if (n == 0 ? left != 0 : n > left)
			return ai_fail(err, AI_EINPUT, "changed while it was read");
		if (n == 0)
			return 0;
		ai_sha_add(sha, w->chunk, (size_t)n);
		if (put(w, w->chunk, (size_t)n, err) < 0 || ai_check_interrupt(err) < 0)
			return err->code;
		left -= n;
	}
}

int
ai_image_write_file(struct ai_image_writer *w, const char *path, bool exec, int fd, struct ai_digest *id, struct ai_err *err)
{
	struct stat st;
	struct ai_sha sha;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return ai_fail(err, AI_EINPUT, "'/%s': not a plain file", path);
	if (st.st_size > max_size)
		return ai_fail(err, AI_EINPUT, "'/%s': %lld bytes, at most %lld in an image", path, (long long)st.st_size, (long long)max_size);
	if (begin_entry(w, '0', path, "", st.st_size, exec, err) < 0 || ai_sha_init(&sha, err) < 0)
		return err->code;
	if (copy(w, fd, st.st_size, &sha, err) < 0) {
		ai_sha_done(&sha);
		return ai_in(err, "'/%s'", path);
	}
	ai_sha_end(&sha, id);
	return pad(w, err);
}

/* --- the layout ----------------------------------------------------------------- */

static bool
is_empty(const char *dir)
{
	DIR *d = opendir(dir);
	size_t n = 0;
	while (d && n <= 2 && readdir(d))
		n++;
	if (d)
		closedir(d);
	return d && n == 2;
}

/* What is neither an empty folder nor an image layout is not ours to touch. */
static int
check_place(const char *dir, struct ai_err *err)
{
	AI_FREE char *mark = ai_join(dir, "oci-layout");
	struct stat st;
	if (!mark)
		return ai_nomem(err);
	if (lstat(dir, &st) < 0)
		return errno == ENOENT ? 0 : ai_fail_errno(err, AI_EUSAGE, "%s", dir);
	if (!S_ISDIR(st.st_mode) || (!ai_exists(mark) && !is_empty(dir)))
		return ai_fail(err, AI_EUSAGE, "%s: is there already and is no image layout", dir);
	return 0;
}

int
ai_image_write_begin(const char *dir, bool replace, struct ai_image_writer **out, struct ai_err *err)
{
	struct ai_image_writer *w = ai_calloc(1, sizeof *w);
	if (!w)
		return ai_nomem(err);
	w->layer = -1;
	w->replace = replace;
	w->dir = ai_abspath(dir);
	AI_FREE char *above = w->dir ? ai_strndup(w->dir, (size_t)(ai_basename(w->dir) - w->dir)) : NULL;
	int r = above ? check_place(w->dir, err) : ai_nomem(err);
	if (r == 0)
		r = ai_mkdirs(above, 0755, err);
	if (r == 0)
		r = ai_mkdtemp(w->dir, &w->tmp, err);
	AI_FREE char *blobs = r == 0 ? ai_join(w->tmp, "blobs/sha256") : NULL;
	AI_FREE char *layer = r == 0 ? ai_join(w->tmp, "layer") : NULL;
	if (r == 0)
		r = blobs && layer ? ai_mkdirs(blobs, 0755, err) : ai_nomem(err);
	if (r == 0 && (w->layer = open(layer, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)) < 0)
		r = ai_fail_errno(err, AI_EENV, "%s: cannot create", layer);
	if (r == 0)
		r = ai_sha_init(&w->sha, err);
	w->hashing = r == 0;
	if (r == 0)
		*out = w;
	else
		ai_image_write_abort(w);
	return r;
}

void
ai_image_write_abort(struct ai_image_writer *w)
{
	if (!w)
		return;
	ai_close_fd(&w->layer);
	if (w->hashing)
		ai_sha_done(&w->sha);
	if (w->tmp)
		ai_discard_tree(w->tmp);
	free(w->tmp);
	free(w->dir);
	free(w->last);
	free(w);
}

/* The layer gets its name: two blocks of zeros end it. */
static int
end_layer(struct ai_image_writer *w, struct ai_image_written *out, struct ai_err *err)
{
	static const char zeros[2 * BLOCK];
	char hex[AI_HEX];
	if (put(w, zeros, sizeof zeros, err) < 0)
		return err->code;
	ai_sha_end(&w->sha, &out->layer);
	w->hashing = false;
	out->bytes = w->n;
	ai_hex(&out->layer, hex);
	AI_FREE char *from = ai_join(w->tmp, "layer");
	AI_FREE char *to = ai_format("%s/blobs/sha256/%s", w->tmp, hex);
	if (!from || !to)
		return ai_nomem(err);
	if (fsync(w->layer) < 0 || fchmod(w->layer, 0644) < 0 || rename(from, to) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot write", w->dir);
	return 0;
}

/* A value as a blob; *descriptor (new reference) names it. */
static int
put_json(struct ai_image_writer *w, const json_t *value, const char *media, struct ai_digest *id, json_t **descriptor, struct ai_err *err)
{
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_TEXT);
	char hex[AI_HEX];
	if (!value)
		return ai_nomem(err);
	if (ai_canon(value, &bytes, err) < 0)
		return err->code;
	ai_sha256(bytes.data, bytes.len, id);
	ai_hex(id, hex);
	AI_FREE char *path = ai_format("%s/blobs/sha256/%s", w->tmp, hex);
	AI_FREE char *digest = ai_format("sha256:%s", hex);
	*descriptor = json_pack("{s:s, s:s, s:I}", "mediaType", media, "digest", digest ? digest : "", "size", (json_int_t)bytes.len);
	if (!path || !digest || !*descriptor)
		return ai_nomem(err);
	return ai_write_file(AT_FDCWD, path, bytes.data, bytes.len, 0644, err);
}

/* Manifest and config over the one layer; *index is the bytes of index.json. */
static int
put_manifest(struct ai_image_writer *w, const char *platform, struct ai_image_written *out, struct ai_buf *index, struct ai_err *err)
{
	static const char manifest_media[] = "application/vnd.oci.image.manifest.v1+json";
	char digest[8 + AI_HEX] = "sha256:";
	struct ai_digest id;
	AI_JSON *config_at = NULL;
	AI_JSON *manifest_at = NULL;
	const char *slash = strchr(platform, '/');
	ai_hex(&out->layer, digest + 7);
	AI_JSON *config = json_pack("{s:s, s:s%, s:{}, s:{s:s, s:[s]}}", "architecture", slash ? slash + 1 : "", "os", platform,
		slash ? (size_t)(slash - platform) : 0, "config", "rootfs", "type", "layers", "diff_ids", digest);
	if (put_json(w, config, "application/vnd.oci.image.config.v1+json", &id, &config_at, err) < 0)
		return err->code;
	AI_JSON *manifest = json_pack("{s:i, s:s, s:O, s:[{s:s, s:s, s:I}]}", "schemaVersion", 2, "mediaType", manifest_media, "config", config_at,
		"layers", "mediaType", "application/vnd.oci.image.layer.v1.tar", "digest", digest, "size", (json_int_t)out->bytes);
	if (put_json(w, manifest, manifest_media, &out->manifest, &manifest_at, err) < 0)
		return err->code;
	if (json_object_set_new(manifest_at, "annotations", json_pack("{s:s}", "org.opencontainers.image.ref.name", "latest")) < 0)
		return ai_nomem(err);
	AI_JSON *all = json_pack("{s:i, s:[O]}", "schemaVersion", 2, "manifests", manifest_at);
	return all ? ai_canon(all, index, err) : ai_nomem(err);
}

static int
put_top(const struct ai_image_writer *w, const struct ai_buf *index, struct ai_err *err)
{
	AI_FREE char *layout = ai_join(w->tmp, "oci-layout");
	AI_FREE char *top = ai_join(w->tmp, "index.json");
	AI_FREE char *blobs = ai_join(w->tmp, "blobs/sha256");
	if (!layout || !top || !blobs)
		return ai_nomem(err);
	if (ai_write_file(AT_FDCWD, layout, layout_text, sizeof layout_text - 1, 0644, err) < 0 ||
		ai_write_file(AT_FDCWD, top, index->data, index->len, 0644, err) < 0)
		return err->code;
	if (chmod(w->tmp, 0755) < 0)
		return ai_fail_errno(err, AI_EENV, "%s", w->tmp);
	return ai_fsync_dir(AT_FDCWD, blobs, err);
}

/* Does this very image stand there? */
static bool
same_there(const struct ai_image_writer *w, const struct ai_buf *index)
{
	struct ai_err ignored = { 0 };
	AI_BUF_AUTO there = AI_BUF(AI_MAX_TEXT);
	AI_FREE char *path = ai_join(w->dir, "index.json");
	return path && ai_read_file_if(AT_FDCWD, path, &there, &ignored) == 1 && there.len == index->len && memcmp(there.data, index->data, index->len) == 0;
}

/* The new folder where the old one was, which then has the temporary name and is thrown away. */
static int
take_place(struct ai_image_writer *w, const struct ai_buf *index, struct ai_err *err)
{
	AI_FREE char *above = ai_strndup(w->dir, (size_t)(ai_basename(w->dir) - w->dir));
	if (!above)
		return ai_nomem(err);
	/* Also over a folder that is there and empty. */
	if (rename(w->tmp, w->dir) == 0)
		return ai_fsync_dir(AT_FDCWD, above, err);
	if (errno != ENOTEMPTY && errno != EEXIST)
		return ai_fail_errno(err, AI_EENV, "%s: cannot put it there", w->dir);
	if (check_place(w->dir, err) < 0)
		return err->code;
	if (!w->replace && !same_there(w, index)) {
		ai_fail(err, AI_EUSAGE, "%s: holds another image", w->dir);
		return ai_hint(err, "--force replaces it");
	}
	if (renameat2(AT_FDCWD, w->tmp, AT_FDCWD, w->dir, RENAME_EXCHANGE) < 0)
		return ai_fail_errno(err, AI_EENV, "%s: cannot replace", w->dir);
	return ai_fsync_dir(AT_FDCWD, above, err);
}

int
ai_image_write_finish(struct ai_image_writer *w, const char *platform, struct ai_image_written *out, struct ai_err *err)
{
	struct ai_image_written done = { 0 };
	AI_BUF_AUTO index = AI_BUF(AI_MAX_TEXT);
	int r = end_layer(w, &done, err);
	r = r < 0 ? r : put_manifest(w, platform, &done, &index, err);
	r = r < 0 ? r : put_top(w, &index, err);
	r = r < 0 ? r : take_place(w, &index, err);
	if (r == 0)
		*out = done;
	ai_image_write_abort(w);
	return r;
}

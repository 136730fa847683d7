/* oci_keep.c -- the parts of a pinned image, as files (keep.h).  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/talk.h"
#include "fetch/fetch_impl.h"
#include "fetch/keep.h"
#include "fetch/oci_parts.h"

/* As oci.c has it. */
enum { MAX_INDEXES = 4 };

struct keeping { const struct ai_image_ref *ref; const char *folder; struct ai_oci_place place; };

static int
keep_bytes(const char *folder, const char *hex, const struct ai_buf *bytes, struct ai_err *err)
{
	char *path;
	int fd = ai_keep_open(folder, hex, &path, err);
	if (fd < 0)
		return err->code;
	bool good = ai_write_all(fd, bytes->data ? bytes->data : "", bytes->len, path, err) == 0;
	return ai_keep_close(folder, hex, fd, path, good, err);
}

/* Is a part of this size there? Its hash is recomputed by whoever reads it. */
static bool
is_there(const struct keeping *k, const char *hex, int64_t size)
{
	struct stat st;
	AI_FREE char *path = ai_format("%s/%s", k->folder, hex);
	return path && lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == size;
}

static int
keep_blob(struct keeping *k, const struct ai_oci_descriptor *d, struct ai_err *err)
{
	char hex[AI_HEX], *path;
	ai_hex(&d->digest, hex);
	if (is_there(k, hex, d->size))
		return 0;
	AI_FD from = -1;
	if (k->place.blob(k->place.ctx, d, &from, err) < 0)
		return err->code;
	int to = ai_keep_open(k->folder, hex, &path, err);
	if (to < 0)
		return err->code;
	bool good = ai_copy_fd(from, to, path, err) == 0;
	return ai_keep_close(k->folder, hex, to, path, good, err);
}

/* Every manifest and index on the way from digest to the platform's; the last must be the pinned one. */
static int
keep_manifests(struct keeping *k, const char *digest, const char *revision, const char *platform, struct ai_oci_manifest *out, struct ai_err *err)
{
	char next[7 + AI_HEX] = "sha256:", hex[AI_HEX];
	struct ai_digest got, picked;
	for (int depth = 0; depth < MAX_INDEXES; depth++) {
		AI_BUF_AUTO bytes = AI_BUF(AI_OCI_MAX_MANIFEST);
		if (k->place.manifest(k->place.ctx, digest, &bytes, &got, err) < 0)
			return err->code;
		ai_hex(&got, hex);
		if (keep_bytes(k->folder, hex, &bytes, err) < 0)
			return err->code;
		int r = ai_oci_index_pick(bytes.data ? bytes.data : "", bytes.len, platform, &picked, err);
		if (r < 0)
			return r;
		if (r == 0 && strcmp(hex, revision + 7) != 0)
			return ai_fail(err, AI_EINPUT, "aicert.lock pins manifest %s, got sha256:%s", revision, hex);
		if (r == 0)
			return ai_oci_manifest_parse(bytes.data, bytes.len, out, err);
		ai_hex(&picked, next + 7);
		digest = next;
	}
	return ai_fail(err, AI_EINPUT, "an index leads to an index more than %d times", MAX_INDEXES);
}

static int
keep(struct keeping *k, const json_t *pin, struct ai_err *err)
{
	struct ai_oci_manifest m = { .layers = NULL };
	const char *revision = ai_json_str(pin, "revision"), *platform = ai_json_str(pin, "platform");
	struct ai_digest d;
	if (!revision || strncmp(revision, "sha256:", 7) != 0 || !ai_unhex(revision + 7, &d) || !platform)
		return ai_fail(err, AI_EINPUT, "aicert.lock: the pin has no revision or no platform");
	int r = keep_manifests(k, k->ref->digest ? k->ref->digest : revision, revision, platform, &m, err);
	if (r == 0)
		r = keep_blob(k, &m.config, err);
	for (size_t i = 0; r == 0 && i < m.n_layers; i++) {
		r = ai_check_interrupt(err) < 0 ? err->code : keep_blob(k, &m.layers[i], err);
		if (r < 0)
			ai_in(err, "layer %zu of %zu", i + 1, m.n_layers);
	}
	ai_oci_manifest_done(&m);
	return r;
}

int
ai_oci_keep(const struct ai_fetch *f, const struct ai_image_ref *ref, const json_t *pin, const char *folder, struct ai_err *err)
{
	struct keeping k = { .ref = ref, .folder = folder };
	if (ai_http_setup(err) < 0)
		return err->code;
	if ((ref->kind == AI_IMAGE_REGISTRY ? ai_oci_registry(f, ref, &k.place, err) : ai_oci_layout(f, ref, &k.place, err)) < 0)
		return err->code;
	int r = keep(&k, pin, err);
	if (k.place.done)
		k.place.done(k.place.ctx, r == 0);
	return r;
}

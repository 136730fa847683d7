/* aside_image.c -- the tree of an image from manifest, config and layers in a folder (aside.h).  SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "fetch/oci_parts.h"
#include "vm/disk/aside.h"
#include "vm/disk/layers_apart.h"

/* As fetch/oci.c has it. */
enum { MAX_INDEXES = 4, NAME = 7 + AI_HEX };

struct image {
	const struct ai_aside *aside;
	struct ai_oci_manifest manifest;
	json_t *config;
	struct ai_digest *diff_ids; size_t n_diff_ids;
};

static void
name_of(const struct ai_digest *d, char out[NAME])
{
	memcpy(out, "sha256:", 7);
	ai_hex(d, out + 7);
}

/* The whole of a small blob, hashed again. */
static int
read_blob(const struct ai_aside *a, const char *name, struct ai_buf *out, struct ai_err *err)
{
	uint64_t size;
	struct ai_digest got;
	char is[NAME];
	AI_FD fd = ai_aside_open(a, "oci", name, &size, err);
	if (fd < 0 || ai_read_fd(fd, name, out, err) < 0)
		return err->code;
	ai_sha256(out->data ? out->data : "", out->len, &got);
	name_of(&got, is);
	return strcmp(is, name) == 0 ? 0 : ai_fail(err, AI_EINPUT, "oci object %s: its bytes hash to %s", name, is);
}

/* The manifest `revision`; a digest in the image's name (mostly an index's) must lead there. */
static int
read_manifest(struct image *im, const char *from, const char *revision, const char *platform, struct ai_err *err)
{
	char name[NAME];
	struct ai_digest picked;
	if (snprintf(name, sizeof name, "%s", from) != NAME - 1)
		return ai_fail(err, AI_EINPUT, "digest '%.100s': expected sha256", from);
	for (int depth = 0; depth < MAX_INDEXES; depth++) {
		AI_BUF_AUTO bytes = AI_BUF(AI_OCI_MAX_MANIFEST);
		if (read_blob(im->aside, name, &bytes, err) < 0)
			return err->code;
		int r = ai_oci_index_pick(bytes.data ? bytes.data : "", bytes.len, platform, &picked, err);
		if (r < 0)
			return ai_in(err, "oci object %s", name);
		if (r == 0 && strcmp(name, revision) != 0)
			return ai_fail(err, AI_EINPUT, "%s leads to the manifest %s, expected %s", from, name, revision);
		if (r == 0)
			return ai_oci_manifest_parse(bytes.data, bytes.len, &im->manifest, err);
		name_of(&picked, name);
	}
	return ai_fail(err, AI_EINPUT, "an index leads to an index more than %d times", MAX_INDEXES);
}

static int
read_config(struct image *im, const char *platform, const json_t *want, struct ai_err *err)
{
	char name[NAME];
	AI_BUF_AUTO bytes = AI_BUF(AI_OCI_MAX_CONFIG);
	name_of(&im->manifest.config.digest, name);
	if (read_blob(im->aside, name, &bytes, err) < 0)
		return err->code;
	if (ai_oci_config_parse(bytes.data ? bytes.data : "", bytes.len, platform, &im->config, &im->diff_ids, &im->n_diff_ids, err) < 0)
		return ai_in(err, "oci object %s", name);
	if (im->n_diff_ids != im->manifest.n_layers)
		return ai_fail(err, AI_EINPUT, "the config names %zu layers, the manifest %zu", im->n_diff_ids, im->manifest.n_layers);
	if (!ai_oci_config_is(want, im->config))
		return ai_fail(err, AI_EINPUT, "its config is not what aicert.lock says that it is");
	return 0;
}

/* The file of layer i, of the size that the manifest says. */
static int
open_layer(const struct image *im, size_t i, struct ai_err *err)
{
	const struct ai_oci_descriptor *d = &im->manifest.layers[i];
	char name[NAME];
	uint64_t size;
	name_of(&d->digest, name);
	AI_FD fd = ai_aside_open(im->aside, "oci", name, &size, err);
	if (fd < 0)
		return err->code;
	if (d->size < 0 || size != (uint64_t)d->size)
		return ai_fail(err, AI_EINPUT, "oci object %s: got %llu bytes, expected %lld", name, (unsigned long long)size, (long long)d->size);
	int opened = fd;
	fd = -1;
	return opened;
}

static void
close_layers(struct ai_layer_file *files, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(files[i].fd);
	free(files);
}

/* sink NULL: the layers are looked for, and no more. */
static int
merge(const struct image *im, const struct ai_sink *sink, const struct ai_talk *talk, struct ai_digest *tree_out, struct ai_err *err)
{
	size_t n = im->manifest.n_layers, opened = 0;
	struct ai_layer_file *files = ai_calloc(n, sizeof *files);
	int r = files ? 0 : ai_nomem(err);
	for (; r == 0 && opened < n; opened++) {
		int fd = open_layer(im, opened, err);
		if (fd < 0) {
			r = ai_in(err, "layer %zu of %zu", opened + 1, n);
			break;
		}
		files[opened] = (struct ai_layer_file){ fd, im->manifest.layers[opened].packing, im->diff_ids[opened] };
	}
	if (r == 0 && sink)
		r = ai_layers_apart(files, n, ai_json_str(im->config, "workdir"), sink, talk, tree_out, err);
	close_layers(files, opened);
	return r;
}

int
ai_aside_image_tree(const struct ai_aside *a, const struct ai_image_ref *ref, const char *revision, const char *platform, const json_t *config,
	const struct ai_sink *sink, const struct ai_talk *talk, struct ai_digest *tree_out, struct ai_err *err)
{
	struct image im = { .aside = a };
	int r = read_manifest(&im, ref->digest ? ref->digest : revision, revision, platform, err);
	if (r == 0)
		r = read_config(&im, platform, config, err);
	if (r == 0)
		r = merge(&im, sink, talk, tree_out, err);
	ai_oci_manifest_done(&im.manifest);
	json_decref(im.config);
	free(im.diff_ids);
	return r;
}

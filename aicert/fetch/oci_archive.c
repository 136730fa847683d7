/*
 * oci_archive.c -- what `docker save` writes: manifest.json, a config and layers, by file name.
 *
 * There is no manifest with digests in it, so one is made: canonical JSON over config and layers as they lie in the archive.
 * It depends on nothing else, so two archives of the same files are the same image.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "fetch/image_unpack.h"
#include "fetch/oci_layout.h"
#include "fetch/oci_text.h"

enum { MAX_IMAGES = 10000, MAX_LISTED = 20 };

void
ai_docker_image_done(struct ai_docker_image *i)
{
	for (size_t k = 0; k < i->n; k++)
		free(i->blobs[k].name);
	free(i->blobs);
	ai_buf_done(&i->manifest);
	*i = (struct ai_docker_image){ 0 };
}

/* --- which of its images ------------------------------------------------------------------ */

/* "python:3.11" and "docker.io/library/python:3.11" are one name. */
static bool
same_name(const char *a, const char *b)
{
	struct ai_image_ref x = { 0 }, y = { 0 };
	struct ai_err ignored = { 0 };
	if (strcmp(a, b) == 0)
		return true;
	bool same = ai_image_ref_parse(a, &x, &ignored) == 0 && ai_image_ref_parse(b, &y, &ignored) == 0 && x.kind == AI_IMAGE_REGISTRY &&
		y.kind == AI_IMAGE_REGISTRY && strcmp(x.text, y.text) == 0;
	ai_image_ref_done(&x);
	ai_image_ref_done(&y);
	return same;
}

static bool
has_tag(const json_t *image, const char *tag)
{
	const json_t *tags = ai_json_arr(image, "RepoTags");
	for (size_t i = 0; i < json_array_size(tags); i++) {
		const char *t = json_string_value(json_array_get(tags, i));
		if (t && same_name(t, tag))
			return true;
	}
	return false;
}

static void
list_tags(const json_t *images, struct ai_buf *out)
{
	size_t said = 0;
	for (size_t i = 0; i < json_array_size(images); i++) {
		const json_t *tags = ai_json_arr(json_array_get(images, i), "RepoTags");
		for (size_t k = 0; k < json_array_size(tags) && said < MAX_LISTED; k++) {
			const char *t = json_string_value(json_array_get(tags, k));
			if (t)
				ai_buf_printf(out, "%s%.256s", said++ ? ", " : "", t);
		}
	}
	if (said == 0)
		ai_buf_puts(out, "none has a name");
}

static int
choose(const json_t *images, const char *tag, const json_t **out, struct ai_err *err)
{
	size_t n = json_array_size(images);
	if (n > MAX_IMAGES)
		return ai_fail(err, AI_EINPUT, "manifest.json: more than %d images", MAX_IMAGES);
	for (size_t i = 0; tag && i < n; i++)
		if (has_tag(json_array_get(images, i), tag)) {
			*out = json_array_get(images, i);
			return 0;
		}
	if (!tag && n == 1) {
		*out = json_array_get(images, 0);
		return 0;
	}
	AI_BUF_AUTO names = AI_BUF(AI_MAX_HEADER);
	list_tags(images, &names);
	if (!names.data)
		return ai_nomem(err);
	if (tag)
		return ai_fail(err, AI_EINPUT, "has no image named '%s': it has: %s", tag, names.data);
	ai_fail(err, AI_EINPUT, "has %zu images: %s", n, names.data);
	return ai_hint(err, "write which one behind the path: ':NAME:TAG'");
}

/* --- its manifest -------------------------------------------------------------------------- */

static const char *
layer_type(ai_oci_packing packing)
{
	return packing == AI_OCI_GZIP ? "application/vnd.oci.image.layer.v1.tar+gzip" :
		packing == AI_OCI_ZSTD ? "application/vnd.oci.image.layer.v1.tar+zstd" : "application/vnd.oci.image.layer.v1.tar";
}

static int
packing_at(int fd, int64_t offset, int64_t size, ai_oci_packing *out, struct ai_err *err)
{
	unsigned char magic[4] = { 0 };
	size_t n = size < 4 ? (size_t)size : sizeof magic;
	if (pread(fd, magic, n, offset) != (ssize_t)n)
		return ai_fail_errno(err, AI_EINPUT, "cannot read");
	*out = ai_unpack_guess(magic);
	return 0;
}

/* The descriptor of a member; its name is kept under its digest. type NULL: a layer, whose first bytes say how it is packed. */
static int
describe(const struct ai_oci_files *f, const char *name, const char *type, struct ai_docker_image *i, json_t **out, struct ai_err *err)
{
	AI_FD fd = -1;
	int64_t at, size;
	ai_oci_packing packing = AI_OCI_PLAIN;
	struct ai_docker_blob *b = &i->blobs[i->n];
	int r = ai_oci_file_open(f, name, &fd, &at, &size, err);
	if (r <= 0)
		return r < 0 ? r : ai_fail(err, AI_EINPUT, "is not in the archive");
	if (packing_at(fd, at, size, &packing, err) < 0 || ai_oci_copy(f, fd, at, size, -1, &b->digest, err) < 0)
		return err->code;
	char hex[AI_HEX];
	ai_hex(&b->digest, hex);
	AI_FREE char *digest = ai_format("sha256:%s", hex);
	*out = digest ? json_pack("{s:s, s:s, s:I}", "mediaType", type ? type : layer_type(packing), "digest", digest, "size", (json_int_t)size) : NULL;
	b->name = ai_strdup(name);
	i->n += b->name != NULL;
	return *out && b->name ? 0 : ai_nomem(err);
}

static int
add_layers(const struct ai_oci_files *f, const json_t *names, json_t *layers, struct ai_docker_image *i, struct ai_err *err)
{
	for (size_t k = 0; k < json_array_size(names); k++) {
		const char *name = json_string_value(json_array_get(names, k));
		json_t *layer = NULL;
		if (!name)
			return ai_fail(err, AI_EINPUT, "manifest.json: a layer without a name");
		int r = describe(f, name, NULL, i, &layer, err);
		if (layer && json_array_append_new(layers, layer) < 0)
			r = ai_nomem(err);
		if (r < 0)
			return ai_in(err, "layer '%.256s'", name);
	}
	return 0;
}

static int
make_manifest(const struct ai_oci_files *f, const json_t *image, struct ai_docker_image *i, struct ai_err *err)
{
	const char *config_name = ai_json_str(image, "Config");
	const json_t *names = ai_json_arr(image, "Layers");
	if (!config_name || json_array_size(names) > AI_OCI_MAX_LAYERS)
		return ai_fail(err, AI_EINPUT, "manifest.json: an image without Config, or with more than %d layers", AI_OCI_MAX_LAYERS);
	i->blobs = ai_calloc(1 + json_array_size(names), sizeof *i->blobs);
	AI_JSON *config = NULL;
	AI_JSON *layers = json_array();
	if (!i->blobs || !layers)
		return ai_nomem(err);
	if (describe(f, config_name, "application/vnd.oci.image.config.v1+json", i, &config, err) < 0)
		return ai_in(err, "config '%.256s'", config_name);
	if (add_layers(f, names, layers, i, err) < 0)
		return err->code;
	AI_JSON *manifest = json_pack("{s:i, s:s, s:O, s:O}", "schemaVersion", 2, "mediaType", "application/vnd.oci.image.manifest.v1+json",
		"config", config, "layers", layers);
	i->manifest = AI_BUF(AI_OCI_MAX_MANIFEST);
	return manifest ? ai_canon(manifest, &i->manifest, err) : ai_nomem(err);
}

int
ai_docker_image_find(const struct ai_oci_files *f, const char *tag, struct ai_docker_image *out, struct ai_err *err)
{
	AI_BUF_AUTO b = AI_BUF(AI_OCI_MAX_MANIFEST);
	AI_BUF_AUTO whole = AI_BUF(AI_OCI_MAX_MANIFEST + 64);
	AI_JSON *j = NULL;
	const json_t *image = NULL;
	int r = ai_oci_file_read(f, "manifest.json", &b, err);
	if (r <= 0)
		return r;
	/* The text is a list, and the reader of foreign JSON wants an object. */
	ai_buf_puts(&whole, "{\"images\":");
	ai_buf_put(&whole, b.data, b.len);
	ai_buf_putc(&whole, '}');
	if (ai_buf_ok(&whole, "manifest.json", err) < 0 || ai_oci_json(whole.data, whole.len, "manifest.json", &j, err) < 0)
		return err->code;
	if (json_object_size(j) != 1 || !ai_json_arr(j, "images"))
		return ai_fail(err, AI_EINPUT, "manifest.json: not a list");
	if (choose(ai_json_arr(j, "images"), tag, &image, err) < 0 || make_manifest(f, image, out, err) < 0)
		return err->code;
	return 1;
}

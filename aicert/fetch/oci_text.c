/* oci_text.c -- see oci_parts.h and oci_text.h: indexes and manifests.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/oci_text.h"

#include <stdlib.h>
#include <string.h>

/* A value of three bytes takes some 230 in memory: counted before it is parsed, a hostile manifest takes at most 50 MB. */
enum { MAX_VALUES = 200000, MAX_INDEX = 1000, MAX_LISTED = 12 };
static const int64_t max_size = INT64_C(1) << 50;

static bool
too_many_values(const char *bytes, size_t n)
{
	bool in_string = false;
	size_t values = 0;
	for (size_t i = 0; i < n; i++) {
		if (in_string && bytes[i] == '\\')
			i++;
		else if (bytes[i] == '"')
			in_string = !in_string;
		else if (!in_string)
			values += bytes[i] == '{' || bytes[i] == '[' || bytes[i] == ',';
	}
	return values > MAX_VALUES;
}

int
ai_oci_json(const char *bytes, size_t n, const char *what, json_t **out, struct ai_err *err)
{
	json_error_t e;
	if (too_many_values(bytes, n))
		return ai_fail(err, AI_EINPUT, "%s: holds more than %d values", what, MAX_VALUES);
	json_t *j = json_loadb(bytes, n, JSON_REJECT_DUPLICATES, &e);
	if (!j)
		return ai_fail(err, AI_EINPUT, "%s:%d:%d: not JSON: %s", what, e.line, e.column, e.text);
	if (!json_is_object(j)) {
		json_decref(j);
		return ai_fail(err, AI_EINPUT, "%s: not a JSON object", what);
	}
	*out = j;
	return 0;
}

/* --- media types ----------------------------------------------------------------------- */

static bool
is_one_of(const char *type, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(type, *list) == 0)
			return true;
	return false;
}

static const char *const index_types[] = {
	"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json", NULL,
};
static const char *const manifest_types[] = {
	"application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json", NULL,
};
static const char *const config_types[] = {
	"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json", NULL,
};

static const struct { const char *type; ai_oci_packing packing; } layer_types[] = {
	{ "application/vnd.oci.image.layer.v1.tar", AI_OCI_PLAIN }, { "application/vnd.oci.image.layer.v1.tar+gzip", AI_OCI_GZIP },
	{ "application/vnd.oci.image.layer.v1.tar+zstd", AI_OCI_ZSTD }, { "application/vnd.docker.image.rootfs.diff.tar", AI_OCI_PLAIN },
	{ "application/vnd.docker.image.rootfs.diff.tar.gzip", AI_OCI_GZIP }, { "application/vnd.docker.image.rootfs.diff.tar.zstd", AI_OCI_ZSTD },
};

static int
layer_packing(const char *type, ai_oci_packing *out, struct ai_err *err)
{
	for (size_t i = 0; i < sizeof layer_types / sizeof *layer_types; i++)
		if (strcmp(type, layer_types[i].type) == 0) {
			*out = layer_types[i].packing;
			return 0;
		}
	if (strstr(type, "nondistributable") || strstr(type, "foreign"))
		return ai_fail(err, AI_EINPUT, "media type '%.100s': a layer that its registry may not hand out", type);
	return ai_fail(err, AI_EINPUT, "media type '%.100s': expected a tar layer, plain, gzip or zstd", type);
}

/* --- index or manifest? ------------------------------------------------------------------- */

/*
 * The bytes alone say what they are: were it the Content-Type, one digest could name two things (CVE-2021-41190). So both lists in one
 * document, or a media type that is the other's, are refused. 1 index, 0 manifest.
 */
static int
shape_of(const json_t *j, struct ai_err *err)
{
	const char *type = ai_json_str(j, "mediaType");
	const json_t *version = json_object_get(j, "schemaVersion");
	if (json_is_integer(version) && json_integer_value(version) == 1) {
		ai_fail(err, AI_EINPUT, "manifest: is of Docker's schema 1: expected schema 2 or OCI");
		return ai_hint(err, "push the image anew with a tool of this decade (skopeo copy)");
	}
	bool index = ai_json_arr(j, "manifests"), manifest = ai_json_arr(j, "layers") || ai_json_obj(j, "config");
	if (!json_is_integer(version) || json_integer_value(version) != 2)
		return ai_fail(err, AI_EINPUT, "manifest: has no schemaVersion 2");
	if (index == manifest)
		return ai_fail(err, AI_EINPUT, index ? "manifest: is index and manifest at once" : "manifest: has neither 'manifests' nor 'layers'");
	if (type && !is_one_of(type, index ? index_types : manifest_types))
		return ai_fail(err, AI_EINPUT, "manifest: media type '%.100s': expected that of an image %s", type, index ? "index" : "manifest");
	return index;
}

static int
descriptor(const json_t *j, const char *what, struct ai_oci_descriptor *out, struct ai_err *err)
{
	const char *digest = ai_json_str(j, "digest");
	const json_t *size = json_object_get(j, "size");
	if (!digest || strncmp(digest, "sha256:", 7) != 0 || !ai_unhex(digest + 7, &out->digest))
		return ai_fail(err, AI_EINPUT, "%s: digest '%.100s': expected 'sha256:' and 64 lower-case hex digits", what, digest ? digest : "");
	if (!json_is_integer(size) || json_integer_value(size) < 0 || json_integer_value(size) > max_size)
		return ai_fail(err, AI_EINPUT, "%s: size: expected a number of bytes up to %lld", what, (long long)max_size);
	out->size = json_integer_value(size);
	return 0;
}

/* --- the platform's manifest of an index ------------------------------------------------------ */

/* "os/architecture[/variant]"; NULL when the object names none, or "unknown" (attestations of buildx). */
static char *
platform_text(const json_t *platform)
{
	const char *os = ai_json_str(platform, "os"), *arch = ai_json_str(platform, "architecture"), *variant = ai_json_str(platform, "variant");
	if (!os || !arch || !*os || !*arch || strcmp(os, "unknown") == 0)
		return NULL;
	return ai_format("%.60s/%.60s%s%.60s", os, arch, variant && *variant ? "/" : "", variant ? variant : "");
}

/* How well does what is there suit what is wanted? 0 not at all; the most is exactly. The baseline variants run everywhere. */
static int
suits(const char *there, const char *wanted)
{
	static const struct { const char *base, *variant; int rank; } baselines[] = {
		{ "linux/amd64", "v1", 8 }, { "linux/arm64", "v8", 8 }, { "linux/arm", "v7", 8 }, { "linux/arm", "v6", 7 }, { "linux/arm", "v5", 6 },
	};
	if (strcmp(there, wanted) == 0)
		return 10;
	size_t t = strlen(there), w = strlen(wanted);
	if (w > t && strncmp(wanted, there, t) == 0 && wanted[t] == '/')
		return 9;
	for (size_t i = 0; i < sizeof baselines / sizeof *baselines; i++)
		if (strcmp(wanted, baselines[i].base) == 0 && t > w && strncmp(there, wanted, w) == 0 && there[w] == '/' &&
			strcmp(there + w + 1, baselines[i].variant) == 0)
			return baselines[i].rank;
	return 0;
}

static int
no_such_platform(const struct ai_buf *listed, const char *platform, struct ai_err *err)
{
	if (listed->len == 0)
		return ai_fail(err, AI_EINPUT, "the image is not for %s: its index names no platform", platform);
	return ai_fail(err, AI_EINPUT, "the image is not for %s: it is for %s", platform, listed->data);
}

static int
pick(const json_t *index, const char *platform, struct ai_oci_descriptor *out, struct ai_err *err)
{
	json_t *list = ai_json_arr(index, "manifests"), *best = NULL;
	size_t n = json_array_size(list), named = 0;
	int rank = 0;
	AI_BUF_AUTO listed = AI_BUF(4096);
	if (n > MAX_INDEX)
		return ai_fail(err, AI_EINPUT, "index: lists %zu manifests, at most %d", n, MAX_INDEX);
	for (size_t i = 0; i < n; i++) {
		json_t *entry = json_array_get(list, i);
		const char *type = ai_json_str(entry, "mediaType");
		AI_FREE char *there = platform_text(ai_json_obj(entry, "platform"));
		if (!type || (!is_one_of(type, manifest_types) && !is_one_of(type, index_types)))
			continue;
		int suited = there ? suits(there, platform) : n == 1 && !json_object_get(entry, "platform") ? 1 : 0;
		if (suited > rank) {
			best = entry;
			rank = suited;
		}
		if (there && named++ < MAX_LISTED)
			ai_buf_printf(&listed, "%s%s", listed.len ? ", " : "", there);
	}
	if (named > MAX_LISTED)
		ai_buf_puts(&listed, ", …");
	return best ? descriptor(best, "index", out, err) : no_such_platform(&listed, platform, err);
}

int
ai_oci_index_pick(const char *bytes, size_t n, const char *platform, struct ai_digest *out_digest, struct ai_err *err)
{
	AI_JSON *j = NULL;
	struct ai_oci_descriptor d;
	if (ai_oci_json(bytes, n, "manifest", &j, err) < 0)
		return err->code;
	int r = shape_of(j, err);
	if (r != 1)
		return r;
	if (pick(j, platform, &d, err) < 0)
		return err->code;
	*out_digest = d.digest;
	return 1;
}

/* --- the manifest ------------------------------------------------------------------------------- */

static int
read_config(const json_t *j, struct ai_oci_manifest *m, struct ai_err *err)
{
	json_t *config = ai_json_obj(j, "config");
	const char *type = ai_json_str(config, "mediaType");
	if (!config || !type || !is_one_of(type, config_types))
		return ai_fail(err, AI_EINPUT, "manifest: is of no container image: its config is '%.100s'", type ? type : "(none)");
	if (descriptor(config, "manifest: config", &m->config, err) < 0)
		return err->code;
	if (m->config.size > AI_OCI_MAX_CONFIG)
		return ai_fail(err, AI_EINPUT, "manifest: config: size: got %lld bytes, at most %d", (long long)m->config.size, AI_OCI_MAX_CONFIG);
	return 0;
}

static int
read_layers(const json_t *j, struct ai_oci_manifest *m, struct ai_err *err)
{
	json_t *layers = ai_json_arr(j, "layers");
	size_t n = json_array_size(layers);
	int64_t total = 0;
	if (n == 0)
		return ai_fail(err, AI_EINPUT, "manifest: has no layers");
	if (n > AI_OCI_MAX_LAYERS)
		return ai_fail(err, AI_EINPUT, "manifest: has %zu layers, at most %d", n, AI_OCI_MAX_LAYERS);
	m->layers = ai_calloc(n, sizeof *m->layers);
	if (!m->layers)
		return ai_nomem(err);
	for (m->n_layers = 0; m->n_layers < n; m->n_layers++) {
		json_t *layer = json_array_get(layers, m->n_layers);
		struct ai_oci_descriptor *d = &m->layers[m->n_layers];
		const char *type = ai_json_str(layer, "mediaType");
		if (layer_packing(type ? type : "", &d->packing, err) < 0 || descriptor(layer, "descriptor", d, err) < 0)
			return ai_in(err, "manifest: layer %zu of %zu", m->n_layers + 1, n);
		total += d->size;
		if (total > max_size)
			return ai_fail(err, AI_EINPUT, "manifest: layers: more than %lld bytes", (long long)max_size);
	}
	return 0;
}

int
ai_oci_manifest_parse(const char *bytes, size_t n, struct ai_oci_manifest *out, struct ai_err *err)
{
	AI_JSON *j = NULL;
	struct ai_oci_manifest m = { .n_layers = 0 };
	if (ai_oci_json(bytes, n, "manifest", &j, err) < 0)
		return err->code;
	int r = shape_of(j, err);
	if (r < 0)
		return r;
	if (r == 1)
		return ai_fail(err, AI_EINPUT, "manifest: is an index: expected one image's manifest");
	if (read_config(j, &m, err) < 0 || read_layers(j, &m, err) < 0) {
		ai_oci_manifest_done(&m);
		return err->code;
	}
	*out = m;
	return 0;
}

void
ai_oci_manifest_done(struct ai_oci_manifest *m)
{
	free(m->layers);
	*m = (struct ai_oci_manifest){ .n_layers = 0 };
}

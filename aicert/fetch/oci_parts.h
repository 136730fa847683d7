/*
 * oci_parts.h -- what the files of the image fetcher share: descriptors, places that images come from, layers.
 *
 * Depends on: base, model, sink.  Threads: a place belongs to one.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AI_OCI_PARTS_H
#define AI_OCI_PARTS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "fetch/fetch.h"
#include "model/image_ref.h"

/* Ceilings against hostile images; each refusal names the one that was hit. */
enum { AI_OCI_MAX_MANIFEST = 4 << 20, AI_OCI_MAX_CONFIG = 8 << 20, AI_OCI_MAX_LAYERS = 512, AI_OCI_MAX_ENTRIES = 4000000 };

typedef enum ai_oci_packing { AI_OCI_PLAIN, AI_OCI_GZIP, AI_OCI_ZSTD } ai_oci_packing;

struct ai_oci_descriptor {
	struct ai_digest digest;
	int64_t size;
	ai_oci_packing packing;    /* layers */
};

/* A manifest, parsed: pure function of bytes. Both media type families. */
struct ai_oci_manifest {
	struct ai_oci_descriptor config;
	struct ai_oci_descriptor *layers; size_t n_layers;
};

/* --- oci_text.c: pure parsers, fuzzed -------------------------------------- */
/*
 * Is it an index? Then *out_digest is the manifest for platform ("linux/amd64"; a variant as in "linux/arm64/v8" matches), and 1;
 * 0 when the bytes are a manifest themselves; AI_EINPUT otherwise (schema 1 by name, a platform that is not there with those that are).
 */
int ai_oci_index_pick(const char *bytes, size_t n, const char *platform, struct ai_digest *out_digest, struct ai_err *err) AI_CHECKED;
int ai_oci_manifest_parse(const char *bytes, size_t n, struct ai_oci_manifest *out, struct ai_err *err) AI_CHECKED;
void ai_oci_manifest_done(struct ai_oci_manifest *m);
/* *config: {"env","workdir"?,"entrypoint"?,"cmd"?} as in oci.h; the platform must be the config's; diff_ids (caller frees) are those of the layers, unpacked. */
int ai_oci_config_parse(const char *bytes, size_t n, const char *platform, json_t **config, struct ai_digest **diff_ids, size_t *n_diff_ids,
	struct ai_err *err) AI_CHECKED;
/* Is this what a pin has? Those of before "entrypoint" and "cmd" were pinned have neither. */
bool ai_oci_config_is(const json_t *pinned, const json_t *config);

/* --- a place that images come from ------------------------------------------ */
struct ai_oci_place {
	void *ctx;
	/* The manifest or index of a digest ("sha256:…", bytes checked against it), or of the reference's own name (NULL); *digest is of the bytes. */
	int (*manifest)(void *ctx, const char *digest, struct ai_buf *bytes, struct ai_digest *digest_out, struct ai_err *err);
	/*
	 * A blob as a file that can be read from its start, all of it checked against the descriptor; *fd is caller's to close.
	 * What was downloaded is kept (for a resumed pull) until done() is called with it finished.
	 */
	int (*blob)(void *ctx, const struct ai_oci_descriptor *d, int *fd, struct ai_err *err);
	void (*done)(void *ctx, bool finished);
	/* May be NULL. From another thread: a blob() that is under way is no longer wanted and ends soon (AI_EINTR). */
	void (*stop)(void *ctx);
};
/* oci_registry.c */
int ai_oci_registry(const struct ai_fetch *f, const struct ai_image_ref *ref, struct ai_oci_place *out, struct ai_err *err) AI_CHECKED;
/* oci_layout.c: oci:, oci-archive:, docker-archive: (a docker archive is given a manifest made of what it holds) */
int ai_oci_layout(const struct ai_fetch *f, const struct ai_image_ref *ref, struct ai_oci_place *out, struct ai_err *err) AI_CHECKED;

/* --- image_layers.c (libarchive): one merged tree ---------------------------- */
struct ai_layers;
struct ai_layers *ai_layers_new(const struct ai_sink *sink, const struct ai_talk *talk);
/* Applies the next layer, lowest first. fd: the packed tar; its unpacked bytes must hash to diff_id. AI_EINPUT names entry and fault. */
int ai_layers_apply(struct ai_layers *l, int fd, ai_oci_packing packing, const struct ai_digest *diff_id, struct ai_err *err) AI_CHECKED;
/* The tree of all applied layers, in the sink. workdir (may be NULL) is made if no layer has it. */
int ai_layers_tree(struct ai_layers *l, const char *workdir, struct ai_digest *tree_out, struct ai_err *err) AI_CHECKED;
void ai_layers_free(struct ai_layers *l);

#endif

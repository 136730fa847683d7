/*
 * layers_tool.c -- drives the unpacking of images from tests.
 *
 *   layers_tool apply [--workdir W] {FILE plain|gzip|zstd DIFF_ID}…     layers one on the other
 *   layers_tool image REF --project P --cache C [--digest D]            an image of a layout or archive: its manifest, then its layers
 *   layers_tool pull REF --project P --cache C --home H                 resolve and content as a run has them, of any reference
 *
 * Prints {"tree": id, "entries": [[path, type, id or target]], "said": […], "manifest"?, "digest"?}, or {"error", "hint"} and
 * exits with its ai_code turned round. With --home H the content goes into a real store; otherwise it is only hashed.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/talk.h"
#include "cache/store.h"
#include "fetch/oci.h"
#include "fetch/oci_parts.h"

struct running { struct ai_sha sha; uint64_t size; };
struct known { struct ai_digest id; json_t *entries; };

static void *trees;
static json_t *said;

static int
hash_begin(void *ctx, void **obj, struct ai_err *err)
{
	(void)ctx;
	struct running *r = ai_calloc(1, sizeof *r);
	*obj = r;
	return r ? ai_sha_init(&r->sha, err) : ai_nomem(err);
}

static int
hash_write(void *obj, const void *p, size_t n, struct ai_err *err)
{
	struct running *r = obj;
	(void)err;
	ai_sha_add(&r->sha, p, n);
	r->size += n;
	return 0;
}

static int
hash_commit(void *obj, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	struct running *r = obj;
	(void)err;
	ai_sha_end(&r->sha, out);
	if (size_out)
		*size_out = r->size;
	free(r);
	return 0;
}

static void
hash_abort(void *obj)
{
	struct running *r = obj;
	ai_sha_done(&r->sha);
	free(r);
}

static int
by_id(const void *a, const void *b)
{
	return ai_digest_cmp(a, b);
}

/* Every tree is kept, so that the root can be listed in the end. */
static int
hash_tree(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err)
{
	(void)ctx;
	char hex[AI_HEX];
	AI_BUF_AUTO b = AI_BUF(AI_MAX_NODE);
	if (ai_tree_bytes(entries, n, &b, err) < 0)
		return err->code;
	ai_sha256(b.data, b.len, out);
	struct known *k = ai_calloc(1, sizeof *k);
	if (!k)
		return ai_nomem(err);
	*k = (struct known){ *out, json_array() };
	for (size_t i = 0; i < n; i++) {
		ai_hex(&entries[i].id, hex);
		json_array_append_new(k->entries, json_pack("[s, s, s]", entries[i].name, ai_entry_word(entries[i].type),
			entries[i].type == AI_ENTRY_LINK ? entries[i].target : hex));
	}
	struct known **found = tsearch(k, &trees, by_id);
	if (found && *found != k) {
		json_decref(k->entries);
		free(k);
	}
	return found ? 0 : ai_nomem(err);
}

static void
say(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total)
{
	(void)ctx;
	(void)done;
	(void)total;
	if (kind == AI_TALK_NOTE)
		json_array_append_new(said, json_string(text));
}

static void
list(const struct ai_digest *id, const char *prefix, json_t *out)
{
	struct known **found = tfind(id, &trees, by_id);
	for (size_t i = 0; found && i < json_array_size((*found)->entries); i++) {
		const json_t *e = json_array_get((*found)->entries, i);
		const char *type = json_string_value(json_array_get(e, 1)), *what = json_string_value(json_array_get(e, 2));
		AI_FREE char *path = ai_format("%s%s", prefix, json_string_value(json_array_get(e, 0)));
		AI_FREE char *below = ai_format("%s/", path);
		struct ai_digest sub;
		bool dir = strcmp(type, "dir") == 0 && ai_unhex(what, &sub);
		json_array_append_new(out, json_pack("[s, s, s]", path, type, dir ? "" : what));
		if (dir)
			list(&sub, below, out);
	}
}

static int
apply_files(struct ai_layers *l, char **argv, int n, struct ai_err *err)
{
	for (int i = 0; i + 2 < n; i += 3) {
		struct ai_digest diff_id;
		AI_FD fd = open(argv[i], O_RDONLY | O_CLOEXEC);
		ai_oci_packing p = argv[i + 1][0] == 'p' ? AI_OCI_PLAIN : argv[i + 1][0] == 'g' ? AI_OCI_GZIP : AI_OCI_ZSTD;
		if (fd < 0 || !ai_unhex(argv[i + 2], &diff_id))
			return ai_fail(err, AI_EUSAGE, "%s %s", argv[i], argv[i + 2]);
		if (ai_layers_apply(l, fd, p, &diff_id, err) < 0)
			return err->code;
	}
	return 0;
}

static int
apply_manifest(struct ai_layers *l, const struct ai_oci_place *p, const struct ai_oci_manifest *m, struct ai_err *err)
{
	AI_FD config = -1;
	AI_BUF_AUTO bytes = AI_BUF(AI_OCI_MAX_CONFIG);
	AI_FREE struct ai_digest *diff_ids = NULL;
	AI_JSON *ignored = NULL;
	size_t n = 0;
	char chunk[4096];
	ssize_t got;
	if (p->blob(p->ctx, &m->config, &config, err) < 0)
		return err->code;
	while ((got = read(config, chunk, sizeof chunk)) > 0)
		ai_buf_put(&bytes, chunk, (size_t)got);
	if (ai_oci_config_parse(bytes.data, bytes.len, "linux/amd64", &ignored, &diff_ids, &n, err) < 0)
		return err->code;
	for (size_t i = 0; i < m->n_layers && i < n; i++) {
		AI_FD fd = -1;
		if (p->blob(p->ctx, &m->layers[i], &fd, err) < 0 || ai_layers_apply(l, fd, m->layers[i].packing, &diff_ids[i], err) < 0)
			return err->code;
	}
	return 0;
}

static int
find_manifest(const struct ai_oci_place *p, const char *digest, struct ai_oci_manifest *m, json_t *answer, struct ai_err *err)
{
	char hex[AI_HEX];
	struct ai_digest got, picked;
	AI_BUF_AUTO bytes = AI_BUF(AI_OCI_MAX_MANIFEST);
	AI_FREE char *next = digest ? ai_strdup(digest) : NULL;
	for (int i = 0; i < 8; i++) {
		ai_buf_clear(&bytes);
		if (p->manifest(p->ctx, next, &bytes, &got, err) < 0)
			return err->code;
		int index = ai_oci_index_pick(bytes.data, bytes.len, "linux/amd64", &picked, err);
		if (index < 0)
			return index;
		ai_hex(&got, hex);
		if (i == 0)
			json_object_set_new(answer, "digest", json_string(hex));
		if (index == 0) {
			json_object_set_new(answer, "manifest", json_string(hex));
			return ai_oci_manifest_parse(bytes.data, bytes.len, m, err);
		}
		ai_hex(&picked, hex);
		free(next);
		next = ai_format("sha256:%s", hex);
	}
	return ai_fail(err, AI_EINPUT, "indexes in indexes");
}

struct arguments { const char *workdir, *project, *cache, *home, *digest; char **rest; int n; };

static int
unpack(const char *command, const struct arguments *a, const struct ai_sink *sink, json_t *answer, struct ai_digest *tree, struct ai_err *err)
{
	static const struct ai_talk talk = { .say = say, .ctx = NULL };
	struct ai_fetch f = { .sink = sink, .talk = &talk, .project = a->project, .cache = a->cache };
	struct ai_layers *l = ai_layers_new(sink, &talk);
	struct ai_image_ref ref = { 0 };
	struct ai_oci_place place = { 0 };
	struct ai_oci_manifest m = { 0 };
	AI_JSON *pin = NULL;
	int r = l ? 0 : ai_nomem(err);
	if (r == 0 && strcmp(command, "pull") == 0) {
		ai_layers_free(l);
		r = ai_image_ref_parse(a->rest[0], &ref, err);
		if (r == 0)
			r = ai_oci_resolve(&f, &ref, "linux/amd64", &pin, err);
		if (r == 0)
			r = ai_oci_content(&f, &ref, pin, tree, err);
		ai_image_ref_done(&ref);
		return r;
	}
	if (r == 0 && strcmp(command, "apply") == 0) {
		r = apply_files(l, a->rest, a->n, err);
	} else if (r == 0) {
		r = ai_image_ref_parse(a->rest[0], &ref, err);
		if (r == 0)
			r = ai_oci_layout(&f, &ref, &place, err);
		if (r == 0)
			r = find_manifest(&place, a->digest, &m, answer, err);
		if (r == 0)
			r = apply_manifest(l, &place, &m, err);
	}
	if (r == 0)
		r = ai_layers_tree(l, a->workdir, tree, err);
	if (place.done)
		place.done(place.ctx, r == 0);
	ai_oci_manifest_done(&m);
	ai_image_ref_done(&ref);
	ai_layers_free(l);
	return r;
}

/* Into a store, and out of it as the folder that a step would have as its root. */
static int
unpack_into_store(const char *command, const struct arguments *a, json_t *answer, struct ai_digest *tree, struct ai_err *err)
{
	struct ai_home home = { 0 };
	struct ai_store *s = NULL;
	AI_FREE char *path = NULL;
	int r = ai_home_find(a->home, &home, err);
	if (r == 0)
		r = ai_home_make(&home, err);
	if (r == 0)
		r = ai_store_open(&home, &s, err);
	if (r == 0)
		r = unpack(command, a, ai_store_sink(s), answer, tree, err);
	if (r == 0)
		r = ai_store_checked_out(s, tree, &path, err);
	if (r == 0)
		json_object_set_new(answer, "path", json_string(path));
	ai_store_close(s);
	ai_home_done(&home);
	return r;
}

int
main(int argc, char **argv)
{
	static const struct ai_sink sink = { NULL, hash_begin, hash_write, hash_commit, hash_abort, NULL, hash_tree, NULL };
	struct arguments a = { .project = ".", .rest = argv + 2 };
	struct ai_err err = { 0 };
	struct ai_digest tree;
	AI_JSON *answer = json_object();
	AI_BUF_AUTO out = AI_BUF(1u << 30);
	char hex[AI_HEX];
	said = json_array();
	for (int i = 2; i < argc; i++) {
		const char **at = strcmp(argv[i], "--workdir") == 0 ? &a.workdir : strcmp(argv[i], "--project") == 0 ? &a.project :
			strcmp(argv[i], "--cache") == 0 ? &a.cache : strcmp(argv[i], "--home") == 0 ? &a.home : strcmp(argv[i], "--digest") == 0 ? &a.digest : NULL;
		if (at && i + 1 < argc)
			*at = argv[++i];
		else
			a.rest[a.n++] = argv[i];
	}
	if (a.n == 0 || ai_fetch_init(&err) < 0)
		return 2;
	int r = a.home ? unpack_into_store(argv[1], &a, answer, &tree, &err) : unpack(argv[1], &a, &sink, answer, &tree, &err);
	if (r < 0) {
		json_object_set_new(answer, "error", json_string(err.text));
		json_object_set_new(answer, "hint", json_string(err.hint));
	} else {
		json_t *entries = json_array();
		ai_hex(&tree, hex);
		json_object_set_new(answer, "tree", json_string(hex));
		json_object_set_new(answer, "entries", entries);
		list(&tree, "", entries);
	}
	json_object_set_new(answer, "said", said);
	AI_FREE char *text = json_dumps(answer, JSON_COMPACT);
	if (!text)
		return 2;
	puts(text);
	return -r;
}

/* packages.c -- pinned packages fetched by hash, and unpacked into one tree (packages.h).  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <string.h>

#include "fetch/archive_deb.h"
#include "fetch/http.h"
#include "vm/build/packages.h"

/*
 * What no build reads, of which there is much. Of a kernel's modules the folders with those that a runner has; a module that is wanted and lies elsewhere
 * is missed by name (modules.c).
 */
static const char *const leave_out[] = {
	"usr/share/doc/**", "usr/share/man/**", "usr/share/locale/**", "usr/share/info/**", "usr/share/lintian/**",
	"lib/modules/*/kernel/drivers/net/**", "lib/modules/*/kernel/drivers/infiniband/**", "lib/modules/*/kernel/net/**", "lib/modules/*/kernel/sound/**", NULL,
};

static bool
has_use(const json_t *p, const char *use)
{
	const char *its = ai_json_str(p, "for");
	return strcmp(its, use) == 0 || strcmp(its, "both") == 0;
}

/* From the store, or from its url: whoever answers there, the bytes are the pinned ones. */
static int
fetch(struct ai_store *store, const char *partial, const json_t *p, const struct ai_talk *talk, struct ai_digest *id, struct ai_err *err)
{
	struct ai_ref ref = { .type = AI_REF_BLOB };
	const char *name = ai_json_str(p, "name");
	struct ai_digest got;
	uint64_t size;
	if (!ai_json_digest(p, "sha256", &ref.id))
		return ai_fail(err, AI_EINPUT, "package '%s': has no sha256", name);
	*id = ref.id;
	int r = ai_store_has(store, &ref, err);
	if (r != 0)
		return r < 0 ? r : 0;
	ai_say(talk, AI_TALK_STAGE, "fetch   %s %s", name, ai_json_str(p, "version"));
	struct ai_http_request req = {
		.url = ai_json_str(p, "url"), .sha256 = &ref.id, .size = json_integer_value(json_object_get(p, "size")), .partial = partial, .talk = talk,
	};
	if (ai_http_get(&req, ai_store_sink(store), &got, &size, err) == 0)
		return 0;
	ai_in(err, "package '%s' %s", name, ai_json_str(p, "version"));
	/* Only where somebody answered: not for a network that is down, a full disk, or Ctrl-C. */
	return err->code != AI_EINPUT ? err->code : ai_hint(err, "a distribution keeps old packages on its snapshot server: put that url into the pins; or pin today's: apt-get update, and build without --pins");
}

/* The object is hashed once more as it is read: what is unpacked is what is pinned, whatever happened to the store. */
static int
apply(struct ai_store *store, struct ai_debs *debs, const json_t *p, const struct ai_digest *id, struct ai_err *err)
{
	AI_FREE char *path = ai_store_object_path(store, id);
	struct ai_digest got;
	if (!path)
		return ai_nomem(err);
	AI_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return ai_fail_errno(err, AI_EENV, "cache: package '%s'", ai_json_str(p, "name"));
	if (ai_sha256_fd(fd, &got, NULL, err) < 0)
		return err->code;
	if (!ai_digest_eq(&got, id))
		return ai_fail(err, AI_EINPUT, "cache: package '%s': its object was altered; remove %s", ai_json_str(p, "name"), path);
	return ai_debs_apply(debs, fd, err) < 0 ? ai_in(err, "package '%s'", ai_json_str(p, "name")) : 0;
}

/* Names the tree by what it is made of: the hashes in the order in which they are unpacked, and how that is done. */
static char *
tree_key(const json_t *pins, const char *use)
{
	AI_BUF_AUTO b = AI_BUF(AI_PINS_MAX);
	struct ai_digest d;
	char hex[AI_HEX];
	size_t i;
	json_t *p;
	json_array_foreach(ai_json_arr(pins, "packages"), i, p)
		if (has_use(p, use))
			ai_buf_printf(&b, "%s\n", ai_json_str(p, "sha256"));
	for (i = 0; leave_out[i]; i++)
		ai_buf_printf(&b, "%s\n", leave_out[i]);
	if (b.state != AI_BUF_GOOD)
		return NULL;
	ai_sha256(b.data, b.len, &d);
	ai_hex(&d, hex);
	return ai_format("debian 1 %s", hex);
}

static int
unpack(struct ai_store *store, const char *partial, const json_t *pins, const char *use, const struct ai_talk *talk, struct ai_debs *debs,
	struct ai_err *err)
{
	uint64_t done = 0, all = 0;
	size_t i;
	json_t *p;
	struct ai_digest id;
	json_array_foreach(ai_json_arr(pins, "packages"), i, p)
		all += has_use(p, use) ? (uint64_t)json_integer_value(json_object_get(p, "size")) : 0;
	/* All of them first: a package that is gone is told before any time is spent. */
	for (int turn = 0; turn < 2; turn++) {
		if (turn == 1)
			ai_say(talk, AI_TALK_STAGE, "unpack  packages (%s)", use);
		json_array_foreach(ai_json_arr(pins, "packages"), i, p) {
			if (!has_use(p, use))
				continue;
			if (fetch(store, partial, p, talk, &id, err) < 0 || (turn == 1 && apply(store, debs, p, &id, err) < 0))
				return err->code;
			if (turn == 1)
				ai_say_progress(talk, "unpacking packages", done += (uint64_t)json_integer_value(json_object_get(p, "size")), all);
		}
	}
	return 0;
}

int
ai_packages_tree(struct ai_store *store, const char *partial, const json_t *pins, const char *use, const struct ai_talk *talk, struct ai_digest *tree,
	struct ai_err *err)
{
	AI_FREE char *key = tree_key(pins, use);
	struct ai_ref ref;
	char how[16];
	struct ai_debs *debs;
	if (!key)
		return ai_nomem(err);
	int r = ai_store_get_pin(store, key, &ref, how, err);
	if (r < 0)
		return r;
	if (r == 1 && ref.type == AI_REF_TREE) {
		*tree = ref.id;
		return 0;
	}
	if (ai_debs_new(ai_store_sink(store), leave_out, &debs, err) < 0)
		return err->code;
	ref.type = AI_REF_TREE;
	r = unpack(store, partial, pins, use, talk, debs, err);
	r = r < 0 ? r : ai_debs_tree(debs, &ref.id, err);
	ai_debs_free(debs);
	if (r < 0 || ai_store_put_pin(store, key, &ref, "sha256", err) < 0)
		return err->code;
	*tree = ref.id;
	return 0;
}

/* disk_index.c -- header and index of a disk as bytes (disk_parts.h).  SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "vm/disk/disk_parts.h"

/* Byte offsets in the header. */
enum { AT_MAGIC = 0, AT_KIND = 16, AT_OFFSET = 32, AT_LENGTH = 40, AT_SHA256 = 48, AT_REST = 80, MAX_LOG_NAME = 1024 };

static const char magic[16] = "aicert disk v1\n";

/* --- header ------------------------------------------------------------------------------- */

static void
put_u64(unsigned char *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

static uint64_t
get_u64(const unsigned char *p)
{
	uint64_t v = 0;
	for (int i = 0; i < 8; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

static bool
all_zero(const unsigned char *p, size_t n)
{
	unsigned char any = 0;
	for (size_t i = 0; i < n; i++)
		any |= p[i];
	return any == 0;
}

void
ai_disk_header_format(const struct ai_disk_header *h, unsigned char out[AI_DISK_BLOCK])
{
	memset(out, 0, AI_DISK_BLOCK);
	memcpy(out + AT_MAGIC, magic, sizeof magic);
	memcpy(out + AT_KIND, h->kind, strnlen(h->kind, AI_DISK_KIND));
	put_u64(out + AT_OFFSET, h->at);
	put_u64(out + AT_LENGTH, h->length);
	memcpy(out + AT_SHA256, h->sha256.b, sizeof h->sha256.b);
}

int
ai_disk_header_parse(const unsigned char bytes[AI_DISK_BLOCK], const char *kind, uint64_t size, struct ai_disk_header *out, struct ai_err *err)
{
	struct ai_disk_header h = { .at = get_u64(bytes + AT_OFFSET), .length = get_u64(bytes + AT_LENGTH) };
	char want[AI_DISK_KIND] = { 0 };
	if (all_zero(bytes, AI_DISK_BLOCK))
		return ai_fail(err, AI_ENO, "%s disk: nothing was written to it", kind);
	if (memcmp(bytes + AT_MAGIC, magic, sizeof magic) != 0)
		return ai_fail(err, AI_EINPUT, "%s disk: header: is no aicert disk of format 1", kind);
	memcpy(want, kind, strnlen(kind, sizeof want));
	memcpy(h.kind, bytes + AT_KIND, AI_DISK_KIND);
	memcpy(h.sha256.b, bytes + AT_SHA256, sizeof h.sha256.b);
	if (memcmp(h.kind, want, sizeof want) != 0)
		return ai_fail(err, AI_EINPUT, "%s disk: header: is of kind '%s', expected '%s'", kind, h.kind, kind);
	if (!all_zero(bytes + AT_REST, AI_DISK_BLOCK - AT_REST))
		return ai_fail(err, AI_EINPUT, "%s disk: header: something stands behind its end", kind);
	if (h.at < AI_DISK_BLOCK || h.at % AI_DISK_BLOCK != 0)
		return ai_fail(err, AI_EINPUT, "%s disk: header: the index lies at byte %llu, expected a multiple of %d, not 0", kind,
			(unsigned long long)h.at, AI_DISK_BLOCK);
	if (h.length == 0 || h.length > AI_DISK_MAX_INDEX)
		return ai_fail(err, AI_EINPUT, "%s disk: header: an index of %llu bytes, expected 1 to %d", kind, (unsigned long long)h.length, AI_DISK_MAX_INDEX);
	if (h.at > size || h.length > size - h.at)
		return ai_fail(err, AI_EINPUT, "%s disk: header: the index lies at byte %llu of %llu", kind, (unsigned long long)h.at, (unsigned long long)size);
	*out = h;
	return 0;
}

/* --- names ---------------------------------------------------------------------------------- */

static bool
is_hex(const char *s, size_t n)
{
	return strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

/* A step's name, as model/node.h has texts. */
static bool
is_text(const char *s)
{
	size_t n = strlen(s);
	bool good = n > 0 && n <= MAX_LOG_NAME && ai_utf8_valid(s, n);
	for (; good && *s; s++)
		good = (unsigned char)*s >= 0x20 && *s != 0x7f;
	return good;
}

int
ai_disk_name_check(const char *type, const char *name, const struct ai_digest *sha256, struct ai_err *err)
{
	char hex[AI_HEX];
	bool by_id = strcmp(type, "node") == 0 || strcmp(type, "blob") == 0, oci = strcmp(type, "oci") == 0;
	const char *digest = oci && strncmp(name, "sha256:", 7) == 0 ? name + 7 : name;
	ai_hex(sha256, hex);
	if (by_id || oci) {
		if (!is_hex(digest, 64) || oci != (digest != name))
			return ai_fail(err, AI_EINPUT, "%s '%.100s': not a name of one", type, name);
		return strcmp(digest, hex) == 0 ? 0 : ai_fail(err, AI_EINPUT, "%s %s: its content hashes to %s", type, name, hex);
	}
	bool good;
	if (strcmp(type, "git") == 0)
		good = is_hex(name, 40);
	else if (strcmp(type, "log") == 0)
		good = is_text(name);
	else if (strcmp(type, "attestation") == 0 || strcmp(type, "shelf") == 0 || strcmp(type, "verity") == 0)
		good = *name == '\0';
	else
		return ai_fail(err, AI_EINPUT, "type '%.32s': expected node, blob, git, oci, log, attestation, shelf or verity", type);
	return good ? 0 : ai_fail(err, AI_EINPUT, "%s '%.100s': not a name of one", type, name);
}

void
ai_disk_key(const char *type, const char *name, struct ai_digest *out)
{
	/* The digest of both digests: no type and name run into each other, and no memory is asked for. */
	struct ai_digest a, b;
	ai_sha256(type, strlen(type), &a);
	ai_sha256(name, strlen(name), &b);
	ai_sha256_pair(&a, &b, out);
}

/* --- index ---------------------------------------------------------------------------------- */

static int
parse_object(json_t *j, uint64_t *at, uint64_t end, struct ai_disk_entry *out, struct ai_err *err)
{
	const char *type = ai_json_str(j, "type"), *name = ai_json_str(j, "name");
	const json_t *size = json_object_get(j, "size");
	struct ai_digest sha256;
	if (json_object_size(j) != 4 || !type || !name || !json_is_integer(size) || json_integer_value(size) < 0 || !ai_json_digest(j, "sha256", &sha256))
		return ai_fail(err, AI_EINPUT, "expected type, name, size and sha256, and nothing else");
	if (ai_disk_name_check(type, name, &sha256, err) < 0)
		return err->code;
	uint64_t n = (uint64_t)json_integer_value(size);
	/* at <= end always holds, so this cannot overflow. */
	if (n > end - *at)
		return ai_fail(err, AI_EINPUT, "%s '%s': %llu bytes at byte %llu: the objects end at byte %llu", type, name, (unsigned long long)n,
			(unsigned long long)*at, (unsigned long long)end);
	*out = (struct ai_disk_entry){ .object = { type, name, n, sha256 }, .at = *at };
	/* end is a multiple of the block, so what was rounded up lies within. */
	*at = ai_disk_aligned(*at + n);
	return 0;
}

static int
parse_objects(const json_t *list, uint64_t end, struct ai_disk_index *x, struct ai_err *err)
{
	uint64_t at = AI_DISK_BLOCK;
	size_t n = json_array_size(list);
	if (n > AI_DISK_MAX_OBJECTS)
		return ai_fail(err, AI_EINPUT, "index: %zu objects, at most %d", n, AI_DISK_MAX_OBJECTS);
	x->entries = ai_calloc(n, sizeof *x->entries);
	if (!x->entries)
		return ai_nomem(err);
	for (size_t i = 0; i < n; i++) {
		struct ai_disk_entry *e = &x->entries[i];
		struct ai_digest key;
		if (parse_object(json_array_get(list, i), &at, end, e, err) < 0)
			return ai_in(err, "index: object %zu", i);
		ai_disk_key(e->object.type, e->object.name, &key);
		if (ai_idset_get(&x->names, &key, NULL))
			return ai_fail(err, AI_EINPUT, "index: object %zu: %s '%s' is listed twice", i, e->object.type, e->object.name);
		if (ai_idset_put(&x->names, &key, i, err) < 0)
			return err->code;
		x->n++;
	}
	if (at != end)
		return ai_fail(err, AI_EINPUT, "index: the objects end at byte %llu, it lies at byte %llu", (unsigned long long)at, (unsigned long long)end);
	return 0;
}

/* One value, one text: the header's hash binds bytes, and these are the only ones for what they say. */
static int
check_canonical(const json_t *j, const char *text, size_t n, struct ai_err *err)
{
	AI_BUF_AUTO b = AI_BUF(AI_DISK_MAX_INDEX);
	if (ai_canon(j, &b, err) < 0 || ai_buf_ok(&b, "index", err) < 0)
		return err->code;
	return b.len == n && memcmp(b.data, text, n) == 0 ? 0 : ai_fail(err, AI_EINPUT, "index: not in canonical form");
}

int
ai_disk_index_parse(const char *text, size_t n, uint64_t end, struct ai_disk_index *out, struct ai_err *err)
{
	struct ai_disk_index x = { 0 };
	if (ai_json_parse(text, n, "index", &x.json, err) < 0)
		return err->code;
	const char *kind = ai_json_str(x.json, "kind");
	const json_t *list = ai_json_arr(x.json, "objects");
	int r = check_canonical(x.json, text, n, err);
	if (r == 0 && (json_object_size(x.json) != 3 || !kind || strcmp(kind, "aicert-disk") != 0 || !ai_json_obj(x.json, "about") || !list))
		r = ai_fail(err, AI_EINPUT, "index: expected kind 'aicert-disk', about and objects, and nothing else");
	if (r == 0)
		r = parse_objects(list, end, &x, err);
	if (r < 0)
		ai_disk_index_done(&x);
	else
		*out = x;
	return r;
}

void
ai_disk_index_done(struct ai_disk_index *i)
{
	json_decref(i->json);
	free(i->entries);
	ai_idset_done(&i->names);
	*i = (struct ai_disk_index){ 0 };
}

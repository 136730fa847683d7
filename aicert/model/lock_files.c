/* lock_files.c -- see lock_files.h.  SPDX-License-Identifier: Apache-2.0 */
#include "model/lock_files.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/pin.h"
#include "model/yaml.h"

enum { MAX_DEPTH = 256, MAX_STRIP = 100 };

/* --- the shape of pins ------------------------------------------------------------- */

bool
ai_rule_pin_name(const char *name)
{
	static const char *const ours[] = { "git", "url", "path", "image", "wheels", "proof", "local" };
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		if (strcmp(name, ours[i]) == 0)
			return false;
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
	return n > 0 && n <= 100 && name[n] == '\0';
}

static bool
is_hex(const char *s, size_t n)
{
	return s && strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

/* Where a file may come from: places that every machine has alike, without what is secret. */
static bool
is_uri(const char *uri)
{
	static const char *const schemes[] = { "https://", "http://", "s3://", "s3+https://", "s3+http://" };
	if (!uri || ai_url_has_secret(uri))
		return false;
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
		if (strncmp(uri, schemes[i], strlen(schemes[i])) == 0 && uri[strlen(schemes[i])])
			return true;
	return strcmp(uri, "local") == 0;
}

static bool
is_flag(const json_t *v)
{
	return !v || json_is_true(v);
}

/* Fields that are there, and no others: 0, or the fault. */
static const char *
check_bytes(const json_t *f, size_t *known)
{
	const json_t *size = json_object_get(f, "size"), *sha1 = json_object_get(f, "sha1");
	struct ai_digest d;
	*known += 3u + (sha1 != NULL) + (json_object_get(f, "exec") != NULL);
	if (!is_uri(ai_json_str(f, "uri")))
		return "'uri' is missing, holds a secret, or is none of http, https or s3";
	if (!ai_json_digest(f, "sha256", &d))
		return "'sha256': expected 64 lower-case hex digits";
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return "'size': expected a number of bytes";
	if (sha1 && !is_hex(json_string_value(sha1), 40))
		return "'sha1': expected 40 lower-case hex digits";
	return is_flag(json_object_get(f, "exec")) ? NULL : "'exec': expected true";
}

static int
check_file(const json_t *f, const char *last, const char *what, struct ai_err *err)
{
	const char *path = ai_json_str(f, "path"), *text = ai_json_str(f, "text"), *target = ai_json_str(f, "target"), *fault = NULL;
	size_t known = 1;
	if (!path || ai_relpath_check(path, err) < 0)
		return path ? ai_in(err, "%s", what) : ai_fail(err, AI_EINPUT, "%s: 'files': a file without a path", what);
	if (strcmp(path, last) <= 0)
		return ai_fail(err, AI_EINPUT, "%s: '%s': files are not sorted by path, or one is there twice", what, path);
	known += text || target;
	if (target)
		fault = ai_link_inside(path, target) ? NULL : "link that leaves the folder";
	else if (text)
		fault = strlen(text) <= AI_MAX_PIN_TEXT ? NULL : "'text': is too long";
	else
		fault = check_bytes(f, &known);
	if (!fault && json_object_size(f) != known)
		fault = "unknown fields: expected path and uri, sha256, size, sha1, exec, or path and text, or path and target";
	return fault ? ai_fail(err, AI_EINPUT, "%s: '%s': %s", what, path, fault) : 0;
}

int
ai_lock_check_files(const json_t *pin, const char *what, struct ai_err *err)
{
	const json_t *files = json_object_get(pin, "files"), *single = json_object_get(pin, "single");
	const char *last = "";
	struct ai_ref ref;
	size_t i;
	json_t *f;
	if (!json_is_array(files))
		return ai_fail(err, AI_EINPUT, "%s: 'files': expected a list", what);
	json_array_foreach(files, i, f) {
		if (check_file(f, last, what, err) < 0)
			return err->code;
		last = ai_json_str(f, "path");
	}
	f = json_array_get(files, 0);
	if (!is_flag(single) || (single && (json_array_size(files) != 1 || !ai_json_str(f, "sha256") || json_object_get(f, "exec"))))
		return ai_fail(err, AI_EINPUT, "%s: 'single': is for one plain file", what);
	/* What is a file here and a folder there shows when the folders are put together. */
	return ai_pin_content(pin, &ref, err) < 0 ? ai_in(err, "%s", what) : 0;
}

int
ai_lock_check_unpack(const json_t *pin, const char *what, struct ai_err *err)
{
	const json_t *size = json_object_get(pin, "size"), *strip = json_object_get(pin, "strip");
	struct ai_digest d;
	if (!json_is_true(json_object_get(pin, "unpack")) || !ai_json_digest(pin, "sha256", &d) || !ai_json_digest(pin, "tree", &d))
		return ai_fail(err, AI_EINPUT, "%s: expected 'unpack' true, 'sha256' of the archive and 'tree' of what is in it", what);
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return ai_fail(err, AI_EINPUT, "%s: 'size': expected a number of bytes", what);
	if (strip && (!json_is_integer(strip) || json_integer_value(strip) < 1 || json_integer_value(strip) > MAX_STRIP))
		return ai_fail(err, AI_EINPUT, "%s: 'strip': expected 1 to %d", what, MAX_STRIP);
	return 0;
}

static bool
is_text(const json_t *v)
{
	return !v || (json_is_string(v) && json_string_length(v) > 0 && json_string_length(v) <= 1000);
}

/* How many fields of these the pin has. */
static size_t
count_fields(const json_t *pin, const char *const *fields, size_t n)
{
	size_t there = 0;
	for (size_t i = 0; i < n; i++)
		there += json_object_get(pin, fields[i]) != NULL;
	return there;
}

int
ai_lock_check_rule(const json_t *pin, const char *what, struct ai_err *err)
{
	static const char *const always[] = { "type", "uri", "asked", "ref", "revision" }, *const files[] = { "files", "single" },
		*const git[] = { "git", "submodules" }, *const archive[] = { "unpack", "sha256", "size", "strip", "tree" };
	const char *type = ai_json_str(pin, "type"), *uri = ai_json_str(pin, "uri");
	struct ai_digest d;
	size_t n = count_fields(pin, always, 5), n_files = count_fields(pin, files, 2), n_git = count_fields(pin, git, 2), n_archive = count_fields(pin, archive, 5);
	if (!type || !ai_rule_pin_name(type))
		return ai_fail(err, AI_EINPUT, "%s: type: got '%s', expected the name of a source rule", what, type ? type : "nothing");
	if (!uri || !*uri || ai_url_has_secret(uri))
		return ai_fail(err, AI_EINPUT, "%s: 'uri' is missing or holds a secret", what);
	if (!ai_json_digest(pin, "asked", &d))
		return ai_fail(err, AI_EINPUT, "%s: 'asked': expected 64 lower-case hex digits", what);
	if (!is_text(json_object_get(pin, "ref")) || !is_text(json_object_get(pin, "revision")))
		return ai_fail(err, AI_EINPUT, "%s: 'ref' and 'revision': expected texts", what);
	if (n + n_files + n_git + n_archive != json_object_size(pin) || (n_files > 0) + (n_git > 0) + (n_archive > 0) != 1)
		return ai_fail(err, AI_EINPUT, "%s: expected one of 'files', 'git' and 'unpack', and nothing unknown", what);
	if (n_git && (!json_is_true(json_object_get(pin, "git")) || !is_flag(json_object_get(pin, "submodules")) || !is_hex(ai_json_str(pin, "revision"), 40)))
		return ai_fail(err, AI_EINPUT, "%s: expected 'git' true and a 'revision' of 40 lower-case hex digits", what);
	return n_files ? ai_lock_check_files(pin, what, err) : n_archive ? ai_lock_check_unpack(pin, what, err) : 0;
}

/* --- what was asked ------------------------------------------------------------------ */

/* As JSON: maps, lists, and each scalar as the text that was written. NULL: memory, or what JSON cannot hold. */
static json_t *
as_written(const struct ai_yaml *y)
{
	if (!y || y->type == AI_YAML_SCALAR)
		return y ? json_string(y->text) : NULL;
	AI_JSON *out = y->type == AI_YAML_MAP ? json_object() : json_array();
	for (size_t i = 0; out && i < y->n; i++) {
		json_t *item = as_written(y->type == AI_YAML_MAP ? y->pairs[i].value : y->items[i]);
		if ((y->type == AI_YAML_MAP ? json_object_set_new(out, y->pairs[i].key->text, item) : json_array_append_new(out, item)) < 0)
			return NULL;
	}
	return json_incref(out);
}

int
ai_attrs_id(const struct ai_yaml *attrs, struct ai_digest *out, struct ai_err *err)
{
	AI_JSON *j = attrs ? as_written(attrs) : json_object();
	return j ? ai_json_id(j, out, err) : ai_nomem(err);
}

/* --- content --------------------------------------------------------------------------- */

typedef int put_tree(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err);

/* The folders of a sorted list, built from within. */
struct folders { const json_t *files; put_tree *put; void *ctx; struct ai_err *err; };

static int
leaf(const json_t *f, struct ai_entry *e, struct ai_err *err)
{
	const char *text = ai_json_str(f, "text"), *target = ai_json_str(f, "target");
	e->type = target ? AI_ENTRY_LINK : json_object_get(f, "exec") ? AI_ENTRY_EXEC : AI_ENTRY_FILE;
	if (target && !(e->target = ai_strdup(target)))
		return ai_nomem(err);
	if (text)
		ai_sha256(text, strlen(text), &e->id);
	else if (!target && !ai_json_digest(f, "sha256", &e->id))
		return ai_fail(err, AI_EINPUT, "'%s' has no sha256", ai_json_str(f, "path"));
	return 0;
}

/* The folder of the files from *at on whose paths begin as this one's first `prefix` bytes; *at moves behind them. */
static int
folder(struct folders *w, size_t *at, size_t prefix, int depth, struct ai_digest *out)
{
	struct ai_entry *list = NULL;
	size_t n = 0, cap = 0;
	const char *first = ai_json_str(json_array_get(w->files, *at), "path");
	int r = depth > MAX_DEPTH ? ai_fail(w->err, AI_EINPUT, "'%s': folders nested deeper than %d", first, MAX_DEPTH) : 0;
	while (r == 0 && *at < json_array_size(w->files)) {
		const json_t *f = json_array_get(w->files, *at);
		const char *path = ai_json_str(f, "path");
		if (!path || strncmp(path, first, prefix) != 0)
			break;
		size_t name = strcspn(path + prefix, "/");
		if ((r = ai_grow(&list, &cap, n, sizeof *list, w->err)) < 0)
			break;
		struct ai_entry *e = &list[n];
		*e = (struct ai_entry){ .type = AI_ENTRY_DIR, .name = ai_strndup(path + prefix, name) };
		if (!e->name) {
			r = ai_nomem(w->err);
			break;
		}
		n++;
		if (path[prefix + name]) {
			r = folder(w, at, prefix + name + 1, depth + 1, &e->id);
		} else {
			r = leaf(f, e, w->err);
			++*at;
		}
	}
	if (r == 0)
		r = w->put(w->ctx, list, n, out, w->err);
	ai_entries_free(list, n);
	return r;
}

int
ai_files_trees(const json_t *pin, put_tree *put, void *ctx, struct ai_ref *out, struct ai_err *err)
{
	struct folders w = { ai_json_arr(pin, "files"), put, ctx, err };
	struct ai_ref ref = { .type = AI_REF_TREE };
	size_t at = 0;
	if (json_object_get(pin, "single")) {
		ref.type = AI_REF_BLOB;
		if (!ai_json_digest(json_array_get(w.files, 0), "sha256", &ref.id))
			return ai_fail(err, AI_EINPUT, "the one file has no sha256");
	} else if (folder(&w, &at, 0, 0, &ref.id) < 0) {
		return err->code;
	}
	*out = ref;
	return 0;
}

const json_t *
ai_files_find(const json_t *files, const char *path)
{
	size_t lo = 0, hi = json_array_size(files);
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const json_t *f = json_array_get(files, mid);
		int r = strcmp(ai_json_str(f, "path"), path);
		if (r == 0)
			return f;
		if (r < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static int
hash_tree(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err)
{
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_NODE);
	(void)ctx;
	if (ai_tree_bytes(entries, n, &bytes, err) < 0 || ai_buf_ok(&bytes, "tree", err) < 0)
		return err->code;
	ai_sha256(bytes.data, bytes.len, out);
	return 0;
}

int
ai_pin_content(const json_t *pin, struct ai_ref *out, struct ai_err *err)
{
	struct ai_ref ref = { .type = AI_REF_TREE };
	if (json_object_get(pin, "files"))
		return ai_files_trees(pin, hash_tree, NULL, out, err) < 0 ? err->code : 1;
	if (!ai_json_digest(pin, "tree", &ref.id)) {
		ref.type = AI_REF_BLOB;
		if (!ai_json_digest(pin, "sha256", &ref.id))
			return 0;
	}
	*out = ref;
	return 1;
}

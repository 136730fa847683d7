/* lock_wheels.c -- see lock_wheels.h.  SPDX-License-Identifier: Apache-2.0 */
#include "model/lock_wheels.h"

#include <string.h>

#include "base/buf.h"
#include "base/path.h"

static const char *const lists[] = { "files", "sdists", "build" };

static bool
is_wheel(const char *name)
{
	size_t n = strlen(name);
	return n > 4 && strcmp(name + n - 4, ".whl") == 0;
}

/* As a package's file is called: nothing that could be a path, an option or a hidden file. */
static bool
is_file_name(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-+!");
	return n && n <= 255 && name[n] == '\0' && name[0] != '.' && name[0] != '-';
}

static int
check_file(const json_t *f, bool wheel, const char *last, const char *what, struct ai_err *err)
{
	const char *name = ai_json_str(f, "name"), *uri = ai_json_str(f, "uri");
	const json_t *size = json_object_get(f, "size");
	struct ai_digest d;
	if (!name || !is_file_name(name) || is_wheel(name) != wheel)
		return ai_fail(err, AI_EINPUT, "%s: 'name': got '%s', expected the file name of a %s", what, name ? name : "nothing",
			wheel ? "wheel" : "source distribution");
	if (strcmp(name, last) <= 0)
		return ai_fail(err, AI_EINPUT, "%s: '%s': files are not sorted by name", what, name);
	if (!ai_json_digest(f, "sha256", &d))
		return ai_fail(err, AI_EINPUT, "%s: '%s': 'sha256': expected 64 lower-case hex digits", what, name);
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return ai_fail(err, AI_EINPUT, "%s: '%s': 'size': expected a number of bytes", what, name);
	if (!uri || !*uri || ai_url_has_secret(uri))
		return ai_fail(err, AI_EINPUT, "%s: '%s': 'uri' is missing or holds a secret", what, name);
	if (json_object_size(f) != 4)
		return ai_fail(err, AI_EINPUT, "%s: '%s': expected name, sha256, size and uri, and nothing else", what, name);
	return 0;
}

static int
check_pin(const char *step, const json_t *pin, struct ai_err *err)
{
	AI_FREE char *what = ai_format("aicert.lock: wheels of step '%s'", step);
	struct ai_digest d;
	size_t known = 1;
	if (!what)
		return ai_nomem(err);
	if (!ai_json_digest(pin, "requirements", &d))
		return ai_fail(err, AI_EINPUT, "%s: 'requirements': expected 64 lower-case hex digits", what);
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		const json_t *list = json_object_get(pin, lists[i]);
		const char *last = "";
		size_t k;
		json_t *f;
		if (!list && i > 0)
			continue;
		if (!json_is_array(list) || (i > 0 && json_array_size(list) == 0))
			return ai_fail(err, AI_EINPUT, "%s: '%s': expected a list of files", what, lists[i]);
		known++;
		json_array_foreach(list, k, f) {
			if (check_file(f, i != 1, last, what, err) < 0)
				return err->code;
			last = ai_json_str(f, "name");
		}
	}
	return json_object_size(pin) == known ? 0 : ai_fail(err, AI_EINPUT, "%s: unknown fields: expected requirements, files, sdists and build", what);
}

int
ai_lock_check_wheels(const json_t *lock, struct ai_err *err)
{
	const json_t *wheels = json_object_get(lock, "wheels");
	const char *step;
	json_t *pin;
	if (wheels && !json_is_object(wheels))
		return ai_fail(err, AI_EINPUT, "aicert.lock: 'wheels' is not an object");
	json_object_foreach((json_t *)wheels, step, pin)
		if (check_pin(step, pin, err) < 0)
			return err->code;
	return 0;
}

json_t *
ai_lock_wheels(const json_t *lock, const char *step)
{
	return json_object_get(ai_json_obj(lock, "wheels"), step);
}

int
ai_lock_set_wheels(json_t *lock, const char *step, json_t *pin, struct ai_err *err)
{
	json_t *wheels = ai_json_obj(lock, "wheels");
	if (!pin) {
		(void)json_object_del(wheels, step);
		if (wheels && json_object_size(wheels) == 0)
			(void)json_object_del(lock, "wheels");
		return 0;
	}
	if (check_pin(step, pin, err) < 0)
		return err->code;
	if (!wheels && ((wheels = json_object()) == NULL || json_object_set_new(lock, "wheels", wheels) < 0))
		return ai_nomem(err);
	return json_object_set(wheels, step, pin) == 0 ? 0 : ai_nomem(err);
}

bool
ai_wheels_has(const json_t *pin, ai_wheels_part part)
{
	return json_array_size(ai_json_arr(pin, part == AI_WHEELS ? "files" : "sdists")) > 0;
}

char *
ai_wheels_name(const char *step, ai_wheels_part part)
{
	return ai_format("%s/%s", step, part == AI_WHEELS ? "wheels" : "sdists");
}

typedef int put_tree(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err);

/* The folder of a list's files, and of one more folder in it unless NULL. */
static int
folder(const json_t *list, const struct ai_digest *inner, put_tree *put, void *ctx, struct ai_digest *out, struct ai_err *err)
{
	AI_FREE struct ai_entry *entries = ai_calloc(json_array_size(list) + 1, sizeof *entries);
	size_t i, n = 0;
	json_t *f;
	if (!entries)
		return ai_nomem(err);
	json_array_foreach(list, i, f) {
		entries[n].name = (char *)(uintptr_t)ai_json_str(f, "name");
		if (!entries[n].name || !ai_json_digest(f, "sha256", &entries[n++].id))
			return ai_fail(err, AI_EINPUT, "aicert.lock: a pin of wheels without names or hashes");
	}
	if (inner)
		entries[n++] = (struct ai_entry){ .name = (char *)"build", .type = AI_ENTRY_DIR, .id = *inner };
	return put(ctx, entries, n, out, err);
}

int
ai_wheels_trees(const json_t *pin, ai_wheels_part part, put_tree *put, void *ctx, struct ai_ref *out, struct ai_err *err)
{
	struct ai_ref ref = { .type = AI_REF_TREE };
	struct ai_digest inner;
	const json_t *build = part == AI_SDISTS ? ai_json_arr(pin, "build") : NULL;
	if (build && folder(build, NULL, put, ctx, &inner, err) < 0)
		return err->code;
	if (folder(ai_json_arr(pin, part == AI_WHEELS ? "files" : "sdists"), build ? &inner : NULL, put, ctx, &ref.id, err) < 0)
		return err->code;
	*out = ref;
	return 0;
}

static int
hash_tree(void *ctx, struct ai_entry *entries, size_t n, struct ai_digest *out, struct ai_err *err)
{
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_NODE);
	(void)ctx;
	if (ai_tree_bytes(entries, n, &bytes, err) < 0)
		return err->code;
	ai_sha256(bytes.data, bytes.len, out);
	return 0;
}

int
ai_wheels_source(const json_t *pin, ai_wheels_part part, json_t **node, struct ai_err *err)
{
	struct ai_ref ref;
	AI_JSON *content = json_object();
	if (!content)
		return ai_nomem(err);
	if (ai_wheels_trees(pin, part, hash_tree, NULL, &ref, err) < 0 || ai_ref_set(content, &ref, err) < 0)
		return err->code;
	*node = json_pack("{s:s, s:s, s:s, s:O}", "kind", "source", "type", "wheels", "uri", "requirements.txt", "content", content);
	return *node ? 0 : ai_nomem(err);
}

/* lock.c -- see lock.h.  SPDX-License-Identifier: Apache-2.0 */
#include "model/lock.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/image_ref.h"
#include "model/lock_files.h"
#include "model/lock_wheels.h"
#include "model/manifest.h"
#include "model/ref.h"

static const char *const type_words[] = { [AI_INPUT_GIT] = "git", [AI_INPUT_URL] = "url", [AI_INPUT_PATH] = "path", [AI_INPUT_PROOF] = "proof" };

static bool
is_commit(const char *s)
{
	size_t n = s ? strspn(s, "0123456789abcdef") : 0;
	return s && s[n] == '\0' && (n == 40 || n == 64);
}

/* Every key of obj is among the NULL-terminated words. */
static int
only(const json_t *obj, const char *const *words, const char *what, struct ai_err *err)
{
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)obj, key, v) {
		const char *const *w = words;
		while (*w && strcmp(*w, key) != 0)
			w++;
		if (!*w)
			return ai_fail(err, AI_EINPUT, "%s: unknown field '%s'", what, key);
	}
	return 0;
}

/* Which run, and what the output that is meant holds. */
static int
check_proof(const json_t *pin, const char *what, struct ai_err *err)
{
	static const char *const fields[] = { "type", "uri", "ref", "revision", "blob", "tree", NULL };
	const char *uri = ai_json_str(pin, "uri");
	struct ai_digest d;
	struct ai_ref content;
	if (!uri || !*uri || ai_url_has_secret(uri))
		return ai_fail(err, AI_EINPUT, "%s: 'uri' is missing or holds a secret", what);
	if (!ai_json_digest(pin, "revision", &d))
		return ai_fail(err, AI_EINPUT, "%s: 'revision': expected 64 lower-case hex digits", what);
	if (json_object_get(pin, "ref") && !ai_json_str(pin, "ref"))
		return ai_fail(err, AI_EINPUT, "%s: 'ref': expected a text", what);
	if (ai_ref_get(pin, &content, err) < 0)
		return ai_in(err, "%s", what);
	return only(pin, fields, what, err);
}

static int
check_pin(const char *name, const json_t *pin, struct ai_err *err)
{
	static const char *const git[] = { "type", "uri", "ref", "revision", NULL }, *const url[] = { "type", "uri", "sha256", "size", NULL },
		*const archive[] = { "type", "uri", "sha256", "size", "unpack", "strip", "tree", NULL }, *const files[] = { "type", "uri", "files", NULL };
	const char *type = ai_json_str(pin, "type"), *uri = ai_json_str(pin, "uri");
	bool is_git = type && strcmp(type, "git") == 0;
	struct ai_digest d;
	AI_FREE char *what = ai_format("aicert.lock: input '%s'", name);
	if (!what)
		return ai_nomem(err);
	if (json_object_get(pin, "asked"))
		return ai_lock_check_rule(pin, what, err);
	if (type && strcmp(type, "proof") == 0)
		return check_proof(pin, what, err);
	if (!is_git && !(type && strcmp(type, "url") == 0))
		return ai_fail(err, AI_EINPUT, "%s: type: got '%s', expected git, url, proof, or that of a source rule with 'asked'", what, type ? type : "nothing");
	if (!uri || !*uri || ai_url_has_secret(uri))
		return ai_fail(err, AI_EINPUT, "%s: 'uri' is missing or holds a secret", what);
	if (!is_git && json_object_get(pin, "files"))
		return only(pin, files, what, err) < 0 ? err->code : ai_lock_check_files(pin, what, err);
	if (!is_git && json_object_get(pin, "unpack"))
		return only(pin, archive, what, err) < 0 ? err->code : ai_lock_check_unpack(pin, what, err);
	if (only(pin, is_git ? git : url, what, err) < 0)
		return err->code;
	if (is_git && !is_commit(ai_json_str(pin, "revision")))
		return ai_fail(err, AI_EINPUT, "%s: 'revision': expected 40 or 64 lower-case hex digits", what);
	if (is_git && json_object_get(pin, "ref") && !ai_json_str(pin, "ref"))
		return ai_fail(err, AI_EINPUT, "%s: 'ref': expected a text", what);
	if (!is_git && !ai_json_digest(pin, "sha256", &d))
		return ai_fail(err, AI_EINPUT, "%s: 'sha256': expected 64 lower-case hex digits", what);
	const json_t *size = json_object_get(pin, "size");
	if (!is_git && (!json_is_integer(size) || json_integer_value(size) < 0))
		return ai_fail(err, AI_EINPUT, "%s: 'size': expected a number of bytes", what);
	return 0;
}

static bool
is_sha256(const char *s)
{
	struct ai_digest d;
	return s && strncmp(s, "sha256:", 7) == 0 && ai_unhex(s + 7, &d);
}

/* What the planner takes from an image's config: variables and the folder that it means to start in. */
static int
check_config(const json_t *config, const char *what, struct ai_err *err)
{
	static const char *const fields[] = { "env", "workdir", "entrypoint", "cmd", NULL }, *const of_env[] = { "name", "value", NULL };
	const json_t *env = ai_json_arr(config, "env");
	size_t i;
	json_t *e;
	if (!env || (json_object_get(config, "workdir") && !ai_json_str(config, "workdir")))
		return ai_fail(err, AI_EINPUT, "%s: 'config': expected {env: [{name, value}], workdir}", what);
	for (size_t k = 2; fields[k]; k++) {
		const json_t *list = json_object_get(config, fields[k]);
		if (list && json_array_size(list) == 0)
			return ai_fail(err, AI_EINPUT, "%s: '%s': expected a list of texts, not empty", what, fields[k]);
		json_array_foreach(list, i, e)
			if (!json_is_string(e))
				return ai_fail(err, AI_EINPUT, "%s: '%s': expected a list of texts", what, fields[k]);
	}
	if (only(config, fields, what, err) < 0)
		return err->code;
	const char *last = "";
	json_array_foreach(env, i, e) {
		const char *name = ai_json_str(e, "name");
		if (!name || !ai_json_str(e, "value") || strcmp(name, last) <= 0)
			return ai_fail(err, AI_EINPUT, "%s: 'env': expected names and values, sorted by name", what);
		if (only(e, of_env, what, err) < 0)
			return err->code;
		last = name;
	}
	return 0;
}

static int
check_image(const char *name, const json_t *pin, struct ai_err *err)
{
	static const char *const fields[] = { "type", "uri", "digest", "revision", "platform", "config", NULL };
	AI_FREE char *what = ai_format("aicert.lock: image '%s'", name);
	const char *type = ai_json_str(pin, "type"), *uri = ai_json_str(pin, "uri");
	if (!what)
		return ai_nomem(err);
	if (!type || strcmp(type, "image") != 0 || !uri || !*uri || !ai_json_str(pin, "platform"))
		return ai_fail(err, AI_EINPUT, "%s: expected 'type' image, 'uri' and 'platform'", what);
	if (!is_sha256(ai_json_str(pin, "digest")) || !is_sha256(ai_json_str(pin, "revision")))
		return ai_fail(err, AI_EINPUT, "%s: 'digest' and 'revision': expected sha256: and 64 lower-case hex digits", what);
	return only(pin, fields, what, err) < 0 ? err->code : check_config(ai_json_obj(pin, "config"), what, err);
}

static int
check_images(const json_t *lock, struct ai_err *err)
{
	const json_t *images = json_object_get(lock, "images");
	const char *name;
	json_t *pin;
	if (images && !json_is_object(images))
		return ai_fail(err, AI_EINPUT, "aicert.lock: 'images' is not an object");
	json_object_foreach((json_t *)images, name, pin)
		if (check_image(name, pin, err) < 0)
			return err->code;
	return 0;
}

static int
check_lock(const json_t *lock, struct ai_err *err)
{
	static const char *const fields[] = { "format", "inputs", "images", "wheels", NULL };
	const json_t *format = json_object_get(lock, "format"), *inputs = ai_json_obj(lock, "inputs");
	if (!json_is_object(lock) || !json_is_integer(format) || json_integer_value(format) < 1)
		return ai_fail(err, AI_EINPUT, "aicert.lock: 'format' is missing: this is not a lock");
	if (json_integer_value(format) > 1) {
		ai_fail(err, AI_EINPUT, "aicert.lock: got format %" JSON_INTEGER_FORMAT ", expected 1: it was written by a newer aicert", json_integer_value(format));
		return ai_hint(err, "use that aicert, or remove aicert.lock to pin everything anew");
	}
	if (!inputs)
		return ai_fail(err, AI_EINPUT, "aicert.lock: 'inputs' is missing or not an object");
	if (only(lock, fields, "aicert.lock", err) < 0)
		return err->code;
	const char *name;
	json_t *pin;
	json_object_foreach((json_t *)inputs, name, pin)
		if (check_pin(name, pin, err) < 0)
			return err->code;
	return check_images(lock, err) < 0 ? err->code : ai_lock_check_wheels(lock, err);
}

int
ai_lock_parse(const char *text, size_t len, json_t **out, struct ai_err *err)
{
	if (text && len > AI_MAX_LOCK)
		return ai_fail(err, AI_EINPUT, "aicert.lock: too large: got %zu bytes, expected at most %u", len, AI_MAX_LOCK);
	AI_JSON *lock = NULL;
	if (!text && !(lock = json_pack("{s:i,s:{}}", "format", 1, "inputs")))
		return ai_nomem(err);
	if (text && ai_json_parse(text, len, "aicert.lock", &lock, err) < 0)
		return err->code;
	if (check_lock(lock, err) < 0)
		return err->code;
	*out = json_incref(lock);
	return 0;
}

static int
by_bytes(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static json_t *with_sorted_keys(const json_t *j);

static json_t *
sorted_items(const json_t *list)
{
	AI_JSON *out = json_array();
	for (size_t i = 0; out && i < json_array_size(list); i++)
		if (json_array_append_new(out, with_sorted_keys(json_array_get(list, i))) < 0)
			return NULL;
	return json_incref(out);
}

/* The same value with the keys of its objects in byte order; NULL when memory is out. A lock that was checked is five values deep. */
static json_t *
with_sorted_keys(const json_t *j)
{
	if (json_is_array(j))
		return sorted_items(j);
	if (!json_is_object(j))
		return json_deep_copy(j);
	size_t n = 0;
	AI_FREE const char **keys = ai_calloc(json_object_size(j), sizeof *keys);
	AI_JSON *out = json_object();
	if (!keys || !out)
		return NULL;
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)j, key, v)
		keys[n++] = key;
	if (n)
		qsort(keys, n, sizeof *keys, by_bytes);
	for (size_t i = 0; i < n; i++)
		if (json_object_set_new(out, keys[i], with_sorted_keys(json_object_get(j, keys[i]))) < 0)
			return NULL;
	return json_incref(out);
}

int
ai_lock_format(const json_t *lock, struct ai_buf *out, struct ai_err *err)
{
	if (check_lock(lock, err) < 0)
		return err->code;
	AI_JSON *sorted = with_sorted_keys(lock);
	return sorted ? ai_json_pretty(sorted, out, err) : ai_nomem(err);
}

static bool
same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* "https://…", "ssh://…", and ssh's short "git@host:path": a ':' before any '/'. A path may hold "://" further on. */
static bool
is_remote(const char *where)
{
	if (strncasecmp(where, "file:", 5) == 0)
		return false;
	return where[strcspn(where, ":/")] == ':';
}

char *
ai_url_written(const char *url)
{
	return is_remote(url) ? ai_url_public(url) : ai_strdup("local");
}

char *
ai_url_file_name(const char *url)
{
	struct ai_err quiet;
	size_t n = strstr(url, "://") ? strcspn(url, "?#") : strlen(url);
	const char *from = memrchr(url, '/', n);
	from = from ? from + 1 : url;
	char *s = ai_strndup(from, n - (size_t)(from - url));
	if (s && ai_name_check(s, &quiet) == 0)
		return s;
	free(s);
	return NULL;
}

/* A pin of a rule counts for the attributes that it was asked for, and for no others. */
static bool
asked_for(const json_t *pin, const struct ai_input *input)
{
	struct ai_err err = { 0 };
	struct ai_digest want, got;
	return same_text(ai_json_str(pin, "type"), input->use) && ai_json_digest(pin, "asked", &got) && ai_attrs_id(input->attrs, &want, &err) == 0
		&& ai_digest_eq(&want, &got);
}

/* The same archive, stripped alike; or the same list of URLs. */
static bool
same_urls(const json_t *pin, const struct ai_input *input)
{
	const json_t *files = ai_json_arr(pin, "files");
	if (input->unpack != (json_object_get(pin, "unpack") != NULL) || json_integer_value(json_object_get(pin, "strip")) != input->strip)
		return false;
	if (json_array_size(files) != input->n_urls)
		return false;
	for (size_t i = 0; i < input->n_urls; i++) {
		AI_FREE char *path = ai_url_file_name(input->urls[i]);
		AI_FREE char *uri = ai_url_written(input->urls[i]);
		const json_t *f = path ? ai_files_find(files, path) : NULL;
		if (!f || !uri || !same_text(ai_json_str(f, "uri"), uri))
			return false;
	}
	return true;
}

json_t *
ai_lock_pin(const json_t *lock, const struct ai_input *input)
{
	json_t *pin = json_object_get(ai_json_obj(lock, "inputs"), input->name);
	if (input->type == AI_INPUT_RULE)
		return asked_for(pin, input) ? pin : NULL;
	AI_FREE char *uri = ai_source_uri(input);
	bool same = uri && same_text(ai_json_str(pin, "type"), type_words[input->type]) && same_text(ai_json_str(pin, "uri"), uri)
		&& same_text(ai_json_str(pin, "ref"), input->type == AI_INPUT_PROOF ? input->output : input->ref) && (input->type != AI_INPUT_URL || same_urls(pin, input));
	return same ? pin : NULL;
}

int
ai_lock_set(json_t *lock, const char *name, json_t *pin, struct ai_err *err)
{
	if (check_pin(name, pin, err) < 0)
		return err->code;
	return json_object_set(ai_json_obj(lock, "inputs"), name, pin) == 0 ? 0 : ai_nomem(err);
}

json_t *
ai_lock_image(const json_t *lock, const struct ai_image_ref *image, const char *platform)
{
	json_t *pin = json_object_get(ai_json_obj(lock, "images"), image->text);
	AI_FREE char *uri = ai_image_uri(image);
	bool same = uri && same_text(ai_json_str(pin, "uri"), uri) && same_text(ai_json_str(pin, "platform"), platform)
		&& (!image->digest || same_text(ai_json_str(pin, "digest"), image->digest));
	return same ? pin : NULL;
}

int
ai_lock_set_image(json_t *lock, const struct ai_image_ref *image, json_t *pin, struct ai_err *err)
{
	if (check_image(image->text, pin, err) < 0)
		return err->code;
	json_t *images = ai_json_obj(lock, "images");
	if (!images && ((images = json_object()) == NULL || json_object_set_new(lock, "images", images) < 0))
		return ai_nomem(err);
	return json_object_set(images, image->text, pin) == 0 ? 0 : ai_nomem(err);
}

char *
ai_source_uri(const struct ai_input *input)
{
	if (input->type != AI_INPUT_PATH && is_remote(input->where))
		return ai_url_public(input->where);
	bool local = strncasecmp(input->where, "file:", 5) == 0 || ai_path_tells(input->where);
	return ai_strdup(local ? "local" : input->where);
}

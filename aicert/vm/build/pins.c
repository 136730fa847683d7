/* pins.c -- the pins file, read strictly and written (packages.h); pure.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/path.h"
#include "vm/build/packages.h"

enum { MAX_NAME = 128, MAX_URL = 2048 };

static const char *const file_keys[] = { "aicert-vm-pins", "packages", "platform" };
static const char *const package_keys[] = { "for", "name", "sha256", "size", "url", "version" };
static const char *const uses[] = { "both", "compiler", "runtime" };

static const char *
one_of(const char *word, const char *const *list, size_t n)
{
	for (size_t i = 0; word && i < n; i++)
		if (strcmp(word, list[i]) == 0)
			return list[i];
	return NULL;
}

/* Every key of the object is one of these, and all of them are there. */
static int
check_keys(const json_t *o, const char *const *keys, size_t n, struct ai_err *err)
{
	const char *key;
	json_t *v;
	json_object_foreach((json_t *)(uintptr_t)o, key, v) {
		if (one_of(key, keys, n))
			continue;
		const char *near = ai_near(key, keys, n);
		return ai_fail(err, AI_EINPUT, "unknown key '%s'%s%s%s", key, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
	}
	for (size_t i = 0; i < n; i++)
		if (!json_object_get(o, keys[i]))
			return ai_fail(err, AI_EINPUT, "key '%s' is missing", keys[i]);
	return 0;
}

/* Debian Policy 5.6.1 and 5.6.12: what names and versions are made of. */
static bool
made_of(const char *s, const char *others, size_t most)
{
	size_t n = s ? strlen(s) : 0;
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	return n > 0 && n <= most && strchr(plain, s[0]) && strspn(s, others) == n;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789+-."

static bool
is_url(const char *s)
{
	size_t n = s ? strlen(s) : 0;
	if (n == 0 || n > MAX_URL || (strncmp(s, "http://", 7) != 0 && strncmp(s, "https://", 8) != 0))
		return false;
	for (size_t i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] > '~' || s[i] == '\'' || s[i] == '"' || s[i] == '\\')
			return false;
	return true;
}

static int
check_fields(const json_t *p, struct ai_err *err)
{
	struct ai_digest d;
	const json_t *size = json_object_get(p, "size");
	if (!one_of(ai_json_str(p, "for"), uses, 3))
		return ai_fail(err, AI_EINPUT, "'for': expected runtime, compiler or both");
	if (!made_of(ai_json_str(p, "version"), LOWER "ABCDEFGHIJKLMNOPQRSTUVWXYZ:~", MAX_NAME))
		return ai_fail(err, AI_EINPUT, "'version': expected a version of the distribution");
	if (!ai_json_digest(p, "sha256", &d))
		return ai_fail(err, AI_EINPUT, "'sha256': expected 64 lower-case hex digits");
	if (!json_is_integer(size) || json_integer_value(size) < 1 || json_integer_value(size) > INT64_C(1) << 32)
		return ai_fail(err, AI_EINPUT, "'size': expected bytes, 1 to 4 GiB");
	if (!is_url(ai_json_str(p, "url")))
		return ai_fail(err, AI_EINPUT, "'url': expected http:// or https://");
	if (ai_url_has_secret(ai_json_str(p, "url")))
		return ai_fail(err, AI_EINPUT, "'url': has a login or token in it, and a pins file is no place for one");
	return 0;
}

/* before: the name of the package before this one; it and the keys tell which is meant in an error. */
static int
check_package(const json_t *p, size_t i, const char **before, struct ai_err *err)
{
	const char *name = ai_json_str(p, "name");
	if (!json_is_object(p))
		return ai_fail(err, AI_EINPUT, "package %zu: expected an object", i + 1);
	if (!made_of(name, LOWER, MAX_NAME))
		return ai_fail(err, AI_EINPUT, "package %zu: 'name': expected a package of the distribution", i + 1);
	if (check_keys(p, package_keys, sizeof package_keys / sizeof *package_keys, err) < 0 || check_fields(p, err) < 0)
		return ai_in(err, "package '%s'", name);
	if (*before && strcmp(*before, name) == 0)
		return ai_fail(err, AI_EINPUT, "package '%s': stands there twice", name);
	if (*before && strcmp(*before, name) > 0)
		return ai_fail(err, AI_EINPUT, "package '%s': stands behind '%s': expected packages sorted by name", name, *before);
	*before = name;
	return 0;
}

static int
check(const json_t *pins, struct ai_err *err)
{
	const json_t *format = json_object_get(pins, "aicert-vm-pins"), *packages = ai_json_arr(pins, "packages");
	const char *platform = ai_json_str(pins, "platform"), *before = NULL;
	size_t i;
	json_t *p;
	if (!json_is_object(pins))
		return ai_fail(err, AI_EINPUT, "expected an object");
	if (check_keys(pins, file_keys, sizeof file_keys / sizeof *file_keys, err) < 0)
		return err->code;
	if (!json_is_integer(format) || json_integer_value(format) != 1)
		return ai_fail(err, AI_EINPUT, "'aicert-vm-pins': expected 1, the only format that this version knows");
	if (!platform || strcmp(platform, AI_PINS_PLATFORM) != 0)
		return ai_fail(err, AI_EINPUT, "platform: got '%s', expected '" AI_PINS_PLATFORM "'", platform ? platform : "?");
	if (!packages || json_array_size(packages) == 0 || json_array_size(packages) > AI_PINS_MAX_PACKAGES)
		return ai_fail(err, AI_EINPUT, "'packages': expected 1 to %d of them", AI_PINS_MAX_PACKAGES);
	json_array_foreach(packages, i, p)
		if (check_package(p, i, &before, err) < 0)
			return err->code;
	return 0;
}

int
ai_pins_parse(const char *text, size_t n, const char *file, json_t **pins, struct ai_err *err)
{
	AI_JSON *j = NULL;
	if (n > AI_PINS_MAX)
		return ai_fail(err, AI_EINPUT, "%s: more than %d bytes", file, AI_PINS_MAX);
	if (ai_json_parse(text, n, file, &j, err) < 0)
		return err->code;
	if (check(j, err) < 0)
		return ai_in(err, "%s", file);
	*pins = json_incref(j);
	return 0;
}

/* One package a line, so that two versions of the file can be compared by eye; without the line breaks it is canonical. */
int
ai_pins_text(const json_t *pins, struct ai_buf *out, struct ai_err *err)
{
	const json_t *packages = ai_json_arr(pins, "packages");
	size_t i;
	json_t *p;
	if (check(pins, err) < 0)
		return ai_in(err, "pins");
	ai_buf_puts(out, "{\"aicert-vm-pins\":1,\"packages\":[\n");
	json_array_foreach(packages, i, p) {
		if (ai_canon(p, out, err) < 0)
			return err->code;
		ai_buf_puts(out, i + 1 < json_array_size(packages) ? ",\n" : "\n");
	}
	ai_buf_puts(out, "],\"platform\":\"" AI_PINS_PLATFORM "\"}\n");
	return ai_buf_ok(out, "pins", err);
}

const json_t *
ai_pins_find(const json_t *pins, const char *pattern)
{
	size_t i;
	json_t *p;
	json_array_foreach(ai_json_arr(pins, "packages"), i, p)
		if (ai_glob(pattern, ai_json_str(p, "name")))
			return p;
	return NULL;
}

int
ai_pins_have(const json_t *pins, const struct ai_wanted *wanted, size_t n, const char *file, struct ai_err *err)
{
	for (size_t i = 0; i < n; i++) {
		const char *name = wanted[i].keep ? wanted[i].keep : wanted[i].name;
		const json_t *p = ai_pins_find(pins, name);
		const char *use = ai_json_str(p, "for");
		if (!p)
			return ai_fail(err, AI_EINPUT, "%s: no package '%s', and the runner needs it", file, name);
		if (strcmp(use, "both") != 0 && strcmp(use, wanted[i].use) != 0)
			return ai_fail(err, AI_EINPUT, "%s: package '%s': for: got '%s', expected '%s'", file, name, use, wanted[i].use);
	}
	return 0;
}

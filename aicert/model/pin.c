/* pin.c -- see pin.h.  SPDX-License-Identifier: Apache-2.0 */
#include "model/pin.h"

#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "model/yaml.h"

/* One field of an object: its type, whether it must be there, and what is asked of its value. */
struct field {
	const char *name;
	enum { TEXT, URL, HEX40, HEX64, REVISION, COUNT, YES, FILES } type;
	bool needed;
};

static const struct field files_fields[] = { { "uri", TEXT, true }, { "ref", TEXT, false }, { "revision", REVISION, false }, { "single", YES, false }, { "files", FILES, true }, { 0 } };
static const struct field git_fields[] = { { "url", TEXT, true }, { "ref", TEXT, false }, { "revision", REVISION, false }, { 0 } };
static const struct field url_fields[] = { { "url", URL, true }, { "sha256", HEX64, false }, { "size", COUNT, false }, { "unpack", YES, false }, { "strip", COUNT, false }, { 0 } };
static const struct field file_fields[] = { { "path", TEXT, true }, { "url", URL, true }, { "sha256", HEX64, false }, { "size", COUNT, false }, { "git_sha1", HEX40, false }, { "exec", YES, false }, { 0 } };
static const struct field text_fields[] = { { "path", TEXT, true }, { "text", TEXT, true }, { 0 } };
static const struct field link_fields[] = { { "path", TEXT, true }, { "target", TEXT, true }, { 0 } };

static const struct {
	const char *name;
	const struct field *fields;
} kinds[] = { { "files", files_fields }, { "git", git_fields }, { "url", url_fields } };

static bool
is_hex(const char *s, size_t n)
{
	return strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

static bool
is_public_url(const char *s)
{
	const char *host = strstr(s, "://");
	return (strncmp(s, "https://", 8) == 0 || strncmp(s, "http://", 7) == 0 || strncmp(s, "s3://", 5) == 0 || strncmp(s, "s3+https://", 11) == 0 ||
		strncmp(s, "s3+http://", 10) == 0) && host[3] && !strchr("/?#", host[3]);
}

static int
check_text(const char *name, const char *s, size_t max, struct ai_err *err)
{
	if (*s == '\0')
		return ai_fail(err, AI_EUSAGE, "%s: is empty", name);
	if (strlen(s) > max)
		return ai_fail(err, AI_EUSAGE, "%s: got %zu bytes, expected at most %zu", name, strlen(s), max);
	size_t where;
	/* They are shown, and one line each. */
	if (max == AI_MAX_PIN_URL && (!ai_yaml_is_text(s, strlen(s)) || strpbrk(s, "\t\n") || ai_text_turns(s, strlen(s), &where)))
		return ai_fail(err, AI_EUSAGE, "%s: '%s' holds a control character", name, s);
	return 0;
}

static int
check_string(const struct field *f, const char *s, struct ai_err *err)
{
	bool long_text = strcmp(f->name, "text") == 0;
	if (long_text && *s == '\0')
		return 0;
	if (check_text(f->name, s, long_text ? AI_MAX_PIN_TEXT : AI_MAX_PIN_URL, err) < 0)
		return err->code;
	if (!long_text && ai_url_has_secret(s))
		return ai_fail(err, AI_EUSAGE, "%s: the URL holds a secret, and a pin is public", f->name);
	switch (f->type) {
	case URL:
		return is_public_url(s) ? 0 : ai_fail(err, AI_EUSAGE, "%s: got '%s', expected a URL with http, https or s3", f->name, s);
	case HEX40:
		return is_hex(s, 40) ? 0 : ai_fail(err, AI_EUSAGE, "%s: got '%s', expected 40 lower-case hex digits", f->name, s);
	case HEX64:
		return is_hex(s, 64) ? 0 : ai_fail(err, AI_EUSAGE, "%s: got '%s', expected 64 lower-case hex digits", f->name, s);
	case REVISION:
		return strlen(s) <= 256 ? 0 : ai_fail(err, AI_EUSAGE, "%s: got %zu bytes, expected at most 256", f->name, strlen(s));
	default:
		return 0;
	}
}

static int
check_value(const struct field *f, const json_t *v, struct ai_err *err)
{
	static const char *const expected[] = { "a text", "a URL", "a text", "a text", "a text", "a whole number that is not negative", "true", "a list of files" };
	bool good = f->type == COUNT ? json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) < 1LL << 53 :
		f->type == YES ? json_is_true(v) : f->type == FILES ? json_is_array(v) : json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v);
	if (!good)
		return ai_fail(err, AI_EUSAGE, "%s: expected %s", f->name, expected[f->type]);
	return json_is_string(v) ? check_string(f, json_string_value(v), err) : 0;
}

/* The fields of an object, and no others. skip: one that is known and not looked at. */
static int
check_fields(const json_t *o, const struct field *fields, const char *skip, struct ai_err *err)
{
	size_t n = 0;
	if (!json_is_object(o))
		return ai_fail(err, AI_EUSAGE, "expected a table with names");
	for (const struct field *f = fields; f->name; f++) {
		const json_t *v = json_object_get(o, f->name);
		if (!v && f->needed)
			return ai_fail(err, AI_EUSAGE, "%s: is missing", f->name);
		if (v && check_value(f, v, err) < 0)
			return err->code;
		n += v != NULL;
	}
	if (json_object_size(o) == n + (skip != NULL))
		return 0;
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)o, key, value) {
		const struct field *f = fields;
		while (f->name && strcmp(f->name, key) != 0)
			f++;
		if (!f->name && (!skip || strcmp(key, skip) != 0))
			return ai_fail(err, AI_EUSAGE, "'%s' is no field of it", key);
	}
	return 0;
}

/* Among sorted files: the one of the first n bytes of path. */
static bool
has_path(const json_t *files, const char *path, size_t n)
{
	size_t lo = 0, hi = json_array_size(files);
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const char *p = ai_json_str(json_array_get(files, mid), "path");
		int c = strncmp(p, path, n);
		if (c == 0 && p[n] == '\0')
			return true;
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

static int
check_place(const json_t *files, size_t i, struct ai_err *err)
{
	const char *path = ai_json_str(json_array_get(files, i), "path");
	if (ai_relpath_check(path, err) < 0) {
		err->code = AI_EUSAGE;
		return err->code;
	}
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/'))
		if (has_path(files, path, (size_t)(slash - path)))
			return ai_fail(err, AI_EUSAGE, "'%.*s' is a file, and '%s' lies in it", (int)(slash - path), path, path);
	const char *target = ai_json_str(json_array_get(files, i), "target");
	if (target && !ai_link_inside(path, target))
		return ai_fail(err, AI_EUSAGE, "'%s': link to '%s' leaves the folder", path, target);
	return 0;
}

static int
check_files(const json_t *files, bool single, struct ai_err *err)
{
	size_t n = json_array_size(files);
	if (n == 0)
		return ai_fail(err, AI_EUSAGE, "files: there are none");
	if (n > AI_MAX_PIN_FILES || (single && n != 1))
		return ai_fail(err, AI_EUSAGE, "files: got %zu, expected %s%d", n, single ? "" : "at most ", single ? 1 : AI_MAX_PIN_FILES);
	for (size_t i = 0; i < n; i++) {
		const json_t *f = json_array_get(files, i), *before = i ? json_array_get(files, i - 1) : NULL;
		if (check_fields(f, json_object_get(f, "text") ? text_fields : json_object_get(f, "target") ? link_fields : file_fields, NULL, err) < 0)
			return ai_in(err, "files[%zu]", i + 1);
		int c = before ? strcmp(ai_json_str(before, "path"), ai_json_str(f, "path")) : -1;
		if (c >= 0)
			return ai_fail(err, AI_EUSAGE, "files[%zu]: path '%s' %s", i + 1, ai_json_str(f, "path"), c ? "is not in order" : "is there twice");
	}
	for (size_t i = 0; i < n; i++)
		if (check_place(files, i, err) < 0)
			return ai_in(err, "files[%zu]", i + 1);
	return 0;
}

int
ai_pin_check(const json_t *pin, struct ai_err *err)
{
	const char *kind = ai_json_str(pin, "pin");
	for (size_t i = 0; kind && i < sizeof kinds / sizeof *kinds; i++) {
		if (strcmp(kinds[i].name, kind) != 0)
			continue;
		if (check_fields(pin, kinds[i].fields, "pin", err) < 0)
			return err->code;
		const json_t *files = ai_json_arr(pin, "files");
		return files ? check_files(files, json_object_get(pin, "single") != NULL, err) : 0;
	}
	return ai_fail(err, AI_EUSAGE, "expected pin.files, pin.git or pin.url");
}

/* oci_config.c -- see oci_parts.h: an image's config.  SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "fetch/oci_text.h"

enum { MAX_VARIABLES = 4096, MAX_WORKDIR = 4096, MAX_WORDS = 4096 };

static bool
is_variable(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!(s[i] == '_' || (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= 'a' && s[i] <= 'z') || (i > 0 && s[i] >= '0' && s[i] <= '9')))
			return false;
	return n > 0;
}

/* May "NAME=value" stand in a node? A secret may not, nor what is no variable, nor U+007F, which canonical JSON here has not. */
static bool
is_taken(const char *s)
{
	const char *eq = strchr(s, '=');
	AI_FREE char *name = eq ? ai_strndup(s, (size_t)(eq - s)) : NULL;
	return name && is_variable(name, strlen(name)) && !ai_env_is_secret(name) && !strchr(s, 0x7f);
}

/* Does list have this variable again further on? The last word counts. */
static bool
said_again(const json_t *list, size_t i, const char *s)
{
	size_t n = strcspn(s, "=");
	for (size_t k = i + 1; k < json_array_size(list); k++) {
		const char *other = json_string_value(json_array_get(list, k));
		if (other && strncmp(other, s, n + 1) == 0)
			return true;
	}
	return false;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(ai_json_str(*(json_t *const *)a, "name"), ai_json_str(*(json_t *const *)b, "name"));
}

/* [{"name","value"}] sorted by name. */
static int
environment(const json_t *list, json_t **out, struct ai_err *err)
{
	size_t n = json_array_size(list), k = 0;
	if (n > MAX_VARIABLES)
		return ai_fail(err, AI_EINPUT, "config: sets %zu variables, at most %d", n, MAX_VARIABLES);
	AI_FREE json_t **sorted = ai_calloc(n + 1, sizeof *sorted);
	json_t *env = json_array();
	for (size_t i = 0; sorted && env && i < n; i++) {
		const char *s = json_string_value(json_array_get(list, i));
		if (!s || !is_taken(s) || said_again(list, i, s))
			continue;
		size_t name = strcspn(s, "=");
		sorted[k] = json_pack("{s:s%, s:s}", "name", s, name, "value", s + name + 1);
		k += sorted[k] != NULL;
	}
	if (sorted && k > 1)
		qsort(sorted, k, sizeof *sorted, by_name);
	for (size_t i = 0; sorted && i < k; i++)
		json_array_append_new(env, sorted[i]);
	if (!sorted || !env) {
		json_decref(env);
		return ai_nomem(err);
	}
	*out = env;
	return 0;
}

/* The folder, absolute, without empty and "." parts; NULL when none is said. */
static int
workdir(const json_t *config, char **out, struct ai_err *err)
{
	const char *s = ai_json_str(config, "WorkingDir");
	AI_BUF_AUTO b = AI_BUF(MAX_WORKDIR);
	struct ai_err bad;
	*out = NULL;
	if (!s || !*s)
		return 0;
	if (s[0] != '/')
		return ai_fail(err, AI_EINPUT, "config: WorkingDir '%.200s': expected an absolute path", s);
	for (const char *p = s; *p;) {
		size_t n = strcspn(p, "/");
		if (n > 0 && !(n == 1 && *p == '.')) {
			ai_buf_putc(&b, '/');
			ai_buf_put(&b, p, n);
		}
		p += n + (p[n] == '/');
	}
	if (b.len > 0 && ai_buf_ok(&b, "config: WorkingDir", err) < 0)
		return err->code;
	if (b.len > 0 && ai_relpath_check(b.data + 1, &bad) < 0)
		return ai_fail(err, AI_EINPUT, "config: WorkingDir: %s", bad.text);
	*out = b.len > 0 ? ai_buf_take(&b) : ai_strdup("/");
	return *out ? 0 : ai_nomem(err);
}

/* Entrypoint or Cmd: a list of words; NULL when there is none. What canonical JSON here has not cannot be pinned. */
static int
words(const json_t *config, const char *key, json_t **out, struct ai_err *err)
{
	const json_t *list = ai_json_arr(config, key);
	size_t i;
	json_t *v;
	*out = NULL;
	if (json_array_size(list) > MAX_WORDS)
		return ai_fail(err, AI_EINPUT, "config: %s: has %zu words, at most %d", key, json_array_size(list), MAX_WORDS);
	json_array_foreach(list, i, v)
		if (!json_is_string(v) || strchr(json_string_value(v), 0x7f))
			return ai_fail(err, AI_EINPUT, "config: %s: word %zu: expected a text without U+007F", key, i + 1);
	*out = json_array_size(list) > 0 ? json_incref((json_t *)(uintptr_t)list) : NULL;
	return 0;
}

/* A config that names another variant than was asked for is what the index gave: os and architecture must be right. */
static int
check_platform(const json_t *j, const char *platform, struct ai_err *err)
{
	const char *os = ai_json_str(j, "os"), *arch = ai_json_str(j, "architecture");
	const char *slash = strchr(platform, '/');
	size_t n = slash ? strcspn(slash + 1, "/") : 0;
	if (slash && os && arch && strlen(os) == (size_t)(slash - platform) && strncmp(os, platform, strlen(os)) == 0 && strlen(arch) == n &&
		strncmp(arch, slash + 1, n) == 0)
		return 0;
	return ai_fail(err, AI_EINPUT, "config: the image is for %.60s/%.60s, expected %s", os ? os : "?", arch ? arch : "?", platform);
}

static int
read_diff_ids(const json_t *j, struct ai_digest **out, size_t *n_out, struct ai_err *err)
{
	json_t *rootfs = ai_json_obj(j, "rootfs"), *list = ai_json_arr(rootfs, "diff_ids");
	const char *type = ai_json_str(rootfs, "type");
	size_t n = json_array_size(list);
	if (!list || !type || strcmp(type, "layers") != 0)
		return ai_fail(err, AI_EINPUT, "config: rootfs: expected type 'layers' and diff_ids");
	if (n > AI_OCI_MAX_LAYERS)
		return ai_fail(err, AI_EINPUT, "config: has %zu diff_ids, at most %d", n, AI_OCI_MAX_LAYERS);
	AI_FREE struct ai_digest *ids = ai_calloc(n + 1, sizeof *ids);
	if (!ids)
		return ai_nomem(err);
	for (size_t i = 0; i < n; i++) {
		const char *s = json_string_value(json_array_get(list, i));
		if (!s || strncmp(s, "sha256:", 7) != 0 || !ai_unhex(s + 7, &ids[i]))
			return ai_fail(err, AI_EINPUT, "config: diff_id '%.100s': expected 'sha256:' and 64 lower-case hex digits", s ? s : "");
	}
	*out = ids;
	*n_out = n;
	ids = NULL;
	return 0;
}

int
ai_oci_config_parse(const char *bytes, size_t n, const char *platform, json_t **config, struct ai_digest **diff_ids, size_t *n_diff_ids, struct ai_err *err)
{
	AI_JSON *j = NULL;
	AI_JSON *env = NULL;
	AI_JSON *entrypoint = NULL;
	AI_JSON *cmd = NULL;
	AI_FREE char *dir = NULL;
	if (ai_oci_json(bytes, n, "config", &j, err) < 0 || check_platform(j, platform, err) < 0)
		return err->code;
	const json_t *run = ai_json_obj(j, "config");
	if (environment(ai_json_arr(run, "Env"), &env, err) < 0 || workdir(run, &dir, err) < 0 || words(run, "Entrypoint", &entrypoint, err) < 0
		|| words(run, "Cmd", &cmd, err) < 0)
		return err->code;
	json_t *out = json_pack("{s:O, s:s*, s:O*, s:O*}", "env", env, "workdir", dir, "entrypoint", entrypoint, "cmd", cmd);
	if (!out)
		return ai_nomem(err);
	if (read_diff_ids(j, diff_ids, n_diff_ids, err) < 0) {
		json_decref(out);
		return err->code;
	}
	*config = out;
	return 0;
}

bool
ai_oci_config_is(const json_t *pinned, const json_t *config)
{
	AI_JSON *of_then = json_copy((json_t *)(uintptr_t)config);
	static const char *const since[] = { "entrypoint", "cmd" };
	for (size_t i = 0; i < sizeof since / sizeof *since; i++)
		if (!json_object_get(pinned, "entrypoint") && !json_object_get(pinned, "cmd"))
			json_object_del(of_then, since[i]);
	return pinned && json_equal(pinned, of_then);
}

json_t *
ai_oci_config_left_out(const char *bytes, size_t n)
{
	AI_JSON *j = NULL;
	struct ai_err lost;
	json_t *names = json_array();
	if (!names || ai_oci_json(bytes, n, "config", &j, &lost) < 0)
		return names;
	const json_t *list = ai_json_arr(ai_json_obj(j, "config"), "Env");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));
		if (s && !is_taken(s))
			json_array_append_new(names, json_stringn(s, strcspn(s, "=")));
	}
	return names;
}

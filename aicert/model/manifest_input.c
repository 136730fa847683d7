/* manifest_input.c -- where one input comes from, the same reading in both forms.  SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/path.h"
#include "model/manifest_read.h"

/* Keys that say where, and the type each stands for. `url` also says where a repository is when `type: git` is written. */
static const struct { const char *key; ai_input_type type; } wheres[] = {
	{ "git", AI_INPUT_GIT }, { "gitRepo", AI_INPUT_GIT }, { "url", AI_INPUT_URL }, { "path", AI_INPUT_PATH },
};
static const char *const type_words[] = { [AI_INPUT_GIT] = "git", [AI_INPUT_URL] = "url", [AI_INPUT_PATH] = "path" };
static const char *const refs[] = { "ref", "branch", "tag", "commit" };
#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char *const known[] = { "type", "git", "gitRepo", "url", "path", "ref", "branch", "tag", "commit", "sha256", "size", "to", "exclude",
	"follow", "submodules", "huggingface", "image" };

static const char use_path[] = "download it once and name the folder with 'path:'";

/* Type and place. A key that belongs to another type than `type:` says is refused. */
static int
read_where(struct reader *r, const struct ai_yaml *at, const struct ai_yaml *map, struct ai_input *in)
{
	const struct ai_yaml *type = ai_yaml_get(map, "type"), *where = NULL;
	bool typed = false;
	for (size_t i = 0; type && i < COUNT(type_words); i++)
		if (type->type == AI_YAML_SCALAR && strcmp(type->text, type_words[i]) == 0) {
			in->type = (ai_input_type)i;
			typed = true;
		}
	if (type && type->type == AI_YAML_SCALAR && strcmp(type->text, "huggingface") == 0)
		return ai_unsupported(r, type, "Hugging Face inputs", use_path);
	if (type && !typed)
		return ai_at(r, type, "input '%s': type: got '%s', expected git, url or path", in->name, type->type == AI_YAML_SCALAR ? type->text : "a list or map");
	for (size_t i = 0; i < COUNT(wheres); i++) {
		const struct ai_yaml *y = ai_yaml_get(map, wheres[i].key);
		if (!y)
			continue;
		if (where)
			return ai_at(r, y, "input '%s': '%s' is the second place: expected one", in->name, wheres[i].key);
		bool git_url = typed && in->type == AI_INPUT_GIT && wheres[i].type == AI_INPUT_URL;
		if (typed && wheres[i].type != in->type && !git_url)
			return ai_at(r, y, "input '%s': type '%s' takes no '%s'", in->name, type_words[in->type], wheres[i].key);
		in->type = git_url ? AI_INPUT_GIT : wheres[i].type;
		where = y;
	}
	if (!where && typed)
		return ai_at(r, type, "input '%s': '%s' is missing", in->name, in->type == AI_INPUT_GIT ? "gitRepo" : type_words[in->type]);
	if (!where)
		return ai_at(r, at, "input '%s': expected one of git, url, path", in->name);
	return ai_take_text(r, where, "the place of an input", &in->where);
}

static int
read_ref(struct reader *r, const struct ai_yaml *map, struct ai_input *in)
{
	const char *given = NULL;
	for (size_t i = 0; i < COUNT(refs); i++) {
		const struct ai_yaml *y = ai_yaml_get(map, refs[i]);
		if (!y)
			continue;
		if (given)
			return ai_at(r, y, "input '%s': '%s' beside '%s': expected one", in->name, refs[i], given);
		given = refs[i];
		if (ai_take_text(r, y, refs[i], &in->ref) < 0)
			return ai_in(r->err, "input '%s'", in->name);
	}
	return 0;
}

static int
read_content(struct reader *r, const struct ai_yaml *map, struct ai_input *in)
{
	const struct ai_yaml *sha = ai_yaml_get(map, "sha256"), *size = ai_yaml_get(map, "size");
	struct ai_digest d;
	unsigned long long n;
	if (sha && ai_take_text(r, sha, "sha256", &in->sha256) < 0)
		return r->err->code;
	if (sha && !ai_unhex(in->sha256, &d))
		return ai_at(r, sha, "input '%s': sha256: expected 64 lower-case hex digits, got '%s'", in->name, in->sha256);
	if (size && ai_take_count(r, size, "size", 1ull << 53, &n) < 0)
		return r->err->code;
	in->size = size ? (long long)n : -1;
	return 0;
}

static int
read_exclude(struct reader *r, const struct ai_yaml *y, struct ai_input *in)
{
	if (y->type == AI_YAML_MAP)
		return ai_at(r, y, "input '%s': exclude: expected a list of patterns", in->name);
	const struct ai_yaml *const one[] = { y };
	const struct ai_yaml *const *items = y->type == AI_YAML_LIST ? (const struct ai_yaml *const *)y->items : one;
	size_t n = y->type == AI_YAML_LIST ? y->n : 1;
	in->exclude = ai_calloc(n, sizeof *in->exclude);
	if (!in->exclude)
		return ai_nomem(r->err);
	for (; in->n_exclude < n; in->n_exclude++)
		if (ai_take_text(r, items[in->n_exclude], "exclude", &in->exclude[in->n_exclude]) < 0)
			return r->err->code;
	return 0;
}

/* `to`: below /workspace, written relative to it or in full. */
static int
read_to(struct reader *r, const struct ai_yaml *y, struct ai_input *in)
{
	if (ai_take_text(r, y, "to", &in->to) < 0)
		return r->err->code;
	const char *rel = strncmp(in->to, "/workspace/", 11) == 0 ? in->to + 11 : in->to;
	char *bare = ai_strdup(rel);
	if (!bare)
		return ai_nomem(r->err);
	size_t n = strlen(bare);
	if (n > 1 && bare[n - 1] == '/')
		bare[n - 1] = '\0';
	free(in->to);
	in->to = bare;
	if (bare[0] == '/')
		return ai_at(r, y, "input '%s': to: '%s' lies outside the workspace: expected a path below /workspace", in->name, bare);
	struct ai_err why = { 0 };
	if (ai_relpath_check(bare, &why) < 0)
		return ai_at(r, y, "input '%s': to: %s", in->name, why.text);
	return 0;
}

/* Which type each further key belongs to; a bit per ai_input_type. */
static int
check_belongs(struct reader *r, const struct ai_yaml *map, const struct ai_input *in)
{
	static const struct { const char *key; unsigned types; } belongs[] = {
		{ "ref", 1u << AI_INPUT_GIT }, { "branch", 1u << AI_INPUT_GIT }, { "tag", 1u << AI_INPUT_GIT }, { "commit", 1u << AI_INPUT_GIT },
		{ "submodules", 1u << AI_INPUT_GIT }, { "sha256", 1u << AI_INPUT_URL | 1u << AI_INPUT_PATH }, { "size", 1u << AI_INPUT_URL },
		{ "exclude", 1u << AI_INPUT_PATH }, { "follow", 1u << AI_INPUT_PATH },
	};
	for (size_t i = 0; i < map->n; i++)
		for (size_t j = 0; j < COUNT(belongs); j++)
			if (strcmp(map->pairs[i].key->text, belongs[j].key) == 0 && !(belongs[j].types & 1u << in->type))
				return ai_at(r, map->pairs[i].key, "input '%s': type '%s' takes no '%s'", in->name, type_words[in->type], belongs[j].key);
	return 0;
}

static int
fill(struct reader *r, const struct ai_yaml *at, const struct ai_yaml *map, struct ai_input *in)
{
	if (map->type != AI_YAML_MAP)
		return ai_at(r, map, "input '%s': expected a map with one of git, url, path", in->name);
	if (ai_known_keys(r, map, "an input", known, COUNT(known)) < 0)
		return r->err->code;
	if (ai_yaml_get(map, "huggingface"))
		return ai_unsupported(r, ai_yaml_get(map, "huggingface"), "Hugging Face inputs", use_path);
	if (ai_yaml_get(map, "image"))
		return ai_unsupported(r, ai_yaml_get(map, "image"), "container images as inputs", use_path);
	if (read_where(r, at, map, in) < 0 || check_belongs(r, map, in) < 0 || read_ref(r, map, in) < 0 || read_content(r, map, in) < 0)
		return r->err->code;
	const struct ai_yaml *exclude = ai_yaml_get(map, "exclude"), *follow = ai_yaml_get(map, "follow");
	const struct ai_yaml *submodules = ai_yaml_get(map, "submodules"), *to = ai_yaml_get(map, "to");
	if ((exclude && read_exclude(r, exclude, in) < 0) || (follow && ai_take_flag(r, follow, "follow", &in->follow) < 0)
		|| (submodules && ai_take_flag(r, submodules, "submodules", &in->submodules) < 0) || (to && read_to(r, to, in) < 0))
		return r->err->code;
	return 0;
}

int
ai_read_input(struct reader *r, char *name, const struct ai_yaml *at, const struct ai_yaml *map)
{
	struct ai_manifest *m = r->m;
	bool many = m->n_inputs >= AI_MAX_INPUTS, twice = !many && ai_manifest_input(m, name) != NULL;
	if (many || twice || ai_grow(&m->inputs, &r->cap_inputs, m->n_inputs, sizeof *m->inputs, r->err) < 0) {
		if (many)
			ai_at(r, at, "more than %d inputs", AI_MAX_INPUTS);
		else if (twice)
			ai_at(r, at, "two inputs are called '%s': give one a 'name:' of its own", name);
		free(name);
		return r->err->code;
	}
	struct ai_input *in = &m->inputs[m->n_inputs++];
	*in = (struct ai_input){ .name = name, .size = -1, .submodules = true, .line = at->line, .column = at->column };
	return fill(r, at, map, in);
}

char *
ai_input_name(const struct ai_yaml *map)
{
	for (size_t i = 0; i < COUNT(wheres); i++) {
		const struct ai_yaml *y = ai_yaml_get(map, wheres[i].key);
		if (!y || y->type != AI_YAML_SCALAR)
			continue;
		/* Up to the query, without slashes at the end; then the last part up to its first dot. */
		size_t n = strstr(y->text, "://") ? strcspn(y->text, "?#") : strlen(y->text);
		while (n && y->text[n - 1] == '/')
			n--;
		const char *from = memrchr(y->text, '/', n);
		from = from ? from + 1 : y->text;
		n -= (size_t)(from - y->text);
		char *s = ai_strndup(from, n);
		if (!s)
			return NULL;
		s[strcspn(s, ".")] = '\0';
		for (char *p = s; *p; p++)
			if (!isalnum((unsigned char)*p) && *p != '_' && *p != '-')
				*p = '-';
		if (*s && strlen(s) <= 100)
			return s;
		free(s);
	}
	return NULL;
}

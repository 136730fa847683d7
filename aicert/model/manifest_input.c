/* manifest_input.c -- where one input comes from, the same reading in both forms.  SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/path.h"
#include "model/manifest_read.h"

/* Keys that say where, and the type each stands for. `url` also says where a repository is when `type: git` is written. */
static const struct { const char *key; ai_input_type type; } wheres[] = {
	{ "git", AI_INPUT_GIT }, { "gitRepo", AI_INPUT_GIT }, { "url", AI_INPUT_URL }, { "path", AI_INPUT_PATH }, { "proof", AI_INPUT_PROOF },
};
static const char *const type_words[] = { [AI_INPUT_GIT] = "git", [AI_INPUT_URL] = "url", [AI_INPUT_PATH] = "path", [AI_INPUT_PROOF] = "proof" };
static const char *const refs[] = { "ref", "branch", "tag", "commit" };
#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char *const known[] = { "type", "git", "gitRepo", "url", "path", "proof", "ref", "branch", "tag", "commit", "sha256", "size", "to", "exclude",
	"follow", "submodules", "lfs", "unpack", "strip", "output", "level", "content", "image" };

/* `url: [a, b]`: a folder of the files. */
static int
read_urls(struct reader *r, const struct ai_yaml *list, struct ai_input *in)
{
	if (list->n == 0 || list->n > AI_MAX_URLS)
		return ai_at(r, list, "input '%s': url: got a list of %zu, expected 1 to %d", in->name, list->n, AI_MAX_URLS);
	in->urls = ai_calloc(list->n, sizeof *in->urls);
	in->sha256s = ai_calloc(list->n, sizeof *in->sha256s);
	if (!in->urls || !in->sha256s)
		return ai_nomem(r->err);
	for (size_t i = 0; i < list->n; i++, in->n_urls++)
		if (ai_take_text(r, list->items[i], "a URL", &in->urls[i]) < 0)
			return r->err->code;
	in->where = ai_strdup(in->urls[0]);
	return in->where ? 0 : ai_nomem(r->err);
}

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
	if (type && !typed)
		return ai_at(r, type, "input '%s': type: got '%s', expected git, url, path or proof, or the name of a source rule and its attributes", in->name,
			type->type == AI_YAML_SCALAR ? type->text : "a list or map");
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
		return ai_at(r, at, "input '%s': expected one of git, url, path, proof, or the name of a source rule", in->name);
	if (in->type == AI_INPUT_URL && where->type == AI_YAML_LIST)
		return read_urls(r, where, in);
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
read_hash(struct reader *r, const struct ai_yaml *y, const struct ai_input *in, char **out)
{
	struct ai_digest d;
	if (ai_take_text(r, y, "sha256", out) < 0)
		return r->err->code;
	return ai_unhex(*out, &d) ? 0 : ai_at(r, y, "input '%s': sha256: expected 64 lower-case hex digits, got '%s'", in->name, *out);
}

/* The last part of a URL's path. */
static const char *
file_of(const char *url, size_t *n)
{
	size_t end = strcspn(url, "?#");
	const char *slash = memrchr(url, '/', end);
	const char *base = slash ? slash + 1 : url;
	*n = end - (size_t)(base - url);
	return base;
}

/* A map from file names: each is that of the first URL that ends in it. */
static int
read_hashes_by_name(struct reader *r, const struct ai_yaml *y, struct ai_input *in, struct ai_names *files)
{
	for (size_t i = 0; i < in->n_urls; i++) {
		size_t n;
		const char *file = file_of(in->urls[i], &n);
		if (ai_names_put(files, file, n, i, r->err) < 0)
			return r->err->code;
	}
	for (size_t i = 0; i < y->n; i++) {
		const struct ai_yaml *key = y->pairs[i].key;
		size_t k;
		if (!ai_names_find(files, key->text, strlen(key->text), &k))
			return ai_at(r, key, "input '%s': sha256: no URL here ends in '%s'", in->name, key->text);
		if (read_hash(r, y->pairs[i].value, in, &in->sha256s[k]) < 0)
			return r->err->code;
	}
	return 0;
}

/* Of a list of URLs: a list in their order, or a map by file name. */
static int
read_hashes(struct reader *r, const struct ai_yaml *y, struct ai_input *in)
{
	if (y->type == AI_YAML_SCALAR || (y->type == AI_YAML_LIST && y->n != in->n_urls))
		return ai_at(r, y, "input '%s': sha256: expected a list of %zu, or a map from file names", in->name, in->n_urls);
	for (size_t i = 0; i < y->n && y->type == AI_YAML_LIST; i++)
		if (read_hash(r, y->items[i], in, &in->sha256s[i]) < 0)
			return r->err->code;
	struct ai_names files = { 0 };
	int rc = y->type == AI_YAML_MAP ? read_hashes_by_name(r, y, in, &files) : 0;
	ai_names_done(&files);
	return rc;
}

static int
read_content(struct reader *r, const struct ai_yaml *map, struct ai_input *in)
{
	const struct ai_yaml *sha = ai_yaml_get(map, "sha256"), *size = ai_yaml_get(map, "size");
	unsigned long long n;
	if (sha && (in->n_urls ? read_hashes(r, sha, in) : read_hash(r, sha, in, &in->sha256)) < 0)
		return r->err->code;
	if (size && in->n_urls)
		return ai_at(r, size, "input '%s': size: is of one URL, and there is a list", in->name);
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
int
ai_read_to(struct reader *r, const struct ai_yaml *y, struct ai_input *in)
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
		{ "submodules", 1u << AI_INPUT_GIT }, { "lfs", 1u << AI_INPUT_GIT }, { "size", 1u << AI_INPUT_URL },
		{ "sha256", 1u << AI_INPUT_URL | 1u << AI_INPUT_PATH | 1u << AI_INPUT_PROOF }, { "unpack", 1u << AI_INPUT_URL }, { "strip", 1u << AI_INPUT_URL },
		{ "exclude", 1u << AI_INPUT_PATH }, { "follow", 1u << AI_INPUT_PATH },
		{ "output", 1u << AI_INPUT_PROOF }, { "level", 1u << AI_INPUT_PROOF }, { "content", 1u << AI_INPUT_PROOF },
	};
	for (size_t i = 0; i < map->n; i++)
		for (size_t j = 0; j < COUNT(belongs); j++)
			if (strcmp(map->pairs[i].key->text, belongs[j].key) == 0 && !(belongs[j].types & 1u << in->type))
				return ai_at(r, map->pairs[i].key, "input '%s': type '%s' takes no '%s'", in->name, type_words[in->type], belongs[j].key);
	return 0;
}

/* What there is of an archive, and of a proof. */
static int
read_further(struct reader *r, const struct ai_yaml *map, struct ai_input *in)
{
	const struct ai_yaml *unpack = ai_yaml_get(map, "unpack"), *strip = ai_yaml_get(map, "strip"), *lfs = ai_yaml_get(map, "lfs");
	const struct { const char *key; char **to; } texts[] = { { "output", &in->output }, { "level", &in->level }, { "content", &in->content } };
	unsigned long long n = 0;
	if ((lfs && ai_take_flag(r, lfs, "lfs", &in->lfs) < 0) || (unpack && ai_take_flag(r, unpack, "unpack", &in->unpack) < 0) ||
		(strip && ai_take_count(r, strip, "strip", 64, &n) < 0))
		return r->err->code;
	in->strip = (unsigned)n;
	if (strip && !in->unpack)
		return ai_at(r, strip, "input '%s': strip: is for an archive: expected 'unpack: true' too", in->name);
	if (in->unpack && in->n_urls)
		return ai_at(r, unpack, "input '%s': unpack: is for one URL, and there is a list", in->name);
	for (size_t i = 0; i < COUNT(texts); i++) {
		const struct ai_yaml *y = ai_yaml_get(map, texts[i].key);
		if (y && ai_take_text(r, y, texts[i].key, texts[i].to) < 0)
			return ai_in(r->err, "input '%s'", in->name);
	}
	return 0;
}

static int
fill(struct reader *r, const struct ai_yaml *at, const struct ai_yaml *map, struct ai_input *in)
{
	if (map->type != AI_YAML_MAP)
		return ai_at(r, map, "input '%s': expected a map with one of git, url, path, proof, or a source rule's name", in->name);
	int rule = ai_read_rule_input(r, map, in);
	if (rule != 0)
		return rule < 0 ? rule : 0;
	if (ai_known_keys(r, map, "an input", known, COUNT(known)) < 0)
		return r->err->code;
	if (ai_yaml_get(map, "image"))
		return ai_unsupported(r, ai_yaml_get(map, "image"), "container images as inputs", "download it once and name the folder with 'path:'");
	if (read_where(r, at, map, in) < 0 || check_belongs(r, map, in) < 0 || read_ref(r, map, in) < 0 || read_content(r, map, in) < 0 ||
		read_further(r, map, in) < 0)
		return r->err->code;
	const struct ai_yaml *exclude = ai_yaml_get(map, "exclude"), *follow = ai_yaml_get(map, "follow");
	const struct ai_yaml *submodules = ai_yaml_get(map, "submodules"), *to = ai_yaml_get(map, "to");
	if ((exclude && read_exclude(r, exclude, in) < 0) || (follow && ai_take_flag(r, follow, "follow", &in->follow) < 0)
		|| (submodules && ai_take_flag(r, submodules, "submodules", &in->submodules) < 0) || (to && ai_read_to(r, to, in) < 0))
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
	struct ai_input *in = &m->inputs[m->n_inputs];
	*in = (struct ai_input){ .name = name, .size = -1, .submodules = true, .lfs = true, .line = at->line, .column = at->column };
	if (ai_names_put(&m->input_names, name, strlen(name), m->n_inputs++, r->err) < 0)
		return r->err->code;
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

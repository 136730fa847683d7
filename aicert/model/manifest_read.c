/* manifest_read.c -- how every part of the Aicertfile's reader takes a value and words a refusal (manifest_read.h).  SPDX-License-Identifier: Apache-2.0 */
#include "model/manifest_read.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

int
ai_at(struct reader *r, const struct ai_yaml *at, const char *fmt, ...)
{
	char text[900];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return ai_fail(r->err, AI_EUSAGE, "%s:%d:%d: %s", r->file, at->line, at->column, text);
}

int
ai_unsupported(struct reader *r, const struct ai_yaml *at, const char *what, const char *hint)
{
	ai_fail(r->err, AI_EENV, "%s:%d:%d: %s are not supported by this version", r->file, at->line, at->column, what);
	return ai_hint(r->err, "%s", hint);
}

int
ai_known_keys(struct reader *r, const struct ai_yaml *map, const char *what, const char *const *known, size_t n)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct ai_yaml *key = map->pairs[i].key;
		size_t j = 0;
		while (j < n && strcmp(known[j], key->text) != 0)
			j++;
		if (j < n)
			continue;
		const char *near = ai_near(key->text, known, n);
		ai_at(r, key, "%s has no key '%s'%s%s%s", what, key->text, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
		return strcmp(key->text, "image") == 0 ? ai_hint(r->err, "an image is written 'environment: { image: NAME }', for all steps or inside one") : r->err->code;
	}
	return 0;
}

int
ai_take_text(struct reader *r, const struct ai_yaml *y, const char *what, char **out)
{
	if (y->type != AI_YAML_SCALAR)
		return ai_at(r, y, "%s: got a %s, expected a text", what, y->type == AI_YAML_LIST ? "list" : "map");
	if (y->text[0] == '\0')
		return ai_at(r, y, "%s is empty", what);
	char *s = ai_strdup(y->text);
	if (!s)
		return ai_nomem(r->err);
	free(*out);
	*out = s;
	return 0;
}

int
ai_take_name(struct reader *r, const struct ai_yaml *y, const char *what, char **out)
{
	AI_FREE char *s = NULL;
	if (ai_take_text(r, y, what, &s) < 0)
		return r->err->code;
	/* No dot: "train.model" is the output of a step. ASCII: names are keys of the lock. */
	for (const char *p = s; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", *p)) {
			ai_at(r, y, "%s '%s': expected letters, digits, '_' and '-' only", what, s);
			return ai_hint(r->err, "the file name inside the workspace is set by 'to:'");
		}
	if (strlen(s) > 100)
		return ai_at(r, y, "%s '%.40s…': got %zu letters, expected at most 100", what, s, strlen(s));
	*out = s;
	s = NULL;
	return 0;
}

int
ai_take_flag(struct reader *r, const struct ai_yaml *y, const char *what, bool *out)
{
	static const char *const words[] = { "false", "False", "FALSE", "true", "True", "TRUE" };
	for (size_t i = 0; i < COUNT(words) && y->type == AI_YAML_SCALAR; i++)
		if (strcmp(y->text, words[i]) == 0) {
			*out = i >= 3;
			return 0;
		}
	return ai_at(r, y, "%s: got '%s', expected true or false", what, y->type == AI_YAML_SCALAR ? y->text : "a list or map");
}

int
ai_take_count(struct reader *r, const struct ai_yaml *y, const char *what, unsigned long long max, unsigned long long *out)
{
	const char *s = y->type == AI_YAML_SCALAR ? y->text : "a list or map";
	size_t n = strspn(s, "0123456789");
	if (n == 0 || s[n] || n > 18)
		return ai_at(r, y, "%s: got '%s', expected a whole number", what, s);
	unsigned long long v = strtoull(s, NULL, 10);
	if (v > max)
		return ai_at(r, y, "%s: got %llu, expected at most %llu", what, v, max);
	*out = v;
	return 0;
}

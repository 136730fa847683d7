/* path.c -- see path.h.  SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"

bool
ai_utf8_valid(const char *s, size_t n)
{
	const uint8_t *p = (const uint8_t *)s, *end = p + n;
	while (p < end) {
		if (*p == 0)
			return false;
		if (*p < 0x80) {
			p++;
			continue;
		}
		int more = *p >= 0xc2 && *p <= 0xdf ? 1 : (*p & 0xf0) == 0xe0 ? 2 : *p >= 0xf0 && *p <= 0xf4 ? 3 : 0;
		if (!more || end - p <= more)
			return false;
		/* The second byte's range rules out overlong forms, surrogates and what lies beyond U+10FFFF. */
		uint8_t lo = *p == 0xe0 ? 0xa0 : *p == 0xf0 ? 0x90 : 0x80;
		uint8_t hi = *p == 0xed ? 0x9f : *p == 0xf4 ? 0x8f : 0xbf;
		if (p[1] < lo || p[1] > hi)
			return false;
		for (int i = 2; i <= more; i++)
			if ((p[i] & 0xc0) != 0x80)
				return false;
		p += more + 1;
	}
	return true;
}

/* Writes s with every byte outside printable ASCII as \xNN, cut to size. */
static void
escape(const char *s, char *out, size_t size)
{
	size_t n = 0;
	for (; *s && n + 5 < size; s++) {
		unsigned char c = (unsigned char)*s;
		if (c >= 0x20 && c < 0x7f)
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, size - n, "\\x%02x", c);
	}
	out[n] = '\0';
}

static const char *
name_fault(const char *s, size_t n)
{
	if (n == 0)
		return "is empty";
	if (n > 255)
		return "is longer than 255 bytes";
	if ((n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
		return "is '.' or '..'";
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return "holds a control character";
	if (memchr(s, '/', n))
		return "holds '/'";
	return ai_utf8_valid(s, n) ? NULL : "is not UTF-8";
}

int
ai_name_check(const char *s, struct ai_err *err)
{
	const char *fault = name_fault(s, strlen(s));
	if (!fault)
		return 0;
	char shown[300];
	escape(s, shown, sizeof shown);
	return ai_fail(err, AI_EINPUT, "name '%s' %s", shown, fault);
}

int
ai_relpath_check(const char *s, struct ai_err *err)
{
	const char *p = s;
	for (;;) {
		size_t n = strcspn(p, "/");
		const char *fault = name_fault(p, n);
		if (fault) {
			char shown[300];
			escape(s, shown, sizeof shown);
			return ai_fail(err, AI_EINPUT, "path '%s': a part %s: expected a relative path without '..'", shown, fault);
		}
		if (p[n] == '\0')
			return 0;
		p += n + 1;
	}
}

bool
ai_link_inside(const char *path, const char *target)
{
	if (target[0] == '/' || target[0] == '\0')
		return false;
	long depth = 0;
	for (const char *p = path; *p; p++)
		depth += *p == '/';
	bool named = false;
	for (const char *p = target; *p;) {
		size_t n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			/* Behind a name, which may be a link to a folder less deep, ".." could lead out: "deep/link/../..". */
			if (named || --depth < 0)
				return false;
		} else if (n > 0 && !(n == 1 && p[0] == '.')) {
			named = true;
		}
		p += n;
		p += strspn(p, "/");
	}
	return true;
}

/* One set "[…]" at p against c; *end is set behind it. An unclosed set is a literal '['. */
static bool
glob_set(const char *p, char c, const char **end)
{
	const char *q = p + 1;
	bool negate = *q == '!' || *q == '^', hit = false;
	if (negate)
		q++;
	for (const char *first = q; *q && (*q != ']' || q == first); q++) {
		if (q[1] == '-' && q[2] && q[2] != ']') {
			hit |= (unsigned char)c >= (unsigned char)*q && (unsigned char)c <= (unsigned char)q[2];
			q += 2;
		} else {
			hit |= c == *q;
		}
	}
	if (*q != ']') {
		*end = p + 1;
		return c == '[';
	}
	*end = q + 1;
	return hit != negate && c != '/';
}

/*
 * A row of states, one per pattern position, moved along the path byte by byte: no backtracking, so no pattern
 * can make it slow. row[i] says: the pattern's first i bytes match what was read so far. boundary: a name may begin here.
 */
static void
glob_close(const char *pat, size_t m, bool boundary, bool *row)
{
	for (size_t i = 0; i < m; i++)
		if (row[i] && pat[i] == '*') {
			size_t stars = strspn(pat + i, "*");
			row[i + stars] = true;
			/* A leading or whole "**" + '/' part also matches no folder at all. */
			if (boundary && stars == 2 && pat[i + 2] == '/' && (i == 0 || pat[i - 1] == '/'))
				row[i + 3] = true;
		}
}

/* Where row leads to by the byte c of the path. */
static void
glob_step(const char *pat, size_t m, char c, const bool *row, bool *next)
{
	/* '?' takes a character: its first byte by moving on, the further ones by staying behind it. */
	bool further = ((unsigned char)c & 0xc0) == 0x80;
	for (size_t i = 0; i <= m; i++) {
		if (!row[i])
			continue;
		if (further && i > 0 && pat[i - 1] == '?')
			next[i] = true;
		const char *end = pat + i + 1;
		if (i == m)
			break;
		if (pat[i] == '*') {
			bool deep = pat[i + 1] == '*' || (i > 0 && pat[i - 1] == '*');
			if (c != '/' || deep)
				next[i] = true;
		} else if (pat[i] == '?' ? c != '/' && !further : pat[i] == '[' ? glob_set(pat + i, c, &end) : pat[i] == c) {
			next[end - pat] = true;
		}
	}
}

static bool
glob_whole(const char *pat, const char *path)
{
	size_t m = strlen(pat);
	AI_FREE bool *row = ai_calloc(m + 2, sizeof *row);
	AI_FREE bool *next = ai_calloc(m + 2, sizeof *next);
	if (!row || !next)
		return false;
	row[0] = true;
	glob_close(pat, m, true, row);
	for (; *path; path++) {
		/* What has matched up to a '/' matches everything in that folder. */
		if (*path == '/' && row[m])
			return true;
		memset(next, 0, m + 2);
		glob_step(pat, m, *path, row, next);
		glob_close(pat, m, *path == '/', next);
		memcpy(row, next, m + 2);
	}
	return row[m];
}

bool
ai_glob(const char *pattern, const char *path)
{
	AI_FREE char *deep = NULL;
	size_t n = strlen(pattern);
	AI_FREE char *own = ai_strdup(pattern);
	if (!own)
		return false;
	if (n > 1 && own[n - 1] == '/')
		own[n - 1] = '\0';
	const char *p = own[0] == '/' ? own + 1 : own;
	if (p == own && !strchr(own, '/')) {
		deep = ai_format("**/%s", own);
		if (!deep)
			return false;
		p = deep;
	}
	return glob_whole(p, path);
}

/*
 * The bounds of user info ("user:pw@") in a URL with a scheme; false when there is none, or none that is secret:
 * "ssh://git@host" (like "git@host:path") names a login, and does not work without it.
 */
static bool
user_info(const char *url, const char **from, const char **to)
{
	const char *host = strstr(url, "://");
	if (!host)
		return false;
	host += 3;
	size_t n = strcspn(host, "/?#");
	const char *at = memrchr(host, '@', n);
	if (!at || (strncasecmp(url, "ssh://", 6) == 0 && !memchr(host, ':', (size_t)(at - host))))
		return false;
	*from = host;
	*to = at + 1;
	return true;
}

char *
ai_url_public(const char *url)
{
	const char *from, *to;
	if (user_info(url, &from, &to)) {
		AI_FREE char *bare = ai_format("%.*s%s", (int)(from - url), url, to);
		return bare ? ai_url_public(bare) : NULL;
	}
	size_t n = strstr(url, "://") ? strcspn(url, "?#") : strlen(url);
	/* A query that only selects (?rev=1) stays: without it the URL names something else. */
	if (url[n] == '?' && !ai_url_has_secret(url))
		n += strcspn(url + n, "#");
	return ai_strndup(url, n);
}

/* Is the word in the first n bytes of s, in any case? */
static bool
holds(const char *s, size_t n, const char *word)
{
	size_t m = strlen(word);
	for (size_t i = 0; m <= n && i <= n - m; i++)
		if (strncasecmp(s + i, word, m) == 0)
			return true;
	return false;
}

bool
ai_url_has_secret(const char *url)
{
	static const char *const words[] = { "token", "sig", "secret", "password", "passwd", "key", "auth", "credential", "x-amz-", "x-goog-", "se=", "sv=", "jwt", "session" };
	const char *from, *to;
	if (user_info(url, &from, &to))
		return true;
	const char *q = strstr(url, "://") ? strchr(url, '?') : NULL;
	/* A parameter is told by its name: values are data, and say `token` of tokenizer.json. One that has no name is looked at whole. */
	for (size_t n; q && *q && *q != '#'; q += n) {
		q++;
		n = strcspn(q, "&;?#");
		size_t name = strcspn(q, "=&;?#");
		for (size_t i = 0; i < sizeof words / sizeof *words; i++)
			if (holds(q, name < n ? name + 1 : n, words[i]))
				return true;
	}
	return false;
}

bool
ai_env_is_secret(const char *name)
{
	static const char *const words[] = { "SECRET", "PASSWORD", "PASSWD", "API_KEY", "APIKEY", "PRIVATE_KEY", "ACCESS_KEY", "CREDENTIAL" };
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcasestr(name, words[i]))
			return true;
	/* Of tokens, in their numbers, and of tokenizers a trainer's settings are full. */
	for (const char *at = name; (at = strcasestr(at, "TOKEN")); at += 5)
		if (strncasecmp(at + 5, "S", 1) != 0 && strncasecmp(at + 5, "IZ", 2) != 0)
			return true;
	size_t n = strlen(name);
	return n >= 4 && strcasecmp(name + n - 4, "_KEY") == 0;
}

static size_t
edit_distance(const char *a, const char *b)
{
	size_t m = strlen(a), n = strlen(b), row[65];
	if (m > 64 || n > 64)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; i <= m; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t up = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = up;
			row[j] = best;
		}
	}
	return row[n];
}

const char *
ai_near(const char *word, const char *const *candidates, size_t n)
{
	const char *best = NULL;
	size_t least = 3;
	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(word, candidates[i]) == 0)
			return candidates[i];
		size_t d = edit_distance(word, candidates[i]);
		if (d < least && d * 3 <= strlen(word) + 1) {
			least = d;
			best = candidates[i];
		}
	}
	return best;
}

char *
ai_join(const char *a, const char *b)
{
	size_t n = strlen(a);
	return ai_format("%s%s%s", a, n && a[n - 1] == '/' ? "" : "/", b);
}

const char *
ai_basename(const char *path)
{
	const char *s = strrchr(path, '/');
	return s ? s + 1 : path;
}

bool
ai_path_tells(const char *path)
{
	if (path[0] == '/' || path[0] == '~')
		return true;
	long depth = 0;
	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.')
			depth--;
		else if (n > 0 && !(n == 1 && p[0] == '.'))
			depth++;
		if (depth < 0)
			return true;
		p += n;
		p += strspn(p, "/");
	}
	return false;
}

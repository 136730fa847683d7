/* git_attr.c -- see git_attr.h; written after git's attr.c, dir.c and wildmatch.c, whose answers a test compares.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/git_attr.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

enum { MAX_LINE = 2048, FILTER = 0 };
static const uint64_t max_steps = (uint64_t)4 << 30;
static const char blank[] = " \t\r\n";

/* What a line says of one attribute. */
enum said { SAID_SET, SAID_OTHER, SAID_LFS };
struct says { size_t what; enum said said; }; /* what: FILTER, or the number of a macro */

struct rule {
	const char *pattern;          /* of a macro: NULL */
	size_t macro;
	bool base_name;               /* the pattern is for the last part of a path */
	size_t first, n;              /* of the level's says */
};

struct ai_git_attrs_level {
	size_t dir_len;
	char *bytes;                  /* patterns lie in it */
	struct rule *rules; size_t n, cap;
	struct says *says; size_t n_says, cap_says;
};

/* --- reading -------------------------------------------------------------------------- */

static int
octal(const char *s)
{
	for (int i = 0; i < 3; i++)
		if (s[i] < '0' || s[i] > (i ? '7' : '3'))
			return -1;
	return (s[0] - '0') * 64 + (s[1] - '0') * 8 + (s[2] - '0');
}

/* A text in quotes as C has them, in place: what follows it, or NULL when it is none. */
static char *
unquote(char *s)
{
	static const char names[] = "abfnrtv\\\"", bytes[] = "\a\b\f\n\r\t\v\\\"";
	char *to = s;
	for (char *p = s + 1; *p; p++) {
		if (*p == '"') {
			*to = '\0';
			return p + 1;
		}
		if (*p != '\\') {
			*to++ = *p;
			continue;
		}
		const char *known = *++p ? strchr(names, *p) : NULL;
		int c = known ? bytes[known - names] : octal(p);
		if (c <= 0 && !known)
			return NULL;
		*to++ = (char)c;
		p += known ? 0 : 2;
	}
	return NULL;
}

static bool
is_name(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)s[i]) && s[i] != '-' && s[i] != '_' && s[i] != '.')
			return false;
	return n > 0 && *s != '-';
}

/* One attribute of a line. */
struct word { const char *name, *value; size_t n, n_value; char sign; };

/* The word at s: what follows it, or NULL when it is none. */
static const char *
next_word(const char *s, struct word *w)
{
	const char *end = s + strcspn(s, blank), *eq = memchr(s, '=', (size_t)(end - s)), *name_end = eq ? eq : end;
	*w = (struct word){ .sign = *s == '-' || *s == '!' ? *s : '\0' };
	w->name = s + (w->sign != '\0');
	w->n = (size_t)(name_end - w->name);
	w->value = eq ? eq + 1 : NULL;
	w->n_value = eq ? (size_t)(end - eq - 1) : 0;
	return name_end >= w->name && is_name(w->name, w->n) ? end + strspn(end, blank) : NULL;
}

/* A line that git heeds: its pattern or macro's name, and its words, each sound. */
struct line { char *name; const char *words; bool macro; };

static bool
read_line(char *s, bool macros, struct line *out)
{
	struct word w;
	size_t n = strlen(s);
	char *name = s + strspn(s, blank), *after = NULL;
	if (!*name || *name == '#' || n >= MAX_LINE)
		return false;
	char copy[MAX_LINE];
	memcpy(copy, name, strlen(name) + 1);
	if (*name == '"' && (after = unquote(name)) == NULL)
		memcpy(name, copy, strlen(copy) + 1);
	if (!after) {
		after = name + strcspn(name, blank);
		if (*after)
			*after++ = '\0';
	}
	*out = (struct line){ name, after + strspn(after, blank), false };
	if (strlen(name) > 6 && strncmp(name, "[attr]", 6) == 0) {
		out->macro = true;
		out->name = name + 6 + strspn(name + 6, blank);
		out->name[strcspn(out->name, blank)] = '\0';
		if (!macros || !is_name(out->name, strlen(out->name)))
			return false;
	} else if (*name == '!') {
		return false;
	}
	for (const char *p = out->words; *p;)
		if (!(p = next_word(p, &w)))
			return false;
	return true;
}

/* Each line of the text, ended by NUL, to take(). */
static int
each_line(struct ai_git_attrs *a, struct ai_git_attrs_level *l, char *text, bool root,
	int (*take)(struct ai_git_attrs *a, struct ai_git_attrs_level *l, const struct line *line, struct ai_err *err), struct ai_err *err)
{
	struct line line;
	for (char *s = text, *end; *s; s = end) {
		end = s + strcspn(s, "\n");
		if (*end)
			*end++ = '\0';
		if (read_line(s, root, &line) && take(a, l, &line, err) < 0)
			return err->code;
	}
	return 0;
}

static int
take_macro(struct ai_git_attrs *a, struct ai_git_attrs_level *l, const struct line *line, struct ai_err *err)
{
	(void)l;
	if (!line->macro)
		return 0;
	if (a->n_macros == AI_GIT_ATTR_MACROS)
		return ai_fail(err, AI_EINPUT, ".gitattributes: more than %d macros", AI_GIT_ATTR_MACROS);
	int r = ai_names_put(&a->macros, line->name, strlen(line->name), a->n_macros + 1, err);
	a->n_macros += r == 1;
	return r < 0 ? r : 0;
}

static int
take_rule(struct ai_git_attrs *a, struct ai_git_attrs_level *l, const struct line *line, struct ai_err *err)
{
	struct rule r = { .pattern = line->macro ? NULL : line->name, .base_name = true, .first = l->n_says };
	struct word w;
	size_t len = strlen(line->name);
	if (line->macro)
		(void)ai_names_find(&a->macros, line->name, len, &r.macro);
	else if (len > 0 && line->name[len - 1] == '/')
		return 0; /* for folders alone */
	else
		r.base_name = strchr(line->name, '/') == NULL;
	for (const char *p = line->words; *p;) {
		struct says s = { FILTER, SAID_SET };
		p = next_word(p, &w);
		if (!(w.n == 6 && memcmp(w.name, "filter", 6) == 0) && !ai_names_find(&a->macros, w.name, w.n, &s.what))
			continue;
		if (w.sign || w.value)
			s.said = !w.sign && w.n_value == 3 && memcmp(w.value, "lfs", 3) == 0 ? SAID_LFS : SAID_OTHER;
		if (ai_grow(&l->says, &l->cap_says, l->n_says, sizeof *l->says, err) < 0)
			return err->code;
		l->says[l->n_says++] = s;
	}
	r.n = l->n_says - r.first;
	/* A macro that says nothing of these still is one: it takes the place of an earlier one of its name. */
	if (r.n == 0 && !line->macro)
		return 0;
	if (ai_grow(&l->rules, &l->cap, l->n, sizeof *l->rules, err) < 0)
		return err->code;
	l->rules[l->n++] = r;
	return 0;
}

static void
level_done(struct ai_git_attrs_level *l)
{
	free(l->bytes);
	free(l->rules);
	free(l->says);
}

int
ai_git_attrs_push(struct ai_git_attrs *a, const char *dir, const char *bytes, size_t n, struct ai_err *err)
{
	struct ai_git_attrs_level l = { .dir_len = strlen(dir) };
	bool root = !*dir && !a->text;
	if (n > AI_GIT_ATTR_BYTES)
		return ai_fail(err, AI_EINPUT, "'%s.gitattributes': larger than %d bytes", dir, AI_GIT_ATTR_BYTES);
	if (ai_grow(&a->levels, &a->cap, a->n, sizeof *a->levels, err) < 0)
		return err->code;
	l.bytes = ai_strndup(bytes, n);
	/* Macros count wherever in the file they stand: their names are known before the lines are read. */
	if (root)
		a->text = ai_strndup(bytes, n);
	int r = l.bytes && (a->text || !root) ? 0 : ai_nomem(err);
	if (r == 0 && root)
		r = each_line(a, &l, a->text, root, take_macro, err);
	if (r == 0)
		r = each_line(a, &l, l.bytes, root, take_rule, err);
	if (r < 0) {
		level_done(&l);
		return r;
	}
	a->levels[a->n++] = l;
	return 0;
}

void
ai_git_attrs_pop(struct ai_git_attrs *a)
{
	level_done(&a->levels[--a->n]);
}

void
ai_git_attrs_done(struct ai_git_attrs *a)
{
	while (a->n > 0)
		ai_git_attrs_pop(a);
	free(a->levels);
	free(a->text);
	ai_names_done(&a->macros);
	*a = (struct ai_git_attrs){ .levels = NULL };
}

/* --- patterns ----------------------------------------------------------------------------- */

/* Is c in the class? -1: there is none of this name. */
static int
in_class(const char *name, size_t n, int c)
{
	static const struct { const char *name; int (*is)(int c); } classes[] = { { "alnum", isalnum }, { "alpha", isalpha }, { "blank", isblank },
		{ "cntrl", iscntrl }, { "digit", isdigit }, { "graph", isgraph }, { "lower", islower }, { "print", isprint }, { "punct", ispunct },
		{ "space", isspace }, { "upper", isupper }, { "xdigit", isxdigit } };
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
		if (strlen(classes[i].name) == n && memcmp(name, classes[i].name, n) == 0)
			return c < 0x80 && classes[i].is(c) != 0;
	return -1;
}

/* `[…]` at p against c: what follows it, with *hit; NULL: it never matches. */
static const char *
bracket(const char *p, unsigned char c, bool *hit)
{
	bool found = false, first = true, negated = *++p == '!' || *p == '^';
	unsigned char before = 0;
	for (p += negated; first || *p != ']'; first = false) {
		unsigned char ch = (unsigned char)*p++;
		if (ch == '\0')
			return NULL;
		const char *close = ch == '[' && *p == ':' ? strchr(p + 1, ']') : NULL;
		if (ch == '[' && *p == ':' && !close)
			return NULL;
		if (ch == '-' && before && *p && *p != ']') {
			unsigned char to = (unsigned char)*p++;
			if (to == '\\' && !(to = (unsigned char)*p++))
				return NULL;
			found |= c >= before && c <= to;
			before = 0;
		} else if (close && close > p + 1 && close[-1] == ':') {
			int is = in_class(p + 1, (size_t)(close - p - 2), c);
			if (is < 0)
				return NULL;
			found |= is;
			p = close + 1;
			before = 0;
		} else {
			if (ch == '\\' && !(ch = (unsigned char)*p++))
				return NULL;
			found |= ch == c;
			before = ch;
		}
	}
	*hit = found != negated;
	return p + 1;
}

/* What in the pattern follows the one thing that matches c there; NULL: c does not match. */
static const char *
match_one(const char *p, char c)
{
	bool hit;
	switch (*p) {
	case '?':
		return c != '/' ? p + 1 : NULL;
	case '[':
		p = bracket(p, (unsigned char)c, &hit);
		return p && hit && c != '/' ? p : NULL;
	case '\\':
		return p[1] == c ? p + 2 : NULL;
	default:
		return *p && *p == c ? p + 1 : NULL;
	}
}

/*
 * Does the text match? '*' stays within a part of a path; "**" between slashes or ends does not. No more than two places need to be come back to: the last '*',
 * and the last "**" when that one's part of the path is used up; so no pattern takes longer than text times pattern for each part.
 */
static bool
matches(const char *pattern, const char *text, uint64_t *steps)
{
	const char *p = pattern, *t = text, *star = NULL, *star_t = NULL, *deep = NULL, *deep_t = NULL;
	for (;;) {
		++*steps;
		if (*p == '*') {
			const char *from = p;
			p += strspn(p, "*");
			if (p - from > 1 && (from == pattern || from[-1] == '/') && (*p == '\0' || *p == '/')) {
				if (*p == '\0')
					return true;
				deep = ++p;
				deep_t = t;
				star = NULL;
			} else {
				star = p;
				star_t = t;
			}
			continue;
		}
		if (*p == '\0' && *t == '\0')
			return true;
		const char *next = *t ? match_one(p, *t) : NULL;
		if (next) {
			p = next;
			t++;
		} else if (star && *star_t && *star_t != '/') {
			t = ++star_t;
			p = star;
		} else if (deep && (deep_t = strchr(deep_t, '/')) != NULL) {
			t = ++deep_t;
			p = deep;
			star = NULL;
		} else {
			return false;
		}
	}
}

static bool
applies(const struct ai_git_attrs_level *l, const struct rule *r, const char *path, uint64_t *steps)
{
	const char *slash = strrchr(path, '/'), *text = r->base_name ? (slash ? slash + 1 : path) : path + l->dir_len;
	const char *pattern = r->pattern + (!r->base_name && *r->pattern == '/');
	/* As git, which looks for stars only behind what is plain: there "a**" is as deep as "**" is. */
	size_t plain = strcspn(pattern, "*?[\\");
	if (strncmp(pattern, text, plain) != 0)
		return false;
	return matches(pattern + plain, text + plain, steps);
}

/* --- answers ------------------------------------------------------------------------------- */

/* What is known of the filter and of each macro so far. */
struct known { bool *macro; bool filter; bool lfs; };

static const struct rule *
macro_of(const struct ai_git_attrs *a, size_t macro)
{
	const struct ai_git_attrs_level *root = &a->levels[0];
	for (size_t i = root->n; i > 0; i--)
		if (!root->rules[i - 1].pattern && root->rules[i - 1].macro == macro)
			return &root->rules[i - 1];
	return NULL;
}

/* What the rule says of what is not known yet, the last of it first; a macro that is set says more. Calls nest as deep as there are macros. */
static void
learn(const struct ai_git_attrs *a, const struct ai_git_attrs_level *l, const struct rule *r, struct known *k)
{
	for (size_t i = r->n; i > 0 && !k->filter; i--) {
		const struct says *s = &l->says[r->first + i - 1];
		if (s->what == FILTER) {
			k->filter = true;
			k->lfs = s->said == SAID_LFS;
		} else if (!k->macro[s->what]) {
			k->macro[s->what] = true;
			const struct rule *m = s->said == SAID_SET ? macro_of(a, s->what) : NULL;
			if (m)
				learn(a, &a->levels[0], m, k);
		}
	}
}

int
ai_git_attrs_lfs(struct ai_git_attrs *a, const char *path, struct ai_err *err)
{
	AI_FREE bool *macros = ai_calloc(a->n_macros + 1, sizeof *macros);
	struct known k = { macros, false, false };
	if (!macros)
		return ai_nomem(err);
	for (size_t i = a->n; i > 0 && !k.filter; i--) {
		const struct ai_git_attrs_level *l = &a->levels[i - 1];
		for (size_t j = l->n; j > 0 && !k.filter; j--) {
			if (++a->steps > max_steps)
				return ai_fail(err, AI_EINPUT, "'%s': .gitattributes: its patterns take too long", path);
			if (l->rules[j - 1].pattern && applies(l, &l->rules[j - 1], path, &a->steps))
				learn(a, l, &l->rules[j - 1], &k);
		}
	}
	return k.lfs;
}

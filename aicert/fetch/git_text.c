/* git_text.c -- objects of git_text.h (addresses: git_url.c).  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/git_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"

static int
nibble(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
ai_git_id_parse(const char *hex, struct ai_git_id *out)
{
	struct ai_git_id id;
	for (size_t i = 0; i < sizeof id.b; i++) {
		int hi = nibble(hex[2 * i]);
		int lo = hi < 0 ? -1 : nibble(hex[2 * i + 1]);
		if (lo < 0)
			return false;
		id.b[i] = (uint8_t)(hi << 4 | lo);
	}
	if (hex[40] != '\0')
		return false;
	*out = id;
	return true;
}

void
ai_git_id_hex(const struct ai_git_id *id, char out[AI_GIT_HEX])
{
	ai_hex_bytes(id->b, sizeof id->b, out);
}

bool
ai_git_id_eq(const struct ai_git_id *a, const struct ai_git_id *b)
{
	return memcmp(a->b, b->b, sizeof a->b) == 0;
}

bool
ai_git_id_is_short(const char *s)
{
	size_t n = strlen(s);
	return n >= 4 && n <= 40 && strspn(s, "0123456789abcdefABCDEF") == n;
}

int
ai_git_commit_tree_id(const char *bytes, size_t n, struct ai_git_id *tree_out, struct ai_err *err)
{
	char hex[AI_GIT_HEX];
	if (n > 46 && memcmp(bytes, "tree ", 5) == 0 && bytes[45] == '\n') {
		memcpy(hex, bytes + 5, 40);
		hex[40] = '\0';
		if (ai_git_id_parse(hex, tree_out))
			return 0;
	}
	return ai_fail(err, AI_EINPUT, "commit: its first line does not name a tree");
}

int
ai_git_tree_next(const char *bytes, size_t n, size_t *at, struct ai_git_entry *out, struct ai_err *err)
{
	size_t i = *at;
	if (i == n)
		return 0;
	unsigned mode = 0;
	size_t from = i;
	for (; i < n && bytes[i] >= '0' && bytes[i] <= '7' && i - from < 7; i++)
		mode = mode << 3 | (unsigned)(bytes[i] - '0');
	if (i == from || i == n || bytes[i] != ' ')
		return ai_fail(err, AI_EINPUT, "git tree: malformed mode at byte %zu", from);
	i++;
	const char *nul = memchr(bytes + i, '\0', n - i);
	if (!nul || nul == bytes + i)
		return ai_fail(err, AI_EINPUT, "git tree: malformed name at byte %zu", i);
	size_t after = (size_t)(nul - bytes) + 1;
	if (n - after < sizeof out->id.b)
		return ai_fail(err, AI_EINPUT, "git tree: cut short at byte %zu", n);
	out->mode = mode;
	out->name = bytes + i;
	memcpy(out->id.b, bytes + after, sizeof out->id.b);
	*at = after + sizeof out->id.b;
	return 1;
}

static int
pointer_fail(const char *what, struct ai_err *err)
{
	return ai_fail(err, AI_EINPUT, "malformed Git LFS pointer: %s", what);
}

/* The length of the line that a pointer begins with: today's, or that of git-lfs when it had other names, which it still reads. 0: none. */
static size_t
pointer_version(const char *bytes, size_t n)
{
	static const char *const first[] = { "version https://git-lfs.github.com/spec/v1\n", "version https://hawser.github.com/spec/v1\n", "version http://git-media.io/v/2\n" };
	for (size_t i = 0; i < sizeof first / sizeof *first; i++)
		if (n >= strlen(first[i]) && memcmp(bytes, first[i], strlen(first[i])) == 0)
			return strlen(first[i]);
	return 0;
}

bool
ai_git_lfs_begins(const char *bytes, size_t n)
{
	/* The specification bounds a pointer to less than 1024 bytes. */
	return n < 1024 && pointer_version(bytes, n) > 0;
}

int
ai_git_lfs_pointer(const char *bytes, size_t n, struct ai_digest *oid, uint64_t *size, struct ai_err *err)
{
	static const char hash[] = "oid sha256:", length[] = "size ";
	if (!ai_git_lfs_begins(bytes, n))
		return 0;
	const char *p = bytes + pointer_version(bytes, n), *end = bytes + n;
	char hex[AI_HEX];
	if (end - p > 4 && memcmp(p, "ext-", 4) == 0)
		return pointer_fail("it wants an extension, which is a program of its author's", err);
	if ((size_t)(end - p) < sizeof hash - 1 + 65 || memcmp(p, hash, sizeof hash - 1) != 0)
		return pointer_fail("expected 'oid sha256:' and 64 digits", err);
	p += sizeof hash - 1;
	memcpy(hex, p, 64);
	hex[64] = '\0';
	if (!ai_unhex(hex, oid) || p[64] != '\n')
		return pointer_fail("expected 64 lower-case hex digits", err);
	p += 65;
	if ((size_t)(end - p) < sizeof length || memcmp(p, length, sizeof length - 1) != 0)
		return pointer_fail("expected 'size'", err);
	p += sizeof length - 1;
	const char *digits = p;
	for (*size = 0; p < end && *p >= '0' && *p <= '9' && p - digits < 16; p++)
		*size = *size * 10 + (uint64_t)(*p - '0');
	if (p == digits || p + 1 != end || *p != '\n' || (*digits == '0' && p - digits > 1))
		return pointer_fail("expected a number of bytes and the end", err);
	return 1;
}

/* --- .gitmodules, .lfsconfig: git's configuration format, the part of it that these use ----------------- */

struct config {
	const char *file, *p, *end;
	size_t line;
};

/* A name that a section is looked through for. */
struct slot { const char *name; char **value; };

static int
config_fail(const struct config *c, const char *what, struct ai_err *err)
{
	return ai_fail(err, AI_EINPUT, "%s:%zu: %s", c->file, c->line, what);
}

static void
skip_space(struct config *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\r'))
		c->p++;
}

static void
skip_line(struct config *c)
{
	while (c->p < c->end && *c->p != '\n')
		c->p++;
}

/* `[section]` or `[section "name"]`: *in says whether it is one of this word, with a name or without. */
static int
config_section(struct config *c, const char *word, bool named, bool *in, struct ai_err *err)
{
	const char *from = c->p;
	while (c->p < c->end && *c->p != ']' && *c->p != '\n') {
		if (*c->p == '"') {
			for (c->p++; c->p < c->end && *c->p != '"' && *c->p != '\n'; c->p++)
				if (*c->p == '\\' && c->p + 1 < c->end)
					c->p++;
			if (c->p == c->end || *c->p != '"')
				return config_fail(c, "unclosed quote", err);
		}
		c->p++;
	}
	if (c->p == c->end || *c->p != ']')
		return config_fail(c, "unclosed '['", err);
	size_t n = (size_t)(c->p - from) - 1, k = strlen(word);
	from++;
	*in = n >= k && strncasecmp(from, word, k) == 0 && (named ? n > k && (from[k] == ' ' || from[k] == '\t') : n == k);
	c->p++;
	return 0;
}

/* The value up to the end of its line: quotes, escapes, comments and continued lines as git has them. */
static int
config_value(struct config *c, struct ai_buf *out, struct ai_err *err)
{
	bool quoted = false;
	size_t keep = 0;
	for (skip_space(c); c->p < c->end && *c->p != '\n'; c->p++) {
		char ch = *c->p;
		if (ch == '"') {
			quoted = !quoted;
			keep = out->len;
			continue;
		}
		if (!quoted && (ch == '#' || ch == ';')) {
			skip_line(c);
			break;
		}
		bool space = !quoted && (ch == ' ' || ch == '\t' || ch == '\r');
		if (ch == '\\') {
			if (++c->p == c->end)
				return config_fail(c, "ends in '\\'", err);
			if (*c->p == '\n') {
				c->line++;
				continue;
			}
			ch = *c->p == 'n' ? '\n' : *c->p == 't' ? '\t' : *c->p == 'b' ? '\b' : *c->p;
		}
		ai_buf_putc(out, ch);
		if (!space)
			keep = out->len;
	}
	if (quoted)
		return config_fail(c, "unclosed quote", err);
	if (ai_buf_ok(out, "a value of git's configuration", err) < 0)
		return err->code;
	/* White space at the end of the value is not part of it. */
	if (out->data) {
		out->len = keep;
		out->data[keep] = '\0';
	}
	return 0;
}

/* One `name = value` line; it is skipped unless it is one of the slots'. */
static int
config_line(struct config *c, const struct slot *slots, size_t n_slots, struct ai_err *err)
{
	const char *from = c->p;
	while (c->p < c->end && *c->p != '=' && *c->p != '\n' && *c->p != ' ' && *c->p != '\t' && *c->p != '\r')
		c->p++;
	size_t n = (size_t)(c->p - from);
	skip_space(c);
	bool has_value = c->p < c->end && *c->p == '=';
	AI_BUF_AUTO value = AI_BUF(4096);
	if (has_value) {
		c->p++;
		if (config_value(c, &value, err) < 0)
			return err->code;
	}
	for (size_t i = 0; i < n_slots; i++) {
		if (strlen(slots[i].name) != n || strncasecmp(from, slots[i].name, n) != 0)
			continue;
		if (!has_value || value.len == 0 || strlen(value.data) != value.len)
			return config_fail(c, "path or url without a value", err);
		free(*slots[i].value);
		*slots[i].value = ai_buf_take(&value);
		break;
	}
	return 0;
}

int
ai_git_lfsconfig(const char *text, size_t n, char **url, struct ai_err *err)
{
	struct config c = { ".lfsconfig", text, text + n, 1 };
	char *found = NULL;
	const struct slot slot = { "url", &found };
	bool in = false;
	int r = 0;
	while (r == 0 && (skip_space(&c), c.p < c.end)) {
		if (*c.p == '\n') {
			c.line++;
			c.p++;
		} else if (*c.p == '#' || *c.p == ';') {
			skip_line(&c);
		} else {
			r = *c.p == '[' ? config_section(&c, "lfs", false, &in, err) : config_line(&c, &slot, in, err);
		}
	}
	if (r == 0)
		*url = found;
	else
		free(found);
	return r;
}

int
ai_gitmodules_parse(const char *text, size_t n, struct ai_submodule **out, size_t *n_out, struct ai_err *err)
{
	struct config c = { ".gitmodules", text, text + n, 1 };
	struct ai_submodule *list = NULL;
	size_t count = 0, cap = 0;
	bool in = false;
	while (c.p < c.end) {
		skip_space(&c);
		if (c.p == c.end)
			break;
		if (*c.p == '\n') {
			c.line++;
			c.p++;
		} else if (*c.p == '#' || *c.p == ';') {
			skip_line(&c);
		} else if (*c.p == '[') {
			if (config_section(&c, "submodule", true, &in, err) < 0)
				goto fail;
			if (in && count == 4096) {
				(void)config_fail(&c, "more than 4096 submodules", err);
				goto fail;
			}
			if (in && ai_grow(&list, &cap, count, sizeof *list, err) < 0)
				goto fail;
			if (in)
				list[count++] = (struct ai_submodule){ NULL, NULL };
		} else {
			const struct slot slots[] = { { "path", in ? &list[count - 1].path : NULL }, { "url", in ? &list[count - 1].url : NULL } };
			if (config_line(&c, slots, in ? 2 : 0, err) < 0)
				goto fail;
		}
	}
	*out = list;
	*n_out = count;
	return 0;
fail:
	ai_submodules_free(list, count);
	return err->code;
}

void
ai_submodules_free(struct ai_submodule *s, size_t n)
{
	for (size_t i = 0; s && i < n; i++) {
		free(s[i].path);
		free(s[i].url);
	}
	free(s);
}

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

bool
ai_git_is_lfs_pointer(const char *bytes, size_t n)
{
	/* The specification bounds a pointer to less than 1024 bytes. */
	static const char first[] = "version https://git-lfs.github.com/spec/v1\n";
	return n >= sizeof first - 1 && n < 1024 && memcmp(bytes, first, sizeof first - 1) == 0;
}

/* --- .gitmodules: git's configuration format, the part of it that this file uses ----------------- */

struct config {
	const char *p, *end;
	size_t line;
};

static int
config_fail(const struct config *c, const char *what, struct ai_err *err)
{
	return ai_fail(err, AI_EINPUT, ".gitmodules:%zu: %s", c->line, what);
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

/* `[section]` or `[section "name"]`: *in says whether it is a submodule's. */
static int
config_section(struct config *c, bool *in, struct ai_err *err)
{
	static const char word[] = "[submodule";
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
	size_t n = (size_t)(c->p - from);
	*in = n > sizeof word && strncasecmp(from, word, sizeof word - 1) == 0 && (from[sizeof word - 1] == ' ' || from[sizeof word - 1] == '\t');
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
	if (ai_buf_ok(out, ".gitmodules: a value", err) < 0)
		return err->code;
	/* White space at the end of the value is not part of it. */
	if (out->data) {
		out->len = keep;
		out->data[keep] = '\0';
	}
	return 0;
}

/* One `name = value` line of the submodule s (NULL: of another section, skipped). */
static int
config_line(struct config *c, struct ai_submodule *s, struct ai_err *err)
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
	char **slot = !s ? NULL : n == 4 && strncasecmp(from, "path", 4) == 0 ? &s->path : n == 3 && strncasecmp(from, "url", 3) == 0 ? &s->url : NULL;
	if (!slot)
		return 0;
	if (!has_value || value.len == 0 || strlen(value.data) != value.len)
		return config_fail(c, "path or url without a value", err);
	free(*slot);
	*slot = ai_buf_take(&value);
	return 0;
}

int
ai_gitmodules_parse(const char *text, size_t n, struct ai_submodule **out, size_t *n_out, struct ai_err *err)
{
	struct config c = { text, text + n, 1 };
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
			if (config_section(&c, &in, err) < 0)
				goto fail;
			if (in && count == 4096) {
				(void)config_fail(&c, "more than 4096 submodules", err);
				goto fail;
			}
			if (in && ai_grow(&list, &cap, count, sizeof *list, err) < 0)
				goto fail;
			if (in)
				list[count++] = (struct ai_submodule){ NULL, NULL };
		} else if (config_line(&c, in ? &list[count - 1] : NULL, err) < 0) {
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

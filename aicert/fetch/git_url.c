/* git_url.c -- addresses of git_text.h.  SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "fetch/git_text.h"

static int
hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* n bytes with %XX decoded; NULL when memory is out or a NUL was hidden in them. */
static char *
decode(const char *s, size_t n)
{
	char *out = malloc(n + 1);
	size_t k = 0;
	for (size_t i = 0; out && i < n; i++) {
		int hi = s[i] == '%' && i + 2 < n ? hex_value(s[i + 1]) : -1;
		int lo = hi >= 0 ? hex_value(s[i + 2]) : -1;
		out[k++] = (char)(lo >= 0 ? hi << 4 | lo : s[i]);
		if (lo >= 0)
			i += 2;
		if (out[k - 1] == '\0') {
			free(out);
			return NULL;
		}
	}
	if (out)
		out[k] = '\0';
	return out;
}

/* The index of the ':' of `host:path`, or 0: what git takes for an ssh address. */
static size_t
scp_colon(const char *s)
{
	size_t n = s[0] == '[' || strstr(s, "@[") ? strcspn(s, "]") : 0;
	n += strcspn(s + n, ":/");
	return s[n] == ':' && n > 0 ? n : 0;
}

/* user[:password]@ at p, ending at the host; returns the host. */
static const char *
take_user(const char *p, size_t n, struct ai_git_url *u)
{
	const char *at = memrchr(p, '@', n);
	if (!at)
		return p;
	const char *colon = memchr(p, ':', (size_t)(at - p));
	const char *end = colon ? colon : at;
	u->user = decode(p, (size_t)(end - p));
	if (colon)
		u->password = decode(colon + 1, (size_t)(at - colon - 1));
	return at + 1;
}

static int
take_host(const char *p, size_t n, struct ai_git_url *u, struct ai_err *err)
{
	const char *from = p, *end = p + n;
	const char *port = NULL;
	if (n && *p == '[') {
		from = p + 1;
		const char *close = memchr(p, ']', n);
		if (!close)
			return ai_fail(err, AI_EINPUT, "git URL: unclosed '['");
		end = close;
		port = close + 1 < p + n && close[1] == ':' ? close + 2 : NULL;
	} else if ((port = memchr(p, ':', n))) {
		end = port++;
	}
	if (end == from)
		return ai_fail(err, AI_EINPUT, "git URL: no host");
	/* The host reaches a helper's line protocol and known_hosts: only what a name or address can hold. */
	for (const char *q = from; q < end; q++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:%", *q))
			return ai_fail(err, AI_EINPUT, "git URL: host holds a character that no host has");
	if (*from == '-')
		return ai_fail(err, AI_EINPUT, "git URL: host begins with '-'");
	for (; port && port < p + n; port++) {
		if (*port < '0' || *port > '9' || u->port > 6553)
			return ai_fail(err, AI_EINPUT, "git URL: malformed port");
		u->port = u->port * 10 + (unsigned)(*port - '0');
	}
	u->host = ai_strndup(from, (size_t)(end - from));
	return u->host ? 0 : ai_nomem(err);
}

static int
parse_remote(const char *text, const char *rest, struct ai_git_url *u, struct ai_err *err)
{
	size_t n = strcspn(rest, "/?#");
	const char *host = take_user(rest, n, u);
	if (take_host(host, n - (size_t)(host - rest), u, err) < 0)
		return err->code;
	size_t scheme = (size_t)(rest - text);
	size_t tail = strcspn(host, "#");
	if (u->scheme == AI_GIT_SSH && u->user) {
		/* The login stays, percent-encoded as it was written; a password goes through the credential callback. */
		size_t login = strcspn(rest, ":@");
		u->wire = ai_format("%.*s%.*s@%.*s", (int)scheme, text, (int)login, rest, (int)tail, host);
	} else {
		u->wire = ai_format("%.*s%.*s", (int)scheme, text, (int)tail, host);
	}
	u->shown = ai_url_public(u->wire ? u->wire : "");
	return u->wire && u->shown ? 0 : ai_nomem(err);
}

static int
parse_scp(const char *text, size_t colon, struct ai_git_url *u, struct ai_err *err)
{
	u->scheme = AI_GIT_SSH;
	if (strstr(text, "::"))
		return ai_fail(err, AI_EINPUT, "git URL: transport '%.*s': expected file, http, https or ssh", (int)colon, text);
	const char *host = take_user(text, colon, u);
	if (take_host(host, colon - (size_t)(host - text), u, err) < 0)
		return err->code;
	u->wire = ai_strdup(text);
	u->shown = ai_strdup(text);
	return u->wire && u->shown ? 0 : ai_nomem(err);
}

static int
parse_path(const char *path, const char *base, struct ai_git_url *u, struct ai_err *err)
{
	AI_FREE char *joined = path[0] == '/' ? ai_strdup(path) : ai_join(base, path);
	u->scheme = AI_GIT_FILE;
	u->path = joined ? ai_abspath(joined) : NULL;
	u->wire = u->path ? ai_strdup(u->path) : NULL;
	u->shown = ai_strdup(path);
	free(u->full);
	u->full = u->path ? ai_strdup(u->path) : NULL;
	return u->path && u->wire && u->shown && u->full ? 0 : ai_nomem(err);
}

static int
parse_file_url(const char *rest, struct ai_git_url *u, struct ai_err *err)
{
	if (strncmp(rest, "localhost/", 10) == 0)
		rest += 9;
	if (rest[0] != '/')
		return ai_fail(err, AI_EINPUT, "git URL: a file URL needs an absolute path: 'file:///…'");
	AI_FREE char *path = decode(rest, strlen(rest));
	return path ? parse_path(path, "/", u, err) : ai_fail(err, AI_EINPUT, "git URL: malformed path");
}

static int
parse(const char *text, const char *base, struct ai_git_url *u, struct ai_err *err)
{
	static const struct { const char *word; ai_git_scheme scheme; } schemes[] = {
		{ "http://", AI_GIT_HTTP }, { "https://", AI_GIT_HTTPS }, { "ssh://", AI_GIT_SSH }, { "git+ssh://", AI_GIT_SSH },
	};
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return ai_fail(err, AI_EINPUT, "git URL: holds a control character");
	if (!text[0] || text[0] == '-')
		return ai_fail(err, AI_EINPUT, "git URL: is empty or begins with '-'");
	u->full = ai_strdup(text);
	if (!u->full)
		return ai_nomem(err);
	if (strncasecmp(text, "file://", 7) == 0)
		return parse_file_url(text + 7, u, err);
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		size_t n = strlen(schemes[i].word);
		if (strncasecmp(text, schemes[i].word, n) == 0) {
			u->scheme = schemes[i].scheme;
			return parse_remote(text, text + n, u, err);
		}
	}
	size_t colon = scp_colon(text);
	if (strstr(text, "://") && colon)
		return ai_fail(err, AI_EINPUT, "git URL: scheme '%.*s': expected file, http, https or ssh", (int)strcspn(text, ":"), text);
	return colon ? parse_scp(text, colon, u, err) : parse_path(text, base, u, err);
}

int
ai_git_url_parse(const char *text, const char *base, struct ai_git_url *out, struct ai_err *err)
{
	struct ai_git_url u = { .scheme = AI_GIT_FILE };
	if (parse(text, base, &u, err) < 0) {
		ai_git_url_done(&u);
		return err->code;
	}
	*out = u;
	return 0;
}

void
ai_git_url_done(struct ai_git_url *u)
{
	free(u->full);
	free(u->wire);
	free(u->shown);
	free(u->path);
	free(u->host);
	free(u->user);
	free(u->password);
	*u = (struct ai_git_url){ .scheme = AI_GIT_FILE };
}

/* parent without its last component; false when there is none left after the host. The separator found is *sep. */
static bool
chop(char *parent, size_t least, char *sep)
{
	size_t n = strlen(parent);
	while (n > least && parent[n - 1] != '/' && parent[n - 1] != ':')
		n--;
	if (n <= least)
		return false;
	*sep = parent[n - 1];
	parent[n - 1] = '\0';
	return true;
}

static char *
resolve_relative(const struct ai_git_url *parent, const char *url)
{
	AI_FREE char *base = ai_strndup(parent->full, strcspn(parent->full, parent->scheme == AI_GIT_FILE ? "" : "?#"));
	if (!base)
		return NULL;
	for (size_t n = strlen(base); n > 1 && base[n - 1] == '/'; n--)
		base[n - 1] = '\0';
	const char *host = strstr(base, "://");
	size_t least = !host ? 0 : (size_t)(host - base) + 3 + strcspn(host + 3, "/");
	char sep = '/';
	for (;;) {
		if (strncmp(url, "../", 3) == 0) {
			if (!chop(base, least, &sep))
				return NULL;
			url += 3;
		} else if (strncmp(url, "./", 2) == 0) {
			url += 2;
		} else {
			break;
		}
	}
	return ai_format("%s%c%s", base, sep, url);
}

int
ai_git_url_submodule(const struct ai_git_url *parent, const char *url, struct ai_git_url *out, struct ai_err *err)
{
	AI_FREE char *absolute = NULL;
	if (strncmp(url, "./", 2) == 0 || strncmp(url, "../", 3) == 0) {
		absolute = resolve_relative(parent, url);
		if (!absolute)
			return ai_fail(err, AI_EINPUT, "submodule URL '%s' leads out of '%s'", url, parent->shown);
	}
	struct ai_git_url u;
	if (ai_git_url_parse(absolute ? absolute : url, parent->path ? parent->path : "/", &u, err) < 0)
		return err->code;
	/* Or a foreign repository could have files of this machine taken in as if they were its own. */
	if (u.scheme == AI_GIT_FILE && parent->scheme != AI_GIT_FILE) {
		ai_git_url_done(&u);
		return ai_fail(err, AI_EINPUT, "submodule URL '%s' names a path of this machine: refused for a submodule of '%s'", url, parent->shown);
	}
	*out = u;
	return 0;
}

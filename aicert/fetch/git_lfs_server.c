/* git_lfs_server.c -- see git_lfs_server.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/git_lfs_server.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/path.h"
#include "fetch/auth.h"
#include "fetch/http.h"
#include "fetch/http_transfer.h"

/* The ways to log in, in the order in which they are tried; each once. */
enum way { WAY_URL, WAY_TOKEN, WAY_NETRC, WAY_HELPER };

enum { MAX_ANSWER = 16 << 20 };

/* --- where it is --------------------------------------------------------------------------- */

static int
set_url(struct ai_lfs_server *s, const char *base, const char *suffix, struct ai_err *err)
{
	size_t n = strcspn(base, "?#");
	while (n > 0 && base[n - 1] == '/')
		n--;
	s->url = ai_format("%.*s%s", (int)n, base, suffix);
	s->shown = s->url ? ai_url_public(s->url) : NULL;
	return s->shown ? 0 : ai_nomem(err);
}

/* The repository's path as an ssh server has it: of ssh://host/path with its '/', of host:path without one. */
static const char *
ssh_path(const char *wire)
{
	const char *scheme = strstr(wire, "://");
	if (scheme)
		return strchr(scheme + 3, '/');
	const char *bracket = strstr(wire, "]:"), *colon = bracket ? bracket + 1 : strchr(wire, ':');
	return colon ? colon + 1 : NULL;
}

/* For a remote shell: in single quotes. */
static char *
quoted(const char *s)
{
	struct ai_buf b = AI_BUF(8192);
	ai_buf_putc(&b, '\'');
	for (; *s; s++)
		ai_buf_puts(&b, *s == '\'' ? "'\\''" : (char[]){ *s, '\0' });
	ai_buf_putc(&b, '\'');
	if (b.state != AI_BUF_GOOD) {
		ai_buf_done(&b);
		return NULL;
	}
	return ai_buf_take(&b);
}

static int
ssh_failed(const struct ai_lfs_server *s, const char *why, struct ai_err *err)
{
	ai_fail(err, AI_EINPUT, "Git LFS: '%s': ssh server gives no LFS server: %s", s->remote->shown, why);
	return ai_hint(err, "name one in .lfsconfig (lfs.url), use the repository's https URL, or 'lfs: false' to take pointers as the files that they are");
}

/* git reads known_hosts in $HOME, ssh in the home that the system knows: "-oUserKnownHostsFile=…" where these differ, else NULL. */
static char *
known_hosts_option(void)
{
	const char *home = getenv("HOME");
	const struct passwd *pw = getpwuid(geteuid());
	bool same = !home || !*home || strpbrk(home, "\"\r\n") || (pw && strcmp(pw->pw_dir, home) == 0);
	return same ? NULL : ai_format("-oUserKnownHostsFile=\"%s/.ssh/known_hosts\"", home);
}

/* `git-lfs-authenticate PATH download` over ssh answers with href and header. */
static int
ask_ssh(struct ai_lfs_server *s, struct ai_err *err)
{
	AI_FREE char *known_hosts = known_hosts_option();
	const struct ai_git_url *u = s->remote;
	const char *path = ssh_path(u->wire);
	AI_FREE char *quoted_path = path ? quoted(path) : NULL;
	AI_FREE char *command = quoted_path ? ai_format("git-lfs-authenticate %s download", quoted_path) : NULL;
	AI_BUF_AUTO said = AI_BUF(1 << 16);
	char port[16], ssh[] = "ssh", batch[] = "-oBatchMode=yes", p[] = "-p", l[] = "-l", end[] = "--";
	char *argv[12];
	int n = 0, code = 0;
	if (!command)
		return path ? ai_nomem(err) : ssh_failed(s, "its URL has no path", err);
	argv[n++] = ssh;
	argv[n++] = batch;
	if (known_hosts)
		argv[n++] = known_hosts;
	snprintf(port, sizeof port, "%u", u->port);
	if (u->port) {
		argv[n++] = p;
		argv[n++] = port;
	}
	if (u->user) {
		argv[n++] = l;
		argv[n++] = u->user;
	}
	argv[n++] = end;
	argv[n++] = u->host;
	argv[n++] = command;
	argv[n] = NULL;
	int r = ai_auth_ask(argv, "", 0, &said, &code, err);
	if (r <= 0)
		return r < 0 ? r : ssh_failed(s, "ssh cannot be run, or does not answer within 30 s", err);
	if (code != 0)
		return ssh_failed(s, code == 255 ? "ssh cannot log in" : "git-lfs-authenticate fails there", err);
	AI_JSON *answer = json_loadb(said.data ? said.data : "", said.len, JSON_REJECT_DUPLICATES, NULL);
	if (said.data)
		explicit_bzero(said.data, said.len);
	const char *href = ai_json_str(answer, "href");
	if (!href)
		return ssh_failed(s, "git-lfs-authenticate names no place", err);
	s->header = json_incref(ai_json_obj(answer, "header"));
	return set_url(s, href, "", err);
}

int
ai_lfs_server_open(const struct ai_fetch *f, const struct ai_git_url *remote, const char *configured, struct ai_lfs_server *out, struct ai_err *err)
{
	struct ai_lfs_server s = { .f = f, .remote = remote, .plain = remote->scheme == AI_GIT_HTTP };
	size_t n = strlen(remote->wire);
	bool dot_git = n >= 4 && strncmp(remote->wire + n - 4, ".git", 4) == 0;
	int r;
	if (configured && (ai_url_has_secret(configured) || (strncasecmp(configured, "http://", 7) != 0 && strncasecmp(configured, "https://", 8) != 0)))
		r = ai_fail(err, AI_EINPUT, ".lfsconfig: lfs.url: expected a URL with http or https, and without a login");
	else if (configured)
		r = set_url(&s, configured, "", err);
	else if (remote->scheme == AI_GIT_SSH)
		r = ask_ssh(&s, err);
	else
		r = set_url(&s, remote->wire, dot_git ? "/info/lfs" : ".git/info/lfs", err);
	if (r < 0)
		ai_lfs_server_close(&s);
	else
		*out = s;
	return r;
}

void
ai_lfs_server_close(struct ai_lfs_server *s)
{
	if (s->login)
		explicit_bzero(s->login, strlen(s->login));
	free(s->login);
	free(s->url);
	free(s->shown);
	json_decref(s->header);
	*s = (struct ai_lfs_server){ NULL };
}

bool
ai_lfs_server_is(const struct ai_lfs_server *s, const char *url)
{
	return ai_http_same_origin(s->url, url);
}

/* --- who we are there -------------------------------------------------------------------------- */

static bool
first_time(struct ai_lfs_server *s, enum way way)
{
	bool first = !(s->tried & 1u << way);
	s->tried |= 1u << way;
	return first;
}

/* The next login that this server may be shown: 1, 0 there is none (left), negative. */
static int
next_login(struct ai_lfs_server *s, struct ai_login *out, struct ai_err *err)
{
	const struct ai_git_url *u = s->remote;
	bool https;
	AI_FREE char *host = ai_http_host(s->url, &https);
	int found = 0;
	if (!host)
		return 0;
	bool own = u->scheme != AI_GIT_SSH && ai_http_same_origin(u->wire, s->url), safe = https || ai_http_is_loopback(host);
	if (own && u->password && first_time(s, WAY_URL)) {
		*out = (struct ai_login){ ai_strdup(u->user), ai_strdup(u->password) };
		return out->user && out->password ? 1 : ai_nomem(err);
	}
	if (safe && first_time(s, WAY_TOKEN))
		found = ai_auth_token(host, out, err);
	/* Without TLS these go where the repository itself is, as git shows them, and nowhere else. */
	if (found == 0 && (safe || own) && first_time(s, WAY_NETRC))
		found = ai_auth_netrc(host, own ? u->user : NULL, out, err);
	if (found == 0 && (safe || own) && first_time(s, WAY_HELPER))
		found = ai_auth_helper(https ? "https" : "http", host, own ? u->port : 0, own ? u->user : NULL, out, err);
	return found;
}

static int
log_in(struct ai_lfs_server *s, struct ai_err *err)
{
	struct ai_login l = { NULL, NULL };
	AI_BUF_AUTO pair = AI_BUF(8192);
	AI_BUF_AUTO line = AI_BUF(16384);
	int r = next_login(s, &l, err);
	if (r > 0) {
		ai_buf_printf(&pair, "%s:%s", l.user, l.password);
		ai_buf_puts(&line, "Authorization: Basic ");
		ai_b64_put(&line, pair.data, pair.len);
		if (ai_buf_ok(&pair, "login", err) < 0 || ai_buf_ok(&line, "login", err) < 0)
			r = err->code;
		explicit_bzero(pair.data, pair.len);
	}
	ai_login_done(&l);
	if (r <= 0)
		return r;
	free(s->login);
	s->login = ai_buf_take(&line);
	return 1;
}

static void
mask(char *text, const char *secret)
{
	size_t n = strlen(secret);
	for (char *p = n >= 3 ? strstr(text, secret) : NULL; p; p = strstr(p + n, secret))
		memset(p, '*', n);
}

static void
mask_value(char *text, const char *value)
{
	const char *last = strrchr(value, ' ');
	mask(text, value);
	if (last)
		mask(text, last + 1);
}

void
ai_lfs_server_hide(const struct ai_lfs_server *s, struct ai_err *err)
{
	struct ai_err ignored = { 0 };
	AI_BUF_AUTO pair = AI_BUF(8192);
	const char *basic = s->login ? strrchr(s->login, ' ') + 1 : "", *name;
	json_t *value;
	if (*basic && ai_b64_get(basic, strlen(basic), &pair, &ignored) == 0 && pair.data) {
		const char *colon = strchr(pair.data, ':');
		mask(err->text, colon ? colon + 1 : pair.data);
		explicit_bzero(pair.data, pair.len);
	}
	mask(err->text, basic);
	json_object_foreach(s->header, name, value)
		if (json_is_string(value))
			mask_value(err->text, json_string_value(value));
}

/* --- questions ---------------------------------------------------------------------------------- */

static int
call(const struct ai_lfs_server *s, const char *url, const char *body, struct ai_http_answer *answer, struct ai_err *err)
{
	const char *headers[24] = { "Accept: application/vnd.git-lfs+json", "Content-Type: application/vnd.git-lfs+json" };
	char *own[20];
	size_t n = 2, n_own = 0;
	const char *name;
	json_t *value;
	json_object_foreach(s->header, name, value)
		if (n_own < 16 && json_is_string(value) && !strpbrk(name, "\r\n:") && !strpbrk(json_string_value(value), "\r\n")) {
			own[n_own] = ai_format("%s: %s", name, json_string_value(value));
			if (own[n_own])
				headers[n++] = own[n_own++];
		}
	if (s->login)
		headers[n++] = s->login;
	struct ai_http_request req = { .url = url, .headers = headers, .n_headers = n, .size = -1, .talk = s->f->talk, .max = MAX_ANSWER, .post = body, .plain = s->plain };
	int r = ai_http_call(&req, answer, err);
	for (size_t i = 0; i < n_own; i++) {
		explicit_bzero(own[i], strlen(own[i]));
		free(own[i]);
	}
	return r;
}

static int
refused(const struct ai_lfs_server *s, const struct ai_http_answer *a, struct ai_err *err)
{
	AI_JSON *said = a->body.data ? json_loadb(a->body.data, a->body.len, 0, NULL) : NULL;
	const char *message = ai_json_str(said, "message");
	ai_fail(err, a->status >= 500 || a->status == 429 ? AI_EENV : AI_EINPUT, "Git LFS: '%s': the server answers %ld%s%.200s", s->shown, a->status, message ? ": " : ", expected 200", message ? message : "");
	ai_lfs_server_hide(s, err);
	if (a->status == 401 || a->status == 403)
		return ai_hint(err, "a private repository needs a login (credential helper, netrc, user info in the URL or token variable)");
	return ai_hint(err, "'lfs: false' takes pointers as the files that they are");
}

int
ai_lfs_ask(struct ai_lfs_server *s, const json_t *request, json_t **answer, struct ai_err *err)
{
	AI_FREE char *url = ai_format("%s/objects/batch", s->url);
	AI_FREE char *body = json_dumps(request, JSON_COMPACT);
	struct ai_http_answer a = { .status = 0 };
	if (!url || !body)
		return ai_nomem(err);
	int r = call(s, url, body, &a, err);
	while (r == 0 && (a.status == 401 || a.status == 403 || a.status == 404) && !s->header && (r = log_in(s, err)) == 1) {
		ai_http_answer_done(&a);
		r = call(s, url, body, &a, err);
	}
	if (r == 0 && a.status == 200) {
		*answer = json_loadb(a.body.data ? a.body.data : "", a.body.len, JSON_REJECT_DUPLICATES, NULL);
		r = *answer ? 0 : ai_fail(err, AI_EINPUT, "Git LFS: '%s': the server's answer is not JSON", s->shown);
	} else if (r == 0) {
		r = refused(s, &a, err);
	}
	ai_http_answer_done(&a);
	return r;
}

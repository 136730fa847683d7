/* index_page.c -- see index_page.h.  SPDX-License-Identifier: Apache-2.0 */
#include "run/pip/index_page.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/path.h"
#include "run/pip/requirements_text.h"

void
ai_link_done(struct ai_link *l)
{
	free(l->url);
	free(l->name);
	free(l->yanked_why);
	free(l->requires_python);
	*l = (struct ai_link){ 0 };
}

void
ai_links_free(struct ai_link *links, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ai_link_done(&links[i]);
	free(links);
}

/* --- URLs ------------------------------------------------------------------- */

/* Length of "scheme:" at s, or 0. */
static size_t
scheme_length(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
	return n && isalpha((unsigned char)s[0]) && s[n] == ':' ? n + 1 : 0;
}

/* Where the host of "scheme://host…" begins and how far it goes, with user info and port. */
static const char *
authority(const char *url, size_t *n)
{
	size_t s = scheme_length(url);
	if (!s || strncmp(url + s, "//", 2) != 0)
		return NULL;
	*n = strcspn(url + s + 2, "/?#");
	return url + s + 2;
}

/* Removes "." and ".." parts (RFC 3986, 5.2.4) from a path that begins with '/'. */
static void
tidy_path(const char *path, size_t n, struct ai_buf *out)
{
	size_t floor = out->len;
	for (size_t i = 0; i < n;) {
		size_t k = 1;
		while (i + k < n && path[i + k] != '/')
			k++;
		bool last = i + k >= n;
		if (k == 2 && path[i + 1] == '.') {
			if (last)
				ai_buf_putc(out, '/');
		} else if (k == 3 && path[i + 1] == '.' && path[i + 2] == '.') {
			while (out->len > floor && out->data[--out->len] != '/')
				;
			if (last)
				ai_buf_putc(out, '/');
		} else {
			ai_buf_put(out, path + i, k);
		}
		i += k;
	}
	if (out->len == floor)
		ai_buf_putc(out, '/');
}

char *
ai_url_join(const char *base, const char *ref)
{
	size_t host_n = 0;
	const char *host = authority(base, &host_n);
	AI_BUF_AUTO b = AI_BUF(64u << 10);
	if (!host)
		return NULL;
	if (scheme_length(ref))
		return ai_strdup(ref);
	if (strncmp(ref, "//", 2) == 0) {
		ai_buf_put(&b, base, scheme_length(base));
		ai_buf_puts(&b, ref);
		return b.state == AI_BUF_GOOD ? ai_buf_take(&b) : NULL;
	}
	const char *path = host + host_n;
	size_t path_n = strcspn(path, "?#");
	ai_buf_put(&b, base, (size_t)(path - base));
	AI_BUF_AUTO p = AI_BUF(64u << 10);
	if (ref[0] == '/' || ref[0] == '\0' || ref[0] == '?' || ref[0] == '#') {
		ai_buf_put(&p, ref[0] == '/' ? ref : path, ref[0] == '/' ? strcspn(ref, "?#") : path_n);
	} else {
		while (path_n && path[path_n - 1] != '/')
			path_n--;
		ai_buf_put(&p, path, path_n);
		if (!path_n)
			ai_buf_putc(&p, '/');
		ai_buf_put(&p, ref, strcspn(ref, "?#"));
	}
	if (p.state == AI_BUF_GOOD && p.len)
		tidy_path(p.data, p.len, &b);
	ai_buf_puts(&b, ref + strcspn(ref, "?#"));
	return b.state == AI_BUF_GOOD && p.state == AI_BUF_GOOD ? ai_buf_take(&b) : NULL;
}

/* The host without user info, and the port as a number's text ("80" when none is said). */
static const char *
host_of(const char *url, size_t *n, char port[8])
{
	const char *a = authority(url, n);
	if (!a)
		return NULL;
	const char *at = memrchr(a, '@', *n);
	if (at) {
		*n -= (size_t)(at + 1 - a);
		a = at + 1;
	}
	const char *colon = memrchr(a, ':', *n), *bracket = memrchr(a, ']', *n);
	const char *said = strncasecmp(url, "https:", 6) == 0 ? "443" : "80";
	size_t said_n = strlen(said);
	if (colon && (!bracket || colon > bracket)) {
		if (colon + 1 < a + *n) {
			said = colon + 1;
			said_n = (size_t)(a + *n - said);
		}
		*n = (size_t)(colon - a);
	}
	if (said_n >= 8)
		return NULL;
	memcpy(port, said, said_n);
	port[said_n] = '\0';
	return a;
}

bool
ai_url_same_host(const char *a, const char *b)
{
	size_t an = 0, bn = 0;
	char ap[8], bp[8];
	const char *ah = host_of(a, &an, ap), *bh = host_of(b, &bn, bp);
	size_t as = scheme_length(a), bs = scheme_length(b);
	return ah && bh && an == bn && strncasecmp(ah, bh, an) == 0 && strcmp(ap, bp) == 0 && as == bs && strncasecmp(a, b, as) == 0;
}

char *
ai_url_with_login(const char *url, const char *index)
{
	size_t n = 0, k = 0;
	const char *theirs = authority(index, &n), *at = theirs ? memrchr(theirs, '@', n) : NULL;
	const char *ours = authority(url, &k);
	if (!at || !ours || memchr(ours, '@', k) || !ai_url_same_host(url, index))
		return ai_strdup(url);
	return ai_format("%.*s%.*s%s", (int)(ours - url), url, (int)(at + 1 - theirs), theirs, ours);
}

/* --- names of files ------------------------------------------------------------- */

static bool
ends_with(const char *s, size_t n, const char *end)
{
	size_t k = strlen(end);
	return n > k && strncasecmp(s + n - k, end, k) == 0;
}

/* Length of the name without what ends a source distribution's, or 0. */
static size_t
sdist_stem(const char *name)
{
	static const char *const ends[] = { ".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz", ".tar" };
	size_t n = strlen(name);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (ends_with(name, n, ends[i]))
			return n - strlen(ends[i]);
	return 0;
}

static bool
is_plain(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-+!");
	return n && n <= 255 && name[n] == '\0' && name[0] != '.' && name[0] != '-';
}

char *
ai_file_project(const char *name)
{
	size_t n = strlen(name), dashes = 0;
	if (!is_plain(name))
		return NULL;
	if (ends_with(name, n, ".whl")) {
		for (const char *p = name; *p; p++)
			dashes += *p == '-';
		return dashes == 4 || dashes == 5 ? ai_project_name(name, strcspn(name, "-")) : NULL;
	}
	/* "my-project-1.0": the version begins at the last dash before a digit. */
	for (size_t k = sdist_stem(name); k > 1; k--)
		if (name[k - 1] == '-' && isdigit((unsigned char)name[k]))
			return ai_project_name(name, k - 1);
	return NULL;
}

/* --- pages ------------------------------------------------------------------------ */

/* The character that "&name;" at p stands for, and its length; plain '&' where it stands for none that matters here. */
static char
entity(const char *p, size_t n, size_t *used)
{
	static const struct { const char *text; char c; } known[] = {
		{ "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' }, { "&#39;", '\'' }, { "&#x27;", '\'' },
		{ "&#34;", '"' }, { "&#60;", '<' }, { "&#62;", '>' }, { "&#38;", '&' }, { "&#43;", '+' }, { "&#x2b;", '+' }, { "&#61;", '=' },
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		size_t k = strlen(known[i].text);
		if (n >= k && strncasecmp(p, known[i].text, k) == 0) {
			*used = k;
			return known[i].c;
		}
	}
	*used = 1;
	return '&';
}

/* An attribute's value as text; control characters and DEL become '?'. NULL when memory is out. */
static char *
unescaped(const char *p, size_t n)
{
	char *out = ai_calloc(n + 1, 1);
	size_t k = 0;
	for (size_t i = 0; out && i < n;) {
		size_t used = 1;
		char c = p[i] == '&' ? entity(p + i, n - i, &used) : p[i];
		out[k++] = (unsigned char)c < 0x20 || c == 0x7f ? '?' : c;
		i += used;
	}
	return out;
}

struct tag { char *href, *requires_python, *yanked, *metadata; };

static void
tag_done(struct tag *t)
{
	free(t->href);
	free(t->requires_python);
	free(t->yanked);
	free(t->metadata);
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* One attribute at p (before end) into the tag; returns where the next begins. */
static const char *
take_attribute(const char *p, const char *end, struct tag *t)
{
	const char *name = p, *value = "";
	while (p < end && !is_space(*p) && *p != '=' && *p != '>' && *p != '/')
		p++;
	size_t name_n = (size_t)(p - name), n = 0;
	while (p < end && is_space(*p))
		p++;
	if (p < end && *p == '=') {
		p++;
		while (p < end && is_space(*p))
			p++;
		char quote = p < end && (*p == '"' || *p == '\'') ? *p : 0;
		value = p += quote != 0;
		while (p < end && (quote ? *p != quote : !is_space(*p) && *p != '>'))
			p++;
		n = (size_t)(p - value);
		p += quote && p < end;
	}
	struct { const char *name; char **to; } const known[] = {
		{ "href", &t->href }, { "data-requires-python", &t->requires_python }, { "data-yanked", &t->yanked },
		{ "data-dist-info-metadata", &t->metadata }, { "data-core-metadata", &t->metadata },
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strlen(known[i].name) == name_n && strncasecmp(known[i].name, name, name_n) == 0 && !*known[i].to)
			*known[i].to = unescaped(value, n);
	/* What is no attribute at all ("/", "=") is stepped over. */
	return name_n == 0 && p == name ? p + 1 : p;
}

/* "sha256=<hex>" at the start of text (up to '&'). */
static bool
sha256_at(const char *text, struct ai_digest *out)
{
	if (strncasecmp(text, "sha256=", 7) != 0)
		return false;
	char hex[AI_HEX];
	size_t n = strcspn(text + 7, "&");
	if (n != 64)
		return false;
	for (size_t i = 0; i < n; i++)
		hex[i] = (char)tolower((unsigned char)text[7 + i]);
	hex[n] = '\0';
	return ai_unhex(hex, out);
}

static int
hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The last part of a URL's path, %XX decoded; fresh. */
static char *
url_file_name(const char *url)
{
	size_t end = strcspn(url, "?#"), from = end, k = 0;
	while (from && url[from - 1] != '/')
		from--;
	char *out = ai_calloc(end - from + 1, 1);
	for (size_t i = from; out && i < end; i++) {
		int hi = url[i] == '%' && i + 2 < end ? hex_value(url[i + 1]) : -1, lo = hi >= 0 ? hex_value(url[i + 2]) : -1;
		out[k++] = (char)(lo >= 0 ? hi << 4 | lo : url[i]);
		i += lo >= 0 ? 2 : 0;
	}
	return out;
}

/* Only what curl is to be asked for: no white space, no bytes beyond ASCII. */
static bool
is_web(const char *url)
{
	if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
		return false;
	for (const unsigned char *p = (const unsigned char *)url; *p; p++)
		if (*p <= 0x20 || *p >= 0x7f)
			return false;
	return strlen(url) < 8192;
}

/* A tag's link: 1 filled in, 0 not one that we follow, negative: memory. */
static int
link_of(struct tag *t, const char *base, struct ai_link *out, struct ai_err *err)
{
	struct ai_link l = { 0 };
	l.url = ai_url_join(base, t->href);
	l.name = l.url ? url_file_name(l.url) : NULL;
	AI_FREE char *project = l.name ? ai_file_project(l.name) : NULL;
	if (!project || !is_web(l.url)) {
		ai_link_done(&l);
		return 0;
	}
	const char *fragment = strchr(t->href, '#');
	l.url[strcspn(l.url, "#")] = '\0';
	l.kind = ends_with(l.name, strlen(l.name), ".whl") ? AI_LINK_WHEEL : AI_LINK_SDIST;
	for (const char *p = fragment; p && !l.hashed; p = strchr(p, '&'))
		l.hashed = sha256_at(++p, &l.sha256);
	if (t->metadata) {
		l.metadata_hashed = sha256_at(t->metadata, &l.metadata_sha256);
		l.metadata = l.metadata_hashed || strcasecmp(t->metadata, "true") == 0;
	}
	l.yanked = t->yanked != NULL;
	l.yanked_why = t->yanked;
	l.requires_python = t->requires_python;
	t->yanked = t->requires_python = NULL;
	(void)err;
	*out = l;
	return 1;
}

struct page { struct ai_link *links; size_t n, cap; const char *base; char *own_base; };

static int
take_tag(struct page *g, struct tag *t, bool is_base, struct ai_err *err)
{
	struct ai_link l;
	if (!t->href)
		return 0;
	if (is_base) {
		char *joined = g->own_base ? NULL : ai_url_join(g->base, t->href);
		if (joined && is_web(joined))
			g->base = g->own_base = joined;
		else
			free(joined);
		return 0;
	}
	int r = link_of(t, g->base, &l, err);
	if (r <= 0)
		return r;
	if (g->n >= AI_MAX_PAGE_LINKS || ai_grow(&g->links, &g->cap, g->n, sizeof *g->links, err) < 0) {
		ai_link_done(&l);
		return g->n >= AI_MAX_PAGE_LINKS ? ai_fail(err, AI_EINPUT, "more than %d links", AI_MAX_PAGE_LINKS) : err->code;
	}
	g->links[g->n++] = l;
	return 0;
}

/* The tag whose '<' is at p; returns what follows it, or NULL with err. */
static const char *
one_tag(struct page *g, const char *p, const char *end, struct ai_err *err)
{
	if (end - p >= 4 && memcmp(p, "<!--", 4) == 0) {
		const char *close = memmem(p + 4, (size_t)(end - p - 4), "-->", 3);
		return close ? close + 3 : end;
	}
	bool is_a = end - p > 2 && tolower((unsigned char)p[1]) == 'a' && is_space(p[2]);
	bool is_base = end - p > 5 && strncasecmp(p + 1, "base", 4) == 0 && is_space(p[5]);
	if (!is_a && !is_base)
		return p + 1;
	struct tag t = { 0 };
	p += is_a ? 2 : 5;
	while (p < end && *p != '>') {
		if (is_space(*p))
			p++;
		else
			p = take_attribute(p, end, &t);
	}
	int r = take_tag(g, &t, is_base, err);
	tag_done(&t);
	return r < 0 ? NULL : p;
}

int
ai_index_page_links(const char *html, size_t len, const char *base, struct ai_link **out, size_t *n_out, struct ai_err *err)
{
	struct page g = { .base = base };
	const char *end = html + len;
	int r = 0;
	for (const char *p = html; r == 0 && p < end && (p = memchr(p, '<', (size_t)(end - p)));)
		r = (p = one_tag(&g, p, end, err)) ? 0 : err->code;
	free(g.own_base);
	if (r < 0) {
		ai_links_free(g.links, g.n);
		return r;
	}
	*out = g.links;
	*n_out = g.n;
	return 0;
}

static void
put_escaped(struct ai_buf *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '&' || *s == '<' || *s == '>' || *s == '"')
			ai_buf_printf(out, "&#%d;", *s);
		else
			ai_buf_putc(out, *s);
	}
}

static void
put_digest(struct ai_buf *out, const struct ai_digest *d)
{
	char hex[AI_HEX];
	ai_hex(d, hex);
	ai_buf_printf(out, "sha256=%s", hex);
}

void
ai_index_page_write(const struct ai_link *links, size_t n, size_t first, bool (*keep)(void *ctx, const struct ai_link *l), void *ctx,
	struct ai_buf *out)
{
	ai_buf_puts(out, "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n");
	for (size_t i = 0; i < n; i++) {
		const struct ai_link *l = &links[i];
		if (!keep(ctx, l))
			continue;
		ai_buf_printf(out, "<a href=\"/file/%zu/%s", first + i, l->name);
		if (l->hashed) {
			ai_buf_putc(out, '#');
			put_digest(out, &l->sha256);
		}
		ai_buf_putc(out, '"');
		if (l->requires_python) {
			ai_buf_puts(out, " data-requires-python=\"");
			put_escaped(out, l->requires_python);
			ai_buf_putc(out, '"');
		}
		if (l->yanked) {
			ai_buf_puts(out, " data-yanked=\"");
			put_escaped(out, l->yanked_why);
			ai_buf_putc(out, '"');
		}
		if (l->metadata) {
			ai_buf_puts(out, " data-dist-info-metadata=\"");
			if (l->metadata_hashed)
				put_digest(out, &l->metadata_sha256);
			else
				ai_buf_puts(out, "true");
			ai_buf_putc(out, '"');
		}
		ai_buf_printf(out, ">%s</a><br>\n", l->name);
	}
	ai_buf_puts(out, "</body></html>\n");
}

/* --- requests ------------------------------------------------------------------------ */

/* Decimal digits at *p, at most nine; moves past them. */
static bool
number_at(const char **p, size_t *out)
{
	size_t v = 0, n = 0;
	for (; (*p)[n] >= '0' && (*p)[n] <= '9' && n < 9; n++)
		v = v * 10 + (size_t)((*p)[n] - '0');
	*p += n;
	*out = v;
	return n > 0;
}

/* "/3/simple/numpy/", "/file/12/x.whl", "/file/12/x.whl.metadata"; all else is OTHER. */
static void
read_path(const char *path, struct ai_index_request *q)
{
	q->what = AI_ASK_OTHER;
	const char *p = path;
	if (strncmp(p, "/file/", 6) == 0) {
		p += 6;
		if (!number_at(&p, &q->number) || *p != '/')
			return;
		size_t n = strlen(p);
		q->what = ends_with(p, n, ".metadata") ? AI_ASK_METADATA : AI_ASK_FILE;
		return;
	}
	if (*p++ != '/' || !number_at(&p, &q->number) || strncmp(p, "/simple/", 8) != 0)
		return;
	p += 8;
	size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
	if (n == 0 || n >= sizeof q->project || p[0] == '.' || (p[n] != '\0' && strcmp(p + n, "/") != 0))
		return;
	memcpy(q->project, p, n);
	q->project[n] = '\0';
	q->what = AI_ASK_PROJECT;
}

int
ai_index_request(const char *head, size_t len, struct ai_index_request *out, struct ai_err *err)
{
	const char *end = memmem(head, len, "\r\n\r\n", 4);
	if (!end)
		return len < AI_MAX_REQUEST ? 0 : ai_fail(err, AI_EINPUT, "request: more than %u bytes", AI_MAX_REQUEST);
	const char *line_end = memmem(head, len, "\r\n", 2);
	const char *space = memchr(head, ' ', (size_t)(line_end - head));
	const char *second = space ? memchr(space + 1, ' ', (size_t)(line_end - space - 1)) : NULL;
	if (!second || line_end - second < 7 || memcmp(second + 1, "HTTP/1", 6) != 0 || memchr(head, '\0', (size_t)(line_end - head)))
		return ai_fail(err, AI_EINPUT, "request: is not HTTP/1");
	struct ai_index_request q = { .get = space - head == 3 && memcmp(head, "GET", 3) == 0 };
	AI_FREE char *path = ai_strndup(space + 1, (size_t)(second - space - 1));
	if (!path)
		return ai_nomem(err);
	read_path(path, &q);
	*out = q;
	return 1;
}

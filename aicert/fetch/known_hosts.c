/* known_hosts.c -- see known_hosts.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/known_hosts.h"

#include <ctype.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"

struct word { const char *p; size_t n; };

static struct word
next_word(const char **p, const char *end)
{
	while (*p < end && (**p == ' ' || **p == '\t'))
		++*p;
	struct word w = { *p, 0 };
	while (*p < end && **p != ' ' && **p != '\t' && **p != '\r')
		++*p;
	w.n = (size_t)(*p - w.p);
	return w;
}

static bool
is(struct word w, const char *s)
{
	return w.n == strlen(s) && memcmp(w.p, s, w.n) == 0;
}

/* `*` and `?` over a lower-case name; the star that matched last is where a mismatch goes back to. */
static bool
matches(struct word pattern, const char *name)
{
	size_t i = 0, star = SIZE_MAX;
	const char *back = NULL;
	while (*name) {
		if (i < pattern.n && pattern.p[i] == '*') {
			star = i++;
			back = name;
		} else if (i < pattern.n && (pattern.p[i] == '?' || tolower((unsigned char)pattern.p[i]) == *name)) {
			i++;
			name++;
		} else if (back) {
			i = star + 1;
			name = ++back;
		} else {
			return false;
		}
	}
	while (i < pattern.n && pattern.p[i] == '*')
		i++;
	return i == pattern.n;
}

/* |1|base64(salt)|base64(HMAC-SHA1(salt, name)) */
static bool
hashed_match(struct word w, const char *name)
{
	const char *salt = w.p + 3, *bar = memchr(salt, '|', w.n - 3);
	if (!bar)
		return false;
	struct ai_err err = { 0 };
	AI_BUF_AUTO key = AI_BUF(64);
	AI_BUF_AUTO want = AI_BUF(64);
	if (ai_b64_get(salt, (size_t)(bar - salt), &key, &err) < 0 || ai_b64_get(bar + 1, (size_t)(w.p + w.n - bar - 1), &want, &err) < 0)
		return false;
	unsigned char got[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	if (!HMAC(EVP_sha1(), key.data, (int)key.len, (const unsigned char *)name, strlen(name), got, &n))
		return false;
	return n == want.len && CRYPTO_memcmp(got, want.data, n) == 0;
}

static bool
hosts_match(struct word hosts, const char *name)
{
	if (hosts.n > 3 && memcmp(hosts.p, "|1|", 3) == 0)
		return hashed_match(hosts, name);
	bool hit = false;
	for (const char *p = hosts.p, *end = p + hosts.n; p < end;) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		struct word one = { p, (size_t)((comma ? comma : end) - p) };
		bool negated = one.n && *one.p == '!';
		if (negated) {
			one.p++;
			one.n--;
		}
		if (matches(one, name)) {
			if (negated)
				return false;
			hit = true;
		}
		p += one.n + negated + 1;
	}
	return hit;
}

static bool
same_key(struct word b64, const void *key, size_t key_len)
{
	struct ai_err err = { 0 };
	AI_BUF_AUTO bytes = AI_BUF(AI_MAX_CERT);
	return ai_b64_get(b64.p, b64.n, &bytes, &err) == 0 && bytes.len == key_len && memcmp(bytes.data, key, key_len) == 0;
}

/* The name under which known_hosts has a host. Fresh. */
static char *
listed_name(const char *host, unsigned port)
{
	char *name = port && port != 22 ? ai_format("[%s]:%u", host, port) : ai_strdup(host);
	for (char *s = name; s && *s; s++)
		*s = (char)tolower((unsigned char)*s);
	return name;
}

struct line { struct word mark, key; };

/* The next line at *p that is about this name; false at the end. */
static bool
next_line(const char **p, const char *end, const char *name, struct line *out)
{
	while (*p < end) {
		const char *eol = memchr(*p, '\n', (size_t)(end - *p));
		const char *at = *p, *stop = eol ? eol : end;
		struct word hosts = next_word(&at, stop);
		*p = eol ? eol + 1 : end;
		*out = (struct line){ { "", 0 }, { "", 0 } };
		if (hosts.n == 0 || *hosts.p == '#')
			continue;
		if (*hosts.p == '@') {
			out->mark = hosts;
			hosts = next_word(&at, stop);
		}
		(void)next_word(&at, stop); /* the key's type, which the key names too */
		out->key = next_word(&at, stop);
		if (out->key.n && (out->mark.n == 0 || is(out->mark, "@revoked")) && hosts_match(hosts, name))
			return true;
	}
	return false;
}

ai_host_verdict
ai_known_hosts_check(const char *text, size_t n, const char *host, unsigned port, const void *key, size_t key_len)
{
	AI_FREE char *name = listed_name(host, port);
	ai_host_verdict verdict = AI_HOST_UNKNOWN;
	struct line l;
	for (const char *p = text; name && next_line(&p, text + n, name, &l);) {
		bool same = same_key(l.key, key, key_len);
		if (l.mark.n && same)
			return AI_HOST_REVOKED;
		if (!l.mark.n && verdict != AI_HOST_KNOWN)
			verdict = same ? AI_HOST_KNOWN : AI_HOST_CHANGED;
	}
	return verdict;
}

/* packages_listed.c -- what apt-get --print-uris printed, read (packages.h); pure.  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/path.h"
#include "vm/build/packages.h"

enum { MAX_LINE = 4096 };

/* The text up to a byte, which is passed over: fresh, or NULL when the byte does not come before end (or memory is out). */
static char *
upto(const char **at, const char *end, char stop)
{
	const char *s = *at, *found = s < end ? memchr(s, stop, (size_t)(end - s)) : NULL;
	if (!found)
		return NULL;
	*at = found + 1;
	return ai_strndup(s, (size_t)(found - s));
}

/* "%3a" of an epoch becomes ':', in place: what apt's QuoteString does to names of files, undone. */
static bool
unquote(char *s)
{
	static const char digits[] = "0123456789abcdef";
	char *to = s;
	for (; *s; s++) {
		if (*s != '%') {
			*to++ = *s;
			continue;
		}
		const char *hi = s[1] ? strchr(digits, s[1] | 0x20) : NULL, *lo = hi && s[2] ? strchr(digits, s[2] | 0x20) : NULL;
		if (!lo || hi > digits + 15 || lo > digits + 15 || (hi == digits && lo == digits))
			return false;
		*to++ = (char)((hi - digits) * 16 + (lo - digits));
		s += 2;
	}
	*to = '\0';
	return true;
}

static bool
number(const char *s, json_int_t *out)
{
	json_int_t n = 0;
	if (!*s || strlen(s) > 12)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		n = n * 10 + (*s - '0');
	}
	*out = n;
	return true;
}

/* file: name_version_arch.deb, cut in place. */
static bool
cut(char *file, char **name, char **version)
{
	char *v = strchr(file, '_'), *arch = v ? strchr(v + 1, '_') : NULL;
	if (!arch)
		return false;
	*v++ = '\0';
	*arch++ = '\0';
	*name = file;
	*version = v;
	return (strcmp(arch, "amd64.deb") == 0 || strcmp(arch, "all.deb") == 0) && unquote(v) && ai_utf8_valid(v, strlen(v));
}

static int
one_line(const char *line, const char *end, json_t *packages, struct ai_err *err)
{
	const char *at = line + 1;
	AI_FREE char *url = *line == '\'' ? upto(&at, end, '\'') : NULL;
	at += url && at < end && *at == ' ';
	AI_FREE char *file = url ? upto(&at, end, ' ') : NULL;
	AI_FREE char *size = file ? upto(&at, end, ' ') : NULL;
	AI_FREE char *hash = size ? ai_strndup(at, (size_t)(end - at)) : NULL;
	char *name, *version;
	json_int_t bytes;
	struct ai_digest d;
	if (!hash || !cut(file, &name, &version) || !number(size, &bytes) || !ai_utf8_valid(url, strlen(url)) || !ai_utf8_valid(name, strlen(name)))
		return ai_fail(err, AI_EENV, "apt-get: printed what is no line of --print-uris: '%.200s'", file ? file : "?");
	if (strncmp(hash, "SHA256:", 7) != 0 || !ai_unhex(hash + 7, &d))
		return ai_fail(err, AI_EENV, "apt-get: package '%s': no SHA-256 is known of it: got '%.80s'", name, hash);
	json_t *p = json_pack("{s:s, s:s, s:s, s:I, s:s}", "name", name, "version", version, "url", url, "size", bytes, "sha256", hash + 7);
	return p && json_array_append_new(packages, p) == 0 ? 0 : ai_nomem(err);
}

int
ai_packages_listed(const char *text, size_t n, json_t *packages, struct ai_err *err)
{
	for (const char *s = text, *end = text + n; s < end;) {
		const char *stop = memchr(s, '\n', (size_t)(end - s));
		stop = stop ? stop : end;
		if (stop - s > MAX_LINE)
			return ai_fail(err, AI_EENV, "apt-get: printed a line of more than %d bytes", MAX_LINE);
		if (stop > s && one_line(s, stop, packages, err) < 0)
			return err->code;
		s = stop + (stop < end);
	}
	return 0;
}

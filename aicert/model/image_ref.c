/* image_ref.c -- see image_ref.h.  SPDX-License-Identifier: Apache-2.0 */
#include "model/image_ref.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/path.h"

enum { MAX_TEXT = 4096, MAX_TAG = 128, MAX_NAME = 255 };

static const char hub[] = "docker.io";

static bool
lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool
word_char(char c)
{
	return lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

/* path-component := alpha-numeric [separator alpha-numeric]*; separator := /[_.]|__|[-]+/ */
static const char *
component_fault(const char *s, size_t n)
{
	if (n == 0)
		return "a part of the repository is empty";
	if (!lower_or_digit(s[0]) || !lower_or_digit(s[n - 1]))
		return "a part of the repository begins or ends with what is no lower-case letter or digit";
	for (size_t i = 0; i < n; i++) {
		size_t run = 0;
		while (s[i + run] == s[i] && i + run < n && strchr("._-", s[i]))
			run++;
		if (run == 0 && !lower_or_digit(s[i]))
			return "the repository holds what is no lower-case letter, digit, '.', '_' or '-'";
		if (run > 0 && (!lower_or_digit(s[i + run]) || (s[i] == '.' && run > 1) || (s[i] == '_' && run > 2)))
			return "a part of the repository holds two separators in a row";
		i += run ? run - 1 : 0;
	}
	return NULL;
}

static const char *
repository_fault(const char *s, size_t n)
{
	struct ai_digest d;
	if (n > MAX_NAME)
		return "the repository is longer than 255 bytes";
	/* Such a name would be taken for an image's id. */
	AI_FREE char *whole = ai_strndup(s, n);
	if (whole && ai_unhex(strncmp(whole, "library/", 8) == 0 ? whole + 8 : whole, &d))
		return "the repository's name is 64 hex digits, as an image's id is";
	for (size_t i = 0; i <= n;) {
		size_t part = 0;
		while (i + part < n && s[i + part] != '/')
			part++;
		const char *fault = component_fault(s + i, part);
		if (fault)
			return fault;
		i += part + 1;
	}
	return NULL;
}

/* "host", "host:port", "[::1]:port" */
static const char *
registry_fault(const char *s)
{
	static const char no[] = "the registry is no host with an optional port";
	const char *p = s;
	if (*p == '[') {
		size_t n = strspn(p + 1, "0123456789abcdefABCDEF:");
		if (n < 2 || p[1 + n] != ']')
			return no;
		p += n + 2;
	} else {
		for (;; p++) {
			const char *from = p;
			while (*p == '-' || (word_char(*p) && *p != '_'))
				p++;
			if (p == from || *from == '-' || p[-1] == '-')
				return no;
			if (*p != '.')
				break;
		}
	}
	if (*p == ':') {
		size_t n = strspn(p + 1, "0123456789");
		if (n == 0 || n > 5)
			return no;
		p += n + 1;
	}
	return *p || strlen(s) > MAX_NAME ? no : NULL;
}

static const char *
tag_fault(const char *s)
{
	if (!*s)
		return "the tag is empty";
	if (strlen(s) > MAX_TAG)
		return "the tag is longer than 128 bytes";
	for (const char *p = s; *p; p++)
		if (!word_char(*p) && (p == s || !strchr(".-", *p)))
			return "the tag holds what is no letter, digit, '_', '.' or '-', or begins with '.' or '-'";
	return NULL;
}

static const char *
digest_fault(const char *s)
{
	struct ai_digest d;
	if (strncmp(s, "sha256:", 7) != 0)
		return "what follows '@' is no sha256 digest: expected 'sha256:' and 64 lower-case hex digits";
	return ai_unhex(s + 7, &d) ? NULL : "the digest is not 'sha256:' and 64 lower-case hex digits";
}

/* The first part is a registry when it looks like a host: it has a dot or a port, or is localhost, or has upper-case letters. */
static size_t
registry_length(const char *s)
{
	size_t n = strcspn(s, "/");
	if (s[n] != '/')
		return 0;
	bool host = n == 9 && strncmp(s, "localhost", 9) == 0;
	for (size_t i = 0; i < n; i++)
		host |= s[i] == '.' || s[i] == ':' || (s[i] >= 'A' && s[i] <= 'Z');
	return host ? n : 0;
}

/* text "NAME[:TAG][@DIGEST]" into r's parts; what is wrong with it, or NULL. Memory that was out shows as a part that is NULL. */
static const char *
split_name(const char *text, struct ai_image_ref *r)
{
	static const char *const aliases[] = { "index.docker.io", "registry-1.docker.io" };
	const char *at = strchr(text, '@');
	AI_FREE char *name = ai_strndup(text, at ? (size_t)(at - text) : strlen(text));
	const char *fault = at ? digest_fault(at + 1) : NULL;
	if (fault || !name)
		return fault;
	size_t n = registry_length(name);
	r->registry = n ? ai_strndup(name, n) : ai_strdup(hub);
	if (!r->registry || (fault = registry_fault(r->registry)))
		return fault;
	for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
		if (strcmp(r->registry, aliases[i]) == 0) {
			free(r->registry);
			r->registry = ai_strdup(hub);
		}
	const char *path = name + n + (n > 0);
	size_t len = strcspn(path, ":");
	bool official = r->registry && strcmp(r->registry, hub) == 0 && !memchr(path, '/', len);
	if (path[len] == ':' && (fault = tag_fault(path + len + 1)))
		return fault;
	r->repository = ai_format("%s%.*s", official ? "library/" : "", (int)len, path);
	r->tag = path[len] == ':' ? ai_strdup(path + len + 1) : at ? NULL : ai_strdup("latest");
	r->digest = at ? ai_strdup(at + 1) : NULL;
	if (len == 0)
		return "the name is empty";
	return r->repository ? repository_fault(r->repository, strlen(r->repository)) : NULL;
}

/* "PATH[:WHAT]" into r's parts. */
static const char *
split_path(const char *text, struct ai_image_ref *r)
{
	size_t n = strcspn(text, ":");
	r->path = ai_strndup(text, n);
	r->tag = text[n] == ':' ? ai_strdup(text + n + 1) : NULL;
	if (n == 0)
		return "the path is empty";
	if (text[n] != ':')
		return NULL;
	if (r->kind == AI_IMAGE_DOCKER_ARCHIVE) {
		struct ai_image_ref name = { .kind = AI_IMAGE_REGISTRY };
		const char *fault = split_name(text + n + 1, &name);
		fault = fault ? fault : name.digest ? "an archive's image is chosen by NAME:TAG" : NULL;
		ai_image_ref_done(&name);
		return fault;
	}
	/* org.opencontainers.image.ref.name: words of letters and digits joined by these. */
	for (const char *p = text + n + 1; *p || p[-1] == ':'; p++)
		if (!word_char(*p) && (p[-1] == ':' || !strchr("-.:@/+", *p)))
			return "the tag is empty, or holds what no tag of an image layout does";
	return NULL;
}

/* What an error may show: what stands before an '@' that begins no digest may be a login. */
static char *
shown(const char *text)
{
	AI_FREE char *url = ai_url_public(text);
	const char *host = NULL;
	for (const char *at = url; at && (at = strchr(at, '@')); at++)
		if (strncmp(at, "@sha", 4) != 0)
			host = at;
	return host ? ai_format("…%s", host) : url ? ai_strdup(url) : NULL;
}

static int
refuse(const char *text, const char *fault, struct ai_err *err)
{
	AI_FREE char *s = shown(text);
	if (!s)
		return ai_nomem(err);
	ai_fail(err, AI_EUSAGE, "image '%.300s': %s", s, fault);
	const char *scheme = strstr(s, "://");
	if (scheme)
		return ai_hint(err, "write '%.300s'", scheme + 3);
	return ai_hint(err, "NAME[:TAG][@sha256:HEX] (python:3.11), oci:DIR[:TAG], oci-archive:FILE or docker-archive:FILE");
}

static const char *
text_fault(const char *text)
{
	if (!*text)
		return "is empty";
	if (strlen(text) > MAX_TEXT)
		return "is longer than 4096 bytes";
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return "holds a control character";
	if (!ai_utf8_valid(text, strlen(text)))
		return "is not UTF-8";
	return strstr(text, "://") ? "is a URL: expected the name without a scheme" : NULL;
}

int
ai_image_ref_parse(const char *text, struct ai_image_ref *out, struct ai_err *err)
{
	static const struct { const char *prefix; ai_image_kind kind; } kinds[] = {
		{ "oci:", AI_IMAGE_OCI_DIR }, { "oci-archive:", AI_IMAGE_OCI_ARCHIVE }, { "docker-archive:", AI_IMAGE_DOCKER_ARCHIVE },
	};
	struct ai_image_ref r = { .kind = AI_IMAGE_REGISTRY };
	size_t skip = 0;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strncmp(text, kinds[i].prefix, strlen(kinds[i].prefix)) == 0) {
			skip = strlen(kinds[i].prefix);
			r.kind = kinds[i].kind;
		}
	const char *fault = text_fault(text);
	if (!fault)
		fault = skip ? split_path(text + skip, &r) : split_name(text, &r);
	if (!fault && skip)
		r.text = ai_strdup(text);
	else if (!fault && r.registry && r.repository)
		r.text = ai_format("%s/%s%s%s%s%s", r.registry, r.repository, r.tag ? ":" : "", r.tag ? r.tag : "", r.digest ? "@" : "", r.digest ? r.digest : "");
	bool whole = r.text && (skip ? r.path && (r.tag || !strchr(text + skip, ':')) : (r.tag || r.digest) && (r.digest || !strchr(text, '@')));
	if (fault || !whole) {
		ai_image_ref_done(&r);
		return fault ? refuse(text, fault, err) : ai_nomem(err);
	}
	*out = r;
	return 0;
}

void
ai_image_ref_done(struct ai_image_ref *r)
{
	free(r->text);
	free(r->registry);
	free(r->repository);
	free(r->tag);
	free(r->digest);
	free(r->path);
	*r = (struct ai_image_ref){ .kind = AI_IMAGE_REGISTRY };
}

char *
ai_image_uri(const struct ai_image_ref *r)
{
	bool hidden = r->path && ai_path_tells(r->path);
	return ai_strdup(hidden ? "local" : r->text);
}

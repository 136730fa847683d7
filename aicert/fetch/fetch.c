/* fetch.c -- see fetch.h: which fetcher an input is for, its pin, and what must match it.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/fetch.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/path.h"
#include "fetch/fetch_impl.h"
#include "fetch/files.h"
#include "fetch/http.h"
#include "model/lock.h"

int
ai_fetch_init(struct ai_err *err)
{
	return ai_git_setup(err) < 0 || ai_http_setup(err) < 0 ? err->code : 0;
}

/* --- path ------------------------------------------------------------------------------ */

/* The path of an input, its last link resolved: the user named it, so it may be a link. */
static int
input_path(const struct ai_fetch *f, const char *where, char **out, struct ai_err *err)
{
	AI_FREE char *joined = where[0] == '/' ? ai_strdup(where) : ai_join(f->project, where);
	if (!joined)
		return ai_nomem(err);
	*out = realpath(joined, NULL);
	return *out ? 0 : ai_fail_errno(err, AI_EINPUT, "'%s': cannot open", where);
}

static int
differs(const char *where, const char *got, const char *want, struct ai_err *err)
{
	return ai_fail(err, AI_EINPUT, "'%s': sha256: got %s, expected %s", where, got, want);
}

static int
path_content(const struct ai_fetch *f, const struct ai_input *in, struct ai_ref *out, const char **how_out, struct ai_err *err)
{
	AI_FREE char *path = NULL;
	char got[AI_HEX];
	struct ai_ref ref;
	struct ai_path_options o = {
		.exclude = (const char *const *)in->exclude, .n_exclude = in->n_exclude, .leave_out = f->leave_out, .n_leave_out = f->n_leave_out,
		.follow = in->follow, .skip_git = true, .talk = f->talk,
	};
	struct stat st;
	if (input_path(f, in->where, &path, err) < 0)
		return err->code;
	if (in->sha256 && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return ai_fail(err, AI_EINPUT, "'%s': is a folder: sha256 is for a file", in->where);
	if (ai_path_import(f->sink, path, &o, &ref, err) < 0)
		return err->code;
	ai_hex(&ref.id, got);
	if (in->sha256 && strcmp(got, in->sha256) != 0)
		return differs(in->where, got, in->sha256, err);
	*out = ref;
	*how_out = in->sha256 ? "sha256" : "none";
	return 0;
}

/* --- url -------------------------------------------------------------------------------- */

/* What must arrive: from the pin, else from the Aicertfile. */
struct expected {
	const char *sha256;
	struct ai_digest digest;
	int64_t size;
};

int
ai_fetch_file_url(const struct ai_fetch *f, const char *url, const struct ai_digest *sha256, int64_t want_size, struct ai_digest *out, uint64_t *size_out,
	struct ai_err *err)
{
	AI_FREE char *path = NULL;
	AI_FREE char *resolved = NULL;
	char got[AI_HEX], want[AI_HEX];
	struct ai_ref ref;
	struct stat st;
	struct ai_path_options o = { .talk = f->talk };
	if (ai_http_file_path(url, &path, err) < 0)
		return err->code;
	resolved = realpath(path, NULL);
	if (!resolved || stat(resolved, &st) < 0)
		return ai_fail_errno(err, AI_EINPUT, "'%s': cannot open", path);
	if (!S_ISREG(st.st_mode))
		return ai_fail(err, AI_EINPUT, "'%s': a file URL names a plain file: this is a folder or a special file", path);
	if (want_size >= 0 && st.st_size != want_size)
		return ai_fail(err, AI_EINPUT, "'%s': size: got %lld bytes, expected %lld", path, (long long)st.st_size, (long long)want_size);
	if (ai_path_import(f->sink, resolved, &o, &ref, err) < 0)
		return err->code;
	if (sha256 && !ai_digest_eq(&ref.id, sha256)) {
		ai_hex(&ref.id, got);
		ai_hex(sha256, want);
		return differs(path, got, want, err);
	}
	*out = ref.id;
	*size_out = (uint64_t)st.st_size;
	return 0;
}

static int
get_url(const struct ai_fetch *f, const struct ai_input *in, const struct expected *want, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	if (strncasecmp(in->where, "file:", 5) == 0)
		return ai_fetch_file_url(f, in->where, want->sha256 ? &want->digest : NULL, want->size, out, size_out, err);
	AI_FREE char *partial = ai_join(f->cache, "partial");
	if (!partial)
		return ai_nomem(err);
	struct ai_http_request req = {
		.url = in->where, .sha256 = want->sha256 ? &want->digest : NULL, .size = want->size, .partial = partial, .talk = f->talk,
	};
	return ai_http_get(&req, f->sink, out, size_out, err);
}

static int
expect(const char *where, const char *sha256, int64_t size, struct expected *out, struct ai_err *err)
{
	*out = (struct expected){ .sha256 = sha256, .size = size };
	if (sha256 && !ai_unhex(sha256, &out->digest))
		return ai_fail(err, AI_EINPUT, "%s: sha256 '%s': expected 64 lower-case hex digits", where, sha256);
	return 0;
}

static int
url_resolve(const struct ai_fetch *f, const struct ai_input *in, const char *uri, json_t **pin, struct ai_err *err)
{
	struct expected want;
	struct ai_digest got;
	uint64_t size;
	char hex[AI_HEX];
	if (in->n_urls)
		return ai_urls_resolve(f, in, uri, pin, err);
	if (in->unpack) {
		AI_JSON *p = json_pack("{s:s, s:s}", "type", "url", "uri", uri);
		int r = p ? ai_archive_resolve(f, in->where, in->sha256, in->size, in->strip, p, err) : ai_fail(err, AI_EINPUT, "the URL is not UTF-8");
		if (r == 0)
			*pin = json_incref(p);
		return r;
	}
	if (expect("Aicertfile", in->sha256, in->size, &want, err) < 0 || get_url(f, in, &want, &got, &size, err) < 0)
		return err->code;
	ai_hex(&got, hex);
	*pin = json_pack("{s:s, s:s, s:s, s:I}", "type", "url", "uri", uri, "sha256", hex, "size", (json_int_t)size);
	return *pin ? 0 : ai_fail(err, AI_EINPUT, "the URL is not UTF-8");
}

/* The pin must be what the Aicertfile says too, where it says anything. */
static int
url_content(const struct ai_fetch *f, const struct ai_input *in, const json_t *pin, struct ai_ref *out, const char **how_out, struct ai_err *err)
{
	const char *sha256 = ai_json_str(pin, "sha256");
	const json_t *size = json_object_get(pin, "size");
	struct expected want;
	uint64_t got_size;
	*how_out = "sha256";
	if (in->n_urls)
		return ai_fetch_files(f, in, pin, out, err);
	if (!sha256)
		return ai_fail(err, AI_EINPUT, "aicert.lock: the pin has no sha256");
	if (in->sha256 && strcmp(in->sha256, sha256) != 0)
		return ai_fail(err, AI_EINPUT, "sha256: aicert.lock pins %s, the Aicertfile says %s", sha256, in->sha256);
	if (in->unpack)
		return ai_archive_content(f, in->where, pin, out, err);
	if (expect("aicert.lock", sha256, json_is_integer(size) ? (int64_t)json_integer_value(size) : -1, &want, err) < 0 ||
		get_url(f, in, &want, &out->id, &got_size, err) < 0)
		return err->code;
	out->type = AI_REF_BLOB;
	return 0;
}

/* --- the two steps ------------------------------------------------------------------------ */

static int
git_resolve(const struct ai_fetch *f, const struct ai_input *in, const char *uri, json_t **pin, struct ai_err *err)
{
	char commit[AI_GIT_HEX];
	if (ai_git_resolve(f, in, commit, err) < 0)
		return err->code;
	*pin = json_pack("{s:s, s:s, s:s*, s:s}", "type", "git", "uri", uri, "ref", in->ref, "revision", commit);
	return *pin ? 0 : ai_fail(err, AI_EINPUT, "the URL or ref is not UTF-8");
}

int
ai_fetch_resolve(const struct ai_fetch *f, const struct ai_input *input, json_t **pin, struct ai_err *err)
{
	AI_FREE char *uri = ai_source_uri(input);
	if (!uri)
		return ai_nomem(err);
	if (ai_fetch_init(err) < 0)
		return err->code;
	switch (input->type) {
	case AI_INPUT_GIT:
		return git_resolve(f, input, uri, pin, err);
	case AI_INPUT_URL:
		return url_resolve(f, input, uri, pin, err);
	default:
		*pin = NULL;
		return 0;
	}
}

int
ai_fetch_content(const struct ai_fetch *f, const struct ai_input *input, const json_t *pin, struct ai_ref *out, const char **how_out, struct ai_err *err)
{
	struct ai_ref got = { .type = AI_REF_TREE };
	const char *how = "git", *revision = pin ? ai_json_str(pin, "revision") : NULL;
	int r = ai_fetch_init(err);
	if (r < 0)
		return r;
	if (input->type == AI_INPUT_GIT)
		r = revision ? ai_git_content(f, input, revision, &got.id, err) : ai_fail(err, AI_EINPUT, "aicert.lock: the pin has no revision");
	else if (input->type == AI_INPUT_URL)
		r = url_content(f, input, pin, &got, &how, err);
	else if (input->type == AI_INPUT_RULE)
		r = ai_rule_content(f, input, pin, &got, &how, err);
	else
		r = path_content(f, input, &got, &how, err);
	if (r < 0)
		return r;
	*out = got;
	*how_out = how;
	return 0;
}

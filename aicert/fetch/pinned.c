/* pinned.c -- pins of more than one file or commit: archives, lists of URLs, and what source rules answer (fetch.h).  SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/path.h"
#include "fetch/archive.h"
#include "fetch/fetch_impl.h"
#include "fetch/files.h"
#include "fetch/http.h"
#include "fetch/image_archive.h"
#include "fetch/place.h"
#include "model/lock.h"
#include "model/lock_files.h"

/* --- archives -------------------------------------------------------------------------- */

/* A sink for one file, which is read again: a file without a name. */
struct spool { const char *folder; int fd; struct ai_sha sha; uint64_t size; };

static int
spool_begin(void *ctx, void **obj, struct ai_err *err)
{
	struct spool *s = ctx;
	*obj = s;
	s->fd = ai_image_scratch(s->folder, err);
	return s->fd < 0 ? err->code : ai_sha_init(&s->sha, err);
}

static int
spool_write(void *obj, const void *p, size_t n, struct ai_err *err)
{
	struct spool *s = obj;
	ai_sha_add(&s->sha, p, n);
	s->size += n;
	return ai_write_all(s->fd, p, n, "temporary file", err);
}

static int
spool_commit(void *obj, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	struct spool *s = obj;
	(void)err;
	ai_sha_end(&s->sha, out);
	if (size_out)
		*size_out = s->size;
	return 0;
}

static void
spool_abort(void *obj)
{
	struct spool *s = obj;
	ai_sha_done(&s->sha);
	ai_close_fd(&s->fd);
	s->fd = -1;
}

/* What is wanted of an archive, and what it was found to be. */
struct archive_file {
	const struct ai_digest *sha256; /* NULL: anything */
	int64_t size;                   /* -1: any */
	unsigned strip;
	struct ai_digest got, tree;
	uint64_t got_size;
};

/* A file of this disk: descriptor, or negative. */
static int
open_local(const char *url, struct archive_file *a, struct ai_err *err)
{
	AI_FREE char *path = NULL;
	char got[AI_HEX], want[AI_HEX];
	if (ai_http_file_path(url, &path, err) < 0)
		return err->code;
	AI_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return ai_fail_errno(err, AI_EINPUT, "'%s': cannot open", path);
	if (ai_sha256_fd(fd, &a->got, &a->got_size, err) < 0)
		return ai_in(err, "'%s'", path);
	if (a->sha256 && !ai_digest_eq(&a->got, a->sha256)) {
		ai_hex(&a->got, got);
		ai_hex(a->sha256, want);
		return ai_fail(err, AI_EINPUT, "'%s': sha256: got %s, expected %s", path, got, want);
	}
	int out = fd;
	fd = -1;
	return out;
}

static int
open_remote(const struct ai_fetch *f, const char *url, struct archive_file *a, struct ai_err *err)
{
	AI_FREE char *partial = ai_join(f->cache, "partial");
	struct spool s = { .folder = f->cache, .fd = -1 };
	const struct ai_sink sink = { .ctx = &s, .begin = spool_begin, .write = spool_write, .commit = spool_commit, .abort = spool_abort };
	const char *headers[8];
	struct ai_place place;
	if (!partial)
		return ai_nomem(err);
	if (ai_place_of(url, &place, err) < 0)
		return err->code;
	for (size_t i = 0; i < place.n_headers; i++)
		headers[i] = place.headers[i];
	struct ai_http_request req = { .url = place.url, .headers = headers, .n_headers = place.n_headers, .sha256 = a->sha256, .size = a->size, .partial = partial,
		.talk = f->talk, .name = url };
	int r = ai_http_get(&req, &sink, &a->got, &a->got_size, err);
	ai_place_done(&place);
	if (r < 0)
		ai_close_fd(&s.fd);
	return r < 0 ? r : s.fd;
}

/* The archive, checked, and what is in it, in the sink. */
static int
unpack(const struct ai_fetch *f, const char *url, struct archive_file *a, struct ai_err *err)
{
	AI_FREE char *shown = ai_url_written(url);
	if (!shown)
		return ai_nomem(err);
	AI_FD fd = strncasecmp(url, "file:", 5) == 0 ? open_local(url, a, err) : open_remote(f, url, a, err);
	if (fd < 0)
		return err->code;
	if (ai_archive_tree(fd, a->strip, f->sink, f->talk, &a->tree, err) == 0)
		return 0;
	return err->code == AI_EINTR ? err->code : ai_in(err, "'%s'", shown);
}

int
ai_archive_resolve(const struct ai_fetch *f, const char *url, const char *sha256, int64_t size, unsigned strip, json_t *pin, struct ai_err *err)
{
	struct ai_digest want;
	struct archive_file a = { .size = size, .strip = strip };
	if (sha256 && ai_unhex(sha256, &want))
		a.sha256 = &want;
	if (unpack(f, url, &a, err) < 0)
		return err->code;
	bool good = json_object_set_new(pin, "unpack", json_true()) == 0 && json_object_set_new(pin, "sha256", ai_json_hex(&a.got)) == 0 &&
		json_object_set_new(pin, "size", json_integer((json_int_t)a.got_size)) == 0 && json_object_set_new(pin, "tree", ai_json_hex(&a.tree)) == 0 &&
		(strip == 0 || json_object_set_new(pin, "strip", json_integer(strip)) == 0);
	return good ? 0 : ai_nomem(err);
}

int
ai_archive_content(const struct ai_fetch *f, const char *url, const json_t *pin, struct ai_ref *out, struct ai_err *err)
{
	struct ai_digest sha256, tree;
	struct archive_file a = { .sha256 = &sha256, .size = (int64_t)json_integer_value(json_object_get(pin, "size")),
		.strip = (unsigned)json_integer_value(json_object_get(pin, "strip")) };
	char got[AI_HEX], want[AI_HEX];
	if (!ai_json_digest(pin, "sha256", &sha256) || !ai_json_digest(pin, "tree", &tree))
		return ai_fail(err, AI_EINPUT, "aicert.lock: the pin has no sha256 or tree");
	if (unpack(f, url, &a, err) < 0)
		return err->code;
	if (!ai_digest_eq(&a.tree, &tree)) {
		ai_hex(&a.tree, got);
		ai_hex(&tree, want);
		ai_fail(err, AI_EINPUT, "the archive unpacks to tree %s, aicert.lock pins %s", got, want);
		return ai_hint(err, "the pin was made by another version of aicert: aicert lock --update");
	}
	*out = (struct ai_ref){ AI_REF_TREE, tree };
	return 0;
}

/* --- lists of URLs ------------------------------------------------------------------------ */

int
ai_urls_resolve(const struct ai_fetch *f, const struct ai_input *in, const char *uri, json_t **pin, struct ai_err *err)
{
	AI_JSON *list = json_array(), *files = NULL;
	for (size_t i = 0; list && i < in->n_urls; i++) {
		AI_FREE char *path = ai_url_file_name(in->urls[i]);
		AI_FREE char *shown = ai_url_written(in->urls[i]);
		if (!path)
			return ai_fail(err, AI_EINPUT, "'%s': gives no file name", shown ? shown : "?");
		if (json_array_append_new(list, json_pack("{s:s, s:s, s:s*}", "path", path, "uri", shown, "sha256", in->sha256s ? in->sha256s[i] : NULL)) < 0)
			return ai_nomem(err);
	}
	if (!list)
		return ai_nomem(err);
	if (ai_fetch_list(f, in, list, &files, err) < 0)
		return err->code;
	*pin = json_pack("{s:s, s:s, s:O}", "type", "url", "uri", uri, "files", files);
	return *pin ? ai_lock_check_files(*pin, "url", err) : ai_nomem(err);
}

/* --- what source rules answer ---------------------------------------------------------------- */

/* A rule's file as the lock has it; what the rule says beside the place stays. */
static json_t *
pinned_file(const json_t *given)
{
	static const char *const same[] = { "path", "sha256", "size", "exec", "text", "target" };
	json_t *f = json_object(), *v;
	for (size_t i = 0; f && i < sizeof same / sizeof *same; i++)
		if ((v = json_object_get(given, same[i])) && json_object_set(f, same[i], v) < 0)
			goto fail;
	if ((v = json_object_get(given, "url")) && json_object_set(f, "uri", v) < 0)
		goto fail;
	if ((v = json_object_get(given, "git_sha1")) && json_object_set(f, "sha1", v) < 0)
		goto fail;
	return f;
fail:
	json_decref(f);
	return NULL;
}

static int
settle_files(const struct ai_fetch *f, const json_t *answer, json_t *pin, struct ai_err *err)
{
	AI_JSON *list = json_array(), *files = NULL;
	size_t i;
	json_t *given;
	json_array_foreach(ai_json_arr(answer, "files"), i, given)
		if (!list || json_array_append_new(list, pinned_file(given)) < 0)
			return ai_nomem(err);
	if (!list)
		return ai_nomem(err);
	if (ai_fetch_list(f, NULL, list, &files, err) < 0)
		return err->code;
	if (json_object_set(pin, "files", files) < 0 || (json_object_get(answer, "single") && json_object_set_new(pin, "single", json_true()) < 0))
		return ai_nomem(err);
	return 0;
}

/* One file of a URL is a list of one. */
static int
settle_url(const struct ai_fetch *f, const json_t *answer, json_t *pin, struct ai_err *err)
{
	const char *url = ai_json_str(answer, "url"), *sha256 = ai_json_str(answer, "sha256");
	const json_t *size = json_object_get(answer, "size");
	if (json_object_get(answer, "unpack"))
		return ai_archive_resolve(f, url, sha256, size ? (int64_t)json_integer_value(size) : -1,
			(unsigned)json_integer_value(json_object_get(answer, "strip")), pin, err);
	AI_FREE char *name = ai_url_file_name(url);
	AI_JSON *list = json_pack("{s:[{s:s, s:s, s:s*}], s:b}", "files", "path", name ? name : "file", "url", url, "sha256", sha256, "single", 1);
	if (!list || (size && json_object_set(json_array_get(json_object_get(list, "files"), 0), "size", (json_t *)(uintptr_t)size) < 0))
		return ai_nomem(err);
	return settle_files(f, list, pin, err);
}

static struct ai_input
git_input(const struct ai_input *in, const char *url, const char *ref)
{
	return (struct ai_input){ .name = in->name, .type = AI_INPUT_GIT, .where = (char *)(uintptr_t)url, .ref = (char *)(uintptr_t)ref, .submodules = true, .lfs = true };
}

static int
settle_git(const struct ai_fetch *f, const struct ai_input *in, const json_t *answer, json_t *pin, struct ai_err *err)
{
	const char *url = ai_json_str(answer, "url"), *revision = ai_json_str(answer, "revision");
	struct ai_input git = git_input(in, url, ai_json_str(answer, "ref"));
	char commit[AI_GIT_HEX];
	AI_FREE char *uri = ai_source_uri(&git);
	if (!uri)
		return ai_nomem(err);
	/* A path would mean another repository on each machine. */
	if (strcmp(uri, url) != 0 || strcmp(uri, "local") == 0 || !strchr(url, ':'))
		return ai_fail(err, AI_EINPUT, "'%s': expected the URL of a git repository", uri);
	if (!revision && ai_git_resolve(f, &git, commit, err) < 0)
		return err->code;
	if (json_object_set_new(pin, "git", json_true()) < 0 || json_object_set_new(pin, "revision", json_string(revision ? revision : commit)) < 0)
		return ai_nomem(err);
	return 0;
}

int
ai_fetch_settle(const struct ai_fetch *f, const struct ai_input *in, const json_t *answer, json_t **pin, struct ai_err *err)
{
	const char *kind = ai_json_str(answer, "pin"), *uri = ai_json_str(answer, "uri"), *url = ai_json_str(answer, "url");
	struct ai_digest asked;
	if (!ai_rule_pin_name(in->use))
		return ai_fail(err, AI_EUSAGE, "a source rule cannot be called '%s'", in->use);
	if (ai_fetch_init(err) < 0 || ai_attrs_id(in->attrs, &asked, err) < 0)
		return err->code;
	AI_JSON *p = json_pack("{s:s, s:s, s:o, s:s*, s:s*}", "type", in->use, "uri", uri ? uri : url, "asked", ai_json_hex(&asked),
		"ref", ai_json_str(answer, "ref"), "revision", ai_json_str(answer, "revision"));
	if (!p)
		return ai_nomem(err);
	int r = strcmp(kind, "files") == 0 ? settle_files(f, answer, p, err) : strcmp(kind, "git") == 0 ? settle_git(f, in, answer, p, err)
		: settle_url(f, answer, p, err);
	if (r < 0 || ai_lock_check_rule(p, "its pin", err) < 0)
		return err->code;
	*pin = json_incref(p);
	return 0;
}

int
ai_rule_content(const struct ai_fetch *f, const struct ai_input *in, const json_t *pin, struct ai_ref *out, const char **how, struct ai_err *err)
{
	const char *uri = ai_json_str(pin, "uri");
	*how = "sha256";
	if (json_object_get(pin, "files"))
		return ai_fetch_files(f, NULL, pin, out, err);
	if (json_object_get(pin, "unpack"))
		return ai_archive_content(f, uri, pin, out, err);
	/* Nobody would compute this commit again from what the proof says. */
	*how = "none";
	struct ai_input git = git_input(in, uri, ai_json_str(pin, "ref"));
	out->type = AI_REF_TREE;
	return ai_git_content(f, &git, ai_json_str(pin, "revision"), &out->id, err);
}

/* git_lfs.c -- see git_lfs.h: what is wanted, batches, and what a server answers.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/git_lfs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/talk.h"
#include "fetch/files.h"
#include "fetch/git_lfs_server.h"

enum { BATCH = 100, MAX_HEADERS = 16, MAX_OBJECTS = 1000000 };

/* --- what is wanted ----------------------------------------------------------------------- */

void
ai_lfs_done(struct ai_lfs *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->objects[i].path);
	free(l->objects);
	free(l->url);
	*l = (struct ai_lfs){ NULL, 0, 0, NULL };
}

int
ai_lfs_add(struct ai_lfs *l, const char *path, const struct ai_digest *oid, uint64_t size, struct ai_err *err)
{
	if (l->n == MAX_OBJECTS)
		return ai_fail(err, AI_EINPUT, "'%s': more than %d files of Git LFS", path, MAX_OBJECTS);
	if (ai_grow(&l->objects, &l->cap, l->n, sizeof *l->objects, err) < 0)
		return err->code;
	l->objects[l->n] = (struct ai_lfs_object){ ai_strdup(path), *oid, size };
	return l->objects[l->n++].path ? 0 : ai_nomem(err);
}

static int
by_oid(const void *a, const void *b)
{
	const struct ai_lfs_object *x = a, *y = b;
	int r = ai_digest_cmp(&x->oid, &y->oid);
	return r ? r : strcmp(x->path, y->path);
}

/* Each content once, and only what the sink has not. */
static int
narrow(const struct ai_fetch *f, struct ai_lfs *l, struct ai_err *err)
{
	size_t kept = 0;
	int has = 0;
	if (l->n > 1)
		qsort(l->objects, l->n, sizeof *l->objects, by_oid);
	for (size_t i = 0; i < l->n; i++) {
		struct ai_lfs_object *o = &l->objects[i];
		bool twice = kept > 0 && ai_digest_eq(&l->objects[kept - 1].oid, &o->oid);
		if (has >= 0)
			has = !twice && f->sink->has ? f->sink->has(f->sink->ctx, &o->oid, err) : 0;
		if (twice || has > 0) {
			free(o->path);
			continue;
		}
		l->objects[kept++] = *o;
	}
	l->n = kept;
	return has < 0 ? has : 0;
}

/* --- a repository of this disk ------------------------------------------------------------------- */

static int
take_local(const struct ai_fetch *f, const char *storage, const struct ai_lfs_object *o, struct ai_err *err)
{
	char hex[AI_HEX];
	struct ai_digest got;
	ai_hex(&o->oid, hex);
	AI_FREE char *dir = ai_format("%s/%.2s/%.2s", storage, hex, hex + 2);
	if (!dir)
		return ai_nomem(err);
	AI_FD fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || faccessat(fd, hex, R_OK, 0) < 0) {
		ai_fail(err, AI_EINPUT, "'%s': the content of this Git LFS file is not in the repository", o->path);
		return ai_hint(err, "git lfs fetch, or 'lfs: false' to take pointers as the files that they are");
	}
	if (f->sink->file(f->sink->ctx, fd, hex, &got, NULL, err) < 0)
		return ai_in(err, "'%s'", o->path);
	return ai_digest_eq(&got, &o->oid) ? 0 : ai_fail(err, AI_EINPUT, "'%s': the repository's Git LFS object %s is damaged", o->path, hex);
}

/* --- batches ---------------------------------------------------------------------------------------- */

static json_t *
request_of(const struct ai_lfs_object *objects, size_t n)
{
	AI_JSON *list = json_array();
	for (size_t i = 0; list && i < n; i++)
		if (json_array_append_new(list, json_pack("{s:o, s:I}", "oid", ai_json_hex(&objects[i].oid), "size", (json_int_t)objects[i].size)) < 0)
			return NULL;
	return list ? json_pack("{s:s, s:[s], s:s, s:O}", "operation", "download", "transfers", "basic", "hash_algo", "sha256", "objects", list) : NULL;
}

/* The answer's objects by their oid. */
static int
index_answer(const json_t *answer, json_t **out, struct ai_err *err)
{
	const json_t *list = ai_json_arr(answer, "objects");
	const char *transfer = ai_json_str(answer, "transfer");
	AI_JSON *by_oid_of = json_object();
	size_t i;
	json_t *o;
	if (!by_oid_of)
		return ai_nomem(err);
	if (!list)
		return ai_fail(err, AI_EINPUT, "Git LFS: the server's answer has no objects");
	if (transfer && strcmp(transfer, "basic") != 0)
		return ai_fail(err, AI_EINPUT, "Git LFS: the server wants transfer '%.40s', expected basic", transfer);
	json_array_foreach(list, i, o)
		if (ai_json_str(o, "oid") && json_object_set(by_oid_of, ai_json_str(o, "oid"), o) < 0)
			return ai_nomem(err);
	*out = json_incref(by_oid_of);
	return 0;
}

static int
action_of(const json_t *o, const struct ai_lfs_object *want, struct ai_lfs_action *out, struct ai_err *err)
{
	const json_t *error = ai_json_obj(o, "error"), *size = json_object_get(o, "size"), *download = ai_json_obj(ai_json_obj(o, "actions"), "download");
	const char *href = ai_json_str(download, "href"), *message = ai_json_str(error, "message");
	if (!o || error || !href) {
		ai_fail(err, AI_EINPUT, "'%s': the Git LFS server does not give it%s%.200s", want->path, message ? ": " : "", message ? message : "");
		return ai_hint(err, "'lfs: false' takes pointers as the files that they are");
	}
	if (size && (!json_is_integer(size) || json_integer_value(size) != (json_int_t)want->size))
		return ai_fail(err, AI_EINPUT, "'%s': the Git LFS server has another size for it than its pointer: expected %llu", want->path, (unsigned long long)want->size);
	*out = (struct ai_lfs_action){ href, ai_json_obj(download, "header") };
	return 0;
}

int
ai_lfs_answer(const json_t *answer, const struct ai_lfs_object *objects, size_t n, struct ai_lfs_action *actions, struct ai_err *err)
{
	AI_JSON *index = NULL;
	char hex[AI_HEX];
	if (index_answer(answer, &index, err) < 0)
		return err->code;
	for (size_t i = 0; i < n; i++) {
		ai_hex(&objects[i].oid, hex);
		if (action_of(json_object_get(index, hex), &objects[i], &actions[i], err) < 0)
			return err->code;
	}
	return 0;
}

/* The headers of a download: the action's own, else our login where it is the same server. Each fresh. */
static int
headers_of(const struct ai_lfs_server *s, const struct ai_lfs_action *a, char *headers[MAX_HEADERS], size_t *n, struct ai_err *err)
{
	const char *name;
	json_t *value;
	bool login = false;
	*n = 0;
	json_object_foreach((json_t *)(uintptr_t)a->header, name, value) {
		const char *text = json_string_value(value);
		if (!text || strpbrk(name, "\r\n:") || strpbrk(text, "\r\n") || *n + 1 >= MAX_HEADERS)
			return ai_fail(err, AI_EINPUT, "Git LFS: the server asks for a header that is none, or for more than %d", MAX_HEADERS);
		login = login || strcasecmp(name, "Authorization") == 0;
		if (!(headers[*n] = ai_format("%s: %s", name, text)))
			return ai_nomem(err);
		++*n;
	}
	if (login || !ai_lfs_server_is(s, a->href) || !s->login)
		return 0;
	headers[*n] = ai_strdup(s->login);
	return headers[(*n)++] ? 0 : ai_nomem(err);
}

/* Up to BATCH files, as the server says. */
struct batch {
	struct ai_one_file files[BATCH];
	struct ai_lfs_action actions[BATCH];
	char *headers[BATCH][MAX_HEADERS];
	size_t n_headers[BATCH];
};

static int
fill(struct batch *b, const struct ai_lfs_server *s, const struct ai_lfs_object *objects, size_t n, struct ai_err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (headers_of(s, &b->actions[i], b->headers[i], &b->n_headers[i], err) < 0)
			return err->code;
		b->files[i] = (struct ai_one_file){ .uri = b->actions[i].href, .headers = (const char *const *)b->headers[i], .n_headers = b->n_headers[i],
			.sha256 = &objects[i].oid, .size = (int64_t)objects[i].size, .path = objects[i].path };
		if (strncasecmp(b->actions[i].href, "http://", 7) != 0 && strncasecmp(b->actions[i].href, "https://", 8) != 0)
			return ai_fail(err, AI_EINPUT, "'%s': the Git LFS server names a place that is no http or https", objects[i].path);
	}
	return 0;
}

static int
bring_batch(const struct ai_fetch *f, struct ai_lfs_server *s, const struct ai_lfs_object *objects, size_t n, struct ai_err *err)
{
	AI_JSON *request = request_of(objects, n);
	AI_JSON *answer = NULL;
	AI_FREE struct batch *b = ai_calloc(1, sizeof *b);
	if (!request || !b)
		return ai_nomem(err);
	if (ai_lfs_ask(s, request, &answer, err) < 0)
		return err->code;
	if (ai_lfs_answer(answer, objects, n, b->actions, err) < 0) {
		ai_lfs_server_hide(s, err);
		return err->code;
	}
	int r = fill(b, s, objects, n, err);
	if (r == 0)
		r = ai_fetch_all(f, b->files, n, err);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < b->n_headers[i]; k++) {
			if (b->headers[i][k])
				explicit_bzero(b->headers[i][k], strlen(b->headers[i][k]));
			free(b->headers[i][k]);
		}
	return r;
}

int
ai_lfs_bring(const struct ai_fetch *f, const struct ai_git_url *url, const char *storage, struct ai_lfs *l, struct ai_err *err)
{
	struct ai_lfs_server server;
	int r = narrow(f, l, err);
	if (r < 0 || l->n == 0)
		return r;
	ai_say(f->talk, AI_TALK_DETAIL, "%s: %zu files of Git LFS", url->shown, l->n);
	for (size_t i = 0; storage && i < l->n; i++)
		if (take_local(f, storage, &l->objects[i], err) < 0)
			return err->code;
	if (storage)
		return 0;
	if (ai_lfs_server_open(f, url, l->url, &server, err) < 0)
		return err->code;
	for (size_t i = 0; r == 0 && i < l->n; i += BATCH)
		r = bring_batch(f, &server, l->objects + i, l->n - i < BATCH ? l->n - i : BATCH, err);
	ai_lfs_server_close(&server);
	return r;
}

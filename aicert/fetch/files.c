/* files.c -- see files.h.  SPDX-License-Identifier: Apache-2.0 */
#include "fetch/files.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/talk.h"
#include "fetch/fetch_impl.h"
#include "fetch/http.h"
#include "fetch/place.h"
#include "model/lock.h"
#include "model/lock_files.h"

enum { AT_ONCE = 4 };

/* --- several threads, one sink and one talk ----------------------------------------------- */

struct shared {
	const struct ai_fetch *f;
	struct ai_one_file *files;
	size_t n, next;
	const char *partial;
	pthread_mutex_t lock;          /* of next, err, talk */
	pthread_mutex_t sink;          /* held from a tap's begin to its commit or abort */
	atomic_bool stop;
	struct ai_err err;             /* of the first that failed */
	struct ai_talk talk;           /* says under the lock what a thread has to say */
};

/* A sink of one thread: the real one while it is held, and the git blob's id of what goes through. */
struct tap {
	struct shared *s;
	const struct ai_one_file *file;
	void *obj;
	struct ai_sha sha1;
};

static void
say(void *ctx, ai_talk_kind kind, const char *text, uint64_t done, uint64_t total)
{
	struct shared *s = ctx;
	pthread_mutex_lock(&s->lock);
	s->f->talk->say(s->f->talk->ctx, kind, text, done, total);
	pthread_mutex_unlock(&s->lock);
}

static int
tap_begin(void *ctx, void **obj, struct ai_err *err)
{
	struct tap *t = ctx;
	const struct ai_sink *sink = t->s->f->sink;
	char head[64];
	pthread_mutex_lock(&t->s->sink);
	int r = t->file->sha1 ? ai_sha1_init(&t->sha1, err) : 0;
	if (r == 0 && t->file->sha1)
		ai_sha_add(&t->sha1, head, (size_t)snprintf(head, sizeof head, "blob %lld", (long long)t->file->size) + 1);
	if (r == 0 && (r = sink->begin(sink->ctx, &t->obj, err)) < 0)
		ai_sha_done(&t->sha1);
	if (r < 0)
		pthread_mutex_unlock(&t->s->sink);
	*obj = t;
	return r;
}

static int
tap_write(void *obj, const void *p, size_t n, struct ai_err *err)
{
	struct tap *t = obj;
	if (t->file->sha1)
		ai_sha_add(&t->sha1, p, n);
	return t->s->f->sink->write(t->obj, p, n, err);
}

static void
tap_abort(void *obj)
{
	struct tap *t = obj;
	t->s->f->sink->abort(t->obj);
	ai_sha_done(&t->sha1);
	pthread_mutex_unlock(&t->s->sink);
}

static int
tap_commit(void *obj, struct ai_digest *out, uint64_t *size_out, struct ai_err *err)
{
	struct tap *t = obj;
	uint8_t raw[20];
	char got[41];
	if (t->file->sha1) {
		ai_sha1_end(&t->sha1, raw);
		ai_hex_bytes(raw, sizeof raw, got);
		if (strcmp(got, t->file->sha1) != 0) {
			tap_abort(t);
			return ai_fail(err, AI_EINPUT, "git blob: got %s, expected %s", got, t->file->sha1);
		}
	}
	if (t->s->f->sink->commit(t->obj, out, size_out, err) < 0) {
		tap_abort(t);
		return err->code;
	}
	pthread_mutex_unlock(&t->s->sink);
	return 0;
}

/* --- one file ----------------------------------------------------------------------------------- */

/* Is it there already? 1, 0. */
static int
is_there(struct shared *s, struct ai_one_file *file, struct ai_err *err)
{
	const struct ai_sink *sink = s->f->sink;
	if (!file->sha256 || file->size < 0 || !sink->has)
		return 0;
	pthread_mutex_lock(&s->sink);
	int r = sink->has(sink->ctx, file->sha256, err);
	pthread_mutex_unlock(&s->sink);
	if (r == 1) {
		file->got = *file->sha256;
		file->got_size = (uint64_t)file->size;
	}
	return r;
}

/* A name under which what one server began another may finish. */
static char *
partial_name(const struct ai_one_file *file)
{
	char hex[AI_HEX];
	if (!file->sha256 || file->size < 0)
		return ai_strdup(file->uri);
	ai_hex(file->sha256, hex);
	return ai_format("sha256:%s %lld", hex, (long long)file->size);
}

static int
get_over_http(struct shared *s, struct ai_one_file *file, const struct ai_sink *sink, struct ai_err *err)
{
	const char *headers[16];
	struct ai_place place;
	AI_FREE char *name = partial_name(file);
	size_t n = 0;
	if (!name)
		return ai_nomem(err);
	if (ai_place_of(file->uri, &place, err) < 0)
		return err->code;
	for (size_t i = 0; i < place.n_headers; i++)
		headers[n++] = place.headers[i];
	for (size_t i = 0; i < file->n_headers && n < sizeof headers / sizeof *headers; i++)
		headers[n++] = file->headers[i];
	struct ai_http_request req = { .url = place.url, .headers = headers, .n_headers = n, .sha256 = file->sha256, .size = file->size, .partial = s->partial,
		.talk = s->f->talk ? &s->talk : NULL, .stop = &s->stop, .name = name };
	int r = ai_http_get(&req, sink, &file->got, &file->got_size, err);
	ai_place_done(&place);
	return r;
}

static int
get(struct shared *s, struct ai_one_file *file, struct ai_err *err)
{
	struct tap tap = { .s = s, .file = file };
	const struct ai_sink sink = { .ctx = &tap, .begin = tap_begin, .write = tap_write, .commit = tap_commit, .abort = tap_abort };
	int r = is_there(s, file, err);
	if (r == 0 && strncasecmp(file->uri, "file:", 5) == 0) {
		pthread_mutex_lock(&s->sink);
		r = ai_fetch_file_url(s->f, file->uri, file->sha256, file->size, &file->got, &file->got_size, err);
		pthread_mutex_unlock(&s->sink);
	} else if (r == 0) {
		r = get_over_http(s, file, &sink, err);
		if (r < 0 && file->path && r != AI_EINTR)
			ai_in(err, "'%s'", file->path);
	}
	return r < 0 ? r : 0;
}

static struct ai_one_file *
next_file(struct shared *s)
{
	pthread_mutex_lock(&s->lock);
	struct ai_one_file *file = s->next < s->n && !atomic_load(&s->stop) ? &s->files[s->next++] : NULL;
	pthread_mutex_unlock(&s->lock);
	return file;
}

static void *
work(void *ctx)
{
	struct shared *s = ctx;
	for (struct ai_one_file *file; (file = next_file(s));) {
		struct ai_err err = { 0 };
		if (get(s, file, &err) == 0)
			continue;
		pthread_mutex_lock(&s->lock);
		if (!s->err.code)
			s->err = err;
		pthread_mutex_unlock(&s->lock);
		atomic_store(&s->stop, true);
	}
	return NULL;
}

/* The calling thread works as well, so that all is done where no thread can be had. */
static void
work_together(struct shared *s)
{
	pthread_t threads[AT_ONCE - 1];
	size_t n = 0;
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (n + 1 < AT_ONCE && n + 1 < s->n && pthread_create(&threads[n], NULL, work, s) == 0)
		n++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	work(s);
	for (size_t i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

int
ai_fetch_all(const struct ai_fetch *f, struct ai_one_file *files, size_t n, struct ai_err *err)
{
	struct shared s = { .f = f, .files = files, .n = n, .talk = { .say = say, .ctx = &s } };
	AI_FREE char *partial = ai_join(f->cache, "partial");
	if (!partial)
		return ai_nomem(err);
	if (ai_http_setup(err) < 0)
		return err->code;
	s.partial = partial;
	pthread_mutex_init(&s.lock, NULL);
	pthread_mutex_init(&s.sink, NULL);
	work_together(&s);
	pthread_mutex_destroy(&s.lock);
	pthread_mutex_destroy(&s.sink);
	if (s.err.code)
		*err = s.err;
	return s.err.code;
}

/* --- lists -------------------------------------------------------------------------------------- */

struct list {
	struct ai_one_file *files;     /* of those that are downloaded */
	struct ai_digest *digests;
	json_t **of;                   /* the list's items that they are */
	size_t n;
};

static void
list_done(struct list *l)
{
	free(l->files);
	free(l->digests);
	free(l->of);
}

/* Where the user said that a list's file is. */
static const char *
url_of(const struct ai_input *input, const char *path)
{
	for (size_t i = 0; input && i < input->n_urls; i++) {
		AI_FREE char *name = ai_url_file_name(input->urls[i]);
		if (name && strcmp(name, path) == 0)
			return input->urls[i];
	}
	return NULL;
}

static int
list_read(const struct ai_input *input, const json_t *items, struct list *l, struct ai_err *err)
{
	size_t i, n = json_array_size(items);
	json_t *item;
	*l = (struct list){ ai_calloc(n + 1, sizeof *l->files), ai_calloc(n + 1, sizeof *l->digests), ai_calloc(n + 1, sizeof(json_t *)), 0 };
	if (!l->files || !l->digests || !l->of)
		return ai_nomem(err);
	json_array_foreach(items, i, item) {
		const char *path = ai_json_str(item, "path"), *uri = ai_json_str(item, "uri"), *url = path ? url_of(input, path) : NULL;
		const json_t *size = json_object_get(item, "size");
		if (!path)
			return ai_fail(err, AI_EINPUT, "a file without a path");
		if (ai_json_str(item, "text") || ai_json_str(item, "target"))
			continue;
		if (!uri)
			return ai_fail(err, AI_EINPUT, "'%s': has no uri", path);
		struct ai_one_file *f = &l->files[l->n];
		*f = (struct ai_one_file){ .uri = url ? url : uri, .path = path, .size = json_is_integer(size) ? (int64_t)json_integer_value(size) : -1 };
		if (ai_json_digest(item, "sha256", &l->digests[l->n]))
			f->sha256 = &l->digests[l->n];
		f->sha1 = ai_json_str(item, "sha1");
		if (f->sha1 && f->size < 0)
			return ai_fail(err, AI_EINPUT, "'%s': the id of a git blob says nothing without its size", path);
		l->of[l->n++] = item;
	}
	return 0;
}

static int
put_text(const struct ai_sink *sink, const char *text, struct ai_err *err)
{
	void *obj;
	struct ai_digest id;
	if (sink->begin(sink->ctx, &obj, err) < 0)
		return err->code;
	if (sink->write(obj, text, strlen(text), err) < 0 || sink->commit(obj, &id, NULL, err) < 0) {
		sink->abort(obj);
		return err->code;
	}
	return 0;
}

int
ai_fetch_files(const struct ai_fetch *f, const struct ai_input *input, const json_t *pin, struct ai_ref *out, struct ai_err *err)
{
	const json_t *items = ai_json_arr(pin, "files");
	struct list l;
	size_t i;
	json_t *item;
	int r = list_read(input, items, &l, err);
	if (r == 0)
		r = ai_fetch_all(f, l.files, l.n, err);
	list_done(&l);
	json_array_foreach(items, i, item) {
		const char *text = ai_json_str(item, "text");
		if (r == 0 && text)
			r = put_text(f->sink, text, err);
	}
	return r < 0 ? r : ai_files_trees(pin, f->sink->tree, f->sink->ctx, out, err);
}

static int
by_path(const void *a, const void *b)
{
	return strcmp(ai_json_str(*(json_t *const *)a, "path"), ai_json_str(*(json_t *const *)b, "path"));
}

static json_t *
sorted_by_path(const json_t *items)
{
	size_t n = json_array_size(items);
	AI_FREE json_t **all = ai_calloc(n + 1, sizeof(json_t *));
	AI_JSON *out = json_array();
	for (size_t i = 0; all && i < n; i++)
		all[i] = json_array_get(items, i);
	if (all && n > 1)
		qsort(all, n, sizeof(json_t *), by_path);
	for (size_t i = 0; all && out && i < n; i++)
		if (json_array_append(out, all[i]) < 0)
			return NULL;
	return all ? json_incref(out) : NULL;
}

int
ai_fetch_list(const struct ai_fetch *f, const struct ai_input *input, const json_t *list, json_t **files, struct ai_err *err)
{
	AI_JSON *items = json_deep_copy(list);
	struct list l = { NULL, NULL, NULL, 0 };
	size_t unknown = 0;
	int r = items ? list_read(input, items, &l, err) : ai_nomem(err);
	/* Those that are known are fetched with the content, perhaps never on this machine. */
	for (size_t i = 0; r == 0 && i < l.n; i++)
		if (!l.files[i].sha256 || l.files[i].size < 0) {
			l.files[unknown] = l.files[i];
			l.of[unknown++] = l.of[i];
		}
	if (r == 0 && unknown)
		r = ai_fetch_all(f, l.files, unknown, err);
	for (size_t i = 0; r == 0 && i < unknown; i++)
		if (json_object_set_new(l.of[i], "sha256", ai_json_hex(&l.files[i].got)) < 0 ||
			json_object_set_new(l.of[i], "size", json_integer((json_int_t)l.files[i].got_size)) < 0)
			r = ai_nomem(err);
	list_done(&l);
	if (r < 0)
		return r;
	*files = sorted_by_path(items);
	return *files ? 0 : ai_nomem(err);
}

/* resolve_read.c -- what a step's requirements.txt asks for, read from the store (resolve_parts.h).  SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/path.h"
#include "model/tree.h"
#include "run/pip/requirements.h"
#include "run/pip/resolve_parts.h"

void
ai_asked_done(struct ai_asked *a)
{
	for (size_t i = 0; i < a->n_files; i++) {
		free(a->files[i].path);
		ai_buf_done(&a->files[i].text);
	}
	free(a->files);
	free(a->interpreter);
	ai_indexes_done(&a->indexes);
	json_decref(a->sdists);
	*a = (struct ai_asked){ 0 };
}

/* The entry of that name (n bytes) in a tree: 1 there, 0 not. */
static int
entry_of(struct ai_store *store, const struct ai_digest *tree, const char *name, size_t n, char type[8], struct ai_digest *id, struct ai_err *err)
{
	AI_JSON *node = NULL;
	size_t i;
	json_t *e;
	int r = ai_store_get_node(store, tree, &node, err);
	if (r <= 0)
		return r < 0 ? r : ai_fail(err, AI_EINPUT, "cache: the tree of the source is gone");
	json_array_foreach(ai_json_arr(node, "entries"), i, e) {
		const char *there = ai_json_str(e, "name"), *word = ai_json_str(e, "type");
		if (!there || strlen(there) != n || memcmp(there, name, n) != 0)
			continue;
		snprintf(type, 8, "%s", word ? word : "");
		return strcmp(type, "link") == 0 || ai_json_digest(e, "id", id) ? 1 : 0;
	}
	return 0;
}

/* The bytes of a file of the source: 1 there, 0 not. */
static int
source_file(struct ai_store *store, const struct ai_digest *source, const char *path, struct ai_buf *out, struct ai_err *err)
{
	struct ai_digest at = *source;
	for (const char *p = path;;) {
		size_t n = strcspn(p, "/");
		char type[8];
		int r = entry_of(store, &at, p, n, type, &at, err);
		if (r <= 0)
			return r;
		bool last = p[n] == '\0', file = strcmp(type, "file") == 0 || strcmp(type, "exec") == 0;
		if (strcmp(type, "link") == 0)
			return ai_fail(err, AI_EUSAGE, "%s: is a link, or behind one: expected a file", path);
		if (last != file)
			return last ? ai_fail(err, AI_EUSAGE, "%s: is a folder: expected a file", path) : 0;
		if (last)
			return ai_store_get_bytes(store, &at, out, err) < 0 ? err->code : 1;
		p += n + 1;
	}
}

struct walk { struct ai_job *job; struct ai_asked *a; struct ai_indexes *indexes; int depth; };

static int read_one(struct walk *w, const char *path, struct ai_err *err);

static int
include(void *ctx, const char *path, struct ai_err *err)
{
	struct walk *w = ctx;
	for (size_t i = 0; i < w->a->n_files; i++)
		if (strcmp(w->a->files[i].path, path) == 0)
			return 0;
	if (w->depth >= 16)
		return ai_fail(err, AI_EUSAGE, "%s: requirements files include each other too deep", path);
	w->depth++;
	int r = read_one(w, path, err);
	w->depth--;
	return r == 0 ? ai_fail(err, AI_EUSAGE, "%s: is not in the source", path) : r < 0 ? r : 0;
}

/* 1 read, 0 not there. */
static int
read_one(struct walk *w, const char *path, struct ai_err *err)
{
	struct ai_asked *a = w->a;
	AI_BUF_AUTO bytes = AI_BUF(1u << 20);
	int r = source_file(w->job->store, &a->source, path, &bytes, err);
	if (r <= 0)
		return r;
	if (a->n_files >= AI_MAX_REQUIREMENT_FILES)
		return ai_fail(err, AI_EUSAGE, "%s: more than %d requirements files", path, AI_MAX_REQUIREMENT_FILES);
	if (ai_grow(&a->files, &a->cap_files, a->n_files, sizeof *a->files, err) < 0)
		return err->code;
	struct ai_asked_file *f = &a->files[a->n_files];
	size_t at = a->n_files;
	*f = (struct ai_asked_file){ .path = ai_strdup(path), .text = AI_BUF(2u << 20) };
	if (!f->path)
		return ai_nomem(err);
	a->n_files++;
	/* The array may move while included files are added to it, so the text is written beside it. */
	AI_BUF_AUTO text = AI_BUF(2u << 20);
	struct ai_requirements_reader reader = { .include = include, .ctx = w, .indexes = w->indexes };
	if (ai_requirements_read(path, bytes.data ? bytes.data : "", bytes.len, &reader, &text, err) < 0)
		return err->code;
	ai_buf_put(&a->files[at].text, text.data, text.len);
	return ai_buf_ok(&a->files[at].text, path, err) < 0 ? err->code : 1;
}

static void
forget_files(struct ai_asked *a)
{
	for (size_t i = 0; i < a->n_files; i++) {
		free(a->files[i].path);
		ai_buf_done(&a->files[i].text);
	}
	a->n_files = 0;
}

/* Which wheels fit: an image is what it is; of the host's Python only its kind counts, for security updates change nothing. */
static int
environment_facts(const struct ai_job *job, struct ai_asked *a, json_t *facts, struct ai_err *err)
{
	const json_t *image = ai_json_obj(a->environment, "image");
	const char *platform = ai_json_str(a->environment, "platform");
	if (json_object_set_new(facts, "platform", json_string(platform ? platform : "")) < 0)
		return ai_nomem(err);
	if (!a->host)
		return json_object_set_new(facts, "image", json_string(ai_json_str(image, "content"))) < 0 ? ai_nomem(err) : 0;
	a->interpreter = ai_host_command(a->action, job->project);
	AI_BUF_AUTO said = AI_BUF(4096);
	AI_BUF_AUTO nothing = AI_BUF(1);
	if (!a->interpreter)
		return ai_no_host_command(a->name, a->action, err);
	int r = ai_host_script(a->interpreter, "import sys; print(sys.implementation.cache_tag, end='')", &nothing, &said, err);
	if (r != 0)
		return r < 0 ? r : ai_fail(err, AI_EENV, "step '%s': %s: does not say which Python it is", a->name, a->interpreter);
	return json_object_set_new(facts, "python", json_stringn(said.data, said.len)) < 0 ? ai_fail(err, AI_EENV, "%s: says nonsense", a->interpreter) : 0;
}

static int
digest_of(const struct ai_job *job, struct ai_asked *a, const struct ai_indexes *said, struct ai_err *err)
{
	AI_JSON *facts = json_pack("{s:s, s:s, s:[], s:[]}", "kind", "requirements", "command", a->python, "files", "indexes");
	if (!facts)
		return ai_nomem(err);
	for (size_t i = 0; i < a->n_files; i++)
		if (json_array_append_new(ai_json_arr(facts, "files"), json_pack("{s:s, s:s%}", "path", a->files[i].path, "text",
			a->files[i].text.data ? a->files[i].text.data : "", a->files[i].text.len)) < 0)
			return ai_nomem(err);
	for (size_t i = 0; i < said->n; i++) {
		AI_FREE char *shown = ai_url_public(said->url[i]);
		if (!shown || json_array_append_new(ai_json_arr(facts, "indexes"), json_string(shown)) < 0)
			return ai_nomem(err);
	}
	if (a->sdists && json_object_set(facts, "sdists", a->sdists) < 0)
		return ai_nomem(err);
	return environment_facts(job, a, facts, err) < 0 ? err->code : ai_json_id(facts, &a->requirements, err);
}

/* The tree that stands at src, when it is known before anything has run. */
static bool
source_of(const json_t *recipe, struct ai_digest *out)
{
	size_t i;
	json_t *in;
	json_array_foreach(ai_json_arr(recipe, "inputs"), i, in)
		if (strcmp(ai_json_str(in, "path"), "/workspace/src") == 0)
			return ai_json_digest(in, "tree", out);
	return false;
}

int
ai_asked_read(struct ai_job *job, const json_t *recipe, struct ai_asked *a, struct ai_err *err)
{
	struct ai_indexes said = { 0 };
	struct walk w = { .job = job, .a = a, .indexes = &said };
	if (!source_of(recipe, &a->source))
		return 0;
	int r = read_one(&w, "requirements.txt", err);
	if (r < 0)
		r = ai_in(err, "step '%s'", a->name);
	if (r == 1 && digest_of(job, a, &said, err) < 0)
		r = err->code;
	ai_indexes_done(&said);
	return r;
}

int
ai_asked_indexes(struct ai_job *job, const struct ai_pip_settings *settings, struct ai_asked *a, struct ai_err *err)
{
	struct walk w = { .job = job, .a = a, .indexes = &a->indexes };
	ai_indexes_clear(&a->indexes);
	forget_files(a);
	return ai_pip_indexes(settings, &a->indexes, err) < 0 || read_one(&w, "requirements.txt", err) < 0 ? err->code : 0;
}

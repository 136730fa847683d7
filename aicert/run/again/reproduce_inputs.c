/* reproduce_inputs.c -- a proof's inputs: given, known, or fetched by their pins, and the proof's in any case (reproduce_parts.h).  SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/path.h"
#include "model/lock.h"
#include "run/again/compare.h"
#include "run/again/repeat.h"
#include "run/again/reproduce_parts.h"

/* The proof's node of a source; NULL: it has none of that name. */
static const json_t *
proof_source(const struct reproduction *p, const char *name)
{
	size_t i;
	json_t *s;
	json_array_foreach(ai_json_arr(p->plan, "sources"), i, s) {
		struct ai_digest id;
		if (strcmp(ai_json_str(s, "name"), name) == 0 && ai_json_digest(s, "id", &id))
			return ai_dag_node(p->dag, AI_KIND_SOURCE, &id);
	}
	return NULL;
}

static const char *
given_path(const struct reproduction *p, const char *name)
{
	for (size_t i = 0; i < p->o->n_inputs; i++)
		if (strcmp(p->o->inputs[i].name, name) == 0)
			return p->o->inputs[i].path;
	return NULL;
}

static int
check_given_names(const struct reproduction *p, struct ai_err *err)
{
	const struct ai_manifest *m = p->job.manifest;
	size_t n = m->n_inputs + m->n_images;
	AI_FREE const char **names = ai_calloc(n + 1, sizeof *names);
	if (!names)
		return ai_nomem(err);
	for (size_t i = 0; i < n; i++)
		names[i] = i < m->n_inputs ? m->inputs[i].name : m->images[i - m->n_inputs]->text;
	for (size_t i = 0; i < p->o->n_inputs; i++) {
		const char *name = p->o->inputs[i].name;
		bool known = false;
		for (size_t k = 0; k < n; k++)
			known = known || strcmp(names[k], name) == 0;
		if (known)
			continue;
		const char *near = ai_near(name, names, n);
		ai_fail(err, AI_EUSAGE, "--input: the proof has no input '%s'%s%s%s", name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
		return ai_hint(err, "aicert show %s lists them", p->o->proof);
	}
	return 0;
}

static bool
is_clone(const char *path)
{
	AI_FREE char *git = ai_join(path, ".git");
	AI_FREE char *objects = ai_join(path, "objects");
	AI_FREE char *head = ai_join(path, "HEAD");
	return git && objects && head && (ai_exists(git) || (ai_exists(objects) && ai_exists(head)));
}

/* The input becomes a file or folder of this disk; content is held against the proof's afterwards. */
static int
take_path(struct ai_input *in, char *path, struct ai_err *err)
{
	if (!path)
		return ai_nomem(err);
	free(in->where);
	in->where = path;
	in->type = AI_INPUT_PATH;
	return 0;
}

/*
 * A pin holds for the place that it names. Where another place was given, it is made to hold for that one until the content is here: what
 * counts is its commit or digest, to which the content is held in any case. uri NULL: no memory.
 */
static int
move_pin(struct reproduction *p, const char *list, const char *name, const char *uri, struct ai_err *err)
{
	json_t *pin = ai_json_obj(ai_json_obj(p->job.lock, list), name);
	return !uri || (pin && json_object_set_new(pin, "uri", json_string(uri)) < 0) ? ai_nomem(err) : 0;
}

static int
take_clone(struct reproduction *p, struct ai_input *in, char *path, struct ai_err *err)
{
	free(in->where);
	in->where = path;
	AI_FREE char *uri = ai_source_uri(in);
	return move_pin(p, "inputs", in->name, uri, err);
}

static int
use_given(struct reproduction *p, struct ai_input *in, const char *path, struct ai_err *err)
{
	char *real = realpath(path, NULL);
	if (!real)
		return ai_fail_errno(err, AI_EINPUT, "--input %s: %s", in->name, path);
	return in->type == AI_INPUT_GIT && is_clone(real) ? take_clone(p, in, real, err) : take_path(in, real, err);
}

/* The store's own copy of a content: 1 and *path (caller frees), 0 not there. */
static int
kept_path(struct reproduction *p, const struct ai_ref *content, char **path, struct ai_err *err)
{
	int r = ai_store_has(p->job.store, content, err);
	if (r <= 0)
		return r;
	if (content->type == AI_REF_TREE)
		return ai_store_checked_out(p->job.store, &content->id, path, err) < 0 ? err->code : 1;
	*path = ai_store_object_path(p->job.store, &content->id);
	return *path ? 1 : ai_nomem(err);
}

/* A path input that nobody gave: what the store has under its id, else what lies in the project. */
static int
use_kept(struct reproduction *p, struct ai_input *in, const struct ai_ref *content, const char **from, struct ai_err *err)
{
	char *path = NULL;
	int r = kept_path(p, content, &path, err);
	if (r < 0)
		return r;
	if (r == 1) {
		*from = "the cache";
		return take_path(in, path, err);
	}
	AI_FREE char *uri = ai_source_uri(in);
	AI_FREE char *there = ai_join(p->project, in->where);
	if (!uri || !there)
		return ai_nomem(err);
	bool outside = strcmp(uri, "local") == 0;
	*from = p->project;
	if (!outside && ai_exists(there))
		return 0;
	if (outside)
		ai_fail(err, AI_EINPUT, "input '%s': is a path of the builder's machine: '%s'", in->name, in->where);
	else
		ai_fail(err, AI_EINPUT, "input '%s': no '%s' in %s", in->name, in->where, p->project);
	return ai_hint(err, outside ? "give it with --input %s=PATH" : "give it with --input %s=PATH, or its project with --project DIR", in->name);
}

/* An output of another run is what the proof says that it is, from wherever it comes: its run's proof is asked only for where that is. */
static int
use_kept_output(struct reproduction *p, struct ai_input *in, const struct ai_ref *content, const char **from, struct ai_err *err)
{
	char *path = NULL;
	int r = kept_path(p, content, &path, err);
	if (r <= 0)
		return r;
	*from = "the cache";
	return take_path(in, path, err);
}

static int
place_input(struct reproduction *p, struct ai_input *in, struct ai_err *err)
{
	const json_t *node = proof_source(p, in->name);
	const char *given = given_path(p, in->name), *from = given ? given : "its pin";
	struct ai_ref content;
	if (!node)
		return ai_fail(err, AI_ENO, "input '%s': the proof does not show its source", in->name);
	if (ai_ref_get(ai_json_obj(node, "content"), &content, err) < 0)
		return err->code;
	int r = given ? use_given(p, in, given, err) : in->type == AI_INPUT_PATH ? use_kept(p, in, &content, &from, err)
		: in->type == AI_INPUT_PROOF ? use_kept_output(p, in, &content, &from, err) : 0;
	if (r < 0)
		return r;
	return json_array_append_new(p->inputs, json_pack("{s:s, s:s}", "name", in->name, "from", from)) < 0 ? ai_nomem(err) : 0;
}

/* An image out of a folder or archive is found where the user says; one of a registry comes by its digest from wherever mirrors are. */
static int
place_image(struct reproduction *p, struct ai_image_ref *image, struct ai_err *err)
{
	const char *given = given_path(p, image->text);
	if (given && image->kind == AI_IMAGE_REGISTRY)
		return ai_fail(err, AI_EUSAGE, "--input: '%s' comes from a registry, by its digest", image->text);
	if (given) {
		char *path = realpath(given, NULL);
		if (!path)
			return ai_fail_errno(err, AI_EINPUT, "--input %s: %s", image->text, given);
		free(image->path);
		image->path = path;
		AI_FREE char *uri = ai_image_uri(image);
		if (move_pin(p, "images", image->text, uri, err) < 0)
			return err->code;
	}
	return json_array_append_new(p->inputs, json_pack("{s:s, s:s}", "name", image->text, "from", given ? given : "its pin")) < 0 ? ai_nomem(err) : 0;
}

/* The first file in which two contents differ, where both trees are known; "" otherwise. */
static void
first_difference(struct reproduction *p, const struct ai_ref *want, const struct ai_ref *got, char *out, size_t n)
{
	struct ai_compare_io io = ai_job_compare_io(&p->job);
	AI_JSON *list = json_array();
	struct ai_compare c = { .io = &io, .list = list };
	struct ai_err ignored = { 0 };
	out[0] = '\0';
	if (!list || ai_compare(&c, "", want, got, &ignored) < 0)
		return;
	const char *path = ai_json_str(json_array_get(list, 0), "path");
	if (path && path[0])
		snprintf(out, n, "; the first file that differs is '%s'", path);
}

/*
 * What arrived must be the proof's content. Then the proof's node stands for it, which also says where the builder had it from, and its pin
 * names that place again.
 */
static int
hold_against(void *ctx, struct ai_job_source *s, struct ai_err *err)
{
	struct reproduction *p = ctx;
	const json_t *node = proof_source(p, s->name);
	struct ai_ref want;
	if (!node)
		return ai_fail(err, AI_EENV, "'%s' is called for on this machine, and is no source of the proof", s->name);
	if (ai_ref_get(ai_json_obj(node, "content"), &want, err) < 0)
		return err->code;
	if (!ai_ref_eq(&want, &s->content)) {
		char got_hex[AI_HEX], want_hex[AI_HEX], where[300];
		ai_hex(&s->content.id, got_hex);
		ai_hex(&want.id, want_hex);
		first_difference(p, &want, &s->content, where, sizeof where);
		ai_fail(err, AI_EINPUT, "input '%s': is not the proof's: got %s %s, expected %s %s%s", s->name, ai_ref_word(s->content.type), got_hex,
			ai_ref_word(want.type), want_hex, where);
		return ai_hint(err, "give what the proof was made from with --input %s=PATH", s->name);
	}
	const char *uri = ai_json_str(node, "uri");
	if (uri && move_pin(p, s->input ? "inputs" : "images", s->name, uri, err) < 0)
		return err->code;
	json_decref(s->node);
	s->node = json_incref((json_t *)node);
	return ai_store_put_node(p->job.store, s->node, &s->id, err);
}

/* A host that has the packages of a requirements.txt already calls for no wheels: then the steps would not be the proof's. */
static int
all_called_for(const struct reproduction *p, struct ai_err *err)
{
	size_t i;
	json_t *s;
	json_array_foreach(ai_json_arr(p->plan, "sources"), i, s) {
		bool there = false;
		for (size_t k = 0; k < p->job.n_sources; k++)
			there = there || strcmp(p->job.sources[k].name, ai_json_str(s, "name")) == 0;
		if (!there)
			return ai_fail(err, AI_EENV, "'%s' is a source of the proof, and is not called for on this machine", ai_json_str(s, "name"));
	}
	return 0;
}

int
ai_reproduce_inputs(struct reproduction *p, struct ai_err *err)
{
	struct ai_job *job = &p->job;
	if (check_given_names(p, err) < 0)
		return err->code;
	for (size_t i = 0; i < job->manifest->n_inputs; i++)
		if (place_input(p, &job->manifest->inputs[i], err) < 0)
			return err->code;
	for (size_t i = 0; i < job->manifest->n_images; i++)
		if (place_image(p, job->manifest->images[i], err) < 0)
			return err->code;
	job->brought = hold_against;
	job->brought_ctx = p;
	if (ai_job_fetch(job, err) < 0)
		return err->code;
	for (size_t i = 0; i < job->n_sources; i++)
		if (hold_against(p, &job->sources[i], err) < 0)
			return err->code;
	return all_called_for(p, err);
}
